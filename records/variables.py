"""A workflow's variables: values by key, lasting ones and those of one run.

`set` and `delete` lock the row, check, write, and keep the history, in one transaction. `increment`, `append` and
`compare_and_set` are single statements, for steps that run side by side.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final, cast
from uuid import UUID

from django.db import transaction
from django.db.models import Q, QuerySet

from director.jsontools import dumps
from records import iterates, schemas
from records.errors import RevealRefused, VariableChanged, VariableInvalid, VariableKeyInvalid, VariableNotFound
from records.history import Origin
from records.masking import MASK
from records.models import ChangeKind, VariableChange, WorkflowVariable
from records.patterns import ANY, like
from workflows.models import Workflow

MAX_KEY_CHARACTERS = 255
LINE_CHARACTERS = 100  # of a value in the formatted list
KNOWN_SHOWN = 500  # keys that a misspelt one is compared with

_INSERT = """
INSERT INTO workflow_memory AS m (workflow_id, execution_id, key, value, schema, sensitive, reason, actor_id, alias,
    set_in)
VALUES (%(workflow)s, %(execution)s, %(key)s, %(value)s::jsonb, %(schema)s::jsonb, %(sensitive)s, %(reason)s,
    %(actor)s, %(alias)s, %(set_in)s)
"""
_LASTING = "ON CONFLICT (workflow_id, key) WHERE execution_id IS NULL "
_OF_RUN = "ON CONFLICT (execution_id, workflow_id, key) WHERE execution_id IS NOT NULL "
_SIGNED = """, actor_id = excluded.actor_id, alias = excluded.alias, set_in = excluded.set_in, updated_at = now(),
    revision = m.revision + 1
"""
_SET = """DO UPDATE SET value = excluded.value, schema = excluded.schema, sensitive = excluded.sensitive,
    reason = excluded.reason"""
_INCREMENT = "DO UPDATE SET value = to_jsonb((m.value #>> '{}')::numeric + (excluded.value #>> '{}')::numeric)"
_APPEND = "DO UPDATE SET value = m.value || excluded.value"
_OF_TYPE = "WHERE jsonb_typeof(m.value) = %(type)s"
_SWAP = """
UPDATE workflow_memory m SET value = %(value)s::jsonb, actor_id = %(actor)s, alias = %(alias)s, set_in = %(set_in)s,
    updated_at = now(), revision = m.revision + 1
WHERE workflow_id = %(workflow)s AND execution_id IS NOT DISTINCT FROM %(execution)s AND key = %(key)s
    AND value = %(expected)s::jsonb RETURNING *
"""


class _Absent:
    def __repr__(self) -> str:
        return "ABSENT"


# There is no such variable; and, for what `set` may leave as it is, "not given".
ABSENT: Final = _Absent()


class Variables:
    """The variables of a workflow. With `execution_id`, those of that run, and the lasting ones where it has none."""

    def __init__(self, workflow: Workflow, origin: Origin, execution_id: UUID | None = None) -> None:
        self.workflow, self.origin, self.execution_id = workflow, origin, execution_id

    # --- reading ----------------------------------------------------------------------------------------------------
    def row(self, key: str) -> WorkflowVariable:
        """Return the variable; raises VariableNotFound with the nearest key."""
        found = self._visible().filter(key=key).order_by("execution_id").first()  # nulls last: the run's own first
        if found is None:
            raise self._not_found(key)
        return found

    def get(self, key: str, default: Any = ABSENT) -> Any:
        """Return the value as it is, secrets included; the default, or VariableNotFound, where there is none."""
        try:
            return self.row(key).value
        except VariableNotFound:
            if default is ABSENT:
                raise
            return default

    def query(self, pattern: str = ANY, *, step: str = "", text: str = "") -> QuerySet[WorkflowVariable]:
        """Return variables in the order of their keys.

        pattern: of the key. step: what belongs to the step with this alias (`alias`, `alias.…`, `@iter:alias:…`).
        text: contained in the key.
        """
        rows = self._visible().order_by("key")
        if pattern != ANY:
            rows = rows.extra(where=["key LIKE %s"], params=[like(pattern)])
        if step:
            own = Q(key=step) | Q(key__startswith=f"{step}.")
            rows = rows.filter(own | Q(key=f"@iter:{step}") | Q(key__startswith=f"@iter:{step}:"))
        if text:
            rows = rows.filter(key__icontains=text)
        return rows

    def formatted(self, pattern: str = ANY) -> str:
        """Return one line for each variable: `key = value`, long values cut with their size told, secrets masked."""
        return "\n".join(_lines(self.query(pattern)))

    # --- writing ----------------------------------------------------------------------------------------------------
    @transaction.atomic
    def set(
        self,
        key: str,
        value: Any,
        *,
        schema: Any = ABSENT,
        sensitive: bool | _Absent | None = ABSENT,
        reason: str | None = None,
        expected_revision: int | None = None,
    ) -> WorkflowVariable:
        """Set the variable, new or not, and return it. What is not given stays as it is.

        schema: JSON Schema 2020-12, None for none. sensitive: None to be judged by the key. expected_revision: 0 for
        "there is none yet". Raises VariableInvalid (path and rule), SchemaInvalid, VariableChanged, VariableKeyInvalid,
        ValueInvalid. At most 5 queries.
        """
        _check_key(key)
        before = self._own().select_for_update(no_key=True).filter(key=key).first()
        self._check_revision(key, before, expected_revision)
        after = WorkflowVariable(
            key=key,
            value=value,
            schema=(before.schema if before else None) if schema is ABSENT else schema,
            sensitive=(before.sensitive if before else None) if isinstance(sensitive, _Absent) else sensitive,
            reason=reason if reason is not None else before.reason if before else "",
        )
        schemas.check_schema(after.schema)
        self._check_value(after)
        (row,) = self._write(_SET, after)
        self._keep(ChangeKind.EDITED if before else ChangeKind.CREATED, row, before, reason)
        iterates.clean_stale(self.workflow.pk, key)
        return row

    @transaction.atomic
    def increment(self, key: str, by: int | float = 1) -> int | float:
        """Add to a number and return the sum; one that is not there yet begins at 0. Atomic.

        Raises VariableInvalid when it is no number, or when the sum breaks its schema. At most 2 queries.
        """
        total: Any = self._change(key, by, _INCREMENT, "number").value
        return cast("int | float", total)

    @transaction.atomic
    def append(self, key: str, item: Any) -> list[Any]:
        """Add to the end of a list and return it; one that is not there yet begins empty. Atomic.

        Raises VariableInvalid when it is no list, or when the longer list breaks its schema. At most 2 queries.
        """
        longer: Any = self._change(key, [item], _APPEND, "array").value
        return cast("list[Any]", longer)

    @transaction.atomic
    def compare_and_set(self, key: str, expected: Any, value: Any) -> bool:
        """Set the variable if it has the expected value (ABSENT: if there is none); return whether it did. Atomic.

        Raises VariableInvalid when the value breaks the schema. One query.
        """
        _check_key(key)
        given = _given(key, value)
        if expected is ABSENT:
            return bool(self._write("DO NOTHING", given, signed=False))
        values = {**self._values(given), "expected": dumps(expected).decode()}
        swapped = list(WorkflowVariable.objects.raw(_SWAP, values))
        for row in swapped:
            self._check_value(row)
        return bool(swapped)

    @transaction.atomic
    def delete(self, key: str, *, reason: str = "", expected_revision: int | None = None) -> None:
        """Delete the variable; raises VariableNotFound, VariableChanged. At most 5 queries."""
        row = self._own().select_for_update().filter(key=key).first()
        if row is None:
            raise self._not_found(key)
        self._check_revision(key, row, expected_revision)
        self._keep(ChangeKind.DELETED, None, row, reason)
        row.delete()
        iterates.clean_stale(self.workflow.pk, key)

    @transaction.atomic
    def clear(self, pattern: str = ANY, *, reason: str = "") -> int:
        """Delete every variable whose key fits the pattern; return how many. Three queries."""
        rows = list(self._own().extra(where=["key LIKE %s"], params=[like(pattern)]).select_for_update())
        VariableChange.objects.bulk_create(
            [self._change_of(ChangeKind.DELETED, None, row, reason) for row in rows], batch_size=1_000
        )
        self._own().filter(pk__in=[row.pk for row in rows]).delete()
        return len(rows)

    def reveal(self, key: str, *, may: bool, reason: str = "") -> Any:
        """Return a sensitive value to a person, and keep that it was shown. may: whether the person has the right.

        Raises RevealRefused, VariableNotFound.
        """
        row = self.row(key)
        if row.is_sensitive and not may:
            raise RevealRefused(key)
        self._keep(ChangeKind.REVEALED, row, row, reason)
        return row.value

    # --- how ----------------------------------------------------------------------------------------------------
    def _own(self) -> QuerySet[WorkflowVariable]:
        return WorkflowVariable.objects.filter(workflow=self.workflow, execution_id=self.execution_id)

    def _visible(self) -> QuerySet[WorkflowVariable]:
        rows = WorkflowVariable.objects.filter(workflow=self.workflow)
        own = Q(execution_id=self.execution_id) if self.execution_id else Q()
        return rows.filter(own | Q(execution_id=None)) if self.execution_id else rows.filter(execution_id=None)

    def _change(self, key: str, value: Any, how: str, kind: str) -> WorkflowVariable:
        _check_key(key)
        rows = self._write(how, _given(key, value), condition=_OF_TYPE, type=kind)
        if not rows:
            found = self.row(key)
            message = f"is {_type_name(found.value)}, and only {'a number' if kind == 'number' else 'a list'} can grow"
            raise VariableInvalid(key, [{"path": "", "rule": "type", "message": message}])
        self._check_value(rows[0])
        return rows[0]

    def _write(
        self, how: str, given: WorkflowVariable, *, signed: bool = True, condition: str = "", **more: Any
    ) -> list[WorkflowVariable]:
        conflict = _LASTING if self.execution_id is None else _OF_RUN
        statement = f"{_INSERT}{conflict}{how}{_SIGNED if signed else ''} {condition} RETURNING *"
        return list(WorkflowVariable.objects.raw(statement, {**self._values(given), **more}))

    def _values(self, given: WorkflowVariable) -> dict[str, Any]:
        return {
            "workflow": self.workflow.pk,
            "execution": self.execution_id,
            "key": given.key,
            "value": dumps(given.value).decode(),
            "schema": None if given.schema is None else dumps(given.schema).decode(),
            "sensitive": given.sensitive,
            "reason": given.reason,
            "actor": self.origin.actor_id,
            "alias": self.origin.alias,
            "set_in": self.origin.execution_id,
        }

    def _check_revision(self, key: str, row: WorkflowVariable | None, expected: int | None) -> None:
        revision = row.revision if row else 0
        if expected is not None and expected != revision:
            raise VariableChanged(key, expected, revision)

    def _check_value(self, row: WorkflowVariable) -> None:
        found = schemas.problems(row.schema, row.value, secret=row.is_sensitive)
        if found:
            raise VariableInvalid(row.key, found)

    def _not_found(self, key: str) -> VariableNotFound:
        known = self._visible().values_list("key", flat=True)[:KNOWN_SHOWN]
        return VariableNotFound(self.workflow.name, key, list(known))

    def _keep(
        self, kind: ChangeKind, after: WorkflowVariable | None, before: WorkflowVariable | None, reason: str | None
    ) -> None:
        """Keep the change if a person made it: steps are in the journal."""
        if self.origin.by_person:
            self._change_of(kind, after, before, reason).save(force_insert=True)

    def _change_of(
        self, kind: ChangeKind, after: WorkflowVariable | None, before: WorkflowVariable | None, reason: str | None
    ) -> VariableChange:
        row = after or before
        assert row is not None
        secret = any(one is not None and one.is_sensitive for one in (after, before))
        return VariableChange(
            workflow=self.workflow,
            execution_id=self.execution_id,
            key=row.key,
            kind=kind,
            source=self.origin.source,
            actor_id=self.origin.actor_id,
            reason=reason or self.origin.reason,
            before=_kept(before, secret=secret),
            after=_kept(after, secret=secret),
        )


def sensitive_values(workflow_id: UUID) -> list[str]:
    """Return the texts among a workflow's sensitive variables: what must not be shown wherever it has travelled."""
    rows = WorkflowVariable.objects.filter(workflow_id=workflow_id).exclude(sensitive=False)
    return [row.value for row in rows if row.is_sensitive and isinstance(row.value, str)]


def _given(key: str, value: Any) -> WorkflowVariable:
    return WorkflowVariable(key=key, value=value, reason="")


def _check_key(key: str) -> None:
    if not key.strip():
        raise VariableKeyInvalid(key, "is empty")
    if len(key) > MAX_KEY_CHARACTERS:
        raise VariableKeyInvalid(key, f"has {len(key)} characters, at most {MAX_KEY_CHARACTERS} are kept")
    dumps(key)


def _kept(row: WorkflowVariable | None, *, secret: bool) -> Any:
    if row is None:
        return None
    return MASK if secret else row.value


def _type_name(value: Any) -> str:
    names = {
        str: "a text",
        bool: "true or false",
        int: "a number",
        float: "a number",
        list: "a list",
        dict: "an object",
    }
    return names.get(type(value), "null")


def _lines(rows: QuerySet[WorkflowVariable]) -> Iterator[str]:
    for row in rows:
        text = dumps(row.shown).decode()
        if len(text) > LINE_CHARACTERS:
            text = f"{text[:LINE_CHARACTERS]}… ({len(text):,} characters)"
        yield f"{row.key} = {text}"
