"""A person signed in, in a real browser, before a real server."""

from typing import Any

import pytest
from playwright.sync_api import Page

from tests.factories import make_user
from tests.rig.browser import sign_in


@pytest.fixture
def owner(transactional_db: None) -> Any:
    return make_user("olivia", first_name="Olivia", last_name="Owen", password="correct horse")


@pytest.fixture
def page(browser_page: Page, server: Any, owner: Any) -> Page:
    """A page with the owner signed in."""
    sign_in(browser_page, server.url, owner)
    return browser_page
