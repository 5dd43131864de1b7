"""Triggers that keep terminal states final, whoever writes."""

from pathlib import Path

from django.db import migrations

SQL = Path(__file__).resolve().parent.parent / "sql"


class Migration(migrations.Migration):
    dependencies = (("executions", "0001_initial"),)
    operations = (migrations.RunSQL((SQL / "guards.sql").read_text(), (SQL / "drop_guards.sql").read_text()),)
