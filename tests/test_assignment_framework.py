"""Checking answers: every kind of wrong answer is described, and everybody has numbers of their own."""

import copy

import numpy as np
import pytest

from lorabook.assignments import Exercise, Mistake, ProblemSet, WrongAnswer
from lorabook.assignments._answers import agree
from lorabook.assignments._seeds import handed_in_by


def product_case(rng):
    d_y, d_x = (int(size) for size in rng.choice(np.arange(2, 7), size=2, replace=False))
    return {"A": rng.standard_normal((d_y, d_x)), "x": rng.standard_normal(d_x)}


def product(A, x):
    return A @ x


HINT = "The squares are added."
VECTOR = Exercise(
    "vector", product, product_case, "an array of shape (d_y,)", (Mistake("sq", lambda A, x: (A @ x) ** 2, HINT),)
)


def exercise(right, own_numbers=False, **settings):
    """One whose right answer is always `right`."""
    return Exercise("it", lambda a: right, lambda rng: {"a": 1}, "RIGHT", own_numbers=own_numbers, **settings)


def complaint(asked, answer, student="ada", grading=None):
    with pytest.raises(WrongAnswer) as caught:
        ProblemSet("toy", (asked,)).check(asked.name, answer, student, grading)
    return str(caught.value).removeprefix(f"{asked.name}: ")


def said_of(given, right):
    return complaint(exercise(right), lambda a: given).removeprefix("With a = 1: ")


SQUARE = np.array([[1.0, 2.0], [3.0, 5.0]])


@pytest.mark.parametrize(
    ("given", "right", "words"),
    [
        (
            np.ones((3, 2)),
            np.ones((2, 3)),
            "has shape (3, 2); it should be RIGHT, here (2, 3). That is the shape of the transpose.",
        ),
        (np.ones(4), np.ones((2, 2)), "has shape (4,); it should be RIGHT, here (2, 2)."),
        (SQUARE.T, SQUARE, "is the transpose of what it should be."),
        (-SQUARE, SQUARE, "has the wrong sign, and is right otherwise."),
        (-2.0, 2.0, "has the wrong sign, and is right otherwise."),
        (3 * SQUARE, SQUARE, "is 3 times what it should be, in every entry."),
        (np.array([2.0, 1.0]), np.array([1.0, 2.0]), "is in reverse order."),
        (
            SQUARE + np.eye(2),
            SQUARE,
            "has the right shape; it differs from the right answer by 0.23 of that one's Frobenius norm.",
        ),
        (
            np.array([1e12, 1.0]),
            np.ones(2),
            "is about 7e+11 times too large. Was something divided by that is zero up to rounding?",
        ),
        (np.array([np.nan, 1.0]), np.ones(2), "1 of its 2 entries are infinite or not a number."),
        (np.array([1.0, 1e-9j]), np.ones(2), "Its entries are complex numbers; it should be RIGHT, real."),
        (
            1.0 + 1.0j,
            2.0j,
            "has the right shape; it differs from the right answer by 0.71 of that one's Frobenius norm.",
        ),
        (3.0, 2.5, "is 3, too large by about 0.2 times the right value."),
        (2, 3, "is 2, too small by about 0.3 times the right value."),
        (np.ones(2), np.zeros(2), "It should be zero, and is not."),
        (None, 1.0, "is None (is a return missing?); it should be RIGHT."),
        ("1.0", 1.0, "is of type str; it should be RIGHT."),
        (True, 1, "is of type bool; it should be RIGHT."),
        ([[1.0], [1.0, 2.0]], SQUARE, "is of type list; it should be RIGHT."),
        ("a", "b", "is 'a', and that is not right; it should be RIGHT."),
        (False, True, "is False, and that is not right; it should be RIGHT."),
        (1.0, ("a", "b"), "is of type float; it should be RIGHT."),
        (["a"], ["a", "b"], "has 1 parts; it should be RIGHT."),
        (["a", "c"], ["a", "b"], "Its part 2 of 2 is wrong. It is 'c', and that is not right; it should be RIGHT."),
        ((1.0, SQUARE.T), (1.0, SQUARE), "Its part 2 of 2 is wrong. It is the transpose of what it should be."),
        ({"b": 1}, {"a": 1}, "has the keys 'b'; it should be RIGHT."),
        ({}, {"a": 1}, "has the keys none; it should be RIGHT."),
        ([1], {"a": 1}, "is of type list; it should be RIGHT."),
        ({"a": 2, "b": -1}, {"a": 2, "b": 1}, "Its part 'b' is wrong. It has the wrong sign, and is right otherwise."),
    ],
)
def test_a_wrong_answer_is_described(given, right, words):
    assert said_of(given, right).removeprefix("It ") == words.removeprefix("It ")


@pytest.mark.parametrize(
    "right",
    [2, 2.0, SQUARE, [1.0, 2.0], "b", True, None, np.inf, ("a", SQUARE), {"a": 1, "b": [SQUARE, "c"]}],
    ids=repr,
)
def test_the_right_answer_is_right(right, capsys):
    ProblemSet("toy", (exercise(right),)).check("it", lambda a: copy.deepcopy(right), "ada")
    assert capsys.readouterr().out == "it: right.\n"


def test_the_tolerance_is_relative():
    assert agree(SQUARE * (1 + 1e-7), SQUARE, 1e-6)
    assert not agree(SQUARE * (1 + 1e-5), SQUARE, 1e-6)
    assert agree(1e-9 * SQUARE * (1 + 1e-7), 1e-9 * SQUARE, 1e-6)
    assert not agree(2e-9 * SQUARE, 1e-9 * SQUARE, 1e-6)


def test_unsigned_and_boolean_numbers_are_compared_as_numbers():
    assert not agree(np.array([1], dtype=np.uint8), np.array([2], dtype=np.uint8), 1e-6)
    assert agree(np.array([True, False]), np.array([1, 0]), 1e-6)


def test_an_error_is_described_and_its_traceback_kept():
    with pytest.raises(WrongAnswer, match=r"With a = 1: It raised ZeroDivisionError: division by zero") as caught:
        ProblemSet("toy", (exercise(1.0),)).check("it", lambda a: 1 / 0, "ada")
    assert isinstance(caught.value.__cause__, ZeroDivisionError)


def test_the_case_is_named_with_its_shapes():
    case = ProblemSet("toy", (VECTOR,)).cases("vector", "ada")[0]
    assert complaint(VECTOR, lambda A, x: 0.0).startswith(
        f"With A of shape {case['A'].shape}, x of shape {case['x'].shape}: "
    )


def test_a_typical_mistake_has_its_hint():
    assert complaint(VECTOR, lambda A, x: (A @ x) ** 2) == HINT
    assert complaint(VECTOR, lambda A, x: (A @ x) ** 2, grading="secret") == HINT
    assert complaint(VECTOR, lambda A, x: np.abs(A @ x) ** 2.001) != HINT


def test_a_mistake_that_cannot_answer_a_case_gives_no_hint():
    broken = Mistake("broken", lambda a: 1 / 0, "Never.")
    assert complaint(exercise(1.0, mistakes=(broken,)), lambda a: 2.0) != "Never."


def test_not_answered_yet():
    def blank(A, x):
        # YOUR CODE HERE
        raise NotImplementedError()

    assert complaint(VECTOR, blank) == "Not answered yet."
    own = exercise(1.0, own_numbers=True)
    assert complaint(own, None) == complaint(own, ...) == "Not answered yet."


def test_what_is_not_a_function_is_told_so():
    assert complaint(VECTOR, 3.0) == "The answer must be a function, and is of type float."


def changes_array(a):
    a["b"][0][:] = 0.0
    return 1.0


def changes_list(a):
    a["b"].append(1)
    return 1.0


def changes_number(a):
    a["c"] = 2
    return 1.0


@pytest.mark.parametrize("answer", [changes_array, changes_list, changes_number])
def test_changing_an_argument_is_told(answer):
    asked = Exercise("it", lambda a: 1.0, lambda rng: {"a": {"b": [np.ones(2)], "c": 1}}, "a number")
    assert complaint(asked, answer) == "The function changes its argument a; work on a copy."


def test_arguments_of_other_kinds_are_let_through():
    asked = Exercise("it", lambda a: 1.0, lambda rng: {"a": object()}, "a number")
    ProblemSet("toy", (asked,)).check("it", lambda a: 1.0, "ada")


SET = ProblemSet("toy", (VECTOR, Exercise("own", product, product_case, "an array", own_numbers=True)))


def differ(left, right):
    return left["A"].shape != right["A"].shape or not np.array_equal(left["A"], right["A"])


def test_everybody_has_numbers_of_their_own_and_keeps_them():
    numbers = [SET.numbers("own", f"student {i}") for i in range(30)]
    assert all(differ(numbers[i], numbers[j]) for i in range(30) for j in range(i))
    again = SET.numbers("own", "student 3")
    assert not differ(numbers[3], again)
    again["A"][:] = 0.0
    assert not differ(numbers[3], SET.numbers("own", "student 3"))
    assert not differ(numbers[3], SET.numbers("own", " student 3 "))


def test_numbers_depend_on_the_exercise_and_on_the_set():
    assert differ(SET.numbers("own", "ada"), SET.numbers("vector", "ada"))
    assert differ(SET.numbers("own", "ada"), ProblemSet("other", SET.exercises).numbers("own", "ada"))


def test_exercises_can_share_their_numbers():
    first, second = (Exercise(name, product, product_case, "", own_numbers=True, drawn_as="task") for name in "ab")
    shared = ProblemSet("toy", (first, second))
    assert not differ(shared.numbers("a", "ada"), shared.numbers("b", "ada"))
    assert differ(shared.numbers("a", "ada"), shared.numbers("a", "grace"))


def test_hidden_cases_are_others_than_the_visible_ones():
    visible, hidden = SET.cases("vector", "ada"), SET.cases("vector", "ada", grading="ada")
    assert len(visible) == len(hidden) == VECTOR.cases
    assert all(differ(mine, theirs) for mine in visible for theirs in hidden)
    assert all(differ(*pair) for pair in zip(hidden, SET.cases("vector", "ada", grading="another"), strict=True))
    assert not differ(hidden[0], SET.cases("vector", "grace", grading="ada")[0])


def test_the_folder_says_who_handed_it_in(tmp_path):
    assert handed_in_by("ada", tmp_path / "autograded" / "grace" / "ps1") == "grace"
    assert handed_in_by("ada", tmp_path / "source" / "ps1") == "ada"
    assert handed_in_by("ada") == "ada"


def test_a_copied_answer_is_wrong_in_another_ones_folder(tmp_path, monkeypatch):
    copied = product(**SET.numbers("own", "ada"))
    SET.check("own", copied, "ada", grading="secret")
    graded = tmp_path / "autograded" / "grace" / "ps1"
    graded.mkdir(parents=True)
    monkeypatch.chdir(graded)
    SET.check("own", copied, "ada")
    with pytest.raises(
        WrongAnswer, match=r"^own: The notebook names 'ada'; 'grace' handed it in, whose numbers are others\.$"
    ):
        SET.check("own", copied, "ada", grading="secret")
    with pytest.raises(WrongAnswer, match=r"Frobenius norm|shape"):
        SET.check("own", copied, "grace", grading="secret")
    SET.check("vector", product, "ada", grading="secret")


def test_an_unknown_exercise_is_named():
    with pytest.raises(ValueError, match="exercise is 'none'; it must be one of vector, own"):
        SET.check("none", product, "ada")


@pytest.mark.usefixtures("no_shape_checks")
@pytest.mark.parametrize("student", ["", "  ", "your-id", 7, None])
def test_without_an_id_there_are_no_numbers(student):
    for call in (SET.numbers, lambda name, student: SET.check(name, 1.0, student)):
        with pytest.raises(ValueError, match="it must be your own id"):
            call("own", student)
