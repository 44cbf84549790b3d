"""Numerical checks of chapter *Fewer data than dimensions*; the random ones' rate of false alarms is at most 1e-4."""

from itertools import product

import numpy as np

from lorabook import bounds, formulas, linalg
from lorabook.checks._cases import holds_on_draws, risk_draws, tends_to_variance_limit, z_limit, z_score
from lorabook.claims import Check
from lorabook.estimators import full_finetune
from lorabook.task import Task

__all__ = [
    "best_sample_size",
    "full_risk_isotropic",
    "full_risk_under",
    "lora_bound_sharp_under",
    "lora_bound_under",
    "lora_bound_under_exact_rank",
    "lora_variance_limit_under",
    "strong_signal_under",
]

SIZES = (3, 6, 8)
"""Sample sizes beside d_x = 10, the last one next to the threshold."""


def isotropic_tasks():
    """Isotropic features, d_x = 10 and d_y = 8: weak and strong noise, a decaying spectrum, correlated noise, units."""
    weak, strong = (Task.gaussian(10, 8, 2, noise_std, seed=11) for noise_std in (0.2, 4.0))
    decaying = Task.with_spectrum(linalg.exponential_spectrum(8, 0.5, 3.0), 10, 8, 0.5, seed=12)
    noise = np.eye(8) + 0.4 * np.random.default_rng(13).standard_normal((8, 8))
    return [weak, strong, decaying, Task(weak.W0, weak.shift, 0.3 * noise @ noise.T, 2.0 * np.eye(10))]


def anisotropic_task() -> Task:
    """The paper's bias coefficient fails here: features of standard deviations 1 to 10 in 8 dimensions."""
    base = Task.gaussian(8, 8, 2, 10.0, seed=9)
    return Task(base.W0, base.shift, 100.0, np.diag(np.logspace(0, 2, 8)))


def full_risk_under() -> Check:
    """`thm-full-risk-under`: measured risks against bias plus variance, features and noise that are not Gaussian."""
    d_x, d_y, n, draws, scores = 8, 3, 3, 2000, []
    spread = np.logspace(0, 0.5, d_x)[:, None]
    shift = np.random.default_rng(15).standard_normal((d_y, d_x))
    task = Task(np.zeros_like(shift), shift, 4.0, np.diag(spread[:, 0] ** 2))
    laws = (
        lambda n, rng: spread * rng.uniform(-(3**0.5), 3**0.5, (d_x, n)),
        lambda n, rng: spread * rng.laplace(0.0, 2**-0.5, (d_x, n)),
    )
    for index, features in enumerate(laws):
        rng, risks = np.random.default_rng([720, index]), []
        for _ in range(draws):
            X, E = features(n, rng), 2.0 * rng.choice([-1.0, 1.0], (d_y, n))
            risks.append(task.excess_risk(full_finetune(X, task.W_star @ X + E, task.W0)))
        theory = bounds.full_risk_any_features(task, n, features, draws, seed=index)
        error = np.hypot(np.std(risks) / draws**0.5, sum(theory.standard_errors.values()))
        scores.append(float(abs(np.mean(risks) - theory.total) / error))
    return Check(
        "largest z-score of the mean risk, 2 laws of the features, 2,000 data sets each", max(scores), z_limit(2)
    )


def full_risk_isotropic() -> Check:
    """`prop-full-risk-isotropic`: exact means of bias and variance."""
    scores = []
    for index, task in enumerate(isotropic_tasks()):
        for n in (2, 4, 5):  # closer to d_x the variance of the risk is infinite
            risks = risk_draws(task, n, 5000, seed=730 + index)[:, -1]
            scores.append(abs(z_score(risks, bounds.full_risk(task, n).total)))
    return Check(
        "largest z-score of the mean risk, 12 settings, 5,000 data sets each", max(scores), z_limit(len(scores))
    )


def best_sample_size() -> Check:
    """`cor-best-sample-size`: no n on a fine grid does better; strong noise: the risk grows with every sample."""
    worst = -np.inf
    shift = np.random.default_rng(16).standard_normal((5, 30))
    energy = np.sum(shift**2)
    grid = np.linspace(0, 28.9, 2000)
    for level in (0.01, 0.1, 0.5, 0.96, 0.97, 2.0):
        task = Task(np.zeros((5, 30)), shift, level * energy / 5)
        best = bounds.best_sample_size(task)
        values = {"d_x": 30, "t_varepsilon": task.noise_trace, "s^2": energy}
        risks = formulas.full_risk_isotropic(n=grid, **values)
        worst = max(worst, (formulas.full_risk_isotropic(n=best, **values) - risks.min()) / energy)
        grows = bool(np.all(np.diff(risks) > 0))
        worst = max(worst, float(grows != bounds.is_strong_noise(task)), float(grows and best > 0))
    return Check("largest gain of another n, or strong noise misjudged; 6 noise levels", worst, 1e-12)


def lora_bound_under() -> Check:
    """`thm-lora-bound-under`: the bound above the mean risk, isotropic features and not."""
    return _holds(bounds.lora_bound, isotropic_tasks(), (1, 2, 4), 740)


def lora_bound_sharp_under() -> Check:
    """`thm-lora-bound-sharp-under`: the sharp bound above the mean risk, isotropic features and not."""
    return _holds(bounds.lora_bound_sharp, isotropic_tasks(), (1, 2, 4), 750)


def lora_bound_under_exact_rank() -> Check:
    """`cor-lora-bound-under-exact-rank`: the bound above the mean risk where the rank of the shift is at most r."""
    tasks = [task for task in isotropic_tasks() if np.linalg.matrix_rank(task.shift) == 2]
    return _holds(bounds.lora_bound_exact_rank, tasks, (2, 3), 760)


def lora_variance_limit_under() -> Check:
    """`prop-lora-variance-limit-under`: d_x = 2 n."""
    return tends_to_variance_limit(d_x_per_k=2, n_per_k=1, seed=770)


def strong_signal_under() -> Check:
    """`prop-strong-signal-under`: weak noise; the risk minus the bias of the same data set."""
    base, draws, scores = isotropic_tasks()[3], 10_000, []
    for scale in (1.0, 2.0):
        task = Task(base.W0, base.shift, 1e-8 * base.noise_cov, scale * np.eye(10))
        for n in (4, 5):
            risks = risk_draws(task, n, draws, seed=780)[:, 2]
            X = np.random.default_rng([780, n]).standard_normal((draws, 10, n))  # the data sets of risk_draws
            U = np.linalg.svd(X, full_matrices=False)[0]
            bias = scale * np.sum((task.shift - task.shift @ U @ U.swapaxes(1, 2)) ** 2, axis=(1, 2))
            limit = bounds.strong_signal_risk(task, n)
            scores.append(abs(z_score(risks - bias, limit["inside"] + limit["outside"])))
    return Check(
        "largest z-score of LoRA's mean risk beyond the bias, 4 settings, 10,000 draws each",
        max(scores),
        z_limit(4),
    )


def _holds(bound, tasks, ranks, seed) -> Check:
    """On isotropic tasks, d_x = 10, and on the anisotropic one, d_x = 8, for which the last size is the threshold."""
    settings = [*product(tasks, SIZES), *product([anisotropic_task()], SIZES[:-1])]
    return holds_on_draws(bound, settings, ranks, seed)
