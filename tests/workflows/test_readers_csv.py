"""CSV as spreadsheets and people write it."""

from pathlib import Path

import pytest

from workflows.readers import Item, Problem, read_csv


def read(folder: Path, content: str | bytes, encoding: str = "utf-8", **options) -> list[Item | Problem]:
    path = folder / "table.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode(encoding))
    return list(read_csv(path, **options))


def rows(folder: Path, content: str | bytes, encoding: str = "utf-8") -> list[dict]:
    items = read(folder, content, encoding)
    assert all(isinstance(item, Item) for item in items), items
    return [item.data for item in items]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_delimiter_and_encoding_are_found_out(tmp_path, delimiter, encoding):
    table = [["Name", "Ort", "Betrag"], ["Jörg Müller", "Köln", '"1.250,00"'], ["Zoë", '"a, b; c | d\te"', "7"]]
    text = "".join(delimiter.join(row) + "\r\n" for row in table)

    first, second = rows(tmp_path, text, encoding)

    assert first == {"Name": "Jörg Müller", "Ort": "Köln", "Betrag": "1.250,00"}
    assert second["Ort"] == "a, b; c | d\te"


@pytest.mark.parametrize(
    ("encoding", "text"),
    [
        ("cp1251", "язык,город\nфранцузский,Москва\n"),  # noqa: RUF001
        ("cp932", "名前,会社\n山田太郎,株式会社テスト\n"),
        ("gb18030", "姓名,公司\n王伟,北京科技\n"),
    ],
)
def test_other_scripts_are_recognised(tmp_path, encoding, text):
    assert list(rows(tmp_path, text * 5, encoding)[0].values()) == text.split("\n")[1].split(",")


def test_one_damaged_byte_does_not_turn_utf_8_into_something_else(tmp_path):
    content = b"name,city\n" + "Jörg,Köln\n".encode() * 20 + b"J\xffrg,Bonn\n"

    *_, before, damaged = rows(tmp_path, content)

    assert before["name"] == "Jörg"
    assert damaged["name"] == "J\ufffdrg"


def test_a_late_letter_beyond_ascii_decides_the_encoding(tmp_path):
    content = b"name,city\n" + b"Anna,Berlin\n" * 200_000 + "Jörg,Köln\n".encode("cp1252")

    assert rows(tmp_path, content)[-1] == {"name": "Jörg", "city": "Köln"}


def test_quotes_line_ends_and_empty_rows(tmp_path):
    text = 'sep=;\r\nid;note\r\n1;"two\r\nlines, ""quoted"""\r\n\r\n;\r\n2;5" pipe\r\n'

    first, second = read(tmp_path, text)

    assert first.data == {"id": "1", "note": 'two\r\nlines, "quoted"'}
    assert second.data == {"id": "2", "note": '5" pipe'}
    assert str(second.position) == "row 2 of table.csv (line 7)"
    assert rows(tmp_path, 'a, b\n1, "x, y"\n') == [{"a": "1", "b": "x, y"}]
    assert rows(tmp_path, "a,b\r1,2\r") == [{"a": "1", "b": "2"}]


def test_every_column_gets_a_name_of_its_own(tmp_path):
    [row] = rows(tmp_path, "name,,name, name ,column_2,\n1,2,3,4,5,6\n")

    assert list(row) == ["name", "column_2", "name_2", "name_3", "column_2_2", "column_6"]
    assert rows(tmp_path, "only\none\n") == [{"only": "one"}]
    assert rows(tmp_path, "") == rows(tmp_path, "a,b\n") == []
    wide = ",".join(f"c{number}" for number in range(200))
    assert len(rows(tmp_path, f"{wide}\n{wide}\n")[0]) == 200


def test_malformed_rows_are_named_by_line_and_the_rest_go_on(tmp_path):
    text = 'a,b\n1,2\n3\n4,5,6\n"x"y,7\n"never closed,8\n9,10\n11,12\n'

    items = read(tmp_path, text)

    assert [(item.position.line, item.reason) for item in items if isinstance(item, Problem)] == [
        (3, "the row has 1 columns, the header has 2"),
        (4, "the row has 3 columns, the header has 2"),
        (5, "a quote is out of place: ',' expected after '\"'"),
        (6, "a quoted field begins here and never ends"),
    ]
    assert [item.data["a"] for item in items if isinstance(item, Item)] == ["1", "9", "11"]
    assert [item.position.index for item in items] == [1, 2, 3, 4, 5, 6, 7]


def test_what_is_too_large_is_refused_and_the_rest_go_on(tmp_path):
    many_lines = "y, z\n" * 3000
    text = f'id,note\n1,{"x" * 3000}\n2,"{many_lines}"\n3,{"v" * 90_000}\n4,fine\n'

    *refused, item = read(tmp_path, text, max_field_bytes=2048)

    assert [problem.reason for problem in refused] == [
        "field 'note' has 2.9 KB, the limit is 2 KB",
        "the row has more than 8 KB",
        "the row has more than 8 KB",
    ]
    assert (item.data, item.position.line) == ({"id": "4", "note": "fine"}, 3005)


def test_nul_bytes_are_replaced(tmp_path):
    assert rows(tmp_path, b"a,b\nx\0y,2\n") == [{"a": "x\ufffdy", "b": "2"}]
