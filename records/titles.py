"""What a record is called beside its id: the first of the usual fields that says it."""

import json
from collections.abc import Mapping
from typing import Any

TITLE_FIELDS = ("subject", "title", "name", "summary", "company", "email", "value")
TITLE_CHARACTERS = 120

# The same for SQL; `{data}` is the jsonb column.
TITLE_SQL = (
    "left(coalesce("
    + ", ".join(f"nullif({{data}} -> 'fields' ->> '{field}', '')" for field in TITLE_FIELDS)
    + f", ''), {TITLE_CHARACTERS})"
)


def title_of(data: Mapping[str, Any]) -> str:
    """Return the title of a record's data; empty when no usual field is there."""
    fields = data.get("fields") or {}
    for name in TITLE_FIELDS:
        value = fields.get(name)
        if value is not None and value != "":
            text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
            return text[:TITLE_CHARACTERS]
    return ""
