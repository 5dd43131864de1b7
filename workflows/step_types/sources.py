"""The steps that read files: `read_mailbox`, `read_csv`, `read_json`."""

from collections.abc import Callable, Iterator
from typing import Any, ClassVar

from django.conf import settings

from connectors.effects import Effect
from workflows.readers import Item, Problem, read_csv, read_json, read_mailbox, resolve_path
from workflows.step_types.base import StepCall, StepType, StreamItems


class ReadFile(StepType):
    """Yields the items of a file one by one; what cannot be read is reported with its position, the rest goes on."""

    category = "data"
    effect = Effect.READ
    suspends = True
    reader: ClassVar[Callable[..., Iterator[Item | Problem]]]
    schema: ClassVar[dict[str, Any]] = {
        "type": "object",
        "additionalProperties": False,
        "required": ["path"],
        "properties": {
            "path": {
                "title": "Path",
                "description": "Within the folders that are open to workflows, such as samples/inbox.mbox.",
                "type": "string",
                "minLength": 1,
                "maxLength": 1000,
            }
        },
    }

    def run(self, call: StepCall) -> StreamItems:
        path = resolve_path(call.config["path"], settings.DIRECTOR_FILE_ROOTS)
        return StreamItems(type(self).reader(path))

    def summary(self, config: Any) -> str:
        return str(config.get("path", ""))


class ReadMailbox(ReadFile):
    name = "read_mailbox"
    label = "Read a mailbox"
    description = "The messages of an mbox file, of a folder of .eml files, or of a Maildir."
    icon = "mail"
    reader = read_mailbox


class ReadCsv(ReadFile):
    name = "read_csv"
    label = "Read a CSV file"
    description = "The rows of a table; separator and encoding are found out."
    icon = "table"
    reader = read_csv


class ReadJson(ReadFile):
    name = "read_json"
    label = "Read a JSON file"
    description = "The elements of a JSON array, or the lines of a JSON Lines file."
    icon = "braces"
    reader = read_json
