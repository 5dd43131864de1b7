"""A config with its templates filled in: checked once more where only then it is known what stands there."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.protocols import Validator

from workflows.definition.schema import FORMATS, problems_of
from workflows.errors import ConfigInvalid
from workflows.expressions import Template
from workflows.expressions.templates import ObjectTemplate, TextTemplate

ANNOTATIONS = frozenset({"title", "description", "default", "examples"})


@dataclass(frozen=True, slots=True)
class RenderedCheck:
    """What the value of one key of the config has to be. where: the key's place, which messages begin with."""

    key: str
    where: str
    validator: Validator

    def __call__(self, config: Mapping[str, Any]) -> None:
        """Raises ConfigInvalid; about two microseconds for a value that fits."""
        value = config[self.key]
        if not self.validator.is_valid(value):
            errors = self.validator.iter_errors(value)
            raise ConfigInvalid([problem for error in errors for problem in problems_of(error, self.where)])


def rendered_checks(schema: Mapping[str, Any], config: Template, where: str) -> tuple[RenderedCheck, ...]:
    """Return the checks that a config needs each time it is rendered: none for what was checked as it was written."""
    return tuple(_checks(schema, config, where)) if isinstance(config, ObjectTemplate) else ()


def _checks(schema: Mapping[str, Any], config: ObjectTemplate, where: str) -> Iterable[RenderedCheck]:
    validator = Draft202012Validator(schema, format_checker=FORMATS)
    for key, template in config.moving:
        wanted = schema.get("properties", {}).get(key, {})
        if not _always_fits(wanted, template):
            yield RenderedCheck(key, f"{where}.{key}", validator.evolve(schema=wanted))


def _always_fits(wanted: Mapping[str, Any], template: Template) -> bool:
    rules = wanted.keys() - ANNOTATIONS
    return not rules or (rules == {"type"} and isinstance(template, TextTemplate) and "string" in wanted["type"])
