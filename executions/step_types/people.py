"""Who is meant where a step names users and groups."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group
from django.db.models import Q

from director.errors import did_you_mean
from workflows.errors import StepFailed

NAMES_KEPT_SECONDS = 10  # who is called what is looked up once for the many records of a batch


@dataclass(frozen=True, slots=True)
class People:
    """Primary keys of users and groups."""

    users: tuple[int, ...] = ()
    groups: tuple[int, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.users or self.groups)


def people_named(said: Any) -> People:
    """Return who is meant by names of users (or their addresses) and groups; raises StepFailed for one nobody has."""
    if isinstance(said, Mapping):
        users, groups = names_in(said.get("users")), names_in(said.get("groups"))
        return People(found(users, (), _slot()).users, found((), groups, _slot()).groups)
    names = names_in(said)
    return found(names, names, _slot()) if names else People()


def names_in(said: Any) -> tuple[str, ...]:
    """Return names given as a list, or as one text with commas between."""
    if said is None:
        return ()
    parts = said.split(",") if isinstance(said, str) else said
    return tuple(text for part in parts if (text := str(part).strip()))


def _slot() -> int:
    return int(time.monotonic() // NAMES_KEPT_SECONDS)


@lru_cache(maxsize=1024)
def found(users: tuple[str, ...], groups: tuple[str, ...], slot: int) -> People:
    """Two queries at most; kept for the time slot."""
    by_name = _users(users) if users else {}
    by_group = dict(Group.objects.filter(name__in=groups).values_list("name", "pk")) if groups else {}
    for name in dict.fromkeys((*users, *groups)):
        if name not in by_name and name not in by_group:
            raise StepFailed(f"Nobody is called {name}: there is no such user or group.{_near(name)}")
    named_groups = [by_group[name] for name in groups if name in by_group and name not in by_name]
    return People(tuple(dict.fromkeys(by_name[name] for name in users if name in by_name)), tuple(named_groups))


def _users(names: tuple[str, ...]) -> dict[str, int]:
    wanted = Q(username__in=names) | Q(email__in=[name for name in names if "@" in name])
    known: dict[str, int] = {}
    for pk, username, address in (
        get_user_model().objects.filter(wanted, is_active=True).values_list("pk", "username", "email")
    ):
        known |= {address: pk, username: pk} if address else {username: pk}
    return known


def _near(name: str) -> str:
    known = [
        *get_user_model().objects.values_list("username", flat=True)[:1000],
        *Group.objects.values_list("name", flat=True)[:1000],
    ]
    return did_you_mean(name, known)
