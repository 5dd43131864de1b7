"""Text search over what a record's source said: words, each found by its beginning, upper and lower case alike.

What is a word is decided here, for documents and queries alike; PostgreSQL only keeps and finds them. What steps work
out (`vars`) is not searched: the engine writes it at every step, and the index would cost more than the step.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any
from uuid import UUID

from director.jsontools import dumps

# Everything that is no letter or digit parts two words, so "nordwerk" finds p.haas@nordwerk.example.
WORD = re.compile(r"[^\W_]+")
MAX_CHARACTERS = 100_000  # of a record that are searched; PostgreSQL refuses a document over 1 MB
MAX_WORD = 100  # characters of a word that count
MAX_WORDS = 20  # of a query

# Part of a WITH that searches records by their new words; parameters from `wording`, and `workflow`.
FOUND = """found AS (
    UPDATE record_search s SET document = g.words::tsvector
    FROM json_to_recordset(%(words)s::json) AS g (id uuid, words text)
    WHERE s.workflow_id = %(workflow)s AND s.record_id = g.id
)"""


def document_of(*values: Any) -> str:
    """Return the words of every text and number in a record's id, its fields or both, without keys, as a tsvector."""
    text = " ".join(_texts(values))
    return " ".join(_words(text[:MAX_CHARACTERS]))


def query_of(text: str) -> str:
    """Return the tsquery that finds records with all words of the text; empty when it has none."""
    return " & ".join(f"{word}:*" for word in _words(text)[:MAX_WORDS])


def wording(records: Mapping[UUID, tuple[str, Any]]) -> dict[str, str]:
    """Return the parameters with which FOUND searches the records (primary key: id and fields) by their fields."""
    rows = [{"id": pk, "words": document_of(record_id, fields)} for pk, (record_id, fields) in records.items()]
    return {"words": dumps(rows).decode()}


def _words(text: str) -> list[str]:
    """Return the different words of the text, in order."""
    return list(dict.fromkeys(word[:MAX_WORD] for word in WORD.findall(text.lower())))


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for item in value.values():
            yield from _texts(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _texts(item)
    elif value is not None and not isinstance(value, bool):
        yield str(value)
