"""Which names templates may use at each place of a definition, and why another one is not known there."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from director.errors import nearest
from workflows.definition.parse import Definition, StepDefinition
from workflows.definition.problems import DefinitionProblem
from workflows.errors import listed

EVERYWHERE = ("execution", "trigger", "records", "now")
RECORD_NAMES = {
    "current": "`current` is the record that an iterate walks, and this is not inside one",
    "outer": "`outer` is the record of the iterate around the innermost one, and there are not two here",
    "item": "`item` is known inside an iterate with `over`, and in `id_pattern`",
    "index": "`index` is known inside an iterate with `over`, and in `id_pattern`",
}


@dataclass(frozen=True, slots=True)
class Place:
    """Where a step stands.

    visible: aliases whose outputs may be there. iterates: the iterates around it, outermost first. chain: the blocks
    around it, as (path of the step that owns it, key of the block). order: the step's number in the document.
    """

    alias: str
    order: int
    visible: frozenset[str]
    iterates: tuple[StepDefinition, ...]
    chain: tuple[tuple[str, str], ...]

    def record_names(self) -> list[str]:
        """Those of current, outer, item and index that are known here."""
        known = ["current", "outer"][: len(self.iterates)]
        return [*known, "item", "index"] if any("over" in step.config for step in self.iterates) else known


class Names:
    """What is known where, for one definition."""

    def __init__(self, definition: Definition) -> None:
        self.variables = declared_variables(definition)
        self.places: dict[str, Place] = {}
        self.by_alias: dict[str, Place] = {}
        self._place(definition.steps, frozenset(), (), ())

    def check(
        self, path: str, names: Iterable[str], where: str, extra: Iterable[str] = ()
    ) -> Iterable[DefinitionProblem]:
        """Yield a problem at `where` for each name not known in the step at `path`; `extra` are known besides."""
        place = self.places[path]
        available = [*place.visible, *place.record_names(), *EVERYWHERE, *self.variables, *extra]
        for name in sorted(set(names).difference(available)):
            yield DefinitionProblem(where, self._reason(name, place, available), nearest(name, available))

    def _reason(self, name: str, place: Place, available: list[str]) -> str:
        why = self._why(name, place)
        return f"{why}. Available: {listed(sorted(set(available) - {'now'}))}"

    def _why(self, name: str, place: Place) -> str:
        if name in RECORD_NAMES:
            return RECORD_NAMES[name]
        target = self.by_alias.get(name)
        if target is None:
            return f"`{name}` is not known here; variables are declared under `variables` or by a step of type set"
        if target is place:
            return f"`{name}` is this step itself, which has no output yet"
        if _in_other_branch(target, place):
            return f"`{name}` is not known here: that step is in another branch"
        ended = [step for step in target.iterates if step not in place.iterates]
        if ended and target.order < place.order:
            return f"`{name}` is not known here: it runs for each record of `{ended[0].alias}`; use the output of that"
        return f"`{name}` is not known here: that step comes later"

    def _place(
        self,
        steps: tuple[StepDefinition, ...],
        visible: frozenset[str],
        iterates: tuple[StepDefinition, ...],
        chain: tuple[tuple[str, str], ...],
    ) -> frozenset[str]:
        """Note the places of a block's steps; return what is visible after it."""
        for step in steps:
            place = Place(step.alias, len(self.places), visible, iterates, chain)
            self.places[step.path] = place
            self.by_alias.setdefault(step.alias, place)
            visible = self._place_blocks(step, visible, iterates, chain) | {step.alias}
        return visible

    def _place_blocks(
        self,
        step: StepDefinition,
        visible: frozenset[str],
        iterates: tuple[StepDefinition, ...],
        chain: tuple[tuple[str, str], ...],
    ) -> frozenset[str]:
        """Note the places within a step; what branches made may be seen after it, what a body made may not."""
        is_iterate = step.type == "iterate"
        around = (*iterates, step) if is_iterate else iterates
        inside = visible if is_iterate else visible | {step.alias}
        after = visible
        for block in step.blocks:
            made = self._place(block.steps, inside, around, (*chain, (step.path, block.key)))
            after = after if is_iterate else after | made
        return after


def declared_variables(definition: Definition) -> frozenset[str]:
    """Return the variables that the document declares: under `variables`, or as what a `set` step sets."""
    declared: Any = definition.settings.get("variables")
    names = set(declared) if isinstance(declared, Mapping) else set()
    set_by_steps = (step.config.get("variable") for step in definition.walk() if step.type == "set")
    return frozenset(names | {name for name in set_by_steps if isinstance(name, str)})


def _in_other_branch(one: Place, other: Place) -> bool:
    """Whether the two stand in different blocks of the same step."""
    for (owner, key), (other_owner, other_key) in zip(one.chain, other.chain, strict=False):
        if owner != other_owner:
            return False
        if key != other_key:
            return True
    return False
