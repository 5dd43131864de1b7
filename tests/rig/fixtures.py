"""Fixtures around the session's stack; what they start is in `tests.rig.processes` and `tests.rig.browser`."""

from collections.abc import Callable, Iterator

import pytest
import redis
from django.conf import settings
from django.db import connections
from playwright.sync_api import Browser, Page

from director import embedded
from director.embedded.layout import Layout
from tests.rig import browser as chromium
from tests.rig import processes


@pytest.fixture(scope="session")
def stack() -> Iterator[Layout]:
    """The session's PostgreSQL and Redis, up."""
    data = embedded.data_dir()
    yield embedded.join(data)
    embedded.leave(data)


@pytest.fixture(scope="session")
def django_db_setup(stack: Layout, django_db_setup: None) -> Iterator[None]:
    """The test database, made by pytest-django once the servers are up; let go of before they go down."""
    yield
    for connection in connections.all():
        connection.close()
        connection.close_pool()


@pytest.fixture
def empty_redis(stack: Layout) -> None:
    """A Redis without messages of earlier tests, whose rows are gone."""
    with redis.Redis.from_url(settings.REDIS_URL) as client:
        client.flushdb()


@pytest.fixture
def worker(transactional_db: None, empty_redis: None) -> Iterator[Callable[..., processes.Running]]:
    """A function that starts a real worker process on the test database and returns when it takes messages.

    Keyword arguments become environment variables of the worker.
    """
    started: list[processes.Running] = []

    def start(*, ready: bool = True, **env: str) -> processes.Running:
        started.append(processes.start_worker(f"test{len(started) + 1}", ready=ready, **env))
        return started[-1]

    yield start
    for running in started:
        running.clean_up()


@pytest.fixture
def beat(transactional_db: None, empty_redis: None) -> Iterator[processes.Running]:
    """A real beat process."""
    running = processes.start_beat()
    yield running
    running.clean_up()


@pytest.fixture(scope="module")
def server(django_db_setup: None) -> Iterator[processes.Server]:
    """A real web process on the test database, shared by a module's tests; ask for `transactional_db` beside it."""
    running = processes.Server()
    yield running
    running.clean_up()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Real Chromium. For a module, not the session: while it is up the thread's event loop is taken."""
    yield from chromium.launch()


@pytest.fixture
def browser_page(
    browser: Browser, server: processes.Server, transactional_db: None, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Page]:
    """A page of a fresh browser profile, at home on the server: `page.goto("/workflows/")`.

    The test fails if a script failed on the page.
    """
    monkeypatch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "true")  # the browser's event loop is no reason to refuse queries
    context = browser.new_context(base_url=server.url, viewport={"width": 1440, "height": 900})
    context.set_default_timeout(15_000)
    page = context.new_page()
    failures: list[str] = []
    page.on("pageerror", lambda error: failures.append(str(error)))
    yield page
    context.close()
    assert not failures, failures
