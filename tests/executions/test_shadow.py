"""Judging a version by the past, and comparing two runs."""

import json
from io import StringIO

import pytest
from django.core.management import call_command

from executions.models import Execution
from executions.refusals import NothingToReplay
from executions.replay import shadow
from executions.replay.comparison import compare, differences
from executions.replay.services import Request, replay
from records.models import WorkflowVariable
from tests.executions.running import drive, email, publish, run, statuses
from tests.rig.step_types import lines
from workflows.models import VersionStatus, WorkflowStep, WorkflowVersion

pytestmark = pytest.mark.django_db(transaction=True)

FLOW = """
director: 1
name: Judged
steps:
  - {{alias: limit, type: set, config: {{value: 10, variable: seen}}}}
  - alias: each
    type: iterate
    config: {{over_records: email}}
    body:
      - {{alias: kind, type: set, config: {{value: "{kind}"}}, store_to_record: true}}
      - {{alias: {send}, type: test_once, config: {{path: "{path}", about: "{about}"}}}}
      - {{alias: rest, type: delay, config: {{duration: 3600}}, when: "{{{{ false }}}}"}}
  - {{alias: report, type: test_once, config: {{path: "{path}"}}}}
"""
SMALL = "{{ 'large' if current.amount > limit else 'small' }}"


def flow(path, kind: str = SMALL, send: str = "send", about: str = "{{ current.record_id }} {{ kind }}") -> str:
    return FLOW.format(path=path, kind=kind, send=send, about=about)


def _past(tmp_path):
    workflow = publish(flow(tmp_path / "sent"))
    for number, amount in ((1, 5), (2, 15), (3, 25)):
        email(workflow, number, amount=amount)
    return workflow, run(workflow)


def _verdicts(execution: Execution) -> dict[str, str]:
    return {one.record: one.verdict for one in shadow.each_record(execution)}


def test_a_version_is_judged_by_the_last_records_without_touching_anything(tmp_path):
    workflow, _ = _past(tmp_path)
    known = list(workflow.records.filter(execution_id=None).order_by("pk").values())
    variable = WorkflowVariable.objects.filter(execution_id=None).values().get()
    publish(
        flow(
            tmp_path / "sent",
            kind="{{ 'large' if current.amount > limit * 2 else 'small' }}",
            about="{{ current.record_id }} x",
        )
    )
    changed = workflow.versions.get(number=2)
    publish(
        flow(
            tmp_path / "sent",
            kind="{{ 'large' if current.amount > limit else 1 / (current.amount - 5) }}",
        )
    )
    broken = workflow.versions.get(number=3)

    same = drive(shadow.start(workflow, workflow.versions.get(number=1)))
    unrecorded = drive(shadow.start(workflow, changed, last=2))
    failing = drive(shadow.start(workflow, broken))

    assert _verdicts(same) == dict.fromkeys(("email_001", "email_002", "email_003"), "same")
    assert _verdicts(unrecorded) == dict.fromkeys(("email_002", "email_003"), "no_recording")
    assert _verdicts(failing) == {"email_001": "new_error", "email_002": "same", "email_003": "same"}
    assert shadow.report(failing).counts == {"same": 2, "different": 0, "new_error": 1, "no_recording": 0}
    assert list(workflow.records.filter(execution_id=None).order_by("pk").values()) == known
    assert WorkflowVariable.objects.filter(execution_id=None).values().get() == variable
    assert len(lines(tmp_path / "sent")) == 4
    assert set(statuses(workflow).values()) == {"complete"}


def test_what_a_draft_would_have_stored_is_told_as_a_json_diff(tmp_path):
    workflow = publish(flow(tmp_path / "sent", about="{{ current.record_id }}"))
    for number, amount in ((1, 5), (2, 15)):
        email(workflow, number, amount=amount)
    run(workflow)
    draft = _draft(workflow, kind="{{ 'large' }}")

    execution = drive(shadow.start(workflow, draft))

    first, second = shadow.records_page(execution)
    assert (first.record, first.verdict, second.verdict) == ("email_001", "different", "same")
    assert first.data == [{"op": "replace", "path": "/vars/kind", "value": "large"}]
    assert first.steps == [{"op": "replace", "path": "/kind", "value": "large"}]


def _draft(workflow, kind: str) -> WorkflowVersion:
    """A draft like the first version but for one step."""
    first = workflow.versions.get(number=1)
    draft = WorkflowVersion.objects.create(
        workflow=workflow, status=VersionStatus.DRAFT, settings=first.settings, digest="draft"
    )
    copies: dict = {None: None}
    for step in sorted(WorkflowStep.objects.filter(version=first), key=lambda step: step.parent_id is not None):
        old, step.pk, step.version, step.parent_id = step.pk, None, draft, copies[step.parent_id]
        step.id = WorkflowStep().id
        if step.alias == "kind":
            step.config = {"value": kind}
        step.save(force_insert=True)
        copies[old] = step.pk
    return draft


def test_there_is_no_shadow_without_a_past(tmp_path):
    workflow = publish(flow(tmp_path / "sent"))

    with pytest.raises(NothingToReplay, match="no run has walked records in each yet"):
        shadow.start(workflow, workflow.versions.get())


def test_the_command_tells_the_report_as_json_and_by_its_exit_code(tmp_path, monkeypatch):
    workflow, _ = _past(tmp_path)
    monkeypatch.setattr(
        "executions.management.commands.shadow_replay.watch", lambda execution, console: drive(execution)
    )
    out = StringIO()

    with pytest.raises(SystemExit) as ended:
        call_command("shadow_replay", workflow.slug, "--version", "1", "--last", "2", "--json", stdout=out)

    *records, totals = map(json.loads, out.getvalue().splitlines())
    assert ended.value.code == 0
    assert [(one["record"], one["verdict"]) for one in records] == [("email_002", "same"), ("email_003", "same")]
    assert totals["counts"]["same"] == totals["total"] == 2


def test_two_runs_are_compared_by_step_and_record(tmp_path):
    workflow, original = _past(tmp_path)
    workflow.records.filter(record_id="email_001").update(data={"fields": {"amount": 50}, "vars": {}, "targets": {}})

    again = drive(replay(original, Request("kind")))
    found = compare(original, again)
    (kind,) = differences(original, again, step="kind")

    assert found.steps["kind"] == {"same": 2, "different": 1, "only_a": 0, "only_b": 0}
    assert found.steps["limit"]["same"] == 1
    assert found.steps["send"]["different"] == 3  # keys of the effects are those of the run
    assert (kind.record, kind.verdict, kind.diff) == (
        "email_001",
        "different",
        [{"op": "replace", "path": "", "value": "large"}],
    )
    unrelated = compare(original, run(workflow))
    assert unrelated.steps["kind"]["only_a"] == 3
    page = differences(original, again, limit=2)
    assert [one.key for one in page] + [one.key for one in differences(original, again, after=page[-1].key)] == [
        one.key for one in differences(original, again)
    ]


FAILING = """
director: 1
name: Failing
steps:
  - alias: each
    type: iterate
    config: {over_records: email, on_error: mark_failed_continue}
    body:
      - alias: lines
        type: iterate
        config: {over: "{{ current.lines }}", on_error: mark_failed_continue}
        body:
          - {alias: share, type: set, config: {value: "{{ 10 / item }}"}}
      - {alias: price, type: set, config: {value: "{{ 10 / current.amount }}"}}
  - {alias: first, type: set, config: {value: "{{ each.errors[0].record }}"}}
"""


def test_what_failed_is_the_same_though_the_copies_have_names_of_their_own():
    workflow = publish(FAILING)
    email(workflow, 1, amount=0, lines=[1, 0])
    email(workflow, 2, amount=5, lines=[0])
    original = run(workflow)

    dry = drive(replay(original, Request(dry=True)))
    again = drive(replay(dry, Request("lines", dry=True)))
    shade = drive(shadow.start(workflow, workflow.versions.get()))

    for before, after in ((original, dry), (dry, original), (dry, again)):
        assert differences(before, after) == []
    assert compare(original, dry).steps["each"]["same"] == 1
    assert compare(original, again).steps["price"]["same"] == 2, "the copy of a copy is known by the same name"
    assert {one.step for one in differences(original, again)} == {"share"}, "which element it is, is not"
    assert _verdicts(shade) == {"email_001": "same", "email_002": "same"}
