"""Theorem 1, (10), (76)–(89), and Proposition 3, (11), (90)–(94): full fine-tuning with more data than dimensions."""

import numpy as np

from lorabook import bounds, estimators, formulas
from lorabook.checks.equations._draws import fixed_over, many_over, over
from lorabook.checks.equations._equation import STATEMENT, Group, equal, mean, mean_at_most
from lorabook.checks.equations._stacks import fro, inv, root, t, trace
from lorabook.checks.equations.descent import right_inverse
from lorabook.checks.equations.setting import excess_risk, full_finetuning

theorem_1, proposition_3 = Group("thm-full-risk"), Group("prop-full-risk-gaussian")
GROUPS = (theorem_1, proposition_3)


def _given_X(c):
    """The mean risk given X: tr(Sigma_e) / n times tr(hat^{-1} Sigma_x)."""
    return c.trace_e / c.n * _inverse_trace(c)


def _inverse_trace(c):
    return trace(inv(c.hat) @ c.S)


@theorem_1(
    10,
    r"\mathbb{E}\, \mathcal{E}(W_{\mathrm{FFT}}) = \frac{\operatorname{tr} \Sigma_\varepsilon}{n}"
    r"\, \mathbb{E} \operatorname{tr}(\hat\Sigma_x^{-1} \Sigma_x)",
    rf"\ge {formulas.full_risk_lower_bound.latex()}",
    on=many_over,
    kind=STATEMENT,
)
def _(c):
    risk = c.excess(c.W_fft)
    return mean(risk, _given_X(c)), mean_at_most(bounds.full_risk_lower_bound(c.task, c.n), risk)


theorem_1(76, rf"\mathcal{{E}}(W) = {formulas.excess_risk_norm.latex()}", on=many_over)(excess_risk)
theorem_1(77, rf"W_{{\mathrm{{FFT}}}} = {formulas.full_finetune.latex()}", on=over)(full_finetuning)
theorem_1(78, r"X^\dagger = X^\top (X X^\top)^{-1}", on=over)(right_inverse)


@theorem_1(79, rf"W_{{\mathrm{{FFT}}}} = {formulas.ordinary_least_squares.latex()}", on=over)
def _(c):
    library = c.each(estimators.full_finetune, X=c.X, Y=c.Y, W0=c.W0)
    return equal(library, c.each(formulas.ordinary_least_squares, X=c.X, Y=c.Y))


@theorem_1(
    80,
    r"W_{\mathrm{FFT}} = (W_* X + E) X^\top (X X^\top)^{-1} = W_* + E X^\dagger",
    on=over,
    where="cor-fft-error",
)
def _(c):
    expanded = (c.W_star @ c.X + c.E) @ t(c.X) @ inv(c.X @ t(c.X))
    error = c.each(formulas.full_finetune_error, E=c.E, X=c.X, **{"Delta_*": c.shift})
    return equal(c.W_fft, expanded), equal(c.W_fft, c.W_star + c.E @ c.X_plus), equal(c.W_fft, c.W_star + error)


@theorem_1(
    81,
    r"\mathbb{E}\, \mathcal{E}(W_{\mathrm{FFT}})"
    r"= \mathbb{E} \operatorname{tr}[E X^\dagger \Sigma_x X^{\dagger\top} E^\top]",
    on=over,
)
def _(c):
    noise = c.E @ c.X_plus
    return equal(c.each(c.task.excess_risk, W=c.W_fft), trace(noise @ c.S @ t(noise)))


@theorem_1(
    82,
    r"\mathbb{E}[E^\top E]_{ij} = \mathbb{E}[\varepsilon_i^\top \varepsilon_j]"
    r"= \delta_{ij} \operatorname{tr} \Sigma_\varepsilon",
    on=fixed_over,
)
def noise_gram(c):
    return mean(t(c.E) @ c.E, c.trace_e * np.eye(c.n))


@theorem_1(
    83,
    r"\mathbb{E} \operatorname{tr}[E X^\dagger \Sigma_x X^{\dagger\top} E^\top]",
    r"= \operatorname{tr}(\Sigma_\varepsilon)\, \mathbb{E} \operatorname{tr}[X^\dagger \Sigma_x X^{\dagger\top}]",
    on=many_over,
)
def _(c):
    inner = c.X_plus @ c.S @ t(c.X_plus)
    return mean(trace(c.E @ inner @ t(c.E)), c.trace_e * trace(inner))


@theorem_1(84, r"X^{\dagger\top} X^\dagger = (X X^\top)^{-1} = \frac1n \hat\Sigma_x^{-1}", on=over)
def _(c):
    square = t(c.X_plus) @ c.X_plus
    return equal(square, inv(c.X @ t(c.X))), equal(square, inv(c.hat) / c.n)


@theorem_1(
    85,
    r"\mathbb{E}\, \mathcal{E}(W_{\mathrm{FFT}}) = \frac{\operatorname{tr} \Sigma_\varepsilon}{n}"
    r"\, \mathbb{E} \operatorname{tr}(\hat\Sigma_x^{-1} \Sigma_x)",
    on=fixed_over,
)
def _(c):
    """For one X too: the expectation over the noise alone."""
    return mean(c.excess(c.W_fft), _given_X(c))


@theorem_1(
    86,
    r"\mathbb{E}\, \hat\Sigma_x^{-1} \succeq (\mathbb{E}\, \hat\Sigma_x)^{-1} = \Sigma_x^{-1}",
    on=many_over,
)
def _(c):
    directions = [np.eye(c.d_x)[i] for i in range(c.d_x)] + list(np.linalg.eigh(c.S)[1].T)
    inverse, inverse_hat = inv(c.S), inv(c.hat)
    return mean(c.hat, c.S), *(mean_at_most(v @ inverse @ v, inverse_hat @ v @ v) for v in directions)


@theorem_1(87, r"\mathbb{E} \operatorname{tr}(\hat\Sigma_x^{-1} \Sigma_x) \ge d_x", on=many_over)
def _(c):
    return mean_at_most(c.d_x, _inverse_trace(c))


@theorem_1(
    88,
    r"\mathbb{E}\, \mathcal{E}(W_{\mathrm{FFT}}) \ge \operatorname{tr}(\Sigma_\varepsilon)\, d_x / n",
    on=many_over,
)
def _(c):
    return mean_at_most(bounds.full_risk_lower_bound(c.task, c.n), c.excess(c.W_fft))


@theorem_1(
    89,
    r"\bar\sigma^2 = \operatorname{tr} \Sigma_\varepsilon / d_y, \quad"
    r"\mathbb{E}\, \mathcal{E}(W_{\mathrm{FFT}}) \ge \bar\sigma^2 d_x d_y / n",
    on=many_over,
)
def _(c):
    least = np.mean(np.diag(c.S_e)) * c.d_x * c.d_y / c.n
    return equal(least, bounds.full_risk_lower_bound(c.task, c.n)), mean_at_most(least, c.excess(c.W_fft))


@proposition_3(
    11,
    rf"\mathbb{{E}}\, \mathcal{{E}}(W_{{\mathrm{{FFT}}}}) = {formulas.full_risk_gaussian.latex()}, \quad n \ge d_x + 2",
    r"\mathbb{E}\, \mathcal{E}(W_{\mathrm{FFT}}) = \infty, \quad n = d_x,\ d_x + 1",
    on=many_over,
    kind=STATEMENT,
)
def _(c):
    infinite = [1 / bounds.full_risk(c.task, n).total for n in (c.d_x, c.d_x + 1)]
    return mean(c.excess(c.W_fft), bounds.full_risk(c.task, c.n).total), equal(infinite, 0.0, scale=1.0)


@proposition_3(90, r"X = \Sigma_x^{1/2} Z", on=many_over)
def _(c):
    """The library's features, whitened, have the identity as their covariance."""
    Z = t(inv(root(c.S)) @ c.task.sample(4000, seed=3).X)
    return mean(Z, np.zeros(c.d_x)), mean(Z[:, :, None] * Z[:, None, :], np.eye(c.d_x))


@proposition_3(91, r"\hat\Sigma_x = \Sigma_x^{1/2} \frac{Z Z^\top}{n} \Sigma_x^{1/2}", on=over)
def whitened(c):
    return equal(c.hat, c.S_half @ (c.Z @ t(c.Z) / c.n) @ c.S_half)


@proposition_3(92, r"\operatorname{tr}(\hat\Sigma_x^{-1} \Sigma_x) = n \operatorname{tr}(Z Z^\top)^{-1}", on=over)
def _(c):
    return equal(_inverse_trace(c), c.n * trace(inv(c.Z @ t(c.Z))))


@proposition_3(93, r"\mathbb{E} (Z Z^\top)^{-1} = \frac{I}{n - d_x - 1}", on=many_over, where="prop-inverse-wishart")
def _(c):
    diagonal = formulas.inverse_trace(k=c.d_x, N=c.n) / c.d_x
    return mean(inv(c.Z @ t(c.Z)), diagonal * np.eye(c.d_x)), equal(1 / diagonal, c.n - c.d_x - 1)


@proposition_3(
    94,
    rf"\mathbb{{E}}\, \mathcal{{E}}(W_{{\mathrm{{FFT}}}}) = {formulas.full_risk_gaussian.latex()}",
    on=many_over,
)
def _(c):
    exact = formulas.full_risk_gaussian(d_x=c.d_x, n=c.n, t_varepsilon=c.trace_e)
    return mean(_given_X(c), exact), mean(fro(c.E @ c.X_plus @ c.S_half), exact)
