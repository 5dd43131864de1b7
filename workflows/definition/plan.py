"""A version compiled for walking: the engine's only view of a definition.

Everything here is immutable and holds no rows. A plan is made by `workflows.definition.compile` and kept per version,
so what can be known before the first record is met (names, referenced records, which blocks are pure) is worked out
once.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any
from uuid import UUID

from workflows.definition.rendered import RenderedCheck
from workflows.expressions import Expression, Template
from workflows.expressions.templates import ObjectTemplate
from workflows.step_types.base import StepType


class OnError(StrEnum):
    """What an iterate does when the walk of one of its records fails."""

    MARK_FAILED_CONTINUE = "mark_failed_continue"
    MARK_FAILED_STOP = "mark_failed_stop"
    STOP = "stop"
    RETRY = "retry"


class OnExisting(StrEnum):
    """What `create_records` does with an item whose record is already there."""

    MERGE = "merge"
    SKIP = "skip"
    FAIL = "fail"


class OnInvalid(StrEnum):
    """What `create_records` does with an item that breaks `initial_schema`."""

    MARK_FAILED = "mark_failed"
    REFUSE = "refuse"


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How often and how fast a failed step is tried again. Intervals in seconds.

    maximum_attempts: counts the first one. non_retryable: codes of errors after which no other attempt is made.
    """

    maximum_attempts: int
    initial_interval: float = 1.0
    backoff_coefficient: float = 2.0
    maximum_interval: float = 300.0
    non_retryable: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class CreateRecords:
    """Records made of what a step yields.

    id_pattern: a template over `item` and `index` (None: sequential); `unique_ids` asks for UUIDs instead.
    """

    type: str
    id_pattern: Template | None = None
    unique_ids: bool = False
    initial_schema: Mapping[str, Any] | None = None
    on_existing: OnExisting = OnExisting.MERGE
    on_invalid: OnInvalid = OnInvalid.MARK_FAILED


@dataclass(frozen=True, slots=True)
class IteratePlan:
    """Over what an iterate goes: records (`over_records`, a pattern) or an array (`over`); exactly one is not None.

    status: None for the default (discovered). where: tested with `current` as the candidate. order: a data path,
    descending with a leading "-", or None for the order of discovery. limit and concurrency: None when not said.
    max_retries: how often a failed record is walked again with OnError.RETRY.
    """

    over_records: Template | None
    over: Template | None
    status: tuple[str, ...] | None
    where: Expression | None
    order: str | None
    limit: int | None
    concurrency: int | None
    on_error: OnError
    max_retries: int


@dataclass(frozen=True, slots=True)
class BlockPlan:
    """An ordered list of steps.

    key: "" for the top level, "body" of an iterate, "0", "1", ... of branches and cases. label: what the document
    calls a branch, None when nothing.
    inline: nothing in the subtree can wait, take long, touch the outside or make records, so a frame can be walked
    straight through without a coroutine.
    outer_names: aliases of steps outside this block that its templates refer to.
    """

    key: str
    steps: tuple[StepPlan, ...]
    inline: bool
    outer_names: frozenset[str]
    label: str | None = None


@dataclass(frozen=True, slots=True)
class StepPlan:
    """One step, ready to be run.

    config: the template tree of the config; `render(scope)` gives the config with keys in `type.raw_config` as written.
    store: full path of the record's data that takes the output, such as ("vars", "category").
    blocks and heads: the step's own blocks and, in the same order, their heads: the expression of an `if`, the value of
    a `case`; None for the closing block and for a single body. compiled: the expressions among `type.raw_config`.
    path: place in the document, "steps[1].body[0]". names: every root name its own templates refer to.
    checks: what values of the config have to be that only templates decide.
    pause_when: the frame is held back before the step when this is true.
    """

    alias: str
    name: str
    type: StepType
    config: Template
    raw_config: Mapping[str, Any]
    when: Expression | None
    retry: RetryPolicy | None
    timeout_seconds: float | None
    store: tuple[str | int, ...] | None
    create: CreateRecords | None
    blocks: tuple[BlockPlan, ...]
    heads: tuple[Template | None, ...]
    iterate: IteratePlan | None
    compiled: Mapping[str, Expression]
    path: str
    parent_alias: str | None
    names: frozenset[str]
    pause_when: Expression | None = None
    checks: tuple[RenderedCheck, ...] = ()

    def render(self, scope: Mapping[str, Any], given: Mapping[str, Any] | None = None) -> Any:
        """Return the config with every template rendered; raises ExpressionFailed, ConfigInvalid.

        given: keys and values that a person put in the place of what is written; what is written there is not rendered.
        """
        config = self.config.render(scope) if not given else self._given(scope, given)
        for check in self.checks:
            check(config)
        return config

    def _given(self, scope: Mapping[str, Any], given: Mapping[str, Any]) -> Any:
        rest = self.config.without(given) if isinstance(self.config, ObjectTemplate) else self.config
        return {**rest.render(scope), **given}

    def block(self, key: str) -> BlockPlan:
        """Return the block called `key`; raises KeyError."""
        for block in self.blocks:
            if block.key == key:
                return block
        raise KeyError(key)


@dataclass(frozen=True, slots=True)
class Plan:
    """A version, compiled.

    steps: every step by alias, in document order. variable_names: names in templates that are neither a step's alias
    nor reserved, so they are variables. variables: their values where the workflow has none of that name yet.
    record_ids: from `records.<id>`. settings: what the document says beside the steps (name, labels, ...).
    """

    version_id: UUID
    workflow_id: UUID
    root: BlockPlan
    steps: Mapping[str, StepPlan]
    variable_names: frozenset[str]
    variables: Mapping[str, Any]
    record_ids: frozenset[str]
    settings: Mapping[str, Any]
