"""Random cases and limits that the checks share."""

import numpy as np
from scipy.special import ndtri

from lorabook import linalg
from lorabook._arrays import Real
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
