"""The page for addresses that do not exist, served as the published site is: below the path of its address."""

import mimetypes
from urllib.parse import urlsplit

import pytest
from pages import ADDRESS, SITE


@pytest.fixture
def served(chromium):
    """A page on which the site's address answers with the built files, as GitHub Pages does; and what was not found."""
    missing = []

    def answer(route):
        path = SITE / route.request.url.removeprefix(ADDRESS).partition("?")[0].partition("#")[0]
        if route.request.url.startswith(ADDRESS) and path.is_file():
            kind = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
            return route.fulfill(body=path.read_bytes(), content_type=kind)
        missing.append(route.request.url)
        return route.fulfill(status=404, body=(SITE / "404.html").read_bytes(), content_type="text/html")

    context = chromium.new_context()
    context.route("**/*", answer)
    yield context.new_page(), missing
    context.close()


@pytest.mark.parametrize("wrong", ["lost.html", "book/lost.html", "book/very/deeply/lost"])
def test_it_looks_and_leads_the_same_at_every_depth(served, wrong):
    page, missing = served
    page.goto(ADDRESS + wrong)
    assert missing == [ADDRESS + wrong]  # nothing that the page loads
    assert page.locator("article h1").text_content().strip() == "There is no such page"
    links = page.evaluate("() => [...document.querySelectorAll('a[href]')].map(link => link.href)")
    within = {link.partition("#")[0] for link in links if urlsplit(link).netloc == urlsplit(ADDRESS).netloc}
    within.discard(ADDRESS + wrong)  # to a place on the page itself
    assert len(within) > 15
    assert not [link for link in within if not (SITE / link.removeprefix(ADDRESS)).is_file()]
    page.locator("article").get_by_role("link", name="Start at the beginning").click()
    page.wait_for_url(ADDRESS + "book/start_here.html")
