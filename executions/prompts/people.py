"""Who is meant by the users and groups of a prompt."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from django.contrib.auth import get_user_model
from django.contrib.auth.models import User
from django.contrib.postgres.expressions import ArraySubquery
from django.db.models import Q

from executions.models import HumanPrompt
from workflows.models import Workflow


def groups_of(user: Any) -> ArraySubquery:
    """The user's groups, for comparing them with a prompt's in the database."""
    return ArraySubquery(User.groups.through.objects.filter(user=user.pk).values("group_id"))


def is_member(user: Any, groups: Iterable[int]) -> bool:
    """Whether the user belongs to one of the groups."""
    wanted = list(groups)
    return bool(wanted) and user.groups.filter(pk__in=wanted).exists()


def members(users: Iterable[int], groups: Iterable[int]) -> set[int]:
    """Return who they are, groups as their members; people who may sign in only."""
    wanted = Q(pk__in=list(users)) | Q(groups__in=list(groups))
    return set(get_user_model().objects.filter(wanted, is_active=True).values_list("pk", flat=True))


def people_of(prompts: Sequence[HumanPrompt]) -> dict[Any, list[User]]:
    """Return the people whom each prompt asks, by its id. Four queries for any number of prompts."""
    groups = _members_of({group for prompt in prompts for group in prompt.groups})
    teams = _teams_of({prompt.workflow_id for prompt in prompts if not (prompt.users or prompt.groups)})
    wanted: dict[Any, set[int]] = {}
    for prompt in prompts:
        named = set(prompt.users).union(*(groups.get(group, set()) for group in prompt.groups))
        asked = named if prompt.users or prompt.groups else teams.get(prompt.workflow_id, set())
        wanted[prompt.pk] = asked - ({prompt.execution.started_by_id} if prompt.no_self_approval else set())
    everyone = User.objects.filter(pk__in=set().union(*wanted.values()), is_active=True).in_bulk()
    return {pk: [everyone[one] for one in sorted(asked) if one in everyone] for pk, asked in wanted.items()}


def _members_of(groups: set[int]) -> dict[int, set[int]]:
    found: dict[int, set[int]] = {}
    pairs = User.groups.through.objects.filter(group__in=groups).values_list("group_id", "user_id") if groups else ()
    for group, user in pairs:
        found.setdefault(group, set()).add(user)
    return found


def _teams_of(workflows: set[Any]) -> dict[Any, set[int]]:
    """Owner and collaborators of each workflow."""
    found = {pk: {owner} for pk, owner in Workflow.objects.filter(pk__in=workflows).values_list("pk", "owner_id")}
    shared = Workflow.collaborators.through.objects.filter(workflow__in=workflows)
    for workflow, user in shared.values_list("workflow_id", "user_id"):
        found[workflow].add(user)
    return found
