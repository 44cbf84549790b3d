"""Markup for the page that reads well, where docutils, extensions and the theme write other.

docutils marks the entries of the bibliography as `doc-biblioentry`, a role that their list, a plain `list`, must not
contain and that ARIA has dropped: they are items of that list. The theme's buttons that unfold a part of the table of
contents have an icon and no name.

A browser breaks lines between a formula and the punctuation that it touches, so the two stand in a span that does not
break. An image in a figure has a box of its own, which scrolls on a phone. The link in the title of a solution begins
after the space.
"""

import re
from functools import wraps

from docutils import nodes
from sphinx.application import Sphinx

BEFORE = re.compile(r"[(\[“‘]+$")
AFTER = re.compile(r"[.,;:!?)\]”’]+")


def setup(app: Sphinx) -> dict:
    app.connect("doctree-resolved", improve, priority=900)
    app.connect("html-page-context", correct_roles)
    app.connect("html-page-context", name_buttons, priority=900)  # after the theme
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def improve(app: Sphinx, doctree: nodes.document, page: str) -> None:
    """On the page only: LaTeX breaks lines by itself."""
    if app.builder.format == "html":
        keep_together(doctree)
        box_figures(doctree)
        move_spaces(doctree)


def keep_together(doctree: nodes.document) -> None:
    """A formula in the text, with the brackets and the punctuation that touch it."""
    for formula in list(doctree.findall(nodes.math)):
        place, index = formula.parent, formula.parent.index(formula)
        before, after = place[max(index - 1, 0)], place[min(index + 1, len(place) - 1)]
        head = isinstance(before, nodes.Text) and BEFORE.search(before)
        tail = isinstance(after, nodes.Text) and AFTER.match(after)
        if not (head or tail):
            continue
        unbroken = nodes.inline(classes=["lorabook-unbroken"])
        place[index] = unbroken
        unbroken += formula
        if head:
            # By its place: `replace` would take the first equal text.
            place[index - 1] = nodes.Text(before[: head.start()])
            unbroken.insert(0, nodes.Text(head[0]))
        if tail:
            place[index + 1] = nodes.Text(after[tail.end() :])
            unbroken += nodes.Text(tail[0])


def box_figures(doctree: nodes.document) -> None:
    for figure in doctree.findall(nodes.figure):
        image = figure[0]
        figure[0] = nodes.container("", image, classes=["lorabook-figure"])


def move_spaces(doctree: nodes.document) -> None:
    """Out of the links in titles."""
    for title in doctree.findall(nodes.title):
        for link in list(title.findall(nodes.reference)):
            words = link[0]
            if isinstance(words, nodes.Text) and words.startswith(" "):
                link.replace(words, nodes.Text(words.lstrip()))
                link.parent.insert(link.parent.index(link), nodes.Text(" "))


def correct_roles(app, pagename, templatename, context: dict, doctree) -> None:
    if "body" in context:
        body = context["body"]
        context["body"] = body.replace('role="doc-biblioentry"', 'role="listitem"')


def name_buttons(app, pagename, templatename, context: dict, doctree) -> None:
    make = context.get("generate_toctree_html")
    if make is None:
        return

    @wraps(make)
    def named(*args, **kwargs):
        tree = make(*args, **kwargs)
        for summary in getattr(tree, "select", lambda _: [])("summary"):
            link = summary.parent.parent.find("a")
            if link and not summary.get_text(strip=True):
                summary["aria-label"] = f"Pages of {link.get_text(strip=True)}"
        return tree

    context["generate_toctree_html"] = named
