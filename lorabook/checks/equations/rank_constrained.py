"""Lemma 7, (52)–(70), and Proposition 2, (71)–(75): least squares under a rank constraint, and LoRA."""

import numpy as np

from lorabook import formulas
from lorabook.checks.equations._draws import both, under
from lorabook.checks.equations._equation import STATEMENT, Group, at_most, equal
from lorabook.checks.equations._stacks import fro, sigma, t, trace, truncate

lemma_7, proposition_2 = Group("lem-rank-constrained"), Group("prop-lora")
GROUPS = (lemma_7, proposition_2)


def _loss_beyond_ols(c, W):
    return fro((c.W_ols - W) @ c.X)


def _distance(c, W):
    """How far W hat^{1/2} is from W_OLS hat^{1/2}."""
    return fro(c.A_ols - W @ c.hat_half)


@lemma_7(52, r"\min_{\operatorname{rank} W \le r} \|Y - W X\|_F^2", on=both, kind=STATEMENT)
def _(c):
    return at_most(c.loss(c.W_r), c.loss(c.rival(c.W_r))), at_most(c.loss(c.W_r), c.loss(c.rival(c.W_ols)))


@lemma_7(
    53,
    r"W_r = (W_{\mathrm{OLS}} \hat\Sigma_x^{1/2})_r (\hat\Sigma_x^{1/2})^\dagger, \quad W_{\mathrm{OLS}} = Y X^\dagger",
    on=both,
    kind=STATEMENT,
)
def _(c):
    return (
        equal(c.W_r, truncate(c.A_ols, c.r) @ c.hat_half_plus),
        equal(c.W_r, c.each(formulas.lora, X=c.X, Y=c.Y, W_0=0 * c.W0, r=c.r)),
    )


@lemma_7(
    54,
    r"\text{unique if } \sigma_r > \sigma_{r+1} \text{ or } \sigma_r = 0",
    r"\text{for the matrix } W_{\mathrm{OLS}} \hat\Sigma_x^{1/2}",
    on=both,
    kind=STATEMENT,
)
def _(c):
    """Keeping the next direction in place of the r-th costs the gap between the two."""
    U, s, Vt = np.linalg.svd(c.A_ols, full_matrices=False)
    kept = [*range(c.r - 1), c.r] if s.shape[1] > c.r else list(range(c.r - 1))
    other = (U[..., kept] * s[:, None, kept]) @ Vt[:, kept] @ c.hat_half_plus
    gap = sigma(c.A_ols, c.r) ** 2 - sigma(c.A_ols, c.r + 1) ** 2
    return equal(c.loss(other) - c.loss(c.W_r), c.n * gap, c.loss(other)), at_most(0.0 * gap, gap)


@lemma_7(
    55,
    r"\|Y - W X\|_F^2 = \|Y - W_{\mathrm{OLS}} X\|_F^2 + \|(W_{\mathrm{OLS}} - W) X\|_F^2",
    r"+ 2 \langle Y - W_{\mathrm{OLS}} X, (W_{\mathrm{OLS}} - W) X \rangle",
    on=both,
)
def _(c):
    residual, change = c.Y - c.W_ols @ c.X, (c.W_ols - c.any) @ c.X
    return equal(c.loss(c.any), fro(residual) + fro(change) + 2 * np.sum(residual * change, axis=(1, 2)))


@lemma_7(56, r"(Y - W_{\mathrm{OLS}} X) X^\top = Y (I - P_{\mathrm{row}}) X^\top = 0", on=both)
def _(c):
    return equal(c.Y @ t(c.X), c.W_ols @ c.X @ t(c.X)), equal(c.Y @ c.P_row @ t(c.X), c.Y @ t(c.X))


@lemma_7(
    57,
    r"\min_{\operatorname{rank} W \le r} \|Y - W_{\mathrm{OLS}} X\|_F^2 + \|(W_{\mathrm{OLS}} - W) X\|_F^2",
    on=both,
)
def _(c):
    least, other = (c.loss(c.W_ols) + _loss_beyond_ols(c, W) for W in (c.W_r, c.rival(c.W_r)))
    return at_most(least, other), equal(least, c.loss(c.W_r)), equal(other, c.loss(c.rival(c.W_r)))


@lemma_7(58, r"\min_{\operatorname{rank} W \le r} \|(W_{\mathrm{OLS}} - W) X\|_F^2", on=both)
def _(c):
    return at_most(_loss_beyond_ols(c, c.W_r), _loss_beyond_ols(c, c.rival(c.W_r)))


@lemma_7(
    59,
    r"\|(W_{\mathrm{OLS}} - W) X\|_F^2",
    r"= n \operatorname{tr}[(W_{\mathrm{OLS}} - W) \hat\Sigma_x (W_{\mathrm{OLS}} - W)^\top]",
    on=both,
)
def _(c):
    change = c.W_ols - c.any
    return equal(_loss_beyond_ols(c, c.any), c.n * trace(change @ c.hat @ t(change)))


@lemma_7(
    60,
    r"\min_{\operatorname{rank} W \le r} \|W_{\mathrm{OLS}} \hat\Sigma_x^{1/2} - W \hat\Sigma_x^{1/2}\|_F^2",
    on=both,
)
def _(c):
    return (
        at_most(_distance(c, c.W_r), _distance(c, c.rival(c.W_r))),
        equal(_loss_beyond_ols(c, c.any), c.n * _distance(c, c.any)),
    )


@lemma_7(
    61,
    r"\min_{B, W} \|A - B\|_F^2, \quad B = W \hat\Sigma_x^{1/2},\ \operatorname{rank} W \le r",
    r"\text{with } A = W_{\mathrm{OLS}} \hat\Sigma_x^{1/2} \text{ here}",
    on=both,
)
def _(c):
    B = c.rival(c.W_r) @ c.hat_half
    return at_most(fro(c.A_ols - truncate(c.A_ols, c.r)), fro(c.A_ols - B)), equal(B @ c.hat_half_plus @ c.hat_half, B)


@lemma_7(
    62,
    r"\hat W = (A)_r (\hat\Sigma_x^{1/2})^\dagger",
    r"\hat B = \hat W \hat\Sigma_x^{1/2} = (A)_r \Pi = (A)_r",
    on=both,
)
def _(c):
    kept = truncate(c.A_ols, c.r)
    return equal(c.W_r, kept @ c.hat_half_plus), equal(c.W_r @ c.hat_half, kept), equal(kept @ c.Pi, kept)


@lemma_7(63, r"\operatorname{rank} B \le \operatorname{rank} W \le r", on=both)
def _(c):
    ranks = [np.linalg.matrix_rank(M, tol=1e-9) for M in (c.low @ c.hat_half, c.low)]
    return at_most(*ranks), at_most(ranks[1], np.full(c.count, c.r))


@lemma_7(64, r"\min_{\operatorname{rank} B \le r} \|A - B\|_F^2", on=both)
def _(c):
    return at_most(fro(c.A_ols - truncate(c.A_ols, c.r)), fro(c.A_ols - c.rival(c.A_ols)))


@lemma_7(65, r"\|A - \hat B\|_F^2 \ge \|A - (A)_r\|_F^2", on=both)
def _(c):
    least = fro(c.A_ols - truncate(c.A_ols, c.r))
    return at_most(least, _distance(c, c.rival(c.W_r))), at_most(least, _distance(c, c.W_r))


@lemma_7(66, r"\|A - \hat B\|_F^2 = \|A - (A)_r\|_F^2", on=both)
def _(c):
    return equal(_distance(c, c.W_r), fro(c.A_ols - truncate(c.A_ols, c.r)), fro(c.A_ols))


@lemma_7(67, r"(\hat W + H) \hat\Sigma_x^{1/2} = \hat B", on=under)
def _(c):
    return equal((c.W_r + c.unseen) @ c.hat_half, truncate(c.A_ols, c.r))


@lemma_7(68, r"H \hat\Sigma_x^{1/2} = 0, \quad \operatorname{rank}(\hat W + H) \le r", on=under)
def _(c):
    rank = np.linalg.matrix_rank(c.W_r + c.unseen, tol=1e-9)
    return (
        equal(c.unseen @ c.hat_half, 0.0, np.sqrt(fro(c.unseen) * fro(c.hat_half))),
        at_most(rank, np.full(c.count, c.r)),
    )


@lemma_7(69, r"\hat W H^\top = (A)_r (\hat\Sigma_x^{1/2})^\dagger H^\top = 0", on=under)
def _(c):
    return equal(c.W_r @ t(c.unseen), 0.0, np.sqrt(fro(c.W_r) * fro(c.unseen)))


@lemma_7(70, r"\|\hat W + H\|_F^2 = \|\hat W\|_F^2 + \|H\|_F^2 \ge \|\hat W\|_F^2", on=under)
def _(c):
    total = fro(c.W_r + c.unseen)
    return equal(total, fro(c.W_r) + fro(c.unseen)), at_most(fro(c.W_r), total)


@proposition_2(71, r"\min_{\operatorname{rank} \Delta \le r} \|Y - (W_0 + \Delta) X\|_F^2", on=both)
def _(c):
    least = c.loss(c.lora)
    return at_most(least, c.loss(c.W0 + c.rival(c.D_lora))), equal(least, c.loss(c.W_lora))


proposition_2.symbol(72, r"R = Y - W_0 X", where="eq-residual")


@proposition_2(73, r"\min_{\operatorname{rank} \Delta \le r} \|R - \Delta X\|_F^2", on=both)
def _(c):
    least, other = (fro(c.R - D @ c.X) for D in (c.D_lora, c.rival(c.D_lora)))
    return at_most(least, other), equal(other, c.loss(c.W0 + c.rival(c.D_lora)))


@proposition_2(74, r"\Delta_{\mathrm{LoRA}} = (R X^\dagger \hat\Sigma_x^{1/2})_r (\hat\Sigma_x^{1/2})^\dagger", on=both)
def _(c):
    return equal(c.lora - c.W0, truncate(c.R @ c.X_plus @ c.hat_half, c.r) @ c.hat_half_plus)


@proposition_2(
    75,
    r"\Delta_{\mathrm{LoRA}} = ((Y - W_0 X) X^\dagger \hat\Sigma_x^{1/2})_r (\hat\Sigma_x^{1/2})^\dagger",
    r"(Y - W_0 X) X^\dagger = \Delta_{\mathrm{FFT}}",
    on=both,
)
def _(c):
    fft = c.each(formulas.full_finetune, X=c.X, Y=c.Y, W_0=c.W0) - c.W0
    expanded = (c.Y - c.W0 @ c.X) @ c.X_plus
    lora = truncate(expanded @ c.hat_half, c.r) @ c.hat_half_plus
    return equal(expanded, fft), equal(lora, c.lora - c.W0)
