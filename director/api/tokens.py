"""Making and finding API tokens. Only a token's SHA-256 is stored: 256 random bits need no slow hash."""

from __future__ import annotations

import hashlib
import secrets
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Q
from django.utils import timezone

from director.models import ApiToken

PREFIX = "dir_"
# So often is the time of last use written, at most: not with every request.
USE_RESOLUTION = timedelta(minutes=1)


def issue(user: Any, *, name: str = "", expires_at: datetime | None = None) -> tuple[ApiToken, str]:
    """Return a new token and its secret, which cannot be shown again."""
    digest, secret = new_secret()
    return ApiToken.objects.create(user=user, name=name, expires_at=expires_at, digest=digest), secret


def new_secret() -> tuple[str, str]:
    """Return (digest, secret) for a new token."""
    secret = PREFIX + secrets.token_urlsafe(32)
    return digest_of(secret), secret


def find(secret: str) -> ApiToken | None:
    """Return the token with its user, noting its use; None when unknown, expired, or its user is not active."""
    now = timezone.now()
    valid = Q(expires_at=None) | Q(expires_at__gt=now)
    token = (
        ApiToken.objects.select_related("user").filter(valid, digest=digest_of(secret), user__is_active=True).first()
    )
    if token and (token.last_used_at is None or token.last_used_at < now - USE_RESOLUTION):
        ApiToken.objects.filter(pk=token.pk).update(last_used_at=now)
    return token


def digest_of(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
