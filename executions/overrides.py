"""What people say should be otherwise in a run: `executions.overrides`.

    {"steps": {"<alias>": {"all": {"input": {...}} or {"output": ...},
                           "records": {"<record key>": {"input": {...}} or {"output": ...}}}},
     "stop_after": ["<iterate>"],    a retry: the frames end with this iterate
     "dry": true}                    effects are answered from recordings

An input is laid over the rendered config; an output stands in for running the step and is journalled as `overridden`.
What is said of one record goes before what is said of all.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def merged(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, Any]:
    """Return `old` with what `new` says laid over it, step by step and record by record."""
    steps = {alias: {**said, "records": dict(said.get("records", {}))} for alias, said in old.get("steps", {}).items()}
    for alias, said in new.get("steps", {}).items():
        kept = steps.setdefault(alias, {"records": {}})
        if "all" in said:
            kept["all"] = said["all"]
        kept["records"].update(said.get("records", {}))
    rest = {key: value for key, value in {**old, **new}.items() if key != "steps"}
    return {**rest, "steps": steps} if steps else rest


def for_records(alias: str, records: list[str], said: Mapping[str, Any]) -> dict[str, Any]:
    """Return the overrides that say one thing of a step for some records."""
    return {"steps": {alias: {"records": {record: dict(said) for record in records}}}}
