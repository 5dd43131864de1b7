"""Two JSON values beside each other, line by line, with what differs marked within the lines."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from difflib import SequenceMatcher
from itertools import zip_longest
from typing import Any

from django.utils.html import escape, format_html
from django.utils.safestring import SafeString, mark_safe

CONTEXT_LINES = 3  # lines that are the same, shown around a change
SHOWN_LINES = 2_000  # beyond it nobody reads on, and comparing takes longer than waiting is pleasant
ALIKE = 0.35  # two lines less alike than this are not marked within
MARKED_WORDS = 1_000  # the same for the words of two lines: a whole mail may be one line
WORD = re.compile(r"\w+|\W")

Numbered = tuple[int, str]


def render(before: Any, after: Any) -> SafeString:
    """Return the rows of a `.diff` box (its heads are the page's), "" where both are the same.

    A value of None has no lines: there was nothing.
    """
    old, new = _lines(before), _lines(after)
    if old == new:
        return SafeString()
    rows = [*_rows(old[:SHOWN_LINES], new[:SHOWN_LINES])]
    cut = max(len(old), len(new)) - SHOWN_LINES
    if cut > 0:
        rows.append(format_html('<div class="gap">… {} more lines are not compared here</div>', f"{cut:,}"))
    return mark_safe("".join(rows))  # noqa: S308 - every part is escaped


def _lines(value: Any) -> list[str]:
    return [] if value is None else json.dumps(value, ensure_ascii=False, indent=2, default=str).splitlines()


def _rows(old: Sequence[str], new: Sequence[str]) -> Iterator[SafeString]:
    end = 0
    for group in SequenceMatcher(None, old, new).get_grouped_opcodes(CONTEXT_LINES):
        yield from _gap(group[0][1] - end)
        for kind, a, b, c, d in group:
            left, right = list(enumerate(old[a:b], a + 1)), list(enumerate(new[c:d], c + 1))
            yield from _same(left, right) if kind == "equal" else _changed(left, right)
        end = group[-1][2]
    yield from _gap(len(old) - end)


def _gap(lines: int) -> Iterator[SafeString]:
    if lines > 0:
        yield format_html('<div class="gap">{} same</div>', f"{lines:,} line{'s' if lines > 1 else ''}")


def _same(left: Sequence[Numbered], right: Sequence[Numbered]) -> Iterator[SafeString]:
    for (number, line), (other, _) in zip(left, right, strict=True):
        yield format_html('<div data-n="{}">{}</div><div class="again" data-n="{}">{}</div>', number, line, other, line)


def _changed(left: Sequence[Numbered], right: Sequence[Numbered]) -> Iterator[SafeString]:
    for old, new in zip_longest(left, right):
        was, now = _marked(old[1], new[1]) if old and new else (escape((old or new or (0, ""))[1]),) * 2
        yield _side("del", "-", old, was)
        yield _side("add", "+", new, now)


def _side(kind: str, sign: str, line: Numbered | None, text: SafeString) -> SafeString:
    if line is None:
        return mark_safe('<div class="void"></div>')
    return format_html('<div class="{}" data-n="{}"><span class="sg">{}</span>{}</div>', kind, line[0], sign, text)


def _marked(old: str, new: str) -> tuple[SafeString, SafeString]:
    """Both lines with the words that differ marked; plain where they have little in common."""
    a, b = WORD.findall(old), WORD.findall(new)
    matcher = SequenceMatcher(None, a, b, autojunk=False)
    if len(a) + len(b) > MARKED_WORDS or matcher.ratio() < ALIKE:
        return escape(old), escape(new)
    was, now = [], []
    for kind, left, left_end, right, right_end in matcher.get_opcodes():
        was.append(_part(kind, "del", a[left:left_end]))
        now.append(_part(kind, "ins", b[right:right_end]))
    return mark_safe("".join(was)), mark_safe("".join(now))  # noqa: S308 - every part is escaped


def _part(kind: str, tag: str, words: Sequence[str]) -> SafeString:
    text = escape("".join(words))
    return text if kind == "equal" or not words else format_html("<{0}>{1}</{0}>", mark_safe(tag), text)  # noqa: S308 - ours
