"""A superuser at the admin, a workflow, and how pages are asked for."""

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from tests.api.conftest import TRIAGE
from tests.factories import make_user
from workflows.models import Workflow
from workflows.services import import_workflow


@pytest.fixture
def staff(db: None) -> Client:
    client = Client()
    client.force_login(make_user("root", is_staff=True, is_superuser=True))
    return client


@pytest.fixture
def triage(db: None) -> Workflow:
    return import_workflow(TRIAGE, owner=make_user("olivia")).workflow


def url_of(model: Any, page: str = "changelist", *args: Any) -> str:
    return reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_{page}", args=args)


def act(client: Client, model: Any, action: str, *rows: Any) -> str:
    """Do an admin action on the rows and return the page that follows."""
    answer = client.post(url_of(model), {"action": action, "_selected_action": [row.pk for row in rows]}, follow=True)
    assert answer.status_code == 200
    return str(answer.content.decode())
