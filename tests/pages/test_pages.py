"""What all pages have in common: how many queries they take, what they load, how they fail."""

import re

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from tests.factories import keep_counts, make_execution, make_frame, make_user
from tests.pages.conftest import World, client_of, make_invoice
from workflows.services import import_workflow

# At most so many queries, whatever there is to show; two of each are the session and its user.
QUERIES = {
    "/": 10,
    "/workflows/": 11,
    "/workflows/{w.workflow.slug}/": 12,
    "/workflows/{w.workflow.slug}/executions/": 9,
    "/executions/": 7,
    "/executions/{w.execution.number}/": 18,
    "/executions/{w.execution.number}/?view=log": 18,
    "/executions/{w.execution.number}/?view=records": 21,
    "/executions/{w.execution.number}/?view=journal": 17,
    "/executions/{w.execution.number}/waterfall/?from=0": 11,
    "/executions/{w.execution.number}/interventions/": 4,
    "/executions/{w.execution.number}/live/?rows=1,2,3": 14,
    "/executions/{w.execution.number}/steps/{w.failed_step.pk}/": 12,
    "/records/?workflow={w.workflow.slug}": 12,
    "/records/?workflow={w.workflow.slug}&status=failed": 13,
    "/records/{w.failed.pk}/": 15,
    "/jump/?q=invoice": 6,
}


def queries(client: Client, url: str) -> int:
    client.get(url)  # what is cached for the whole process is cached by now
    with CaptureQueriesContext(connection) as captured:
        assert client.get(url).status_code == 200
    return len(captured)


@pytest.mark.parametrize("url", QUERIES)
def test_a_page_takes_few_queries_and_no_more_with_more_rows(world: World, url: str):
    few = queries(world.owner, url.format(w=world))
    for number in range(100, 130):
        record = make_invoice(world.workflow, number, status="failed", error_message=f"no supplier {number}")
        make_frame(world.execution, record, alias="each_invoice", status="failed", at_step="supplier")
        make_execution(world.workflow)
    keep_counts(world.execution)
    other = {"director": 1, "steps": [{"alias": "a", "type": "set", "config": {"value": 1}}]}
    for number in range(5):
        import_workflow({**other, "name": f"Other {number}"}, owner=world.workflow.owner)

    many = queries(world.owner, url.format(w=world))

    assert max(few, many) <= QUERIES[url]  # fewer, where nothing that waits is on the first page any more
    assert many - few <= 2  # a list that was empty asks for what its rows need


@pytest.mark.parametrize("url", ["/", "/workflows/", "/executions/", "/records/"])
def test_a_page_without_rows_takes_few_queries(db: None, url: str):
    assert queries(client_of(make_user()), url) <= 9


@pytest.mark.parametrize("url", QUERIES)
def test_no_page_has_a_script_in_itself(world: World, url: str):
    html = world.owner.get(url.format(w=world)).content.decode()

    assert all("src=" in tag for tag in re.findall(r"<script\b[^>]*>", html))
    assert not re.search(r"<[^>]+\son\w+=", html)
    assert "javascript:" not in html


@pytest.mark.parametrize("url", QUERIES)
def test_ids_on_a_page_are_unique_and_nothing_is_left_of_the_template(world: World, url: str):
    html = world.owner.get(url.format(w=world)).content.decode()

    ids = re.findall(r'\sid="([^"]+)"', re.sub(r"<template.*?</template>", "", html, flags=re.DOTALL))
    assert sorted(ids) == sorted(set(ids))
    assert "{%" not in html
    assert "{{" not in re.sub(r'title="[^"]*"|<(code|pre).*?</\1>', "", html, flags=re.DOTALL)


def test_an_error_of_ours_is_a_page_or_a_fragment(world: World):
    page = world.owner.get("/executions/999999/")
    fragment = world.owner.get("/executions/999999/live/", headers={"HX-Request": "true"})

    assert page.status_code == fragment.status_code == 404
    assert "<html" in page.content.decode()
    assert "There is no execution 999999" in fragment.content.decode()
    assert "<html" not in fragment.content.decode()


def test_an_address_that_nobody_knows_is_told_to_everyone(world: World):
    assert "Nothing is at this address" in world.owner.get("/nowhere/").content.decode()
    assert "Nothing is at this address" in world.nobody.get("/nowhere/").content.decode()


def test_a_broken_page_says_so_without_details(world: World, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("executions.views.lists.executions_page", lambda *_: 1 / 0)
    world.owner.raise_request_exception = False

    answer = world.owner.get("/executions/")

    assert answer.status_code == 500
    assert "Something went wrong on our side" in answer.content.decode()
    assert "ZeroDivisionError" not in answer.content.decode()


def test_a_broken_cursor_is_the_first_page(world: World):
    for broken in ("x", "W10", "eyJhIjoxfQ", "W1tudWxsXSwwLDBd"):
        assert "invoice_003" in world.owner.get(f"/records/?cursor={broken}").content.decode()
        assert (
            "invoice_003" in world.owner.get(f"/executions/{world.execution.number}/?cursor={broken}").content.decode()
        )


def test_signing_in_by_the_form(db: None):
    make_user("olivia", password="correct horse")
    client = Client()

    wrong = client.post("/accounts/login/", {"username": "olivia", "password": "wrong"})
    again = client.post(
        "/accounts/login/",
        {"username": "olivia", "password": "wrong"},
        headers={"HX-Request": "true", "HX-Target": "signin-form"},
    )
    right = client.post("/accounts/login/", {"username": "olivia", "password": "correct horse", "next": "/records/"})

    assert wrong.status_code == 422
    assert "do not match" in wrong.content.decode()
    assert again.status_code == 422
    assert "<html" not in again.content.decode()
    assert right.url == "/records/"


def test_the_theme_is_rendered_by_the_server(world: World):
    assert "data-theme-auto" in world.owner.get("/").content.decode()
    world.owner.cookies["theme"] = "dark"
    assert '<html lang="en" data-bs-theme="dark">' in world.owner.get("/").content.decode()
    world.owner.cookies["theme"] = '"><script>'
    assert "<script>" not in world.owner.get("/").content.decode()


def test_health_needs_no_sign_in(db: None):
    assert Client().get("/health/").json() == {"status": "ok"}


def test_visiting_an_address_that_only_takes_forms_says_what_to_do(world: World):
    answer = world.owner.get(f"/executions/{world.execution.number}/pause/")

    assert answer.status_code == 405
    assert answer.headers["Allow"] == "POST"
    assert "Go back to the page you came from" in answer.content.decode()
