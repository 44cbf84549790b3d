"""Full fine-tuning, without and with weight decay, LoRA, the rank path, and the gradient descents that find them.

Chapters *Full fine-tuning* and *The LoRA solution*; equations (6), (7), (7'), Lemma 6, Propositions 1 and 2.

With `R = Y - W0 X` and M the residual in an orthonormal basis of the row space of X, LoRA of rank r is the full
fine-tuning update projected onto the top r left singular vectors of M. One decomposition serves every rank; no
covariance, no square root and no inverse is formed.
"""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from lorabook import _validate
from lorabook._arrays import Float, Integer, Real, Seed
from lorabook.linalg import _EPS, _svd, row_space
from lorabook.task import Task

__all__ = [
    "RankPath",
    "descent_rate",
    "factored_gradient_descent",
    "full_finetune",
    "gradient_descent",
    "lora",
    "rank_path",
    "ridge_finetune",
]

_FACTOR_STREAM = 4
_RISE = 1e-9
"""Share by which rounding alone may raise the objective of a descent that has nowhere to go."""


def full_finetune(
    X: Float[np.ndarray, "d_x n"], Y: Float[np.ndarray, "d_y n"], W0: Float[np.ndarray, "d_y d_x"]
) -> Float[np.ndarray, "d_y d_x"]:
    """Full fine-tuning, `W_FFT = W0 + (Y - W0 X) X^+` (6): of all least-squares solutions the closest to W0.

    For n >= d_x and X of full rank this is ordinary least squares, whatever W0. For any rank of X it is the limit of
    gradient descent from W0 (Lemma 6).

    Arguments: X (d_x, n), Y (d_y, n), samples in columns; W0 (d_y, d_x).
    Raises ValueError if shapes do not fit or an entry is NaN, infinite or complex.
    Source: Proposition 1 of the paper; chapter *Full fine-tuning*.

    >>> X, Y = np.array([[1.0, 0.0], [0.0, 2.0]]), np.array([[3.0, 4.0]])
    >>> full_finetune(X, Y, W0=np.zeros((1, 2)))
    array([[3., 2.]])
    """
    X, Y, W0 = _data(X, Y, W0)
    space = row_space(X)
    return W0 + space.lift(space.coordinates(Y - W0 @ X))


def ridge_finetune(
    X: Float[np.ndarray, "d_x n"],
    Y: Float[np.ndarray, "d_y n"],
    W0: Float[np.ndarray, "d_y d_x"],
    weight_decay: Real,
) -> Float[np.ndarray, "d_y d_x"]:
    """Full fine-tuning with weight decay towards W0: `W0 + R X^T (X X^T + weight_decay I)^{-1}`, `R = Y - W0 X`.

    The minimiser of `||Y - (W0 + D) X||_F^2 / 2 + weight_decay ||D||_F^2 / 2` over D of any rank; without decay full
    fine-tuning. For isotropic features of variance 1 and a shift without a direction of its own the decay that costs
    least on average is `d_x tr(Sigma_eps) / ||Delta_*||_F^2`, which nobody knows without knowing noise and shift.

    Arguments: X (d_x, n), Y (d_y, n), samples in columns; W0 (d_y, d_x); weight_decay of at least 0.
    Raises ValueError if shapes do not fit, an entry is NaN, infinite or complex, or the decay is negative.
    Source: ridge regression, Hoerl and Kennard 1970; chapter *The linear experiments*.

    >>> X, Y = np.array([[1.0, 0.0], [0.0, 2.0]]), np.array([[3.0, 4.0]])
    >>> ridge_finetune(X, Y, W0=np.zeros((1, 2)), weight_decay=1.0)
    array([[1.5, 1.6]])
    """
    X, Y, W0 = _data(X, Y, W0)
    weight_decay = _validate.number("weight_decay", weight_decay)
    if weight_decay == 0.0:
        return full_finetune(X, Y, W0)
    A, s, Bt = _svd(X)
    return W0 + ((Y - W0 @ X) @ Bt.T * (s / (s**2 + weight_decay))) @ A.T


def lora(
    X: Float[np.ndarray, "d_x n"], Y: Float[np.ndarray, "d_y n"], W0: Float[np.ndarray, "d_y d_x"], rank: Integer
) -> Float[np.ndarray, "d_y d_x"]:
    """LoRA: the minimiser of `||Y - (W0 + D) X||_F` over D of rank at most r that has least Frobenius norm.

    The closed form is `W_LoRA = W0 + (D_FFT S^{1/2})_r (S^{1/2})^+` (7) with `S = X X^T / n` and `D_FFT = W_FFT - W0`.
    It equals `W0 + P D_FFT` (7'), P the projector on the top r left singular vectors of `(Y - W0 X) X^+ X`, and is
    computed so. Rank 0 returns W0; a rank of min(n, d_x, d_y) or more returns full fine-tuning.

    Ties. If the r-th and (r+1)-th singular values are equal and not zero, there are many minimisers of different
    norms. The tied directions are then kept in order of the norm that each adds to the update, smallest first, which
    gives the least norm among all minimisers. (In terms of the paper: if V_c holds the right singular vectors of the
    tied block, of which p are to be kept, the solution keeps the bottom p eigenvectors of `V_c^T S^+ V_c`, and is
    unique exactly when its p-th eigenvalue is below the next.) Values count as tied when they differ by no more than
    the rounding of the data, `(d_y + n) * eps * (||Y||_F + ||W0 X||_F)`.

    Arguments: X (d_x, n), Y (d_y, n), samples in columns; W0 (d_y, d_x); rank, an integer of at least 0.
    Raises ValueError if shapes do not fit, an entry is NaN, infinite or complex, or the rank is negative or fractional.
    Source: Proposition 2 of the paper, after Sondermann 1986; chapter *The LoRA solution*.

    >>> X, Y = np.array([[1.0, 0.0], [0.0, 2.0]]), np.array([[3.0, 0.0], [0.0, 4.0]])
    >>> lora(X, Y, W0=np.zeros((2, 2)), rank=1)
    array([[0., 0.],
           [0., 2.]])
    """
    return rank_path(X, Y, W0).weights(rank)


@dataclass(frozen=True, eq=False)
class RankPath:
    """LoRA solutions of every rank for one data set, from one decomposition. Made by `rank_path`."""

    W0: Float[np.ndarray, "d_y d_x"]
    """Pre-trained weights."""
    directions: Float[np.ndarray, "d_y k"]
    """Orthonormal output directions, most fitted energy first; rank r keeps the first r."""
    updates: Float[np.ndarray, "k d_x"]
    """The full fine-tuning update in those directions; `directions[:, :r] @ updates[:r]` is that of rank r."""
    singular_values: Float[np.ndarray, " k"]
    """Singular values of the fitted residual `(Y - W0 X) X^+ X`; rank r leaves `sum_{i>r} s_i^2` unfitted."""
    max_rank: int
    """min(n, d_x, d_y), from which on LoRA is full fine-tuning."""

    def weights(self, rank: Integer) -> Float[np.ndarray, "d_y d_x"]:
        """`W_LoRA` of the given rank; W0 at rank 0, full fine-tuning from `max_rank` on.

        Raises ValueError if the rank is negative or not an integer.
        """
        r = _validate.integer("rank", rank, 0)
        return self.W0 + self.directions[:, :r] @ self.updates[:r]

    def excess_risks(self, task: Task) -> Float[np.ndarray, " ranks"]:
        """Excess risk of every rank 0, 1, …, max_rank, shape (max_rank + 1,); squared units of y.

        By the exact decomposition of the risk, `E(W_r) = ||P_r (W_FFT - W_*) S||_F^2 + ||(I - P_r) (W_* - W0) S||_F^2`
        with `S S^T = Sigma_x`: a sum of squares for each rank, without cancellation.

        Raises ValueError if `task` is not a Task or its weights have another shape than W0.
        """
        kept, missed = self.risk_parts(task)
        return kept + missed

    def risk_parts(self, task: Task) -> tuple[Float[np.ndarray, " ranks"], Float[np.ndarray, " ranks"]]:
        """The two terms of LoRA's risk for every rank 0, 1, …, max_rank: error in what is kept, and what is missed.

        `||P_r (W_FFT - W_*) S||_F^2`, which grows with the rank, and `||(I - P_r) (W_* - W0) S||_F^2`, which falls.

        Raises ValueError as `excess_risks` does.
        """
        if not isinstance(task, Task):
            raise ValueError(f"task is {_validate.shown(task)}; it must be a Task")
        if task.W0.shape != self.W0.shape:
            raise ValueError(
                f"task has weights of shape {task.W0.shape}; they must have the path's shape {self.W0.shape}"
            )
        U = self.directions
        shift = task.whiten(task.W_star - self.W0)
        in_directions = U.T @ shift
        kept = np.sum((task.whiten(self.updates) - in_directions) ** 2, axis=1)
        dropped = np.sum(in_directions**2, axis=1)
        never_reached = np.sum((shift - U @ in_directions) ** 2)
        below = np.concatenate([[0.0], np.cumsum(kept)])
        above = np.concatenate([np.cumsum(dropped[::-1])[::-1], [0.0]])
        padding = (0, self.max_rank + 1 - len(below))
        return np.pad(below, padding, mode="edge"), np.pad(above + never_reached, padding, mode="edge")


def rank_path(
    X: Float[np.ndarray, "d_x n"], Y: Float[np.ndarray, "d_y n"], W0: Float[np.ndarray, "d_y d_x"]
) -> RankPath:
    """LoRA solutions of every rank at once; `rank_path(X, Y, W0).weights(r)` is `lora(X, Y, W0, r)`.

    Arguments and errors as in `lora`. Cost: one QR of X and one SVD of a (d_y, rank X) matrix.
    Source: equation (7') of the paper's setting; chapter *The LoRA solution*.

    >>> rng = np.random.default_rng(0)
    >>> task = Task.gaussian(d_x=5, d_y=4, shift_rank=1, noise_std=0.1, seed=0)
    >>> path = rank_path(*task.sample(50, seed=1), task.W0)
    >>> int(np.argmin(path.excess_risks(task)))
    1
    """
    X, Y, W0 = _data(X, Y, W0)
    space = row_space(X)
    predicted = W0 @ X
    residual = space.coordinates(Y - predicted)
    max_rank = min(*X.shape, W0.shape[0])
    if space.dimension == 0:
        return RankPath(W0, np.zeros((len(W0), 0)), np.zeros((0, W0.shape[1])), np.zeros(0), max_rank)
    U, s, Vt = _svd(residual)
    tolerance = max(residual.shape) * _EPS * s[0]
    k = int(np.sum(s > tolerance))
    U, s, updates = U[:, :k], s[:k], space.lift(s[:k, None] * Vt[:k])
    rounding = sum(Y.shape) * _EPS * (np.linalg.norm(Y) + np.linalg.norm(predicted))
    for block in _tied_blocks(s, rounding):
        # Within a tie every rotation fits equally well: order by the norm each direction adds, smallest first.
        _, rotation = np.linalg.eigh(updates[block] @ updates[block].T)
        U[:, block], updates[block] = U[:, block] @ rotation, rotation.T @ updates[block]
    return RankPath(W0, U, updates, s, max_rank)


def gradient_descent(
    X: Float[np.ndarray, "d_x n"],
    Y: Float[np.ndarray, "d_y n"],
    W0: Float[np.ndarray, "d_y d_x"],
    steps: Integer = 1000,
    step_size: Real | None = None,
    callback: Callable[[int, np.ndarray], object] | None = None,
) -> Float[np.ndarray, "d_y d_x"]:
    """Gradient descent on `||Y - W X||_F^2 / 2` from W0: `W <- W - step_size (W X - Y) X^T`.

    It converges to `full_finetune(X, Y, W0)` for X of any rank, and
    `||W_t - W_FFT||_F <= descent_rate(X, step_size)^t ||W0 - W_FFT||_F` (Lemma 6).

    Arguments:
        X: (d_x, n).
        Y: (d_y, n).
        W0: (d_y, d_x).
        steps: number of steps.
        step_size: in (0, 2 / s_1^2), s_1 the largest singular value of X. None takes the fastest,
            `2 / (s_1^2 + s_m^2)` with s_m the smallest non-zero one.
        callback: called as `callback(t, W_t)` for t = 0, 1, …, steps.

    Raises ValueError for data as in `full_finetune`, and for a step size at which the iteration would not converge.
    Source: Lemma 6; chapter *Full fine-tuning*.

    >>> X, Y = np.array([[1.0, 0.0], [0.0, 2.0]]), np.array([[3.0, 4.0]])
    >>> gradient_descent(X, Y, W0=np.zeros((1, 2)), steps=100).round(6)
    array([[3., 2.]])
    """
    X, Y, W0 = _data(X, Y, W0)
    steps = _validate.integer("steps", steps, 0)
    step_size = _step_size(_nonzero_squares(X), step_size)
    callback = _validate.function("callback", callback)
    gram, target = X @ X.T, (Y - W0 @ X) @ X.T
    D = np.zeros_like(W0)
    for t in range(steps + 1):
        if callback is not None:
            callback(t, W0 + D)
        if t < steps:
            D = D - step_size * (D @ gram - target)
    return W0 + D


def descent_rate(X: Float[np.ndarray, "d_x n"], step_size: Real | None = None) -> float:
    """Factor by which gradient descent shrinks the distance to its limit in each step (at worst; Lemma 6).

    `rho = max_i |1 - step_size s_i^2|` over the non-zero singular values s_i of X. At the default step size it is
    `(k - 1) / (k + 1)` with `k = s_1^2 / s_m^2`.

    Raises ValueError as `gradient_descent` does.

    >>> round(descent_rate(np.diag([1.0, 2.0])), 12)
    0.6
    """
    squares = _nonzero_squares(_validate.matrix("X", X))
    step_size = _step_size(squares, step_size)
    return float(np.max(np.abs(1.0 - step_size * squares), initial=0.0))


def factored_gradient_descent(
    X: Float[np.ndarray, "d_x n"],
    Y: Float[np.ndarray, "d_y n"],
    W0: Float[np.ndarray, "d_y d_x"],
    rank: Integer,
    steps: Integer = 10_000,
    step_size: Real | None = None,
    weight_decay: Real = 0.0,
    init_scale: Real = 1e-3,
    A: Float[np.ndarray, "rank d_x"] | None = None,
    seed: Seed = 0,
    callback: Callable[[int, np.ndarray, np.ndarray], object] | None = None,
) -> Float[np.ndarray, "d_y d_x"]:
    """LoRA as it is trained: gradient descent on the factors of `W0 + B A`, B = 0 and A small at the start.

    The objective is `||Y - (W0 + B A) X||_F^2 / 2 + weight_decay (||B||_F^2 + ||A||_F^2) / 2`; both factors move at
    once. From almost every start it finds the loss of `lora(X, Y, W0, rank)`. Weight decay also selects the solution
    of least norm, at the price of shrinking it, because `||B||_F^2 + ||A||_F^2 >= 2 ||B A||_*` (nuclear norm).

    Arguments:
        X: (d_x, n).
        Y: (d_y, n).
        W0: (d_y, d_x).
        rank: number of columns of B and rows of A, at least 1.
        steps: number of steps.
        step_size: None takes `1 / (4 s_1^2 max(||D_FFT||, ||A||^2) + 2 weight_decay)`, s_1 the largest singular value
            of X, norms operator norms.
        weight_decay: at least 0; in the units of the loss per squared weight.
        init_scale: standard deviation of A's entries at the start, unless A is given.
        A: a start of one's own, (rank, d_x).
        seed: for the random start.
        callback: called as `callback(t, B_t, A_t)` for t = 0, 1, …, steps; the weights are `W0 + B_t A_t`.

    Raises ValueError for data as in `lora`, for a negative step size, decay or scale, and if the iteration diverges or
    ends with a larger objective than it began with: the step size is too large then.
    Source: Section 2 of the paper; chapter *The LoRA solution*.

    >>> task = Task.gaussian(d_x=4, d_y=3, shift_rank=1, noise_std=0.1, seed=0)
    >>> X, Y = task.sample(20, seed=1)
    >>> W = factored_gradient_descent(X, Y, task.W0, rank=1, steps=2000)
    >>> np.allclose(W, lora(X, Y, task.W0, rank=1), atol=1e-6)
    True
    """
    X, Y, W0 = _data(X, Y, W0)
    rank = _validate.integer("rank", rank, 1)
    steps = _validate.integer("steps", steps, 0)
    weight_decay = _validate.number("weight_decay", weight_decay)
    init_scale = _validate.number("init_scale", init_scale)
    callback = _validate.function("callback", callback)
    if A is None:
        A = init_scale * _validate.generator(seed, _FACTOR_STREAM).standard_normal((rank, len(X)))
    else:
        A = _validate.matrix("A", A, rank, len(X), "rank by d_x")
    B = np.zeros((len(W0), rank))
    if step_size is None:
        scale = max(np.linalg.norm(full_finetune(X, Y, W0) - W0, 2), np.linalg.norm(A, 2) ** 2)
        step_size = (
            1.0 / (4.0 * np.linalg.norm(X, 2) ** 2 * scale + 2.0 * weight_decay) if scale + weight_decay else 1.0
        )
    step_size = _validate.number("step_size", step_size, strict=True)
    residual = Y - W0 @ X
    gram, target = X @ X.T, residual @ X.T
    first = _objective(residual, 0.0, weight_decay, A, B)
    for t in range(steps + 1):
        if callback is not None:
            callback(t, B, A)
        if t < steps:
            gradient = (B @ A) @ gram - target
            B, A = (
                B - step_size * (gradient @ A.T + weight_decay * B),
                A - step_size * (B.T @ gradient + weight_decay * A),
            )
            if not np.abs(B).max() * np.abs(A).max() < 1e100:
                raise ValueError(
                    f"step_size is {step_size:.3g}; it must be smaller, the iteration diverged at step {t + 1}"
                )
    last = _objective(residual, B @ (A @ X), weight_decay, A, B)
    rounding = (sum(Y.shape) * _EPS * (np.linalg.norm(Y) + np.linalg.norm(W0 @ X))) ** 2
    if not last <= first * (1.0 + _RISE) + rounding:
        raise ValueError(
            f"step_size is {step_size:.3g}; it must be smaller, the objective rose from {first:.3g} to {last:.3g} in "
            f"{steps} steps"
        )
    return W0 + B @ A


def _objective(residual: np.ndarray, fitted, weight_decay: float, A: np.ndarray, B: np.ndarray) -> float:
    """What the factored descent lowers."""
    return float(np.sum((residual - fitted) ** 2) + weight_decay * (np.sum(B**2) + np.sum(A**2))) / 2


def _data(X, Y, W0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    X = _validate.matrix("X", X, meaning="d_x features by n samples")
    Y = _validate.matrix("Y", Y, columns=X.shape[1], meaning="d_y outputs by the n samples of X")
    return X, Y, _validate.matrix("W0", W0, len(Y), len(X), "d_y rows of Y by d_x rows of X")


def _tied_blocks(s: np.ndarray, tolerance: float) -> list[slice]:
    """Runs of two or more descending values whose neighbours differ by no more than the tolerance."""
    edges = np.concatenate([[0], 1 + np.flatnonzero(s[:-1] - s[1:] > tolerance), [len(s)]])
    return [slice(a, b) for a, b in pairwise(edges) if b - a > 1]


def _nonzero_squares(X: np.ndarray) -> np.ndarray:
    s = np.linalg.svd(X, compute_uv=False)
    return s[s > max(X.shape) * _EPS * s[0]] ** 2


def _step_size(squares: np.ndarray, step_size) -> float:
    if len(squares) == 0:
        return 1.0 if step_size is None else _validate.number("step_size", step_size, strict=True)
    if step_size is None:
        return float(2.0 / (squares[0] + squares[-1]))
    step_size = _validate.number("step_size", step_size, strict=True)
    if step_size >= 2.0 / squares[0]:
        raise ValueError(
            f"step_size is {step_size:.6g}; it must be below 2 / s_1^2 = {2.0 / squares[0]:.6g} to converge"
        )
    return step_size
