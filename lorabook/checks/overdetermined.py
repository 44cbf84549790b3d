"""Numerical checks of chapter *More data than dimensions*; the random ones' rate of false alarms is at most 1e-4."""

from itertools import product

import numpy as np

from lorabook import bounds, formulas, linalg
from lorabook.checks._cases import (
    ROUNDING,
    data_sets,
    holds_on_draws,
    risk_draws,
    tends_to_variance_limit,
    z_limit,
    z_score,
)
from lorabook.claims import Check
from lorabook.estimators import lora
from lorabook.task import Task

__all__ = [
    "full_risk",
    "full_risk_gaussian",
    "infinite_mean",
    "lora_bound",
    "lora_bound_exact_rank",
    "lora_bound_sharp",
    "lora_noise",
    "lora_variance_limit",
    "rank_split",
    "rank_split_sharp",
    "strong_signal",
    "subspace_b",
    "subspace_c",
    "subspace_d",
]

SIZES = (12, 16, 30, 100)
"""Sample sizes beside d_x = 10, from next to the threshold to far from it."""


def settings():
    """Tasks of every kind that the theorems allow, d_x = 10 and d_y = 8: signals and noises weak and strong."""
    weak, strong = (Task.gaussian(10, 8, 2, noise_std, seed=1) for noise_std in (0.01, 4.0))
    decaying = Task.with_spectrum(linalg.exponential_spectrum(8, 0.5, 3.0), 10, 8, 0.5, seed=2)
    rng = np.random.default_rng(3)
    features, noise = (np.eye(d) + 0.4 * rng.standard_normal((d, d)) for d in (10, 8))
    general = Task(weak.W0, weak.shift, 0.3 * noise @ noise.T, features @ features.T)
    return [weak, strong, decaying, general]


def full_risk() -> Check:
    """`thm-full-risk`: uniform and Laplace features; the risk's conditional mean, and the lower bound."""
    scores, draws, d_x, d_y = [], 4000, 4, 3
    for shift, n in enumerate((6, 12, 40)):
        rng = np.random.default_rng([620, shift])
        for X in (rng.uniform(-1, 1, (draws, d_x, n)) * 3**0.5, rng.laplace(0, 2**-0.5, (draws, d_x, n))):
            E = rng.standard_normal((draws, d_y, n)) * np.array([0.5, 1.0, 2.0])[:, None]
            inverse = np.linalg.inv(X @ X.swapaxes(1, 2))
            risks = np.sum((E @ X.swapaxes(1, 2) @ inverse) ** 2, axis=(1, 2))
            given_X = 5.25 * np.trace(inverse, axis1=1, axis2=2)
            least = formulas.full_risk_lower_bound(d_x=d_x, n=n, t_varepsilon=5.25)
            scores += [abs(z_score(risks - given_X, 0.0)), -z_score(given_X, least)]
    words = "largest z-score of the risk minus its mean given X, or below the lower bound; 6 settings, 4,000 draws each"
    return Check(words, max(scores), z_limit(len(scores)))


def full_risk_gaussian() -> Check:
    """`prop-full-risk-gaussian`: exact means for correlated features and noise."""
    scores = []
    for shift, task in enumerate(settings()):
        for n in (15, 30, 100):
            risks = risk_draws(task, n, 2000, seed=630 + shift)[:, -1]
            scores.append(abs(z_score(risks, bounds.full_risk(task, n).total)))
    return Check(
        "largest z-score of the mean risk, 12 settings, 2,000 data sets each", max(scores), z_limit(len(scores))
    )


def lora_noise() -> Check:
    """`lem-lora-noise`: LoRA from its signal and noise parts, n below, at and above d_x, all ranks."""
    worst = 0.0
    for X, E, shift in data_sets(seed=640):
        W0, n = np.zeros_like(shift), X.shape[1]
        S = linalg.psd_sqrt(X @ X.T / n)
        S_plus = np.linalg.pinv(S, rcond=1e-6, hermitian=True)
        for rank in range(1, 4):
            truncated = linalg.truncate(shift @ S + E @ X.T @ S_plus / n, rank)
            worst = max(worst, np.abs(truncated @ S_plus - lora(X, shift @ X + E, W0, rank)).max())
    return Check("largest difference from LoRA, 7 data matrices, 3 ranks", worst, 10 * ROUNDING)


def rank_split() -> Check:
    """`lem-rank-split`: the paper's inequality on random triples and on the extreme one."""
    worst = max(left - _paper_side(A, B, M, r) for left, A, B, M, r in _triples(650))
    return Check("largest violation, 601 triples of ranks 1 to 3", worst, ROUNDING)


def rank_split_sharp() -> Check:
    """`lem-rank-split-sharp`: the sharper inequality, never weaker than the paper's; equality in the first triple."""
    gaps = [
        (left - _sharp_side(A, B, M, r), _sharp_side(A, B, M, r) - _paper_side(A, B, M, r))
        for left, A, B, M, r in _triples(651)
    ]
    return Check(
        "largest violation or excess over the paper's bound, 601 triples; gap in the example of equality",
        max(np.max(gaps), abs(gaps[0][0])),
        ROUNDING,
    )


def lora_bound() -> Check:
    """`thm-lora-bound`: the bound, before its square is split, above the mean risk."""
    return holds_on_draws(bounds.lora_bound, list(product(settings(), SIZES)), (1, 2, 4), seed=660)


def lora_bound_sharp() -> Check:
    """`thm-lora-bound-sharp`: the sharp bound above the mean risk."""
    return holds_on_draws(bounds.lora_bound_sharp, list(product(settings(), SIZES)), (1, 2, 4), seed=661)


def lora_bound_exact_rank() -> Check:
    """`cor-lora-bound-exact-rank`: the bound above the mean risk where the rank of the shift is at most r."""
    tasks = [task for task in settings() if np.linalg.matrix_rank(task.shift) == 2]
    return holds_on_draws(bounds.lora_bound_exact_rank, list(product(tasks, SIZES)), (2, 4), seed=662)


def lora_variance_limit() -> Check:
    """`prop-lora-variance-limit`: n = 2 d_x."""
    return tends_to_variance_limit(d_x_per_k=1, n_per_k=2, seed=670)


def subspace_b() -> Check:
    """`lem-subspace-b`: random matrices, and an example of equality."""
    worst = -np.inf
    for D, N, P, q, _ in _perturbed(680):
        Q = np.linalg.svd(D)[2][:q].T
        right = np.sqrt(np.sum(np.linalg.svd(N, compute_uv=False)[:q] ** 2)) + np.linalg.norm(N @ Q)
        worst = max(worst, np.linalg.norm(D - P @ D) - right)
    return Check("largest violation, 501 perturbations", worst, ROUNDING)


def subspace_c() -> Check:
    """`lem-subspace-c`: random matrices of full rank, and an example of equality."""
    worst = -np.inf
    for A, N, P, q, r in _perturbed(681, full=True):
        U, s, Vt = np.linalg.svd(A, full_matrices=False)
        P_A, right = U[:, :r] @ U[:, :r].T, Vt[:q].T
        missed = A - P @ A
        side = (
            np.sum(s[r:] ** 2) + 2 * np.sum((A - P_A @ A) * N) + 2 * np.linalg.norm(missed) * np.linalg.norm(N @ right)
        )
        side += np.sum(np.linalg.svd(N, compute_uv=False)[:r] ** 2) - np.sum((P_A @ N) ** 2)
        worst = max(worst, np.sum(missed**2) - side)
    return Check("largest violation, 501 perturbations", worst, 10 * ROUNDING)


def subspace_d() -> Check:
    """`lem-subspace-d`: both inequalities and their consequence; random matrices, and an example of equality."""
    worst = -np.inf
    for D, N, P, q, r in _perturbed(682):
        U, s, Vt = np.linalg.svd(D)
        P_D, Q, size = U[:, :q] @ U[:, :q].T, Vt[:q].T, np.linalg.norm(N, 2)
        worst = max(worst, np.linalg.norm(P_D - P @ P_D, 2) - 2 * size / s[q - 1])
        T = D + N
        worst = max(worst, np.linalg.norm((T - P @ T) @ Q) - 2 * np.sqrt(q) * size**2 / s[q - 1])
        if q == r:
            M = np.random.default_rng(q).standard_normal((len(D), 3))
            right = np.linalg.norm(P_D @ M) + min(1.0, 2 * size / s[r - 1]) * np.linalg.norm(M)
            worst = max(worst, np.linalg.norm(P @ M) - right)
    return Check("largest violation of three inequalities, 501 perturbations", worst, ROUNDING)


def strong_signal() -> Check:
    """`prop-strong-signal`: weak noise, white, correlated, and inside the signal's outputs."""
    general, scores = settings()[3], []
    U = np.linalg.svd(general.shift)[0]
    inside = U[:, :2] @ U[:, :2].T + 1e-6 * np.eye(8)
    for index, noise in enumerate((np.eye(8), general.noise_cov, inside)):
        task = Task(general.W0, general.shift, 1e-8 * noise, general.feature_cov)
        for n in (20, 40):  # nearer to d_x = 10 the mean is that of a heavy tail
            risks = risk_draws(task, n, 4000, seed=690 + index)[:, 2]
            scores.append(abs(z_score(risks, bounds.strong_signal_risk(task, n).total)))
    return Check("largest z-score of LoRA's mean risk, 6 settings, 4,000 data sets each", max(scores), z_limit(6))


def infinite_mean() -> Check:
    """`prop-infinite-mean`: the exponent of the risk's tail is that of 1 / lambda_min, at most one at the threshold."""
    task, scores = Task.gaussian(3, 3, 1, 1.0, seed=700), []
    for n, exponent in ((2, 1.0), (3, 0.5), (4, 1.0)):
        risks = np.sort(risk_draws(task, n, 60_000, seed=701)[:, 1])[-301:]
        hill = 1 / np.mean(np.log(risks[1:] / risks[0]))
        scores.append(abs(hill / exponent - 1) * np.sqrt(300))
    words = "largest z-score of the tail exponent of LoRA's risk (1/2 at n = d_x, 1 beside it), 60,000 data sets each"
    return Check(words, max(scores), z_limit(3))


def _triples(seed: int):
    """(left side, A, B, M, r): the extreme triple, then random ones."""
    yield 2.0, np.diag([1.0, 0.0]), np.diag([0.0, -1.0]), np.eye(2), 1
    rng = np.random.default_rng(seed)
    for _ in range(600):
        r = int(rng.integers(1, 4))
        A = rng.standard_normal((5, r)) @ rng.standard_normal((r, 6))
        B = linalg.truncate(rng.standard_normal((5, 6)), int(rng.integers(1, 6))) * rng.choice([0.1, 1.0, 10.0])
        half = rng.standard_normal((6, int(rng.integers(3, 7))))
        M = half @ half.T
        yield np.trace((A - B) @ M @ (A - B).T), A, B, M, r


def _sharp_side(A, B, M, r) -> float:
    root = linalg.psd_sqrt(M)
    s = np.linalg.svd(B @ root, compute_uv=False)
    return 2 * r * np.linalg.norm((A - B) @ root, 2) ** 2 + np.sum(s[r:] ** 2)


def _paper_side(A, B, M, r) -> float:
    root, rest = linalg.psd_sqrt(M), B - linalg.truncate(B, r)
    norms = [np.linalg.norm(C @ root, 2) ** 2 for C in (A - B, rest)]
    return 8 * r * norms[0] + 8 * r * norms[1] + 2 * np.sum((rest @ root) ** 2)


def _perturbed(seed: int, full: bool = False):
    """(D, N, projector on the top r left singular vectors of D + N, rank of D, r): the extreme case, then random."""
    yield np.diag([2.0, 0.0]), np.diag([-1.0, 1.0]), np.diag([0.0, 1.0]), 1, 1
    rng = np.random.default_rng(seed)
    for _ in range(500):
        r = int(rng.integers(1, 4))
        q = 5 if full else int(rng.integers(1, r + 1))
        D = rng.standard_normal((5, q)) @ rng.standard_normal((q, 7))
        N = rng.standard_normal((5, 7)) * 10.0 ** rng.uniform(-3, 1)
        U = np.linalg.svd(D + N)[0][:, :r]
        yield D, N, U @ U.T, q, r
