"""The right answers of problem set 2, by the library's own functions."""

from collections.abc import Callable
from math import ceil, log
from typing import NamedTuple

import numpy as np
from scipy.stats import chi2, norm, sem

from lorabook import Task, bounds, descent_rate, formulas, full_finetune, gradient_descent, wishart
from lorabook._arrays import Integer, Real

Array = np.ndarray


class ErrorParts(NamedTuple):
    noise: Real
    unseen: Real
    mixed: Real


def error_parts(X: Array, E: Array, shift: Array, feature_cov: Array) -> ErrorParts:
    """The excess risk of full fine-tuning in three parts: noise fitted, shift unseen, and their product.

    The first two are the risks of data without a shift and without noise, the third is what both together add.
    """
    start = np.zeros_like(shift)
    nothing, task = Task(start, start, feature_cov=feature_cov), Task(start, shift, feature_cov=feature_cov)
    noise = nothing.excess_risk(full_finetune(X, E, start))
    unseen = task.excess_risk(full_finetune(X, shift @ X, start))
    total = task.excess_risk(full_finetune(X, shift @ X + E, start))
    return ErrorParts(noise, unseen, total - noise - unseen)


def descent(X: Array, Y: Array, W0: Array, accuracy: Real) -> dict:
    """The best step size, the steps that it needs for the accuracy, and where they lead (Lemma 6)."""
    s = np.linalg.svd(X, compute_uv=False)
    step_size = float(formulas.best_step_size(s_1=s[0], s_m=s[-1]))
    steps = ceil(log(accuracy) / log(descent_rate(X, step_size)))
    return {"step_size": step_size, "steps": steps, "weights": gradient_descent(X, Y, W0, steps, step_size)}


def inverse_trace(sizes: tuple, d_x: Integer, feature_std: Real) -> dict:
    """`E tr (X X^T)^+` for each number of samples, X with independent N(0, feature_std^2) entries."""
    return {n: wishart.inverse_trace(min(n, d_x), max(n, d_x)) / feature_std**2 for n in sizes}


class _Inversion(np.random.Generator):
    """Draws by inverting distribution functions at given uniform numbers, so that a sampler's output is fixed."""

    def __init__(self, uniform: Array):
        super().__init__(np.random.PCG64(0))
        self.uniform = uniform

    def standard_normal(self, size=None):
        return norm.ppf(self.uniform).reshape(size)

    def chisquare(self, df, size=None):
        return chi2.ppf(np.diag(self.uniform), df).reshape(size)


def bartlett(uniform: Array, dof: Integer) -> Array:
    """Bartlett's factor of `W_k(dof)`, its entries by inversion of the (k, k) uniform numbers."""
    return wishart.bartlett(len(uniform), dof, _Inversion(uniform))


def mean_risk(sizes: tuple, shift: Array, noise_std: Real, feature_std: Real) -> dict:
    """Mean excess risk of full fine-tuning for each number of samples (Propositions 3 and 5)."""
    task = Task(np.zeros_like(shift), shift, noise_std**2, feature_std**2 * np.eye(shift.shape[1]))
    return {n: bounds.full_risk(task, n).total for n in sizes}


def noise_variance(X: Array, Y: Array) -> float:
    """Unbiased estimate of the noise variance of one output, from the training loss of full fine-tuning, n > d_x."""
    (d_x, n), d_y = X.shape, len(Y)
    W = full_finetune(X, Y, np.zeros((d_y, d_x)))
    return float(formulas.empirical_risk(X=X, Y=Y, W=W)) / (d_y * (1 - d_x / n))


def monte_carlo(X: Array, Y: Array, W_star: Array, noise_std: Real) -> dict:
    """Mean excess risk over the training sets X[i], Y[i], its standard error, and z against the exact mean."""
    task = Task(W_star, np.zeros_like(W_star), noise_std**2)
    risks = [task.excess_risk(full_finetune(*data, task.W0)) for data in zip(X, Y, strict=True)]
    mean, error = float(np.mean(risks)), float(sem(risks))
    return {"mean": mean, "standard_error": error, "z": (mean - bounds.full_risk(task, X.shape[2]).total) / error}


def enough_samples(d_x: Integer, d_y: Integer, noise_std: Real, shift_norm: Real) -> dict:
    """The best n below the threshold and the first n above it from which full fine-tuning beats not training."""
    task = _task(d_x, d_y, noise_std, shift_norm)
    return best_and_enough(lambda n: bounds.full_risk(task, n).total, d_x, shift_norm**2)


def best_and_enough(risk: Callable[[int], Real], d_x: Integer, untrained: Real) -> dict:
    """The same for any risk as a function of n >= 1, with the risk of the pre-trained weights at n = 0."""
    below = [untrained, *(risk(n) for n in range(1, d_x))]
    n = d_x + 1
    while risk(n) >= untrained:
        n += 1
    return {"best_below": below.index(min(below)), "enough_above": n}


READINGS = {
    ("many", "few", "none"): "Take the new samples. Training is worth it with yours alone, and more so with all.",
    ("many", "none", "few"): "Take the new samples. With yours alone it would be better not to train at all.",
    ("few", "many", "none"): "Leave the new samples. Training on all would still be better than none, but less so.",
    ("few", "none", "many"): "Leave the new samples. Training on all would be worse than not training at all.",
    ("none", "few", "many"): "Do not train, and the new samples would make training even worse.",
    ("none", "many", "few"): "Do not train, though the new samples would make training less harmful.",
}
"""What to do, by the order of the three mean risks, smallest first: your few samples, all of them, no training."""


def reading(
    d_x: Integer, d_y: Integer, noise_std: Real, shift_norm: Real, n_few: Integer, n_many: Integer, statements: dict
) -> str:
    """The letter of the statement that follows from the three mean risks."""
    task = _task(d_x, d_y, noise_std, shift_norm)
    few, many = (bounds.full_risk(task, n).total for n in (n_few, n_many))
    return letter(statements, few=few, many=many, none=shift_norm**2)


def letter(statements: dict, **risks: Real) -> str:
    """The letter of the statement for risks `few`, `many` and `none`."""
    text = READINGS[tuple(sorted(risks, key=risks.get))]
    return next(key for key, statement in statements.items() if statement == text)


def _task(d_x: Integer, d_y: Integer, noise_std: Real, shift_norm: Real) -> Task:
    """Isotropic features; only the norm of the shift matters for full fine-tuning's mean risk."""
    shift = np.zeros((d_y, d_x))
    shift[0, 0] = shift_norm
    return Task(np.zeros((d_y, d_x)), shift, noise_std**2)
