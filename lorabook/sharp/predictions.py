"""Limits of the risks of shrunk LoRA and of ridge-LoRA."""

import numpy as np

from lorabook._arrays import Float, Integer, Real
from lorabook.sharp._setting import INF, setting
from lorabook.sharp._strong import remainder, unlearned

__all__ = ["ridge_risk", "shrunk_risk"]


def shrunk_risk(
    singular_values: Float[np.ndarray, " m"], d_x: Integer, d_y: Integer, n: Integer, noise_std: Real
) -> float:
    """Limit of the risk of `shrunk_lora`: `||Delta_*||_F^2` less a gain for each detectable direction.

    `(sigma^2 / N) (x^2 - d_y k)^2 / ((x + d_y) (x^2 - d_y k + kappa k (x + d_y)))` is the gain at strength x. At most
    the limit of LoRA's risk at every rank; at `|n - d_x| <= 1` that of the pre-trained model.

    Simulations at sizes of 100 lay 2 to 3 % above, at 200 less than 1 %. Arguments and errors as in `lora_risk`.
    Source: chapter *Better than truncation*.

    >>> s = np.sqrt(np.array([12.0, 5.0, 2.5]) / 2)
    >>> round(shrunk_risk(s, 200, 200, 400, noise_std=1.0), 3)
    3.448
    """
    problem = setting(singular_values, d_x, d_y, n, noise_std)
    problem.need_few_visible()
    if problem.kappa == INF:
        return problem.energy
    squares, seen = problem.s**2, problem.n / problem.N
    values = {"d_y": problem.d_y, "k": problem.k, "kappa": problem.kappa}
    lost = np.ones(len(squares))
    lost[: problem.visible] = remainder("shrinkage_gain", u=1.0 / problem.strengths[: problem.visible], **values)
    return float(np.sum(squares * (1.0 - seen + seen * lost)))


def ridge_risk(
    singular_values: Float[np.ndarray, " m"], d_x: Integer, d_y: Integer, n: Integer, noise_std: Real
) -> float:
    """Limit of the risk of `ridge_lora`, `sum_i s_i^2 [1 - c_u^2(x_i) a(t_i)]`; isotropic features.

    `c_u^2` is the left overlap of `spiked_triplet`, a the effective dimension of a ridge regression with penalty
    `t = d_x (x + d_y) / (x^2 - d_y k)`, per input. Finite and continuous through n = d_x: no double descent.

    Simulations at sizes of 100 lay 2 to 3 % above, at 200 about 1 %. Arguments and errors as in `lora_risk`.
    Source: chapter *Better than truncation*.

    >>> risks = [ridge_risk(np.array([6.0, 3.5]), 200, 200, n, noise_std=1.0) for n in (199, 200, 201)]
    >>> [round(risk, 3) for risk in risks]
    [10.442, 10.328, 10.216]
    """
    problem = setting(singular_values, d_x, d_y, n, noise_std)
    problem.need_few_visible()
    x = problem.strengths
    visible = x > problem.detectable
    values = {"u": 1.0 / x[visible], "d_y": problem.d_y, "k": problem.k}
    tilt = remainder("overlap_left", **values)
    left_over = unlearned(remainder("ridge_penalty", d_x=problem.d_x, **values), problem.d_x / problem.n)
    lost = np.ones(len(x))  # 1 - c_u^2 a
    lost[visible] = tilt + (1.0 - tilt) * left_over
    return float(np.sum(problem.s**2 * lost))
