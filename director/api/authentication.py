"""Who is asking: a bearer token, or the session of the browser (with its CSRF token for writes)."""

from __future__ import annotations

from typing import Any

from rest_framework.authentication import BaseAuthentication, get_authorization_header
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request

from director.api import tokens
from director.models import ApiToken


class BearerAuthentication(BaseAuthentication):
    """`Authorization: Bearer dir_...`, made by `manage.py api_token`."""

    def authenticate(self, request: Request) -> tuple[Any, ApiToken] | None:
        """Return the token's user and the token, None without a bearer header; raises AuthenticationFailed."""
        scheme, _, secret = get_authorization_header(request).decode("latin-1").partition(" ")
        if scheme.lower() != "bearer":
            return None
        token = tokens.find(secret.strip())
        if token is None:
            raise AuthenticationFailed("The token is unknown, expired, or its user is not active.")
        return token.user, token

    def authenticate_header(self, request: Request) -> str:
        return 'Bearer realm="director"'
