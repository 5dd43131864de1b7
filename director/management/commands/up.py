"""`manage.py up`: the whole of Director in one command."""

import os
import threading
from argparse import ArgumentParser
from contextlib import suppress
from typing import Any

from django.contrib.auth import get_user_model
from django.core.management.base import BaseCommand

from director import serving


class Command(BaseCommand):
    help = "Runs web, workers and beat; PostgreSQL and Redis too unless DATABASE_URL and REDIS_URL name others."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--host", default="127.0.0.1", help="the address to listen on (default: 127.0.0.1)")
        serving.add_arguments(parser, workers=min(os.cpu_count() or 1, 4))
        parser.add_argument("--data-dir", help="the folder for everything kept between runs (default: .director)")

    def handle(self, *, host: str, port: int, workers: int, **options: Any) -> None:
        say = serving.Terminal(colour=self.stdout.isatty() and not options["no_color"])
        with serving.running(host=host, port=port, workers=workers, say=say) as url:
            say("director", f"running at {url}; Ctrl-C stops it")
            if not get_user_model().objects.exists():
                say("director", "there is no account yet; make one in another terminal: manage.py createsuperuser")
            with suppress(KeyboardInterrupt):
                threading.Event().wait()
            say("director", "stopping")
        say("director", "stopped")
