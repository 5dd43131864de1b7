"""JSON Schema (2020-12) for fields and variables: checked itself when it is given, and values when they are written."""

from __future__ import annotations

from functools import lru_cache
from itertools import islice
from typing import Any, TypedDict

import jsonschema_rs

from director import jsontools
from records.errors import SchemaInvalid
from records.masking import hides_at, mask_tree
from records.patches import format_path, look_up

MAX_PROBLEMS = 20  # named of one value
MAX_MESSAGE_CHARACTERS = 300  # a message quotes the value, which may be long


class SchemaProblem(TypedDict):
    """Where a value breaks its schema: path in the value ("lines[2].amount"), rule ("minimum"), and in words."""

    path: str
    rule: str
    message: str


def check_schema(schema: Any) -> None:
    """Raise SchemaInvalid unless this is a JSON Schema that values can be checked against."""
    if schema is None:
        return
    if not isinstance(schema, dict | bool):  # the library would take a text for the schema's JSON
        raise SchemaInvalid("", "it must be an object, or true or false")
    _validator(jsontools.canonical(schema), secret=False)


def problems(schema: Any, value: Any, root: str = "", *, secret: bool = False) -> list[SchemaProblem]:
    """Return where the value breaks the schema, at most MAX_PROBLEMS; nothing when it fits or there is no schema.

    root: what paths begin with ("fields"). secret: messages do not quote the value, as they do not where one of them
    would quote what is masked for its name. Raises SchemaInvalid.
    """
    if schema is None:
        return []
    validator = _validator(jsontools.canonical(schema), secret=secret)
    if validator.is_valid(value):
        return []
    errors = list(islice(validator.iter_errors(value), MAX_PROBLEMS))
    if not secret and any(_quotes_secret(value, error) for error in errors):
        return problems(schema, value, root, secret=True)
    return [_problem(error, [root] if root else []) for error in errors]


def in_words(found: list[SchemaProblem]) -> str:
    """Return the problems as one line for people."""
    return "; ".join(f"{problem['path'] or 'the value'}: {problem['message']}" for problem in found)


def _problem(error: jsonschema_rs.ValidationError, prefix: list[str]) -> SchemaProblem:
    path = format_path([*prefix, *error.instance_path])
    rule = str(error.schema_path[-1]) if error.schema_path else "false"  # the schema that lets nothing through
    return SchemaProblem(path=path, rule=rule, message=_shortened(error.message))


def _quotes_secret(value: Any, error: jsonschema_rs.ValidationError) -> bool:
    standing = look_up(value, error.instance_path)
    return hides_at(error.instance_path, standing) or mask_tree(standing) != standing


def _shortened(text: str) -> str:
    return text if len(text) <= MAX_MESSAGE_CHARACTERS else f"...{text[-MAX_MESSAGE_CHARACTERS:]}"


@lru_cache(maxsize=256)
def _validator(schema: bytes, *, secret: bool) -> jsonschema_rs.Draft202012Validator:
    try:
        return jsonschema_rs.Draft202012Validator(
            jsontools.loads(schema), retriever=_refuse, validate_formats=True, mask="it" if secret else None
        )
    except jsonschema_rs.ValidationError as error:
        raise SchemaInvalid(format_path(error.instance_path), error.message) from error


def _refuse(uri: str) -> Any:
    """A schema must stand by itself: fetching what it refers to would let it reach into the network."""
    raise ValueError("only references within the schema (#/$defs/...) are followed")
