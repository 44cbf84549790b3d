"""Every page as a reader opens it: without a network, in Chromium, on a desk and on a phone."""

import re

from pages import PHONE, SITE, WIDE, wait_until_drawn

# Console errors that are no fault of the page; each with its reason.
HARMLESS_CONSOLE_ERRORS: tuple[str, ...] = ()

# What MathJax draws for a macro that it does not know, and for TeX that it cannot read.
BROKEN_MATH = "mjx-merror, [data-mjx-error], mjx-mtext[style*='color: red']"
# A formula's source that is still on the page as text, outside code.
LEFT_OVER_MATH = r"""() => {
    const walker = document.createTreeWalker(document.querySelector("article") || document.body, NodeFilter.SHOW_TEXT);
    const found = [];
    while (walker.nextNode()) {
        const node = walker.currentNode;
        if (node.parentElement.closest("script, style, pre, code, mjx-container")) continue;
        if (/\\[(\[]|\$\$|\\begin\{/.test(node.data)) found.push(node.data.trim());
    }
    return found;
}"""
NEXT_FRAME = "() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))"
# Elements that stick out of the window without a scroll box of their own around them.
CUT_OFF = """() => [...document.querySelectorAll("article *")].filter(element => {
    if (element.closest("mjx-container, svg, mjx-assistive-mml")) return false;
    const box = element.getBoundingClientRect();
    if (box.width === 0 || box.right <= document.documentElement.clientWidth + 1) return false;
    for (let up = element; up && up !== document.body; up = up.parentElement)
        if (["auto", "scroll", "hidden"].includes(getComputedStyle(up).overflowX)) return false;
    return true;
}).map(element => element.outerHTML.slice(0, 120))"""

FIGURES = """() => [...document.querySelectorAll(".lorabook-figure")].map(box => [
    box.scrollWidth > box.clientWidth, box.tabIndex, box.closest("figure").querySelector("figcaption").clientWidth])"""


def test_nothing_goes_wrong_while_loading(visit):
    errors = [text for text in visit.console_errors if not any(known in text for known in HARMLESS_CONSOLE_ERRORS)]
    assert not errors
    assert not visit.page_errors
    assert not visit.lost_requests


def test_formulas_are_typeset(visit):
    page = visit.page
    broken = page.locator(BROKEN_MATH)
    assert not [broken.nth(i).inner_text() for i in range(broken.count())]
    assert not page.evaluate(LEFT_OVER_MATH)
    untypeset = page.locator("article .math:not(:has(mjx-container))")
    assert not [untypeset.nth(i).inner_text() for i in range(untypeset.count())]


def test_a_phone_does_not_scroll_sideways(visit):
    page = visit.page
    page.set_viewport_size(PHONE)
    page.wait_for_timeout(200)
    wide = page.evaluate("() => [document.scrollingElement.scrollWidth, document.scrollingElement.clientWidth]")
    cut_off = page.evaluate(CUT_OFF)
    page.set_viewport_size(WIDE)
    page.evaluate(NEXT_FRAME)  # by then it is laid out for the checks that follow
    assert wide[0] <= wide[1]
    assert not cut_off


def test_figures_scroll_on_a_phone(tab):
    """By the Tab key, too; their captions do not."""
    tab.goto((SITE / "book" / "lora.html").as_uri())
    wait_until_drawn(tab)
    tab.wait_for_timeout(200)
    assert {tuple(figure[:2]) for figure in tab.evaluate(FIGURES)} == {(False, -1)}
    tab.set_viewport_size(PHONE)
    tab.wait_for_timeout(300)
    for scrolls, stop, caption in tab.evaluate(FIGURES):
        assert (scrolls, stop) == (True, 0)
        assert 0 < caption <= PHONE["width"]


def test_what_scrolls_fades_out_until_its_end(tab):
    tab.set_viewport_size(PHONE)
    tab.goto((SITE / "book" / "lora.html").as_uri())
    wait_until_drawn(tab)
    tab.wait_for_timeout(300)
    for box in (".lorabook-figure", "div.math mjx-container[display=true].lorabook-wide"):
        fades = "box => [getComputedStyle(box).maskImage !== 'none', box.scrollLeft > 0]"
        assert tab.locator(box).first.evaluate(fades) == [True, False]
        tab.locator(box).first.evaluate("box => box.scrollTo(box.scrollWidth, 0)")
        tab.wait_for_timeout(100)
        assert tab.locator(box).first.evaluate(fades) == [False, True]


def test_the_index_leads_to_the_first_page(tab):
    tab.goto((SITE / "index.html").as_uri())
    tab.wait_for_url(re.compile(r"book/start_here\.html$"))


def test_formulas_are_there_to_be_typeset(tab):
    """Guards the checks above against a site on which MathJax does nothing."""
    tab.goto((SITE / "book" / "lora.html").as_uri())
    wait_until_drawn(tab)
    assert tab.locator("mjx-container").count() > 20
