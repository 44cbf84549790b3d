"""A reader without a mouse: the Tab key goes through a page, and Enter, Space and arrows work what it reaches."""

import pytest
from pages import SITE

PAGE = SITE / "book" / "shrinkage.html"  # explorer, code behind a fold, solutions, proofs
# The element under the keyboard, as a mark that a test can look for.
HERE = """() => {
    const element = document.activeElement;
    element.dataset.reached = "yes";
    return element === document.body ? "" : element.outerHTML.slice(0, 80);
}"""
LEFT = """() => [...document.querySelectorAll("a[href], button, input, summary")]
    .filter(element => element.checkVisibility({visibilityProperty: true}) && !element.dataset.reached)
    .map(element => element.outerHTML.slice(0, 150))"""
IN_VIEW = """() => {
    const box = document.activeElement.getBoundingClientRect();
    return box.width > 0 && box.bottom > 0 && box.top < innerHeight && box.right > 0 && box.left < innerWidth;
}"""

pytestmark = pytest.mark.xdist_group("keyboard")


@pytest.fixture(scope="module")
def chapter(context):
    page = context.new_page()
    page.goto(PAGE.as_uri())
    page.evaluate("() => window.MathJax.startup.promise")
    page.locator("svg.marks").first.wait_for()
    yield page
    page.close()


def tab_to(page, selector: str) -> None:
    """Press Tab until the element has the keyboard."""
    page.evaluate("() => { document.activeElement.blur(); getSelection().removeAllRanges(); }")
    for _ in range(600):
        page.keyboard.press("Tab")
        if page.evaluate("selector => document.activeElement.matches(selector)", selector):
            return
    raise AssertionError(f"the Tab key does not reach {selector}")


def test_the_tab_key_goes_through_the_page(chapter):
    """Every control is reached, each is in view when it is, and the way ends."""
    chapter.evaluate("() => document.activeElement.blur()")
    out_of_view = []
    for _ in range(600):
        chapter.keyboard.press("Tab")
        here = chapter.evaluate(HERE)
        if not here:
            break
        if not chapter.evaluate(IN_VIEW):
            chapter.wait_for_timeout(300)  # the link past the contents slides in
            if not chapter.evaluate(IN_VIEW):
                out_of_view.append(here)
    else:
        raise AssertionError("six hundred stops and no end")
    assert not chapter.evaluate(LEFT)
    assert not out_of_view


def test_the_theme_switch(chapter):
    """Enter works it again and again: it keeps the keyboard."""
    seen = set()
    tab_to(chapter, "button.theme-switch-button")
    for _ in range(3):
        chapter.keyboard.press("Enter")
        seen.add(chapter.evaluate("() => document.documentElement.dataset.mode"))
        chapter.locator("button.theme-switch-button:focus").wait_for(timeout=5000)
    assert seen == {"light", "dark", "auto"}


@pytest.mark.parametrize("menu", ["launch", "download", "source"])
def test_the_menus(chapter, menu):
    """Enter opens them, Tab goes into them, Escape closes them."""
    tab_to(chapter, f".dropdown-{menu}-buttons > button")
    chapter.keyboard.press("Enter")
    items = chapter.locator(f".dropdown-{menu}-buttons .dropdown-menu.show :is(a, button)")
    items.first.wait_for()
    for i in range(items.count()):
        chapter.keyboard.press("Tab")
        assert items.nth(i).evaluate("element => document.activeElement === element")
    chapter.keyboard.press("Escape")
    chapter.locator(f".dropdown-{menu}-buttons .dropdown-menu.show").wait_for(state="hidden")


def test_the_search_dialog(chapter):
    tab_to(chapter, "button.search-button-field, button.search-button")
    chapter.keyboard.press("Enter")
    field = chapter.locator("input[name=q]:focus")
    field.wait_for()
    chapter.keyboard.type("rank")
    assert field.input_value() == "rank"
    chapter.keyboard.press("Escape")
    field.wait_for(state="hidden")


def test_sliders_and_their_reset(chapter):
    tab_to(chapter, ".lorabook-explorer input[type=range]")
    slider = chapter.locator("input[type=range]:focus")
    start = slider.input_value()
    chapter.keyboard.press("ArrowRight" if start == "0" else "ArrowLeft")
    assert slider.input_value() != start
    first = chapter.locator(".lorabook-explorer input[type=range]").first
    tab_to(chapter, ".lorabook-reset")
    chapter.keyboard.press("Space")
    assert first.input_value() == start


def test_solutions_unfold(chapter):
    tab_to(chapter, ".solution button.toggle-button")
    button = chapter.locator("button.toggle-button:focus")
    content = chapter.locator(".solution").first.locator(".section, p:not(.admonition-title)").first
    assert not content.is_visible()
    for key, open_ in (("Enter", True), ("Space", False)):
        chapter.keyboard.press(key)
        content.wait_for(state="visible" if open_ else "hidden")
        assert button.get_attribute("aria-expanded") == str(open_).lower()


def test_hidden_code_unfolds(chapter):
    tab_to(chapter, "details.hide > summary")
    details = chapter.locator("details.hide:has(> summary:focus)")
    chapter.keyboard.press("Enter")
    assert details.evaluate("element => element.open")
