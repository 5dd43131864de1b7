from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from director.signin import link_for
from director.users import named_user


class Command(BaseCommand):
    help = "Print a link that signs USER in once, for someone without a password; it is good for a quarter of an hour."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("user", metavar="USER", help="the user's sign-in name")
        parser.add_argument(
            "--url", default=settings.PUBLIC_URL, help=f"where Director is (default: {settings.PUBLIC_URL})"
        )

    def handle(self, *, user: str, url: str, **_: Any) -> None:
        named = named_user(user)
        if not named.is_active:
            raise CommandError(
                f'The user "{user}" is not active and may not sign in. Activate the account in the admin.'
            )
        self.stdout.write(link_for(named, base_url=url.rstrip("/")))
