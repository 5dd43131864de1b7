"""Typed readers of environment variables. Secrets may also come from a file: NAME_FILE holds its path."""

import os
from pathlib import Path
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from psycopg import ProgrammingError
from psycopg.conninfo import conninfo_to_dict

TRUE = {"1", "true", "yes", "on"}
FALSE = {"0", "false", "no", "off", ""}


def text(name: str, default: str = "") -> str:
    """Return the variable, or the default where it is unset or empty."""
    return os.environ.get(name) or default


def secret(name: str) -> str:
    """Return the variable, or what stands in the file that NAME_FILE names; "" where there is neither."""
    if value := os.environ.get(name):
        return value
    path = os.environ.get(f"{name}_FILE")
    if not path:
        return ""
    try:
        return Path(path).read_text().strip()
    except OSError as error:
        raise ImproperlyConfigured(f"{name}_FILE names {path}, which cannot be read: {error.strerror}") from error


def conninfo(name: str, url: str) -> dict[str, Any]:
    """Return the parts of the address of a PostgreSQL database; the refusal leaves out what may hold a password."""
    try:
        return dict(conninfo_to_dict(url))
    except ProgrammingError:
        way = "write it as postgresql://user:password@host:5432/name"
        raise ImproperlyConfigured(f"{name} is no address of a PostgreSQL database; {way}") from None


def flag(name: str, *, default: bool = False) -> bool:
    """Return the variable as a yes or no; anything else is refused rather than guessed."""
    value = os.environ.get(name)
    if value is None:
        return default
    if value.lower() in TRUE | FALSE:
        return value.lower() in TRUE
    raise ImproperlyConfigured(f"{name}={value!r} is neither yes nor no; use 1 or 0")


def integer(name: str, default: int) -> int:
    """Return the variable as a whole number."""
    value = text(name, str(default))
    try:
        return int(value)
    except ValueError as error:
        raise ImproperlyConfigured(f"{name}={value!r} is not a whole number") from error


def words(name: str) -> list[str]:
    """Return the comma-separated variable as a list without blanks."""
    return [word.strip() for word in text(name).split(",") if word.strip()]


def paths(name: str, default: list[Path]) -> list[Path]:
    """Return the variable, folders separated as in PATH, as absolute paths."""
    value = text(name)
    return [Path(part).resolve() for part in value.split(os.pathsep) if part] if value else default
