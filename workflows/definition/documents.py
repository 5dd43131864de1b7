"""From the text of a document to plain values, and back.

YAML is read by its 1.2 core schema: `on`, `yes` and `no` are text, and so are dates; only true and false are booleans.
The text is read event by event, so that nesting, size and aliases are bounded before anything is built.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, NoReturn

import yaml

from director.jsontools import UNSTORABLE
from workflows.errors import DefinitionUnreadable

MAX_BYTES = 1024 * 1024  # of a document's text
MAX_NODES = 100_000  # values in a document, each alias counted with all that it stands for
CHARACTERS_PER_NODE = 64  # a longer text counts as several values
MAX_DEPTH = 150
MAX_INTEGER = 2**63

TOO_LARGE = f"it has more than {MAX_BYTES:,} bytes, the limit of a definition"

Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
Positions = dict[str, tuple[int, int]]


def read_document(text: str, format: str | None = None) -> tuple[Any, Positions]:
    """Return the document's value and, for YAML, line and column of each path in it.

    format: "yaml", "json", or None to go by the first character. Raises DefinitionUnreadable with line and column.
    """
    if len(text) > MAX_BYTES or len(text.encode(errors="replace")) > MAX_BYTES:
        raise DefinitionUnreadable("Document", TOO_LARGE)
    if format is None:
        format = "json" if text.lstrip()[:1] in ("{", "[") else "yaml"
    if format not in ("json", "yaml"):
        raise DefinitionUnreadable("Document", f"the format {format!r} is not known; use yaml or json")
    return (_read_json(text), {}) if format == "json" else _YamlReader(text).read()


def decode(document: bytes) -> str:
    """Return the text of a document; raises DefinitionUnreadable when it is too large or not UTF-8."""
    if len(document) > MAX_BYTES:
        raise DefinitionUnreadable("Document", TOO_LARGE)
    try:
        return document.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = document[: error.start]
        line, column = before.count(b"\n") + 1, error.start - before.rfind(b"\n")
        raise DefinitionUnreadable("Document", "it is not UTF-8 text; save it as UTF-8", line, column) from None


def checked_value(value: Any) -> Any:
    """Return a document's value, made of plain values within the bounds; raises DefinitionUnreadable."""
    return _Checker("Document").checked(value, 0)


def dump_yaml(document: Any) -> str:
    """Return the document as YAML that `read_document` reads as the same value."""
    return yaml.dump(document, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=100)


# --- JSON ------------------------------------------------------------------------------------------------------------
def _read_json(text: str) -> Any:
    try:
        value = json.loads(text, object_pairs_hook=_object, parse_constant=_not_a_number)
    except json.JSONDecodeError as error:
        raise DefinitionUnreadable("JSON", _lowered(error.msg), error.lineno, error.colno) from None
    except RecursionError:
        raise DefinitionUnreadable("JSON", f"it is nested more than {MAX_DEPTH} deep") from None
    except ValueError as error:  # a number with thousands of digits
        raise DefinitionUnreadable("JSON", _lowered(str(error))) from None
    return _Checker("JSON").checked(value, 0)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in keys if keys.count(key) > 1)
        raise DefinitionUnreadable("JSON", f"the key {twice!r} stands twice in one object")
    return found


def _not_a_number(name: str) -> NoReturn:
    raise DefinitionUnreadable("JSON", f"{name} is not a number that can be stored")


class _Checker:
    """Holds values to the same bounds as YAML."""

    def __init__(self, format: str) -> None:
        self.format = format
        self.nodes = 0

    def checked(self, value: Any, depth: int) -> Any:
        self.nodes += 1
        reason = _out_of_bounds(depth, self.nodes)
        if reason:
            raise DefinitionUnreadable(self.format, reason)
        if isinstance(value, Mapping):
            return {self.text(key): self.checked(item, depth + 1) for key, item in value.items()}
        if isinstance(value, list):
            return [self.checked(item, depth + 1) for item in value]
        if isinstance(value, int | float):
            return self.number(value)
        return None if value is None else self.text(value)

    def text(self, value: Any) -> str:
        reason = (
            _unstorable(value) if isinstance(value, str) else f"{value!r:.40} is neither text nor another plain value"
        )
        if reason:
            raise DefinitionUnreadable(self.format, reason)
        return str(value)

    def number(self, value: float) -> float:
        try:
            return _number(value)
        except ValueError as error:
            raise DefinitionUnreadable(self.format, str(error)) from None


def _out_of_bounds(depth: int, nodes: int) -> str | None:
    if depth > MAX_DEPTH:
        return f"it is nested more than {MAX_DEPTH} deep"
    return f"it has more than {MAX_NODES:,} values" if nodes > MAX_NODES else None


def _unstorable(text: str) -> str | None:
    found = UNSTORABLE.search(text)
    return (
        f"the text {text[:40]!r} holds the character U+{ord(found[0]):04X}, which cannot be stored" if found else None
    )


def _number(value: float) -> float:
    """Return the number as it will come back from the database: whole ones as integers."""
    if isinstance(value, bool):
        return value
    if isinstance(value, float):
        if not math.isfinite(value):
            raise ValueError(f"{value} is not a number that can be stored")
        if not value.is_integer():
            return value
        value = int(value)
    if not -MAX_INTEGER <= value < MAX_INTEGER:
        raise ValueError("a number is beyond 64 bits; write it as text, in quotes")
    return value


def _lowered(text: str) -> str:
    return f"{text[:1].lower()}{text[1:]}".rstrip(".")


# --- YAML ------------------------------------------------------------------------------------------------------------
PLAIN_SCALARS: tuple[tuple[re.Pattern[str], Callable[[str], Any]], ...] = (
    (re.compile(r"~|null|Null|NULL|"), lambda text: None),
    (re.compile(r"true|True|TRUE"), lambda text: True),
    (re.compile(r"false|False|FALSE"), lambda text: False),
    (re.compile(r"[-+]?[0-9]{1,4000}"), lambda text: _number(int(text))),
    (re.compile(r"0o[0-7]{1,4000}"), lambda text: _number(int(text[2:], 8))),
    (re.compile(r"0x[0-9a-fA-F]{1,4000}"), lambda text: _number(int(text[2:], 16))),
    (re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?"), lambda text: _number(float(text))),
    (re.compile(r"[-+]?(\.inf|\.Inf|\.INF)|\.nan|\.NaN|\.NAN"), lambda text: _number(float(text.replace(".", "")))),
)
TAG = "tag:yaml.org,2002:"
TEXT_TAGS = (None, "!", f"{TAG}str")


@dataclass(slots=True)
class _Open:
    """A list or object that is being read."""

    value: Any
    path: str
    mark: Any
    anchor: str | None
    first_node: int
    key: str | None = None
    has_key: bool = False


@dataclass(slots=True)
class _Anchored:
    value: Any
    nodes: int


@dataclass(slots=True)
class _YamlReader:
    text: str
    positions: Positions = field(default_factory=dict)
    nodes: int = 0
    stack: list[_Open] = field(default_factory=list)
    anchors: dict[str, _Anchored] = field(default_factory=dict)
    result: Any = None
    documents: int = 0

    def read(self) -> tuple[Any, Positions]:
        try:
            for event in yaml.parse(self.text, Loader=Loader):
                self._take(event)
        except yaml.MarkedYAMLError as error:
            self._refuse(_lowered(error.problem or "it cannot be read"), error.problem_mark or error.context_mark)
        except yaml.reader.ReaderError as error:
            self._refuse_character(error)
        return self.result, self.positions

    def _take(self, event: yaml.Event) -> None:
        if isinstance(event, yaml.ScalarEvent):
            first_node = self.nodes + 1
            self._keep(self._scalar(event), event.start_mark, event.anchor, first_node)
        elif isinstance(event, yaml.MappingStartEvent | yaml.SequenceStartEvent):
            self._open(event)
        elif isinstance(event, yaml.MappingEndEvent | yaml.SequenceEndEvent):
            closed = self.stack.pop()
            self._keep(closed.value, closed.mark, closed.anchor, closed.first_node)
        elif isinstance(event, yaml.AliasEvent):
            self._alias(event)
        elif isinstance(event, yaml.DocumentStartEvent):
            self.documents += 1
            if self.documents > 1:
                self._refuse("a second document begins; a definition is one document", event.start_mark)

    def _open(self, event: Any) -> None:
        is_object = isinstance(event, yaml.MappingStartEvent)
        if event.tag not in (None, "!", TAG + ("map" if is_object else "seq")):
            self._refuse(f"the tag {event.tag} is not known; a definition holds plain values only", event.start_mark)
        self._count(1, event.start_mark)
        path = self._path()
        self.positions.setdefault(path, _place(event.start_mark))
        self.stack.append(_Open({} if is_object else [], path, event.start_mark, event.anchor, self.nodes))
        self._check(_out_of_bounds(len(self.stack), 0), event.start_mark)

    def _scalar(self, event: yaml.ScalarEvent) -> Any:
        text = event.value
        self._count(1 + len(text) // CHARACTERS_PER_NODE, event.start_mark)
        self._check(_unstorable(text), event.start_mark)
        if event.tag not in TEXT_TAGS:
            self._refuse(f"the tag {event.tag} is not known; a definition holds plain values", event.start_mark)
        if not event.implicit[0]:  # quoted, a block, or tagged as text
            return text
        for pattern, read in PLAIN_SCALARS:
            if pattern.fullmatch(text):
                try:
                    return read(text)
                except ValueError as error:
                    self._refuse(str(error), event.start_mark)
        return text

    def _alias(self, event: yaml.AliasEvent) -> None:
        found = self.anchors.get(str(event.anchor))
        if found is None:
            self._refuse(
                f"there is no anchor &{event.anchor} that is complete before *{event.anchor}", event.start_mark
            )
        self._count(found.nodes, event.start_mark)
        self._keep(found.value, event.start_mark, None, self.nodes)

    def _keep(self, value: Any, mark: Any, anchor: str | None, first_node: int) -> None:
        """Put a finished value into what is open around it."""
        if anchor is not None:
            self.anchors[anchor] = _Anchored(value, self.nodes - first_node + 1)
        if not self.stack:
            self.result = value
            return
        around = self.stack[-1]
        if isinstance(around.value, list):
            self.positions.setdefault(self._path(), _place(mark))
            around.value.append(value)
        elif around.has_key:
            around.value[around.key] = value
            around.has_key = False
        else:
            self._key(around, value, mark)

    def _key(self, around: _Open, key: Any, mark: Any) -> None:
        if isinstance(key, bool) or key is None or isinstance(key, int | float):
            self._refuse(f"the key {json.dumps(key)} is not text; put it in quotes", mark)
        if not isinstance(key, str):
            self._refuse("a list or object cannot be a key", mark)
        if key in around.value:
            self._refuse(f"the key {key!r} stands twice in one object", mark)
        around.key, around.has_key = key, True
        self.positions[self._path()] = _place(mark)

    def _path(self) -> str:
        """The path of the value that comes next."""
        if not self.stack:
            return ""
        around = self.stack[-1]
        if isinstance(around.value, list):
            return f"{around.path}[{len(around.value)}]"
        return f"{around.path}.{around.key}" if around.path else str(around.key)

    def _count(self, nodes: int, mark: Any) -> None:
        self.nodes += nodes
        self._check(_out_of_bounds(0, self.nodes), mark)

    def _check(self, reason: str | None, mark: Any) -> None:
        if reason:
            self._refuse(reason, mark)

    def _refuse(self, reason: str, mark: Any) -> NoReturn:
        line, column = _place(mark) if mark else (None, None)
        raise DefinitionUnreadable("YAML", reason, line, column) from None

    def _refuse_character(self, error: yaml.reader.ReaderError) -> NoReturn:
        before = self.text[: error.position]
        line, column = before.count("\n") + 1, len(before) - (before.rfind("\n") + 1) + 1
        character = error.character if isinstance(error.character, int) else ord(str(error.character)[:1] or "\0")
        reason = f"the character U+{character:04X} is not allowed"
        raise DefinitionUnreadable("YAML", reason, line, column) from None


def _place(mark: Any) -> tuple[int, int]:
    return mark.line + 1, mark.column + 1


class _Dumper(yaml.SafeDumper):
    """Writes text as a block where it has lines, and quotes what the 1.2 core schema would not read as text."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _represent_text(dumper: _Dumper, text: str) -> yaml.ScalarNode:
    looks_plain = any(pattern.fullmatch(text) for pattern, _ in PLAIN_SCALARS)
    return dumper.represent_scalar(f"{TAG}str", text, style="'" if looks_plain else "|" if "\n" in text else None)


_Dumper.add_representer(str, _represent_text)
