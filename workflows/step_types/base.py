"""The contract between a step type and the engine: what a step is given and what it may answer."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, ClassVar
from uuid import UUID

from connectors.effects import Effect

if TYPE_CHECKING:
    from workflows.definition.plan import StepPlan
    from workflows.readers.items import Item, Problem


@dataclass(slots=True)  # not frozen: one is made for every record-step, and freezing triples what that costs
class StepCall:
    """What `run` is given.

    config: the step's config with every template rendered (raw for the names in `StepType.raw_config`).
    scope: what templates see, for types that evaluate expressions themselves (`condition`, `switch`, `code`).
    attempt: 1-based. idempotency_key: the same on every attempt of this step in this frame.
    """

    step: StepPlan
    config: Any
    scope: Mapping[str, Any]
    attempt: int
    workflow_id: UUID
    execution_id: UUID
    frame_id: int
    record_id: str | None

    @property
    def idempotency_key(self) -> str:
        return f"{self.execution_id}:{self.frame_id}:{self.step.alias}"


class Outcome:
    """What `run` may return instead of the step's output: it asks something of the engine."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class TakeBranch(Outcome):
    """The engine walks the step's block `key` next ("0", "1", ...); None when no branch applies."""

    key: str | None
    output: Any


@dataclass(frozen=True, slots=True)
class StreamItems(Outcome):
    """A source's items, consumed once, in order; what cannot be read comes as a Problem and does not stop the rest.

    With `create_records` the engine turns them into records in batches and records `{created, merged, ...}`; without,
    it collects them as the step's output, up to the size limit of a recorded value.
    """

    items: Iterable[Item | Problem]


@dataclass(frozen=True, slots=True)
class WaitUntil(Outcome):
    """The frame is parked until `at`; then the step is complete with `output`."""

    at: datetime
    output: Any


@dataclass(frozen=True, slots=True)
class SetVariable(Outcome):
    """A workflow variable is set in the same transaction as the step's journal row."""

    key: str
    value: Any
    output: Any


@dataclass(frozen=True, slots=True)
class EndBlock(Outcome):
    """The frame ends here: complete, or its record skipped when `skip` is true. Steps that follow are not run."""

    output: Any
    skip: bool = False


@dataclass(frozen=True, slots=True)
class IterateBody(Outcome):
    """The engine makes a child frame per record and parks this frame until the last of them is done."""


@dataclass(frozen=True, slots=True)
class AskPerson(Outcome):
    """The frame is parked until a person answers; the answer is the step's output.

    prompt: what `human_prompts` keeps of the question, by column; its answer's action names the branch to take, if any.
    """

    prompt: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class BlockSpec:
    """How a step type owns blocks.

    key: the document's key that holds them. many: a list of blocks with a head (`branches`, `cases`) rather than one
    list of steps (`body`). head: the key of a block's condition ("if", "case"); last: the key of the closing block
    without a condition ("else", "default"). optional: whether a step may be without them.
    """

    key: str
    many: bool = False
    head: str = ""
    last: str = ""
    optional: bool = False


class StepType:
    """One kind of step. Subclass it, fill the class attributes, write `run`, and register it.

    `run` may be a plain function (PURE: called on the engine's own thread, must be quick; else: called in a thread) or
    a coroutine function. It returns the step's output (any JSON value) or one of the outcomes above, and raises
    StepFailed or any DirectorError for a failure people should read.
    """

    name: ClassVar[str]
    label: ClassVar[str]
    description: ClassVar[str] = ""
    icon: ClassVar[str]
    # Family of the palette: action, logic, loop, human, data, time (see the design's step families).
    category: ClassVar[str]
    schema: ClassVar[dict[str, Any]]
    effect: ClassVar[Effect] = Effect.PURE
    blocks: ClassVar[BlockSpec | None] = None
    # Top-level config keys that are left as written: code, literals. Where the schema says `"format": "expression"` the
    # key holds one expression, which `run` finds compiled in `call.step.compiled`.
    raw_config: ClassVar[frozenset[str]] = frozenset()
    # Whether it may park the frame or stream; a block with such a step is not walked straight through.
    suspends: ClassVar[bool] = False
    # Whether a time-out can end it: not where it waits for a moment, for people, or for the steps within.
    times_out: ClassVar[bool] = True
    # Whether it answers AskPerson: met again without an answer, the frame goes on waiting.
    asks: ClassVar[bool] = False
    # Whether its outcome is always EndBlock: steps after it in the same block are never reached.
    ends_block: ClassVar[bool] = False

    def run(self, call: StepCall) -> Any:
        raise NotImplementedError(f"step type {self.name!r} has no run")

    def problems(self, config: Mapping[str, Any]) -> Iterable[tuple[str, str]]:
        """Yield (key of the config, what is wrong with it) for what the schema cannot say."""
        return ()

    def head_problems(self, config: Mapping[str, Any], heads: Sequence[Any]) -> Iterable[tuple[int, str]]:
        """Yield (number of the block, what is wrong with its head) for heads that the config does not know."""
        return ()

    def names(self, config: Mapping[str, Any]) -> frozenset[str]:
        """Names of the scope that `run` reads beyond those in the config's templates."""
        return frozenset()

    def record_ids(self, config: Mapping[str, Any]) -> frozenset[str]:
        """Ids of the records that `run` reads as `records`, beyond those in the config's templates."""
        return frozenset()

    def summary(self, config: Mapping[str, Any]) -> str:
        """One line for the step's card, such as "4 at a time"."""
        return ""
