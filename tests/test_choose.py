"""The page *How to choose*: each line of its decision tables points to evidence that is there."""

import re
from pathlib import Path

import nbformat
import pytest

BOOK = Path(__file__).resolve().parent.parent / "book"
PAGES = [path for path in sorted(BOOK.iterdir()) if path.suffix in {".md", ".ipynb"}]
ROLE = re.compile(r"\{(prf:ref|ref|numref|eq)\}`([^`]+)`")
LINK = re.compile(r"\[[^\]]+\]\(([^)#]+)\)")
STATEMENT = re.compile(r"\{prf:\w+\}[^\n]*\n:label: (\S+)")
EXERCISE = re.compile(r"\{exercise(?:-start)?\}[^\n]*\n:label: (\S+)")
SECTION = re.compile(r"^\(([\w-]+)\)=\n+#", re.MULTILINE)
EQUATION = re.compile(r"^\$\$ *\(([\w-]+)\)", re.MULTILINE)


def cells(path):
    if path.suffix == ".md":
        return [nbformat.v4.new_markdown_cell(path.read_text("utf-8"))]
    return nbformat.read(path, as_version=4).cells


def targets():
    """What each role can point to, in all pages of the book."""
    found = {"prf:ref": set(), "ref": set(), "numref": set(), "eq": set()}
    for cell in (cell for path in PAGES for cell in cells(path)):
        if cell.cell_type == "markdown":
            found["prf:ref"] |= set(STATEMENT.findall(cell.source))
            found["ref"] |= set(EXERCISE.findall(cell.source)) | set(SECTION.findall(cell.source))
            found["eq"] |= set(EQUATION.findall(cell.source))
        found["numref"] |= {cell.metadata.get("mystnb", {}).get("figure", {}).get("name")} - {None}
    return found


def tables(source):
    """The tables of a text, each a list of rows, each a list of cells; without the heads."""
    blocks = re.findall(r"(?:^\|.*\n?)+", source, re.MULTILINE)
    rows = [[[cell.strip() for cell in line.strip("|").split("|")] for line in block.splitlines()] for block in blocks]
    return [block[2:] for block in rows]


def missing(row, known):
    """The links of a row that lead nowhere; None if it has no link."""
    text = " ".join(row)
    roles, pages = ROLE.findall(text), LINK.findall(text)
    if not roles and not pages:
        return None
    lost = [label for role, label in roles if label not in known[role]]
    return lost + [page for page in pages if not (BOOK / page).is_file()]


KNOWN = targets()
SOURCE = "\n\n".join(cell.source for cell in cells(BOOK / "choose.ipynb") if cell.cell_type == "markdown")
TABLES = tables(SOURCE)


def test_it_has_its_three_tables():
    assert len(TABLES) == 3
    assert all(len(table) >= 6 for table in TABLES)


@pytest.mark.parametrize("row", [row for table in TABLES for row in table], ids=lambda row: row[0])
def test_each_line_has_evidence_that_exists(row):
    assert missing(row, KNOWN) == []


def test_tables_fit_on_a_phone():
    """Two columns, and no formula or code in them that is too long to stand in half a phone's width."""
    for row in (row for table in TABLES for row in table):
        assert len(row) == 2, row
        assert len(row[0]) <= 130
        assert all(len(unbroken) <= 40 for unbroken in re.findall(r"\$[^$]+\$|(?<!\})`[^`]+`", " ".join(row)))


def test_links_of_the_prose_exist():
    assert missing([SOURCE], KNOWN) == []


@pytest.mark.parametrize(
    ("row", "verdict"),
    [
        (["no link", "at all"], None),
        (["a", "{prf:ref}`thm-none`"], ["thm-none"]),
        (["a", "{numref}`prop-lora`"], ["prop-lora"]),
        (["a", "[x](none.ipynb), {prf:ref}`prop-lora`"], ["none.ipynb"]),
        (["a", "{ref}`choose-white`, {eq}`eq-lora`, [x](lora.ipynb)"], []),
    ],
)
def test_the_check_notices_what_is_missing(row, verdict):
    assert missing(row, KNOWN) == verdict
