"""Replaying: what stands, what runs again, what it may not touch, and what it says beforehand."""

import pytest

from executions import modifications
from executions.models import Execution, ExecutionFrame, ExecutionStep
from executions.refusals import ModificationRefused, NothingToReplay, ReplayRefused, StepUnknown
from executions.replay.services import FAILED, Choice, Request, preview, replay
from executions.retry import retry_failed
from records.models import WorkflowRecord, WorkflowVariable
from tests.executions.running import drive, email, outputs, publish, run, start, statuses, wake_all
from tests.rig.step_types import lines
from workflows.definition.compile import compile_plan

pytestmark = pytest.mark.django_db(transaction=True)

NESTED = """
director: 1
name: Orders
steps:
  - {alias: rate, type: set, config: {value: 2}}
  - alias: orders
    type: iterate
    config: {over_records: order}
    body:
      - {alias: net, type: set, config: {value: "{{ current.amount }}"}, store_to_record: true, as: net}
      - alias: size
        type: condition
        branches:
          - if: "{{ current.amount > 10 }}"
            steps:
              - {alias: large, type: set, config: {value: "{{ current.net }} is large"}}
              - alias: lines
                type: iterate
                config: {over: "{{ current.lines }}"}
                body:
                  - {alias: twice, type: set, config: {value: "{{ item * rate }}"}, store_to_record: true, as: twice}
                  - {alias: told, type: set, config: {value: "{{ outer.record_id }} {{ current.vars.twice }}"}}
              - {alias: checked, type: set, config: {value: "{{ lines.processed }} lines"}}
          - else:
            steps:
              - {alias: small, type: set, config: {value: "small"}}
      - alias: gross
        type: set
        config: {value: "{{ current.net * rate }}"}
        store_to_record: true
        as: gross
  - {alias: summary, type: set, config: {value: "{{ orders.processed }} of {{ orders.total }}"}}
"""
ALIASES = ["rate", "orders", "net", "size", "large", "lines", "twice", "told", "checked", "small", "gross", "summary"]


def orders(workflow) -> None:
    for number, amount in enumerate((5, 20, 30), start=1):
        data = {"fields": {"amount": amount, "lines": [1, 2, 3][:number]}, "vars": {}, "targets": {}}
        WorkflowRecord.objects.create(workflow=workflow, record_id=f"order_{number}", record_type="order", data=data)


def told(execution: Execution) -> dict:
    """Every outcome of the run by step and place, however it came about."""
    frames = {frame.pk: frame for frame in ExecutionFrame.objects.filter(execution=execution)}

    def place(frame):
        return () if frame.parent_id is None else (*place(frames[frame.parent_id]), frame.position)

    rows = ExecutionStep.objects.filter(execution=execution).exclude(status="failed")
    return {(row.alias, place(frames[row.frame_id])): row.output for row in rows}


def ran(execution: Execution, alias: str) -> tuple[int, int]:
    """How often a step was reused and how often it was run."""
    rows = ExecutionStep.objects.filter(execution=execution, alias=alias)
    return rows.filter(status="reused").count(), rows.exclude(status="reused").count()


def untouched(execution: Execution) -> tuple:
    frames = ExecutionFrame.objects.filter(execution=execution).order_by("pk")
    rows = ExecutionStep.objects.filter(execution=execution).order_by("pk")
    return list(frames.values()), list(rows.values()), Execution.objects.filter(pk=execution.pk).values().get()


def body(*steps: str, over: str = "over_records: email", after: str = "") -> str:
    head = ["director: 1", "name: Replays", "steps:", "  - alias: each", "    type: iterate", f"    config: {{{over}}}"]
    return "\n".join([*head, "    body:", *(f"      - {{{step}}}" for step in steps), after])


@pytest.mark.parametrize("alias", ["", *ALIASES])
def test_a_replay_from_each_step_of_a_nested_flow_gives_what_the_full_run_gave(alias: str):
    workflow = publish(NESTED)
    orders(workflow)
    original = run(workflow)
    data = {record.record_id: record.data for record in workflow.records.filter(execution_id=None)}
    before = untouched(original)

    said = preview(original, Request(alias))
    again = drive(replay(original, Request(alias)))

    assert again.status == "completed"
    assert again.replay_of_id == original.pk
    assert _all_but_walks_within(told(again), alias) == _all_but_walks_within(told(original), alias)
    assert {record.record_id: record.data for record in workflow.records.filter(execution_id=None)} == data
    assert set(statuses(workflow).values()) == {"complete"}
    assert untouched(original) == before
    for step in said.steps:
        if step.step not in ("orders", "lines"):
            assert ran(again, step.step) == (step.reused, step.again), step


def _all_but_walks_within(outcomes: dict, begin: str) -> dict:
    """Outcomes without those of records whose iterate is reused whole, and without where an iterate's frames begin."""
    before = ALIASES[: ALIASES.index(begin)] if begin else []
    whole = {"lines": {"twice", "told"}, "orders": set(ALIASES[2:11])}
    around = {"orders": set(ALIASES[2:11]), "lines": {"twice", "told"}}
    reused = set().union(*(whole[each] for each in before if each in whole and begin not in around[each]))
    return {
        place: {key: output[key] for key in ("processed", "failed", "total")} if place[0] in whole else output
        for place, output in outcomes.items()
        if place[0] not in reused
    }


def test_a_replay_of_a_replay_gives_the_same_once_more():
    workflow = publish(NESTED)
    orders(workflow)
    original = run(workflow)
    first = drive(replay(original, Request("told")))

    second = drive(replay(first, Request("gross")))
    third = drive(replay(second, Request()))

    for again, begin in ((first, ""), (second, "gross"), (third, "")):
        assert _all_but_walks_within(told(again), begin) == _all_but_walks_within(told(original), begin)
    assert ran(second, "told") == (0, 0)
    assert ran(third, "told") == (0, 5)
    last = drive(replay(drive(replay(original, Request("summary"))), Request("told")))
    assert (ran(last, "told"), ran(last, "twice")) == ((0, 5), (5, 0))


def test_records_are_chosen_by_id_by_how_they_ended_and_by_pattern_and_nothing_else_is_repeated(tmp_path):
    workflow = publish(
        body(
            f"alias: send, type: test_once, config: {{path: {tmp_path}/sent}}",
            'alias: total, type: set, config: {value: "{{ current.amount + 1 }}"}, store_to_record: true',
            after=f"  - {{alias: report, type: test_once, config: {{path: {tmp_path}/report}}}}",
        )
    )
    for number in (1, 2, 3):
        email(workflow, number, **({} if number == 2 else {"amount": number}))
    original = run(workflow)
    WorkflowRecord.objects.filter(record_id="email_002").update(
        data={"fields": {"amount": 7}, "vars": {}, "targets": {}}
    )

    failed = drive(replay(original, Request("total", FAILED)))
    one = drive(replay(original, Request("send", Choice(records=["email_001"]))))
    pattern = drive(replay(original, Request("", Choice(pattern="email_00*", statuses=["complete"]))))

    assert (failed.status, failed.records_total) == ("completed", 1)
    assert workflow.records.get(record_id="email_002").data["vars"] == {"total": 8}
    assert (one.records_total, pattern.records_total) == (1, 2)
    assert len(lines(tmp_path / "sent")) == 3 + 0 + 1 + 2
    assert len(lines(tmp_path / "report")) == 1
    with pytest.raises(NothingToReplay):
        replay(original, Request("total", Choice(records=["email_009"])))
    with pytest.raises(ReplayRefused, match="runs once for the whole run"):
        replay(original, Request("report", FAILED))
    with pytest.raises(StepUnknown, match='Did you mean "total"'):
        replay(original, Request("totl"))


def test_an_outer_record_stands_for_all_that_was_walked_within_it():
    workflow = publish(NESTED)
    orders(workflow)
    original = run(workflow)

    again = drive(replay(original, Request("told", Choice(records=["order_3"]))))

    assert again.status == "completed"
    assert ran(again, "told") == (0, 3)
    assert ran(again, "twice") == (3, 0)
    assert ran(again, "gross") == (1, 0)
    assert ran(again, "summary") == (1, 0)


def test_completed_records_are_left_out_when_asked(tmp_path):
    workflow = publish(
        body(
            f"alias: send, type: test_once, config: {{path: {tmp_path}/sent}}",
            'alias: add, type: set, config: {value: "{{ current.amount }}"}',
        )
    )
    for number in (1, 2, 3):
        email(workflow, number, **({} if number == 2 else {"amount": number}))
    original = run(workflow)

    whole = drive(replay(original, Request(skip_completed=True)))
    part = drive(replay(original, Request("add", skip_completed=True)))

    assert (whole.records_total, part.records_total) == (1, 1)
    assert len(lines(tmp_path / "sent")) == 4


def test_inputs_and_outputs_are_changed_for_all_or_for_one():
    workflow = publish(
        body(
            "alias: model, type: set, config: {value: small}", 'alias: told, type: set, config: {value: "{{ model }}"}'
        )
    )
    for number in (1, 2):
        email(workflow, number)
    original = run(workflow)
    given = {"model": {"all": {"input": {"value": "large"}}, "records": {"email_002": {"output": "mine"}}}}

    changes = modifications.read({"steps": given}, compile_plan(original.version), "Version 1")
    again = drive(replay(original, Request("model", changes=changes), reason="Try the large one."))

    assert outputs(again, "told") == ["large", "mine"]
    assert ExecutionStep.objects.get(execution=again, output="mine", alias="model").status == "overridden"
    assert again.interventions.get().reason == "Try the large one."


def test_the_preview_counts_which_effects_would_happen_again(tmp_path):
    steps = (
        f"alias: send, type: test_once, config: {{path: {tmp_path}/sent}}",
        "alias: after, type: set, config: {value: 1}",
    )
    workflow = publish(body(*steps))
    for number in (1, 2, 3):
        email(workflow, number)
    original = run(workflow)

    whole = preview(original, Request())
    later = preview(original, Request("after"))
    dry = preview(original, Request(dry=True))

    assert (whole.effects_again, later.effects_again, dry.effects_again) == (3, 0, 0)
    send = {step.step: step for step in later.steps}["send"]
    assert (send.reused, send.again, send.effect) == (3, 0, "once")
    assert whole.records == {"each": 3}
    assert Execution.objects.count() == 1


def test_a_replay_while_the_original_still_runs_leaves_to_it_what_it_has_not_done_and_nothing_happens_twice(tmp_path):
    workflow = publish(
        body(
            'alias: rest, type: delay, when: "{{ current.slow }}", config: {duration: 3600}',
            f"alias: send, type: test_once, config: {{path: {tmp_path}/sent}}",
        )
    )
    for number in (1, 2, 3):
        email(workflow, number, slow=number == 2)
    original = drive(start(workflow))
    assert original.status == "waiting"

    part = drive(replay(original, Request("rest")))
    whole = drive(replay(original, Request()))

    for again in (part, whole):
        assert again.status == "completed"
        assert (again.records_complete, again.records_skipped) == (2, 1)
        skipped = ExecutionFrame.objects.get(execution=again, status="skipped")
        assert (skipped.record.record_id, skipped.error["code"]) == ("email_002", "still_open")
    wake_all(original)
    assert drive(original).status == "completed"
    assert original.records_complete == 3
    keys = [line.split(":")[0] for line in lines(tmp_path / "sent")]
    assert [keys.count(str(each.pk)) for each in (original, part, whole)] == [3, 2, 2]
    with pytest.raises(NothingToReplay):
        replay(drive(start(workflow)), Request("send", Choice(records=["email_002"])))


def test_another_version_is_refused_when_it_lost_the_step_or_one_whose_outcome_is_reused():
    workflow = publish(
        body("alias: first, type: set, config: {value: 1}", "alias: second, type: set, config: {value: 1}")
    )
    email(workflow, 1)
    original = run(workflow)
    publish(
        body("alias: second, type: set, config: {value: 2}", 'alias: third, type: set, config: {value: "{{ second }}"}')
    )
    other = workflow.versions.get(number=2)

    with pytest.raises(ReplayRefused, match="lost step first, whose outcome is reused"):
        replay(original, Request("second", version=other))
    with pytest.raises(ReplayRefused, match="has lost step first"):
        preview(original, Request("first", version=other))
    again = drive(replay(original, Request(version=other)))
    assert again.version == other
    assert outputs(again, "third") == [2]


DRY = """
director: 1
name: Dry
steps:
  - {{alias: mark, type: set, config: {{value: "{{{{ execution.number }}}}", variable: seen}}}}
  - alias: each
    type: iterate
    config: {{over_records: email}}
    body:
      - alias: kind
        type: set
        config: {{value: "{{{{ current.subject | lower }}}}"}}
        store_to_record: true
      - alias: send
        type: test_once
        config:
          path: "{path}/sent"
          to: "{{{{ current.record_id }}}} {{{{ current.vars.kind }}}} {{{{ execution.number }}}}"
        store_to_record: true
        as: targets.sent
      - {{alias: rest, type: delay, config: {{duration: 3600}}}}
      - {{alias: after, type: set, config: {{value: "{{{{ current.targets.sent.key }}}}"}}}}
"""


def test_a_dry_replay_answers_effects_from_recordings_and_writes_neither_records_nor_variables(tmp_path):
    workflow = publish(DRY.format(path=tmp_path))
    for number in (1, 2):
        email(workflow, number)
    original = drive(start(workflow))
    wake_all(original)
    drive(original)
    known = list(workflow.records.filter(execution_id=None).order_by("pk").values())
    before = untouched(original)

    for request in (
        Request(dry=True),
        Request("send", dry=True),
        Request("kind", Choice(records=["email_001"]), dry=True),
    ):
        again = drive(replay(original, request))

        assert again.status == "completed"
        assert ExecutionStep.objects.filter(execution=again, status="failed").count() == 0
        assert set(outputs(again, "after")) <= set(outputs(original, "after"))
    assert len(lines(tmp_path / "sent")) == 2
    assert list(workflow.records.filter(execution_id=None).order_by("pk").values()) == known
    assert WorkflowVariable.objects.get(execution_id=None).value == original.number
    assert untouched(original) == before


def test_a_call_without_a_recording_is_reported_and_not_made(tmp_path):
    workflow = publish(DRY.format(path=tmp_path))
    email(workflow, 1)
    original = drive(start(workflow))
    wake_all(original)
    drive(original)
    changes = modifications.read({"steps": {"kind": {"output": "other"}}}, compile_plan(original.version), "Version 1")

    again = drive(replay(original, Request("kind", changes=changes, dry=True)))

    frame = ExecutionFrame.objects.get(execution=again, alias="each")
    assert (frame.status, frame.error["code"], frame.at_step) == ("failed", "no_recording", "send")
    assert len(lines(tmp_path / "sent")) == 1
    assert statuses(workflow) == {"email_001": "complete"}
    plan = compile_plan(original.version)
    edit = modifications.read({"records": {"email_001": {"fields.a": 1}}}, plan, "Version 1")
    with pytest.raises(ModificationRefused):
        replay(original, Request(changes=edit, dry=True))
    (retried,) = retry_failed(again).executions
    assert retried.overrides["dry"] is True


def test_an_input_that_a_person_gives_stands_for_a_template_that_fails():
    workflow = publish(body('alias: share, type: set, config: {value: "{{ 10 / current.people }}"}'))
    email(workflow, 1, people=0)
    original = run(workflow)
    assert workflow.records.get().status == "failed"

    changes = modifications.read(
        {"steps": {"share": {"input": {"value": 5}}}}, compile_plan(original.version), "Version 1"
    )
    again = drive(replay(original, Request("share", changes=changes)))

    assert (again.records_complete, outputs(again, "share")) == (1, [5])
