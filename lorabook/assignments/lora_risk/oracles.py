"""The right answers of problem set 3, by the library's own functions."""

import numpy as np
from scipy.stats import sem

from lorabook import Task, formulas, lora, rank_path, sharp

Array = np.ndarray


def risk_parts(X: Array, Y: Array, W0: Array, W_star: Array, S: Array) -> dict:
    """The two terms of the exact decomposition for every rank from 0 on, features of covariance S."""
    kept, missed = rank_path(X, Y, W0).risk_parts(Task(W0, W_star - W0, feature_cov=S))
    return {"kept": kept, "missed": missed}


def bill(X: Array, Y: Array, W0: Array, W_star: Array) -> dict:
    """What each direction adds to the squared norm of the update, and that less what it adds to the excess risk."""
    path = rank_path(X, Y, W0)
    price = np.diff([np.sum((path.weights(rank) - W0) ** 2) for rank in range(path.max_rank + 1)])
    return {"price": price, "credit": price - np.diff(path.excess_risks(Task(W0, W_star - W0)))}


def bias_and_variance(X: Array, Y: Array, W0: Array, W_star: Array, rank: int) -> dict:
    """The two parts of LoRA's mean excess risk over the labels Y[i] of the same X, features of covariance I."""
    return split(np.array([lora(X, labels, W0, rank) for labels in Y]), W_star)


def split(weights: Array, W_star: Array) -> dict:
    """Squared bias and variance of weights[i], which add up to their mean excess risk."""
    bias = Task(W_star, np.zeros_like(W_star)).excess_risk(np.mean(weights, axis=0))
    return {"bias": bias, "variance": float(np.sum(np.var(weights, axis=0)))}


def compare_ranks(X: Array, Y: Array, W0: Array, W_star: Array, ranks: tuple) -> dict:
    """Mean difference of the excess risks of two ranks over the data sets X[i], Y[i], its error and z."""
    return judged(*simulated_risks(X, Y, W0, W_star, ranks))


def simulated_risks(X: Array, Y: Array, W0: Array, W_star: Array, ranks: tuple) -> Array:
    """Excess risks of the given ranks, (ranks, draws), features of covariance I."""
    task = Task(W0, W_star - W0)
    return np.array([rank_path(*data, W0).excess_risks(task)[list(ranks)] for data in zip(X, Y, strict=True)]).T


def judged(first: Array, second: Array) -> dict:
    """The mean difference of paired numbers, its standard error and the z-score of no difference."""
    difference, error = float(np.mean(first - second)), float(sem(first - second))
    return {"difference": difference, "standard_error": error, "z": difference / error}


def crossover(d_x: int, d_y: int, n: int, noise_std: float, rank: int, singular_values: Array) -> dict:
    """Free parameters of a matrix of this rank, the two mean risks for strong directions, and where they are equal."""
    shift = singular_values, d_x, d_y, n
    return {
        "parameters": rank * (d_x + d_y - rank),
        "lora": sharp.strong_spike_risk(rank, *shift, noise_std),
        "full": sharp.full_risk(*shift, noise_std),
        "crossover": sharp.crossover_noise_limit(rank, *shift),
    }


def thresholds(sizes: tuple, d_x: int, d_y: int, noise_std: float) -> dict:
    """For each number of samples: the edge of the noise, and which directions of the shift show and pay."""
    return {
        n: {
            "edge": noise_std * float(np.sqrt(formulas.gaussian_norm_bound(m=d_y, n=min(n, d_x)))),
            "visible": sharp.detection_threshold(d_x, d_y, n, noise_std),
            "useful": sharp.usefulness_threshold(d_x, d_y, n, noise_std),
        }
        for n in sizes
    }


def choose_rank(X: Array, Y: Array, W0: Array) -> dict:
    """The rank that the theory holds to be best for these data, n > d_x + 1, and what it is read from."""
    (d_x, n), d_y = X.shape, len(Y)
    noise = sharp.estimate_noise(X, Y, W0)
    root = sharp.usefulness_root(d_y, d_x, sharp.inflation(d_x, n))
    return {
        "values": rank_path(X, Y, W0).singular_values,
        "noise": noise,
        "threshold": noise * float(np.sqrt(formulas.spiked_square(x=root, d_y=d_y, k=d_x))),
        "rank": sharp.choose_rank(X, Y, W0),
    }


def cross_validate(X: Array, Y: Array, W0: Array, fold: Array) -> Array:
    """Mean squared error on samples whose fold was left out of training, for every rank from 0 on."""
    errors = 0.0
    for label in np.unique(fold):
        out = fold == label
        path = rank_path(X[:, ~out], Y[:, ~out], W0)
        errors = errors + np.array([squared_errors(path.weights(r), X, Y, out) for r in range(path.max_rank + 1)])
    return errors / len(fold)


def squared_errors(W: Array, X: Array, Y: Array, samples=slice(None)) -> float:
    """Sum of the squared errors on some samples."""
    return float(np.sum((Y[:, samples] - W @ X[:, samples]) ** 2))


def report(X: Array, Y: Array, W0: Array, fold: Array, X_test: Array, Y_test: Array) -> dict:
    """The rank of least cross-validated error, and the test error of LoRA of that rank, trained on all of X and Y."""
    rank = int(np.argmin(cross_validate(X, Y, W0, fold)))
    return {"rank": rank, "test_loss": squared_errors(lora(X, Y, W0, rank), X_test, Y_test) / X_test.shape[1]}


READINGS = {
    ("more", False): "More samples make more directions worth keeping. Full fine-tuning on all of them does harm.",
    ("more", True): "More samples make more directions worth keeping. Full fine-tuning on all of them helps, too.",
    ("same", False): "The best rank stays as it is. Full fine-tuning on all samples does harm.",
    ("same", True): "The best rank stays as it is. Full fine-tuning on all samples helps, too.",
    ("fewer", False): "More samples make fewer directions worth keeping. Full fine-tuning on all of them does harm.",
    ("fewer", True): "More samples make fewer directions worth keeping. Full fine-tuning on all of them helps, all the "
    "same.",
}
"""What more samples do to the best rank, and whether full fine-tuning on them all beats the pre-trained weights."""


def reading(
    d_x: int, d_y: int, n_now: int, n_then: int, noise_std: float, singular_values: Array, statements: dict
) -> dict:
    """The best rank now and with more samples, and the letter of the statement that follows."""
    now, then = (sharp.best_rank(singular_values, d_x, d_y, n, noise_std) for n in (n_now, n_then))
    full = sharp.full_risk(singular_values, d_x, d_y, n_then, noise_std)
    return advised(statements, now, then, full < np.sum(singular_values**2))


def advised(statements: dict, now: int, then: int, full_helps: bool | np.bool_) -> dict:
    """The answer to `reading` that follows from the two ranks and from full fine-tuning's risk."""
    text = READINGS["more" if then > now else "fewer" if then < now else "same", bool(full_helps)]
    return {"now": now, "then": then, "advice": next(key for key, statement in statements.items() if statement == text)}
