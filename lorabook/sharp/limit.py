"""The limit of large sizes: what a direction costs, and the risk of every rank in closed form."""

import numpy as np

from lorabook import _validate, formulas
from lorabook._arrays import Float, Integer, Real
from lorabook.sharp._accuracy import check
from lorabook.sharp._setting import INF, Setting, checked_rank, positive, rank_of_shift, setting, sizes
from lorabook.sharp.bulk import bulk

__all__ = ["component_cost", "full_risk", "lora_risk_limit", "mixing_term", "noise_free_risk", "strong_spike_risk"]

_FOUND = ("up to 30 % too high", "from 5 % too low to 20 % too high")


def component_cost(x: Real, d_x: Integer, d_y: Integer, n: Integer, noise_std: Real) -> float:
    """What keeping a direction of strength `x = n s^2 / sigma^2` adds to the risk in the limit; negative if it pays.

    `delta(x) = (sigma^2 / N) [kappa k (x + d_y)^2 - (x^2 - d_y k)(x - d_y)] / x^2` above the threshold
    `x = sqrt(d_y k)`; below, the price of noise `sigma^2 kappa (sqrt d_y + sqrt k)^2 / N`, which is also its value at
    the threshold. Infinite for `|n - d_x| <= 1`. Squared units of y.

    Raises ValueError if x or noise_std is negative or a size is below 1.
    Source: chapter *The exact answer*.

    >>> round(component_cost(0.0, 100, 100, 201, noise_std=1.0), 6)  # 400 / (201 - 100 - 1)
    4.0
    >>> component_cost(1000.0, 100, 100, 201, noise_std=1.0) < 0
    True
    """
    x = _validate.number("x", x, meaning="a strength")
    checked = sizes(d_x, d_y, n)
    sigma = _validate.noise_std(noise_std)
    if checked.kappa == INF:
        return INF
    values = {"sigma": sigma, **checked.constants}
    return float(formulas.component_cost(x=x, **values) if x > checked.detectable else formulas.bulk_cost(**values))


def full_risk(
    singular_values: Float[np.ndarray, " m"], d_x: Integer, d_y: Integer, n: Integer, noise_std: Real
) -> float:
    """Mean risk of full fine-tuning, exact: `(1 - n/N) ||Delta_*||_F^2 + sigma^2 kappa d_y k / N`.

    Infinite for `|n - d_x| <= 1`. Arguments and errors as in `lora_risk`.
    Source: Propositions 3 and 5 of the paper, (11), (16); chapter *The exact answer*.

    >>> full_risk(np.array([2.0]), 10, 5, 31, noise_std=2.0)
    10.0
    """
    return full(setting(singular_values, d_x, d_y, n, noise_std))


def full(problem: Setting) -> float:
    if problem.kappa == INF:
        return INF
    values = {"n": problem.n, "sigma": problem.sigma, **problem.constants}
    return float(formulas.full_inflation(**values, **{"|Delta_*|_{F}^2": problem.energy}))


def lora_risk_limit(
    rank: Integer, singular_values: Float[np.ndarray, " m"], d_x: Integer, d_y: Integer, n: Integer, noise_std: Real
) -> float:
    """Mean risk of LoRA in closed form, every rank from 0 to full: the master formula.

    Exact at rank 0 and from rank min(n, d_x, d_y) on; in between a heuristic that tends to the sharp limit
    `||Delta_*||_F^2 + sum of component_cost` as sizes grow. `lora_risk` is closer at finite size when the rank is
    below that of the shift. Infinite for `|n - d_x| <= 1` and rank at least 1. Arguments, errors as in `lora_risk`.

    Issues AccuracyWarning near the detectability threshold, with many detectable directions, and for `|n - d_x| <= 3`.
    Source: chapter *The exact answer*.

    >>> s = np.sqrt(np.array([6.0, 3.0, 0.5]) / 2)
    >>> [round(lora_risk_limit(r, s, 200, 200, 400, noise_std=1.0), 2) for r in (1, 2, 8, 200)]
    [3.69, 4.57, 25.91, 201.01]
    """
    r = checked_rank(rank)
    problem = setting(singular_values, d_x, d_y, n, noise_std)
    if r == 0:
        return problem.energy
    if problem.kappa == INF or r >= problem.max_rank:
        return full(problem)
    problem.need_few_visible()
    check(problem, r, *_FOUND, minds_all=True)
    return master(problem, r)


def master(problem: Setting, rank: int) -> float:
    """The master formula, unchecked.

    It does not change, but for `c / n - c / N`, when the same c is taken off `x_j`, `x_j Omega_j` and `lambda_j` of a
    direction. For those that are visible and kept `c = x_j - 1`, so that strong ones leave no large terms to cancel.
    """
    weights = {"N": float(problem.N), r"r_{\mathrm{vis}}": problem.visible}
    spectrum = bulk(problem)
    kept = min(rank, problem.visible)
    strengths, captured = problem.strengths.copy(), spectrum.captured[:, rank].copy()
    visible = captured[: problem.visible].copy()
    strengths[:kept], captured[:kept] = 1.0, 1.0 - spectrum.uncaptured[:kept, rank]
    in_noise = formulas.master(
        n=problem.n,
        N=problem.N,
        d_y=problem.d_y,
        alpha=formulas.alpha(**weights),
        beta=formulas.beta(k=problem.k, **weights),
        x_j=strengths,
        lambda_i=np.r_[spectrum.excess[:kept] + 1.0, spectrum.below[: rank - kept]],
        Omega_j=captured,
        Omega_v=visible,
    )
    square = problem.sigma**2
    unseen = (1.0 - problem.n / problem.N) * float(np.sum(problem.s[:kept] ** 2 - square / problem.n))
    return float(square * in_noise) + unseen


def strong_spike_risk(
    rank: Integer, singular_values: Float[np.ndarray, " m"], d_x: Integer, d_y: Integer, n: Integer, noise_std: Real
) -> float:
    """Limit of the risk when the first r directions are strong.

    `sum_{i>r} s_i^2 + (1 - n/N) sum_{i<=r} s_i^2 + r sigma^2 (d_y + kappa k) / N`: each direction that is kept costs
    its parameters. Infinite for `|n - d_x| <= 1` and rank at least 1.

    Arguments and errors as in `lora_risk`; ValueError too if the rank exceeds that of the shift.
    Source: chapter *The exact answer*.

    >>> round(strong_spike_risk(1, np.array([30.0, 2.0]), 100, 100, 201, noise_std=1.0), 4)
    5.4975
    """
    problem = setting(singular_values, d_x, d_y, n, noise_std)
    r = rank_of_shift(rank, problem.s)
    if r == 0:
        return problem.energy
    if problem.kappa == INF:
        return INF
    values = {"n": problem.n, "sigma": problem.sigma, **problem.constants}
    return float(formulas.strong_spikes(r=r, **values, **_parts(problem.s, r)))


def mixing_term(rank: Integer, singular_values: Float[np.ndarray, " m"], n: Integer) -> float:
    """`T_r = (1/n) sum_{i<=r<j} s_i^2 s_j^2 / (s_i^2 - s_j^2)`: how much random features mix what a rank r keeps.

    Leading order of an effect of the features alone, without noise; a heuristic for well separated `s_r > s_{r+1}`.

    Raises ValueError if the rank is negative, n below 1, or `s_r = s_{r+1} > 0`.
    Source: chapter *The exact answer*.

    >>> mixing_term(1, np.array([2.0, 1.0]), n=10)  # 4 / 3 / 10
    0.13333333333333333
    """
    r = checked_rank(rank)
    n = _validate.integer("n", n, 1)
    s = positive(singular_values)
    kept, left = s[:r], s[r:]
    if len(kept) and len(left) and kept[-1] == left[0]:
        raise ValueError(f"singular_values has s_{r} = s_{r + 1} = {left[0]:g}; the mixing term needs s_r > s_(r+1)")
    pairs = {"s_i": np.repeat(kept, len(left)), "s_j": np.tile(left, len(kept))}
    return float(formulas.mixing(n=n, **pairs))


def noise_free_risk(rank: Integer, singular_values: Float[np.ndarray, " m"], d_x: Integer, n: Integer) -> float:
    """Risk without noise of a rank r up to that of the shift, to first order in 1/n, for well separated values.

    `sum_{i>r} s_i^2 + (1 - g) sum_{i<=r} s_i^2 + g (2 g - 1) T_r` with g = min(1, n / d_x) and `mixing_term` T_r.

    Raises ValueError as `mixing_term` does, and if the rank exceeds that of the shift.
    Source: chapter *The exact answer*.

    >>> noise_free_risk(1, np.array([2.0, 1.0]), d_x=5, n=10)
    1.1333333333333333
    """
    s = positive(singular_values)
    r = rank_of_shift(rank, s)
    checked = sizes(d_x, 1, n)
    mixing = mixing_term(r, s, checked.n)
    return float(formulas.noise_free(g=checked.n / checked.N, T_r=mixing, **_parts(s, r)))


def _parts(s: np.ndarray, rank: int) -> dict:
    """Energies beyond and up to the rank, as the formulas name them."""
    return {r"\sum_{i > r} s_i^2": np.sum(s[rank:] ** 2), r"\sum_{i \le r} s_i^2": np.sum(s[:rank] ** 2)}
