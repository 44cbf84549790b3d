"""Proofs by computation that the chapters show: each step is an identity that sympy has verified.

A `Proof` cannot be made from a false step, so what it displays is what was checked. The functions below make one each,
and name the statement of the book that they serve.
"""

from dataclasses import dataclass

import sympy

__all__ = ["Proof", "Step", "holds"]


@dataclass(frozen=True)
class Step:
    """`left = right`, with a few words on why one looks at it."""

    words: str
    left: sympy.Basic
    right: sympy.Basic


@dataclass(frozen=True)
class Proof:
    """A chain of identities, all verified when it is made.

    Raises ValueError, with the step, if sympy finds the difference of its two sides to be anything but zero.

    >>> x = sympy.Symbol("x")
    >>> Proof("a square", (Step("expand", (x + 1) ** 2, x**2 + 2 * x + 1),))
    Proof of a square: 1 identity verified
    >>> Proof("no square", (Step("expand", (x + 1) ** 2, x**2 + 1),))
    Traceback (most recent call last):
        ...
    ValueError: no square, step 1 (expand): the two sides differ by 2*x
    """

    title: str
    steps: tuple[Step, ...]

    def __post_init__(self):
        for number, step in enumerate(self.steps, 1):
            difference = _difference(step.left, step.right)
            if not _is_zero(difference):
                raise ValueError(f"{self.title}, step {number} ({step.words}): the two sides differ by {difference}")

    def __repr__(self) -> str:
        count = len(self.steps)
        return f"Proof of {self.title}: {count} {'identity' if count == 1 else 'identities'} verified"

    def _repr_latex_(self) -> str:
        lines = [
            rf"\text{{{step.words}:}}\quad & {sympy.latex(step.left)} = {sympy.latex(step.right)} \quad\checkmark"
            for step in self.steps
        ]
        return "$$\\begin{aligned}\n" + " \\\\\n".join(lines) + "\n\\end{aligned}$$"


def holds(left, right) -> bool:
    """Whether sympy can reduce `left - right` (numbers, expressions or matrices) to zero."""
    return _is_zero(_difference(left, right))


def _difference(left, right):
    difference = left - right
    if isinstance(difference, sympy.MatrixBase):
        return difference.applyfunc(sympy.simplify)
    return sympy.simplify(sympy.expand(difference))


def _is_zero(difference) -> bool:
    if isinstance(difference, sympy.MatrixBase):
        return all(entry == 0 for entry in difference)
    return difference == 0


def svd_2x2() -> Proof:
    """Theorem `thm-svd` for every 2x2 matrix with given half-axes and rotations."""
    s1, s2 = sympy.symbols("sigma_1 sigma_2", positive=True)
    U, V = (_rotation(sympy.Symbol(name, real=True)) for name in ("alpha", "beta"))
    A = U * sympy.diag(s1, s2) * V.T
    return Proof(
        "the singular value decomposition in the plane",
        (
            Step("the image of v1 is a half-axis", A * V[:, 0], s1 * U[:, 0]),
            Step("so is the image of v2", A * V[:, 1], s2 * U[:, 1]),
            Step("the energy is the sum of squares", (A.T * A).trace(), s1**2 + s2**2),
        ),
    )


def eckart_young_2x2() -> Proof:
    """Lemma `lem-eckart-young` in the plane: error of the best fit along the direction at angle theta."""
    s1, s2 = sympy.symbols("s_1 s_2", positive=True)
    theta = sympy.Symbol("theta", real=True)
    A, u = sympy.diag(s1, s2), _rotation(theta)[:, 0]
    error = A - u * u.T * A
    return Proof(
        "Eckart–Young in the plane",
        (
            Step("squared error", (error.T * error).trace(), s2**2 + (s1**2 - s2**2) * sympy.sin(theta) ** 2),
            Step("at angle 0 it is the tail", (error.T * error).trace().subs(theta, 0), s2**2),
        ),
    )


def truncation_perturbation_attained() -> Proof:
    """Lemma `lem-truncation-perturbation`: the example in which its bound is an equality."""
    epsilon = sympy.Symbol("epsilon", positive=True)
    A, N = sympy.diag(1, 1 - 2 * epsilon), sympy.diag(-epsilon, epsilon)
    second = sympy.diag(0, 1)
    kept = (A + N) * second
    return Proof(
        "the example that attains the perturbation bound",
        (
            Step("noise makes a tie", A + N, (1 - epsilon) * sympy.eye(2)),
            Step("keep the second direction", kept - A, sympy.diag(-1, epsilon)),
            Step("the bound is 1, the norm of that", A[1, 1] + 2 * N[1, 1], sympy.Integer(1)),
        ),
    )


def _rotation(angle) -> sympy.Matrix:
    return sympy.Matrix([[sympy.cos(angle), -sympy.sin(angle)], [sympy.sin(angle), sympy.cos(angle)]])
