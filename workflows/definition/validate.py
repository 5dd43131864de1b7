"""Everything that is wrong with a definition, found before anything runs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from workflows.definition.documents import Positions
from workflows.definition.names import Names
from workflows.definition.parse import Definition, StepDefinition
from workflows.definition.paths import parse_store_path
from workflows.definition.problems import DefinitionProblem
from workflows.definition.schema import MAX_ITERATE_DEPTH, RECORD_TYPE, RESERVED_NAMES, check, check_schema
from workflows.definition.written import Written, written
from workflows.errors import DefinitionInvalid, ExpressionInvalid
from workflows.step_types.base import StepType

Problems = Iterator[DefinitionProblem]


def validate(definition: Definition) -> list[DefinitionProblem]:
    """Return every problem, in the order of the document; an empty list when the definition can run."""
    names = Names(definition)
    found = [*definition.problems, *_check_names_given(definition)]
    for step in definition.walk():
        found += _check_step(step, names)
    located = [_located(problem, definition.positions) for problem in dict.fromkeys(found)]
    return sorted(located, key=lambda problem: problem.line or 0)


def require_valid(definition: Definition) -> None:
    """Raise DefinitionInvalid with every problem, when there is one."""
    problems = validate(definition)
    if problems:
        raise DefinitionInvalid(problems)


def _located(problem: DefinitionProblem, positions: Positions) -> DefinitionProblem:
    """Return the problem with the line of its path, or of the nearest thing around it that has one."""
    path = problem.path
    while path and path not in positions:
        path = path[: max(path.rfind("."), path.rfind("["), 0)]
    line, column = positions.get(path, (None, None))
    return DefinitionProblem(problem.path, problem.message, problem.suggestion, line, column)


def _check_names_given(definition: Definition) -> Problems:
    """Aliases and variables: each alias once, none that templates could not reach."""
    first: dict[str, str] = {}
    declared: Any = definition.settings.get("variables")
    for name in declared if isinstance(declared, Mapping) else ():
        if name in RESERVED_NAMES:
            yield DefinitionProblem(f"variables.{name}", f"`{name}` means something else in templates; choose another")
    for step in definition.walk():
        path = f"{step.path}.alias"
        if step.alias in RESERVED_NAMES:
            yield DefinitionProblem(path, f"`{step.alias}` means something else in templates; choose another alias")
        elif step.alias and first.setdefault(step.alias, step.path) != step.path:
            yield DefinitionProblem(path, f"the alias `{step.alias}` is taken by {first[step.alias]}; choose another")


def _check_step(step: StepDefinition, names: Names) -> Problems:
    kind, place = step.step_type, names.places[step.path]
    if kind is not None:
        yield from check(kind.schema, step.config, f"{step.path}.config", raw=kind.raw_config)
        yield from _check_config(step, kind, names)
        for template in written(step, kind):
            yield from _check_template(template, step, names)
        if kind.blocks is not None and "create_records" in step.options:
            reason = f"a step of type {step.type} yields nothing that records could be made of"
            yield DefinitionProblem(f"{step.path}.create_records", reason)
        yield from _check_tries(step, kind)
    if step.type == "iterate" and len(place.iterates) == MAX_ITERATE_DEPTH:  # said once, not again further in
        yield DefinitionProblem(step.path, f"iterates are nested more than {MAX_ITERATE_DEPTH} deep")
    yield from _check_store(step, is_inside=bool(place.iterates))
    yield from _check_create(step.options.get("create_records"), f"{step.path}.create_records")


def _check_tries(step: StepDefinition, kind: StepType) -> Problems:
    """A time-out ends what a step does itself, and a retry does it again: refused where neither would come about."""
    if "timeout" in step.options and not kind.times_out:
        reason = f"a step of type {step.type} takes no time of its own; leave it out, or give the steps within one"
        yield DefinitionProblem(f"{step.path}.timeout", reason)
    if step.type == "iterate" and "retry" in step.options:
        reason = "an iterate goes over its records once; for walking failed ones again write `on_error: retry`"
        yield DefinitionProblem(f"{step.path}.retry", reason)


def _check_config(step: StepDefinition, kind: StepType, names: Names) -> Problems:
    path = f"{step.path}.config"
    for key, message in kind.problems(step.config):
        yield DefinitionProblem(f"{path}.{key}" if key else path, message)
    for index, message in kind.head_problems(step.config, [block.head for block in step.blocks]):
        yield DefinitionProblem(step.blocks[index].path, message)
    yield from names.check(step.path, kind.names(step.config), path)


def _check_template(template: Written, step: StepDefinition, names: Names) -> Problems:
    try:
        compiled = template.compile()
    except ExpressionInvalid as error:
        yield DefinitionProblem(error.where, error.reason, error.suggestion)
        return
    for leaf in compiled.leaves():
        yield from names.check(step.path, leaf.names, leaf.where, template.sees)


def _check_store(step: StepDefinition, *, is_inside: bool) -> Problems:
    stores, target = step.options.get("store_to_record"), step.options.get("as")
    if target is not None and not stores:
        yield DefinitionProblem(f"{step.path}.as", "`as` says where to store, but `store_to_record: true` is missing")
    if stores and not is_inside:
        reason = "a record to store to is there only inside an iterate"
        yield DefinitionProblem(f"{step.path}.store_to_record", reason)
    if stores and isinstance(target, str):
        try:
            parse_store_path(target)
        except ValueError as error:
            yield DefinitionProblem(f"{step.path}.as", str(error))


def _check_create(options: Any, path: str) -> Problems:
    if isinstance(options, str):
        yield from check(RECORD_TYPE, options, path)
    schema = options.get("initial_schema") if isinstance(options, Mapping) else None
    wrong = check_schema(schema) if isinstance(schema, Mapping) else None
    if wrong:
        yield DefinitionProblem(f"{path}.initial_schema", f"is not a JSON Schema (2020-12): {wrong}")
