"""`docs/api.md` tells of every endpoint and of every problem."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from drf_spectacular.drainage import GENERATOR_STATS
from drf_spectacular.generators import SchemaGenerator

from director.errors import DirectorError

PAGE = Path(__file__).parents[2] / "docs/api.md"
APPS = ("director.", "workflows.", "records.", "executions.")


@pytest.fixture(scope="module")
def page() -> str:
    return " ".join(PAGE.read_text().split())


def leaves(error: type[DirectorError]) -> Iterator[type[DirectorError]]:
    """Every error that an API request can be refused with: those that say which status they mean.

    What has no code of its own is only what its leaves have in common, the status among it.
    """
    for child in error.__subclasses__():
        says = "http_status" in vars(child) or ("http_status" in vars(error) and "code" not in vars(error))
        if says and "code" in vars(child) and child.http_status < 500 and child.__module__.startswith(APPS):
            yield child
        yield from leaves(child)


def test_every_endpoint_is_documented_with_an_example(page: str) -> None:
    with GENERATOR_STATS.silence():
        paths = SchemaGenerator().get_schema(request=None, public=True)["paths"]
    asked = [f"{method.upper()} {path}" for path, methods in paths.items() for method in methods]

    assert [request for request in asked if request not in page] == []


def test_every_problem_is_documented(page: str) -> None:
    codes = {leaf.code for leaf in leaves(DirectorError)}

    assert sorted(code for code in codes if f"`{code}`" not in page) == []
