"""Theorem 3, (14), (15), (95)–(107), Proposition 5, (16), (108)–(117), and Lemma 8, (118)–(120).

Full fine-tuning with fewer data than dimensions.
"""

import numpy as np

from lorabook import bounds, estimators, formulas, linalg
from lorabook.checks.equations._draws import fixed_under, isotropic, many_isotropic, many_under, under
from lorabook.checks.equations._equation import STATEMENT, Group, equal, mean
from lorabook.checks.equations._stacks import fro, inv, t, trace
from lorabook.checks.equations.full_over import noise_gram
from lorabook.checks.equations.setting import excess_risk, full_finetuning

theorem_3, proposition_5 = Group("thm-full-risk-under"), Group("prop-full-risk-isotropic")
lemma_8 = Group("lem-mean-projector")
GROUPS = (theorem_3, proposition_5, lemma_8)

RISK = r"\mathbb{E}\, \mathcal{E}(W_{\mathrm{FFT}})"
BIAS = r"\|\Delta_* \Pi^\perp \Sigma_x^{1/2}\|_F^2"
VARIANCE = (
    r"\frac{\operatorname{tr} \Sigma_\varepsilon}{n}\, \mathbb{E} \operatorname{tr}(\hat\Sigma_x^\dagger \Sigma_x)"
)


def _given_X(c):
    """The mean of the noise's part given X."""
    return c.trace_e / c.n * trace(c.hat_plus @ c.S)


def _isotropic_terms(c):
    energy = c.S[0, 0] * fro(c.shift)
    return formulas.full_risk_isotropic.terms(n=c.n, d_x=c.d_x, t_varepsilon=c.trace_e, **{"s^2": energy})


@theorem_3(
    14,
    rf"W_{{\mathrm{{FFT}}}} = {formulas.interpolation.latex()}",
    on=under,
    kind=STATEMENT,
    where="prop-full-finetuning",
)
def _(c):
    library = c.each(estimators.full_finetune, X=c.X, Y=c.Y, W0=c.W0)
    return equal(library, c.each(formulas.interpolation, X=c.X, Y=c.Y, W_0=c.W0)), equal(library @ c.X, c.Y)


@theorem_3(
    15,
    rf"{RISK} = \mathbb{{E}} {BIAS} + {VARIANCE}",
    on=many_under,
    kind=STATEMENT,
)
def full_risk(c):
    return mean(c.excess(c.W_fft), c.bias + _given_X(c))


theorem_3(95, rf"\mathcal{{E}}(W) = {formulas.excess_risk_norm.latex()}", on=many_under)(excess_risk)
theorem_3(96, rf"W_{{\mathrm{{FFT}}}} = {formulas.full_finetune.latex()}", on=under)(full_finetuning)


@theorem_3(97, r"X^\dagger = (X^\top X)^{-1} X^\top", on=under, where="lem-pseudo-inverse")
def _(c):
    return equal(c.X_plus, inv(t(c.X) @ c.X) @ t(c.X)), equal(c.X_plus @ c.X, np.eye(c.n))


@theorem_3(
    98,
    rf"W_{{\mathrm{{FFT}}}} - W_* = {formulas.full_finetune_error.latex()}",
    on=under,
    where="cor-fft-error",
)
def _(c):
    library = c.each(estimators.full_finetune, X=c.X, Y=c.Y, W0=c.W0)
    return equal(library - c.W_star, c.each(formulas.full_finetune_error, E=c.E, X=c.X, **{"Delta_*": c.shift}))


@theorem_3(99, rf"{RISK} = \mathbb{{E}} \|(-\Delta_* \Pi^\perp + E X^\dagger) \Sigma_x^{{1/2}}\|_F^2", on=under)
def _(c):
    error = -c.shift @ c.Pi_perp + c.E @ c.X_plus
    return equal(c.each(c.task.excess_risk, W=c.W_fft), fro(error @ c.S_half))


@theorem_3(100, r"\mathbb{E}[\langle \Delta_* \Pi^\perp \Sigma_x, E X^\dagger \rangle \mid X] = 0", on=fixed_under)
def _(c):
    return mean(np.sum((c.shift @ c.Pi_perp @ c.S) * (c.E @ c.X_plus), axis=(1, 2)), 0.0)


@theorem_3(
    101,
    rf"{RISK} = \mathbb{{E}} {BIAS} + \mathbb{{E}} \|E X^\dagger \Sigma_x^{{1/2}}\|_F^2",
    on=many_under,
)
def _(c):
    return mean(c.excess(c.W_fft), c.bias + c.noise_part)


@theorem_3(
    102,
    r"\mathbb{E} \|E X^\dagger \Sigma_x^{1/2}\|_F^2 = \operatorname{tr}(\Sigma_\varepsilon)\,"
    r"\mathbb{E} \operatorname{tr}[X^{\dagger\top} X^\dagger \Sigma_x]",
    r"\mathbb{E}[E^\top E] = \operatorname{tr}(\Sigma_\varepsilon)\, I_n",
    on=many_under,
)
def _(c):
    return mean(c.noise_part, c.trace_e * trace(t(c.X_plus) @ c.X_plus @ c.S)), noise_gram(c)


@theorem_3(103, r"X^{\dagger\top} X^\dagger = X (X^\top X)^{-2} X^\top = (X X^\top)^\dagger", on=under)
def _(c):
    square, inverse = t(c.X_plus) @ c.X_plus, inv(t(c.X) @ c.X)
    outer = np.linalg.pinv(c.X @ t(c.X), rcond=1e-10, hermitian=True)
    return equal(square, c.X @ inverse @ inverse @ t(c.X)), equal(square, outer)


@theorem_3(104, r"X^{\dagger\top} X^\dagger = \frac1n \hat\Sigma_x^\dagger", on=under)
def _(c):
    return equal(t(c.X_plus) @ c.X_plus, np.linalg.pinv(c.hat, rcond=1e-10, hermitian=True) / c.n)


@theorem_3(105, rf"{RISK} = \mathbb{{E}} {BIAS} + {VARIANCE}", on=fixed_under)
def _(c):
    """For one X too: the expectation over the noise alone."""
    return full_risk(c)


@theorem_3(106, rf"{BIAS} = \operatorname{{tr}}(\Delta_* \Pi^\perp \Sigma_x \Pi^\perp \Delta_*^\top)", on=under)
def _(c):
    return equal(c.bias, trace(c.shift @ c.Pi_perp @ c.S @ c.Pi_perp @ c.shift.T))


theorem_3(107, rf"{RISK} = \mathbb{{E}} {BIAS} + {VARIANCE}", on=many_under)(full_risk)


@proposition_5(
    16,
    rf"{RISK} = {formulas.full_risk_isotropic.latex()}, \quad n \le d_x - 2",
    r"s^2 = \sigma_x^2 \|\Delta_*\|_F^2; \quad \infty \text{ for } n = d_x - 1,\ d_x",
    on=many_isotropic,
    kind=STATEMENT,
)
def _(c):
    infinite = [1 / bounds.full_risk(c.task, n).total for n in (c.d_x - 1, c.d_x)]
    return mean(c.excess(c.W_fft), bounds.full_risk(c.task, c.n).total), equal(infinite, 0.0, scale=1.0)


@proposition_5(108, r"X = \sigma_x Z, \quad \hat\Sigma_x = \frac{\sigma_x^2}{n} Z Z^\top", on=isotropic)
def _(c):
    return equal(c.X, np.sqrt(c.S[0, 0]) * c.Z), equal(c.hat, c.S[0, 0] / c.n * c.Z @ t(c.Z))


@proposition_5(
    109,
    r"\operatorname{rank} Z Z^\top = n, \quad \hat\Sigma_x^\dagger = \frac{n}{\sigma_x^2} (Z Z^\top)^\dagger",
    on=isotropic,
)
def _(c):
    outer = c.Z @ t(c.Z)
    inverse = np.linalg.pinv(outer, rcond=1e-10, hermitian=True)
    return (
        equal(np.linalg.matrix_rank(outer, tol=1e-9), np.full(c.count, c.n)),
        equal(c.hat_plus, c.n / c.S[0, 0] * inverse),
    )


@proposition_5(
    110, r"\operatorname{tr}(\hat\Sigma_x^\dagger \Sigma_x) = n \operatorname{tr}(Z Z^\top)^\dagger", on=isotropic
)
def _(c):
    inverse = np.linalg.pinv(c.Z @ t(c.Z), rcond=1e-10, hermitian=True)
    return equal(trace(c.hat_plus @ c.S), c.n * trace(inverse))


@proposition_5(111, r"(Z Z^\top)^\dagger = Z (Z^\top Z)^{-2} Z^\top", on=isotropic)
def _(c):
    inverse = inv(t(c.Z) @ c.Z)
    outer = np.linalg.pinv(c.Z @ t(c.Z), rcond=1e-10, hermitian=True)
    return equal(outer, c.Z @ inverse @ inverse @ t(c.Z))


@proposition_5(112, r"\operatorname{tr}(Z Z^\top)^\dagger = \operatorname{tr}(Z^\top Z)^{-1}", on=isotropic)
def _(c):
    outer = np.linalg.pinv(c.Z @ t(c.Z), rcond=1e-10, hermitian=True)
    return equal(trace(outer), trace(inv(t(c.Z) @ c.Z)))


@proposition_5(
    113,
    r"\mathbb{E} (Z^\top Z)^{-1} = \frac{I_n}{d_x - n - 1}",
    on=many_isotropic,
    where="prop-inverse-wishart",
)
def _(c):
    diagonal = formulas.inverse_trace(k=c.n, N=c.d_x) / c.n
    return mean(inv(t(c.Z) @ c.Z), diagonal * np.eye(c.n)), equal(1 / diagonal, c.d_x - c.n - 1)


@proposition_5(
    114,
    r"\mathbb{E} \operatorname{tr}(\hat\Sigma_x^\dagger \Sigma_x) = n \cdot \frac{n}{d_x - n - 1}",
    on=many_isotropic,
)
def _(c):
    return mean(trace(c.hat_plus @ c.S), c.n * formulas.inverse_trace(k=c.n, N=c.d_x))


@proposition_5(
    115,
    r"\text{variance} = \operatorname{tr}(\Sigma_\varepsilon) \frac{n}{d_x - n - 1}",
    on=many_isotropic,
)
def _(c):
    return mean(c.noise_part, _isotropic_terms(c)[1])


@proposition_5(
    116,
    r"\text{bias} = \sigma_x^2 \operatorname{tr}(\Delta_* \mathbb{E}[\Pi^\perp] \Delta_*^\top), \quad"
    r"\Pi^\perp \Pi^\perp = \Pi^\perp",
    on=isotropic,
)
def _(c):
    traced = c.S[0, 0] * trace(c.shift @ c.Pi_perp @ c.shift.T)
    return equal(c.bias, traced), equal(c.Pi_perp @ c.Pi_perp, c.Pi_perp)


@proposition_5(117, r"\text{bias} = \sigma_x^2 \Bigl(1 - \frac{n}{d_x}\Bigr) \|\Delta_*\|_F^2", on=many_isotropic)
def _(c):
    return mean(c.bias, _isotropic_terms(c)[0])


def _projector(Z):
    Q = np.linalg.qr(Z)[0]
    return Q @ t(Q)


@lemma_8(
    118,
    r"O \Pi_Z O^\top = \Pi_{O Z} \sim \Pi_Z",
    r"O\, \mathbb{E} \Pi = \mathbb{E} \Pi\, O",
    on=many_isotropic,
)
def _(c):
    O, Pi = linalg.haar_frame(c.d_x, c.d_x, seed=0), _projector(c.Z)
    return equal(O @ Pi @ O.T, _projector(O @ c.Z)), mean(O @ Pi, Pi @ O)


@lemma_8(
    119,
    r"v v^\top \mathbb{E} \Pi = \mathbb{E} \Pi\, v v^\top, \quad O = I - 2 v v^\top",
    r"\mathbb{E} \Pi\, v = (v^\top \mathbb{E} \Pi\, v)\, v",
    on=many_isotropic,
)
def _(c):
    v, Pi = linalg.haar_frame(c.d_x, 1, seed=1), _projector(c.Z)
    outer = v @ v.T
    return mean(outer @ Pi, Pi @ outer), mean(Pi @ v, v @ (v.T @ Pi @ v))


@lemma_8(
    120,
    r"\mathbb{E} \Pi = c I, \quad c\, d = \mathbb{E} \operatorname{tr} \Pi = n",
    on=many_isotropic,
    kind=STATEMENT,
)
def _(c):
    Pi = _projector(c.Z)
    return mean(Pi, c.n / c.d_x * np.eye(c.d_x)), equal(trace(Pi), np.full(c.count, c.n))
