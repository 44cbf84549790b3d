"""Formulas of chapter *Gaussian matrices*: moments of inverse Wishart matrices, and the Marchenko–Pastur law."""

import sympy

from lorabook.formulas._formula import Formula
from lorabook.formulas._written import add, minus, over, power, root, times

__all__ = [
    "gaussian_norm_bound",
    "inverse_square_trace",
    "inverse_trace",
    "inverse_trace_square",
    "marchenko_pastur_atom",
    "marchenko_pastur_cosine",
    "marchenko_pastur_density",
    "marchenko_pastur_integral",
    "marchenko_pastur_lower_edge",
    "marchenko_pastur_upper_edge",
    "smallest_eigenvalue_constant",
]

_k, _N, _M, _m, _n, _p = sympy.symbols("k N M m n p", positive=True)
_x, _c = sympy.symbols("x c", positive=True)
_low, _high = sympy.symbols("x_- x_+", positive=True)
_t, _alpha = sympy.symbols("t alpha", real=True)

gaussian_norm_bound = Formula("gaussian_norm_bound", "eq-gaussian-norm", power(add(root(_m), root(_n)), 2))
inverse_trace = Formula("inverse_trace", "eq-inverse-trace", over(_k, add(_N, minus(_k), minus(1))))
inverse_trace_square = Formula(
    "inverse_trace_square",
    "eq-inverse-trace-square",
    over(
        times(_k, add(times(_k, add(_M, minus(2))), 2)),
        times(_M, add(_M, minus(1)), add(_M, minus(3))),
    ),
    {_M: add(_N, minus(_k))},
)
inverse_square_trace = Formula(
    "inverse_square_trace",
    "eq-inverse-square-trace",
    over(times(_k, add(_N, minus(1))), times(_M, add(_M, minus(1)), add(_M, minus(3)))),
    {_M: add(_N, minus(_k))},
)
smallest_eigenvalue_constant = Formula(
    "smallest_eigenvalue_constant",
    "eq-smallest-eigenvalue-constant",
    over(
        times(power(2, add(_p, minus(1))), sympy.gamma(over(add(_N, 1), 2))),
        times(sympy.gamma(over(_k, 2)), sympy.gamma(add(_N, minus(_k), 1))),
    ),
    {_p: over(add(_N, minus(_k), 1), 2)},
)
marchenko_pastur_lower_edge = Formula(
    "marchenko_pastur_lower_edge", "eq-marchenko-pastur-edges", power(add(1, minus(root(_c))), 2)
)
marchenko_pastur_upper_edge = Formula(
    "marchenko_pastur_upper_edge", "eq-marchenko-pastur-edges", power(add(1, root(_c)), 2)
)
marchenko_pastur_density = Formula(
    "marchenko_pastur_density",
    "eq-marchenko-pastur-density",
    over(
        root(times(add(_high, minus(_x)), add(_x, minus(_low)))),
        times(2, sympy.pi, _c, _x),
    ),
    {_low: marchenko_pastur_lower_edge.expression, _high: marchenko_pastur_upper_edge.expression},
)
marchenko_pastur_atom = Formula(
    "marchenko_pastur_atom", "eq-marchenko-pastur-atom", sympy.Max(0, add(1, minus(over(1, _c))))
)
marchenko_pastur_cosine = Formula(
    "marchenko_pastur_cosine",
    "eq-marchenko-pastur-cosine",
    over(add(1, _c, minus(_x)), times(2, root(_c))),
)
marchenko_pastur_integral = Formula(
    "marchenko_pastur_integral",
    "eq-marchenko-pastur-integral",
    over(
        add(
            times(add(1, _c), _t),
            times(2, root(_c), sympy.sin(_t)),
            minus(times(2, sympy.Abs(add(1, minus(_c))), _alpha)),
        ),
        times(2, sympy.pi, _c),
    ),
    {
        _alpha: sympy.arg(
            sympy.Abs(1 - sympy.sqrt(_c)) * sympy.cos(_t / 2) + sympy.I * (1 + sympy.sqrt(_c)) * sympy.sin(_t / 2)
        )
    },
)
