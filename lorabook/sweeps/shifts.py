"""The singular values of the shifts of a sweep, without the shifts."""

import numpy as np

from lorabook import _validate
from lorabook._arrays import Float, Integer, Real, Seed
from lorabook.linalg import exponential_spectrum
from lorabook.task import _gaussian_draws

__all__ = ["gaussian_spectrum", "shift_spectrum"]


def shift_spectrum(
    d_x: Integer, d_y: Integer, shift_rank: Integer, decay: Real | None, strength: Real, seed: Seed
) -> Float[np.ndarray, " shift_rank"]:
    """Singular values of a sweep's shift: exponential ones where a decay is given, else those of a Gaussian shift.

    Raises ValueError as `gaussian_spectrum` and `linalg.exponential_spectrum` do.
    """
    if decay is None:
        return gaussian_spectrum(d_x, d_y, shift_rank, seed)
    return exponential_spectrum(shift_rank, decay, strength)


def gaussian_spectrum(d_x: Integer, d_y: Integer, shift_rank: Integer, seed: Seed) -> Float[np.ndarray, " shift_rank"]:
    """Singular values of `Task.gaussian(d_x, d_y, shift_rank, noise_std, seed).shift`, largest first.

    From the triangular factors of its two thin factors, so that no (d_y, d_x) matrix is decomposed.

    Raises ValueError as `Task.gaussian` does.

    >>> gaussian_spectrum(d_x=100, d_y=100, shift_rank=2, seed=0).round(1)
    array([87.4, 69.8])
    """
    d_x, d_y = _validate.integer("d_x", d_x, 1), _validate.integer("d_y", d_y, 1)
    shift_rank = _validate.integer("shift_rank", shift_rank, 0, min(d_x, d_y), "at most min(d_x, d_y)")
    _, U, V = _gaussian_draws(d_x, d_y, shift_rank, seed)
    if shift_rank == 0:
        return np.zeros(0)
    core = np.linalg.qr(U, mode="r") @ np.linalg.qr(V.T, mode="r").T
    return np.linalg.svd(core, compute_uv=False) / np.sqrt(shift_rank)
