"""Numerical checks of chapter *Full fine-tuning*."""

import numpy as np

from lorabook import formulas, linalg
from lorabook.checks._cases import ROUNDING, data_matrices, data_sets
from lorabook.claims import Check
from lorabook.estimators import descent_rate, full_finetune, gradient_descent
from lorabook.task import Task

__all__ = ["best_descent_rate", "full_finetuning_error", "gradient_descent_rate", "least_norm", "pseudo_inverse"]


def pseudo_inverse() -> Check:
    """`lem-pseudo-inverse`: the row space's two maps are X^+ and X^+ X, with the properties of the lemma."""
    worst = 0.0
    for X in data_matrices(seed=31):
        d_x, n = X.shape
        space, m = linalg.row_space(X), np.linalg.matrix_rank(X)
        dagger = space.lift(space.coordinates(np.eye(n)))
        seen, row = X @ dagger, dagger @ X
        U, s, Vt = linalg.svd(X)
        errors = [dagger - (Vt[:m].T / s[:m]) @ U[:, :m].T, seen @ X - X, dagger @ seen - dagger]
        errors += [P - P.T for P in (seen, row)] + [P @ P - P for P in (seen, row)]
        if m == d_x:
            errors += [seen - np.eye(d_x), dagger @ (X @ X.T) - X.T]
        if m == n:
            errors += [row - np.eye(n), (X.T @ X) @ dagger - X.T]
        ranks = abs(space.dimension - m) + abs(np.trace(seen) - m) + abs(np.trace(row) - m)
        worst = max(worst, ranks, *(np.abs(error).max() for error in errors))
    return Check("largest violation, 7 data matrices of singular values from 2 to 1", worst, ROUNDING)


def least_norm() -> Check:
    """`prop-full-finetuning`: both regimes' formulas, generic least squares, and no other minimiser closer to W_0."""
    worst = -np.inf
    for X, Y, W0 in data_sets(seed=41):
        W, m = full_finetune(X, Y, W0), np.linalg.matrix_rank(X)
        generic = W0 + np.linalg.lstsq(X.T, (Y - W0 @ X).T, rcond=None)[0].T
        errors = [W - generic, W - formulas.full_finetune(X=X, Y=Y, W_0=W0)]
        if m == len(X):
            errors += [W - formulas.ordinary_least_squares(X=X, Y=Y), W - full_finetune(X, Y, -2 * W0)]
        if m == X.shape[1]:
            errors += [W - formulas.interpolation(X=X, Y=Y, W_0=W0), W @ X - Y]
        worst = max(worst, *(np.abs(error).max() for error in errors))
        loss, distance = formulas.empirical_risk(X=X, Y=Y, W=W), np.linalg.norm(W - W0)
        rng, seen = np.random.default_rng(42), X @ np.linalg.pinv(X)
        for H in 10.0 ** rng.uniform(-3, 0, (50, 1, 1)) * rng.standard_normal((50, *W.shape)):
            other = W + H - H @ seen
            same_fit = abs(formulas.empirical_risk(X=X, Y=Y, W=other) - loss)
            closer = distance - np.linalg.norm(other - W0)
            fits_better = loss - formulas.empirical_risk(X=X, Y=Y, W=W + H)
            worst = max(worst, same_fit, closer, fits_better)
    return Check("largest distance from 4 other routes, or gain of a competitor; 7 data sets", worst, ROUNDING)


def full_finetuning_error() -> Check:
    """`cor-fft-error`: the two parts add up to the error, and to the excess risk of isotropic features."""
    worst = 0.0
    for seed, X in enumerate(data_matrices(seed=51)):
        task = Task.gaussian(d_x=len(X), d_y=4, shift_rank=1, noise_std=0.5, seed=seed)
        E = 0.5 * np.random.default_rng(seed).standard_normal((4, X.shape[1]))
        W = full_finetune(X, task.W_star @ X + E, task.W0)
        error = formulas.full_finetune_error(E=E, X=X, **{r"\Delta_*": task.shift})
        space = linalg.row_space(X)
        noise = space.lift(space.coordinates(E))
        unseen = task.shift - space.lift(space.coordinates(task.shift @ X))
        split = abs(task.excess_risk(W) - np.sum(noise**2) - np.sum(unseen**2))
        worst = max(worst, split, np.abs(W - task.W_star - error).max(), np.abs(noise - unseen - error).max())
    return Check("largest difference of the two sides, 7 data matrices", worst, ROUNDING)


def gradient_descent_rate() -> Check:
    """`lem-gradient-descent`: the bound at every step, attained from the slowest direction, and the limit.

    Step sizes from a hundredth of the largest allowed one to nearly all of it.
    """
    worst = -np.inf
    for X, Y, W0 in data_sets(seed=61):
        target, limit = full_finetune(X, Y, W0), 2 / np.linalg.norm(X, 2) ** 2
        (U, s, _), m = linalg.svd(X), np.linalg.matrix_rank(X)
        seen = X @ np.linalg.pinv(X)
        for eta in (None, 0.01 * limit, 0.5 * limit, 0.99 * limit):
            rate = descent_rate(X, eta)
            size = formulas.best_step_size(s_1=s[0], s_m=s[m - 1]) if eta is None else eta
            slowest = np.argmax(np.abs(1 - size * s[:m] ** 2))
            worst = max(worst, abs(rate - formulas.descent_rate(X=X, **{r"\eta": size})))
            distances = _distances(X, Y, W0, target, eta)
            powers = rate ** np.arange(len(distances))
            worst = max(worst, np.max(distances / distances[0] - powers))
            start = target + np.outer(np.ones(len(W0)), U[:, slowest])
            distances = _distances(X, Y, start, target, eta)
            worst = max(worst, np.max(np.abs(distances / distances[0] - powers)))
        fitted = gradient_descent(X, Y, W0, steps=100)
        worst = max(worst, np.abs(fitted - target).max(), np.abs((fitted - W0) @ (np.eye(len(X)) - seen)).max())
    return Check(
        "largest excess over the rate's powers, gap where it is attained, distance to the limit", worst, ROUNDING
    )


def best_descent_rate() -> Check:
    """`cor-best-step`: the default step size and its rate, and no step size of a fine grid does better."""
    worst = -np.inf
    for X in data_matrices(seed=71):
        s = linalg.svd(X)[1][: np.linalg.matrix_rank(X)]
        best = formulas.best_descent_rate(**{r"\kappa": s[0] ** 2 / s[-1] ** 2})
        size = formulas.best_step_size(s_1=s[0], s_m=s[-1])
        better = best - min(descent_rate(X, eta) for eta in np.linspace(0, 2 / s[0] ** 2, 1002)[1:-1])
        worst = max(worst, better, abs(descent_rate(X) - best), abs(descent_rate(X, size) - best))
    return Check("largest gain of 1,000 other step sizes, or gap of the best; 7 data matrices", worst, ROUNDING)


def _distances(X, Y, start, target, step_size) -> np.ndarray:
    """Distance to `target` along 60 steps of gradient descent."""
    distances = []
    gradient_descent(X, Y, start, 60, step_size, lambda _, W: distances.append(np.linalg.norm(W - target)))
    return np.array(distances)
