"""What an equation of the table is, and how the figures of its check are measured."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

__all__ = [
    "DEFINITION",
    "KINDS",
    "STATEMENT",
    "STEP",
    "Equation",
    "Group",
    "Part",
    "at_most",
    "equal",
    "figures",
    "mean",
    "mean_at_most",
    "once",
    "tends",
]

KINDS = ("definition", "statement", "proof step")
"""What an equation of the table can be."""
DEFINITION, STATEMENT, STEP = KINDS


class Part(NamedTuple):
    """Two sides, the first axis running over data sets, and how they are compared."""

    how: str
    left: object
    right: object
    scale: object = 0.0
    """Size of what cancels, for an equality with zero."""


def equal(left, right, scale=0.0) -> Part:
    """Both sides agree on every data set."""
    return Part("equal", left, right, scale)


def at_most(smaller, larger) -> Part:
    """The first side is at most the second on every data set."""
    return Part("at most", smaller, larger)


def mean(left, right) -> Part:
    """Both sides have the same mean; a number or a matrix is its own mean."""
    return Part("mean", left, right)


def mean_at_most(smaller, larger) -> Part:
    """The mean of the first side is at most that of the second."""
    return Part("mean at most", smaller, larger)


def tends(values, limit) -> Part:
    """Values at sizes that grow fourfold, and what they tend to."""
    return Part("tends", values, limit)


@dataclass(frozen=True)
class Equation:
    """A numbered equation of the paper."""

    number: str
    latex: tuple[str, ...]
    kind: str
    where: str
    """Label of the book's statement, definition or equation where it belongs."""
    own: bool
    """Whether the constant or the normalisation is this book's own derivation."""
    cases: Callable[[], Iterable]
    check: Callable | None
    """From a case to a `Part` or several; None if the equation gives a name to something and claims nothing."""

    def parts(self) -> list[Part]:
        """Both sides on every case."""
        found = [self.check(case) for case in self.cases()] if self.check else []
        return [part for one in found for part in ([one] if isinstance(one, Part) else one)]


def once():
    """No data sets: the check brings its own."""
    return (None,)


@dataclass
class Group:
    """The equations of one statement, gathered by decorating their checks."""

    where: str
    entries: list[Equation] = field(default_factory=list)

    def __call__(self, number, *latex, on=once, kind=STEP, own=False, where=None):
        """Decorator: the check of equation `number`, on the given cases."""

        def keep(check):
            self.entries.append(Equation(str(number), latex, kind, where or self.where, own, on, check))
            return check

        return keep

    def symbol(self, number, *latex, where=None):
        """An equation that defines a symbol."""
        self(number, *latex, kind=DEFINITION, where=where)(None)


def figures(part: Part) -> np.ndarray:
    """What a part amounts to: relative differences or excesses, z-scores, or exponents of the size."""
    left, right = np.broadcast_arrays(np.atleast_1d(part.left), np.atleast_1d(part.right))
    left, right = (side.reshape(len(side), -1).astype(float) for side in (left, right))
    if part.how == "tends":
        return np.diff(np.log(np.abs(left - right)[:, 0])) / np.log(4)
    size = np.maximum(np.abs(left), np.abs(right)).max(axis=1, keepdims=True)
    size = np.maximum(size, np.reshape(part.scale, (-1, 1)))
    size[size == 0] = 1.0  # both sides vanish
    if part.how == "equal":
        return np.abs(left - right) / size
    if part.how == "at most":
        return (left - right) / size
    scores = _scores(left - right, size)
    return np.abs(scores) if part.how == "mean" else scores


def _scores(values: np.ndarray, size: np.ndarray) -> np.ndarray:
    """z-scores of the columns' means; a column without spread scores 0 where it vanishes and infinity otherwise."""
    mean, error = values.mean(axis=0), values.std(axis=0, ddof=1) / np.sqrt(len(values))
    rounding = 1e-12 * size.mean()
    constant = error < rounding
    settled = np.where(np.abs(mean) < rounding, 0.0, np.where(mean > 0, np.inf, -np.inf))
    return np.where(constant, settled, mean / np.where(constant, 1.0, error))
