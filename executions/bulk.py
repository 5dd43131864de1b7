"""Cancelling or replaying all executions that match a filter, in the background, one by one.

Which ones are meant is written down when the operation begins, a row for each; what is done to one, its outcome and the
sums are one transaction. So a worker that is killed loses nothing and repeats nothing, and the sums add up.

    filter: see `executions.filters`
    parameters of a replay: {"step": "send", "statuses": ["failed"], "skip_completed": true, "dry": true}
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import Count, QuerySet
from django.utils import timezone

from director.errors import DirectorError
from director.growth import has_grown
from executions import control
from executions.filters import read_filter
from executions.models import Execution, ExecutionBulk, ExecutionBulkItem, ExecutionBulkKind
from executions.refusals import ExecutionBulkGrown, ExecutionBulkNotFound, ExecutionBulkTooLarge
from executions.replay.services import Choice, Request, replay
from executions.states import EXECUTION_TERMINAL
from records.background import SLICE_SECONDS, keep_at, nudge_on_commit, take_up

TASK = "executions.run_bulk"
MAX_EXECUTIONS = 100_000
DONE, REFUSED = "done", "refused"
STOPPED = "The operation was stopped before it came to this one."


@dataclass(frozen=True, slots=True)
class Preview:
    """How many executions it would be about, by status; and how many of them would be left as they are."""

    by_status: Mapping[str, int]
    refused: int

    @property
    def total(self) -> int:
        return sum(self.by_status.values())


def matching(user: Any, narrow: Mapping[str, Any]) -> QuerySet[Execution]:
    """Return the executions that the filter means, of those the user may see; raises what `read_filter` refuses."""
    return read_filter(user, narrow).apply(Execution.objects.all().visible_to(user))


def preview(kind: str, narrow: Mapping[str, Any], *, user: Any) -> Preview:
    """Count what `start` would be about; nothing is done. One query."""
    counts = matching(user, narrow).order_by().values_list("status").annotate(Count("pk"))
    by_status = dict(counts)
    over = sum(by_status.get(status, 0) for status in EXECUTION_TERMINAL)
    return Preview(by_status, over if kind == ExecutionBulkKind.CANCEL else 0)


@transaction.atomic
def start(
    kind: str,
    narrow: Mapping[str, Any],
    parameters: Mapping[str, Any],
    *,
    user: Any,
    reason: str = "",
    shown: int | None = None,
) -> ExecutionBulk:
    """Begin the operation and return it; the oldest executions come first. shown: the number that was agreed to.

    Raises what `read_filter` refuses, ExecutionBulkGrown, ExecutionBulkTooLarge.
    """
    meant = matching(user, narrow).order_by("number").values_list("pk", flat=True)
    total = meant.count()
    if total > MAX_EXECUTIONS:
        raise ExecutionBulkTooLarge(total, MAX_EXECUTIONS)
    if shown is not None and has_grown(shown, total):
        raise ExecutionBulkGrown(shown, total)
    bulk = ExecutionBulk.objects.create(
        kind=kind, filter=dict(narrow), parameters=dict(parameters), actor=user, reason=reason
    )
    items = (ExecutionBulkItem(bulk=bulk, execution_id=pk) for pk in meant[:MAX_EXECUTIONS])
    bulk.total = len(ExecutionBulkItem.objects.bulk_create(items, batch_size=5_000))
    bulk.finished_at = None if bulk.total else timezone.now()
    bulk.save(update_fields=["total", "finished_at"])
    nudge_on_commit(TASK, bulk.pk)
    return bulk


@transaction.atomic
def stop(bulk_id: UUID, why: str = STOPPED) -> ExecutionBulk:
    """Leave what is not done yet as it is: each says why. What was done stays done."""
    locked = ExecutionBulk.objects.select_for_update(no_key=True).get(pk=bulk_id)
    if locked.finished_at is None:
        locked.refused += locked.items.filter(outcome="").update(outcome=REFUSED, reason=why)
        locked.finished_at = timezone.now()
        locked.save(update_fields=["refused", "finished_at"])
    return locked


def get_bulk_for(user: Any, bulk_id: UUID) -> ExecutionBulk:
    """Return an operation that the user began; raises ExecutionBulkNotFound."""
    found = ExecutionBulk.objects.filter(pk=bulk_id, actor=user).first()
    if found is None:
        raise ExecutionBulkNotFound(str(bulk_id))
    return found


def run(bulk_id: UUID, *, seconds: float = SLICE_SECONDS) -> bool:
    """Work on the operation for some seconds; return whether there is more to do."""
    return keep_at(work_on, bulk_id, seconds)


@transaction.atomic
def work_on(bulk_id: UUID) -> bool:
    """Do the next execution; return whether there may be another. False too while someone else is at it."""
    bulk = (
        ExecutionBulk.objects.select_for_update(no_key=True, skip_locked=True, of=("self",))
        .select_related("actor")
        .filter(pk=bulk_id, finished_at=None)
        .first()
    )
    if bulk is None:
        return False
    item = (
        bulk.items.filter(outcome="").select_related("execution__workflow", "execution__version").order_by("pk").first()
    )
    if item is None:
        bulk.finished_at = timezone.now()
        bulk.save(update_fields=["finished_at"])
        return False
    _do(bulk, item)
    item.save(update_fields=["outcome", "reason", "result"])
    bulk.done, bulk.refused = bulk.done + (item.outcome == DONE), bulk.refused + (item.outcome == REFUSED)
    bulk.worked_at = timezone.now()
    bulk.save(update_fields=["done", "refused", "worked_at"])
    return True


def resume_stalled() -> int:
    """Ask for work on operations that nobody has worked on for a while; return how many. Called by the sweep."""
    return take_up(TASK, ExecutionBulk.objects.filter(finished_at=None))


def _do(bulk: ExecutionBulk, item: ExecutionBulkItem) -> None:
    try:
        with transaction.atomic():
            if bulk.kind == ExecutionBulkKind.CANCEL:
                control.cancel(item.execution, user=bulk.actor, reason=bulk.reason)
            else:
                request = request_of(bulk.parameters)
                item.result = replay(item.execution, request, user=bulk.actor, reason=bulk.reason)
        item.outcome = DONE
    except DirectorError as refusal:
        item.outcome, item.reason = REFUSED, refusal.message


def request_of(parameters: Mapping[str, Any]) -> Request:
    """Return what a replay of any execution is asked for; records are known to one run alone and so not among it."""
    chosen = Choice(statuses=parameters.get("statuses", ()), pattern=parameters.get("pattern", ""))
    skips, dry = bool(parameters.get("skip_completed")), bool(parameters.get("dry"))
    return Request(parameters.get("step", ""), chosen, skips, dry=dry)
