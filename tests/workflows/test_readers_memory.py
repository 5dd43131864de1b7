"""A file of any size is read in little memory."""

import json
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from workflows.readers import Item, Problem, read_csv, read_json, read_mailbox

MEGABYTE = 1024 * 1024
TEXT = ("It rains on the harbour, and the pines do not mind. " * 40)[:2000]


def mbox(file_bytes: int) -> Iterator[str]:
    body = f"{TEXT}\n" * 250
    message = f"From a@b.example Mon Nov  9 08:02:11 2026\nFrom: a@b.example\nSubject: Rain\n\n{body}\n"
    return (message for _ in range(file_bytes // len(message)))


def csv(file_bytes: int) -> Iterator[str]:
    yield "id,text\n"
    yield from (f'{number},"{TEXT}"\n' for number in range(file_bytes // len(TEXT)))


def json_array(file_bytes: int) -> Iterator[str]:
    yield "["
    yield from (json.dumps({"id": number, "text": TEXT}) + "," for number in range(file_bytes // len(TEXT)))
    yield "{}]"


@pytest.mark.parametrize(
    ("name", "content", "reader"),
    [("box.mbox", mbox, read_mailbox), ("table.csv", csv, read_csv), ("items.json", json_array, read_json)],
)
def test_fifty_megabytes_are_read_in_ten(
    tmp_path: Path,
    name: str,
    content: Callable[[int], Iterator[str]],
    reader: Callable[[Path], Iterator[Item | Problem]],
):
    path = tmp_path / name
    with path.open("w") as file:
        file.writelines(content(50 * MEGABYTE))

    tracemalloc.start()
    try:
        read = sum(isinstance(item, Item) for item in reader(path))
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert read >= 100
    assert peak_bytes < 10 * MEGABYTE


@pytest.mark.parametrize(
    ("name", "before", "after", "reader"),
    [
        ("box.mbox", "From a@b.example Mon Nov  9 08:02:11 2026\nSubject: large\n\n", "", read_mailbox),
        ("table.csv", 'id,text\n1,"', '"\n', read_csv),
        ("items.json", '[{"text": "', '"}]', read_json),
        ("items.jsonl", '{"text": "', '"}\n', read_json),
    ],
)
def test_a_field_of_fifty_megabytes_is_refused_without_being_held(tmp_path, name, before, after, reader):
    path = tmp_path / name
    with path.open("w") as file:
        file.write(before)
        file.writelines("x" * MEGABYTE for _ in range(50))
        file.write(after)

    tracemalloc.start()
    try:
        [problem] = reader(path)
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert "MB" in problem.reason
    assert peak_bytes < 80 * MEGABYTE
