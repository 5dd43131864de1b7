"""One embedded stack of its own for each test session, in a folder that goes when the session ends.

Where its sockets will be is known beforehand, so the settings can be read here; the servers start with the first test
that needs them, and tests of pure functions cost nothing. Of several test processes each has a stack of its own.
"""

import os

from tests.rig import session

session.prepare_environment()
os.environ["DJANGO_SETTINGS_MODULE"] = "director.settings"

import django  # noqa: E402

django.setup()
# Test processes begin with this one's environment, and pytest-django reads the settings it finds named there before
# they come to this file: with the data folder of another process.
del os.environ["DJANGO_SETTINGS_MODULE"]

pytest_plugins = ["tests.rig.fixtures"]


def pytest_unconfigure() -> None:
    session.clean_up()
