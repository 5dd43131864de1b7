"""What a request asks: its query, its body, and the headers that make a write safe to repeat or to race."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from rest_framework import serializers
from rest_framework.request import Request

from director.api.errors import BodyInvalid, Fault, HeaderInvalid, ParameterInvalid, VersionChanged
from director.api.problems import faults_of
from director.errors import DirectorError, did_you_mean
from director.jsontools import UNSTORABLE, pointer

Shape = type[serializers.Serializer[Any]]
KEY = re.compile(r'"(?P<quoted>[\x20\x21\x23-\x7e]{1,255})"|(?P<bare>[\x21\x23-\x7e]{1,255})')


def read_query(request: Request, shape: Shape, *, free: tuple[str, ...] = ()) -> dict[str, Any]:
    """Return the query parameters as `shape` says, with its defaults.

    free: parameters that begin with one of these (`label.client`) are left to the caller.
    Raises ParameterInvalid with every fault; an unknown parameter is one, for a misspelt filter would match everything.
    """
    given = query_parameters(request)
    named = {name: value for name, value in given.items() if not name.startswith(free)}
    reader = shape(data=named)
    known = {*reader.fields, "format"}
    faults = [_unknown({"parameter": name}, name, known) for name in named if name not in known]
    faults += [
        _fault(name, "Is given more than once; say it once, several values with commas.")
        for name, values in request.query_params.lists()
        if len(values) > 1
    ]
    faults += [
        _fault(name, "Holds what is not text.") for name, value in given.items() if UNSTORABLE.search(name + value)
    ]
    if not reader.is_valid():
        faults += [_fault(name, str(errors[0])) for name, errors in reader.errors.items()]
    if faults:
        raise ParameterInvalid(faults)
    return dict(reader.validated_data)


def query_parameters(request: Request) -> dict[str, str]:
    """Return the query parameters."""
    return {name: str(value) for name, value in request.query_params.dict().items()}


def prefixed(request: Request, prefix: str) -> dict[str, str]:
    """Return the parameters `<prefix><name>=<value>` as {name: value}."""
    return {
        name.removeprefix(prefix): value for name, value in query_parameters(request).items() if name.startswith(prefix)
    }


def read_body(request: Request, shape: Shape, *, partial: bool = False) -> dict[str, Any]:
    """Return the body as `shape` says; raises BodyInvalid with every fault, unknown members among them."""
    data = request.data
    if not isinstance(data, Mapping):
        raise BodyInvalid([{"pointer": "", "detail": "Give a JSON object.", "code": "invalid"}])
    reader = shape(data=data, partial=partial)
    faults = list(_unknown_members(reader, data))
    if not reader.is_valid():
        faults += faults_of(reader.errors)
    if faults:
        raise BodyInvalid(faults)
    return dict(reader.validated_data)


def idempotency_key(request: Request) -> str | None:
    """Return the Idempotency-Key, sent as a quoted string or bare; raises HeaderInvalid when it is neither."""
    header = request.headers.get("Idempotency-Key")
    if header is None:
        return None
    found = KEY.fullmatch(header.strip())
    if not found:
        raise HeaderInvalid(
            "Idempotency-Key", "must be 1 to 255 visible ASCII characters, with or without double quotes"
        )
    return found["quoted"] or found["bare"]


def etag(revision: int) -> str:
    """Return the entity tag of a thing at `revision`."""
    return f'"{revision}"'


def expected_revision(request: Request) -> int | None:
    """Return the revision that a write demands by If-Match, 0 by `If-None-Match: *` (there is none yet), None for any."""
    unless = request.headers.get("If-None-Match")
    if unless is not None:
        if unless.strip() != "*":
            raise HeaderInvalid("If-None-Match", "must be * when something is written")
        return 0
    header = request.headers.get("If-Match", "*").strip()
    if header == "*":
        return None
    found = re.fullmatch(r'"(\d{1,9})"', header)
    if not found:
        raise HeaderInvalid("If-Match", 'must be one entity tag as given in ETag, such as "3", or *')
    return int(found[1])


@contextmanager
def if_match(request: Request) -> Iterator[int | None]:
    """Give the revision that If-Match demands; a service's refusal of it becomes 412, as HTTP has it."""
    expected = expected_revision(request)
    try:
        yield expected
    except DirectorError as error:
        if expected is not None and error.data.get("expected_revision") == expected:
            raise VersionChanged(error.message) from error
        raise


def is_current(request: Request, revision: int) -> bool:
    """Whether If-None-Match names this revision, so that 304 is the answer."""
    tags = [tag.strip().removeprefix("W/") for tag in request.headers.get("If-None-Match", "").split(",")]
    return etag(revision) in tags or "*" in tags


def _unknown_members(reader: Any, given: Any, place: tuple[str | int, ...] = ()) -> Iterator[Fault]:
    """Yield a fault for every member of the body that its shape does not know, at any depth."""
    if isinstance(reader, serializers.ListSerializer) and isinstance(given, list):
        for index, item in enumerate(given):
            yield from _unknown_members(reader.child, item, (*place, index))
    elif isinstance(reader, serializers.Serializer) and isinstance(given, Mapping):
        known = {name: field for name, field in reader.fields.items() if not field.read_only}
        for name, value in given.items():
            if name in known:
                yield from _unknown_members(known[name], value, (*place, name))
            else:
                yield _unknown({"pointer": pointer([*place, name])}, name, known)


def _unknown(place: Fault, name: str, known: Collection[str]) -> Fault:
    return {**place, "detail": f"There is no such name.{did_you_mean(name, known)}", "code": "unknown"}


def _fault(parameter: str, detail: str) -> Fault:
    return {"parameter": parameter, "detail": detail, "code": "invalid"}
