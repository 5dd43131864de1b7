"""What each step type answers for a rendered config; and the registry that knows them."""

from datetime import UTC, datetime
from importlib.metadata import EntryPoint
from uuid import uuid4

import pytest
from jsonschema import SchemaError

from director.errors import DirectorError
from tests.workflows.documents import a_document, a_set
from workflows.definition import parse
from workflows.definition.compile import plan_of
from workflows.errors import ConfigInvalid, ExpressionFailed, StepFailed, StepTypeUnknown
from workflows.expressions import RecordView
from workflows.models import WorkflowVersion
from workflows.readers.errors import SourceNotAllowed
from workflows.step_types import registry
from workflows.step_types.base import (
    EndBlock,
    IterateBody,
    SetVariable,
    StepCall,
    StepType,
    StreamItems,
    TakeBranch,
    WaitUntil,
)
from workflows.step_types.starlark import CodeFailed

NOW = datetime(2026, 3, 1, 9, 30, tzinfo=UTC)


def run(step, **scope):
    """Run a step as the engine does: compiled, rendered, called."""
    definition = parse(a_document({"alias": "it", **step}))
    plan = plan_of(definition, WorkflowVersion(workflow_id=uuid4(), settings=definition.settings)).steps["it"]
    scope = {"now": lambda: NOW, **scope}
    return plan.type.run(StepCall(plan, plan.render(scope), scope, 1, uuid4(), uuid4(), 1, "email_001"))


def current(**fields):
    return RecordView("email_001", "email", "processing", {"fields": fields, "vars": {}, "targets": {}})


def test_set_gives_its_value_and_sets_a_variable_when_asked():
    assert run(a_set("it", {"n": "{{ n + 1 }}"}), n=1) == {"n": 2}
    assert run({"type": "set", "config": {"value": 3, "variable": "counter"}}) == SetVariable("counter", 3, 3)


CONDITION = {
    "type": "condition",
    "branches": [
        {"if": "{{ current.amount > 100 }}", "label": "Large", "steps": []},
        {"if": "current.amount > 10", "steps": []},
        {"else": None, "steps": []},
    ],
}


@pytest.mark.parametrize(
    ("amount", "outcome"),
    [
        (500, TakeBranch("0", {"branch": "Large", "index": 0})),
        (50, TakeBranch("1", {"branch": None, "index": 1})),
        (5, TakeBranch("2", {"branch": None, "index": 2})),
    ],
)
def test_a_condition_takes_the_first_branch_that_holds(amount, outcome):
    assert run(CONDITION, current=current(amount=amount)) == outcome


def test_a_condition_without_a_branch_that_holds_takes_none():
    assert run({**CONDITION, "branches": CONDITION["branches"][:2]}, current=current(amount=1)).key is None


def test_a_condition_on_a_missing_field_fails_and_takes_no_branch():
    with pytest.raises(ExpressionFailed, match=r"`current.amount` is not known here.*Did you mean `current.amonut`?"):
        run(CONDITION, current=current(amonut=500))


@pytest.mark.parametrize(
    ("value", "key"),
    [
        ("finance", "0"),
        ("1", "1"),
        (1, "1"),
        (True, "2"),
        ("true", "2"),
        (None, "3"),
        ("", "4"),
        ("5.0", "4"),
        ([1], "5"),
    ],
)
def test_a_switch_takes_the_case_that_equals_the_value(value, key):
    cases = [{"case": case, "steps": []} for case in ("finance", 1, True, None)]
    step = {"type": "switch", "config": {"on": "{{ value }}"}, "cases": [*cases, {"default": None, "steps": []}]}
    step["cases"].insert(4, {"case": "{{ other }}", "steps": []})
    other = "" if value == "" else "5.0"

    assert run(step, value=value, other=other).key == key


def test_a_switch_without_a_case_for_the_value_takes_none():
    assert run({"type": "switch", "config": {"on": 2}, "cases": [{"case": 1, "steps": []}]}).key is None


@pytest.mark.parametrize(
    ("config", "at"),
    [
        ({"duration": "2h"}, "2026-03-01T11:30:00+00:00"),
        ({"duration": "1h 30m"}, "2026-03-01T11:00:00+00:00"),
        ({"duration": "PT15M"}, "2026-03-01T09:45:00+00:00"),
        ({"duration": 90}, "2026-03-01T09:31:30+00:00"),
        ({"duration": "{{ days }}d"}, "2026-03-03T09:30:00+00:00"),
        ({"until": "2026-03-02"}, "2026-03-02T00:00:00+00:00"),
        ({"until": "2026-03-02T08:00:00+01:00"}, "2026-03-02T08:00:00+01:00"),
        ({"until": "Mon, 02 Mar 2026 08:00:00 +0100"}, "2026-03-02T08:00:00+01:00"),
        ({"until": "{{ now() }}"}, "2026-03-01T09:30:00+00:00"),
        ({"until": 1772357400}, "2026-03-01T09:30:00+00:00"),
    ],
)
def test_a_delay_waits_for_a_while_or_until_a_moment(config, at):
    assert run({"type": "delay", "config": config}, days=2) == WaitUntil(datetime.fromisoformat(at), {"until": at})


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"duration": "{{ x }}"}, r"^Step it, config.duration: 'soon' is not a"),
        ({"until": "{{ x }}"}, r"^The delay has no end: 'soon' is not a"),
        ({"until": "9999-12-31T23:00:00-02:00"}, r"^The delay has no end: .* lies outside the years 1 to 9999 \(UTC\)"),
    ],
)
def test_a_delay_whose_template_gives_no_time_fails(config, message):
    with pytest.raises(DirectorError, match=message):
        run({"type": "delay", "config": config}, x="soon")


def test_fail_stop_and_iterate_tell_the_engine():
    with pytest.raises(StepFailed, match=r"No amount in Hi"):
        run(
            {"type": "fail", "config": {"message": "No amount in {{ current.subject }}"}}, current=current(subject="Hi")
        )
    assert run({"type": "stop"}) == EndBlock(None)
    assert run({"type": "stop", "config": {"message": "done", "skip": "{{ n > 1 }}"}}, n=2) == EndBlock(
        "done", skip=True
    )
    assert run({"type": "iterate", "config": {"over_records": "*"}, "body": []}) == IterateBody()


def test_sources_stream_the_items_of_a_file_within_the_open_folders(tmp_path, settings):
    settings.DIRECTOR_FILE_ROOTS = [tmp_path]
    (tmp_path / "leads.csv").write_text("name,city\nAda,London\nGrace\n")
    (tmp_path / "leads.jsonl").write_text('{"name": "Ada"}\n{"name": \n{"name": "Grace"}\n')
    (tmp_path / "mail.mbox").write_text("From a@b Mon Mar  2 08:00:00 2026\nSubject: Hi\nFrom: a@b\n\nText\n")

    def read(kind, path):
        outcome = run({"type": kind, "config": {"path": path}})
        assert isinstance(outcome, StreamItems)
        return [getattr(item, "data", None) for item in outcome.items]

    assert read("read_csv", "leads.csv") == [{"name": "Ada", "city": "London"}, None]
    assert read("read_json", "leads.jsonl") == [{"name": "Ada"}, None, {"name": "Grace"}]
    assert read("read_mailbox", "mail.mbox")[0]["subject"] == "Hi"
    with pytest.raises(SourceNotAllowed):
        read("read_csv", "../../etc/passwd")


def code(source, **config):
    return {"type": "code", "config": {"source": source, **config}}


def test_code_gets_what_its_main_asks_for():
    source = """
def main(current, extract, greeting='Hi'):
    return [greeting, current['fields']['name'], extract[0]['n'] + 1]
"""

    assert run(code(source), current=current(name="Ada"), extract=[{"n": 1}]) == ["Hi", "Ada", 2]
    assert run(code(source), current=current(name="Ada"), extract=[{"n": 1}], greeting="Dear")[0] == "Dear"


def test_code_may_be_called_once_with_a_whole_list():
    step = code(
        "def main(items):\n  total = 0\n  for x in items:\n    total += x\n  return {'n': len(items), 'sum': total}",
        over="{{ rows }}",
    )

    assert run(step, rows=[1, 2, 3]) == {"n": 3, "sum": 6}
    with pytest.raises(ConfigInvalid, match=r"^Step it, config.over: must be a list, not text.$"):
        run(step, rows="abc")


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("def main(): return 1 // 0", "Line 1 of the code: Floor division by zero: 1 // 0."),
        ("def main():\n  fail('no amount')", "Line 2 of the code: fail: no amount."),
        (
            "def main():\n  return helper([])\ndef helper(x):\n  y = x + [0]\n  return y[1]",
            "Line 5 of the code: Index `1` is out of bound",
        ),
        ("def main(): return main", "The code: what it returns is not a value of data."),
        ("def main(): return 1 << 80", "The code: what it returns is not a value of data"),
        ("def main(): return main()", "Line 1 of the code: Starlark call stack overflow."),
        (
            "def main(): return open('/etc/passwd')",
            "Line 1 of the code: Variable `open` not found, did you mean `len`?",
        ),
        ("load('os', 'system')\ndef main(): return 1", "Line 1 of the code: "),
        ("def main(): return 'x' * (1 << 30)", "The code: it used more memory than it may and was stopped."),
        ("def main(): return len(list(range(1 << 28)))", "The code: it used more memory than it may and was stopped."),
        ("BIG = 'x' * (1 << 30)\ndef main(): return 1", "The code: it used more memory than it may and was stopped."),
        ("def main():\n  for i in range(1 << 30):\n    pass", "The code: it ran longer than 2 s and was stopped."),
    ],
)
def test_code_that_fails_or_takes_too_much_fails_alone(source, message):
    with pytest.raises(CodeFailed) as caught:
        run(code(source))

    assert caught.value.message.startswith(message)
    assert run(code("def main(x): return x + 1"), x=1) == 2


def test_code_that_asks_for_an_unknown_name_is_told_what_there_is():
    with pytest.raises(
        ExpressionFailed, match=r"`curent`, which main takes, is not known here.*Did you mean `current`?"
    ):
        run(code("def main(curent): return 1"), current=current())


def test_the_registry_lists_and_finds_types_and_knows_the_nearest():
    names = [step_type.name for step_type in registry.all()]

    assert {"set", "condition", "switch", "iterate", "delay", "fail", "stop", "code", "read_csv"} <= set(names)
    assert registry.get("iterate").label == "Iterate"
    with pytest.raises(StepTypeUnknown) as caught:
        registry.get("itirate")
    assert caught.value.suggestion == "iterate"


def test_every_type_says_what_pages_need():
    for step_type in registry.all():
        assert step_type.label
        assert step_type.icon
        assert step_type.category in {"action", "logic", "loop", "human", "data", "time"}
        assert isinstance(step_type.summary({}), str)


@pytest.mark.parametrize(
    ("name", "schema", "error"),
    [("Not A Name", {}, ValueError), ("registry_test_bad", {"type": 3}, SchemaError)],
)
def test_a_type_with_a_bad_name_or_schema_is_not_registered(name, schema, error):
    bad = type("Bad", (StepType,), {"name": name, "label": "Bad", "icon": "x", "category": "data", "schema": schema})

    with pytest.raises(error):
        registry.register(bad())


def test_installed_packages_bring_types_and_a_broken_one_is_only_logged(monkeypatch, caplog):
    shipped = type(
        "Shipped",
        (StepType,),
        {"name": "registry_test_shipped", "label": "S", "icon": "x", "category": "data", "schema": {}},
    )
    monkeypatch.setattr(registry, "shipped", shipped, raising=False)
    points = [
        EntryPoint("broken", "no_such_module:Step", registry.ENTRY_POINTS),
        EntryPoint("shipped", "workflows.step_types.registry:shipped", registry.ENTRY_POINTS),
    ]
    monkeypatch.setattr(registry, "entry_points", lambda group: points)

    registry._load_installed()

    assert registry.get("registry_test_shipped").label == "S"
    assert [record.entry_point for record in caplog.records] == ["broken"]


def test_a_registered_type_is_known_to_definitions_at_once():
    kind = type(
        "Shout",
        (StepType,),
        {
            "name": "registry_test_shout",
            "label": "Shout",
            "icon": "x",
            "category": "data",
            "schema": {"type": "object", "required": ["text"], "properties": {"text": {"type": "string"}}},
            "run": lambda self, call: call.config["text"].upper(),
        },
    )
    registry.register(kind())

    assert run({"type": "registry_test_shout", "config": {"text": "{{ who }}!"}}, who="ada") == "ADA!"
