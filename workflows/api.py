"""The REST interface of workflows: import, list, look, export."""

from __future__ import annotations

from typing import Any

from django.db.models import OuterRef, QuerySet, Subquery
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework import serializers, status
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from director.api import parsers
from director.api.paging import PageQuery, page_of
from director.api.reading import read_query
from director.api.renderers import RawRenderer
from director.api.schema import page_shape
from workflows.definition import dump_yaml, to_document
from workflows.models import VersionStatus, Workflow, WorkflowVersion
from workflows.services import get_version, get_workflow_for, import_workflow


class WorkflowSerializer(serializers.Serializer[Any]):
    """A workflow; `version` is the number of its newest published version."""

    id = serializers.UUIDField()
    slug = serializers.CharField()
    name = serializers.CharField()
    description = serializers.CharField(allow_blank=True)
    owner = serializers.CharField(source="owner.username")
    version = serializers.IntegerField(allow_null=True)
    created_at = serializers.DateTimeField()
    updated_at = serializers.DateTimeField()
    url = serializers.HyperlinkedIdentityField("api-workflow", lookup_field="slug", lookup_url_kwarg="workflow")


class VersionSerializer(serializers.Serializer[Any]):
    """A published version."""

    number = serializers.IntegerField()
    digest = serializers.CharField()
    published_at = serializers.DateTimeField()
    created_by = serializers.CharField(source="created_by.username", allow_null=True)


class WorkflowDetailSerializer(WorkflowSerializer):
    """A workflow with its newest published versions."""

    versions = VersionSerializer(many=True, source="published")


class ImportedSerializer(serializers.Serializer[Any]):
    """What an import did: `changed` is false when the newest version said the same already."""

    workflow = WorkflowSerializer()
    version = serializers.IntegerField()
    changed = serializers.BooleanField()


class DefinitionQuery(serializers.Serializer[Any]):
    """Which version, and in which format."""

    version = serializers.IntegerField(min_value=1, required=False, help_text="The newest published one by default.")


class YamlRenderer(RawRenderer):
    """A definition as YAML."""

    media_type = "application/yaml"
    format = "yaml"

    def encode(self, data: Any) -> bytes:
        return dump_yaml(data).encode()


class Workflows(APIView):
    """The list of workflows, and the way into it."""

    parser_classes = [parsers.RawJsonParser, parsers.YamlParser, parsers.TextYamlParser, parsers.OldYamlParser]

    @extend_schema(operation_id="list_workflows", parameters=[PageQuery], responses=page_shape(WorkflowSerializer))
    def get(self, request: Request) -> Response:
        """List the workflows that you own or share, oldest first."""
        query = read_query(request, PageQuery)
        return page_of(request, _seen_by(request.user), query, WorkflowSerializer)

    @extend_schema(
        operation_id="import_workflow",
        request={"application/json": OpenApiTypes.OBJECT, "application/yaml": OpenApiTypes.STR},
        responses={
            201: OpenApiResponse(ImportedSerializer, description="A version was published."),
            200: OpenApiResponse(ImportedSerializer, description="Nothing had changed."),
        },
    )
    def post(self, request: Request) -> Response:
        """Publish a definition as a new workflow of yours, or as the next version of the one with its name or slug."""
        document = parsers.raw_text(request)
        result = import_workflow(document.text, owner=request.user, format=document.format)
        workflow = _seen_by(request.user).get(pk=result.workflow.pk)
        done = {"workflow": workflow, "version": result.version.number, "changed": result.changed}
        answer = ImportedSerializer(done, context={"request": request}).data
        code = status.HTTP_201_CREATED if result.changed else status.HTTP_200_OK
        return Response(answer, code, headers={"Location": answer["workflow"]["url"]})


class WorkflowDetail(APIView):
    """One workflow."""

    @extend_schema(operation_id="get_workflow", responses=WorkflowDetailSerializer)
    def get(self, request: Request, workflow: str) -> Response:
        """Return the workflow of this id or slug."""
        found = _seen_by(request.user).get(pk=get_workflow_for(request.user, workflow).pk)
        found.published = _published(found).select_related("created_by")[:100]  # type: ignore[attr-defined]
        return Response(WorkflowDetailSerializer(found, context={"request": request}).data)


class WorkflowDefinition(APIView):
    """The definition of a workflow."""

    renderer_classes = [JSONRenderer, YamlRenderer]

    @extend_schema(operation_id="get_definition", parameters=[DefinitionQuery], responses=OpenApiTypes.OBJECT)
    def get(self, request: Request, workflow: str) -> Response:
        """Return the document of a version, as JSON or YAML; importing it again changes nothing."""
        found = get_workflow_for(request.user, workflow)
        number = read_query(request, DefinitionQuery).get("version")
        return Response(to_document(get_version(found, number)))


def _seen_by(user: Any) -> QuerySet[Workflow]:
    newest = WorkflowVersion.objects.filter(workflow=OuterRef("pk"), status=VersionStatus.PUBLISHED).order_by("-number")
    return (
        Workflow.objects.visible_to(user)
        .select_related("owner")
        .annotate(version=Subquery(newest.values("number")[:1]))
    )


def _published(workflow: Workflow) -> QuerySet[WorkflowVersion]:
    return workflow.versions.filter(status=VersionStatus.PUBLISHED).order_by("-number")
