"""`manage.py run_workflow NAME`: starts an execution and, with --watch, follows it to its end."""

from __future__ import annotations

import json
import sys
from argparse import ArgumentParser
from pathlib import Path
from typing import Any, NoReturn

from celery import current_app
from django.core.management.base import BaseCommand, CommandError
from rich.console import Console
from rich.text import Text

from director.errors import DirectorError
from executions.models import Execution, TriggerType
from executions.services import start_execution
from executions.watching import counts_add_up, outcome_table, summary, watch
from workflows.models import Workflow

WORKER_ANSWER_SECONDS = 1.0


class Command(BaseCommand):
    help = "Starts an execution of a workflow's latest version. With --watch, the exit code tells how it ended."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("name", help="the workflow's slug or name")
        parser.add_argument("--input", type=Path, help="a JSON file: what templates see as {{ trigger }}")
        parser.add_argument(
            "--label", action="append", default=[], metavar="NAME=VALUE", help="a label of the run; may be repeated"
        )
        parser.add_argument(
            "--watch", action="store_true", help="show progress until it is over; exit code 0 only when it completed"
        )

    def handle(self, *, name: str, input: Path | None, label: list[str], watch: bool, **options: Any) -> None:
        try:
            workflow = find_workflow(name)
            trigger_data = read_input(input) if input else {}
            started = start_execution(
                workflow, trigger_type=TriggerType.COMMAND, trigger_data=trigger_data, labels=read_labels(label)
            )
        except DirectorError as error:
            raise CommandError(error.message) from error
        self.stdout.write(f"Started #{started.execution.number} of {workflow.name}.")
        if watch:
            sys.exit(self._follow(started.execution, plain=options["no_color"]))

    def _follow(self, execution: Execution, *, plain: bool) -> int:
        console = Console(no_color=plain)
        if not current_app.control.ping(timeout=WORKER_ANSWER_SECONDS):
            console.print("No worker is free or none runs (manage.py up, in another terminal): it begins when one is.")
        watch(execution, console)
        if execution.records_total:
            console.print(outcome_table(execution))
        console.print(summary(execution))
        if execution.error:
            console.print(Text(execution.error["message"], "bold red"))
        return 0 if counts_add_up(execution) else 1


def find_workflow(name: str) -> Workflow:
    """Return the workflow with this slug or name; a CommandError names the ones there are."""
    by_name = Workflow.objects.filter(name__iexact=name).order_by("pk")
    found = Workflow.objects.filter(slug=name).first() or by_name.first()
    if found is None:
        slugs = Workflow.objects.order_by("name").values_list("slug", flat=True)[:20]
        known = ", ".join(slugs) or "none yet (manage.py import_workflow FILE)"
        raise CommandError(f"There is no workflow {name!r}. There is: {known}.")
    return found


def read_input(path: Path) -> Any:
    """Return the JSON object in the file; a CommandError says where it goes wrong."""
    try:
        value = json.loads(path.read_text(encoding="utf-8"), parse_constant=_no_number)
    except OSError as error:
        raise CommandError(f"{path} cannot be read: {error.strerror}.") from error
    except ValueError as error:
        raise CommandError(f"{path} is not JSON: {error}.") from error
    if not isinstance(value, dict):
        kind = type(value).__name__
        raise CommandError(f"{path} holds {kind}; a JSON object is needed, templates read {{{{ trigger.name }}}}.")
    return value


def _no_number(name: str) -> NoReturn:
    raise ValueError(f"{name} is no number of JSON")


def read_labels(pairs: list[str]) -> dict[str, str]:
    labels = dict(pair.partition("=")[::2] for pair in pairs)
    if "" in labels or len(labels) != len(pairs) or not all("=" in pair for pair in pairs):
        raise CommandError("Give each label as NAME=VALUE, each name once.")
    return labels
