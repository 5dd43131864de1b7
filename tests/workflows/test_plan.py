"""What the engine is given: the plan of a version, made of its rows."""

import json
import random
from uuid import uuid4

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.effects import Effect
from tests.workflows.documents import INBOX_TRIAGE, a_document, a_set, an_iterate
from workflows.definition import dump_yaml, parse, validate
from workflows.definition.compile import plan_of
from workflows.definition.plan import CreateRecords, OnError, OnExisting, OnInvalid, RetryPolicy
from workflows.definition.rows import definition_from, document_of, rows_of
from workflows.errors import StepTypeUnknown
from workflows.expressions import RecordView
from workflows.models import WorkflowVersion
from workflows.services import digest_of
from workflows.step_types import registry
from workflows.step_types.base import StepType


def a_version(definition):
    return WorkflowVersion(workflow_id=uuid4(), settings=definition.settings)


def plan(*steps, **over):
    definition = parse(steps[0] if steps and isinstance(steps[0], str) else a_document(*steps, **over))
    assert validate(definition) == []
    return plan_of(definition, a_version(definition))


def record(**fields):
    return RecordView("email_001", "email", "processing", {"fields": fields, "vars": {}, "targets": {}})


def test_the_plan_of_the_example():
    made = plan(INBOX_TRIAGE)

    assert list(made.steps) == ["inbox", "each_email", "kind", "finance", "other", "route", "summary"]
    assert [step.path for step in made.steps.values()] == [
        "steps[0]",
        "steps[1]",
        "steps[1].body[0]",
        "steps[1].body[0].branches[0].steps[0]",
        "steps[1].body[0].branches[1].steps[0]",
        "steps[1].body[1]",
        "steps[2]",
    ]
    assert [step.parent_alias for step in made.steps.values()] == [
        None,
        None,
        "each_email",
        "kind",
        "kind",
        "each_email",
        None,
    ]
    assert made.settings == {"director": 1, "name": "Inbox triage"}
    assert (made.variable_names, made.record_ids) == (frozenset(), frozenset())


def test_what_a_step_says_becomes_typed_facts():
    step = a_set(
        "one",
        "{{ current.subject }}",
        name="The first",
        when="{{ current.amount > threshold }}",
        retry={"maximum_attempts": 3, "initial_interval": "2s", "maximum_interval": "1m", "non_retryable": ["bad"]},
        timeout="1m 30s",
        store_to_record=True,
        **{"as": "lines[2].label"},
    )
    made = plan(an_iterate("each", step), variables={"threshold": 5}).steps["one"]

    assert (made.name, made.timeout_seconds, made.store) == ("The first", 90.0, ("vars", "lines", 2, "label"))
    assert made.retry == RetryPolicy(3, 2.0, 2.0, 60.0, frozenset({"bad"}))
    assert made.when.test({"current": record(amount=6), "threshold": 5})
    assert made.render({"current": record(subject="Hi")}) == {"value": "Hi"}
    assert made.names == {"current", "threshold"}


@pytest.mark.parametrize(
    ("path", "store"),
    [
        (None, ("vars", "one")),
        ("category", ("vars", "category")),
        ("fields.amount", ("fields", "amount")),
        ("targets.crm.id", ("targets", "crm", "id")),
        ('vars["first name"][0]', ("vars", "first name", 0)),
    ],
)
def test_an_output_is_stored_where_as_says_and_under_vars_unless_it_says_more(path, store):
    step = a_set("one", 1, store_to_record=True, **({"as": path} if path else {}))

    assert plan(an_iterate("each", step)).steps["one"].store == store


@pytest.mark.parametrize("path", ["fields", "a..b", "[", "vars.", "a[x]"])
def test_a_path_that_cannot_be_stored_to_is_refused(path):
    definition = parse(a_document(an_iterate("each", a_set("one", 1, store_to_record=True, **{"as": path}))))

    assert [problem.path for problem in validate(definition)] == ["steps[0].body[0].as"]


def test_records_are_made_as_create_records_says():
    schema = {"type": "object", "required": ["name"]}
    full = {"type": "lead", "id_pattern": "lead_{{ item.email }}", "initial_schema": schema, "on_existing": "skip"}
    made = plan(
        a_set("short", [], create_records="lead"),
        a_set("unique", [], create_records={"type": "lead", "id_pattern": "uuid", "on_invalid": "refuse"}),
        a_set("full", [], create_records=full),
    )

    assert made.steps["short"].create == CreateRecords("lead")
    assert made.steps["unique"].create == CreateRecords("lead", unique_ids=True, on_invalid=OnInvalid.REFUSE)
    create = made.steps["full"].create
    assert (create.initial_schema, create.on_existing) == (schema, OnExisting.SKIP)
    assert create.id_pattern.render({"item": {"email": "a@b"}, "index": "001"}) == "lead_a@b"
    assert made.steps["full"].names == frozenset()


def test_an_iterate_says_over_what_and_how():
    made = plan(
        a_set("floor", 5),
        an_iterate("each", over_records="email_*", status="failed", where="current.amount > floor", order="-amount"),
        an_iterate("again", over_records="*", on_error="retry"),
        an_iterate("list", over="{{ [1, floor] }}", limit=1, concurrency=3, on_error="stop"),
    )
    each, again, listed = (made.steps[alias].iterate for alias in ("each", "again", "list"))

    assert each.over_records.render({}) == "email_*"
    assert (each.over, each.status, each.order, each.on_error) == (
        None,
        ("failed",),
        "-amount",
        OnError.MARK_FAILED_CONTINUE,
    )
    assert each.where.test({"current": record(amount=6), "floor": 5})
    assert again.max_retries > 0
    assert listed.over.render({"floor": 5}) == [1, 5]
    assert (listed.limit, listed.concurrency, listed.on_error) == (1, 3, OnError.STOP)
    assert made.steps["each"].names == {"current", "floor"}


def test_names_that_are_no_steps_are_variables_and_named_records_are_noted():
    made = plan(
        a_set("one", "{{ threshold }} {{ records.email_007.subject }} {{ now() }} {{ trigger }} {{ execution.id }}"),
        {"alias": "two", "type": "set", "config": {"value": "{{ one }}", "variable": "threshold"}},
        an_iterate("each", a_set("three", "{{ records['a b'].x }}"), over_records="{{ records.first.pattern }}"),
        variables={"unused": 1},
    )

    assert made.variable_names == {"threshold"}
    assert made.variables == {"unused": 1}
    assert made.record_ids == {"email_007", "a b", "first"}


def test_a_block_knows_which_steps_outside_it_its_templates_use():
    branch = {"if": "{{ floor }}", "steps": [a_set("inner", "{{ limit }} {{ seen }}")]}
    body = [a_set("seen", 1), {"alias": "choice", "type": "condition", "branches": [branch]}]
    made = plan(a_set("floor", 1), a_set("limit", 2), a_set("unused", 3), an_iterate("each", *body))

    assert made.steps["each"].blocks[0].outer_names == {"floor", "limit"}
    assert made.steps["choice"].blocks[0].outer_names == {"limit", "seen"}
    assert made.root.outer_names == frozenset()


class Reader(StepType):
    name, label, icon, category, effect = "plan_test_reader", "Read", "x", "data", Effect.READ
    schema = {"type": "object"}


class Waiter(StepType):
    name, label, icon, category = "plan_test_waiter", "Wait", "x", "data"
    schema = {"type": "object"}

    async def run(self, call):
        return None


registry.register(Reader())
registry.register(Waiter())


@pytest.mark.parametrize(
    ("step", "inline"),
    [
        (a_set("one", 1), True),
        (a_set("one", 1, retry={"maximum_attempts": 2}), True),
        ({"alias": "one", "type": "condition", "branches": [{"if": "true", "steps": [a_set("x", 1)]}]}, True),
        ({"alias": "one", "type": "stop"}, True),
        ({"alias": "one", "type": "code", "config": {"source": "def main(): return 1"}}, True),
        (a_set("one", 1, timeout=5), False),
        (a_set("one", [], create_records="lead"), False),
        ({"alias": "one", "type": "delay", "config": {"duration": 1}}, False),
        ({"alias": "one", "type": "plan_test_reader"}, False),
        ({"alias": "one", "type": "plan_test_waiter"}, False),
        (an_iterate("one"), False),
        ({"alias": "one", "type": "condition", "branches": [{"if": "true", "steps": [an_iterate("x")]}]}, False),
    ],
)
def test_a_block_is_inline_when_nothing_in_it_waits_or_touches_the_outside(step, inline):
    assert plan(an_iterate("each", a_set("first", 1), step)).steps["each"].blocks[0].inline is inline


def test_a_type_that_is_no_longer_installed_is_named():
    definition = parse(a_document(a_set("one", 1)))
    row = rows_of(definition, a_version(definition))[0]
    row.type = "sett"

    with pytest.raises(StepTypeUnknown, match=r"There is no step type `sett`. Did you mean `set`?"):
        plan_of(definition_from(definition.settings, [row]), a_version(definition))


# --- documents, rows and documents again ------------------------------------------------------------------------------
words = st.text("abon1 -:#{}'\"\\äß\n", max_size=8)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(-1e15, 1e15) | words,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words, inner, max_size=3),
    max_leaves=6,
)
options = st.fixed_dictionaries(
    {},
    optional={
        "name": words,
        "description": words,
        "when": words | st.booleans(),
        "retry": st.fixed_dictionaries({"maximum_attempts": st.integers(1, 9)}),
        "timeout": st.integers(0, 9) | st.just("2h"),
        "store_to_record": st.booleans(),
        "as": words,
        "create_records": words | st.fixed_dictionaries({"type": words}),
    },
)


def steps_of(inner):
    """Steps of every shape over blocks of `inner`."""
    branches = st.lists(
        st.fixed_dictionaries({"if": words, "steps": inner}, optional={"label": words}), min_size=1, max_size=2
    )
    cases = st.lists(st.fixed_dictionaries({"case": json_values, "steps": inner}), min_size=1, max_size=2)
    closing = st.fixed_dictionaries({"else": st.none(), "steps": inner})
    kinds = st.one_of(
        st.fixed_dictionaries({"type": st.just("set"), "config": st.fixed_dictionaries({"value": json_values})}),
        st.fixed_dictionaries({"type": st.just("iterate"), "config": st.just({"over_records": "*"}), "body": inner}),
        st.builds(lambda some, last: {"type": "condition", "branches": [*some, last]}, branches, closing),
        st.builds(lambda some: {"type": "switch", "config": {"on": 1}, "cases": some}, cases),
    )
    return st.lists(st.builds(lambda kind, said: {**kind, **said}, kinds, options), max_size=3)


def numbered(steps, count):
    """The steps with an alias each."""
    for step in steps:
        step["alias"] = f"step_{next(count)}"
        for block in [
            step.get("body", []),
            *(one["steps"] for one in (*step.get("branches", ()), *step.get("cases", ()))),
        ]:
            numbered(block, count)
    return steps


@given(st.recursive(st.just([]), steps_of, max_leaves=8), st.randoms())
@settings(max_examples=60, deadline=None)
def test_import_export_import_is_the_identity(steps, randomness):
    definition = parse(a_document(*numbered(steps, iter(range(1000))), description="x", labels={"client": "M"}))

    rows = rows_of(definition, a_version(definition))
    for row in rows:  # as jsonb gives it back
        row.config, row.options = json.loads(json.dumps(row.config)), json.loads(json.dumps(row.options))
    random.Random(randomness.random()).shuffle(rows)
    exported = document_of(definition_from(json.loads(json.dumps(definition.settings)), rows))
    again = parse(dump_yaml(exported), "yaml")

    assert digest_of(again) == digest_of(definition)
    assert document_of(again) == document_of(definition) == exported
