"""Putting failed records right from their pages: decide, repair one or all alike, hold one record, retry a group in parts."""

import re

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from executions import control
from executions.interventions import note
from executions.models import Execution, ExecutionIntervention
from records.models import RecordChange
from records.page_queries import failure_causes
from tests.executions.running import drive, email, outputs, publish, run, start, statuses, wake_all
from tests.executions.test_effects import body, interrupt
from tests.factories import make_user
from tests.pages.conftest import client_of
from tests.rig.step_types import lines

pytestmark = pytest.mark.django_db(transaction=True)

SUM = (
    'alias: net, type: set, config: {value: "{{ current.amount }}"}, store_to_record: true',
    'alias: total, type: set, config: {value: "{{ net + current.tax }}"}',
)


@pytest.fixture
def interrupted(tmp_path):
    """A run whose records' mails may or may not have been sent."""
    workflow = publish(
        body(
            f"alias: send, type: test_once, config: {{path: {tmp_path}/ledger, token: hush-hush}}",
            "alias: rest, type: delay, config: {duration: 3600}",
            'alias: after, type: set, config: {value: "{{ send.key }}"}',
        )
    )
    record = email(workflow, 1)
    execution = drive(start(workflow))
    interrupt(execution, "send")
    wake_all(execution)
    drive(execution)
    return workflow, record, client_of(workflow.owner)


def _failed(count: int, **fields):
    """A run whose records lack their tax."""
    workflow = publish(body(*SUM))
    records = [email(workflow, number, amount=number, **fields) for number in range(1, count + 1)]
    return workflow, run(workflow), records, client_of(workflow.owner)


def test_the_page_says_what_is_known_of_a_step_that_may_have_happened(interrupted):
    _, record, owner = interrupted

    html = owner.get(f"/records/{record.pk}/").content.decode()
    htmx = {"HX-Request": "true", "HX-Target": "rec-repair"}
    opened = owner.get(f"/records/{record.pk}/?repair=done", headers=htmx).content.decode()

    assert "Output, as JSON" in opened
    assert "<html" not in opened
    assert "happened is not known" in html
    assert "Retry send" not in html
    assert "hush-hush" not in html
    frame = record.frames.get()
    assert f"{frame.execution_id}:{frame.pk}:send" in html


def test_a_step_is_treated_as_done_with_an_output_that_is_checked(interrupted, tmp_path):
    workflow, record, owner = interrupted
    url = f"/records/{record.pk}/repair/"

    wrong = owner.post(url, {"what": "done", "value": '{"key": }', "reason": "seen in the outbox"})
    done = owner.post(url, {"what": "done", "value": '{"key": "m-7"}', "reason": "seen in the outbox"})

    assert wrong.status_code == 422
    assert "send is not JSON" in wrong.content.decode()
    assert "seen in the outbox" in wrong.content.decode()
    assert done.status_code == 302
    again = drive(Execution.objects.get(trigger_type="retry"))
    assert outputs(again, "after") == ["m-7"]
    assert len(lines(tmp_path / "ledger")) == 1
    kept = again.interventions.get()
    assert (kept.kind, kept.user, kept.reason) == ("decided", workflow.owner, "seen in the outbox")


def test_a_step_is_done_again_only_by_the_decision(interrupted, tmp_path):
    workflow, record, owner = interrupted

    assert owner.post(f"/records/{record.pk}/repair/", {"what": "field", "path": "fields.a"}).status_code == 302
    assert Execution.objects.count() == 1
    owner.post(f"/records/{record.pk}/repair/", {"what": "again"})
    again = drive(Execution.objects.get(trigger_type="retry"))
    wake_all(again)
    drive(again)

    assert len(lines(tmp_path / "ledger")) == 2
    assert statuses(workflow) == {"email_001": "complete"}


def test_the_form_says_what_would_run_again_and_how_many_failed_alike():
    _, _, records, owner = _failed(4)

    page = owner.get(f"/records/{records[0].pk}/?repair=output&step=net").content.decode()
    look = owner.post(
        f"/records/{records[0].pk}/repair/", {"what": "field", "path": "fields.amount", "look": "1"}
    ).content.decode()
    missing = owner.post(
        f"/records/{records[0].pk}/repair/", {"what": "field", "path": "fields.tax", "kind": "number", "look": "1"}
    ).content.decode()

    effect = re.search(r'id="repair-effect".*?</div>', page, re.DOTALL)
    assert re.findall(r'class="alias">(\w+)', effect[0]) == ["total"]
    assert "Apply to all <b" in page
    assert ">4</b> that failed alike" in page
    assert ">1</textarea>" in look
    assert '<option value="number" selected' in look
    assert '<option value="number" selected' in missing, "the type that was chosen stays"
    assert Execution.objects.count() == 1


@pytest.mark.parametrize(
    ("change", "given"),
    [
        ({"what": "output", "step": "total", "value": "2"}, 2),
        ({"what": "input", "step": "total", "value": '{"failures": 0}'}, "at last"),
        ({"what": "field", "path": "fields.most", "kind": "number", "value": "0"}, "at last"),
    ],
)
def test_one_record_is_repaired_and_goes_on(tmp_path, change: dict[str, str], given: object):
    workflow = publish(
        body(f'alias: total, type: test_flaky, config: {{path: {tmp_path}/tries, failures: "{{{{ current.most }}}}"}}')
    )
    first, _ = (email(workflow, number, most=99) for number in (1, 2))
    run(workflow)

    assert client_of(workflow.owner).post(f"/records/{first.pk}/repair/", change).status_code == 302

    again = drive(Execution.objects.get(trigger_type="retry"))
    done = again.steps.filter(alias="total", status__in=["complete", "overridden"])
    assert list(done.values_list("output", flat=True)) == [given]
    assert statuses(workflow) == {"email_001": "complete", "email_002": "failed"}
    assert again.interventions.get().kind == "repaired"
    edits = RecordChange.objects.filter(record=first.pk, actor=workflow.owner)
    assert list(edits.values_list("source", flat=True)) == (["page"] if change["what"] == "field" else [])


def test_all_alike_are_repaired_unless_many_more_failed_meanwhile():
    workflow, _, records, owner = _failed(4)
    url = f"/records/{records[2].pk}/repair/"
    change = {"what": "field", "path": "fields.tax", "kind": "number", "value": "1", "alike": "1"}

    refused = owner.post(url, {**change, "shown": "2"})
    done = owner.post(url, {**change, "shown": "4"})

    assert refused.status_code == 409
    assert "4 records failed alike by now, not 2" in refused.content.decode()
    assert done.status_code == 302
    drive(Execution.objects.get(trigger_type="retry"))
    assert set(statuses(workflow).values()) == {"complete"}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"what": "field", "path": "fieldz.tax", "value": "1"}, "fieldz"),
        ({"what": "field", "path": "fields.tax", "kind": "number", "value": "much"}, "no number"),
        ({"what": "field", "path": "fields.tax", "kind": "null", "value": "19"}, "choose its type"),
        ({"what": "output", "step": "net", "value": "[1,"}, "not JSON"),
        ({"what": "output", "step": "nett", "value": "1"}, "Did you mean"),
        ({"what": "input", "step": "total", "value": "1"}, "must be an object"),
        ({"what": "input", "step": "total", "value": "{}"}, "is as it was"),
    ],
)
def test_what_cannot_be_meant_is_told_in_the_form_and_changes_nothing(change: dict[str, str], said: str):
    _, _, records, owner = _failed(1)

    answer = owner.post(f"/records/{records[0].pk}/repair/", change)

    assert answer.status_code == 422
    assert said in answer.content.decode()
    assert Execution.objects.count() == 1
    records[0].refresh_from_db()
    assert "tax" not in records[0].data["fields"]


def test_one_record_is_held_and_let_go_on_and_the_page_says_why_it_waits():
    workflow = publish(body("alias: rest, type: delay, config: {duration: 3600}", *SUM))
    record = email(workflow, 1, amount=1, tax=1)
    execution = drive(start(workflow))
    owner = client_of(workflow.owner)
    page = f"/records/{record.pk}/"

    resting = owner.get(page).content.decode()
    owner.post(f"{page}pause/", {"reason": "look first"})
    wake_all(execution)
    drive(execution)
    held = owner.get(page).content.decode()
    owner.post(f"{page}resume/")
    drive(execution)

    assert "Rests in step rest until" in resting
    assert "Paused by owner" in held
    assert "look first" in held
    assert statuses(workflow) == {"email_001": "complete"}
    assert list(execution.interventions.order_by("id").values_list("kind", flat=True)) == ["paused", "resumed"]
    owner.post(f"{page}pause/")
    assert execution.interventions.count() == 2  # nothing works on it any more


def test_the_story_tells_what_people_did_about_the_record_in_order_of_time(interrupted):
    _, record, owner = interrupted
    owner.post(f"/records/{record.pk}/repair/", {"what": "again", "reason": "It is not in the mailbox."})
    again = Execution.objects.get(trigger_type="retry")
    owner.post(f"/records/{record.pk}/pause/", {"reason": "Ask first."})
    control.pause(again, reason="Nobody named it.")

    story = owner.get(f"/records/{record.pk}/?story=people").content.decode()
    story = story[story.index('id="rec-story"') :]

    paused, decided = story.index("<b>Paused</b>"), story.index("<b>Decided to do it again</b>")
    assert paused < decided
    assert story.index("“Ask first.”") < decided < story.index("“It is not in the mailbox.”")
    assert story.count(f'by owner in <a href="/executions/{again.number}/">') == 2
    assert "Nobody named it." not in story
    assert "Paused" not in owner.get(f"/records/{record.pk}/?story=errors").content.decode().split('id="rec-story"')[1]


def test_a_story_with_much_done_about_the_record_is_read_on_without_a_query_for_each(interrupted):
    _, record, owner = interrupted
    execution = Execution.objects.get()
    for number in range(60):
        note(execution, None, "paused", f"Reason {number}.", {"records": ["email_001", "email_002"]})

    with CaptureQueriesContext(connection) as queries:
        first = owner.get(f"/records/{record.pk}/?story=people").content.decode()
    further = re.search(r'href="([^"]*cursor=[^"]*)"', first)[1].replace("&amp;", "&")
    second = owner.get(further).content.decode()

    assert len(queries) <= 16, [one["sql"][:100] for one in queries]
    told = [int(number) for page in (first, second) for number in re.findall(r"“Reason (\d+)\.”", page)]
    assert told == list(range(59, -1, -1))


def test_a_group_is_retried_five_first_and_then_the_rest():
    workflow, execution, _, owner = _failed(8)
    page = f"/executions/{execution.number}/"
    offered = owner.get(page).content.decode()
    retry = re.search(r'action="([^"]+/causes/[^"]+/retry/)"', offered)[1]

    owner.post(retry, {"first": "1"})
    under_way = owner.get(f"{page}causes/").content.decode()
    first = Execution.objects.get(trigger_type="retry")
    workflow.records.filter(record_id__in=["email_001", "email_002"]).update(
        data={"fields": {"amount": 1, "tax": 1}, "vars": {}, "targets": {}}
    )
    drive(first)
    seen = owner.get(f"{page}causes/").content.decode()
    owner.post(retry, {"reason": "it helps"})

    assert "Retry 5 first" in offered
    assert "under way" in under_way
    assert "Retry the rest" not in under_way
    assert re.search(r"5 were retried:.*2</b> complete", seen, re.DOTALL)
    assert "Retry the rest, 6" in seen
    kept = ExecutionIntervention.objects.filter(kind="retried").order_by("id")
    assert [one.changes["count"] for one in kept] == [5, 6]
    assert kept[1].reason == "it helps"


def test_the_group_of_a_workflow_is_offered_on_the_list_of_records():
    workflow, _, _, owner = _failed(8)
    (group,) = failure_causes([workflow.pk])
    bar = owner.get(f"/workflows/{workflow.slug}/causes/{group.cause.key}/").content.decode()
    owner.post(f"/workflows/{workflow.slug}/causes/{group.cause.key}/retry/", {"first": "1"})

    assert "Retry 5 first" in bar
    drive(Execution.objects.get(trigger_type="retry"))
    after = owner.get(f"/workflows/{workflow.slug}/causes/{group.cause.key}/").content.decode()
    assert re.search(r"5 were retried:.*5</b> failed again", after, re.DOTALL)


def test_a_stranger_can_do_none_of_it(interrupted):
    workflow, record, _ = interrupted
    stranger = client_of(make_user())
    number = record.frames.get().execution.number

    for url in (f"/records/{record.pk}/repair/", f"/records/{record.pk}/pause/", f"/records/{record.pk}/resume/"):
        assert stranger.post(url, {"what": "again"}).status_code == 404
    assert stranger.get(f"/executions/{number}/causes/").status_code == 404
    assert stranger.post(f"/executions/{number}/causes/abc/retry/").status_code == 404
    assert stranger.get(f"/workflows/{workflow.slug}/causes/abc/").status_code == 404
    assert Execution.objects.count() == 1
