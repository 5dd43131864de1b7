"""Sign-in, the home page, the jump palette, and what a load balancer asks."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django.contrib.auth.decorators import login_not_required
from django.contrib.auth.forms import AuthenticationForm
from django.contrib.auth.views import LoginView
from django.db import connection
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_GET

from director.given import number_in
from director.htmx import is_htmx, render_page
from director.shell import PLACES
from executions.models import Execution
from executions.queries import home_runs
from executions.queries.prompts import waiting_longest
from records import queries
from records.filters import RecordFilter
from records.page_queries import failure_causes, workflow_ids
from records.secrets import secrets_of_records
from records.titles import shown_title
from workflows.models import Workflow

CAUSES_SHOWN = 5
FOUND_OF_EACH = 5  # workflows, executions and records in the palette
WORKFLOWS_HEARD = 100  # the home page listens to so many workflows; the others it sees at its next look


class SignIn(LoginView):
    """The sign-in page; for a page whose user was signed out meanwhile only the form, into a dialog."""

    def get_template_names(self) -> list[str]:
        return ["registration/_login_form.html"] if is_htmx(self.request) else ["registration/login.html"]

    def form_valid(self, form: AuthenticationForm) -> HttpResponse:
        response = super().form_valid(form)
        return HttpResponse(status=204) if is_htmx(self.request) else response

    def form_invalid(self, form: AuthenticationForm) -> HttpResponse:
        return self.render_to_response(self.get_context_data(form=form), status=422)


@require_GET
def home(request: HttpRequest) -> HttpResponse:
    """What needs a person, what runs, what the last day brought."""
    workflows = {one.pk: one for one in Workflow.objects.all().visible_to(request.user)[:WORKFLOWS_HEARD]}
    causes = failure_causes(list(workflows), CAUSES_SHOWN)
    runs = home_runs(request.user)
    context = {
        "greeting": _greeting(),
        "workflows": workflows,
        "causes": [(workflows[one.workflow_id], one.cause) for one in causes],
        "prompts": waiting_longest(request.user),
        "running": runs.running,
        "day": runs.day,
        "activity": runs.newest,
        "listens": ",".join(one.hex for one in workflows),
    }
    return render_page(request, "director/home.html", context, {"home": "director/_home.html"})


def _greeting() -> str:
    hour = timezone.localtime().hour
    return "Good morning" if hour < 12 else "Good afternoon" if hour < 18 else "Good evening"


@require_GET
def navigation_counts(request: HttpRequest) -> HttpResponse:
    """The counts beside the navigation, each with its id."""
    return render(request, "components/_nav_counts.html")


@require_GET
@login_not_required
def health(request: HttpRequest) -> JsonResponse:
    """200 while the web process reaches its database."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
    return JsonResponse({"status": "ok"})


# --- the jump palette -------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Found:
    """A line of the palette."""

    group: str
    icon: str
    name: str
    detail: str
    url: str
    is_code: bool = False


@require_GET
def jump(request: HttpRequest) -> HttpResponse:
    """What the typed text may mean: places, workflows, executions by number, records by id."""
    text = request.GET.get("q", "").strip()
    found = [*_places(text), *(_things(request.user, text) if text else ())]
    return render(request, "components/_jump_results.html", {"found": found, "q": text})


def _places(text: str) -> Iterator[Found]:
    for place in PLACES:
        if text.lower() in place.label.lower():
            yield Found("Go to", place.icon, place.label, "", reverse(place.url_name))


def _things(user: Any, text: str) -> Iterator[Found]:
    workflows = Workflow.objects.all().visible_to(user).filter(name__icontains=text)
    for workflow in workflows[:FOUND_OF_EACH]:
        yield Found("Workflows", "sitemap", workflow.name, workflow.description[:80], _workflow_url(workflow))
    number = number_in(text.lstrip("#"))
    if number is not None:
        for one in Execution.objects.all().visible_to(user).filter(number=number).select_related("workflow"):
            yield Found("Executions", "activity", f"#{one.number}", one.workflow.name, _execution_url(one))
    narrow = RecordFilter(pattern=f"{text}*")
    records = queries.records_page(workflow_ids(user), narrow, order="record_id", size=FOUND_OF_EACH, whole=False)
    secrets = secrets_of_records(records.rows)
    for record in records.rows:
        title, url = shown_title(record.title, secrets[record.pk]), reverse("record_page", args=[record.pk])
        yield Found("Records", "database", record.record_id, title, url, is_code=True)


def _workflow_url(workflow: Workflow) -> str:
    return reverse("workflow_page", args=[workflow.slug])


def _execution_url(execution: Execution) -> str:
    return reverse("execution_page", args=[execution.number])
