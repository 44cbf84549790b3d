"""The built site: where it is ($LORABOOK_SITE, or _build/html), its pages, and how to know that one is drawn."""

import os
from functools import cache
from pathlib import Path

import yaml
from bs4 import BeautifulSoup
from playwright.sync_api import Page
from sphinx_external_toc.parsing import parse_toc_yaml

ROOT = Path(__file__).resolve().parents[2]
SITE = Path(os.environ.get("LORABOOK_SITE", ROOT / "_build" / "html")).resolve()
ADDRESS = yaml.safe_load((ROOT / "_config.yml").read_text("utf-8"))["html"]["baseurl"]
WIDE, PHONE = {"width": 1280, "height": 900}, {"width": 390, "height": 844}
# index.html only leads to the first page; the links of 404.html start at the root of a server, see test_not_found.py.
NOT_READ_FROM_FILES = {SITE / "index.html", SITE / "404.html"}


def listed_pages() -> list[str]:
    """The pages in the table of contents, in its order, without the ends of their names."""
    return list(parse_toc_yaml(ROOT / "_toc.yml"))


def built_pages() -> list[Path]:
    """Every page of the site that a reader opens; none if the site is not built."""
    pages = {path for path in SITE.rglob("*.html") if "_static" not in path.relative_to(SITE).parts}
    return sorted(pages - NOT_READ_FROM_FILES)


@cache
def soup(path: Path) -> BeautifulSoup:
    return BeautifulSoup(path.read_text("utf-8"), "lxml")


def wait_until_drawn(page: Page) -> None:
    """Formulas are typeset and charts are drawn."""
    page.evaluate("() => window.MathJax?.startup?.promise")
    for explorer in page.locator(".lorabook-explorer").all():
        explorer.locator("svg.marks").first.wait_for(timeout=20_000)
