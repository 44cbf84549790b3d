"""The problem sets' source notebooks: where they are, and running one as a student's finished notebook."""

import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import nbformat

ROOT = Path(__file__).resolve().parent.parent
SOURCE = ROOT / "book" / "assignments" / "source"
# The folder and the module of each set, in the order of the book.
SETS = {
    "ps1_low_rank_regression": "low_rank_regression",
    "ps2_full_finetuning": "full_finetuning",
    "ps3_lora_risk": "lora_risk",
    "ps4_network": "network",
}


def notebook(assignment: str) -> Path:
    return SOURCE / assignment / f"{SETS[assignment]}.ipynb"


def run(assignment: str, student: str, grading: str | None = "published", only_graded: bool = True) -> dict[str, Any]:
    """Executes a source notebook's code in this process, for `student`; hidden tests use the seed `grading`.

    Cells tagged `figure` or `install` are left out when `only_graded`. Returns the notebook's names.
    """
    names: dict[str, Any] = {"__name__": "__main__"}
    for cell in nbformat.read(notebook(assignment), as_version=4).cells:
        tags = set(cell.metadata.get("tags", []))
        if cell.cell_type != "code" or (only_graded and tags & {"figure", "install"}):
            continue
        source = re.sub(r'^STUDENT = ".*"$', f"STUDENT = {student!r}", cell.source, flags=re.MULTILINE)
        source = source.replace('grading="published"', f"grading={grading!r}")
        exec(compile(source, f"{assignment}, {cell.metadata.get('nbgrader', {}).get('grade_id')}", "exec"), names)
    return names


def metadata(cell: Any) -> SimpleNamespace:
    """nbgrader's metadata of a cell, with its defaults."""
    return SimpleNamespace(**({"grade": False, "solution": False, "points": 0} | cell.metadata.get("nbgrader", {})))
