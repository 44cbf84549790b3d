"""The exercises of problem set 4: what each asks about, on which numbers, and the mistakes that are typical of it."""

from functools import partial

import numpy as np

from lorabook.assignments._exercise import Case, Exercise
from lorabook.assignments.network import mistakes_of_measuring as measuring
from lorabook.assignments.network import mistakes_of_training as training
from lorabook.assignments.network import oracles
from lorabook.assignments.network.experiment import SHIFT_RANKS, SHIFT_SEEDS

Generator = np.random.Generator


def _flips(rng: Generator, low: float, high: float) -> Case:
    """A share of the labels that ends between `low` and `high` of a label, and is less than half of them."""
    while True:
        n, share, answers = int(rng.integers(30, 50)), round(float(rng.uniform(0.2, 0.42)), 2), 5
        if low <= share * n % 1 <= high:
            return _flipped_at(rng, n, share, answers)


def _flips_halves(rng: Generator) -> Case:
    """A share that ends with half a label, exactly; to the nearest even number it would be rounded down."""
    return _flipped_at(rng, int(rng.choice([34, 42])), 0.25, 5)


def _flipped_at(rng: Generator, n: int, share: float, answers: int) -> Case:
    return {
        "labels": rng.integers(0, answers, n),
        "order": rng.permutation(n),
        "steps": rng.integers(1, answers, n),
        "share": share,
        "answers": answers,
    }


def _factors(rng: Generator) -> Case:
    """A rank of at least three and an alpha that is neither the rank nor a power of it."""
    rank = int(rng.integers(3, 6))
    d_y, d_x = int(rng.integers(6, 9)), int(rng.integers(9, 12))
    alpha = float(rank * rng.choice([2.5, 3.5, 4.5]) + 0.7)
    return {"B": rng.standard_normal((d_y, rank)), "A": rng.standard_normal((rank, d_x)), "alpha": alpha}


def _layers(rng: Generator) -> Case:
    shapes = [(int(rng.integers(20, 40)), int(rng.integers(41, 80))) for _ in range(4)]
    return {"shapes": shapes, "rank": int(rng.integers(2, 9))}


def _gradients(rng: Generator) -> Case:
    case = _factors(rng)
    return {"G": rng.standard_normal((len(case["B"]), case["A"].shape[1])), **case}


def _answers(rng: Generator) -> Case:
    """Left-padded rows whose answers, at the end, are of different lengths."""
    rows, length, words = 4, int(rng.integers(8, 11)), int(rng.integers(12, 16))
    labels = np.full((rows, length), oracles.IGNORED)
    for row, tokens in enumerate(rng.permutation([1, 2, 3, 4])):
        labels[row, length - tokens :] = rng.integers(0, words, tokens)
    return {"logits": 2 * rng.standard_normal((rows, length, words)), "labels": labels}


def _update(rng: Generator) -> Case:
    d_y, d_x = int(rng.integers(5, 8)), int(rng.integers(8, 11))
    return {"delta": rng.standard_normal((d_y, d_x)) * np.geomspace(1, 0.1, d_x)}


def _learnt(rng: Generator) -> Case:
    """Some wrong labels are learnt, some answered rightly, some neither."""
    n, options = 60, 5
    clean = rng.integers(0, options, n)
    noisy = oracles.flip_labels(clean, rng.permutation(n), rng.integers(1, options, n), 0.4, options)
    answers = np.where(rng.random(n) < 0.5, noisy, rng.integers(0, options, n))
    wrong = np.flatnonzero(noisy != clean)
    answers[wrong[0]] = clean[wrong[0]]
    neither = [option for option in range(options) if option not in (clean[wrong[1]], noisy[wrong[1]])]
    answers[wrong[1]] = neither[0]
    return {"answers": answers, "noisy": noisy, "clean": clean}


def _repeats(rng: Generator) -> Case:
    """Accuracies of two methods that share what makes a repeat easy or hard."""
    k = int(rng.integers(6, 11))
    shared = 0.7 + 0.05 * rng.standard_normal(k)
    full, lora = (shared + shift + 0.01 * rng.standard_normal(k) for shift in (0.0, 0.02))
    return {"full": full, "lora": lora}


def _task(rng: Generator) -> Case:
    return {"shift_rank": int(rng.choice(SHIFT_RANKS)), "shift_seed": int(rng.choice(SHIFT_SEEDS))}


def _own(name: str, returns: str, mistakes: tuple, tolerance: float = 1e-3) -> Exercise:
    oracle = getattr(oracles, name)
    return Exercise(name, oracle, _task, returns, mistakes, own_numbers=True, drawn_as="task", tolerance=tolerance)


_PAIR = 'a dict with the keys "full" and "lora", each a share between 0 and 1'

EXERCISES = (
    Exercise(
        "flip_labels",
        oracles.flip_labels,
        (partial(_flips, low=0.1, high=0.4), _flips_halves, partial(_flips, low=0.6, high=0.9)),
        "an array of shape (n,)",
        training.FLIP_LABELS,
    ),
    Exercise("lora_update", oracles.lora_update, _factors, "an array of shape (d_y, d_x)", training.LORA_UPDATE),
    Exercise("lora_parameters", oracles.lora_parameters, _layers, "an integer", training.LORA_PARAMETERS),
    Exercise(
        "lora_gradients",
        oracles.lora_gradients,
        _gradients,
        "a pair of arrays of shapes (d_y, r) and (r, d_x)",
        training.LORA_GRADIENTS,
    ),
    Exercise("answer_loss", oracles.answer_loss, _answers, "a number, in nats", training.ANSWER_LOSS),
    Exercise("energy", oracles.energy, _update, "an array of shape (min(d_y, d_x),)", measuring.ENERGY),
    Exercise(
        "wrong_labels_learnt",
        oracles.wrong_labels_learnt,
        _learnt,
        "a share between 0 and 1",
        measuring.WRONG_LABELS_LEARNT,
    ),
    Exercise("interval", oracles.interval, _repeats, "three numbers: mean, lower and upper end", measuring.INTERVAL),
    _own("accuracies", _PAIR, measuring.ACCURACIES),
    _own("wrong_labels", _PAIR, measuring.WRONG_LABELS),
    _own("leading_energies", _PAIR, measuring.LEADING_ENERGIES),
    _own("verdict", "a dict of statements, each True or False", measuring.VERDICT),
)
