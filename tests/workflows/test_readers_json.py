"""JSON arrays, JSON Lines and single values, cut into items without reading the whole."""

import io
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workflows.readers import Item, Problem, jsonfile, read_json


def read(folder: Path, content: str | bytes, name: str = "items.json", **options) -> list[Item | Problem]:
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return list(read_json(path, **options))


def data(items: list[Item | Problem]) -> list[dict]:
    return [item.data for item in items if isinstance(item, Item)]


def reasons(items: list[Item | Problem]) -> list[tuple[int, str]]:
    return [(item.position.line, item.reason) for item in items if isinstance(item, Problem)]


def test_arrays_lines_and_single_objects_are_told_apart(tmp_path):
    items = [{"a": 1, "b": ["x", {"c": None}]}, {"a": 2.5, "b": "ü, ]}"}]
    as_lines = "\n".join(json.dumps(item) for item in items)

    assert data(read(tmp_path, json.dumps(items))) == items
    assert data(read(tmp_path, b"\xef\xbb\xbf\n " + json.dumps(items, indent=2, ensure_ascii=False).encode())) == items
    assert data(read(tmp_path, json.dumps(items).encode("utf-16"))) == items
    assert data(read(tmp_path, as_lines)) == data(read(tmp_path, as_lines + "\n\n", "items.jsonl")) == items
    assert data(read(tmp_path, json.dumps(items[0], indent=2))) == items[:1]
    assert data(read(tmp_path, '["x", 3]')) == [{"value": "x"}, {"value": 3}]
    assert read(tmp_path, "[ ]") == read(tmp_path, "") == []


@given(
    items=st.lists(
        st.recursive(
            st.none() | st.integers() | st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)
        )
    ),
    chunk=st.integers(1, 7),
    indent=st.sampled_from([None, 1]),
    ascii_only=st.booleans(),
)
def test_an_array_is_cut_right_wherever_a_chunk_ends(items, chunk, indent, ascii_only):
    text = json.dumps(items, indent=indent, ensure_ascii=ascii_only)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(jsonfile, "_CHUNK_CHARS", chunk)
        pieces = [json.loads(piece.text) for piece in jsonfile._Elements(10**6).of(io.StringIO(text))]

    assert pieces == items


def test_a_malformed_element_does_not_stop_the_others(tmp_path):
    items = read(tmp_path, '[\n{"a": 1},\n{"a": },\n{"a": 2}},\n\n{"a":\n NaN}, {"a": 1e999},, {"a": 3}]')

    assert data(items) == [{"a": 1}, {"a": 3}]
    assert [line for line, _ in reasons(items)] == [3, 4, 6, 7, 7]
    first, second, third, fourth, fifth = (reason for _, reason in reasons(items))
    assert first == "it is not valid JSON: Expecting value (line 3, near '{\"a\": }')"
    assert "Extra data" in second
    assert third == "it cannot be stored: NaN is not a JSON number"
    assert fourth == "it cannot be stored: the number 1e999 is too large"
    assert fifth == "nothing stands between two commas"
    assert [item.position.index for item in items] == [1, 2, 3, 4, 5, 6, 7]


def test_a_malformed_line_does_not_stop_the_others(tmp_path):
    items = read(tmp_path, '{"a": 1}\n{"a": \n\n[2]\n{"a": 3}\n')

    assert data(items) == [{"a": 1}, {"value": [2]}, {"a": 3}]
    assert str(items[1]).startswith("line 2 of items.json (line 2): it is not valid JSON: Expecting value")


def test_a_wrong_end_of_the_array_is_reported(tmp_path):
    cut_off = read(tmp_path, '[{"a": 1},\n{"a": 2')
    surplus = read(tmp_path, '[{"a": 1}]\n[2]')

    assert data(cut_off) == data(surplus) == [{"a": 1}]
    assert [line for line, _ in reasons(cut_off)] == [2, 2]
    assert reasons(cut_off)[1] == (2, "the file ends before the array is closed")
    assert reasons(surplus) == [(1, "something follows the end of the array: '[2]'")]
    assert "not valid JSON" in reasons(read(tmp_path, "hello"))[0][1]


def test_what_postgresql_cannot_store_is_replaced(tmp_path):
    text = '[{"a\\u0000": "x\\u0000y", "b": ["\\ud800", "\\ud83d\\ude00"]}, {"raw": "p\0q"}]'

    assert data(read(tmp_path, text)) == [{"a\ufffd": "x\ufffdy", "b": ["\ufffd", "😀"]}, {"raw": "p\ufffdq"}]


def test_too_large_and_too_deep_is_refused_and_the_rest_go_on(tmp_path):
    deep = "[" * 101 + "]" * 101
    elements = [{"a": "x" * 3000}, {"b": ["y" * 9000]}, {"c": "fine"}]
    expected = ["field 'a' has 2.9 KB, the limit is 2 KB", "has 8.8 KB, the limit is 8 KB"]

    for text in (json.dumps(elements), "\n".join(map(json.dumps, elements))):
        items = read(tmp_path, text, max_field_bytes=2048)
        assert data(items) == [{"c": "fine"}]
        for (_, reason), words in zip(reasons(items), expected, strict=True):
            assert words in reason
    assert "nested more than 100 deep" in reasons(read(tmp_path, f"[{deep}]"))[0][1]
    assert "nested more than 100 deep" in reasons(read(tmp_path, f"[{'[' * 100_000}{']' * 100_000}]"))[0][1]
    assert "the value has" in reasons(read(tmp_path, '{\n"a":"' + "x" * 9000 + '"}', max_field_bytes=2048))[0][1]
