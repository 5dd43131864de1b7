"""Refusals as problem details (RFC 9457), for everything that a request under /api/ can run into.

A problem's `type` is `urn:director:problem:` and its code; the codes are listed in `docs/api.md`.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator, Mapping
from http import HTTPStatus
from math import ceil
from typing import Any

from django.conf import settings
from django.core.exceptions import PermissionDenied, RequestDataTooBig, SuspiciousOperation
from django.http import Http404
from rest_framework import exceptions
from rest_framework.response import Response

from director.api.errors import BodyInvalid, BodyMalformed, BodyTooLarge, Fault
from director.errors import DirectorError
from director.jsontools import pointer

MEDIA_TYPE = "application/problem+json"
TYPE_PREFIX = "urn:director:problem:"
# The keys in a path such as steps[1].config or fields["first name"].
PATH_KEY = re.compile(r"""[^.\[\]"']+""")
WHO_ASKS = "Say who asks: by the header Authorization: Bearer dir_... (manage.py api_token makes one), or signed in."
OWN_MEMBERS = frozenset({"type", "title", "status", "detail", "instance", "code"})

log = logging.getLogger(__name__)


def handle(error: Exception, context: Mapping[str, Any]) -> Response:
    """Return the problem that tells of `error`: REST framework's EXCEPTION_HANDLER.

    What nobody foresaw is logged with its traceback and told as 500 without details.
    """
    problem = _describe(error, str(context["request"].path))
    if problem["status"] == HTTPStatus.INTERNAL_SERVER_ERROR:
        log.error("api request failed", exc_info=error, extra={"path": problem["instance"]})
    return Response(problem, problem["status"], headers=_headers(error), content_type=MEDIA_TYPE)


def faults_of(detail: Any, place: tuple[str | int, ...] = ()) -> Iterator[Fault]:
    """Yield each wrong place in the nested `detail` of a REST framework ValidationError, with its JSON pointer."""
    if isinstance(detail, exceptions.ErrorDetail):
        yield {"pointer": pointer(place), "detail": str(detail), "code": str(detail.code)}
        return
    items = detail.items() if isinstance(detail, Mapping) else enumerate(detail)
    for key, inner in items:
        stays = key == "non_field_errors" or isinstance(inner, exceptions.ErrorDetail)
        yield from faults_of(inner, place if stays else (*place, key))


def _describe(error: Exception, path: str) -> dict[str, Any]:
    if isinstance(error, exceptions.ValidationError):
        error = BodyInvalid(list(faults_of(error.detail)))
    elif isinstance(error, RequestDataTooBig):
        error = BodyTooLarge(settings.DIRECTOR_MAX_BODY_BYTES)
    elif isinstance(error, SuspiciousOperation):
        error = BodyMalformed(str(error))
    if isinstance(error, DirectorError):
        return _problem(error.code, _title(type(error)), error.http_status, error.message, path, _members(error))
    return _foreign(error, path)


def _members(error: DirectorError) -> dict[str, Any]:
    """Return the error's facts, its wrong places all in one shape: `errors`, each with a JSON pointer.

    Errors tell places as `problems` or `errors` (a list of {path or pointer, message or detail, ...}) or as one `path`.
    """
    data = dict(error.data)
    places = data.pop("problems", None) or data.pop("errors", None)
    if places is None and "path" in data:
        places = [{"path": data["path"], "message": error.message, "code": error.code}]
    return {**data, "errors": [_fault(place) for place in places]} if places else data


def _fault(place: Mapping[str, Any]) -> dict[str, Any]:
    fault = {key: value for key, value in place.items() if key not in ("path", "message")}
    if "path" in place:
        fault["pointer"] = pointer(PATH_KEY.findall(place["path"]))
    if "message" in place:
        fault["detail"] = place["message"]
    return fault


def _foreign(error: Exception, path: str) -> dict[str, Any]:
    """Describe an error that is not one of ours."""
    if isinstance(error, Http404):
        error = exceptions.NotFound()
    elif isinstance(error, PermissionDenied):
        error = exceptions.PermissionDenied()
    if not isinstance(error, exceptions.APIException):
        error = exceptions.APIException(
            "Something unforeseen went wrong; the server's log has the details.", "internal_error"
        )
    code = str(getattr(error.detail, "code", error.default_code))
    code = "internal_error" if code == "error" else code
    detail = WHO_ASKS if isinstance(error, exceptions.NotAuthenticated) else str(error.detail)
    return _problem(code, code.replace("_", " ").capitalize(), error.status_code, detail, path, {})


def _problem(code: str, title: str, status: int, detail: str, path: str, more: Mapping[str, Any]) -> dict[str, Any]:
    extensions = {key: value for key, value in more.items() if key not in OWN_MEMBERS}
    own = {"type": f"{TYPE_PREFIX}{code}", "title": title, "status": int(status), "detail": detail}
    return {**own, "instance": path, "code": code, **extensions}


def _title(error: type[DirectorError]) -> str:
    """Return the class's name in words: the same for every problem of a type."""
    return re.sub(r"(?<!^)(?=[A-Z])", " ", error.__name__).capitalize()


def _headers(error: Exception) -> dict[str, str]:
    headers = {}
    if challenge := getattr(error, "auth_header", None):
        headers["WWW-Authenticate"] = challenge
    if wait := getattr(error, "wait", None) or getattr(error, "retry_after", None):
        headers["Retry-After"] = str(ceil(wait))
    return headers
