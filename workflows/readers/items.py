"""What every reader yields: an `Item` for each part that could be read, a `Problem` for each that could not."""

from dataclasses import dataclass
from typing import Any

MAX_FIELD_BYTES = 1024 * 1024  # what one field of a record may hold; larger content belongs in a file


@dataclass(frozen=True, slots=True)
class Position:
    """Where in its source an item stands, in words by `str()`: "message 7 of inbox.mbox (byte 10,244)".

    index: 1-based number of the item within the whole source. Malformed items count too, so that an item
    keeps its number whether or not those before it can be read.
    """

    index: int
    unit: str
    source: str
    line: int | None = None
    offset: int | None = None

    def __str__(self) -> str:
        text = f"{self.unit} {self.index} of {self.source}"
        if self.line is not None:
            return f"{text} (line {self.line:,})"
        return text if self.offset is None else f"{text} (byte {self.offset:,})"


@dataclass(frozen=True, slots=True)
class Item:
    """One well-formed part of a source; `data` holds JSON values that PostgreSQL can store."""

    position: Position
    data: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Problem:
    """One part of a source that could not become an item, and why; the parts after it are still read."""

    position: Position
    reason: str

    def __str__(self) -> str:
        return f"{self.position}: {self.reason}"


def checked(position: Position, data: dict[str, Any], max_field_bytes: int) -> Item | Problem:
    """Return the item, or the problem naming the first field that is larger than `max_field_bytes`."""
    for name, value in data.items():
        size = _size_bytes(value)
        if size > max_field_bytes:
            return Problem(position, too_large(f"field '{name[:80]}'", size, max_field_bytes))
    return Item(position, data)


def too_large(what: str, size_bytes: int, limit_bytes: int) -> str:
    """Return the sentence that refuses `what` for its size."""
    return f"{what} has {format_bytes(size_bytes)}, the limit is {format_bytes(limit_bytes)}"


def format_bytes(size: int) -> str:
    """Return a size for people: "812 bytes", "1.5 KB", "50 MB"."""
    if size < 1024:
        return f"{size} bytes"
    unit, divisor = ("KB", 1024) if size < 1024**2 else ("MB", 1024**2)
    return f"{size / divisor:,.1f}".removesuffix(".0") + f" {unit}"


def _size_bytes(value: Any) -> int:
    if isinstance(value, str):
        return len(value) if value.isascii() else len(value.encode())
    if isinstance(value, dict):
        return sum(_size_bytes(key) + _size_bytes(item) for key, item in value.items())
    if isinstance(value, list):
        return sum(map(_size_bytes, value))
    return len(str(value))
