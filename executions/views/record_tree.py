"""A record's data as a tree to be read and edited: every value with its type and with who or what set it."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from director.errors import DirectorError
from director.jsontools import ValueInvalid
from executions.queries import History, Point
from records.masking import hides_at
from records.models import RecordChange
from records.patches import BUCKETS, Path, format_path, parse_path
from records.timeline import Blame
from records.typed import KINDS, MAX_CHARACTERS, kind_of, written

LONG_CHARACTERS = 60  # a longer value is folded to one line
WHOLE_CHARACTERS = 20_000  # shown when it is unfolded; the JSON has the rest
MANY = 100  # items of one list or object that are shown
OPEN_ITEMS = 12  # a larger list or object is folded at first
DEPTH = 12
NOTES = {"fields": "what its source said", "vars": "set by steps", "targets": "where this record was written"}


@dataclass(slots=True)
class Node:
    """A value with its place. more: items that are not shown. masked: the value is a secret and shown as a mask."""

    key: str
    path: str
    kind: str
    value: Any = None
    children: list[Node] = field(default_factory=list)
    more: int = 0
    size: int = 0
    blame: Blame | None = None
    is_changed: bool = False
    is_masked: bool = False

    @property
    def is_long(self) -> bool:
        return len(str(self.value)) > LONG_CHARACTERS

    @property
    def is_open(self) -> bool:
        return self.size <= OPEN_ITEMS

    @property
    def whole(self) -> str:
        """The value as text, cut where a page becomes slow."""
        text = self.value if isinstance(self.value, str) else json.dumps(self.value, ensure_ascii=False, indent=2)
        return text[:WHOLE_CHARACTERS]

    @property
    def before(self) -> Any:
        """What stood here before it was set, as it may be shown."""
        return self.blame.before if self.blame else None

    @property
    def by_person(self) -> RecordChange | None:
        event = self.blame.event if self.blame else None
        return event if isinstance(event, RecordChange) else None


@dataclass(frozen=True, slots=True)
class Bucket:
    """Fields, vars or targets."""

    name: str
    note: str
    nodes: list[Node]


def tree_of(history: History, point: Point) -> list[Bucket]:
    """Return the record's data at a point of its story, as it may be shown. Pure."""
    blamed, data = history.blame(point), history.shown(point)
    changed = {line.path for line in point.lines} if point.index < history.last else set()
    parts = ((name, data.get(name) or {}) for name in BUCKETS)
    return [Bucket(name, NOTES[name], _children(part, (name,), blamed, changed)[0]) for name, part in parts]


def _children(value: Any, path: Path, blamed: Mapping[str, Blame], changed: Collection[str]) -> tuple[list[Node], int]:
    pairs = list(value.items() if isinstance(value, dict) else enumerate(value))
    shown = [_node(item, (*path, key), blamed, changed) for key, item in pairs[:MANY]]
    return shown, max(0, len(pairs) - MANY)


def _node(value: Any, path: Path, blamed: Mapping[str, Blame], changed: Collection[str]) -> Node:
    text = format_path(path)
    node = Node(str(path[-1]), text, kind_of(value), blame=blamed.get(text), is_changed=text in changed)
    node.is_masked = value is not None and hides_at(path, value)
    if not isinstance(value, dict | list) or not value or len(path) > DEPTH:
        node.value = value
    else:
        node.size = len(value)
        node.children, node.more = _children(value, path, blamed, changed)
    return node


@dataclass(slots=True)
class EditForm:
    """The form that changes one value, or adds one. seen: when the record was last changed as the person saw it.

    bucket: where a new value goes. since: what was changed meanwhile, when the save was refused for that.
    """

    revision: int
    seen: datetime
    path: str = ""
    bucket: str = ""
    name: str = ""
    kind: str = "text"
    text: str = ""
    reason: str = ""
    is_masked: bool = False
    error: DirectorError | None = None
    since: list[Point] = field(default_factory=list)

    kinds = KINDS

    @property
    def rows(self) -> int:
        return min(12, max(self.text.count("\n") + 1, len(self.text) // 40 + 1))

    @property
    def where(self) -> Path:
        """The path that is set; raises PathInvalid."""
        return parse_path(self.path if not self.bucket else _joined(self.bucket, self.name))


def _joined(bucket: str, name: str) -> str:
    return f"{bucket}{name}" if name.startswith("[") else f"{bucket}.{name}"


def form_for(history: History, path: str, bucket: str) -> EditForm | None:
    """Return the form for the path, or for a new value in the bucket; None when neither is asked for.

    Raises PathInvalid, and ValueInvalid for a value too large for a form.
    """
    record = history.record
    form = EditForm(record.revision, record.updated_at)
    if bucket in BUCKETS:
        form.bucket = bucket
        return form
    if not path:
        return None
    keys = parse_path(path)
    standing = at(record.data, keys)
    value = history.secrets.hide_at(keys, standing)
    form.path, form.kind, form.text = path, kind_of(value), written(value)
    form.is_masked = hides_at(keys, standing)
    if len(form.text) > MAX_CHARACTERS:
        raise ValueInvalid(path, f"has {len(form.text):,} characters, too many for a form; set it by the API")
    if form.is_masked:
        form.kind, form.text = "text", ""
    return form


def at(data: Any, path: Path) -> Any:
    """Return what stands at the path, None when nothing does."""
    for key in path:
        try:
            data = data[key]
        except (KeyError, IndexError, TypeError):
            return None
    return data
