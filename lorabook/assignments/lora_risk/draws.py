"""The cases and numbers of problem set 3. No two dimensions agree, W0 is not zero, covariances are far from I."""

from math import sqrt

import numpy as np

from lorabook import Task, sharp
from lorabook.assignments._exercise import Case, told_apart
from lorabook.assignments.lora_risk import mistakes_of_formulas, mistakes_of_validation, oracles

Generator = np.random.Generator
ROUNDING = 1e-3  # relative, let through in a student's own numbers


def _task(rng: Generator, d_x: int, d_y: int, strengths, noise_std: float, **features) -> Task:
    """A shift whose directions have these singular values; W0 is of ordinary size."""
    drawn = Task.with_spectrum(np.array(strengths), d_x, d_y, noise_std, rng)
    return Task(0.7 * drawn.W0, drawn.shift, noise_std**2, **features)


def _covariance(rng: Generator, d_x: int) -> np.ndarray:
    root = rng.standard_normal((d_x, d_x + 2))
    return root @ root.T / 3


def _sets(rng: Generator, task: Task, n: int, draws: int) -> tuple[np.ndarray, np.ndarray]:
    """Data sets, one after the other along the first axis."""
    X, Y = zip(*(task.sample(n, rng) for _ in range(draws)), strict=True)
    return np.array(X), np.array(Y)


def risk_parts(rng: Generator) -> Case:
    """More samples than features, so that a part of the residual cannot be fitted."""
    d_x, d_y = (int(size) for size in rng.choice(np.arange(4, 8), 2, replace=False))
    S = _covariance(rng, d_x)
    task = _task(rng, d_x, d_y, rng.uniform(0.5, 2.0, 3), noise_std=2.0, feature_cov=S)
    n = max(d_x, d_y) + int(rng.integers(3, 7))
    return {**task.sample(n, rng)._asdict(), "W0": task.W0, "W_star": task.W_star, "S": S}


def bill(rng: Generator) -> Case:
    """Fewer samples than features."""
    d_x, d_y = int(rng.integers(8, 11)), int(rng.integers(5, 8))
    task = _task(rng, d_x, d_y, rng.uniform(1.0, 3.0, 3), noise_std=1.0)
    return {**task.sample(int(rng.integers(3, 5)), rng)._asdict(), "W0": task.W0, "W_star": task.W_star}


def bias_and_variance(rng: Generator) -> Case:
    d_x, d_y, draws = int(rng.integers(4, 6)), int(rng.integers(7, 9)), 6
    task = _task(rng, d_x, d_y, rng.uniform(1.0, 2.0, 3), noise_std=2.0)
    X = task.sample(d_x + int(rng.integers(5, 8)), rng).X
    Y = task.W_star @ X + sqrt(task.noise_cov) * rng.standard_normal((draws, d_y, X.shape[1]))
    return {"X": X, "Y": Y, "W0": task.W0, "W_star": task.W_star, "rank": int(rng.integers(1, 3))}


def compare_ranks(rng: Generator) -> Case:
    d_x, d_y, draws = int(rng.integers(4, 6)), int(rng.integers(6, 8)), 8
    task = _task(rng, d_x, d_y, rng.uniform(1.0, 2.0, 3), noise_std=1.5)
    X, Y = _sets(rng, task, d_x + int(rng.integers(5, 9)), draws)
    ranks = rng.permutation([1, 2] if rng.random() < 0.5 else [2, 3])
    return {"X": X, "Y": Y, "W0": task.W0, "W_star": task.W_star, "ranks": tuple(ranks.tolist())}


def crossover(rng: Generator) -> Case:
    """Fewer samples than inputs, strong directions; every mistake is seen in rounded numbers, too."""
    while True:
        d_x, d_y, rank = int(rng.integers(60, 100)), int(rng.integers(30, 50)), int(rng.integers(2, 4))
        case = {
            "d_x": d_x,
            "d_y": d_y,
            "n": int(rng.integers(25, d_x - 8)),
            "noise_std": round(float(rng.uniform(1.3, 3.0)), 2),
            "rank": rank,
            "singular_values": np.sort(rng.uniform(20.0, 60.0, rank + 2).round(1))[::-1],
        }
        if case["n"] != d_y and told_apart(case, oracles.crossover, mistakes_of_formulas.CROSSOVER, 3 * ROUNDING):
            return case


def thresholds(rng: Generator, next_to: int) -> Case:
    """Sizes below and above the interpolation threshold, and one `next_to` it."""
    d_x, d_y = int(rng.integers(20, 40)), int(rng.integers(8, 18))
    few, many = int(rng.choice([n for n in range(6, d_x - 4) if n != d_y])), d_x + int(rng.integers(5, 60))
    near = d_x + next_to
    return {"sizes": (few, near, many), "d_x": d_x, "d_y": d_y, "noise_std": round(float(rng.uniform(1.3, 3.0)), 2)}


def choose_rank(rng: Generator) -> Case:
    d_x, d_y = int(rng.integers(5, 7)), int(rng.integers(8, 10))
    n, noise_std = int(rng.integers(16, 24)), float(rng.uniform(1.5, 3.0))
    strengths = noise_std * np.sqrt(rng.uniform([60.0, 20.0, 5.0], [120.0, 60.0, 20.0]) / n)
    task = _task(rng, d_x, d_y, strengths, noise_std, feature_cov=_covariance(rng, d_x))
    return {**task.sample(n, rng)._asdict(), "W0": task.W0}


def cross_validate(rng: Generator) -> Case:
    """Three folds of different sizes, in no order."""
    d_x, d_y = (int(size) for size in rng.choice([3, 4, 5], 2, replace=False))
    task = _task(rng, d_x, d_y, rng.uniform(1.0, 2.0, 2), noise_std=1.5, feature_cov=_covariance(rng, d_x))
    sizes = d_x + rng.choice(np.arange(1, 7), 3, replace=False)
    fold = rng.permutation(np.repeat(np.arange(3), sizes))
    return {**task.sample(len(fold), rng)._asdict(), "W0": task.W0, "fold": fold}


def report(rng: Generator) -> Case:
    """Data on which the best rank is neither 0 nor full, and every wrong way to choose it gives another one."""
    while True:
        task = _task(rng, 6, 5, rng.uniform(0.6, 1.6, 4), noise_std=2.0)
        X, Y = task.sample(30, rng)
        X_test, Y_test = task.sample(20, rng)
        fold = rng.permutation(np.arange(30) % 3)
        case = {"X": X, "Y": Y, "W0": task.W0, "fold": fold, "X_test": X_test, "Y_test": Y_test}
        right = oracles.report(**case)
        wrong = mistakes_of_validation.REPORT
        if 0 < right["rank"] < 5 and told_apart(case, oracles.report, wrong, 3 * ROUNDING):
            return case


def reading(rng: Generator) -> Case:
    """Every statement is right for as many students: which one is drawn first, then numbers until it follows."""
    texts = dict(zip("ABCDEF", rng.permutation(list(oracles.READINGS.values())).tolist(), strict=True))
    trend, full_helps = list(oracles.READINGS)[int(rng.integers(len(texts)))]
    while True:
        d_x, d_y, noise_std = (
            int(rng.integers(30, 61)),
            int(rng.integers(20, 29)),
            round(float(rng.uniform(1.3, 2.5)), 2),
        )
        n_now = int(rng.integers(d_x // 3, d_x - 6))
        n_then = d_x + int(rng.integers(4, 12) if trend == "fewer" else rng.integers(d_x // 4, 2 * d_x))
        now, then = (sharp.usefulness_threshold(d_x, d_y, n, noise_std) for n in (n_now, n_then))
        low, high = sorted((now, then))
        bounds = np.array([[0.6 * low, low], [low, high], [high, 1.2 * high]])
        which = rng.choice([0, 2] if trend == "same" else [0, 1, 2], 4)
        s = rng.uniform(*bounds[which].T)
        if full_helps:  # one direction as strong as all noise that full fine-tuning fits
            noise = sharp.full_risk(np.zeros(0), d_x, d_y, n_then, noise_std)
            s = np.append(s, np.sqrt(noise * rng.uniform(0.9, 1.5)))
        case = {
            "d_x": d_x,
            "d_y": d_y,
            "n_now": n_now,
            "n_then": n_then,
            "noise_std": noise_std,
            "singular_values": np.sort(s.round(2))[::-1],
            "statements": texts,
        }
        right = oracles.reading(**case)
        follows = n_now != d_y and texts[right["advice"]] == oracles.READINGS[trend, full_helps]
        if follows and told_apart(case, oracles.reading, mistakes_of_formulas.READING):
            return case
