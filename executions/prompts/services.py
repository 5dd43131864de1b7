"""Prompts: who may answer one, answering it exactly once, and what happens when nobody does.

Every write here locks the frame first and the prompt after it, as the engine does, so that an answer, the time-out and
a cancel come one after the other and the first of them decides.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.core.files.uploadedfile import UploadedFile
from django.db import connection, transaction
from django.db.models import Q, QuerySet
from django.utils import timezone

from director import jsontools
from director.errors import DirectorError, did_you_mean
from executions import uploads
from executions.models import Execution, HumanPrompt, PromptAnswer, PromptStatus
from executions.outcomes import finish_step
from executions.prompts import fields as prompt_fields
from executions.prompts import news as prompt_news
from executions.prompts import quorum as prompt_quorum
from executions.prompts.errors import (
    AnswerInvalid,
    PromptAmbiguous,
    PromptAnswered,
    PromptClosed,
    PromptFileNotFound,
    PromptNotFound,
    PromptNotYours,
)
from executions.prompts.people import groups_of, is_member
from records.masking import masked_paths
from workflows.models import Workflow

MAX_COMMENT_CHARACTERS = 10_000
MAX_AT_ONCE = 500  # prompts answered alike by one request

LOCK_FRAME = "SELECT 1 FROM execution_frames WHERE id = %s FOR NO KEY UPDATE"


@dataclass(frozen=True, slots=True)
class Answered:
    """decided: whether this answer ended the prompt. agree, needed: how many chose the same action, of how many."""

    prompt: HumanPrompt
    decided: bool
    agree: int
    needed: int


@dataclass(frozen=True, slots=True)
class AnsweredMany:
    """refused: prompts with why their answer was not taken. left: how many alike are still to be answered."""

    answered: list[HumanPrompt]
    refused: list[tuple[HumanPrompt, DirectorError]]
    left: int = 0


# --- who sees and who may ---------------------------------------------------------------------------------------------


def visible_to(user: Any) -> QuerySet[HumanPrompt]:
    """Prompts the user is asked, by name or as member of a group, and those of workflows the user may see."""
    asked = Q(users__contains=[user.pk]) | Q(groups__overlap=groups_of(user))
    return HumanPrompt.objects.filter(asked | Q(workflow__in=_workflows(user)))


def asked_of(user: Any, whose: str = "") -> QuerySet[HumanPrompt]:
    """Open prompts that wait for this user and that the user has not answered.

    whose: "mine" (asked by name, or nobody is named), "groups" (asked as member of a group), "" for both.
    """
    nobody = Q(users=[], groups=[], workflow__in=_workflows(user))
    mine, groups = Q(users__contains=[user.pk]) | nobody, Q(groups__overlap=groups_of(user))
    wanted = {"mine": mine, "groups": groups}.get(whose, mine | groups)
    answered = PromptAnswer.objects.filter(user=user).values("prompt")
    waiting = HumanPrompt.objects.filter(wanted, status=PromptStatus.OPEN).exclude(pk__in=answered)
    return waiting.exclude(no_self_approval=True, execution__started_by=user)


def get_prompt_for(user: Any, prompt_id: UUID | str) -> HumanPrompt:
    """Return the prompt with its execution, workflow and record; raises PromptNotFound, also for strangers."""
    try:
        found = visible_to(user).select_related(*RELATED).filter(pk=UUID(str(prompt_id))).first()
    except ValueError:
        found = None
    if found is None:
        raise PromptNotFound(prompt_id)
    return found


def get_prompt_of_step(user: Any, execution: Execution, alias: str, record_id: str | None) -> HumanPrompt:
    """Return the open prompt of a step, of one record where there are several; else the last one that was open.

    Raises PromptNotFound, or PromptAmbiguous when more than one open prompt is meant.
    """
    prompts = visible_to(user).filter(execution=execution, alias=alias).select_related(*RELATED)
    if record_id is not None:
        prompts = prompts.filter(record__record_id=record_id)
    still_open = list(prompts.filter(status=PromptStatus.OPEN)[:20])
    if len(still_open) > 1:
        raise PromptAmbiguous(alias, [str(prompt.pk) for prompt in still_open])
    found = still_open[0] if still_open else prompts.order_by("-pk").first()
    if found is None:
        raise PromptNotFound(f"of step {alias}" + (f" for {record_id}" if record_id else ""))
    return found


RELATED = ("execution", "execution__workflow", "execution__version", "workflow", "record", "answered_by")


def why_not(prompt: HumanPrompt, user: Any) -> str:
    """Return why the user may not answer; empty when they may."""
    if prompt.no_self_approval and prompt.execution.started_by_id == user.pk:
        return "who started the run must not approve it"
    if not (prompt.users or prompt.groups):
        seen = Workflow.objects.all().visible_to(user).filter(pk=prompt.workflow_id).exists()
        return "" if seen else "only those who may see the workflow are asked"
    if user.pk in prompt.users or is_member(user, prompt.groups):
        return ""
    return "others are asked"


def _workflows(user: Any) -> Any:
    return Workflow.objects.all().visible_to(user).values("pk")


# --- answering --------------------------------------------------------------------------------------------------------


def answer(
    prompt: HumanPrompt, *, user: Any, action: str, data: Mapping[str, Any] | None = None, comment: str = ""
) -> Answered:
    """Take a person's answer; once enough of them agree, the step is complete and its record goes on.

    All or nothing, exactly once: raises PromptAnswered (who was first, and when), PromptClosed, PromptNotYours, or
    AnswerInvalid with a problem for each field.
    """
    data = dict(data or {})
    with transaction.atomic():
        locked = _locked(prompt)
        _require_may_answer(locked, user)
        _require_valid(locked, action, data, comment)
        PromptAnswer.objects.create(prompt=locked, user=user, action=action, data={"fields": data, "comment": comment})
        taken = _decided(locked, user, action, data, comment)
        if taken.decided:
            prompt_news.resolved_on_commit([locked])
    return taken


def upload(prompt: HumanPrompt, *, user: Any, field: str, file: UploadedFile[Any]) -> dict[str, Any]:
    """Keep a file for the prompt and return `{path, name, size}`, which an answer gives as the field's value.

    Raises what `answer` raises of who and when, and AnswerInvalid for a file that the field does not take.
    """
    _require_may_answer(prompt, user)
    return uploads.store(str(prompt.pk), field, prompt_fields.file_field(prompt.schema, field), file)


def file_of(prompt: HumanPrompt, field: str) -> tuple[str, Iterator[bytes]]:
    """Return name and content of the file that came with the answer; raises PromptFileNotFound."""
    found = uploads.read(str(prompt.pk), (prompt.answer or {}).get("fields", {}).get(field))
    if found is None:
        raise PromptFileNotFound(field)
    return found


def answer_many(
    prompts: QuerySet[HumanPrompt], *, user: Any, action: str, data: Mapping[str, Any] | None = None, comment: str = ""
) -> AnsweredMany:
    """Give one answer to many prompts, soonest time-out first, at most MAX_AT_ONCE; each for itself.

    data: fields that are not given keep what each prompt proposes. One that refuses does not stop the others.
    """
    answered, refused = [], []
    chosen = list(prompts.select_related(*RELATED).order_by("due_at", "pk")[: MAX_AT_ONCE + 1])
    for prompt in chosen[:MAX_AT_ONCE]:
        own = {**prompt_fields.defaults(prompt.schema), **(data or {})}
        try:
            answered.append(answer(prompt, user=user, action=action, data=own, comment=comment).prompt)
        except DirectorError as error:
            refused.append((prompt, error))
    left = prompts.count() - len(refused) if len(chosen) > MAX_AT_ONCE else 0
    return AnsweredMany(answered, refused, max(0, left))


def _locked(prompt: HumanPrompt) -> HumanPrompt:
    with connection.cursor() as cursor:
        cursor.execute(LOCK_FRAME, (prompt.frame_id,))
    prompts = HumanPrompt.objects.select_related(*RELATED).select_for_update(no_key=True, of=("self",))
    return prompts.get(pk=prompt.pk)


def why_closed(prompt: HumanPrompt) -> DirectorError | None:
    """Return what an answer is refused with now that the prompt is decided; None while it is open."""
    if prompt.status == PromptStatus.OPEN:
        return None
    return _answered(prompt) if prompt.status == PromptStatus.ANSWERED else PromptClosed(prompt.title, prompt.status)


def _require_may_answer(prompt: HumanPrompt, user: Any) -> None:
    if closed := why_closed(prompt):
        raise closed
    own = PromptAnswer.objects.filter(prompt=prompt, user=user).first() if prompt.quorum > 1 else None
    if own is not None:
        raise PromptAnswered(prompt.title, "You", own.at, _label(prompt, own.action))
    if why := why_not(prompt, user):
        raise PromptNotYours(prompt.title, why)


def _answered(prompt: HumanPrompt) -> PromptAnswered:
    by = (prompt.answered_by.get_full_name() or prompt.answered_by.get_username()) if prompt.answered_by else None
    return PromptAnswered(prompt.title, by, prompt.answered_at, _label(prompt, (prompt.answer or {}).get("action", "")))


def _label(prompt: HumanPrompt, action: str) -> str:
    return next((one["label"] for one in prompt.actions if one["key"] == action), action)


def _require_valid(prompt: HumanPrompt, action: str, data: Mapping[str, Any], comment: str) -> None:
    found = list(_problems_of_action(prompt, action))
    if len(comment) > MAX_COMMENT_CHARACTERS:
        detail = f"Must have at most {MAX_COMMENT_CHARACTERS} characters."
        found.append({"pointer": "/comment", "detail": detail, "code": "maxLength"})
    if reason := next(iter(jsontools.unstorable({"data": data, "comment": comment})), None):
        found.append({"pointer": "", "detail": f"{reason[0]} {reason[1]}.", "code": "value_invalid"})
    else:
        found += prompt_fields.problems(prompt.schema, data)
        found += prompt_fields.file_problems(prompt.schema, data, str(prompt.pk))
        found += (_mask_at(path) for path in masked_paths(data))
    if found:
        raise AnswerInvalid(found)


def _mask_at(path: Sequence[str | int]) -> dict[str, str]:
    detail = "This is a mask, not a value; write the value itself."
    return {"pointer": "/data" + jsontools.pointer(path), "detail": detail, "code": "mask"}


def _problems_of_action(prompt: HumanPrompt, action: str) -> Iterable[dict[str, str]]:
    known = [one["key"] for one in prompt.actions]
    if action not in known:
        wrong = f"There is no such action.{did_you_mean(action, known)}" if action else "A decision is missing."
        detail = f"{wrong} Choose one of {', '.join(known)}."
        yield {"pointer": "/action", "detail": detail, "code": "enum"}


def _decided(prompt: HumanPrompt, user: Any, action: str, data: dict[str, Any], comment: str) -> Answered:
    """End the prompt when this answer decides it. Under its lock, so that one answer is counted after the other."""
    answers = list(prompt.answers.select_related("user").order_by("pk")) if prompt.quorum > 1 else []
    chosen = prompt_quorum.decision(prompt, answers) if answers else action
    agree = sum(one.action == action for one in answers) or 1
    if not chosen:
        return Answered(prompt, decided=False, agree=agree, needed=prompt.quorum)
    fields = data if chosen == action else prompt_quorum.fields_of(answers, chosen)
    output = output_of(prompt, chosen, fields, by=user.get_username(), comment=comment)
    if answers:
        output["answers"] = [prompt_quorum.told(one) for one in answers]
    if not finish(prompt, output, status=PromptStatus.ANSWERED, by=user):
        raise PromptClosed(prompt.title, PromptStatus.WITHDRAWN)
    return Answered(prompt, decided=True, agree=agree, needed=prompt.quorum)


def output_of(
    prompt: HumanPrompt, action: str, fields: Any, *, by: str | None, comment: str = "", timed_out: bool = False
) -> dict[str, Any]:
    """Return the step's output; its key names the block that is walked next."""
    key = next((one.get("block") for one in prompt.actions if one["key"] == action), None)
    at = timezone.now().isoformat()
    return {
        "action": action,
        "fields": fields,
        "by": by,
        "at": at,
        "comment": comment,
        "timed_out": timed_out,
        "key": key,
    }


def finish(prompt: HumanPrompt, output: dict[str, Any], *, status: str, by: Any = None) -> bool:
    """Close the prompt and complete its step. False when its frame does not wait for it any more."""
    prompt.status, prompt.answer, prompt.answered_by, prompt.answered_at = status, output, by, timezone.now()
    closed = HumanPrompt.objects.filter(pk=prompt.pk, status=PromptStatus.OPEN).update(
        status=status, answer=output, answered_by=by, answered_at=prompt.answered_at
    )
    return bool(closed) and finish_step(prompt.execution, prompt.frame_id, prompt.alias, prompt.attempt, output)
