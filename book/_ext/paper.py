"""The book on paper: what LaTeX cannot show becomes what it can.

Figures are SVGs and become PDFs. An explorer becomes the picture that it starts with, and the words below it. Proofs
lose the box that they unfold in. Chapters have the numbers that they have on the site.
"""

from pathlib import Path

import vl_convert
from docutils import nodes
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.config import Config
from sphinx.transforms.post_transforms import SphinxPostTransform
from sphinx.transforms.post_transforms.images import ImageConverter
from sphinx_proof.nodes import proof_node

from lorabook import widgets
from lorabook.explorers import EXPLORERS

CHARACTERS = 90  # to a line
PREAMBLE = r"""
\addto\captionsenglish{\renewcommand{\contentsname}{Contents}}
\fvset{fontsize=\footnotesize} % about ninety characters to a line, as the chapters' code has
\setcounter{tocdepth}{1}
\setlength{\emergencystretch}{3em} % rather loose lines than words in the margin
\hypersetup{pdfencoding=auto}
% Chapters of the numbered part count from 1, as on the site; those before and after it have letters.
\newcounter{letters}
\let\plainpart\part
\renewcommand{\part}[1]{%
  \ifnum\value{part}=NUMBERED\else\setcounter{letters}{\value{chapter}}\fi
  \plainpart{#1}%
  \ifnum\value{part}=NUMBERED
    \setcounter{chapter}{0}\renewcommand{\thechapter}{\arabic{chapter}}%
  \else
    \setcounter{chapter}{\value{letters}}\renewcommand{\thechapter}{\Alph{chapter}}%
  \fi}
\AtBeginDocument{\renewcommand{\theHchapter}{\thepart.\arabic{chapter}}}
% No heading of a statement alone at the foot of a page.
\usepackage{etoolbox,needspace}
\BeforeBeginEnvironment{sphinxadmonition}{\needspace{6\baselineskip}}
% What sphinx_jupyterbook_latex puts around code and around what it printed.
\newenvironment{sphinxVerbatimInput}{\sphinxsetup{verbatimwithframe=false,VerbatimColor={gray}{0.96}}}{}
\newenvironment{sphinxVerbatimOutput}{\sphinxsetup{verbatimwithframe=false,VerbatimColor={gray}{1}}}{}
"""
FONTS = r"""
\setmainfont{FreeSerif.otf}[BoldFont=FreeSerifBold.otf,ItalicFont=FreeSerifItalic.otf,
  BoldItalicFont=FreeSerifBoldItalic.otf]
\setsansfont{FreeSans.otf}[BoldFont=FreeSansBold.otf,ItalicFont=FreeSansOblique.otf,
  BoldItalicFont=FreeSansBoldOblique.otf]
\setmonofont{FreeMono.otf}[Scale=MatchLowercase,BoldFont=FreeMonoBold.otf,ItalicFont=FreeMonoOblique.otf,
  BoldItalicFont=FreeMonoBoldOblique.otf]
"""


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
                block.replace_self(on_paper(explorer, Path(self.app.outdir)))


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
            end = nodes.raw("", r"\hspace*{\fill}$\square$", format="latex")
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
    """A table with more text than fits into a line gets columns whose widths follow their longest cells."""

    default_priority = 50
    formats = ("latex",)

    def run(self, **kwargs) -> None:
        for table in list(self.document.findall(nodes.table)):
            rows = [
                [len(entry.astext()) for entry in row.findall(nodes.entry)]
                for row in table.findall(nodes.row)
            ]
            longest = [max(column) for column in zip(*rows, strict=False)]
            if sum(longest) > CHARACTERS:
                for spec, length in zip(
                    table.findall(nodes.colspec), longest, strict=False
                ):
                    spec["colwidth"] = min(max(length, 8), 50)
                table["classes"] = [
                    name for name in table["classes"] if name != "colwidths-auto"
                ]
                table["classes"].append("colwidths-given")


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


def on_paper(explorer, folder: Path) -> list[nodes.Node]:
    """Its first picture, drawn into the folder, and the words of that picture."""
    picture, name = explorer.picture(), f"explorer-{explorer.name}.pdf"
    folder.mkdir(parents=True, exist_ok=True)
    widgets.draw(explorer, picture).savefig(
        folder / name, metadata={"CreationDate": None}
    )
    figure = rf"\begin{{center}}\includegraphics[width=0.9\linewidth]{{{name}}}\end{{center}}"
    return [
        nodes.raw("", figure, format="latex"),
        nodes.paragraph("", picture.words),
    ]


def setup(app: Sphinx) -> dict:
    app.add_post_transform(SvgToPdf)
    app.add_post_transform(ExplorersAsPictures)
    app.add_post_transform(ProofsWithoutBox)
    app.add_post_transform(LineBreaks)
    app.add_post_transform(WideTables)
    app.add_post_transform(ReferencesToExercises)
    app.connect(
        "config-inited", plain_class, priority=900
    )  # after sphinx_jupyterbook_latex
    app.connect(
        "builder-inited", number_by_chapter, priority=900
    )  # after sphinx_jupyterbook_latex
    app.connect("env-check-consistency", number_below_parts)  # Sphinx has counted
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def numbered_part(config: Config) -> int:
    """Which part of the table of contents has numbered chapters."""
    parts = config.external_site_map.root.subtrees
    return next(i for i, part in enumerate(parts, start=1) if part.numbered)


def number_by_chapter(app: Sphinx, *_) -> None:
    """Theorem 1.2 is the second of chapter 1: Sphinx counts such numbers itself, and without regard to parts."""
    app.config.numfig_secnum_depth = 1


def number_below_parts(app: Sphinx, *_) -> None:
    """Equations and figures are counted by LaTeX, in which a chapter is the second level."""
    app.config.numfig_secnum_depth = 2


def plain_class(app: Sphinx, config: Config) -> None:
    """Sphinx's own class: that of sphinx_jupyterbook_latex, which makes the parts, wants rare fonts."""
    config.latex_theme = "manual"
    config.latex_elements = {
        "papersize": "a4paper",
        "fncychap": "",
        "fontpkg": FONTS,
        "preamble": PREAMBLE.replace("NUMBERED", str(numbered_part(config))),
    }
