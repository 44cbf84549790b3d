"""Numerical checks of chapter *Low-rank approximation*."""

import numpy as np

from lorabook import formulas, linalg
from lorabook.checks._cases import ROUNDING, alternating_least_squares, gaussian_matrices, unit_vectors
from lorabook.claims import Check

__all__ = ["eckart_young", "singular_values", "truncation_perturbation", "weyl"]


def singular_values() -> Check:
    """`thm-svd`: the pieces add up to A, the vectors are orthonormal, the first value is the operator norm."""
    worst = 0.0
    for A in gaussian_matrices(seed=11):
        U, s, Vt = linalg.svd(A)
        identity = np.eye(len(s))
        sphere = unit_vectors(A.shape[1], 200, seed=12)
        stretch = np.linalg.norm(A @ sphere, axis=0).max() / s[0] - 1
        sum_of_pieces = np.linalg.norm(sum(s[i] * np.outer(U[:, i], Vt[i]) for i in range(len(s))) - A) / s[0]
        orthonormal = max(np.abs(U.T @ U - identity).max(), np.abs(Vt @ Vt.T - identity).max())
        energy = abs(np.sum(s**2) / np.sum(A**2) - 1)
        worst = max(worst, stretch, sum_of_pieces, orthonormal, energy, *np.maximum(np.diff(s), 0))
    return Check("largest violation on random matrices of 7 shapes", worst, ROUNDING)


def weyl() -> Check:
    """`thm-weyl`: all index pairs, general and low-rank summands."""
    worst = -np.inf
    for seed in range(50):
        for A in gaussian_matrices(seed=100 + seed):
            B = linalg.truncate(np.random.default_rng(seed).standard_normal(A.shape), 2)
            a, b, ab = (np.linalg.svd(M, compute_uv=False) for M in (A, B, A + B))
            pairs = [(i, j) for i in range(len(a)) for j in range(len(a) - i)]
            worst = max(worst, max((ab[i + j] - a[i] - b[j]) / a[0] for i, j in pairs))
    return Check("largest excess of the left side, all index pairs, 350 matrices", worst, ROUNDING)


def eckart_young() -> Check:
    """`lem-eckart-young`: the truncation attains both tails and no competitor is closer.

    Competitors: alternating least squares, which would find a better matrix of rank r if there were one, and the
    truncation moved a little.
    """
    worst = 0.0
    for A in gaussian_matrices(seed=21):
        s = np.linalg.svd(A, compute_uv=False)
        rng = np.random.default_rng(22)
        for r in range(len(s)):
            tail, best = formulas.spectral_tail(A=A, r=r), linalg.truncate(A, r)
            operator = formulas.operator_error(A=A, r=r)
            attained = max(abs(np.sum((A - best) ** 2) - tail), abs(linalg.spectral_tail(s, r) - tail)) / s[0] ** 2
            attained = max(attained, abs(np.linalg.norm(A - best, 2) - operator) / s[0])
            competitors = [alternating_least_squares(A, r, rng)] if r else []
            competitors += [linalg.truncate(best + size * rng.standard_normal(A.shape), r) for size in (0.01, 1.0)]
            beaten = max((tail - np.sum((A - B) ** 2)) / s[0] ** 2 for B in competitors)
            beaten = max(beaten, max((operator - np.linalg.norm(A - B, 2)) / s[0] for B in competitors))
            worst = max(worst, attained, beaten)
    return Check("largest distance from the tail, or gain of a competitor, all ranks of 7 shapes", worst, ROUNDING)


def truncation_perturbation() -> Check:
    """`lem-truncation-perturbation`: never exceeded on random cases, attained by the example."""
    worst = -np.inf
    for seed in range(30):
        for A in gaussian_matrices(seed=300 + seed):
            noise = np.random.default_rng(seed).standard_normal(A.shape)
            for r in range(min(A.shape) + 1):
                bound = formulas.truncation_perturbation(A=A, N=noise, r=r)
                worst = max(worst, np.linalg.norm(linalg.truncate(A + noise, r) - A, 2) / bound - 1)
    epsilon = 0.01
    A, noise = np.diag([1.0, 1.0 - 2 * epsilon]), np.diag([-epsilon, epsilon + 1e-15])
    attained = np.linalg.norm(linalg.truncate(A + noise, 1) - A, 2) / formulas.truncation_perturbation(
        A=A, N=noise, r=1
    )
    return Check("largest relative excess on 210 pairs, or gap of the example", max(worst, abs(attained - 1)), ROUNDING)
