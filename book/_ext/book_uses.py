"""Which library objects a page's code uses, and which pages explain an object. Read off, not typed by hand.

A page uses what the code of its cells names. An object is explained where its statement or its equation stands
(`claims.toml`, `Formula.equation`), in the chapters that its docstring names, or else where it is first used; one that
nobody uses is explained by the chapter of its module.
"""

import ast
import importlib
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from types import ModuleType

import book_library
import book_sources

import lorabook
from lorabook import claims
from lorabook.formulas import Formula

MAGIC = re.compile(r"^(\s*)[%!].*$", re.MULTILINE)
NAMED = re.compile(r"\*([A-Z][^*]+)\*")
SPACE = re.compile(r"\s+")


@dataclass(frozen=True)
class Place:
    """A place in the book: a page, and on it a section (by its heading) or a label."""

    page: str
    heading: str = ""
    label: str = ""


@cache
def used_on(page: str) -> dict[str, str]:
    """Objects that the code of a page uses, in the order of their appearance, each with the heading above it."""
    return objects_in(book_sources.pieces(page))


def objects_in(pieces: Iterable[book_sources.Piece]) -> dict[str, str]:
    """The same for these pieces of a page."""
    bound, found = {}, {}
    for tree, heading in _trees(pieces):
        bound |= _imports(tree)
        for name in _names(tree, bound):
            found.setdefault(name, heading)
    return found


@cache
def names_on(page: str) -> dict[str, object]:
    """What of the library the page's code has imported, by the name it has there."""
    bound = {}
    for tree, _ in _trees(book_sources.pieces(page)):
        bound |= _imports(tree)
    return bound


def _trees(pieces: Iterable[book_sources.Piece]) -> Iterator[tuple[ast.Module, str]]:
    for piece in pieces:
        if piece.is_code:
            yield ast.parse(MAGIC.sub(r"\1pass", piece.text)), piece.heading


def _imports(tree: ast.Module) -> dict[str, object]:
    found = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                if alias.name.split(".")[0] == "lorabook":
                    module = importlib.import_module(alias.name)
                    whole = alias.asname or alias.name.split(".")[0]
                    found[whole] = (
                        module if alias.asname else importlib.import_module("lorabook")
                    )
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith(
            "lorabook"
        ):
            for alias in node.names:
                found[alias.asname or alias.name] = member(node.module, alias.name)
    return found


def member(module: str, name: str) -> object:
    """An attribute or a submodule of a module."""
    owner = importlib.import_module(module)
    if hasattr(owner, name):
        return getattr(owner, name)
    return importlib.import_module(f"{module}.{name}")


def _names(tree: ast.Module, bound: dict[str, object]):
    inner = set()
    for node in ast.walk(tree):  # an outer attribute comes before its parts
        if node in inner or not isinstance(node, ast.Attribute | ast.Name):
            continue
        chain = []
        part = node
        while isinstance(part, ast.Attribute):
            inner.add(part)
            chain.append(part.attr)
            part = part.value
        inner.add(part)
        if isinstance(part, ast.Name) and part.id in bound:
            name = resolve([part.id, *reversed(chain)], bound)
            if name and name not in book_library.modules():
                yield name


def resolve(chain: list[str], bound: dict[str, object]) -> str | None:
    """The name in the reference of what a chain of names means: the module or object where its first names lead.

    What follows an object, as in `Task.gaussian`, belongs to the object.
    """
    return _follow(chain, bound)[0]


def _follow(chain: list[str], bound: dict[str, object]) -> tuple[str | None, list[str]]:
    """The same, with the names that are left over."""
    rest = list(chain)
    dotted = rest.pop(0)
    value = bound.get(dotted)
    while rest and isinstance(value, ModuleType):
        dotted = f"{value.__name__}.{rest[0]}"
        try:
            value = member(value.__name__, rest.pop(0))
        except ImportError:
            return None, rest
    return (None if value is None else book_library.name_of(value, dotted)), rest


def listed(words: str, bound: dict[str, object] | None = None) -> str | None:
    """The name in the reference of a dotted name, a method of a class included; None if it means nothing public.

    Without `bound` it must begin with `lorabook`.
    """
    name, rest = _follow(words.split("."), bound or {"lorabook": lorabook})
    if name is None or not rest:
        return name
    owner = book_library.objects().get(name)
    documented = isinstance(owner, type) and getattr(
        vars(owner).get(rest[0]), "__doc__", None
    )
    return f"{name}.{rest[0]}" if documented and len(rest) == 1 else None


@cache
def _users() -> dict[str, list[Place]]:
    """Where each object is used: the chapters first, then the pages around them."""
    chapters = book_sources.chapters()
    order = [*chapters, *(p for p in book_sources.pages() if p not in chapters)]
    found = {}
    for page in order:
        for name, heading in used_on(page).items():
            found.setdefault(name, []).append(Place(page, heading))
    return found


@cache
def _stated() -> dict[str, list[Place]]:
    """Where the statement or the equation stands that an object, or a method, belongs to."""
    pages, found = book_sources.labels(), {}
    for claim in claims.load():
        proof = claim.symbolic and f"lorabook.symbolic.{claim.symbolic}"
        for name in (claim.function, f"lorabook.checks.{claim.numerical}", proof):
            if name:
                name = listed(name)
                place = Place(pages[claim.label][0], label=claim.label)
                found.setdefault(name, []).append(place)
    for name, value in book_library.objects().items():
        if isinstance(value, Formula):
            place = Place(pages[value.equation][0], label=value.equation)
            found.setdefault(name, []).append(place)
    return found


def chapters_in(docstring: str | None) -> list[Place]:
    """The chapters that a docstring names, as in *The setting*."""
    named = NAMED.findall(SPACE.sub(" ", docstring or ""))
    pages = (book_sources.page_titled(words) for words in named)
    return [Place(page) for page in dict.fromkeys(pages) if page]


@cache
def stated(name: str) -> tuple[Place, ...]:
    """Statements and equations of an object or method."""
    return tuple(_stated().get(name, ()))


@cache
def users(name: str) -> tuple[Place, ...]:
    """Pages whose code uses an object, at its first use."""
    return tuple(_users().get(name, ()))


@cache
def explaining(name: str) -> tuple[Place, ...]:
    """Where an object is explained. Raises LookupError if the book never comes near it."""
    value = book_library.objects()[name]
    own = getattr(value, "__doc__", None) if callable(value) else None
    used = {place.page: place for place in users(name)}
    places = [*stated(name), *chapters_in(own)]
    if not places:
        module = chapters_in(_module_docstring(value, name))
        places = [place for place in module if place.page in used]
        places = places or list(users(name)[:1]) or module
    places = places or list(of_module(book_library.module_of(name)))
    if not places:
        raise LookupError(
            f"no chapter uses {name}, and no docstring names one; name one in the docstring of its module"
        )
    best = {}
    for place in places:
        best.setdefault(
            place.page, place if place.label else used.get(place.page, place)
        )
    return tuple(
        sorted(best.values(), key=lambda p: book_sources.pages().index(p.page))
    )


def _module_docstring(value: object, name: str) -> str | None:
    module = getattr(value, "__module__", None) if callable(value) else None
    if not (module or "").startswith("lorabook"):
        module = book_library.module_of(name)
    return importlib.import_module(module).__doc__


@cache
def of_module(module: str) -> tuple[Place, ...]:
    """The chapters that a module names, or else the one that uses most of what is in it."""
    named = chapters_in(importlib.import_module(module).__doc__)
    inside = [n for n in book_library.objects() if book_library.module_of(n) == module]
    counts = Counter(place.page for name in inside for place in users(name))
    return tuple(named or [Place(page) for page, _ in counts.most_common(1)])
