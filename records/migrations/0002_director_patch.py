"""The SQL function that patches a record's data by path."""

from pathlib import Path

from django.db import migrations

SOURCE = Path(__file__).parent.parent / "sql" / "director_patch.sql"
REVERSE = """
DROP FUNCTION director_patch(jsonb, jsonb);
DROP FUNCTION director_patch_one(jsonb, jsonb);
DROP FUNCTION director_patch_deep(jsonb, jsonb);
"""


class Migration(migrations.Migration):
    dependencies = (("records", "0001_initial"),)
    operations = (migrations.RunSQL(SOURCE.read_text(encoding="utf-8"), REVERSE),)
