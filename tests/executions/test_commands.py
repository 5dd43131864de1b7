"""The commands people type: what they say, and how their exit code tells how it ended."""

import json
from contextlib import redirect_stdout
from io import StringIO

import pytest
from django.contrib.auth import get_user_model
from django.core.management import CommandError, call_command
from rich.console import Console

from director.management.commands import demo
from executions import watching
from executions.models import Execution
from records.models import WorkflowRecord
from tests.executions.running import drive, email, publish, start
from tests.rig.processes import environment
from workflows.models import Workflow

pytestmark = pytest.mark.django_db(transaction=True)

TOUCH = """
director: 1
name: Touch all
steps:
  - alias: each
    type: iterate
    config: {over_records: email}
    body:
      - {alias: touch, type: set, config: {value: "{{ current.subject }} {{ trigger.word | default('-') }}"}}
"""


def said(*arguments: str) -> str:
    output = StringIO()
    call_command(*arguments, stdout=output)
    return output.getvalue()


def test_run_workflow_starts_it_by_name_or_slug_with_input_and_labels(tmp_path):
    publish(TOUCH)
    given = tmp_path / "input.json"
    given.write_text('{"word": "hello"}')

    assert "Started #" in said("run_workflow", "touch-all", "--input", str(given), "--label", "client=acme")
    assert "Started #" in said("run_workflow", "Touch all")

    first = Execution.objects.order_by("number").first()
    assert (first.trigger_data, first.labels, first.trigger_type) == ({"word": "hello"}, {"client": "acme"}, "command")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("touch-al",), "There is: touch-all"),
        (("touch-all", "--input", "/nowhere/input.json"), "cannot be read"),
        (("touch-all", "--input", "{tmp_path}/broken.json"), "is not JSON: Expecting value: line 2 column 8"),
        (("touch-all", "--input", "{tmp_path}/list.json"), "a JSON object is needed"),
        (("touch-all", "--input", "{tmp_path}/nan.json"), "is not JSON: NaN is no number of JSON"),
        (("touch-all", "--label", "acme"), "NAME=VALUE"),
    ],
)
def test_run_workflow_refuses_with_the_way_out_and_starts_nothing(arguments: tuple[str, ...], words: str, tmp_path):
    publish(TOUCH)
    (tmp_path / "broken.json").write_text('{"a": 1,\n  "b": }')
    (tmp_path / "list.json").write_text("[1]")
    (tmp_path / "nan.json").write_text('{"a": NaN}')

    with pytest.raises(CommandError, match=words.replace("(", "\\(")):
        call_command("run_workflow", *(argument.format(tmp_path=tmp_path) for argument in arguments))

    assert not Execution.objects.exists()


def test_run_workflow_watches_to_the_end_and_its_exit_code_tells(worker):
    workflow = publish(TOUCH)
    email(workflow, 1)
    worker()

    with pytest.raises(SystemExit) as ended:
        call_command("run_workflow", "touch-all", "--watch", stdout=StringIO())

    assert ended.value.code == 0
    assert Execution.objects.get().records_complete == 1

    publish("director: 1\nname: Refuse\nsteps: [{alias: no, type: fail, config: {message: Not today}}]\n")
    output = StringIO()
    with redirect_stdout(output), pytest.raises(SystemExit) as failed:
        call_command("run_workflow", "refuse", "--watch", stdout=StringIO())

    assert failed.value.code == 1
    assert "Not today" in output.getvalue()


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("broken.yaml", "director: 1\nname: Broken\nsteps:\n  - alias: [a\n", "broken.yaml: YAML, line 5, column 1"),
        ("broken.json", '{"director": 1,\n "name" "Broken"}', "broken.json: JSON, line 2, column 9"),
        ("twice.yaml", "director: 1\nname: A\nname: B\nsteps: []\n", "YAML, line 3, column 1"),
        ("wrong.yaml", "director: 1\nname: A\nsteps:\n  - {alias: a, type: sett, config: {}}\n", "Did you mean `set`"),
        ("missing.yaml", None, "cannot be read: No such file"),
    ],
)
def test_import_workflow_says_where_a_document_goes_wrong_and_writes_nothing(name, text, words, tmp_path):
    get_user_model().objects.create(username="owner")
    if text is not None:
        (tmp_path / name).write_text(text)

    with pytest.raises(CommandError) as refused:
        call_command("import_workflow", str(tmp_path / name), "--owner", "owner")

    assert words in str(refused.value)
    assert not Workflow.objects.exists()


def test_import_workflow_publishes_and_says_when_nothing_has_changed(tmp_path):
    get_user_model().objects.create(username="owner")
    (tmp_path / "touch.yaml").write_text(TOUCH)
    command = ("import_workflow", str(tmp_path / "touch.yaml"), "--owner", "owner")

    assert said(*command).startswith("Published Touch all, version 1")
    assert said(*command).startswith("Unchanged: Touch all, version 1")
    with pytest.raises(CommandError, match=r'no user "ownr".*owner'):
        said(*command[:-1], "ownr")


def test_the_demo_runs_the_sample_and_tells_the_outcome_of_every_record(monkeypatch):
    def walked(execution: Execution, console: Console) -> Execution:
        return drive(execution)

    monkeypatch.setattr(demo, "watch", walked)
    console = Console(file=StringIO(), width=200)

    assert demo.run_sample(console)
    told = console.file.getvalue()
    assert "37 records in, 29 complete, 3 failed, 5 skipped" in told
    assert told.count("email_0") >= 37
    assert demo.run_sample(console)
    assert "nothing to process" in console.file.getvalue()


def test_the_benchmark_walks_all_its_records_and_removes_them_again(empty_redis, monkeypatch):
    for name, value in environment().items():  # its workers are to work on the test database
        monkeypatch.setenv(name, value)

    result = json.loads(said("benchmark", "--records", "300", "--workers", "1", "--json"))

    promised = {"records", "workers", "seconds", "records_per_second", "record_steps_per_second", "peak_worker_mb"}
    assert promised <= set(result)
    assert (result["records"], result["complete"], result["failed"]) == (300, 297, 3)
    assert result["flushes"] > 0
    assert not Execution.objects.exists()


def test_the_outcome_shows_what_records_say_as_it_is_and_secrets_masked():
    workflow = publish(TOUCH)
    record = email(workflow, 1)
    execution = drive(start(workflow))
    data = {**record.data, "vars": {"note": "[/red] of {b}", "api_key": "sk-1234567", "lines": {"n": 1}}}
    WorkflowRecord.objects.filter(pk=record.pk).update(data=data)

    console = Console(file=StringIO(), width=200)
    console.print(watching.outcome_table(execution))

    (line,) = [line for line in console.file.getvalue().splitlines() if "email_001" in line]
    assert [cell.strip() for cell in line.split("│")[1:-1]] == [
        "email_001",
        "complete",
        "-",
        'note [/red] of {b}, lines {"n":1}, api_key ••••••••',
    ]


def test_the_summary_of_a_run_without_records_says_so():
    workflow = publish(TOUCH)

    assert watching.summary(drive(start(workflow))).endswith("nothing to process.")
