"""axe-core on every page, in light and in dark; and every control has a place in the order of the Tab key."""

import pytest
from axe_playwright_python.base import AXE_SCRIPT

GRAVE = {"serious", "critical"}
# Contrast takes axe long, and code and formulas have by far the most elements. So formulas become a word of their
# colour for the time of the check, and of the words of a code block that look alike only the first keeps its element.
CONDENSED = """async () => {
    const swaps = [];
    const swap = (before, now) => { before.replaceWith(now); swaps.push([before, now]); };
    for (const formula of document.querySelectorAll("mjx-container")) {
        const word = document.createElement("span");
        word.textContent = "formula";
        swap(formula, word);
    }
    const seen = new Set();
    for (const token of document.querySelectorAll(".highlight pre span:not(:has(*))")) {
        const look = token.className + " in " + token.closest("div[class*=cell_], div[class*=highlight-]").className;
        if (seen.has(look)) swap(token, document.createTextNode(token.textContent));
        seen.add(look);
    }
    const found = await axe.run({resultTypes: ["violations"], preload: false});
    for (const [before, now] of swaps.reverse()) now.replaceWith(before);
    return found.violations;
}"""
# What a reader can operate, as far as it is shown. A link without an address is no control.
CONTROLS = "a[href], button, input:not([type=hidden]), select, textarea, summary, [role=button], [onclick]"
UNREACHABLE = """selector => [...document.querySelectorAll(selector)].filter(element => {
    if (element.disabled || !element.checkVisibility({visibilityProperty: true})) return false;
    if (element.tabIndex < 0) return true;
    element.focus({preventScroll: true});
    return document.activeElement !== element;
}).map(element => element.outerHTML.slice(0, 200))"""


def grave(page) -> list[str]:
    """One line for each element with a serious finding."""
    page.evaluate("script => window.axe || window.eval(script)", AXE_SCRIPT)
    return [
        f"{violation['id']}: {node['html'][:150]} {node['failureSummary'].splitlines()[-1][:150]}"
        for violation in page.evaluate(CONDENSED)
        if violation["impact"] in GRAVE
        for node in violation["nodes"]
    ]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_serious(visit, scheme):
    page = visit.page
    page.emulate_media(color_scheme=scheme)
    page.wait_for_function("scheme => document.documentElement.dataset.theme === scheme", arg=scheme)
    found = grave(page)
    page.emulate_media(color_scheme="light")
    assert not found


def test_axe_sees_what_is_wrong(tab):
    """Guards the check above against an axe that is not run."""
    tab.set_content("<html lang=en><title>t</title><main><h1>t</h1><p style='color: #bbb'>Pale.</p><img src=''></main>")
    assert {line.split(":")[0] for line in grave(tab)} == {"image-alt", "color-contrast"}


def test_the_tab_key_reaches_every_control(visit):
    page = visit.page
    assert not page.evaluate(UNREACHABLE, CONTROLS)
    assert page.locator("[tabindex]:not([tabindex='0']):not([tabindex='-1'])").count() == 0
