"""Ids that sort by the time they were made."""

from datetime import datetime
from uuid import UUID

from uuid_utils.compat import uuid7 as _uuid7


def uuid7() -> UUID:
    """Return a new time-ordered UUID; ids made later in one process compare greater."""
    return _uuid7()


def uuid7_at(moment: datetime) -> UUID:
    """Return the smallest time-ordered UUID of that millisecond: where a range of ids by time begins."""
    return UUID(int=int(moment.timestamp() * 1000) << 80 | 0x7 << 76 | 0x2 << 62)
