"""A reader types a name into the search and finds the chapters that have it; without a network."""

from pages import SITE

NAME = "Sondermann"


def chapters_with_the_name() -> set[str]:
    """Those whose text has it, read from the built pages' sources."""
    sources = (SITE / "_sources" / "book").glob("*.*")
    return {path.name.split(".")[0] for path in sources if NAME in path.read_text("utf-8")}


def found(page) -> set[str]:
    page.wait_for_function("() => /found|did not match/.test(document.querySelector('.search-summary')?.textContent)")
    links = page.locator("ul.search li a").evaluate_all("links => links.map(link => link.href)")
    return {link.rpartition("/")[2].partition(".html")[0] for link in links}


def test_the_dialog_finds_a_name_in_the_chapters(tab):
    """From a chapter, with the keyboard alone."""
    assert chapters_with_the_name()
    tab.goto((SITE / "book" / "notation.html").as_uri())
    tab.keyboard.press("Control+k")
    tab.keyboard.type(NAME)
    tab.keyboard.press("Enter")
    tab.wait_for_url(f"**/search.html?q={NAME}")
    assert chapters_with_the_name() <= found(tab)


def test_the_search_page_finds_a_name_in_the_chapters(tab):
    tab.goto((SITE / "search.html").as_uri())
    field = tab.locator("input[name=q]:visible").last
    field.fill(NAME)
    field.press("Enter")
    tab.wait_for_url(f"**/search.html?q={NAME}*")
    assert chapters_with_the_name() <= found(tab)


def test_the_search_says_when_it_finds_nothing(tab):
    tab.goto((SITE / "search.html").as_uri() + "?q=xylophone")
    assert found(tab) == set()
