"""Patterns of ids and keys: `*` stands for anything, everything else for itself."""

from __future__ import annotations

ANY = "*"


def like(pattern: str) -> str:
    """Return the pattern for SQL's LIKE."""
    return literal(pattern).replace(ANY, "%")


def literal(text: str) -> str:
    """Return the text so that LIKE takes every character for itself."""
    return text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")


def beginning(pattern: str) -> str:
    """Return what every match begins with: what an index can look for."""
    return pattern.split(ANY, 1)[0]
