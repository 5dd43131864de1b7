"""Telling people something: a notification on their pages, and a mail."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from smtplib import SMTPException
from typing import Any
from uuid import UUID

from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.exceptions import ValidationError
from django.core.mail import EmailMessage, get_connection
from django.core.mail.backends.dummy import EmailBackend as NoMail
from django.core.validators import validate_email
from django.db.models import Q

from executions import events
from executions.errors import MailFailed
from executions.notices import Notification
from executions.prompts.people import members
from executions.step_types.people import names_in, people_named
from workflows.errors import StepFailed


@dataclass(frozen=True, slots=True)
class Notice:
    """What is told: a title, a text, and an address to look at (whole, or a path of Director's own)."""

    title: str
    message: str = ""
    link: str = ""

    @property
    def text(self) -> str:
        """The body of the mail."""
        link = settings.PUBLIC_URL + self.link if self.link.startswith("/") else self.link
        return "\n\n".join(part for part in (self.message or self.title, link) if part) + "\n"


@dataclass(frozen=True, slots=True)
class Recipients:
    """Primary keys of users, and addresses that are nobody's here."""

    users: frozenset[int]
    addresses: tuple[str, ...]


def recipients(said: Any) -> Recipients:
    """Return who is meant by names of users and groups and by mail addresses, or by `{users, groups, emails}`.

    An address that is a user's means that user. Raises StepFailed for a name nobody has, for what is no address, and
    when nobody is left.
    """
    if isinstance(said, dict):
        named: Any = {"users": names_in(said.get("users")), "groups": names_in(said.get("groups"))}
        addresses = names_in(said.get("emails"))
    else:
        words = names_in(said)
        named, addresses = [word for word in words if "@" not in word], tuple(word for word in words if "@" in word)
    people = people_named(named)
    known = _users_of(addresses)
    users = members(people.users, people.groups) | set(known.values())
    others = tuple(dict.fromkeys(_checked(address) for address in addresses if address not in known))
    if not users and not others:
        raise StepFailed("`to` names nobody who could be told: no user who may sign in, no address.")
    return Recipients(frozenset(users), others)


def notify_users(users: Collection[int], notice: Notice, *, execution_id: UUID, frame_id: int, alias: str) -> None:
    """Give each user the notification, once for the step and its frame, however often this is called; tell their pages."""
    rows = (
        Notification(
            user_id=user,
            execution_id=execution_id,
            frame_id=frame_id,
            alias=alias,
            title=notice.title,
            message=notice.message,
            link=notice.link,
        )
        for user in sorted(users)
    )
    Notification.objects.bulk_create(rows, ignore_conflicts=True)
    events.send_all(events.notification_created(sorted(users), notice.title))


def send_mail(to: Recipients, notice: Notice) -> int:
    """Send one mail to the addresses and the users that have one; return to how many. Without a mail server, to none.

    It is handed over in one piece, so that it went out or did not; those who get it do not see each other's addresses.
    Raises MailFailed, and StepFailed when there are addresses beside the users' but no mail server is set.
    """
    server = get_connection()
    if isinstance(server, NoMail):
        if to.addresses:
            raise StepFailed(f"{to.addresses[0]} cannot be told: no mail server is set (EMAIL_HOST).")
        return 0
    with_address = get_user_model()._default_manager.filter(pk__in=to.users).exclude(email="")
    everyone = list(dict.fromkeys([*with_address.order_by("pk").values_list("email", flat=True), *to.addresses]))
    if everyone:
        _deliver(server, _message(notice, everyone))
    return len(everyone)


def _message(notice: Notice, everyone: list[str]) -> EmailMessage:
    """The mail; a single address is named in it, several are not."""
    if len(everyone) == 1:
        return EmailMessage(notice.title, notice.text, to=everyone)
    return EmailMessage(notice.title, notice.text, bcc=everyone, headers={"To": "undisclosed-recipients:;"})


def _deliver(server: Any, message: EmailMessage) -> None:
    try:
        server.open()
    except (OSError, SMTPException) as error:
        raise MailFailed(str(error), begun=False) from error
    try:
        server.send_messages([message])
    except (OSError, SMTPException) as error:
        raise MailFailed(str(error), begun=True) from error
    finally:
        server.close()


def _users_of(addresses: Iterable[str]) -> dict[str, int]:
    """Users by the address or name that was said."""
    wanted = list(addresses)
    if not wanted:
        return {}
    found = get_user_model()._default_manager.filter(Q(email__in=wanted) | Q(username__in=wanted), is_active=True)
    return {name: pk for pk, *names in found.values_list("pk", "email", "username") for name in names if name in wanted}


def _checked(address: str) -> str:
    try:
        validate_email(address)
    except ValidationError:
        raise StepFailed(f"{address!r} is no mail address.") from None
    return address
