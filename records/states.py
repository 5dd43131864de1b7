"""The statuses of a record and the one table of its moves."""

from django.db.models import TextChoices


class RecordStatus(TextChoices):
    DISCOVERED = "discovered"
    PROCESSING = "processing"
    WAITING = "waiting"
    COMPLETE = "complete"
    FAILED = "failed"
    SKIPPED = "skipped"


S = RecordStatus

# From a status to those that may follow it. `complete -> processing` happens only when an iterate asks for complete
# records by its `status` filter; `-> discovered` is a retry, or work given back by a crash or a cancelled run;
# `discovered, failed, skipped -> complete` is a person saying that it is done.
MOVES: dict[str, frozenset[str]] = {
    S.DISCOVERED: frozenset({S.PROCESSING, S.SKIPPED, S.FAILED, S.COMPLETE}),
    S.PROCESSING: frozenset({S.WAITING, S.COMPLETE, S.FAILED, S.DISCOVERED, S.SKIPPED}),
    S.WAITING: frozenset({S.PROCESSING, S.FAILED, S.DISCOVERED, S.SKIPPED}),
    S.COMPLETE: frozenset({S.PROCESSING, S.DISCOVERED, S.SKIPPED}),
    S.FAILED: frozenset({S.DISCOVERED, S.PROCESSING, S.SKIPPED, S.COMPLETE}),
    S.SKIPPED: frozenset({S.DISCOVERED, S.PROCESSING, S.COMPLETE}),
}

# Statuses in which a frame holds the record (`WorkflowRecord.frame_id` names it).
HELD = frozenset({S.PROCESSING, S.WAITING})


def may_move(old: str, new: str) -> bool:
    """Whether a record may go from `old` to `new`; staying is always allowed."""
    return old == new or new in MOVES[old]
