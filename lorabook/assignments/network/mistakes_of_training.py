"""Typical mistakes of problem set 4, in what training works with: labels, factors, gradients, the loss."""

import numpy as np

from lorabook.assignments._exercise import Mistake
from lorabook.assignments.network import oracles
from lorabook.assignments.network.oracles import IGNORED


def _flip(labels, order, steps, share, answers, modulo=True, where=slice(None), count=None):
    count = int(np.floor(share * len(labels) + 0.5)) if count is None else count
    chosen = order[where][:count]
    flipped = labels.copy()
    flipped[chosen] = labels[chosen] + steps[chosen]
    return flipped % answers if modulo else flipped


def _flip_rounded(rounding):
    """With the number of labels rounded in another way."""

    def answer(labels, order, steps, share, answers):
        return _flip(labels, order, steps, share, answers, count=int(rounding(share * len(labels))))

    return answer


def _places(labels, order, steps, share, answers):
    """The order taken for the places that the examples have in it."""
    return _flip(labels, np.argsort(order), steps, share, answers)


def _steps_alone(labels, order, steps, share, answers):
    flipped = labels.copy()
    chosen = order[: int(np.floor(share * len(labels) + 0.5))]
    flipped[chosen] = steps[chosen] % answers
    return flipped


def _steps_in_order(labels, order, steps, share, answers):
    flipped = labels.copy()
    count = int(np.floor(share * len(labels) + 0.5))
    flipped[order[:count]] = (labels[order[:count]] + steps[:count]) % answers
    return flipped


def _loss(logits, labels, late=0, early=0, reduce=np.mean, base=np.e):
    """`late` and `early` positions are left out of labels and of logits at the start, at the end."""
    length = labels.shape[1] - max(late, early)
    targets, before = labels[:, late : late + length], logits[:, early : early + length]
    logs = before - np.log(np.exp(before).sum(axis=2, keepdims=True))
    asked = targets != IGNORED
    rows, columns = np.nonzero(asked)
    losses = -logs[rows, columns, targets[asked]] / np.log(base)
    return float(reduce(losses, rows, asked) if reduce is not np.mean else losses.mean())


def _by_example(losses, rows, asked):
    return np.mean([losses[rows == row].mean() for row in np.unique(rows)])


FLIP_LABELS = (
    Mistake(
        "no wrapping around",
        lambda labels, order, steps, share, answers: _flip(labels, order, steps, share, answers, modulo=False),
        "Some labels lie beyond the last answer: after the last comes the first again.",
    ),
    Mistake(
        "others kept",
        lambda labels, order, steps, share, answers: _flip(
            labels, order, steps, share, answers, count=len(labels) - int(np.floor(share * len(labels) + 0.5))
        ),
        "The share is that of the labels to change, not of those to keep.",
    ),
    Mistake(
        "the last of the order",
        lambda labels, order, steps, share, answers: _flip(
            labels, order, steps, share, answers, where=slice(None, None, -1)
        ),
        "The changes begin at the end of the order; with its first entries, larger shares contain smaller ones.",
    ),
    Mistake(
        "the first examples",
        lambda labels, order, steps, share, answers: _flip(labels, np.arange(len(labels)), steps, share, answers),
        "The first examples were changed; the order says which ones come first.",
    ),
    Mistake(
        "places for order",
        _places,
        "order[i] was taken for the place of example i. It is the example that comes at place i.",
    ),
    Mistake(
        "rounded to even",
        _flip_rounded(round),
        "The number of labels is right unless it ends in a half: Python's round and numpy's take halves to the nearest "
        "even number, and here they go up.",
    ),
    Mistake(
        "rounded up",
        _flip_rounded(np.ceil),
        "The number of labels was rounded up; it goes to the nearest integer, which may be the one below.",
    ),
    Mistake(
        "rounded down",
        _flip_rounded(int),
        "The number of labels was rounded down, as int does; it goes to the nearest integer, and halves go up.",
    ),
    Mistake(
        "step for label",
        _steps_alone,
        "The step was taken for the new label; it is to be added to the old one, or some labels stay right.",
    ),
    Mistake(
        "steps in the order",
        _steps_in_order,
        "Each example has its own step, steps[i] for example i; they were handed out along the order instead.",
    ),
)

LORA_UPDATE = (
    Mistake(
        "alpha for alpha / r",
        lambda B, A, alpha: alpha * B @ A,
        "The scale is alpha divided by the rank, not alpha.",
    ),
    Mistake(
        "r for alpha / r",
        lambda B, A, alpha: len(A) * B @ A,
        "The rank was taken for the scale alpha / r.",
    ),
    Mistake(
        "root of the rank",
        lambda B, A, alpha: alpha / np.sqrt(len(A)) * B @ A,
        "Divided by the root of the rank: that is the rank-stabilised variant; plain LoRA divides by the rank.",
    ),
    Mistake("no scale", lambda B, A, alpha: B @ A, "The product of the factors lacks its scale."),
    Mistake(
        "r / alpha",
        lambda B, A, alpha: len(A) / alpha * B @ A,
        "The scale is upside down.",
    ),
    Mistake(
        "transpose",
        lambda B, A, alpha: alpha / len(A) * (B @ A).T,
        "The update has the shape of the weight, outputs by inputs; this is its transpose.",
    ),
)

LORA_PARAMETERS = (
    Mistake(
        "degrees of freedom",
        lambda shapes, rank: sum(rank * (a + b - rank) for a, b in shapes),
        "That is the dimension of the matrices of rank r; the optimiser trains every number of both factors.",
    ),
    Mistake(
        "all weights",
        lambda shapes, rank: sum(a * b for a, b in shapes),
        "That counts the weights themselves, which LoRA leaves frozen.",
    ),
    Mistake(
        "one factor, inputs",
        lambda shapes, rank: sum(rank * b for _, b in shapes),
        "The numbers of A alone; B is trained as well.",
    ),
    Mistake(
        "one factor, outputs",
        lambda shapes, rank: sum(rank * a for a, _ in shapes),
        "The numbers of B alone; A is trained as well.",
    ),
    Mistake(
        "one layer",
        lambda shapes, rank: rank * sum(shapes[0]),
        "The first layer alone; there are several.",
    ),
)

LORA_GRADIENTS = (
    Mistake(
        "no scale",
        lambda G, B, A, alpha: (G @ A.T, B.T @ G),
        "The scale alpha / r of the update belongs into the gradients too: it is the inner derivative.",
    ),
    Mistake(
        "squared scale",
        lambda G, B, A, alpha: tuple((alpha / len(A)) ** 2 * part for part in (G @ A.T, B.T @ G)),
        "The scale stands in the gradients once, not squared.",
    ),
    Mistake(
        "exchanged",
        lambda G, B, A, alpha: oracles.lora_gradients(G, B, A, alpha)[::-1],
        "The gradients are exchanged: B's comes first, with B's shape.",
    ),
    Mistake(
        "alpha alone",
        lambda G, B, A, alpha: (alpha * G @ A.T, alpha * B.T @ G),
        "Both gradients have alpha where the update has alpha / r.",
    ),
    Mistake(
        "descent directions",
        lambda G, B, A, alpha: tuple(-part for part in oracles.lora_gradients(G, B, A, alpha)),
        "These are the directions of descent, the gradients with their sign changed.",
    ),
)

ANSWER_LOSS = (
    Mistake(
        "no shift",
        lambda logits, labels: _loss(logits, labels),
        "Logits at a position predict the token after it; here each is compared with the token at its own position.",
    ),
    Mistake(
        "wrong shift",
        lambda logits, labels: _loss(logits, labels, early=1),
        "Shifted the wrong way: these logits have already seen the token that they are to predict.",
    ),
    Mistake(
        "sum",
        lambda logits, labels: _loss(logits, labels, late=1, reduce=lambda losses, *_: losses.sum()),
        "This is the sum over the answers' tokens, not their mean.",
    ),
    Mistake(
        "divided by all positions",
        lambda logits, labels: _loss(
            logits, labels, late=1, reduce=lambda losses, rows, asked: losses.sum() / asked.size
        ),
        "Divided by the number of all positions; those that are ignored do not count.",
    ),
    Mistake(
        "mean of means",
        lambda logits, labels: _loss(logits, labels, late=1, reduce=_by_example),
        "Averaged within each example first, which gives short answers' tokens more weight; average over all at once.",
    ),
    Mistake(
        "bits",
        lambda logits, labels: _loss(logits, labels, late=1, base=2.0),
        "In bits; the cross entropy is in nats, with the natural logarithm.",
    ),
)
