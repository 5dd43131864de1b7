"""JSON as PostgreSQL takes it, and the place of what it would not take."""

import pytest

from director.jsontools import ValueInvalid, canonical, dumps, loads


def nested(depth):
    value = 1
    for _ in range(depth):
        value = [value]
    return value


def test_plain_values_become_compact_json():
    assert dumps({"a": [1, 2.5, None, True], "ä": "\\u0000"}) == '{"a":[1,2.5,null,true],"ä":"\\\\u0000"}'.encode()


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({"a": [{"b": "x\x00y"}]}, "a[0].b holds a NUL character at position 2, which cannot be stored."),
        (
            {"a": ["\ud800"]},
            "a[0] holds half of a character (lone surrogate U+D800) at position 1, which cannot be stored.",
        ),
        ("\x00", "The value holds a NUL character at position 1, which cannot be stored."),
        ({"a": {"x\x00": 1}}, "A key of a holds a NUL character at position 2, which cannot be stored."),
        ({"a": {1: 2}}, "A key of a is 1, but keys must be text."),
        ({"n": 2**64}, "n is a number beyond 64 bits; keep it as text."),
        ({"n": -(2**63) - 1}, "n is a number beyond 64 bits; keep it as text."),
        ({"o": object()}, "The value cannot be stored: Type is not JSON serializable: object."),
    ],
)
def test_what_cannot_be_stored_is_refused_by_its_path(value, message):
    with pytest.raises(ValueInvalid) as caught:
        dumps(value)

    assert caught.value.message == message


@pytest.mark.parametrize("depth", [300, 100_000])
def test_what_is_nested_too_deep_is_refused(depth):
    with pytest.raises(ValueInvalid, match="is nested more than 200 deep"):
        dumps(nested(depth))


def test_equal_values_have_equal_canonical_bytes():
    assert canonical({"b": 1, "a": {"d": 1, "c": 2}}) == canonical({"a": {"c": 2, "d": 1}, "b": 1})


def test_text_that_is_no_json_is_refused_with_its_place():
    with pytest.raises(ValueInvalid, match=r"is not JSON: .*line 1 column 7"):
        loads('{"a": }')
