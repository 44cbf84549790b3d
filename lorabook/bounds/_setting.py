"""What the bounds need of a task: sizes, spectra, and moments of its Gaussian features."""

from functools import lru_cache

import numpy as np

from lorabook import _validate, formulas
from lorabook.linalg import _EPS
from lorabook.task import Task
from lorabook.wishart import Estimate, condition_number, inverse_smallest

FEATURE_STREAM = 10
INFINITE = Estimate(float("inf"), 0.0)


def checked(task, n) -> tuple[Task, int]:
    if not isinstance(task, Task):
        raise ValueError(f"task is {_validate.shown(task)}; it must be a Task")
    return task, _validate.integer("n", n, 1, meaning="a training set needs a sample")


def checked_rank(task: Task, rank) -> int:
    return _validate.integer("rank", rank, 1, min(task.d_x, task.d_y), "the theorems are about 1 <= r <= min(d_x, d_y)")


def smaller_larger(task: Task, n: int) -> tuple[int, int]:
    return min(n, task.d_x), max(n, task.d_x)


def noise_spectrum(task: Task) -> np.ndarray:
    """Eigenvalues of the noise covariance, descending."""
    if np.ndim(task.noise_cov) == 0:
        return np.full(task.d_y, task.noise_cov)
    return np.linalg.eigvalsh(task.noise_cov)[::-1]


def feature_scale(task: Task) -> float | None:
    """`sigma_x^2` if the features are isotropic, else None."""
    if task.feature_cov is None:
        return 1.0
    scale = float(task.feature_cov[0, 0])
    isotropic = np.abs(task.feature_cov - scale * np.eye(task.d_x)).max() <= 1e-12 * scale
    return scale if isotropic else None


def largest_feature_variance(task: Task) -> float:
    """`lambda_max(Sigma_x)`."""
    return 1.0 if task.feature_cov is None else float(np.linalg.eigvalsh(task.feature_cov)[-1])


def need_isotropic(task: Task, statement: str) -> float:
    scale = feature_scale(task)
    if scale is None:
        raise ValueError(
            f"task has anisotropic features; {statement} needs Sigma_x = sigma_x^2 I when n < d_x: "
            "the null space of the data is then equally likely in every direction"
        )
    return scale


def shift_values(task: Task, whitened: bool = True) -> np.ndarray:
    """Singular values of `Delta_* Sigma_x^{1/2}`, or of `Delta_*`, those of rounding size set to zero."""
    D = task.whiten(task.shift) if whitened else task.shift
    s = np.linalg.svd(D, compute_uv=False)
    return np.where(s > max(D.shape) * _EPS * s[0], s, 0.0)


def finite_mean(task: Task, n: int) -> bool:
    """Whether Gaussian features give risks a finite mean: `|n - d_x| >= 2`."""
    return abs(n - task.d_x) >= 2


def isotropic_bias(task: Task, n: int) -> float:
    """The bias of full fine-tuning in (16), for isotropic Gaussian features; none if n >= d_x."""
    if n >= task.d_x:
        return 0.0
    energy = feature_scale(task) * float(np.sum(task.shift**2))
    return float(formulas.full_risk_isotropic.parts[0](d_x=task.d_x, n=n, **{"s^2": energy}))


def cross_term(bias: float, rest: float) -> float:
    """What Minkowski's `(sqrt B + sqrt V)^2` adds to B + V; nothing, not nan, if B = 0 and V is infinite."""
    return 2 * float(np.sqrt(bias * rest)) if bias else 0.0


def kappa_moments(task: Task, n: int, draws: int, seed) -> tuple[Estimate, Estimate]:
    """`E kappa_X` and (an upper bound of) `E[kappa_X lambda_max(Sigma_hat)]`, simulated.

    `kappa_X = lambda_max(Sigma_x^{1/2} Sigma_hat^+ Sigma_x^{1/2})`. For n >= d_x it is `n / lambda_min(W_{d_x}(n))`
    whatever Sigma_x, and the second moment is at most `lambda_max(Sigma_x) E[lambda_max / lambda_min]`; for n < d_x and
    isotropic features likewise with `W_n(d_x)`; otherwise X is drawn.
    """
    k, N = smaller_larger(task, n)
    if N - k < 2:
        return INFINITE, INFINITE
    if n >= task.d_x or feature_scale(task) is not None:
        draws = _validate.integer("draws", draws, 2)
        moments = _remembered_moments if type(seed) is int else _extreme_moments
        smallest, condition = moments(k, N, draws, seed)
        scale = largest_feature_variance(task)
        return (
            Estimate(n * smallest.value, n * smallest.standard_error),
            Estimate(scale * condition.value, scale * condition.standard_error),
        )
    draw = [(largest, largest * top) for largest, _, top in feature_draws(task, n, draws, seed)]
    return tuple(estimate(column) for column in np.array(draw).T)


def _extreme_moments(k: int, N: int, draws: int, seed) -> tuple[Estimate, Estimate]:
    return inverse_smallest(k, N, 1, draws, seed), condition_number(k, N, draws, seed)


_remembered_moments = lru_cache(maxsize=256)(_extreme_moments)  # the same for every rank, task and noise


def feature_draws(task: Task, n: int, draws: int, seed):
    """For `draws` data matrices: `kappa_X`, `tr(Sigma_hat^+ Sigma_x)` and `lambda_max(Sigma_hat)`."""
    rng = _validate.generator(seed, FEATURE_STREAM)
    white = task.whiten(np.eye(task.d_x))
    for _ in range(draws):
        U, s, _ = np.linalg.svd(white @ rng.standard_normal((task.d_x, n)), full_matrices=False)
        stretched = (white.T @ U) / s
        yield n * np.linalg.norm(stretched, 2) ** 2, n * np.sum(stretched**2), s[0] ** 2 / n


def unseen_draws(task: Task, n: int, draws: int, seed) -> np.ndarray:
    """`||Delta_* Pi_perp Sigma_x^{1/2}||_F^2` for `draws` data matrices: the bias of full fine-tuning."""
    rng = _validate.generator(seed, FEATURE_STREAM + 1)
    white = task.whiten(np.eye(task.d_x))
    biases = np.zeros(draws)
    if n >= task.d_x:
        return biases
    for i in range(draws):
        Q, _ = np.linalg.qr(white @ rng.standard_normal((task.d_x, n)))
        biases[i] = np.sum(task.whiten(task.shift - (task.shift @ Q) @ Q.T) ** 2)
    return biases


def estimate(values) -> Estimate:
    return Estimate(float(np.mean(values)), float(np.std(values, ddof=1) / np.sqrt(len(values))))
