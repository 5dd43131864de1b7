"""`manage.py benchmark`: durable record-steps per second, memory and what was written."""

from __future__ import annotations

from argparse import ArgumentParser
from dataclasses import asdict
from typing import Any

from django.core.management.base import BaseCommand

from executions.benchmark import measure


class Command(BaseCommand):
    help = "Walks N e-mail-like records through three steps with real worker processes and prints what it took."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--records", type=int, default=10_000)
        parser.add_argument("--workers", type=int, default=1)
        parser.add_argument("--json", action="store_true", help="print one JSON object and nothing else")

    def handle(self, *, records: int, workers: int, json: bool, **options: Any) -> None:
        say = (lambda text: None) if json else self.stdout.write
        result = measure(records, workers, say)
        if json:
            self.stdout.write(result.as_json())
            return
        for name, value in asdict(result).items():
            self.stdout.write(f"{name.replace('_', ' '):>30}  {value:,}")
