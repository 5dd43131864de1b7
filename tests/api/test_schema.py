"""The description of the interface is complete and without warnings."""

from typing import Any

import jsonschema_rs
import pytest
from drf_spectacular.drainage import GENERATOR_STATS
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.validation import validate_schema
from rest_framework.test import APIClient


@pytest.fixture(scope="module")
def schema() -> Any:
    GENERATOR_STATS.reset()
    with GENERATOR_STATS.silence():
        return SchemaGenerator().get_schema(request=None, public=True)


def operations(schema: Any) -> dict[str, Any]:
    return {
        operation["operationId"]: operation for methods in schema["paths"].values() for operation in methods.values()
    }


def test_the_description_is_valid_and_without_warnings(schema: Any) -> None:
    validate_schema(schema)

    assert schema["openapi"].startswith("3.1")
    assert not GENERATOR_STATS._warn_cache
    assert not GENERATOR_STATS._error_cache


def test_every_operation_says_who_it_is_what_it_takes_and_how_it_refuses(schema: Any) -> None:
    for name, operation in operations(schema).items():
        assert name.islower(), name
        assert operation["description"], name
        refusal = operation["responses"]["default"]["content"]
        assert refusal == {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}, name
        assert {"token": []} in operation["security"], name


def test_a_client_that_sends_the_defaults_it_is_told_is_understood(schema: Any) -> None:
    for name, operation in operations(schema).items():
        for parameter in operation.get("parameters", ()):
            said = parameter["schema"]
            if "default" in said:
                assert jsonschema_rs.is_valid(said, said["default"]), (name, parameter["name"])


def test_the_description_is_served_without_signing_in(db: None) -> None:
    served = APIClient().get("/api/schema", {"format": "json"})

    assert served.status_code == 200
    assert served.json()["info"]["title"] == "Director"
