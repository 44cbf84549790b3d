"""Every singular value of the data, on average: where it lies, and what of the signal it holds (heuristic).

The few above the edge come first, each with the parameters that those before it left over; the bulk is parametrised by
an angle, 0 at its edge and pi at its end.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from lorabook import formulas
from lorabook.sharp._setting import Setting
from lorabook.sharp._strong import remainder
from lorabook.wishart import marchenko_pastur_cdf

_GRID = np.pi * np.linspace(0.0, 1.0, 4001)[1:] ** 2
_FAINT = 1e-5


@dataclass(frozen=True)
class Bulk:
    """Energies and captured fractions of every rank 0, 1, …, max_rank."""

    energies: np.ndarray
    """`sum_{i <= r} lambda_i`, in units of `sigma^2`."""
    captured: np.ndarray
    """`Omega_j(r)`, (directions, ranks)."""
    excess: np.ndarray
    """`lambda_i - x_i` of the visible directions."""
    below: np.ndarray
    """`lambda_i` of the others up to max_rank."""
    uncaptured: np.ndarray
    """`x_j (1 - Omega_j(r))` of the visible directions that rank r keeps, (directions, ranks); nan elsewhere."""


def bulk(problem: Setting) -> Bulk:
    return _bulk(
        problem.d_y, problem.k, problem.max_rank, problem.detectable, problem.visible, tuple(problem.strengths)
    )


@lru_cache(maxsize=256)  # one serves every rank
def _bulk(d_y: int, k: int, max_rank: int, detectable: float, visible: int, strengths: tuple[float, ...]) -> Bulk:
    x = np.array(strengths)
    ranks = np.arange(max_rank + 1)
    rho = np.maximum(x / detectable, _FAINT)[:, None]
    # In 1 / rho the capture is the same up to a factor: there it is computed without overflow.
    mirrored = np.maximum(np.minimum(rho, 1.0 / rho), _FAINT)
    inside = np.arange(visible + 1, max_rank + 1)
    excess = remainder("visible_square", u=1.0 / x[:visible], i=np.arange(1, visible + 1), d_y=d_y, k=k)
    below = formulas.bulk_square(d_y=d_y, k=k, phi=_angles(inside - 0.5, d_y, k, rho))
    if len(below):  # all of them add up to the energy of the matrix, d_y k + sum x_j on average
        below *= (d_y * k + np.sum(x[visible:]) - np.sum(excess)) / np.sum(below)
    reached = np.r_[np.zeros(visible + 1), _angles(inside, d_y, k, rho)]
    kept = np.arange(1, len(x) + 1)[:, None] <= ranks
    own = np.maximum(0.0, 1.0 - rho**-2.0) * kept
    share = np.where(reached > 0.0, formulas.bulk_capture(rho=mirrored, phi=reached), 0.0)
    captured = own + np.where(rho > 1.0, rho**-2.0, 1.0) * share
    captured[:, -1] = 1.0
    uncaptured = np.where(kept & (np.arange(len(x)) < visible)[:, None], d_y * k / x[:, None] * (1.0 - share), np.nan)
    uncaptured[:, -1] = 0.0
    energies = np.r_[0.0, np.cumsum(np.r_[x[:visible] + excess, below])]
    found = Bulk(energies, captured, excess, below, uncaptured)
    for array in vars(found).values():
        array.flags.writeable = False
    return found


def _angles(counts: np.ndarray, d_y: int, k: int, rho: np.ndarray) -> np.ndarray:
    """Angles at which the mean number of singular values above is `counts`."""
    small, large = min(d_y, k), max(d_y, k)
    share = 1.0 - marchenko_pastur_cdf(formulas.bulk_square(d_y=small, k=large, phi=_GRID) / large, small / large)
    count = formulas.bulk_count(m=small, F=share, phi=_GRID, rho_j=rho)
    # Monotone but for a dip of less than one next to the edge.
    return np.interp(counts, np.maximum.accumulate(count), _GRID)
