"""Independent ways to the same answers. Nothing here imports or imitates the library's way of computing.

`lora_mpmath` and `lora_numpy` evaluate the textbook formula (7), with its matrix square root and its pseudo-inverse;
`alternating_least_squares` knows no formula at all; `least_norm_in_tie` is the rule for ties. `forward_error` says how
far two correct computations may differ in floating point.
"""

import mpmath
import numpy as np

EPS = np.finfo(np.float64).eps


# Cases


def data_matrix(rng, d_x, n, log10_cond=0.0, kind="full"):
    """X (d_x, n) with log-spaced singular values from 10**log10_cond to 1, or one of exactly deficient rank.

    kind: "full", "repeated features", "repeated samples", "zero features", "zero samples".
    """
    k = min(d_x, n)
    U = np.linalg.qr(rng.standard_normal((d_x, k)))[0]
    V = np.linalg.qr(rng.standard_normal((n, k)))[0]
    X = (U * np.logspace(log10_cond, 0, k)) @ V.T
    if kind == "repeated features":
        X[1::2] = X[: 2 * (d_x // 2) : 2]
    elif kind == "repeated samples":
        X[:, 1::2] = X[:, : 2 * (n // 2) : 2]
    elif kind == "zero features":
        X[: d_x // 2] = 0.0
    elif kind == "zero samples":
        X[:, : n // 2] = 0.0
    return X


KINDS = ("full", "repeated features", "repeated samples", "zero features", "zero samples")


# Formula (7)


def lora_mpmath(X, Y, W0, rank, digits=50):
    """`W0 + (D S^{1/2})_r (S^{1/2})^+` with `S = X X^T / n`, `D = (Y - W0 X) X^+`, in `digits` decimal digits."""
    with mpmath.workdps(digits):
        X, Y, W0 = (mpmath.matrix(A.tolist()) for A in (X, Y, W0))
        root, root_pinv = _roots_mpmath(X * X.T / X.cols)
        D = (Y - W0 * X) * X.T * root_pinv * root_pinv / X.cols  # X^+ = X^T (X X^T)^+
        U, s, V = mpmath.svd_r(D * root)
        truncated = mpmath.zeros(W0.rows, W0.cols)
        for i in range(min(rank, len(s))):
            truncated += s[i] * U[:, i] * V[i, :]
        W = W0 + truncated * root_pinv
        return np.array(W.tolist(), dtype=np.float64)


def _roots_mpmath(S):
    values, vectors = mpmath.eigsy(S)
    cutoff = mpmath.mpf(10) ** (-mpmath.mp.dps + 10) * max(values)
    positive = [value > cutoff for value in values]
    root = mpmath.diag([mpmath.sqrt(v) if p else 0 for v, p in zip(values, positive, strict=True)])
    inverse = mpmath.diag([1 / mpmath.sqrt(v) if p else 0 for v, p in zip(values, positive, strict=True)])
    return vectors * root * vectors.T, vectors * inverse * vectors.T


def lora_numpy(X, Y, W0, rank):
    """The same formula in double precision."""
    root, root_pinv = _roots_numpy(X)
    D = (Y - W0 @ X) @ np.linalg.pinv(X)
    return W0 + _truncated(D @ root, rank) @ root_pinv


def _roots_numpy(X):
    values, vectors = np.linalg.eigh(X @ X.T / X.shape[1])
    m = np.linalg.matrix_rank(X)
    values, vectors = values[len(values) - m :], vectors[:, len(values) - m :]
    return (vectors * np.sqrt(values)) @ vectors.T, (vectors / np.sqrt(values)) @ vectors.T


def _truncated(A, rank):
    U, s, Vt = np.linalg.svd(A, full_matrices=False)
    return U[:, :rank] @ np.diag(s[:rank]) @ Vt[:rank]


# The rule for ties


def least_norm_in_tie(X, R, above, tied, kept):
    """The update of least norm when singular values above+1 … above+tied of T are equal and `kept` of them are kept.

    Of the tied block with right singular vectors V_c it keeps the bottom eigenvectors of `V_c^T S^+ V_c`.
    Returns the update and the eigenvalues in ascending order.
    """
    root, root_pinv = _roots_numpy(X)
    T = R @ np.linalg.pinv(X) @ root
    V_c = np.linalg.svd(T, full_matrices=False)[2][above : above + tied].T
    eigenvalues, vectors = np.linalg.eigh(V_c.T @ root_pinv @ root_pinv @ V_c)
    keep = V_c @ vectors[:, :kept]
    return (_truncated(T, above) + T @ keep @ keep.T) @ root_pinv, eigenvalues


# A generic optimiser


def alternating_least_squares(R, X, rank, seed, tolerance=1e-15, limit=20_000):
    """Minimise `||R - B A X||_F^2` by exact minimisation in B and in A in turn, from a random A; returns `B A`.

    It stops when a sweep lowers the loss by less than `tolerance` of it.
    """
    A = np.random.default_rng(seed).standard_normal((rank, len(X)))
    X_pinv, last = np.linalg.pinv(X), np.inf
    for _ in range(limit):
        B = R @ np.linalg.pinv(A @ X)
        A = np.linalg.pinv(B) @ R @ X_pinv
        now = loss(R, X, B @ A)
        if last - now <= tolerance * now:
            break
        last = now
    return B @ A


def loss(R, X, D):
    """Training loss of the update D: `||R - D X||_F^2`."""
    return float(np.sum((R - D @ X) ** 2))


# Floating point


def forward_error(X, Y, W0, rank, formula=False):
    """How far, in Frobenius norm, a correct double-precision W_LoRA may be from the exact one.

    First-order perturbation theory with relative perturbations of `g = (d_x + d_y + n) eps` in X, Y and W0 (the
    backward error of QR, SVD and products, with their usual dimension factor):

    * least squares (Wedin), kappa the condition number of X on its range, D = R X^+, R_perp = R - D X, rho the size of
      what R is computed from: `g (kappa ||D|| + kappa rho / ||X|| + kappa^2 ||R_perp|| / ||X||)`;
    * the top r singular directions of the fitted residual, whose basis moves by g kappa (sine theorem):
      `2 g kappa rho ||D|| / (s_r - s_{r+1})`.

    `formula`: formula (7) instead, whose covariance squares the condition number (the relative error of its square
    root is kappa, of the inverse kappa^2), which adds `g kappa^2 (||D|| (1 + 2 s_1 / gap) + rho / ||X||)`.
    """
    s_X = np.linalg.svd(X, compute_uv=False)
    m = np.linalg.matrix_rank(X)
    size, kappa = (s_X[0], s_X[0] / s_X[m - 1]) if m else (1.0, 1.0)
    R = Y - W0 @ X
    D = R @ np.linalg.pinv(X)
    rho = np.linalg.norm(Y) + np.linalg.norm(W0) * np.linalg.norm(X)
    s = np.append(np.linalg.svd(D @ X, compute_uv=False), 0.0)
    gap = s[rank - 1] - s[rank] if 0 < rank < min(m, len(Y)) else np.inf
    norm_D = np.linalg.norm(D)
    error = np.linalg.norm(W0) + kappa * (norm_D + rho / size) + kappa**2 * np.linalg.norm(R - D @ X) / size
    error += 2 * kappa * rho * norm_D / gap
    if formula:
        error += kappa**2 * (norm_D * (1 + 2 * s[0] / gap) + rho / size)
    return (sum(X.shape) + len(Y)) * EPS * error
