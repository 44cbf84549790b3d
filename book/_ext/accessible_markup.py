"""Markup that screen readers and checkers understand, where docutils and the theme write other.

docutils marks the entries of the bibliography as `doc-biblioentry`, a role that their list, a plain `list`, must not
contain and that ARIA has dropped: they are items of that list. The theme's buttons that unfold a part of the table of
contents have an icon and no name.
"""

from functools import wraps

from sphinx.application import Sphinx


def setup(app: Sphinx) -> dict:
    app.connect("html-page-context", correct_roles)
    app.connect("html-page-context", name_buttons, priority=900)  # after the theme
    return {"parallel_read_safe": True, "parallel_write_safe": True}


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
