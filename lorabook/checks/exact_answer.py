"""Numerical checks of chapters *The exact answer* and *Better than truncation*.

Statements about a limit are checked by the approach to it: the distance of the mean from the limit must fall by half
at least from size 20 to size 100 (it falls like 1 / size, to a fifth), after 4.5 standard errors have been taken off.
A formula that is wrong by a large share stops falling; at these sizes a small error in the cost of a direction passes.
"""

import numpy as np
from scipy.optimize import brentq, minimize_scalar

from lorabook import estimators, sharp
from lorabook.checks._cases import ROUNDING, risk_draws, tasks, z_limit
from lorabook.claims import Check
from lorabook.task import Task

__all__ = [
    "best_ridge",
    "best_shrinkage",
    "crossover",
    "exact_risk",
    "no_double_descent",
    "reduction",
    "sharp_limit",
    "spiked_matrix",
    "strong_spikes",
    "usefulness",
]

_APPROACH = 0.5


def reduction() -> Check:
    """`lem-reduction`: the bill is the excess risk; isotropic features, and correlated ones for n >= d_x."""
    worst, condition = 0.0, 1.0
    isotropic = (
        (Task(*np.random.default_rng([81, n]).standard_normal((2, 5, 6)), noise_cov=0.5), n) for n in (3, 6, 9, 30)
    )
    cases = [(task, task.sample(n, seed=n)) for task, n in isotropic]
    cases += [case for case in tasks(seed=82, count=12) if case[1].X.shape[1] >= 6]
    for task, (X, Y) in cases:
        condition = max(condition, np.linalg.cond(X))
        X_plus = np.linalg.pinv(X)
        U, theta, Vt = np.linalg.svd((Y - task.W0 @ X) @ X_plus @ X, full_matrices=False)
        z = task.whiten(Vt @ X_plus)
        shift = task.whiten(task.shift)
        bill = theta**2 * np.sum(z**2, axis=1) - 2 * theta * np.sum((U.T @ shift) * z, axis=1)
        risks = estimators.rank_path(X, Y, task.W0).excess_risks(task)
        expected = np.sum(shift**2) + np.r_[0.0, np.cumsum(bill)][: len(risks)]
        worst = max(worst, np.max(np.abs(risks - expected)) / np.max(risks))
    return Check("largest difference between the bill and the risk, relative, every rank", worst, ROUNDING * condition)


def exact_risk() -> Check:
    """`thm-finite-identity`: the averaged identity against risks of real draws."""
    s, scores = np.array([2.0, 1.0]), []
    for d_x, d_y, n in [(6, 5, 13), (13, 5, 6), (5, 8, 12)]:
        task = Task.with_spectrum(s, d_x, d_y, 1.0, seed=83)
        risks = risk_draws(task, n, draws=20_000, seed=84)
        for r in (1, 2, 4):
            exact = sharp.finite_size_risk(r, s, d_x, d_y, n, 1.0, draws=20_000, seed=85)
            error = np.hypot(exact.standard_error, np.std(risks[:, r]) / np.sqrt(len(risks)))
            scores.append((np.mean(risks[:, r]) - exact.value) / error)
    return Check("largest |z| of simulated against averaged risk, 3 shapes, 3 ranks", _largest(scores), z_limit(9))


def spiked_matrix() -> Check:
    """`thm-spiked`: singular value and overlaps of a spike, seen and unseen, approach the quoted limits.

    Below the threshold the distance falls like size^(-2/3) only, to a third.
    """

    def distances(size, draws):
        p, k = size, 2 * size
        columns = []
        for rho in (0.3, 2.0, 6.0):
            strength = rho * np.sqrt(p * k)
            G = np.random.default_rng([86, size]).standard_normal((draws, p, k))
            G[:, 0, 0] += np.sqrt(strength)
            values, vectors = np.linalg.eigh(G @ G.swapaxes(1, 2))
            right = np.sum(vectors[:, :, -1] * G[:, :, 0], axis=1) ** 2 / values[:, -1]
            square, c_u, c_v = sharp.spiked_triplet(strength, p, k)
            columns += [values[:, -1] / square - 1.0, vectors[:, 0, -1] ** 2 - c_u, right - c_v]
        return np.transpose(columns)

    worst = _approach(distances(20, 2000), distances(100, 200))
    return Check(_words("singular value and overlaps at three strengths"), worst, _APPROACH)


def sharp_limit() -> Check:
    """`thm-sharp-limit`: mean risks approach the limit, seen and unseen directions, both regimes."""

    def distances(size, n, draws):
        k, N = min(n, size), max(n, size)
        s = np.sqrt(np.array([30.0, 8.0, 0.2]) * np.sqrt(size * k) / n)
        risks = risk_draws(Task.with_spectrum(s, size, size, 1.0, seed=87), n, draws, seed=88)
        costs = [sharp.component_cost(n * value**2, size, size, n, 1.0) for value in s[:2]]
        noise = N / (N - k - 1) * (np.sqrt(size) + np.sqrt(k)) ** 2 / N
        return risks[:, 1:4] - np.sum(s**2) - np.cumsum([*costs, noise])

    worst = max(_approach(distances(20, 40, 2000), distances(100, 200, 200)),
                _approach(distances(20, 10, 4000), distances(100, 50, 600)))  # fmt: skip
    return Check(_words("ranks 1 to 3, n = 2 d and d / 2"), worst, _APPROACH)


def strong_spikes() -> Check:
    """`prop-strong-spikes`: the rest falls like 1 / x; a factor 100 in x leaves a hundredth."""
    ratios = []
    for d_x, d_y, n in [(30, 20, 70), (70, 20, 30), (50, 90, 55)]:
        k, N = min(n, d_x), max(n, d_x)
        kappa, rests = sharp.inflation(d_x, n), []
        for x in (1e5, 1e7):
            s_square = x / n
            limit = (1 - n / N) * s_square + (d_y + kappa * k) / N
            rests.append(abs(s_square + sharp.component_cost(x, d_x, d_y, n, 1.0) - limit))
        ratios.append(rests[1] / rests[0])
    return Check("rest of s^2 + delta at x = 10^7 over that at 10^5, three shapes", max(ratios), 0.011)


def usefulness() -> Check:
    """`prop-thresholds`: one positive root, found by an eigenvalue solver too, and the rank of least limiting risk."""
    worst, wrong = 0.0, 0
    rng = np.random.default_rng(89)
    for _ in range(300):
        d_x, d_y = (int(size) for size in rng.integers(5, 200, size=2))
        n = int(rng.choice([max(1, d_x - 2 - rng.integers(1, d_x)), d_x + 2 + rng.integers(1, 300)]))
        k, kappa = min(n, d_x), sharp.inflation(d_x, n)
        roots = np.roots([1.0, -(d_y + kappa * k), -(1 + 2 * kappa) * d_y * k, -(kappa - 1) * d_y**2 * k])
        positive = roots[(np.abs(roots.imag) < 1e-9 * np.abs(roots)) & (roots.real > 0)].real
        wrong += len(positive) != 1
        worst = max(worst, abs(sharp.usefulness_root(d_y, k, kappa) / positive[0] - 1))
        s = np.sort(rng.exponential(2.0, size=3))[::-1] * np.sqrt(positive[0] / n)
        noise = sharp.component_cost(0.0, d_x, d_y, n, 1.0)
        costs = [sharp.component_cost(n * value**2, d_x, d_y, n, 1.0) for value in s]
        least = int(np.argmin(np.cumsum([0.0, *costs, noise])))
        wrong += least != sharp.best_rank(s, d_x, d_y, n, 1.0)
    words = "relative error of the root, plus the number of wrong root counts and best ranks, 300 settings"
    return Check(words, worst + wrong, ROUNDING)


def crossover() -> Check:
    """`prop-crossover`: the closed form against a root finder on the two risks, both regimes."""
    worst = 0.0
    s = np.array([9.0, 7.0, 4.0, 1.0])
    for d_x, d_y, n in [(40, 30, 100), (100, 30, 40), (60, 60, 70)]:
        k, N = min(n, d_x), max(n, d_x)
        kappa = sharp.inflation(d_x, n)
        for r in (1, 2, 3):

            def gap(log_sigma, r=r, k=k, N=N, kappa=kappa, d_y=d_y, n=n):
                noise = np.exp(2 * log_sigma) / N
                lora = np.sum(s[r:] ** 2) + (1 - n / N) * np.sum(s[:r] ** 2) + r * noise * (d_y + kappa * k)
                return lora - (1 - n / N) * np.sum(s**2) - noise * kappa * d_y * k

            expected = np.exp(brentq(gap, -20, 20, xtol=1e-15, rtol=1e-15))
            worst = max(worst, abs(sharp.crossover_noise_limit(r, s, d_x, d_y, n) / expected - 1))
    return Check("largest relative difference from a numerical root, 9 cases", worst, 10 * ROUNDING)


def best_shrinkage() -> Check:
    """`prop-shrinker`: no size beats the stated one, and single data sets approach the stated risk."""
    for d_x, d_y, n, strength in [(30, 20, 70, 200.0), (70, 20, 30, 90.0), (50, 90, 55, 400.0)]:
        k, N, kappa = min(n, d_x), max(n, d_x), sharp.inflation(d_x, n)
        square, c_u, c_v = sharp.spiked_triplet(strength, d_y, k)

        def bill(eta, c_u=c_u, c_v=c_v, kappa=kappa, strength=strength, N=N):
            return (eta**2 * (c_v + kappa * (1 - c_v)) - 2 * eta * np.sqrt(strength * c_u * c_v)) / N

        least = minimize_scalar(bill, bounds=(0.0, np.sqrt(square)), options={"xatol": 1e-12}).fun
        s = np.array([np.sqrt(strength / n)])
        stated = sharp.shrunk_risk(s, d_x, d_y, n, 1.0) - np.sum(s**2)
        if not abs(stated / least - 1) < 1e-9:
            return Check("the stated risk is not the least one", abs(stated / least - 1), 1e-9)
    worst = _estimator_approach(sharp.shrunk_lora, sharp.shrunk_risk)
    return Check(_words("shrunk LoRA, n = 2 d and d / 2"), worst, _APPROACH)


def best_ridge() -> Check:
    """`prop-ridge`: single data sets approach the stated risk, on both sides of the threshold."""
    worst = _estimator_approach(sharp.ridge_lora, sharp.ridge_risk)
    return Check(_words("ridge-LoRA, n = 2 d and d / 2"), worst, _APPROACH)


def no_double_descent() -> Check:
    """`cor-no-double-descent`: the ridge's risk never grows with n and is the least of the three."""
    violations = 0
    for d_y, s in [(30, [2.0, 1.0]), (100, [6.0, 3.0, 0.5]), (200, [1.5])]:
        s = np.array(s)
        ridge = [sharp.ridge_risk(s, 100, d_y, n, 1.0) for n in range(10, 300)]
        violations += np.sum(np.diff(ridge) > ROUNDING * ridge[0]) + (ridge[0] > np.sum(s**2) * (1 + ROUNDING))
        for n in (20, 60, 90, 110, 150, 299):
            shrunk, risk = sharp.shrunk_risk(s, 100, d_y, n, 1.0), ridge[n - 10]
            violations += risk > shrunk * (1 + ROUNDING)
    return Check("increases with n, or risks above shrunk LoRA, three shifts", float(violations), 0.0)


def _estimator_approach(estimator, risk) -> float:
    def distances(size, n, draws):
        s = np.sqrt(np.array([30.0, 8.0]) * np.sqrt(size * min(n, size)) / n)
        task = Task.with_spectrum(s, size, size, 1.0, seed=90)
        data = (task.sample(n, seed) for seed in range(draws))
        risks = np.array([task.excess_risk(estimator(X, Y, task.W0)) for X, Y in data])
        return risks[:, None] - risk(s, size, size, n, 1.0)

    return max(_approach(distances(20, n, 800), distances(100, 5 * n, 120)) for n in (10, 40))


def _approach(small: np.ndarray, large: np.ndarray) -> float:
    """Largest ratio of distances from zero of the columns' means, that of the large size less 4.5 standard errors."""
    (near, near_error), (far, far_error) = (
        (np.abs(np.mean(x, axis=0)), np.std(x, axis=0) / np.sqrt(len(x))) for x in (large, small)
    )
    return float(np.max(np.maximum(near - 4.5 * near_error, 0.0) / (far + far_error)))


def _words(what: str) -> str:
    return f"distance of the mean from the limit at size 100, less 4.5 standard errors, over that at size 20: {what}"


def _largest(scores) -> float:
    return float(np.max(np.abs(scores)))
