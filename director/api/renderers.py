"""Answers that are not JSON: text, YAML, files streamed. A refusal is a problem in JSON all the same."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Any

from asgiref.sync import sync_to_async
from django.core.handlers.asgi import ASGIRequest
from django.http import Http404, HttpRequest, StreamingHttpResponse
from django.utils.http import content_disposition_header
from rest_framework.exceptions import NotAcceptable
from rest_framework.negotiation import DefaultContentNegotiation
from rest_framework.renderers import BaseRenderer, JSONRenderer
from rest_framework.request import Request


class Negotiation(DefaultContentNegotiation):
    """Chooses the format of an answer by `format=` or Accept; a refusal tells which there are."""

    def select_renderer(self, request: Any, renderers: Any, format_suffix: str | None = None) -> Any:
        try:
            return super().select_renderer(request, renderers, format_suffix)
        except (Http404, NotAcceptable):
            known = " or ".join(f"format={renderer.format} ({renderer.media_type})" for renderer in renderers)
            raise NotAcceptable(f"This is given as {known} only.") from None


class RawRenderer(BaseRenderer):
    """Gives what `encode` makes of the answer."""

    def render(self, data: Any, accepted_media_type: str | None = None, renderer_context: Any = None) -> bytes:
        if renderer_context["response"].exception:
            return bytes(JSONRenderer().render(data))
        return self.encode(data)

    def encode(self, data: Any) -> bytes:
        return f"{data}\n".encode()


class TextRenderer(RawRenderer):
    media_type = "text/plain"
    format = "text"
    charset = "utf-8"


class CsvRenderer(RawRenderer):
    media_type = "text/csv"
    format = "csv"
    charset = "utf-8"


class JsonLinesRenderer(RawRenderer):
    media_type = "application/jsonl"
    format = "jsonl"


def streamed(
    request: Request | HttpRequest, parts: Iterator[bytes], content_type: str, file_name: str
) -> StreamingHttpResponse:
    """Return the parts as a file to keep, each sent when it is made.

    The web process is asynchronous and would take a plain iterator into memory as a whole: it gets one of its own kind.
    """
    content = _one_by_one(parts) if isinstance(getattr(request, "_request", request), ASGIRequest) else parts
    disposition = content_disposition_header(as_attachment=True, filename=file_name) or ""
    headers = {"Content-Disposition": disposition, "X-Accel-Buffering": "no"}
    return StreamingHttpResponse(content, content_type=content_type, headers=headers)


async def _one_by_one(parts: Iterator[bytes]) -> AsyncIterator[bytes]:
    next_part = sync_to_async(lambda: next(parts, None))
    while (part := await next_part()) is not None:
        yield part
