"""Lemmas 1 to 4, (19)–(30): low-rank approximation and the norm of a Gaussian matrix."""

import numpy as np

from lorabook import formulas
from lorabook.checks.equations._draws import both, many_over, many_under
from lorabook.checks.equations._equation import STATEMENT, Group, at_most, equal, mean, mean_at_most
from lorabook.checks.equations._stacks import fro, norm, sigma, truncate

lemma_1, lemma_2 = Group("lem-eckart-young"), Group("lem-truncation-perturbation")
lemma_3, lemma_4 = Group("lem-gaussian-poincare"), Group("lem-gaussian-norm")
GROUPS = (lemma_1, lemma_2, lemma_3, lemma_4)


def many():
    """8,000 Gaussian matrices of two shapes."""
    return (*many_over(), *many_under())


@lemma_1(
    19,
    r"\min_{\operatorname{rank} B \le r} \|A - B\|_F^2 = \|A - (A)_r\|_F^2",
    rf"= {formulas.spectral_tail.latex()}",
    on=both,
    kind=STATEMENT,
)
def _(c):
    error = fro(c.any - truncate(c.any, c.r))
    return (
        equal(error, c.each(formulas.spectral_tail, A=c.any, r=c.r)),
        at_most(error, fro(c.any - c.rival(c.any))),
    )


@lemma_1(
    20,
    r"\min_{\operatorname{rank} B \le r} \|A - B\| = \|A - (A)_r\|",
    rf"= {formulas.operator_error.latex()}",
    on=both,
    kind=STATEMENT,
)
def _(c):
    error = norm(c.any - truncate(c.any, c.r))
    return (
        equal(error, c.each(formulas.operator_error, A=c.any, r=c.r)),
        at_most(error, norm(c.any - c.rival(c.any))),
    )


@lemma_2(21, rf"\|(A + N)_r - A\| \le {formulas.truncation_perturbation.latex()}", on=both, kind=STATEMENT)
def _(c):
    bound = c.each(formulas.truncation_perturbation, A=c.any, N=c.near, r=c.r)
    return at_most(norm(truncate(c.any + c.near, c.r) - c.any), bound)


@lemma_2(22, r"\|(A + N)_r - A\| \le \|(A + N)_r - (A + N)\| + \|N\|", on=both)
def _(c):
    kept = truncate(c.any + c.near, c.r)
    return at_most(norm(kept - c.any), norm(kept - c.any - c.near) + norm(c.near))


@lemma_2(
    23,
    r"\|(A + N)_r - (A + N)\| \le \|(A)_r - (A + N)\|",
    r"\le \sigma_{r+1}(A) + \|N\|",
    on=both,
)
def _(c):
    perturbed = c.any + c.near
    middle = norm(truncate(c.any, c.r) - perturbed)
    return (
        at_most(norm(truncate(perturbed, c.r) - perturbed), middle),
        at_most(middle, sigma(c.any, c.r + 1) + norm(c.near)),
    )


@lemma_3(24, r"\operatorname{Var} f(g) \le L^2, \quad f \text{ Lipschitz with constant } L", on=many, kind=STATEMENT)
def _(c):
    g = 3.0 * c.white.reshape(c.count, -1)  # L = 3
    linear = g.sum(axis=1) / np.sqrt(g.shape[1])
    others = [np.linalg.norm(g, axis=1), g.max(axis=1), np.abs(g[:, 0]), 3.0 * norm(c.white)]
    return mean(_square(linear), 9.0), *(mean_at_most(_square(f), 9.0) for f in others)


@lemma_4(
    25,
    rf"\mathbb{{E}}\, \|Z\|^2 \le {formulas.gaussian_norm_bound.latex()} \le 2 (m + n)",
    on=many,
    kind=STATEMENT,
    own=True,
)
def _(c):
    bound = formulas.gaussian_norm_bound(m=c.d_y, n=c.n)
    return mean_at_most(norm(c.white) ** 2, bound), at_most(bound, 2 * (c.d_y + c.n))


@lemma_4(26, r"\mathbb{E}\, \|Z\| \le \sqrt m + \sqrt n", on=many)
def _(c):
    return mean_at_most(norm(c.white), np.sqrt(formulas.gaussian_norm_bound(m=c.d_y, n=c.n)))


@lemma_4(27, r"\bigl| \|Z\| - \|Z'\| \bigr| \le \|Z - Z'\| \le \|Z - Z'\|_F", on=both)
def _(c):
    difference = norm(c.any - c.other)
    return (
        at_most(np.abs(norm(c.any) - norm(c.other)), difference),
        at_most(difference, np.sqrt(fro(c.any - c.other))),
    )


@lemma_4(28, r"\operatorname{Var} \|Z\| \le 1", on=many)
def _(c):
    return mean_at_most(_square(norm(c.white)), 1.0)


@lemma_4(
    29,
    r"\mathbb{E}\, \|Z\|^2 = \operatorname{Var} \|Z\| + (\mathbb{E}\, \|Z\|)^2 \le 1 + (\sqrt m + \sqrt n)^2",
    on=many,
)
def _(c):
    size = norm(c.white)
    bound = 1 + formulas.gaussian_norm_bound(m=c.d_y, n=c.n)
    return equal(np.mean(size**2), np.var(size) + np.mean(size) ** 2), mean_at_most(size**2, bound)


@lemma_4(30, r"(\sqrt m + \sqrt n)^2 \le 2 (m + n)", own=True)
def _(_):
    m, n = np.meshgrid(np.arange(1, 40), np.arange(1, 40))
    return at_most(formulas.gaussian_norm_bound(m=m, n=n), 2 * (m + n))


def _square(values):
    """Squared deviations, whose mean is the variance."""
    return (values - values.mean()) ** 2
