"""JSON made readable: coloured and escaped for a page, or in one line."""

import json
import re
from typing import Any

from django.utils.html import escape, format_html
from django.utils.safestring import SafeString, mark_safe

SHOWN_CHARACTERS = 30_000  # beyond it a browser becomes slow and nobody reads on; the raw file has the rest
BRIEF_CHARACTERS = 160

# A key with its colon, another string, a number, a word; everything else is punctuation.
TOKEN = re.compile(
    r'(?P<k>"(?:[^"\\]|\\.)*"(?=\s*:))|(?P<s>"(?:[^"\\]|\\.)*"?)|(?P<d>-?\d[\d.eE+-]*)|(?P<b>\b(?:true|false|null)\b)'
)


def render(value: Any, label: str) -> SafeString:
    """Return the box with the value; `label` names it to screen readers."""
    text = json.dumps(value, ensure_ascii=False, indent=2, default=str)
    rest = len(text) - SHOWN_CHARACTERS
    body = _colour(text[:SHOWN_CHARACTERS])
    if rest > 0:
        body = format_html('{}\n<span class="x">… {} more characters</span>', body, f"{rest:,}")
    return format_html('<pre class="json" tabindex="0" role="region" aria-label="{}">{}</pre>', label, body)


def _colour(text: str) -> SafeString:
    parts, end = [], 0
    for token in TOKEN.finditer(text):
        parts.append(escape(text[end : token.start()]))
        parts.append(format_html('<span class="{}">{}</span>', token.lastgroup, token[0]))
        end = token.end()
    parts.append(escape(text[end:]))
    return mark_safe("".join(parts))  # noqa: S308 - every part is escaped


def brief(value: Any) -> str:
    """Return the value in one line: text as it is, lists and objects by their size or content, cut when long."""
    match value:
        case None:
            return "null"
        case bool():
            return "true" if value else "false"
        case str():
            words = " ".join(value[: BRIEF_CHARACTERS * 2].split())
        case _:
            words = json.dumps(value, ensure_ascii=False, default=str)
    return words if len(words) <= BRIEF_CHARACTERS else words[: BRIEF_CHARACTERS - 1] + "…"
