"""What a walker holds in memory of a frame, and what it hands to the journal."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from executions.states import FrameStatus, WaitingFor
from records.patches import Operation
from records.variable_rules import StepVariable
from workflows.expressions import RecordView

NULL = b"\\N"  # in COPY's text format


@dataclass(slots=True)
class Recorded:
    """The latest journal row of a step in a frame."""

    status: str
    attempt: int
    output: Any
    started: float
    fingerprint: str


@dataclass(slots=True)
class Frame:
    """A claimed frame. `record` is None for the root and for a frame whose record could not be taken (`untaken`)."""

    id: int
    parent_id: int | None
    alias: str
    position: int
    walked: bool
    retries: int
    forgiven: int
    passes: str
    record_pk: UUID | None
    record: RecordView | None
    temporary: bool = False
    # Of a leased frame: its record's revision as read, and when its walk began (seconds since the epoch).
    leased: bool = False
    revision: int | None = None
    began: float | None = None
    recorded: dict[str, Recorded] = field(default_factory=dict)
    place: bytes = field(init=False)  # the ids of frame and record, as COPY takes them
    work: Work = field(init=False)

    def __post_init__(self) -> None:
        self.place = b"%d\t%b" % (self.id, NULL if self.record_pk is None else str(self.record_pk).encode())
        self.work = Work()

    @property
    def is_root(self) -> bool:
        return self.parent_id is None

    @property
    def untaken(self) -> bool:
        return self.record_pk is not None and self.record is None

    def hand_over(self) -> Work:
        """Return what was done since the last time, and begin anew."""
        done, self.work = self.work, Work()
        return done


@dataclass(slots=True)
class Row:
    """A journal row to be copied: its line in COPY's text format, and what the counts need of it."""

    line: bytes
    alias: str
    status: str
    duration_ms: float


@dataclass(slots=True)
class Receipt:
    """The end of a step whose `running` row is in the journal already. JSON as bytes."""

    alias: str
    attempt: int
    status: str
    output: bytes | None
    error: bytes | None
    duration_ms: float


@dataclass(slots=True)
class Work:
    """What a walk of a frame has produced and the database does not know yet."""

    rows: list[Row] = field(default_factory=list)
    receipts: list[Receipt] = field(default_factory=list)
    operations: list[Operation] = field(default_factory=list)
    variables: list[StepVariable] = field(default_factory=list)
    prompts: list[dict[str, Any]] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self.rows or self.receipts or self.operations or self.variables or self.prompts)


@dataclass(slots=True)
class FrameEnd:
    """How a walk left its frame. `record_status` None leaves the record as it is (it is not this frame's)."""

    status: FrameStatus
    record_status: str | None
    at_step: str = ""
    error: dict[str, Any] | None = None
    waiting_for: WaitingFor | str = ""
    wake_at: datetime | None = None
    retried: int = 0
    by_iterate: bool = False  # retried by `on_error: retry` rather than by the policy of its step
    forgiven: int | None = None
    stops_siblings: bool = False
    # What people wanted of the run when it was held back: its control and breakpoints.
    held_by: tuple[str, dict[str, Any]] | None = None

    def let_go(self) -> FrameEnd:
        """The same frame, ready: it is not held back after all."""
        return replace(self, status=FrameStatus.READY, waiting_for="", held_by=None)
