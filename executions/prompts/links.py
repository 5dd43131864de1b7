"""Links by which one person answers one prompt without signing in: signed, expiring, good for one answer.

What makes a link single-use is the prompt itself: a person answers it once, and it is decided once.
"""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.conf import settings
from django.contrib.auth.models import User
from django.core import signing
from django.urls import reverse

from executions.models import HumanPrompt
from executions.prompts.errors import PromptLinkExpired

SALT = "director.prompt"
MAX_AGE_SECONDS = 7 * 24 * 3600  # of a link to a prompt that waits longer


def link_for(prompt: HumanPrompt, user: Any) -> str:
    """Return the address at which this user, and nobody else, answers the prompt."""
    token = signing.dumps([prompt.pk.hex, user.pk], salt=SALT)
    return settings.PUBLIC_URL + reverse("prompt_link", args=[token])


def open_link(token: str) -> tuple[HumanPrompt, User]:
    """Return the prompt and the person of a link; raises PromptLinkExpired."""
    try:
        prompt_id, user_id = signing.loads(token, salt=SALT, max_age=MAX_AGE_SECONDS)
    except signing.BadSignature as error:
        raise PromptLinkExpired from error
    related = ("execution", "execution__workflow", "execution__version", "workflow", "record", "answered_by")
    prompt = HumanPrompt.objects.select_related(*related).filter(pk=UUID(prompt_id)).first()
    user = User.objects.filter(pk=user_id, is_active=True).first()
    if prompt is None or user is None:
        raise PromptLinkExpired
    return prompt, user
