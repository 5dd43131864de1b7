"""What a record is called beside its id: the first of the usual fields that says it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from director.jsontools import ValueInvalid, loads
from records.secrets import Secrets

TITLE_FIELDS = ("subject", "title", "name", "summary", "company", "email", "value")
TITLE_CHARACTERS = 120
READ_CHARACTERS = 2_000  # a secret that is cut in two is not known any more

# The same for SQL, to be shown by `shown_title`; `{data}` is the jsonb column.
TITLE_SQL = (
    "left(coalesce("
    + ", ".join(f"nullif({{data}} -> 'fields' ->> '{field}', '')" for field in TITLE_FIELDS)
    + f", ''), {READ_CHARACTERS})"
)


def title_of(data: Mapping[str, Any]) -> str:
    """Return the title of a record's data; empty when no usual field is there."""
    fields = data.get("fields") or {}
    for name in TITLE_FIELDS:
        value = fields.get(name)
        if value is not None and value != "":
            return _written(value)
    return ""


def shown_title(text: str, secrets: Secrets) -> str:
    """Return a title that the database has told, as it may be shown."""
    try:
        value = loads(text) if text.startswith(("{", "[")) else text
    except ValueInvalid:
        value = text
    return _written(secrets.hide(value))


def _written(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text[:TITLE_CHARACTERS]
