"""Telling people of prompts: events to their pages and mails, always after the commit of what they tell."""

from __future__ import annotations

import logging
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from smtplib import SMTPException
from typing import Any
from uuid import UUID

from django.contrib.auth.models import User
from django.core.mail import EmailMessage, get_connection
from django.db import transaction
from django.template.loader import render_to_string

from executions import events
from executions.models import HumanPrompt
from executions.nudge import nudge_on_commit
from executions.prompt_links import link_for
from executions.prompt_people import people_of
from executions.retry import SHIFT

logger = logging.getLogger(__name__)

SUBJECTS = {"announce": "", "remind": "Reminder: ", "escalate": "Still waiting: "}
NAMED_IN_MAIL = 20
Asked = Mapping[Any, Sequence[User]]


def resolved_on_commit(prompts: Sequence[HumanPrompt]) -> None:
    """Tell pages, when the transaction has committed, that the prompts are not open any more."""
    transaction.on_commit(lambda: resolved(prompts))


def resolved(prompts: Sequence[HumanPrompt]) -> None:
    """Tell the pages of everyone who was asked, and of those who watch the runs."""
    events.send_all(_messages("prompt.resolved", prompts, people_of(prompts)))


def tell(prompts: Sequence[HumanPrompt], kind: str) -> None:
    """Tell the people who are asked. kind: announce, remind or escalate; escalated prompts are new to some of them."""
    if not prompts:
        return
    asked = people_of(prompts)
    events.send_all(_messages("prompt.created", prompts, asked))
    mail(prompts, asked, kind)


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


# --- mails ------------------------------------------------------------------------------------------------------------


def mail(prompts: Sequence[HumanPrompt], asked: Asked, kind: str) -> None:
    """Send one mail to each person with an address, however many of the prompts are theirs.

    A mail server that is away costs the mail, not the prompt: the inbox has it.
    """
    theirs: dict[int, list[HumanPrompt]] = defaultdict(list)
    people = {user.pk: user for users in asked.values() for user in users if user.email}
    for prompt in prompts:
        for user in asked[prompt.pk]:
            theirs[user.pk].append(prompt)
    messages = [message(people[pk], some, kind) for pk, some in theirs.items() if pk in people]
    try:
        with get_connection() as server:
            server.send_messages(messages)
    except (OSError, SMTPException) as error:
        logger.warning("prompts could not be mailed: %s", error, extra={"count": len(messages)})


def message(user: User, prompts: Sequence[HumanPrompt], kind: str) -> EmailMessage:
    """Return the mail about prompts to one person; each link in it answers for that person alone."""
    first, count = prompts[0], len(prompts)
    subject = first.title if count == 1 else f"{count} prompts wait for you"
    shown = [(prompt, link_for(prompt, user)) for prompt in prompts[:NAMED_IN_MAIL]]
    context = {
        "user": user,
        "prompts": shown,
        "more": count - len(shown),
        "kind": kind,
        "titles": Counter(p.title for p in prompts),
    }
    body = render_to_string("executions/prompt_mail.txt", context)
    return EmailMessage(SUBJECTS[kind] + " ".join(subject.split())[:150], body, to=[user.email])
