"""One-time sign-in links: signed, short-lived, bound to one user, good for one use.

What makes a link single-use is the moment of the user's last sign-in inside it: signing in moves that moment.
"""

from django.conf import settings
from django.contrib.auth import login
from django.contrib.auth.decorators import login_not_required
from django.contrib.auth.models import User
from django.core import signing
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render, resolve_url
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

SALT = "director.signin"


def link_for(user: User, *, base_url: str = "") -> str:
    """Return an address that signs the user in once, within SIGNIN_LINK_MAX_AGE_SECONDS.

    base_url: where Director is reached, without a slash at its end; PUBLIC_URL unless given.
    """
    token = signing.dumps([user.pk, _last_sign_in(user)], salt=SALT)
    return (base_url or settings.PUBLIC_URL) + reverse("signin-link", args=[token])


@login_not_required
@never_cache
@require_http_methods(["GET", "POST"])
def link(request: HttpRequest, token: str) -> HttpResponse:
    """GET shows a button, so that a mail scanner that opens the link uses nothing up; POST signs in."""
    if request.method == "GET":
        user = _user_of(token)
        return render(request, "registration/signin_link.html", {"link_user": user}, status=200 if user else 410)
    with transaction.atomic():
        user = _user_of(token, lock=True)
        if user:
            login(request, user, backend="django.contrib.auth.backends.ModelBackend")
    if user is None:
        return render(request, "registration/signin_link.html", {"link_user": None}, status=410)
    return redirect(resolve_url(settings.LOGIN_REDIRECT_URL))


def _user_of(token: str, *, lock: bool = False) -> User | None:
    """Return the active user of a link that still counts; locked, so that two uses at once are one after the other."""
    try:
        pk, last_sign_in = signing.loads(token, salt=SALT, max_age=settings.SIGNIN_LINK_MAX_AGE_SECONDS)
    except signing.BadSignature:
        return None
    users = User.objects.filter(pk=pk, is_active=True)
    if lock:
        users = users.select_for_update(no_key=True)
    user = users.first()
    return user if user and _last_sign_in(user) == last_sign_in else None


def _last_sign_in(user: User) -> str:
    return user.last_login.isoformat() if user.last_login else ""
