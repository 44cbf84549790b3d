"""Comparing an answer with the right one, and saying in words how they differ."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np


class WrongAnswer(AssertionError):
    """An answer is wrong; the message says in which way."""


@dataclass(frozen=True)
class Raised:
    """What a function did instead of returning."""

    error: Exception


def outcome(function: Callable[..., Any], case: dict[str, Any]) -> Any:
    """What `function` returns for a case, or what it raised."""
    try:
        return function(**case)
    except Exception as error:  # whatever a student's code raises is to be described, not to stop the check
        return Raised(error)


def agree(given: Any, right: Any, tolerance: float) -> bool:
    """Whether two answers are the same, up to `tolerance` times the Frobenius norm of the right one."""
    if isinstance(given, Raised) or isinstance(right, Raised):
        return False
    if isinstance(right, dict):
        return (
            isinstance(given, dict)
            and given.keys() == right.keys()
            and all(agree(given[key], value, tolerance) for key, value in right.items())
        )
    if isinstance(right, (tuple, list)) and not _numeric(right):
        same = isinstance(given, (tuple, list)) and len(given) == len(right)
        return same and all(agree(mine, theirs, tolerance) for mine, theirs in zip(given, right, strict=True))
    if isinstance(right, (str, bool, np.bool_)) or right is None:
        return isinstance(given, (str, bool, np.bool_, type(None))) and bool(given == right)
    mine, theirs = _array(given), _array(right)
    if mine is None or theirs is None or mine.shape != theirs.shape:
        return False
    if not np.isfinite(theirs).all():
        return np.array_equal(mine, theirs, equal_nan=True)
    return bool(_norm(mine - theirs) <= tolerance * _norm(theirs)) if np.isfinite(mine).all() else False


def describe(given: Any, right: Any, returns: str, tolerance: float) -> str:
    """In words: how `given`, which does not agree with `right`, differs from it."""
    if isinstance(given, Raised):
        return f"It raised {type(given.error).__name__}: {given.error}"
    if given is None:
        return f"It is None (is a return missing?); it should be {returns}."
    if isinstance(right, (str, bool, np.bool_)):
        return f"It is {given!r}, and that is not right; it should be {returns}."
    if isinstance(right, (tuple, list, dict)) and not (isinstance(right, (tuple, list)) and _numeric(right)):
        return _describe_parts(given, right, returns, tolerance)
    mine, theirs = _array(given), _array(right)
    if mine is None:
        return f"It is of type {type(given).__name__}; it should be {returns}."
    if mine.shape != theirs.shape:
        transposed = " That is the shape of the transpose." if mine.T.shape == theirs.shape else ""
        return f"It has shape {mine.shape}; it should be {returns}, here {theirs.shape}.{transposed}"
    if not np.isfinite(mine).all() and np.isfinite(theirs).all():
        return f"{np.size(mine) - np.isfinite(mine).sum()} of its {np.size(mine)} entries are infinite or not a number."
    return _describe_numbers(mine, theirs, tolerance)


def _describe_parts(given: Any, right: Any, returns: str, tolerance: float) -> str:
    keys = list(right) if isinstance(right, dict) else list(range(len(right)))
    if type(given) is not type(right) and not isinstance(given, (tuple, list)):
        return f"It is of type {type(given).__name__}; it should be {returns}."
    if len(given) != len(right) or (isinstance(right, dict) and given.keys() != right.keys()):
        return f"It has {len(given)} parts; it should be {returns}."
    wrong = next(key for key in keys if not agree(given[key], right[key], tolerance))
    label = repr(wrong) if isinstance(right, dict) else f"number {wrong + 1} of {len(right)}"
    return f"Its part {label} is wrong. " + describe(given[wrong], right[wrong], returns, tolerance)


def _describe_numbers(mine: np.ndarray, theirs: np.ndarray, tolerance: float) -> str:
    size = _norm(theirs)
    if size > 0 and _norm(mine) > 0:
        factor = float(np.vdot(theirs, mine).real) / size**2
        if abs(factor) > 1e-12 and _norm(mine - factor * theirs) <= 10 * tolerance * abs(factor) * size:
            if abs(factor + 1) < 1e-6:
                return "It has the wrong sign, and is right otherwise."
            if mine.ndim:
                return f"It is {factor:.4g} times what it should be, in every entry."
    if mine.ndim == 2 and mine.shape[0] == mine.shape[1] and _norm(mine.T - theirs) <= tolerance * size:
        return "It is the transpose of what it should be."
    relative = _norm(mine - theirs) / size if size else np.inf
    if mine.ndim == 0:
        return f"It is {float(mine):.6g}, which is off by {relative:.1%} of the right value."
    return f"It has the right shape; it differs from the right answer by {relative:.2g} of its Frobenius norm."


def _numeric(value: Any) -> bool:
    array = _array(value)
    return array is not None and array.ndim > 0


def _array(value: Any) -> np.ndarray | None:
    """As an array of numbers, or None where it is none."""
    if isinstance(value, (str, bool, dict, type(None))):
        return None
    try:
        array = np.asarray(value)
    except (ValueError, TypeError):
        return None
    return array if array.dtype.kind in "iufcb" else None


def _norm(array: np.ndarray) -> float:
    return float(np.linalg.norm(np.asarray(array, dtype=complex).ravel()))
