"""Reads the library's docstrings for the reference pages.

They mark code with single backticks, as Markdown does, where Sphinx wants two; and a named tuple's fields come with
docstrings that say nothing. Constants that autodoc finds no docstring for get one: a formula says what it displays, an
explorer what it draws, and one that comes from another module what is said there.
"""

import importlib
import pkgutil
import re

import book_library
from sphinx.application import Sphinx
from sphinx.errors import ExtensionError
from sphinx.pycode import ModuleAnalyzer

from lorabook.explorers import Explorer
from lorabook.formulas import Formula

CODE = re.compile(r"(?<![`:])`([^`\n]+)`(?![`_])")


def setup(app: Sphinx) -> dict:
    app.connect("builder-inited", describe_constants)
    # Before and after napoleon.
    app.connect("autodoc-process-docstring", double_backticks, priority=100)
    app.connect("autodoc-process-docstring", keep_sentences, priority=600)
    app.connect("autodoc-skip-member", skip_field_numbers)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def describe_constants(app: Sphinx) -> None:
    """Where autodoc looks for the docstrings of a module's constants, put those that are missing."""
    for name, value in book_library.objects().items():
        module, _, last = name.rpartition(".")
        documented = ModuleAnalyzer.for_module(module)
        documented.analyze()
        if not _is_constant(value) or ("", last) in documented.attr_docs:
            continue
        documented.attr_docs["", last] = [*description(value, module, last), ""]


def _is_constant(value: object) -> bool:
    return not isinstance(value, type) and not hasattr(value, "__code__")


def description(value: object, module: str, name: str) -> list[str]:
    """The docstring of a constant. Raises ExtensionError if nobody wrote one."""
    if isinstance(value, Formula):
        shown = f"Displayed as :eq:`{value.equation}`:"
        return [shown, "", ".. math::", "", f"   {value.latex()}"]
    if isinstance(value, Explorer):
        return [f"{value.title}. {value.description}"]
    package = importlib.import_module(module)
    for info in pkgutil.iter_modules(getattr(package, "__path__", ())):
        analyzer = ModuleAnalyzer.for_module(f"{module}.{info.name}")
        analyzer.analyze()
        if ("", name) in analyzer.attr_docs:
            return list(analyzer.attr_docs["", name])
    raise ExtensionError(f"the constant {module}.{name} has no docstring below it")


def double_backticks(app, what, name, obj, options, lines: list[str]) -> None:
    lines[:] = [CODE.sub(r"``\1``", line) for line in lines]
    app.env.temp_data["lorabook docstring"] = list(lines)


def keep_sentences(app, what, name, obj, options, lines: list[str]) -> None:
    """Napoleon takes what stands before the first colon of a constant's docstring for a type; here it never is."""
    if what in ("data", "attribute", "property"):
        lines[:] = app.env.temp_data["lorabook docstring"]


def skip_field_numbers(app, what, name, obj, skip: bool, options) -> bool | None:
    return (
        True
        if (getattr(obj, "__doc__", None) or "").startswith("Alias for field number")
        else None
    )
