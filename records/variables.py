"""A workflow's variables: values by key, lasting ones and those of one run.

`set` and `delete` lock the row, check, write, and keep the history, in one transaction. `increment`, `append` and
`compare_and_set` are single statements, for steps that run side by side. What the engine's steps set goes by the same
rules (`records.variable_rules`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final, cast
from uuid import UUID

from django.db import connection, transaction
from django.db.models import Q, QuerySet

from director.jsontools import dumps
from records import iterates, schemas
from records.errors import RevealRefused, VariableChanged, VariableInvalid, VariableNotFound
from records.history import Origin
from records.masking import masked_paths
from records.models import ChangeKind, VariableChange, WorkflowVariable
from records.patterns import ANY, like
from records.variable_history import before_growing, change_of, with_value
from records.variable_rules import LASTING, LEFT_BEHIND, OF_RUN, SIGNED, Rule, check_key
from workflows.models import Workflow

LINE_CHARACTERS = 100  # of a value in the formatted list
KNOWN_SHOWN = 500  # keys that a misspelt one is compared with

_INSERT = """
INSERT INTO workflow_memory AS m (workflow_id, execution_id, key, value, schema, sensitive, reason, actor_id, alias,
    set_in)
VALUES (%(workflow)s, %(execution)s, %(key)s, %(value)s::jsonb, %(schema)s::jsonb, %(sensitive)s, %(reason)s,
    %(actor)s, %(alias)s, %(set_in)s)
"""
_SET = """DO UPDATE SET value = excluded.value, schema = excluded.schema, sensitive = excluded.sensitive,
    reason = excluded.reason"""
_SUM = "((m.value #>> '{}')::numeric + (excluded.value #>> '{}')::numeric)"
_GROW = {
    "increment": f"DO UPDATE SET value = to_jsonb({_SUM})",
    "append": "DO UPDATE SET value = m.value || excluded.value",
}
# What may grow; a sum that no float can hold could not be read again.
_GROWS = {
    "increment": f"WHERE CASE WHEN jsonb_typeof(m.value) = 'number' THEN abs({_SUM}) < 1.7e308 ELSE false END",
    "append": "WHERE jsonb_typeof(m.value) = 'array'",
}
_WHAT_GROWS = {"increment": "a number", "append": "a list"}
_SWAP = """
UPDATE workflow_memory m SET value = %(value)s::jsonb, actor_id = %(actor)s, alias = %(alias)s, set_in = %(set_in)s,
    updated_at = now(), revision = m.revision + 1
WHERE workflow_id = %(workflow)s AND execution_id IS NOT DISTINCT FROM %(execution)s AND key = %(key)s
    AND value = %(expected)s::jsonb RETURNING *
"""
_CLEAR = """
DELETE FROM workflow_memory
WHERE workflow_id = %(workflow)s AND execution_id IS NOT DISTINCT FROM %(execution)s AND key LIKE %(pattern)s
RETURNING *
"""
_DELETE = "DELETE FROM workflow_memory WHERE id = %(id)s RETURNING *"


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
        return formatted(self.query(pattern))

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
        may_reveal: bool = False,
    ) -> WorkflowVariable:
        """Set the variable, new or not, and return it. What is not given stays as it is.

        schema: JSON Schema 2020-12, None for none. sensitive: None to be judged by the key. expected_revision: 0 for
        "there is none yet". may_reveal: whether the person may let a secret be seen, or try schemas on it. Raises VariableInvalid
        (path and rule), SchemaInvalid, VariableChanged, VariableKeyInvalid, ValueInvalid, RevealRefused. At most 5
        queries.
        """
        check_key(key)
        before = self._own().select_for_update(no_key=True).filter(key=key).first()
        self._check_revision(key, before, expected_revision)
        after = WorkflowVariable(
            key=key,
            value=value,
            schema=(before.schema if before else None) if schema is ABSENT else schema,
            sensitive=(before.sensitive if before else None) if isinstance(sensitive, _Absent) else sensitive,
            reason=reason if reason is not None else before.reason if before else "",
        )
        if not may_reveal and (_is_unmasked(before, after) or _is_probed(before, after)):
            raise RevealRefused(f'the variable "{key}"')
        schemas.check_schema(after.schema)
        _check_unmasked(after)
        _check_value(after)
        rows = self._upsert(_SET, after) if before else self._upsert("DO NOTHING", after, signed=False)
        if not rows:  # another was quicker: what is not there cannot be locked
            again: dict[str, Any] = {"schema": schema, "sensitive": sensitive, "reason": reason}
            return self.set(key, value, **again, expected_revision=expected_revision, may_reveal=may_reveal)
        self._written(rows[0], before, reason)
        return rows[0]

    def increment(self, key: str, by: int | float = 1) -> int | float:
        """Add to a number and return the sum; one that is not there yet begins at 0. See `grow`."""
        total: Any = self.grow(key, "increment", by).value
        return cast("int | float", total)

    def append(self, key: str, item: Any) -> list[Any]:
        """Add to the end of a list and return it; one that is not there yet begins empty. See `grow`."""
        longer: Any = self.grow(key, "append", item).value
        return cast("list[Any]", longer)

    @transaction.atomic
    def grow(self, key: str, verb: str, by: Any) -> WorkflowVariable:
        """Add to a number (increment) or to a list (append), and return the variable. Writers side by side lose nothing.

        Raises VariableInvalid when it is neither, or when what comes out breaks its schema. At most 2 queries.
        """
        check_key(key)
        if verb == "increment" and (isinstance(by, bool) or not isinstance(by, int | float)):
            raise _invalid(key, "type", f"can only grow by a number, not by {_type_name(by)}")
        rows = self._upsert(_GROW[verb], _given(key, by if verb == "increment" else [by]), condition=_GROWS[verb])
        if not rows:
            raise self._cannot_grow(key, _WHAT_GROWS[verb])
        _check_value(rows[0])
        self._written(rows[0], before_growing(rows[0], by), None)
        return rows[0]

    @transaction.atomic
    def compare_and_set(self, key: str, expected: Any, value: Any) -> bool:
        """Set the variable if it has the expected value (ABSENT: if there is none); return whether it did. Atomic.

        Raises VariableInvalid when the value breaks the schema. At most 2 queries.
        """
        return self.swap(key, expected, value) is not None

    @transaction.atomic
    def swap(self, key: str, expected: Any, value: Any) -> WorkflowVariable | None:
        """Do as `compare_and_set`, and return the variable if it was set."""
        check_key(key)
        given = _given(key, value)
        if expected is ABSENT:
            rows = self._upsert("DO NOTHING", given, signed=False)
        else:
            values = {**self._values(given), "expected": dumps(expected).decode()}
            rows = self._raw(_SWAP, values)
        for row in rows:
            _check_value(row)
            self._written(row, None if expected is ABSENT else with_value(row, expected), None)
        return rows[0] if rows else None

    @transaction.atomic
    def delete(self, key: str, *, reason: str = "", expected_revision: int | None = None) -> None:
        """Delete the variable; raises VariableNotFound, VariableChanged. At most 5 queries."""
        row = self._own().select_for_update().filter(key=key).first()
        if row is None:
            raise self._not_found(key)
        self._check_revision(key, row, expected_revision)
        self._keep(ChangeKind.DELETED, None, row, reason)
        self._clean(self._raw(_DELETE, {"workflow": self.workflow.pk, "id": row.pk}))

    @transaction.atomic
    def clear(self, pattern: str = ANY, *, reason: str = "") -> int:
        """Delete every variable whose key fits the pattern; return how many. At most 4 queries."""
        scope = {"workflow": self.workflow.pk, "execution": self.execution_id}
        rows = self._raw(_CLEAR, {**scope, "pattern": like(pattern)})
        VariableChange.objects.bulk_create(
            change_of(ChangeKind.DELETED, None, row, self.origin, reason) for row in rows
        )
        self._clean(rows)
        return len(rows)

    def reveal(self, key: str, *, may: bool, reason: str = "") -> Any:
        """Return a sensitive value to a person, and keep that it was shown. may: whether the person has the right.

        Raises RevealRefused, VariableNotFound.
        """
        row = self.row(key)
        if row.is_sensitive and not may:
            raise RevealRefused(f'the variable "{key}"')
        self._keep(ChangeKind.REVEALED, row, row, reason)
        return row.value

    # --- how ----------------------------------------------------------------------------------------------------
    def _own(self) -> QuerySet[WorkflowVariable]:
        return WorkflowVariable.objects.filter(workflow=self.workflow, execution_id=self.execution_id)

    def _visible(self) -> QuerySet[WorkflowVariable]:
        rows = WorkflowVariable.objects.filter(workflow=self.workflow)
        own = Q(execution_id=self.execution_id) if self.execution_id else Q()
        return rows.filter(own | Q(execution_id=None)) if self.execution_id else rows.filter(execution_id=None)

    def _cannot_grow(self, key: str, grows: str) -> VariableInvalid:
        standing = _type_name(self.row(key).value)
        if standing == grows:
            return _invalid(key, "maximum", "would be larger than a number can be")
        return _invalid(key, "type", f"is {standing}, and only {grows} can grow")

    def _upsert(
        self, how: str, given: WorkflowVariable, *, signed: bool = True, condition: str = ""
    ) -> list[WorkflowVariable]:
        conflict = LASTING if self.execution_id is None else OF_RUN
        statement = f"{_INSERT}{conflict}{how}{SIGNED if signed else ''} {condition} RETURNING *"
        return self._raw(statement, self._values(given))

    def _raw(self, statement: str, values: dict[str, Any]) -> list[WorkflowVariable]:
        """Write, and give the rows `left_behind`: whether there may be anything stale now."""
        whole = f"WITH written AS ({statement}) SELECT *, {LEFT_BEHIND} AS left_behind FROM written"  # noqa: S608
        return list(WorkflowVariable.objects.raw(whole, values))

    def _written(self, row: WorkflowVariable, before: WorkflowVariable | None, reason: str | None) -> None:
        """Keep the change, and clean what it has made stale."""
        edited = ChangeKind.REVEALED if _is_unmasked(before, row) else ChangeKind.EDITED
        self._keep(edited if before else ChangeKind.CREATED, row, before, reason)
        self._clean([row])

    def _clean(self, written: Sequence[WorkflowVariable]) -> None:
        """Delete what iterates keep for themselves that read one of these. At most 2 queries, none where they keep nothing."""
        keys = [row.key for row in written if not row.key.startswith(iterates.PREFIX)]
        if self.execution_id is None and keys and any(getattr(row, "left_behind", False) for row in written):
            with connection.cursor() as cursor:
                iterates.clean_stale(cursor, self.workflow.pk, keys)

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

    def _not_found(self, key: str) -> VariableNotFound:
        known = self._visible().values_list("key", flat=True)[:KNOWN_SHOWN]
        return VariableNotFound(self.workflow.name, key, list(known))

    def _keep(
        self, kind: ChangeKind, after: WorkflowVariable | None, before: WorkflowVariable | None, reason: str | None
    ) -> None:
        """Keep the change if a person made it: steps are in the journal."""
        if self.origin.by_person:
            change_of(kind, after, before, self.origin, reason).save(force_insert=True)


def _given(key: str, value: Any) -> WorkflowVariable:
    given = WorkflowVariable(key=key, value=value, reason="")
    _check_unmasked(given)
    return given


def _check_value(row: WorkflowVariable) -> None:
    Rule(row.key, row.schema, row.sensitive).check(row.value)


def _is_unmasked(before: WorkflowVariable | None, after: WorkflowVariable) -> bool:
    """Whether a secret is to be one no more."""
    return before is not None and before.is_sensitive and not after.is_sensitive


def _is_probed(before: WorkflowVariable | None, after: WorkflowVariable) -> bool:
    """Whether a secret that stays would tell by a refusal whether it fits another schema: so it could be guessed."""
    if before is None or not before.is_sensitive or after.schema in (None, before.schema):
        return False
    return bool(after.value == before.value)


def _check_unmasked(row: WorkflowVariable) -> None:
    """Refuse a mask in place of a secret: a person was shown it, and did not mean to set it."""
    if next(masked_paths(row.value), None) is not None:
        raise _invalid(row.key, "mask", "holds a mask, not a value; write the value itself, or leave it as it is")


def _invalid(key: str, rule: str, message: str) -> VariableInvalid:
    return VariableInvalid(key, [{"path": "", "rule": rule, "message": message}])


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


def formatted(rows: Iterable[WorkflowVariable]) -> str:
    """Return one line for each of the variables; see `Variables.formatted`."""
    return "\n".join(_lines(rows))


def _lines(rows: Iterable[WorkflowVariable]) -> Iterator[str]:
    for row in rows:
        text = dumps(row.shown).decode()
        if len(text) > LINE_CHARACTERS:
            text = f"{text[:LINE_CHARACTERS]}… ({len(text):,} characters)"
        yield f"{row.key} = {text}"
