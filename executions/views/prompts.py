"""The inbox: prompts as a list, one prompt as a dialog, many alike at once, and the page behind a link in a mail."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import login_not_required
from django.core.cache import cache
from django.http import HttpRequest, HttpResponse, JsonResponse, QueryDict, StreamingHttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods, require_POST
from redis.exceptions import RedisError

from director import jsontools
from director.api.renderers import streamed
from director.errors import DirectorError
from director.htmx import is_htmx, render_page, target
from executions import prompt_fields, prompts
from executions.errors import AnswerInvalid, PromptAnswered, PromptClosed, PromptLinkExpired
from executions.markdown import to_html
from executions.models import HumanPrompt, PromptStatus
from executions.prompt_links import open_link
from executions.queries.prompts import (
    TABS,
    PromptFilter,
    Waiting,
    alike,
    in_list,
    prompts_of_run,
    prompts_page,
    tab_counts,
)
from executions.services import get_execution_for
from records.masking import mask_tree
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
LONG_CHARACTERS = 120
KEPT = ".kept"  # ends the name of the hidden field that holds a file which is stored already
LINK_SCHEMES = ("http", "https", "mailto")


@dataclass(frozen=True, slots=True)
class Shown:
    """One thing shown beside the form. kind: link, long, short or json."""

    label: str
    value: Any
    kind: str


# --- the list ---------------------------------------------------------------------------------------------------------


@require_GET
def prompt_list(request: HttpRequest) -> HttpResponse:
    return _inbox(request)


def _inbox(request: HttpRequest, **more: Any) -> HttpResponse:
    """The list, on its own or behind a dialog."""
    context = _list_context(request) | more
    return render_page(request, "executions/prompt_list.html", context, {"prompt-list": "executions/_prompt_list.html"})


def _list_context(request: HttpRequest) -> dict[str, Any]:
    narrow, grouped = _narrow(request), request.GET.get("group") == "1"
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


def _narrow(request: HttpRequest, given: QueryDict | None = None) -> PromptFilter:
    asked = request.GET if given is None else given
    slug, tab = asked.get("workflow", ""), asked.get("tab", "mine")
    workflow = Workflow.objects.filter(slug=slug).values_list("pk", flat=True).first() if slug else None
    return PromptFilter(tab if tab in TABS else "mine", asked.get("q", "").strip(), workflow, asked.get("step", ""))


@require_GET
def prompt_live(request: HttpRequest) -> HttpResponse:
    """What an event makes the inbox fetch: the counts, the rows on the screen as they are now, and what is new."""
    narrow = _narrow(request)
    seen = request.GET.get("rows", "").split(",")
    on_screen = prompts.visible_to(request.user).filter(
        pk__in=[text for text in seen if _is_uuid(text)][:ROWS_ON_SCREEN]
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


def dialog_context(
    prompt: HumanPrompt,
    user: Any,
    *,
    data: Mapping[str, Any] | None = None,
    problems: Any = (),
    chosen: str = "",
    comment: str = "",
) -> dict[str, Any]:
    """What the dialog shows; with the answer as it was sent and what is wrong with it, when it was refused."""
    at_field = {problem["pointer"]: problem["detail"] for problem in problems}
    is_open = prompt.status == PromptStatus.OPEN
    return {
        "prompt": prompt,
        "waiting": Waiting(prompt, in_list([prompt])[0].now),
        "fields": prompt_fields.form(prompt.schema, data, problems) if is_open else [],
        "is_conditional": prompt_fields.is_conditional(prompt.schema),
        "message": to_html(prompt.message),
        "shown": _shown(prompt),
        "chosen": chosen or prompt.actions[0]["key"],
        "comment": comment,
        "error_action": at_field.get("/action", ""),
        "error_comment": at_field.get("/comment", ""),
        "error_rest": at_field.get("", "") or at_field.get("/data", ""),
        "why_not": prompts.why_not(prompt, user) if is_open else "",
        "why_closed": prompts.why_closed(prompt),
        "given": _given(prompt),
        "answers": list(prompt.answers.select_related("user")) if prompt.quorum > 1 else [],
    }


def _given(prompt: HumanPrompt) -> dict[str, Any] | None:
    """The answer with its fields as (name, label, value, name of the file or ""); secrets masked."""
    if not prompt.answer:
        return None
    schema, answer = prompt_fields.every_field(prompt.schema), mask_tree(prompt.answer)
    fields = []
    for name, value in answer["fields"].items():
        one = schema.get(name, {})
        is_file = one.get("format") == "file" and isinstance(value, dict)
        fields.append((name, prompt_fields.label_of(name, one), value, value.get("name", name) if is_file else ""))
    return {**answer, "fields": fields}


def _shown(prompt: HumanPrompt) -> list[Shown]:
    """The context, each as it reads best."""
    found = []
    for one in prompt.context:
        label = str(one.get("label", ""))
        if one.get("url"):
            scheme = urlsplit(str(one["url"])).scheme.lower()
            is_safe = scheme in LINK_SCHEMES or (not scheme and str(one["url"]).startswith("/"))
            found.append(Shown(label, str(one["url"]), "link" if is_safe else "short"))
            continue
        found.append(Shown(label, one.get("value"), _kind(one.get("value"))))
    return found


def _kind(value: Any) -> str:
    if isinstance(value, dict | list):
        return "json"
    text = "" if value is None else str(value)
    return "long" if len(text) > LONG_CHARACTERS or "\n" in text else "short"


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
    files = _kept_files(request)
    try:
        _take(request, prompt, request.user, files)
    except AnswerInvalid as error:
        context = _refused(request, prompt, request.user, error, files) | _following(request, prompt)
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


def _take(request: HttpRequest, prompt: HumanPrompt, user: Any, files: dict[str, Any]) -> prompts.Answered:
    """Give the form's answer. Its uploads are stored first and added to `files`, those of an earlier try."""
    for key, (upload, *_) in request.FILES.lists():
        name = key.removeprefix("field.")
        files[name] = prompts.upload(prompt, user=user, field=name, file=upload)
    data = prompt_fields.read(prompt.schema, request.POST, files)
    return prompts.answer(
        prompt, user=user, action=request.POST.get("action", ""), data=data, comment=_comment(request)
    )


def _comment(request: HttpRequest) -> str:
    return request.POST.get("comment", "").strip().replace("\r\n", "\n")


def _kept_files(request: HttpRequest) -> dict[str, Any]:
    """Files that an earlier answer, refused for something else, brought; the check looks whether they are this prompt's."""
    found = {}
    for key in request.POST:
        if key.startswith("field.") and key.endswith(KEPT):
            with suppress(DirectorError, ValueError):
                found[key.removeprefix("field.").removesuffix(KEPT)] = jsontools.loads(request.POST[key])
    return found


def _refused(
    request: HttpRequest, prompt: HumanPrompt, user: Any, error: AnswerInvalid, files: Mapping[str, Any]
) -> dict[str, Any]:
    """The dialog with what was typed and the files that were taken, each problem at its field."""
    places = {problem["pointer"] for problem in error.problems}
    good = {name: file for name, file in files.items() if "/data" + jsontools.pointer([name]) not in places}
    data = prompt_fields.read(prompt.schema, request.POST, good)
    chosen = request.POST.get("action", "")
    return dialog_context(prompt, user, data=data, problems=error.problems, chosen=chosen, comment=_comment(request))


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
    return JsonResponse(_fields_shown(request, prompt))


def _fields_shown(request: HttpRequest, prompt: HumanPrompt) -> dict[str, list[str]]:
    data = prompt_fields.read(prompt.schema, request.POST, {})
    properties, required = prompt_fields.applicable(prompt.schema, data)
    return {"shown": list(properties), "required": sorted(required)}


@require_GET
def prompt_file(request: HttpRequest, pk: UUID, field: str) -> StreamingHttpResponse:
    """A file that came with the answer."""
    name, content = prompts.file_of(prompts.get_prompt_for(request.user, pk), field)
    return streamed(request, content, "application/octet-stream", name)


# --- many alike -------------------------------------------------------------------------------------------------------


@require_http_methods(["GET", "POST"])
def prompt_many(request: HttpRequest) -> HttpResponse:
    """GET shows one form for all prompts that are alike; POST gives all of them that answer."""
    asked = request.POST if request.method == "POST" else request.GET
    narrow = _narrow(request, asked)
    found = narrow.apply(request.user)
    chosen = [text for text in asked.getlist("prompt") if _is_uuid(text)]
    found = found.filter(pk__in=chosen) if chosen else found
    first = found.select_related(*prompts.RELATED).order_by("due_at", "pk").first()
    if first is None:
        messages.info(request, "None of them is open any more")
        return _go(request, reverse("prompt_list"))
    count = found.count()
    context = {
        "first": first,
        "count": count,
        "narrow": narrow,
        "chosen_prompts": chosen,
        "actions": first.actions,
        "most": prompts.MAX_AT_ONCE,
    }
    if request.method == "GET":
        context |= {"fields": prompt_fields.form(_without_defaults(first.schema), {}), "chosen": ""}
        return render(request, "executions/_prompt_many.html", context)
    return _answer_many(request, found, first, context)


def _answer_many(request: HttpRequest, found: Any, first: HumanPrompt, context: dict[str, Any]) -> HttpResponse:
    seen = request.POST.get("count", "")
    if not seen.isdigit() or context["count"] > int(seen) * 1.1 + 0.5:
        fields = prompt_fields.form(_without_defaults(first.schema), {})
        grown = f"There are {context['count']} of them now. Look again before you answer all."
        return render(
            request, "executions/_prompt_many.html", context | {"fields": fields, "error_rest": grown}, status=422
        )
    data, action = prompt_fields.read(first.schema, request.POST, {}), request.POST.get("action", "")
    done = prompts.answer_many(found, user=request.user, action=action, data=data, comment=_comment(request))
    problems = next((error.problems for _, error in done.refused if isinstance(error, AnswerInvalid)), [])
    if problems and not done.answered:
        fields = prompt_fields.form(_without_defaults(first.schema), data, problems)
        said = {"fields": fields, "chosen": action, "error_rest": AnswerInvalid(problems).message}
        return render(request, "executions/_prompt_many.html", context | said, status=422)
    messages.success(request, _said(done))
    for prompt, error in done.refused[:3]:
        messages.error(request, f"{prompt.record.record_id if prompt.record else prompt.title}: {error.message}")
    return _go(request, reverse("prompt_list"))


def _said(done: prompts.AnsweredMany) -> str:
    parts = [f"{len(done.answered)} answered"]
    parts += [f"{len(done.refused)} not taken"] if done.refused else []
    parts += [f"{done.left} left: at most {prompts.MAX_AT_ONCE} go at once"] if done.left else []
    return ", ".join(parts)


def _without_defaults(schema: Mapping[str, Any]) -> dict[str, Any]:
    """A field left empty keeps what each prompt proposes: the first one's are not shown, and none is needed."""
    properties = {name: {**one, "default": None} for name, one in schema.get("properties", {}).items()}
    return {**schema, "properties": properties, "required": []}


def _is_uuid(text: str) -> bool:
    try:
        return bool(UUID(text))
    except ValueError:
        return False


def _go(request: HttpRequest, url: str) -> HttpResponse:
    if not is_htmx(request):
        return redirect(url)
    response = HttpResponse(status=204)
    response["HX-Redirect"] = url
    return response


# --- the page behind a link -------------------------------------------------------------------------------------------


@login_not_required
@never_cache
@require_http_methods(["GET", "POST"])
def prompt_link(request: HttpRequest, token: str) -> HttpResponse:
    """GET shows the prompt, so that a mail scanner that opens the link decides nothing; POST answers as its person."""
    try:
        prompt, user = open_link(token)
    except PromptLinkExpired as error:
        return render(request, "executions/prompt_link.html", {"gone": error.message}, status=error.http_status)
    if request.method == "POST":
        return _answer_by_link(request, prompt, user)
    context = dialog_context(prompt, user) | {"person": user}
    return render(request, "executions/prompt_link.html", context, status=_link_status(prompt))


def _link_status(prompt: HumanPrompt) -> int:
    return 200 if prompt.status == PromptStatus.OPEN else 410


def _answer_by_link(request: HttpRequest, prompt: HumanPrompt, user: Any) -> HttpResponse:
    person: dict[str, Any] = {"person": user}
    request.user = user  # for the rest of this request only: no session is begun
    if request.GET.get("shown") == "1":
        return JsonResponse(_fields_shown(request, prompt))
    files = _kept_files(request)
    try:
        _take(request, prompt, user, files)
    except AnswerInvalid as error:
        context, status = _refused(request, prompt, user, error, files), error.http_status
    except DirectorError as error:
        prompt.refresh_from_db()
        context, status = dialog_context(prompt, user) | {"too_late": error.message}, error.http_status
    else:
        prompt.refresh_from_db()
        context, status = dialog_context(prompt, user) | {"done": True}, 200
    return render(request, "executions/prompt_link.html", context | person, status=status)
