"""What holds for every variable, whoever sets it: a person, the API, a step. And how steps set theirs.

A step's value is checked while it runs (`Rule`), so that what does not fit fails the step; what the steps of a commit
have set is then written by one statement, on whatever cursor the commit has (`set_by_steps`). Who set it is kept with
the variable; what it was before is in the journal of the steps, and not stored a second time.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from orjson import Fragment

from director.jsontools import dumps
from records import iterates, schemas
from records.errors import VariableInvalid, VariableKeyInvalid
from records.iterates import Cursor
from records.masking import is_secret

MAX_KEY_CHARACTERS = 255

LASTING = "ON CONFLICT (workflow_id, key) WHERE execution_id IS NULL "
OF_RUN = "ON CONFLICT (execution_id, workflow_id, key) WHERE execution_id IS NOT NULL "
SIGNED = """, actor_id = excluded.actor_id, alias = excluded.alias, set_in = excluded.set_in, updated_at = now(),
    revision = m.revision + 1
"""
# Whether iterates have left anything behind that a new value may make stale.
LEFT_BEHIND = "EXISTS (SELECT 1 FROM workflow_memory WHERE workflow_id = %(workflow)s AND starts_with(key, '@iter:'))"

# In the order of the keys, so that two commits never wait for each other. A run's own copy goes by the rules of the
# lasting variable.
SET_BY_STEPS = """
WITH given AS (
    SELECT * FROM json_to_recordset(%(variables)s::json) AS g (key text, value jsonb, alias text)
), written AS (
    INSERT INTO workflow_memory AS m (workflow_id, execution_id, key, value, schema, sensitive, alias, set_in)
    SELECT %(workflow)s, %(scope)s, g.key, coalesce(g.value, 'null'), l.schema, l.sensitive, g.alias, %(execution)s
    FROM given g
        LEFT JOIN workflow_memory l ON l.workflow_id = %(workflow)s AND l.execution_id IS NULL AND l.key = g.key
    ORDER BY g.key
    {conflict} DO UPDATE SET value = excluded.value {signed}
    RETURNING m.key
)
SELECT key, {left_behind} FROM written
"""
SET_LASTING = SET_BY_STEPS.format(conflict=LASTING, signed=SIGNED, left_behind=LEFT_BEHIND)
SET_OWN = SET_BY_STEPS.format(conflict=OF_RUN, signed=SIGNED, left_behind="false")


@dataclass(frozen=True, slots=True)
class Rule:
    """What a variable must be. sensitive: said by a person, None to be judged by the key."""

    key: str
    schema: Any
    sensitive: bool | None = None

    def check(self, value: Any) -> None:
        """Raise VariableInvalid, with path and rule, unless the value fits; a secret is not quoted."""
        found = schemas.problems(self.schema, value, secret=is_secret(self.key, self.sensitive))
        if found:
            raise VariableInvalid(self.key, found)


@dataclass(frozen=True, slots=True)
class StepVariable:
    """What a step has set: the value as JSON, and the step's alias. own: for its run alone."""

    key: str
    value: bytes
    alias: str
    own: bool = False


def check_key(key: str) -> None:
    """Raise VariableKeyInvalid or ValueInvalid unless a variable can have this key."""
    if not key.strip():
        raise VariableKeyInvalid(key, "is empty")
    if key.splitlines() != [key]:
        raise VariableKeyInvalid(key, "has a line break; lists of variables have a line for each")
    if len(key) > MAX_KEY_CHARACTERS:
        raise VariableKeyInvalid(key, f"has {len(key)} characters, at most {MAX_KEY_CHARACTERS} are kept")
    dumps(key)


def set_by_steps(cursor: Cursor, workflow_id: UUID, execution_id: UUID, variables: Sequence[StepVariable]) -> None:
    """Set what steps of the execution have set, each variable to the last of its values.

    variables: at least one; either all for the run alone or none. One query, and two more where an iterate has left
    something behind.
    """
    last: Mapping[str, StepVariable] = {variable.key: variable for variable in variables}
    own = variables[0].own
    rows = [{"key": one.key, "value": Fragment(one.value), "alias": one.alias} for one in last.values()]
    values = {
        "workflow": workflow_id,
        "scope": execution_id if own else None,
        "execution": execution_id,
        "variables": dumps(rows).decode(),
    }
    cursor.execute(SET_OWN if own else SET_LASTING, values)
    if any(left_behind for _, left_behind in cursor.fetchall()):
        iterates.clean_stale(cursor, workflow_id, last)
