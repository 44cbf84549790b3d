"""A problem set: gives out each student's numbers, and checks answers."""

import copy
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from lorabook.assignments._answers import Raised, WrongAnswer, agree, describe, outcome
from lorabook.assignments._exercise import Case, Exercise
from lorabook.assignments._seeds import generator, handed_in_by


@dataclass(frozen=True)
class ProblemSet:
    """Some exercises, checked one at a time.

    A student's cases are drawn from their id, those of the hidden tests from a seed that the grader chooses. Chapter:
    Problem sets.
    """

    name: str
    exercises: tuple[Exercise, ...]

    def numbers(self, exercise: str, student: str) -> Case:
        """The arguments that `student` is to answer `exercise` for, by name. Raises ValueError for an unknown exercise."""
        return self._exercise(exercise).case(generator(self.name, exercise, _id(student)))

    def check(self, exercise: str, answer: Any, student: str, grading: str | None = None) -> None:
        """Prints that `answer` is right, or raises `WrongAnswer`, whose message says in words what is wrong.

        exercise
            The exercise's name.
        answer
            A function, or for an exercise with numbers of the student's own a value.
        student
            The student's id, any text that is not empty.
        grading
            None while working. A grader gives a seed: a function is then tried on cases that the student has not seen,
            and own numbers are those of whoever handed the notebook in, whatever id it names.

        Raises ValueError for an unknown exercise or an empty id.
        """
        asked = self._exercise(exercise)
        if asked.own_numbers:
            owner = _id(student) if grading is None else handed_in_by(_id(student))
            cases = [self.numbers(exercise, owner)]
        else:
            words = (_id(student),) if grading is None else ("grading", grading)
            cases = list(_cases(asked, generator(self.name, exercise, *words)))
        message = _complaint(asked, answer, cases)
        if message is None:
            print(f"{exercise}: right.")
            return
        if asked.own_numbers and grading is not None and owner != student:
            message += f" The notebook uses the numbers of {student!r}, but {owner!r} handed it in."
        raise WrongAnswer(f"{exercise}: {message}")

    def _exercise(self, name: str) -> Exercise:
        known = {exercise.name: exercise for exercise in self.exercises}
        if name not in known:
            raise ValueError(f"exercise was {name!r}; this set has {', '.join(known)}.")
        return known[name]


def _id(student: str) -> str:
    if not isinstance(student, str) or not student.strip():
        raise ValueError(f"student was {student!r}; it must be your id, a text that is not empty.")
    return student


def _cases(exercise: Exercise, rng: np.random.Generator) -> Iterator[Case]:
    for _ in range(exercise.cases):
        yield exercise.case(rng)


def _complaint(exercise: Exercise, answer: Any, cases: list[Case]) -> str | None:
    """What is wrong with an answer, or None."""
    if exercise.own_numbers:
        if answer is None or answer is Ellipsis:
            return "Not answered yet."
        given = [answer]
    else:
        if not callable(answer):
            return f"The answer must be a function, and is of type {type(answer).__name__}."
        given = []
        for case in cases:
            mine = copy.deepcopy(case)
            given.append(outcome(answer, mine))
            if isinstance(given[-1], Raised) and isinstance(given[-1].error, NotImplementedError):
                return "Not answered yet."
            changed = [key for key in case if not _same(mine[key], case[key])]
            if changed:
                return f"The function changes its argument {changed[0]}; work on a copy."
    right = [exercise.oracle(**case) for case in cases]
    wrong = [i for i, pair in enumerate(zip(given, right, strict=True)) if not agree(*pair, exercise.tolerance)]
    if not wrong:
        return None
    for mistake in exercise.mistakes:
        theirs = [outcome(mistake.answer, case) for case in cases]
        if all(agree(*pair, exercise.tolerance) for pair in zip(given, theirs, strict=True)):
            return mistake.hint
    first = wrong[0]
    where = "" if exercise.own_numbers else f"With {_describe_case(cases[first])}: "
    return where + describe(given[first], right[first], exercise.returns, exercise.tolerance)


def _same(left: Any, right: Any) -> bool:
    if isinstance(right, np.ndarray):
        return isinstance(left, np.ndarray) and np.array_equal(left, right, equal_nan=True)
    return bool(left == right) if isinstance(right, (int, float, str, tuple, bool, type(None))) else True


def _describe_case(case: Case) -> str:
    """The arguments of a case, arrays by their shapes."""
    parts = [
        f"{name} of shape {value.shape}" if isinstance(value, np.ndarray) and value.ndim else f"{name} = {value!r}"
        for name, value in case.items()
    ]
    return ", ".join(parts)
