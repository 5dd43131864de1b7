"""Who may see what is masked, and keeping that it was seen."""

from __future__ import annotations

from typing import Any

from django.db import connection

from records.errors import RevealRefused
from records.filters import RecordFilter, conditions
from records.history import Origin
from records.models import ChangeKind
from workflows.models import Workflow

PERMISSION = "records.reveal_secret"

KEEP_REVEALED = """
INSERT INTO record_changes (workflow_id, record_id, name, kind, source, actor_id, alias, reason, patch, undo, revision)
SELECT %(workflow)s, r.id, r.record_id, %(kind)s, %(source)s, %(actor)s, '', %(reason)s, '[]', '[]', r.revision
FROM workflow_records r WHERE {where}
"""


def may_reveal(user: Any, workflow: Workflow) -> bool:
    """Whether a person who may see the workflow may also see its secrets: its owner, and who has the permission."""
    return bool(workflow.owner_id == user.pk or user.has_perm(PERMISSION))


def reveal_records(user: Any, workflow: Workflow, narrow: RecordFilter, origin: Origin) -> None:
    """Keep with every record that matches that its secrets are shown. One query. Raises RevealRefused."""
    if not may_reveal(user, workflow):
        raise RevealRefused(f'the records of "{workflow.name}"')
    quick, slow, values = conditions(narrow)
    where = " AND ".join(["r.workflow_id = %(workflow)s", *quick, *slow])
    values |= {
        "workflow": workflow.pk,
        "kind": ChangeKind.REVEALED,
        "source": origin.source,
        "actor": origin.actor_id,
        "reason": origin.reason,
    }
    with connection.cursor() as cursor:
        cursor.execute(KEEP_REVEALED.format(where=where), values)
