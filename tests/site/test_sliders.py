"""Every slider of every page is moved through all of its positions; picture and words must be the library's."""

import itertools
import random
from collections import defaultdict

import numpy as np
import pytest
from pages import PHONE, SITE, WIDE, built_pages, wait_until_drawn

from lorabook.explorers import EXPLORERS

EXPLORER = ".lorabook-explorer"
ON_PAGES = {
    "gaussian_matrices": ["wishart"],
    "exact_answer": ["spectrum"],
    "experiments": ["risk-over-samples", "risk-over-noise", "risk-over-rank"],
    "lora": ["rank-path", "risk-over-samples"],
    "overdetermined": ["bounds-many-samples"],
    "shrinkage": ["shrinkage"],
    "underdetermined": ["bounds-few-samples"],
}
MOVE = """async (root, positions) => {
    for (const [name, position] of Object.entries(positions)) {
        const slider = root.querySelector(`input[data-name="${name}"]`);
        slider.value = position;
        slider.dispatchEvent(new Event("input", {bubbles: true}));
    }
    await root.view.runAsync();
    return {
        drawn: root.querySelector("svg.marks").outerHTML,
        rows: root.view.data("shown").map(({key, x, y, x2}) => [key, (x + x2) / 2, y]),
        words: root.querySelector(".lorabook-words").textContent,
        outputs: [...root.querySelectorAll("output")].map(output => output.textContent),
    };
}"""

WIDTHS = """() => [...document.querySelectorAll(".lorabook-picture")].map(
    box => [Number(box.querySelector("svg.marks").getAttribute("width")), box.clientWidth])"""
# What of the key or of the chart's words is outside of its explorer.
CUT = """() => [...document.querySelectorAll(".lorabook-explorer")].flatMap(root => {
    const box = root.getBoundingClientRect();
    return [...root.querySelectorAll(".lorabook-key li, svg.marks text")].filter(words => {
        const place = words.getBoundingClientRect();
        return place.left < box.left - 1 || place.right > box.right + 1;
    }).map(words => words.textContent);
})"""
# As if there were more to the right.
FADED = """() => [...document.querySelectorAll(".lorabook-explorer.lorabook-more")]
    .filter(box => box.scrollWidth <= box.clientWidth + 1).length"""


def test_the_explorers_are_on_their_pages():
    """Guards the checks below against a site without explorers."""
    found = {}
    for path in built_pages():
        text = path.read_text("utf-8")
        names = [name for name in EXPLORERS if f'id="explorer-{name}"' in text]
        assert text.count(f'class="{EXPLORER[1:]}"') == len(names)
        if names:
            found[path.stem] = sorted(names)
    assert found == {page: sorted(names) for page, names in ON_PAGES.items()}
    assert {name for names in found.values() for name in names} == set(EXPLORERS)
    assert all((SITE / "book" / f"{page}.html").is_file() for page in found)


def test_every_position_shows_what_the_library_computes(visit):
    for root in visit.page.locator(EXPLORER).all():
        explorer = EXPLORERS[root.get_attribute("id").removeprefix("explorer-")]
        start = {control.name: control.positions.index(control.start) for control in explorer.controls}
        for control in explorer.controls:
            pictures = []
            for position in range(len(control.positions)):
                pictures.append(compare(root, explorer, {**start, control.name: position}))
            stuck = [i for i, (before, after) in enumerate(itertools.pairwise(pictures)) if before == after]
            assert not stuck, f"{control.label} changes nothing after position {stuck} of {explorer.name}"
        rng = random.Random(explorer.name)
        for _ in range(4):
            compare(root, explorer, {c.name: rng.randrange(len(c.positions)) for c in explorer.controls})


def compare(root, explorer, positions):
    """Move the sliders there, compare numbers and words with the library's; the picture."""
    shown = root.evaluate(MOVE, positions)
    picture = explorer.picture(**{c.name: c.positions[positions[c.name]] for c in explorer.controls})
    assert shown["words"] == picture.words
    assert shown["outputs"] == [c.text(c.positions[positions[c.name]]) for c in explorer.controls]
    rows = defaultdict(list)
    for key, x, y in shown["rows"]:
        rows[key].append((x, y))
    assert set(rows) == {key for key, points in picture.series.items() if len(points.x)}
    for key, pairs in rows.items():
        points = picture.series[key]
        np.testing.assert_allclose(pairs, np.column_stack([points.x, points.y]), rtol=1e-3, atol=1e-12)
    return shown["drawn"]


def test_reset_and_the_keyboard(visit):
    for root in visit.page.locator(EXPLORER).all():
        words = root.locator(".lorabook-words")
        slider = root.locator("input[type=range]").first
        root.locator(".lorabook-reset").click()
        start, first = slider.input_value(), words.text_content()
        slider.focus()
        visit.page.keyboard.press("ArrowLeft" if int(start) else "ArrowRight")
        assert abs(int(slider.input_value()) - int(start)) == 1
        assert words.text_content() != first
        assert slider.get_attribute("aria-valuetext") == root.locator("output").first.text_content()
        root.locator(".lorabook-reset").click()
        assert (slider.input_value(), words.text_content()) == (start, first)


@pytest.mark.parametrize("page", sorted(ON_PAGES))
def test_charts_are_as_wide_as_their_boxes(tab, page):
    """The theme's sidebars come and go while the window changes; and on a phone nothing is cut."""
    tab.goto((SITE / "book" / f"{page}.html").as_uri())
    wait_until_drawn(tab)
    for width in (900, 1280, 800, 1180, PHONE["width"]):
        tab.set_viewport_size({**WIDE, "width": width})
        tab.wait_for_timeout(500)
        widths = tab.evaluate(WIDTHS)
        assert len(widths) == len(ON_PAGES[page])
        assert all(chart == box for chart, box in widths), (width, widths)
        assert not tab.evaluate(CUT)
        assert tab.evaluate(FADED) == 0


@pytest.mark.parametrize("page", sorted(ON_PAGES))
def test_a_page_with_explorers_is_not_heavy(page):
    """Each explorer adds less than 250 kB, uncompressed."""
    text = (SITE / "book" / f"{page}.html").read_text("utf-8")
    weight = sum(len(part.split("</script>")[0]) for part in text.split('class="lorabook-content">')[1:])
    assert weight < 250_000 * len(ON_PAGES[page])
