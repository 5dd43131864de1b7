"""What is refused of bulk operations, imports and exports."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from director.errors import NotFound, did_you_mean
from director.growth import Grown
from records.errors.data import RecordError


class BulkInvalid(RecordError):
    """A bulk operation that cannot be done as it was asked for."""

    code = "bulk_invalid"
    http_status = 422

    part: str
    rule: str
    known: Sequence[str] = ()

    @property
    def message(self) -> str:
        choices = f": {', '.join(self.known)}" if self.known else ""
        return f'The bulk operation\'s "{self.part}": {self.rule}{choices}.'

    @property
    def data(self) -> dict[str, Any]:
        return {"part": self.part, "known": list(self.known)}


class BulkGrown(Grown, RecordError):
    code = "bulk_grown"
    sentence = "{total} records match by now, not {shown}. Look at them again, then confirm the new number."


class BulkNotFound(NotFound, RecordError):
    code = "bulk_not_found"
    sentence = "There is no bulk operation {} in this workflow."


class BulkOver(RecordError):
    code = "bulk_over"
    http_status = 409

    status: str

    @property
    def message(self) -> str:
        return f"The bulk operation is {self.status} already; there is nothing to cancel."


class ExportTooWide(RecordError):
    code = "export_too_wide"
    http_status = 422

    limit: int

    @property
    def message(self) -> str:
        return (
            f"The records have more than {self.limit:,} different fields, too many for the columns of a CSV file. "
            "Choose columns, or export as JSON Lines."
        )


class ImportInvalid(RecordError):
    """A file or its mapping that cannot be imported as it is."""

    code = "import_invalid"
    http_status = 422

    part: str
    rule: str
    known: Sequence[str] = ()

    @property
    def message(self) -> str:
        return f'The import\'s "{self.part}" {self.rule}.{did_you_mean(self.part.split(" ")[-1], self.known)}'

    @property
    def data(self) -> dict[str, Any]:
        return {"part": self.part, "known": list(self.known)}


class ImportNotFound(NotFound, RecordError):
    code = "import_not_found"
    sentence = "There is no import {} in this workflow. An upload that is not confirmed is kept for a day."


class ImportOver(RecordError):
    """An import that was confirmed or has ended already."""

    code = "import_over"
    http_status = 409

    status: str

    @property
    def message(self) -> str:
        return f"The import is {self.status} already. Upload the file again to import it once more."
