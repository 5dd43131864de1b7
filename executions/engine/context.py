"""What templates see: the scope of a frame, made of its ancestors' outputs, the workflow's variables and its record.

What is the same for all frames of an iterate is loaded once per parent frame and only for the names that the body's
templates use; a frame's own scope is a copy of that with its record put in.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from executions.engine.database import Connection
from executions.engine.frames import Frame, Recorded
from executions.states import STEP_SETTLED
from records.masking import is_secret
from records.secrets import Secrets, under_secret_names
from records.variable_rules import Rule
from workflows.definition.plan import BlockPlan, Plan
from workflows.expressions import RecordView

MAX_PARENTS = 2_000  # parents whose base scope is kept; the oldest go first

SETTLED = [str(status) for status in STEP_SETTLED]

ANCESTORS = """
WITH RECURSIVE up AS (
    SELECT id AS start, id, parent_id, alias, record_id, 0 AS height FROM execution_frames WHERE id = ANY (%s)
    UNION ALL
    SELECT u.start, f.id, f.parent_id, f.alias, f.record_id, u.height + 1 FROM execution_frames f JOIN up u ON f.id = u.parent_id
)
SELECT up.start, up.id, up.parent_id, up.alias, r.id, r.record_id, r.record_type, r.status, r.data, r.execution_id IS NOT NULL
FROM up LEFT JOIN workflow_records r ON r.id = up.record_id ORDER BY up.start, up.height
"""
# The last outcome counts: a person may have set an earlier one aside.
OUTPUTS = """
SELECT frame_id, alias, output FROM execution_steps WHERE frame_id = ANY (%s) AND alias = ANY (%s) AND status = ANY (%s)
ORDER BY attempt
"""
LATEST_ROWS = """
SELECT DISTINCT ON (frame_id, alias) frame_id, alias, status, attempt, output,
    extract(epoch FROM started_at)::float8, fingerprint
FROM execution_steps WHERE frame_id = ANY (%s) ORDER BY frame_id, alias, attempt DESC
"""
VARIABLES = """
SELECT DISTINCT ON (key) key, value, schema, sensitive FROM workflow_memory
WHERE workflow_id = %s AND (key = ANY (%s) OR schema IS NOT NULL) AND (execution_id IS NULL OR execution_id = %s)
ORDER BY key, execution_id NULLS LAST
"""
RECORDS = (
    "SELECT record_id, record_type, status, data FROM workflow_records WHERE workflow_id = %s AND record_id = ANY (%s)"
)


@dataclass(slots=True)
class RunContext:
    """The run as templates and steps may know it."""

    execution_id: UUID
    workflow_id: UUID
    number: int
    labels: dict[str, Any]
    trigger: Any
    version_number: int | None
    overrides: dict[str, Any] = field(default_factory=dict)
    # The id and number of the run that a dry one repeats: inputs are recognised by what they say.
    shown_as: dict[str, Any] | None = None
    # What variables that have a schema must be, as of the last claim.
    rules: dict[str, Rule] = field(default_factory=dict)
    # Names in templates that are sensitive variables, as of the last claim.
    sensitive: frozenset[str] = frozenset()
    # Whether a person said that inputs or outputs of steps should be others.
    changes: bool = field(init=False)
    # Whether effects are answered from the recordings of the run that is replayed.
    is_dry: bool = field(init=False)
    # Iterates after which the frames around them end: a retry goes the records' own path and repeats nothing of the batch.
    stop_after: frozenset[str] = field(init=False)

    def __post_init__(self) -> None:
        self.changes, self.is_dry = bool(self.overrides.get("steps")), bool(self.overrides.get("dry"))
        self.stop_after = frozenset(self.overrides.get("stop_after", ()))

    def override(self, alias: str, frame: Frame) -> dict[str, Any]:
        """Return {"input": {...}} or {"output": ...} for the step; what is said of one record goes before all.

        A record is named by its key, or by its id where the key was not known beforehand (copies in a dry run).
        """
        said: dict[str, Any] = self.overrides["steps"].get(alias, {})
        records = said.get("records")
        if records and frame.record is not None:
            own = records.get(str(frame.record_pk), records.get(frame.record.record_id))
            if own is not None:
                return dict(own)
        return dict(said.get("all", {}))

    @property
    def again(self) -> dict[str, Any] | None:
        """What a replay says of the iterates it begins: they go over the records of the replayed run's own.

        {"skip_completed": bool, "frames": {iterate: [frames of any runs]}}; None when this is no replay.
        """
        return self.overrides.get("again")

    def secrets(self, scope: Mapping[str, Any], names: Iterable[str]) -> Secrets:
        """Return the secrets that a step whose templates refer to the names may have put into what it says."""
        variables = (under_secret_names(scope[key], is_secret=True) for key in self.sensitive if key in scope)
        seen = (scope[name] for name in {"current", *names} if name in scope)
        return Secrets(frozenset().union(*variables)).among(*seen, self.trigger)

    def roots(self) -> dict[str, Any]:
        execution = {**(self.shown_as or {"id": str(self.execution_id), "number": self.number}), "labels": self.labels}
        return {"execution": execution, "trigger": self.trigger, "now": _now}


def _now() -> datetime:
    return datetime.now(UTC)


class Contexts:
    """Makes scopes for claimed frames; one per slice, used by its claiming thread only."""

    def __init__(self, plan: Plan, run: RunContext) -> None:
        self.plan, self.run = plan, run
        self._parents: dict[int, dict[str, Any]] = {}
        self._roots = run.roots()

    def load(self, session: Connection, frames: list[Frame]) -> list[dict[str, Any]]:
        """Return a scope per frame, and fill `frame.recorded` of those that were walked before.

        At most five queries whatever the number of frames.
        """
        self._load_recorded(session, [frame for frame in frames if frame.walked])
        shared = self._shared(session)
        wanted = {frame.parent_id for frame in frames if frame.parent_id is not None} - self._parents.keys()
        if wanted:
            self._load_parents(session, wanted)
        return [self._scope(frame, shared) for frame in frames]

    def block(self, frame: Frame) -> BlockPlan:
        return self.plan.steps[frame.alias].blocks[0] if frame.alias else self.plan.root

    def _scope(self, frame: Frame, shared: dict[str, Any]) -> dict[str, Any]:
        parent = self._parents[frame.parent_id] if frame.parent_id is not None else self._roots
        scope = {**shared, **parent}
        if frame.record is not None:
            scope["current"] = frame.record
            fields = frame.record.data.get("fields", {})
            if frame.temporary:
                scope["item"], scope["index"] = fields.get("value"), fields.get("index")
        return scope

    def _shared(self, session: Connection) -> dict[str, Any]:
        """Variables and records named in templates, read anew for each batch so that a change is seen soon."""
        shared: dict[str, Any] = dict(self.plan.variables)
        names = self.plan.variable_names
        found = session.execute(VARIABLES, (self.run.workflow_id, list(names), self.run.execution_id)).fetchall()
        shared.update((key, value) for key, value, _, _ in found if key in names)
        self.run.rules = {key: Rule(key, *rule) for key, _, *rule in found if rule[0] is not None}
        said = {key: sensitive for key, _, _, sensitive in found}
        self.run.sensitive = frozenset(name for name in names if is_secret(name, said.get(name)))
        if self.plan.record_ids:
            records = session.execute(RECORDS, (self.run.workflow_id, list(self.plan.record_ids))).fetchall()
            shared["records"] = {row[0]: RecordView(*row) for row in records}
        return shared

    def _load_recorded(self, session: Connection, walked: list[Frame]) -> None:
        if not walked:
            return
        by_id = {frame.id: frame for frame in walked}
        for frame_id, alias, *latest in session.execute(LATEST_ROWS, (list(by_id),)):
            by_id[frame_id].recorded[alias] = Recorded(*latest)

    def _load_parents(self, session: Connection, wanted: set[int]) -> None:
        chains: dict[int, list[tuple[Any, ...]]] = {}
        for row in session.execute(ANCESTORS, (list(wanted),)):
            chains.setdefault(row[0], []).append(row)
        outputs = self._outputs(session, chains.values())
        for start, chain in chains.items():
            self._parents[start] = self._base(chain, outputs)
        while len(self._parents) > MAX_PARENTS + len(wanted):
            del self._parents[next(iter(self._parents))]

    def _outputs(self, session: Connection, chains: Iterable[list[tuple[Any, ...]]]) -> dict[int, dict[str, Any]]:
        """Outputs of ancestors' steps that some template refers to, by frame."""
        frames = list({row[1] for chain in chains for row in chain})
        names = list({name for step in self.plan.steps.values() for block in step.blocks for name in block.outer_names})
        found: dict[int, dict[str, Any]] = {}
        if names:
            for frame_id, alias, output in session.execute(OUTPUTS, (frames, names, SETTLED)):
                found.setdefault(frame_id, {})[alias] = output
        return found

    def _base(self, chain: list[tuple[Any, ...]], outputs: dict[int, dict[str, Any]]) -> dict[str, Any]:
        """The scope that all children of the chain's first frame share; nearer ancestors hide farther ones."""
        base = dict(self._roots)
        for row in reversed(chain):
            base.update(outputs.get(row[1], {}))
            if row[4] is not None:
                view = RecordView(row[8].pop("copy_of", row[5]), row[6], row[7], row[8])
                base["outer"] = view
                if row[9]:
                    base["item"], base["index"] = row[8]["fields"].get("value"), row[8]["fields"].get("index")
        return base
