"""The process that runs Starlark. Started as a script by `starlark.py`, with nothing but its standard input and output.

Starlark has no I/O, but one operation may ask for gigabytes or never end; so it runs here, under a limit of memory that
ends this process alone, and whoever waits for the answer may kill it. A request is a JSON object behind its length in
four bytes, the answer likewise.
"""

import re
import resource
import struct
import sys
from collections import OrderedDict
from typing import Any

import orjson
import starlark

MEMORY = 256 * 1024 * 1024  # bytes beyond what the process itself needs
CALL_DEPTH = 200
PROGRAMS = 128  # kept compiled
NOT_DATA = "what it returns is not a value of data"
EXPECTED = re.compile(r", expected one of .*", re.DOTALL)
LINE = re.compile(r"-->\s*code:(\d+):(\d+)")

DIALECT = starlark.Dialect.extended()
GLOBALS = starlark.Globals.extended_by(
    [starlark.LibraryExtension.Json, starlark.LibraryExtension.Map, starlark.LibraryExtension.Filter]
)
OPTIONS = starlark.EvalOptions(max_callstack_size=CALL_DEPTH)


def limit() -> None:
    """Bound this process's memory; leave no core file."""
    pages = int(open("/proc/self/statm").read().split()[0]) if sys.platform == "linux" else 0  # noqa: SIM115
    if pages:
        bound = pages * resource.getpagesize() + MEMORY
        resource.setrlimit(resource.RLIMIT_AS, (bound, bound))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def answer(request: dict[str, Any], programs: OrderedDict[str, Any]) -> dict[str, Any]:
    """Return {"value"} or {"error", "line"} for {"source", "arguments"}; without arguments only compile."""
    try:
        program = compiled(request["source"], programs)
        if "arguments" not in request:
            return {"value": None}
        return {"value": program.call_with(OPTIONS, "main", **request["arguments"]).value}
    except (starlark.StarlarkError, TypeError, ValueError) as error:
        return refusal(str(error))


def compiled(source: str, programs: OrderedDict[str, Any]) -> Any:
    if source in programs:
        programs.move_to_end(source)
        return programs[source]
    module = starlark.Module()
    starlark.eval_with(OPTIONS, module, starlark.parse("code", source, DIALECT), GLOBALS)
    programs[source] = module.freeze()
    if len(programs) > PROGRAMS:
        programs.popitem(last=False)
    return programs[source]


def refusal(text: str) -> dict[str, Any]:
    """Return the reason and, of the last place that the message names, the line."""
    places = LINE.findall(text)
    reason = next((line for line in text.splitlines() if line.startswith("error:")), text)
    reason = reason.removeprefix("error:").strip().removeprefix("Parse error:").strip()
    reason = NOT_DATA if "serde::serialize" in reason else EXPECTED.sub("", reason)
    return {"error": reason[:1000], "line": int(places[-1][0]) if places else None}


def encoded(reply: dict[str, Any]) -> bytes:
    try:
        return orjson.dumps(reply)
    except TypeError as error:
        return orjson.dumps({"error": f"{NOT_DATA} ({error})", "line": None})


def main() -> None:
    limit()
    programs: OrderedDict[str, Any] = OrderedDict()
    source, sink = sys.stdin.buffer, sys.stdout.buffer
    while len(head := source.read(4)) == 4:
        request = orjson.loads(source.read(struct.unpack(">I", head)[0]))
        reply = encoded(answer(request, programs))
        sink.write(struct.pack(">I", len(reply)) + reply)
        sink.flush()


if __name__ == "__main__":
    main()
