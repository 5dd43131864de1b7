"""Telling open pages of prompts, always after the commit of what they are told."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from uuid import UUID

from django.contrib.auth.models import User
from django.db import transaction

from executions import events, uploads
from executions.models import HumanPrompt
from executions.nudge import nudge_on_commit
from executions.prompts.people import people_of
from executions.retry import SHIFT

Asked = Mapping[Any, Sequence[User]]


def resolved_on_commit(prompts: Sequence[HumanPrompt]) -> None:
    """Tell pages, when the transaction has committed, that the prompts are not open any more."""
    transaction.on_commit(lambda: resolved(prompts))


def resolved(prompts: Sequence[HumanPrompt]) -> None:
    """Tell the pages of everyone who was asked, and of those who watch the runs. What was uploaded in vain goes."""
    for prompt in prompts:
        uploads.remove_unused(str(prompt.pk), prompt.answer)
    events.send_all(_messages("prompt.resolved", prompts, people_of(prompts)))


def waiting(prompts: Sequence[HumanPrompt], asked: Asked) -> None:
    """Tell the pages of those who are asked that prompts wait; escalated ones are new to some of them."""
    events.send_all(_messages("prompt.created", prompts, asked))


def _messages(event: str, prompts: Sequence[HumanPrompt], asked: Asked) -> Iterator[tuple[str, dict[str, Any]]]:
    """One message for each group and execution, however many prompts."""
    named: dict[tuple[str, int, bool], list[dict[str, Any]]] = defaultdict(list)
    for prompt in prompts:
        number = prompt.execution.number
        told = {"id": str(prompt.pk), "title": prompt.title, "status": prompt.status, "url": f"/prompts/{prompt.pk}/"}
        named[events.execution_group(number), number, False].append(told)
        for user in asked[prompt.pk]:
            named[events.user_group(user.pk), number, True].append(told)
    for (group, number, for_user), some in named.items():
        yield group, {"type": event, "execution": number, "for_user": for_user, "prompts": some[-events.MAX_RECORDS :]}


def woken_on_commit(cursor: Any, woken: Mapping[tuple[UUID, str], int]) -> None:
    """Count frames that wait no longer, by execution and iterate, and have their executions looked at."""
    for (execution_id, alias), count in sorted(woken.items()):
        if alias:  # the root is no record
            cursor.execute(SHIFT, (execution_id, "frame", alias, "waiting", -count))
    for execution_id in sorted({execution_id for execution_id, _ in woken}):
        nudge_on_commit(execution_id)
