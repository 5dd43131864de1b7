"""Text search over what a record's source said: words, each found by its beginning, upper and lower case alike.

What steps work out (`vars`) is not searched: the engine writes it at every step, and the index would cost more than
the step.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any
from uuid import UUID

from director.jsontools import dumps

# Everything that is no letter or digit parts two words, so "nordwerk" finds p.haas@nordwerk.example.
BETWEEN_WORDS = re.compile(r"[\W_]+")
MAX_CHARACTERS = 100_000  # of a record that are searched; PostgreSQL refuses a document over 1 MB
MAX_WORDS = 20  # of a query

# Part of a WITH that searches records by their new words; parameters from `wording`, and `workflow`.
FOUND = """found AS (
    UPDATE record_search s SET document = to_tsvector('simple', g.words)
    FROM json_to_recordset(%(words)s::json) AS g (id uuid, words text)
    WHERE s.workflow_id = %(workflow)s AND s.record_id = g.id
)"""


def text_of(record_id: str, fields: Any) -> str:
    """Return the words of the id and of every text and number in the fields, without keys, as one line."""
    text = " ".join((record_id, *_texts(fields)))
    return BETWEEN_WORDS.sub(" ", text[:MAX_CHARACTERS])


def query_of(text: str) -> str:
    """Return the tsquery that finds records with all words of the text; empty when it has none."""
    words = BETWEEN_WORDS.sub(" ", text).split()[:MAX_WORDS]
    return " & ".join(f"'{word}':*" for word in words)


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for item in value.values():
            yield from _texts(item)
    elif isinstance(value, list):
        for item in value:
            yield from _texts(item)
    elif value is not None and not isinstance(value, bool):
        yield str(value)


def wording(records: Mapping[UUID, tuple[str, Any]]) -> dict[str, str]:
    """Return the parameters with which FOUND searches the records (primary key: id and fields) by their fields."""
    rows = [{"id": pk, "words": text_of(record_id, fields)} for pk, (record_id, fields) in records.items()]
    return {"words": dumps(rows).decode()}
