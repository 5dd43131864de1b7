from typing import Any

import yaml

from tests.api.conftest import TRIAGE, Personas

YAML = {"content_type": "application/yaml"}


def test_a_workflow_is_imported_as_yaml_and_exported_as_it_was(people: Personas) -> None:
    document = TRIAGE.replace("Inbox triage", "Lead triage")

    made = people.owner.post("/api/workflows", document, **YAML)
    again = people.owner.post("/api/workflows", document, **YAML)
    changed = people.owner.post("/api/workflows", document.replace("cannot read it", "unreadable"), **YAML)

    assert (made.status_code, made.data["version"], made.data["changed"]) == (201, 1, True)
    assert (again.status_code, again.data["version"], again.data["changed"]) == (200, 1, False)
    assert (changed.status_code, changed.data["version"]) == (201, 2)
    assert made.data["workflow"]["slug"] == "lead-triage"
    exported = people.owner.get(made["Location"] + "/definition", {"version": 1, "format": "yaml"})
    assert exported["Content-Type"].startswith("application/yaml")
    assert yaml.safe_load(exported.content) == yaml.safe_load(document)


def test_a_definition_is_imported_and_exported_as_json(people: Personas) -> None:
    document = people.owner.get(f"{people.url}/definition").json()

    copied = people.stranger.post("/api/workflows", document, format="json")

    assert copied.status_code == 201
    assert copied.data["workflow"]["owner"] == "steve"
    assert people.owner.post("/api/workflows", document, format="json").data["changed"] is False


def test_a_broken_definition_is_refused_with_every_problem_and_nothing_is_written(people: Personas) -> None:
    broken = TRIAGE.replace("Inbox triage", "Broken").replace("type: iterate", "type: iterat").replace("check", "route")

    unreadable = people.owner.post("/api/workflows", "name: x\nsteps: [}", **YAML)
    invalid = people.owner.post("/api/workflows", broken, **YAML)
    empty = people.owner.post("/api/workflows", "", **YAML)

    assert (unreadable.status_code, unreadable.json()["line"]) == (422, 2)
    assert invalid.status_code == 422
    assert invalid.json()["code"] == "definition_invalid"
    assert "/steps/0/type" in {error["pointer"] for error in invalid.json()["errors"]}
    assert empty.status_code in (400, 422)
    assert [workflow["slug"] for workflow in people.owner.get("/api/workflows").data["results"]] == ["inbox-triage"]


def test_a_workflow_is_shown_to_its_people_by_id_and_by_slug(
    people: Personas, django_assert_max_num_queries: Any
) -> None:
    with django_assert_max_num_queries(4):
        by_slug = people.owner.get(people.url)
    by_id = people.mate.get(f"/api/workflows/{people.workflow.pk}")

    assert by_slug.json() == by_id.json()
    assert by_slug.json()["version"] == 1
    assert [version["number"] for version in by_slug.json()["versions"]] == [1]
    assert by_slug.json()["url"].endswith(people.url)


def test_a_stranger_is_told_that_there_is_no_workflow(people: Personas) -> None:
    for path in ("", "/definition"):
        assert people.owner.get(people.url + path).status_code == 200
        refused = people.stranger.get(people.url + path)
        assert (refused.status_code, refused.json()["code"]) == (404, "workflow_not_found")
    assert people.stranger.get("/api/workflows").data["results"] == []
    assert people.nobody.get(people.url).status_code == 401


def test_a_version_that_was_never_published_is_not_found(people: Personas) -> None:
    refused = people.owner.get(f"{people.url}/definition?version=9")

    assert (refused.status_code, refused.json()["code"]) == (404, "version_not_found")
    assert "newest is 1" in refused.json()["detail"]


def test_the_list_is_paged_by_key(people: Personas, django_assert_num_queries: Any) -> None:
    for number in range(4):
        people.owner.post("/api/workflows", TRIAGE.replace("Inbox", f"Inbox {number}"), **YAML)

    slugs, url = [], "/api/workflows?limit=2"
    while url:
        with django_assert_num_queries(2):
            page = people.owner.get(url)
        slugs += [workflow["slug"] for workflow in page.data["results"]]
        url = page.data["next"]
        assert page.headers.get("Link") == (f'<{url}>; rel="next"' if url else None)

    assert slugs == ["inbox-triage", *(f"inbox-{number}-triage" for number in range(4))]
