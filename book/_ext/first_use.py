"""The column *First used* of the notation's tables: the section in which a symbol first stands in a formula.

It is read off the prose of the pages without their exercises, in the order of the table of contents. Letters mean
different things in different chapters, so below a sentence "Symbols of [a](a.ipynb) and [b](b.ipynb)." only those
pages are searched.
"""

import re
from dataclasses import dataclass
from functools import cache

import book_sources
from sphinx.application import Sphinx
from sphinx.errors import ExtensionError

PAGE = "book/notation"
TOKEN = re.compile(
    r"\\(?:operatorname|mathrm|text|begin|end)\s*\{[^{}]*\}|\\[A-Za-z]+|\\.|\S"
)
SCOPE = re.compile(r"^Symbols of (.+?)\.(?: |$)", re.MULTILINE)
ANY = re.compile(r"In this table \$(\w)\$ is any matrix")
LINKED = re.compile(r"\]\(([\w/]+)\.(?:ipynb|md)\)")
LABELLED = re.compile(r"\{(?:eq|prf:ref)\}`([\w-]+)`")
ROW = re.compile(r"^\|(.*?)\|(.*)\|$")
SPLIT = re.compile(r"\$([^$]+)\$")
RELATION = re.compile(r"\s(?:=|\\ge)\s.*")
DECORATIONS = (r"\hat ", r"\bar ", r"\mathcal ", r"\mathbb ", r"\mathsf ")
SAME = {r"\lVert": r"\|", r"\rVert": r"\|"}
INVISIBLE = {r"\,", r"\!", r"\;", r"\ ", r"\displaystyle", r"\left", r"\right"}


@dataclass(frozen=True)
class Row:
    """A row of a table of symbols."""

    symbols: tuple[str, ...]
    meaning: str
    scope: tuple[str, ...] = ()
    """Pages to which its letters are confined; none if they mean the same everywhere."""
    placeholder: str = ""
    """The letter that stands for any matrix."""

    @property
    def defined(self) -> tuple[str, str] | None:
        """Page and heading that the meaning points at, by a label or a link; None if the meaning is all there is."""
        label, link = LABELLED.search(self.meaning), LINKED.search(self.meaning)
        if label:
            return book_sources.labels()[label[1]]
        if link:
            page = f"book/{link[1]}"
            return page, book_sources.title(page)
        return None


def setup(app: Sphinx) -> dict:
    app.connect("source-read", add_column)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def add_column(app: Sphinx, page: str, source: list[str]) -> None:
    if page == PAGE:
        source[0] = with_first_use(source[0])


def with_first_use(text: str) -> str:
    """The notation with the column in each table whose first column is headed *Symbol*."""
    lines = text.splitlines()
    for number, row in rows(text):
        lines[number] += f" {_link(row)} |"
    for number, line in enumerate(lines):
        if line.startswith("| Symbol |"):
            lines[number] += " First used |"
            lines[number + 1] += "---|"
    return "\n".join(lines) + "\n"


def rows(text: str) -> list[tuple[int, Row]]:
    """The rows of these tables, each with the number of its line."""
    found, scope, placeholder, inside = [], (), "", False
    for number, line in enumerate(text.splitlines()):
        if line.startswith("#"):
            scope, placeholder = (), ""
        if stated := SCOPE.match(line):
            scope = tuple(f"book/{name}" for name in LINKED.findall(stated[1]))
        if stated := ANY.search(line):
            placeholder = stated[1]
        match = ROW.match(line)
        inside = bool(match) and (inside or match[1].strip() == "Symbol")
        if inside and SPLIT.search(match[1]):
            symbols = (RELATION.sub("", symbol) for symbol in SPLIT.findall(match[1]))
            row = Row(tuple(symbols), match[2], scope, placeholder)
            found.append((number, row))
    return found


def _link(row: Row) -> str:
    place = first_use(row)
    if place is None:
        raise ExtensionError(
            f"notation: no page has a formula with {' or '.join(row.symbols)}"
        )
    page, heading = place
    return f"{{ref}}`{book_sources.title(page)} <{page}:{heading.lower()}>`"


def first_use(row: Row) -> tuple[str, str] | None:
    """Page and heading of the first formula with one of the row's symbols, from the section on that defines them."""
    pages = [page for page in row.scope or book_sources.pages() if page != PAGE]
    page, heading = row.defined or (PAGE, "")
    if page not in pages:
        return find(row, pages)
    return find(row, pages[pages.index(page) :], heading)


def find(row: Row, pages: list[str], start: str = "") -> tuple[str, str] | None:
    """The first such formula on these pages, on the first of them from the heading `start` on."""
    wanted = [pattern(symbol, row.placeholder) for symbol in row.symbols]
    for page in pages:
        for heading, formula in _formulas(page):
            if page == pages[0] and start:
                if heading != start:
                    continue
                start = ""
            if any(occurs(symbol, formula) for symbol in wanted):
                return page, heading
    return None


@cache
def _formulas(page: str) -> list[tuple[str, str]]:
    return [
        (piece.heading, tokens(formula))
        for piece in book_sources.pieces(page)
        if not piece.is_code
        for formula in book_sources.formulas(book_sources.EXERCISE.sub("", piece.text))
    ]


@cache
def tokens(formula: str) -> str:
    """A formula's LaTeX in pieces, each followed by one space, without braces around a single piece."""
    found = [SAME.get(token, token) for token in TOKEN.findall(formula)]
    text = "".join(f"{token} " for token in found if token not in INVISIBLE)
    return re.sub(r"(?<!\S)\{ (\S+) \} ", r"\1 ", text)


@cache
def pattern(symbol: str, placeholder: str = "") -> re.Pattern:
    """What to look for; the placeholder stands for anything short."""
    parts = [re.escape(f"{token} ") for token in tokens(symbol).split()]
    anything = re.escape(f"{placeholder} ")
    return re.compile(
        r"(?<!\S)"
        + "".join(r"(?:\S+ ){1,8}?" if part == anything else part for part in parts)
        + ("" if "_" in symbol else "(?!_ )")
    )


def occurs(symbol: re.Pattern, formula: str) -> bool:
    """Whether the symbol stands in the formula, not as a part of another: neither under a hat nor with an index."""
    return any(
        not formula[: match.start()].endswith(DECORATIONS)
        for match in symbol.finditer(formula)
    )
