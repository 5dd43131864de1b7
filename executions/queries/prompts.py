"""Read models of the inbox: lists of prompts, alike ones together, and how many wait."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db.models import Count, Min, Q, QuerySet
from django.utils import timezone

from director import paging
from executions.models import Execution, HumanPrompt, PromptStatus
from executions.prompts.services import asked_of, visible_to
from records.secrets import secrets_of_records
from records.titles import title_of

COUNT_CAP = 1_000
TABS = ("mine", "groups", "all", "answered", "timed_out")
SOON = timedelta(minutes=30)
RING = 47.1  # circumference of the countdown's ring
ON_RUN_PAGE = 5
ON_HOME = 3


@dataclass(frozen=True, slots=True)
class PromptFilter:
    """tab: one of TABS. text: in the title, or the beginning of a record's id. workflow: a primary key."""

    tab: str = "mine"
    text: str = ""
    workflow: UUID | None = None
    alias: str = ""

    def apply(self, user: Any) -> QuerySet[HumanPrompt]:
        found = self._of_tab(user)
        if self.text:
            found = found.filter(Q(title__icontains=self.text) | Q(record__record_id__startswith=self.text))
        if self.workflow:
            found = found.filter(workflow=self.workflow)
        return found.filter(alias=self.alias) if self.alias else found

    def _of_tab(self, user: Any) -> QuerySet[HumanPrompt]:
        if self.tab in ("mine", "groups"):
            return asked_of(user, self.tab)
        wanted = {"answered": PromptStatus.ANSWERED, "timed_out": PromptStatus.TIMED_OUT}.get(
            self.tab, PromptStatus.OPEN
        )
        return visible_to(user).filter(status=wanted)

    @property
    def is_open(self) -> bool:
        return self.tab in ("mine", "groups", "all")


@dataclass(frozen=True, slots=True)
class Waiting:
    """A prompt in a list, with its record's title as it may be shown, and what its countdown shows."""

    prompt: HumanPrompt
    now: datetime
    record_title: str = ""

    @property
    def left(self) -> timedelta:
        return max(timedelta(), (self.prompt.due_at or self.now) - self.now)

    @property
    def is_soon(self) -> bool:
        return self.left < SOON

    @property
    def ring(self) -> str:
        """What is left of the ring, drawn in the amount of time that is left of all there was."""
        whole = (self.prompt.due_at or self.now) - self.prompt.created_at
        share = self.left / whole if whole else 0.0
        return f"{min(1.0, share) * RING:.1f}"

    @property
    def then(self) -> str:
        """What happens at the end, in two words."""
        return f"then {ending_word(self.prompt)}"

    @property
    def clock(self) -> str:
        """2:41:18"""
        seconds = int(self.left.total_seconds())
        return f"{seconds // 3600}:{seconds % 3600 // 60:02d}:{seconds % 60:02d}"

    @property
    def outcome(self) -> str:
        """The label of the action that was taken."""
        return _label(self.prompt, (self.prompt.answer or {}).get("action", ""))

    @property
    def ending(self) -> str:
        return ending(self.prompt)


def ending_word(prompt: HumanPrompt) -> str:
    said = prompt.on_timeout
    if said.get("do", "fail") == "fail":
        return "failed"
    return {"approve": "approved", "reject": "rejected"}.get(said["action"], _label(prompt, said["action"]).lower())


def ending(prompt: HumanPrompt) -> str:
    """What happens when nobody answers, as a sentence."""
    said, what = prompt.on_timeout, "this record" if prompt.record_id else "this step"
    if said.get("do", "fail") == "fail":
        return f"If nobody answers, {what} fails" + (" and the rest goes on." if prompt.record_id else ".")
    label = _label(prompt, said["action"])
    if said["do"] == "default":
        return f"If nobody answers, the default answer is taken: {label}."
    return f"If nobody answers, it goes on as {label}."


def _label(prompt: HumanPrompt, action: str) -> str:
    return next((str(one["label"]) for one in prompt.actions if one["key"] == action), action)


def prompts_page(user: Any, narrow: PromptFilter, cursor: str = "") -> paging.Page[Waiting]:
    """Return a page of prompts: open ones soonest time-out first, others newest first. Three queries at most."""
    found = narrow.apply(user).select_related("workflow", "execution", "record", "answered_by")
    column = "due_at" if narrow.is_open else "answered_at"
    page = paging.page_by(found, [column, "id"], cursor, newest_first=not narrow.is_open)
    return page.showing(in_list(page.rows))


def in_list(prompts: Iterable[HumanPrompt]) -> list[Waiting]:
    """Return the prompts, which come with their records, as they stand in a list. One query, none without records."""
    now, prompts = timezone.now(), list(prompts)
    records = {prompt.record.pk: prompt.record for prompt in prompts if prompt.record}
    secrets = secrets_of_records(records.values())
    titles = {pk: title_of(secrets[pk].hide(record.data)) for pk, record in records.items()}
    return [Waiting(prompt, now, titles[prompt.record.pk] if prompt.record else "") for prompt in prompts]


@dataclass(frozen=True, slots=True)
class Alike:
    """Prompts of one step of a workflow; first is the one whose time-out is soonest."""

    first: Waiting
    count: int


def alike(user: Any, narrow: PromptFilter) -> list[Alike]:
    """Return open prompts by workflow and step, soonest first, at most a page of them. Three queries."""
    steps = narrow.apply(user).values("workflow", "alias").annotate(count=Count("pk"), due=Min("due_at"))
    counts = {(one["workflow"], one["alias"]): one["count"] for one in steps.order_by("due")[: paging.PAGE_SIZE]}
    soonest = narrow.apply(user).order_by("workflow_id", "alias", "due_at", "pk").distinct("workflow_id", "alias")
    rows = in_list(soonest.select_related("workflow", "execution", "record"))
    found = [Alike(row, counts[key]) for row in rows if (key := (row.prompt.workflow_id, row.prompt.alias)) in counts]
    return sorted(found, key=lambda one: one.first.left)


def waiting_for(user: Any, whose: str = "") -> QuerySet[HumanPrompt]:
    """Return the open prompts that wait for the user, up to COUNT_CAP, to be counted."""
    return asked_of(user, whose)[:COUNT_CAP]


def waiting_longest(user: Any) -> list[Waiting]:
    """Return the few that wait for the user and time out soonest. One query."""
    rows = asked_of(user).select_related("workflow", "execution", "record").order_by("due_at", "pk")
    return in_list(rows[:ON_HOME])


def tab_counts(user: Any) -> dict[str, int]:
    """Return what stands beside the tabs. Three queries."""
    week = timezone.now() - timedelta(days=7)
    missed = visible_to(user).filter(status=PromptStatus.TIMED_OUT, answered_at__gte=week)
    return {
        "mine": waiting_for(user, "mine").count(),
        "groups": waiting_for(user, "groups").count(),
        "timed_out": missed[:COUNT_CAP].count(),
    }


def prompts_of_run(user: Any, execution: Execution) -> tuple[list[Waiting], int]:
    """Return the run's open prompts that are soonest due, and how many are open. Index prompt_of_execution."""
    found = visible_to(user).filter(execution=execution, status=PromptStatus.OPEN)
    rows = found.select_related("workflow", "execution", "record").order_by("due_at", "pk")[:ON_RUN_PAGE]
    return in_list(rows), found[:COUNT_CAP].count()
