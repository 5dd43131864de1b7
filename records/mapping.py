"""From the columns of a file to the parts of a record.

A column goes to a path of the data (`fields.subject`), to what a record has beside its data (`record_id`,
`record_type`, `source_key`, `status`, `error_message`), or nowhere. What is not said goes where its name says: the
columns of an export back to where they came from, any other into the fields under its own name.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from records.cells import MISSING, value_of
from records.errors import ImportInvalid, RecordInvalid
from records.identity import NewRecord
from records.patches import BUCKETS, Path, apply, format_path, parse_path, set_at
from records.states import HELD, RecordStatus
from workflows.readers.items import Item

ABOUT = ("record_id", "record_type", "source_key", "status", "error_message")
TIMES = ("created_at", "updated_at")  # in an export for people; there is nothing to import from them
NOWHERE = ""


class Mapper:
    """Makes a record of each row.

    columns: those known of the file. mapping: column to target, for those that do not go where their name says. typed:
    cells hold values as the cells of an export do (`records.cells`). Raises ImportInvalid, PathInvalid.
    """

    def __init__(self, columns: Collection[str], mapping: Mapping[str, str], *, typed: bool) -> None:
        self.of_export, self.mapping, self.typed = is_export(columns), mapping, typed
        self._paths: dict[str, Path] = {}
        for column, target in mapping.items():
            if columns and column not in columns:
                raise ImportInvalid(f"mapping {column}", "names no column of the file", list(columns))
            if target not in (*ABOUT, NOWHERE):
                self._path(target)

    def record_of(self, item: Item) -> tuple[NewRecord, str]:
        """Return the row as a record and its type ("" when it does not say). Raises RecordInvalid."""
        data: Any = {bucket: {} for bucket in BUCKETS}
        about: dict[str, str] = {}
        for column, cell in item.data.items():
            target, value = self.target(column), value_of(cell) if self.typed else cell
            if value is MISSING or target == NOWHERE:
                continue
            if target in ABOUT:
                about[target] = _text(value, cell)
            else:
                data = self._with(data, column, target, value)
        return _record(item, data, about), about.get("record_type", "")

    def target(self, column: str) -> str:
        """Return where the column goes."""
        return self.mapping.get(column, default_target(column, of_export=self.of_export))

    def _with(self, data: Any, column: str, target: str, value: Any) -> Any:
        if target not in BUCKETS:
            return apply(data, [set_at(self._path(target), value)])
        if isinstance(value, dict):
            return {**data, target: {**data[target], **value}}
        return apply(data, [set_at(("fields", column), value)])

    def _path(self, target: str) -> Path:
        path = self._paths.get(target)
        if path is None:
            path = self._paths[target] = parse_path(target)
        return path


def is_export(columns: Collection[str]) -> bool:
    """Whether a file with these columns is an export of records."""
    return "record_id" in columns and any(column == "record_type" or _bucket(column) for column in columns)


def default_target(column: str, *, of_export: bool) -> str:
    """Return where a column goes by its name."""
    if column == "record_id" or column in BUCKETS or (of_export and column in ABOUT):
        return column
    if of_export and column in TIMES:
        return NOWHERE
    return column if of_export and _bucket(column) else format_path(("fields", column))


def _bucket(column: str) -> bool:
    return column in BUCKETS or column.startswith(tuple(f"{bucket}{mark}" for bucket in BUCKETS for mark in ".["))


def _text(value: Any, cell: Any) -> str:
    """Return what stands beside the data as text: `007` is no number there."""
    if value is None:
        return ""
    return value if isinstance(value, str) else str(cell)


def _record(item: Item, data: Any, about: Mapping[str, str]) -> NewRecord:
    status = about.get("status") or RecordStatus.DISCOVERED
    if status not in RecordStatus.values:
        message = f"{status} is none of {', '.join(RecordStatus.values)}"
        raise RecordInvalid("the row", [{"path": "status", "rule": "enum", "message": message}])
    return NewRecord(
        item.position,
        data["fields"],
        data["vars"],
        data["targets"],
        record_id=about.get("record_id") or None,
        source_key=about.get("source_key") or None,
        status=RecordStatus.DISCOVERED if status in HELD else status,
        error=about.get("error_message", ""),
        item=item.data,
    )
