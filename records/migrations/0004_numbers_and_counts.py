"""Numbers in ids as SQL, and the triggers that keep count of records by type and status."""

from pathlib import Path

from django.db import migrations

SQL = Path(__file__).parent.parent / "sql"
REMOVE_COUNTS = """
DROP TRIGGER record_counted_when_added ON workflow_records;
DROP TRIGGER record_counted_when_moved ON workflow_records;
DROP TRIGGER record_counted_when_removed ON workflow_records;
DROP FUNCTION director_count_records();
DELETE FROM record_counts;
"""


class Migration(migrations.Migration):
    dependencies = (("records", "0003_types_search_counts_and_changes"),)
    operations = (
        migrations.RunSQL(
            (SQL / "director_number_in.sql").read_text(encoding="utf-8"), "DROP FUNCTION director_number_in(text, text, text)"
        ),
        migrations.RunSQL((SQL / "record_counts.sql").read_text(encoding="utf-8"), REMOVE_COUNTS),
    )
