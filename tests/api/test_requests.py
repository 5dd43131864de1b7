"""What every endpoint has in common: refusals, bodies, queries, pages; shown on a small view of the tests' own."""

import json
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.core.exceptions import PermissionDenied
from django.http import Http404, QueryDict
from rest_framework import exceptions, serializers
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.test import APIRequestFactory
from rest_framework.views import APIView

from director.api import paging, reading
from director.errors import DirectorError

requests = APIRequestFactory()


class Line(serializers.Serializer[Any]):
    amount = serializers.IntegerField(min_value=1)


class Invoice(serializers.Serializer[Any]):
    number = serializers.CharField(max_length=20)
    lines = Line(many=True, required=False)


class InvoiceQuery(paging.PageQuery):
    status = serializers.ChoiceField(["open", "paid"], required=False)


class LedgerClosed(DirectorError):
    code = "ledger_closed"
    http_status = 409

    @property
    def message(self) -> str:
        return "The ledger of 2025 is closed. Book it in 2026."

    @property
    def data(self) -> dict[str, Any]:
        return {"year": 2025, "problems": [{"path": "lines[2].amount", "message": "is booked", "suggestion": None}]}


class Invoices(APIView):
    permission_classes = [AllowAny]
    authentication_classes = []
    error: Exception | None = None

    def get(self, request: Request) -> Response:
        if self.error:
            raise self.error
        return Response(reading.read_query(request, InvoiceQuery, free=("label.",)))

    def post(self, request: Request) -> Response:
        return Response(reading.read_body(request, Invoice))


def ask(method: str = "get", path: str = "/api/invoices", *, error: Exception | None = None, **more: Any) -> Any:
    request = getattr(requests, method)(path, **more)
    response = Invoices.as_view(error=error)(request)
    response.render()
    response.body = json.loads(response.content)
    return response


def post(body: bytes | str, content_type: str = "application/json") -> Any:
    return ask("post", data=body, content_type=content_type)


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (exceptions.NotAuthenticated(), 403, "not_authenticated"),  # without an authenticator there is no challenge
        (exceptions.PermissionDenied(), 403, "permission_denied"),
        (PermissionDenied(), 403, "permission_denied"),
        (exceptions.NotFound(), 404, "not_found"),
        (Http404(), 404, "not_found"),
        (exceptions.MethodNotAllowed("GET"), 405, "method_not_allowed"),
        (exceptions.Throttled(wait=7), 429, "throttled"),
        (exceptions.ValidationError({"lines": [{}, {"amount": ["too small"]}]}), 422, "body_invalid"),
        (LedgerClosed(), 409, "ledger_closed"),
    ],
)
def test_every_refusal_is_a_problem(error: Exception, status: int, code: str) -> None:
    response = ask(error=error)

    assert response.status_code == status
    assert response["Content-Type"] == "application/problem+json"
    assert response.body["type"] == f"urn:director:problem:{code}"
    assert response.body["status"] == status
    assert response.body["code"] == code
    assert response.body["instance"] == "/api/invoices"
    assert response.body["title"]
    assert response.body["detail"]


def test_a_problem_tells_the_wrong_places_by_json_pointer() -> None:
    ours = ask(error=LedgerClosed()).body
    theirs = ask(error=exceptions.ValidationError({"lines": [{}, {"a/b": ["bad"]}], "non_field_errors": ["odd"]})).body

    assert ours["year"] == 2025
    assert ours["errors"] == [{"pointer": "/lines/2/amount", "detail": "is booked", "suggestion": None}]
    assert [fault["pointer"] for fault in theirs["errors"]] == ["/lines/1/a~1b", ""]


def test_a_refusal_for_now_says_when_to_come_back() -> None:
    assert ask(error=exceptions.Throttled(wait=6.2))["Retry-After"] == "7"


def test_what_nobody_foresaw_is_logged_and_tells_nothing(caplog: pytest.LogCaptureFixture) -> None:
    response = ask(error=RuntimeError("password is hunter2"))

    assert (response.status_code, response.body["code"]) == (500, "internal_error")
    assert "hunter2" not in response.content.decode()
    assert "hunter2" in caplog.text


def test_negotiation_is_refused_as_a_problem() -> None:
    wrong_accept = ask(headers={"accept": "image/png"})
    wrong_type = post("<a/>", content_type="application/xml")

    assert (wrong_accept.status_code, wrong_accept.body["code"]) == (406, "not_acceptable")
    assert (wrong_type.status_code, wrong_type.body["code"]) == (415, "unsupported_media_type")
    assert ask("put").status_code == 405


@pytest.mark.parametrize(
    ("body", "status", "words"),
    [
        (b'{"number": "1"', 400, "line 1, column 15"),
        (b'{"number": NaN}', 400, "NaN"),
        (b'{"number": 1e999}', 400, "1e999"),
        (b'{"number": "\xff"}', 400, "byte 13"),
        (b"[" * 100_000, 400, "deep"),
        (b'{"lines": ' + b"[" * 300 + b"]" * 300 + b"}", 422, "nested"),
        (b'{"number": "\\u0000"}', 422, "NUL"),
        (b'{"number": "\\ud800"}', 422, "U+D800"),
        (b"[]", 422, "JSON object"),
    ],
)
def test_a_body_that_cannot_be_taken_is_refused_with_its_place(body: bytes, status: int, words: str) -> None:
    response = post(body)

    assert response.status_code == status
    assert words in json.dumps(response.body)


def test_a_body_over_the_limit_is_refused_with_the_limit(settings: Any) -> None:
    settings.DIRECTOR_MAX_BODY_BYTES = 100

    assert post(json.dumps({"number": "1"})).status_code == 200
    refused = post(json.dumps({"number": "1" * 200}))
    assert (refused.status_code, refused.body["limit_bytes"]) == (413, 100)


def test_all_faults_of_a_body_are_told_at_once_with_the_nearest_name() -> None:
    response = post(json.dumps({"numbr": "7", "lines": [{"amount": 3}, {"amount": 0, "amuont": 4}]}))

    faults = {fault["pointer"]: fault for fault in response.body["errors"]}
    assert response.status_code == 422
    assert set(faults) == {"/numbr", "/number", "/lines/1/amount", "/lines/1/amuont"}
    assert 'Did you mean "number"?' in faults["/numbr"]["detail"]


def test_a_misspelt_filter_is_refused_rather_than_matching_everything() -> None:
    accepted = ask(path="/api/invoices?status=paid&label.client=acme&limit=500")
    refused = ask(path="/api/invoices?statsu=paid&limit=501&cursor=%00")
    twice = ask(path="/api/invoices?status=paid&status=open")

    assert accepted.body == {"status": "paid", "limit": 500}
    assert refused.status_code == 400
    assert [fault["parameter"] for fault in refused.body["errors"]] == ["statsu", "cursor", "limit", "cursor"]
    assert 'Did you mean "status"?' in refused.body["errors"][0]["detail"]
    assert (twice.status_code, "more than once" in twice.body["detail"]) == (400, True)


def test_a_cursor_is_good_only_for_the_list_that_gave_it_out() -> None:
    page = paging.page_response(Request(requests.get("/api/a?status=open")), [1], 17)
    cursor = QueryDict(urlsplit(page.data["next"]).query)["cursor"]

    assert page["Link"] == f'<{page.data["next"]}>; rel="next"'
    assert "status=open" in page.data["next"]
    assert paging.position(Request(requests.get("/api/a")), cursor) == 17
    with pytest.raises(DirectorError, match="not given out by this list"):
        paging.position(Request(requests.get("/api/b")), cursor)


@pytest.mark.parametrize(
    ("header", "key"), [('"8e03-11"', "8e03-11"), ("8e03-11", "8e03-11"), ('"a b"', "a b"), (None, None)]
)
def test_an_idempotency_key_may_be_quoted_or_bare(header: str | None, key: str | None) -> None:
    headers = {} if header is None else {"Idempotency-Key": header}

    assert reading.idempotency_key(Request(requests.post("/", headers=headers))) == key


@pytest.mark.parametrize("header", ["", '""', "a b", '"open', "é", "x" * 256])
def test_an_idempotency_key_that_is_neither_is_refused(header: str) -> None:
    with pytest.raises(DirectorError, match="Idempotency-Key"):
        reading.idempotency_key(Request(requests.post("/", headers={"Idempotency-Key": header})))


def test_if_match_names_a_revision() -> None:
    def expected(header: str) -> int | None:
        return reading.expected_revision(Request(requests.patch("/", headers={"If-Match": header})))

    assert expected(reading.etag(3)) == 3
    assert expected("*") is None
    with pytest.raises(DirectorError, match="If-Match"):
        expected("latest")
