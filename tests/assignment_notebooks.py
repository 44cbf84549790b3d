"""The problem sets' notebooks: where they are, and running one in this process as a student's finished notebook."""

import importlib
import re
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import nbformat

from lorabook.assignments import ProblemSet

ROOT = Path(__file__).resolve().parent.parent
ASSIGNMENTS = ROOT / "book" / "assignments"
# The folder and the module of each set, in the order of the book.
SETS = {
    "ps1_low_rank_regression": "low_rank_regression",
    "ps2_full_finetuning": "full_finetuning",
    "ps3_lora_risk": "lora_risk",
    "ps4_network": "network",
}


def problems(assignment: str) -> ProblemSet:
    return importlib.import_module(f"lorabook.assignments.{SETS[assignment]}").problems


def notebook(assignment: str, version: str = "source") -> Path:
    """`version` is `source`, with solutions and hidden tests, or `release`, without."""
    return ASSIGNMENTS / version / assignment / f"{SETS[assignment]}.ipynb"


def read(assignment: str, version: str = "source") -> nbformat.NotebookNode:
    return nbformat.read(notebook(assignment, version), as_version=4)


def run(
    assignment: str,
    student: str,
    grading: str | None = "published",
    only_graded: bool = True,
    own_numbers: bool = True,
) -> dict[str, Any]:
    """Executes a source notebook's code, for `student`; hidden tests use the seed `grading`.

    The cell tagged `install` is left out, those tagged `figure` when `only_graded`; all cells from the first one that
    asks for numbers of the student's own unless `own_numbers`. Returns the notebook's names.
    """
    names = _fresh_names()
    for cell, source in _code(_cached(assignment), student, grading, only_graded):
        if not own_numbers and "problems.numbers(" in source:
            break
        _execute(cell, source, names)
    return names


def complaints(
    cells: nbformat.NotebookNode, student: str, grading: str | None = "published", before: dict[str, Any] | None = None
) -> dict[str, str | None]:
    """Executes every graded cell's code and what it needs, past errors as a grader does: the error of each, by id.

    `before` are names that exist already.
    """
    names, found = _fresh_names() | (before or {}), {}
    for cell, source in _code(cells, student, grading, only_graded=True):
        try:
            _execute(cell, source, names)
            error = None
        except Exception as raised:  # a student's cell may raise anything
            error = f"{type(raised).__name__}: {raised}"
        if metadata(cell).grade:
            found[metadata(cell).grade_id] = error
    return found


def metadata(cell: Any) -> SimpleNamespace:
    """nbgrader's metadata of a cell, with its defaults."""
    defaults = {"grade": False, "solution": False, "locked": False, "points": 0, "grade_id": None}
    return SimpleNamespace(**(defaults | cell.metadata.get("nbgrader", {})))


def tags(cell: Any) -> set[str]:
    return set(cell.metadata.get("tags", []))


def regions(source: str, what: str) -> list[str]:
    """The lines between the marks of `SOLUTION`, or of `HIDDEN TESTS`."""
    return re.findall(rf"^ *### BEGIN {what}\n(.*?)\n *### END {what}$", source, re.MULTILINE | re.DOTALL)


def _fresh_names() -> dict[str, Any]:
    return {"__name__": "__main__"}


@cache
def _cached(assignment: str) -> nbformat.NotebookNode:
    return read(assignment)


def _code(cells: nbformat.NotebookNode, student: str, grading: str | None, only_graded: bool):
    """The code cells, and their code with the student's id and the grading seed put in."""
    left_out = {"figure", "install"} if only_graded else {"install"}
    for cell in cells.cells:
        if cell.cell_type == "code" and not tags(cell) & left_out:
            source = re.sub(r'^STUDENT = ".*"$', f"STUDENT = {student!r}", cell.source, flags=re.MULTILINE)
            yield cell, source.replace('grading="published"', f"grading={grading!r}")


def _execute(cell: Any, source: str, names: dict[str, Any]) -> None:
    exec(_compiled(source, metadata(cell).grade_id or "cell"), names)


@cache
def _compiled(source: str, name: str):
    return compile(source, name, "exec")
