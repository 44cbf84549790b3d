"""Lemmas 9 to 11, (121)–(144): signal and noise in LoRA, noise in the row space, splitting off the tail."""

import numpy as np

from lorabook import formulas, wishart
from lorabook.checks.equations._draws import both, fixed_over, fixed_under, over
from lorabook.checks.equations._equation import STATEMENT, Group, at_most, equal, mean, mean_at_most
from lorabook.checks.equations._stacks import fro, inv, norm, t, truncate
from lorabook.checks.equations.setting import lora, many, whitened_noise

lemma_9, lemma_10, lemma_11 = Group("lem-lora-noise"), Group("lem-noise-norm"), Group("lem-rank-split")
GROUPS = (lemma_9, lemma_10, lemma_11)


def fixed():
    """8,000 draws of the noise, for one X with n > d_x and one with n < d_x."""
    return (*fixed_over(), *fixed_under())


lemma_9(121, rf"W_{{\mathrm{{LoRA}}}} = {formulas.lora.latex()}", on=both)(lora)


@lemma_9(122, r"Y = W_* X + E", on=both, where="eq-model")
def _(c):
    """Two noise levels of the library, same seed: what remains beside the weights is the same noise."""
    residuals = []
    for scale in (1.0, 4.0):
        task = type(c.task)(c.W0, c.shift, scale * c.S_e, c.S)
        X, Y = task.sample(20, seed=4)
        residuals.append(Y - c.W_star @ X)
    return equal(2 * residuals[0], residuals[1])


@lemma_9(123, r"\Delta_* = W_* - W_0", on=both, where="eq-shift")
def _(c):
    return equal(c.shift, c.task.W_star - c.task.W0)


@lemma_9(
    124,
    r"\Delta_{\mathrm{LoRA}} = (A + \mathsf{N})_r (\hat\Sigma_x^{1/2})^\dagger",
    on=both,
    kind=STATEMENT,
)
def _(c):
    return equal(c.lora - c.W0, truncate(c.A + c.N, c.r) @ c.hat_half_plus)


@lemma_9(
    125,
    r"n \ge d_x: \quad \Delta_{\mathrm{LoRA}} = (\Delta_* \hat\Sigma_x^{1/2}"
    r"+ \tfrac1n E X^\top \hat\Sigma_x^{-1/2})_r \hat\Sigma_x^{-1/2}",
    on=over,
    kind=STATEMENT,
)
def _(c):
    inverse = inv(c.hat_half)
    T = c.shift @ c.hat_half + c.E @ t(c.X) @ inverse / c.n
    return equal(c.lora - c.W0, truncate(T, c.r) @ inverse)


@lemma_9(
    126,
    r"\Delta_{\mathrm{LoRA}} = ((Y - W_0 X) X^\dagger \hat\Sigma_x^{1/2})_r (\hat\Sigma_x^{1/2})^\dagger",
    on=both,
)
def _(c):
    return equal(c.lora - c.W0, truncate((c.Y - c.W0 @ c.X) @ c.X_plus @ c.hat_half, c.r) @ c.hat_half_plus)


@lemma_9(127, r"Y - W_0 X = \Delta_* X + E", on=both)
def _(c):
    return equal(c.Y - c.W0 @ c.X, c.shift @ c.X + c.E)


@lemma_9(
    128,
    r"(\Delta_* X + E) X^\dagger \hat\Sigma_x^{1/2} = \Delta_* \Pi \hat\Sigma_x^{1/2}"
    r"+ \tfrac1n E X^\top \hat\Sigma_x^\dagger \hat\Sigma_x^{1/2}",
    r"= A + \mathsf{N}",
    on=both,
)
def _(c):
    T = (c.shift @ c.X + c.E) @ c.X_plus @ c.hat_half
    split = c.shift @ c.Pi @ c.hat_half + c.E @ t(c.X) @ c.hat_plus @ c.hat_half / c.n
    return equal(T, split), equal(T, c.A + c.N)


@lemma_9(
    129,
    r"\bigl(\Delta_* S + E X^\top S^\dagger\bigr)_r S^\dagger, \quad S = (X X^\top)^{1/2}",
    r"\text{the same, by } (c A)_r = c\, (A)_r",
    on=both,
)
def _(c):
    S, S_plus = np.sqrt(c.n) * c.hat_half, c.hat_half_plus / np.sqrt(c.n)
    scaled = truncate(c.shift @ S + c.E @ t(c.X) @ S_plus, c.r) @ S_plus
    return (
        equal(scaled, c.lora - c.W0),
        equal(S @ S, c.X @ t(c.X)),
        equal(truncate(3 * c.any, c.r), 3 * truncate(c.any, c.r)),
    )


@lemma_10(
    130,
    r"\mathbb{E}[\|\mathsf{Z} P_{\mathrm{row}}\|^2 \mid X] \le (\sqrt{d_y} + \sqrt k)^2",
    on=fixed,
    kind=STATEMENT,
    own=True,
)
def noise_norm(c):
    return mean_at_most(norm(c.white @ c.P_row) ** 2, wishart.gaussian_norm_bound(c.d_y, c.k))


@lemma_10(131, r"z_i = \Sigma_\varepsilon^{-1/2} \varepsilon_i \sim N(0, I)", on=many)
def _(c):
    """The library's noise, whitened: mean, covariance, and fourth moments."""
    z = whitened_noise(c)
    return (
        mean(z, np.zeros(c.d_y)),
        mean(z[:, :, None] * z[:, None, :], np.eye(c.d_y)),
        mean(z**4, np.full(c.d_y, 3.0)),
    )


@lemma_10(132, r"P_{\mathrm{row}} = Q Q^\top, \quad Q^\top Q = I_k", on=both)
def _(c):
    return equal(c.P_row, c.Q @ t(c.Q)), equal(t(c.Q) @ c.Q, np.eye(c.k))


@lemma_10(133, r"\mathsf{Z} P_{\mathrm{row}} = (\mathsf{Z} Q) Q^\top", on=both)
def _(c):
    return equal(c.white @ c.P_row, (c.white @ c.Q) @ t(c.Q))


@lemma_10(134, r"\|\mathsf{Z} P_{\mathrm{row}}\| = \|\mathsf{Z} Q\|", on=both)
def _(c):
    return equal(norm(c.white @ c.P_row), norm(c.white @ c.Q))


@lemma_10(135, r"G = \mathsf{Z} Q = [\mathsf{Z} q_1, \dots, \mathsf{Z} q_k]", on=both)
def _(c):
    columns = [np.einsum("mij,mj->mi", c.white, c.Q[:, :, j]) for j in range(c.k)]
    return equal(c.white @ c.Q, np.stack(columns, axis=2))


@lemma_10(
    136,
    r"\operatorname{vec} G = (Q^\top \otimes I) \operatorname{vec} \mathsf{Z}, \quad"
    r"\mathbb{E} \operatorname{vec} G = 0",
    on=fixed,
)
def _(c):
    vec = _vec(c.white @ c.Q)
    return equal(vec, _vec(c.white) @ _factor(c).T), mean(vec, np.zeros(vec.shape[1]))


@lemma_10(137, r"\operatorname{Cov}(\operatorname{vec} G) = (Q^\top \otimes I) (Q \otimes I)", on=fixed)
def _(c):
    vec = _vec(c.white @ c.Q)
    return mean(vec[:, :, None] * vec[:, None, :], _factor(c) @ _factor(c).T)


@lemma_10(138, r"(Q^\top \otimes I) (Q \otimes I) = (Q^\top Q) \otimes I = I_{k d_y}", on=fixed)
def _(c):
    product, Q = _factor(c) @ _factor(c).T, c.Q[0]
    return equal(product, np.kron(Q.T @ Q, np.eye(c.d_y))), equal(product, np.eye(c.k * c.d_y))


@lemma_10(139, r"\mathbb{E} \|\mathsf{Z} P_{\mathrm{row}}\|^2 = \mathbb{E} \|G\|^2", on=fixed)
def _(c):
    return mean(norm(c.white @ c.P_row) ** 2, norm(c.fresh) ** 2)


@lemma_10(140, r"\mathbb{E} \|G\|^2 \le (\sqrt{d_y} + \sqrt k)^2", on=fixed, own=True)
def _(c):
    return mean_at_most(norm(c.fresh) ** 2, wishart.gaussian_norm_bound(c.d_y, c.k))


def rank_split(D, rest, half, r: int):
    """The paper's bound of `||D||_M^2`, D = A - B, from `rest` = B - B_r and `half` = M^{1/2}."""
    return 8 * r * norm(D @ half) ** 2 + 8 * r * norm(rest @ half) ** 2 + 2 * fro(rest @ half)


def _matrices(c):
    """A of rank r, B, its truncation, and the root of a positive semi-definite M."""
    return c.low, c.other, truncate(c.other, c.r), c.hat_half


@lemma_11(
    141,
    r"\|A - B\|_M^2 \le 8 r \|(A - B) M^{1/2}\|^2",
    r"+ 8 r \|(B - B_r) M^{1/2}\|^2 + 2 \|B - B_r\|_M^2",
    on=both,
    kind=STATEMENT,
    own=True,
)
def _(c):
    A, B, B_r, half = _matrices(c)
    return at_most(fro((A - B) @ half), rank_split(A - B, B - B_r, half, c.r))


@lemma_11(142, r"\|A - B\|_M^2 \le 2 \|A - B_r\|_M^2 + 2 \|B_r - B\|_M^2", on=both)
def _(c):
    A, B, B_r, half = _matrices(c)
    return at_most(fro((A - B) @ half), 2 * fro((A - B_r) @ half) + 2 * fro((B_r - B) @ half))


@lemma_11(
    143,
    r"\|A - B_r\|_M^2 \le 2 r \|(A - B_r) M^{1/2}\|^2",
    r"\le 4 r \|(A - B) M^{1/2}\|^2 + 4 r \|(B - B_r) M^{1/2}\|^2",
    on=both,
    own=True,
)
def _(c):
    A, B, B_r, half = _matrices(c)
    middle = 2 * c.r * norm((A - B_r) @ half) ** 2
    last = 4 * c.r * (norm((A - B) @ half) ** 2 + norm((B - B_r) @ half) ** 2)
    return at_most(fro((A - B_r) @ half), middle), at_most(middle, last)


@lemma_11(
    144,
    r"2 \|A - B_r\|_M^2 + 2 \|B_r - B\|_M^2",
    r"\le 8 r \|(A - B) M^{1/2}\|^2 + 8 r \|(B - B_r) M^{1/2}\|^2 + 2 \|B - B_r\|_M^2",
    on=both,
    own=True,
)
def _(c):
    A, B, B_r, half = _matrices(c)
    left = 2 * fro((A - B_r) @ half) + 2 * fro((B_r - B) @ half)
    return at_most(left, rank_split(A - B, B - B_r, half, c.r))


def _vec(A):
    """Columns below each other, for each matrix of a stack."""
    return t(A).reshape(len(A), -1)


def _factor(c):
    return np.kron(c.Q[0].T, np.eye(c.d_y))
