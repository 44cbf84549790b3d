"""Checking answers: every kind of wrong answer is described, and everybody has numbers of their own."""

import copy
import sys
import unicodedata
from functools import partial
from types import SimpleNamespace
from typing import NamedTuple

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


class Pair(NamedTuple):
    high: float
    low: float


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
        (np.array([np.nan, 1.0]), np.ones(2), "1 of its 2 entries are not a number (nan)."),
        (np.array([1.0, -np.inf]), np.ones(2), "1 of its 2 entries are infinite, where the right value is finite."),
        (np.zeros(2), np.array([0.0, np.inf]), "1 of its 2 entries are finite, where the right value is infinite."),
        (np.array([2.0, np.inf]), np.array([1.0, np.inf]), "is 2 times what it should be, in every entry."),
        (0.0, np.inf, "is finite; the right value is infinite."),
        (1e9, np.inf, "is finite; the right value is infinite."),
        (-np.inf, np.inf, "has the wrong sign."),
        (np.inf, 1.0, "is infinite; the right value is finite."),
        (np.nan, 1.0, "is not a number (nan)."),
        (np.nan, np.inf, "is not a number (nan)."),
        (3.142, np.pi, "is rounded to 3 decimals. Leave all digits."),
        ({1: 0.0, 2: 3.0}, {1: 0.0, 2: np.inf}, "Its part 2 is wrong. It is finite; the right value is infinite."),
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
        ("1.0", 1.0, "is a text; it should be RIGHT."),
        (np.ones(2), 1.0, "has shape (2,); it should be RIGHT."),
        (1.0, np.ones(2), "is a number; it should be RIGHT, here (2,)."),
        (object(), 1.0, "is of type object; it should be RIGHT."),
        (np.array([None, 1.0]), np.ones(2), "is an array of type object, not of numbers; it should be RIGHT."),
        ((SQUARE, None), SQUARE, "is a tuple of an array of shape (2, 2) and None; it should be RIGHT."),
        (
            (SQUARE, SQUARE),
            SQUARE,
            "is a tuple of an array of shape (2, 2) and an array of shape (2, 2); it should be RIGHT, here (2, 2).",
        ),
        ((), "a", "is (), and that is not right; it should be RIGHT."),
        (True, 1, "is True; it should be RIGHT."),
        (
            [[1.0], [1.0, 2.0]],
            SQUARE,
            "is a list of an array of shape (1,) and an array of shape (2,); it should be RIGHT.",
        ),
        ("a", "b", "is 'a', and that is not right; it should be RIGHT."),
        (False, True, "is False, and that is not right; it should be RIGHT."),
        (1.0, ("a", "b"), "is a number; it should be RIGHT."),
        (["a"], ["a", "b"], "has 1 parts; it should be RIGHT."),
        (["a", "c"], ["a", "b"], "Its part 2 of 2 is wrong. It is 'c', and that is not right."),
        ([1, "b"], ["a", "b"], "Its part 1 of 2 is wrong. It is 1, and that is not right; it should be a text."),
        ((1.0, SQUARE.T), (1.0, SQUARE), "Its part 2 of 2 is wrong. It is the transpose of what it should be."),
        ((1.0, -2.0), (1.0, 2.0), "Its part 2 of 2 is wrong. It has the wrong sign, and is right otherwise."),
        (
            np.array([2.5, 2.0]),
            (1.0, 2.0),
            "Its part 1 of 2 is wrong. It is 2.5, too large by about 2 times the right value.",
        ),
        ((1.0, None), Pair(1.0, 2.0), "Its part 2 of 2, low, is wrong. It is None; it should be a number."),
        (
            (np.ones(2), 1.0),
            Pair(1.0, 2.0),
            "Its part 1 of 2, high, is wrong. It has shape (2,); it should be a number.",
        ),
        (
            {"a": SQUARE[:1]},
            {"a": SQUARE},
            "Its part 'a' is wrong. It has shape (1, 2); it should be an array of shape (2, 2).",
        ),
        (
            {"a": None},
            {"a": {"b": 1}},
            "Its part 'a' is wrong. It is None; it should be a dictionary with the keys 'b'.",
        ),
        ({"b": 1}, {"a": 1}, "has the keys 'b'; it should be RIGHT."),
        ({}, {"a": 1}, "has the keys none; it should be RIGHT."),
        ([1], {"a": 1}, "is an array of shape (1,); it should be RIGHT."),
        ({"a": 2, "b": -1}, {"a": 2, "b": 1}, "Its part 'b' is wrong. It has the wrong sign, and is right otherwise."),
    ],
)
def test_a_wrong_answer_is_described(given, right, words):
    assert said_of(given, right).removeprefix("It ") == words.removeprefix("It ")


@pytest.mark.parametrize(
    "right",
    [
        2,
        2.0,
        SQUARE,
        [1.0, 2.0],
        "b",
        True,
        None,
        np.inf,
        ("a", SQUARE),
        (1.0, 2.0),
        np.array([1.0, np.inf]),
        {"a": 1, "b": [SQUARE, "c"]},
    ],
    ids=repr,
)
def test_the_right_answer_is_right(right, capsys):
    ProblemSet("toy", (exercise(right),)).check("it", lambda a: copy.deepcopy(right), "ada")
    assert capsys.readouterr().out == "it: right.\n"


def test_a_pair_may_be_an_array_or_a_list():
    assert agree(np.array([1.0, 2.0]), (1.0, 2.0), 1e-6)
    assert agree([1.0, 2.0], (1.0, 2.0), 1e-6)
    assert not agree((1.0, 2.1), (1e6, 2.0), 1e-6)


def test_the_tolerance_is_relative():
    assert agree(np.array([np.inf, 1.0 + 1e-7]), np.array([np.inf, 1.0]), 1e-6)
    assert not agree(np.array([np.inf, 1.0 + 1e-5]), np.array([np.inf, 1.0]), 1e-6)
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


def signed(sign):
    return lambda rng: {"a": sign * rng.uniform(1.0, 2.0)}


def test_cases_of_several_kinds_take_turns():
    asked = Exercise("it", abs, (signed(1), signed(-1)), "a number", cases=5)
    for grading in (None, "secret"):
        cases = ProblemSet("toy", (asked,)).cases("it", "ada", grading)
        assert [np.sign(case["a"]) for case in cases] == [1, -1, 1, -1, 1]


def either_sign(rng):
    return signed(rng.choice([-1, 1]))(rng)


def test_no_mistake_is_right_for_all_cases():
    mistakes = (
        Mistake("none", lambda a: a, "No absolute value.", sometimes_right=True),
        Mistake("sign", lambda a: -a, "Its negative.", sometimes_right=True),
    )
    asked = Exercise("it", lambda a: abs(a), either_sign, "a number", mistakes, cases=2)
    for i in range(50):
        for mistake in mistakes:
            assert complaint(asked, mistake.answer, f"student {i}") == mistake.hint


def test_what_rounding_decides_is_a_mistake_whatever_comes_out():
    wrong = Mistake("inverse", lambda a: 1.0, "Not there.", left_to_rounding=lambda a: a < 0)
    asked = Exercise("it", lambda a: np.sign(a), (signed(1), signed(-1)), "a number", (wrong,))
    for given in (1.0, np.nan, None, "b"):
        assert complaint(asked, lambda a, given=given: 1.0 if a > 0 else given) == "Not there."
    assert complaint(asked, lambda a: 1.0 if a > 0 else 1 / 0) == "Not there."
    assert complaint(asked, lambda a: 2.0 if a > 0 else 1 / 0) != "Not there."


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


def test_a_helper_that_is_left_blank_is_named():
    def helper(A):
        raise NotImplementedError()

    def other(A):
        raise NotImplementedError("not for matrices")

    assert complaint(VECTOR, lambda A, x: helper(A)) == "It calls `helper`, which is not answered yet."
    assert complaint(VECTOR, lambda A, x: [helper(A) for _ in x]) == "It calls `helper`, which is not answered yet."
    assert complaint(VECTOR, lambda A, x: other(A)).endswith("It raised NotImplementedError: not for matrices")


@pytest.mark.parametrize("leave", [sys.exit, partial(sys.exit, 1), exit, quit], ids=repr)
def test_leaving_python_is_told(leave):
    said = "It ends Python, as exit, quit and sys.exit do; a function ends with return."
    assert said_of_function(leave) == said


def test_leaving_a_notebook_is_told(monkeypatch):
    asked = []
    shell_class = type("Shell", (), {"ask_exit": lambda self: asked.append(self)})
    shell = shell_class()
    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(get_ipython=lambda: shell))
    assert said_of_function(lambda: shell.ask_exit()).startswith("It ends Python")
    assert not asked
    shell.ask_exit()
    assert asked == [shell]


def said_of_function(call):
    return complaint(exercise(1.0), lambda a: call()).removeprefix("With a = 1: ")


def test_an_interruption_is_none_of_the_answer():
    def interrupted(a):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        ProblemSet("toy", (exercise(1.0),)).check("it", interrupted, "ada")


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


def test_an_id_may_be_typed_in_several_ways(tmp_path):
    assert not differ(SET.numbers("own", 123456), SET.numbers("own", "123456"))
    composed, decomposed = (unicodedata.normalize(form, "josé") for form in ("NFC", "NFD"))
    assert composed != decomposed
    assert not differ(SET.numbers("own", composed), SET.numbers("own", decomposed))
    assert handed_in_by("ada", tmp_path / "autograded" / decomposed / "ps1") == composed


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
@pytest.mark.parametrize("student", ["", "  ", "your-id", 7.5, True, None])
def test_without_an_id_there_are_no_numbers(student):
    for call in (SET.numbers, lambda name, student: SET.check(name, 1.0, student)):
        with pytest.raises(ValueError, match="it must be your own id"):
            call("own", student)
