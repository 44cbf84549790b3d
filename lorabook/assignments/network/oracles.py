"""The right answers of problem set 4."""

from typing import NamedTuple

import numpy as np
from scipy.special import logsumexp

from lorabook import spectra
from lorabook.assignments.network.experiment import measured
from lorabook.llm import intervals

IGNORED = -100
METHODS = ("full", "lora")


def flip_labels(labels, order, steps, share, answers):
    count = int(np.floor(share * len(labels) + 0.5))
    flipped = labels.copy()
    chosen = order[:count]
    flipped[chosen] = (labels[chosen] + steps[chosen]) % answers
    return flipped


def lora_update(B, A, alpha):
    return alpha / len(A) * B @ A


def lora_parameters(shapes, rank):
    return sum(rank * (d_out + d_in) for d_out, d_in in shapes)


class Gradients(NamedTuple):
    B: np.ndarray
    A: np.ndarray


def lora_gradients(G, B, A, alpha):
    scale = alpha / len(A)
    return Gradients(scale * G @ A.T, scale * B.T @ G)


def answer_loss(logits, labels):
    targets, before = labels[:, 1:], logits[:, :-1]
    logs = before - logsumexp(before, axis=2, keepdims=True)
    asked = targets != IGNORED
    rows, columns = np.nonzero(asked)
    return float(-logs[rows, columns, targets[asked]].mean())


def energy(delta):
    return spectra.cumulative_energy(delta)


def wrong_labels_learnt(answers, noisy, clean):
    wrong = noisy != clean
    return float(np.mean(answers[wrong] == noisy[wrong]))


class Interval(NamedTuple):
    mean: float
    low: float
    high: float


def interval(full, lora):
    found = intervals.nested((lora - full)[:, None])
    return Interval(found.mean, found.low, found.high)


def accuracies(shift_rank, shift_seed):
    return {method: measured(method, shift_rank, shift_seed).accuracy for method in METHODS}


def wrong_labels(shift_rank, shift_seed):
    return {method: measured(method, shift_rank, shift_seed).wrong_labels for method in METHODS}


def leading_energies(shift_rank, shift_seed):
    return {method: float(np.mean(measured(method, shift_rank, shift_seed).energies)) for method in METHODS}


def verdict(shift_rank, shift_seed):
    runs = {method: measured(method, shift_rank, shift_seed) for method in METHODS}
    return {
        "LoRA learnt fewer of the wrong labels": runs["lora"].wrong_labels < runs["full"].wrong_labels,
        "LoRA is ahead on the test examples": runs["lora"].accuracy > runs["full"].accuracy,
        "the LoRA update has at most rank 2, so the shift has at most rank 2": False,
        "this pair of runs shows that LoRA is better under label noise at any learning rate": False,
    }
