"""The step types there are, by name.

Those of the package itself, those that installed packages announce by the entry point `director.step_types` (a class
or a module-level instance each), and those that a higher app registers when it is ready.
"""

from __future__ import annotations

import logging
import re
from importlib import import_module
from importlib.metadata import entry_points
from threading import Lock

from jsonschema import Draft202012Validator

from director.errors import nearest
from workflows.errors import StepTypeUnknown
from workflows.step_types.base import StepType

logger = logging.getLogger(__name__)

ENTRY_POINTS = "director.step_types"
NAME = re.compile(r"[a-z][a-z0-9_]*(\.[a-z0-9_]+)*")
BUILT_IN = (
    "set_value.SetValue",
    "condition.Condition",
    "switch.Switch",
    "iterate.Iterate",
    "delay.Delay",
    "fail.Fail",
    "stop.Stop",
    "code.Code",
    "sources.ReadMailbox",
    "sources.ReadCsv",
    "sources.ReadJson",
)

_types: dict[str, StepType] = {}
_loaded = False
_loading = Lock()


def register(step_type: StepType) -> None:
    """Make a step type known; a later one of the same name takes its place.

    Raises ValueError when its name is not a name, or jsonschema's SchemaError when its schema is not one.
    """
    if not NAME.fullmatch(step_type.name):
        raise ValueError(f"{step_type.name!r} cannot name a step type; write it as read_mailbox or slack.post")
    Draft202012Validator.check_schema(step_type.schema)
    _types[step_type.name] = step_type


def get(name: str) -> StepType:
    """Return the type called `name`; raises StepTypeUnknown with the nearest match."""
    _load()
    try:
        return _types[name]
    except KeyError:
        known = sorted(_types)
        raise StepTypeUnknown(name, nearest(name, known), known) from None


def all() -> list[StepType]:
    """Return every type, by category and label."""
    _load()
    return sorted(_types.values(), key=lambda step_type: (step_type.category, step_type.label))


def _load() -> None:
    """Register what is built in and what is installed, once; what was registered before keeps its place."""
    global _loaded
    if _loaded:
        return
    with _loading:
        if _loaded:
            return
        earlier = dict(_types)
        for path in BUILT_IN:
            module, name = path.split(".")
            register(getattr(import_module(f"workflows.step_types.{module}"), name)())
        _load_installed()
        _types.update(earlier)
        _loaded = True


def _load_installed() -> None:
    for entry_point in entry_points(group=ENTRY_POINTS):
        try:
            found = entry_point.load()
            register(found() if isinstance(found, type) else found)
        except Exception:  # someone else's package must not keep Director from starting
            logger.exception("step type could not be loaded", extra={"entry_point": entry_point.name})
