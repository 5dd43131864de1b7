"""The steps `write_file` and `append_to_file`: rows become lines of a file in the folders that are open for writing.

Two types, because they differ in what may be done after a crash, and that is declared for a type: a file that is
replaced may be replaced again, lines that may have been added must not be added again.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from django.conf import settings

from connectors.effects import Effect
from director.errors import did_you_mean
from executions import filing
from executions.errors import FileNotWritten
from executions.rows import columns_of, csv_lines, header_of, json_lines
from workflows.errors import StepFailed
from workflows.readers.errors import SourceUnreadable
from workflows.readers.files import place_within
from workflows.step_types.base import StepCall, StepType

FORMATS = {".csv": "csv", ".jsonl": "jsonl", ".ndjson": "jsonl"}
MAX_HEADER_BYTES = 1024 * 1024


class FileStep(StepType):
    """Its output is `{path, format, rows, bytes}`: where it wrote, and how much."""

    category = "action"
    schema: ClassVar[dict[str, Any]] = {
        "type": "object",
        "additionalProperties": False,
        "required": ["path", "rows"],
        "properties": {
            "path": {
                "title": "Path",
                "description": "Within the folders that are open for writing, such as reports/leads.csv.",
                "type": "string",
                "minLength": 1,
                "maxLength": 1000,
            },
            "rows": {"title": "Rows", "description": "A list of rows, or one row; for CSV each is an object."},
            "format": {
                "title": "Format",
                "description": "CSV or JSON Lines; what the path ends in when not said.",
                "enum": ["csv", "jsonl"],
            },
            "columns": {
                "title": "Columns",
                "description": "Which columns a CSV file has, in which order; else all, in no certain order.",
                "type": "array",
                "minItems": 1,
                "maxItems": 2000,
                "uniqueItems": True,
                "items": {"type": "string", "minLength": 1},
            },
            "guard_formulas": {
                "title": "Guard formulas",
                "description": "Puts an apostrophe before a text that a spreadsheet would run; on when not said.",
                "type": "boolean",
            },
        },
    }

    def run(self, call: StepCall) -> dict[str, Any]:
        config = call.config
        path = _place(config["path"])
        format = config.get("format") or _format(path.name)
        rows = config["rows"] if isinstance(config["rows"], list) else [config["rows"]]
        try:
            size = self.write(path, rows, format, config)
        except OSError as error:
            raise FileNotWritten(config["path"], error.strerror or str(error)) from error
        return {"path": _shown(path), "format": format, "rows": len(rows), "bytes": size}

    def write(self, path: Path, rows: Sequence[Any], format: str, config: Mapping[str, Any]) -> int:
        """Write the rows and return how many bytes that were."""
        raise NotImplementedError

    def problems(self, config: Mapping[str, Any]) -> Iterable[tuple[str, str]]:
        path = config.get("path")
        if isinstance(path, str) and "{{" not in path and "format" not in config and not FORMATS.get(_ending(path)):
            yield "path", f"does not end in {', '.join(FORMATS)}; say its `format`"
        if config.get("format") == "jsonl":
            for key in ("columns", "guard_formulas"):
                if key in config:
                    yield key, f"`{key}` is for CSV files"

    def summary(self, config: Mapping[str, Any]) -> str:
        return str(config.get("path", ""))


class WriteFile(FileStep):
    """Before, there was another file or none; afterwards there is this one, and nobody ever sees half of it."""

    name = "write_file"
    label = "Write a file"
    description = "Writes rows as a new CSV or JSON Lines file; one that is there is replaced."
    icon = "file-export"
    effect = Effect.IDEMPOTENT

    def write(self, path: Path, rows: Sequence[Any], format: str, config: Mapping[str, Any]) -> int:
        content = json_lines(rows) if format == "jsonl" else _csv(rows, config)
        filing.replace(path, content)
        return len(content)


class AppendToFile(FileStep):
    """One write for all rows of the step; a CSV file gets its header with the first of them."""

    name = "append_to_file"
    label = "Append to a file"
    description = "Adds rows to the end of a CSV or JSON Lines file, which is made when it is not there."
    icon = "file-plus"
    effect = Effect.ONCE

    def write(self, path: Path, rows: Sequence[Any], format: str, config: Mapping[str, Any]) -> int:
        if format == "jsonl":
            return filing.append(path, lambda *_: json_lines(rows))
        columns_of(rows)  # refused before there is a file
        return filing.append(path, lambda place, size: _more_csv(place, size, rows, config))


def _csv(rows: Sequence[Any], config: Mapping[str, Any]) -> bytes:
    found = columns_of(rows)
    return csv_lines(rows, config.get("columns") or found, header=True, guard=config.get("guard_formulas", True))


def _more_csv(path: Path, size: int, rows: Sequence[Any], config: Mapping[str, Any]) -> bytes:
    """The lines to add to a file of that size, in the columns that it has."""
    if not size:
        return _csv(rows, config)
    with path.open(encoding="utf-8", errors="replace", newline="") as stream:
        there = header_of(stream.read(min(size, MAX_HEADER_BYTES)))
    wanted = config.get("columns") or there
    new = [name for name in (columns_of(rows) if "columns" not in config else wanted) if name not in there]
    if new or wanted != there:
        raise StepFailed(_mismatch(_shown(path), there, new))
    return csv_lines(rows, there, header=False, guard=config.get("guard_formulas", True))


def _mismatch(path: str, there: Sequence[str], new: Sequence[str]) -> str:
    known = f"{path} has the columns {', '.join(there)}"
    if not new:
        return (
            f"{known}, not in the order that `columns` says. Say them as the file has them, or append to another file."
        )
    hint = did_you_mean(new[0], there)
    return f"{known}, but not {new[0]}.{hint} Name those to write in `columns`, or append to another file."


def _place(path: str) -> Path:
    """Where to write; raises FileNotWritten for a path outside the folders that are open for it."""
    roots = settings.DIRECTOR_WRITE_ROOTS
    try:
        place = place_within(path, roots)
    except SourceUnreadable as error:
        raise FileNotWritten(path, error.reason) from error
    if place is None:
        where = ", ".join(str(root) for root in roots) or "none"
        raise FileNotWritten(path, f"it leads outside the folders that steps may write to ({where})", is_outside=True)
    if place.is_dir():
        raise FileNotWritten(path, "it is a folder; say the name of the file in it too")
    return place


def _shown(path: Path) -> str:
    """The path as another step would name it: it begins with the name of the folder that is open."""
    root = next(root for root in settings.DIRECTOR_WRITE_ROOTS if path.is_relative_to(root.resolve()))
    return str(Path(root.name, path.relative_to(root.resolve())))


def _format(name: str) -> str:
    try:
        return FORMATS[_ending(name)]
    except KeyError:
        raise StepFailed(f"{name} does not end in {', '.join(FORMATS)}; say its `format`, csv or jsonl.") from None


def _ending(name: str) -> str:
    return Path(name).suffix.lower()
