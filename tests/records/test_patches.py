"""Patches by path: the pure function is the model, the SQL function must mean the same."""

import copy
import json

import pytest
from django.db import connection
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from records.errors import PathInvalid
from records.patches import apply, delete_at, format_path, obstacle, parse_path, set_at


def with_lines(*lines):
    return {"fields": {"subject": "Invoice 7", "lines": [*lines]}}


RECORD = {**with_lines({"amount": 4}, {"amount": 5}), "vars": {"kind": None}}

keys = st.sampled_from(["a", "b", "", "x y", 'quo"te', "é", "0", "1"])
scalars = st.none() | st.booleans() | st.integers(-5, 5) | st.sampled_from(["", "text", "ü\u2028"])
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=3),
    max_leaves=12,
)
paths = st.lists(keys | st.integers(0, 4), max_size=4)
operations = st.lists(
    st.builds(set_at, paths, values)
    | st.builds(delete_at, paths)
    | st.builds(lambda path: {"op": "set", "path": path}, paths),
    max_size=4,
)


def patched_by_sql(data, ops):
    query = "SELECT director_patch(%s::jsonb, %s::jsonb)::text"
    with connection.cursor() as cursor:
        cursor.execute(query, [json.dumps(data), json.dumps(ops)])
        return json.loads(cursor.fetchone()[0])


@pytest.mark.django_db
@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=values, ops=operations)
def test_the_sql_function_means_the_same_as_the_pure_one_and_the_input_is_untouched(data, ops):
    before = copy.deepcopy(data)

    assert patched_by_sql(data, ops) == apply(data, ops)
    assert data == before


@pytest.mark.parametrize(
    ("path", "value", "found_at"),
    [
        ("vars.kind", "finance", {"vars": {"kind": "finance"}}),
        ("vars.lead.company", "Nordwerk", {"vars": {"kind": None, "lead": {"company": "Nordwerk"}}}),
        ("targets.airtable", "rec1", {"targets": {"airtable": "rec1"}}),
        ("fields.lines[1].amount", 6, with_lines({"amount": 4}, {"amount": 6})),
        ("fields.lines[9]", {}, with_lines({"amount": 4}, {"amount": 5}, {})),
    ],
)
def test_a_set_makes_missing_parents_and_appends_beyond_the_end(path, value, found_at):
    assert apply(RECORD, [set_at(parse_path(path), value)]) == {**RECORD, **found_at}


def test_a_delete_takes_away_keys_and_list_items_and_ignores_what_is_not_there():
    paths = ("fields.lines[0]", "vars.kind", "vars.nothing.there", "fields.lines[7]")

    assert apply(RECORD, [delete_at(parse_path(path)) for path in paths]) == {
        "fields": {"subject": "Invoice 7", "lines": [{"amount": 5}]},
        "vars": {},
    }


def test_an_obstacle_is_what_a_set_would_replace():
    assert obstacle(RECORD, parse_path("fields.subject.text")) == ("fields", "subject")
    assert obstacle(RECORD, parse_path("fields.lines.total")) == ("fields", "lines")
    assert obstacle(RECORD, parse_path("vars.kind.name")) is None
    assert obstacle(RECORD, parse_path("fields.lines[0].amount")) is None


writable_keys = st.text(st.characters(codec="utf-8"))


@given(st.lists(writable_keys | st.integers(0, 99_999), max_size=6))
def test_a_formatted_path_is_read_back_as_the_same_keys(rest):
    path = ("fields", *rest)

    assert parse_path(format_path(path)) == path


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("", "must begin with fields, vars or targets"),
        ("category", "must begin with fields, vars or targets"),
        ("vars..x", "cannot be read at character 5"),
        ("vars.", "cannot be read at character 5"),
        (".vars", "cannot be read at character 1"),
        ("vars[x]", "cannot be read at character 5"),
        ("vars[-1]", "cannot be read at character 5"),
        ('vars["\\q"]', 'has a key that cannot be read: "\\q"'),
        ("vars[100000]", "has an index outside 0 to 99999"),
        ("vars" + ".x" * 40, "is deeper than 32 keys"),
    ],
)
def test_a_path_that_leads_nowhere_is_refused_with_the_place(text, rule):
    with pytest.raises(PathInvalid) as refused:
        parse_path(text)

    assert refused.value.rule == rule
