"""The setting and its two solutions, (1)–(9), (FFT), (LoRA), and Lemma 5, (31)–(37)."""

import numpy as np

from lorabook import estimators, formulas
from lorabook.checks.equations._draws import both, many_over, many_under, under
from lorabook.checks.equations._equation import DEFINITION, STATEMENT, Group, at_most, equal, mean
from lorabook.checks.equations._stacks import fro, inv, root, t, trace
from lorabook.task import Task

main, lemma_5 = Group("lem-excess-risk"), Group("lem-excess-risk")
GROUPS = (main, lemma_5)


def many():
    """8,000 data sets, n above and below d_x."""
    return (*many_over(), *many_under())


@main(1, r"y_i = W_* x_i + \varepsilon_i", on=many, kind=DEFINITION, where="eq-model")
def _(c):
    X, Y = c.task.sample(4000, seed=0)
    noise = t(Y - c.W_star @ X)
    silent = Task(c.W0, c.shift, 0.0, c.S).sample(50, seed=0)
    return (
        mean(noise, np.zeros(c.d_y)),
        mean(noise[:, :, None] * noise[:, None, :], c.S_e),
        equal(silent.Y, c.W_star @ silent.X),
    )


@main(
    2,
    r"\Sigma_x = \mathbb{E}[x x^\top]",
    r"\hat\Sigma_x = \frac1n \sum_i x_i x_i^\top = \frac1n X X^\top",
    on=many,
    kind=DEFINITION,
    where="eq-second-moments",
)
def _(c):
    features = t(c.task.sample(4000, seed=1).X)
    outer = np.einsum("kin,kjn->kij", c.X, c.X) / c.n
    return mean(features[:, :, None] * features[:, None, :], c.S), mean(c.hat, c.S), equal(outer, c.hat)


@main(3, r"\Delta_* = W_* - W_0", on=both, kind=DEFINITION, where="eq-shift")
def _(c):
    return equal(c.task.shift, c.task.W_star - c.task.W0)


@main(
    4,
    rf"\hat L(W) = \frac1n \sum_i \|y_i - W x_i\|^2 = {formulas.empirical_risk.latex()}",
    on=both,
    kind=DEFINITION,
    where="eq-empirical-risk",
)
def _(c):
    columns = np.sum((c.Y - c.any @ c.X) ** 2, axis=1)
    return equal(columns.mean(axis=1), _empirical_risk(c, c.any))


@main(5, r"\hat W \in \arg\min_W \hat L(W)", on=both, kind=DEFINITION, where="eq-erm")
def _(c):
    return at_most(_empirical_risk(c, c.W_fft), _empirical_risk(c, c.W_fft + c.near))


@main(
    "FFT",
    r"W_{\mathrm{FFT}} = \arg\min \{\|W - W_0\|_F : W \in \arg\min \hat L\}",
    on=under,
    kind=DEFINITION,
    where="def-full-finetuning",
)
def _(c):
    other = c.W_fft + c.near @ c.Pi_perp
    return (
        at_most(fro(c.W_fft - c.W0), fro(other - c.W0)),
        equal(_empirical_risk(c, c.W_fft), _empirical_risk(c, other), scale=_empirical_risk(c, 0 * c.any)),
    )


@main(
    6,
    rf"W_{{\mathrm{{FFT}}}} = {formulas.full_finetune.latex()}",
    on=both,
    kind=STATEMENT,
    where="prop-full-finetuning",
)
def full_finetuning(c):
    library = c.each(estimators.full_finetune, X=c.X, Y=c.Y, W0=c.W0)
    return equal(library, c.each(formulas.full_finetune, X=c.X, Y=c.Y, W_0=c.W0))


@main(
    "LoRA",
    r"\Delta_{\mathrm{LoRA}} \in \arg\min_{\operatorname{rank} \Delta \le r} \tfrac1n \|Y - (W_0 + \Delta) X\|_F^2",
    on=both,
    kind=DEFINITION,
    where="def-lora",
)
def _(c):
    rank = np.linalg.matrix_rank(c.lora - c.W0, tol=1e-9)
    return (
        at_most(c.loss(c.lora), c.loss(c.W0 + c.rival(c.D_lora))),
        at_most(c.loss(c.lora), c.loss(c.W0 + c.rival(c.D_fft))),
        at_most(rank, np.full(c.count, c.r)),
    )


@main(7, rf"W_{{\mathrm{{LoRA}}}} = {formulas.lora.latex()}", on=both, kind=STATEMENT, where="prop-lora")
def lora(c):
    return equal(c.lora, c.each(formulas.lora, X=c.X, Y=c.Y, W_0=c.W0, r=c.r))


@main(8, r"\mathcal{R}(W) = \mathbb{E}\, \|y - W x\|^2", on=many, kind=DEFINITION, where="eq-population-risk")
def _(c):
    return mean(c.loss(c.W0) / c.n, c.task.risk(c.W0))


@main(9, rf"\mathcal{{E}}(W) = {formulas.excess_risk_norm.latex()}", on=many, kind=STATEMENT)
def excess_risk(c):
    norm_form = formulas.excess_risk_norm(**_weights(c, c.W0))
    return equal(c.task.excess_risk(c.W0), norm_form), mean((c.loss(c.W0) - c.loss(c.W_star)) / c.n, norm_form)


lemma_5(31, rf"\mathcal{{E}}(W) = {formulas.excess_risk_norm.latex()}", on=many, kind=STATEMENT)(excess_risk)


@lemma_5(32, r"\mathcal{E}(W) = \mathcal{R}(W) - \mathcal{R}(W_*)", on=both, kind=DEFINITION)
def _(c):
    risks = c.each(lambda W: c.task.risk(W) - c.task.risk(c.W_star), W=c.any)
    return equal(risks, c.each(c.task.excess_risk, W=c.any))


@lemma_5(33, r"\mathcal{R}(W) = \mathbb{E}\, \|(W_* - W) x + \varepsilon\|^2", on=many)
def _(c):
    residual = (c.W_star - c.W0) @ c.X + c.E
    return equal(residual, c.Y - c.W0 @ c.X), mean(fro(residual) / c.n, c.task.risk(c.W0))


@lemma_5(34, r"\mathcal{R}(W_*) = \mathbb{E}\, \|\varepsilon\|^2 = \operatorname{tr} \Sigma_\varepsilon", on=many)
def _(c):
    return mean(fro(c.E) / c.n, c.task.risk(c.W_star)), equal(c.task.risk(c.W_star), np.trace(c.S_e))


@lemma_5(
    35,
    r"\mathcal{E}(W) = \mathbb{E}\, \|(W_* - W) x\|^2 + 2\, \mathbb{E}[\varepsilon^\top (W_* - W) x]",
    on=many,
)
def _(c):
    change = (c.W_star - c.W0) @ c.X
    expanded = fro(change) + 2 * np.sum(c.E * change, axis=(1, 2))
    return equal(c.loss(c.W0) - c.loss(c.W_star), expanded, c.loss(c.W0)), mean(
        expanded / c.n, c.task.excess_risk(c.W0)
    )


@lemma_5(36, r"\mathbb{E}[\varepsilon^\top (W_* - W) x] = 0", on=many)
def _(c):
    return mean(np.sum(c.E * ((c.W_star - c.W0) @ c.X), axis=(1, 2)), 0.0)


@lemma_5(37, rf"\mathcal{{E}}(W) = {formulas.excess_risk.latex()}", on=both)
def _(c):
    direct = c.each(lambda W: formulas.excess_risk(**_weights(c, W)), W=c.any)
    change = c.any - c.W_star
    return equal(direct, c.each(c.task.excess_risk, W=c.any)), equal(direct, trace(change @ c.S @ t(change)))


def whitened_noise(c):
    """Library's noise, whitened, samples first."""
    X, Y = c.task.sample(4000, seed=2)
    return t(inv(root(c.S_e)) @ (Y - c.W_star @ X))


def _empirical_risk(c, W):
    return c.each(formulas.empirical_risk, X=c.X, Y=c.Y, W=W)


def _weights(c, W) -> dict:
    return {"W": W, "W_*": c.W_star, "Sigma_x": c.S}
