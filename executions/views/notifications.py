"""What steps told the user: the list, what an event makes it fetch, and marking read."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_GET, require_POST

from director.given import number_in, numbers_in
from director.htmx import is_htmx, render_page
from executions.notifications import mark_all_read, mark_read, notifications_of, notifications_page, unread_count

ROWS_ON_SCREEN = 60  # the live answer brings at most so many rows up to date
LARGEST_ID = 2**63 - 1


@require_GET
def notification_list(request: HttpRequest) -> HttpResponse:
    fragments = {"notification-list": "executions/_notification_list.html"}
    return render_page(request, "executions/notification_list.html", _context(request), fragments)


def _context(request: HttpRequest) -> dict[str, Any]:
    only_unread = request.GET.get("tab") == "unread"
    page = notifications_page(request.user, unread=only_unread, cursor=request.GET.get("cursor", ""))
    return {
        "page": page,
        "only_unread": only_unread,
        "unread": unread_count(request.user),
        "is_fragment": is_htmx(request),
    }


@require_GET
def notification_live(request: HttpRequest) -> HttpResponse:
    """The rows on the screen as they are now, and the newest, of which the page says how many it does not show yet."""
    only_unread = request.GET.get("tab") == "unread"
    seen = numbers_in(request.GET.get("rows", "").split(",", ROWS_ON_SCREEN))[:ROWS_ON_SCREEN]
    rows = list(notifications_of(request.user).filter(pk__in=seen).order_by("-pk"))
    newest = notifications_page(request.user, unread=only_unread).rows
    rows += [row for row in newest if row.pk not in seen]
    return render(request, "executions/_notification_live.html", {"rows": rows, "unread": unread_count(request.user)})


@require_POST
def notification_read(request: HttpRequest, pk: int) -> HttpResponse:
    """Mark one read; the answer is its row."""
    row = mark_read(request.user, min(pk, LARGEST_ID))
    if not is_htmx(request):
        return redirect("notification_list")
    return render(request, "executions/_notification_marked.html", {"row": row, "unread": unread_count(request.user)})


@require_POST
def notification_read_all(request: HttpRequest) -> HttpResponse:
    """Mark read all that the page listed, and older ones."""
    newest = number_in(request.POST.get("up_to", ""))
    if newest is not None:
        mark_all_read(request.user, up_to=newest)
    if not is_htmx(request):
        return redirect("notification_list")
    return render(request, "executions/_notification_list.html", _context(request))
