"""A control that moves and changes nothing is the oldest complaint about books like this one."""

import pytest
from pages import SITE

EXPLORER = ".lorabook-explorer"
CONTROLS = "input[type=range], select"
PICTURE = """explorer => [...explorer.querySelectorAll("svg.marks, canvas.marks")].map(
    picture => picture.tagName === "CANVAS" ? picture.toDataURL() : picture.outerHTML).join()"""
POSITIONS = """control => control.tagName === "SELECT"
    ? [...control.options].map(option => option.value)
    : [control.min, String((Number(control.min) + Number(control.max)) / 2), control.max]"""
MOVE = """(control, value) => {
    control.value = value;
    for (const name of ["input", "change"]) control.dispatchEvent(new Event(name, {bubbles: true}));
}"""


def test_every_control_changes_its_picture(visit):
    for explorer in visit.page.locator(EXPLORER).all():
        controls = explorer.locator(CONTROLS).all()
        assert controls, "an explorer without a control is a figure"
        for control in controls:
            start = control.evaluate("control => control.value")
            positions = control.evaluate(POSITIONS)
            pictures = [draw(visit.page, explorer, control, position) for position in positions]
            stuck = [pair for *pair, before, after in steps(positions, pictures) if before == after]
            assert not stuck, f"the picture did not change between {stuck}"
            draw(visit.page, explorer, control, start)


def draw(page, explorer, control, position):
    control.evaluate(MOVE, position)
    page.wait_for_timeout(200)
    return explorer.evaluate(PICTURE)


def steps(positions, pictures):
    return zip(positions, positions[1:], pictures, pictures[1:], strict=False)


@pytest.mark.parametrize("page_name", ["lora"])
def test_the_explorer_is_on_its_page(page_name):
    """Guards the check above against a site without explorers."""
    assert f'class="{EXPLORER[1:]}"' in (SITE / "book" / f"{page_name}.html").read_text("utf-8")
