"""Files of records: uploaded, looked at, confirmed, imported in the background.

Nothing is written before the confirmation. Rows are made into records in batches; the records of a batch, the sums and
how far the import has come are one transaction, so a worker that is killed loses at most an unfinished batch, and going
on neither repeats nor leaves out a row.
"""

from __future__ import annotations

import tempfile
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, fields, replace
from datetime import timedelta
from itertools import islice
from pathlib import Path
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models.functions import Now

from director.errors import DirectorError
from records.background import SLICE_SECONDS, nudge_on_commit, take_up
from records.creation import OUTCOMES, Tally
from records.creator import Creator
from records.errors import ImportInvalid, ImportNotFound, ImportOver
from records.history import Origin
from records.identity import NewRecord
from records.mapping import Mapper, is_export
from records.models import ChangeSource, ImportStatus, RecordImport, RecordImportPart, WorkflowRecord
from records.signals import announce_many
from workflows.definition.plan import CreateRecords, OnExisting
from workflows.expressions import compile_template
from workflows.models import Workflow
from workflows.readers import Item, Problem, read_csv, read_json
from workflows.readers.items import Position

TASK = "records.run_import"
MAX_BYTES = 512 * 1024 * 1024
PART_BYTES = 1024 * 1024
BATCH = 1_000  # rows in one transaction
KEPT_UNCONFIRMED = timedelta(days=1)
PREVIEW_ROWS = 20
MAX_PROBLEMS = 1_000  # failed rows that are named; the others are only counted
MAX_TYPE_CHARACTERS = 50
NO_TEXT = (b"PK\x03\x04", b"\xd0\xcf\x11\xe0", b"\x1f\x8b", b"%PDF")  # how workbooks, archives and PDFs begin
JSON_SUFFIXES = (".json", ".jsonl", ".ndjson")
OPEN = (ImportStatus.QUEUED, ImportStatus.RUNNING)


@dataclass(frozen=True, slots=True)
class ImportOptions:
    """How the rows of a file become records.

    type: of rows that do not say theirs. mapping: see `records.mapping`. id_pattern: a template for rows without an id
    ("" numbers them). typed: cells hold values as the cells of an export do; None: only if the file is one.
    """

    type: str = ""
    mapping: Mapping[str, str] = field(default_factory=dict)
    id_pattern: str = ""
    on_existing: str = OnExisting.MERGE.value
    typed: bool | None = None


@dataclass(frozen=True, slots=True)
class PreviewRow:
    """One row as it would be imported. exists: there is such a record already. problem: why it would be refused."""

    position: str
    record: NewRecord | None
    type: str
    exists: bool
    problem: str


@dataclass(frozen=True, slots=True)
class Preview:
    """The first rows of an upload. targets: where each column goes, "" for nowhere."""

    columns: list[str]
    targets: dict[str, str]
    typed: bool
    rows: list[PreviewRow]


def read_options(given: Mapping[str, Any]) -> ImportOptions:
    """Return the options that the JSON object describes; raises ImportInvalid."""
    known = [option.name for option in fields(ImportOptions)]
    for name in given:
        if name not in known:
            raise ImportInvalid(name, "is not an option", known)
    if not isinstance(given.get("mapping", {}), Mapping):
        raise ImportInvalid("mapping", "must be an object from columns to targets")
    options = ImportOptions(**given)
    texts = (options.type, options.id_pattern, *options.mapping, *options.mapping.values())
    if not all(isinstance(text, str) for text in texts):
        raise ImportInvalid("options", "must be texts, and mapping an object of texts")
    if not isinstance(options.typed, bool | None):
        raise ImportInvalid("typed", "must be true, false, or null to go by the columns")
    if options.on_existing not in [choice.value for choice in OnExisting]:
        raise ImportInvalid(f"on_existing {options.on_existing}", "is not known", [each.value for each in OnExisting])
    return options


@transaction.atomic
def upload(workflow: Workflow, name: str, content: Iterable[bytes], *, actor: Any = None) -> RecordImport:
    """Keep a file and return it as an import that waits to be confirmed. Raises ImportInvalid: empty, too large."""
    kept = RecordImport.objects.create(workflow=workflow, actor=actor, file_name=_safe(name))
    size = 0
    for number, part in enumerate(_parts(content)):
        if number == 0 and part.startswith(NO_TEXT):
            raise ImportInvalid("file", "is a workbook, an archive or a PDF; save its rows as CSV and upload that")
        size += len(part)
        if size > MAX_BYTES:
            raise ImportInvalid("file", f"has more than {MAX_BYTES // 1024**2} MB; split it")
        RecordImportPart.objects.create(upload=kept, number=number, content=part)
    if not size:
        raise ImportInvalid("file", "is empty")
    kept.size_bytes = size
    kept.save(update_fields=["size_bytes"])
    return kept


def preview(kept: RecordImport, options: ImportOptions) -> Preview:
    """Return how the first rows would be imported; nothing is written.

    Raises ImportOver (its file is not kept), ImportInvalid, SourceUnreadable.
    """
    if kept.is_over:
        raise ImportOver(kept.status)
    with _file(kept) as path:
        items = list(islice(_read(path), PREVIEW_ROWS))
    if not items:
        raise ImportInvalid("file", "has no rows; the first line of a CSV file names its columns, the rows follow")
    columns = list(dict.fromkeys(column for item in items if isinstance(item, Item) for column in item.data))
    work = _Work(kept, options, columns)
    rows = [work.look_at(item) for item in items]
    return Preview(columns, {column: work.mapper.target(column) for column in columns}, work.typed, _met(kept, rows))


def confirm(kept: RecordImport, options: ImportOptions, *, reason: str = "") -> RecordImport:
    """Begin the import in the background. Raises ImportOver, ImportInvalid."""
    preview(kept, options)
    with transaction.atomic():
        locked = RecordImport.objects.select_for_update(no_key=True).get(pk=kept.pk)
        if locked.status != ImportStatus.UPLOADED:
            raise ImportOver(locked.status)
        locked.options, locked.reason = asdict(options), reason
        locked.status, locked.worked_at = ImportStatus.QUEUED, Now()
        locked.save(update_fields=["options", "reason", "status", "worked_at"])
        nudge_on_commit(TASK, locked.pk)
    return locked


def cancel(kept: RecordImport) -> RecordImport:
    """End the import after the batch that is being worked on; what is imported stays. Raises ImportOver."""
    with transaction.atomic():
        locked = RecordImport.objects.select_for_update(no_key=True).get(pk=kept.pk)
        if locked.is_over:
            raise ImportOver(locked.status)
        _end(locked, ImportStatus.CANCELLED)
    return locked


def get_import(workflow: Workflow, import_id: UUID) -> RecordImport:
    """Return the workflow's import; raises ImportNotFound."""
    found = RecordImport.objects.filter(workflow=workflow, pk=import_id).first()
    if found is None:
        raise ImportNotFound(str(import_id))
    return found


def run(import_id: UUID, *, seconds: float = SLICE_SECONDS) -> bool:
    """Import for some seconds; return whether there is more to do. False too while someone else is at it."""
    kept = RecordImport.objects.filter(pk=import_id, status__in=OPEN).first()
    if kept is None:
        return False
    deadline = time.monotonic() + seconds
    with _file(kept) as path:
        items = _read(path)
        work = _Work(kept, read_options(kept.options), _columns(path))
        done = sum(1 for _ in islice(items, kept.done))
        while batch := list(islice(items, BATCH)):
            if not work.do(batch, done):
                return False
            done += len(batch)
            if time.monotonic() > deadline:
                return True
    _complete(import_id, done)
    return False


def fail(import_id: UUID, error: str) -> None:
    """End the import because it cannot go on; what is imported stays."""
    with transaction.atomic():
        kept = RecordImport.objects.select_for_update(no_key=True).get(pk=import_id)
        if not kept.is_over:
            kept.error = error
            _end(kept, ImportStatus.FAILED)


def resume_stalled() -> int:
    """Ask for work on imports that nobody has worked on for a while, return how many; forget unconfirmed uploads."""
    expired = RecordImport.objects.filter(status=ImportStatus.UPLOADED, worked_at__lt=Now() - KEPT_UNCONFIRMED)
    expired.delete()
    return take_up(TASK, RecordImport.objects.filter(status__in=OPEN))


Told = tuple[Position | str, str, str]  # where a row stands, its outcome and why


class _Work:
    """Makes records of the rows of one import."""

    def __init__(self, kept: RecordImport, options: ImportOptions, columns: list[str]) -> None:
        self.kept, self.options = kept, options
        self.is_csv = not _is_json(kept.file_name)
        self.typed = self.is_csv and (is_export(columns) if options.typed is None else options.typed)
        self.mapper = Mapper(columns, options.mapping, typed=self.typed)
        pattern = options.id_pattern
        self.pattern = compile_template(pattern, "id_pattern") if pattern else None
        self.origin = Origin(ChangeSource.IMPORT, actor_id=kept.actor_id, reason=kept.reason or kept.file_name)
        self._creators: dict[str, Creator] = {}

    def look_at(self, item: Item | Problem) -> PreviewRow:
        if isinstance(item, Problem):
            return PreviewRow(str(item.position), None, "", False, item.reason)
        try:
            record, record_type = self._record(item)
            record = self._creator(record_type).checked(record)
        except DirectorError as error:
            return PreviewRow(str(item.position), None, "", False, error.message)
        return PreviewRow(str(item.position), record, record_type, False, "")

    def do(self, batch: list[Item | Problem], position: int) -> bool:
        """Make records of a batch that begins at `position`; False when it is not this worker's turn (any more)."""
        with transaction.atomic():
            kept = RecordImport.objects.select_for_update(no_key=True).get(pk=self.kept.pk)
            if kept.status not in OPEN or kept.done != position:
                return False
            tally = Tally("", limit=MAX_PROBLEMS - len(kept.problems))
            told: list[Told] = []
            for record_type, records in self._by_type(batch, told).items():
                for written in self._creator(record_type).write(records):
                    told.append((written.record.position, written.outcome, written.reason))
            for place, outcome, reason in sorted(told, key=_place):
                tally.add(place, outcome, reason)
            _add(kept, tally, len(batch))
        announce_many(kept.workflow_id)
        return True

    def _by_type(self, batch: list[Item | Problem], told: list[Told]) -> dict[str, list[NewRecord]]:
        found: dict[str, list[NewRecord]] = defaultdict(list)
        for item in batch:
            row = self.look_at(item)
            if row.record is None:
                told.append((item.position, "failed", row.problem))
            else:
                found[row.type].append(row.record)
        return found

    def _record(self, item: Item) -> tuple[NewRecord, str]:
        record, record_type = self.mapper.record_of(item)
        record_type = record_type or self.options.type
        if not record_type:
            raise ImportInvalid("type", "is not given, and the row does not say its record_type")
        if len(record_type) > MAX_TYPE_CHARACTERS:
            raise ImportInvalid(f"type {record_type[:20]}...", f"has more than {MAX_TYPE_CHARACTERS} characters")
        return record, record_type

    def _creator(self, record_type: str) -> Creator:
        if record_type not in self._creators:
            spec = CreateRecords(record_type, self.pattern, on_existing=OnExisting(self.options.on_existing))
            self._creators[record_type] = Creator(self.kept.workflow_id, spec, self.origin)
        return self._creators[record_type]


def _place(told: Told) -> int:
    position = told[0]
    return position.index if isinstance(position, Position) else 0


def _add(kept: RecordImport, tally: Tally, size: int) -> None:
    for outcome in OUTCOMES:
        setattr(kept, outcome, getattr(kept, outcome) + tally.counts[outcome])
    kept.problems = [*kept.problems, *tally.problems]
    kept.done += size
    kept.status, kept.worked_at = ImportStatus.RUNNING, Now()
    kept.save(update_fields=[*OUTCOMES, "problems", "done", "status", "worked_at"])


def _complete(import_id: UUID, done: int) -> None:
    with transaction.atomic():
        kept = RecordImport.objects.select_for_update(no_key=True).get(pk=import_id)
        if kept.status in OPEN and kept.done == done:
            _end(kept, ImportStatus.COMPLETED)


def _end(kept: RecordImport, status: ImportStatus) -> None:
    """End the import; its file is not kept."""
    kept.status, kept.finished_at = status, Now()
    kept.save(update_fields=["status", "finished_at", "error"])
    kept.parts.all().delete()
    announce_many(kept.workflow_id)


def _met(kept: RecordImport, rows: list[PreviewRow]) -> list[PreviewRow]:
    """Tell which of the rows have a record already. One query."""
    ids = [row.record.record_id for row in rows if row.record and row.record.record_id]
    keys = [row.record.source_key for row in rows if row.record and row.record.source_key]
    records = WorkflowRecord.objects.filter(workflow_id=kept.workflow_id)
    known = set(records.filter(record_id__in=ids).values_list("record_id", flat=True))
    known_keys = set(records.filter(source_key__in=keys).values_list("record_type", "source_key"))
    return [_looked_at(row, known, known_keys) for row in rows]


def _looked_at(row: PreviewRow, known: set[str], known_keys: set[Any]) -> PreviewRow:
    record = row.record
    if record is None:
        return row
    exists = record.record_id in known or (row.type, record.source_key) in known_keys
    problem = record.refused.message if record.refused and not exists else row.problem
    return replace(row, exists=exists, problem=problem)


def _columns(path: Path) -> list[str]:
    rows = (item for item in islice(_read(path), PREVIEW_ROWS) if isinstance(item, Item))
    return list(dict.fromkeys(column for row in rows for column in row.data))


def _read(path: Path) -> Iterator[Item | Problem]:
    return read_json(path) if _is_json(path.name) else read_csv(path)


def _is_json(name: str) -> bool:
    return name.lower().endswith(JSON_SUFFIXES)


def _safe(name: str) -> str:
    """Return the last part of the name, as a file can have it."""
    plain = "".join(char for char in name.replace("\\", "/").rsplit("/", 1)[-1] if char.isprintable())
    return plain.strip(". ")[-200:] or "upload.csv"


def _parts(content: Iterable[bytes]) -> Iterator[bytes]:
    """Yield the content in parts of PART_BYTES."""
    kept = bytearray()
    for chunk in content:
        kept += chunk
        while len(kept) >= PART_BYTES:
            yield bytes(kept[:PART_BYTES])
            del kept[:PART_BYTES]
    if kept:
        yield bytes(kept)


@contextmanager
def _file(kept: RecordImport) -> Iterator[Path]:
    """The upload as a file under its own name, for as long as the block lasts."""
    with tempfile.TemporaryDirectory(prefix="director-import-") as folder:
        path = Path(folder) / kept.file_name
        with path.open("wb") as file:
            for content in kept.parts.order_by("number").values_list("content", flat=True).iterator(chunk_size=8):
                file.write(content)
        yield path
