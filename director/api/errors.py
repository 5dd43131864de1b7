"""What the REST interface itself refuses; what the services refuse is told in their own errors.

ApiError    BodyMalformed 400 · ParameterInvalid 400 · CursorInvalid 400 · HeaderInvalid 400 · VersionChanged 412
            BodyTooLarge 413 · BodyInvalid 422
"""

from __future__ import annotations

from typing import Any

from director.errors import DirectorError

# One wrong place of a request: `pointer` (into the body) or `parameter` (of the query), `detail`, `code`.
Fault = dict[str, str]


class ApiError(DirectorError):
    """A request that was refused before any service saw it."""


class BodyMalformed(ApiError):
    """The body is not in the format that its Content-Type says."""

    code = "body_malformed"

    reason: str

    @property
    def message(self) -> str:
        return f"The body cannot be read: {self.reason}."


class BodyTooLarge(ApiError):
    code = "body_too_large"
    http_status = 413

    limit_bytes: int

    @property
    def message(self) -> str:
        return (
            f"The body is larger than {self.limit_bytes:,} bytes (DIRECTOR_MAX_BODY_BYTES). Send it in smaller parts."
        )

    @property
    def data(self) -> dict[str, Any]:
        return {"limit_bytes": self.limit_bytes}


class FaultyRequest(ApiError):
    """A request with several wrong places, all told at once."""

    lead = ""

    faults: list[Fault]

    @property
    def message(self) -> str:
        first = self.faults[0]
        place = first.get("parameter") or first.get("pointer") or "the body"
        more = f" (and {len(self.faults) - 1} more)" if len(self.faults) > 1 else ""
        return f"{self.lead} {place}: {first['detail']}{more}"

    @property
    def data(self) -> dict[str, Any]:
        return {"errors": self.faults}


class BodyInvalid(FaultyRequest):
    """The body can be read but says something that is not allowed."""

    code = "body_invalid"
    http_status = 422
    lead = "The body is not valid at"


class ParameterInvalid(FaultyRequest):
    """A query parameter is unknown or its value is not allowed."""

    code = "parameter_invalid"
    lead = "The query is not valid at"


class CursorInvalid(ApiError):
    code = "cursor_invalid"

    @property
    def message(self) -> str:
        return "The cursor was not given out by this list. Start again without `cursor` and follow `next`."


class HeaderInvalid(ApiError):
    code = "header_invalid"

    header: str
    rule: str

    @property
    def message(self) -> str:
        return f"The header {self.header} {self.rule}."


class VersionChanged(ApiError):
    """If-Match named a version of the thing that is no longer the current one."""

    code = "version_changed"
    http_status = 412

    reason: str
