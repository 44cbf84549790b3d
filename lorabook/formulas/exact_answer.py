r"""Formulas of chapters *The exact answer* and *Better than truncation*.

`k = min(n, d_x)` and `N = max(n, d_x)`, `kappa = N / (N - k - 1)` is the inflation, `x = n s^2 / sigma^2` the
strength of a direction of the shift with singular value s. `r_{\mathrm{vis}}` counts the visible directions. Symbols
with an index under a sum take arrays of numbers, summed over the first axis.
"""

import numpy as np
import sympy
from sympy.core.symbol import Str
from sympy.utilities.lambdify import implemented_function

from lorabook.formulas._formula import Formula
from lorabook.formulas._written import Written, add, minus, over, power, root, times
from lorabook.formulas.gaussian_matrices import marchenko_pastur_integral

_total = implemented_function("total", lambda terms: np.sum(terms, axis=0))


class _Sum(Written):
    """Sum over the first axis of an array of numbers; the second argument says over what, for the page."""

    def doit(self, **hints):
        return _total(self.args[0].doit(**hints))

    def _latex(self, printer, **_):
        return rf"\sum_{{{self.args[1].name}}} {printer._print(self.args[0])}"


def _printed(function, words: str) -> type:
    """A sympy function of one argument that prints as `words`, with `{}` for the argument."""

    def latex(self, printer, **_):
        return words.format(printer._print(self.args[0]))

    return type(f"_Printed_{function}", (Written,), {"plain": staticmethod(function), "_latex": latex})


_Size = _printed(sympy.Abs, "|{}|")
_Argument = _printed(sympy.arg, r"\arg({})")
_Cosine = _printed(sympy.cos, r"\cos {}")


class _ArcIntegral(Written):
    r"""`(2 / pi) int_0^phi sin^2 t dt / (1 - 2 rho cos t + rho^2)`, in closed form the Marchenko–Pastur integral."""

    @staticmethod
    def plain(rho, phi):
        t, c = sympy.Symbol("t", real=True), sympy.Symbol("c", positive=True)
        return marchenko_pastur_integral.plain.subs({t: phi, c: rho**2}, simultaneous=True)

    def _latex(self, printer, **_):
        rho, phi = (printer._print(arg) for arg in self.args)
        return rf"\frac{{2}}{{\pi}} \int_0^{{{phi}}} \frac{{\sin^2 t \, dt}}{{1 - 2 {rho} \cos t + {rho}^2}}"


def _sum(term, over_what: str):
    return _Sum(term, Str(over_what))


_x, _d_x, _d_y, _k, _n, _N, _r = sympy.symbols("x d_x d_y k n N r", positive=True)
_kappa, _sigma = sympy.symbols(r"\kappa \sigma", positive=True)
_visible = sympy.Symbol(r"r_{\mathrm{vis}}", nonnegative=True)
_edge_square = times(_d_y, _k)
_seen = add(power(_x, 2), minus(_edge_square))

# The setting
_s_i, _s_j = sympy.symbols("s_i s_j", positive=True)
strength = Formula("strength", "eq-strength", over(times(_n, power(_s_i, 2)), power(_sigma, 2)))
inflation = Formula("inflation", "eq-inflation", over(_N, add(_N, minus(_k), minus(1))))
_energy = sympy.Symbol(r"\|\Delta_*\|_{F}^2", nonnegative=True)
full_inflation = Formula(
    "full_inflation",
    "eq-full-inflation",
    add(
        times(add(1, minus(over(_n, _N))), _energy),
        times(power(_sigma, 2), _kappa, over(times(_d_y, _k), _N)),
    ),
)

# The identity
_aCa = sympy.Symbol(r"a_i^\top C^{-1} a_i", positive=True)
_trace = sympy.Symbol(r"\operatorname{tr} C^{-1}", positive=True)
_b_square = sympy.Symbol(r"\|b_{i}\|^2", nonnegative=True)
mean_square_length = Formula(
    "mean_square_length",
    "eq-finite-identity",
    add(
        _aCa,
        times(add(1, _trace), over(_b_square, add(_Size(add(_n, minus(_d_x))), minus(1)))),
    ),
)

# Spiked matrices
spiked_square = Formula("spiked_square", "eq-spiked-square", over(times(add(_x, _d_y), add(_x, _k)), _x))
overlap_left = Formula("overlap_left", "eq-overlap-left", over(_seen, times(_x, add(_x, _d_y))))
overlap_right = Formula("overlap_right", "eq-overlap-right", over(_seen, times(_x, add(_x, _k))))

# The limit
_theta, _s, _c_u, _c_v = sympy.symbols(r"\hat\theta s c_u c_v", positive=True)
_blind = add(1, minus(power(_c_v, 2)))
_price = add(power(_c_v, 2), times(_kappa, _blind))
bill = Formula(
    "bill",
    "eq-bill",
    add(
        times(power(_theta, 2), over(_price, _N)),
        minus(times(2, _theta, _s, _c_u, _c_v, over(root(_n), _N))),
    ),
)
component_cost = Formula(
    "component_cost",
    "eq-component-cost",
    times(
        over(power(_sigma, 2), _N),
        over(
            add(times(_kappa, _k, power(add(_x, _d_y), 2)), minus(times(_seen, add(_x, minus(_d_y))))),
            power(_x, 2),
        ),
    ),
)
bulk_cost = Formula(
    "bulk_cost",
    "eq-bulk-cost",
    times(power(_sigma, 2), _kappa, over(power(add(root(_d_y), root(_k)), 2), _N)),
)
_tail = sympy.Symbol(r"\sum_{i > r} s_i^2", nonnegative=True)
_head = sympy.Symbol(r"\sum_{i \le r} s_i^2", nonnegative=True)
strong_spikes = Formula(
    "strong_spikes",
    "eq-strong-spikes",
    add(
        _tail,
        times(add(1, minus(over(_n, _N))), _head),
        times(_r, power(_sigma, 2), over(add(_d_y, times(_kappa, _k)), _N)),
    ),
)

# Finite size
_g, _T_r = sympy.symbols("g T_r", nonnegative=True)
noise_free = Formula(
    "noise_free",
    "eq-noise-free",
    add(_tail, times(add(1, minus(_g)), _head), times(_g, add(times(2, _g), minus(1)), _T_r)),
)
_squares = (power(_s_i, 2), power(_s_j, 2))
mixing = Formula(
    "mixing",
    "eq-mixing",
    times(over(1, _n), _sum(over(times(*_squares), add(_squares[0], minus(_squares[1]))), r"i \le r < j")),
)

# Every rank
_alpha, _beta, _rho, _F, _m = sympy.symbols(r"\alpha \beta \rho F m", positive=True)
_phi = sympy.Symbol(r"\phi", positive=True)
_rho_j, _x_j, _lambda_i = sympy.symbols(r"\rho_j x_j \lambda_i", positive=True)
_Omega_j, _Omega_v = sympy.symbols(r"\Omega_j \Omega_v", nonnegative=True)
_x_i, _i = sympy.symbols("x_i i", positive=True)
bulk_square = Formula("bulk_square", "eq-bulk-square", add(_d_y, _k, times(2, root(times(_d_y, _k)), _Cosine(_phi))))
bulk_count = Formula(
    "bulk_count",
    "eq-bulk-count",
    add(
        times(_m, _F),
        over(1, 4),
        minus(over(_phi, times(2, sympy.pi))),
        times(
            over(1, sympy.pi),
            _sum(_Argument(add(1, minus(times(_rho_j, power(sympy.E, minus(times(sympy.I, _phi))))))), "j"),
        ),
    ),
)
visible_square = Formula(
    "visible_square",
    "eq-visible-square",
    over(times(add(_x_i, _d_y), add(_x_i, _k)), add(_x_i, times(2, _i), minus(1))),
)
bulk_capture = Formula("bulk_capture", "eq-bulk-capture", _ArcIntegral(_rho, _phi))
master = Formula(
    "master",
    "eq-master",
    add(
        _sum(over(_x_j, _n), "j"),
        times(_beta, _sum(_lambda_i, r"i \le r")),
        minus(times(add(_beta, over(1, _N)), _sum(times(_x_j, _Omega_j), "j"))),
        minus(times(_d_y, add(_beta, minus(_alpha)), _sum(_Omega_v, r"v \le r_{\mathrm{vis}}"))),
    ),
)
alpha = Formula("alpha", "eq-master-weights", over(1, add(_N, minus(_visible), minus(1))))
beta = Formula(
    "beta",
    "eq-master-weights",
    over(add(_N, minus(1)), times(add(_N, minus(_k), minus(1)), add(_N, minus(_visible), minus(1)))),
)

# When a direction pays
usefulness_cubic = Formula(
    "usefulness_cubic",
    "eq-usefulness-cubic",
    add(
        power(_x, 3),
        minus(times(add(_d_y, times(_kappa, _k)), power(_x, 2))),
        minus(times(add(1, times(2, _kappa)), _d_y, _k, _x)),
        minus(times(add(_kappa, minus(1)), power(_d_y, 2), _k)),
    ),
)
usefulness_root = Formula(
    "usefulness_root",
    "eq-usefulness-root",
    times(over(_k, 2), add(2, _kappa, root(add(power(_kappa, 2), times(8, _kappa))))),
)
_x_star = sympy.Symbol("x_*", positive=True)
threshold = Formula("threshold", "eq-threshold", times(_sigma, root(over(_x_star, _n))))
crossover_square = Formula(
    "crossover_square",
    "eq-crossover",
    over(
        times(_n, _tail),
        add(times(_kappa, _d_y, _k), minus(times(_r, add(_d_y, times(_kappa, _k))))),
    ),
)

# Shrinkage
_eta, _theta_true = sympy.symbols(r"\eta \theta", positive=True)
shrinkage_bill = Formula(
    "shrinkage_bill",
    "eq-shrinkage-bill",
    times(
        over(1, _N),
        add(times(power(_eta, 2), _price), minus(times(2, _eta, _theta_true, _c_u, _c_v))),
    ),
)
_weight = add(_seen, times(_kappa, _k, add(_x, _d_y)))
shrinkage_factor = Formula(
    "shrinkage_factor", "eq-shrinkage-factor", over(times(_x, _seen), times(add(_x, _d_y), _weight))
)
shrinkage_gain = Formula(
    "shrinkage_gain",
    "eq-shrinkage-gain",
    times(over(power(_sigma, 2), _N), over(power(_seen, 2), times(add(_x, _d_y), _weight))),
)
_unexplained = sympy.Symbol(r"\|R (I - P_{\mathrm{row}})\|_F^2", nonnegative=True)
noise_estimate = Formula("noise_estimate", "eq-noise-estimate", over(_unexplained, times(_d_y, add(_n, minus(_d_x)))))
_y = sympy.Symbol("y", positive=True)
_excess = add(_y, minus(_d_y), minus(_k))
estimated_strength = Formula(
    "estimated_strength",
    "eq-estimated-strength",
    over(add(_excess, root(add(power(_excess, 2), minus(times(4, _d_y, _k))))), 2),
)
_length = sympy.Symbol(r"\|\hat\theta_i z_{i}\|^2", positive=True)
shrinkage_observed = Formula(
    "shrinkage_observed",
    "eq-shrinkage-observed",
    over(times(power(_sigma, 2), _seen), times(_N, _x, _length)),
)

# Ridge-LoRA
_t, _gamma = sympy.symbols(r"t \gamma", positive=True)
ridge_penalty = Formula("ridge_penalty", "eq-ridge-penalty", over(times(_d_x, add(_x, _d_y)), _seen))
_c_u_i = sympy.Symbol(r"c_{u}^2(x_i)", nonnegative=True)
_a_i = sympy.Symbol(r"a(t_{i})", nonnegative=True)
ridge_risk = Formula(
    "ridge_risk", "eq-ridge-risk", _sum(times(power(_s_i, 2), add(1, minus(times(_c_u_i, _a_i)))), "i")
)
effective_dimension = Formula(
    "effective_dimension",
    "eq-effective-dimension",
    over(
        2,
        add(1, _gamma, _t, root(add(power(add(1, _t, minus(_gamma)), 2), times(4, _gamma, _t)))),
    ),
)
