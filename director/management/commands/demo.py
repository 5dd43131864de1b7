"""`manage.py demo`: from nothing to a finished run of the sample workflow, then the web UI."""

from __future__ import annotations

import sys
import threading
from argparse import ArgumentParser
from contextlib import suppress
from typing import Any

from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.management.base import BaseCommand
from rich.console import Console

from director import serving
from director.signin import link_for
from executions.models import Execution, TriggerType
from executions.services import start_execution
from executions.watching import counts_add_up, outcome_table, summary, watch
from workflows.services import import_workflow

SAMPLES = ("lead_scoring.yaml", "inbox_triage.yaml")
DEMO_USER = "demo"


class Command(BaseCommand):
    help = "Imports the sample workflows, runs Inbox triage on the sample mailbox, prints the outcome, then serves the pages."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--once", action="store_true", help="stop after the outcome; exit code 0 only when the counts add up"
        )
        serving.add_arguments(parser, workers=2)

    def handle(self, *, once: bool, port: int, workers: int, **options: Any) -> None:
        console = Console(no_color=options["no_color"])
        quiet = _only_trouble(serving.Terminal(colour=console.is_terminal))
        with serving.running(host="127.0.0.1", port=port, workers=workers, say=quiet) as url:
            good = run_sample(console)
            if not once:
                _serve(console, url)
        if once:
            sys.exit(0 if good else 1)


def run_sample(console: Console) -> bool:
    """Import and run the sample; return whether its counts add up."""
    owner, _ = get_user_model().objects.get_or_create(
        username=DEMO_USER, defaults={"first_name": "Demo", "is_staff": True, "is_superuser": True}
    )
    for name in SAMPLES:
        text = (settings.BASE_DIR / "samples" / name).read_text(encoding="utf-8")
        workflow = import_workflow(text, owner=owner).workflow
    console.print(f"Imported [bold]{workflow.name}[/] (samples/{SAMPLES[-1]}).")
    execution: Execution = start_execution(workflow, trigger_type=TriggerType.COMMAND, user=owner).execution
    watch(execution, console)
    console.print(outcome_table(execution))
    console.print(summary(execution))
    return counts_add_up(execution)


def _serve(console: Console, url: str) -> None:
    user = get_user_model().objects.get(username=DEMO_USER)
    console.print(f"\nDirector is at [bold]{url}[/]. Sign in once with this link; Ctrl-C stops it.")
    console.print(link_for(user, base_url=url), soft_wrap=True)  # a link that is broken into lines leads nowhere
    with suppress(KeyboardInterrupt):
        threading.Event().wait()


def _only_trouble(say: Any) -> Any:
    """The demo's terminal shows its own lines, and of the processes only what goes wrong."""

    def passed_on(name: str, line: str) -> None:
        if any(word in line for word in ("ERROR", "CRITICAL", "Traceback", "starting it again")):
            say(name, line)

    return passed_on
