"""Records are found by what their fields say now, and no more by what stands under a secret key.

The words of a record are made by `records.search`, whatever its rules are when this runs: an index is not worth a frozen
copy of them. It can be interrupted and run again.
"""

from typing import Any
from uuid import UUID

from django.db import connection, migrations

from records import search

BATCH = 1_000
# In the order of the primary key.
NEXT = """
SELECT workflow_id, record_id FROM record_search WHERE (workflow_id, record_id) > (%s, %s)
ORDER BY workflow_id, record_id LIMIT %s
"""
FIRST = UUID(int=0)


def index_again(apps: Any, schema_editor: Any) -> None:
    last = (FIRST, FIRST)
    with connection.cursor() as cursor:
        while True:
            cursor.execute(NEXT, [*last, BATCH])
            rows = cursor.fetchall()
            if not rows:
                return
            for workflow in {workflow for workflow, _ in rows}:
                search.refresh(cursor, workflow, [record for found, record in rows if found == workflow])
            last = rows[-1]


class Migration(migrations.Migration):
    atomic = False  # each batch by itself: no lock outlives it

    dependencies = (("records", "0009_view_that_opens_first"),)
    operations = (migrations.RunPython(index_again, migrations.RunPython.noop),)
