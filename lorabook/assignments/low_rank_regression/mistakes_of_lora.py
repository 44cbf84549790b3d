"""Typical mistakes with reduced-rank regression and LoRA's closed form."""

import numpy as np

from lorabook.assignments import Mistake
from lorabook.estimators import full_finetune, lora, rank_path
from lorabook.linalg import psd_sqrt, truncate


def _update(X, Y, W0):
    return full_finetune(X, Y, W0) - W0


def _root(X):
    return psd_sqrt(X @ X.T / X.shape[1])


def _covariance_for_root(X, Y, W0, rank):
    S = X @ X.T / X.shape[1]
    return W0 + truncate(_update(X, Y, W0) @ S, rank) @ np.linalg.pinv(S, rcond=1e-10)


def _input_directions(X, Y, W0, rank):
    D = _update(X, Y, W0)
    Vt = np.linalg.svd(D @ _root(X))[2][:rank]
    return W0 + D @ Vt.T @ Vt


def _smallest_kept(X, Y, W0, rank):
    path = rank_path(X, Y, W0)
    return W0 + path.directions[:, -rank:] @ path.updates[-rank:]


def _factor(X):
    return np.linalg.cholesky(X @ X.T / X.shape[1])


def _fewer_samples(X, **case):
    return X.shape[1] < len(X)


def _inverted(X, Y, W0, rank):
    L = _factor(X)
    return W0 + truncate(_update(X, Y, W0) @ L, rank) @ np.linalg.inv(L)


def _transpose_forgotten(X, Y, W0, rank):
    L = _factor(X)
    return W0 + np.linalg.solve(L, truncate(_update(X, Y, W0) @ L, rank).T).T


LORA = (
    Mistake(
        "truncated before whitening",
        lambda X, Y, W0, rank: W0 + truncate(_update(X, Y, W0), rank),
        "The full update was truncated as it stands. What has to be well approximated is what the update does "
        "to the data, so whiten first.",
    ),
    Mistake(
        "not un-whitened",
        lambda X, Y, W0, rank: W0 + truncate(_update(X, Y, W0) @ _root(X), rank),
        "The whitened update was added to W0; whitening has to be undone after truncating.",
    ),
    Mistake(
        "inverse of a singular covariance",
        _inverted,
        "It is right for more samples than inputs, and fails for fewer: then the empirical covariance is singular, and "
        "neither it nor a root or a Cholesky factor of it can be inverted.",
        left_to_rounding=_fewer_samples,
    ),
    Mistake(
        "Cholesky factor not undone",
        lambda X, Y, W0, rank: W0 + truncate(_update(X, Y, W0) @ _factor(X), rank),
        "The update was multiplied by a Cholesky factor of the covariance, and this is not undone after truncating. "
        "With fewer samples than inputs there is no such factor, so take another way to whiten.",
        left_to_rounding=_fewer_samples,
    ),
    Mistake(
        "solved without the transpose",
        _transpose_forgotten,
        "To un-whiten, B L = C has to be solved for B, which numpy.linalg.solve does after transposing both sides, L "
        "included. With fewer samples than inputs there is no Cholesky factor L, so take another way to whiten.",
        left_to_rounding=_fewer_samples,
    ),
    Mistake(
        "W0 forgotten in the residual",
        lambda X, Y, W0, rank: W0 + lora(X, Y, np.zeros_like(W0), rank),
        "The update was fitted to Y itself: what W0 predicts already has to be subtracted first.",
    ),
    Mistake(
        "W0 not added",
        lambda X, Y, W0, rank: lora(X, Y, W0, rank) - W0,
        "This is the update alone; the weights are W0 plus the update.",
    ),
    Mistake(
        "weights of low rank",
        lambda X, Y, W0, rank: lora(X, Y, np.zeros_like(W0), rank),
        "Here the weights themselves have rank r, as in reduced-rank regression; LoRA restricts only what is "
        "added to W0.",
    ),
    Mistake(
        "covariance for its root",
        _covariance_for_root,
        "The update was multiplied by the covariance; whitening takes its square root.",
    ),
    Mistake(
        "input directions",
        _input_directions,
        "The update was projected from the right, on directions of the inputs; the directions that are kept are"
        " those of the outputs.",
    ),
    Mistake(
        "smallest kept",
        _smallest_kept,
        "The r directions with the least energy are kept.",
    ),
    Mistake(
        "one too many",
        lambda X, Y, W0, rank: lora(X, Y, W0, rank + 1),
        "The update has rank r + 1.",
    ),
    Mistake(
        "full fine-tuning",
        lambda X, Y, W0, rank: full_finetune(X, Y, W0),
        "This is full fine-tuning: the rank has no effect.",
    ),
)


def _projections(X, Y, W0, U):
    """`W0 + U_r U_r^T D_FFT` for r = 0, 1, …, for output directions U."""
    D = _update(X, Y, W0)
    return np.array([W0 + U[:, :r] @ U[:, :r].T @ D for r in range(min(*X.shape, len(Y)) + 1)])


def _right(X, Y, W0):
    return _projections(X, Y, W0, rank_path(X, Y, W0).directions)


def _left(A):
    return np.linalg.svd(A)[0]


def _one_direction_each(X, Y, W0):
    path = _right(X, Y, W0)
    return np.concatenate([W0[None], W0 + np.diff(path, axis=0)])


def _directions_of_factor(X, Y, W0):
    return _projections(X, Y, W0, _left(_update(X, Y, W0) @ _factor(X)))


LORA_PATH = (
    Mistake(
        "without rank 0",
        lambda X, Y, W0: _right(X, Y, W0)[1:],
        "Rank 0 is missing: the path starts with the pre-trained weights.",
    ),
    Mistake(
        "without the last rank",
        lambda X, Y, W0: _right(X, Y, W0)[:-1],
        "The last rank is missing: the path ends with full fine-tuning, and range leaves out its end.",
    ),
    Mistake(
        "directions of the update",
        lambda X, Y, W0: _projections(X, Y, W0, _left(_update(X, Y, W0))),
        "The directions are those of the update as it stands; those of the update after whitening are needed.",
    ),
    Mistake(
        "directions of the outputs",
        lambda X, Y, W0: _projections(X, Y, W0, _left(Y)),
        "The directions are those of Y; W0 explains a part of it that is not to be learnt.",
    ),
    Mistake(
        "directions of the residual",
        lambda X, Y, W0: _projections(X, Y, W0, _left(Y - W0 @ X)),
        "The directions are those of the whole residual; only the part of it that a linear map of X can explain"
        " counts.",
    ),
    Mistake(
        "Cholesky factor of a singular covariance",
        _directions_of_factor,
        "It is right for more samples than inputs, and fails for fewer: then the empirical covariance is singular, and "
        "has neither an inverse nor a Cholesky factor. Which matrix has the same left singular vectors?",
        left_to_rounding=_fewer_samples,
    ),
    Mistake(
        "updates alone",
        lambda X, Y, W0: _right(X, Y, W0) - W0,
        "These are the updates; the path consists of weights, each with W0 in it.",
    ),
    Mistake(
        "one direction each",
        _one_direction_each,
        "Every rank has only its last direction; rank r keeps all of the first r.",
    ),
)
