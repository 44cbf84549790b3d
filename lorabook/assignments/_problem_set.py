"""A problem set: gives out each student's numbers, and checks answers."""

import copy
import numbers
from dataclasses import dataclass
from functools import lru_cache
from itertools import repeat
from typing import Any

import numpy as np

from lorabook.assignments._answers import Raised, WrongAnswer, agree, outcome
from lorabook.assignments._blanks import blank_in
from lorabook.assignments._descriptions import describe
from lorabook.assignments._exercise import Case, Exercise
from lorabook.assignments._seeds import generator, handed_in_by, plain

PLACEHOLDER = "your-id"  # what a student's notebook has before they put their own into it
NOT_ANSWERED = "Not answered yet."


@dataclass(frozen=True)
class ProblemSet:
    """Some exercises, checked one at a time.

    A student's cases are drawn from their id, those of the hidden tests from a seed that the grader chooses.
    """

    name: str
    exercises: tuple[Exercise, ...]

    def numbers(self, exercise: str, student: str | int) -> Case:
        """The arguments that `student` is to answer `exercise` for, by name; those of an example for a function.

        Raises ValueError for an unknown exercise or an empty id.
        """
        return copy.deepcopy(_drawn(self.exercise(exercise), self.name, _id(student)))

    def cases(self, exercise: str, student: str | int, grading: str | None = None) -> list[Case]:
        """The arguments of every call by which `check` tries an answer. Raises as `numbers` does."""
        asked = self.exercise(exercise)
        if asked.own_numbers:
            return [self.numbers(exercise, _owner(student, grading))]
        words = (_id(student),) if grading is None else ("grading", grading)
        rng = generator(self.name, exercise, *words)
        return asked.draw(rng, asked.cases)

    def check(self, exercise: str, answer: Any, student: str | int, grading: str | None = None) -> None:
        """Prints that `answer` is right, or raises `WrongAnswer`, whose message says in words what is wrong.

        Arguments:
            exercise: the exercise's name.
            answer: a function, or for an exercise with numbers of the student's own a value.
            student: the student's id, a whole number or any text that is not empty; not `your-id`, which stands for it
                at first.
            grading: None while working. A grader gives a seed: a function is then tried on cases that the student has
                not seen, and own numbers must be those of whoever handed the notebook in.

        Raises ValueError for an unknown exercise or an empty id.
        """
        __tracebackhide__ = True  # in the notebook, the message stands right below the check
        asked, owner = self.exercise(exercise), _owner(student, grading)
        if asked.own_numbers and owner != _id(student):
            raise WrongAnswer(
                f"{exercise}: The notebook names {_id(student)!r}; {owner!r} handed it in, whose numbers are others."
            )
        complaint = (_of_value if asked.own_numbers else _of_function)(
            asked, answer, self.cases(exercise, student, grading)
        )
        if complaint is None:
            print(f"{exercise}: right.")
            return
        message, error = complaint
        raise WrongAnswer(f"{exercise}: {message}") from error

    def exercise(self, name: str) -> Exercise:
        """The exercise of that name. Raises ValueError if there is none."""
        known = {exercise.name: exercise for exercise in self.exercises}
        if name not in known:
            raise ValueError(f"exercise is {name!r}; it must be one of {', '.join(known)}")
        return known[name]


@lru_cache(maxsize=64)  # a case may be drawn many times over, until it tells a right answer from a wrong one
def _drawn(exercise: Exercise, problem_set: str, student: str | int) -> Case:
    return exercise.draw(generator(problem_set, exercise.drawn_as or exercise.name, student), cases=1)[0]


Complaint = tuple[str, BaseException | None]  # what is wrong, and what the answer raised, if it did


def _id(student: str | int) -> str:
    """The id as a text, however it was typed."""
    number = isinstance(student, numbers.Integral) and not isinstance(student, bool)
    text = plain(str(student)) if number or isinstance(student, str) else ""
    if text in ("", PLACEHOLDER):
        raise ValueError(f"student is {student!r}; it must be your own id: put it into the line STUDENT = …")
    return text


def _owner(student: str | int, grading: str | None) -> str:
    """Whose numbers an answer must be for."""
    return _id(student) if grading is None else handed_in_by(_id(student))


def _of_value(exercise: Exercise, answer: Any, cases: list[Case]) -> Complaint | None:
    if answer is None or answer is Ellipsis:
        return NOT_ANSWERED, None
    return _of_answers(exercise, [answer], cases)


def _of_function(exercise: Exercise, answer: Any, cases: list[Case]) -> Complaint | None:
    if not callable(answer):
        return f"The answer must be a function, and is of type {type(answer).__name__}.", None
    given = []
    for case in cases:
        theirs = copy.deepcopy(case)
        given.append(outcome(answer, theirs))
        blank = blank_in(given[-1].error) if isinstance(given[-1], Raised) else None
        if blank is not None:
            return NOT_ANSWERED if blank.depth == 1 else f"It calls `{blank.name}`, which is not answered yet.", None
        changed = [name for name in case if not _same(theirs[name], case[name])]
        if changed:
            return f"The function changes its argument {changed[0]}; work on a copy.", None
    return _of_answers(exercise, given, cases)


def _of_answers(exercise: Exercise, given: list[Any], cases: list[Case]) -> Complaint | None:
    """What is wrong with these answers to the cases, if anything is; a typical mistake's hint goes first."""
    right = [exercise.oracle(**case) for case in cases]
    if _all_agree(given, right, exercise.tolerance):
        return None
    for mistake in exercise.mistakes:
        if all(map(mistake.explains, given, cases, repeat(exercise.tolerance))):
            return mistake.hint, None
    case, mine, theirs = next(
        triple for triple in zip(cases, given, right, strict=True) if not agree(*triple[1:], exercise.tolerance)
    )
    where = "" if exercise.own_numbers else f"With {_describe_case(case)}: "
    error = mine.error if isinstance(mine, Raised) else None
    return where + describe(mine, theirs, exercise.returns, exercise.tolerance), error


def _all_agree(given, right, tolerance: float) -> bool:
    return all(agree(mine, theirs, tolerance) for mine, theirs in zip(given, right, strict=True))


def _same(left: Any, right: Any) -> bool:
    """Whether an argument is what it was; of things other than numbers, texts and containers nothing is asked."""
    if isinstance(right, np.ndarray):
        return isinstance(left, np.ndarray) and np.array_equal(left, right, equal_nan=True)
    if isinstance(right, dict):
        return left.keys() == right.keys() and all(_same(left[key], right[key]) for key in right)
    if isinstance(right, (list, tuple)):
        return len(left) == len(right) and all(map(_same, left, right))
    return not isinstance(right, (int, float, str)) or bool(left == right)


def _describe_case(case: Case) -> str:
    """The arguments of a case, arrays by their shapes."""
    parts = [
        f"{name} of shape {value.shape}" if isinstance(value, np.ndarray) and value.ndim else f"{name} = {value!r}"
        for name, value in case.items()
    ]
    return ", ".join(parts)
