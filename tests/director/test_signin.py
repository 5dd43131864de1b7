import pytest
from django.contrib.auth import get_user_model
from django.test import Client

from director import signin


@pytest.fixture
def owner(db):
    return get_user_model().objects.create_user("owner")


def path_of(link: str) -> str:
    return link[link.index("/accounts/") :]


def test_a_link_shows_a_button_and_signs_in_once(owner, client: Client):
    path = path_of(signin.link_for(owner))

    assert "owner" in client.get(path).content.decode()
    assert "_auth_user_id" not in client.session

    assert client.post(path).status_code == 302
    assert client.session["_auth_user_id"] == str(owner.pk)

    again = Client()
    assert again.post(path).status_code == 410
    assert "_auth_user_id" not in again.session
