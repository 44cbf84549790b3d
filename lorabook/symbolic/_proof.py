"""Identities that sympy has verified, and how a page shows them."""

from dataclasses import dataclass

import sympy

__all__ = ["Proof", "Step", "rotation"]

Side = sympy.Basic | sympy.MatrixBase | int
"""A side of an identity."""


@dataclass(frozen=True)
class Step:
    """`left = right`, with a few words on why one looks at it; formulas in them stand between dollars.

    `given` holds pairs (product, what it equals) of symbols that do not commute; sympy may use them as often as it
    likes.
    """

    words: str
    left: Side
    right: Side
    given: tuple[tuple[Side, Side], ...] = ()


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
            difference = _difference(_using(step.given, step.left), _using(step.given, step.right))
            if not _is_zero(difference):
                raise ValueError(f"{self.title}, step {number} ({step.words}): the two sides differ by {difference}")

    def __repr__(self) -> str:
        count = len(self.steps)
        return f"Proof of {self.title}: {count} {'identity' if count == 1 else 'identities'} verified"

    def _repr_latex_(self) -> str:
        lines = [line for step in self.steps for line in _lines(step)]
        return "$$\\begin{aligned}\n" + " \\\\\n".join(lines) + "\n\\end{aligned}$$"


def _difference(left, right):
    difference = _value(left) - _value(right)
    if isinstance(difference, sympy.MatrixBase):
        return difference.applyfunc(sympy.simplify)
    difference = sympy.expand(difference)
    return sympy.simplify(sympy.gammasimp(sympy.expand_func(difference)) if difference.has(sympy.gamma) else difference)


def _value(side):
    """The side with its unevaluated sums, products and substitutions carried out."""
    return side.doit() if isinstance(side, sympy.Basic) else side


def _using(given, expr):
    """`expr` with the given products replaced until none is left."""
    previous = None
    while given and expr != previous:
        previous, expr = expr, sympy.expand(expr.subs(given))
    return expr


def _lines(step: Step):
    """The words on a line of their own, then the identity, on two lines if it is long."""
    side, link, relations = step.left, "since", step.given
    if isinstance(side, sympy.Subs):  # what is put in would be small print at the foot of a bar
        side, link, relations = side.expr, "with", tuple(zip(side.variables, side.point, strict=True))
    left, right = _latex(side), _latex(step.right)
    said = r",\ ".join(f"{_latex(word)} = {_latex(value)}" for word, value in relations)
    if said and len(said) > 90:
        yield rf"& {_words(step.words)}\text{{, {link}}}"
        yield rf"& \qquad {said}\text{{:}}"
    else:
        yield rf"& {_words(step.words)}" + (rf"\text{{, {link} }} {said}" if said else "") + r"\text{:}"
    if len(left) + len(right) > 110:
        yield rf"& \qquad {left}"
        yield rf"& \qquad\quad = {right} \quad\checkmark"
    else:
        yield rf"& \qquad {left} = {right} \quad\checkmark"


def _words(words: str) -> str:
    parts = words.split("$")
    parts[::2] = [rf"\text{{{text}}}" if text else "" for text in parts[::2]]
    return "".join(parts)


def _latex(side) -> str:
    return sympy.latex(side, order="none")


def _is_zero(difference) -> bool:
    if isinstance(difference, sympy.MatrixBase):
        return all(entry == 0 for entry in difference)
    return difference == 0


def rotation(angle) -> sympy.Matrix:
    return sympy.Matrix([[sympy.cos(angle), -sympy.sin(angle)], [sympy.sin(angle), sympy.cos(angle)]])
