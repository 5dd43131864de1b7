"""Answers to htmx: the page, or only the fragment that the browser is about to swap. Imports no app."""

from collections.abc import Mapping
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.cache import patch_vary_headers
from django_htmx.middleware import HtmxDetails


def is_htmx(request: HttpRequest) -> bool:
    """Whether htmx (or the live module) asks for a fragment; a restored history entry wants the whole page."""
    details = HtmxDetails(request)
    return bool(details) and not details.history_restore_request


def target(request: HttpRequest) -> str:
    """The id of the element that the answer goes into; empty when htmx does not ask."""
    return (HtmxDetails(request).target or "") if is_htmx(request) else ""


def render_page(
    request: HttpRequest,
    page: str,
    context: Mapping[str, Any],
    fragments: Mapping[str, str] | None = None,
    status: int = 200,
) -> HttpResponse:
    """Render the fragment template whose key is the request's target, else the whole page."""
    template = (fragments or {}).get(target(request), page)
    response = render(request, template, dict(context), status=status)
    patch_vary_headers(response, ["HX-Request", "HX-Target"])
    return response
