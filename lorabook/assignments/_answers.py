"""Comparing an answer with the right one."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from lorabook.assignments._exits import exits_raised


class WrongAnswer(AssertionError):
    """An answer is wrong; the message says in which way."""


@dataclass(frozen=True)
class Raised:
    """What a function did instead of returning."""

    error: BaseException


def outcome(function: Callable[..., Any], case: dict[str, Any]) -> Any:
    """What `function` returns for a case, or what it raised."""
    try:
        with exits_raised():
            return function(**case)
    except (Exception, SystemExit) as error:  # whatever a student's code does is to be described, not to stop the check
        return Raised(error)


def agree(given: Any, right: Any, tolerance: float) -> bool:
    """Whether two answers are the same, up to `tolerance` times the Frobenius norm of the right one.

    Numbers, arrays, and lists of numbers are arrays; dicts, tuples and other lists agree if their parts do.
    """
    if isinstance(given, Raised) or isinstance(right, Raised):
        return False
    if isinstance(right, dict):
        same = isinstance(given, dict) and given.keys() == right.keys()
        return same and all(agree(given[key], value, tolerance) for key, value in right.items())
    if is_word(right):
        return is_word(given) and bool(given == right)
    if has_parts(right):
        parts = parts_of(given)
        same = parts is not None and len(parts) == len(right)
        return same and all(agree(*pair, tolerance) for pair in zip(parts, right, strict=True))
    mine, theirs = as_array(given), as_array(right)
    if mine is None or theirs is None or mine.shape != theirs.shape:
        return False
    finite = np.isfinite(theirs)
    if not np.array_equal(mine[~finite], theirs[~finite], equal_nan=True):
        return False
    mine, theirs = mine[finite], theirs[finite]
    return bool(np.isfinite(mine).all() and norm(mine - theirs) <= tolerance * norm(theirs))


def is_word(value: Any) -> bool:
    return value is None or isinstance(value, (str, bool, np.bool_))


def has_parts(right: Any) -> bool:
    """Whether a right answer is compared part by part: a tuple, or a list that is no array of numbers."""
    return isinstance(right, tuple) or (isinstance(right, list) and as_array(right) is None)


def parts_of(given: Any) -> list | None:
    """The parts of an answer that should have some, or None where it has none."""
    if isinstance(given, np.ndarray):
        return list(given) if given.ndim else None
    return list(given) if isinstance(given, (tuple, list)) else None


def as_array(value: Any) -> np.ndarray | None:
    """As an array of numbers, or None where it is none."""
    if is_word(value) or isinstance(value, dict):
        return None
    try:
        array = np.asarray(value)
    except (ValueError, TypeError):  # parts of different shapes
        return None
    if array.dtype.kind in "iub":  # differences of unsigned numbers would wrap around
        return array.astype(float)
    return array if array.dtype.kind in "fc" else None


def norm(array: np.ndarray | np.generic) -> float:
    return float(np.linalg.norm(np.asarray(array).ravel()))
