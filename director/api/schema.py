"""The OpenAPI description: what drf-spectacular cannot see by itself."""

from __future__ import annotations

from typing import Any

from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.utils import Direction, OpenApiParameter, inline_serializer
from rest_framework import serializers

from director.api import problems


class FaultSerializer(serializers.Serializer[Any]):
    """One wrong place of a request."""

    pointer = serializers.CharField(required=False, help_text="JSON pointer into the body.")
    parameter = serializers.CharField(required=False, help_text="Name of a query parameter.")
    detail = serializers.CharField()
    code = serializers.CharField(required=False)


# A refusal, as of RFC 9457. Other members may stand beside these.
PROBLEM = inline_serializer(
    "Problem",
    {
        "type": serializers.CharField(help_text=f"`{problems.TYPE_PREFIX}` and the code."),
        "title": serializers.CharField(),
        "status": serializers.IntegerField(),
        "detail": serializers.CharField(),
        "instance": serializers.CharField(),
        "code": serializers.CharField(),
        "errors": FaultSerializer(many=True, required=False),
    },
)


# What an operation is about, by the first of these in its address.
SUBJECTS = ("records", "variables", "data", "prompts", "notifications", "executions", "workflows")


class Schema(AutoSchema):
    """Says of every operation what it is about and how it refuses."""

    def get_tags(self) -> list[str]:
        parts = self.path.split("/")
        return [next((subject for subject in SUBJECTS if subject in parts), "entry")]

    def _get_response_bodies(self, direction: Direction = "response") -> dict[str, Any]:
        bodies: dict[str, Any] = super()._get_response_bodies(direction)
        refusal = self._get_response_for_code(PROBLEM, "default", [problems.MEDIA_TYPE], direction)  # type: ignore[no-untyped-call]
        return {**bodies, "default": {**refusal, "description": "Refused."}}


class BearerScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    target_class = "director.api.authentication.BearerAuthentication"
    name = "token"

    def get_security_definition(self, auto_schema: AutoSchema) -> dict[str, str]:
        return {"type": "http", "scheme": "bearer", "description": "Made by `manage.py api_token USER`."}


def page_shape(item: type[serializers.BaseSerializer[Any]]) -> serializers.Serializer[Any]:
    """Return the shape of a list's page for the description."""
    return inline_serializer(
        f"{item.__name__.removesuffix('Serializer')}Page",
        {"results": item(many=True), "next": serializers.URLField(allow_null=True)},
    )


def free_parameters(name: str, description: str) -> OpenApiParameter:
    """Return query parameters whose names are the caller's: an object, each member of which is one parameter."""
    members = {"type": "object", "additionalProperties": {"type": "string"}}
    return OpenApiParameter(name, members, style="form", explode=True, description=description)
