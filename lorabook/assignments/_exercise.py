"""An exercise: its right answer, the cases that it is tried on, and the mistakes that are typical of it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

Case = dict[str, Any]


@dataclass(frozen=True)
class Mistake:
    """A typical wrong answer, and what to tell whoever gives it.

    answer
        Called as the exercise's oracle is, with the same arguments; returns what somebody who makes the mistake would.
    hint
        One or two sentences: what was confused with what, not the solution.
    """

    name: str
    answer: Callable[..., Any]
    hint: str


@dataclass(frozen=True)
class Exercise:
    """One question of a problem set.

    oracle
        The right answer, as a function of the arguments of a case.
    case
        Draws the arguments of one case, by name, from a generator. Shapes should differ from case to case, and no two
        dimensions should agree, so that a missing transpose is seen.
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
    case: Callable[[np.random.Generator], Case]
    returns: str
    mistakes: tuple[Mistake, ...] = ()
    own_numbers: bool = False
    drawn_as: str | None = None
    tolerance: float = 1e-6
    cases: int = 4


def told_apart(case: Case, oracle: Callable[..., Any], wrong: tuple[Mistake, ...]) -> bool:
    """Whether the right answer and those of all mistakes differ from each other, so that each has its own hint.

    For answers that `==` compares: numbers, words, lists and dictionaries of such. A case is drawn until it holds.
    """
    answers = []
    for answer in (oracle, *(mistake.answer for mistake in wrong)):
        given = answer(**case)
        if given in answers:
            return False
        answers.append(given)
    return True
