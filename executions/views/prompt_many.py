"""One answer for many prompts that are alike."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods

from director.given import number_in
from director.growth import has_grown
from director.htmx import is_htmx
from executions.models import HumanPrompt
from executions.prompts import form as prompt_form
from executions.prompts import services as prompts
from executions.prompts.errors import AnswerInvalid
from executions.prompts.fields import CONFIDENCE, Problem
from executions.refusals import PromptsGrown
from executions.views.prompt_asked import is_uuid, narrow_of
from executions.views.prompt_dialog import comment_of

YES_OR_NO = {"oneOf": [{"const": True, "title": "Yes"}, {"const": False, "title": "No"}]}


@require_http_methods(["GET", "POST"])
def prompt_many(request: HttpRequest) -> HttpResponse:
    """GET shows one form for all prompts that are alike; POST gives all of them that answer."""
    asked = request.POST if request.method == "POST" else request.GET
    narrow = narrow_of(request, asked)
    found = narrow.apply(request.user)
    chosen = [text for text in asked.getlist("prompt") if is_uuid(text)]
    found = found.filter(pk__in=chosen) if chosen else found
    first = found.select_related(*prompts.RELATED).order_by("due_at", "pk").first()
    if first is None:
        messages.info(request, "None of them is open any more")
        return _go(request, reverse("prompt_list"))
    context = {
        "first": first,
        "count": found.count(),
        "narrow": narrow,
        "chosen_prompts": chosen,
        "actions": first.actions,
        "most": prompts.MAX_AT_ONCE,
    }
    if request.method == "GET":
        return render(request, "executions/_prompt_many.html", context | _form(first, {}))
    return _answer_many(request, found, first, context)


def _answer_many(request: HttpRequest, found: Any, first: HumanPrompt, context: dict[str, Any]) -> HttpResponse:
    data, action = prompt_form.read(_alike(first.schema), request.POST, {}), request.POST.get("action", "")
    typed = {"chosen": action, "comment": comment_of(request)}
    shown = number_in(request.POST.get("count", "")) or 0
    if has_grown(shown, context["count"]):
        grown = PromptsGrown(shown, context["count"])
        again = context | typed | _form(first, data) | {"error_rest": grown.message}
        return render(request, "executions/_prompt_many.html", again, status=grown.http_status)
    done = prompts.answer_many(found, user=request.user, action=action, data=data, comment=typed["comment"])
    problems = next((error.problems for _, error in done.refused if isinstance(error, AnswerInvalid)), [])
    if problems and not done.answered:
        again = context | typed | _form(first, data, problems)
        return render(request, "executions/_prompt_many.html", again, status=422)
    messages.success(request, _said(done))
    for prompt, error in done.refused[:3]:
        messages.error(request, f"{prompt.record.record_id if prompt.record else prompt.title}: {error.message}")
    return _go(request, reverse("prompt_list"))


def _form(first: HumanPrompt, data: Mapping[str, Any], problems: Sequence[Problem] = ()) -> dict[str, Any]:
    fields = prompt_form.form(_alike(first.schema), data, problems)
    return {"fields": fields, **prompt_form.errors_beside(fields, problems)}


def _said(done: prompts.AnsweredMany) -> str:
    parts = [f"{len(done.answered)} answered"]
    parts += [f"{len(done.refused)} not taken"] if done.refused else []
    parts += [f"{done.left} left: at most {prompts.MAX_AT_ONCE} go at once"] if done.left else []
    return ", ".join(parts)


def _alike(schema: Mapping[str, Any]) -> dict[str, Any]:
    """The fields that one answer for many may fill in: a field left empty keeps what each prompt proposes.

    So what the first one proposes, and how sure that is, is not shown, none is needed, files are each prompt's own, and a
    switch, which is never empty, becomes a choice.
    """
    properties = {
        name: {key: value for key, value in one.items() if key not in ("default", CONFIDENCE)} | _switch(one)
        for name, one in schema.get("properties", {}).items()
        if one.get("format") != "file"
    }
    return {**schema, "properties": properties, "required": []}


def _switch(one: Mapping[str, Any]) -> dict[str, Any]:
    return YES_OR_NO if one.get("type") == "boolean" and not one.keys() & {"enum", "oneOf"} else {}


def _go(request: HttpRequest, url: str) -> HttpResponse:
    if not is_htmx(request):
        return redirect(url)
    response = HttpResponse(status=204)
    response["HX-Redirect"] = url
    return response
