"""The built site: where it is, its pages, and how to know that one is drawn."""

from pathlib import Path

from playwright.sync_api import Page

SITE = Path(__file__).resolve().parents[2] / "_build" / "html"
WIDE, PHONE = {"width": 1280, "height": 900}, {"width": 390, "height": 844}


def built_pages() -> list[Path]:
    """Every page of the site but index.html, which only leads to the first page; none if the site is not built."""
    return sorted(path for path in SITE.rglob("*.html") if "_static" not in path.parts and path != SITE / "index.html")


def wait_until_drawn(page: Page) -> None:
    """Formulas are typeset and charts are drawn."""
    page.evaluate("() => window.MathJax?.startup?.promise")
    for explorer in page.locator(".lorabook-explorer").all():
        explorer.locator("svg.marks").first.wait_for(timeout=20_000)
