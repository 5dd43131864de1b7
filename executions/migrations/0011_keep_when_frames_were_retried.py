import django.contrib.postgres.fields
from django.db import migrations, models


class Migration(migrations.Migration):
    """Tell in the story of each record that it was retried among many; nothing is kept of earlier retries."""

    dependencies = [("executions", "0010_find_journal_by_frame")]

    operations = [
        migrations.AddField(
            "executionframe",
            "retried_at",
            django.contrib.postgres.fields.ArrayField(models.DateTimeField(), blank=True, null=True),
        ),
    ]
