"""Typical mistakes in choosing a rank and in comparing estimators, on numbers of the student's own."""

import numpy as np

from lorabook.assignments import Mistake
from lorabook.estimators import full_finetune, lora, rank_path
from lorabook.linalg import truncate
from lorabook.spectra import cumulative_energy, rank_reaching


def _held_out_best(weights, X_new, Y_new):
    return int(np.argmin([np.sum((Y_new - W @ X_new) ** 2) for W in weights]))


def _lora_weights(X, Y, W0):
    path = rank_path(X, Y, W0)
    return [path.weights(rank) for rank in range(path.max_rank + 1)]


def _counted_from_one(X, Y, W0, X_new, Y_new):
    return _held_out_best(_lora_weights(X, Y, W0), X_new, Y_new) + 1


def _truncated_updates(X, Y, W0, X_new, Y_new):
    D = full_finetune(X, Y, W0) - W0
    return _held_out_best([W0 + truncate(D, rank) for rank in range(min(D.shape) + 1)], X_new, Y_new)


BEST_RANK = (
    Mistake(
        "training loss",
        lambda X, Y, W0, X_new, Y_new: _held_out_best(_lora_weights(X, Y, W0), X, Y),
        "This rank fits the training data best, as the largest always does; compare on the new samples.",
    ),
    Mistake(
        "counted from one",
        _counted_from_one,
        "One too large: the first entry of the path is that of rank 0.",
    ),
    Mistake(
        "truncated updates",
        _truncated_updates,
        "This is the best rank for truncations of the full update, which are not LoRA: the whitening is missing.",
    ),
    Mistake(
        "energy",
        lambda X, Y, W0, X_new, Y_new: rank_reaching(cumulative_energy(full_finetune(X, Y, W0) - W0), 0.9),
        "This rank holds nine tenths of the update's energy; whether the rest is signal or noise, only new "
        "samples tell.",
    ),
)


def _ordered(loss, X, Y, W0, rank):
    candidates = {"pretrained": W0, "lora": lora(X, Y, W0, rank), "full": full_finetune(X, Y, W0)}
    return sorted(candidates, key=lambda name: loss(candidates[name]))


def _excess_risk(W, W_star, S):
    return np.trace((W - W_star) @ S @ (W - W_star).T)


RANKING = (
    Mistake(
        "worst first",
        lambda X, Y, W0, W_star, S, rank: _ordered(lambda W: -_excess_risk(W, W_star, S), X, Y, W0, rank),
        "The order is reversed: the smallest excess risk goes first.",
    ),
    Mistake(
        "training loss",
        lambda X, Y, W0, W_star, S, rank: _ordered(lambda W: np.sum((Y - W @ X) ** 2), X, Y, W0, rank),
        "This is the order of the training losses, which never favours fewer parameters; the risk is about new "
        "samples.",
    ),
    Mistake(
        "distance",
        lambda X, Y, W0, W_star, S, rank: _ordered(lambda W: np.sum((W - W_star) ** 2), X, Y, W0, rank),
        "This is the order of the distances to the true weights, which forgets how often features point where.",
    ),
)
