"""Nested subsets and nested label flips: what a smaller setting has, a larger one has too.

Chapter *From the linear model to a network*.
"""

import numpy as np

from lorabook import _validate
from lorabook._arrays import Integer, Real
from lorabook.llm.tasks import TASKS, Example

__all__ = ["flip_labels", "split", "subset"]

_ORDER_STREAM, _FLIP_STREAM, _ANSWER_STREAM = 40, 41, 42


def subset(examples: list[Example], n: Integer, seed: Integer) -> list[Example]:
    """The first n of the examples in an order that the seed draws: every subset contains the smaller ones.

    Raises ValueError unless n is an integer from 1 to the number of examples.
    """
    n = _validate.integer("n", n, 1, len(examples), "as many examples as there are")
    order = _validate.generator(seed, _ORDER_STREAM).permutation(len(examples))
    return [examples[i] for i in order[:n]]


def split(examples: list[Example], validation: Real = 0.2) -> tuple[list[Example], list[Example]]:
    """Training and validation examples: the last `validation` share, rounded down, is held out.

    Sample sizes are quoted before the split. Raises ValueError if nothing would be left to train on.
    """
    validation = _validate.number("validation", validation)
    held = int(validation * len(examples) + 1e-9)
    if held >= len(examples):
        raise ValueError(f"validation is {validation:g}; of {len(examples)} examples it leaves none to train on")
    return examples[: len(examples) - held], examples[len(examples) - held :]


def flip_labels(examples: list[Example], share: Real, seed: Integer) -> list[Example]:
    """Replace the labels of a share of the examples by wrong ones.

    Yes and no change places; of five options, one of the four wrong ones is drawn uniformly. Which examples are
    flipped, and to what, does not depend on the share but for its size: flips at 10 % are among those at 20 %.
    The number of flips is `share * len(examples)`, rounded to the nearest integer.

    Raises ValueError if the share is not between 0 and 1.
    """
    share = _validate.number("share", share)
    if share > 1.0:
        raise ValueError(f"share is {share:g}; it must be at most 1")
    order = _validate.generator(seed, _FLIP_STREAM).permutation(len(examples))
    steps = _validate.generator(seed, _ANSWER_STREAM).random(len(examples))
    flipped = list(examples)
    for i in order[: int(np.floor(share * len(examples) + 0.5))]:
        answers = len(TASKS[examples[i].task].answers)
        step = 1 + int(steps[i] * (answers - 1))
        flipped[i] = examples[i].with_label((examples[i].label + step) % answers)
    return flipped
