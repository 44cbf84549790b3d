"""Theorem 2, (12), (145)–(158), Corollary 1, (13), and Proposition 4, (159)–(165): LoRA with more data."""

import numpy as np

from lorabook import bounds, formulas, wishart
from lorabook.checks.equations._draws import fixed_over, low_rank_over, many_over, over
from lorabook.checks.equations._equation import STATEMENT, Group, at_most, equal, mean_at_most, tends
from lorabook.checks.equations._stacks import fro, inv, norm, root, sigma, t, tail, trace, truncate
from lorabook.checks.equations.full_over import whitened
from lorabook.checks.equations.noise import rank_split

theorem_2, corollary_1 = Group("thm-lora-bound"), Group("cor-lora-bound-exact-rank")
proposition_4 = Group("prop-lora-variance-limit")
GROUPS = (theorem_2, corollary_1, proposition_4)

RISK = r"\mathbb{E}\, \mathcal{E}(W_{\mathrm{LoRA}})"
SIZES = (25, 100, 400)
"""Dimensions at which the limits are approached, k; the other size is 4 k."""


def three_terms(c, tail_sum):
    """The terms of the three-term bound, the moments of kappa replaced by each data set's own values."""
    values = c.bound_values | {"barchi": c.kappa * c.hat_largest, "sigma_{r+1}": sigma(c.shift, c.r + 1)}
    return formulas.lora_bound_three_terms.terms(**values, T_r=tail_sum)


def _rest(c):
    """What the truncation of the shift leaves."""
    return c.shift - truncate(c.shift, c.r)


def _contrast(c):
    """The norm of hat^{-1/2} Sigma_x^{1/2}."""
    return norm(inv(c.hat_half) @ c.S_half)


def _noise_norm(c):
    return norm(c.E @ c.P_row)


@theorem_2(12, rf"{RISK} \le {formulas.lora_bound_three_terms.latex()}", on=many_over, kind=STATEMENT, own=True)
def _(c):
    risk = c.excess(c.W_lora)
    terms, unsplit = (f(c.task, c.n, c.r).total for f in (bounds.lora_bound_three_terms, bounds.lora_bound))
    return mean_at_most(risk, unsplit), at_most(unsplit, terms)


@theorem_2(145, rf"{RISK} = \mathbb{{E}} \|(W_{{\mathrm{{LoRA}}}} - W_*) \Sigma_x^{{1/2}}\|_F^2", on=over)
def excess(c):
    return equal(c.each(c.task.excess_risk, W=c.lora), fro((c.W_lora - c.W_star) @ c.S_half))


@theorem_2(146, rf"{RISK} = \mathbb{{E}} \|\Delta_{{\mathrm{{LoRA}}}} - \Delta_*\|_{{\Sigma_x}}^2", on=over)
def _(c):
    change = c.D_lora - c.shift
    return equal(c.each(c.task.excess_risk, W=c.lora), trace(change @ c.S @ t(change)))


@theorem_2(
    147,
    r"\|\Delta_{\mathrm{LoRA}} - \Delta_*\|_{\Sigma_x}^2 \le 8 r \|(\Delta_{\mathrm{LoRA}} - \Delta_*)"
    r"\Sigma_x^{1/2}\|^2",
    r"+ 8 r \|(\Delta_* - (\Delta_*)_r) \Sigma_x^{1/2}\|^2 + 2 \|\Delta_* - (\Delta_*)_r\|_{\Sigma_x}^2",
    on=over,
    own=True,
)
def _(c):
    change = c.D_lora - c.shift
    return at_most(fro(change @ c.S_half), rank_split(change, _rest(c), c.S_half, c.r))


@theorem_2(
    148,
    r"\|(\Delta_{\mathrm{LoRA}} - \Delta_*) \Sigma_x^{1/2}\| = \|[(A + \mathsf{N})_r - A]"
    r"\hat\Sigma_x^{-1/2} \Sigma_x^{1/2}\|",
    r"\le (\sigma_{r+1}(A) + 2 \|\mathsf{N}\|) \|\hat\Sigma_x^{-1/2} \Sigma_x^{1/2}\|",
    on=over,
)
def _(c):
    left = norm((c.D_lora - c.shift) @ c.S_half)
    middle = norm((truncate(c.A + c.N, c.r) - c.A) @ inv(c.hat_half) @ c.S_half)
    bound = c.each(formulas.truncation_perturbation, A=c.A, N=c.N, r=c.r)
    return equal(left, middle), at_most(middle, bound * _contrast(c))


@theorem_2(
    149,
    r"\|\mathsf{N}\|^2 = \frac1n \|E P_{\mathrm{row}} E^\top\| = \frac1n \|E P_{\mathrm{row}}\|^2",
    on=over,
)
def _(c):
    square = norm(c.N) ** 2
    return equal(square, norm(c.E @ c.P_row @ t(c.E)) / c.n), equal(square, _noise_norm(c) ** 2 / c.n)


@theorem_2(
    150,
    r"\|\hat\Sigma_x^{-1/2} \Sigma_x^{1/2}\|^2 = \lambda_{\max}(\hat\Sigma_x^{-1/2} \Sigma_x \hat\Sigma_x^{-1/2})",
    r"= \lambda_{\max}(\Sigma_x^{1/2} \hat\Sigma_x^{-1} \Sigma_x^{1/2}) = \kappa_X",
    on=over,
)
def _(c):
    left, inverse_half = _contrast(c) ** 2, inv(c.hat_half)
    return (
        equal(left, _top(inverse_half @ c.S @ inverse_half)),
        equal(left, _top(c.S_half @ inv(c.hat) @ c.S_half)),
        equal(left, c.kappa),
    )


@theorem_2(
    151,
    r"\|(\Delta_{\mathrm{LoRA}} - \Delta_*) \Sigma_x^{1/2}\|^2 \le 2 \kappa_X \sigma_{r+1}^2(A)"
    r"+ \frac{8 \kappa_X}{n} \|E P_{\mathrm{row}}\|^2",
    on=over,
    own=True,
)
def _(c):
    right = 2 * c.kappa * sigma(c.A, c.r + 1) ** 2 + 8 * c.kappa / c.n * _noise_norm(c) ** 2
    return at_most(norm((c.D_lora - c.shift) @ c.S_half) ** 2, right)


@theorem_2(
    152,
    r"\|E P_{\mathrm{row}}\| \le \lambda_{\max}(\Sigma_\varepsilon)^{1/2} \|\mathsf{Z} P_{\mathrm{row}}\|",
    on=over,
)
def _(c):
    return at_most(_noise_norm(c), np.sqrt(c.largest_e) * norm(c.white @ c.P_row))


@theorem_2(
    153,
    r"\mathbb{E}[\kappa_X \|E P_{\mathrm{row}}\|^2]",
    r"\le \lambda_{\max}(\Sigma_\varepsilon)\, \mathbb{E}_X \bigl[\kappa_X\,"
    r"\mathbb{E}[\|\mathsf{Z} P_{\mathrm{row}}\|^2 \mid X]\bigr]",
    on=many_over,
)
def _(c):
    """The inner mean is that of a Gaussian matrix drawn apart from X (Lemma 10)."""
    return mean_at_most(c.kappa * _noise_norm(c) ** 2, c.largest_e * c.kappa * norm(c.fresh) ** 2)


@theorem_2(
    154,
    r"\mathbb{E}[\|\mathsf{Z} P_{\mathrm{row}}\|^2 \mid X] \le (\sqrt{d_y} + \sqrt{d_x})^2",
    on=fixed_over,
    own=True,
)
def _(c):
    return mean_at_most(norm(c.white @ c.P_row) ** 2, wishart.gaussian_norm_bound(c.d_y, c.d_x))


@theorem_2(
    155,
    r"\mathbb{E}[\kappa_X \|E P_{\mathrm{row}}\|^2]",
    r"\le \lambda_{\max}(\Sigma_\varepsilon) (\sqrt{d_y} + \sqrt{d_x})^2\, \mathbb{E} \kappa_X",
    on=many_over,
    own=True,
)
def _(c):
    bound = c.largest_e * wishart.gaussian_norm_bound(c.d_y, c.d_x)
    return mean_at_most(c.kappa * _noise_norm(c) ** 2, bound * c.kappa)


@theorem_2(
    156,
    r"\|(\Delta_* - (\Delta_*)_r) \Sigma_x^{1/2}\|^2 \le \lambda_{\max}(\Sigma_x) \sigma_{r+1}^2(\Delta_*)",
    r"\sigma_{r+1}^2(A) \le \lambda_{\max}(\hat\Sigma_x) \sigma_{r+1}^2(\Delta_*)",
    on=over,
)
def _(c):
    next_square = sigma(c.shift, c.r + 1) ** 2
    return (
        at_most(norm(_rest(c) @ c.S_half) ** 2, c.largest_x * next_square),
        at_most(sigma(c.A, c.r + 1) ** 2, c.hat_largest * next_square),
    )


@theorem_2(
    157,
    r"\|(\Delta_* - (\Delta_*)_r) \Sigma_x^{1/2}\|_F^2 \le \lambda_{\max}(\Sigma_x) \sum_{i>r} \sigma_i^2(\Delta_*)",
    on=over,
)
def _(c):
    return at_most(fro(_rest(c) @ c.S_half), c.largest_x * tail(c.shift, c.r))


@theorem_2(
    158,
    rf"{RISK} \le {formulas.lora_bound_three_terms.latex()}",
    r"\text{by } \|C M^{1/2}\|_F^2 \le \lambda_{\max}(M) \|C\|_F^2",
    on=many_over,
    own=True,
)
def _(c):
    return (
        mean_at_most(c.excess(c.W_lora), sum(three_terms(c, c.largest_x * tail(c.shift, c.r)))),
        at_most(fro(c.any @ c.S_half), c.largest_x * fro(c.any)),
    )


@corollary_1(
    13,
    rf"\operatorname{{rank}} \Delta_* \le r: \quad {RISK} \le {formulas.lora_bound_exact_rank.latex()}",
    on=low_rank_over,
    kind=STATEMENT,
    own=True,
)
def _(c):
    risk = c.excess(c.W_lora)
    return (
        mean_at_most(risk, formulas.lora_bound_exact_rank(**c.bound_values)),
        mean_at_most(risk, bounds.lora_bound_exact_rank(c.task, c.n, c.r).total),
    )


@proposition_4(
    159,
    r"\text{variance} = \frac{C}{n}\, r\, \lambda_{\max}(\Sigma_\varepsilon) (\sqrt{d_x} + \sqrt{d_y})^2\,"
    r"\mathbb{E} \kappa_X, \quad C = 16",
    on=many_over,
    own=True,
)
def variance(c):
    """The first of the three terms, twice that of the corollary, where C = 8."""
    return equal(three_terms(c, 0.0)[0], 2 * formulas.lora_bound_exact_rank(**c.bound_values))


@proposition_4(
    160,
    r"X = \Sigma_x^{1/2} Z, \quad \hat\Sigma_x = \Sigma_x^{1/2} \frac{Z Z^\top}{n} \Sigma_x^{1/2}",
    on=over,
)
def _(c):
    return equal(c.X, c.S_half @ c.Z), whitened(c)


@proposition_4(161, r"\hat\Sigma_x^{-1} = \Sigma_x^{-1/2} \Bigl(\frac{Z Z^\top}{n}\Bigr)^{-1} \Sigma_x^{-1/2}", on=over)
def _(c):
    inverse_half = inv(root(c.S))
    return equal(inv(c.hat), inverse_half @ inv(c.Z @ t(c.Z) / c.n) @ inverse_half)


@proposition_4(
    162,
    r"\kappa_X = \lambda_{\max}\Bigl(\Bigl(\frac{Z Z^\top}{n}\Bigr)^{-1}\Bigr) = \frac{n}{\lambda_{\min}(Z Z^\top)}",
    on=over,
)
def _(c):
    return (
        equal(c.kappa, _top(inv(c.Z @ t(c.Z) / c.n))),
        equal(c.kappa, c.n / np.linalg.eigvalsh(c.Z @ t(c.Z))[:, 0]),
    )


@proposition_4(
    163,
    r"\frac1n \lambda_{\min}(Z Z^\top) \to (1 - \sqrt\gamma)^2 \text{ almost surely}",
    where="thm-smallest-eigenvalue-limit",
)
def _(_):
    return smallest_eigenvalue_limit(seed=21)


@proposition_4(
    164,
    r"\mathbb{E} \kappa_X \to (1 - \sqrt\gamma)^{-2}, \quad"
    r"\mathbb{E} \kappa_X \sim \frac{n}{(\sqrt n - \sqrt{d_x})^2}",
)
def _(_):
    edge = wishart.marchenko_pastur_edges(1 / 4)[0]
    kappas = [4 * k * wishart.inverse_smallest(k, 4 * k, 1, 16_000 // k, seed=22).value for k in SIZES]
    return tends(kappas, 1 / edge), equal(1 / edge, [4 * k / (np.sqrt(4 * k) - np.sqrt(k)) ** 2 for k in SIZES])


@proposition_4(
    165,
    rf"\text{{variance}} \sim {formulas.lora_variance_limit.latex()}, \quad c = 16",
    kind=STATEMENT,
    own=True,
)
def _(_):
    return variance_limit(seed=23, more_data=True)


def smallest_eigenvalue_limit(seed: int):
    """Mean and spread of `lambda_min / N` for matrices of sizes k and N = 4 k."""
    smallest = [wishart.eigenvalues(k, 4 * k, 16_000 // k, seed=seed)[:, 0] / (4 * k) for k in SIZES]
    edge = wishart.marchenko_pastur_edges(1 / 4)[0]
    return tends([s.mean() for s in smallest], edge), tends([s.std() for s in smallest], 0.0)


def variance_limit(seed: int, more_data: bool):
    """The variance term over its limit, n and d_x in the ratio 4 or 1/4."""
    ratios = []
    for k in SIZES:
        n = 4 * k if more_data else k
        kappa = n * wishart.inverse_smallest(k, 4 * k, 1, 16_000 // k, seed=seed).value
        values = {"r": 1, "lambda_varepsilon": 2.0, "k": k, "d_y": k}
        limit = formulas.lora_variance_limit(c=16, N=4 * k, **values)
        ratios.append(2 * formulas.lora_bound_exact_rank(n=n, barkappa=kappa, **values) / limit)
    return tends(ratios, 1.0)


def _top(M):
    return np.linalg.eigvalsh(M)[:, -1]
