"""Proofs by computation of chapter *More data than dimensions*."""

import sympy

from lorabook import formulas
from lorabook.symbolic._proof import Proof, Step

__all__ = [
    "convex_trace",
    "exact_rank_bound",
    "full_risk_gaussian",
    "infinite_mean",
    "lora_noise",
    "rank_split_attained",
    "sharp_bound_limit",
    "split_square",
    "strong_signal_isotropic",
    "subspace_attained",
    "subspace_expansion",
    "variance_limit",
]


def convex_trace() -> Proof:
    """Theorem `thm-full-risk`: the trace of the inverse is convex, for 2 x 2 matrices in every direction."""
    a, b, t, x, y, z = sympy.symbols("a b t x y z", positive=True)
    M, H = sympy.diag(a, b), sympy.Matrix([[x, y], [y, z]])
    bent = sympy.diff((M + t * H).inv().trace(), t, 2).subs(t, 0)
    squares = 2 * (x**2 / a**3 + z**2 / b**3 + y**2 * (1 / a + 1 / b) / (a * b))
    return Proof("the trace of the inverse is convex", (Step("second derivative", sympy.factor(bent), squares),))


def full_risk_gaussian() -> Proof:
    """Proposition `prop-full-risk-gaussian`: the noise's trace times f(d_x, n)."""
    formula, trace = formulas.full_risk_gaussian, formulas.inverse_trace
    d_x, n, t = (formula.symbol(name) for name in ("d_x", "n", r"t_\varepsilon"))
    k, N = (trace.symbol(name) for name in ("k", "N"))
    return Proof(
        "full fine-tuning with Gaussian features",
        (Step("the displayed formula", formula.expression, t * trace.plain.subs({k: d_x, N: n})),),
    )


def lora_noise() -> Proof:
    """Lemma `lem-lora-noise` for matrices of every size; S is the root of the empirical covariance."""
    shift, X, Xt, E, dagger, S, S_plus = (
        sympy.Symbol(name, commutative=False)
        for name in (r"\Delta_*", "X", r"X^\top", "E", r"X^\dagger", "S", r"S^\dagger")
    )
    n = sympy.Symbol("n", positive=True)
    whole = (shift * X + E) * dagger * S
    return Proof(
        "what LoRA truncates",
        (
            Step("the signal is seen whole", whole, shift * S + E * dagger * S, ((X * dagger * S, S),)),
            Step("the noise", E * dagger * S, E * Xt * S_plus / n, ((dagger * S, Xt * S_plus / n),)),
        ),
    )


def rank_split_attained() -> Proof:
    """Lemma `lem-rank-split-sharp`: the example in which the factor 2r cannot be smaller."""
    a = sympy.Symbol("a", positive=True)
    difference = sympy.diag(a, 0) - sympy.diag(0, -a)
    return Proof(
        "the factor 2r is attained",
        (Step("both sides for $r = 1$", sympy.Trace(sympy.MatMul(difference, difference.T)), 2 * 1 * a**2 + 0),),
    )


def split_square() -> Proof:
    """Theorem `thm-lora-bound`: what is lost when the square is split; u and v stand for its two parts."""
    whole, split = formulas.lora_bound, formulas.lora_bound_three_terms
    s, chi, kappa = (whole.symbol(name) for name in (r"\sigma_{r+1}", r"\bar\chi", r"\bar\kappa"))
    lam, k, d_y, n, r = (whole.symbol(name) for name in (r"\lambda_\varepsilon", "k", "d_y", "n", "r"))
    u, v = sympy.symbols("u v", positive=True)
    noise = 4 * (sympy.sqrt(k) + sympy.sqrt(d_y)) ** 2 * lam / n
    parts = {s: u / sympy.sqrt(chi), kappa: v**2 / noise}
    three, one = (sympy.simplify(formula.plain.subs(parts)) for formula in (split, whole))
    return Proof("splitting the square", (Step("three terms minus one square", three - one, 2 * r * (u - v) ** 2),))


def exact_rank_bound() -> Proof:
    """Corollary `cor-lora-bound-exact-rank`: the bound of the theorem without a tail."""
    whole, exact = formulas.lora_bound, formulas.lora_bound_exact_rank
    nothing = {whole.symbol(r"\sigma_{r+1}"): 0, whole.symbol("T_r"): 0}
    return Proof("a shift of rank at most r", (Step("no tail", whole.plain.subs(nothing), exact.expression),))


def variance_limit() -> Proof:
    """Proposition `prop-lora-variance-limit`: the limit of the mean of kappa, inserted."""
    exact, limit = formulas.lora_bound_exact_rank, formulas.lora_variance_limit
    N, k, c = (limit.symbol(name) for name in ("N", "k", "c"))
    kappa, n = exact.symbol(r"\bar\kappa"), exact.symbol("n")
    inserted = exact.plain.subs(kappa, n / (sympy.sqrt(N) - sympy.sqrt(k)) ** 2)
    return Proof("the limit of the variance term", (Step("for $c = 8$", inserted, limit.expression.subs(c, 8)),))


def subspace_attained() -> Proof:
    """Lemma `lem-subspace-b`: an example with equality; the second direction is kept."""
    a = sympy.Symbol("a", positive=True)
    D, N = sympy.diag(2 * a, 0), sympy.diag(-a, a)
    rest = sympy.diag(1, 0)
    return Proof(
        "the inequality is attained",
        (
            Step("the sum has two equal singular values", sympy.MatAdd(D, N), a * sympy.eye(2)),
            Step("what is missed", sympy.MatMul(rest, D), sympy.diag(a + a, 0)),
        ),
    )


def subspace_expansion() -> Proof:
    """Lemma `lem-subspace-c`: the expansion in its proof, before the trace, for matrices of every size; R = I - P."""
    names = ("R", "P", "A", r"A^\top", "N", r"N^\top")
    R, P, A, At, N, Nt = (sympy.Symbol(name, commutative=False) for name in names)
    left, right = R * (A + N) * (At + Nt), R * A * At + R * A * Nt + R * N * At + N * Nt - P * N * Nt
    return Proof("what the projector misses", (Step("expand", left, right, ((R * N, N - P * N),)),))


def sharp_bound_limit() -> Proof:
    """Theorem `thm-lora-bound-sharp`: two steps of its proof, and how far it is from the strong-signal limit."""
    V, S, limit = formulas.sharp_variance_2, formulas.sharp_signal_1, formulas.strong_signal
    p, k, N, r = (limit.symbol(name) for name in ("p_*", "k", "N", "r"))
    kept = V.plain.subs({V.symbol("t_r"): p, V.symbol("f"): k / (N - k - 1), V.symbol(r"\delta"): 0})
    nothing = {S.symbol("C"): 0, S.symbol(r"\tau"): 0}
    missed = S.plain.subs(nothing).subs({S.symbol("q"): r, S.symbol("n"): N})
    x, b, c, u = sympy.symbols("x b c u", positive=True)
    fourth = sympy.Integral(4 * u**3 * sympy.exp(-(u**2) / 2), (u, 0, sympy.oo))
    return Proof(
        "the sharp bound",
        (
            Step("fourth moment above the mean", fourth, 8),
            Step("completing the square", x**2 - 2 * x * b - c, (x - b) ** 2 - (b**2 + c)),
            Step("bound minus limit", kept + missed - limit.plain, p * r / (N - r - 1)),
        ),
    )


def strong_signal_isotropic() -> Proof:
    """Proposition `prop-strong-signal` for isotropic noise of variance one."""
    formula = formulas.strong_signal
    p, t, k, N, r = (formula.symbol(name) for name in ("p_*", r"t_\varepsilon", "k", "N", "r"))
    d_y = sympy.Symbol("d_y", positive=True)
    isotropic = r * (k / (N - k - 1) + (d_y - r) / (N - r - 1))
    return Proof("the strong-signal limit", (Step("isotropic noise", formula.plain.subs({p: r, t: d_y}), isotropic),))


def infinite_mean() -> Proof:
    """Proposition `prop-infinite-mean`: the mean of 1/x above a cut, for the densities at the threshold."""
    x, cut = sympy.symbols("x epsilon", positive=True)
    return Proof(
        "a mean that grows without bound",
        (
            Step(
                "as many samples as inputs",
                sympy.Integral(x ** sympy.Rational(-3, 2), (x, cut, 1)),
                2 / sympy.sqrt(cut) - 2,
            ),
            Step("one sample more or less", sympy.Integral(1 / x, (x, cut, 1)), sympy.log(1 / cut)),
        ),
    )
