"""Comparing an answer with the right one, and saying in words how they differ."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

_HUGE = 1e6


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
    """Whether two answers are the same, up to `tolerance` times the Frobenius norm of the right one.

    Numbers, arrays, and lists of numbers are arrays; dicts and other lists agree if their parts do.
    """
    if isinstance(given, Raised) or isinstance(right, Raised):
        return False
    if isinstance(right, dict):
        same = isinstance(given, dict) and given.keys() == right.keys()
        return same and all(agree(given[key], value, tolerance) for key, value in right.items())
    if _is_word(right):
        return _is_word(given) and bool(given == right)
    if _has_parts(right):
        same = isinstance(given, (tuple, list)) and len(given) == len(right)
        return same and all(agree(mine, theirs, tolerance) for mine, theirs in zip(given, right, strict=True))
    mine, theirs = _array(given), _array(right)
    if mine is None or theirs is None or mine.shape != theirs.shape:
        return False
    if not np.isfinite(theirs).all():
        return np.array_equal(mine, theirs, equal_nan=True)
    return bool(np.isfinite(mine).all() and _norm(mine - theirs) <= tolerance * _norm(theirs))


def describe(given: Any, right: Any, returns: str, tolerance: float) -> str:
    """In words: how `given`, which does not agree with `right`, differs from it; `returns` is what it should be."""
    if isinstance(given, Raised):
        return f"It raised {type(given.error).__name__}: {given.error}"
    if given is None:
        return f"It is None (is a return missing?); it should be {returns}."
    if _is_word(right):
        return f"It is {given!r}, and that is not right; it should be {returns}."
    if isinstance(right, dict) or _has_parts(right):
        return _describe_parts(given, right, returns, tolerance)
    mine, theirs = _array(given), _array(right)
    if mine is None:
        return f"It is of type {type(given).__name__}; it should be {returns}."
    if mine.shape != theirs.shape:
        transposed = " That is the shape of the transpose." if mine.T.shape == theirs.shape else ""
        return f"It has shape {mine.shape}; it should be {returns}, here {theirs.shape}.{transposed}"
    if np.isfinite(theirs).all() and not np.isfinite(mine).all():
        return f"{mine.size - np.isfinite(mine).sum()} of its {mine.size} entries are infinite or not a number."
    if np.iscomplexobj(mine) and not np.iscomplexobj(theirs):
        return f"Its entries are complex numbers; it should be {returns}, real."
    return _describe_numbers(mine, theirs, tolerance)


def _describe_parts(given: Any, right: Any, returns: str, tolerance: float) -> str:
    if not isinstance(given, dict if isinstance(right, dict) else (tuple, list)):
        return f"It is of type {type(given).__name__}; it should be {returns}."
    if isinstance(right, dict):
        if given.keys() != right.keys():
            return f"It has the keys {', '.join(map(repr, given)) or 'none'}; it should be {returns}."
        parts = [(repr(key), given[key], right[key]) for key in right]
    else:
        if len(given) != len(right):
            return f"It has {len(given)} parts; it should be {returns}."
        parts = [
            (f"{place} of {len(right)}", *pair) for place, pair in enumerate(zip(given, right, strict=True), start=1)
        ]
    label, mine, theirs = next(part for part in parts if not agree(*part[1:], tolerance))
    return f"Its part {label} is wrong. {describe(mine, theirs, returns, tolerance)}"


def _describe_numbers(mine: np.ndarray, theirs: np.ndarray, tolerance: float) -> str:
    size = _norm(theirs)
    if size == 0:
        return "It should be zero, and is not."
    if _norm(mine + theirs) <= tolerance * size:
        return "It has the wrong sign, and is right otherwise."
    off = _norm(mine - theirs) / size
    if off > _HUGE:
        return f"It is about {off:.0e} times too large. Was something divided by that is zero up to rounding?"
    if mine.ndim == 0 and not np.iscomplexobj(theirs):
        return (
            f"It is {mine:.6g}, too {'large' if mine > theirs else 'small'} by about {off:.1g} times the right value."
        )
    factor = float(np.vdot(theirs, mine).real) / size**2
    if abs(factor) > tolerance and _norm(mine - factor * theirs) <= tolerance * abs(factor) * size:
        return f"It is {factor:.4g} times what it should be, in every entry."
    if mine.ndim == 1 and _norm(mine[::-1] - theirs) <= tolerance * size:
        return "It is in reverse order."
    if mine.ndim == 2 and mine.T.shape == mine.shape and _norm(mine.T - theirs) <= tolerance * size:
        return "It is the transpose of what it should be."
    return f"It has the right shape; it differs from the right answer by {off:.2g} of that one's Frobenius norm."


def _is_word(value: Any) -> bool:
    return value is None or isinstance(value, (str, bool, np.bool_))


def _has_parts(value: Any) -> bool:
    """Whether it is a list or tuple that is no array of numbers."""
    return isinstance(value, (tuple, list)) and _array(value) is None


def _array(value: Any) -> np.ndarray | None:
    """As an array of numbers, or None where it is none."""
    if _is_word(value) or isinstance(value, dict):
        return None
    try:
        array = np.asarray(value)
    except (ValueError, TypeError):  # parts of different shapes
        return None
    if array.dtype.kind in "iub":  # differences of unsigned numbers would wrap around
        return array.astype(float)
    return array if array.dtype.kind in "fc" else None


def _norm(array: np.ndarray | np.generic) -> float:
    return float(np.linalg.norm(np.asarray(array).ravel()))
