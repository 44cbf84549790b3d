"""The equations of the paper, (1)–(192), (FFT) and (LoRA), each with a check on random data sets.

A module a group of statements. Every entry has its number, its LaTeX, whether it is a definition, a statement or a
step of a proof, where it belongs in the book, and a check that returns its two sides on stacks of data sets. `run`
measures: identities by the largest relative difference, inequalities by the largest relative excess, expectations by
z-scores, limits by the exponent with which they are approached.
"""

import numpy as np

from lorabook._arrays import Integer
from lorabook.checks._cases import ROUNDING, z_limit
from lorabook.checks.equations import (
    descent,
    full_over,
    full_under,
    inevitable,
    lora_over,
    lora_under,
    low_rank,
    noise,
    rank_constrained,
    setting,
)
from lorabook.checks.equations._equation import KINDS, Equation, figures
from lorabook.claims import Check, with_minus_signs, without_bars

__all__ = ["EQUATIONS", "KINDS", "run", "table"]

_MODULES = (
    setting,
    low_rank,
    descent,
    rank_constrained,
    full_over,
    full_under,
    noise,
    lora_over,
    lora_under,
    inevitable,
)
_NAMED = {"FFT": 5.5, "LoRA": 6.5}  # where the two that have names stand among the numbers

EQUATIONS: tuple[Equation, ...] = tuple(
    sorted(
        (equation for module in _MODULES for group in module.GROUPS for equation in group.entries),
        key=lambda equation: _NAMED.get(equation.number) or int(equation.number),
    )
)
"""All of them, in the order of the paper."""

_WORDS = {
    "equal": "relative difference",
    "at most": "relative excess",
    "mean": "|z| of a mean",
    "mean at most": "z of a mean above its bound",
    "tends": "exponent of the approach",
}
NO_BREAK = "\u2060"
SLOWEST = -0.4
"""Exponent that the approach to a limit must reach; smallest eigenvalues approach theirs with -2/3, or -1."""


def run(equations: list[Equation] | None = None) -> list[tuple[Equation, Check | None]]:
    """Carry out the checks, of all equations unless some are given; None for one that claims nothing.

    Rounding may use up a thousand units in the last place, times the largest condition number among the cases. All
    z-scores of the run share a false-alarm rate of 1e-4.

    >>> [(_, check)] = run([equation for equation in EQUATIONS if equation.number == "30"])
    >>> check.passed
    True
    """
    equations = list(EQUATIONS) if equations is None else equations
    measured = {e.number: [(part.how, figures(part)) for part in e.parts()] for e in equations}
    scores = sum(f.size for found in measured.values() for how, f in found if how.startswith("mean"))
    limits = {"mean": z_limit(max(scores, 1)), "mean at most": z_limit(max(scores, 1)), "tends": SLOWEST}
    return [(e, _check(e, measured[e.number], limits)) for e in equations]


def _check(equation: Equation, found: list, limits: dict) -> Check | None:
    """The worst figure of each kind of comparison; of several kinds, the one that fails or is closest to its limit."""
    if not found:
        return None
    cases = [case for case in equation.cases() if case is not None]
    rounding = ROUNDING * max((case.condition for case in cases), default=1.0)
    worst = {how: float(np.max([f.max() for h, f in found if h == how])) for how, _ in found}
    limit = {how: limits.get(how, rounding) for how in worst}
    shown = max(worst, key=lambda how: _strain(worst[how], limit[how]))
    count = sum(case.count for case in cases)
    words = ", also ".join(_WORDS[how] for how in sorted(worst, key=lambda how: how != shown))
    return Check(f"{words}{f'; {count:,} data sets' if count else ''}", worst[shown], limit[shown])


def _strain(value: float, limit: float) -> float:
    """How much of its limit a figure uses up, infinite if it fails; an exponent's limit is negative."""
    if not value <= limit:
        return np.inf
    return value / limit if limit > 0 else limit / value


def table(outcomes: list[tuple[Equation, Check | None]], first: str | Integer = 1, last: str | Integer = 192) -> str:
    """The outcomes from one number to another as a Markdown table with links into the book.

    Raises ValueError if a check failed, or a number is not among the outcomes.
    """
    numbers = [equation.number for equation, _ in outcomes]
    outcomes = outcomes[numbers.index(str(first)) : numbers.index(str(last)) + 1]
    failed = [(e.number, check) for e, check in outcomes if check and not check.passed]
    if failed:
        lines = [f"({number}): {check.words}: {check.value:.3g} > {check.limit:.3g}" for number, check in failed]
        raise ValueError("equations failed: " + "; ".join(lines))
    rows = ["| Number | Equation, what it is, and its check |", "|---|---|"]
    for equation, check in outcomes:
        mark = f"({equation.number}){NO_BREAK + '°' if equation.own else ''}"
        lines = [f"${without_bars(line)}$" for line in equation.latex]
        found = f"{check.words}: {_held(check.value, check.limit)}" if check else "defines a symbol"
        lines.append(f"*{equation.kind}* in {_link(equation.where)}; {found}".replace("|", "\\|"))
        rows.append(f"| {mark} | {'<br>'.join(lines)} |")
    return "\n".join(rows)


def _held(value: float, limit: float) -> str:
    """On one line."""
    return f"{_number(value)}\u00a0≤\u00a0{_number(limit)}"


def _number(value: float) -> str:
    return with_minus_signs(f"{value:.1g}")


def _link(label: str) -> str:
    return f"{{eq}}`{label}`" if label.startswith("eq-") else f"{{prf:ref}}`{label}`"
