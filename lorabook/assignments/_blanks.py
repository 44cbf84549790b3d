"""Telling which function is left blank."""

from traceback import walk_tb
from typing import NamedTuple


class Blank(NamedTuple):
    """A function without an answer."""

    name: str
    depth: int
    """1 for the function that was asked for, more for one that it calls."""


def blank_in(error: BaseException) -> Blank | None:
    """Which function is left blank, if that is why `outcome` caught this error."""
    if not isinstance(error, NotImplementedError):
        return None
    names = [frame.f_code.co_name for frame, _ in walk_tb(error.__traceback__)]
    depth = len(names) - 1  # the first frame is the one of `outcome`
    if depth > 1 and str(error):  # a blank says nothing; this is an error of something else that is called
        return None
    return Blank(names[-1], depth)
