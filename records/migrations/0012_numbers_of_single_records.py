"""Taking the number of a single record, and an index that new records stay out of."""

from pathlib import Path

from django.db import migrations, models

SOURCE = Path(__file__).parent.parent / "sql" / "director_take_number.sql"


class Migration(migrations.Migration):
    dependencies = (("records", "0011_reveal_secret"), ("workflows", "0001_initial"))
    operations = (
        migrations.RunSQL(
            SOURCE.read_text(encoding="utf-8"), "DROP FUNCTION director_take_number(uuid, text, text, bigint)"
        ),
        migrations.RemoveIndex(model_name="workflowrecord", name="record_by_iterate"),
        migrations.AddIndex(
            model_name="workflowrecord",
            index=models.Index(
                condition=~models.Q(iteration_node_alias=""),
                fields=("workflow", "iteration_node_alias"),
                name="record_by_iterate",
            ),
        ),
    )
