"""One embedded stack of its own for each test session, in a folder that goes when the session ends.

Where its sockets will be is known beforehand, so the settings can be read here; the servers start with the first test
that needs them, and tests of pure functions cost nothing.
"""

import os

from tests.rig import session

session.prepare_environment()
os.environ["DJANGO_SETTINGS_MODULE"] = "director.settings"

import django  # noqa: E402

django.setup()

pytest_plugins = ["tests.rig.fixtures"]
