"""What templates give, and what they say when they cannot."""

import time
from datetime import UTC, datetime
from statistics import median

import pytest

from workflows.errors import ExpressionFailed, ExpressionInvalid
from workflows.expressions import RecordView, compile_expression, compile_template

NOW = datetime(2026, 3, 1, 9, 30, tzinfo=UTC)


def make_scope(**over):
    fields = {
        "subject": "Invoice 4711 from Müller & Co",
        "sender": "billing@mueller.example",
        "amount": 119.5,
        "status": "paid",
        "note": None,
        "lines": [{"sku": "A1", "net": 100}, {"sku": "B2", "net": 19.5}],
    }
    record = RecordView(
        "email_001", "email", "processing", {"fields": fields, "vars": {"category": "finance"}, "targets": {}}
    )
    other = RecordView("order-17", "order", "complete", {"fields": {"sender": "shop@example.com"}, "vars": {}})
    return {
        "current": record,
        "records": {"order-17": other},
        "extract": {"items": [{"name": "Ada"}, {"name": "Grace"}], "total": 2},
        "threshold": 100,
        "execution": {"id": "0192", "number": 7, "labels": {"client": "Müller"}},
        "now": lambda: NOW,
        **over,
    }


def render(source, **over):
    return compile_template(source, "steps[0].config.value").render(make_scope(**over))


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("plain text", "plain text"),
        ("{{ current.subject }}", "Invoice 4711 from Müller & Co"),
        ("{{ current.amount }}", 119.5),
        ("  {{ current.lines }}\n", [{"sku": "A1", "net": 100}, {"sku": "B2", "net": 19.5}]),
        ("{{ current.note }}", None),
        ("{{ current.amount > threshold }}", True),
        ("{{ extract.items[0].name }}", "Ada"),
        ("{{ extract.items[-1]['name'] }}", "Grace"),
        ("{{ records['order-17'].sender }}", "shop@example.com"),
        ("{{ execution.labels.client }}", "Müller"),
        ("{{ now() }}", "2026-03-01T09:30:00+00:00"),
        ("{{ current.lines | map(attribute='sku') }}", ["A1", "B2"]),
        ("{{ current.lines | selectattr('net', 'gt', 50) | length }}", 1),
        ("{{ (current.lines | sum(attribute='net')) * 2 }}", 239.0),
        ("{{ [current.category, {'n': 1}] }}", ["finance", {"n": 1}]),
        ("{{ 'big' if current.amount > 100 else 'small' }}", "big"),
        ("{{ current.subject | regex_search('[0-9]+') | int }}", 4711),
        ("{{ current.subject | regex_replace('[^a-zA-Z0-9]+', '-') | lower }}", "invoice-4711-from-m-ller-co"),
        (
            "{{ '31 Jan 2026 14:00 +0100' | to_datetime | format_date('%d.%m.%Y %H:%M', 'Europe/Berlin') }}",
            "31.01.2026 14:00",
        ),
        ("{{ '[1, 2]' | fromjson }}", [1, 2]),
        ("{{ current.lines | groupby('sku') | first }}", ["A1", [{"sku": "A1", "net": 100}]]),
        ("{{ '%.2f' | format(current.amount) }}", "119.50"),
        ("{{ '<b>3 &lt; 4</b><!-- x -->' | striptags }}", "3 < 4"),
    ],
)
def test_a_whole_expression_keeps_the_type_of_its_value(source, expected):
    assert render(source) == expected


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("{{ current.amount }} EUR from {{ current.sender }}", "119.5 EUR from billing@mueller.example"),
        ("note: {{ current.note }};", "note: ;"),
        ("{{ current.amount > 1 }}, {{ current.lines[0] }}", 'true, {"sku":"A1","net":100}'),
        ("at {{ now() }}", "at 2026-03-01T09:30:00+00:00"),
        ("{% for line in current.lines %}{{ loop.index }}. {{ line.sku }}\n{% endfor %}", "1. A1\n2. B2\n"),
        ("{% for x in [] %}x{% else %}none{% endfor %}", "none"),
        ("{% if current.amount > 100 %}big{% elif nonsense %}?{% else %}small{% endif %}", "big"),
        ("{% set n = threshold + 1 %}{{ n }}{# a remark #}", "101"),
        ("{% for k, v in {'a': 1}.items() %}{{ k }}={{ v }}{% endfor %}", "a=1"),
    ],
)
def test_anything_else_becomes_text(source, expected):
    assert render(source) == expected


def test_templates_are_found_anywhere_in_a_config_and_the_rest_is_left_alone():
    config = {"to": "{{ current.sender }}", "deep": [{"n": ["{{ threshold }}", 1]}], "same": {"a": [1, 2]}}

    template = compile_template(config, "config")
    rendered = template.render(make_scope())

    assert rendered == {
        "to": "billing@mueller.example",
        "deep": [{"n": [100, 1]}],
        "same": {"a": [1, 2]},
    }
    assert rendered["same"] is config["same"]
    assert template.names == {"current", "threshold"}


def test_a_value_without_templates_is_constant_and_never_copied():
    config = {"a": [1, {"b": "no braces"}]}

    template = compile_template(config, "config")

    assert template.constant
    assert template.render({}) is config


def test_names_and_records_are_known_when_compiled_without_those_of_the_template_itself():
    loop = "{% for x in extract.items %}{% set y = x %}{{ y.name ~ loop.index ~ records.email_9.subject }}{% endfor %}"
    source = loop + "{{ vip }}"

    template = compile_template(source, "value")

    assert template.names == {"extract", "records", "vip"}
    assert template.record_ids == {"email_9"}


def test_a_record_shows_its_own_names_then_vars_then_fields_and_what_steps_change():
    data = {"fields": {"status": "paid", "category": "unknown", "sender": "a@b"}, "vars": {"category": "finance"}}
    scope = {"current": RecordView("email_001", "email", "processing", data)}
    template = compile_template("{{ [current.status, current.category, current.sender, current.fields.status] }}", "v")

    before = template.render(scope)
    data["vars"] = {"category": "sales", "status": "hidden"}

    assert before == ["processing", "finance", "a@b", "paid"]
    assert template.render(scope) == ["processing", "sales", "a@b", "paid"]


def test_a_record_as_a_whole_is_an_object():
    assert render("{{ records['order-17'] }}") == {
        "record_id": "order-17",
        "record_type": "order",
        "status": "complete",
        "fields": {"sender": "shop@example.com"},
        "vars": {},
        "targets": {},
    }


@pytest.mark.parametrize(
    ("source", "reason", "suggestion"),
    [
        ("{{ current.sunject }}", "`current.sunject` is not known here", "current.subject"),
        ("{{ curent.subject }}", "`curent` is not known here", "current"),
        ("{{ sender }}", "`sender` is not known here", "current.sender"),
        ("{{ extract.item[0] }}", "`extract.item` is not known here", "extract.items"),
        (
            "{{ extract.items[5].name }}",
            "`extract.items[5]` is not known here: `extract.items` is a list of length 2",
            None,
        ),
        ("{{ current.note.text }}", "`current.note.text` is not known here: `current.note` is empty (null)", None),
        ("{{ current.subject.text }}", "`current.subject.text` is not known here: `current.subject` is text", None),
        (
            "{{ records.email_9.sender }}",
            "`records.email_9` is not known here: the workflow has no record 'email_9'",
            None,
        ),
        ("{{ nonsense in [] }}", "`nonsense` is not known here", None),
        ("{{ current.lines | map(attribute='ski') }}", "an element has no `ski`", None),
        ("{{ 'a' + 1 }}", "`+` does not work between text and a number", None),
        ("{{ current.note > 3 }}", "`>` does not work between empty (null) and a number", None),
        ("{{ 1 / 0 }}", "it divides by zero", None),
        ("{{ 'abc' | int }}", "`int`: 'abc' is not a number; say what to take instead: `int(0)`", None),
        ("{{ [] | first }}", "the filter `first` finds nothing in a list that is empty; give a `default`", None),
        ("{{ 1e308 * 10 }}", "the result is inf, which is not a number that can be stored", None),
        (
            "{{ 'x' | regex_search('(?=x)') }}",
            "the regular expression '(?=x)' is not valid: invalid perl operator: (?=",
            None,
        ),
        ("{{ ''.upper.x }}", "`(…).upper` is not known here: `(…)` is text", None),
        ("{{ 5 | length }}", "a number has no length", None),
        ("{{ 'x' | to_datetime }}", "'x' is not a moment; write it as 2026-01-31 or 2026-01-31T14:00:00+01:00", None),
    ],
)
def test_a_failure_names_place_template_reason_and_the_nearest_match(source, reason, suggestion):
    with pytest.raises(ExpressionFailed) as caught:
        render(source)

    error = caught.value
    assert (error.where, error.template, error.reason, error.suggestion) == (
        "steps[0].config.value",
        source,
        reason,
        suggestion,
    )
    assert error.message.startswith(f"steps[0].config.value: {reason}.")


def test_an_unknown_field_lists_what_the_record_has():
    with pytest.raises(ExpressionFailed) as caught:
        render("Dear {{ current.sunject }}")

    assert caught.value.available[:3] == ("category", "subject", "sender")
    assert caught.value.data["suggestion"] == "current.subject"
    assert caught.value.message == (
        "steps[0].config.value: `current.sunject` is not known here. Available: category, subject, sender, amount, "
        "status, note, lines, record_id, record_type, fields, vars, targets. Did you mean `current.subject`? "
        "In `Dear {{ current.sunject }}`."
    )


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("{{ current.nothing | default('x') }}", "x"),
        ("{{ nothing.at.all | default('x') }}", "x"),
        ("{{ current.note | default('x') }}", None),
        ("{{ current.note | default('x', true) }}", "x"),
        ("{{ ([] | first) | default('x') }}", "x"),
        ("{{ records.gone.sender | default('x') }}", "x"),
        ("{{ current.nothing is defined }}", False),
        ("{{ current.subject is defined }}", True),
        ("{{ nothing is undefined }}", True),
        ("{{ current.lines | selectattr('discount', 'defined') | length }}", 0),
    ],
)
def test_only_default_and_defined_forgive_an_unknown_name(source, expected):
    assert render(source) == expected


@pytest.mark.parametrize("source", ["{{ current.amount > threshold }}", "current.amount > threshold", "true", True, 1])
def test_a_condition_is_written_with_or_without_braces(source):
    assert compile_expression(source, "when").test(make_scope()) is True


def test_a_condition_over_an_unknown_name_fails_instead_of_being_false():
    condition = compile_expression("current.vip and current.amount > 5", "steps[0].when")

    with pytest.raises(ExpressionFailed, match=r"`current.vip` is not known here"):
        condition.test(make_scope())


@pytest.mark.parametrize("source", ["{{ a }} == {{ b }}", "a == {{ b }}", "", "  ", "{% if a %}x{% endif %}"])
def test_a_condition_of_several_parts_is_refused(source):
    with pytest.raises(ExpressionInvalid, match=r"a condition is one expression"):
        compile_expression(source, "when")


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("{{ current.subject", "unexpected end of template, expected 'end of print statement'"),
        ("first\n{{ a b }}", "line 2: expected token 'end of print statement', got 'b'"),
        ("{{ current.subject | uper }}", "there is no filter `uper`. Did you mean `upper`?"),
        ("{{ 3 is evn }}", "there is no test `is evn`. Did you mean `even`?"),
        (
            "{{ len(current.lines) }}",
            "`len(...)` cannot be called; the functions are now(), range and dict. Did you mean `| length`?",
        ),
        ("{{ current.subject.uper() }}", "there is no method `uper()`. Did you mean `upper`?"),
        ("{{ 'x' | replace('y') }}", "the filter `replace` is used wrongly: missing a required argument: 'new'"),
        (
            "{{ records[current.id].sender }}",
            "write which record is meant: `records.email_001` or `records['order-17']`",
        ),
        ("{% include 'secrets' %}", "`{% include %}` cannot be used in templates; if, for and set can"),
        ("{% macro f() %}{% endmacro %}", "`{% macro %}` cannot be used in templates; if, for and set can"),
        ("{{ f(*a) }}", "`f(...)` cannot be called"),
        ("{{ now(*a) }}", "`*` and `**` cannot be used in a call"),
    ],
)
def test_what_cannot_be_compiled_is_refused_with_the_reason(source, reason):
    with pytest.raises(ExpressionInvalid) as caught:
        compile_template({"text": [source]}, "config")

    assert caught.value.message.startswith("config.text[0]: ")
    assert reason in caught.value.message


def test_a_template_takes_far_less_than_a_millisecond():
    template = compile_template("{{ (current.subject ~ ' ' ~ current.sender) | upper }}", "value")
    scope, spans = make_scope(), []

    for _ in range(500):
        began = time.perf_counter()
        template.render(scope)
        spans.append(time.perf_counter() - began)

    assert median(spans) < 0.0002
