"""Opens every built page in Chromium, from the file system, with the network off: once, for all checks on it."""

from dataclasses import dataclass, field

import pytest
from pages import SITE, WIDE, built_pages, wait_until_drawn
from playwright.sync_api import Page, sync_playwright

from tools import browser


def pytest_generate_tests(metafunc):
    """The checks of one page stay in one process (`-n 2 --dist loadgroup`), which loads it once."""
    if "page_path" in metafunc.fixturenames:
        names = {path: str(path.relative_to(SITE)) for path in built_pages()}
        cases = [pytest.param(path, id=name, marks=pytest.mark.xdist_group(name)) for path, name in names.items()]
        metafunc.parametrize("page_path", cases, scope="session")


def pytest_collection_finish(session):
    """Without the groups every page would be opened twice, and pytest-xdist does not say that they have no effect."""
    alone = ["@" not in item.nodeid for item in session.items if item.get_closest_marker("xdist_group")]
    if session.config.getoption("loadgroup", False) and any(alone):
        raise pytest.UsageError("this pytest-xdist does not group tests with this pytest; see requirements.in")


@dataclass
class Visit:
    """An open page, with all that went wrong since it began to load."""

    page: Page
    console_errors: list[str] = field(default_factory=list)
    page_errors: list[str] = field(default_factory=list)
    lost_requests: list[str] = field(default_factory=list)


@pytest.fixture(scope="session")
def chromium():
    with sync_playwright() as playwright:
        yield playwright.chromium.launch(executable_path=browser.require(), args=browser.FLAGS)


@pytest.fixture(scope="session")
def context(chromium):
    """Without a network, on a desk, and without transitions between colours."""
    return chromium.new_context(viewport=WIDE, offline=True, color_scheme="light", reduced_motion="reduce")


@pytest.fixture
def tab(context):
    """An empty page for a test that goes somewhere by itself."""
    page = context.new_page()
    yield page
    page.close()


@pytest.fixture(scope="session")
def visit(context, page_path):
    seen = Visit(context.new_page())
    seen.page.on("console", lambda message: message.type == "error" and seen.console_errors.append(message.text))
    seen.page.on("pageerror", lambda error: seen.page_errors.append(str(error)))
    seen.page.on("requestfailed", lambda request: seen.lost_requests.append(request.url))
    seen.page.goto(page_path.as_uri())
    wait_until_drawn(seen.page)
    yield seen
    seen.page.close()
