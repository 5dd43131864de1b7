"""Fixtures around the session's stack; the processes are in `tests.rig.processes`."""

from collections.abc import Iterator

import pytest

from director import embedded
from director.embedded.layout import Layout


@pytest.fixture(scope="session")
def stack() -> Iterator[Layout]:
    """The session's PostgreSQL and Redis, up."""
    data = embedded.data_dir()
    yield embedded.join(data)
    embedded.leave(data)


@pytest.fixture(scope="session")
def django_db_setup(stack: Layout, django_db_setup: None) -> None:
    """pytest-django makes the test database once the servers are up."""
