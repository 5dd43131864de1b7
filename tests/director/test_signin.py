from io import StringIO

import pytest
from django.contrib.auth import get_user_model
from django.core.management import CommandError, call_command
from django.test import Client

from director import signin


@pytest.fixture
def owner(db):
    return get_user_model().objects.create_user("owner")


def path_of(link: str) -> str:
    return link[link.index("/accounts/") :]


def test_the_command_prints_a_link_for_who_may_sign_in(owner):
    out = StringIO()
    call_command("signin_link", "owner", "--url", "http://director.test/", stdout=out)

    assert out.getvalue().startswith("http://director.test/accounts/link/")
    with pytest.raises(CommandError, match=r'no user "ownr".*"owner"'):
        call_command("signin_link", "ownr")
    get_user_model().objects.filter(pk=owner.pk).update(is_active=False)
    with pytest.raises(CommandError, match="not active"):
        call_command("signin_link", "owner")


def test_a_link_shows_a_button_and_signs_in_once(owner, client: Client):
    path = path_of(signin.link_for(owner))

    assert "owner" in client.get(path).content.decode()
    assert "_auth_user_id" not in client.session

    assert client.post(path).status_code == 302
    assert client.session["_auth_user_id"] == str(owner.pk)

    again = Client()
    assert again.post(path).status_code == 410
    assert "_auth_user_id" not in again.session
