"""LoRA's risk with the randomness of the signal's own directions kept: the core formula (heuristic)."""

import numpy as np

from lorabook import _validate, formulas
from lorabook._arrays import Float, Integer, Real, Seed
from lorabook.sharp._accuracy import check
from lorabook.sharp._controls import controlled_mean
from lorabook.sharp._setting import INF, Setting, checked_rank, setting
from lorabook.sharp._strong import remainder
from lorabook.sharp.bulk import bulk
from lorabook.sharp.identity import blind_length, seen_energy, signal_factors, unseen
from lorabook.sharp.limit import full, master
from lorabook.wishart import Estimate

__all__ = ["core_risk", "lora_risk"]

_CORE_STREAM = 15
_DRAWS = 4000
_FOUND = ("up to 11 % too high", "from 5 % too low to 20 % too high")


def lora_risk(
    rank: Integer, singular_values: Float[np.ndarray, " m"], d_x: Integer, d_y: Integer, n: Integer, noise_std: Real
) -> float:
    """Mean excess risk of LoRA of the given rank, as close as the theory comes: `core_risk` at its defaults.

    Arguments:
        rank: at least 0. Rank 0 is the pre-trained model; min(n, d_x, d_y) and more is full fine-tuning, exact.
        singular_values: of the shift, in any order; zeros are allowed. The features are isotropic with variance 1. For
            n >= d_x they may have any covariance: take the singular values of `shift Sigma_x^{1/2}`.
        d_x: number of inputs.
        d_y: number of outputs.
        n: number of samples.
        noise_std: standard deviation of each output's noise, above 0.

    Returns inf for `|n - d_x| <= 1` and rank at least 1: the mean is infinite. The same numbers every time.
    Raises ValueError for negative singular values, more than min(d_x, d_y) of them, at least d_y or more than
    min(n, d_x) of them detectable, or noise so weak that strengths are beyond double precision.
    Issues AccuracyWarning as `core_risk` does.
    Accuracy: within 1 % of simulations at d_x = d_y = 100, a strong shift of rank 4 and n from 10 to 1000; otherwise
    about 1 % at sizes of 200 and 3 % at 40, away from what the warning is about. Directions of equal strength cost
    more: with four of them at 1.5 times the detectability threshold, d_x = d_y and n = 2 d_x, ranks 1 and 4 were found
    from 4 % too low to 3 % too high at 200, and from 9 % too low to 13 % too high at 40, without a warning.
    Source: chapter *The exact answer*.

    >>> s = np.array([58.6, 51.5, 49.6, 38.3])
    >>> [f"{lora_risk(r, s, 100, 100, 500, noise_std=1.0):.3g}" for r in (1, 4, 8)]
    ['6.63e+03', '1.78', '5.19']
    """
    r = checked_rank(rank)
    problem = setting(singular_values, d_x, d_y, n, noise_std)
    check(problem, r, *_FOUND)
    return core(problem, r, _DRAWS, 0).value


def core_risk(
    rank: Integer,
    singular_values: Float[np.ndarray, " m"],
    d_x: Integer,
    d_y: Integer,
    n: Integer,
    noise_std: Real,
    draws: Integer = _DRAWS,
    seed: Seed = 0,
) -> Estimate:
    """The core formula's risk with the standard error of its own small simulation.

    What is random in the detectable directions, a matrix of their number, is drawn; the rest of the noise enters
    through its limit. Ranks beyond the detectable directions add the energies of the bulk, from `lora_risk_limit`.

    Arguments as in `lora_risk`; draws, at least 2, and seed for the simulation.
    Raises ValueError as `lora_risk` does.
    Issues AccuracyWarning near the detectability threshold, with many detectable directions, and for `|n - d_x| <= 3`.
    Source: chapter *The exact answer*; a heuristic, with its measured accuracy.

    >>> risk, error = core_risk(4, np.array([58.6, 51.5, 49.6, 38.3]), 100, 100, 500, noise_std=1.0)
    >>> f"{risk:.3f}", error < 0.01
    ('1.778', True)
    """
    r = checked_rank(rank)
    problem = setting(singular_values, d_x, d_y, n, noise_std)
    draws = _validate.integer("draws", draws, 2)
    check(problem, r, *_FOUND)
    return core(problem, r, draws, seed)


def core(problem: Setting, rank: int, draws: int, seed) -> Estimate:
    """The core formula, without warnings."""
    if rank == 0:
        return Estimate(problem.energy, 0.0)
    if problem.kappa == INF or rank >= problem.max_rank:
        return Estimate(full(problem), 0.0)
    problem.need_few_visible()
    visible = problem.visible
    first = Estimate(problem.energy, 0.0)
    if visible > 0:
        draw = _draw(problem, min(rank, visible), draws, _validate.generator(seed, _CORE_STREAM))
        mean = controlled_mean(*draw)
        first = Estimate(float(np.sum(problem.s[visible:] ** 2)) + mean.value, mean.standard_error)
    return first if rank <= visible else _with_bulk(problem, rank, first)


def _with_bulk(problem: Setting, rank: int, first: Estimate) -> Estimate:
    """Ranks beyond the detectable directions, whose risk is `first`: the bulk's share is that of the master formula.

    Where the two differ at the start of the bulk the difference fades in proportion to the energy of the bulk, so that
    full rank is exact.
    """
    visible = problem.visible
    below = bulk(problem).below
    left = float(np.sum(below[rank - visible :]) / np.sum(below))
    value = master(problem, rank) + left * (first.value - master(problem, visible))
    return Estimate(value, left * first.standard_error)


def _draw(problem: Setting, rank: int, draws: int, rng) -> tuple[np.ndarray, np.ndarray]:
    """The part of the risk in the visible directions, a draw each; and controls of mean zero.

    For each left singular vector that is kept, `||a - b||^2 + 2 (1 - c_u) <a, b>` in the metric `C^{-1}`, a what the
    estimate says of the signal and b what the signal is, with what X does not see of it and what the estimate adds
    outside; for the others the signal. Nothing is of the size of the signal if it is kept and seen.
    """
    m, sigma = problem.visible, problem.sigma
    s = problem.s[:m]
    L, C = signal_factors(problem, m, draws, rng)
    inverse = np.linalg.inv(C)
    signal, noise = s[:, None] * L, rng.standard_normal((draws, m, m))
    left, theta, right = np.linalg.svd(signal + sigma * noise)
    true = left.swapaxes(1, 2) * s
    missed = np.sum(true[:, rank:] ** 2, axis=(1, 2))
    true, left, theta, right = true[:, :rank], left[:, :, :rank], theta[:, :rank, None], right[:, :rank]
    x = (theta / sigma) ** 2
    visible = x > np.sqrt((problem.d_y - m) * (problem.k - m))
    values = {"u": 1.0 / np.where(visible, x, np.inf), "d_y": problem.d_y - m, "k": problem.k - m}
    stretch = np.where(visible, remainder("spiked_square", **values), -1.0)
    tilt = np.where(visible, remainder("overlap_left", **values), 1.0)
    edge = formulas.gaussian_norm_bound(m=problem.d_y - m, n=problem.k - m)
    blind = sigma**2 * np.where(visible, remainder("blind_square", **values), edge)
    root = np.sqrt(1.0 + stretch)
    estimate, signals = theta * root * right, left.swapaxes(1, 2) @ signal
    error = theta * stretch / (1.0 + root) * right + sigma * left.swapaxes(1, 2) @ noise
    inside = np.sum(
        error @ inverse * error + 2.0 * tilt / (1.0 + np.sqrt(1.0 - tilt)) * (estimate @ inverse * signals), axis=2
    )
    outside = blind_length(problem, inverse) * np.sum(blind, axis=2)
    kept = np.sum(inside + outside + unseen(problem, true, signals, inverse), axis=1)
    return missed + kept, seen_energy(problem, signal @ inverse, signal, s)
