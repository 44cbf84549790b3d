"""The book on paper: what LaTeX cannot show becomes what it can.

Figures are SVGs and become PDFs. An explorer becomes the picture that it starts with, and the words below it. Proofs
lose the box that they unfold in. Chapters have the numbers that they have on the site. See `paper_parts`; how it
looks is in `paper.tex`.
"""

from pathlib import Path

from paper_parts import (
    BibliographyInItsChapter,
    DownloadsAsLinks,
    ExplorersAsPictures,
    LineBreaks,
    ObjectsRagged,
    ProofsWithoutBox,
    ReferencesToExercises,
    StartPage,
    SvgToPdf,
    WideTables,
)
from sphinx.application import Sphinx
from sphinx.config import Config

PREAMBLE = Path(__file__).with_suffix(".tex")
FONTS = r"""
\setmainfont{FreeSerif.otf}[BoldFont=FreeSerifBold.otf,ItalicFont=FreeSerifItalic.otf,
  BoldItalicFont=FreeSerifBoldItalic.otf]
\setsansfont{FreeSans.otf}[BoldFont=FreeSansBold.otf,ItalicFont=FreeSansOblique.otf,
  BoldItalicFont=FreeSansBoldOblique.otf]
\setmonofont{FreeMono.otf}[Scale=MatchLowercase,BoldFont=FreeMonoBold.otf,ItalicFont=FreeMonoOblique.otf,
  BoldItalicFont=FreeMonoBoldOblique.otf]
"""


def setup(app: Sphinx) -> dict:
    for transform in (
        SvgToPdf,
        ExplorersAsPictures,
        ObjectsRagged,
        ProofsWithoutBox,
        LineBreaks,
        WideTables,
        ReferencesToExercises,
        StartPage,
        BibliographyInItsChapter,
        DownloadsAsLinks,
    ):
        app.add_post_transform(transform)
    app.connect(
        "config-inited", plain_class, priority=900
    )  # after sphinx_jupyterbook_latex
    app.connect(
        "builder-inited", number_by_chapter, priority=900
    )  # after sphinx_jupyterbook_latex
    app.connect("builder-inited", plain_code)
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


def plain_code(app: Sphinx) -> None:
    """Darker than on the site, for thin letters on white paper."""
    if app.builder.format == "latex":
        app.config.pygments_style = "default"


def plain_class(app: Sphinx, config: Config) -> None:
    """Sphinx's own class: that of sphinx_jupyterbook_latex, which makes the parts, wants rare fonts."""
    config.latex_theme = "manual"
    # They would list labels and file names; modules are in the general index.
    config.latex_domain_indices = False
    config.latex_elements = {
        "papersize": "a4paper",
        "fncychap": "",
        "fontpkg": FONTS,
        "preamble": PREAMBLE.read_text("utf-8").replace(
            "NUMBERED", str(numbered_part(config))
        ),
        "figure_align": "H",
        "extraclassoptions": "openany,oneside",
    }
