"""Two tables about the build itself: when and how long each notebook was executed, and with which versions.

The build stops at a cell that fails, so a table that says otherwise comes from a build told to go on.
"""

import importlib.metadata
import platform
import subprocess
from datetime import datetime

from docutils import nodes
from myst_nb.sphinx_ import NbMetadataCollector
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.transforms.post_transforms import SphinxPostTransform
from sphinx.util.docutils import SphinxDirective

PACKAGES = (
    "numpy",
    "scipy",
    "sympy",
    "matplotlib",
    "torch",
    "transformers",
    "peft",
    "jupyter-book",
)


class ExecutionTable(nodes.General, nodes.Element):
    """Stands for the table of executions until every notebook has been read."""


class ExecutionDirective(SphinxDirective):
    """`{build-executions}`: notebook, seconds, date, status."""

    def run(self) -> list[nodes.Node]:
        self.env.build_pages = getattr(self.env, "build_pages", set()) | {
            self.env.docname
        }
        return [ExecutionTable()]


class VersionsDirective(SphinxDirective):
    """`{build-versions}`: Python, packages, the library and its commit."""

    def run(self) -> list[nodes.Node]:
        rows = [("Python", platform.python_version())]
        rows += [(name, version(name)) for name in PACKAGES]
        rows.append(("lorabook", version("lorabook")))
        table = make_table(("What", "Version"), rows, [])
        address = self.config.html_theme_options.get("repository_url")
        table.next_node(nodes.tbody).append(
            make_row(["commit", commit(self.env.srcdir, address)])
        )
        return [table]


class FillExecutionTable(SphinxPostTransform):
    default_priority = 8  # before references are resolved, as myst-nb's own table

    def run(self, **kwargs) -> None:
        for place in list(self.document.findall(ExecutionTable)):
            place.replace_self(execution_table(self.env, self.app.builder))


def setup(app: Sphinx) -> dict:
    app.add_node(ExecutionTable)
    app.add_directive("build-executions", ExecutionDirective)
    app.add_directive("build-versions", VersionsDirective)
    app.add_post_transform(FillExecutionTable)
    app.connect("env-get-outdated", always_read)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def always_read(
    app: Sphinx, env: BuildEnvironment, added, changed, removed
) -> list[str]:
    """The pages with a table about the build change with every build."""
    return sorted(getattr(env, "build_pages", set()) & env.found_docs)


def execution_table(env: BuildEnvironment, builder) -> nodes.table:
    """One row for each notebook, in the order of the book, and their sum."""
    data = NbMetadataCollector.get_doc_data(env)
    order = [name for name in reading_order(env) if data.get(name, {}).get("exec_data")]
    rows, total = [], 0.0
    for name in order:
        found = data[name]["exec_data"]
        total += found["runtime"] or 0.0
        day = datetime.fromtimestamp(found["mtime"]).date().isoformat()
        status = (
            "passed" if found["succeeded"] else f"failed: {found['error'] or 'unknown'}"
        )
        link = nodes.reference(
            "",
            env.titles[name].astext(),
            internal=True,
            refuri=builder.get_relative_uri(env.docname, name),
        )
        date = nodes.inline("", day, classes=["lorabook-unbroken"])
        rows.append((link, f"{found['runtime'] or 0.0:.1f}", date, status))
    rows.append((f"All {len(order)}", f"{total:.1f}", "", ""))
    return make_table(("Notebook", "Seconds", "Executed on", "Status"), rows, [1])


def reading_order(env: BuildEnvironment) -> list[str]:
    """Every page, parts and chapters as the table of contents has them."""
    order, waiting = [], [env.config.root_doc]
    while waiting:
        name = waiting.pop(0)
        order.append(name)
        waiting = list(env.toctree_includes.get(name, [])) + waiting
    return order


def version(package: str) -> str:
    """As installed where the book was built."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "not installed"


def commit(folder, address: str | None) -> nodes.Node:
    """The commit that was built, with a link to it; in words if there is none, or if files differ from it."""

    def git(*words: str) -> str | None:
        try:
            return subprocess.run(
                ["git", *words], cwd=folder, capture_output=True, text=True, check=True
            ).stdout.strip()
        except (OSError, subprocess.CalledProcessError):
            return None

    name = git("rev-parse", "HEAD")
    if name is None:
        return nodes.Text("unknown: not built in a git repository")
    link = nodes.literal("", name[:10])
    if address:
        link = nodes.reference("", "", link, refuri=f"{address}/commit/{name}")
    changed = git("status", "--porcelain")
    words = " and changes that are not committed" if changed else ""
    return nodes.inline("", "", link, nodes.Text(words))


def make_table(heads, rows, numbers: list[int]) -> nodes.table:
    """A table; the columns in `numbers` are set to the right."""
    group = nodes.tgroup(
        "", *(nodes.colspec(colwidth=1) for _ in heads), cols=len(heads)
    )
    group += nodes.thead("", make_row(heads, numbers))
    group += nodes.tbody("", *(make_row(row, numbers) for row in rows))
    return nodes.table("", group, classes=["colwidths-auto"])


def make_row(cells, numbers: list[int] = ()) -> nodes.row:
    """Cells are text or nodes."""
    row = nodes.row()
    for column, cell in enumerate(cells):
        content = nodes.Text(cell) if isinstance(cell, str) else cell
        entry = nodes.entry("", nodes.paragraph("", "", content))
        if column in numbers:
            entry["classes"].append("text-right")
        row += entry
    return row
