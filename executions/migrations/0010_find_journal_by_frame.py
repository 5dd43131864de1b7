import django.db.models.deletion
from django.contrib.postgres.operations import RemoveIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    """A record's journal is found by its frames, so no index of the journal by record; dropped while runs go on."""

    atomic = False

    dependencies = [("executions", "0009_index_of_ready_frames")]

    operations = [
        RemoveIndexConcurrently("executionstep", "journal_by_record"),
        migrations.AlterField(
            "executionstep",
            "record",
            models.ForeignKey(
                db_constraint=False,
                db_index=False,
                null=True,
                on_delete=django.db.models.deletion.DO_NOTHING,
                related_name="steps",
                to="records.workflowrecord",
            ),
        ),
    ]
