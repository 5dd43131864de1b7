"""Signing in, the entry, the description, and addresses that do not exist."""

from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.test import Client
from django.utils import timezone
from rest_framework.test import APIClient

from director.api import tokens
from director.models import ApiToken
from tests.api.conftest import Personas
from tests.factories import make_user


def with_token(secret: str) -> APIClient:
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {secret}")
    return client


def test_a_token_lets_its_user_in_and_is_not_stored(db: None) -> None:
    user, out = make_user("olivia"), StringIO()

    call_command("api_token", "olivia", "--name", "reports", stdout=out)

    secret, token = out.getvalue().strip(), ApiToken.objects.get()
    assert secret.startswith("dir_")
    assert (token.user, token.name, token.expires_at) == (user, "reports", None)
    assert secret not in str(ApiToken.objects.values())
    assert with_token(secret).get("/api/").json()["user"] == "olivia"
    token.refresh_from_db()
    assert token.last_used_at is not None


def test_the_time_of_use_is_written_at_most_once_a_minute(db: None, django_assert_num_queries: Any) -> None:
    client = with_token(tokens.issue(make_user())[1])

    with django_assert_num_queries(2):
        client.get("/api/")
    with django_assert_num_queries(1):
        client.get("/api/")


def test_a_token_that_is_unknown_expired_or_of_an_inactive_user_is_refused(db: None) -> None:
    user, gone = make_user(), make_user(is_active=False)
    good = tokens.issue(user, expires_at=timezone.now() + timedelta(days=1))[1]
    bad = ["dir_guess", "", "é", tokens.issue(user, expires_at=timezone.now())[1], tokens.issue(gone)[1]]

    assert with_token(good).get("/api/").status_code == 200
    for secret in bad:
        refused = with_token(secret).get("/api/")
        assert (refused.status_code, refused.json()["code"]) == (401, "authentication_failed")
        assert refused["WWW-Authenticate"].startswith("Bearer")


def test_the_command_names_the_nearest_user(db: None) -> None:
    make_user("olivia")

    with pytest.raises(CommandError, match='Did you mean "olivia"'):
        call_command("api_token", "olivai")
    for days in ("0", "99999999999"):
        with pytest.raises(CommandError, match="give 1 to 36500"):
            call_command("api_token", "olivia", "--expires-days", days)


def test_a_session_needs_the_csrf_token_to_write(people: Personas) -> None:
    browser = Client(enforce_csrf_checks=True)
    browser.force_login(people.owner.user)

    assert browser.get("/api/").json()["user"] == "olivia"
    refused = browser.post(f"{people.url}/executions")
    assert (refused.status_code, refused.json()["code"]) == (403, "permission_denied")
    assert "CSRF" in refused.json()["detail"]


def test_every_request_is_shown_on_a_page(people: Personas) -> None:
    browser = Client()
    browser.force_login(people.owner.user)

    page = browser.get("/api/docs").content.decode()

    assert "/api/workflows/{workflow}/executions" in page
    assert "Idempotency-Key" in page
    assert Client().get("/api/docs").status_code == 302


def test_an_address_that_does_not_exist_is_a_problem_and_a_slash_too_many_is_forgiven(people: Personas) -> None:
    missing = people.owner.get("/api/workflow")

    assert (missing.status_code, missing["Content-Type"]) == (404, "application/problem+json")
    assert people.nobody.get("/api/nothing/here/").status_code == 404
    assert people.owner.get(f"{people.url}/").json() == people.owner.get(people.url).json()
    assert people.owner.post(f"{people.url}/executions/", {}, format="json").status_code == 201


def test_a_nul_in_an_address_or_query_is_refused(people: Personas) -> None:
    assert people.owner.get("/api/workflows/a%00b").status_code == 404
    assert people.owner.get("/api/executions/a%00b").status_code == 404
    assert people.owner.get("/api/executions?workflow=a%00b").status_code == 400
    assert people.owner.get("/api/executions?label.client=a%00b").status_code == 400
    assert people.owner.get("/api/executions/99999999999999999999").status_code == 404
    assert people.owner.get("/api/executions/1/steps/99999999999999999999").status_code == 404
