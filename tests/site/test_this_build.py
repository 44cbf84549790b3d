"""The page about the build says of every notebook that it ran, and names the versions that are installed here."""

import importlib.metadata
import platform
import re
from datetime import date

from pages import ROOT, SITE, listed_pages, soup

VERSIONS = ["numpy", "scipy", "sympy", "matplotlib", "torch", "transformers", "peft", "jupyter-book", "lorabook"]


def tables() -> list[list[list[str]]]:
    page = soup(SITE / "book" / "this_build.html")
    return [
        [[cell.get_text(" ", strip=True) for cell in row.find_all("td")] for row in table.find_all("tr")[1:]]
        for table in page.article.find_all("table")
    ]


def test_every_notebook_was_executed():
    notebooks = [name for name in listed_pages() if (ROOT / f"{name}.ipynb").is_file()]
    *rows, (what, total, _, _) = tables()[0]
    assert len(rows) == len(notebooks)
    assert what == f"All {len(notebooks)}"
    for title, seconds, day, status in rows:
        assert status == "passed", title
        assert float(seconds) > 0
        assert date.fromisoformat(day) <= date.today()
    assert abs(sum(float(row[1]) for row in rows) - float(total)) < 0.1 * len(rows)


def test_the_versions_are_those_installed():
    stated = dict(tables()[1])
    assert stated.pop("Python") == platform.python_version()
    commit = stated.pop("commit")
    assert re.match(r"[0-9a-f]{10}( and changes|$)", commit) or commit.startswith("unknown")
    assert stated == {name: importlib.metadata.version(name) for name in VERSIONS}
