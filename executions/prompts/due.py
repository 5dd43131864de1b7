"""Prompts and the clock: what happens when nobody answers, and who is told when. Called every second by the sweep.

Over partial indexes of open prompts by when they are due, so that 10,000 which wait cost nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from django.db import connection, transaction
from django.utils import timezone

from executions.models import HumanPrompt, PromptStatus
from executions.notices import MailKind
from executions.prompts import mails as prompt_mails
from executions.prompts import news as prompt_news
from executions.prompts import services as prompts
from executions.prompts.people import people_of

# --- when nobody answers ----------------------------------------------------------------------------------------------

# Set-wise: a prompt whose time-out fails its step only has to wake the frame, whose walker then fails it. SKIP LOCKED:
# one that is being answered this very moment is answered. Indexes prompt_due, primary key of the frames.
FAIL_DUE = """
WITH due AS (
    SELECT p.id, p.frame_id FROM human_prompts p JOIN execution_frames f ON f.id = p.frame_id
    WHERE p.status = 'open' AND p.due_at <= now() AND p.on_timeout ->> 'do' = 'fail' AND f.status = 'waiting'
    ORDER BY f.id LIMIT 2000 FOR NO KEY UPDATE OF f SKIP LOCKED
), expired AS (
    UPDATE human_prompts p SET status = 'timed_out', answered_at = now() FROM due
    WHERE p.id = due.id AND p.status = 'open' RETURNING p.id, p.frame_id
), woken AS (
    UPDATE execution_frames f SET status = 'ready', waiting_for = '', wake_at = NULL FROM expired
    WHERE f.id = expired.frame_id RETURNING f.id, f.execution_id, f.alias
)
SELECT expired.id, woken.execution_id, woken.alias FROM woken JOIN expired ON expired.frame_id = woken.id
"""
OTHERS_DUE = """
SELECT p.id, p.frame_id FROM human_prompts p
WHERE p.status = 'open' AND p.due_at <= now() AND p.on_timeout ->> 'do' <> 'fail' ORDER BY p.due_at LIMIT 200
"""
# What asked is over: such a prompt is not told of any more and nobody can answer it.
WITHDRAW_ORPHANS = """
UPDATE human_prompts p SET status = 'withdrawn', answered_at = now()
WHERE p.status = 'open' AND p.due_at <= now() AND NOT EXISTS (
    SELECT 1 FROM execution_frames f WHERE f.id = p.frame_id AND f.status IN ('ready', 'running', 'waiting'))
"""
# Whoever withdrew them, the engine among others. Index prompt_withdrawn_untold.
UNTOLD = """
UPDATE human_prompts SET withdrawn_told = true WHERE id IN (
    SELECT id FROM human_prompts WHERE status = 'withdrawn' AND NOT withdrawn_told ORDER BY id LIMIT 1000
    FOR NO KEY UPDATE SKIP LOCKED
) RETURNING id
"""
TRY_FRAME = "SELECT 1 FROM execution_frames WHERE id = %s AND status = 'waiting' FOR NO KEY UPDATE SKIP LOCKED"


def expire_due() -> int:
    """Do what was said for prompts whose time is up; return how many. Four statements when there are none."""
    failed = _fail_due()
    with connection.cursor() as cursor:
        cursor.execute(OTHERS_DUE)
        others = cursor.fetchall()
        done = sum(_expire(prompt_id, frame_id) for prompt_id, frame_id in others)
        cursor.execute(WITHDRAW_ORPHANS)
    tell_withdrawn()
    return failed + done


def tell_withdrawn() -> int:
    """Tell pages of prompts that are not asked any more because their runs went another way; return how many."""
    with connection.cursor() as cursor:
        cursor.execute(UNTOLD)
        withdrawn = [row[0] for row in cursor.fetchall()]
    if withdrawn:
        prompt_news.resolved(_with_related(withdrawn))
    return len(withdrawn)


def _fail_due() -> int:
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(FAIL_DUE)
        expired = cursor.fetchall()
        woken = Counter((execution_id, alias) for _, execution_id, alias in expired)
        prompt_news.woken_on_commit(cursor, woken)
    if expired:
        prompt_news.resolved(_with_related([row[0] for row in expired]))
    return len(expired)


def _expire(prompt_id: UUID, frame_id: int) -> bool:
    """Answer one prompt as its step says for this case; False when somebody else is at it."""
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute(TRY_FRAME, (frame_id,))
            if cursor.fetchone() is None:
                return False
        prompt = HumanPrompt.objects.select_related(*prompts.RELATED).get(pk=prompt_id)
        if prompt.status != PromptStatus.OPEN:
            return False
        said = prompt.on_timeout
        output = prompts.output_of(prompt, said["action"], said.get("answer", {}), by=None, timed_out=True)
        prompts.finish(prompt, output, status=PromptStatus.TIMED_OUT)
        prompt_news.resolved_on_commit([prompt])
    return True


def _with_related(ids: Sequence[UUID]) -> list[HumanPrompt]:
    return list(HumanPrompt.objects.filter(pk__in=ids).select_related("execution", "workflow"))


# --- what is told when ------------------------------------------------------------------------------------------------

BATCH = 100
# One telling for a prompt, however many of its ladder's moments have passed: the first of these that is among them.
KINDS = (MailKind.ANNOUNCE, MailKind.ESCALATE, MailKind.REMIND)


def is_news_due() -> bool:
    """Whether a prompt is to be announced, reminded of or escalated, or a mail to be sent. Index prompt_next."""
    due = HumanPrompt.objects.filter(status=PromptStatus.OPEN, next_at__lte=timezone.now())
    return due.exists() or prompt_mails.is_due()


def remind_due() -> int:
    """Announce new prompts, remind of old ones and ask more people, as each prompt's ladder says; return how many."""
    total = 0
    while told := _tell_batch():
        total += told
    return total


def _tell_batch() -> int:
    """Take prompts off their next step of the ladder and keep the mails about it, in one transaction; then tell pages.

    What dies before the commit has told nobody and is done again; after it, the mails are on their way.
    """
    now = timezone.now()
    with transaction.atomic():
        due = HumanPrompt.objects.filter(status=PromptStatus.OPEN, next_at__lte=now).order_by("next_at")
        locked = due.select_for_update(no_key=True, skip_locked=True, of=("self",)).select_related(
            "execution", "workflow"
        )
        taken = list(locked[:BATCH])
        did = {prompt.pk: _climb(prompt, now) for prompt in taken}
        HumanPrompt.objects.bulk_update(taken, ["users", "groups", "ladder", "next_at"])
        asked = people_of(taken)
        for kind in KINDS:
            prompt_mails.keep(kind, [prompt for prompt in taken if did[prompt.pk] == kind], asked)
    prompt_news.waiting(taken, asked)
    return len(taken)


def _climb(prompt: HumanPrompt, now: datetime) -> MailKind | None:
    """Do the steps of the ladder whose time has come, in memory; return what people are told."""
    passed = [step for step in prompt.ladder if datetime.fromisoformat(step["at"]) <= now]
    prompt.ladder = prompt.ladder[len(passed) :]
    prompt.next_at = datetime.fromisoformat(prompt.ladder[0]["at"]) if prompt.ladder else None
    for step in passed:
        if step["do"] == "escalate" and (prompt.users or prompt.groups):
            prompt.users = list(dict.fromkeys([*prompt.users, *step["users"]]))
            prompt.groups = list(dict.fromkeys([*prompt.groups, *step["groups"]]))
    return next((kind for kind in KINDS if any(step["do"] == kind for step in passed)), None)
