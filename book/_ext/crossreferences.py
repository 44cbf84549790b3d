"""Links in both directions between the chapters and the objects of the library.

In the reference, each object says where it is explained and where else it is used. At the end of each page with code
stands a box with the objects that the code uses. What a page writes as code and what is an object's name is a link,
and so is a term of the glossary where a page sets it in bold, which is where it defines it.

What is linked to what is read off the sources, see `book_uses`; a link that leads nowhere fails the build.
"""

import re

import book_library
import book_sources
import book_uses
from docutils import nodes
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.errors import ExtensionError

NAME = re.compile(r"[A-Za-z_][\w.]*(?=(\(.*\))?$)", re.DOTALL)
CODE = re.compile(r"(?<![`:])``([\w.]+)``(?![`_])")
LABEL = re.compile(
    r"(?:(?:Theorem|Lemma|Proposition|Corollary|Definition) )?(?<![`:])``([a-z]+-[\w-]+)``(?![`_])"
)
CHAPTER = re.compile(r"Chapter \*[^*]+\*\.")  # which stands below, with a link
TITLE = "Library objects used here"
TO_TERM = {"refdomain": "std", "reftype": "term", "refexplicit": True, "refwarn": True}


def setup(app: Sphinx) -> dict:
    # After napoleon, which has to find its sections as they were written.
    app.connect("autodoc-process-docstring", extend_docstring, priority=900)
    app.connect("doctree-read", link_names)
    app.connect("doctree-read", link_terms)
    app.connect("doctree-read", add_box)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def extend_docstring(app, what, name, obj, options, lines: list[str]) -> None:
    """Names of objects become links; the chapters come last."""
    module = book_library.module_of(name)
    lines[:] = [
        CODE.sub(lambda m: _linked(m, module, name), LABEL.sub(_labelled, line))
        for line in lines
        if not CHAPTER.fullmatch(line)
    ]
    sentence = where(what, name)
    if sentence:
        lines += ["", ".. container:: lorabook-chapters", "", f"   {sentence}", ""]


def _linked(match: re.Match, module: str, own: str) -> str:
    target = _target(match[1], {}, module)
    shown = match[1]
    return f":py:obj:`{shown} <{target}>`" if target and target != own else match[0]


def _labelled(match: re.Match) -> str:
    """A statement or an equation by its number."""
    if match[1] not in book_sources.labels():
        return match[0]
    role = "eq" if match[1].startswith("eq-") else "prf:ref"
    return f":{role}:`{match[1]}`"


def where(what: str, name: str) -> str:
    """The sentence below a docstring, as reStructuredText."""
    if what == "module":
        places = book_uses.of_module(name)
        word = "Chapter" if len(places) == 1 else "Chapters"
        return f"{word}: {_list(places)}." if places else ""
    if name not in book_library.objects():  # a method or an attribute
        places = book_uses.stated(name)
        return f"Explained in: {_list(places)}." if places else ""
    try:
        explained = book_uses.explaining(name)
    except LookupError as error:
        raise ExtensionError(str(error)) from error
    there = {place.page for place in explained}
    others = [place for place in book_uses.users(name) if place.page not in there]
    also = f" Used in: {_list(others)}." if others else ""
    return f"Explained in: {_list(explained)}.{also}"


def _list(places) -> str:
    return ", ".join(_place(place) for place in places)


def _place(place: book_uses.Place) -> str:
    title = book_sources.title(place.page)
    if place.label:
        page = f":doc:`{title} </{place.page}>`"
        if place.label.startswith("eq-"):  # which comes with parentheses
            return f"{page} :eq:`{place.label}`"
        return f"{page} (:prf:ref:`{place.label}`)"
    if place.heading:
        return f":ref:`{title} <{place.page}:{place.heading.lower()}>`"
    return f":doc:`{title} </{place.page}>`"


def link_names(app: Sphinx, doctree: nodes.document) -> None:
    """Make a link of what is written as code in the prose, or printed by a cell, and is an object's name."""
    page = app.env.docname
    bound = book_uses.names_on(page) if page in book_sources.pages() else {}
    for literal in list(doctree.findall(nodes.literal)):
        name = NAME.match(literal.astext())
        inside = literal.parent
        if not name or isinstance(
            inside, nodes.reference | nodes.title | addnodes.pending_xref
        ):
            continue
        target = _target(name[0], bound)
        if target:
            inside.replace(literal, _reference(target, literal.deepcopy()))


def link_terms(app: Sphinx, doctree: nodes.document) -> None:
    """Make a link of a term of the glossary that is set in bold; the name of a parameter is none."""
    for strong in list(doctree.findall(nodes.strong)):
        term = strong.astext()
        if isinstance(strong, addnodes.literal_strong):
            continue
        if term in book_sources.terms() and isinstance(strong.parent, nodes.paragraph):
            link = addnodes.pending_xref("", strong.deepcopy())
            link.update_all_atts(TO_TERM | {"reftarget": term.lower()})
            strong.parent.replace(strong, link)


def _target(words: str, bound: dict[str, object], module: str = "") -> str | None:
    """The object that a dotted name means on a page, or in a module of the library."""
    if words.startswith("lorabook."):
        return book_uses.listed(words)
    target = book_uses.listed(words, bound) if bound else None
    if target is None and module:
        target = book_uses.listed(f"{module}.{words}")
    if target is None and "." in words:
        target = book_uses.listed(f"lorabook.{words}")
    return target


def _reference(target: str, content: nodes.Node) -> addnodes.pending_xref:
    return addnodes.pending_xref(
        "",
        content,
        refdomain="py",
        reftype="obj",
        reftarget=target,
        refexplicit=True,
        refwarn=True,
    )


def add_box(app: Sphinx, doctree: nodes.document) -> None:
    """The box at the end of a page, a line for each module."""
    page = app.env.docname
    used = book_uses.used_on(page) if page in book_sources.pages() else {}
    if not used:
        return
    items = nodes.bullet_list()
    for module in sorted({book_library.module_of(name) for name in used}):
        line = nodes.paragraph("", "", _reference(module, nodes.literal("", module)))
        line += nodes.Text(": ")
        inside = sorted(n for n in used if book_library.module_of(n) == module)
        for index, name in enumerate(inside):
            line += [nodes.Text(", ")] if index else []
            line += _reference(name, nodes.literal("", name.removeprefix(f"{module}.")))
        items += nodes.list_item("", line)
    box = nodes.admonition(
        "", nodes.title("", TITLE), items, classes=["lorabook-objects"]
    )
    next(iter(doctree.findall(nodes.section))).append(box)
