"""Theorem 4, (17), (166)–(180), Corollary 2, (18), Proposition 6, (181)–(188): LoRA with fewer data than dimensions."""

import numpy as np

from lorabook import bounds, formulas, wishart
from lorabook.checks.equations._draws import (
    fixed_under,
    isotropic,
    low_rank_isotropic,
    low_rank_under,
    many_isotropic,
    many_under,
    under,
)
from lorabook.checks.equations._equation import STATEMENT, Group, at_most, equal, mean_at_most, tends
from lorabook.checks.equations._stacks import fro, norm, sigma, t, truncate
from lorabook.checks.equations.lora_over import (
    SIZES,
    excess,
    smallest_eigenvalue_limit,
    three_terms,
    variance,
    variance_limit,
)
from lorabook.checks.equations.noise import rank_split

theorem_4, corollary_2 = Group("thm-lora-bound-under"), Group("cor-lora-bound-under-exact-rank")
proposition_6 = Group("prop-lora-variance-limit-under")
GROUPS = (theorem_4, corollary_2, proposition_6)

RISK = r"\mathbb{E}\, \mathcal{E}(W_{\mathrm{LoRA}})"
SEEN = r"\Delta_{\mathrm{LoRA}} - \Delta_* \Pi"
BY_LEMMA_11 = (
    r"+ 8 r \|(\Delta_* \Pi - (\Delta_* \Pi)_r) \Sigma_x^{1/2}\|^2",
    r"+ 2 \|\Delta_* \Pi - (\Delta_* \Pi)_r\|_{\Sigma_x}^2",
)


def _many():
    return (*many_under(), *many_isotropic())


def _low_rank():
    return (*low_rank_under(), *low_rank_isotropic())


def _under():
    return (*under(), *isotropic())


def _seen(c):
    return c.D_lora - c.shift @ c.Pi


def _rest(c):
    """What the truncation of the seen part of the shift leaves."""
    return c.shift @ c.Pi - truncate(c.shift @ c.Pi, c.r)


def _tail_to_n(c):
    s = np.linalg.svd(c.shift, compute_uv=False)
    return c.largest_x * np.sum(s[c.r : max(c.r, c.n)] ** 2)


def _text_route(c, noise_square):
    """The bound by Lemma 11, given the square of the noise's norm."""
    rest, size = _rest(c), 16 * c.r * c.kappa * c.hat_largest * sigma(c.shift, c.r + 1) ** 2
    kept = 8 * c.r * norm(rest @ c.S_half) ** 2 + 2 * fro(rest @ c.S_half)
    return size + 64 * c.r * c.kappa * noise_square + kept


@theorem_4(
    17,
    rf"{RISK} \le \bigl(\sqrt B + \sqrt{{V'}}\bigr)^2, \quad \text{{if }} \Sigma_x = \sigma_x^2 I: \ \le B + V'",
    rf"V' = {formulas.lora_bound.latex()}",
    rf"\le {formulas.lora_bound_three_terms.latex()}",
    on=_many,
    kind=STATEMENT,
    own=True,
)
def _(c):
    unsplit, terms = (f(c.task, c.n, c.r, draws=1000).total for f in (bounds.lora_bound, bounds.lora_bound_three_terms))
    return mean_at_most(c.excess(c.W_lora), unsplit), at_most(unsplit, terms)


theorem_4(166, rf"{RISK} = \mathbb{{E}} \|(W_{{\mathrm{{LoRA}}}} - W_*) \Sigma_x^{{1/2}}\|_F^2", on=under)(excess)


@theorem_4(167, rf"{RISK} = \mathbb{{E}} \|(\Delta_{{\mathrm{{LoRA}}}} - \Delta_*) \Sigma_x^{{1/2}}\|_F^2", on=under)
def _(c):
    return equal(c.each(c.task.excess_risk, W=c.lora), fro((c.D_lora - c.shift) @ c.S_half))


@theorem_4(
    168,
    rf"\Delta_{{\mathrm{{LoRA}}}} - \Delta_* = ({SEEN}) - \Delta_* \Pi^\perp",
    rf"\mathcal{{E}} \le \bigl(\|({SEEN}) \Sigma_x^{{1/2}}\|_F + \|\Delta_* \Pi^\perp \Sigma_x^{{1/2}}\|_F\bigr)^2",
    r"\Sigma_x = \sigma_x^2 I: \ \text{the sum of the squares}",
    on=_under,
)
def _(c):
    seen, unseen = _seen(c), c.shift @ c.Pi_perp
    squares = [fro(D @ c.S_half) for D in (seen, unseen)]
    parts = [
        equal(c.lora - c.W_star, seen - unseen),
        at_most(c.excess(c.W_lora), (np.sqrt(squares[0]) + np.sqrt(squares[1])) ** 2),
    ]
    return [*parts, equal(c.excess(c.W_lora), sum(squares))] if c in isotropic() else parts


@theorem_4(
    169,
    rf"\|{SEEN}\|_{{\Sigma_x}}^2 \le 8 r \|({SEEN}) \Sigma_x^{{1/2}}\|^2",
    *BY_LEMMA_11,
    on=under,
    own=True,
)
def _(c):
    return at_most(fro(_seen(c) @ c.S_half), rank_split(_seen(c), _rest(c), c.S_half, c.r))


@theorem_4(170, r"\Pi = \hat\Sigma_x^{1/2} (\hat\Sigma_x^{1/2})^\dagger", on=under)
def _(c):
    return equal(c.Pi, c.hat_half @ c.hat_half_plus)


@theorem_4(
    171,
    rf"({SEEN}) \Sigma_x^{{1/2}} = [(A + \mathsf{{N}})_r - A] (\hat\Sigma_x^{{1/2}})^\dagger \Sigma_x^{{1/2}}",
    r"\text{of norm} \le (\sigma_{r+1}(A) + 2 \|\mathsf{N}\|) (\kappa_X^\dagger)^{1/2}",
    on=under,
)
def _(c):
    left = _seen(c) @ c.S_half
    bound = c.each(formulas.truncation_perturbation, A=c.A, N=c.N, r=c.r)
    return (
        equal(left, (truncate(c.A + c.N, c.r) - c.A) @ c.hat_half_plus @ c.S_half),
        at_most(norm(left), bound * np.sqrt(c.kappa)),
    )


@theorem_4(
    172,
    r"\sigma_{r+1}(\Delta_* \hat\Sigma_x^{1/2}) \le \lambda_{\max}(\hat\Sigma_x)^{1/2} \sigma_{r+1}(\Delta_*)",
    r"\text{by } \sigma_i(C D) \le \sigma_i(C) \|D\|",
    on=under,
)
def _(c):
    every = [at_most(sigma(c.any @ t(c.other), i), sigma(c.any, i) * norm(c.other)) for i in range(1, c.k + 1)]
    return at_most(sigma(c.A, c.r + 1), np.sqrt(c.hat_largest) * sigma(c.shift, c.r + 1)), *every


@theorem_4(
    173,
    r"\|\mathsf{N}\| = n^{-1/2} \|E\| = \|\hat\Sigma_\varepsilon\|^{1/2}, \quad"
    r"\hat\Sigma_\varepsilon = \tfrac1n E E^\top",
    on=under,
)
def _(c):
    size = norm(c.N)
    return equal(size, norm(c.E) / np.sqrt(c.n)), equal(size, np.sqrt(norm(c.E @ t(c.E) / c.n)))


@theorem_4(
    174,
    rf"\|{SEEN}\|_{{\Sigma_x}}^2",
    r"\le 16 r \kappa_X^\dagger \lambda_{\max}(\hat\Sigma_x) \sigma_{r+1}^2(\Delta_*)"
    r" + 64 r \kappa_X^\dagger \|\hat\Sigma_\varepsilon\|",
    *BY_LEMMA_11,
    on=under,
    own=True,
)
def _(c):
    return at_most(fro(_seen(c) @ c.S_half), _text_route(c, norm(c.E) ** 2 / c.n))


@theorem_4(
    175,
    r"\|(\Delta_* \Pi - (\Delta_* \Pi)_r) \Sigma_x^{1/2}\|^2 \le \lambda_{\max}(\Sigma_x) \sigma_{r+1}^2(\Delta_*)",
    on=under,
)
def _(c):
    return at_most(norm(_rest(c) @ c.S_half) ** 2, c.largest_x * sigma(c.shift, c.r + 1) ** 2)


@theorem_4(
    176,
    r"\|\Delta_* \Pi - (\Delta_* \Pi)_r\|_{\Sigma_x}^2",
    r"\le \lambda_{\max}(\Sigma_x) \sum_{i=r+1}^n \sigma_i^2(\Delta_*)",
    r"\operatorname{rank} \Pi = n, \quad \sigma_i(\Delta_* \Pi) \le \sigma_i(\Delta_*)",
    on=under,
)
def _(c):
    every = [at_most(sigma(c.shift @ c.Pi, i), sigma(c.shift, i)) for i in range(1, c.n + 1)]
    rank = np.linalg.matrix_rank(c.Pi, tol=1e-9)
    return at_most(fro(_rest(c) @ c.S_half), _tail_to_n(c)), equal(rank, np.full(c.count, c.n)), *every


@theorem_4(
    177,
    rf"\mathbb{{E}}[\|{SEEN}\|_{{\Sigma_x}}^2 \mid X]",
    r"\le 16 r \kappa_X^\dagger \lambda_{\max}(\hat\Sigma_x) \sigma_{r+1}^2(\Delta_*)"
    r" + 64 r \kappa_X^\dagger\, \mathbb{E} \|\hat\Sigma_\varepsilon\|",
    *BY_LEMMA_11,
    on=fixed_under,
    own=True,
)
def _(c):
    return mean_at_most(fro(_seen(c) @ c.S_half), _text_route(c, norm(c.S_e_half @ c.fresh) ** 2 / c.n))


@theorem_4(
    178,
    r"\mathbb{E} \|\hat\Sigma_\varepsilon\| \le \frac{\lambda_{\max}(\Sigma_\varepsilon)}{n}"
    r"\, \mathbb{E} \|\mathsf{Z}\|^2",
    r"\le \lambda_{\max}(\Sigma_\varepsilon) \frac{(\sqrt n + \sqrt{d_y})^2}{n}",
    on=_many,
    own=True,
)
def _(c):
    middle = c.largest_e / c.n * norm(c.white) ** 2
    bound = c.largest_e * wishart.gaussian_norm_bound(c.d_y, c.n) / c.n
    return at_most(norm(c.E @ t(c.E) / c.n), middle), mean_at_most(middle, bound)


@theorem_4(
    179,
    r"\lambda_{\max}(\Sigma_x^{1/2} \hat\Sigma_x^\dagger \Sigma_x^{1/2})"
    r"= \|(\hat\Sigma_x^{1/2})^\dagger \Sigma_x^{1/2}\|^2 = \kappa_X^\dagger",
    on=under,
)
def _(c):
    top = np.linalg.eigvalsh(c.S_half @ np.linalg.pinv(c.hat, rcond=1e-10, hermitian=True) @ c.S_half)[:, -1]
    return equal(top, norm(c.hat_half_plus @ c.S_half) ** 2), equal(top, c.kappa)


@theorem_4(
    180,
    rf"\Sigma_x = \sigma_x^2 I: \quad {RISK} \le B",
    rf"+ {formulas.lora_bound_three_terms.latex()}",
    on=many_isotropic,
    own=True,
)
def _(c):
    return (
        mean_at_most(c.excess(c.W_lora), c.bias + sum(three_terms(c, _tail_to_n(c)))),
        mean_at_most(fro(_seen(c) @ c.S_half), sum(three_terms(c, _tail_to_n(c)))),
    )


@corollary_2(
    18,
    rf"\operatorname{{rank}} \Delta_* \le r: \quad {RISK} \le B + {formulas.lora_bound_exact_rank.latex()}",
    r"\Sigma_x = \sigma_x^2 I; \ \text{in general } (\sqrt B + \sqrt{\,\cdot\,})^2",
    on=_low_rank,
    kind=STATEMENT,
    own=True,
)
def _(c):
    return mean_at_most(c.excess(c.W_lora), bounds.lora_bound_exact_rank(c.task, c.n, c.r, draws=1000).total)


proposition_6(
    181,
    r"\text{variance} = \frac{C}{n}\, r\, \lambda_{\max}(\Sigma_\varepsilon) (\sqrt n + \sqrt{d_y})^2\,"
    r"\mathbb{E} \kappa_X^\dagger, \quad C = 16",
    on=many_isotropic,
    own=True,
)(variance)


@proposition_6(
    182,
    r"\Sigma_x = \sigma_x^2 I: \quad \Sigma_x^{1/2} \hat\Sigma_x^\dagger \Sigma_x^{1/2}"
    r"= \sigma_x^2 \hat\Sigma_x^\dagger",
    on=isotropic,
)
def _(c):
    return equal(c.S_half @ c.hat_plus @ c.S_half, c.S[0, 0] * c.hat_plus)


@proposition_6(183, r"\kappa_X^\dagger = \sigma_x^2 / \lambda_{\min}^+(\hat\Sigma_x)", on=isotropic)
def _(c):
    return equal(c.kappa, c.S[0, 0] / np.linalg.eigvalsh(c.hat)[:, -c.n])


@proposition_6(184, r"\lambda_{\min}^+(\hat\Sigma_x) = \tfrac1n \lambda_{\min}(X^\top X)", on=isotropic)
def _(c):
    return equal(np.linalg.eigvalsh(c.hat)[:, -c.n], np.linalg.eigvalsh(t(c.X) @ c.X)[:, 0] / c.n)


@proposition_6(
    185, r"X^\top X = \sigma_x^2 Z^\top Z, \quad \kappa_X^\dagger = n / \lambda_{\min}(Z^\top Z)", on=isotropic
)
def _(c):
    gram = t(c.Z) @ c.Z
    return equal(t(c.X) @ c.X, c.S[0, 0] * gram), equal(c.kappa, c.n / np.linalg.eigvalsh(gram)[:, 0])


@proposition_6(
    186,
    r"\lambda_{\min}(Z^\top Z) / d_x \to (1 - \sqrt{\gamma'})^2 \text{ almost surely}",
    where="thm-smallest-eigenvalue-limit",
)
def _(_):
    return smallest_eigenvalue_limit(seed=24)


@proposition_6(187, r"\mathbb{E} \kappa_X^\dagger \sim \frac{n}{(\sqrt{d_x} - \sqrt n)^2}")
def _(_):
    kappas = [n * wishart.inverse_smallest(n, 4 * n, 1, 16_000 // n, seed=25).value for n in SIZES]
    limits = [n / (np.sqrt(4 * n) - np.sqrt(n)) ** 2 for n in SIZES]
    return tends(np.array(kappas) / limits, 1.0)


@proposition_6(
    188,
    rf"\text{{variance}} \sim {formulas.lora_variance_limit.latex()}, \quad c = 16",
    kind=STATEMENT,
    own=True,
)
def _(_):
    return variance_limit(seed=26, more_data=False)
