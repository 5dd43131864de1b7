"""Filters that make text."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html import unescape
from typing import Any
from urllib.parse import quote, urlencode

from jinja2 import filters as jinja
from markupsafe import escape

from workflows.expressions.failures import Failure
from workflows.expressions.filters.registry import ENVIRONMENT, register
from workflows.expressions.limits import Budget, width
from workflows.expressions.values import to_text

PLACEHOLDER = re.compile(r"%[-+ #0]*(?P<width>\d*)(?:\.(?P<precision>\d*))?.", re.DOTALL)
MAX_FORMAT_WIDTH = 1000


@register("string")
def string(value: Any, budget: Budget) -> str:
    return to_text(value)


@register("upper")
def upper(value: Any, budget: Budget) -> str:
    return to_text(value).upper()


@register("lower")
def lower(value: Any, budget: Budget) -> str:
    return to_text(value).lower()


@register("capitalize")
def capitalize(value: Any, budget: Budget) -> str:
    return to_text(value).capitalize()


@register("title")
def title(value: Any, budget: Budget) -> str:
    return jinja.do_title(to_text(value))


@register("trim")
def trim(value: Any, budget: Budget, chars: str | None = None) -> str:
    return to_text(value).strip(chars)


@register("replace")
def replace(value: Any, budget: Budget, old: Any, new: Any, count: int | None = None) -> str:
    text, old, new = to_text(value), to_text(old), to_text(new)
    times = text.count(old) if count is None else min(count, text.count(old))
    budget.charge_text(len(text) + times * max(len(new) - len(old), 0))
    return text.replace(old, new, -1 if count is None else count)


@register("split")
def split(value: Any, budget: Budget, separator: str | None = None, maxsplit: int = -1) -> list[str]:
    return to_text(value).split(separator, maxsplit)


@register("truncate")
def truncate(
    value: Any, budget: Budget, length: int = 255, killwords: bool = False, end: str = "...", leeway: int | None = None
) -> str:
    if length < len(end):
        raise Failure(f"`truncate` to {length} characters leaves no room for {end!r}")
    return jinja.do_truncate(ENVIRONMENT, to_text(value), length, killwords, end, leeway or 0)


@register("wordcount")
def wordcount(value: Any, budget: Budget) -> int:
    return jinja.do_wordcount(to_text(value))


@register("wordwrap")
def wordwrap(value: Any, budget: Budget, length: int = 79, break_long_words: bool = True) -> str:
    return jinja.do_wordwrap(ENVIRONMENT, to_text(value), max(width(length), 1), break_long_words)


@register("indent")
def indent(value: Any, budget: Budget, columns: int = 4, first: bool = False, blank: bool = False) -> str:
    text = to_text(value)
    budget.charge_text(len(text) + (text.count("\n") + 1) * width(columns))
    return jinja.do_indent(text, columns, first, blank)


@register("center")
def center(value: Any, budget: Budget, columns: int = 80) -> str:
    return to_text(value).center(width(columns))


@register("format")
def format_values(value: Any, budget: Budget, *args: Any, **kwargs: Any) -> str:
    """printf-style: `{{ "%.2f" | format(current.amount) }}`."""
    if args and kwargs:
        raise Failure("`format` takes values either by place or by name, not both")
    for place in PLACEHOLDER.finditer(to_text(value)):
        if place[0][-1] == "*" or any(int(size or 0) > MAX_FORMAT_WIDTH for size in place.group("width", "precision")):
            raise Failure(f"`format` pads to at most {MAX_FORMAT_WIDTH} characters, and not to a `*`")
    given = [item if isinstance(item, int | float) else to_text(item) for item in args]
    budget.charge_text(len(to_text(value)) + sum(len(item) for item in given if isinstance(item, str)))
    return to_text(value) % (kwargs or tuple(given))


@register("striptags")
def striptags(value: Any, budget: Budget) -> str:
    """The text between tags and comments, entities read, white space as single blanks."""
    return " ".join(unescape("".join(_between_tags(to_text(value)))).split())


def _between_tags(text: str) -> Iterator[str]:
    """Yield what stands between tags, in one pass however many there are; an unclosed tag is taken for text."""
    position = 0
    while (start := text.find("<", position)) >= 0:
        closing = "-->" if text.startswith("<!--", start) else ">"
        end = text.find(closing, start)
        if end < 0:
            break
        yield text[position:start]
        position = end + len(closing)
    yield text[position:]


@register("escape", "e")
def escape_html(value: Any, budget: Budget) -> str:
    return str(escape(to_text(value)))


@register("urlencode")
def encode_url(value: Any, budget: Budget) -> str:
    if isinstance(value, dict):
        return urlencode({to_text(key): to_text(item) for key, item in value.items()})
    return quote(to_text(value), safe="/")


@register("filesizeformat")
def filesizeformat(value: Any, budget: Budget, binary: bool = False) -> str:
    return jinja.do_filesizeformat(value, binary)
