"""`manage.py import_workflow FILE`: publishes what a YAML or JSON document describes."""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.contrib.auth import get_user_model
from django.core.management.base import BaseCommand, CommandError

from director.errors import DirectorError
from director.users import named_user
from workflows.definition.documents import MAX_BYTES
from workflows.services import import_workflow

FORMATS = {".json": "json", ".yaml": "yaml", ".yml": "yaml"}


class Command(BaseCommand):
    help = "Imports a workflow from a YAML or JSON file and publishes it; unchanged, it does nothing."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", metavar="FILE", type=Path, help="the document")
        parser.add_argument("--owner", metavar="USER", help="whose workflow it is (default: the first superuser)")

    def handle(self, *, file: Path, owner: str | None, **_: Any) -> None:
        user = _owner(owner)
        try:
            result = import_workflow(_content(file), owner=user, format=FORMATS.get(file.suffix.lower()))
        except DirectorError as error:
            raise CommandError(f"{file}: {error.message}") from error
        done = "Published" if result.changed else "Unchanged:"
        self.stdout.write(f"{done} {result.workflow.name}, version {result.version.number} ({result.workflow.slug}).")


def _content(file: Path) -> bytes:
    """Return the file's bytes, no more of them than are refused for their number."""
    try:
        with file.open("rb") as stream:
            return stream.read(MAX_BYTES + 1)
    except OSError as error:
        raise CommandError(f"{file} cannot be read: {error.strerror or error}.") from error


def _owner(name: str | None) -> Any:
    if name is not None:
        return named_user(name)
    users = get_user_model()._default_manager
    user = users.filter(is_superuser=True, is_active=True).order_by("pk").first()
    if user is None:
        raise CommandError("There is no superuser yet; make one with `manage.py createsuperuser`, or say --owner USER.")
    return user
