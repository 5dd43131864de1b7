"""What the description says holds: requests made from it are answered as it says, and none makes the server fail."""

import os
from dataclasses import dataclass
from typing import Any

import pytest
import schemathesis
from django.core.wsgi import get_wsgi_application
from hypothesis import HealthCheck, given, settings
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from director.api import tokens
from executions.services import start_execution
from tests.api.conftest import TRIAGE
from tests.executions.running import drive
from tests.factories import make_record, make_user
from workflows.models import Workflow
from workflows.services import import_workflow

CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
EXAMPLES = int(os.environ.get("API_EXAMPLES", "10"))  # of each operation; raise it for a thorough search


@dataclass
class World:
    """What addresses may name, so that not everything asked for is merely not found; and whose request it is."""

    workflow: Workflow
    secret: str

    def names(self) -> dict[str, Any]:
        """Make anew what an earlier request may have taken away."""
        record = self.workflow.records.first() or make_record(self.workflow, fields={"subject": "Invoice"})
        execution = self.workflow.executions.order_by("number").last() or drive(
            start_execution(self.workflow, trigger_type="api").execution
        )
        step = execution.steps.first()
        return {
            "workflow": self.workflow.slug,
            "execution": str(execution.number),
            "step": step.pk if step else 1,
            "record_id": record.record_id,
        }


@pytest.fixture
def world(transactional_db: None) -> World:
    """Committed, because the engine's own connections must see it."""
    user = make_user("olivia")
    return World(import_workflow(TRIAGE, owner=user).workflow, tokens.issue(user)[1])


@pytest.fixture
def described(world: World) -> Any:
    return schemathesis.openapi.from_wsgi("/api/schema?format=json", get_wsgi_application())


@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE])
def test_no_request_made_from_the_description_makes_the_server_fail(
    described: Any, world: World, mode: GenerationMode
) -> None:
    for operation in described.get_all_operations():

        @given(case=operation.ok().as_strategy(generation_mode=mode))
        @settings(max_examples=EXAMPLES, deadline=None, database=None, suppress_health_check=list(HealthCheck))
        def holds(case: schemathesis.Case) -> None:
            check(case, world)

        holds()


def check(case: schemathesis.Case, world: World) -> None:
    """Send the request as it was made up, and again to what there is."""
    headers = {"Authorization": f"Bearer {world.secret}"}
    case.call_and_validate(checks=CHECKS, headers=headers)
    known = world.names()
    case.path_parameters = {name: known.get(name, value) for name, value in (case.path_parameters or {}).items()}
    case.call_and_validate(checks=CHECKS, headers=headers)
