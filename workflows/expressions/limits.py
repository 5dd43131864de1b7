"""What one evaluation may use: the same amount everywhere, so that a template that fails here fails there too."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from typing import Any

from workflows.expressions.failures import Failure, kind_of

MAX_SOURCE = 64 * 1024  # characters of one template
MAX_NESTING = 100  # levels of one template's syntax
MAX_OUTPUT = 1024 * 1024  # characters of text that a template gives
MAX_WORK = 500_000  # steps: a turn of a loop, an element of a list made, 32 characters of text made
MAX_WIDTH = 10_000  # of padding and indenting
MAX_BITS = 4096  # of a whole number
MAX_SECONDS = 2.0  # of processor time: backstop for work that the count does not see; checked in loops

CHARACTERS_PER_STEP = 32
CONTAINERS = frozenset({list, tuple, dict})


class Budget:
    """Counts down the work of one evaluation.

    Whatever makes a value pays for its full size, so that no value can grow faster than it is paid for; each turn of
    a loop pays one.
    """

    __slots__ = ("deadline", "left")

    def __init__(self) -> None:
        self.left = MAX_WORK
        self.deadline = 0.0

    def charge(self, amount: int) -> None:
        """Pay before doing; raises Failure when it is more than what is left."""
        self.left -= amount
        if self.left < 0:
            raise Failure(f"it does more than is allowed in one template ({MAX_WORK:,} steps)")

    def charge_text(self, length: int) -> None:
        self.charge(1 + length // CHARACTERS_PER_STEP)
        if length > MAX_OUTPUT:
            raise Failure(f"the text would have {length:,} characters; at most {MAX_OUTPUT:,} are allowed")

    def charge_value(self, value: Any) -> None:
        """Pay for a value that was made: each element of it, however deep."""
        kind = type(value)
        if kind is str:
            self.charge_text(len(value))
        elif kind in CONTAINERS:
            self._charge_elements(value)

    def _charge_elements(self, value: Any) -> None:
        pending = [value]
        while pending:
            container = pending.pop()
            self.charge(1 + len(container))
            for item in container.values() if type(container) is dict else container:
                kind = type(item)
                if kind is str:
                    self.left -= len(item) // CHARACTERS_PER_STEP
                elif kind in CONTAINERS:
                    pending.append(item)

    def turns(self, values: Any) -> Iterator[Any]:
        """Yield the elements of anything that can be looped over, paying for each turn; raises Failure."""
        for value in iterable(values):
            self.charge(1)
            if not self.left & 0xFF:
                self._check_time()
            yield value

    def _check_time(self) -> None:
        now = time.thread_time()  # not the clock: a worker that is held up must not fail its records
        self.deadline = self.deadline or now + MAX_SECONDS
        if now > self.deadline:
            raise Failure(f"it takes longer than is allowed in one template ({MAX_SECONDS:g} s)")


def iterable(values: Any) -> Iterable[Any]:
    """Return the value when it can be looped over: a list, the keys of an object, the characters of a text."""
    if isinstance(values, list | tuple | dict | str | range):
        return values
    raise Failure(f"it loops over {kind_of(values)}, but only lists, objects and text have elements")


def width(value: Any) -> int:
    """Return a width or count given in a template; raises Failure when it is not a number from 0 to MAX_WIDTH."""
    if type(value) is not int or not 0 <= value <= MAX_WIDTH:
        raise Failure(f"a width or count must be a whole number from 0 to {MAX_WIDTH:,}, not {value!r:.40}")
    return value
