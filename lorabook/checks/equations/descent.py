"""Lemma 6, (38)–(51): gradient descent finds full fine-tuning."""

import numpy as np

from lorabook import estimators, formulas
from lorabook.checks.equations._draws import both, over, under
from lorabook.checks.equations._equation import DEFINITION, STATEMENT, Group, at_most, equal
from lorabook.checks.equations._stacks import fro, inv, t

lemma_6 = Group("lem-gradient-descent")
GROUPS = (lemma_6,)


def _step(c):
    """A step size below 2 / lambda_max(X X^T) for each data set."""
    return 1.5 / np.linalg.norm(c.X, 2, axis=(1, 2))[:, None, None] ** 2


def _iterate(c, steps: int):
    """Weights after the given number of steps."""
    W, eta = np.broadcast_to(c.W0, c.any.shape), _step(c)
    for _ in range(steps):
        W = W - eta * (W @ c.X - c.Y) @ t(c.X)
    return W


def _contraction(c):
    return np.eye(c.n) - _step(c) * t(c.X) @ c.X


def _objective(c, W):
    return c.loss(W) / 2


@lemma_6(38, r"\min_W \tfrac12 \|Y - W X\|_F^2", on=both, kind=DEFINITION, own=True)
def objective(c):
    library = c.each(estimators.full_finetune, X=c.X, Y=c.Y, W0=c.W0)
    return at_most(_objective(c, library), _objective(c, library + c.near))


@lemma_6(
    39,
    r"W_t \to W_0 + (Y - W_0 X) X^\dagger",
    r"\text{for } 0 < \eta < 2 / \lambda_{\max}(X X^\top)",
    on=both,
    kind=STATEMENT,
    own=True,
)
def _(c):
    start = np.sqrt(fro(c.W0 - c.W_fft))
    rate = c.each(lambda X, eta: formulas.descent_rate(X=X, eta=eta[0, 0]), X=c.X, eta=_step(c))
    bounds = [at_most(np.sqrt(fro(_iterate(c, steps) - c.W_fft)), rate**steps * start) for steps in (1, 3, 10)]
    limit = c.each(lambda X, Y: estimators.gradient_descent(X, Y, c.W0, 1500), X=c.X, Y=c.Y)
    return equal(limit, c.each(formulas.full_finetune, X=c.X, Y=c.Y, W_0=c.W0)), *bounds


@lemma_6(40, rf"n \ge d_x: \quad W_\infty = {formulas.ordinary_least_squares.latex()}", on=over)
def _(c):
    return equal(_iterate(c, 2000), c.each(formulas.ordinary_least_squares, X=c.X, Y=c.Y))


@lemma_6(41, r"g(W) = \tfrac12 \|Y - W X\|_F^2 = \tfrac n2 \hat L(W)", on=both, kind=DEFINITION, own=True)
def _(c):
    return equal(_objective(c, c.any), c.n / 2 * c.each(formulas.empirical_risk, X=c.X, Y=c.Y, W=c.any))


@lemma_6(42, r"\nabla g(W) = (W X - Y) X^\top", on=both, own=True)
def _(c):
    """The central difference of a quadratic function is exact."""
    difference = (_objective(c, c.any + c.other) - _objective(c, c.any - c.other)) / 2
    gradient = (c.any @ c.X - c.Y) @ t(c.X)
    return equal(difference, np.sum(gradient * c.other, axis=(1, 2)), _objective(c, c.any + c.other))


@lemma_6(43, r"W_{t+1} X - Y = (W_t X - Y) (I - \eta X^\top X)", on=both)
def _(c):
    now, then = (_iterate(c, steps) @ c.X - c.Y for steps in (3, 4))
    return equal(then, now @ _contraction(c))


@lemma_6(44, r"W_t X - Y = (W_0 X - Y) (I - \eta X^\top X)^t", on=both)
def _(c):
    return equal(_iterate(c, 5) @ c.X - c.Y, -c.R @ np.linalg.matrix_power(_contraction(c), 5))


@lemma_6(45, r"W_1 = W_0 + C_0 X^\top, \quad C_0 = \eta (Y - W_0 X)", on=both)
def _(c):
    return equal(_iterate(c, 1), c.W0 + _step(c) * c.R @ t(c.X))


@lemma_6(46, r"W_2 = W_0 + C_1 X^\top, \quad C_1 = C_0 + \eta (Y - W_1 X)", on=both)
def _(c):
    C = _step(c) * (c.R + c.Y - _iterate(c, 1) @ c.X)
    return equal(_iterate(c, 2), c.W0 + C @ t(c.X))


@lemma_6(47, r"W_t = W_0 + C_{t-1} X^\top, \quad C_t = \eta R \sum_{j \le t} (I - \eta X^\top X)^j", on=both)
def _(c):
    total = sum(np.linalg.matrix_power(_contraction(c), j) for j in range(6))
    return equal(_iterate(c, 6), c.W0 + _step(c) * c.R @ total @ t(c.X))


@lemma_6(
    48,
    r"n \le d_x: \quad Y = W_\infty X = W_0 X + C X^\top X",
    r"C = (Y - W_0 X) (X^\top X)^{-1}",
    on=under,
)
def _(c):
    gram = t(c.X) @ c.X
    C = c.R @ inv(gram)
    return equal(c.Y, _iterate(c, 2000) @ c.X), equal(c.Y, c.W0 @ c.X + C @ gram)


@lemma_6(
    49,
    r"n \le d_x: \quad W_\infty = W_0 + (Y - W_0 X) (X^\top X)^{-1} X^\top",
    r"= W_0 + (Y - W_0 X) X^\dagger",
    on=under,
)
def _(c):
    explicit = c.W0 + c.R @ inv(t(c.X) @ c.X) @ t(c.X)
    return equal(explicit, _iterate(c, 2000)), equal(explicit, c.W_fft)


@lemma_6(
    50,
    r"n \ge d_x: \quad X^\dagger = X^\top (X X^\top)^{-1}, \quad X X^\dagger = I",
    on=over,
    where="lem-pseudo-inverse",
)
def right_inverse(c):
    return equal(c.X_plus, t(c.X) @ inv(c.X @ t(c.X))), equal(c.X @ c.X_plus, np.eye(c.d_x))


@lemma_6(51, r"n \ge d_x: \quad W_0 + (Y - W_0 X) X^\dagger = Y X^\dagger", on=over)
def _(c):
    return equal(c.W0 + c.R @ c.X_plus, c.Y @ c.X_plus)
