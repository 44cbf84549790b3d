"""Saying in words how an answer differs from the right one."""

from typing import Any

import numpy as np

from lorabook.assignments._answers import Raised, agree, as_array, has_parts, is_word, norm, parts_of

_HUGE = 1e6


def describe(given: Any, right: Any, returns: str | None, tolerance: float) -> str:
    """In words: how `given`, which does not agree with `right`, differs from it.

    `returns` is what it should be; for a part of an answer it is None, and said from the part itself.
    """
    should = f"it should be {_kind(right) if returns is None else returns}"
    if isinstance(given, Raised):
        return _describe_raised(given.error)
    if given is None:
        return f"It is None{'' if returns is None else ' (is a return missing?)'}; {should}."
    if is_word(right):
        named = returns is not None or type(given) is not type(right)
        return f"It is {given!r}, and that is not right{f'; {should}' if named else ''}."
    if isinstance(right, dict):
        return _describe_dict(given, right, should, tolerance)
    if has_parts(right):
        return _describe_parts(given, right, should, tolerance)
    mine, theirs = as_array(given), as_array(right)
    if mine is None:
        return f"It is {given if isinstance(given, (bool, np.bool_)) else _kind(given)}; {should}."
    if mine.shape != theirs.shape:
        return _describe_shape(given, mine.shape, theirs.shape, should, returns)
    if np.iscomplexobj(mine) and not np.iscomplexobj(theirs):
        return f"Its entries are complex numbers; {should}, real."
    complaint = _describe_infinities(mine, theirs)
    if complaint is None and mine.ndim and not np.isfinite(theirs).all():
        mine, theirs = mine[np.isfinite(theirs)], theirs[np.isfinite(theirs)]
    return complaint or _describe_numbers(mine, theirs, tolerance)


def _describe_raised(error: BaseException) -> str:
    if isinstance(error, SystemExit):
        return "It ends Python, as exit, quit and sys.exit do; a function ends with return."
    return f"It raised {type(error).__name__}: {error}"


def _describe_dict(given: Any, right: dict, should: str, tolerance: float) -> str:
    if not isinstance(given, dict):
        return f"It is {_kind(given)}; {should}."
    if given.keys() != right.keys():
        return f"It has the keys {', '.join(map(repr, given)) or 'none'}; {should}."
    wrong = next(key for key in right if not agree(given[key], right[key], tolerance))
    return f"Its part {wrong!r} is wrong. {describe(given[wrong], right[wrong], None, tolerance)}"


def _describe_parts(given: Any, right: tuple | list, should: str, tolerance: float) -> str:
    """The first part that is wrong; it is named if the right answer is a tuple with names."""
    parts = parts_of(given)
    if parts is None:
        return f"It is {_kind(given)}; {should}."
    if len(parts) != len(right):
        return f"It has {len(parts)} parts; {should}."
    place = next(i for i, pair in enumerate(zip(parts, right, strict=True)) if not agree(*pair, tolerance))
    names = getattr(right, "_fields", None)
    label = f"{place + 1} of {len(right)}" + (f", {names[place]}," if names else "")
    return f"Its part {label} is wrong. {describe(parts[place], right[place], None, tolerance)}"


def _describe_shape(given: Any, mine: tuple, theirs: tuple, should: str, returns: str | None) -> str:
    here = "" if returns is None or not theirs else f", here {theirs}"
    several = isinstance(given, (tuple, list)) and any(isinstance(part, np.ndarray) and part.ndim for part in given)
    is_now = f"has shape {mine}" if mine and not several else f"is {_kind(given)}"
    transposed = " That is the shape of the transpose." if len(mine) > 1 and mine[::-1] == theirs else ""
    return f"It {is_now}; {should}{here}.{transposed}"


def _describe_infinities(mine: np.ndarray, theirs: np.ndarray) -> str | None:
    """Which numbers are none, or infinite where they should not be or the other way round, if any are."""
    cases = (
        (np.isnan(mine) & ~np.isnan(theirs), "not a number (nan)", ""),
        (np.isinf(mine) & np.isfinite(theirs), "infinite", "the right value is finite"),
        (np.isfinite(mine) & np.isinf(theirs), "finite", "the right value is infinite"),
    )
    for where, what, instead in cases:
        if not where.any():
            continue
        if mine.ndim == 0:
            return f"It is {what}{f'; {instead}' if instead else ''}."
        return f"{where.sum()} of its {mine.size} entries are {what}{f', where {instead}' if instead else ''}."
    return None


def _describe_numbers(mine: np.ndarray, theirs: np.ndarray, tolerance: float) -> str:
    if not np.isfinite(theirs).all():  # infinite both, so of opposite signs
        return "It has the wrong sign."
    size = norm(theirs)
    if size == 0:
        return "It should be zero, and is not."
    if norm(mine + theirs) <= tolerance * size:
        return "It has the wrong sign, and is right otherwise."
    off = norm(mine - theirs) / size
    if off > _HUGE:
        return f"It is about {off:.0e} times too large. Was something divided by that is zero up to rounding?"
    decimals = next((k for k in range(1, 9) if np.array_equal(mine, np.round(theirs, k))), None)
    if decimals is not None and mine.any():
        return f"It is rounded to {decimals} decimals. Leave all digits."
    if mine.ndim == 0 and not np.iscomplexobj(theirs):
        return (
            f"It is {mine:.6g}, too {'large' if mine > theirs else 'small'} by about {off:.1g} times the right value."
        )
    factor = float(np.vdot(theirs, mine).real) / size**2
    if abs(factor) > tolerance and norm(mine - factor * theirs) <= tolerance * abs(factor) * size:
        return f"It is {factor:.4g} times what it should be, in every entry."
    if mine.ndim == 1 and norm(mine[::-1] - theirs) <= tolerance * size:
        return "It is in reverse order."
    if mine.ndim == 2 and mine.T.shape == mine.shape and norm(mine.T - theirs) <= tolerance * size:
        return "It is the transpose of what it should be."
    return f"It has the right shape; it differs from the right answer by {off:.2g} of that one's Frobenius norm."


def _kind(value: Any) -> str:
    """What kind of thing a value is, without saying which."""
    if value is None:
        return "None"
    if isinstance(value, (bool, np.bool_)):
        return "True or False"
    if isinstance(value, str):
        return "a text"
    if isinstance(value, dict):
        return f"a dictionary with the keys {', '.join(map(repr, value)) or 'none'}"
    array = as_array(value)
    if isinstance(value, (tuple, list)) and (array is None or isinstance(value, tuple) or array.ndim > 1):
        return f"a {'tuple' if isinstance(value, tuple) else 'list'} of {_enumerated(value)}"
    if array is not None:
        return f"an array of shape {array.shape}" if array.ndim else "a number"
    if isinstance(value, np.ndarray):
        return f"an array of type {value.dtype}, not of numbers"
    return f"of type {type(value).__name__}"


def _enumerated(parts: tuple | list, most: int = 4) -> str:
    kinds = [_kind(part) for part in parts[:most]] + ["more"] * (len(parts) > most)
    return " and ".join(filter(None, (", ".join(kinds[:-1]), kinds[-1]))) if kinds else "nothing"
