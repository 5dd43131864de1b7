"""Finding the records that items belong to, alone with them."""

from pathlib import Path

from django.db import migrations

SOURCE = Path(__file__).parent.parent / "sql" / "director_find_records.sql"


class Migration(migrations.Migration):
    dependencies = (("records", "0007_imports_and_views"),)
    operations = (
        migrations.RunSQL(
            SOURCE.read_text(encoding="utf-8"), "DROP FUNCTION director_find_records(uuid, text, text[], text[], bool)"
        ),
    )
