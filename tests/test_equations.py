"""The table of the paper's equations: complete, linked into the book, and every check notices a violation."""

import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from lorabook import claims
from lorabook.checks import equations
from lorabook.checks.equations import EQUATIONS, KINDS, _draws, _stacks
from lorabook.checks.equations._equation import Part, at_most, equal, figures, mean, mean_at_most, once

BOOK = Path(__file__).parent.parent / "book"
BY_NUMBER = {equation.number: equation for equation in EQUATIONS}


@pytest.fixture(scope="module")
def outcomes():
    return equations.run()


def test_every_number_stands_once_in_the_order_of_the_paper():
    numbers = [str(number) for number in range(1, 193)]
    assert [e.number for e in EQUATIONS] == [*numbers[:5], "FFT", numbers[5], "LoRA", *numbers[6:]]


def test_kinds():
    assert {e.kind for e in EQUATIONS} == set(KINDS) == {"definition", "statement", "proof step"}
    assert all(e.check or e.kind == "definition" for e in EQUATIONS)


def test_every_check_passes(outcomes):
    assert [e for e, _ in outcomes] == list(EQUATIONS)
    assert not {e.number: check for e, check in outcomes if check and not check.passed}
    assert [e.number for e, check in outcomes if check is None] == ["72"]


def _broken(part: Part) -> Part:
    """The same part with a wrong right-hand side."""
    left, right = np.asarray(part.left, float), np.asarray(part.right, float)
    if part.how == "equal":
        return part._replace(right=right + 1e-6 * (np.max(part.scale) or right))
    if part.how == "at most":
        return part._replace(right=1e-3 * right)
    if part.how == "mean":
        return part._replace(right=1.3 * right + 0.3 * np.std(left - right, axis=0))
    if part.how == "mean at most":
        return part._replace(right=1e-4 * right)
    return part._replace(right=1.3 * right + 0.1)


@pytest.mark.parametrize("equation", [e for e in EQUATIONS if e.check], ids=lambda e: e.number)
def test_a_wrong_right_hand_side_is_seen(equation):
    parts = [_broken(part) for part in equation.parts()]
    [(_, check)] = equations.run([replace(equation, cases=once, check=lambda _: parts)])
    assert not check.passed


WRONG = {
    "16": lambda c: mean(c.excess(c.W_fft), 2.25 * (1 - c.n / c.d_x) ** 2 * _stacks.fro(c.shift)),
    "44": lambda c: equal(c.Y - c.W_fft @ c.X, -c.R @ np.linalg.matrix_power(np.eye(c.n) - c.X_plus @ c.X, 5)),
    "54": lambda c: at_most(_stacks.sigma(c.A_ols, c.r), _stacks.sigma(c.A_ols, c.r + 1)),
    "89": lambda c: mean_at_most(c.trace_e * c.d_x * c.d_y / c.n, c.excess(c.W_fft)),
    "93": lambda c: mean(_stacks.inv(c.Z @ _stacks.t(c.Z)), np.eye(c.d_x) / (c.n - c.d_x)),
    "128": lambda c: equal(c.T, c.A + np.sqrt(c.n) * c.N),
    "180": lambda c: mean_at_most(c.excess(c.W_lora), c.bias),
}
"""The kind of slip that a derivation makes: a lost one, sign, square or factor, a swapped index, a missing term."""


@pytest.mark.parametrize("number", WRONG)
def test_a_slip_of_the_pen_is_seen(number):
    [(_, check)] = equations.run([replace(BY_NUMBER[number], check=WRONG[number])])
    assert not check.passed


def _labels() -> set[str]:
    labels = set()
    for path in BOOK.glob("*.ipynb"):
        cells = json.loads(path.read_text("utf-8"))["cells"]
        text = "\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "markdown")
        labels |= set(re.findall(r"^:label: (\S+)", text, re.M)) | set(re.findall(r"^\$\$ \((eq-[\w-]+)\)", text, re.M))
    return labels


def test_the_book_has_what_the_table_links_to():
    assert {e.where for e in EQUATIONS} <= _labels()


def test_the_ledger_of_claims_and_the_table_agree_where_an_equation_belongs():
    claimed: dict[str, set[str]] = {}
    for claim in claims.load():
        for first, last in re.findall(r"\((\d+)\)(?:–\((\d+)\))?", claim.paper):
            for number in range(int(first), int(last or first) + 1):
                claimed.setdefault(str(number), set()).add(claim.label)
    assert set(claimed) <= set(BY_NUMBER)
    named = [e for e in EQUATIONS if e.number in claimed and not e.where.startswith(("eq-", "def-"))]
    assert not {e.number: (e.where, claimed[e.number]) for e in named if e.where not in claimed[e.number]}


def test_draws_are_what_their_names_say():
    assert all(c.n > c.d_x for c in (*_draws.over(), *_draws.many_over(), *_draws.low_rank_over()))
    assert all(c.n < c.d_x for c in (*_draws.under(), *_draws.isotropic(), *_draws.many_under()))
    for c in (*_draws.both(), *_draws.many_over(), *_draws.many_under()):
        for covariance in (c.S, c.S_e):
            assert np.abs(covariance - np.diag(np.diag(covariance))).max() > 0.05  # correlated
    for c in (*_draws.low_rank_over(), *_draws.low_rank_under(), *_draws.low_rank_isotropic()):
        assert np.linalg.matrix_rank(c.shift) == c.r
    for c in (*_draws.fixed_over(), *_draws.fixed_under()):
        assert np.ptp(c.X, axis=0).max() == 0 < np.ptp(c.E, axis=0).min()


def test_figures_by_hand():
    assert figures(equal([1.0, 4.0], [1.0, 3.0])).ravel() == pytest.approx([0.0, 0.25])
    assert figures(equal([1e-9], 0.0, scale=10.0)).ravel() == pytest.approx([1e-10])
    assert figures(equal([0.0], 0.0)).ravel() == pytest.approx([0.0])
    assert figures(at_most([1.0, 4.0], [2.0, 3.0])).ravel() == pytest.approx([-0.5, 0.25])
    assert figures(mean([1.0, 2.0, 3.0], 1.0)).ravel() == pytest.approx([3**0.5])
    assert figures(mean([1.0, 2.0, 3.0], 3.0)).ravel() == pytest.approx([3**0.5])
    assert figures(mean_at_most([1.0, 2.0, 3.0], 3.0)).ravel() == pytest.approx([-(3**0.5)])
    assert figures(mean([2.0, 2.0], 2.0)).ravel() == pytest.approx([0.0])
    assert figures(mean([2.0, 2.0], 1.0)).ravel() == pytest.approx([np.inf])
    assert figures(mean_at_most([2.0, 2.0], 3.0)).ravel() == pytest.approx([-np.inf])
    assert figures(Part("tends", [2.0, 1.5, 1.25], 1.0)).ravel() == pytest.approx([-0.5, -0.5])
    matrices = np.arange(8.0).reshape(2, 2, 2)
    assert figures(equal(matrices, matrices + np.eye(2) * [[[0.0]], [[1.0]]])).max() == pytest.approx(1 / 8)


def test_a_figure_that_is_not_a_number_fails():
    bad = replace(BY_NUMBER["30"], check=lambda _: (equal(1.0, 1.0), equal(np.nan, 1.0)))
    [(_, check)] = equations.run([bad])
    assert not check.passed


def test_the_worse_of_two_kinds_is_shown():
    both_kinds = replace(BY_NUMBER["30"], check=lambda _: (equal(2.0, 1.0), mean([1.0, 2.0, 3.0], 2.1)))
    [(_, check)] = equations.run([both_kinds])
    assert check.words == "relative difference, also |z| of a mean"
    assert check.value == 0.5
    assert not check.passed


def test_the_table(outcomes):
    _, _, *rows = equations.table(outcomes, 5, 13).splitlines()
    assert [row.split(" | ")[0] for row in rows[:5]] == ["| (5)", "| (FFT)", "| (6)", "| (LoRA)", "| (7)"]
    assert rows[-1].replace(equations.NO_BREAK, "").startswith(r"| (13)° | $\operatorname{rank}")
    assert "$<br>*definition* in {eq}`eq-erm`; relative excess; 48 data sets: −" in rows[0]
    assert "$<br>*statement* in {prf:ref}`prop-full-finetuning`; relative difference; 48 data sets: " in rows[2]
    assert r"\|z\| of a mean, also relative difference; 8,000 data sets" in rows[6]
    assert all(len(re.findall(r"(?<!\\)\|", row)) == 3 for row in rows)  # a bare bar would end the cell
    assert len(equations.table(outcomes).splitlines()) == 2 + 194
    assert equations.table(outcomes, 72, 72).splitlines()[-1].endswith("{eq}`eq-residual`; defines a symbol |")


def test_a_failed_check_stops_the_table():
    failed = [(BY_NUMBER["30"], claims.Check("a figure above its limit", 2.0, 1.0))]
    with pytest.raises(ValueError, match=r"equations failed: \(30\): a figure above its limit: 2 > 1"):
        equations.table(failed, 30, 30)
    with pytest.raises(ValueError, match="'200' is not in list"):
        equations.table(failed, 30, 200)
