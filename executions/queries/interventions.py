"""What people did to a run while it went on, in words."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from director import paging
from executions.models import Execution, ExecutionIntervention
from executions.queries.secrets import secrets_of_changes
from records.secrets import NO_SECRETS

PAGE_SIZE = 10
NAMED = 3  # things named one by one; of more it is told how many

VERBS = {
    "paused": "paused",
    "resumed": "let go on",
    "changed": "changed",
    "cleared": "cleared the breakpoint at",
    "cancelled": "cancelled",
    "decided": "decided about",
    "repaired": "repaired",
    "retried": "retried",
    "replayed": "replayed",
}


@dataclass(frozen=True, slots=True)
class Done:
    """One intervention. what: in words, without who and why. changes: what exactly, secrets masked; empty: nothing more."""

    id: int
    at: datetime
    user: Any
    kind: str
    what: str
    reason: str
    changes: Mapping[str, Any]


def interventions_page(execution: Execution, cursor: str = "") -> paging.Page[Done]:
    """Return a page of what people did to the run, newest first. Three queries. Index intervention_by_execution."""
    rows = ExecutionIntervention.objects.filter(execution=execution).select_related("user")
    page = paging.page_by(rows, ["id"], cursor, newest_first=True, size=PAGE_SIZE)
    return page.showing([_done(row) for row in without_secrets(execution, page.rows)])


def without_secrets(execution: Execution, rows: Sequence[ExecutionIntervention]) -> Sequence[ExecutionIntervention]:
    """Return the rows with what was changed as it may be shown. Two queries at most, none without rows."""
    secrets = secrets_of_changes(execution, [row.changes for row in rows]) if rows else NO_SECRETS
    for row in rows:
        row.changes = secrets.hide(row.changes)
    return rows


def _done(row: ExecutionIntervention) -> Done:
    return Done(row.pk, row.at, row.user, row.kind, words(row.kind, row.changes), row.reason, row.changes)


def words(kind: str, changes: Mapping[str, Any]) -> str:
    """Return what was done: "paused before save_lead", "let go on 3 records, changed inputs or outputs of classify"."""
    steps, records = changes.get("steps") or (), changes.get("only") or changes.get("records") or ()
    verb = VERBS.get(kind, kind)
    if kind == "paused":
        where = f" before {_listed(steps, 'step')}" if steps else ""
        return f"paused {_listed(records, 'record') if records else '' if where else 'the run'}{where}".replace(
            "  ", " "
        )
    if kind in ("resumed", "changed"):
        return _resumed(kind, changes)
    if kind == "cleared":
        return f"{verb} {_listed(steps, 'step')}"
    return f"{verb} {_listed(records, 'record') if records else 'the run'}"


def _resumed(kind: str, changes: Mapping[str, Any]) -> str:
    parts = []
    if steps := changes.get("steps"):
        parts.append(f"inputs or outputs of {_listed(steps, 'step')}")
    if records := changes.get("records"):
        parts.append(f"fields of {_listed(records, 'record')}")
    if variables := changes.get("variables"):
        parts.append(f"the variables {_listed(variables, 'variable')}")
    changed = f"changed {', '.join(parts)}" if parts else ""
    if kind == "changed":
        return changed or "changed nothing"
    only = changes.get("only")
    went = f"let {_listed(only, 'record')} go on" if only else "let the run go on"
    return f"{went} and {changed}" if changed else went


def _listed(things: Iterable[str], word: str) -> str:
    names = list(things)
    return ", ".join(names) if len(names) <= NAMED else f"{len(names):,} {word}s"
