"""Proofs by computation of chapter *Fewer data than dimensions*."""

import sympy

from lorabook import formulas
from lorabook.symbolic._proof import Proof, Step

__all__ = [
    "best_sample_size",
    "cross_terms",
    "exact_rank_bound_under",
    "full_risk_isotropic",
    "projector_under",
    "pythagoras_under",
    "strong_signal_under",
    "variance_limit_under",
]


def projector_under() -> Proof:
    """Theorem `thm-full-risk-under` for matrices of every size: projector and pseudo-inverse when data are few."""
    X, Xt, G = (sympy.Symbol(name, commutative=False) for name in ("X", r"X^\top", "G"))
    gram = ((Xt * X * G, 1), (G * Xt * X, 1))
    unseen = 1 - X * G * Xt
    return Proof(
        "the pseudo-inverse with few data, G the inverse of X^T X",
        (
            Step("the data see nothing of what is unseen", unseen * X, sympy.Integer(0), gram),
            Step("a projector", unseen * unseen, unseen, gram),
            Step("the pseudo-inverse of a sample covariance", X * Xt * X * G * G * Xt * X * Xt, X * Xt, gram),
            Step("and the other way round", X * G * G * Xt * X * Xt * X * G * G * Xt, X * G * G * Xt, gram),
        ),
    )


def full_risk_isotropic() -> Proof:
    """Proposition `prop-full-risk-isotropic`: the two displayed terms from the mean projector and the mean inverse."""
    formula, trace = formulas.full_risk_isotropic, formulas.inverse_trace
    n, d_x, t, energy = (formula.symbol(name) for name in ("n", "d_x", r"t_\varepsilon", "s^2"))
    k, N = (trace.symbol(name) for name in ("k", "N"))
    parts = energy - energy * n / d_x + t * trace.plain.subs({k: n, N: d_x})
    return Proof("full fine-tuning with few data", (Step("bias and variance", formula.expression, parts),))


def best_sample_size() -> Proof:
    """Corollary `cor-best-sample-size`: the minimiser, convexity, and the noise at which it reaches zero."""
    formula = formulas.full_risk_isotropic
    n, d_x, t, energy = (formula.symbol(name) for name in ("n", "d_x", r"t_\varepsilon", "s^2"))
    best = formulas.best_sample_size.plain
    gap = sympy.Symbol("g", positive=True)
    slope = sympy.diff(formula.plain, n)
    at_best = slope.subs(n, d_x - 1 - gap)
    return Proof(
        "the best number of samples",
        (
            Step("the slope, at a distance $g$ from the pole", at_best, t * (d_x - 1) / gap**2 - energy / d_x),
            Step("it vanishes there", sympy.Subs(at_best, gap, d_x - 1 - best), sympy.Integer(0)),
            Step("curvature", sympy.diff(formula.plain, n, 2), 2 * t * (d_x - 1) / (d_x - 1 - n) ** 3),
            Step(
                "strong noise: no slope",
                sympy.Subs(slope, (n, t), (0, formulas.strong_noise.plain)),
                sympy.Integer(0),
            ),
        ),
    )


def cross_terms() -> Proof:
    """Theorem `thm-lora-bound-under`: with and without the cross term."""
    B, V = sympy.symbols("B V'", positive=True)
    return Proof(
        "adding the bias",
        (Step("general features", (sympy.sqrt(B) + sympy.sqrt(V)) ** 2, B + V + 2 * sympy.sqrt(B * V)),),
    )


def variance_limit_under() -> Proof:
    """Proposition `prop-lora-variance-limit-under`: the limit with the roles of n and d_x exchanged."""
    exact, limit = formulas.lora_bound_exact_rank, formulas.lora_variance_limit
    N, k, c = (limit.symbol(name) for name in ("N", "k", "c"))
    kappa, n, d_x = exact.symbol(r"\bar\kappa"), exact.symbol("n"), sympy.Symbol("d_x", positive=True)
    inserted = exact.plain.subs(kappa, n / (sympy.sqrt(d_x) - sympy.sqrt(n)) ** 2).subs(k, n)
    return Proof(
        "the limit of the variance term, few data",
        (Step("with the constant 8", inserted, limit.expression.subs({c: 8, k: n, N: d_x})),),
    )


def exact_rank_bound_under() -> Proof:
    """Corollary `cor-lora-bound-under-exact-rank`: V' without a tail, k = n."""
    whole, exact = formulas.lora_bound, formulas.lora_bound_exact_rank
    nothing = {whole.symbol(r"\sigma_{r+1}"): 0, whole.symbol("T_r"): 0, whole.symbol("k"): whole.symbol("n")}
    return Proof(
        "a shift of rank at most r, few data",
        (
            Step(
                "no tail, $k = n$",
                whole.plain.subs(nothing),
                exact.expression.subs(exact.symbol("k"), exact.symbol("n")),
            ),
        ),
    )


def pythagoras_under() -> Proof:
    """Theorem `thm-lora-bound-sharp-under` for matrices of every size: the update sees nothing of the unseen inputs."""
    update, X, Xt, inverse = (
        sympy.Symbol(name, commutative=False) for name in (r"R", "X", r"X^\top", r"(X^\top X)^{-1}")
    )
    gram = ((Xt * X * inverse, 1), (inverse * Xt * X, 1))
    return Proof(
        "the update and the unseen inputs",
        (Step("nothing in common", update * inverse * Xt * (1 - X * inverse * Xt), sympy.Integer(0), gram),),
    )


def strong_signal_under() -> Proof:
    """Proposition `prop-strong-signal-under`: what LoRA saves, and the sharp bound without tail and rotation."""
    strong, full = formulas.strong_signal, formulas.full_risk_isotropic
    sharp, trace = formulas.sharp_signal_under_1, formulas.inverse_trace
    n, d_x, t, energy = (full.symbol(name) for name in ("n", "d_x", r"t_\varepsilon", "s^2"))
    r, inside = strong.symbol("r"), strong.symbol("p_*")
    lora = strong.plain.subs({strong.symbol("k"): n, strong.symbol("N"): d_x})
    saving = (t - inside) * (d_x - 1) * (n - r) / ((d_x - n - 1) * (d_x - r - 1))
    C, tau, q = (sharp.symbol(name) for name in ("C", r"\tau", "q"))
    return Proof(
        "the strong signal, few data",
        (
            Step("what LoRA saves", full.plain.subs(energy, 0) - lora, saving),
            Step(
                "the sharp bound with no tail and no tilt",
                sympy.Subs(sharp.plain, (C, tau), (0, 0)),
                t * trace.plain.subs({trace.symbol("k"): q, trace.symbol("N"): d_x}),
            ),
        ),
    )
