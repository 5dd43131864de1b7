"""Readers of outside files: mailboxes, CSV, JSON.

Every reader is a generator of `Item`s and `Problem`s, in the order of the source. It holds one item at a time, so a
file may be larger than the memory; a malformed part is a `Problem` with its position, and the rest is still read.
Paths come from people, so `resolve_path` first confines them to the folders that are open to workflows.
"""

from workflows.readers.csvfile import read_csv
from workflows.readers.files import resolve_path
from workflows.readers.items import MAX_FIELD_BYTES, Item, Position, Problem
from workflows.readers.jsonfile import read_json
from workflows.readers.mailbox import read_mailbox
from workflows.readers.text import clean_text

__all__ = [
    "MAX_FIELD_BYTES",
    "Item",
    "Position",
    "Problem",
    "clean_text",
    "read_csv",
    "read_json",
    "read_mailbox",
    "resolve_path",
]
