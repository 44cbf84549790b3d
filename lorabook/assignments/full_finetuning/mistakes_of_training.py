"""Typical mistakes in problem set 2: the closed form, its error, and gradient descent."""

from math import ceil, floor, log, sqrt

import numpy as np

from lorabook.assignments._exercise import Mistake
from lorabook.assignments.full_finetuning import oracles

FULL_FINETUNE = (
    Mistake(
        "weights of minimum norm",
        lambda X, Y, W0: Y @ np.linalg.pinv(X),
        "These are the weights of smallest norm. Fine-tuning starts at W0: what is smallest is the update, so that "
        "directions without data keep the pre-trained weights.",
    ),
    Mistake(
        "the update only",
        lambda X, Y, W0: (Y - W0 @ X) @ np.linalg.pinv(X),
        "This is the update. Asked for are the weights after it.",
    ),
    Mistake(
        "the labels and not the residual",
        lambda X, Y, W0: W0 + Y @ np.linalg.pinv(X),
        "The update was fitted to Y. The pre-trained weights predict a part of Y already; only what they leave has to "
        "be fitted.",
    ),
    Mistake(
        "the other projector",
        lambda X, Y, W0: (W0 @ X + Y) @ np.linalg.pinv(X),
        "W0 was kept on the directions that the data show, and dropped on the others. It is the other way round.",
    ),
    Mistake(
        "the sign of the residual",
        lambda X, Y, W0: W0 - (Y - W0 @ X) @ np.linalg.pinv(X),
        "The step goes away from the data: the residual has the wrong sign.",
    ),
    Mistake(
        "a transpose for the pseudo-inverse",
        lambda X, Y, W0: W0 + (Y - W0 @ X) @ X.T,
        "The residual was multiplied by the transpose of X. That is one step of gradient descent; a pseudo-inverse "
        "divides by the squared singular values as well.",
    ),
    Mistake(
        "1/n on one side",
        lambda X, Y, W0: W0 + X.shape[1] * (Y - W0 @ X) @ np.linalg.pinv(X),
        "The update is n times too large: the empirical covariance has a 1/n, and what it is multiplied by has none.",
    ),
)


def _parts(X, E, shift, feature_cov, inverse=np.linalg.pinv, seen=False, mixed=-2):
    """`error_parts` with the inverse, the projector or the factor of the mixed term replaced."""
    noise, projector = E @ inverse(X), X @ np.linalg.pinv(X)
    unseen = shift @ (projector if seen else np.eye(len(X)) - projector)
    inner = [float(np.trace(A @ feature_cov @ B.T)) for A, B in ((noise, noise), (unseen, unseen), (noise, unseen))]
    return inner[0], inner[1], mixed * inner[2]


def _roots(noise, unseen, mixed):
    return sqrt(noise), sqrt(unseen), mixed


ERROR_PARTS = (
    Mistake(
        "isotropic features",
        lambda X, E, shift, feature_cov: _parts(X, E, shift, np.eye(len(X))),
        "These are squared lengths of weights. New inputs have covariance Sigma_x, not the identity; with it the two "
        "parts of the error are no longer orthogonal.",
    ),
    Mistake(
        "empirical for population covariance",
        lambda X, E, shift, feature_cov: _parts(X, E, shift, X @ X.T / X.shape[1]),
        "The covariance of the training inputs was used. It knows nothing of unseen directions; new inputs come from "
        "the population, with Sigma_x.",
    ),
    Mistake(
        "the covariance twice",
        lambda X, E, shift, feature_cov: _parts(X, E, shift, feature_cov @ feature_cov),
        "Sigma_x counts twice. In the norm form it is the root of Sigma_x that multiplies the weights.",
    ),
    Mistake(
        "the inverse covariance",
        lambda X, E, shift, feature_cov: _parts(X, E, shift, np.linalg.inv(feature_cov)),
        "Sigma_x was inverted, as in a Mahalanobis distance. The risk weighs errors by Sigma_x itself.",
    ),
    Mistake(
        "the seen shift",
        lambda X, E, shift, feature_cov: _parts(X, E, shift, feature_cov, seen=True),
        "This is the share of the shift that the data show. The error contains the other share.",
    ),
    Mistake(
        "a transpose for the pseudo-inverse",
        lambda X, E, shift, feature_cov: _parts(X, E, shift, feature_cov, inverse=np.transpose),
        "The noise was multiplied by the transpose of X and not by its pseudo-inverse: directions with little data "
        "should amplify it, not damp it.",
    ),
    Mistake(
        "the mixed term once",
        lambda X, E, shift, feature_cov: _parts(X, E, shift, feature_cov, mixed=-1),
        "The first two parts are right. In the square of a sum the product counts twice.",
    ),
    Mistake(
        "the sign of the mixed term",
        lambda X, E, shift, feature_cov: _parts(X, E, shift, feature_cov, mixed=2),
        "The first two parts are right. The error is a difference: mind the sign of the product.",
    ),
    Mistake(
        "norms not squared",
        lambda **case: _roots(*oracles.error_parts(**case)),
        "The first two parts are norms. The excess risk is a squared norm.",
    ),
)


def _iterated(X, Y, W0, step_size, steps):
    W = W0
    for _ in range(steps):
        W = W - step_size * (W @ X - Y) @ X.T
    return W


def _descent(X, Y, W0, accuracy, start=1, scale=1.0, more=0, rounding=ceil, power=1):
    """Gradient descent at the best step size, with one thing changed."""
    s = np.linalg.svd(X, compute_uv=False)
    step_size, rate = 2 / (s[0] ** 2 + s[-1] ** 2), (s[0] ** 2 - s[-1] ** 2) / (s[0] ** 2 + s[-1] ** 2)
    steps = rounding(log(accuracy) / (power * log(rate)))
    weights = _iterated(X, Y, start * W0, scale * step_size, steps + more)
    return {"step_size": step_size, "steps": steps, "weights": weights}


def _descent_unsquared(X, Y, W0, accuracy):
    s = np.linalg.svd(X, compute_uv=False)
    step_size, steps = 2 / (s[0] + s[-1]), ceil(log(accuracy) / log((s[0] - s[-1]) / (s[0] + s[-1])))
    return {"step_size": step_size, "steps": steps, "weights": _iterated(X, Y, W0, step_size, steps)}


def _descent_condition(X, Y, W0, accuracy):
    s = np.linalg.svd(X, compute_uv=False)
    step_size, steps = 2 / (s[0] ** 2 + s[-1] ** 2), ceil(log(accuracy) / log((s[0] - s[-1]) / (s[0] + s[-1])))
    return {"step_size": step_size, "steps": steps, "weights": _iterated(X, Y, W0, step_size, steps)}


def _descent_cautious(X, Y, W0, accuracy):
    s = np.linalg.svd(X, compute_uv=False)
    step_size, steps = 1 / s[0] ** 2, ceil(log(accuracy) / log(1 - s[-1] ** 2 / s[0] ** 2))
    return {"step_size": step_size, "steps": steps, "weights": _iterated(X, Y, W0, step_size, steps)}


DESCENT = (
    Mistake(
        "singular values not squared",
        _descent_unsquared,
        "Step size and rate were made of the singular values of X. The curvature of the loss is that of X X^T: their "
        "squares.",
    ),
    Mistake(
        "the condition number of X",
        _descent_condition,
        "The step size is right. The rate was made of the condition number of X; that of X X^T, its square, sets it.",
    ),
    Mistake(
        "the cautious step",
        _descent_cautious,
        "With 1 / s_1^2 descent converges, but this is not the fastest step. The best one lets the largest direction "
        "overshoot just as much as the smallest lags behind.",
    ),
    Mistake(
        "start at zero",
        lambda X, Y, W0, accuracy: _descent(X, Y, W0, accuracy, start=0),
        "The descent started at zero. Fine-tuning starts at the pre-trained weights.",
    ),
    Mistake(
        "twice the gradient",
        lambda X, Y, W0, accuracy: _descent(X, Y, W0, accuracy, scale=2),
        "Step size and number of steps are right; the gradient is twice that of half the squared norm.",
    ),
    Mistake(
        "the gradient of the mean",
        lambda X, Y, W0, accuracy: _descent(X, Y, W0, accuracy, scale=1 / X.shape[1]),
        "Step size and number of steps are right; the gradient was divided by n, as for the mean over samples. The "
        "loss here is a sum.",
    ),
    Mistake(
        "one step too few",
        lambda X, Y, W0, accuracy: _descent(X, Y, W0, accuracy, rounding=floor),
        "One step is missing: the accuracy is not reached yet when the number of steps is rounded down.",
    ),
    Mistake(
        "one step more than said",
        lambda X, Y, W0, accuracy: _descent(X, Y, W0, accuracy, more=1),
        "The weights are those of one step more than the number of steps that you return.",
    ),
    Mistake(
        "the squared distance",
        lambda X, Y, W0, accuracy: _descent(X, Y, W0, accuracy, power=2),
        "After this number of steps the *squared* distance has fallen by the accuracy. Asked for is the distance.",
    ),
)
