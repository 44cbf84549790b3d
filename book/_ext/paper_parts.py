"""What becomes of parts of a page on paper, see `paper`."""

from math import ceil
from pathlib import Path

import vl_convert
from docutils import nodes
from sphinx import addnodes
from sphinx.builders.latex.nodes import thebibliography
from sphinx.transforms.post_transforms import SphinxPostTransform
from sphinx.transforms.post_transforms.images import ImageConverter
from sphinx.util import texescape
from sphinx_proof.nodes import proof_node

from lorabook import widgets
from lorabook.explorers import EXPLORERS

CHARACTERS = 90  # to a line
LINE = 451  # its length in points
ON_PAPER = (
    "Where the text speaks of sliders, of buttons or of folded solutions, or asks to move or to try something, it "
    "means the site: here a picture shows how the sliders start, and solutions follow their exercises."
)
MANY_LINES = 25  # from which on a table may break between pages


class SvgToPdf(ImageConverter):
    """Sphinx asks for it wherever a page has an SVG and LaTeX wants a PDF."""

    conversion_rules = [("image/svg+xml", "application/pdf")]  # noqa: RUF012

    def is_available(self) -> bool:
        return True

    def convert(self, _from, _to) -> bool:
        Path(_to).write_bytes(vl_convert.svg_to_pdf(Path(_from).read_text("utf-8")))
        return True


class ExplorersAsPictures(SphinxPostTransform):
    """On paper, what myst-nb took of an explorer's output is the text that names it."""

    default_priority = 50  # after myst-nb has chosen
    formats = ("latex",)

    def run(self, **kwargs) -> None:
        named = {
            f"<Explorer: {explorer.title}>": explorer for explorer in EXPLORERS.values()
        }
        for block in list(self.document.findall(nodes.literal_block)):
            if explorer := named.get(block.astext().strip()):
                _together(block)
                block.replace_self(on_paper(explorer, Path(self.app.outdir)))


def _together(output: nodes.Node) -> None:
    """A cell and what it shows stand on one page."""
    cell = output
    while "cell" not in cell.get("classes", ()):
        cell = cell.parent
    room = nodes.raw("", r"\Needspace{0.45\textheight}", format="latex")
    cell.parent.insert(cell.parent.index(cell), room)


class ObjectsRagged(SphinxPostTransform):
    """The box with a chapter's objects: long names, and few places to break a line."""

    default_priority = 50
    formats = ("latex",)

    def run(self, **kwargs) -> None:
        for box in list(self.document.findall(nodes.admonition)):
            if "lorabook-objects" in box["classes"]:
                box.insert(1, nodes.raw("", r"\raggedright", format="latex"))


class ProofsWithoutBox(SphinxPostTransform):
    """A proof is text, with a square at its end."""

    default_priority = 50
    formats = ("latex",)

    def run(self, **kwargs) -> None:
        for proof in list(self.document.findall(proof_node)):
            content = [
                part
                for child in proof
                for part in (
                    child.children if isinstance(child, nodes.admonition) else [child]
                )
            ]
            end = nodes.raw("", r"\proofend{}", format="latex")
            if isinstance(content[-1], nodes.paragraph):
                content[-1] += end
            else:
                content.append(end)
            proof.replace_self(content)


class LineBreaks(SphinxPostTransform):
    """Markdown breaks a line in a table's cell with HTML."""

    default_priority = 50
    formats = ("latex",)

    def run(self, **kwargs) -> None:
        for raw in list(self.document.findall(nodes.raw)):
            if raw["format"] == "html" and raw.astext() in {"<br>", "<br/>", "<br />"}:
                raw.replace_self(nodes.raw("", r"\newline ", format="latex"))


class WideTables(SphinxPostTransform):
    """A table with more text than fits into a line gets columns whose widths follow their cells."""

    default_priority = 50
    formats = ("latex",)

    def run(self, **kwargs) -> None:
        for table in list(self.document.findall(nodes.table)):
            rows = [
                [entry.astext() for entry in row.findall(nodes.entry)]
                for row in table.findall(nodes.row)
            ]
            columns = list(zip(*rows, strict=False))
            if sum(max(map(len, column)) for column in columns) <= CHARACTERS:
                continue
            given = widths(columns)
            specs = table.findall(nodes.colspec)
            for spec, width in zip(specs, given, strict=False):
                spec["colwidth"] = width
            kept = [name for name in table["classes"] if name != "colwidths-auto"]
            long = ["longtable"] if lines(rows, given) > MANY_LINES else []
            table["classes"] = [*kept, "colwidths-given", *long]


def widths(columns: list[tuple[str, ...]]) -> list[int]:
    """In points: room for the longest word of each column, and what is left to where the text is long.

    >>> widths([("theorem", "yes"), ("a long line of text", "short")])
    [56, 395]
    """
    words = [
        [len(word) for text in column for word in text.split()] for column in columns
    ]
    least = [5.5 * min(max(lengths, default=0), 25) + 12 for lengths in words]
    wish = [5 * min(max(map(len, column)), 50) + 12 for column in columns]
    excess = [max(w - low, 1) for w, low in zip(wish, least, strict=True)]
    spare = max(LINE - sum(least), 0) / sum(excess)
    return [round(low + spare * more) for low, more in zip(least, excess, strict=True)]


def lines(rows: list[list[str]], given: list[int]) -> int:
    """About how many lines these rows have in columns of the given widths.

    >>> lines([["word", "a line of text that is broken"], ["word", "short"]], [60, 92])
    3
    """
    return sum(
        max(
            ceil(5 * len(text) / (width - 12))
            for text, width in zip(row, given, strict=False)
        )
        for row in rows
    )


class ReferencesToExercises(SphinxPostTransform):
    """From another page, sphinx_exercise refers to a label of LaTeX that it does not set, and to LaTeX's number."""

    default_priority = 900  # when references are resolved
    formats = ("latex",)

    def run(self, **kwargs) -> None:
        known = getattr(self.env, "sphinx_exercise_registry", {})
        for reference in list(self.document.findall(addnodes.number_reference)):
            label = reference.get("refid") or reference["refuri"].partition("#")[2]
            if label in known and type(reference) is addnodes.number_reference:
                counted = self.env.toc_fignumbers[known[label]["docname"]].values()
                number = next(group[label] for group in counted if label in group)
                text = f"Exercise {'.'.join(map(str, number))}"
                link = rf"\hyperref[exercise:{label}]{{{text}}}"
                reference.replace_self(nodes.raw("", link, format="latex"))


class StartPage(SphinxPostTransform):
    """The first page is a chapter without a number: of its headings, LaTeX would get the look and not the labels."""

    default_priority = 690  # before sphinx_jupyterbook_latex takes its sections apart
    formats = ("latex",)

    def run(self, **kwargs) -> None:
        start = self.app.config.master_doc
        for section in _sections(self.document, start):
            title = section.next_node(nodes.title)
            top = section["header_level"] == 1
            heading = _chapter("Start here") if top else _section(title.astext())
            labels = "".join(
                rf"\phantomsection\label{{\detokenize{{{start}:{name}}}}}"
                for name in section["ids"]
            )
            made = nodes.raw("", heading + labels, format="latex")
            if top:
                note = nodes.paragraph("", "", nodes.emphasis("", ON_PAPER))
                place = section.index(title) + 1
                section[place:place] = [made, note]
                _box_last(section)
            else:
                title.replace_self(made)
        for reference in self.document.findall(nodes.reference):
            if reference.astext() == self.env.titles[start].astext():
                reference[:] = [nodes.emphasis("", "Start here")]


def _sections(within: nodes.Element, page: str) -> list[nodes.section]:
    """Those of one page: in the document of the whole book, the other pages are inside of the first."""
    found = within.findall(nodes.section)
    return [s for s in found if s.get("docname") == page and "header_level" in s]


def _box_last(section: nodes.section) -> None:
    """What comes after the subsections goes into the last of them: they are about to be moved."""
    *_, last = _sections(section, section["docname"])
    for box in list(section.children):
        if "lorabook-objects" in getattr(box, "attributes", {}).get("classes", ()):
            section.remove(box)
            last.append(box)


def _chapter(title: str) -> str:
    named = "".join(f"{{{title}}}" for _ in range(2))
    return rf"\chapter*{{{title}}}\addcontentsline{{toc}}{{chapter}}{{{title}}}\markboth{named}"


def _section(title: str) -> str:
    return rf"\section*{{{texescape.escape(title)}}}"


class BibliographyInItsChapter(SphinxPostTransform):
    """Sphinx moves the entries to the end of the book; they go back to the page of that name."""

    default_priority = 760  # when it has
    formats = ("latex",)

    def run(self, **kwargs) -> None:
        pages = self.document.findall(addnodes.start_of_file)
        page = next((p for p in pages if p["docname"] == "book/bibliography"), None)
        for entries in list(self.document.findall(thebibliography)):
            if page is not None:
                entries.parent.remove(entries)
                page.next_node(nodes.section).append(entries)


class DownloadsAsLinks(SphinxPostTransform):
    """A file that the site gives out is, on paper, a link to it in the repository."""

    default_priority = 50
    formats = ("latex",)

    def run(self, **kwargs) -> None:
        options = self.app.config.html_theme_options
        place = f"{options['repository_url']}/blob/{options['repository_branch']}"
        files = {name: path for path, (_, name) in self.env.dlfiles.items()}
        for download in list(self.document.findall(addnodes.download_reference)):
            address = f"{place}/{files[download['filename']]}"
            link = nodes.reference("", download.astext(), refuri=address)
            download.replace_self(link)


def on_paper(explorer, folder: Path) -> list[nodes.Node]:
    """Its first picture, drawn into the folder, what it shows, and the words of that picture."""
    picture, name = explorer.picture(), f"explorer-{explorer.name}.pdf"
    folder.mkdir(parents=True, exist_ok=True)
    widgets.draw(explorer, picture).savefig(
        folder / name, metadata={"CreationDate": None}
    )
    setting = ", ".join(
        f"{control.label}: {control.text(control.start)}"
        for control in explorer.controls
    )
    shown = rf"\includegraphics[width=0.9\linewidth]{{{name}}}"
    figure = rf"\begin{{center}}{shown}\end{{center}}"
    title = nodes.emphasis("", f"{explorer.title} ({setting}).")
    return [
        nodes.raw("", figure, format="latex"),
        nodes.paragraph("", "", title, nodes.Text(f" {picture.words}")),
    ]
