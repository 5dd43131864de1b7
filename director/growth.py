"""What a person confirmed by its number is counted again when it is done: many more by then are not meant."""

from typing import Any, ClassVar

from director.errors import DirectorError

GROWTH = 1.1  # how many more than were shown may be taken without asking again


def has_grown(shown: int, total: int) -> bool:
    """Whether so many more are there than were shown that the person has to look again."""
    return total > shown * GROWTH


class Grown(DirectorError):
    """Many more are there than the person was told. A leaf gives its `code`, and the `sentence` with {shown} and {total}."""

    http_status = 409
    sentence: ClassVar[str]

    shown: int
    total: int

    @property
    def message(self) -> str:
        return self.sentence.format(shown=f"{self.shown:,}", total=f"{self.total:,}")

    @property
    def data(self) -> dict[str, Any]:
        return {"shown": self.shown, "total": self.total}
