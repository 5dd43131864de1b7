"""The form of a replay: what a person chose and changed, read from a request, with every mistake at its place."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from secrets import token_hex
from typing import Any

from django.http import QueryDict

from director.errors import DirectorError
from director.given import number_in, reason_in
from director.jsontools import loads
from executions import modifications
from executions.models import Execution, ExecutionStep
from executions.modifications import Modifications
from executions.queries.stories import secrets_in
from executions.queries.walks import of_record
from executions.refusals import ModificationRefused
from executions.replay.services import FAILED, Choice, Request
from executions.states import FrameStatus
from records.typed import MAX_CHARACTERS, with_secrets
from workflows.definition.compile import compile_plan
from workflows.definition.plan import Plan, StepPlan
from workflows.models import WorkflowVersion
from workflows.services import get_version

WHICH = (
    ("all", "All records"),
    ("failed", "Only the failed ones"),
    ("one", "One record"),
    ("filter", "Chosen by filter"),
)
STATUSES = (FrameStatus.COMPLETE, FrameStatus.FAILED, FrameStatus.SKIPPED, FrameStatus.CANCELLED)
PARTS = (("input", "Input"), ("output", "Output"))
MAX_CHANGES = 20
MAY_GROW_BY = 0.1  # as part of the number that was agreed to


@dataclass(slots=True)
class ChangeRow:
    """What is to be otherwise at one step. key: ends the names of the row's fields. record: "" for every record.

    base: journal row whose recorded input or output the text began with. error and said: what was made of the text.
    """

    key: str
    step: str
    part: str
    record: str
    text: str
    base: int = 0
    error: str = ""
    said: str = ""

    @property
    def scope(self) -> tuple[str, str]:
        return self.step, self.record


@dataclass(slots=True)
class ReplayForm:
    """What is asked for, as it was written. agreed: to how many records a person said yes."""

    step: str = ""
    which: str = "all"
    record: str = ""
    pattern: str = ""
    statuses: Sequence[str] = ()
    skip_completed: bool = False
    version: str = ""
    dry: bool = False
    reason: str = ""
    agreed: int = 0
    changes: list[ChangeRow] = field(default_factory=list)

    def agrees_to(self, records: int) -> bool:
        return records <= self.agreed * (1 + MAY_GROW_BY)

    def chosen(self) -> Choice:
        """Return which records are meant; raises ModificationRefused when it is left open."""
        if self.which == "failed":
            return FAILED
        if self.which == "one":
            return Choice(records=(self.record or _missing("record", "say its id"),))
        if self.which == "filter":
            found = Choice(pattern=self.pattern, statuses=self.statuses)
            return found if found else _missing("filter", "say a pattern of ids or how the records ended")
        return Choice()

    def version_of(self, execution: Execution) -> WorkflowVersion | None:
        """Return the other version that is to run, None for the one that ran; raises VersionNotFound."""
        return get_version(execution.workflow, number_in(self.version) or 0) if self.version else None

    def request(self, execution: Execution) -> Request:
        """Return what `replay` is asked for; raises DirectorError. What is wrong with a change is also said on its row."""
        version = self.version_of(execution)
        changes = changes_of(self.changes, execution, version or execution.version)
        return Request(self.step, self.chosen(), self.skip_completed, version, changes, self.dry)


def read_form(given: QueryDict) -> ReplayForm:
    """Return what a request says, from its query or its body; a record that is named is meant unless it says otherwise."""
    record = given.get("record", "").strip()
    which = given.get("which", "")
    keys = given.getlist("change")[:MAX_CHANGES]
    return ReplayForm(
        step=given.get("step", ""),
        which=which if which in dict(WHICH) else "one" if record else "all",
        record=record,
        pattern=given.get("pattern", "").strip(),
        statuses=[status for status in given.getlist("status") if status in STATUSES],
        skip_completed="skip_completed" in given,
        version=given.get("version", ""),
        dry="dry" in given,
        reason=reason_in(given),
        agreed=number_in(given.get("agreed", "")) or 0,
        changes=[read_row(given, key) for key in keys if key.isalnum()],
    )


def read_row(given: Mapping[str, str], key: str) -> ChangeRow:
    return ChangeRow(
        key=key,
        step=given.get(f"step-{key}", ""),
        part="output" if given.get(f"part-{key}") == "output" else "input",
        record=given.get(f"for-{key}", "").strip(),
        text=given.get(f"json-{key}", "")[:MAX_CHARACTERS],
        base=number_in(given.get(f"base-{key}", "")) or 0,
    )


def new_row(execution: Execution, step: str, part: str, record: str, key: str = "") -> ChangeRow:
    """Return a row that begins with what was recorded of the step, secrets masked. Two queries."""
    rows = ExecutionStep.objects.filter(execution=execution, alias=step)
    rows = rows.filter(**of_record(execution, record)) if record else rows
    row = ChangeRow(key or token_hex(4), step, part, record, "{}")
    if base := rows.select_related("execution", "record").order_by("-id").first():
        recorded = secrets_in(base).hide(getattr(base, part))
        recorded = {} if recorded is None and part == "input" else recorded
        row.base, row.text = base.pk, json.dumps(recorded, ensure_ascii=False, indent=2)
    return row


def fields_of(plan: Plan, row: ChangeRow) -> list[str]:
    """Return what may be said in the row: the input's fields, or the keys of an output that takes a branch."""
    step = plan.steps.get(row.step)
    if step is None or (row.part == "output" and not step.blocks):
        return []
    return ["key"] if row.part == "output" else list(step.type.schema.get("properties", {}))


def changeable(plan: Plan) -> list[StepPlan]:
    """Return the steps that have an input and an output of their own, in the order of the document."""
    return [step for step in plan.steps.values() if step.iterate is None]


# --- changes ----------------------------------------------------------------------------------------------------------


def changes_of(rows: Sequence[ChangeRow], execution: Execution, version: WorkflowVersion) -> Modifications:
    plan, where = compile_plan(version), f"v{version.number}" if version.number else "The draft"
    bases = ExecutionStep.objects.filter(execution=execution, pk__in=[row.base for row in rows])
    known = {base.pk: base for base in bases.select_related("execution", "record")}
    said: dict[str, Any] = {}
    taken: set[tuple[str, str]] = set()
    for row in rows:
        try:
            one = _said(row, known.get(row.base))
            _require(row.scope not in taken, "is changed twice for the same records; take one away")
            said = _merged(said, modifications.read({"steps": one}, plan, where).steps)
            if row.record:
                modifications.keys_of(execution, [row.record])
            taken.add(row.scope)
        except DirectorError as refusal:
            row.error = _at_place(row, refusal)
    wrong = sum(1 for row in rows if row.error)
    if wrong:
        raise ModificationRefused("changes", f"{wrong} of {len(rows)} cannot be taken; what is wrong stands below each")
    return Modifications(steps=said)


def _said(row: ChangeRow, base: ExecutionStep | None) -> dict[str, Any]:
    """Return what the row says as a modification: of an input only what differs from the recorded one."""
    value = loads(row.text or "null")
    base = base if base and base.alias == row.step else None
    recorded = getattr(base, row.part) if base else None
    # A secret is the record's own: for all records it would become everyone's.
    standing = recorded if row.record else None
    if row.part == "input":
        _require(isinstance(value, dict), 'is no object, such as {"name": "value"}')
        shown = secrets_in(base).hide(recorded) if base and isinstance(recorded, dict) else {}
        value = {name: one for name, one in value.items() if name not in shown or one != shown[name]}
        row.said = f"Changes {', '.join(value)}" if value else "As recorded: nothing is changed"
        if not value:
            return {}
    else:
        row.said = "Stands in for running the step"
    one = {row.part: with_secrets(value, standing, ())}
    return {row.step: {"records": {row.record: one}} if row.record else one}


def _merged(before: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(before)
    for alias, said in new.items():
        kept = merged.get(alias, {})
        merged[alias] = {**kept, **said, "records": {**kept.get("records", {}), **said.get("records", {})}}
    return merged


def _at_place(row: ChangeRow, refusal: DirectorError) -> str:
    """What is wrong, with its place within the row's own text."""
    if not isinstance(refusal, ModificationRefused):
        return refusal.message
    records = f"records.{row.record}" if row.record else "all"
    place = refusal.path.removeprefix(f"steps.{row.step}.{records}.{row.part}").lstrip(".")
    is_told = refusal.reason.startswith("`")  # it names the key itself
    return f"{refusal.reason}." if is_told else f"{place or 'It'} {refusal.reason}."


def _require(holds: bool, reason: str) -> None:
    if not holds:
        raise ModificationRefused("", reason)


def _missing(what: str, way_out: str) -> Any:
    raise ModificationRefused(what, f"is not said: {way_out}")
