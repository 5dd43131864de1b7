"""Users as commands name them."""

from typing import Any

from django.contrib.auth import get_user_model
from django.core.management.base import CommandError

from director.errors import did_you_mean


def named_user(username: str) -> Any:
    """Return the user of this sign-in name; a CommandError proposes the nearest one there is."""
    users = get_user_model()._default_manager
    user = users.filter(username=username).first()
    if user is None:
        known = users.order_by("-last_login").values_list("username", flat=True)[:1000]
        raise CommandError(
            f'There is no user "{username}".{did_you_mean(username, known)} Make one with `manage.py createsuperuser`.'
        )
    return user
