"""Typical mistakes with truncations, each written as somebody who makes it would write it."""

import numpy as np

from lorabook.assignments import Mistake
from lorabook.linalg import psd_sqrt, truncate


def _svd(A):
    return np.linalg.svd(A, full_matrices=False)


def _values(A):
    return np.linalg.svd(A, compute_uv=False)


def _missing_transpose(A, rank):
    U, s, V = np.linalg.svd(A)
    return (U[:, :rank] * s[:rank]) @ V[:, :rank].T


def _smallest_kept(A, rank):
    U, s, Vt = _svd(A)
    return (U[:, -rank:] * s[-rank:]) @ Vt[-rank:]


def _no_values(A, rank):
    U, _, Vt = _svd(A)
    return U[:, :rank] @ Vt[:rank]


def _squared_values(A, rank):
    U, s, Vt = _svd(A)
    return (U[:, :rank] * s[:rank] ** 2) @ Vt[:rank]


def _residual(A, rank):
    return A - truncate(A, rank)


TRUNCATE = (
    Mistake(
        "missing transpose",
        _missing_transpose,
        "The right singular vectors are taken from the wrong side: numpy.linalg.svd returns V transposed, so "
        "that they are the rows of its third result.",
    ),
    Mistake(
        "smallest kept",
        _smallest_kept,
        "The smallest singular values are kept. numpy sorts them from large to small.",
    ),
    Mistake(
        "one too many",
        lambda A, rank: truncate(A, rank + 1),
        "One direction too many is kept: a slice ends before its second index.",
    ),
    Mistake(
        "one too few",
        lambda A, rank: truncate(A, rank - 1),
        "One direction too few is kept: a slice ends before its second index, so no 1 is to be subtracted.",
    ),
    Mistake(
        "no singular values",
        _no_values,
        "The directions are right, but each has to be as strong as it is in A: the singular values are missing.",
    ),
    Mistake(
        "squared singular values",
        _squared_values,
        "The singular values are squared; eigenvalues of A times its transpose would be the squares.",
    ),
    Mistake(
        "the rest",
        _residual,
        "This is what the approximation leaves out, not the approximation.",
    ),
)

TAIL = (
    Mistake(
        "not squared",
        lambda A, rank: _values(A)[rank:].sum(),
        "The singular values are added without squaring them: that is a nuclear norm, not a squared Frobenius norm.",
    ),
    Mistake(
        "root",
        lambda A, rank: np.sqrt(np.sum(_values(A)[rank:] ** 2)),
        "This is the Frobenius norm of the error; asked for is its square.",
    ),
    Mistake(
        "starts too early",
        lambda A, rank: np.sum(_values(A)[rank - 1 :] ** 2),
        "The tail starts one too early: singular value number r is kept, and Python counts from 0.",
    ),
    Mistake(
        "starts too late",
        lambda A, rank: np.sum(_values(A)[rank + 1 :] ** 2),
        "The tail starts one too late: singular value number r + 1 is the first that is lost, and Python counts"
        " from 0.",
    ),
    Mistake(
        "head",
        lambda A, rank: np.sum(_values(A)[:rank] ** 2),
        "This is the energy that is kept; asked for is what is lost.",
    ),
    Mistake(
        "relative",
        lambda A, rank: np.sum(_values(A)[rank:] ** 2) / np.sum(A**2),
        "This is the share of the energy that is lost; asked for is the squared error itself, in the units of A"
        " squared.",
    ),
    Mistake(
        "operator norm",
        lambda A, rank: _values(A)[rank] ** 2,
        "Only the largest singular value that is lost is counted: that is the squared error in the operator "
        "norm, not in the Frobenius norm.",
    ),
)


def _first_reaching(shares, share):
    return int(np.argmax(np.cumsum(shares) / np.sum(shares) >= share)) + 1


RANK_FOR_ENERGY = (
    Mistake(
        "not squared",
        lambda A, share: _first_reaching(_values(A), share),
        "The shares are those of the singular values; energy is the sum of their squares.",
    ),
    Mistake(
        "index for rank",
        lambda A, share: _first_reaching(_values(A) ** 2, share) - 1,
        "One too small: the index of an entry was returned for a number of directions, and Python counts from 0.",
    ),
    Mistake(
        "one too many",
        lambda A, share: _first_reaching(_values(A) ** 2, share) + 1,
        "One too large: a smaller rank reaches the share already.",
    ),
    Mistake(
        "share lost",
        lambda A, share: _first_reaching(_values(A) ** 2, 1 - share),
        "The share that may be lost and the share that must be kept are exchanged.",
    ),
    Mistake(
        "share of the directions",
        lambda A, share: int(np.ceil(share * min(A.shape))),
        "This is a share of the number of directions; the first directions hold more of the energy than the last.",
    ),
)


def _weighted(A, S, rank, root, back):
    return truncate(A @ root, rank) @ back


def _transpose_forgotten(A, S, rank):
    L = np.linalg.cholesky(S)
    return np.linalg.solve(L, truncate(A @ L, rank).T).T


def _wrong_triangle(A, S, rank):
    L = np.linalg.cholesky(S)
    return _weighted(A, S, rank, L.T, np.linalg.inv(L.T))


WEIGHTED_TRUNCATE = (
    Mistake(
        "truncated before weighting",
        lambda A, S, rank: truncate(A, rank),
        "The weights have no effect: truncating before whitening finds the best approximation in the unweighted norm.",
    ),
    Mistake(
        "not un-whitened",
        lambda A, S, rank: truncate(A @ psd_sqrt(S), rank),
        "This approximates A times the root of S. The last step is missing, the way back to A itself.",
    ),
    Mistake(
        "Cholesky factor not undone",
        lambda A, S, rank: truncate(A @ np.linalg.cholesky(S), rank),
        "This approximates A L, with L the Cholesky factor of S. It has to be multiplied by the inverse of L.",
    ),
    Mistake(
        "solved without the transpose",
        _transpose_forgotten,
        "On the way back B L = C has to be solved for B. numpy.linalg.solve has its unknown on the right of the matrix:"
        " transpose the whole equation, L included.",
    ),
    Mistake(
        "root on the way back",
        lambda A, S, rank: _weighted(A, S, rank, psd_sqrt(S), psd_sqrt(S)),
        "On the way back the root of S is multiplied a second time; it has to be undone.",
    ),
    Mistake(
        "S for its root",
        lambda A, S, rank: _weighted(A, S, rank, S, np.linalg.inv(S)),
        "S was taken where its square root belongs: the norm has S between A and its transpose, so each side "
        "gets half of it.",
    ),
    Mistake(
        "elementwise root",
        lambda A, S, rank: _weighted(A, S, rank, np.sqrt(np.abs(S)), np.linalg.inv(np.sqrt(np.abs(S)))),
        "The root was taken entry by entry. A square root of a matrix is one whose matrix product gives S.",
    ),
    Mistake(
        "triangle on the wrong side",
        _wrong_triangle,
        "The Cholesky factor is transposed: with S = L Lᵀ, the squared norm of D L is the trace of D S Dᵀ, and "
        "that of D Lᵀ is not.",
    ),
    Mistake(
        "inverse root first",
        lambda A, S, rank: _weighted(A, S, rank, np.linalg.inv(psd_sqrt(S)), psd_sqrt(S)),
        "Whitening and un-whitening are exchanged: directions in which S is large must count more, not less.",
    ),
)
