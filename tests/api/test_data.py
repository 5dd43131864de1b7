"""Variables, and variables and records together."""

from typing import Any

import pytest

from records.masking import MASK
from records.models import VariableChange, WorkflowVariable
from tests.api.conftest import Personas
from tests.factories import make_record
from tests.rig.queries import statements


def put(people: Personas, key: str, **body: Any) -> Any:
    headers = body.pop("headers", {})
    return people.owner.put(f"{people.url}/variables/{key}", body, format="json", headers=headers)


def test_a_variable_is_set_changed_and_deleted(people: Personas) -> None:
    url = f"{people.url}/variables/min_confidence"

    made = put(people, "min_confidence", value=0.8, schema={"type": "number", "maximum": 1}, reason="agreed")
    again = put(people, "min_confidence", value=0.9)
    changed = people.mate.patch(url, {"sensitive": True}, format="json")

    assert (made.status_code, again.status_code, changed.status_code) == (201, 200, 200)
    assert again.json()["schema"] == {"type": "number", "maximum": 1}
    assert set(str(changed.json()["value"])) == {"•"}
    assert WorkflowVariable.objects.get().value == 0.9
    assert people.owner.delete(f"{url}?reason=unused").status_code == 204
    assert people.owner.get(url).json()["code"] == "variable_not_found"
    kept = VariableChange.objects.order_by("id").values_list("kind", "source")
    assert list(kept) == [("created", "api"), ("edited", "api"), ("edited", "api"), ("deleted", "api")]


def test_a_variable_is_refused_with_path_and_rule_and_stays_as_it_is(people: Personas) -> None:
    put(people, "limits", value={"daily": 10}, schema={"properties": {"daily": {"type": "integer"}}})

    broken = put(people, "limits", value={"daily": "many"})
    no_schema = put(people, "limits", value=1, schema={"type": "nothing"})
    nothing = people.owner.patch(f"{people.url}/variables/limit", {"sensitive": True}, format="json")

    assert (broken.status_code, broken.json()["errors"][0]["pointer"]) == (422, "/daily")
    assert no_schema.status_code == 422
    assert (nothing.status_code, nothing.json()["code"]) == (404, "variable_not_found")
    assert 'Did you mean "limits"' in nothing.json()["detail"]
    assert WorkflowVariable.objects.get().value == {"daily": 10}


def test_a_variable_is_set_only_as_it_was_seen(people: Personas) -> None:
    seen = put(people, "rate", value=1)["ETag"]

    assert put(people, "rate", value=2, headers={"If-Match": seen}).status_code == 200
    refused = put(people, "rate", value=3, headers={"If-Match": seen})
    assert (refused.status_code, refused.json()["code"]) == (412, "version_changed")
    assert people.owner.get(f"{people.url}/variables/rate", headers={"If-None-Match": seen}).status_code == 200


def test_a_variable_is_made_only_where_there_is_none(people: Personas) -> None:
    assert put(people, "rate", value=1, headers={"If-None-Match": "*"}).status_code == 201
    assert put(people, "rate", value=2, headers={"If-None-Match": "*"}).status_code == 412
    assert put(people, "rate", value=2, headers={"If-None-Match": '"1"'}).json()["code"] == "header_invalid"
    assert WorkflowVariable.objects.get().value == 1


def test_who_may_not_see_a_secret_cannot_have_it_shown_by_calling_it_harmless(people: Personas) -> None:
    put(people, "crm_token", value="s3cr3t-42")

    refused = people.mate.patch(f"{people.url}/variables/crm_token", {"sensitive": False}, format="json")
    done = people.owner.patch(f"{people.url}/variables/crm_token", {"sensitive": False}, format="json")

    assert (refused.status_code, refused.json()["code"]) == (403, "reveal_refused")
    assert "s3cr3t-42" not in refused.content.decode()
    assert done.json()["value"] == "s3cr3t-42"


def test_a_patch_that_says_nothing_is_refused(people: Personas) -> None:
    put(people, "rate", value=1)

    assert people.owner.patch(f"{people.url}/variables/rate", {}, format="json").status_code == 422
    assert WorkflowVariable.objects.get().revision == 1


def test_variables_are_listed_as_json_and_as_text(people: Personas) -> None:
    for key, value in {"api_key": "hunter2hunter2", "rate": 1, "note": "x" * 300}.items():
        put(people, key, value=value)

    listed = people.owner.get(f"{people.url}/variables", {"limit": 2}).json()
    rest = people.owner.get(listed["next"]).json()
    text = people.owner.get(f"{people.url}/variables", {"format": "text"})

    assert [variable["key"] for variable in listed["results"] + rest["results"]] == ["api_key", "note", "rate"]
    assert text["Content-Type"] == "text/plain; charset=utf-8"
    assert text.content.decode().splitlines()[2] == "rate = 1"
    assert "302 characters" in text.content.decode()
    assert "hunter2" not in text.content.decode() + str(listed)
    assert people.owner.get(f"{people.url}/variables", {"pattern": "r*"}).json()["results"][0]["key"] == "rate"
    one = people.owner.get(f"{people.url}/variables", {"format": "text", "q": "rat"})
    assert one.content.decode() == "rate = 1\n"


def test_everything_is_shown_counted_and_cleared_together(people: Personas) -> None:
    put(people, "rate", value=1)
    make_record(people.workflow, record_id="email_001")
    make_record(people.workflow, record_id="lead_001", record_type="lead", status="processing", frame_id=1)

    data = people.owner.get(f"{people.url}/data", {"limit": 1}).json()
    rest = people.owner.get(data["next"]).json()
    stats = people.owner.get(f"{people.url}/data/stats").json()
    cleared = people.owner.delete(f"{people.url}/data?kind=all&pattern=*")

    assert (data["variables"], list(data["records"]), list(rest["records"])) == (
        {"rate": 1},
        ["email_001"],
        ["lead_001"],
    )
    assert stats["variables"]["total"] == 1
    assert stats["records"]["by_status"] == {"discovered": 1, "processing": 1}
    assert cleared.json() == {"variables": 1, "records": 1, "held": 1}
    assert people.owner.get(f"{people.url}/data", {"bucket": "nothing"}).status_code in (404, 422)
    assert people.owner.delete(f"{people.url}/data").status_code == 400


def test_a_stranger_sees_and_changes_no_data(people: Personas) -> None:
    put(people, "rate", value=1)
    refusals = [
        people.stranger.get(f"{people.url}/data"),
        people.stranger.get(f"{people.url}/data/stats"),
        people.stranger.delete(f"{people.url}/data?kind=all&pattern=*"),
        people.stranger.get(f"{people.url}/variables"),
        people.stranger.put(f"{people.url}/variables/rate", {"value": 2}, format="json"),
        people.stranger.delete(f"{people.url}/variables/rate"),
    ]

    assert {refused.status_code for refused in refusals} == {404}
    assert WorkflowVariable.objects.get().value == 1


def patch(people: Personas, key: str, body: Any, **headers: str) -> Any:
    return people.owner.patch(f"{people.url}/variables/{key}", body, format="json", headers=headers)


def test_a_variable_grows_and_swaps_atomically_and_keeps_who_did_it(people: Personas) -> None:
    patch(people, "seen", {"increment": 2})
    grown = patch(people, "seen", {"increment": 0.5, "reason": "counted by hand"})
    listed = patch(people, "ids", {"append": {"id": 7}})
    locked = patch(people, "lock", {"compare_and_set": {"value": "worker 1"}})
    refused = patch(people, "lock", {"compare_and_set": {"value": "worker 2"}})
    swapped = patch(people, "lock", {"compare_and_set": {"expected": "worker 1", "value": None}})

    assert (grown.status_code, grown.json()["value"], grown["ETag"]) == (200, 2.5, '"2"')
    assert (listed.json()["value"], locked.status_code) == ([{"id": 7}], 200)
    assert (refused.status_code, refused.json()["code"]) == (409, "variable_differs")
    assert (swapped.status_code, swapped.json()["value"]) == (200, None)
    changes = VariableChange.objects.filter(key="seen").order_by("id").values_list("kind", "before", "after", "reason")
    assert list(changes) == [("created", None, 2, ""), ("edited", 2, 2.5, "counted by hand")]


def test_what_cannot_grow_or_is_not_as_it_was_seen_is_refused_and_stays(people: Personas) -> None:
    put(people, "share", value=0.9, schema={"type": "number", "maximum": 1})
    put(people, "crm_token", value="s3cr3t-42")
    changes = VariableChange.objects.count()

    broken = patch(people, "share", {"increment": 1})
    no_number = patch(people, "share", {"increment": "1"})
    no_list = patch(people, "share", {"append": 1})
    put(people, "huge", value=1.6e308)
    too_large = patch(people, "huge", {"increment": 1.6e308})
    people.owner.delete(f"{people.url}/variables/huge")
    VariableChange.objects.filter(key="huge").delete()
    late = patch(people, "share", {"increment": 0.1}, **{"If-Match": '"7"'})
    both = patch(people, "share", {"increment": 1, "value": 2})
    masked = put(people, "crm_token", value=MASK)

    assert [answer.status_code for answer in (broken, no_number, no_list, late, both, masked)] == [
        422,
        422,
        422,
        412,
        422,
        422,
    ]
    assert "maximum" in broken.json()["detail"]
    assert (too_large.status_code, "larger than a number" in too_large.json()["detail"]) == (422, True)
    assert dict(WorkflowVariable.objects.values_list("key", "value")) == {"share": 0.9, "crm_token": "s3cr3t-42"}
    assert VariableChange.objects.count() == changes


@pytest.mark.parametrize(
    ("method", "body"), [("get", None), ("put", {"value": 2}), ("patch", {"increment": 1}), ("delete", None)]
)
def test_a_variable_takes_at_most_five_queries(people: Personas, method: str, body: Any) -> None:
    put(people, "rate", value=1)

    with statements() as asked:
        answer = getattr(people.mate, method)(f"{people.url}/variables/rate", body, format="json")

    assert answer.status_code in (200, 204)
    assert len(asked) <= 5, asked
