"""The page behind a link in a mail, by which one person answers one prompt without signing in."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from director.errors import DirectorError
from executions.models import HumanPrompt, PromptStatus
from executions.prompts.errors import AnswerInvalid, PromptLinkExpired
from executions.prompts.links import open_link
from executions.views.prompt_dialog import dialog_context, fields_shown, kept_files, refused_context, take


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
        return JsonResponse(fields_shown(request, prompt))
    files = kept_files(request)
    try:
        take(request, prompt, user, files)
    except AnswerInvalid as error:
        context, status = refused_context(request, prompt, user, error, files), error.http_status
    except DirectorError as error:
        prompt.refresh_from_db()
        context, status = dialog_context(prompt, user) | {"too_late": error.message}, error.http_status
    else:
        prompt.refresh_from_db()
        context, status = dialog_context(prompt, user) | {"done": True}, 200
    return render(request, "executions/prompt_link.html", context | person, status=status)
