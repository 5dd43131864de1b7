"""What the views of this package share: the workflow's data in the caller's name, and values without their secrets."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.views import APIView

from records.models import ChangeSource
from records.secrets import NO_SECRETS, Secrets, telling
from records.services import WorkflowData
from workflows.models import Workflow
from workflows.services import get_workflow_for


class DataView(APIView):
    """A view of the data of the workflow in its address."""

    def open_data(self, request: Request, workflow: str, *, reason: str = "") -> WorkflowData:
        """Return the workflow's data as the caller may see and change it; raises WorkflowNotFound."""
        found = get_workflow_for(request.user, workflow, telling(Workflow.objects.all()))
        return WorkflowData(found, actor=request.user, source=ChangeSource.API, reason=reason)


@extend_schema_field({})
class AnyField(serializers.Field[Any, Any, Any, Any]):
    """Any JSON value, null among them, as it is."""

    def validate_empty_values(self, data: Any) -> tuple[bool, Any]:
        return (True, None) if data is None else super().validate_empty_values(data)

    def to_internal_value(self, data: Any) -> Any:
        return data

    def to_representation(self, value: Any) -> Any:
        return value


class MaskedField(AnyField):
    """Any JSON value, its secrets masked: its own, and the `secrets` of the serializer's context by their values."""

    def to_representation(self, value: Any) -> Any:
        secrets: Secrets = self.context.get("secrets", NO_SECRETS)
        return secrets.shown(value)


class ReasonQuery(serializers.Serializer[Any]):
    """Why something is taken away."""

    reason = serializers.CharField(
        required=False, default="", allow_blank=True, max_length=1000, help_text="Kept in the history."
    )
