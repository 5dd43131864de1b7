"""Real Chromium, the system's own: Playwright's download is not used."""

import os
import shutil
from collections.abc import Iterator

import pytest
from django.conf import settings
from django.contrib.auth.models import AbstractUser
from django.test import Client
from playwright.sync_api import Browser, Page, sync_playwright

HINT = "browser tests need Chromium on the PATH: `apt-get install chromium`, or your system's package of that name"
NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
# A test browser has nothing to ask of the network; without these it looks up its maker's hosts at every start.
QUIET = ["--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-quic"]


def chromium() -> str:
    """Return the path of the browser; without one the test is skipped, or fails where browsers are required."""
    found = next((path for name in NAMES if (path := shutil.which(name))), None)
    if found:
        return found
    if os.environ.get("CI") == "true" or os.environ.get("REQUIRE_BROWSER") == "1":
        pytest.fail(HINT)
    pytest.skip(HINT)


def launch() -> Iterator[Browser]:
    """Yield a running browser."""
    path = chromium()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=path, args=[*QUIET, "--disable-gpu"], chromium_sandbox=os.geteuid() != 0
        )
        yield browser
        browser.close()


def sign_in(page: Page, server_url: str, user: AbstractUser) -> None:
    """Sign the user in, in the page's browser profile, without going through the form."""
    client = Client()
    client.force_login(user)
    session = client.cookies[settings.SESSION_COOKIE_NAME].value
    page.context.add_cookies([{"name": settings.SESSION_COOKIE_NAME, "value": session, "url": server_url}])
