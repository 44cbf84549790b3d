"""Numerical checks of chapter *The setting*."""

import numpy as np

from lorabook import estimators, formulas, linalg
from lorabook.checks._cases import ROUNDING, SHAPES, alternating_least_squares, gaussian_matrices, z_limit, z_score
from lorabook.claims import Check
from lorabook.task import Task

__all__ = ["excess_risk", "gaussian_shift", "inevitable_error", "optimism", "product_singular_values"]


def excess_risk() -> Check:
    """`lem-excess-risk`: trace, norm and library against the risk itself, an exact average over all pairs (x, noise).

    Both take finitely many values, equally likely; x has a mean, and the noise is skewed.
    """
    worst = 0.0
    for d_y, d_x in SHAPES:
        rng = np.random.default_rng([401, d_y, d_x])
        features, noise = 1.0 + rng.exponential(size=(d_x, d_x + 3)), rng.exponential(size=(d_y, d_y + 2))
        noise -= noise.mean(axis=1, keepdims=True)
        W0, shift, difference = rng.standard_normal((3, d_y, d_x))
        moment, noise_cov = (M @ M.T / M.shape[1] for M in (features, noise))
        task = Task(W0, shift, noise_cov, moment)
        W = task.W_star + difference
        outcomes = (task.W_star @ features)[:, :, None] + noise[:, None, :]
        risk, best = (np.mean(np.sum((outcomes - (V @ features)[:, :, None]) ** 2, axis=0)) for V in (W, task.W_star))
        values = {"W": W, "W_*": task.W_star, r"\Sigma_x": moment}
        claimed = [formulas.excess_risk(**values), formulas.excess_risk_norm(**values), task.excess_risk(W)]
        differences = [*(risk - best - excess for excess in claimed), best - np.trace(noise_cov), risk - task.risk(W)]
        worst = max(worst, np.max(np.abs(differences)) / risk)
    return Check("largest relative difference from the risk by enumeration, 7 shapes", worst, ROUNDING)


def gaussian_shift() -> Check:
    """`lem-gaussian-shift`: mean energy of the shifts that `Task.gaussian` makes."""
    settings, draws = [(4, 3, 1), (4, 3, 3), (2, 9, 2), (12, 10, 5)], 2000
    scores = []
    for d_x, d_y, rank in settings:
        energies = [np.sum(Task.gaussian(d_x, d_y, rank, 1.0, seed).shift ** 2) for seed in range(draws)]
        scores.append(abs(z_score(energies, d_x * d_y)))
    return Check("largest |z| of 4 settings, 2,000 draws each; false alarms 1e-4 in all", max(scores), z_limit(4))


def product_singular_values() -> Check:
    """`lem-product-singular-values`: never violated; both sides attained when B is a multiple of a rotation."""
    worst = -np.inf
    for A in gaussian_matrices(seed=411):
        size = A.shape[1]
        a = np.linalg.svd(A, compute_uv=False)
        rotation = 3.0 * linalg.haar_frame(size, size, seed=412)
        for B in [rotation, *np.random.default_rng(413).standard_normal((50, size, size))]:
            b, ab = (np.linalg.svd(M, compute_uv=False) for M in (B, A @ B))
            slack = np.concatenate([ab - a * b[-1], a * b[0] - ab]) / ab[0]
            worst = max(worst, np.max(np.abs(slack) if B is rotation else -slack))
    return Check("largest violation, 350 pairs, or gap of the multiples of rotations", worst, ROUNDING)


def inevitable_error() -> Check:
    """`prop-inevitable-error`: the floor is attained, no competitor is below it, the spectrum of the shift bounds it.

    Competitors: LoRA on noisy data, truncations of the shift, alternating least squares, the best update moved a bit.
    """
    worst = -np.inf
    for d_y, d_x in SHAPES:
        rng = np.random.default_rng([421, d_y, d_x])
        W0, shift = rng.standard_normal((2, d_y, d_x))
        moment = np.cov(rng.standard_normal((d_x, 3 * d_x + 2))).reshape(d_x, d_x)
        task, root, scale = Task(W0, shift, 1.0, moment), linalg.psd_sqrt(moment), np.sum(shift**2)
        data = task.sample(2 * d_x, seed=1)
        for r in range(min(d_x, d_y) + 1):
            floor = formulas.inevitable_error(**{r"\Delta_*": shift, r"\Sigma_x": moment, "r": r})
            tails = linalg.spectral_tail(np.linalg.svd(task.whiten(shift), compute_uv=False), r)
            best = np.linalg.solve(root, linalg.truncate(shift @ root, r).T).T
            attained = max(abs(task.excess_risk(W0 + best) - floor), abs(tails - floor))
            below = np.linalg.eigvalsh(moment)[0] * formulas.spectral_tail(A=shift, r=r) - floor
            updates = [estimators.lora(*data, W0, r) - W0, linalg.truncate(shift, r)]
            updates += [linalg.truncate(best + 0.01 * rng.standard_normal(shift.shape), r)]
            if r:
                updates += [np.linalg.solve(root, alternating_least_squares(shift @ root, r, rng, 50).T).T]
            beaten = floor - min(task.excess_risk(W0 + update) for update in updates)
            worst = max(worst, max(attained, below, beaten) / scale)
    return Check("largest distance from the floor, or gain of a competitor, all ranks of 7 shapes", worst, ROUNDING)


def optimism() -> Check:
    """`prop-optimism`, for every rank: the two inequalities on every draw, and the equality between them on average.

    The best weights of rank r have training losses with mean `best[r]`, LoRA has less on every draw, and more risk.
    """
    draws, n, ranks = 500, 15, range(6)
    task = Task.gaussian(d_x=6, d_y=5, shift_rank=3, noise_std=1.0, seed=431)
    spectrum = np.linalg.svd(task.shift, compute_uv=False)
    best = np.array([task.noise_trace + linalg.spectral_tail(spectrum, r) for r in ranks])
    weights = [task.W0 + linalg.truncate(task.shift, r) for r in ranks]
    losses, losses_of_best, risks = np.empty((3, draws, len(ranks)))
    for seed in range(draws):
        X, Y = task.sample(n, seed)
        path = estimators.rank_path(X, Y, task.W0)
        losses[seed] = [formulas.empirical_risk(X=X, Y=Y, W=path.weights(r)) for r in ranks]
        losses_of_best[seed] = [formulas.empirical_risk(X=X, Y=Y, W=W) for W in weights]
        risks[seed] = task.noise_trace + path.excess_risks(task)
    violated = np.any(losses > losses_of_best * (1 + ROUNDING)) or np.any(risks < best * (1 - ROUNDING))
    scores = [abs(z_score(losses_of_best[:, r], best[r])) for r in ranks]
    words = "largest |z| of 6 ranks, 500 draws, infinite if an inequality fails on one; false alarms 1e-4 in all"
    return Check(words, np.inf if violated else max(scores), z_limit(len(ranks)))
