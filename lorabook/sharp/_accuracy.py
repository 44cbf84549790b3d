"""Where the theory stops holding, and the warning that says so."""

import warnings
from collections.abc import Iterator

import numpy as np

from lorabook.sharp._setting import INF, Setting

__all__ = ["AccuracyWarning"]

_NEAR, _WEAK, _TOO_FAR = 0.3, 10.0, 8.0


class AccuracyWarning(UserWarning):
    """A result of `lorabook.sharp` from outside the range in which the theory was found accurate."""


def check(problem: Setting, rank: int, at_threshold: str, with_many: str, minds_all: bool = False) -> None:
    """Warn where a risk of this rank is not to be trusted; the words say how wrong it was found to be there.

    `minds_all`: where half of all directions are detectable, those that the rank does not keep count as well.
    """
    for reason in _reasons(problem, rank, at_threshold, with_many, minds_all):
        warnings.warn(reason, AccuracyWarning, stacklevel=3)


def _reasons(problem: Setting, rank: int, at_threshold: str, with_many: str, minds_all: bool) -> Iterator[str]:
    if rank == 0 or rank >= problem.max_rank or problem.kappa == INF:
        return
    if problem.N - problem.k <= 3:
        yield (
            f"n is {problem.n} and d_x is {problem.d_x}; for |n - d_x| <= 3 the risk has a mean but no variance, and "
            "averages over data sets scatter widely"
        )
    kept = problem.strengths[:rank] / problem.detectable
    close = kept[np.abs(kept - 1.0) < _NEAR]
    if len(close):
        yield (
            f"singular_values has a direction at {close[0]:.2f} times the detectability threshold; within {_NEAR:g} of "
            f"1 the predicted risk was found {at_threshold} for sizes from 25 to 100"
        )
    visible = kept[kept > 1.0]
    if minds_all and 2 * problem.visible > problem.max_rank:
        visible = problem.strengths[: problem.visible] / problem.detectable
    if 4 * len(visible) > problem.max_rank and visible[-1] < _WEAK:
        of = f"{len(visible)}" if len(visible) <= rank else f"{rank} of {len(visible)}"
        yield (
            f"rank {rank} keeps {of} detectable directions; with more than a quarter of min(n, d_x, d_y) = "
            f"{problem.max_rank}, not all of them strong, the predicted risk was found {with_many}"
        )


def check_rounding(problem: Setting, strongest: float) -> None:
    """Warn if drawn matrices round the noise away beside the signal, and nothing that is not seen is larger."""
    largest = np.max(problem.strengths, initial=0.0)
    if largest > strongest and problem.n >= problem.d_x:
        warnings.warn(
            f"singular_values has a direction of strength {largest:.1e}; above {strongest:g} the rounding of the drawn "
            "matrices shows in the risk",
            AccuracyWarning,
            stacklevel=3,
        )


def check_isotropic(X: np.ndarray, needed_by: str) -> None:
    """Warn if the sample covariance of X is farther from a multiple of the identity than chance allows."""
    excess = _john(X, X.shape[1])
    if excess > _TOO_FAR:
        warnings.warn(
            f"X has features that are not isotropic, by {excess:.1f} standard deviations of John's statistic; "
            f"{needed_by} needs a covariance sigma_x^2 I",
            AccuracyWarning,
            stacklevel=3,
        )


def check_white(unexplained: np.ndarray, degrees: int, needed_by: str) -> None:
    """Warn if noise is farther from white than chance allows.

    `unexplained` is `R (I - P_row)`, (d_y, n), what no weights can explain: white noise in `degrees` = n - d_x
    dimensions. Without degrees there is nothing to test, and next to none hardly anything.
    """
    excess = _john(unexplained, degrees)
    if excess > _TOO_FAR:
        warnings.warn(
            f"Y has noise that is not white, by {excess:.1f} standard deviations of John's statistic; {needed_by} "
            "takes directions in which the noise is strong for signal",
            AccuracyWarning,
            stacklevel=3,
        )


def _john(columns: np.ndarray, degrees: int) -> float:
    """By how many standard deviations the columns are too far from isotropic; they span `degrees` dimensions.

    John's statistic `U = p ||S||_F^2 / (tr S)^2 - 1` of a Gram matrix S of p rows: `degrees U - p` has mean 1 and
    standard deviation 2 for independent Gaussian entries (Ledoit and Wolf 2002).
    """
    size = len(columns)
    gram = columns @ columns.T if size <= columns.shape[1] else columns.T @ columns
    if not np.any(gram):
        return 0.0
    return float(degrees * (size * np.sum(gram**2) / np.trace(gram) ** 2 - 1.0) - size - 1.0) / 2.0
