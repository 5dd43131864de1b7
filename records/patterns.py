"""Patterns of ids and keys: `*` stands for anything, everything else for itself."""

from __future__ import annotations

ANY = "*"


def like(pattern: str) -> str:
    """Return the pattern for SQL's LIKE."""
    escaped = pattern.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    return escaped.replace(ANY, "%")


def beginning(pattern: str) -> str:
    """Return what every match begins with: what an index can look for."""
    return pattern.split(ANY, 1)[0]
