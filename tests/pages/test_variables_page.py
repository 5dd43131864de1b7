"""The variables page: search, the typed editor with its refusals, masks and reveals, who uses what, and who may."""

import re
from types import SimpleNamespace

import pytest
from django.urls import reverse

from records.models import ChangeSource, VariableChange, WorkflowVariable
from records.services import WorkflowData
from tests.factories import make_execution, make_user
from workflows.services import import_workflow

pytestmark = pytest.mark.django_db

THRESHOLD = """
director: 1
name: Lead check
variables: {min_confidence: 0.8}
steps:
  - {alias: needs_review, type: condition, branches: [
      {if: "{{ min_confidence > 0.5 }}", steps: [{alias: note, type: set, config: {value: 1}}]}]}
  - {alias: remember, type: set, config: {value: "{{ now() }}", variable: last_run}}
"""
SCHEMA = {"type": "number", "minimum": 0, "maximum": 1}


@pytest.fixture
def kept(client):
    """A workflow with a threshold, a secret and a list; its owner is signed in."""
    owner, mate, stranger = (make_user(name) for name in ("olivia", "tom", "steve"))
    workflow = import_workflow(THRESHOLD, owner=owner).workflow
    workflow.collaborators.add(mate)
    variables = WorkflowData(workflow, owner, source=ChangeSource.PAGE).variables
    variables.set("min_confidence", 0.8, schema=SCHEMA, reason="Below this, a person checks")
    variables.set("crm_webhook_secret", "whsec-4711-very-secret")
    variables.set("last_run", "2026-11-20")
    variables.set("segments", ["smb", "enterprise"])
    client.force_login(owner)
    return SimpleNamespace(client=client, workflow=workflow, owner=owner, mate=mate, stranger=stranger)


def page(kept, **query):
    return kept.client.get(reverse("variable_list"), {"scope": kept.workflow.slug, **query})


def save(kept, key, *, htmx=True, **given):
    row = WorkflowVariable.objects.filter(workflow=kept.workflow, key=key).first()
    headers = {"HX-Request": "true", "HX-Target": "var-panel"} if htmx else {}
    values = {"scope": kept.workflow.slug, "key": key, "expected_revision": row.revision if row else 0, **given}
    return kept.client.post(reverse("variable_save"), values, headers=headers)


def value_of(kept, key):
    return WorkflowVariable.objects.get(workflow=kept.workflow, key=key).value


def test_variables_are_listed_found_and_opened_with_the_steps_that_use_them(kept):
    everything = page(kept).content.decode()
    found = page(kept, q="enterprise").content.decode()
    opened = page(kept, key="min_confidence").content.decode()

    assert "min_confidence" in everything
    assert "segments" in found
    assert "min_confidence" not in found
    assert "Read by" in opened
    assert "step=needs_review" in opened
    assert "Below this, a person checks" in opened
    assert "Where it is not set, a run begins with" in opened
    assert "Written by" in page(kept, key="last_run").content.decode()
    assert '<span class="clamp-1" title="needs_review">' in everything
    lists = page(kept, kind="list").content.decode()
    assert "segments" in lists
    assert "min_confidence" not in lists


def test_a_value_is_set_with_its_type_and_its_history_is_shown(kept):
    answer = save(kept, "min_confidence", kind="number", value="0.65", schema="", reason="too many checks")

    assert answer.headers["HX-Redirect"].endswith("key=min_confidence")
    assert value_of(kept, "min_confidence") == 0.65
    shown = page(kept, key="min_confidence").content.decode()
    assert "“too many checks”" in shown
    assert ">0.8</del>" in shown


def test_a_value_that_breaks_its_schema_comes_back_with_what_is_wrong(kept):
    schema = '{"type": "number", "minimum": 0, "maximum": 1}'

    for given, said, field in (
        ({"kind": "number", "value": "1.2", "schema": schema}, "maximum of 1", "var-value"),
        ({"kind": "number", "value": "many", "schema": schema}, "is no number", "var-value"),
        ({"kind": "number", "value": "1", "schema": '{"type": "colour"}'}, "not a JSON Schema", "var-schema"),
        ({"kind": "number", "value": "1", "schema": "{"}, "is not JSON", "var-schema"),
    ):
        answer = save(kept, "min_confidence", **given)
        assert answer.status_code == 422
        html = answer.content.decode()
        assert said in html
        assert re.findall(r'is-invalid" id="([\w-]+)"[^>]* aria-invalid="true"', html) == [field]
    assert value_of(kept, "min_confidence") == 0.8


def test_who_saves_over_a_newer_value_is_told_and_may_save_again(kept):
    refused = save(kept, "min_confidence", kind="number", value="0.5", expected_revision=7)

    assert refused.status_code == 409
    assert "set meanwhile" in refused.content.decode()
    assert ">0.5</textarea>" in refused.content.decode()


def test_a_secret_is_masked_found_by_nobody_and_kept_when_left_empty(kept):
    for query in ({}, {"key": "crm_webhook_secret"}, {"q": "4711"}, {"q": "crm"}):
        assert "whsec" not in page(kept, **query).content.decode()
    assert "No variable matches" in page(kept, q="4711").content.decode()

    save(kept, "crm_webhook_secret", kind="text", value="", reason="rotated yearly")

    assert value_of(kept, "crm_webhook_secret") == "whsec-4711-very-secret"


def test_the_owner_has_a_secret_shown_and_that_is_in_the_history(kept):
    reveal = {"scope": kept.workflow.slug, "key": "crm_webhook_secret"}

    shown = kept.client.post(reverse("variable_reveal"), reveal)

    assert "whsec-4711-very-secret" in shown.content.decode()
    assert "no-store" in shown["Cache-Control"]
    assert VariableChange.objects.filter(key="crm_webhook_secret", kind="revealed", actor=kept.owner).count() == 1
    assert "had it shown" in page(kept, key="crm_webhook_secret").content.decode()
    assert "had it shown" in page(kept, history=1).content.decode()

    kept.client.force_login(kept.mate)
    refused = kept.client.post(reverse("variable_reveal"), reveal)
    assert refused.status_code == 403
    assert "whsec" not in refused.content.decode()
    assert save(kept, "crm_webhook_secret", kind="text", value="", sensitive="no").status_code == 403
    assert "whsec" not in page(kept, key="crm_webhook_secret").content.decode()


def test_variables_are_made_and_deleted_and_those_of_runs_are_shown_apart(kept):
    run = make_execution(kept.workflow)
    WorkflowVariable.objects.create(workflow=kept.workflow, execution_id=run.pk, key="batch", value=12)
    assert "New variable" in page(kept, new=1).content.decode()
    assert save(kept, "seen_today", kind="number", value="38", htmx=False).status_code == 302
    assert "Of single runs" in page(kept).content.decode()
    assert f"#{run.number}" in page(kept).content.decode()

    gone = {"scope": kept.workflow.slug, "key": "seen_today"}
    kept.client.post(reverse("variable_delete"), {**gone, "confirm": "seen"})
    assert value_of(kept, "seen_today") == 38
    kept.client.post(reverse("variable_delete"), {**gone, "confirm": "seen_today", "reason": "counted elsewhere"})

    assert not WorkflowVariable.objects.filter(workflow=kept.workflow, key="seen_today").exists()
    assert VariableChange.objects.get(key="seen_today", kind="deleted").reason == "counted elsewhere"


def test_a_team_mate_edits_and_a_stranger_is_told_there_is_none(kept):
    kept.client.force_login(kept.mate)
    assert save(kept, "segments", kind="list", value='["smb"]').status_code == 204

    kept.client.force_login(kept.stranger)
    assert page(kept).status_code == 404
    assert save(kept, "segments", kind="list", value="[]").status_code == 404
    for name in ("variable_delete", "variable_reveal"):
        given = {"scope": kept.workflow.slug, "key": "segments", "confirm": "segments"}
        assert kept.client.post(reverse(name), given).status_code == 404
    assert value_of(kept, "segments") == ["smb"]
    assert "No workflow yet" in kept.client.get(reverse("variable_list")).content.decode()


def test_the_page_asks_the_same_few_queries_with_many_variables(kept, django_assert_max_num_queries):
    WorkflowVariable.objects.bulk_create(
        [WorkflowVariable(workflow=kept.workflow, key=f"key_{number}", value=number) for number in range(600)]
    )

    with django_assert_max_num_queries(12):
        many = page(kept, key="min_confidence").content.decode()

    assert "The first 500 of more" in many
