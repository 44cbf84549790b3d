"""Numerical checks of chapter *The LoRA solution*."""

import numpy as np

from lorabook import estimators, formulas, linalg
from lorabook.checks._cases import ROUNDING, factored_least_squares, gaussian_matrices, regressions, tasks
from lorabook.claims import Check
from lorabook.task import Task

__all__ = [
    "comparison",
    "lora_formula",
    "nuclear_norm",
    "projector",
    "rank_constrained",
    "risk_decomposition",
    "ties",
    "unseen_directions",
]


def rank_constrained() -> Check:
    """`lem-rank-constrained`: `lora` attains the stated minimum, alternating least squares stays above it."""
    worst, condition = 0.0, 1.0
    for X, R in regressions(seed=41):
        rng = np.random.default_rng(42)
        condition = max(condition, np.linalg.cond(X) if np.linalg.matrix_rank(X) == min(X.shape) else 1.0)
        n, total, X_plus = X.shape[1], np.sum(R**2), np.linalg.pinv(X)
        M = R @ X_plus @ linalg.psd_sqrt(X @ X.T / n)
        for r in range(min(M.shape) + 1):
            minimum = np.sum((R - R @ X_plus @ X) ** 2) + n * formulas.spectral_tail(A=M, r=r)
            loss = np.sum((R - estimators.lora(X, R, np.zeros_like(M), r) @ X) ** 2)
            worst = max(worst, abs(loss - minimum) / total)
            if r:
                competitor = factored_least_squares(X, R, r, rng)
                worst = max(worst, (minimum - np.sum((R - competitor @ X) ** 2)) / total)
    words = "distance from the stated minimum, or gain of alternating least squares, all ranks"
    return Check(words, worst, ROUNDING * condition)


def lora_formula() -> Check:
    """`prop-lora`: `lora` against the displayed formula on 1,000 random cases, n below, at and above d_x.

    The formula squares the condition number c of X and may lose c^2 eps, relative; cases have c up to 300, and a factor
    of 100 is for the number of operations.
    """
    worst, cases = 0.0, 0
    rng = np.random.default_rng(43)
    while cases < 1000:
        d_x, d_y, n = (int(size) for size in rng.integers(1, 16, size=3))
        X, Y = rng.standard_normal((d_x, n)), rng.standard_normal((d_y, n))
        W0 = rng.standard_normal((d_y, d_x))
        if np.linalg.cond(X) > 300:
            continue
        cases += 1
        r = int(rng.integers(0, min(d_x, d_y, n) + 1))
        expected = formulas.lora(X=X, Y=Y, W_0=W0, r=r)
        worst = max(worst, np.linalg.norm(estimators.lora(X, Y, W0, r) - expected) / np.linalg.norm(expected))
    limit = 100 * 300**2 * np.finfo(float).eps
    return Check("largest relative difference between lora and the displayed formula, 1,000 cases", worst, limit)


def projector() -> Check:
    """`prop-projector`: the projected update is the LoRA update, and full fine-tuning from min(n, d_x, d_y) on."""
    worst = 0.0
    for X, R in regressions(seed=44):
        zero = np.zeros((len(R), len(X)))
        full = estimators.full_finetune(X, R, zero)
        for r in range(max(*X.shape, len(R)) + 1):
            update = estimators.lora(X, R, zero, r)
            expected = formulas.lora_projector(X=X, Y=R, W_0=zero, r=r)
            worst = max(worst, np.linalg.norm(update - expected) / np.linalg.norm(full))
            if r >= min(*X.shape, len(R)):
                worst = max(worst, np.linalg.norm(update - full) / np.linalg.norm(full))
    return Check("largest relative difference, all ranks, 7 shapes and two rank-deficient X", worst, ROUNDING)


def ties() -> Check:
    """`prop-ties`: under exact ties `lora` has the norm of the eigenvalue rule, and random minimisers have no less."""
    worst = 0.0
    for seed in range(20):
        rng = np.random.default_rng(500 + seed)
        X = rng.standard_normal((7, 9 if seed % 2 else 5))
        X_plus, rows = np.linalg.pinv(X), np.linalg.svd(X, full_matrices=False)[2]
        U = np.linalg.qr(rng.standard_normal((6, 4)))[0]
        V = rows.T @ np.linalg.qr(rng.standard_normal((len(rows), 4)))[0]
        R = U * [3.0, 1.0, 1.0, 1.0] @ V.T
        first = np.sum((3.0 * V[:, 0] @ X_plus) ** 2)
        eigenvalues = np.linalg.eigvalsh(V[:, 1:].T @ X_plus @ X_plus.T @ V[:, 1:])
        for r in (2, 3):
            norm = np.sum(estimators.lora(X, R, np.zeros((6, 7)), r) ** 2)
            worst = max(worst, abs(norm / (first + np.sum(eigenvalues[: r - 1])) - 1))
            for _ in range(20):
                Q = np.linalg.qr(rng.standard_normal((3, r - 1)))[0]
                kept = np.column_stack([U[:, 0], U[:, 1:] @ Q])
                worst = max(worst, 1 - np.sum((kept.T @ R @ X_plus) ** 2) / norm)
    return Check("distance from the eigenvalue rule, or gain of a random minimiser, 40 ties", worst, ROUNDING)


def risk_decomposition() -> Check:
    """`prop-risk-decomposition`: the sum of the two terms is the excess risk, every rank, correlated features."""
    worst, condition = 0.0, 1.0
    for task, data in tasks(seed=45, count=12):
        condition = max(condition, np.linalg.cond(data.X))
        path = estimators.rank_path(*data, task.W0)
        W_fft, risks = path.weights(path.max_rank), path.excess_risks(task)
        for r, risk in enumerate(risks):
            kept = path.directions[:, :r]
            values = {"P": kept @ kept.T, r"W_{\mathrm{FFT}}": W_fft, "W_*": task.W_star}
            values |= {r"\Delta_*": task.shift, r"\Sigma_x": task.feature_cov}
            direct = task.excess_risk(path.weights(r))
            worst = max(worst, abs(formulas.risk_decomposition(**values) / direct - 1), abs(risk / direct - 1))
    return Check("largest relative difference, every rank of 12 tasks", worst, ROUNDING * condition)


def comparison() -> Check:
    """`cor-comparison`: the criterion and the risks never disagree."""
    disagreements = 0
    for task, data in tasks(seed=46, count=40):
        path = estimators.rank_path(*data, task.W0)
        risks, W_fft = path.excess_risks(task), path.weights(path.max_rank)
        for r in range(path.max_rank):
            kept = path.directions[:, :r]
            signal, error = (task.whiten(D - kept @ (kept.T @ D)) for D in (task.shift, W_fft - task.W_star))
            disagreements += (np.linalg.norm(signal) < np.linalg.norm(error)) != (risks[r] < risks[-1])
    return Check("disagreements over every rank of 40 tasks", float(disagreements), 0.0)


def unseen_directions() -> Check:
    """`lem-unseen`: after 500 steps the unseen part of A is the start, shrunk by weight decay alone."""
    worst = 0.0
    task = Task.gaussian(8, 6, 2, 0.5, seed=0)
    X, Y = task.sample(5, seed=4)
    unseen = np.eye(8) - X @ np.linalg.pinv(X)
    start = np.random.default_rng(47).standard_normal((2, 8))
    for decay in (0.0, 0.5):
        factors = {}
        estimators.factored_gradient_descent(
            X, Y, task.W0, 2, steps=500, step_size=1e-3, weight_decay=decay, A=start,
            callback=lambda t, B, A, factors=factors: factors.update({t: A}),
        )  # fmt: skip
        for t in (1, 10, 500):
            expected = (1 - 1e-3 * decay) ** t * start @ unseen
            worst = max(worst, np.linalg.norm(factors[t] @ unseen - expected) / np.linalg.norm(expected))
    return Check("relative difference after 1, 10 and 500 steps, with and without weight decay", worst, ROUNDING)


def nuclear_norm() -> Check:
    """`prop-nuclear`: no factorisation is cheaper than the nuclear norm, the balanced one costs just that."""
    worst = 0.0
    rng = np.random.default_rng(48)
    for A in gaussian_matrices(seed=49):
        U, s, Vt = linalg.svd(A)
        nuclear = np.sum(s)
        balanced = (U * np.sqrt(s), np.sqrt(s)[:, None] * Vt)
        worst = max(worst, abs(sum(np.sum(F**2) for F in balanced) / 2 / nuclear - 1))
        for _ in range(20):
            G = np.eye(len(s)) + 0.5 * rng.standard_normal((len(s), len(s)))
            left, right = balanced[0] @ G, np.linalg.solve(G, balanced[1])
            worst = max(worst, 1 - (np.sum(left**2) + np.sum(right**2)) / 2 / nuclear)
    return Check("gap of the balanced factors, or gain of 140 others", worst, ROUNDING)
