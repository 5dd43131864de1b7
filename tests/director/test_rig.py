"""The test rig itself: what other tests stand on."""

import redis
from django.conf import settings
from django.db import connection

from director.celery import app


def test_a_worker_takes_messages_from_the_test_redis_and_dies_when_killed(worker):
    running = worker()
    with connection.cursor() as cursor:
        cursor.execute("select current_database()")
        assert cursor.fetchone()[0].startswith("director_test")

    app.send_task("no.such.task")
    running.wait_until_it_says("no.such.task")

    running.kill()
    assert not running.is_alive


def test_beat_runs(beat):
    assert beat.is_alive


def test_redis_is_empty_before_workers_start(empty_redis):
    with redis.Redis.from_url(settings.REDIS_URL) as client:
        assert client.dbsize() == 0


def test_a_browser_sees_the_admin_sign_in(browser_page):
    browser_page.goto("/admin/login/")
    assert browser_page.title() == "Log in | Director administration"
