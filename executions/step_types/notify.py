"""The step `notify`: people are told something, on their pages and by mail."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

from django.db import connection

from connectors.effects import Effect
from executions import notifying
from executions.prompts.secrets import secrets_for
from executions.step_types.people import names_in
from records.masking import mask_values
from workflows.errors import StepFailed
from workflows.step_types.base import StepCall, StepType

MAX_TITLE = 200  # characters
MAX_MESSAGE = 10_000
LINK = re.compile(r"(https?://[^\s/]|/(?!/))\S*\Z")  # an address, or a path of Director; nothing a browser would run

NAMES = {"type": ["string", "array"], "items": {"type": "string"}}


class Notify(StepType):
    """Its output is `{notified, mailed}`: how many users have it on their pages, how many addresses were mailed.

    One type for both, declared by the part that must not be repeated: the mail. The notifications are keyed, so doing
    it again after an interruption tells nobody twice on a page.
    """

    name = "notify"
    label = "Notify people"
    description = "Tells users, groups or mail addresses something; users find it on their pages too."
    icon = "bell"
    category = "action"
    effect = Effect.ONCE
    schema: ClassVar[dict[str, Any]] = {
        "type": "object",
        "additionalProperties": False,
        "required": ["to", "title"],
        "properties": {
            "to": {
                "title": "To",
                "description": "Names of users or groups, and mail addresses.",
                "type": ["string", "array", "object"],
                "minLength": 1,
                "minItems": 1,
                "items": {"type": "string"},
                "additionalProperties": False,
                "minProperties": 1,
                "properties": {"users": NAMES, "groups": NAMES, "emails": NAMES},
            },
            "title": {"title": "Title", "type": "string", "minLength": 1, "maxLength": MAX_TITLE},
            "message": {"title": "Message", "type": "string", "maxLength": MAX_MESSAGE},
            "link": {
                "title": "Link",
                "description": "An http or https address, or a path of Director such as /records/.",
                "type": "string",
                "maxLength": 2000,
            },
        },
    }

    def run(self, call: StepCall) -> dict[str, int]:
        config = call.config
        try:
            secrets = secrets_for(call.workflow_id, call.scope, call.step.names)
            notice = _notice(mask_values(config, secrets.texts))
            to = notifying.recipients(config["to"])
            notifying.notify_users(
                to.users, notice, execution_id=call.execution_id, frame_id=call.frame_id, alias=call.step.alias
            )
            return {"notified": len(to.users), "mailed": notifying.send_mail(to, notice)}
        finally:
            connection.close()  # of this thread, which the engine may not use again

    def problems(self, config: Mapping[str, Any]) -> Iterable[tuple[str, str]]:
        link = config.get("link")
        if isinstance(link, str) and "{{" not in link and "{%" not in link and link and not LINK.match(link):
            yield "link", _no_link(link)

    def summary(self, config: Mapping[str, Any]) -> str:
        to = config.get("to")
        parts = to.values() if isinstance(to, dict) else [to]
        return f"Tells {', '.join(name for part in parts for name in names_in(part))}"


def _notice(config: Mapping[str, Any]) -> notifying.Notice:
    """What is told; the title on one line, as the subject of a mail must be."""
    title = " ".join(config["title"].split())
    link = config.get("link", "").strip()
    if link and not LINK.match(link):
        raise StepFailed(f"link: {_no_link(link)}.")
    return notifying.Notice(title[:MAX_TITLE] or "Notification", config.get("message", ""), link)


def _no_link(link: str) -> str:
    return f"{link[:100]!r} is no http or https address and no path of Director"
