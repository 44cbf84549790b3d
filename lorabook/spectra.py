"""How the energy of a weight update is spread over its singular values."""

import numpy as np

from lorabook import _validate
from lorabook._arrays import Float, Real

__all__ = ["cumulative_energy", "cumulative_energy_of_product", "rank_reaching"]

_ROUNDING = 1e-6
"""Relative; energies from singular values in float32 are that exact."""


def cumulative_energy(delta: Float[np.ndarray, "d_y d_x"]) -> Float[np.ndarray, " k"]:
    """`S_k = sum_{i<=k} sigma_i^2 / sum_i sigma_i^2` for k = 1, …, min(d_y, d_x).

    Raises ValueError if delta is not a finite real matrix, or zero: an update that changed nothing has no spectrum.
    Source: Section 4 of the paper.

    >>> cumulative_energy(np.diag([3.0, 0.0, 4.0]))
    array([0.64, 1.  , 1.  ])
    """
    delta = _validate.matrix("delta", delta)
    return _shares(np.linalg.svd(delta, compute_uv=False), "delta")


def cumulative_energy_of_product(
    B: Float[np.ndarray, "d_y r"], A: Float[np.ndarray, "r d_x"]
) -> Float[np.ndarray, " k"]:
    """`cumulative_energy(B @ A)` up to k = min(r, d_y, d_x), from the factors of an adapter without their product.

    The singular values of `B A` are those of `R_B R_A^T`, with the triangular factors of B and of `A^T`.

    Raises ValueError if the factors do not fit, are not finite, or if their product is zero.
    Source: Section 4 of the paper.

    >>> cumulative_energy_of_product(np.array([[3.0, 0.0], [0.0, 4.0], [0.0, 0.0]]), np.eye(2))
    array([0.64, 1.  ])
    """
    B = _validate.matrix("B", B)
    A = _validate.matrix("A", A, rows=B.shape[1], meaning="as many rows as B has columns")
    core = np.linalg.qr(B, mode="r") @ np.linalg.qr(A.T, mode="r").T
    return _shares(np.linalg.svd(core, compute_uv=False), "B A")


def rank_reaching(energy: Float[np.ndarray, " k"], share: Real) -> int:
    """The least rank whose cumulative energy is at least `share`.

    Where the energies end below 1, as those of the leading directions alone do, a share above the last is refused.

    Raises ValueError if the share is not above 0 and at most 1, or if the energies are none, not in [0, 1], decrease,
    or do not reach the share; differences up to a millionth count as rounding.

    >>> rank_reaching(np.array([0.64, 1.0, 1.0]), 0.9)
    2
    """
    share = _validate.number("share", share, strict=True)
    if share > 1.0:
        raise ValueError(f"share is {share:g}; it must be at most 1")
    energy = _validate.vector("energy", energy)
    if not energy.size:
        raise ValueError("energy is empty; it must have the energy of one direction at least")
    if energy.min() < 0.0 or energy.max() > 1.0 + _ROUNDING:
        raise ValueError(f"energy is from {energy.min():g} to {energy.max():g}; it must be shares, from 0 to 1")
    falls = np.diff(energy) < -_ROUNDING
    if falls.any():
        first = int(np.argmax(falls))
        raise ValueError(f"energy is {energy[first + 1]:g} after {energy[first]:g}; it must not decrease")
    if share > energy[-1] * (1 + _ROUNDING):
        raise ValueError(f"share is {share:g}; it must be at most the last energy, {energy[-1]:g}")
    return int(np.argmax(energy >= min(share, energy.max())) + 1)


def _shares(singular_values: np.ndarray, name: str) -> np.ndarray:
    top = singular_values[0]
    if top == 0.0:
        raise ValueError(f"{name} is zero; an update that changed nothing has no spectrum")
    squares = np.cumsum((singular_values / top) ** 2)
    return squares / squares[-1]
