"""Random cases and limits that the checks share."""

from collections.abc import Callable

import numpy as np
from scipy.special import ndtri

from lorabook import bounds, formulas, linalg, wishart
from lorabook._arrays import Real
from lorabook.claims import Check
from lorabook.task import Task

ROUNDING = 1e3 * np.finfo(float).eps
"""About 2e-13, relative. Where X is inverted, times the largest condition number among the cases."""

SHAPES = [(1, 1), (1, 6), (6, 1), (4, 4), (8, 5), (5, 8), (30, 20)]


def data_matrices(seed: int):
    """Data matrices of full and of lower rank, their singular values evenly spaced from 2 down to 1."""
    for shift, (d_x, n, rank) in enumerate(
        [(6, 6, 6), (6, 15, 6), (15, 6, 6), (10, 8, 4), (8, 20, 3), (1, 5, 1), (5, 1, 1)]
    ):
        rng = np.random.default_rng([seed, shift])
        U, V = linalg.haar_frame(d_x, rank, rng), linalg.haar_frame(n, rank, rng)
        yield U * np.linspace(2.0, 1.0, rank) @ V.T


def data_sets(seed: int):
    for shift, X in enumerate(data_matrices(seed)):
        rng = np.random.default_rng([seed, shift, 1])
        yield X, rng.standard_normal((4, X.shape[1])), rng.standard_normal((4, len(X)))


def gaussian_matrices(seed: int):
    rng = np.random.default_rng(seed)
    return [rng.standard_normal(shape) for shape in SHAPES]


def unit_vectors(size: int, count: int, seed: int) -> np.ndarray:
    vectors = np.random.default_rng(seed).standard_normal((size, count))
    return vectors / np.linalg.norm(vectors, axis=0)


def alternating_least_squares(A: np.ndarray, rank: int, rng: np.random.Generator, rounds: int = 200) -> np.ndarray:
    right = rng.standard_normal((rank, A.shape[1]))
    for _ in range(rounds):
        left = np.linalg.lstsq(right.T, A.T, rcond=None)[0].T
        right = np.linalg.lstsq(left, A, rcond=None)[0]
    return left @ right


def regressions(seed: int):
    """Pairs (X, R): n below, at and above d_x, few and many outputs, repeated and zero columns; well conditioned."""
    rng = np.random.default_rng(seed)
    sizes = [(6, 4, 3), (6, 4, 9), (4, 6, 4), (3, 7, 12), (8, 2, 5), (5, 5, 30), (1, 3, 6)]
    pairs = [(rng.standard_normal((d_x, n)), rng.standard_normal((d_y, n))) for d_x, d_y, n in sizes]
    X, R = pairs[1]
    repeated, zero = X[:, [0, 1, 2, 0, 1, 2, 0, 1, 2]], np.where(np.arange(9) < 4, X, 0.0)
    return [*pairs, (repeated, R), (zero, R)]


def tasks(seed: int, count: int):
    """Tasks with correlated features and a data set each, n below and above d_x."""
    for index in range(count):
        rng = np.random.default_rng([seed, index])
        factor = np.eye(6) + 0.3 * rng.standard_normal((6, 6))
        task = Task(*rng.standard_normal((2, 5, 6)), noise_cov=0.5, feature_cov=factor @ factor.T)
        yield task, task.sample([4, 9, 40][index % 3], rng)


def factored_least_squares(X: np.ndarray, R: np.ndarray, rank: int, rng: np.random.Generator) -> np.ndarray:
    """Alternating least squares for `min ||R - B A X||` from a random start."""
    A = rng.standard_normal((rank, len(X)))
    for _ in range(100):
        B = np.linalg.lstsq((A @ X).T, R.T, rcond=None)[0].T
        A = np.linalg.lstsq(B, R, rcond=None)[0] @ np.linalg.pinv(X)
    return B @ A


def z_score(values, mean: Real) -> float:
    """How many standard errors the mean of the values lies above `mean`."""
    return float((np.mean(values) - mean) / (np.std(values, ddof=1) / np.sqrt(len(values))))


def z_limit(count: int, false_alarms: float = 1e-4) -> float:
    """What one of `count` standard normal scores exceeds in absolute value with at most the given probability."""
    return float(-ndtri(false_alarms / (2 * count)))


def risk_draws(task: Task, n: int, draws: int, seed: int) -> np.ndarray:
    """Excess risks of ranks 0, 1, …, min(d_x, d_y, n) on fresh Gaussian data sets, (draws, ranks); small sizes.

    All data sets at once, by stacked decompositions: the same numbers as `rank_path(...).excess_risks(task)`.
    """
    rng = np.random.default_rng([seed, n])
    X = rng.standard_normal((draws, task.d_x, n))
    E = rng.standard_normal((draws, task.d_y, n))
    white = task.whiten(np.eye(task.d_x))
    X = white @ X
    noise = task.noise_cov * np.eye(task.d_y) if np.ndim(task.noise_cov) == 0 else task.noise_cov
    E = np.linalg.cholesky(noise) @ E if np.any(noise) else 0.0 * E
    residual = task.shift @ X + E
    U, s, Vt = np.linalg.svd(X, full_matrices=False)
    directions, sizes, right = np.linalg.svd(residual @ Vt.swapaxes(1, 2), full_matrices=False)
    updates = (sizes[:, :, None] * right / s[:, None, :]) @ U.swapaxes(1, 2) @ white
    shift = task.shift @ white
    in_directions = directions.swapaxes(1, 2) @ shift
    kept = np.sum((updates - in_directions) ** 2, axis=2)
    dropped = np.sum(in_directions**2, axis=2)
    never = np.sum(shift**2) - np.sum(dropped, axis=1)
    zero = np.zeros((draws, 1))
    below = np.hstack([zero, np.cumsum(kept, axis=1)])
    above = np.hstack([np.cumsum(dropped[:, ::-1], axis=1)[:, ::-1], zero])
    return below + above + never[:, None]


def holds_on_draws(bound: Callable, settings: list[tuple[Task, int]], ranks: tuple, seed: int) -> Check:
    """`bound(task, n, rank).total` lies above LoRA's mean risk for every setting and rank; and how loosely."""
    scores, ratios = [], []
    for index, (task, n) in enumerate(settings):
        risks = risk_draws(task, n, 2000, seed + index)
        for rank in ranks:
            draws, value = risks[:, min(rank, risks.shape[1] - 1)], bound(task, n, rank, draws=500).total
            scores.append(z_score(draws, value))
            ratios.append(value / draws.mean())
    words = (
        f"largest z-score of a mean risk above its bound, {len(scores)} settings, 2,000 data sets each; "
        f"the bound is {min(ratios):.2f} to {max(ratios):.0f} times the risk, in the median {np.median(ratios):.1f}"
    )
    return Check(words, max(scores), z_limit(len(scores)))


def tends_to_variance_limit(d_x_per_k: int, n_per_k: int, seed: int) -> Check:
    """The variance term of LoRA's bound approaches its limit as the sizes grow at a fixed ratio."""
    sizes, gaps = (10, 40, 160), []
    for k in sizes:
        d_x, n = d_x_per_k * k, n_per_k * k
        limit = bounds.lora_variance_limit(Task.gaussian(d_x, 5, 1, 1.0, 0), n, 1, 8.0)
        kappa = n * wishart.inverse_smallest(k, max(d_x, n), 1, 8000 // k, seed).value
        now = formulas.lora_bound_exact_rank(r=1, lambda_varepsilon=1.0, k=k, d_y=5, n=n, barkappa=kappa)
        gaps.append(abs(1 - now / limit))
    slopes = np.diff(np.log(gaps)) / np.diff(np.log(sizes))
    words = "largest exponent of k in the relative distance from the limit, k = 10, 40, 160, N = 2k"
    return Check(words, max(slopes), -0.4)
