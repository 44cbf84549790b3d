"""The sources of the book as text: its pages in reading order, with their headings, prose, code and mathematics."""

import json
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import yaml
from sphinx_external_toc.parsing import parse_toc_yaml

ROOT = Path(__file__).resolve().parents[2]
HEADING = re.compile(r"(#+)\s+(.+)")
FENCE = re.compile(r"\s*(`{3,}|:{3,}|~{3,})")
LABEL = re.compile(
    r"^(?::label: *(\S+)|\$\$ *\(([\w-]+)\))\s*$|\$\$ *\(([\w-]+)\)\s*$", re.MULTILINE
)
DISPLAY = re.compile(r"\$\$(.+?)\$\$", re.DOTALL)
INLINE = re.compile(r"(?<![\\$])\$([^$\n][^$]*?)\$")
CODE = re.compile(r"(?<![`\w}])`[^`\n]+`")
TERM = re.compile(r"^(\S.*)\n((?:  .+\n?)+)", re.MULTILINE)
PROOF = re.compile(r"^(:{3,})\{prf:proof\}.*?^\1\s*$", re.DOTALL | re.MULTILINE)
EXERCISE = re.compile(
    r"^(:{3,})\{(?:exercise|solution)(?:-\w+)?\}.*?^\1\s*$", re.DOTALL | re.MULTILINE
)


@dataclass(frozen=True)
class Piece:
    """Prose below one heading, or one cell of code."""

    is_code: bool
    heading: str
    """The heading above it, as it is written; sections are linked by it."""
    text: str


@cache
def pages() -> tuple[str, ...]:
    """The pages in the order of the table of contents, as Sphinx names them."""
    toc = parse_toc_yaml(ROOT / "_toc.yml")
    return tuple(_walk(toc, toc.root))


def _walk(toc, document):
    yield document.docname
    for tree in document.subtrees:
        for item in tree.items:
            if item in toc:
                yield from _walk(toc, toc[item])


@cache
def chapters() -> tuple[str, ...]:
    """The pages of the parts whose chapters are numbered."""
    parts = yaml.safe_load((ROOT / "_toc.yml").read_text("utf-8"))["parts"]
    return tuple(
        entry["file"]
        for part in parts
        if part.get("numbered")
        for entry in part["chapters"]
    )


@cache
def pieces(page: str) -> tuple[Piece, ...]:
    """What a page shows, in its order."""
    heading, found = "", []
    for is_code, text in _cells(page):
        if is_code:
            found.append(Piece(True, heading, text))
            continue
        for heading, prose in _sections(text, heading):  # noqa: B020 - the last one holds on
            found.append(Piece(False, heading, prose))
    return tuple(found)


def _cells(page: str):
    notebook = ROOT / f"{page}.ipynb"
    if not notebook.is_file():
        yield False, (ROOT / f"{page}.md").read_text("utf-8")
        return
    for cell in json.loads(notebook.read_text("utf-8"))["cells"]:
        shown = "remove-cell" not in cell["metadata"].get("tags", [])
        if shown and cell["cell_type"] in ("code", "markdown"):
            yield cell["cell_type"] == "code", "".join(cell["source"])


def _sections(text: str, heading: str):
    lines, fence = [], ""
    for line in text.splitlines():
        mark = FENCE.match(line)
        if mark and not fence:
            fence = mark[1]
        elif mark and line.strip() == fence:
            fence = ""
        title = None if fence else HEADING.match(line)
        if title:
            if lines:
                yield heading, "\n".join(lines)
            heading, lines = title[2].strip(), []
        else:
            lines.append(line)
    yield heading, "\n".join(lines)


@cache
def title(page: str) -> str:
    """The page's first heading."""
    return pieces(page)[0].heading


def page_titled(words: str) -> str | None:
    """The page with this title, or None."""
    return next((page for page in pages() if title(page) == words), None)


def prose(page: str) -> str:
    """All prose of a page."""
    return "\n\n".join(piece.text for piece in pieces(page) if not piece.is_code)


def without_proofs(text: str) -> str:
    """Prose without proofs, exercises and solutions, whose letters live there alone."""
    return EXERCISE.sub("", PROOF.sub("", text))


def formulas(text: str) -> list[str]:
    """The LaTeX of every formula in a piece of prose."""
    text = CODE.sub("", text)
    displayed = DISPLAY.findall(text)
    return displayed + INLINE.findall(DISPLAY.sub("", text))


@cache
def labels() -> dict[str, tuple[str, str]]:
    """Page and heading below which each label of an equation or of a statement stands."""
    return {
        next(filter(None, match.groups())): (page, piece.heading)
        for page in pages()
        for piece in pieces(page)
        if not piece.is_code
        for match in LABEL.finditer(piece.text)
    }


@cache
def terms() -> dict[str, str]:
    """The terms of the glossary with what it says of them."""
    text = (ROOT / "book" / "glossary.md").read_text("utf-8")
    return dict(TERM.findall(text.split("```{glossary}\n")[1].split("```")[0]))
