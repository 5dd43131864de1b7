"""What every answer has in common: its headers, who may have it, the zone of its times, how it says what failed."""

from collections.abc import Callable
from datetime import tzinfo
from typing import Any
from urllib.parse import unquote
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from django.contrib.auth.middleware import LoginRequiredMiddleware
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.utils import timezone

from director.errors import DirectorError
from director.htmx import is_htmx

# Scripts only from our own files; inline styles are allowed because widths and heights of charts are style attributes.
POLICY = "; ".join(
    [
        "default-src 'self'",
        "style-src 'self' 'unsafe-inline'",
        "img-src 'self' data:",
        "connect-src 'self' ws: wss:",
        "object-src 'none'",
        "base-uri 'self'",
        "form-action 'self'",
        "frame-ancestors 'none'",
    ]
)


class ContentSecurityPolicy:
    """Adds the Content-Security-Policy to answers that do not bring their own."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        response.headers.setdefault("Content-Security-Policy", POLICY)
        return response


class SignInRequired(LoginRequiredMiddleware):
    """Every view asks for a signed-in user unless it is marked `login_not_required`.

    A fragment is refused with 401 rather than answered by the sign-in page: the page then opens its sign-in dialog and
    repeats the request.
    """

    def process_view(self, request: HttpRequest, *view: Any) -> HttpResponseBase | None:
        refused = super().process_view(request, *view)
        if refused is not None and is_htmx(request):
            return HttpResponse("Sign in to go on.", status=401, content_type="text/plain")
        return refused


class LocalTime:
    """Times are shown in the browser's zone, which it says in the cookie `tz`."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        with timezone.override(_zone(request.COOKIES.get("tz", ""))):
            return self.get_response(request)


def _zone(name: str) -> tzinfo | None:
    """Return the zone called `name`; None, which means the server's own, for a name nobody knows."""
    try:
        return ZoneInfo(unquote(name)) if name else None
    except (ValueError, OSError, ZoneInfoNotFoundError):
        return None


class ErrorPages:
    """An error of the tree that a view did not catch: its message, as a page or as the fragment that was asked for.

    An address that takes forms only is visited after a sign-in that came between; that is answered by a page too. The
    API answers in its own way; errors that are not ours go on to Django's 500 page.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        if isinstance(response, HttpResponseNotAllowed) and not response.content:  # a view's own, which is blank
            page = render(request, "405.html", status=405)
            page.headers["Allow"] = response.headers["Allow"]
            return page
        return response

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        if not isinstance(exception, DirectorError) or request.path.startswith("/api/"):
            return None
        template = "components/_error.html" if is_htmx(request) else "error.html"
        return render(request, template, {"error": exception}, status=exception.http_status)
