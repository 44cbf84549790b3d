"""Exact draws of the excess risk without drawing the data (chapter *The linear experiments*).

For isotropic Gaussian features and noise the risks of full fine-tuning and of LoRA depend on X and Y only through
small Gaussian and Wishart blocks. Draw those, and the risks have exactly the law that drawing X and Y and solving
would give them, at a cost that does not grow with n above d_x, with d_x above n, nor with d_y above both.

Let the shift be `diag(s)` in the first k coordinates of inputs and outputs, which rotations of the two spaces allow,
and write the residuals `Y - W0 X` in an orthonormal basis of the row space of X, whose dimension is q = min(n, d_x):
M, of shape (d_y, q). With `B` the (q, d_x) matrix for which `Delta_FFT = M B`, left singular vectors u_i of M, and
`w_i = M^T u_i`, LoRA of rank r has the excess risk::

    sum_{i <= r} ||B^T w_i - S^T u_i||^2 + ||S - U_r U_r^T S||_F^2,      S = diag(s), up to zeros,

error in what is kept and shift that is missed; full fine-tuning has the first sum over all i, or over the rows of M in
place of the w_i. What remains is to draw M and B:

1. Rotate the basis so that the k features along the shift are `[L_1 0]`, L_1 the Bartlett factor of a `W_k(n)`.
2. The noise of the other d_y - k outputs in the other q - k basis vectors can be rotated from both sides until it is
   bidiagonal (Dumitriu and Edelman 2002); the noise beside it stays Gaussian under these rotations, and where that
   extends beyond the bidiagonal block it becomes a Bartlett factor of k columns. So M has min(d_y, q) + k rows or
   columns at most, and of the noise only k rows, k columns and two diagonals are not zero.
3. Where M then has zero columns, the features there matter only through the Schur complement that projects them out,
   and a Schur complement of a Wishart is a Wishart with fewer degrees of freedom.
4. For n >= d_x, `B = L^{-1}` with `X X^T = L L^T`. Rotating the features beyond the shift, whose block of L is square
   Gaussian up to a rotation from the right, turns that block into the transpose of a Bartlett factor K. For n < d_x,
   `B = (X^T X)^{-1} X^T`; only `(X^T X)^{-1}` and its product with the k features along the shift are needed.
"""

from functools import lru_cache
from typing import NamedTuple

import numpy as np
from scipy.linalg import lapack

from lorabook import _validate
from lorabook._arrays import Float, Integer, Real, Seed
from lorabook.linalg import _spectrum
from lorabook.wishart import bidiagonal

__all__ = ["RiskDraws", "draw_risks"]

_STREAM = 20
_FEW = 0.25
"""Up to this share of all eigenpairs, finding only the leading ones is quicker than finding all."""
_GRADED = 1e-6
"""Noise below this share of the signal is rounded away in a Gram matrix, where it is squared."""
_DENSE_PRODUCT, _DENSE_GRAM = 48, 128
"""Up to these sizes multiplying the zeros as well is quicker than leaving them out."""


class RiskDraws(NamedTuple):
    """Excess risks of the same draws of the data; squared units of y."""

    full: Float[np.ndarray, " draws"]
    lora: Float[np.ndarray, "draws ranks"]
    """A column for each asked rank, in the order asked."""


def draw_risks(
    singular_values: Float[np.ndarray, " k"],
    d_x: Integer,
    d_y: Integer,
    n: Integer,
    noise_std: Real,
    ranks,
    draws: Integer,
    seed: Seed,
) -> RiskDraws:
    """Draw the excess risks of full fine-tuning and of LoRA, jointly, as training sets of n samples would give them.

    Features are N(0, I), noise is N(0, noise_std^2 I), the shift has the given singular values; its singular vectors
    and W0 do not matter. Rank 0 is the pre-trained model; a rank of min(d_x, d_y, n) or more is full fine-tuning.

    Arguments:
        singular_values: of the shift, (k,), non-negative, at most min(d_x, d_y) of them above zero.
        ranks: LoRA ranks to report, integers of at least 0, in any order.
        draws: number of independent training sets.

    A draw costs one symmetric eigen-decomposition of size min(d_x, d_y, n), of which only the leading max(ranks)
    pairs are computed. The module's docstring has the derivation.

    Raises ValueError for sizes below 1, negative or fractional ranks, negative noise, or too many singular values.
    Source: chapter *The linear experiments*, after equations (6), (7), (9) of the paper.

    >>> s = np.array([3.0, 2.0])
    >>> draws = draw_risks(s, d_x=10, d_y=8, n=1_000_000, noise_std=1.0, ranks=(0, 1, 2), draws=4, seed=0)
    >>> draws.full.shape, draws.lora.shape
    ((4,), (4, 3))
    >>> draws.lora[:, 0]
    array([13., 13., 13., 13.])
    """
    d_x, d_y = _validate.integer("d_x", d_x, 1), _validate.integer("d_y", d_y, 1)
    n = _validate.integer("n", n, 1, meaning="a training set needs a sample")
    noise_std = _validate.noise_std(noise_std)
    ranks = _validate.integers("ranks", ranks, 0)
    draws = _validate.integer("draws", draws, 1)
    s = _spectrum("singular_values", singular_values)
    s = s[s > 0]
    if len(s) > min(d_x, d_y):
        raise ValueError(
            f"singular_values has {len(s)} entries above zero; it must have at most min(d_x, d_y) = {min(d_x, d_y)}"
        )
    rng = _validate.generator(seed, _STREAM)
    largest = min(d_x, d_y, n)
    needed = max((rank for rank in ranks if rank < largest), default=0)
    columns = [rank if rank < largest else needed + 1 for rank in ranks]
    paths = np.array([_risk_path(s, d_x, d_y, n, noise_std, needed, rng) for _ in range(draws)])
    return RiskDraws(paths[:, -1], paths[:, columns])


def _risk_path(s, d_x: int, d_y: int, n: int, noise_std: float, needed: int, rng) -> np.ndarray:
    """Excess risks of one draw at ranks 0, 1, …, needed, and last that of full fine-tuning."""
    k, q = len(s), min(n, d_x)
    M = _noise(k, d_y, q, rng)
    M *= noise_std
    solver = (_many_samples if n >= d_x else _few_samples)(k, d_x, n, M.shape[1], rng)
    M[:k, : solver.features.shape[1]] += s[:, None] * solver.features
    graded = 0.0 < noise_std < _GRADED * np.sqrt(n) * np.max(s, initial=0.0)
    u, w = _leading_of_graded(M, needed) if graded else _leading(M, k, needed)
    risks = np.zeros(needed + 2)
    errors = _errors(solver, _squares(solver.beyond @ w[solver.skip :]), solver.along @ w, s, u[:k])
    np.cumsum(errors, out=risks[1:-1])
    risks[:-1] += _missed(s, u)
    squares = _row_squares(solver.beyond, M[:, solver.skip :], k, min(k, M.shape[1]) - solver.skip)
    risks[-1] = _errors(solver, squares, solver.along @ M.T, s, np.eye(k, len(M))).sum()
    return risks


class _Solver(NamedTuple):
    """B^T, as far as it matters: `||B^T w||^2 = ||beyond w_(skip:)||^2`, plus `||along w||^2` if skip is not zero."""

    features: np.ndarray
    """The features along the shift in the basis, (k, min(k, q)), zero beyond."""
    along: np.ndarray
    """The first k rows of B^T."""
    beyond: np.ndarray
    skip: int


def _errors(solver, squares, along, s, u) -> np.ndarray:
    """Error in each kept direction, `||B^T w_i - (s_1 u_1i, …, s_k u_ki, 0, …)||^2`."""
    signal = s[:, None] * u
    if solver.skip:
        return squares + _squares(along - signal)
    return squares + np.einsum("ji,ji->i", signal - 2 * along, signal)


def _missed(s, u) -> np.ndarray:
    """Energy of the shift outside the first 0, 1, …, count directions, sums of squares only."""
    k = len(s)
    left = u @ (u[:k].T * -s)
    np.einsum("ii->i", left[:k])[:] += s
    missed = np.full(u.shape[1] + 1, np.sum(left**2))
    missed[:-1] += np.cumsum((s**2 @ u[:k] ** 2)[::-1])[::-1]
    return missed


def _noise(k: int, d_y: int, q: int, rng) -> np.ndarray:
    """Unit noise, rotated: k dense rows, min(k, q) dense columns, a bidiagonal block beyond them, zeros."""
    along = min(k, q)
    rows, columns = d_y - k, q - along
    size = min(rows, columns)
    E = np.zeros((k + size + min(along, rows - size), along + size + min(k, columns - size)))
    E[:k, : along + size] = rng.standard_normal((k, along + size))
    E[k : k + size, :along] = rng.standard_normal((size, along))
    E[:k, along + size :] = _bartlett(k, columns - size, rng)
    E[k + size :, :along] = _bartlett(along, rows - size, rng).T
    if size:
        order = slice(None) if rows <= columns else slice(None, None, -1)  # transposed and turned, it is lower again
        diagonal, below = bidiagonal(rows, columns, rng)
        block = E[k : k + size, along : along + size]
        np.fill_diagonal(block, diagonal[order])
        np.fill_diagonal(block[1:], below[order])
    return E


def _many_samples(k: int, d_x: int, n: int, width: int, rng) -> _Solver:
    """For n >= d_x: `B^T = L^{-T}`, L = [L_1 0; Z K^T], in the first `width` basis vectors."""
    rest = width - k
    K = _bartlett(rest, n - d_x + rest, rng)
    beyond = _inverse(K)
    if not k:
        return _Solver(np.zeros((0, 0)), np.zeros((0, width)), beyond, 0)
    features = _bartlett(k, n, rng)
    inverse = _inverse(features.copy()).T
    along = np.hstack([inverse, -inverse @ rng.standard_normal((k, rest)) @ beyond])
    return _Solver(features, along, beyond, k)


def _few_samples(k: int, d_x: int, n: int, width: int, rng) -> _Solver:
    """For n < d_x: `beyond = C^{-1}` with `X^T X = C C^T`, and the first k rows of `X (X^T X)^{-1}`."""
    rest = d_x - k - (n - width)
    features = _bartlett(k, n, rng)
    T = _bartlett(width, rest, rng)
    gram = T @ T.T
    m = features.shape[1]
    gram[:m, :m] += features.T @ features
    upper, info = lapack.dpotrf(gram.T, overwrite_a=1)
    if info:
        raise np.linalg.LinAlgError(f"X^T X of size {width} is singular to working precision")
    beyond = _inverse(upper.T)
    return _Solver(features, features @ beyond[:, :m].T @ beyond, beyond, 0)


def _bartlett(size: int, dof: int, rng) -> np.ndarray:
    """As `wishart.bartlett`, also of size 0 or without degrees of freedom; draws no more entries than it needs."""
    columns = min(size, dof)
    L = np.zeros((size, columns))
    if columns == 0:
        return L
    L[_below_diagonal(size, columns)] = rng.standard_normal(columns * (2 * size - columns - 1) // 2)
    np.fill_diagonal(L, np.sqrt(rng.chisquare(dof - np.arange(columns))))
    return L


@lru_cache(maxsize=64)
def _below_diagonal(size: int, columns: int) -> np.ndarray:
    return np.tri(size, columns, -1, dtype=bool)


def _row_squares(V, M, rows: int, columns: int) -> np.ndarray:
    """`||V m||^2` of each row m of M in O(k q^2), for M with dense rows and columns and a lower bidiagonal block."""
    if len(M) <= _DENSE_PRODUCT:
        return _squares(V @ M.T)
    size = min(len(M) - rows, M.shape[1] - columns)
    block, dense = M[rows : rows + size, columns : columns + size], M[rows:, :columns]
    diagonal, below = np.diagonal(block), np.diagonal(block, -1)
    inside = V[:, columns : columns + size]
    lengths, products = _squares(inside), np.einsum("ij,ij->j", inside[:, 1:], inside[:, :-1])
    squares = np.zeros(len(M))
    squares[:rows] = _squares(V @ M[:rows].T)
    squares[rows : rows + size] = diagonal**2 * lengths
    squares[rows + 1 : rows + size] += below**2 * lengths[:-1] + 2 * diagonal[1:] * below * products
    if columns:
        squares[rows:] += _squares(V[:, :columns] @ dense.T)
        across = V[:, :columns].T @ inside
        squares[rows : rows + size] += 2 * diagonal * np.einsum("ij,ji->i", dense[:size], across)
        squares[rows + 1 : rows + size] += 2 * below * np.einsum("ij,ji->i", dense[1:size], across[:, :-1])
    return squares


def _squares(A) -> np.ndarray:
    """Squared lengths of the columns."""
    return np.einsum("ij,ij->j", A, A)


def _inverse(L) -> np.ndarray:
    """Of a lower triangular matrix, which is overwritten."""
    if not len(L):
        return L
    inverse, info = lapack.dtrtri(L.T, lower=0, overwrite_c=1)  # the transpose has LAPACK's order of entries
    if info:
        raise np.linalg.LinAlgError(f"a triangular factor of size {len(L)} has a zero on its diagonal")
    return inverse.T


def _leading(M, k: int, count: int):
    """The `count` leading left singular vectors u_i of M, and `w_i = M^T u_i`, as columns, the strongest first."""
    rows, columns = M.shape
    if count == 0:
        return np.zeros((rows, 0)), np.zeros((columns, 0))
    if rows <= columns:
        u = _eigenvectors(_gram(M, k, min(k, columns)), count)[1]
        return u, M.T @ u
    squares, v = _eigenvectors(_gram(M.T, min(k, columns), k), count)
    size = np.sqrt(np.maximum(squares, np.finfo(float).tiny))
    return (M @ v) / size, v * size


def _leading_of_graded(M, count: int):
    """As `_leading`, by the slower decomposition that keeps directions of noise apart beside a strong signal."""
    u, size, vt = np.linalg.svd(M, full_matrices=False)
    return u[:, :count], vt[:count].T * size[:count]


def _gram(M, rows: int, columns: int) -> np.ndarray:
    """`M M^T` on and above the diagonal in O(k q^2), for M with dense rows and columns and a bidiagonal block."""
    if len(M) <= _DENSE_GRAM:
        return M @ M.T
    size = min(len(M) - rows, M.shape[1] - columns)
    gram = M[:, :columns] @ M[:, :columns].T
    gram[:rows] += M[:rows, columns:] @ M[:, columns:].T
    block = M[rows : rows + size, columns : columns + size]
    diagonal, below, above = (np.diagonal(block, offset) for offset in (0, -1, 1))
    inner = gram[rows : rows + size, rows : rows + size]
    squares, products = np.einsum("ii->i", inner), np.einsum("ii->i", inner[:-1, 1:])  # views
    squares += diagonal**2
    squares[1:] += below**2
    squares[:-1] += above**2
    products += below * diagonal[:-1] + diagonal[1:] * above  # one of the two is zero
    return gram


def _eigenvectors(gram, count: int):
    """The `count` largest eigenvalues and their eigenvectors, the largest first, from the upper triangle."""
    size = len(gram)
    if count > _FEW * size:
        values, vectors, info = lapack.dsyevd(gram.T, lower=1, overwrite_a=1)  # LAPACK reads by columns
        values, vectors = values[size - count :], vectors[:, size - count :]
    else:
        values, vectors, *_, info = lapack.dsyevr(
            gram.T, range="I", il=size - count + 1, iu=size, lower=1, overwrite_a=1
        )
        values = values[:count]
    if info:
        raise np.linalg.LinAlgError(f"the eigenvalues of a Gram matrix of size {size} did not converge")
    return values[::-1], vectors[:, ::-1]
