"""Filters that are on, as lists show them: each with the address of the same list without it."""

from collections.abc import Sequence
from dataclasses import dataclass

from django.http import QueryDict


@dataclass(frozen=True, slots=True)
class Chip:
    """A filter that is on. without: the address's query string that has it no more."""

    words: str
    without: str


def without(given: QueryDict, name: str, others: Sequence[str] = ()) -> str:
    """Return the query string from the first page on, with `others` in the place of what is said of the name."""
    rest = given.copy()
    rest.pop("cursor", None)
    rest.setlist(name, list(others))
    return rest.urlencode()
