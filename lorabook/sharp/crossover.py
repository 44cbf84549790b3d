"""How strong noise must be for LoRA to beat full fine-tuning."""

from dataclasses import replace

import numpy as np
from scipy.optimize import brentq

from lorabook import _validate, formulas
from lorabook._arrays import Float, Integer
from lorabook.sharp._setting import INF, Setting, setting
from lorabook.sharp.core import core
from lorabook.sharp.limit import full

__all__ = ["crossover_noise", "crossover_noise_limit"]

_DRAWS, _STEP, _DEEP = 2000, 0.2, 1e3


def crossover_noise_limit(
    rank: Integer, singular_values: Float[np.ndarray, " m"], d_x: Integer, d_y: Integer, n: Integer
) -> float:
    """Noise above which LoRA of this rank beats full fine-tuning, for strong directions.

    `sqrt(n sum_{i>r} s_i^2 / (kappa d_y k - r (d_y + kappa k)))`, a standard deviation; inf where the denominator is
    not positive (LoRA has no fewer parameters to pay for), and 0 where the sum is empty and the denominator positive.

    Arguments as in `lora_risk`, rank below min(n, d_x, d_y).
    Raises ValueError as `lora_risk` does, for a higher rank, and for `|n - d_x| <= 1`, where both risks are infinite.
    Source: chapter *The exact answer*.

    >>> s = np.array([58.6, 51.5, 49.6, 38.3])
    >>> round(crossover_noise_limit(2, s, 100, 100, 400), 2)
    11.03
    """
    r, problem = _compared(rank, singular_values, d_x, d_y, n)
    values = {"kappa": problem.kappa, "d_y": problem.d_y, "k": problem.k, "n": problem.n, "r": r}

    def square(tail):
        return formulas.crossover_square(**values, **{r"\sum_{i > r} s_i^2": tail})

    with np.errstate(divide="ignore"):
        if not 0.0 < square(np.float64(1.0)) < INF:
            return INF
    return float(np.sqrt(square(np.sum(problem.s[r:] ** 2))))


def crossover_noise(
    rank: Integer, singular_values: Float[np.ndarray, " m"], d_x: Integer, d_y: Integer, n: Integer
) -> float:
    """Noise above which LoRA of this rank beats full fine-tuning, by the core formula: a standard deviation.

    The largest root of the difference of `lora_risk` and `full_risk`, the latter exact; 0 if LoRA wins however weak the
    noise. Below the root there may be others where directions become detectable.

    Arguments and errors as in `crossover_noise_limit`.
    Source: chapter *The exact answer*.

    >>> s = np.array([58.6, 51.5, 49.6, 38.3])
    >>> 11.0 < crossover_noise(2, s, 100, 100, 400) < 11.3
    True
    """
    r, problem = _compared(rank, singular_values, d_x, d_y, n)
    if len(problem.s) == 0:
        return 0.0

    def gap(log_sigma):
        at = replace(problem, sigma=float(np.exp(log_sigma)))
        return core(at, r, _DRAWS, 0).value - full(at)

    unit = np.log(np.sqrt(problem.n / problem.detectable))  # log sigma at which s = 1 is at the threshold
    high, lowest = unit + np.log(2 * problem.s[0]), unit + np.log(problem.s[-1] / _DEEP)
    while gap(high) >= 0.0:
        high += _STEP
    low = high - _STEP
    while gap(low) < 0.0:
        if low < lowest:
            return 0.0
        low -= _STEP
    return float(np.exp(brentq(gap, low, min(high, low + _STEP), xtol=1e-10)))


def _compared(rank, singular_values, d_x, d_y, n) -> tuple[int, Setting]:
    problem = setting(singular_values, d_x, d_y, n, 1.0)
    r = _validate.integer("rank", rank, 0, problem.max_rank - 1, "from min(n, d_x, d_y) on LoRA is full fine-tuning")
    if problem.kappa == INF:
        raise ValueError(
            f"n is {problem.n}; it must differ from d_x = {problem.d_x} by 2 or more: both risks are infinite"
        )
    return r, problem
