"""An exercise: its right answer, the cases that it is tried on, and the mistakes that are typical of it."""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np

from lorabook.assignments._answers import agree, outcome

Case = dict[str, Any]
Draw = Callable[[np.random.Generator], Case]


@dataclass(frozen=True)
class Mistake:
    """A typical wrong answer, and what to tell whoever gives it.

    answer
        Called as the exercise's oracle is, with the same arguments; returns what somebody who makes the mistake would.
    hint
        One or two sentences: what was confused with what, not the solution.
    sometimes_right
        Not every case shows the mistake. The cases that a function is tried on are drawn until all such mistakes
        differ from the right answer, and from each other.
    left_to_rounding
        Tells, by the arguments of a case, whether rounding alone decides what the mistake leads to, as when a singular
        matrix is inverted. There any answer, and any error, may be this mistake's.
    """

    name: str
    answer: Callable[..., Any]
    hint: str
    sometimes_right: bool = False
    left_to_rounding: Callable[..., bool] | None = None

    def explains(self, given: Any, case: Case, tolerance: float) -> bool:
        """Whether somebody who makes this mistake would give this answer to a case."""
        if self.left_to_rounding is not None and self.left_to_rounding(**case):
            return True
        return agree(given, outcome(self.answer, case), tolerance)


@dataclass(frozen=True)
class Exercise:
    """One question of a problem set.

    oracle
        The right answer, as a function of the arguments of a case.
    case
        Draws the arguments of one case, by name, from a generator. Shapes should differ from case to case, and no two
        dimensions should agree, so that a missing transpose is seen. Several such functions, in a tuple, take turns:
        then every kind of case is among those that a function is tried on.
    returns
        What the answer is, in words with its shape: `"an array of shape (d_y, d_x)"`.
    own_numbers
        False: the student writes a function, which is tried on several cases. True: the student is given one case,
        drawn for them, and answers with a value.
    drawn_as
        Exercises with own numbers that name the same word here are given the same numbers; None for numbers of its own.
    tolerance
        Largest difference to the oracle's answer, relative to its Frobenius norm.
    cases
        How many cases a function is tried on.
    """

    name: str
    oracle: Callable[..., Any]
    case: Draw | tuple[Draw, ...]
    returns: str
    mistakes: tuple[Mistake, ...] = ()
    own_numbers: bool = False
    drawn_as: str | None = None
    tolerance: float = 1e-6
    cases: int = 4

    def draw(self, rng: np.random.Generator, cases: int) -> list[Case]:
        """That many cases; no mistake that is right for some cases is right for all of them."""
        turns = self.case if isinstance(self.case, tuple) else (self.case,)
        hidden = tuple(mistake for mistake in self.mistakes if mistake.sometimes_right)
        while True:
            drawn = [turns[i % len(turns)](rng) for i in range(cases)]
            if cases == 1 or not hidden or _told_apart(drawn, self.oracle, hidden, self.tolerance):
                return drawn


def told_apart(case: Case, oracle: Callable[..., Any], wrong: tuple[Mistake, ...], tolerance: float = 0.0) -> bool:
    """Whether the right answer and those of all mistakes differ from each other, so that each has its own hint.

    They differ if they do not agree up to `tolerance`. A case is drawn until it holds.
    """
    return _told_apart([case], oracle, wrong, tolerance)


def _told_apart(cases: list[Case], oracle: Callable[..., Any], wrong: tuple[Mistake, ...], tolerance: float) -> bool:
    """The same for several cases, of which one is enough to tell two answers apart."""
    answers = [[answer(**case) for case in cases] for answer in (oracle, *(mistake.answer for mistake in wrong))]
    return not any(
        all(agree(*pair, tolerance) for pair in zip(second, first, strict=True))
        for first, second in combinations(answers, 2)
    )
