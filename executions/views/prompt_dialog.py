"""The dialog of a prompt: what it shows, and taking the answer that its form sent."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from django.http import HttpRequest
from django.utils import timezone

from director import jsontools
from director.errors import DirectorError
from executions.markdown import to_html
from executions.models import HumanPrompt, PromptAnswer, PromptStatus
from executions.prompts import fields as prompt_fields
from executions.prompts import form as prompt_form
from executions.prompts import services as prompts
from executions.prompts.errors import AnswerInvalid
from executions.prompts.secrets import secrets_of_prompt
from executions.queries.prompts import Waiting

LONG_CHARACTERS = 120
KEPT = ".kept"  # ends the name of the hidden field that holds a file which is stored already
LINK_SCHEMES = ("http", "https", "mailto")


@dataclass(frozen=True, slots=True)
class Shown:
    """One thing shown beside the form. kind: link, long, short or json."""

    label: str
    value: Any
    kind: str


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
    is_open = prompt.status == PromptStatus.OPEN
    fields = prompt_form.form(prompt.schema, data, problems) if is_open else []
    return {
        "prompt": prompt,
        "waiting": Waiting(prompt, timezone.now()),
        "fields": fields,
        "is_conditional": prompt_fields.is_conditional(prompt.schema),
        "message": to_html(prompt.message),
        "shown": _shown(prompt),
        "chosen": chosen or prompt.actions[0]["key"],
        "comment": comment,
        **prompt_form.errors_beside(fields, problems),
        "why_not": prompts.why_not(prompt, user) if is_open else "",
        "why_closed": prompts.why_closed(prompt),
        "given": _given(prompt),
        "answers": _answers(prompt),
    }


def _answers(prompt: HumanPrompt) -> list[tuple[PromptAnswer, str]]:
    """What has been answered so far where several must agree, each with the label of its action."""
    if prompt.quorum == 1:
        return []
    labels = {one["key"]: one["label"] for one in prompt.actions}
    return [(one, labels.get(one.action, one.action)) for one in prompt.answers.select_related("user").order_by("pk")]


def _given(prompt: HumanPrompt) -> dict[str, Any] | None:
    """The answer with its fields as (name, label, value, name of the file or ""); secrets masked."""
    if not prompt.answer:
        return None
    schema, answer = prompt_fields.every_field(prompt.schema), secrets_of_prompt(prompt).shown(prompt.answer)
    fields = []
    for name, value in answer["fields"].items():
        one = schema.get(name, {})
        is_file = one.get("format") == "file" and isinstance(value, dict)
        fields.append((name, prompt_form.label_of(name, one), value, value.get("name", name) if is_file else ""))
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


def take(request: HttpRequest, prompt: HumanPrompt, user: Any, files: dict[str, Any]) -> prompts.Answered:
    """Give the form's answer. Its uploads are stored first and added to `files`, those of an earlier try."""
    for key, (upload, *_) in request.FILES.lists():
        name = key.removeprefix("field.")
        files[name] = prompts.upload(prompt, user=user, field=name, file=upload)
    data = prompt_form.read(prompt.schema, request.POST, files)
    return prompts.answer(
        prompt, user=user, action=request.POST.get("action", ""), data=data, comment=comment_of(request)
    )


def comment_of(request: HttpRequest) -> str:
    return request.POST.get("comment", "").strip().replace("\r\n", "\n")


def kept_files(request: HttpRequest) -> dict[str, Any]:
    """Files that an earlier answer, refused for something else, brought; the check looks whether they are this prompt's."""
    found = {}
    for key in request.POST:
        if key.startswith("field.") and key.endswith(KEPT):
            with suppress(DirectorError, ValueError):
                found[key.removeprefix("field.").removesuffix(KEPT)] = jsontools.loads(request.POST[key])
    return found


def refused_context(
    request: HttpRequest, prompt: HumanPrompt, user: Any, error: AnswerInvalid, files: Mapping[str, Any]
) -> dict[str, Any]:
    """The dialog with what was typed and the files that were taken, each problem at its field."""
    places = {problem["pointer"] for problem in error.problems}
    good = {name: file for name, file in files.items() if "/data" + jsontools.pointer([name]) not in places}
    data = prompt_form.read(prompt.schema, request.POST, good)
    chosen = request.POST.get("action", "")
    return dialog_context(prompt, user, data=data, problems=error.problems, chosen=chosen, comment=comment_of(request))


def fields_shown(request: HttpRequest, prompt: HumanPrompt) -> dict[str, list[str]]:
    data = prompt_form.read(prompt.schema, request.POST, {})
    properties, required = prompt_fields.applicable(prompt.schema, data)
    return {"shown": list(properties), "required": sorted(required)}
