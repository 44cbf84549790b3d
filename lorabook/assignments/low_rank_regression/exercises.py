"""The exercises of problem set 1: their right answers, and the cases that answers are tried on.

Right answers come from the library. Where it has two routes, the one that a student will not take is used: a weighted
approximation, for instance, is LoRA on data without noise.
"""

from functools import partial
from typing import NamedTuple

import numpy as np

from lorabook.assignments._exercise import Exercise, told_apart
from lorabook.assignments.low_rank_regression import (
    mistakes_of_lora,
    mistakes_of_reading,
    mistakes_of_regression,
    mistakes_of_truncation,
)
from lorabook.estimators import full_finetune, lora, rank_path
from lorabook.linalg import exponential_spectrum, haar_frame, spectral_tail, truncate
from lorabook.spectra import cumulative_energy, rank_reaching
from lorabook.task import Task


def weighted_truncate(A, S, rank):
    L = np.linalg.cholesky(S)
    return lora(L, A @ L, np.zeros_like(A), rank)


def minimum_norm(X, Y):
    return full_finetune(X, Y, np.zeros((len(Y), len(X))))


class ExcessRisks(NamedTuple):
    population: float
    sample: float


def excess_risks(W, W_star, S, X):
    n = X.shape[1]
    population, sample = (Task(W_star, np.zeros_like(W), feature_cov=cov) for cov in (S, X @ X.T / n))
    return ExcessRisks(population.excess_risk(W), sample.excess_risk(W))


def lora_path(X, Y, W0):
    path = rank_path(X, Y, W0)
    return np.array([path.weights(rank) for rank in range(path.max_rank + 1)])


def best_rank(X, Y, W0, X_new, Y_new):
    path = rank_path(X, Y, W0)
    losses = [np.sum((Y_new - path.weights(rank) @ X_new) ** 2) for rank in range(path.max_rank + 1)]
    return int(np.argmin(losses))


def ranking(X, Y, W0, W_star, S, rank):
    task = Task(W0, W_star - W0, feature_cov=S)
    candidates = {"pretrained": W0, "lora": lora(X, Y, W0, rank), "full": full_finetune(X, Y, W0)}
    return sorted(candidates, key=lambda name: task.excess_risk(candidates[name]))


def _matrix(rng):
    """Of no special shape, its singular values well apart: which of them a function keeps is then seen."""
    d_y, d_x = _two_sizes(rng, 5, 9)
    k = min(d_y, d_x)
    s = exponential_spectrum(k, rng.uniform(0.15, 0.3), rng.uniform(2.0, 4.0))
    return (haar_frame(d_y, k, rng) * s) @ haar_frame(d_x, k, rng).T


def _two_sizes(rng, least, most, more=0):
    """Two sizes that differ, the first also from the second plus `more`, a number of samples."""
    while True:
        first, second = (int(size) for size in rng.choice(np.arange(least, most + 1), size=2, replace=False))
        if first != second + more:
            return first, second


def _covariance(size, rng):
    """Far from the identity, and not diagonal."""
    Q = haar_frame(size, size, rng)
    return (Q * exponential_spectrum(size, rng.uniform(0.5, 0.8), rng.uniform(3.0, 5.0))) @ Q.T


def _truncation_case(rng):
    A = _matrix(rng)
    return {"A": A, "rank": int(rng.integers(2, min(A.shape) - 1))}


def _energy_case(rng):
    k = int(rng.integers(9, 13))
    s = exponential_spectrum(k, rng.uniform(0.12, 0.2), rng.uniform(2.0, 4.0))
    A = (haar_frame(k + 2, k, rng) * s) @ haar_frame(k, k, rng).T
    return {"A": A, "share": float(rng.choice([0.6, 0.7, 0.8]) + rng.uniform(0.0, 0.05))}


def _weighted_case(rng):
    A = _matrix(rng)
    return {"A": A, "S": _covariance(A.shape[1], rng), "rank": int(rng.integers(2, min(A.shape) - 1))}


def _least_squares_case(rng, more, lost):
    """n = d_x + more samples; the rank of X is `lost` below d_x."""
    d_y, d_x = _two_sizes(rng, 3, 7, more)
    rank, n = d_x - lost, d_x + more
    X = rng.standard_normal((d_x, rank)) @ rng.standard_normal((rank, n))
    return {"X": X, "Y": rng.standard_normal((d_y, n))}


def _risk_case(rng):
    d_y, d_x = _two_sizes(rng, 3, 6)
    W, W_star = rng.standard_normal((2, d_y, d_x))
    S = _covariance(d_x, rng)
    n = int(rng.integers(8, 12))
    return {"W": W, "W_star": W_star, "S": S, "X": np.linalg.cholesky(S) @ rng.standard_normal((d_x, n))}


def _fine_tuning(rng, d_y, d_x, n, noise, shift_rank=2):
    """Data, pre-trained weights and the task behind them."""
    W0 = 0.5 * rng.standard_normal((d_y, d_x))
    shift = rng.standard_normal((d_y, shift_rank)) @ rng.standard_normal((shift_rank, d_x))
    task = Task(W0, shift, noise_cov=noise**2, feature_cov=_covariance(d_x, rng))
    X, Y = task.sample(n, rng)
    return {"X": X, "Y": Y, "W0": W0}, task


def _path_case(rng, more, least=4):
    """n = d_x + more samples. Fewer than d_x lack one of the features: then X X^T is singular, even up to rounding."""
    d_y, d_x = _two_sizes(rng, least, least + 3, more)
    data, task = _fine_tuning(rng, d_y, d_x, d_x + more, noise=1.0)
    if more < 0:
        unseen = rng.integers(d_x)
        data["Y"] = data["Y"] - np.outer(task.W_star[:, unseen], data["X"][unseen])
        data["X"] = np.where(np.arange(d_x)[:, None] == unseen, 0.0, data["X"])
    return data


def _lora_case(rng, more):
    data = _path_case(rng, more, least=5)
    return {**data, "rank": int(rng.integers(1, min(data["W0"].shape) - 1))}


def _by_turns(draw):
    """Fewer samples than dimensions, and more."""
    return partial(draw, more=-2), partial(draw, more=6)


def _best_rank_case(rng):
    """Drawn until the typical wrong ways to choose a rank are wrong in different ways."""
    while True:
        data, task = _fine_tuning(rng, d_y=10, d_x=9, n=30, noise=1.0, shift_rank=5)
        X_new, Y_new = task.sample(60, rng)
        case = {**data, "X_new": X_new, "Y_new": Y_new}
        if best_rank(**case) > 0 and told_apart(case, best_rank, mistakes_of_reading.BEST_RANK):
            return case


def _ranking_case(rng):
    """Drawn until every typical mistake leads to an order of its own."""
    while True:
        data, task = _fine_tuning(rng, d_y=7, d_x=6, n=9, noise=rng.uniform(1.0, 5.0))
        case = {**data, "W_star": task.W_star, "S": task.feature_cov, "rank": 1}
        if told_apart(case, ranking, mistakes_of_reading.RANKING):
            return case


EXERCISES = (
    Exercise(
        name="truncate",
        oracle=truncate,
        case=_truncation_case,
        returns="an array of the shape of A",
        mistakes=mistakes_of_truncation.TRUNCATE,
    ),
    Exercise(
        name="tail",
        oracle=lambda A, rank: spectral_tail(np.linalg.svd(A, compute_uv=False), rank),
        case=_truncation_case,
        returns="a number",
        mistakes=mistakes_of_truncation.TAIL,
    ),
    Exercise(
        name="rank_for_energy",
        oracle=lambda A, share: rank_reaching(cumulative_energy(A), share),
        case=_energy_case,
        returns="an integer",
        mistakes=mistakes_of_truncation.RANK_FOR_ENERGY,
        cases=8,
    ),
    Exercise(
        name="weighted_truncate",
        oracle=weighted_truncate,
        case=_weighted_case,
        returns="an array of the shape of A",
        mistakes=mistakes_of_truncation.WEIGHTED_TRUNCATE,
    ),
    Exercise(
        name="minimum_norm",
        oracle=minimum_norm,
        case=(
            partial(_least_squares_case, more=-1, lost=1),
            partial(_least_squares_case, more=3, lost=1),
            partial(_least_squares_case, more=5, lost=0),
        ),
        returns="an array of shape (d_y, d_x)",
        mistakes=mistakes_of_regression.MINIMUM_NORM,
        cases=6,
    ),
    Exercise(
        name="excess_risks",
        oracle=excess_risks,
        case=_risk_case,
        returns="two numbers, (population, sample)",
        mistakes=mistakes_of_regression.EXCESS_RISKS,
    ),
    Exercise(
        name="lora",
        oracle=lora,
        case=_by_turns(_lora_case),
        returns="an array of shape (d_y, d_x)",
        mistakes=mistakes_of_lora.LORA,
    ),
    Exercise(
        name="lora_path",
        oracle=lora_path,
        case=_by_turns(_path_case),
        returns="an array of shape (min(n, d_x, d_y) + 1, d_y, d_x)",
        mistakes=mistakes_of_lora.LORA_PATH,
    ),
    Exercise(
        name="best_rank",
        oracle=best_rank,
        case=_best_rank_case,
        returns="an integer from 0 to min(n, d_x, d_y)",
        mistakes=mistakes_of_reading.BEST_RANK,
        own_numbers=True,
    ),
    Exercise(
        name="ranking",
        oracle=ranking,
        case=_ranking_case,
        returns='a list of "pretrained", "lora" and "full", smallest excess risk first',
        mistakes=mistakes_of_reading.RANKING,
        own_numbers=True,
    ),
)
