"""Mail as it is found: separators, encodings, damage."""

import json
from pathlib import Path

import pytest

from workflows.readers import Item, Problem, read_mailbox
from workflows.readers.errors import SourceUnreadable
from workflows.readers.html import html_to_text

SAMPLE = Path(__file__).parents[2] / "samples" / "inbox.mbox"
SEPARATOR = "From ada@example.org Mon Nov  9 08:02:11 2026\n"


def read(folder: Path, text: str | bytes, name: str = "box.mbox", **options) -> list[Item | Problem]:
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return list(read_mailbox(path, **options))


def message(folder: Path, text: str | bytes) -> dict:
    [item] = read(folder, text, "one.eml")
    assert isinstance(item, Item), item
    return item.data


@pytest.fixture(scope="module")
def sample() -> dict[int, dict]:
    return {item.position.index: item.data for item in read_mailbox(SAMPLE) if isinstance(item, Item)}


def test_the_sample_gives_its_messages_and_names_its_malformed_ones(sample):
    problems = [item for item in read_mailbox(SAMPLE) if isinstance(item, Problem)]

    assert len(sample) == 38
    assert [problem.position.index for problem in problems] == [17, 31]
    assert "no headers; it begins 'queue id 4C21F3" in str(problems[0])
    assert str(problems[1].position).startswith("message 31 of inbox.mbox (byte ")
    assert problems[1].reason == "the message is empty"


def test_the_fields_of_a_message(sample):
    quote = sample[14]

    assert quote["message_id"] == "fernhill-library-1@fernhillschool.example"
    assert quote["sender"] == "Lee Anders <lee.anders@fernhillschool.example>"
    assert (quote["sender_name"], quote["sender_email"]) == ("Lee Anders", "lee.anders@fernhillschool.example")
    assert quote["recipients"] == ["sales@harbourpine.example"]
    assert quote["date"] == "2026-11-10T14:02:51+00:00"
    assert quote["text"].startswith("Hello,\n\nour school library")
    assert quote["text"].endswith("Fernhill School")
    assert quote["attachments"] == [
        {"filename": "floor plan.pdf", "content_type": "application/pdf", "size_bytes": 217}
    ]
    assert sample[15]["in_reply_to"] == "case-30772@harbourpine.example"
    assert sample[4]["list_id"] == "weekly.news.timberweekly.example"
    assert sample[4]["reply_to"] == "no-reply@news.timberweekly.example"
    assert sample[6]["recipients"] == ["sales@harbourpine.example", "direzione@ostello-alpino.example"]


def test_headers_and_bodies_in_many_encodings(sample):
    assert sample[8]["subject"] == "見積もりのお願い: ダイニングテーブル20台"
    assert sample[8]["sender_name"] == "山田 花子"
    assert "オーク材のダイニングテーブル20台" in sample[8]["text"]
    assert sample[5]["subject"] == "Rechnung 2026-1187 über Scharniere und Griffe"
    assert "Jürgen Brückner" in sample[5]["text"]
    assert "Montant total : 1\u00a0102,50 €" in sample[12]["text"]
    assert sample[32]["subject"] == "Współpraca / partnership for a hotel project"
    assert "I spilled red wine" in sample[33]["text"]  # its charset does not exist


def test_html_is_read_only_where_there_is_no_plain_text(sample):
    assert sample[4]["has_html"]
    assert sample[4]["text"].startswith("TIMBER WEEKLY, ISSUE 45\n")
    assert sample[10]["text"].startswith("Hello Harbour & Pine,\n\nhere is what you used in October:\n\nItem Price\n")
    assert "Amount due: $114.20" in sample[10]["text"]
    assert "track(" not in sample[10]["text"]
    assert "padding" not in sample[10]["text"]


def test_text_that_is_shown_in_place_is_no_attachment(tmp_path):
    head = "Content-Type: text/html\nContent-Disposition: "

    inline = message(tmp_path, f"{head}inline; filename=a.html\n\n<p>Hello")
    attached = message(tmp_path, f"{head}attachment; filename*=utf-8''..%2Fgr%C3%BC%C3%9Fe.html\n\n<p>Hello")

    assert (inline["text"], inline["has_html"], inline["attachments"]) == ("Hello", True, [])
    assert (attached["text"], attached["has_html"]) == ("", False)
    assert attached["attachments"] == [{"filename": "grüße.html", "content_type": "text/html", "size_bytes": 8}]


def test_a_message_without_an_id_gets_the_same_one_wherever_it_is_stored(tmp_path):
    text = "From: a@example.org\nSubject: No id\n\nHello\n"

    [in_mbox] = read(tmp_path, SEPARATOR + text + "\n")
    identifiers = {in_mbox.data["message_id"], message(tmp_path, text)["message_id"]}
    identifiers.add(message(tmp_path, text.replace("\n", "\r\n"))["message_id"])

    assert len(identifiers) == 1
    assert identifiers.pop().startswith("sha256:")
    assert message(tmp_path, text + "more\n")["message_id"] != in_mbox.data["message_id"]


def test_only_a_separator_after_an_empty_line_begins_a_message(tmp_path):
    prose = "\nFrom here on it rains.\n>From there too.\n>>From afar.\n"
    body = f"{prose}From x Mon Nov  9 08:02:11 2026\n\nFrom Mon to Fri 9:00\n"
    thunderbird = "From \nSubject: bare\n\nbye\n"

    first, second = read(tmp_path, f"\n{SEPARATOR}Subject: one\n{body}\n{thunderbird}")

    assert first.data["text"] == body.replace(">From", "From").strip()
    assert (second.data["subject"], second.data["text"]) == ("bare", "bye")
    assert second.position.offset == len(f"\n{SEPARATOR}Subject: one\n{body}\n")


def test_damage_costs_only_the_damaged_part(tmp_path):
    broken_part = "Content-Type: multipart/mixed; boundary=x\n\n--x\n\nfirst\n--x\nContent-Type: image/png\n"
    no_boundary = "Content-Type: multipart/mixed\n\njust text\n"
    deep = "".join(f"Content-Type: multipart/mixed; boundary=b{n}\n\n--b{n}\n" for n in range(2000))

    read_back = read(
        tmp_path, "\n".join(SEPARATOR + part for part in (broken_part, no_boundary, deep, "Subject: end\n\n"))
    )

    assert [item.data["text"] for item in read_back if isinstance(item, Item)] == ["first", "just text", ""]
    assert "cannot be parsed: RecursionError" in read_back[2].reason
    assert read_back[3].data["subject"] == "end"


def test_what_postgresql_cannot_store_is_replaced(tmp_path):
    data = message(tmp_path, b"Subject: a\0b =?utf-7?Q?+2AA-?=\nFrom: \xff\0 <a@b\0.example>\n\nx\0y \xed\xa0\x80\n")

    stored = json.dumps(data, ensure_ascii=False)
    assert "\0" not in stored
    assert "\\u0000" not in stored
    stored.encode()  # would fail for a lone surrogate
    assert data["subject"].startswith("a\ufffdb")


def test_odd_headers_are_read_as_far_as_they_go(tmp_path):
    data = message(
        tmp_path,
        b"From: sales (M\xfcller) at nowhere\nTo: =?x?q?broken, c@d.example,\n e@f.example\nCc: c@d.example\n"
        b"Date: Mon, 07 Oct 102 12:00:00\nSubject: caf\xc3\xa9 =?utf-8?b?!?= =?unknown?q?ok?=\n"
        b"Content-Type: text/plain; charset=idna\n\ntext\n",
    )

    assert (data["sender_email"], data["date"]) == ("", "2002-10-07T12:00:00+00:00")
    assert data["sender"] == "sales (Müller) at nowhere"
    assert data["recipients"] == ["c@d.example", "e@f.example"]
    assert data["subject"].startswith("café ")
    assert data["text"] == "text"
    assert message(tmp_path, "Subject: x\nDate: yesterday\n\n")["date"] is None


def test_what_is_too_large_is_refused_with_its_size_and_the_limit(tmp_path):
    field = SEPARATOR + "Subject: one\n\n" + "x" * 3000 + "\n\n"
    whole = SEPARATOR + "Subject: two\n\n" + "y" * 9000 + "\n\n"
    header = SEPARATOR + "Subject: three\nTo: " + "a@b.example, " * 30_000 + "\n\n\n"
    small = SEPARATOR + "Subject: four\n\nfine\n"

    *refused, item = read(tmp_path, field + whole + small, max_field_bytes=2048, max_message_bytes=8192)
    [problem] = read(tmp_path, header)

    assert [problem.reason for problem in refused] == [
        "field 'text' has 2.9 KB, the limit is 2 KB",
        "the message has 8.8 KB, the limit is 8 KB",
    ]
    assert item.data["text"] == "fine"
    assert problem.reason == "header 'To' has 380.9 KB, the limit is 256 KB"


def test_folders_of_messages_and_maildirs_are_read_in_order_of_name(tmp_path):
    folder, maildir = tmp_path / "mail", tmp_path / "maildir"
    folder.mkdir()
    for name in ("b.eml", "a.EML", "notes.txt"):
        (folder / name).write_text(f"Subject: {name}\n\n")
    (folder / "link.eml").symlink_to(tmp_path / "elsewhere")
    for box, name in (("cur", "200.b:2,S"), ("new", "300.c"), ("cur", "100.a:2,"), ("tmp", "400.d")):
        (maildir / box).mkdir(parents=True, exist_ok=True)
        (maildir / box / name).write_text(f"Subject: {name}\n\n")

    first, second, link = read_mailbox(folder)

    assert [first.data["subject"], second.data["subject"]] == ["a.EML", "b.eml"]
    assert str(link) == "message 3 of mail/link.eml: it is a link or a special file; only plain files are read"
    assert [item.data["subject"] for item in read_mailbox(maildir)] == ["100.a:2,", "200.b:2,S", "300.c"]


def test_what_is_no_mailbox_is_refused(tmp_path):
    (tmp_path / "notes.txt").write_text("")

    assert read(tmp_path, "") == []
    with pytest.raises(SourceUnreadable, match="neither"):
        list(read_mailbox(tmp_path / ".." / tmp_path.name))
    with pytest.raises(SourceUnreadable, match="No such file"):
        list(read_mailbox(tmp_path / "absent.mbox"))
    assert "no headers; it begins 'a;b;c'" in str(read(tmp_path, "a;b;c\n1;2;3\n")[0])


def test_html_of_any_shape_becomes_text_in_linear_time():
    assert html_to_text("a<br>b<p>c</p><p>d &lt;e&gt; <b>f</b>g<ul><li>h<li>i</ul><!-- no --><title>x") == (
        "a\nb\n\nc\n\nd <e> fg\n\nh\ni"
    )
    assert html_to_text("<div>" * 100_000 + "<!--" * 100_000) == ""
    assert html_to_text("<?xml version='1.0' encoding='latin-1'?><p>caf\u00e9 \u20ac</p>") == "café €"
