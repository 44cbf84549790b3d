"""Opens every built page in Chromium, from the file system, with the network off."""

from dataclasses import dataclass, field

import pytest
from pages import SITE, WIDE, built_pages, wait_until_drawn
from playwright.sync_api import Page, sync_playwright

from tools import browser


def pytest_generate_tests(metafunc):
    if "page_path" in metafunc.fixturenames:
        pages = built_pages()
        metafunc.parametrize("page_path", pages, ids=[str(path.relative_to(SITE)) for path in pages], scope="session")


@dataclass
class Visit:
    """An open page, with all that went wrong while it loaded."""

    page: Page
    console_errors: list[str] = field(default_factory=list)
    page_errors: list[str] = field(default_factory=list)
    lost_requests: list[str] = field(default_factory=list)


@pytest.fixture(scope="session")
def chromium():
    with sync_playwright() as playwright:
        yield playwright.chromium.launch(executable_path=browser.require(), args=browser.FLAGS)


@pytest.fixture(scope="session")
def visit(chromium, page_path):
    context = chromium.new_context(viewport=WIDE, offline=True)
    seen = Visit(context.new_page())
    seen.page.on("console", lambda message: message.type == "error" and seen.console_errors.append(message.text))
    seen.page.on("pageerror", lambda error: seen.page_errors.append(str(error)))
    seen.page.on("requestfailed", lambda request: seen.lost_requests.append(request.url))
    seen.page.goto(page_path.as_uri())
    wait_until_drawn(seen.page)
    yield seen
    context.close()
