"""Typical mistakes with least squares and with risks."""

import numpy as np

from lorabook.assignments import Mistake


def _first_columns(X, Y):
    """A least-squares solution with as many zeros as possible: where one feature can be left out, the last is."""
    W, needed = np.zeros((len(Y), len(X))), np.linalg.matrix_rank(X)
    W[:, :needed] = np.linalg.lstsq(X[:needed].T, Y.T, rcond=None)[0].T
    return W


def _with_values(X, Y, power):
    U, s, Vt = np.linalg.svd(X, full_matrices=False)
    k = np.linalg.matrix_rank(X)
    return (Y @ Vt[:k].T * s[:k] ** power) @ U[:, :k].T


def _singular_features(X, Y):
    return np.linalg.matrix_rank(X) < len(X)


def _singular_samples(X, Y):
    return np.linalg.matrix_rank(X) < X.shape[1]


MINIMUM_NORM = (
    Mistake(
        "transposed",
        lambda X, Y: np.linalg.lstsq(X.T, Y.T, rcond=None)[0],
        "This is the transpose: with samples in rows, as numpy.linalg.lstsq wants them, the unknown is W transposed.",
    ),
    Mistake(
        "not of least norm",
        _first_columns,
        "It fits as well as possible, but another solution that fits as well has a smaller norm: no feature may"
        " be left out.",
    ),
    Mistake(
        "values not inverted",
        lambda X, Y: Y @ X.T,
        "This is Y Xᵀ: the singular values of X are multiplied where they have to be divided by.",
    ),
    Mistake(
        "values left out",
        lambda X, Y: _with_values(X, Y, 0),
        "The directions are right, but the singular values of X are left out.",
    ),
    Mistake(
        "divided twice",
        lambda X, Y: _with_values(X, Y, -2),
        "The singular values are divided by twice: they enter the pseudo-inverse of X once, that of X Xᵀ squared.",
    ),
    Mistake(
        "ridge",
        lambda X, Y: Y @ X.T @ np.linalg.inv(X @ X.T + np.eye(len(X))),
        "A multiple of the identity was added to make X Xᵀ invertible: that is ridge regression, which shrinks "
        "the solution.",
    ),
    Mistake(
        "inverse of the features' products",
        lambda X, Y: Y @ X.T @ np.linalg.inv(X @ X.T),
        "It is right where the rows of X are linearly independent, and fails where they are not: X Xᵀ is singular "
        "then, and has no inverse.",
        left_to_rounding=_singular_features,
    ),
    Mistake(
        "inverse of the samples' products",
        lambda X, Y: Y @ np.linalg.inv(X.T @ X) @ X.T,
        "It is right where the columns of X are linearly independent, and fails where they are not: Xᵀ X is singular "
        "then, and has no inverse.",
        left_to_rounding=_singular_samples,
    ),
    Mistake(
        "divided by n",
        lambda X, Y: Y @ np.linalg.pinv(X) / X.shape[1],
        "It is divided by n: the averages over samples are on both sides of the normal equations and cancel.",
    ),
)


def _risk(D, S):
    return np.trace(D @ S @ D.T)


def _sample(X, ddof=0):
    return X @ X.T / (X.shape[1] - ddof)


EXCESS_RISKS = (
    Mistake(
        "population for sample",
        lambda W, W_star, S, X: (_risk(W - W_star, S), _risk(W - W_star, S)),
        "Both numbers use the population covariance; the second is about the samples at hand.",
    ),
    Mistake(
        "sample for population",
        lambda W, W_star, S, X: (_risk(W - W_star, _sample(X)), _risk(W - W_star, _sample(X))),
        "Both numbers use the empirical covariance; the first is the mean over new samples, whose covariance is S.",
    ),
    Mistake(
        "exchanged",
        lambda W, W_star, S, X: (_risk(W - W_star, _sample(X)), _risk(W - W_star, S)),
        "The two numbers are exchanged.",
    ),
    Mistake(
        "n - 1",
        lambda W, W_star, S, X: (_risk(W - W_star, S), _risk(W - W_star, _sample(X, ddof=1))),
        "The mean over n samples was divided by n - 1: nothing was estimated and subtracted first, the features"
        " have mean zero.",
    ),
    Mistake(
        "mean subtracted",
        lambda W, W_star, S, X: (_risk(W - W_star, S), _risk(W - W_star, np.cov(X))),
        "numpy.cov subtracts the mean of the samples and divides by n - 1; the features are known to have mean zero.",
    ),
    Mistake(
        "sum for mean",
        lambda W, W_star, S, X: (_risk(W - W_star, S), _risk(W - W_star, X @ X.T)),
        "The second is a sum over the samples; a risk is a mean.",
    ),
    Mistake(
        "mean over outputs",
        lambda W, W_star, S, X: (_risk(W - W_star, S) / len(W), _risk(W - W_star, _sample(X)) / len(W)),
        "It is a mean over the outputs, as numpy.mean of all squared errors gives; the loss adds the outputs up.",
    ),
    Mistake(
        "unweighted",
        lambda W, W_star, S, X: (np.sum((W - W_star) ** 2), np.sum((W - W_star) ** 2)),
        "This is the squared Frobenius distance of the weights; errors in directions that features rarely take "
        "cost less.",
    ),
    Mistake(
        "root",
        lambda W, W_star, S, X: (np.sqrt(_risk(W - W_star, S)), np.sqrt(_risk(W - W_star, _sample(X)))),
        "These are norms; a risk is in squared units of y.",
    ),
)
