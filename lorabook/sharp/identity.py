"""The exact finite-size identity as an estimator of LoRA's risk."""

import numpy as np

from lorabook import _validate, formulas
from lorabook._arrays import Float, Integer, Real, Seed
from lorabook.sharp._accuracy import check_rounding
from lorabook.sharp._controls import controlled_mean
from lorabook.sharp._setting import INF, Setting, checked_rank, setting
from lorabook.sharp.limit import full
from lorabook.wishart import Estimate, bartlett, sample

__all__ = ["finite_size_risk"]

_IDENTITY_STREAM = 16
_BATCH_ENTRIES = 4_000_000
_STRONGEST = 1e26
"""At this strength the rounding was found to change the risk by a millionth, in proportion to it beyond."""


def finite_size_risk(
    rank: Integer,
    singular_values: Float[np.ndarray, " m"],
    d_x: Integer,
    d_y: Integer,
    n: Integer,
    noise_std: Real,
    draws: Integer = 200,
    seed: Seed = 0,
) -> Estimate:
    """Mean excess risk of LoRA by the exact identity for finite sizes: a Rao–Blackwell estimate with standard error.

    Only the spiked matrix `M = U S [L_11, 0] + G` and an `m x m` matrix are drawn, m the number of positive singular
    values; the mean over everything else in the data is taken in closed form. It has finite variance for every
    `|n - d_x| >= 2`, where a plain simulation needs 4. Cost: one SVD of a (d_y, min(n, d_x)) matrix a draw.

    Arguments as in `lora_risk`; draws, at least 2, and seed for the simulation. Exact at rank 0 and from rank
    min(n, d_x, d_y) on; (inf, 0) for `|n - d_x| <= 1` and rank at least 1.
    Raises ValueError as `lora_risk` does, and if the shift has rank above n.
    Issues AccuracyWarning for n >= d_x and strengths above 1e26, where the rounding of the drawn matrices shows.
    Source: chapter *The exact answer*.

    >>> risk, error = finite_size_risk(1, np.array([3.0]), 20, 15, 60, noise_std=1.0)
    >>> abs(risk - 0.79) < 4 * error < 0.1
    True
    """
    r = checked_rank(rank)
    problem = setting(singular_values, d_x, d_y, n, noise_std)
    draws = _validate.integer("draws", draws, 2)
    if r == 0:
        return Estimate(problem.energy, 0.0)
    if problem.kappa == INF or r >= problem.max_rank:
        return Estimate(full(problem), 0.0)
    if len(problem.s) > problem.n:
        raise ValueError(
            f"singular_values has {len(problem.s)} positive entries; it must have at most n = {problem.n}, because the "
            "identity averages over what the signal leaves of the row space of X"
        )
    check_rounding(problem, _STRONGEST)
    rng = _validate.generator(seed, _IDENTITY_STREAM)
    size = max(1, _BATCH_ENTRIES // (problem.d_y * problem.k))
    batches = [_draw(problem, r, min(size, draws - start), rng) for start in range(0, draws, size)]
    risks, controls = (np.concatenate(column) for column in zip(*batches, strict=True))
    return controlled_mean(risks, controls)


def _draw(problem: Setting, rank: int, draws: int, rng) -> tuple[np.ndarray, np.ndarray]:
    """The risk of rank r, a draw each; and controls of mean zero.

    As sums of squares, without cancellation: of the error in each left singular vector that is kept, which is that of
    the noise alone, `M^T u_i - L_11^T S u_i = G^T u_i`, and of the signal outside them.
    """
    s, m, d_y, k = problem.s, len(problem.s), problem.d_y, problem.k
    L, C = signal_factors(problem, m, draws, rng)
    inverse = np.linalg.inv(C)
    signal = s[:, None] * L
    noise = problem.sigma * rng.standard_normal((draws, d_y, k))
    M = noise.copy()
    M[:, :m, :m] += signal
    left = np.linalg.svd(M, full_matrices=False)[0]
    true = left[:, :m].swapaxes(1, 2) * s
    error = left.swapaxes(1, 2) @ noise
    inside = np.sum(error[:, :, :m] @ inverse * error[:, :, :m], axis=2)
    outside = blind_length(problem, inverse) * np.sum(error[:, :, m:] ** 2, axis=2)
    errors = inside + outside + unseen(problem, true, left[:, :m].swapaxes(1, 2) @ signal, inverse)
    beyond = -left @ true
    beyond[:, :m] += np.diag(s)
    beyond = np.sum(beyond**2, axis=(1, 2))
    all_ranks = np.sum(errors, axis=1) + beyond - full(problem)
    controls = np.column_stack([all_ranks, seen_energy(problem, signal @ inverse, signal, s)])
    missed = np.sum(true[:, rank:] ** 2, axis=(1, 2)) + beyond
    return np.sum(errors[:, :rank], axis=1) + missed, controls


def blind_length(problem: Setting, inverse: np.ndarray) -> np.ndarray:
    """Mean square length of an update beyond the signal's directions, for `||b_i|| = 1`, (draws, 1)."""
    trace = np.trace(inverse, axis1=1, axis2=2)[:, None]
    values = {r"\operatorname{tr} C^{-1}": trace, r"\|b_{i}\|^2": 1.0}
    return formulas.mean_square_length.parts[1](n=problem.n, d_x=problem.d_x, **values)


def unseen(problem: Setting, true: np.ndarray, signals: np.ndarray, inverse: np.ndarray) -> np.ndarray:
    """What X does not see of the signal in each left singular vector, (draws, vectors): none for n >= d_x.

    `true` is the signal there, `S u_i`, and `signals` what X makes of it, `L_11^T S u_i`.
    """
    if problem.n >= problem.d_x:
        return np.zeros(true.shape[:2])
    return np.sum(true**2, axis=2) - np.sum(signals @ inverse * signals, axis=2)


def signal_factors(problem: Setting, m: int, draws: int, rng) -> tuple[np.ndarray, np.ndarray]:
    """What X does in the m directions of the signal: a factor `L_11` of `X_1 X_1^T`, and the matrix C."""
    if m == 0:
        return np.zeros((draws, 0, 0)), np.zeros((draws, 0, 0))
    L = bartlett(m, problem.n, rng, draws)
    C = L.swapaxes(1, 2) @ L
    if problem.n < problem.d_x:
        C = C + sample(m, problem.d_x - problem.n, rng, draws)
    return L, C


def seen_energy(problem: Setting, filtered: np.ndarray, signal: np.ndarray, s: np.ndarray) -> np.ndarray:
    """Energy of the shift in the row space of X less its mean, (draws, 1); (draws, 0) for n >= d_x: it is constant."""
    if problem.n >= problem.d_x:
        return np.zeros((len(signal), 0))
    return np.einsum("dij,dij->d", filtered, signal)[:, None] - problem.n / problem.N * np.sum(s**2)
