"""Formulas of chapter *Fewer data than dimensions*: isotropic Gaussian features, `Sigma_x = sigma_x^2 I`."""

import sympy

from lorabook.formulas._formula import Formula
from lorabook.formulas._written import add, minus, over, power, root, times

_n, _d_x, _q = sympy.symbols("n d_x q", positive=True)
_t, _tau = sympy.symbols(r"t_\varepsilon \tau", nonnegative=True)
_energy, _C = sympy.symbols("s^2 C", nonnegative=True)

full_risk_isotropic = Formula(
    "full_risk_isotropic",
    "eq-full-risk-isotropic",
    add(
        times(add(1, minus(over(_n, _d_x))), _energy),
        times(_t, over(_n, add(_d_x, minus(_n), minus(1)))),
    ),
)
best_sample_size = Formula(
    "best_sample_size",
    "eq-best-sample-size",
    add(_d_x, minus(1), minus(root(over(times(_t, _d_x, add(_d_x, minus(1))), _energy)))),
)
strong_noise = Formula("strong_noise", "eq-strong-noise", times(over(add(_d_x, minus(1)), _d_x), _energy))
sharp_signal_under_0 = Formula("sharp_signal_under_0", "eq-sharp-s0-under", times(over(_n, _d_x), _energy))
sharp_signal_under_1 = Formula(
    "sharp_signal_under_1",
    "eq-sharp-s1-under",
    power(
        add(
            times(root(over(_n, _d_x)), _tau),
            _C,
            times(root(over(_q, add(_n, minus(_q), minus(1)))), _tau),
            root(over(times(_t, _q), add(_d_x, minus(_q), minus(1)))),
        ),
        2,
    ),
)
