"""The personas of the API tests, each a client with a token of its own: owner, team-mate, stranger."""

from dataclasses import dataclass
from typing import Any

import pytest
from rest_framework.test import APIClient

from director.api import tokens
from tests.factories import make_user
from workflows.models import Workflow
from workflows.services import import_workflow

TRIAGE = """
director: 1
name: Inbox triage
steps:
  - alias: each_email
    type: iterate
    config: {over_records: "email_*"}
    body:
      - {alias: check, type: fail, when: "{{ 'broken' in current.subject }}", config: {message: "cannot read it"}}
      - {alias: route, type: set, config: {value: "{{ current.subject }}"}, store_to_record: true, as: category}
"""


@dataclass
class Personas:
    """The workflow and the clients of those who may (owner, mate) and may not (stranger, nobody) see it."""

    workflow: Workflow
    owner: APIClient
    mate: APIClient
    stranger: APIClient
    nobody: APIClient

    @property
    def url(self) -> str:
        return f"/api/workflows/{self.workflow.slug}"


def client_of(user: Any) -> APIClient:
    """Return a client with a token that was used a moment ago, so that a request does not write its time."""
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {tokens.issue(user)[1]}")
    client.get("/api/")
    client.user = user
    return client


@pytest.fixture
def people(db: None) -> Personas:
    owner, mate, stranger = (make_user(name) for name in ("olivia", "tom", "steve"))
    workflow = import_workflow(TRIAGE, owner=owner).workflow
    workflow.collaborators.add(mate)
    return Personas(workflow, client_of(owner), client_of(mate), client_of(stranger), APIClient())
