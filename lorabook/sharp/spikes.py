"""A few strong directions in a sea of noise: what their singular values and vectors still tell."""

import numpy as np

from lorabook import _validate, formulas
from lorabook._arrays import Float, Integer, Real

__all__ = ["estimated_strength", "spiked_triplet"]


def spiked_triplet(
    x: Real | Float[np.ndarray, "..."], d_y: Integer, k: Integer
) -> tuple[Real | Float[np.ndarray, "..."], Real | Float[np.ndarray, "..."], Real | Float[np.ndarray, "..."]]:
    """Limits of the singular triplet of a direction of strength x in a (d_y, k) matrix of noise.

    Returns `(lambda, c_u^2, c_v^2)`: the squared singular value over `sigma^2`, and the squared overlaps of the left
    and right singular vectors with the true ones. Up to the threshold `x = sqrt(d_y k)`: the edge
    `(sqrt d_y + sqrt k)^2`, and no overlap.

    Arguments: x, at least 0, number or array; d_y, rows, and k, columns, at least 1.
    Raises ValueError if x is negative, NaN or infinite, or a size is below 1.
    Source: Benaych-Georges and Nadakuditi 2012; chapter *The exact answer*.

    >>> spiked_triplet(200.0, d_y=100, k=100)
    (450.0, 0.5, 0.5)
    >>> spiked_triplet(50.0, d_y=100, k=100)
    (400.0, 0.0, 0.0)
    """
    d_y, k = _validate.integer("d_y", d_y, 1), _validate.integer("k", k, 1)
    x = _validate.real_array("x", x)
    if np.any(x < 0):
        raise ValueError(f"x has smallest entry {x.min():.3g}; a strength must be at least 0")
    triplet = triplets(x, d_y, k)
    return triplet if x.ndim else tuple(float(value) for value in triplet)


def triplets(x: np.ndarray, d_y: int, k: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """As `spiked_triplet`, unchecked; k may be 0."""
    visible = x > np.sqrt(d_y * k)
    values = {"x": np.where(visible, x, 1.0), "d_y": d_y, "k": k}
    edge = formulas.gaussian_norm_bound(m=d_y, n=k)
    return (
        np.where(visible, formulas.spiked_square(**values), edge),
        np.where(visible, formulas.overlap_left(**values), 0.0),
        np.where(visible, formulas.overlap_right(**values), 0.0),
    )


def estimated_strength(y: Real | Float[np.ndarray, "..."], d_y: Integer, k: Integer) -> Real | Float[np.ndarray, "..."]:
    """Strength of the direction whose observed squared singular value is y, in units of `sigma^2`.

    The inverse of `lambda` in `spiked_triplet`: `(y - d_y - k + sqrt((y - d_y - k)^2 - 4 d_y k)) / 2`, and 0 at or
    below the edge `(sqrt d_y + sqrt k)^2`.

    Raises ValueError if y is not finite and real or a size is below 1.
    Source: chapter *Better than truncation*.

    >>> estimated_strength(450.0, d_y=100, k=100)
    200.0
    """
    d_y, k = _validate.integer("d_y", d_y, 1), _validate.integer("k", k, 1)
    y = _validate.real_array("y", y)
    edge = formulas.gaussian_norm_bound(m=d_y, n=k)
    visible = y > edge
    strength = formulas.estimated_strength(y=np.where(visible, y, 2 * edge), d_y=d_y, k=k)
    strength = np.where(visible, strength, 0.0)
    return strength if y.ndim else float(strength)
