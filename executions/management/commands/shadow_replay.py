"""`manage.py shadow_replay WORKFLOW --version N|draft`: judges a version by the records of the past."""

from __future__ import annotations

import json
import sys
from argparse import ArgumentParser
from dataclasses import asdict
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from rich.console import Console
from rich.table import Table

from director.errors import DirectorError
from executions.management.commands.run_workflow import find_workflow
from executions.models import Execution
from executions.replay import shadow
from executions.watching import watch

TOLD = ("record", "verdict", "data", "steps", "error")
SHOWN = 20  # records that are told of one by one
STYLES = {"same": "green", "different": "yellow", "new_error": "bold red", "no_recording": "magenta"}


class Command(BaseCommand):
    help = (
        "Walks the last records again by a version, without any effect outside, and tells what would be different. "
        "Exit code 0 when no record would fail that did not fail before."
    )

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> CommandParser:
        """Let `--version` be the workflow's, not Django's."""
        return super().create_parser(prog_name, subcommand, conflict_handler="resolve", **kwargs)

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("workflow", help="the workflow's slug or name")
        parser.add_argument("--version", required=True, help="number of a version, or `draft`")
        parser.add_argument("--last", type=int, default=shadow.DEFAULT_LAST, help="how many records of the past")
        parser.add_argument(
            "--iterate", default="", help="an iterate at the top level; the first with a past if not said"
        )
        parser.add_argument(
            "--json", action="store_true", help="the report as JSON Lines: each record, then the totals"
        )

    def handle(self, *, workflow: str, version: str, last: int, iterate: str, json: bool, **options: Any) -> None:
        found = find_workflow(workflow)
        if version != "draft" and not version.isdecimal():
            raise CommandError(f"--version is the number of a version or `draft`, not {version!r}.")
        try:
            execution = shadow.start(
                found,
                shadow.version_called(found, version),
                last=last,
                iterate=iterate,
                reason="manage.py shadow_replay",
            )
        except DirectorError as error:
            raise CommandError(error.message) from error
        watch(execution, Console(no_color=options["no_color"], stderr=True))
        self._tell_json(execution) if json else _tell(execution, Console(no_color=options["no_color"]))
        counts = shadow.report(execution).counts
        sys.exit(1 if counts[shadow.NEW_ERROR] else 0)

    def _tell_json(self, execution: Execution) -> None:
        for one in shadow.each_record(execution):
            self.stdout.write(json.dumps({name: getattr(one, name) for name in TOLD}))
        totals = {"execution": execution.number, **asdict(shadow.report(execution))}
        self.stdout.write(json.dumps(totals))


def _tell(execution: Execution, console: Console) -> None:
    table = Table("Record", "Verdict", "What is different")
    shown = 0
    for one in shadow.each_record(execution):
        if one.verdict == shadow.SAME or shown == SHOWN:
            continue
        table.add_row(one.record, f"[{STYLES[one.verdict]}]{one.verdict}[/]", _said(one))
        shown += 1
    report = shadow.report(execution)
    console.print(table)
    counts = ", ".join(f"{count} {verdict.replace('_', ' ')}" for verdict, count in report.counts.items())
    console.print(f"#{execution.number} over {report.total} records: {counts}.")


def _said(one: shadow.RecordReport) -> str:
    if one.new_error:
        return str(one.new_error["message"])
    return ", ".join(f"{change['op']} {change['path']}" for change in (one.data or one.steps))[:120]
