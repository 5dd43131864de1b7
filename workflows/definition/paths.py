"""Where a step's output goes in the record: the path in `as`."""

from __future__ import annotations

import re

BUCKETS = ("vars", "fields", "targets")
MAX_DEPTH = 32
KEY = re.compile(
    r"""(\.|^)(?P<name>[^.\[\]"'\s][^.\[\]"']*)"""
    r"""|\[(?P<index>\d{1,5})\]|\[(?P<quote>["'])(?P<quoted>[^"']+)(?P=quote)\]"""
)


def parse_store_path(text: str) -> tuple[str | int, ...]:
    """Return the keys of `category`, `vars.lines[2].amount` or `fields["first name"]`, beginning with the bucket.

    Without a bucket it is `vars`. Raises ValueError when it cannot be read.
    """
    keys: list[str | int] = []
    position = 0
    while position < len(text):
        found = KEY.match(text, position)
        if found is None:
            raise ValueError(
                f"the path {text!r} cannot be read at character {position + 1}; write it as vars.lines[2].amount"
            )
        keys.append(int(found["index"]) if found["index"] else found["name"] or found["quoted"])
        position = found.end()
    if keys[:1] == [] or keys[0] not in BUCKETS:
        keys.insert(0, "vars")
    if len(keys) < 2 or len(keys) > MAX_DEPTH:
        raise ValueError(f"the path {text!r} must name what is stored within {keys[0]}, at most {MAX_DEPTH} keys deep")
    return tuple(keys)
