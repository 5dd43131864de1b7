"""What the answers of several people decide together."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from executions.models import HumanPrompt, PromptAnswer
from executions.prompts.people import members


def decision(prompt: HumanPrompt, answers: Sequence[PromptAnswer]) -> str:
    """Return the action that is taken; empty while that is open.

    It is the one that as many chose as must agree. When no action can get there any more, it is the last in the list of
    actions that somebody chose: those to approve come first, those to refuse after them.
    """
    votes = Counter(one.action for one in answers)
    action, most = votes.most_common(1)[0]
    if most >= prompt.quorum:
        return action
    left = _may_still_answer(prompt, answers)
    if left is None or most + left >= prompt.quorum:
        return ""
    order = [one["key"] for one in prompt.actions]
    return max(votes, key=order.index)


def _may_still_answer(prompt: HumanPrompt, answers: Sequence[PromptAnswer]) -> int | None:
    """How many are asked and have not answered; None where nobody is named."""
    if not (prompt.users or prompt.groups):
        return None
    people = members(prompt.users, prompt.groups) - {one.user_id for one in answers}
    if prompt.no_self_approval:
        people -= {prompt.execution.started_by_id}
    return len(people)


def fields_of(answers: Sequence[PromptAnswer], action: str) -> dict[str, Any]:
    """Return the fields of the last answer that chose the action."""
    fields: dict[str, Any] = next(one.data["fields"] for one in reversed(answers) if one.action == action)
    return fields


def told(one: PromptAnswer) -> dict[str, Any]:
    """Return who answered what and when, as the step's output has it."""
    by = one.user.get_username() if one.user else None
    return {"by": by, "at": one.at.isoformat(), "action": one.action, **one.data}
