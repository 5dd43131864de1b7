"""Which prompts the address of a page asks for."""

from __future__ import annotations

from uuid import UUID

from django.http import HttpRequest, QueryDict

from executions.queries.prompts import TABS, PromptFilter
from workflows.models import Workflow


def narrow_of(request: HttpRequest, given: QueryDict | None = None) -> PromptFilter:
    asked = request.GET if given is None else given
    slug, tab = asked.get("workflow", ""), asked.get("tab", "mine")
    workflow = Workflow.objects.filter(slug=slug).values_list("pk", flat=True).first() if slug else None
    return PromptFilter(tab if tab in TABS else "mine", asked.get("q", "").strip(), workflow, asked.get("step", ""))


def is_uuid(text: str) -> bool:
    try:
        return bool(UUID(text))
    except ValueError:
        return False
