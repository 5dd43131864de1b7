"""The websocket of a page: hears of what the page shows, as long as its user may see it.

`/ws/live/?execution=12`, `?workflows=<hex>,<hex>` or `?me=1`; always also the user's own group. Every event is checked
again before it is passed on, because a workflow may be unshared and a user switched off while a page is open. At most
four events a second go to a page; events about the same thing are merged, the newest state wins.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any
from urllib.parse import parse_qs
from uuid import UUID

from channels.generic.websocket import AsyncJsonWebsocketConsumer
from django.contrib.auth import get_user_model

from director.given import number_in
from executions.events import execution_group, records_group, user_group
from executions.models import Execution
from workflows.models import Workflow

INTERVAL_SECONDS = 0.25
REFUSED = 4403  # close code: not signed in, or nothing of what was asked for may be seen
MAX_WORKFLOWS = 100
MAX_RECORDS = 100  # named in a merged event


class LiveConsumer(AsyncJsonWebsocketConsumer):
    """One for each open page."""

    async def connect(self) -> None:
        self.joined: list[str] = []
        self.pending: dict[str, dict[str, Any]] = {}
        self.flushing: asyncio.Task[None] | None = None
        user: Any = self.scope.get("user")
        groups = await self._groups(user) if user is not None and user.is_authenticated else []
        await self.accept()  # a refusal after the handshake carries its code, so that the page does not try again
        if not groups:
            await self.close(REFUSED)
            return
        for group in [*groups, user_group(user.pk)]:
            await self.channel_layer.group_add(group, self.channel_name)
            self.joined.append(group)

    async def disconnect(self, code: int) -> None:
        if self.flushing is not None:
            self.flushing.cancel()
        for group in self.joined:
            await self.channel_layer.group_discard(group, self.channel_name)

    async def receive_json(self, content: Any, **_: Any) -> None:
        """Pages only listen; what they send is not read."""

    async def _groups(self, user: Any) -> list[str]:
        """The groups that were asked for and that the user may hear."""
        asked = parse_qs(self.scope["query_string"].decode())
        number = number_in(asked.get("execution", [""])[0])
        if number is not None:
            return [execution_group(number)] if await self._sees_execution(user, number) else []
        if "me" in asked:
            return [user_group(user.pk)]
        wanted = asked.get("workflows", [""])[0].split(",")[:MAX_WORKFLOWS]
        ids = [UUID(text) for text in wanted if _is_hex(text)]
        seen = Workflow.objects.all().visible_to(user).filter(pk__in=ids).values_list("pk", flat=True)
        return [records_group(pk) async for pk in seen]

    # --- events ---

    async def execution_changed(self, event: dict[str, Any]) -> None:
        user = await self._user()
        if user is not None and await self._sees_execution(user, event["execution"]):
            self._queue(f"execution {event['execution']}", event)

    async def records_changed(self, event: dict[str, Any]) -> None:
        user = await self._user()
        if user is None:
            return
        if await Workflow.objects.all().visible_to(user).filter(pk=event["workflow"]).aexists():
            self._queue(f"records {event['workflow']}", event)

    async def prompt_created(self, event: dict[str, Any]) -> None:
        await self._prompt(event)

    async def prompt_resolved(self, event: dict[str, Any]) -> None:
        await self._prompt(event)

    async def notification_created(self, event: dict[str, Any]) -> None:
        await self._own(event)

    async def notification_read(self, event: dict[str, Any]) -> None:
        await self._own(event)

    async def _own(self, event: dict[str, Any]) -> None:
        """News that only the user's own group is sent."""
        if await self._user() is not None:
            self._queue(event["type"], event)

    async def _prompt(self, event: dict[str, Any]) -> None:
        """News of a prompt, for the person it is for; on the page of a run for everyone who sees the run."""
        user = await self._user()
        if user is not None and (event["for_user"] or await self._sees_execution(user, event["execution"])):
            self._queue(f"{event['type']} {event['execution']}", event)

    async def _user(self) -> Any:
        """The user as the database has them now; None, and the socket closed, when they may no longer sign in."""
        known: Any = self.scope["user"]
        user = await get_user_model().objects.filter(pk=known.pk, is_active=True).afirst()
        if user is None:
            await self.close(REFUSED)
        return user

    async def _sees_execution(self, user: Any, number: int) -> bool:
        return await Execution.objects.all().visible_to(user).filter(number=number).aexists()

    def _queue(self, key: str, event: dict[str, Any]) -> None:
        """Send at the next beat; what waits for it already is merged."""
        waiting = self.pending.get(key)
        self.pending[key] = event if waiting is None else _merged(waiting, event)
        if self.flushing is None or self.flushing.done():
            self.flushing = asyncio.create_task(self._flush())

    async def _flush(self) -> None:
        while self.pending:
            pending, self.pending = self.pending, {}
            for event in pending.values():
                await self.send_json(event)
            await asyncio.sleep(INTERVAL_SECONDS)


def _merged(old: dict[str, Any], new: dict[str, Any]) -> dict[str, Any]:
    """The newer event, with the records (prompts, titles) of both; empty values do not hide what is known."""
    said = {name: value for name, value in new.items() if value or name not in old}
    lists = {name for name in ("records", "prompts") if name in old or name in new}
    both: dict[str, Any] = {name: _newest(old.get(name) or [], new.get(name) or []) for name in lists}
    if "titles" in new:
        both["titles"] = [*old.get("titles", ()), *new["titles"]][-MAX_RECORDS:]
    return old | said | both


def _newest(old: Iterable[dict[str, Any]], new: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    return list({record["id"]: record for record in (*old, *new)}.values())[-MAX_RECORDS:]


def _is_hex(text: str) -> bool:
    try:
        return bool(UUID(text))
    except ValueError:
        return False
