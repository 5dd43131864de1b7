"""`docs/steps.md` tells of every step type, and its examples do what it says."""

import json
import re
from pathlib import Path
from textwrap import indent

import pytest

from tests.executions.prompting import person
from tests.executions.running import drive, email, outputs, publish, start, wake_all
from workflows.step_types import registry

pytestmark = pytest.mark.django_db(transaction=True)

PAGE = Path(__file__).parents[2] / "docs/steps.md"
SECTION = re.compile(r"^### `(\w+)`\n(.*?)(?=^##|\Z)", re.S | re.M)
EXAMPLE = re.compile(r"```yaml\n(.*?)```(?:\s*```json\n(.*?)```)?", re.S)
SECTIONS = dict(SECTION.findall(PAGE.read_text()))
ALIAS = re.compile(r"- alias: (\w+)")
AT_TOP = ("iterate", "read_mailbox", "read_csv", "read_json")


def test_every_step_type_is_documented_with_an_example_and_nothing_else_is():
    ours = [step_type for step_type in registry.all() if not type(step_type).__module__.startswith("tests.")]
    known = {step_type.name for step_type in ours}

    assert set(SECTIONS) == known
    assert all(EXAMPLE.search(text) for text in SECTIONS.values())


@pytest.fixture
def surroundings(tmp_path, settings) -> None:
    """What the page says is there: people, files, folders."""
    person("maya", "Finance")
    (tmp_path / "uploads").mkdir()
    (tmp_path / "uploads/orders.jsonl").write_text('{"order": 1, "total": 10}\n{"order": 2, "total": 20}\n')
    settings.DIRECTOR_FILE_ROOTS = [settings.BASE_DIR / "samples", tmp_path / "uploads"]
    settings.DIRECTOR_WRITE_ROOTS = [tmp_path / "files"]


@pytest.mark.parametrize("name", SECTIONS)
def test_the_example_runs_and_gives_what_is_said(name: str, surroundings: None):
    example, said = EXAMPLE.findall(SECTIONS[name])[0]
    workflow = publish(_document(name, example))
    email(workflow, 1, subject="Invoice 1842", sender="ada@example.com", amount=120)

    execution = drive(start(workflow))
    if name in ("delay", "human_prompt"):
        assert execution.status == "waiting"
        wake_all(execution)
        return

    assert execution.status == "completed"
    assert execution.records_failed == (name == "fail")
    if said:
        assert outputs(execution, ALIAS.match(example)[1]) == [json.loads(said)]


def _document(name: str, steps: str) -> str:
    head = f"director: 1\nname: Example of {name}\nsteps:\n"
    if name in AT_TOP:
        return head + steps
    around = "- alias: around\n  type: iterate\n  config: {over_records: email}\n  body:\n"
    return head + around + indent(steps, "  ")
