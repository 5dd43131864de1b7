"""The forms of control: what a person chose, read from a request, with every mistake at its field."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from secrets import token_hex
from typing import Any

from django.http import QueryDict

from director.errors import DirectorError
from director.given import number_in, reason_in
from executions import control, modifications
from executions.models import Execution
from executions.modifications import Modifications
from executions.refusals import ModificationRefused, RecordNotInRun, StepUnknown
from executions.views.replay_form import ChangeRow, changes_of, read_row
from records.models import ChangeSource
from records.patches import parse_path
from records.typed import MAX_CHARACTERS, read, with_secrets

RUN, STEP, RECORDS, VARIABLES = "run", "step", "records", "variables"
UNITS = {"minutes": timedelta(minutes=1), "hours": timedelta(hours=1), "days": timedelta(days=1)}
LONGEST = timedelta(days=31)
MAX_ROWS = 50
MAX_RECORDS = 500


@dataclass(slots=True)
class PauseForm:
    """What is to be held back, for how long, and why. errors: by field."""

    what: str = RUN
    step: str = ""
    records: str = ""
    length: str = ""
    unit: str = "minutes"
    then: str = control.STAY
    reason: str = ""
    errors: dict[str, str] = field(default_factory=dict)
    refused: str = ""

    def pause(self, execution: Execution, user: Any) -> None:
        """Do it; raises DirectorError, what is wrong being said at its field."""
        steps = [self.step] if self.what == STEP else []
        records = ids_in(self.records) if self.what == RECORDS else []
        try:
            if self.what == RECORDS and not records:
                raise ModificationRefused("records", "say at least one id")
            lasting = self._lasting()
            control.pause(
                execution, user=user, reason=self.reason, steps=steps, records=records, lasting=lasting, then=self.then
            )
        except DirectorError as refusal:
            self._place(refusal)
            raise

    def _lasting(self) -> timedelta | None:
        if not self.length:
            return None
        length = number_in(self.length)
        if not length or length > LONGEST / UNITS[self.unit]:
            raise ModificationRefused("length", f"must be a whole number of {self.unit}, 31 days at most")
        return length * UNITS[self.unit]

    def _place(self, refusal: DirectorError) -> None:
        if isinstance(refusal, ModificationRefused):
            self.errors[refusal.path] = f"{refusal.reason.capitalize()}."
        elif isinstance(refusal, RecordNotInRun):
            self.errors["records"] = refusal.message
        elif isinstance(refusal, StepUnknown):
            self.errors["step"] = refusal.message
        else:
            self.refused = refusal.message


@dataclass(slots=True)
class ValueRow:
    """A field of a record, or (without one) a variable, that is to have another value. key: ends the fields' names."""

    key: str
    of: str
    record: str = ""
    path: str = ""
    kind: str = "text"
    text: str = ""
    error: str = ""
    wrong: str = ""  # the field that the error is about: record, path or value

    def value(self, execution: Execution) -> Any:
        """Return the value; raises DirectorError for one that is none, and for a place where there can be none."""
        self.wrong = "record"
        if self.of == RECORDS:
            modifications.keys_of(execution, [self.record])
        self.wrong = "path"
        if self.of == VARIABLES and not self.path:
            raise ModificationRefused("It", "has no name")
        where = parse_path(self.path) if self.of == RECORDS else (self.path,)
        self.wrong = "value"
        return with_secrets(read(self.kind, self.text, self.path), None, where)


@dataclass(slots=True)
class ResumeForm:
    """What goes on, and what is otherwise from then on. steps, edits, variables: the changes, a row for each."""

    which: str = "all"
    records: str = ""
    keep_breakpoints: bool = False
    reason: str = ""
    steps: list[ChangeRow] = field(default_factory=list)
    edits: list[ValueRow] = field(default_factory=list)
    variables: list[ValueRow] = field(default_factory=list)
    errors: dict[str, str] = field(default_factory=dict)
    refused: str = ""

    def resume(self, execution: Execution, user: Any) -> None:
        """Let it go on with the changes; raises DirectorError, what is wrong being said at its row or field."""
        try:
            changes = self.changes(execution)
            records = self._chosen()
            control.resume(
                execution,
                user=user,
                reason=self.reason,
                records=records,
                changes=changes,
                keep_breakpoints=self.keep_breakpoints,
            )
        except DirectorError as refusal:
            self._place(refusal)
            raise

    def change(self, execution: Execution, user: Any) -> None:
        """Make the changes while the run goes on; raises as `resume`."""
        try:
            changes = self.changes(execution)
            if not changes:
                raise ModificationRefused("changes", "say at least one")
            control.change(execution, changes, user=user, reason=self.reason)
        except DirectorError as refusal:
            self._place(refusal)
            raise

    def changes(self, execution: Execution) -> Modifications:
        """Return the changes; raises ModificationRefused when a row is wrong, and says on each what is."""
        wrong = [row for row in (*self.edits, *self.variables) if not self._is_right(row, execution)]
        steps = changes_of(self.steps, execution, execution.version)
        if wrong:
            raise ModificationRefused("changes", f"{len(wrong)} cannot be taken; what is wrong stands below each")
        records: dict[str, dict[str, Any]] = {}
        for row in self.edits:
            records.setdefault(row.record, {})[row.path] = row.value(execution)
        variables = {row.path: row.value(execution) for row in self.variables}
        return Modifications(steps.steps, records, variables, ChangeSource.PAGE)

    def _is_right(self, row: ValueRow, execution: Execution) -> bool:
        try:
            row.value(execution)
        except DirectorError as refusal:
            row.error = refusal.message
        return not row.error

    def _chosen(self) -> Sequence[str]:
        records = ids_in(self.records) if self.which == "some" else []
        if self.which == "some" and not records:
            raise ModificationRefused("records", "say at least one id")
        return records

    def _place(self, refusal: DirectorError) -> None:
        if isinstance(refusal, ModificationRefused) and refusal.path == "records":
            self.errors["records"] = f"{refusal.reason.capitalize()}."
        elif isinstance(refusal, RecordNotInRun) and self.which == "some":
            self.errors["records"] = refusal.message
        elif isinstance(refusal, ModificationRefused) and refusal.path == "changes":
            self.refused = f"{refusal.reason.capitalize()}."
        else:
            self.refused = refusal.message


def read_pause(given: Mapping[str, str]) -> PauseForm:
    """Return what a request asks for; without choices the whole run is paused."""
    what, then, unit = given.get("what", ""), given.get("then", ""), given.get("unit", "")
    return PauseForm(
        what=what if what in (RUN, STEP, RECORDS) else RUN,
        step=given.get("step", ""),
        records=given.get("records", "").strip(),
        length=given.get("length", "").strip()[:9],
        unit=unit if unit in UNITS else "minutes",
        then=then if then in control.LIMITS else control.STAY,
        reason=reason_in(given),
    )


def read_resume(given: QueryDict) -> ResumeForm:
    """Return what a request asks for; without choices everything goes on as it is."""
    return ResumeForm(
        which="some" if given.get("which") == "some" else "all",
        records=given.get("records", "").strip(),
        keep_breakpoints="keep_breakpoints" in given,
        reason=reason_in(given),
        steps=[read_row(given, key) for key in _keys(given, "change")],
        edits=[_value_row(given, key, RECORDS) for key in _keys(given, "edit")],
        variables=[_value_row(given, key, VARIABLES) for key in _keys(given, "variable")],
    )


def new_value_row(of: str, record: str = "") -> ValueRow:
    return ValueRow(token_hex(4), of, record)


def ids_in(text: str) -> list[str]:
    """Return the record ids that stand in a text, one a line or with commas between."""
    return [name for name in map(str.strip, re.split(r"[\n,]", text)) if name][:MAX_RECORDS]


def _keys(given: QueryDict, name: str) -> list[str]:
    return [key for key in given.getlist(name)[:MAX_ROWS] if key.isalnum()]


def _value_row(given: Mapping[str, str], key: str, of: str) -> ValueRow:
    return ValueRow(
        key=key,
        of=of,
        record=given.get(f"record-{key}", "").strip(),
        path=given.get(f"path-{key}", "").strip(),
        kind=given.get(f"kind-{key}", "text"),
        text=given.get(f"value-{key}", "")[:MAX_CHARACTERS],
    )
