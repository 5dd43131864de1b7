"""Step types of the test suite: one of every side-effect class, one that fails at will, one that kills its worker.

Effects are lines in a ledger file, appended atomically, so that a test counts what really happened after any crash.
Real workers load this module by `--include`; importing it registers the types.
"""

import asyncio
import os
from pathlib import Path
from typing import Any

from connectors.effects import Effect
from director.errors import DirectorError
from workflows.step_types import registry
from workflows.step_types.base import StepCall, StepType

ANY = {"type": "object", "additionalProperties": True}


def append(path: str, line: str) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)
    try:
        os.write(descriptor, f"{line}\n".encode())
    finally:
        os.close(descriptor)


def lines(path: str | Path) -> list[str]:
    return Path(path).read_text().splitlines() if Path(path).exists() else []


class TestFailure(DirectorError):
    code = "test_failure"
    __test__ = False

    reason: str


class TestStep(StepType):
    __test__ = False
    icon, category, schema = "flask", "data", ANY


class Ledger(TestStep):
    """Writes its idempotency key to the ledger at `path`, after `seconds`; its classes differ in what they declare."""

    suspends = True

    async def run(self, call: StepCall) -> Any:
        await asyncio.sleep(float(call.config.get("seconds", 0)))
        await asyncio.to_thread(append, call.config["path"], f"{call.idempotency_key} {call.attempt}")
        return {"key": call.idempotency_key}


class LedgerOnce(Ledger):
    name, label, effect = "test_once", "Write once", Effect.ONCE


class LedgerIdempotent(Ledger):
    name, label, effect = "test_idempotent", "Write idempotently", Effect.IDEMPOTENT


class LedgerKeyed(Ledger):
    name, label, effect = "test_keyed", "Write with a key", Effect.KEYED


class LedgerRead(Ledger):
    name, label, effect = "test_read", "Read", Effect.READ


class Flaky(TestStep):
    """Fails until the file at `path` has `failures` lines; each try adds one."""

    name, label, effect = "test_flaky", "Fail at first", Effect.PURE

    def run(self, call: StepCall) -> Any:
        append(call.config["path"], f"{call.attempt}")
        if len(lines(call.config["path"])) <= call.config["failures"]:
            raise TestFailure("not yet")
        return "at last"


class Slow(TestStep):
    """Takes `seconds`, then gives `value`; for time-outs."""

    name, label, effect, suspends = "test_slow", "Take time", Effect.READ, True

    async def run(self, call: StepCall) -> Any:
        await asyncio.sleep(call.config["seconds"])
        return call.config.get("value")


class Die(TestStep):
    """Ends its whole process without a word, as a fault in native code would."""

    name, label, effect = "test_die", "Kill the worker", Effect.PURE

    def run(self, call: StepCall) -> Any:
        append(call.config["path"], call.record_id or "-")
        os._exit(9)


for step_type in (LedgerOnce, LedgerIdempotent, LedgerKeyed, LedgerRead, Flaky, Slow, Die):
    registry.register(step_type())
