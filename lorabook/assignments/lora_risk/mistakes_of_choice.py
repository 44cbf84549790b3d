"""Typical mistakes when a rank is chosen by a threshold, each written as somebody who makes it would write it."""

import numpy as np

from lorabook import formulas, full_finetune, sharp
from lorabook.assignments import Mistake
from lorabook.assignments.lora_risk import oracles


def _values(matrix):
    return np.linalg.svd(matrix, compute_uv=False)


def _chosen(X, Y, W0, seen_in=None, noise=None, threshold=None, count=lambda values, threshold: values > threshold):
    """`choose_rank` with parts replaced: what is decomposed, the noise, the threshold as its function."""
    right = oracles.choose_rank(X, Y, W0)
    values = right["values"] if seen_in is None else _values(seen_in)[: len(right["values"])]
    noise = right["noise"] if noise is None else noise
    unit = right["threshold"] / right["noise"]
    threshold = noise * unit if threshold is None else threshold(noise)
    rank = int(np.sum(count(values, threshold)))
    return {"values": values, "noise": noise, "threshold": threshold, "rank": rank}


def _rank_changed(rank):
    """The right answer with another rank, a function of the values, the noise and the sizes d_x and d_y."""

    def answer(X, Y, W0):
        right = oracles.choose_rank(X, Y, W0)
        return {**right, "rank": int(rank(right["values"], right["noise"], len(X), len(Y), right["rank"]))}

    return answer


def _residual(X, Y, W0):
    return Y - full_finetune(X, Y, W0) @ X


def _noise(X, Y, W0, divisor):
    return float(np.sqrt(np.sum(_residual(X, Y, W0) ** 2) / divisor))


def _threshold_at(d_x, d_y, n, root):
    """The threshold for observed values that belongs to a strength, as a function of the noise."""
    return lambda noise: noise * float(np.sqrt(formulas.spiked_square(x=root, d_y=d_y, k=d_x)))


def _root(X, Y):
    return sharp.usefulness_root(len(Y), len(X), sharp.inflation(*X.shape))


CHOOSE_RANK = (
    Mistake(
        "noise over all samples",
        lambda X, Y, W0: _chosen(X, Y, W0, noise=_noise(X, Y, W0, Y.size)),
        "The noise is too small: the residual was divided by all entries of Y, although training has explained part of "
        "the noise.",
    ),
    Mistake(
        "noise of all outputs",
        lambda X, Y, W0: _chosen(X, Y, W0, noise=_noise(X, Y, W0, X.shape[1] - len(X))),
        "This is the noise of all outputs together. sigma belongs to one of them.",
    ),
    Mistake(
        "noise before training",
        lambda X, Y, W0: _chosen(
            X, Y, W0, noise=float(np.sqrt(np.sum((Y - W0 @ X) ** 2) / (len(Y) * (X.shape[1] - len(X)))))
        ),
        "The noise was estimated from what the pre-trained weights leave unexplained. That contains the shift.",
    ),
    Mistake(
        "variance for noise",
        lambda X, Y, W0: _chosen(X, Y, W0, noise=sharp.estimate_noise(X, Y, W0) ** 2),
        "This noise is a variance. Singular values are compared with a multiple of its root.",
    ),
    Mistake(
        "unwhitened",
        lambda X, Y, W0: _chosen(X, Y, W0, seen_in=full_finetune(X, Y, W0) - W0),
        "These are the singular values of the update. The threshold is for what the update does on the samples; the "
        "noise is white only there.",
    ),
    Mistake(
        "whole residual",
        lambda X, Y, W0: _chosen(X, Y, W0, seen_in=Y - W0 @ X),
        "The singular values contain noise that no linear map of X could fit. The threshold is for the fitted part "
        "alone.",
    ),
    Mistake(
        "pre-trained weights left in",
        lambda X, Y, W0: _chosen(X, Y, W0, seen_in=full_finetune(X, Y, W0) @ X),
        "The singular values are those of the whole prediction. W0 is there without training; only the update counts.",
    ),
    Mistake(
        "eigenvalues",
        lambda X, Y, W0: {
            **(right := oracles.choose_rank(X, Y, W0)),
            "values": right["values"] ** 2,
            "rank": int(np.sum(right["values"] ** 2 > right["threshold"])),
        },
        "Eigenvalues of a Gram matrix are compared with a threshold for singular values.",
    ),
    Mistake(
        "divided by the root of n",
        lambda X, Y, W0: _chosen(X, Y, W0, seen_in=(full_finetune(X, Y, W0) - W0) @ X / np.sqrt(X.shape[1])),
        "The singular values are per sample, the threshold is not.",
    ),
    Mistake(
        "edge of the noise as threshold",
        lambda X, Y, W0: _chosen(X, Y, W0, threshold=lambda noise: noise * (np.sqrt(len(Y)) + np.sqrt(len(X)))),
        "Everything above the edge of the noise is kept. Not every direction that shows is worth keeping.",
    ),
    Mistake(
        "threshold of denoising",
        lambda X, Y, W0: _chosen(
            X, Y, W0, threshold=_threshold_at(len(X), len(Y), X.shape[1], sharp.usefulness_root(len(Y), len(X), 1.0))
        ),
        "This is the threshold for denoising a matrix that is observed directly. Here the data are inverted as well.",
    ),
    Mistake(
        "threshold of the truth",
        lambda X, Y, W0: _chosen(X, Y, W0, threshold=lambda noise: noise * np.sqrt(_root(X, Y))),
        "This is the threshold for the strength of the true direction. Noise has enlarged the singular values that you "
        "compare with it.",
    ),
    Mistake(
        "counted above the edge",
        _rank_changed(lambda values, noise, d_x, d_y, rank: np.sum(values > noise * (np.sqrt(d_x) + np.sqrt(d_y)))),
        "The threshold is right, and the rank counts the values above another one, the edge of the noise.",
        sometimes_right=True,
    ),
    Mistake(
        "the same rank for all data",
        _rank_changed(lambda *_: 2),
        "The rank is 2 whatever the data are. Count the values above the threshold.",
        sometimes_right=True,
    ),
    Mistake(
        "one too many",
        lambda X, Y, W0: {**(right := oracles.choose_rank(X, Y, W0)), "rank": right["rank"] + 1},
        "The rank is one too large: it is the number of values above the threshold, not the place of the first one "
        "below.",
        sometimes_right=True,
    ),
    Mistake(
        "one too few",
        lambda X, Y, W0: {**(right := oracles.choose_rank(X, Y, W0)), "rank": right["rank"] - 1},
        "The rank is one too small: it is a number of directions, and Python counts places from 0.",
        sometimes_right=True,
    ),
)
