"""Reading a document's text: YAML by its 1.2 core schema, JSON, and what is refused with line and column."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workflows.definition.documents import dump_yaml, read_document
from workflows.errors import DefinitionUnreadable


def read(text, format=None):
    return read_document(text, format)[0]


def test_yaml_is_read_by_the_core_schema_of_1_2():
    text = """
    on: yes
    off: No
    answer: y
    truths: [true, True, TRUE, false]
    nothing: [null, ~, Null, ]
    numbers: [1, -7, 0o17, 0x1F, 1.5, 1e3, -.5, 010]
    texts: [2026-01-31, 12:30:00, 1_000, '1', "true", 0b1, .5.5, =, <<]
    tagged: !!str 12
    """

    assert read(text) == {
        "on": "yes",
        "off": "No",
        "answer": "y",
        "truths": [True, True, True, False],
        "nothing": [None, None, None],
        "numbers": [1, -7, 15, 31, 1.5, 1000, -0.5, 10],
        "texts": ["2026-01-31", "12:30:00", "1_000", "1", "true", "0b1", ".5.5", "=", "<<"],
        "tagged": "12",
    }


def test_aliases_stand_for_what_was_anchored():
    assert read("a: &x {n: [1, 2]}\nb: *x\nc: [*x]\n") == {"a": {"n": [1, 2]}, "b": {"n": [1, 2]}, "c": [{"n": [1, 2]}]}


def test_the_places_of_all_values_are_known():
    _, positions = read_document("name: x\nsteps:\n  - alias: a\n    config: {value: 1}\n", None)

    assert positions["steps[0].config.value"] == (4, 14)
    assert positions["steps[0]"] == (3, 5)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name: x\nsteps: [1, 2\nend: 1\n", "YAML, line 3, column 4: did not find expected ',' or ']'."),
        ("name: x\n\tbad: 1\n", "YAML, line 2, column 1: found a tab character that violates indentation."),
        ("a: 1\nb: 2\na: 3\n", "YAML, line 3, column 1: the key 'a' stands twice in one object."),
        ("a: 1\n---\nb: 1\n", "YAML, line 2, column 1: a second document begins; a definition is one document."),
        ("a: *x\n", "YAML, line 1, column 4: there is no anchor &x that is complete before *x."),
        ("a: &x [*x]\n", "YAML, line 1, column 8: there is no anchor &x that is complete before *x."),
        ("1: a\n", "YAML, line 1, column 1: the key 1 is not text; put it in quotes."),
        ("? [a]\n: b\n", "YAML, line 1, column 3: a list or object cannot be a key."),
        ("a: !!python/object/apply:os.system [x]\n", "YAML, line 1, column 4: the tag tag:yaml.org,2002:python"),
        ("a: !secret x\n", "YAML, line 1, column 4: the tag !secret is not known; a definition holds plain values"),
        ("a: .nan\n", "YAML, line 1, column 4: nan is not a number that can be stored."),
        (
            "a: 99999999999999999999\n",
            "YAML, line 1, column 4: a number is beyond 64 bits; write it as text, in quotes.",
        ),
        (
            'a: "x\\0y"\n',
            "YAML, line 1, column 4: the text 'x\\x00y' holds the character U+0000, which cannot be stored.",
        ),
        ('a: "\\ud800"\n', "YAML, line 1, column"),
        ("a: 1\nb: \x07\n", "YAML, line 2, column"),
        ('{"a": 1,\n "b": }', "JSON, line 2, column 7: expecting value."),
        ('{"a": 1, "a": 2}', "JSON: the key 'a' stands twice in one object."),
        ('{"a": NaN}', "JSON: NaN is not a number that can be stored."),
        ('{"a": 99999999999999999999}', "JSON: a number is beyond 64 bits; write it as text, in quotes."),
        ('{"a": "\\u0000"}', "JSON: the text '\\x00' holds the character U+0000, which cannot be stored."),
        ('{"a": "\\ud800"}', "JSON: the text '\\ud800' holds the character U+D800, which cannot be stored."),
        ("[" * 100_000, "JSON: it is nested more than 150 deep."),
        ('{"a":' * 200 + "1" + "}" * 200, "JSON: it is nested more than 150 deep."),
        ("a: " + "[" * 200 + "]" * 200, "YAML, line 1, column 153: it is nested more than 150 deep."),
        ("- " * 5000, "YAML, line 1, column 301: it is nested more than 150 deep."),
        ("x" * 1_100_000, "Document: it has more than 1,048,576 bytes, the limit of a definition."),
    ],
)
def test_what_cannot_be_read_is_refused_with_its_place(text, message):
    with pytest.raises(DefinitionUnreadable) as caught:
        read(text)

    assert caught.value.message.startswith(message)


def test_aliases_that_multiply_are_refused_at_once():
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 30)]
    began = time.thread_time()

    with pytest.raises(DefinitionUnreadable, match="more than 100,000 values"):
        read("\n".join(lines))

    assert time.thread_time() - began < 1


def test_long_text_that_is_repeated_by_aliases_counts_with_its_length():
    text = f"a: &a {'x' * 500_000}\nb: [{', '.join(['*a'] * 5000)}]"

    with pytest.raises(DefinitionUnreadable, match="more than 100,000 values"):
        read(text)


values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text("abon:y1 -#", max_size=5), inner, max_size=4),
    max_leaves=12,
)
tricky = st.sampled_from(
    [
        "on",
        "yes",
        "no",
        "~",
        "1",
        "0o7",
        "1e3",
        "2026-01-31",
        "<<",
        "=",
        "- a",
        "a: b",
        "x\n  y\n",
        "{{ a }}",
        " x ",
        "",
    ]
)


@given(values | st.lists(tricky) | st.dictionaries(tricky, tricky))
def test_what_is_written_as_yaml_is_read_as_the_same(value):
    value = without_nul(value)

    assert read(dump_yaml(value), "yaml") == value


def without_nul(value):
    """What a document may hold: no NUL, and no line end that YAML would not keep."""
    if isinstance(value, str):
        return value.replace("\x00", "")
    if isinstance(value, dict):
        return {without_nul(key): without_nul(item) for key, item in value.items()}
    return [without_nul(item) for item in value] if isinstance(value, list) else value
