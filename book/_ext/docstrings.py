"""Reads the library's docstrings for the reference page.

They mark code with single backticks, as Markdown does, where Sphinx wants two; and a named tuple's fields come with
docstrings that say nothing.
"""

import re

from sphinx.application import Sphinx

CODE = re.compile(r"(?<![`:])`([^`\n]+)`(?![`_])")


def setup(app: Sphinx) -> dict:
    app.connect(
        "autodoc-process-docstring", double_backticks, priority=100
    )  # before napoleon reads it
    app.connect("autodoc-skip-member", skip_field_numbers)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def double_backticks(app, what, name, obj, options, lines: list[str]) -> None:
    lines[:] = [CODE.sub(r"``\1``", line) for line in lines]


def skip_field_numbers(app, what, name, obj, skip: bool, options) -> bool | None:
    return (
        True
        if (getattr(obj, "__doc__", None) or "").startswith("Alias for field number")
        else None
    )
