"""An operation on many things, as its toast and its page tell how far it is. Imports no app."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse

UNDER_WAY = ("queued", "running")


@dataclass(frozen=True, slots=True)
class Words:
    """What is done: the order ("Cancel"), what goes on ("Cancelling"), what became of one ("cancelled")."""

    order: str
    ongoing: str
    done: str


@dataclass(frozen=True, slots=True)
class Progress:
    """How far an operation is.

    thing: "record". route: what the names of its addresses begin with. counts: how many ended how, the first of them as
    was meant.
    """

    id: UUID
    thing: str
    route: str
    words: Words
    status: str
    total: int
    counts: Sequence[tuple[int, str]]
    not_done: int
    error: str = ""

    @property
    def page(self) -> str:
        return reverse(f"{self.route}_page", args=[self.id])

    @property
    def toast(self) -> str:
        return reverse(f"{self.route}_toast", args=[self.id])

    @property
    def stop(self) -> str:
        return reverse(f"{self.route}_stop", args=[self.id])

    @property
    def is_over(self) -> bool:
        return self.status not in UNDER_WAY

    @property
    def looked_at(self) -> int:
        return sum(count for count, _ in self.counts)

    @property
    def done(self) -> int:
        return self.counts[0][0]

    @property
    def percent(self) -> int:
        return round(100 * self.looked_at / self.total) if self.total else 100 * self.is_over


def render_started(request: HttpRequest, progress: Progress) -> HttpResponse:
    """Close the dialog in which the operation was begun, and show its toast."""
    return render(request, "components/_bulk_started.html", {"progress": progress})


def render_toast(request: HttpRequest, progress: Progress) -> HttpResponse:
    """The toast again, until the operation is over; then the list that it was started from looks again."""
    response = render(request, "components/_bulk_toast.html", {"progress": progress})
    if progress.is_over:
        response["HX-Trigger"] = "bulk-over"
    return response
