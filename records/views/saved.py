"""Views of the list of records that a person keeps under a name; one of them may be what the list opens with."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.db import IntegrityError, transaction
from django.http import Http404, HttpRequest, HttpResponse, QueryDict
from django.shortcuts import redirect
from django.urls import reverse
from django.views.decorators.http import require_POST

from records.asked import kept_of
from records.models import SavedView

VIEWS_KEPT = 50
MAX_QUERY = 10_000  # characters


def views_of(user: Any, query: str) -> list[SavedView]:
    """Return the person's views by name, each with `is_open`: whether it is what the query shows. One query."""
    views = list(SavedView.objects.filter(user=user.pk).order_by("name")[:VIEWS_KEPT])
    for view in views:
        view.is_open = view.query == query
    return views


def first_view(user: Any) -> str:
    """Return the query string that the list opens with; empty without one. One query."""
    view = SavedView.objects.filter(user=user.pk, is_first=True).only("query").first()
    return view.query if view else ""


@require_POST
def view_save(request: HttpRequest) -> HttpResponse:
    """Keep the list under a name; one of the same name is replaced. first: open the list with it from now on."""
    name = request.POST.get("name", "").strip()[:100]
    query = kept_of(QueryDict(request.POST.get("query", "")[:MAX_QUERY])).urlencode()
    where = f"{reverse('record_list')}?{query or 'view=all'}"
    if not name:
        messages.error(request, "The view was not saved: give it a name.")
        return redirect(where)
    with transaction.atomic():
        view, _ = SavedView.objects.update_or_create(user_id=_user_id(request), name=name, defaults={"query": query})
        if request.POST.get("first"):
            _make_first(view)
    messages.success(request, f"“{name}” is saved")
    return redirect(where)


@require_POST
def view_change(request: HttpRequest, pk: int) -> HttpResponse:
    """Give the view another name, and make it what the list opens with, or no more."""
    view, name = _view_for(request, pk), request.POST.get("name", "").strip()[:100]
    try:
        with transaction.atomic():
            SavedView.objects.filter(pk=view.pk).update(name=name or view.name, is_first=False)
            if request.POST.get("first"):
                _make_first(view)
    except IntegrityError:
        messages.error(request, f"You have another view called “{name}”; nothing was changed.")
    else:
        messages.success(request, f"“{name or view.name}” is kept")
    return redirect(f"{reverse('record_list')}?{view.query or 'view=all'}")


@require_POST
def view_delete(request: HttpRequest, pk: int) -> HttpResponse:
    _view_for(request, pk).delete()
    messages.success(request, "The view is deleted; the records stay.")
    return redirect(f"{reverse('record_list')}?view=all")


def _user_id(request: HttpRequest) -> int:
    assert request.user.pk is not None  # every view asks for a signed-in user
    return request.user.pk


def _make_first(view: SavedView) -> None:
    SavedView.objects.filter(user=view.user_id, is_first=True).update(is_first=False)
    SavedView.objects.filter(pk=view.pk).update(is_first=True)


def _view_for(request: HttpRequest, pk: int) -> SavedView:
    view = SavedView.objects.filter(user=request.user.pk, pk=pk).first()
    if view is None:
        raise Http404("There is no such view, or it is not yours.")
    return view
