"""Scripts that a page needs come with the site, so the book reads the same without a network.

MathJax is copied from the `sphinx-mathjax-offline` package. The chart libraries (Vega, Vega-Lite, Vega-Embed) are
bundled by `vl_convert`, and only the pages that hold an explorer load them.
"""

import importlib.metadata
import os
import re
import shutil
from pathlib import Path

import vl_convert
from sphinx.application import Sphinx
from sphinx.errors import ExtensionError
from sphinx.util.docutils import nodes

MATHJAX = "mathjax/tex-chtml-full.js"
CHARTS = "vega-bundle.js"
EXPLORER = 'class="lorabook-explorer"'
# The script, its fonts, and what its menu loads when a reader asks for it to speak formulas.
MATHJAX_FILES = (
    "tex-chtml-full.js",
    "output/chtml/fonts/woff-v2/*",
    "a11y/*",
    "sre/mathmaps/base.json",
    "sre/mathmaps/en.json",
)
REMOTE_SCRIPT = re.compile(
    r"""<(?:script|link)\b[^>]*\b(?:src|href)=["'](?:https?:)?//[^"']+["'][^>]*>"""
)
HARMLESS_LINK = re.compile(r"""rel=["'](?:canonical|author|license)["']""")


def setup(app: Sphinx) -> dict:
    app.config.mathjax_path = MATHJAX
    os.environ["LORABOOK_PAGE"] = (
        "1"  # in the kernels too: explorers compute all pictures of their page
    )
    app.connect("builder-inited", copy_scripts)
    app.connect("html-page-context", load_charts)
    app.connect("build-finished", refuse_remote_scripts)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def copy_scripts(app: Sphinx) -> None:
    """Put MathJax and the chart bundle where Sphinx's `_static` will be."""
    if app.builder.format != "html":
        return
    static = Path(app.outdir, "_static")
    source = mathjax_folder()
    for pattern in MATHJAX_FILES:
        for file in sorted(source.glob(pattern)):
            target = static / "mathjax" / file.relative_to(source)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, target)
    static.mkdir(parents=True, exist_ok=True)
    version = vl_convert.get_vegalite_versions()[-1]
    bundle = vl_convert.javascript_bundle(vl_version=version)
    # In a function of its own: its names must not meet those of the theme's scripts.
    Path(static, CHARTS).write_text(f"(() => {{\n{bundle}\n}})();\n", "utf-8")


def mathjax_folder() -> Path:
    """The package's folder carries hyphens in its name and cannot be imported; its list of files can be read."""
    for file in importlib.metadata.files("sphinx-mathjax-offline") or ():
        if file.match("static/mathjax/tex-chtml-full.js"):
            return Path(file.locate()).resolve().parent
    raise ExtensionError(
        "sphinx-mathjax-offline holds no tex-chtml-full.js; install the version in requirements.txt"
    )


def load_charts(
    app: Sphinx,
    pagename: str,
    templatename: str,
    context: dict,
    doctree: nodes.document | None,
) -> None:
    if EXPLORER in context.get("body", ""):
        # Before the body: the scripts beside the charts call what this one defines.
        app.add_js_file(CHARTS, priority=100)


def refuse_remote_scripts(app: Sphinx, exception: Exception | None) -> None:
    """A page that loads a script or style from elsewhere is an error, not a page that is broken offline."""
    if exception or app.builder.format != "html":
        return
    for page in sorted(Path(app.outdir).rglob("*.html")):
        for tag in REMOTE_SCRIPT.findall(page.read_text("utf-8")):
            if not HARMLESS_LINK.search(tag):
                raise ExtensionError(
                    f"{page.relative_to(app.outdir)} loads a file from another site: {tag}"
                )
