"""The formulas of chapters 1 to 4: what they are given, and what the library's own way of computing gives."""

import numpy as np

import lorabook
from lorabook import linalg


def _data(seed: int):
    task = lorabook.Task.gaussian(d_x=6, d_y=5, shift_rank=3, noise_std=0.7, seed=seed)
    factor = np.random.default_rng(seed).standard_normal((6, 6)) + 3 * np.eye(6)
    task = lorabook.Task(task.W0, task.shift, 0.5, factor @ factor.T)
    return task, *task.sample([4, 9, 30][seed % 3], seed)


def cases(seed: int) -> dict:
    """For each formula: its value by the textbook and the library's."""
    task, X, Y = _data(seed)
    W0, r = task.W0, 1 + seed % 3
    rng = np.random.default_rng([seed, 1])
    A, N = rng.standard_normal((2, 5, 6))
    W = task.W0 + rng.standard_normal((5, 6))
    s = np.linalg.svd(X, compute_uv=False)
    step = 1.3 / s[0] ** 2
    few, enough = (X[:, :4], Y[:, :4]), task.sample(9, seed)
    path = lorabook.rank_path(X, Y, W0)
    kept = path.directions[:, :r]
    sizes = np.linalg.svd(A, compute_uv=False)
    weights = {"W": W, "W_*": task.W_star, r"\Sigma_x": task.feature_cov}
    decomposition = {"P": kept @ kept.T, "W_*": task.W_star, r"W_{\mathrm{FFT}}": path.weights(path.max_rank)}
    decomposition |= {r"\Delta_*": task.shift, r"\Sigma_x": task.feature_cov}
    return {
        "spectral_tail": ({"A": A, "r": r}, linalg.spectral_tail(sizes, r)),
        "operator_error": ({"A": A, "r": r}, np.linalg.norm(A - linalg.truncate(A, r), 2)),
        "truncation_perturbation": ({"A": A, "N": N, "r": r}, sizes[r] + 2 * np.linalg.norm(N, 2)),
        "inevitable_error": (
            {r"\Delta_*": task.shift, r"\Sigma_x": task.feature_cov, "r": r},
            linalg.spectral_tail(np.linalg.svd(task.whiten(task.shift), compute_uv=False), r),
        ),
        "empirical_risk": ({"W": W, "X": X, "Y": Y}, np.mean(np.sum((Y - W @ X) ** 2, axis=0))),
        "excess_risk": (weights, task.excess_risk(W)),
        "excess_risk_norm": (weights, task.excess_risk(W)),
        "full_finetune": ({"X": X, "Y": Y, "W_0": W0}, lorabook.full_finetune(X, Y, W0)),
        "descent_rate": ({"X": X, r"\eta": step}, lorabook.descent_rate(X, step)),
        "best_descent_rate": ({r"\kappa": s[0] ** 2 / s[-1] ** 2}, lorabook.descent_rate(X)),
        "ordinary_least_squares": ({"X": enough[0], "Y": enough[1]}, lorabook.full_finetune(*enough, W0)),
        "interpolation": ({"X": few[0], "Y": few[1], "W_0": W0}, lorabook.full_finetune(*few, W0)),
        "full_finetune_error": (
            {"E": Y - task.W_star @ X, "X": X, r"\Delta_*": task.shift},
            lorabook.full_finetune(X, Y, W0) - task.W_star,
        ),
        "best_step_size": ({"s_1": s[0], "s_m": s[-1]}, (1 - lorabook.descent_rate(X)) / s[-1] ** 2),
        "lora": ({"X": X, "Y": Y, "W_0": W0, "r": r}, lorabook.lora(X, Y, W0, r)),
        "lora_projector": ({"X": X, "Y": Y, "W_0": W0, "r": r}, lorabook.lora(X, Y, W0, r) - W0),
        "risk_decomposition": (decomposition, path.excess_risks(task)[r]),
    }
