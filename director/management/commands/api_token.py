from argparse import ArgumentParser
from datetime import timedelta
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from director.api import tokens
from director.users import named_user

MAX_DAYS = 36_500  # a hundred years; a token that is to be good for longer has no end


class Command(BaseCommand):
    help = "Make a token with which a program may use the REST API as USER, and print it: it is shown this once."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("user", metavar="USER", help="the user's sign-in name")
        parser.add_argument("--name", default="", help="what the token is for")
        parser.add_argument(
            "--expires-days", type=int, metavar="N", help="how many days it is good for (default: for ever)"
        )

    def handle(self, *, user: str, name: str, expires_days: int | None, **_: Any) -> None:
        if expires_days is not None and not 1 <= expires_days <= MAX_DAYS:
            raise CommandError(f"--expires-days {expires_days}: give 1 to {MAX_DAYS}, or leave it out.")
        expires_at = None if expires_days is None else timezone.now() + timedelta(days=expires_days)
        _token, secret = tokens.issue(named_user(user), name=name, expires_at=expires_at)
        self.stdout.write(secret)
