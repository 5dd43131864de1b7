"""Mails that tell people of prompts. Each is a row first and is sent at least once.

The row is written in the transaction that took the prompt off the step of its ladder, so nobody is left untold. Sending
takes the row for LEASE: a worker that dies on the way leaves it to the next one. When it died between handing the mail
over and writing so down, the mail goes out again, with the same Message-ID, by which mailboxes drop the second.
"""

from __future__ import annotations

import hashlib
import logging
from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import timedelta
from smtplib import SMTPException
from typing import Any

from django.conf import settings
from django.contrib.auth.models import User
from django.core.mail import EmailMessage, get_connection
from django.core.mail.backends.base import BaseEmailBackend
from django.core.mail.backends.dummy import EmailBackend as NoMail
from django.db import connection
from django.template.loader import render_to_string
from django.utils import timezone

from executions.models import HumanPrompt, PromptMail, PromptStatus
from executions.notices import MailKind
from executions.prompts.links import link_for
from executions.prompts.services import asked_of

logger = logging.getLogger(__name__)

SUBJECTS = {MailKind.ANNOUNCE: "", MailKind.REMIND: "Reminder: ", MailKind.ESCALATE: "Still waiting: "}
NAMED_IN_MAIL = 20
LEASE = timedelta(minutes=5)  # longer than BATCH mails to a server that answers none of them (EMAIL_TIMEOUT each)
FIRST_PAUSE = timedelta(seconds=30)
LONGEST_PAUSE = timedelta(hours=1)
MOST_TRIES = 30  # a little more than a day
BATCH = 20  # rows

# Index prompt_mail_due. SKIP LOCKED: several workers send at once.
CLAIM = """
UPDATE prompt_mails SET tries = tries + 1, next_at = now() + make_interval(secs => %s) WHERE id IN (
    SELECT id FROM prompt_mails WHERE next_at <= now() ORDER BY next_at, id LIMIT %s FOR NO KEY UPDATE SKIP LOCKED
) RETURNING id
"""
Asked = Mapping[Any, Sequence[User]]


def keep(kind: MailKind, prompts: Sequence[HumanPrompt], asked: Asked) -> None:
    """Keep a mail for each person with an address, however many of the prompts are theirs. In the caller's transaction.

    Without a mail server nothing is kept: the inbox has the prompts.
    """
    if isinstance(get_connection(), NoMail):
        return
    theirs: dict[int, list[Any]] = defaultdict(list)
    for prompt in prompts:
        for user in asked[prompt.pk]:
            if user.email:
                theirs[user.pk].append(prompt.pk)
    rows = (PromptMail(user_id=user, kind=kind, prompts=some) for user, some in sorted(theirs.items()))
    PromptMail.objects.bulk_create(rows)


def is_due() -> bool:
    return PromptMail.objects.filter(next_at__lte=timezone.now()).exists()


def send_due() -> int:
    """Send what is due, what one person is told of the same way in one mail; return how many mails went out.

    A mail server that is away, or refuses one, costs a pause: tried again later, up to MOST_TRIES times.
    """
    sent = 0
    while claimed := _claimed():
        server = get_connection()
        for rows in _by_person(claimed):
            sent += _send(server, rows)
        server.close()
    return sent


def _claimed() -> list[PromptMail]:
    with connection.cursor() as cursor:
        cursor.execute(CLAIM, (LEASE.total_seconds(), BATCH))
        ids = [row[0] for row in cursor.fetchall()]
    return list(PromptMail.objects.filter(pk__in=ids).select_related("user").order_by("pk")) if ids else []


def _by_person(rows: Sequence[PromptMail]) -> list[list[PromptMail]]:
    found: dict[tuple[int, str], list[PromptMail]] = defaultdict(list)
    for row in rows:
        found[row.user_id, row.kind].append(row)
    return list(found.values())


def _send(server: BaseEmailBackend, rows: Sequence[PromptMail]) -> int:
    """Send one mail and write down what came of it; return whether there was anything to send and it went out."""
    prompts = _still_waiting(rows)
    error = ""
    try:
        if prompts:
            server.send_messages([message(rows, prompts)])
    except (OSError, SMTPException) as refused:
        error = f"{type(refused).__name__}: {refused}"
        server.close()  # whatever state the conversation is in, the next mail begins a new one
        logger.warning("a mail about prompts was not sent", extra={"mails": [row.pk for row in rows]}, exc_info=True)
    _write_down(rows, sent=bool(prompts), error=error)
    return bool(prompts) and not error


def _still_waiting(rows: Sequence[PromptMail]) -> list[HumanPrompt]:
    """The prompts that wait for this person at this moment, soonest time-out first."""
    user = rows[0].user
    if not (user.is_active and user.email):
        return []
    wanted = asked_of(user).filter(pk__in=[pk for row in rows for pk in row.prompts], status=PromptStatus.OPEN)
    return list(wanted.select_related("workflow", "execution").order_by("due_at", "pk"))


def _write_down(rows: Sequence[PromptMail], *, sent: bool, error: str) -> None:
    now, tries = timezone.now(), max(row.tries for row in rows)
    if error:
        again = now + min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** min(tries - 1, 10)) if tries < MOST_TRIES else None
        outcome: dict[str, Any] = {"next_at": again, "error": error[:1000]}
    else:
        outcome = {"next_at": None, "sent_at": now if sent else None, "error": ""}
    PromptMail.objects.filter(pk__in=[row.pk for row in rows]).update(**outcome)


def message(rows: Sequence[PromptMail], prompts: Sequence[HumanPrompt]) -> EmailMessage:
    """Return the mail about prompts to the rows' person; each link in it answers for that person alone."""
    user, kind, count = rows[0].user, MailKind(rows[0].kind), len(prompts)
    subject = prompts[0].title if count == 1 else f"{count} prompts wait for you"
    shown = [(prompt, link_for(prompt, user)) for prompt in prompts[:NAMED_IN_MAIL]]
    context = {
        "user": user,
        "prompts": shown,
        "more": count - len(shown),
        "kind": kind,
    }
    body = render_to_string("executions/prompt_mail.txt", context)
    headers = {"Message-ID": _message_id(rows)}
    return EmailMessage(SUBJECTS[kind] + " ".join(subject.split())[:150], body, to=[user.email], headers=headers)


def _message_id(rows: Sequence[PromptMail]) -> str:
    """The same whenever the same rows are sent, and nobody else's."""
    what = hashlib.sha256(f"{settings.SECRET_KEY}:{[row.pk for row in rows]}".encode()).hexdigest()[:32]
    return f"<prompts-{what}@{settings.DEFAULT_FROM_EMAIL.rpartition('@')[2].rstrip('>')}>"
