"""What is wrong with a definition is said at once, each thing with its place, its reason and the nearest match."""

import pytest

from tests.workflows.documents import INBOX_TRIAGE, a_document, a_set, an_iterate
from workflows.definition import parse, validate
from workflows.errors import DefinitionInvalid, DefinitionUnreadable


def problems(*steps, **over):
    """(path, message, suggestion) of each problem of a document."""
    return [(one.path, one.message, one.suggestion) for one in validate(parse(a_document(*steps, **over)))]


def test_the_example_of_the_documentation_is_valid():
    assert validate(parse(INBOX_TRIAGE)) == []


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({"a": "x\x00"}, "Document: the text 'x\\x00' holds the character U+0000, which cannot be stored."),
        ({"a": 2**64}, "Document: a number is beyond 64 bits; write it as text, in quotes."),
        ({"a": {1: 2}}, "Document: 1 is neither text nor another plain value."),
        ({"a": (1, 2)}, "Document: (1, 2) is neither text nor another plain value."),
    ],
)
def test_a_value_is_held_to_the_same_as_a_text(value, message):
    with pytest.raises(DefinitionUnreadable) as caught:
        parse(value)

    assert caught.value.message == message


def test_everything_that_is_wrong_is_said_at_once_with_the_line():
    text = (
        INBOX_TRIAGE.replace("current.subject", "curent.subject")
        .replace("each_email.failed", "finance")
        .replace("type: switch", "type: swich")
        .replace("concurrency: 8", "concurency: 8")
        .replace("as: category", "ass: category", 1)
    )

    found = [(one.line, one.path, one.suggestion) for one in validate(parse(text))]

    assert found == [
        (10, "steps[1].config.concurency", "concurrency"),
        (15, "steps[1].body[0].branches[0].if", "current"),
        (17, "steps[1].body[0].branches[0].steps[0].ass", "as"),
        (22, "steps[1].body[1].type", "switch"),
        (31, "steps[2].config.value", None),
    ]


@pytest.mark.parametrize(("document", "kind"), [("[]", "a list"), ("", "empty"), ("hello", "text"), ("7", "a number")])
def test_what_is_no_object_is_no_definition(document, kind):
    with pytest.raises(DefinitionInvalid) as caught:
        parse(document)

    message = f"A definition is an object with name and steps, this one is {kind}"
    assert [(one.path, one.message) for one in caught.value.problems] == [("", message)]


@pytest.mark.parametrize(
    ("over", "expected"),
    [
        ({"name": ""}, ("name", "must not be empty", None)),
        ({"director": 2}, ("director", "must be 1, not 2", None)),
        ({"steps": []}, ("steps", "must have at least 1 element", None)),
        ({"steps": {}}, ("steps", "must be a list, not an object", None)),
        (
            {"label": {}},
            (
                "label",
                "`label` is not known here; the keys are director, name, slug, description, labels, variables, steps",
                "labels",
            ),
        ),
        ({"labels": {"client": 3}}, ("labels.client", "must be text, not a number", None)),
        ({"slug": "No Slug"}, ("slug", "'No Slug' must match ^[a-z0-9]+(-[a-z0-9]+)*$", None)),
        (
            {"variables": {"current": 1}},
            ("variables.current", "`current` means something else in templates; choose another", None),
        ),
        ({"steps": ["x"]}, ("steps[0]", "must be an object, not text", None)),
    ],
)
def test_the_top_of_the_document_is_checked(over, expected):
    assert problems(**{"steps": [a_set("one", 1)], **over}) == [expected]


def test_a_document_without_name_and_steps_says_so():
    assert [(one.path, one.message) for one in validate(parse({"director": 1}))] == [
        ("", "`name` is missing"),
        ("", "`steps` is missing"),
    ]


@pytest.mark.parametrize(
    ("over", "expected"),
    [
        ({"type": "sett"}, ("type", "there is no step type `sett`", "set")),
        ({"valu": 1}, ("valu", "`valu` belongs into `config`", "config.value")),
        ({"value": 1}, ("value", "`value` belongs into `config`", "config.value")),
        ({"config": {"value": 1, "variabel": "x"}}, ("config.variabel", "`variabel` is not known here", "variable")),
        ({"config": {}}, ("config", "`value` is missing", None)),
        ({"config": {"value": 1, "variable": "a b"}}, ("config.variable", "'a b' must match", None)),
        ({"config": {"value": 1, "variable": "{{ x }}"}}, ("config.variable", "'{{ x }}' must match", None)),
        ({"config": [1]}, ("config", "must be an object, not a list", None)),
        ({"alias": "two words"}, ("alias", "'two words' must match ^[A-Za-z_][A-Za-z0-9_]*$", None)),
        ({"alias": "current"}, ("alias", "`current` means something else in templates; choose another alias", None)),
        ({"alias": 7}, ("alias", "must be text, not a number", None)),
        ({"name": 7}, ("name", "must be text, not a number", None)),
        ({"when": "{{ a }} == {{ b }}"}, ("when", "a condition is one expression", None)),
        ({"when": "nonsense"}, ("when", "`nonsense` is not known here", None)),
        ({"timeout": "soon"}, ("timeout", "'soon' is not a duration; write it as 90s, 15m, 2h", None)),
        ({"timeout": "-5"}, ("timeout", "'-5' is not a duration", None)),
        ({"timeout": "99999999d"}, ("timeout", "'99999999d' is not a duration from 0 to 3660 days", None)),
        ({"timeout": "0s"}, ("timeout", "nothing is done in no time", None)),
        (
            {"type": "delay", "config": {"duration": 5}, "timeout": 1},
            ("timeout", "a step of type delay takes no time of its own", None),
        ),
        (
            {"type": "iterate", "config": {"over": [1]}, "body": [], "retry": {"maximum_attempts": 2}},
            (
                "retry",
                "an iterate goes over its records once; for walking failed ones again write `on_error: retry`",
                None,
            ),
        ),
        ({"retry": 3}, ("retry", "must be an object, not a number", None)),
        ({"retry": {}}, ("retry", "`maximum_attempts` is missing", None)),
        ({"retry": {"maximum_attempts": 0}}, ("retry.maximum_attempts", "must be at least 1, not 0", None)),
        (
            {"retry": {"attempts": 3, "maximum_attempts": 3}},
            ("retry.attempts", "`attempts` is not known here", "maximum_attempts"),
        ),
        ({"store_to_record": True}, ("store_to_record", "a record to store to is there only inside an iterate", None)),
        ({"as": "category"}, ("as", "`as` says where to store, but `store_to_record: true` is missing", None)),
        ({"create_records": "two words"}, ("create_records", "'two words' must match", None)),
        ({"create_records": {"id_pattern": "x"}}, ("create_records", "`type` is missing", None)),
        (
            {"create_records": {"type": "lead", "on_existing": "merg"}},
            ("create_records.on_existing", "'merg' is not one of merge, skip, fail", "merge"),
        ),
        (
            {"create_records": {"type": "lead", "id_pattern": "{{ itm.id }}"}},
            ("create_records.id_pattern", "`itm` is not known here", "item"),
        ),
        (
            {"create_records": {"type": "lead", "initial_schema": {"type": 3}}},
            ("create_records.initial_schema", "is not a JSON Schema (2020-12): type: 3 is not valid", None),
        ),
        ({"config": {"value": "{{ x "}}, ("config.value", "unexpected end of template", None)),
        ({"config": {"value": {"a": ["{{ 1 | uper }}"]}}}, ("config.value.a[0]", "there is no filter `uper`", "upper")),
        (
            {"config": {"value": "{{ one }}"}},
            ("config.value", "`one` is this step itself, which has no output yet", None),
        ),
        (
            {"config": {"value": "{{ current.subject }}"}},
            ("config.value", "`current` is the record that an iterate walks, and this is not inside one", None),
        ),
        (
            {"config": {"value": "{{ outer.subject }}"}},
            ("config.value", "`outer` is the record of the iterate around the innermost one", None),
        ),
        ({"config": {"value": "{{ item }}"}}, ("config.value", "`item` is known inside an iterate with `over`", None)),
        (
            {"config": {"value": "{{ last }}"}},
            ("config.value", "`last` is not known here: that step comes later", None),
        ),
    ],
)
def test_a_step_is_checked(over, expected):
    path, message, suggestion = expected

    found = problems({**a_set("one", 1), **over}, a_set("last", 2))

    assert len(found) == 1
    assert found[0][0] == f"steps[0].{path}"
    assert found[0][1].startswith(message)
    assert found[0][2] == suggestion


def test_an_alias_stands_once_wherever_it_is():
    found = problems(a_set("one", 1), an_iterate("each", a_set("one", 2), a_set("each", 3)))

    assert [(path, message) for path, message, _ in found] == [
        ("steps[1].body[0].alias", "the alias `one` is taken by steps[0]; choose another"),
        ("steps[1].body[1].alias", "the alias `each` is taken by steps[1]; choose another"),
    ]


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ({}, ("config", "needs either `over_records` (records of the workflow) or `over` (a list)")),
        ({"over": [1], "over_records": "*"}, ("config", "needs either `over_records`")),
        (
            {"over": [1], "status": "failed"},
            ("config.status", "`status` chooses among records; with `over` choose in the expression itself"),
        ),
        ({"over_records": "*", "status": "faild"}, ("config.status", "'faild' is not one of discovered, processing")),
        ({"over_records": "*", "status": ["failed", "x"]}, ("config.status[1]", "'x' is not one of discovered")),
        ({"over_records": "*", "concurrency": 0}, ("config.concurrency", "must be at least 1, not 0")),
        ({"over_records": "*", "concurrency": "{{ one }}"}, ("config.concurrency", "must be a whole number, not text")),
        (
            {"over_records": "*", "on_error": "ignore"},
            ("config.on_error", "'ignore' is not one of mark_failed_continue"),
        ),
        ({"over_records": "*", "max_retries": 2}, ("config.max_retries", "`max_retries` needs `on_error: retry`")),
        ({"over_records": "*", "where": "curent.amount > 5"}, ("config.where", "`curent` is not known here")),
        ({"over_records": "*", "where": "{{ one }} {{ one }}"}, ("config.where", "a condition is one expression")),
        ({"over_records": "{{ nonsense }}"}, ("config.over_records", "`nonsense` is not known here")),
    ],
)
def test_an_iterate_is_checked(config, expected):
    found = problems(a_set("one", 1), {"alias": "each", "type": "iterate", "config": config, "body": []})

    assert len(found) == 1
    assert found[0][0] == f"steps[1].{expected[0]}"
    assert found[0][1].startswith(expected[1])


def test_what_an_iterate_may_say():
    step = an_iterate(
        "each",
        a_set("seen", "{{ current.amount }}", store_to_record=True),
        over_records=["email_1", "{{ one }}"],
        status=["discovered", "failed"],
        where="current.amount > one",
        order="-amount",
        limit=10,
        concurrency=4,
        on_error="retry",
        max_retries=2,
    )

    assert problems(a_set("one", 1), step) == []


@pytest.mark.parametrize(
    ("step", "expected"),
    [
        (
            {"type": "iterate", "config": {"over_records": "*"}},
            ("body", "`body` is missing: the list of steps to walk"),
        ),
        ({"type": "iterate", "config": {"over_records": "*"}, "body": {}}, ("body", "must be a list of steps")),
        ({"type": "condition"}, ("branches", "`branches` is missing: a list of `if` ... `steps`, closed by `else`")),
        ({"type": "condition", "branches": []}, ("branches", "`branches` is missing")),
        (
            {"type": "condition", "branches": ["x"]},
            ("branches[0]", "must be an object with `if` (or `else`) and `steps`"),
        ),
        ({"type": "condition", "branches": [{"if": "true"}]}, ("branches[0]", "`steps` is missing; write `steps: []`")),
        ({"type": "condition", "branches": [{"steps": []}]}, ("branches[0]", "needs either `if` or, to close, `else`")),
        (
            {"type": "condition", "branches": [{"if": "true", "step": [], "steps": []}]},
            ("branches[0].step", "`step` is not known here"),
        ),
        (
            {"type": "condition", "branches": [{"if": "true", "steps": []}, {"else": "x", "steps": []}]},
            ("branches[1].else", "`else` has no condition"),
        ),
        (
            {"type": "condition", "branches": [{"else": None, "steps": []}]},
            ("branches[0]", "`else` must come last, after at least one `if`"),
        ),
        (
            {
                "type": "condition",
                "branches": [{"if": "true", "steps": []}, {"else": None, "steps": []}, {"if": "true", "steps": []}],
            },
            ("branches[1]", "`else` must come last"),
        ),
        (
            {"type": "condition", "branches": [{"if": "1 +", "steps": []}]},
            ("branches[0].if", "unexpected 'end of print statement'"),
        ),
        (
            {"type": "condition", "branches": [{"if": "true", "steps": []}], "create_records": "x"},
            ("create_records", "a step of type condition yields nothing"),
        ),
        ({"type": "switch", "cases": [{"case": 1, "steps": []}]}, ("config", "`on` is missing")),
        (
            {"type": "switch", "config": {"on": 1}, "cases": [{"case": "{{ x }}", "steps": []}]},
            ("cases[0].case", "`x` is not known here"),
        ),
        ({"type": "delay"}, ("config", "needs either `duration` or `until`")),
        (
            {"type": "delay", "config": {"duration": "2 fortnights"}},
            ("config.duration", "'2 fortnights' is not a duration"),
        ),
        ({"type": "delay", "config": {"until": "tomorrow"}}, ("config.until", "'tomorrow' is not a moment")),
        ({"type": "fail"}, ("config", "`message` is missing")),
        ({"type": "stop", "config": {"skip": "maybe"}}, ("config.skip", "must be true or false, not text")),
        ({"type": "read_csv", "config": {"path": 3}}, ("config.path", "must be text, not a number")),
        ({"type": "code", "config": {"source": "def main(:\n  pass"}}, ("config.source", "Line 1 of the code: ")),
        ({"type": "code", "config": {"source": "x = 1"}}, ("config.source", "The code: it defines no function `main`")),
        (
            {"type": "code", "config": {"source": "def main():\n  return nothing"}},
            ("config.source", "Line 2 of the code: Variable `nothing` not found"),
        ),
        (
            {"type": "code", "config": {"source": "def main(items): return items"}},
            ("config.source", "main takes `items`, which is there only with `over`"),
        ),
        (
            {"type": "code", "config": {"source": "def main(limit=10): return limit"}},
            ("config", "`limit` is not known here"),
        ),
        (
            {"type": "code", "config": {"source": "def main(currnt): return 1"}},
            ("config", "`currnt` is not known here"),
        ),
        (
            {"type": "code", "config": {"source": "def main(): return 1", "over": 3}},
            ("config.over", "must be a list, not a number"),
        ),
    ],
)
def test_each_type_of_step_is_checked(step, expected):
    found = problems({"alias": "it", **step})

    assert len(found) == 1
    assert found[0][0] == f"steps[0].{expected[0]}"
    assert found[0][1].startswith(expected[1])


def test_names_are_known_after_their_step_and_only_where_it_runs():
    branches = [
        {"if": "{{ one == 1 }}", "steps": [a_set("left", "{{ choice.index }}"), a_set("left_again", "{{ left }}")]},
        {"else": None, "steps": [a_set("right", "{{ left }}")]},
    ]
    body = [a_set("inner", "{{ one }} {{ current.x }}"), a_set("next", "{{ inner }} {{ each }}")]

    found = problems(
        a_set("one", 1),
        {"alias": "choice", "type": "condition", "branches": branches},
        a_set("either", "{{ left | default(right) }}"),
        an_iterate("each", *body),
        a_set("after", "{{ each.processed }} {{ inner }}"),
    )

    assert [(path, message.split(". Available")[0]) for path, message, _ in found] == [
        ("steps[1].branches[1].steps[0].config.value", "`left` is not known here: that step is in another branch"),
        ("steps[3].body[1].config.value", "`each` is not known here: that step comes later"),
        (
            "steps[4].config.value",
            "`inner` is not known here: it runs for each record of `each`; use the output of that",
        ),
    ]


def test_an_unknown_name_tells_what_is_there():
    found = problems(a_set("one", 1), an_iterate("each", a_set("two", "{{ curent.subject }}")))

    assert found == [
        (
            "steps[1].body[0].config.value",
            "`curent` is not known here; variables are declared under `variables` or by a step of type set. "
            "Available: current, execution, one, records, trigger",
            "current",
        )
    ]


def test_records_around_and_elements_of_lists_are_known_where_they_are():
    inner = an_iterate(
        "lines", a_set("line", "{{ item.net }} {{ index }} {{ outer.subject }}"), over="{{ current.lines }}"
    )
    nested = an_iterate("again", a_set("deeper", "{{ item }} {{ current.x }} {{ outer.y }}"))

    assert problems(an_iterate("each", inner, a_set("sum", "{{ lines.processed }}"))) == []
    assert problems(an_iterate("list", nested, over=[1, 2])) == []
    assert [path for path, _, _ in problems(an_iterate("each", a_set("x", "{{ item }} {{ outer }}")))] == [
        "steps[0].body[0].config.value",
        "steps[0].body[0].config.value",
    ]


def test_a_variable_is_known_when_the_document_or_a_step_declares_it():
    steps = [
        a_set("use", "{{ threshold }} {{ counter }}"),
        {"alias": "count", "type": "set", "config": {"value": 1, "variable": "counter"}},
    ]

    assert problems(*steps, variables={"threshold": 100}) == []
    assert [path for path, _, _ in problems(*steps)] == ["steps[0].config.value"]


def test_templates_stand_where_the_schema_wants_another_type():
    steps = [
        a_set("flag", True),
        {"alias": "end", "type": "stop", "config": {"skip": "{{ flag }}"}},
        {"alias": "wait", "type": "delay", "config": {"duration": "{{ flag }}"}},
        {
            "alias": "code",
            "type": "code",
            "config": {"source": "def main(items): return items", "over": "{{ [flag] }}"},
        },
    ]

    assert problems(*steps) == []


def nested_iterates(depth):
    step = a_set("innermost", 1)
    for level in range(depth, 0, -1):
        step = an_iterate(f"level_{level}", step)
    return step


def test_iterates_nest_eight_deep_and_no_deeper():
    assert problems(nested_iterates(8)) == []

    found = problems(nested_iterates(10))

    assert found == [("steps[0]" + ".body[0]" * 8, "iterates are nested more than 8 deep", None)]


def test_blocks_that_nest_without_end_and_thousands_of_steps_are_refused():
    step = a_set("innermost", 1)
    for level in range(35):
        step = {"alias": f"c{level}", "type": "condition", "branches": [{"if": "true", "steps": [step]}]}

    assert [message for _, message, _ in problems(step)] == ["blocks are nested more than 30 deep"]
    assert [message for _, message, _ in problems(*[a_set(f"s{n}", n) for n in range(1002)])] == [
        "a definition has at most 1000 steps"
    ]
