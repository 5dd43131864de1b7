"""The websocket of a page, through the ASGI app: who may listen, what is heard, what is not."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from asgiref.testing import ApplicationCommunicator
from channels.layers import channel_layers
from django.conf import settings
from django.test import Client

from director.asgi import application
from executions import events
from executions.consumers import REFUSED
from executions.models import Execution
from tests.factories import make_execution, make_user
from workflows.models import Workflow
from workflows.services import import_workflow

pytestmark = pytest.mark.django_db(transaction=True)

DOCUMENT = {"director": 1, "name": "Live", "steps": [{"alias": "a", "type": "set", "config": {"value": 1}}]}


@pytest.fixture
def layer(empty_redis: None) -> Any:
    """A channel layer of this test's own event loop."""
    channel_layers.backends.clear()
    yield
    channel_layers.backends.clear()


@sync_to_async
def people() -> tuple[Any, Any, Any, Workflow, Execution]:
    owner, mate, stranger = make_user(), make_user(), make_user()
    workflow = import_workflow(DOCUMENT, owner=owner).workflow
    workflow.collaborators.add(mate)
    return owner, mate, stranger, workflow, make_execution(workflow)


@sync_to_async
def cookie(user: Any) -> str:
    client = Client()
    client.force_login(user)
    return f"{settings.SESSION_COOKIE_NAME}={client.cookies[settings.SESSION_COOKIE_NAME].value}"


class Page(ApplicationCommunicator):
    """A browser's end of the socket."""

    async def opens(self) -> bool:
        await self.send_input({"type": "websocket.connect"})
        return (await self.receive_output(timeout=10))["type"] == "websocket.accept"

    async def hears(self) -> dict[str, Any]:
        return json.loads((await self.receive_output(timeout=10))["text"])

    async def says(self, event: dict[str, Any]) -> None:
        await self.send_input({"type": "websocket.receive", "text": json.dumps(event)})

    async def is_refused(self) -> bool:
        message = await self.receive_output(timeout=10)
        return message["type"] == "websocket.close" and message["code"] == REFUSED


async def page_of(query: str, user: Any = None, origin: bytes = b"http://localhost") -> Page:
    headers = [(b"origin", origin), (b"host", b"localhost")]
    if user is not None:
        headers.append((b"cookie", (await cookie(user)).encode()))
    scope = {"type": "websocket", "path": "/ws/live/", "query_string": query.encode(), "headers": headers}
    return Page(application, {**scope, "subprotocols": []})


@asynccontextmanager
async def socket(query: str, user: Any = None) -> AsyncIterator[Page]:
    page = await page_of(query, user)
    assert await page.opens()
    yield page
    await page.send_input({"type": "websocket.disconnect", "code": 1000})
    await page.wait(timeout=1)  # left to be cancelled with the loop, what waits for Redis may never end


async def test_owner_and_team_mate_hear_of_a_run_and_a_stranger_is_refused(layer: Any):
    owner, mate, stranger, _, execution = await people()
    query = f"execution={execution.number}"

    async with socket(query, owner) as first, socket(query, mate) as second:
        await events._send(events.execution_group(execution.number), changed(execution, records=["a"]))
        heard = [await one.hears() for one in (first, second)]

    assert [event["execution"] for event in heard] == [execution.number] * 2
    assert heard[0]["records"] == [{"id": "a", "record_id": "a", "status": "complete"}]
    async with socket(query, stranger) as other:
        assert await other.is_refused()
    async with socket(query) as nobody:
        assert await nobody.is_refused()
    async with socket("execution=999999", owner) as nowhere:
        assert await nowhere.is_refused()


async def test_records_of_a_workflow_are_heard_only_by_those_who_see_it(layer: Any):
    owner, _, stranger, workflow, _ = await people()
    query = f"workflows={workflow.pk.hex},nonsense"

    async with socket(query, owner) as page:
        await events._send(events.records_group(workflow.pk), {"type": "records.changed", "workflow": str(workflow.pk)})
        assert (await page.hears())["workflow"] == str(workflow.pk)
    async with socket(query, stranger) as other:
        assert await other.is_refused()


async def test_who_may_no_longer_see_a_run_hears_nothing_more(layer: Any):
    _, mate, _, workflow, execution = await people()

    async with socket(f"execution={execution.number}", mate) as page:
        await sync_to_async(workflow.collaborators.clear)()
        await events._send(events.execution_group(execution.number), changed(execution))
        assert await page.receive_nothing(timeout=0.6)


async def test_who_was_switched_off_is_cut_off(layer: Any):
    owner, _, _, _, execution = await people()

    async with socket(f"execution={execution.number}", owner) as page:
        owner.is_active = False
        await sync_to_async(owner.save)()
        await events._send(events.execution_group(execution.number), changed(execution))
        assert await page.is_refused()


async def test_events_that_come_at_once_are_merged(layer: Any):
    owner, _, _, _, execution = await people()

    async with socket(f"execution={execution.number}", owner) as page:
        for number in range(20):
            event = changed(execution, records=[f"r{number}"], status="completed" if number == 19 else "running")
            await events._send(events.execution_group(execution.number), event)
        heard = [await page.hears()]
        while heard[-1]["status"] != "completed":
            heard.append(await page.hears())

    assert len(heard) <= 4
    assert {record["id"] for event in heard for record in event["records"]} == {f"r{number}" for number in range(20)}


async def test_a_notification_is_heard_by_its_person_alone_and_several_come_as_one(layer: Any):
    owner, mate, _, _, execution = await people()

    async with socket("me=1", owner) as mine, socket(f"execution={execution.number}", mate) as theirs:
        for title in ("first", "second", "third"):
            for group, event in events.notification_created([owner.pk], title):
                await events._send(group, event)
        await events._send(events.execution_group(execution.number), changed(execution, records=["a"]))
        heard = [(await mine.hears())["titles"]]
        while sum(map(len, heard)) < 3:
            heard.append((await mine.hears())["titles"])
        other = await theirs.hears()

    assert [title for titles in heard for title in titles] == ["first", "second", "third"]
    assert other["type"] == "execution.changed"


async def test_what_a_page_sends_is_ignored(layer: Any):
    owner, _, _, _, execution = await people()

    async with socket(f"execution={execution.number}", owner) as page:
        await page.says({"type": "execution.changed", "execution": execution.number})
        assert await page.receive_nothing(timeout=0.3)
        await events._send(events.execution_group(execution.number), changed(execution))
        assert await page.hears()


async def test_a_foreign_site_cannot_open_the_socket(layer: Any):
    owner, _, _, _, execution = await people()

    page = await page_of(f"execution={execution.number}", owner, origin=b"https://evil.example")

    assert not await page.opens()


def changed(execution: Execution, *, records: list[str] | None = None, status: str = "running") -> dict[str, Any]:
    named = [{"id": record, "record_id": record, "status": "complete"} for record in records or []]
    return {"type": "execution.changed", "execution": execution.number, "status": status, "records": named, "seq": 1}
