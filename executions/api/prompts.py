"""The REST interface of prompts: list them, look at one, answer it."""

from __future__ import annotations

from typing import Any

from django.http import StreamingHttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status
from rest_framework.parsers import MultiPartParser
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from director.api.paging import PageQuery, page_of
from director.api.reading import read_body, read_query
from director.api.renderers import streamed
from director.api.schema import page_shape
from executions.models import HumanPrompt, PromptStatus
from executions.prompts import services as prompts
from executions.prompts.secrets import secrets_of_prompt
from executions.queries.prompts import PromptFilter
from executions.services import get_execution_for
from workflows.services import get_workflow_for

WHOSE = ("mine", "groups", "all")


class PromptSerializer(serializers.Serializer[Any]):
    """A prompt as lists show it."""

    id = serializers.UUIDField()
    status = serializers.ChoiceField(PromptStatus.choices)
    title = serializers.CharField()
    workflow = serializers.CharField(source="workflow.slug")
    execution = serializers.IntegerField(source="execution.number")
    step = serializers.CharField(source="alias")
    record = serializers.CharField(source="record.record_id", allow_null=True, default=None)
    created_at = serializers.DateTimeField()
    due_at = serializers.DateTimeField(allow_null=True)
    answered_at = serializers.DateTimeField(allow_null=True)
    answered_by = serializers.CharField(source="answered_by.username", allow_null=True, default=None)
    url = serializers.HyperlinkedIdentityField("api-prompt", lookup_field="pk", lookup_url_kwarg="prompt")


class ActionSerializer(serializers.Serializer[Any]):
    """A button; its key is what an answer gives as `action`."""

    key = serializers.CharField()
    label = serializers.CharField()  # type: ignore[assignment]  # fields are taken off the class, they hide nothing
    style = serializers.CharField()  # type: ignore[assignment]


class PromptDetailSerializer(PromptSerializer):
    """A prompt with everything that is needed to answer it, and with its answer."""

    message = serializers.CharField(help_text="Markdown.")
    schema = serializers.DictField(help_text="JSON Schema (2020-12) of the answer's `data`.")
    context = serializers.ListField(  # type: ignore[assignment]
        child=serializers.DictField(), help_text="What to show beside the form: label and value or url."
    )
    actions = ActionSerializer(many=True)
    quorum = serializers.IntegerField(help_text="How many must choose the same action.")
    on_timeout = serializers.SerializerMethodField(help_text="What happens at `due_at`.")
    may_answer = serializers.SerializerMethodField()
    answer = serializers.SerializerMethodField(help_text="The step's output once it is decided.")

    def get_on_timeout(self, prompt: HumanPrompt) -> dict[str, Any]:
        """The default answer is what the step goes on with, so it is kept as it is and masked here."""
        shown: dict[str, Any] = secrets_of_prompt(prompt).shown(prompt.on_timeout)
        return shown

    def get_may_answer(self, prompt: HumanPrompt) -> bool:
        is_open = prompt.status == PromptStatus.OPEN
        return is_open and not prompts.why_not(prompt, self.context["request"].user)  # type: ignore[index]

    def get_answer(self, prompt: HumanPrompt) -> dict[str, Any] | None:
        return secrets_of_prompt(prompt).shown(prompt.answer) if prompt.answer else None


class AnswerSerializer(serializers.Serializer[Any]):
    """An answer: one of the prompt's actions, and its fields."""

    action = serializers.CharField(max_length=100)
    data = serializers.DictField(  # type: ignore[assignment]
        required=False, default=dict, help_text="By the prompt's schema."
    )
    comment = serializers.CharField(required=False, allow_blank=True, default="", trim_whitespace=True)


class RespondSerializer(AnswerSerializer):
    """An answer to the prompt of a step."""

    record = serializers.CharField(required=False, help_text="The record's id, where the step is inside an iterate.")


class AnsweredSerializer(serializers.Serializer[Any]):
    """What became of an answer. With a quorum it may not decide yet: `agree` of `needed` have chosen this action."""

    decided = serializers.BooleanField()
    agree = serializers.IntegerField()
    needed = serializers.IntegerField()
    prompt = PromptDetailSerializer()


class PromptQuery(PageQuery):
    """The filters of the list of prompts."""

    whose = serializers.ChoiceField(
        WHOSE, default="all", help_text="`mine`: asked by name. `groups`: asked as a member. Both: open ones only."
    )
    status = serializers.ChoiceField(PromptStatus.choices, required=False, help_text="Open ones by default.")
    workflow = serializers.CharField(required=False, help_text="Id or slug.")
    execution = serializers.CharField(required=False, help_text="Number or id.")
    step = serializers.CharField(required=False)
    record = serializers.CharField(required=False, help_text="A record id, such as `email_001`.")


class Prompts(APIView):
    """The list of prompts."""

    @extend_schema(operation_id="list_prompts", parameters=[PromptQuery], responses=page_shape(PromptSerializer))
    def get(self, request: Request) -> Response:
        """List the prompts that wait for you or that you may see, in the order in which they were asked."""
        query = read_query(request, PromptQuery)
        rows = PromptFilter(query["whose"]).apply(request.user)
        if query["whose"] == "all":
            status = query.get("status", PromptStatus.OPEN)
            rows = prompts.visible_to(request.user).filter(status=status)
        if "workflow" in query:
            rows = rows.filter(workflow=get_workflow_for(request.user, query["workflow"]))
        if "execution" in query:
            rows = rows.filter(execution=get_execution_for(request.user, query["execution"]))
        wanted = {"alias": query.get("step"), "record__record_id": query.get("record")}
        rows = rows.filter(**{name: value for name, value in wanted.items() if value is not None})
        related = rows.select_related("workflow", "execution", "record", "answered_by").defer("record__data")
        return page_of(request, related, query, PromptSerializer)


class PromptDetail(APIView):
    """One prompt."""

    @extend_schema(operation_id="get_prompt", responses=PromptDetailSerializer)
    def get(self, request: Request, prompt: str) -> Response:
        """Return the prompt with its fields and its answer. Looking changes nothing."""
        found = prompts.get_prompt_for(request.user, prompt)
        return Response(PromptDetailSerializer(found, context={"request": request}).data)


class Answer(APIView):
    """Answering a prompt by its id."""

    @extend_schema(operation_id="answer_prompt", request=AnswerSerializer, responses=AnsweredSerializer)
    def post(self, request: Request, prompt: str) -> Response:
        """Answer the prompt; its record goes on within a second. 409 tells who was first."""
        found = prompts.get_prompt_for(request.user, prompt)
        return _answer(request, found, read_body(request, AnswerSerializer))


class StoredFileSerializer(serializers.Serializer[Any]):
    """A file that was taken; the whole object is what an answer gives as the field's value."""

    path = serializers.CharField()
    name = serializers.CharField()
    size = serializers.IntegerField()


class FileSerializer(serializers.Serializer[Any]):
    """A file for a field of `format: file`, up to 50 MB or what the field says."""

    file = serializers.FileField(allow_empty_file=True)


class Files(APIView):
    """The file of a field."""

    parser_classes = [MultiPartParser]

    @extend_schema(
        operation_id="upload_prompt_file",
        request={"multipart/form-data": FileSerializer},
        responses={201: StoredFileSerializer},
    )
    def post(self, request: Request, prompt: str, field: str) -> Response:
        """Take in a file; the answer then names it. What no answer names is removed when the prompt is decided."""
        found = prompts.get_prompt_for(request.user, prompt)
        asked = read_body(request, FileSerializer)
        stored = prompts.upload(found, user=request.user, field=field, file=asked["file"])
        return Response(stored, status.HTTP_201_CREATED)

    @extend_schema(operation_id="get_prompt_file", responses={(200, "application/octet-stream"): OpenApiTypes.BINARY})
    def get(self, request: Request, prompt: str, field: str) -> StreamingHttpResponse:
        """Return the file that came with the answer, for whoever may see the prompt."""
        name, content = prompts.file_of(prompts.get_prompt_for(request.user, prompt), field)
        return streamed(request, content, "application/octet-stream", name)


class Respond(APIView):
    """Answering the prompt of a step."""

    @extend_schema(operation_id="respond_to_prompt", request=RespondSerializer, responses=AnsweredSerializer)
    def post(self, request: Request, execution: str, step: str) -> Response:
        """Answer the open prompt of this step, of one record where the step is inside an iterate."""
        run = get_execution_for(request.user, execution)
        asked = read_body(request, RespondSerializer)
        found = prompts.get_prompt_of_step(request.user, run, step, asked.pop("record", None))
        return _answer(request, found, asked)


def _answer(request: Request, prompt: HumanPrompt, asked: dict[str, Any]) -> Response:
    answered = prompts.answer(prompt, user=request.user, **asked)
    return Response(AnsweredSerializer(answered, context={"request": request}).data)
