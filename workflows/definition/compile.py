"""From a version's rows to the plan that the engine walks."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any

from connectors.effects import Effect
from workflows.definition.parse import BlockDefinition, Definition, StepDefinition
from workflows.definition.paths import parse_store_path
from workflows.definition.plan import (
    BlockPlan,
    CreateRecords,
    IteratePlan,
    OnError,
    OnExisting,
    OnInvalid,
    Plan,
    RetryPolicy,
    StepPlan,
)
from workflows.definition.rendered import rendered_checks
from workflows.definition.rows import definition_of
from workflows.definition.schema import RESERVED_NAMES
from workflows.definition.written import UNIQUE_IDS, raw_expressions
from workflows.durations import parse_duration
from workflows.errors import in_step
from workflows.expressions import Expression, Template, compile_expression, compile_template
from workflows.models import WorkflowVersion
from workflows.step_types import registry
from workflows.step_types.base import StepType

CACHED_PLANS = 256
DEFAULT_RETRIES = 3


def compile_plan(version: WorkflowVersion) -> Plan:
    """Return the version's plan, from memory when this version with this digest was compiled before.

    One query, or none. Raises ExpressionInvalid or StepTypeUnknown for a version that was never validated.
    """
    return _compiled(_Key(version))


class _Key:
    """A version as the cache knows it: by id and digest, so that an edited draft is compiled anew."""

    def __init__(self, version: WorkflowVersion) -> None:
        self.version = version
        self.identity = (version.pk, version.digest)

    def __hash__(self) -> int:
        return hash(self.identity)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Key) and self.identity == other.identity


@lru_cache(maxsize=CACHED_PLANS)
def _compiled(key: _Key) -> Plan:
    return plan_of(definition_of(key.version), key.version)


def plan_of(definition: Definition, version: WorkflowVersion) -> Plan:
    """Return the plan of a definition; raises ExpressionInvalid."""
    root = _root(definition)
    steps = {step.alias: step for step in walk(root)}
    names = frozenset[str]().union(*(step.names for step in steps.values()))
    return Plan(
        version_id=version.pk,
        workflow_id=version.workflow_id,
        root=root,
        steps=steps,
        variable_names=names - RESERVED_NAMES - steps.keys(),
        variables=definition.settings.get("variables", {}),
        record_ids=frozenset[str]().union(*(_record_ids(step) for step in steps.values())),
        settings=definition.settings,
    )


def _root(definition: Definition) -> BlockPlan:
    aliases = frozenset(step.alias for step in definition.walk())
    return _block(BlockDefinition("", "", definition.steps), None, aliases)


def walk(block: BlockPlan) -> Iterator[StepPlan]:
    """Yield every step of a block and of the blocks within, in document order."""
    for step in block.steps:
        yield step
        for inner in step.blocks:
            yield from walk(inner)


def _block(block: BlockDefinition, parent: str | None, aliases: frozenset[str]) -> BlockPlan:
    steps = tuple(_step(step, parent, aliases) for step in block.steps)
    plan = BlockPlan(block.key, steps, all(map(_is_inline, steps)), frozenset(), block.label)
    inside = {step.alias for step in walk(plan)}
    named = frozenset[str]().union(*(step.names for step in walk(plan)))
    return BlockPlan(block.key, steps, plan.inline, (named & aliases) - inside, block.label)


def _is_inline(step: StepPlan) -> bool:
    """Whether the step and all below it neither wait, nor touch the outside, nor make records."""
    kind = step.type
    waits = kind.suspends or inspect.iscoroutinefunction(kind.run) or step.iterate is not None
    waits = waits or step.timeout_seconds is not None  # awaited, to be timed out
    return (
        kind.effect is Effect.PURE and not waits and step.create is None and all(block.inline for block in step.blocks)
    )


def _step(step: StepDefinition, parent: str | None, aliases: frozenset[str]) -> StepPlan:
    kind, options, where = registry.get(step.type), step.options, in_step(step.alias, "config")
    config, compiled = config_template(kind, step.config, where)
    when, pause_when = (
        compile_expression(options[key], in_step(step.alias, key)) if key in options else None
        for key in ("when", "pause_when")
    )
    heads = tuple(head_template(step, block, kind) for block in step.blocks)
    iterate = iterate_plan(step.config, compiled, where) if step.type == "iterate" else None
    create = create_records(step.alias, options["create_records"]) if "create_records" in options else None
    templates = [config, *compiled.values(), when, pause_when, *heads]
    templates += [iterate.over, iterate.over_records] if iterate else []
    names = frozenset[str]().union(*(template.names for template in templates if template))
    return StepPlan(
        alias=step.alias,
        name=step.name,
        type=kind,
        config=config,
        raw_config=step.config,
        when=when,
        retry=retry_policy(options["retry"]) if "retry" in options else None,
        timeout_seconds=parse_duration(options["timeout"]).total_seconds() if "timeout" in options else None,
        store=store_path(step),
        create=create,
        blocks=tuple(_block(block, step.alias, aliases) for block in step.blocks),
        heads=heads,
        iterate=iterate,
        compiled=compiled,
        path=step.path,
        parent_alias=parent,
        names=names | kind.names(step.config) | (id_names(create) if create else frozenset()),
        pause_when=pause_when,
        checks=() if iterate else rendered_checks(kind.schema, config, where),  # an iterate says itself what is no list
    )


def config_template(kind: StepType, config: Mapping[str, Any], where: str) -> tuple[Template, dict[str, Expression]]:
    """Return the config's template, raw keys as they are, and the expressions among the raw keys."""
    keys = raw_expressions(config, kind)
    compiled = {key: compile_expression(config[key], f"{where}.{key}") for key in keys}
    return compile_template(config, where, raw=kind.raw_config), compiled


def head_template(step: StepDefinition, block: BlockDefinition, kind: StepType) -> Template | None:
    """Return what decides on a block: the expression of an `if`, the value of a `case`; None for the others."""
    if kind.blocks is None or not kind.blocks.many or block.closes:
        return None
    where = in_step(step.alias, f"{block.path.removeprefix(f'{step.path}.')}.{kind.blocks.head}")
    return compile_expression(block.head, where) if kind.blocks.head == "if" else compile_template(block.head, where)


def iterate_plan(config: Mapping[str, Any], compiled: Mapping[str, Expression], where: str) -> IteratePlan:
    """Return over what an iterate goes and how."""
    status = config.get("status")
    over = {key: compile_template(config[key], f"{where}.{key}") for key in ("over", "over_records") if key in config}
    on_error = OnError(config.get("on_error", OnError.MARK_FAILED_CONTINUE))
    return IteratePlan(
        over_records=over.get("over_records"),
        over=over.get("over"),
        status=None if status is None else (status,) if isinstance(status, str) else tuple(status),
        where=compiled.get("where"),
        order=config.get("order"),
        limit=config.get("limit"),
        concurrency=config.get("concurrency"),
        on_error=on_error,
        max_retries=config.get("max_retries", DEFAULT_RETRIES if on_error is OnError.RETRY else 0),
    )


def create_records(alias: str, options: str | Mapping[str, Any]) -> CreateRecords:
    """Return what `create_records` asks for; the string form is the type alone."""
    if isinstance(options, str):
        return CreateRecords(options)
    pattern = options.get("id_pattern")
    unique, where = pattern == UNIQUE_IDS, in_step(alias, "create_records.id_pattern")
    return CreateRecords(
        type=options["type"],
        id_pattern=None if pattern is None or unique else compile_template(pattern, where),
        unique_ids=unique,
        initial_schema=options.get("initial_schema"),
        on_existing=OnExisting(options.get("on_existing", OnExisting.MERGE)),
        on_invalid=OnInvalid(options.get("on_invalid", OnInvalid.MARK_FAILED)),
    )


def retry_policy(options: Mapping[str, Any]) -> RetryPolicy:
    """Return the policy that `retry` asks for."""
    given: dict[str, Any] = {
        key: parse_duration(options[key]).total_seconds()
        for key in ("initial_interval", "maximum_interval")
        if key in options
    }
    if "backoff_coefficient" in options:
        given["backoff_coefficient"] = options["backoff_coefficient"]
    return RetryPolicy(options["maximum_attempts"], non_retryable=frozenset(options.get("non_retryable", ())), **given)


def store_path(step: StepDefinition) -> tuple[str | int, ...] | None:
    """Return where in the record the step's output goes; None when it is not stored."""
    if not step.options.get("store_to_record"):
        return None
    return parse_store_path(step.options["as"]) if "as" in step.options else ("vars", step.alias)


def id_names(create: CreateRecords) -> frozenset[str]:
    """Return the names of the scope that the ids of new records use, beyond the item and its index."""
    return create.id_pattern.names - {"item", "index"} if create.id_pattern else frozenset()


def _record_ids(step: StepPlan) -> frozenset[str]:
    iterate = step.iterate
    templates = [step.config, *step.compiled.values(), step.when, step.pause_when, *step.heads]
    templates += [iterate.over, iterate.over_records] if iterate else []
    templates += [step.create.id_pattern] if step.create else []
    read = step.type.record_ids(step.raw_config)
    return read.union(*(template.record_ids for template in templates if template))
