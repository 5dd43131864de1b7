"""The secrets of a workflow, to be masked by their value wherever steps have put them into other values.

Masking by key (`records.masking`) does not see "the key is …" in a text that a template has made. What is secret is
known from where it stands: the sensitive variables, and everything under a secret's name in variables, in records and
in what started a run. Whoever shows a record's data asks here: `secrets_of_records` for a page of them, `secrets_of`
once and then `Secrets.shown` for each of a stream.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.contrib.postgres.expressions import ArraySubquery
from django.db.models import OuterRef, Q, QuerySet, TextField
from django.db.models.functions import Cast, JSONObject

from records.masking import PARTS, WORDS, is_sensitive, mask_at, mask_tree, mask_values
from records.models import WorkflowRecord, WorkflowVariable
from workflows.expressions import RecordView
from workflows.models import Workflow
from workflows.querysets import WorkflowQuerySet

# Wider than `is_sensitive`, which decides: only what may hold a secret is read.
MAYBE = "|".join((*PARTS, *WORDS))
# For those who do not read a record's data itself: what may be a secret's name in it, with what stands under it. Of a
# small record it is all of the data, since looking through it takes PostgreSQL several times as long as to give it away.
SMALL_BYTES = 4_096
MAYBE_SQL = (
    f"CASE WHEN pg_column_size({{data}}) < {SMALL_BYTES} THEN {{data}} ELSE jsonb_path_query_array({{data}}, "
    f"""'strict $.** ? (@.type() == "object").keyvalue() ? (@.key like_regex "{MAYBE}" flag "i")') END"""
)


@dataclass(frozen=True, slots=True)
class Secrets:
    """Texts that are not shown."""

    texts: frozenset[str] = frozenset()

    def among(self, *values: Any) -> Secrets:
        """Return these secrets, and those that stand under a secret's name in the values."""
        own = frozenset().union(*map(under_secret_names, values))
        return self if own <= self.texts else Secrets(self.texts | own)

    def __or__(self, others: Secrets) -> Secrets:
        return Secrets(self.texts | others.texts)

    def hide(self, value: Any) -> Any:
        """Return a JSON value as it may be shown: secrets masked by their keys and by their values."""
        return mask_values(mask_tree(value), self.texts)

    def shown(self, data: Any) -> Any:
        """Return a record's data, or any other whole, as it may be shown: also without its own secrets."""
        return self.among(data).hide(data)

    def hide_at(self, path: Iterable[str | int], value: Any) -> Any:
        """Return what stands at a path as it may be shown."""
        return mask_values(mask_at(path, value), self.texts)


NO_SECRETS = Secrets()


def secrets_of(workflow_id: UUID, *values: Any) -> Secrets:
    """Return the secrets of the workflow's variables, and those in the values (a record's data, say). One query."""
    return secrets_of_workflows([workflow_id])[workflow_id].among(*values)


def telling(workflows: WorkflowQuerySet) -> WorkflowQuerySet:
    """Return the workflows with what may be secret of their variables, for `secrets_of_workflow`, by the same query."""
    rows = _maybe(WorkflowVariable.objects.filter(workflow=OuterRef("pk")))
    told = JSONObject(key="key", value="value", sensitive="sensitive")
    return workflows.annotate(maybe_secret=ArraySubquery(rows.values_list(told)))


def secrets_of_workflow(workflow: Workflow) -> Secrets:
    """Return the secrets of the workflow's variables. One query, none when it was found `telling` them."""
    told = getattr(workflow, "maybe_secret", None)
    if told is None:
        return secrets_of(workflow.pk)
    return Secrets(frozenset().union(*(_of_variable(WorkflowVariable(**one)) for one in told)))


def secrets_of_workflows(workflows: Collection[UUID]) -> dict[UUID, Secrets]:
    """Return the secrets of each workflow's variables. One query, none without workflows."""
    found: dict[UUID, set[str]] = defaultdict(set)
    rows = _maybe(WorkflowVariable.objects.filter(workflow__in=workflows)) if workflows else ()
    for row in rows:
        found[row.workflow_id].update(_of_variable(row))
    return {workflow: Secrets(frozenset(found[workflow])) for workflow in workflows}


def secrets_of_records(records: Collection[WorkflowRecord]) -> dict[UUID, Secrets]:
    """Return what is not shown of each record, by its primary key: its workflow's secrets and its own. One query.

    records: with their data, or from a list, where `maybe_secret` stands for it.
    """
    known = secrets_of_workflows({record.workflow_id for record in records})
    return {record.pk: known[record.workflow_id].among(own_secrets(record)) for record in records}


def said_in(patch: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return what a JSON Patch puts into a record, each value under its place, for secrets to be looked for in it."""
    return [{operation["path"]: operation["value"]} for operation in patch if "value" in operation]


def own_secrets(record: WorkflowRecord) -> Any:
    """Return a value that has the record's own secrets under their names: its data, or what a list has of it."""
    return record.data if record.maybe_secret is None else named(record.maybe_secret)


def named(found: Any) -> list[Any]:
    """Return what MAYBE_SQL has found, each value under its name."""
    return [found] if isinstance(found, dict) else [{one["key"]: one["value"]} for one in found]


def _maybe(rows: QuerySet[WorkflowVariable]) -> QuerySet[WorkflowVariable]:
    """The variables that may hold a secret."""
    maybe = Q(sensitive=True) | Q(key__iregex=MAYBE) | Q(written__iregex=MAYBE)
    found = rows.exclude(sensitive=False).annotate(written=Cast("value", TextField())).filter(maybe)
    return found.only("workflow_id", "key", "value", "sensitive")


def _of_variable(row: WorkflowVariable) -> list[str]:
    return under_secret_names(row.value, is_secret=row.is_sensitive)


def under_secret_names(value: Any, *, is_secret: bool = False) -> list[str]:
    """Return the texts that stand under a secret's name, at any depth; all of them where the value itself is secret."""
    found: list[str] = []
    _gather(value, found, is_secret=is_secret)
    return found


def _gather(value: Any, found: list[str], *, is_secret: bool) -> None:
    """Add to what was found; every record that is shown goes through here."""
    if isinstance(value, str):
        if is_secret:
            found.append(value)
    elif isinstance(value, dict):
        for key, item in value.items():
            _gather(item, found, is_secret=is_secret or is_sensitive(str(key)))
    elif isinstance(value, list | tuple):
        for item in value:
            _gather(item, found, is_secret=is_secret)
    elif isinstance(value, RecordView):
        _gather(value.data, found, is_secret=is_secret)
    elif isinstance(value, Mapping):
        _gather(dict(value), found, is_secret=is_secret)
