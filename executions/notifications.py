"""Notifications of one person: which there are, how many are unread, and marking them read. Nobody sees another's."""

from __future__ import annotations

from typing import Any

from django.db import transaction
from django.db.models import QuerySet
from django.db.models.functions import Now

from director import paging
from executions import events
from executions.errors import NotificationNotFound
from executions.notices import Notification

COUNT_CAP = 1_000


def notifications_of(user: Any, *, unread: bool = False) -> QuerySet[Notification]:
    """Return the user's notifications with their runs. Indexes notification_by_user, notification_unread."""
    own = Notification.objects.filter(user=user).select_related("execution__workflow")
    return own.filter(read_at=None) if unread else own


def unread(user: Any) -> QuerySet[Notification]:
    """Return what the user has not read, up to COUNT_CAP, to be counted."""
    return Notification.objects.filter(user=user, read_at=None)[:COUNT_CAP]


def unread_count(user: Any) -> int:
    """Return how many the user has not read, up to COUNT_CAP."""
    return unread(user).count()


def notifications_page(user: Any, *, unread: bool = False, cursor: str = "") -> paging.Page[Notification]:
    """Return a page of notifications, newest first. One query."""
    return paging.page_by(notifications_of(user, unread=unread), ["id"], cursor, newest_first=True)


def mark_read(user: Any, pk: int) -> Notification:
    """Return the notification, read from now on; raises NotificationNotFound, also for another's."""
    found = notifications_of(user).filter(pk=pk).first()
    if found is None:
        raise NotificationNotFound(pk)
    if _mark(user, Notification.objects.filter(pk=pk, user=user)):
        found.refresh_from_db(fields=["read_at"])
    return found


def mark_all_read(user: Any, *, up_to: int | None = None) -> int:
    """Mark those that the user has seen listed, or all; return how many were unread.

    up_to: the newest that was listed, so that one that came since stays unread.
    """
    own = Notification.objects.filter(user=user)
    return _mark(user, own if up_to is None else own.filter(pk__lte=up_to))


def _mark(user: Any, chosen: QuerySet[Notification]) -> int:
    with transaction.atomic():
        marked = chosen.filter(read_at=None).update(read_at=Now())
        if marked:  # the person's other pages show it too
            transaction.on_commit(lambda: events.send_all([events.notification_read(user.pk)]))
    return marked
