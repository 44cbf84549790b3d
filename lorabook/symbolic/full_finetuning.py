"""Proofs by computation of chapter *Full fine-tuning*."""

import sympy
from sympy.matrices.expressions import MatAdd, MatMul

from lorabook import formulas
from lorabook.symbolic._proof import Proof, Step

__all__ = ["best_step", "full_finetuning_error", "gradient_descent", "least_norm", "pseudo_inverse"]


def pseudo_inverse() -> Proof:
    """Lemma `lem-pseudo-inverse` for matrices of every size and rank, from the singular value decomposition."""
    U, Ut, S, V, Vt = _symbols("U", r"U^\top", "S", "V", r"V^\top")
    X, dagger, gram_inverse = U * S * Vt, V * S**-1 * Ut, U * S**-2 * Ut
    orthonormal = ((Ut * U, 1), (Vt * V, 1))
    full_rank = (*orthonormal, (U * Ut, 1))
    return Proof(
        "the pseudo-inverse and its projectors",
        (
            Step("the inputs' directions", X * dagger, U * Ut, orthonormal),
            Step("the row space", dagger * X, V * Vt, orthonormal),
            Step("undone and done again", X * dagger * X, X, orthonormal),
            Step("done and undone again", dagger * X * dagger, dagger, orthonormal),
            Step("full row rank", X * V * S * Ut * gram_inverse, sympy.Integer(1), full_rank),
            Step("so that", V * S * Ut * gram_inverse, dagger, full_rank),
        ),
    )


def least_norm() -> Proof:
    """Proposition `prop-full-finetuning` for matrices of every size, from the formula that the page shows."""
    W, OLS, fits = (
        _words(f) for f in (formulas.full_finetune, formulas.ordinary_least_squares, formulas.interpolation)
    )
    W0, X, Xt, Y, dagger = _symbols("W_0", "X", r"X^\top", "Y", r"X^\dagger")
    left_gram, right_gram = _symbols(r"(X X^\top)^{-1}", r"(X^\top X)^{-1}")
    R, Rt, H, Ht, dagger_t = _symbols("R", r"R^\top", "H", r"H^\top", r"{X^\dagger}^\top")
    others = ((dagger * Ht, 0), (H * dagger_t, 0))
    return Proof(
        "the closed form of full fine-tuning",
        (
            Step("old and new", W, W0 * (1 - X * dagger) + Y * dagger),
            Step("a best fit", W * X, Y * dagger * X, ((X * dagger * X, X),)),
            Step("the closest", (R * dagger + H) * (dagger_t * Rt + Ht), R * dagger * dagger_t * Rt + H * Ht, others),
            Step("full row rank", W, OLS, ((Xt * left_gram, dagger), (X * dagger, 1))),
            Step("full column rank", W, fits, ((right_gram * Xt, dagger),)),
            Step("which interpolates", W * X, Y, ((dagger * X, 1),)),
        ),
    )


def full_finetuning_error() -> Proof:
    """Corollary `cor-fft-error` for matrices of every size."""
    W0, shift, X, E, Y, dagger = _symbols("W_0", r"\Delta_*", "X", "E", "Y", r"X^\dagger")
    projector = ((X * dagger * X, X), (dagger * X * dagger, dagger))
    closed_form = _words(formulas.full_finetune).subs(Y, (W0 + shift) * X + E)
    error = (shift * X + E) * dagger - shift
    return Proof(
        "the error of full fine-tuning",
        (
            Step("insert the data", closed_form, W0 + (shift * X + E) * dagger),
            Step("subtract the truth", error, _words(formulas.full_finetune_error)),
            Step("enough data: noise", error, E * dagger, ((X * dagger, 1),)),
            Step("unseen: the shift", error * (1 - X * dagger), -shift * (1 - X * dagger), projector),
        ),
    )


def gradient_descent() -> Proof:
    """Lemma `lem-gradient-descent` for matrices of every size: one step."""
    W, limit, X, Xt, Y, dagger, u = _symbols("W_t", r"W_{\mathrm{FFT}}", "X", r"X^\top", "Y", r"X^\dagger", "u_i")
    eta, s = sympy.symbols("eta s_i", positive=True)
    step = W - eta * (W * X - Y) * Xt
    return Proof(
        "one step of gradient descent",
        (
            Step(
                "the distance to the limit", step - limit, (W - limit) * (1 - eta * X * Xt), ((Y * Xt, limit * X * Xt),)
            ),
            Step("along a singular direction", (1 - eta * X * Xt) * u, (1 - eta * s**2) * u, ((X * Xt * u, s**2 * u),)),
            Step("unseen: nothing moves", step * (1 - X * dagger), W * (1 - X * dagger), ((Xt * X * dagger, Xt),)),
        ),
    )


def best_step() -> Proof:
    """Corollary `cor-best-step`: at the best step size both ends contract alike, and no step size does better."""
    s_1, s_m, eta = sympy.symbols("s_1 s_m eta", positive=True)
    kappa = sympy.Symbol(r"\kappa", positive=True)
    best = formulas.best_step_size.expression
    rate = formulas.best_descent_rate.expression
    in_singular_values = (s_1**2 - s_m**2) / (s_1**2 + s_m**2)
    slow, fast = 1 - eta * s_m**2, eta * s_1**2 - 1
    return Proof(
        "the best step size",
        (
            Step("the rate", rate.subs(kappa, s_1**2 / s_m**2), in_singular_values),
            Step("slowest direction", slow.subs(eta, best), in_singular_values),
            Step("fastest direction", fast.subs(eta, best), in_singular_values),
            Step("weighted mean", (s_1**2 * slow + s_m**2 * fast) / (s_1**2 + s_m**2), in_singular_values),
        ),
    )


def _symbols(*names):
    return [sympy.Symbol(name, commutative=False) for name in names]


def _words(formula: formulas.Formula):
    """A formula for matrices of any size as a polynomial in symbols that do not commute."""

    def words(expr):
        if expr in formula.definitions:
            return words(formula.definitions[expr])
        if isinstance(expr, MatAdd):
            return sympy.Add(*map(words, expr.args))
        if isinstance(expr, MatMul):
            return sympy.Mul(*map(words, expr.args))
        if isinstance(expr, sympy.Identity):
            return sympy.Integer(1)
        if isinstance(expr, sympy.Number):
            return expr
        return _symbols(formulas.Formula("", "", expr).latex())[0]

    return words(formula.expression)
