"""When a direction shows, when it pays, and the best rank."""

import numpy as np
from scipy.optimize import brentq

from lorabook import _validate, formulas
from lorabook._arrays import Float, Integer, Real
from lorabook.sharp._setting import INF, Sizes, setting, sizes

__all__ = [
    "best_rank",
    "detection_threshold",
    "inflation",
    "usefulness_root",
    "usefulness_threshold",
    "zones",
]


def inflation(d_x: Integer, n: Integer) -> float:
    """`kappa = N / (|n - d_x| - 1)`, N = max(n, d_x): the factor by which inverting the data enlarges noise.

    Infinite for `|n - d_x| <= 1`.

    Raises ValueError if d_x or n is not an integer of at least 1.
    Source: chapter *The exact answer*.

    >>> inflation(100, 201), inflation(201, 100), inflation(100, 101)
    (2.01, 2.01, inf)
    """
    return sizes(d_x, 1, n).kappa


def detection_threshold(d_x: Integer, d_y: Integer, n: Integer, noise_std: Real) -> float:
    """Singular value of the shift above which a direction shows in the data: `x = sqrt(d_y k)`.

    Raises ValueError if a size is below 1 or noise_std below 0.
    Source: chapter *The exact answer*.

    >>> detection_threshold(100, 100, 400, noise_std=2.0)
    1.0
    """
    checked = sizes(d_x, d_y, n)
    return _as_singular_value(checked.detectable, checked, noise_std)


def usefulness_root(d_y: Integer, k: Integer, kappa: Real) -> float:
    """Strength `x_*` above which keeping a direction lowers the risk; infinite for an infinite kappa.

    The one positive root of `x^3 - (d_y + kappa k) x^2 - (1 + 2 kappa) d_y k x - (kappa - 1) d_y^2 k`. For d_y = k it
    is `k (2 + kappa + sqrt(kappa^2 + 8 kappa)) / 2`; at kappa = 1 that is the hard threshold of Gavish and Donoho.

    Arguments: d_y, outputs; k = min(n, d_x); kappa, the inflation, at least 1, possibly inf.
    Raises ValueError otherwise.
    Source: chapter *The exact answer*.

    >>> usefulness_root(100, 100, kappa=1.0)
    300.0
    """
    d_y, k = _validate.integer("d_y", d_y, 1), _validate.integer("k", k, 1)
    if kappa == INF:
        return INF
    kappa = _validate.number("kappa", kappa, 1.0, meaning="the inflation")
    # At this bound x^3 already exceeds each of the other terms' shares.
    bound = d_y + kappa * k + np.sqrt((1 + 2 * kappa) * d_y * k) + np.cbrt((kappa - 1) * d_y**2 * k)
    values = {"d_y": float(d_y), "k": float(k), "kappa": kappa}
    return float(
        brentq(lambda x: formulas.usefulness_cubic(x=x, **values), np.sqrt(d_y * k), bound, xtol=1e-12, rtol=1e-15)
    )


def usefulness_threshold(d_x: Integer, d_y: Integer, n: Integer, noise_std: Real) -> float:
    """Singular value of the shift above which a direction is worth keeping: `sigma sqrt(x_* / n)`.

    Infinite for `|n - d_x| <= 1`: there the best LoRA is no fine-tuning.

    Raises ValueError if a size is below 1 or noise_std below 0.
    Source: chapter *The exact answer*.

    >>> round(usefulness_threshold(200, 200, 100, noise_std=1.0), 2)
    2.42
    """
    checked = sizes(d_x, d_y, n)
    return _as_singular_value(usefulness_root(checked.d_y, checked.k, checked.kappa), checked, noise_std)


def zones(
    singular_values: Float[np.ndarray, " m"], d_x: Integer, d_y: Integer, n: Integer, noise_std: Real
) -> list[str]:
    """What each direction of the shift is: "invisible", "harmful" (visible, but keeping it raises the risk), "useful".

    In the order given. Arguments and errors as in `lora_risk`.
    Source: chapter *The exact answer*.

    >>> zones(np.array([6.0, 3.5, 2.7, 1.2]), 200, 200, 180, noise_std=1.0)
    ['useful', 'harmful', 'harmful', 'harmful']
    """
    problem = setting(singular_values, d_x, d_y, n, noise_std)
    bar = usefulness_root(problem.d_y, problem.k, problem.kappa)
    with np.errstate(divide="ignore", over="ignore", invalid="ignore"):  # infinite ones are useful, 0 / 0 is no signal
        strengths = formulas.strength(n=problem.n, s_i=np.asarray(singular_values, dtype=float), sigma=problem.sigma)
    names = np.where(strengths > bar, "useful", np.where(strengths > problem.detectable, "harmful", "invisible"))
    return names.tolist()


def best_rank(singular_values: Float[np.ndarray, " m"], d_x: Integer, d_y: Integer, n: Integer, noise_std: Real) -> int:
    """Rank of least risk: the number of directions with strength above `usefulness_root`.

    Not monotone in n: it falls to 0 towards n = d_x and rises again. Arguments and errors as in `lora_risk`.
    Source: chapter *The exact answer*.

    >>> [best_rank(np.array([6.0, 3.5, 2.7, 1.2]), 200, 200, n, noise_std=1.0) for n in (100, 195, 800)]
    [3, 0, 4]
    """
    return zones(singular_values, d_x, d_y, n, noise_std).count("useful")


def _as_singular_value(strength: float, checked: Sizes, noise_std) -> float:
    sigma = _validate.noise_std(noise_std)
    return float(formulas.threshold(sigma=sigma, n=checked.n, **{"x_*": strength}))
