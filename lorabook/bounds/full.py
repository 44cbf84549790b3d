"""The mean excess risk of full fine-tuning: Theorems 1 and 3, Propositions 3 and 5 of the paper."""

from collections.abc import Callable

import numpy as np

from lorabook import _validate, formulas
from lorabook._arrays import Integer, Seed
from lorabook.bounds._setting import INFINITE, checked, estimate, finite_mean, isotropic_bias, need_isotropic
from lorabook.bounds._terms import Terms
from lorabook.task import Task

__all__ = ["best_sample_size", "full_risk", "full_risk_any_features", "full_risk_lower_bound", "is_strong_noise"]

_ANY_FEATURES_STREAM = 12


def full_risk_lower_bound(task: Task, n: Integer) -> float:
    """Lower bound of full fine-tuning's mean risk for n >= d_x and any features, `d_x tr(Sigma_e) / n`.

    Raises ValueError if n is below d_x (there is a bias then) or not an integer.
    Source: Theorem 1 of the paper, the inequality of (10); chapter *More data than dimensions*.

    >>> full_risk_lower_bound(Task.gaussian(d_x=10, d_y=5, shift_rank=1, noise_std=2.0, seed=0), n=40)
    5.0
    """
    task, n = checked(task, n)
    n = _validate.integer("n", n, task.d_x, meaning="Theorem 1 is about n >= d_x")
    return float(formulas.full_risk_lower_bound(d_x=task.d_x, n=n, t_varepsilon=task.noise_trace))


def full_risk(task: Task, n: Integer) -> Terms:
    """Mean excess risk of full fine-tuning for Gaussian features, exact: terms `bias` and `variance`.

    n >= d_x, any Sigma_x: no bias, variance `tr(Sigma_e) d_x / (n - d_x - 1)` (11). n < d_x, isotropic features:
    bias `sigma_x^2 (1 - n / d_x) ||Delta_*||_F^2`, variance `tr(Sigma_e) n / (d_x - n - 1)` (16). The variance is
    infinite for `|n - d_x| <= 1`, unless there is no noise.

    Raises ValueError for n < d_x with anisotropic features: the bias then depends on more than norms.
    Source: Propositions 3 and 5 of the paper; chapters *More data than dimensions*, *Fewer data than dimensions*.

    >>> task = Task.gaussian(d_x=10, d_y=5, shift_rank=1, noise_std=2.0, seed=0)
    >>> dict(full_risk(task, n=31))
    {'bias': 0.0, 'variance': 10.0}
    >>> full_risk(task, n=11).total
    inf
    """
    task, n = checked(task, n)
    if n < task.d_x:
        need_isotropic(task, "Proposition 5")
    formula = formulas.full_risk_gaussian if n >= task.d_x else formulas.full_risk_isotropic.parts[1]
    variance = 0.0
    if task.noise_trace:
        known = finite_mean(task, n)
        variance = float(formula(d_x=task.d_x, n=n, t_varepsilon=task.noise_trace)) if known else np.inf
    return Terms({"bias": isotropic_bias(task, n), "variance": variance})


def full_risk_any_features(
    task: Task,
    n: Integer,
    features: Callable[[int, np.random.Generator], np.ndarray] | None = None,
    draws: Integer = 1000,
    seed: Seed = 0,
) -> Terms:
    """Mean excess risk of full fine-tuning for any law of the features, by simulating X: terms `bias`, `variance`.

    `E ||Delta_* Pi_perp Sigma_x^{1/2}||_F^2 + tr(Sigma_e) E tr(Sigma_hat^+ Sigma_x) / n` (15); without the first term
    for n >= d_x (10). Exact but for the simulation, whose standard errors come with the terms. Noise needs no draws.
    For Gaussian features and `|n - d_x| <= 1` the variance is infinite, and said to be; for features of one's own only
    their author knows whether the mean that is estimated is finite.

    Arguments:
        task: the setting.
        n: number of samples.
        features: `features(n, rng)` returns X, (d_x, n), with independent columns of second moment `task.feature_cov`;
            None: Gaussian.
        draws: number of data matrices.

    Raises ValueError if `features` is no function or returns another shape, or draws is below 2.
    Source: Theorems 1 and 3 of the paper.

    >>> task = Task.gaussian(d_x=6, d_y=5, shift_rank=1, noise_std=1.0, seed=0)
    >>> simulated, exact = full_risk_any_features(task, n=20), full_risk(task, n=20)
    >>> bool(abs(simulated.total - exact.total) < 4 * simulated.standard_errors["variance"])
    True
    """
    task, n = checked(task, n)
    draws = _validate.integer("draws", draws, 2)
    features = _validate.function("features", features)
    rng = _validate.generator(seed, _ANY_FEATURES_STREAM)
    white = task.whiten(np.eye(task.d_x))
    biases, variances = np.zeros(draws), np.zeros(draws)
    for i in range(draws):
        X = white @ rng.standard_normal((task.d_x, n)) if features is None else features(n, rng)
        X = _validate.matrix("X", X, task.d_x, n, "what `features` must return, d_x by n")
        U, s, _ = np.linalg.svd(X, full_matrices=False)
        seen = s > max(X.shape) * np.finfo(float).eps * s[0]
        U, s = U[:, seen], s[seen]
        variances[i] = task.noise_trace * np.sum((white.T @ U / s) ** 2)
        biases[i] = np.sum(task.whiten(task.shift - (task.shift @ U) @ U.T) ** 2) if len(s) < task.d_x else 0.0
    bias, variance = estimate(biases), estimate(variances)
    if features is None and task.noise_trace and not finite_mean(task, n):
        variance = INFINITE
    return Terms(
        {"bias": bias.value, "variance": variance.value},
        {"bias": bias.standard_error, "variance": variance.standard_error},
    )


def best_sample_size(task: Task) -> float:
    """The n (a real number) below d_x at which full fine-tuning's risk (16) is smallest; 0 if it grows for every n.

    `n* = max{0, d_x - 1 - sqrt(tr(Sigma_e) d_x (d_x - 1) / (sigma_x^2 ||Delta_*||_F^2))}`.

    Raises ValueError for anisotropic features.
    Source: Proposition 5 of the paper, its shape; chapter *Fewer data than dimensions*.

    >>> round(best_sample_size(Task.gaussian(d_x=100, d_y=100, shift_rank=4, noise_std=1.0, seed=0)))
    89
    """
    energy = _energy(task)
    if energy == 0.0:
        return 0.0
    best = formulas.best_sample_size(d_x=task.d_x, t_varepsilon=task.noise_trace, **{"s^2": energy})
    return max(0.0, float(best))


def is_strong_noise(task: Task) -> bool:
    """Whether (16), for a real n, grows up to the threshold: `tr(Sigma_e) >= sigma_x^2 ||Delta_*||_F^2 (d_x-1)/d_x`.

    Raises ValueError for anisotropic features.
    Source: Proposition 5 of the paper; chapter *Fewer data than dimensions*.

    >>> is_strong_noise(Task.gaussian(d_x=100, d_y=100, shift_rank=4, noise_std=12.0, seed=0))
    True
    """
    energy = _energy(task)
    return bool(task.noise_trace >= formulas.strong_noise(d_x=task.d_x, **{"s^2": energy}))


def _energy(task: Task) -> float:
    task, _ = checked(task, 1)
    return need_isotropic(task, "Proposition 5") * float(np.sum(task.shift**2))
