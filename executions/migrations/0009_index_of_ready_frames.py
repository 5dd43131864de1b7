from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models
from django.db.models import Q


class Migration(migrations.Migration):
    """The index of what may be claimed, made while runs go on."""

    atomic = False

    dependencies = [("executions", "0008_log_by_time")]

    operations = [
        AddIndexConcurrently(
            "executionframe",
            models.Index(fields=("execution", "id"), condition=Q(status="ready"), name="frame_ready"),
        )
    ]
