"""The inbox: prompts as a list, and one prompt as a dialog over it or over the page it was opened from."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

from django.contrib import messages
from django.core.cache import cache
from django.http import HttpRequest, HttpResponse, JsonResponse, StreamingHttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_GET, require_http_methods, require_POST
from redis.exceptions import RedisError

from director.api.renderers import streamed
from director.htmx import is_htmx, render_page, target
from executions.models import HumanPrompt
from executions.prompts import services as prompts
from executions.prompts.errors import AnswerInvalid, PromptAnswered, PromptClosed
from executions.queries.prompts import alike, in_list, prompts_of_run, prompts_page, tab_counts
from executions.services import get_execution_for
from executions.views.prompt_asked import is_uuid, narrow_of
from executions.views.prompt_dialog import dialog_context, fields_shown, kept_files, refused_context, take
from workflows.models import Workflow

TAB_LABELS = (
    ("mine", "For me"),
    ("groups", "My teams"),
    ("all", "All"),
    ("answered", "Answered"),
    ("timed_out", "Timed out"),
)
WORKFLOWS_OFFERED = 100
ROWS_ON_SCREEN = 60  # the live answer brings at most so many rows up to date
PRESENT_SECONDS = 120  # so long after opening it a person is said to be answering


# --- the list ---------------------------------------------------------------------------------------------------------


@require_GET
def prompt_list(request: HttpRequest) -> HttpResponse:
    return _inbox(request)


def _inbox(request: HttpRequest, **more: Any) -> HttpResponse:
    """The list, on its own or behind a dialog."""
    context = _list_context(request) | more
    return render_page(request, "executions/prompt_list.html", context, {"prompt-list": "executions/_prompt_list.html"})


def _list_context(request: HttpRequest) -> dict[str, Any]:
    narrow, grouped = narrow_of(request), request.GET.get("group") == "1"
    grouped = grouped and narrow.is_open
    return {
        "narrow": narrow,
        "grouped": grouped,
        "groups": alike(request.user, narrow) if grouped else [],
        "page": None if grouped else prompts_page(request.user, narrow, request.GET.get("cursor", "")),
        "tabs": TAB_LABELS,
        "tab_counts": tab_counts(request.user),
        "workflows": list(Workflow.objects.all().visible_to(request.user).only("name", "slug")[:WORKFLOWS_OFFERED]),
        "workflow_slug": request.GET.get("workflow", ""),
    }


@require_GET
def prompt_live(request: HttpRequest) -> HttpResponse:
    """What an event makes the inbox fetch: the counts, the rows on the screen as they are now, and what is new."""
    narrow = narrow_of(request)
    seen = request.GET.get("rows", "").split(",")
    on_screen = prompts.visible_to(request.user).filter(
        pk__in=[text for text in seen if is_uuid(text)][:ROWS_ON_SCREEN]
    )
    rows = in_list(on_screen.select_related("workflow", "execution", "record", "answered_by"))
    rows.sort(key=lambda row: seen.index(str(row.prompt.pk)))
    known = {row.prompt.pk for row in rows}
    new = prompts_page(request.user, narrow).rows if narrow.is_open else []
    rows += [row for row in new if row.prompt.pk not in known]
    counts = tab_counts(request.user)
    return render(
        request, "executions/_prompt_live.html", {"rows": rows, "tab_counts": counts, "counted": list(counts)}
    )


@require_GET
def execution_prompts(request: HttpRequest, number: int) -> HttpResponse:
    """What the page of a run shows of its open prompts."""
    execution = get_execution_for(request.user, number)
    rows, count = prompts_of_run(request.user, execution)
    context = {"execution": execution, "rows": rows, "count": count, "loaded": True}
    return render(request, "executions/_execution_prompts.html", context)


# --- one prompt -------------------------------------------------------------------------------------------------------


@require_http_methods(["GET", "POST"])
def prompt_page(request: HttpRequest, pk: UUID) -> HttpResponse:
    """GET shows the prompt, as a dialog over the inbox or over the page it was opened from; POST answers it."""
    prompt = prompts.get_prompt_for(request.user, pk)
    if request.method == "POST":
        return _answer(request, prompt)
    context = dialog_context(prompt, request.user) | {"present": _present(prompt, request.user)}
    if target(request) == "modal":
        return render(request, "executions/_prompt_dialog.html", context | _following(request, prompt))
    return _inbox(request, **context, **_following(request, prompt), opened=True)


def _following(request: HttpRequest, prompt: HumanPrompt) -> dict[str, Any]:
    """How many others wait for the user, and which of them is next: soonest time-out first."""
    others = prompts.asked_of(request.user).exclude(pk=prompt.pk).order_by("due_at", "pk")
    ids = list(others.values_list("pk", flat=True)[:100])
    return {"others": len(ids), "next": ids[0] if ids else None}


def _present(prompt: HumanPrompt, user: Any) -> str:
    """Note that the user has opened it; return who else has it open."""
    key, name = f"prompt-open:{prompt.pk}", user.get_full_name() or user.get_username()
    try:
        other = cache.get(key)
        cache.set(key, [user.pk, name], PRESENT_SECONDS)
    except (RedisError, OSError):  # a courtesy, not worth an error
        return ""
    return str(other[1]) if other and other[0] != user.pk else ""


def _answer(request: HttpRequest, prompt: HumanPrompt) -> HttpResponse:
    files = kept_files(request)
    try:
        take(request, prompt, request.user, files)
    except AnswerInvalid as error:
        context = refused_context(request, prompt, request.user, error, files) | _following(request, prompt)
        if is_htmx(request):
            return render(request, "executions/_prompt_dialog.html", context, status=422)
        return _with_status(_inbox(request, **context, opened=True), 422)
    except (PromptAnswered, PromptClosed) as error:
        prompt.refresh_from_db()
        context = dialog_context(prompt, request.user) | _following(request, prompt) | {"too_late": error.message}
        if is_htmx(request):
            return render(request, "executions/_prompt_dialog.html", context, status=422)
        return _with_status(_inbox(request, **context, opened=True), error.http_status)
    return _after(request, prompt)


def _with_status(response: HttpResponse, status: int) -> HttpResponse:
    response.status_code = status
    return response


def _after(request: HttpRequest, prompt: HumanPrompt) -> HttpResponse:
    """Open the next prompt; without one, or when it was opened from a run's page, close the dialog."""
    following = _following(request, prompt)
    if not is_htmx(request):
        messages.success(request, f"{prompt.title} is answered")
        return redirect(reverse("prompt_page", args=[following["next"]]) if following["next"] else "prompt_list")
    if following["next"] is None or request.POST.get("then") == "close":
        response = HttpResponse(status=204)
        response["HX-Trigger"] = '{"prompt:closed": {}, "prompt:answered": {}}'
        return response
    found = prompts.get_prompt_for(request.user, following["next"])
    context = (
        dialog_context(found, request.user) | _following(request, found) | {"present": _present(found, request.user)}
    )
    response = render(request, "executions/_prompt_dialog.html", context | {"said": f"{prompt.title} is answered"})
    if urlsplit(request.headers.get("HX-Current-URL", "")).path.startswith(reverse("prompt_list")):
        response["HX-Push-Url"] = reverse("prompt_page", args=[found.pk])
    response["HX-Trigger"] = '{"prompt:answered": {}}'
    return response


@require_POST
def prompt_fields_shown(request: HttpRequest, pk: UUID) -> JsonResponse:
    """Which fields apply, and which of them are needed, when the form is filled in so far."""
    prompt = prompts.get_prompt_for(request.user, pk)
    return JsonResponse(fields_shown(request, prompt))


@require_GET
def prompt_file(request: HttpRequest, pk: UUID, field: str) -> StreamingHttpResponse:
    """A file that came with the answer."""
    name, content = prompts.file_of(prompts.get_prompt_for(request.user, pk), field)
    return streamed(request, content, "application/octet-stream", name)
