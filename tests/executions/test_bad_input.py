"""Input that no one should send: the record that holds it fails and says why, nothing is half-written, the rest go on."""

import json
import mailbox
from collections.abc import Iterator

import pytest
from django.test import Client

from executions.models import Execution, ExecutionFrame, ExecutionStep
from records.errors import RecordError
from records.models import WorkflowRecord
from records.services import WorkflowData
from tests.executions.running import email, outputs, publish, run, statuses
from workflows.errors import DefinitionInvalid, DefinitionUnreadable
from workflows.models import Workflow, WorkflowVersion
from workflows.step_types import registry
from workflows.step_types.base import StepCall, StepType

pytestmark = pytest.mark.django_db(transaction=True)


def one_step(step: str) -> str:
    return f"""
director: 1
name: Bad input
steps:
  - alias: each
    type: iterate
    config: {{over_records: email}}
    body:
      - {{alias: odd, {step}}}
"""


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        pytest.param(
            '{{ "a" * 2000000 if current.bad else 1 }}', "at most 1,048,576", id="beyond the size of a template"
        ),
        pytest.param("{% for a in range(9999) %}{% for b in range(9999) %}{% endfor %}{% endfor %}", "", id="a loop"),
        pytest.param("{{ current.bad / 0 }}", "divides by zero", id="division by zero"),
        pytest.param("{{ current.no_such }}", "current.no_such", id="a name that leads nowhere"),
    ],
)
def test_a_template_that_cannot_be_rendered_fails_its_record_and_says_why(value: str, reason: str):
    workflow = publish(one_step(f"type: set, config: {{value: {value!r}}}"))
    email(workflow, 1, bad=True)

    execution = run(workflow)

    assert execution.status == "completed"
    assert statuses(workflow) == {"email_001": "failed"}
    assert reason in workflow.records.get().error_message.lower()


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        pytest.param(
            "chr_0 = '\\x00'\ndef main(current):\n    return chr_0 if current['fields']['bad'] else 1",
            "NUL",
            id="NUL",
        ),
        pytest.param(
            "def main(current):\n    return 'x' * 1100000 if current['fields']['bad'] else 1",
            "1,048,576",
            id="too large",
        ),
        pytest.param(
            "def main(current):\n    return [1][5] if current['fields']['bad'] else 1", "Index", id="an error in code"
        ),
    ],
)
def test_an_output_that_cannot_be_recorded_fails_its_record_and_the_others_go_on(source: str, reason: str):
    workflow = publish(one_step(f"type: code, config: {{source: {json.dumps(source)}}}"))
    email(workflow, 1, bad=True)
    email(workflow, 2, bad=False)

    execution = run(workflow)

    assert (execution.status, execution.records_failed, execution.records_complete) == ("completed", 1, 1)
    assert statuses(workflow) == {"email_001": "failed", "email_002": "complete"}
    assert reason in workflow.records.get(record_id="email_001").error_message


def nested(depth: int) -> str:
    lines = ["director: 1", "name: Nested", "steps:"]
    for level in range(depth):
        pad = "  " * (2 * level + 1)
        lines += [
            f"{pad}- alias: level_{level}",
            f"{pad}  type: iterate",
            f"{pad}  config: {{over: [1]}}",
            f"{pad}  body:",
        ]
    pad = "  " * (2 * depth + 1)
    return "\n".join([*lines, f"{pad}- {{alias: bottom, type: set, config: {{value: '{{{{ item }}}}'}}}}"])


def test_iterates_nest_eight_deep_and_no_deeper():
    execution = run(nested(8))

    assert execution.status == "completed"
    assert execution.records_complete == 8
    with pytest.raises(DefinitionInvalid, match="8"):
        publish(nested(10))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("director: 1\nname: Broken\nsteps:\n  - alias: [a\n", "line 5"),
        ('{"director": 1, "name": "Broken", "steps": [}', "column"),
        (one_step("type: sett, config: {value: 1}"), "set"),
        (one_step("type: set, config: {valeu: 1}"), "value"),
        (one_step("type: set, config: {value: 1}").replace("alias: odd", "alias: each"), "each"),
    ],
)
def test_a_definition_that_cannot_be_is_refused_and_nothing_is_written(text: str, words: str):
    with pytest.raises((DefinitionInvalid, DefinitionUnreadable)) as refused:
        publish(text)

    assert words in refused.value.message
    assert not Workflow.objects.exists()
    assert not WorkflowVersion.objects.exists()
    assert not Execution.objects.exists()


class Odd(StepType):
    """Gives half of a character for the records that are bad: templates and code cannot make one."""

    name, label, icon, category = "test_odd", "Give what cannot be stored", "flask", "data"
    schema = {"type": "object"}

    def run(self, call: StepCall) -> str:
        return "\ud800" if call.scope["current"].data["fields"]["bad"] else "fine"


def rows() -> list[int]:
    """How many rows there are of all that a run writes."""
    return [model.objects.count() for model in (WorkflowRecord, Execution, ExecutionFrame, ExecutionStep)]


@pytest.fixture
def odd_step() -> Iterator[None]:
    registry.register(Odd())
    yield
    del registry._types["test_odd"]


def test_half_a_character_fails_its_record_with_its_place_and_is_not_stored(odd_step: None):
    workflow = publish(one_step("type: test_odd, store_to_record: true"))
    email(workflow, 1, bad=True)
    email(workflow, 2, bad=False)

    run(workflow)

    assert statuses(workflow) == {"email_001": "failed", "email_002": "complete"}
    failed = workflow.records.get(record_id="email_001")
    assert "lone surrogate U+D800" in failed.error_message
    assert failed.data["vars"] == {}


def test_a_field_of_50_mb_is_refused_with_the_limit_by_service_and_api_and_nothing_is_written(client: Client):
    workflow = publish(one_step("type: set, config: {value: 1}"))
    text, before = "x" * 50_000_000, rows()
    client.force_login(workflow.owner)

    with pytest.raises(RecordError, match="the limit is 1 MB"):
        WorkflowData(workflow).records.create("email", {"body": text})
    refused = client.post(
        f"/api/workflows/{workflow.pk}/records",
        json.dumps({"type": "email", "fields": {"body": text}}),
        content_type="application/json",
    )

    assert refused.status_code == 413
    assert "10,000,000" in refused.json()["detail"]
    assert rows() == before


def test_messages_of_a_mailbox_that_cannot_be_read_are_told_and_the_others_become_records(tmp_path, settings):
    settings.DIRECTOR_FILE_ROOTS = [tmp_path]
    box = mailbox.mbox(tmp_path / "odd.mbox")
    for subject, body in ((b"Good", b"text"), (b"Large", b"x" * 2_000_000), (b"Half a character", b"\xed\xa0\x80")):
        box.add(b"Subject: " + subject + b"\nFrom: ada@example.com\n\n" + body)
    box.add(b"\x00\x01\x02 no header at all")
    box.close()
    workflow = publish("""
director: 1
name: Odd mailbox
steps:
  - {alias: inbox, type: read_mailbox, config: {path: odd.mbox}, create_records: email}
""")

    execution = run(workflow)

    (told,) = outputs(execution, "inbox")
    assert execution.status == "completed"
    assert told["created"] + told["failed"] == 4
    assert told["failed"] == len(told["problems"]) >= 1
    assert any("the limit is 1 MB" in problem["reason"] for problem in told["problems"])
    assert workflow.records.count() == told["created"]


def test_rows_that_cannot_be_read_are_told_in_the_log_where_the_rows_are_the_output(tmp_path, settings):
    settings.DIRECTOR_FILE_ROOTS = [tmp_path]
    (tmp_path / "odd.csv").write_text("id,name\n1,Ada\n2,Cy,x\n3,Bo\n")
    workflow = publish("""
director: 1
name: Odd table
steps:
  - {alias: rows, type: read_csv, config: {path: odd.csv}}
""")

    execution = run(workflow)

    assert outputs(execution, "rows") == [[{"id": "1", "name": "Ada"}, {"id": "3", "name": "Bo"}]]
    (line,) = execution.log.all()
    assert (line.level, line.message) == ("warning", "Not everything could be read; left out: 1.")
    assert line.data == [{"position": "row 2 of odd.csv (line 3)", "reason": "the row has 3 columns, the header has 2"}]
