"""How a record looks in a template."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from workflows.expressions.failures import MISSING


class RecordView:
    """A record as `current`, `outer` and `records.<id>` give it.

    A name is looked for among the reserved ones, then in what steps worked out (`vars`), then in what the source said
    (`fields`). The view holds `data` itself, so it shows what steps have changed.
    """

    __slots__ = ("data", "record_id", "record_type", "status")

    RESERVED = ("record_id", "record_type", "status", "fields", "vars", "targets")

    def __init__(self, record_id: str, record_type: str, status: str, data: dict[str, Any]) -> None:
        self.record_id, self.record_type, self.status, self.data = record_id, record_type, status, data

    def find(self, name: Any) -> Any:
        """Return the value called `name`, MISSING when there is none."""
        data = self.data
        found = _VIEWS.get(name)
        if found is not None:
            return found(self)
        values = data.get("vars")
        if values and name in values:
            return values[name]
        values = data.get("fields")
        return values[name] if values and name in values else MISSING

    def names(self) -> list[str]:
        """Every name that leads somewhere, the record's own data first."""
        own = [*self.data.get("vars", ()), *self.data.get("fields", ())]
        return list(dict.fromkeys([*own, *self.RESERVED]))

    def as_dict(self) -> dict[str, Any]:
        """The record as a plain object, for where it is used as a whole."""
        return {name: self.find(name) for name in self.RESERVED}

    def __iter__(self) -> Iterator[str]:
        return iter(self.names())

    def __contains__(self, name: object) -> bool:
        return self.find(name) is not MISSING


_VIEWS: dict[str, Any] = {
    "record_id": lambda view: view.record_id,
    "record_type": lambda view: view.record_type,
    "status": lambda view: view.status,
    "fields": lambda view: view.data.get("fields", {}),
    "vars": lambda view: view.data.get("vars", {}),
    "targets": lambda view: view.data.get("targets", {}),
}
