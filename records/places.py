"""Where records are in runs. The app that runs them tells it; lists show it without knowing what a run is."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol
from uuid import UUID

LOOKED_AT = 2_000  # newest records of each status that has a place; those at one step are looked for among them


@dataclass(frozen=True, slots=True)
class Place:
    """The newest run that walked a record. step: at which it failed, waits or is being walked; empty when it is over."""

    run: int
    step: str


class Runs(Protocol):
    """What the app above knows of runs. Each a query or two, whatever is asked for."""

    def places(self, records: Sequence[UUID]) -> Mapping[UUID, Place]:
        """Return the place of each record that a run has walked."""

    def numbers(self, executions: Collection[UUID]) -> Mapping[UUID, int]:
        """Return the numbers of those executions that are still kept."""

    def at_step(self, workflows: Sequence[UUID], step: str, limit: int) -> list[str]:
        """Return the ids of the records that failed, wait or are being walked at the step, the newest first.

        limit: how many records of each of these statuses are looked at.
        """


_known: list[Runs] = []


def register(source: Runs) -> None:
    """Let an app above tell where records are."""
    _known[:] = [source]


def runs() -> Runs:
    return _known[0]
