"""What people say in forms and addresses. Imports no app."""

from collections.abc import Iterable, Mapping

REASON_CHARACTERS = 1_000
DIGITS = 18  # any number with so many fits a bigint


def number_in(text: str) -> int | None:
    """Return the whole number that the text says in digits; None when it says something else, or one beyond a bigint."""
    return int(text) if text.isascii() and text.isdigit() and len(text) <= DIGITS else None


def numbers_in(texts: Iterable[str]) -> list[int]:
    """Return the whole numbers among the texts."""
    return [number for number in map(number_in, texts) if number is not None]


def reason_in(given: Mapping[str, str]) -> str:
    """Return why the person does it, at most REASON_CHARACTERS of it."""
    return given.get("reason", "").strip()[:REASON_CHARACTERS]
