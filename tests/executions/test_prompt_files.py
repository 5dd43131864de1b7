"""Files that come with an answer: by page and by REST, of the kinds and sizes that the field takes, for those who see it."""

from pathlib import Path

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from executions import control, uploads
from executions.models import HumanPrompt
from executions.prompts import due as prompt_due
from executions.prompts import services as prompts
from executions.prompts.errors import AnswerInvalid
from tests.executions.prompting import ask, person
from tests.executions.running import drive, outputs, publish
from workflows.errors import DefinitionInvalid

pytestmark = pytest.mark.django_db(transaction=True)

MODAL = {"HX-Request": "true", "HX-Target": "modal"}
PAPER = """
director: 1
name: Papers
steps:
  - alias: paper
    type: human_prompt
    config:
      title: Which?
      fields:
        required: [scan]
        properties:
          scan: {format: file, title: Scan, accept: [.pdf, .png], maxBytes: 40}
          seats: {type: integer, maximum: 5}
"""
SCAN = b"%PDF-1.7 paid"


@pytest.fixture(autouse=True)
def folder(settings, tmp_path) -> Path:
    settings.UPLOADS_DIR = tmp_path
    return tmp_path


@pytest.fixture
def prompt() -> HumanPrompt:
    (asked,) = ask(definition=PAPER)[1]
    return asked


def client_of(name: str) -> Client:
    client = Client()
    client.force_login(person(name))
    return client


def scan(name: str = "../Rechnung März.pdf", content: bytes = SCAN) -> SimpleUploadedFile:
    return SimpleUploadedFile(name, content)


def files_in(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


def test_a_file_comes_with_the_form_and_is_for_those_who_see_the_prompt(prompt, folder):
    client, url = client_of("owner"), f"/prompts/{prompt.pk}/"
    assert 'accept=".pdf,.png"' in client.get(url).content.decode()

    response = client.post(url, {"action": "approve", "field.scan": scan()}, headers=MODAL)

    assert response.status_code == 204, response.content.decode()
    drive(prompt.execution)
    stored = outputs(prompt.execution, "paper")[0]["fields"]["scan"]
    assert (stored["name"], stored["size"]) == ("Rechnung März.pdf", 13)
    assert (folder / stored["path"]).read_bytes() == SCAN
    file = client.get(f"{url}file/scan/")
    assert b"".join(file.streaming_content) == SCAN
    assert file["Content-Disposition"] == "attachment; filename*=utf-8''Rechnung%20M%C3%A4rz.pdf"
    assert "Rechnung März.pdf</a>" in client.get(url, headers=MODAL).content.decode()
    assert client_of("stranger").get(f"{url}file/scan/").status_code == 404


def test_a_file_that_was_taken_stays_while_another_field_is_mended(prompt, folder):
    client, url = client_of("owner"), f"/prompts/{prompt.pk}/"

    refused = client.post(url, {"action": "approve", "field.scan": scan(), "field.seats": "6"}, headers=MODAL)
    html = refused.content.decode()
    kept = html.split('name="field.scan.kept" value="')[1].split('"')[0].replace("&quot;", '"')
    again = client.post(url, {"action": "approve", "field.scan.kept": kept, "field.seats": "5"}, headers=MODAL)

    assert (refused.status_code, "Must be at most 5." in html) == (422, True)
    assert again.status_code == 204, again.content.decode()
    assert len(files_in(folder)) == 1


def test_rest_takes_a_file_names_it_in_the_answer_and_gives_it_back(prompt, folder):
    client, url = client_of("owner"), f"/api/prompts/{prompt.pk}"

    first, taken = (client.post(f"{url}/files/scan", {"file": scan()}) for _ in range(2))
    assert (first.status_code, client.get(f"{url}/files/scan").json()["code"]) == (201, "prompt_file_not_found")
    answer = {"action": "approve", "data": {"scan": taken.json()}}
    answered = client.post(f"{url}/answer", answer, "application/json")

    assert answered.status_code == 200, answered.json()
    assert b"".join(client.get(f"{url}/files/scan").streaming_content) == SCAN
    assert client_of("stranger").get(f"{url}/files/scan").status_code == 404
    assert [str(path.relative_to(folder)) for path in files_in(folder)] == [taken.json()["path"]]  # the first one went
    assert client.post(f"{url}/files/scan", {"file": scan()}).json()["code"] == "prompt_answered"


@pytest.mark.parametrize(
    ("name", "content", "code", "said"),
    [
        ("paid.exe", SCAN, "accept", "paid.exe is not of a kind that is taken here: .pdf, .png."),
        ("paid.pdf", b"x" * 41, "too_large", "paid.pdf has 41 bytes; at most 40 are taken."),
    ],
)
def test_a_file_of_another_kind_or_size_is_refused_at_its_field_and_not_kept(prompt, folder, name, content, code, said):
    client = client_of("owner")
    page = client.post(
        f"/prompts/{prompt.pk}/", {"action": "approve", "field.scan": scan(name, content)}, headers=MODAL
    )
    rest = client.post(f"/api/prompts/{prompt.pk}/files/scan", {"file": scan(name, content)})

    assert (page.status_code, said in page.content.decode()) == (422, True)
    assert (rest.status_code, rest.json()["errors"]) == (422, [{"pointer": "/data/scan", "detail": said, "code": code}])
    assert files_in(folder) == []


def test_who_is_not_asked_uploads_nothing_and_no_other_field_takes_a_file(prompt, folder):
    prompt.users = [person("priya").pk]
    prompt.save(update_fields=["users"])
    url = f"/api/prompts/{prompt.pk}/files"

    assert client_of("owner").post(f"{url}/scan", {"file": scan()}).status_code == 403
    assert client_of("stranger").post(f"{url}/scan", {"file": scan()}).status_code == 404
    assert 'Did you mean "scan"?' in client_of("priya").post(f"{url}/scam", {"file": scan()}).json()["detail"]
    assert files_in(folder) == []


def test_a_path_is_no_permission_and_what_an_answer_says_of_a_file_is_checked(prompt, folder, monkeypatch):
    stored = prompts.upload(prompt, user=person("owner"), field="scan", file=scan())
    (folder / "secret.pdf").write_bytes(b"top")

    for forged, said in (
        ({"path": "../../etc/passwd", "name": "x.pdf", "size": 1}, "not uploaded for this prompt"),
        ({"path": f"prompts/{prompt.pk}/../../secret.pdf", "name": "x.pdf", "size": 3}, "not uploaded for this prompt"),
        ({**stored, "size": 7}, "This file has 13 bytes, the answer says 7."),
    ):
        with pytest.raises(AnswerInvalid, match=said):
            prompts.answer(prompt, user=person("owner"), action="approve", data={"scan": forged})
    monkeypatch.setattr(uploads, "MAX_FILES", 1)
    with pytest.raises(AnswerInvalid, match="At most 1 files are taken for one prompt"):
        prompts.upload(prompt, user=person("owner"), field="scan", file=scan())


def test_a_withdrawn_prompt_leaves_no_file_behind(prompt, folder):
    prompts.upload(prompt, user=person("owner"), field="scan", file=scan())

    control.cancel(prompt.execution, user=person("owner"))
    drive(prompt.execution)
    prompt_due.tell_withdrawn()

    assert files_in(folder) == []


def test_rules_that_cannot_hold_are_refused_before_anything_runs():
    with pytest.raises(DefinitionInvalid, match=r"`accept` must be a list of endings such as `.pdf`"):
        publish(PAPER.replace("[.pdf, .png]", "[application/pdf]"))
    with pytest.raises(DefinitionInvalid, match="`maxBytes` must be a number of bytes up to 52428800"):
        publish(PAPER.replace("maxBytes: 40", "maxBytes: 60000000"))
