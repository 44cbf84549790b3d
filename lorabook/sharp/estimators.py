"""Choosing the rank, shrinking it and filtering it, from data: estimators beside `lora`."""

from dataclasses import dataclass

import numpy as np
from scipy.optimize import brentq

from lorabook import _validate, formulas
from lorabook._arrays import Float
from lorabook.estimators import RankPath, rank_path
from lorabook.linalg import _EPS, _svd, row_space
from lorabook.sharp._accuracy import check_isotropic, check_white
from lorabook.sharp._setting import INF, Sizes
from lorabook.sharp.spikes import estimated_strength
from lorabook.sharp.thresholds import usefulness_root
from lorabook.wishart import marchenko_pastur_cdf, marchenko_pastur_edges

__all__ = ["choose_rank", "estimate_noise", "ridge_lora", "shrunk_lora"]

_ISOTROPIC_BELOW = "for n < d_x the theory"


def estimate_noise(
    X: Float[np.ndarray, "d_x n"], Y: Float[np.ndarray, "d_y n"], W0: Float[np.ndarray, "d_y d_x"]
) -> float:
    """Standard deviation of the noise, from data: the root of its mean variance over the outputs.

    For n above the rank of X, from what no weights can explain:
    `sigma^2 = ||R (I - P_row)||_F^2 / (d_y (n - d_x))` with `R = Y - W0 X`, unbiased whatever the features. Otherwise
    all of the residual can be explained, and `sigma^2` is the median of its squared singular values over that of a
    matrix of noise (Marchenko and Pastur); this asks for isotropic noise, and that few of the directions carry signal:
    each one that does pushes the median up.

    Arguments and errors as in `lora`.
    Source: chapter *Better than truncation*.

    >>> from lorabook import Task
    >>> task = Task.gaussian(d_x=40, d_y=50, shift_rank=1, noise_std=2.0, seed=0)
    >>> [round(estimate_noise(*task.sample(n, seed=0), task.W0), 1) for n in (30, 100)]
    [2.0, 2.0]
    """
    path = rank_path(X, Y, W0)
    X, Y = np.asarray(X, dtype=float), np.asarray(Y, dtype=float)
    return float(np.sqrt(_noise_square(path, _unexplained(path, X, Y), _sizes(X, Y))))


def choose_rank(X: Float[np.ndarray, "d_x n"], Y: Float[np.ndarray, "d_y n"], W0: Float[np.ndarray, "d_y d_x"]) -> int:
    """The rank for `lora` that the theory holds to be best for these data.

    The number of singular values of the fitted residual above `tau_*`,
    `tau_*^2 = sigma^2 (x_* + d_y)(x_* + k) / x_*` with `usefulness_root` x_* and `estimate_noise` sigma. 0 for
    `|n - d_x| <= 1`. For n >= d_x any feature covariance is allowed.

    The noise must be white, `sigma^2 I`: directions in which coloured noise is strong are counted as signal, and the
    choice can be far worse than rank 0. If you know the covariance of the noise, whiten the outputs first.

    Arguments and errors as in `lora`.
    Issues AccuracyWarning for n < d_x and features that are not isotropic, and for n > d_x and noise that is not white
    (by John's statistic of what no weights can explain). For n <= d_x the data cannot show that, for the first few
    samples more hardly.
    Source: chapter *Better than truncation*.

    >>> from lorabook import Task
    >>> task = Task.with_spectrum(np.array([6.0, 3.5, 2.7, 1.2]), 200, 200, noise_std=1.0, seed=0)
    >>> choose_rank(*task.sample(400, seed=1), task.W0)
    3
    """
    seen = _visible(X, Y, W0)
    sizes = seen.sizes
    if sizes.n < sizes.d_x:
        check_isotropic(seen.X, _ISOTROPIC_BELOW)
    check_white(seen.unexplained, sizes.n - sizes.d_x, "the count of directions")
    if len(seen.x) == 0:
        return 0
    return int(np.sum(seen.x > usefulness_root(sizes.d_y, sizes.k, sizes.kappa)))


def shrunk_lora(
    X: Float[np.ndarray, "d_x n"],
    Y: Float[np.ndarray, "d_y n"],
    W0: Float[np.ndarray, "d_y d_x"],
    observed_norm: bool = False,
) -> Float[np.ndarray, "d_y d_x"]:
    """Shrunk LoRA: the full fine-tuning update in its own directions, each with the factor that is best in the limit.

    `W0 + sum_i f(x_i) u_i u_i^T D_FFT`, with `f(x) = x (x^2 - d_y k) / ((x + d_y) (x^2 - d_y k + kappa k (x + d_y)))`
    at the strength x_i that the i-th singular value tells (`estimated_strength`), and 0 for what is not detectable.
    LoRA is f = 1 up to the rank and 0 beyond; in the limit this does at least as well as the best rank, without
    choosing one. The noise must be white, as in `choose_rank`.

    Arguments:
        X, Y, W0: as in `lora`.
        observed_norm: take the squared length of each direction's update from the data instead of its limit:
            `f = sigma^2 (x^2 - d_y k) / (N x ||D_i||^2 sigma_x^2)`, D_i the i-th row of the update in those directions
            and `sigma_x^2` the mean square of X. The better one within a few samples of n = d_x, and it works there
            too, where the default returns W0 (`|n - d_x| <= 1`). But it needs isotropic features for every n; the
            default needs them only for n < d_x, and away from n = d_x it was as good or slightly better.

    Raises ValueError as `lora` does, and if observed_norm is neither True nor False.
    Issues AccuracyWarning for features that are not isotropic where they must be, and as `choose_rank` does for noise
    that is not white.
    Source: chapter *Better than truncation*.

    >>> from lorabook import Task
    >>> task = Task.with_spectrum(np.array([6.0, 3.5, 2.7, 1.2]), 200, 200, noise_std=1.0, seed=0)
    >>> X, Y = task.sample(250, seed=1)
    >>> path = rank_path(X, Y, task.W0)
    >>> bool(task.excess_risk(shrunk_lora(X, Y, task.W0)) < path.excess_risks(task).min())
    True
    """
    observed_norm = _validate.flag("observed_norm", observed_norm)
    seen = _visible(X, Y, W0)
    sizes = seen.sizes
    if observed_norm or sizes.n < sizes.d_x:
        check_isotropic(seen.X, "observed_norm" if observed_norm else _ISOTROPIC_BELOW)
    check_white(seen.unexplained, sizes.n - sizes.d_x, "shrunk LoRA")
    values = {"x": seen.x, "d_y": sizes.d_y, "k": sizes.k}
    if observed_norm:
        lengths = {r"\|\hat\theta_i z_{i}\|^2": np.mean(seen.X**2) * np.sum(seen.updates**2, axis=1)}
        factors = formulas.shrinkage_observed(sigma=np.sqrt(seen.noise), N=sizes.N, **values, **lengths)
    elif sizes.kappa == INF:
        factors = np.zeros(len(seen.x))
    else:
        factors = formulas.shrinkage_factor(kappa=sizes.kappa, **values)
    return seen.W0 + (seen.directions * factors) @ seen.updates


def ridge_lora(
    X: Float[np.ndarray, "d_x n"], Y: Float[np.ndarray, "d_y n"], W0: Float[np.ndarray, "d_y d_x"]
) -> Float[np.ndarray, "d_y d_x"]:
    """Ridge-LoRA: each detectable direction fitted by the ridge regression that is best for it.

    `W0 + sum_i sigma sqrt(x_i) (c_u / c_v) u_i [(X X^T + n t_i sigma_x^2 I)^{-1} X v_i]^T` with
    `t_i = d_x (x_i + d_y) / (x_i^2 - d_y k)`; u_i, v_i are singular vectors of the fitted residual, strengths x_i and
    sigma as in `shrunk_lora`, and `sigma_x^2` the mean square of X. Nothing is inverted that is near zero: the risk is
    finite at n = d_x. Isotropic features; white noise, as in `choose_rank`.

    Arguments and errors as in `lora`.
    Issues AccuracyWarning for features that are not isotropic, and as `choose_rank` does for noise that is not white.
    Source: chapter *Better than truncation*.

    >>> from lorabook import Task
    >>> task = Task.with_spectrum(np.array([6.0, 3.5, 2.7, 1.2]), 200, 200, noise_std=1.0, seed=0)
    >>> X, Y = task.sample(200, seed=1)
    >>> task.excess_risk(task.W0) > 3 * task.excess_risk(ridge_lora(X, Y, task.W0))
    True
    """
    seen = _visible(X, Y, W0)
    check_isotropic(seen.X, "ridge-LoRA")
    check_white(seen.unexplained, seen.sizes.n - seen.sizes.d_x, "ridge-LoRA")
    values = {"x": seen.x, "d_y": seen.sizes.d_y, "k": seen.sizes.k}
    ratios = formulas.overlap_left(**values) / formulas.overlap_right(**values)
    scale = np.sqrt(seen.x / formulas.spiked_square(**values) * ratios)  # of the observed singular value
    penalties = np.mean(seen.X**2) * seen.sizes.n * formulas.ridge_penalty(d_x=seen.sizes.d_x, **values)
    A, s, Bt = _svd(seen.X)
    right = seen.updates @ seen.X @ Bt.T  # v_i times its singular value, in the basis B of the row space
    filtered = right * s / (s**2 + penalties[:, None])
    return seen.W0 + (seen.directions * scale) @ filtered @ A.T


@dataclass(frozen=True)
class _Visible:
    """What the data show: estimated noise, and the detectable directions with their estimated strengths."""

    X: np.ndarray
    W0: np.ndarray
    sizes: Sizes
    noise: float
    unexplained: np.ndarray
    """What no weights can explain, (d_y, n); zero where that is rounding alone."""
    directions: np.ndarray
    updates: np.ndarray
    x: np.ndarray


def _visible(X, Y, W0) -> _Visible:
    path = rank_path(X, Y, W0)
    X, Y = np.asarray(X, dtype=float), np.asarray(Y, dtype=float)
    sizes = _sizes(X, Y)
    squares = path.singular_values**2
    # Without noise the strengths are infinite; the noise that rounding could hide keeps them finite.
    unexplained = _unexplained(path, X, Y)
    noise = max(_noise_square(path, unexplained, sizes), _EPS**2 * np.max(squares, initial=1e-300))
    rounding = sum(Y.shape) * _EPS * (np.linalg.norm(Y) + np.linalg.norm(path.W0 @ X))
    if sizes.n <= sizes.d_x or np.linalg.norm(unexplained) <= rounding:
        unexplained = np.zeros_like(Y)
    x = estimated_strength(squares / noise, sizes.d_y, sizes.k) if len(squares) else squares
    found = x > 0.0
    return _Visible(X, path.W0, sizes, noise, unexplained, path.directions[:, found], path.updates[found], x[found])


def _sizes(X: np.ndarray, Y: np.ndarray) -> Sizes:
    """Features in a subspace, with more samples than its dimension, are a problem in that subspace."""
    dimension, n = row_space(X).dimension, X.shape[1]
    return Sizes(dimension if dimension < n else len(X), len(Y), n)


def _unexplained(path: RankPath, X: np.ndarray, Y: np.ndarray) -> np.ndarray:
    """`R (I - P_row)`, the residual of full fine-tuning."""
    return Y - path.weights(path.max_rank) @ X


def _noise_square(path: RankPath, unexplained: np.ndarray, sizes: Sizes) -> float:
    if sizes.n > sizes.d_x:
        energy = {r"\|R (I - P_{\mathrm{row}})\|_F^2": np.sum(unexplained**2)}
        return float(formulas.noise_estimate(d_x=sizes.d_x, d_y=sizes.d_y, n=sizes.n, **energy))
    squares = np.zeros(sizes.max_rank)
    squares[: len(path.singular_values)] = path.singular_values**2
    return float(np.median(squares)) / _median_of_noise(sizes)


def _median_of_noise(sizes: Sizes) -> float:
    """Median of the squared singular values of a (d_y, k) matrix of noise of variance 1."""
    small, large = sorted((sizes.d_y, sizes.k))
    low, high = marchenko_pastur_edges(small / large)
    return large * brentq(lambda x: marchenko_pastur_cdf(x, small / large) - 0.5, low, high, xtol=1e-12)
