"""Low-rank approximation, spectra and the row space of a data matrix (chapter *Low-rank approximation*; Lemmas 1, 2).

Everything here is a thin layer over LAPACK. No function forms an inverse, a pseudo-inverse or a matrix square root.
"""

from dataclasses import dataclass

import numpy as np
from scipy import linalg as _scipy

from lorabook import _validate
from lorabook._arrays import Float, Integer, Real, Seed

__all__ = [
    "RowSpace",
    "exponential_spectrum",
    "flat_spectrum",
    "haar_frame",
    "power_law_spectrum",
    "psd_sqrt",
    "row_space",
    "spectral_tail",
    "svd",
    "truncate",
]

_EPS = np.finfo(np.float64).eps


def svd(
    A: Float[np.ndarray, "m n"],
) -> tuple[Float[np.ndarray, "m k"], Float[np.ndarray, " k"], Float[np.ndarray, "k n"]]:
    """Thin singular value decomposition `A = U @ diag(s) @ Vt`, k = min(m, n), s descending.

    LAPACK's divide-and-conquer driver, and its QR driver in the rare case that the first does not converge.

    Raises ValueError if A is not a finite real matrix.

    >>> U, s, Vt = svd(np.array([[3.0, 0.0], [0.0, 4.0]]))
    >>> s
    array([4., 3.])
    """
    return _svd(_validate.matrix("A", A))


def truncate(A: Float[np.ndarray, "m n"], rank: Integer) -> Float[np.ndarray, "m n"]:
    """Best approximation of A of the given rank, `(A)_r = sum_{i<=r} s_i u_i v_i^T`.

    By Eckart–Young (Lemma 1) it minimises `||A - B||` over all B of rank at most r, in the Frobenius and in the
    operator norm. A rank above min(m, n) returns A itself. Where `s_r = s_{r+1}` the minimiser is not unique and one
    of them is returned.

    Raises ValueError if A is not a finite real matrix or the rank is not an integer of at least 0.

    >>> truncate(np.diag([3.0, 2.0, 1.0]), 1)
    array([[3., 0., 0.],
           [0., 0., 0.],
           [0., 0., 0.]])
    """
    A = _validate.matrix("A", A)
    rank = _validate.integer("rank", rank, 0)
    if rank >= min(A.shape):
        return A.copy()
    U, s, Vt = _svd(A)
    return (U[:, :rank] * s[:rank]) @ Vt[:rank]


def spectral_tail(singular_values: Float[np.ndarray, " k"], rank: Integer) -> float:
    """Squared Frobenius error of the best approximation of the given rank, `sum_{i>r} s_i^2` (19).

    `singular_values` in any order; they are sorted first. The unit is that of the matrix, squared.

    Raises ValueError if they are not finite and non-negative or the rank is not an integer of at least 0.

    >>> spectral_tail(np.array([3.0, 2.0, 1.0]), 1)
    5.0
    """
    s = _spectrum("singular_values", singular_values)
    rank = _validate.integer("rank", rank, 0)
    return float(np.sum(np.sort(s)[::-1][rank:] ** 2))


def psd_sqrt(S: Float[np.ndarray, "d d"]) -> Float[np.ndarray, "d d"]:
    """Symmetric square root of a positive semi-definite matrix, by its eigen-decomposition.

    For the textbook formula (7) in demonstrations; the estimators never form it.

    Raises ValueError if S is not symmetric or has an eigenvalue below `-1e-10` times its largest.

    >>> psd_sqrt(np.array([[4.0, 0.0], [0.0, 9.0]]))
    array([[2., 0.],
           [0., 3.]])
    """
    S = _validate.matrix("S", S)
    S = _validate.matrix("S", S, S.shape[0], S.shape[0], "a square root needs a square matrix")
    if np.abs(S - S.T).max() > 1e-10 * np.abs(S).max():
        raise ValueError(f"S differs from its transpose by up to {np.abs(S - S.T).max():.3g}; it must be symmetric")
    values, vectors = np.linalg.eigh((S + S.T) / 2)
    if values[0] < -1e-10 * np.abs(values).max():
        raise ValueError(f"S has smallest eigenvalue {values[0]:.3g}; it must be positive semi-definite")
    return (vectors * np.sqrt(np.clip(values, 0.0, None))) @ vectors.T


def haar_frame(size: Integer, columns: Integer, seed: Seed) -> Float[np.ndarray, "size columns"]:
    """Uniformly distributed matrix with orthonormal columns, (size, columns).

    QR of a standard Gaussian matrix with the signs of R's diagonal moved into Q, which makes the law exactly
    invariant under rotations (Mezzadri 2007).

    Raises ValueError unless 0 <= columns <= size and size >= 1.

    >>> Q = haar_frame(5, 2, seed=0)
    >>> np.allclose(Q.T @ Q, np.eye(2))
    True
    """
    size = _validate.integer("size", size, 1)
    columns = _validate.integer("columns", columns, 0, size, "orthonormal columns need columns <= size")
    rng = _validate.generator(seed, stream=0)
    Q, R = np.linalg.qr(rng.standard_normal((size, columns)))
    return Q * np.where(np.diag(R) < 0, -1.0, 1.0)


def flat_spectrum(rank: Integer, scale: Real = 1.0) -> Float[np.ndarray, " rank"]:
    """`rank` equal singular values, each `scale`.

    >>> flat_spectrum(3, 2.0)
    array([2., 2., 2.])
    """
    return np.full(_validate.integer("rank", rank, 0), _validate.number("scale", scale))


def exponential_spectrum(size: Integer, decay: Real, scale: Real = 1.0) -> Float[np.ndarray, " size"]:
    """Exponentially decaying singular values `s_i = scale * exp(-decay (i-1))` (192), i = 1 … size.

    Raises ValueError if size is not an integer of at least 0, or decay or scale is negative.

    >>> exponential_spectrum(3, 0.0, 5.0)
    array([5., 5., 5.])
    """
    size = _validate.integer("size", size, 0)
    decay = _validate.number("decay", decay)
    return _validate.number("scale", scale) * np.exp(-decay * np.arange(size))


def power_law_spectrum(size: Integer, exponent: Real, scale: Real = 1.0) -> Float[np.ndarray, " size"]:
    """Power-law singular values `s_i = scale * i ** -exponent`, i = 1 … size.

    Raises ValueError if size is not an integer of at least 0, or exponent or scale is negative.

    >>> power_law_spectrum(4, 1.0)
    array([1.        , 0.5       , 0.33333333, 0.25      ])
    """
    size = _validate.integer("size", size, 0)
    exponent = _validate.number("exponent", exponent)
    return _validate.number("scale", scale) * np.arange(1, size + 1) ** -exponent


@dataclass(frozen=True, eq=False)
class RowSpace:
    """The row space of X, of dimension m = rank X, with the two maps that least squares needs.

    With Q (n, m) an orthonormal basis of the row space, so that `X^+ X = Q Q^T`:

    * `coordinates(R)` is `R Q`, the part of a residual R (d_y, n) that a linear map of X can explain;
    * `lift(S)` is `S Q^T X^+`, so that `lift(coordinates(R)) = R X^+`, the least-squares weights of least norm.
    """

    dimension: int
    """m, the rank of X."""
    _basis: np.ndarray | None  # Q, or None where it is the identity
    _triangle: np.ndarray | None  # T with X = T^T Q^T (n >= d_x) or X = P T (n < d_x); None in the rank-deficient case
    _left: np.ndarray | None  # P (d_x, m), orthonormal columns; None where it is the identity
    _singular_values: np.ndarray | None  # in the rank-deficient case

    def coordinates(self, R: Float[np.ndarray, "k n"]) -> Float[np.ndarray, "k m"]:
        """`R Q`."""
        return R if self._basis is None else R @ self._basis

    def lift(self, S: Float[np.ndarray, "k m"]) -> Float[np.ndarray, "k d_x"]:
        """`S Q^T X^+`, by a triangular solve."""
        if self._singular_values is not None:
            return (S / self._singular_values) @ self._left.T
        if self._left is not None:
            return _scipy.solve_triangular(self._triangle, S.T, trans="T", check_finite=False).T @ self._left.T
        return _scipy.solve_triangular(self._triangle, S.T, check_finite=False).T


def row_space(X: Float[np.ndarray, "d_x n"]) -> RowSpace:
    """Decompose the data matrix X (d_x, n): one QR when it has full rank, one SVD when it is (nearly) deficient.

    Full rank means an estimated reciprocal condition number above 1e-10. Otherwise singular values at or below
    `max(d_x, n) * eps * s_1` count as zero, the convention of `scipy.linalg.pinv`.

    Raises ValueError if X is not a finite real matrix.

    >>> row_space(np.array([[1.0, 2.0, 3.0], [2.0, 4.0, 6.0]])).dimension
    1
    """
    X = _validate.matrix("X", X)
    tall = X.shape[1] >= X.shape[0]
    Q, T = _scipy.qr(X.T if tall else X, mode="economic", check_finite=False)
    # A triangle is its own LU factorisation. (dtrcon, which is made for triangles, is in scipy only from 1.14 on.)
    reciprocal_condition, _ = _scipy.lapack.dgecon(T, np.linalg.norm(T, 1), norm="1")
    if reciprocal_condition > 1e-10:
        return RowSpace(T.shape[0], Q if tall else None, T, None if tall else Q, None)
    P, s, Qt = _svd(X)
    m = int(np.sum(s > max(X.shape) * _EPS * s[0]))
    return RowSpace(m, Qt[:m].T, None, P[:, :m], s[:m])


def _svd(A: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    try:
        return _scipy.svd(A, full_matrices=False, check_finite=False)
    except _scipy.LinAlgError:  # pragma: no cover - no matrix is known to reach it on demand
        return _scipy.svd(A, full_matrices=False, check_finite=False, lapack_driver="gesvd")


def _spectrum(name: str, values) -> np.ndarray:
    values = _validate.vector(name, values)
    if (values < 0).any():
        raise ValueError(f"{name} has smallest entry {values.min():.3g}; singular values must be at least 0")
    return values
