"""Filters between kinds of data: numbers, JSON, dates, regular expressions, and what stands in for nothing."""

from __future__ import annotations

import math
from datetime import datetime
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

import orjson
import re2

from director import jsontools
from workflows.durations import parse_moment
from workflows.expressions.failures import MISSING, Failure
from workflows.expressions.filters.registry import register
from workflows.expressions.limits import CHARACTERS_PER_STEP, Budget
from workflows.expressions.values import to_json, to_text

MAX_PATTERN = 1000  # characters of a regular expression
MAX_FORMAT = 200  # characters of a date format
MAX_PRECISION = 20


@register("default", "d")
def default(value: Any, budget: Budget, default: Any = "", boolean: bool = False) -> Any:
    """The value, or the default where there is none (with `boolean`: where it is empty, zero, false or null)."""
    return default if value is MISSING or (boolean and not value) else value


@register("int")
def to_int(value: Any, budget: Budget, default: Any = MISSING, base: int = 10) -> Any:
    try:
        return int(value.strip(), base) if isinstance(value, str) else int(value)
    except (TypeError, ValueError, OverflowError):
        return _number(value, default, "int", int)


@register("float")
def to_float(value: Any, budget: Budget, default: Any = MISSING) -> Any:
    return _number(value, default, "float", float)


def _number(value: Any, default: Any, name: str, kind: Any) -> Any:
    try:
        number = float(value)
        if math.isfinite(number):
            return kind(number)
    except (TypeError, ValueError, OverflowError):
        pass
    if default is MISSING:
        raise Failure(f"`{name}`: {to_text(value)[:60]!r} is not a number; say what to take instead: `{name}(0)`")
    return default


@register("abs")
def absolute(value: Any, budget: Budget) -> Any:
    return abs(value)


@register("round")
def rounded(value: Any, budget: Budget, precision: int = 0, method: str = "common") -> Any:
    if not -MAX_PRECISION <= precision <= MAX_PRECISION:
        raise Failure(f"`round` takes a precision from -{MAX_PRECISION} to {MAX_PRECISION}")
    if method == "common":
        return round(value, precision)
    function = {"ceil": math.ceil, "floor": math.floor}.get(method)
    if function is None:
        raise Failure("`round` knows the methods common, ceil and floor")
    return function(value * 10**precision) / 10**precision


@register("tojson")
def to_json_text(value: Any, budget: Budget, indent: int | None = None) -> str:
    return orjson.dumps(to_json(value), option=orjson.OPT_INDENT_2 if indent else None).decode()


@register("fromjson")
def from_json_text(value: Any, budget: Budget) -> Any:
    try:
        return jsontools.loads(to_text(value))
    except jsontools.ValueInvalid as error:
        raise Failure(f"`fromjson`: the text {error.reason}") from None


@register("to_datetime")
def to_datetime(value: Any, budget: Budget, tz: str = "UTC") -> datetime:
    """A moment from ISO 8601, from the date of an e-mail, or from seconds since 1970; without a zone it is in `tz`."""
    try:
        return parse_moment(value, _zone(tz))
    except ValueError as error:
        raise Failure(str(error)) from None


@register("format_date")
def format_date(value: Any, budget: Budget, format: str = "%Y-%m-%d %H:%M", tz: str = "UTC") -> str:
    if len(format) > MAX_FORMAT:
        raise Failure(f"a date format has at most {MAX_FORMAT} characters")
    moment: datetime = to_datetime(value, budget, tz)
    return moment.astimezone(_zone(tz)).strftime(format)


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise Failure(f"{name!r} is not a time zone; write one such as Europe/Berlin") from None


@register("regex_search")
def regex_search(value: Any, budget: Budget, pattern: str, group: int | str = 0) -> str | None:
    """The first match (or one of its groups); null when there is none."""
    found = _compiled(pattern).search(to_text(value))
    return found.group(group) if found else None


@register("regex_findall")
def regex_findall(value: Any, budget: Budget, pattern: str, group: int | str = 0) -> list[str | None]:
    matches = []
    for found in _compiled(pattern).finditer(to_text(value)):
        budget.charge(1)
        matches.append(found.group(group))
    return matches


@register("regex_replace")
def regex_replace(value: Any, budget: Budget, pattern: str, replacement: str) -> str:
    r"""The text with every match replaced; `\1` and `\g<name>` in the replacement are groups."""
    text, parts, end = to_text(value), [], 0
    for found in _compiled(pattern).finditer(text):
        parts += [text[end : found.start()], found.expand(replacement)]
        budget.charge(1 + len(parts[-1]) // CHARACTERS_PER_STEP)
        end = found.end()
    return "".join([*parts, text[end:]])


@lru_cache(maxsize=512)
def _compiled(pattern: str) -> Any:
    if not isinstance(pattern, str) or len(pattern) > MAX_PATTERN:
        raise Failure(f"a regular expression is text of at most {MAX_PATTERN} characters")
    options = re2.Options()
    options.log_errors = False
    try:
        return re2.compile(pattern, options)
    except re2.error as error:
        reason = error.args[0].decode(errors="replace") if error.args else "it cannot be read"
        raise Failure(f"the regular expression {pattern[:80]!r} is not valid: {reason}") from None
