"""Formulas of chapter *More data than dimensions*; those in k and N also serve *Fewer data than dimensions*.

`k = min(n, d_x)` and `N = max(n, d_x)`, `t_varepsilon` is the trace and `lambda_varepsilon` the largest eigenvalue of
the noise covariance, `s_i` are the singular values of `Delta_* Sigma_x^{1/2}` and `tau^2` is their tail.
"""

import sympy

from lorabook.formulas._formula import Formula
from lorabook.formulas._written import add, minus, over, power, root, times

_n, _d_x, _d_y, _k, _N, _r, _q, _m = sympy.symbols("n d_x d_y k N r q m", positive=True)
_t, _lam = sympy.symbols(r"t_\varepsilon \lambda_\varepsilon", nonnegative=True)
_t_r, _b_r, _p_star = sympy.symbols("t_r b_r p_*", nonnegative=True)
_s_r, _s_next, _s_q, _tau = sympy.symbols(r"s_r s_{r+1} s_q \tau", nonnegative=True)
_sigma_next, _tail = sympy.symbols(r"\sigma_{r+1} T_r", nonnegative=True)
_kappa, _chi = sympy.symbols(r"\bar\kappa \bar\chi", positive=True)
_a, _f, _o, _f_2, _s = sympy.symbols("a f o f_2 s", positive=True)
_phi_q, _phi_qn, _phi_q2 = sympy.symbols(r"\phi_q \phi'_q \phi''_q", positive=True)
_phi, _chi_m, _b, _w = sympy.symbols(r"\phi \chi b \omega'", positive=True)
_h, _omega, _N_4, _C, _nu, _ell, _delta = sympy.symbols(r"h \omega N_4 C \nu \ell \delta", positive=True)
_widths = power(add(root(_k), root(_d_y)), 2)

full_risk_lower_bound = Formula("full_risk_lower_bound", "eq-full-risk-bound", over(times(_d_x, _t), _n))
full_risk_gaussian = Formula(
    "full_risk_gaussian", "eq-full-risk-gaussian", times(_t, over(_d_x, add(_n, minus(_d_x), minus(1))))
)
lora_bound = Formula(
    "lora_bound",
    "eq-lora-bound",
    add(
        times(
            2,
            _r,
            power(
                add(
                    times(_sigma_next, root(_chi)),
                    times(2, add(root(_k), root(_d_y)), root(over(times(_lam, _kappa), _n))),
                ),
                2,
            ),
        ),
        _tail,
    ),
)
lora_bound_three_terms = Formula(
    "lora_bound_three_terms",
    "eq-lora-bound-three-terms",
    add(
        times(16, _r, _lam, over(_widths, _n), _kappa),
        times(4, _r, _chi, power(_sigma_next, 2)),
        _tail,
    ),
)
_lam_x = sympy.Symbol(r"\lambda_x", positive=True)
lora_bound_paper = Formula(
    "lora_bound_paper",
    "eq-lora-bound-paper",
    add(
        times(64, _r, _lam, over(_widths, _n), _kappa),
        times(_r, add(times(16, _chi), times(8, _lam_x)), power(_sigma_next, 2)),
        times(2, _tail),
    ),
)
_constant = sympy.Symbol("c", positive=True)
lora_variance_limit = Formula(
    "lora_variance_limit",
    "eq-lora-variance-limit",
    times(_constant, _r, _lam, over(_widths, power(add(root(_N), minus(root(_k))), 2))),
)
lora_bound_exact_rank = Formula(
    "lora_bound_exact_rank", "eq-lora-bound-exact-rank", times(8, _r, _lam, over(_widths, _n), _kappa)
)

# The sharper form: the variance's three options
sharp_variance_0 = Formula("sharp_variance_0", "eq-sharp-v0", times(_t, _f))
sharp_variance_1 = Formula(
    "sharp_variance_1",
    "eq-sharp-v1",
    times(_r, _lam, add(power(add(root(times(_d_y, _o)), root(_f)), 2), _o)),
)
sharp_variance_2 = Formula("sharp_variance_2", "eq-sharp-v2", power(add(root(times(_t_r, _f)), _delta), 2))
sharp_delta_square = Formula(
    "sharp_delta_square",
    "eq-sharp-delta",
    add(
        times(
            _t,
            _f,
            sympy.Min(1, over(times(4, power(_nu, 2)), times(power(_s_r, 2), power(_ell, 2))), evaluate=False),
        ),
        times(3, _t, root(_f_2), power(sympy.E, minus(over(power(_s, 2), 4)))),
    ),
)
sharp_ell = Formula("sharp_ell", "eq-sharp-ell", add(1, minus(over(add(root(_r), _s), root(_n)))))
sharp_nu = Formula(
    "sharp_nu",
    "eq-sharp-nu",
    add(times(root(over(_lam, _n)), add(_a, _s)), _s_next, over(add(_tau, times(_s, _s_next)), root(_n))),
)

# and the signal's
sharp_signal_1 = Formula(
    "sharp_signal_1",
    "eq-sharp-s1",
    add(
        power(_tau, 2),
        power(add(_C, times(root(over(_q, add(_n, minus(_q), minus(1)))), add(_tau, root(_t)))), 2),
    ),
)
sharp_alignment_weak = Formula(
    "sharp_alignment_weak",
    "eq-sharp-c1",
    add(times(root(times(_n, _phi_q)), _h), times(root(times(_n, _phi_qn)), _omega)),
)
sharp_alignment_strong = Formula(
    "sharp_alignment_strong",
    "eq-sharp-c2",
    times(over(times(2, root(_q), _n, root(_phi_q2)), _s_q), power(_N_4, 2)),
)
sharp_omega_square = Formula("sharp_omega_square", "eq-sharp-omega", times(over(times(_q, _lam), _n), power(_a, 2)))
sharp_h_square = Formula(
    "sharp_h_square",
    "eq-sharp-h",
    sympy.Min(
        power(_tau, 2),
        times(over(_r, _n), add(power(add(times(root(_n), _s_next), _tau), 2), power(_s_next, 2))),
        evaluate=False,
    ),
)
sharp_fourth = Formula(
    "sharp_fourth",
    "eq-sharp-n4",
    add(
        times(root(over(_lam, _n)), add(_a, 2)),
        times(_s_next, add(1, over(2, root(_n)))),
        over(_tau, root(_n)),
    ),
)
sharp_signal_2 = Formula(
    "sharp_signal_2",
    "eq-sharp-s2",
    power(
        add(
            times(root(_phi), _b),
            root(add(times(_chi_m, power(_tau, 2)), times(_phi, add(power(_b, 2), power(_w, 2))))),
        ),
        2,
    ),
)
sharp_b_square = Formula("sharp_b_square", "eq-sharp-b", over(times(_m, _t), _n))
sharp_w_square = Formula(
    "sharp_w_square",
    "eq-sharp-w",
    over(add(times(_r, _lam, power(_a, 2)), minus(times(_k, _b_r))), _n),
)

# A strong signal
strong_signal = Formula(
    "strong_signal",
    "eq-strong-signal",
    add(
        times(_p_star, over(_k, add(_N, minus(_k), minus(1)))),
        times(add(_t, minus(_p_star)), over(_r, add(_N, minus(_r), minus(1)))),
    ),
)
