"""The entry of the REST interface, its description, and the answer to addresses that do not exist."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import render
from django.urls import Resolver404, resolve
from django.views.decorators.csrf import csrf_exempt
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.utils import extend_schema, inline_serializer
from drf_spectacular.views import SpectacularAPIView
from rest_framework import serializers
from rest_framework.exceptions import NotFound
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.reverse import reverse
from rest_framework.views import APIView

ENTRIES = {
    "workflows": "api-workflows",
    "executions": "api-executions",
    "prompts": "api-prompts",
    "schema": "api-schema",
    "docs": "api-docs",
}


class Root(APIView):
    """Where to begin: who you are and what there is."""

    @extend_schema(
        operation_id="get_root",
        responses=inline_serializer(
            "Root", {"user": serializers.CharField(), **{name: serializers.URLField() for name in ENTRIES}}
        ),
    )
    def get(self, request: Request) -> Response:
        links = {name: reverse(target, request=request) for name, target in ENTRIES.items()}
        return Response({"user": request.user.get_username(), **links})


class Description(SpectacularAPIView):
    """The OpenAPI 3.1 document: nothing in it is secret, and generators fetch it without signing in."""

    permission_classes = [AllowAny]


@dataclass(frozen=True, slots=True)
class Operation:
    """One request of the description."""

    name: str
    method: str
    path: str
    does: str
    parameters: list[str]


def docs(request: HttpRequest) -> HttpResponse:
    """Show every request there is as a page."""
    groups = [{"name": name, "operations": found} for name, found in _operations().items()]
    return render(request, "director/api_docs.html", {"groups": groups})


@cache
def _operations() -> dict[str, list[Operation]]:
    """Return the requests by what they are about."""
    groups: dict[str, list[Operation]] = {}
    description: Any = SchemaGenerator().get_schema(request=None, public=True)  # type: ignore[no-untyped-call]
    for path, methods in description["paths"].items():
        for method, said in methods.items():
            named = [each["name"] for each in said.get("parameters", ()) if each["in"] != "path"]
            operation = Operation(said["operationId"], method.upper(), path, said["description"], named)
            groups.setdefault(said["tags"][0], []).append(operation)
    return groups


@extend_schema(exclude=True)
class Nothing(APIView):
    """Tells in the API's own way that an address does not exist."""

    permission_classes = [AllowAny]

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        raise NotFound(f"There is nothing at {request.path}; {reverse('api-root')} lists what there is.")


@login_not_required  # what it hands over to asks for itself
@csrf_exempt
def other_address(request: HttpRequest, rest: str) -> HttpResponseBase:
    """Answer an address with a slash too many as the one without; any other does not exist."""
    if rest.endswith("/"):
        try:
            match = resolve(request.path_info.rstrip("/"))
        except Resolver404:
            pass
        else:
            answer: HttpResponseBase = match.func(request, *match.args, **match.kwargs)
            return answer
    return Nothing.as_view()(request)
