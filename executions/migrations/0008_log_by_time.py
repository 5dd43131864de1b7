from django.contrib.postgres.operations import AddIndexConcurrently, RemoveIndexConcurrently
from django.db import migrations, models
from django.db.models import Q


class Migration(migrations.Migration):
    """Indexes of the run's log, made while runs go on."""

    atomic = False

    dependencies = [("executions", "0007_lease_inline_frames")]

    operations = [
        AddIndexConcurrently("logevent", models.Index(fields=("execution", "level", "at", "id"), name="log_by_level")),
        RemoveIndexConcurrently("logevent", "log_by_execution"),
        AddIndexConcurrently(
            "executionstep",
            models.Index(
                fields=("execution", "started_at", "id"),
                condition=Q(status__in=("failed", "interrupted")),
                name="journal_failures",
            ),
        ),
    ]
