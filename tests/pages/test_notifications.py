"""Notifications: on the page, in the shell, by REST; each person's own, and nobody else's."""

import re
from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from executions.models import Execution, Notification
from executions.notifying import Notice, notify_users
from executions.retention import remove_old_news
from tests.factories import make_execution, make_user
from workflows.services import import_workflow

pytestmark = pytest.mark.django_db(transaction=True)

DOCUMENT = {"director": 1, "name": "News", "steps": [{"alias": "a", "type": "set", "config": {"value": 1}}]}


@pytest.fixture
def execution() -> Execution:
    return make_execution(import_workflow(DOCUMENT, owner=make_user("olivia")).workflow)


def tell(execution: Execution, *people: User, count: int = 1, link: str = "/records/", title: str = "Told") -> None:
    for frame in range(Notification.objects.count(), Notification.objects.count() + count):
        notice = Notice(f"{title} {frame}", "Two lines\nof text", link)
        notify_users({one.pk for one in people}, notice, execution_id=execution.pk, frame_id=frame, alias="tell")


def client_of(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def text(response) -> str:
    return re.sub(r"\s+", " ", response.content.decode())


def test_a_page_of_notifications_shows_ones_own_newest_first_in_few_queries(execution: Execution):
    priya, other = make_user("priya"), make_user("other")
    tell(execution, priya, count=60)
    tell(execution, other, title="Not yours")

    client = client_of(priya)
    with CaptureQueriesContext(connection) as queries:
        page = text(client.get("/notifications/"))

    assert len(queries) <= 5, [one["sql"] for one in queries]
    assert page.count('<li id="notification-') == 50
    assert page.index("Told 59") < page.index("Told 58")
    assert "Not yours" not in page
    assert 'id="nav-count-notifications">60' in page
    following = re.search(r'href="(\?cursor=[^"]+)"[^>]*rel="next"', page)
    assert text(client.get("/notifications/" + following[1])).count('<li id="notification-') == 10
    assert "No notifications" in text(client_of(make_user("quiet")).get("/notifications/"))


def test_reading_one_or_all_is_ones_own_and_keeps_what_came_since_unread(execution: Execution):
    priya, other = make_user("priya"), make_user("other")
    tell(execution, priya, other, count=3)
    first, second, third = Notification.objects.filter(user=priya).order_by("pk")
    client = client_of(priya)

    row = client.post(f"/notifications/{first.pk}/read/", headers={"HX-Request": "true"})
    assert 'data-state="read"' in text(row)
    assert 'id="notification-n" hx-swap-oob="true">2' in text(row)
    client.post("/notifications/read/", {"up_to": second.pk})

    assert list(Notification.objects.filter(user=priya, read_at=None)) == [third]
    assert Notification.objects.filter(user=other, read_at=None).count() == 3
    assert text(client.get("/notifications/?tab=unread")).count('<li id="notification-') == 1
    assert client_of(other).post(f"/notifications/{third.pk}/read/").status_code == 404
    assert client.get(f"/notifications/{third.pk}/read/").status_code == 405
    assert Client().get("/notifications/").status_code == 302


def test_what_comes_while_the_page_is_open_is_offered_and_what_was_read_elsewhere_is_shown_so(execution: Execution):
    priya = make_user("priya")
    tell(execution, priya, count=2)
    seen = list(Notification.objects.order_by("-pk").values_list("pk", flat=True))
    Notification.objects.filter(pk=seen[0]).update(read_at=timezone.now())
    tell(execution, priya)

    live = text(client_of(priya).get("/notifications/live/", {"rows": ",".join(map(str, seen))}))

    assert f'<li id="notification-{seen[0]}" data-state="read">' in live
    assert live.count('<li id="notification-') == 3
    assert 'id="notification-n">2' in live


def test_the_rest_interface_lists_by_page_and_marks_read(execution: Execution):
    priya, other = make_user("priya"), make_user("other")
    tell(execution, priya, count=3)
    client = client_of(priya)

    first = client.get("/api/notifications?limit=2").json()
    rest = client.get(first["next"]).json()
    shown = first["results"][0]
    read = client.post(f"/api/notifications/{shown['id']}/read").json()

    assert [len(first["results"]), len(rest["results"]), rest["next"]] == [2, 1, None]
    assert shown | {"id": 0, "created_at": ""} == {
        "id": 0,
        "title": "Told 2",
        "message": "Two lines\nof text",
        "link": "/records/",
        "workflow": "news",
        "execution": execution.number,
        "step": "tell",
        "created_at": "",
        "read_at": None,
    }
    assert client.post(f"/api/notifications/{shown['id']}/read").json()["read_at"] == read["read_at"] is not None
    assert len(client.get("/api/notifications?unread=true").json()["results"]) == 2
    assert client_of(other).post(f"/api/notifications/{shown['id']}/read").json()["code"] == "notification_not_found"
    assert client_of(other).post("/api/notifications/read", {}, "application/json").json() == {"marked": 0}
    assert client.post("/api/notifications/read", {}, "application/json").json() == {"marked": 2}


def test_old_notifications_are_removed(execution: Execution):
    tell(execution, make_user("priya"), count=2)
    Notification.objects.filter(title="Told 0").update(created_at=timezone.now() - timedelta(days=91))

    assert remove_old_news() == {"notifications": 1, "mails": 0}
    assert Notification.objects.get().title == "Told 1"
