"""Text search over a record's fields and id: words, each found by its beginning, upper and lower case alike.

What is a word is decided here, for documents and queries alike; PostgreSQL only keeps and finds them. What steps work
out (`vars`) is not searched: the engine writes it at every step, and the index would cost more than the step. What
stands under a secret key is not either, or else a masked value could be guessed by looking for it.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from decimal import Decimal
from typing import Any
from uuid import UUID

from director.jsontools import dumps, loads
from records.iterates import Cursor
from records.masking import is_sensitive

# Everything that is no letter or digit parts two words, so "nordwerk" finds p.haas@nordwerk.example.
WORD = re.compile(r"[^\W_]+")
PARTING = {code: " " for code in range(128) if not chr(code).isalnum()}
MAX_CHARACTERS = 100_000  # of a record that are searched; PostgreSQL refuses a document over 1 MB
MAX_WORD = 100  # characters of a word that count
MAX_WORDS = 20  # of a query
CUT = "…"  # stands in a document that has not all words
DECIMAL = re.compile(r"[-+\d]*\.\d*")

# Part of a WITH that searches records by their new words; parameters from `wording`, and `workflow`.
FOUND = """found AS (
    UPDATE record_search s SET document = g.words::tsvector
    FROM json_to_recordset(%(words)s::json) AS g (id uuid, words text)
    WHERE s.workflow_id = %(workflow)s AND s.record_id = g.id AND s.document <> g.words::tsvector
)"""
FIELDS = "SELECT id, record_id, (data -> 'fields')::text FROM workflow_records WHERE id = ANY (%(ids)s)"


def document_of(*values: Any) -> str:
    """Return the words of every text and number in a record's id, its fields or both, without keys, as a tsvector.

    What stands under a key that names a secret is left out.
    """
    texts: list[str] = []
    _gather(values, texts)
    text = " ".join(texts)
    words = _words(text[:MAX_CHARACTERS])
    return " ".join(words if len(text) <= MAX_CHARACTERS else [*words, CUT])


def query_of(text: str) -> str:
    """Return the tsquery that finds records with all words of the text; empty when it has none."""
    return " & ".join(f"{word}:*" for word in _words(text)[:MAX_WORDS])


def query_for(value: Any, *, begins: bool = False) -> str:
    """Return the tsquery that every record passes which has the value in one of its fields; empty when there is none.

    begins: which has a value that begins with this text. More records may pass; what the value is must still be tested.
    """
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return ""
    text = _number(value).removesuffix(".0") if not isinstance(value, str) else value
    words = WORD.findall(text.lower()) if not (begins and DECIMAL.fullmatch(text)) else []
    if not words:
        return ""
    parts = [word[:MAX_WORD] for word in words]
    if begins and text[-1].isalnum():
        parts[-1] += ":*"
    return f"({' & '.join(dict.fromkeys(parts[-MAX_WORDS:]))}) | {CUT}"


def refresh(cursor: Cursor, workflow_id: UUID, records: Collection[UUID]) -> None:
    """Search the records (by primary key) by what their fields are now. Two queries, on any cursor."""
    cursor.execute(FIELDS, {"ids": list(records)})
    found = {pk: (record_id, loads(fields or "{}")) for pk, record_id, fields in cursor.fetchall()}
    cursor.execute(f"WITH {FOUND} SELECT", {**wording(found), "workflow": workflow_id})


def wording(records: Mapping[UUID, tuple[str, Any]]) -> dict[str, str]:
    """Return the parameters with which FOUND searches the records (primary key: id and fields) by their fields."""
    rows = [{"id": pk, "words": document_of(record_id, fields)} for pk, (record_id, fields) in records.items()]
    return {"words": dumps(rows).decode()}


def _words(text: str) -> list[str]:
    """Return the different words of the text, in order."""
    lowered = text.lower()
    # The same words either way; most texts are ASCII, and a table is twice as fast as an expression.
    words = list(dict.fromkeys(lowered.translate(PARTING).split() if text.isascii() else WORD.findall(lowered)))
    if any(len(word) > MAX_WORD for word in words):
        return list(dict.fromkeys(word[:MAX_WORD] for word in words))
    return words


def _gather(value: Any, texts: list[str]) -> None:
    """Add every text and number of a JSON value to the texts."""
    if isinstance(value, str):
        texts.append(value)
    elif isinstance(value, dict):
        for key, item in value.items():
            if not is_sensitive(key):
                _gather(item, texts)
    elif isinstance(value, list | tuple):
        for item in value:
            _gather(item, texts)
    elif isinstance(value, int | float) and not isinstance(value, bool):
        texts.append(_number(value))
    elif value is not None and not isinstance(value, bool):  # a date, an id: they are stored as texts
        texts.append(str(value))


def _number(value: Any) -> str:
    """Return the number as PostgreSQL writes it: without an exponent."""
    text = str(value)
    return format(Decimal(text), "f") if "e" in text else text
