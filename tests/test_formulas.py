"""What is displayed is what is evaluated: the page, the formula object and the library say the same.

Three sides: the labelled equation of the book shows the object's LaTeX; the object, evaluated from the textbook
definition, gives the library's number. A coefficient that changes on any side breaks one of the two.
"""

import json
import re
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from formula_cases import estimation, exact_answer, gaussian_matrices, overdetermined, underdetermined

from lorabook import formulas
from lorabook.formulas import FORMULAS

CASES = (estimation, gaussian_matrices, overdetermined, underdetermined, exact_answer)

BOOK = Path(__file__).parent.parent / "book"


def _equations() -> dict[str, str]:
    equations = {}
    for path in BOOK.glob("*.ipynb"):
        cells = json.loads(path.read_text("utf-8"))["cells"]
        text = "\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "markdown")
        equations |= {
            label: body for body, label in re.findall(r"^\$\$\n(.*?)\n\$\$ \((eq-[\w-]+)\)", text, re.M | re.S)
        }
    return equations


def _letters(latex: str) -> str:
    """LaTeX without spacing, line breaks, kinds of brackets and the braces of single letters."""
    latex = re.sub(r"\\begin\{aligned\}|\\end\{aligned\}|\\\\(?![a-zA-Z])|&", "", latex)
    latex = latex.replace("[", "(").replace("]", ")").replace("\\tfrac", "\\frac").replace("\\dfrac", "\\frac")
    latex = re.sub(r"\\(?:left|right|bigl|bigr|Bigl|Bigr|biggl|biggr|displaystyle|,|;|!|quad)(?![a-zA-Z])", "", latex)
    latex = re.sub(r"\s+", "", latex)
    return re.sub(r"\{(\w)\}", r"\1", latex)


@pytest.mark.parametrize("formula", FORMULAS.values(), ids=FORMULAS.keys())
def test_the_page_shows_the_object(formula):
    shown = _letters(_equations()[formula.equation])
    wanted = _letters(formula.latex())
    start = shown.find(wanted)
    assert start >= 0, f"({formula.equation}) shows {shown}; the object prints {wanted}"
    before, after = shown[:start], shown[start + len(wanted) :]
    assert before == "" or before.endswith(("=", r"\le", r"\ge")), f"something stands before the formula: {before}"
    assert re.match(r"^(?:$|[.,=]|\\q|\\text|&)", after), f"something stands after the formula: {after}"


@cache
def _cases(seed: int) -> dict:
    """For each formula of the book: what it is given, and its value by another way of computing."""
    return {name: case for module in CASES for name, case in module.cases(seed).items()}


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("name", FORMULAS)
def test_the_object_gives_the_library_s_number(name, seed):
    values, library = _cases(seed)[name]
    np.testing.assert_allclose(FORMULAS[name](**values), library, rtol=1e-8, atol=1e-10)


def test_a_formula_names_the_values_it_needs():
    with pytest.raises(ValueError, match=r"spectral_tail was given \['A'\]; it needs values for \['A', 'r'\]"):
        formulas.spectral_tail(A=np.eye(2))
