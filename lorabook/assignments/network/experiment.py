"""The experiment of problem set 4: one task, four in ten labels wrong, one run of each method.

What the runs show is measured here by the library, and in the notebook by the student.
"""

import tempfile
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np

from lorabook._arrays import Integer, Real
from lorabook.llm import data, runs
from lorabook.llm.config import FineTuneConfig

__all__ = ["NOISE", "RANK", "SHIFT_RANKS", "SHIFT_SEEDS", "SIZES", "Measured", "configuration", "measured"]

NOISE = 0.4
"""Share of the training labels that are wrong."""
RANK = 2
"""Of LoRA's factors."""
SHIFT_RANKS, SHIFT_SEEDS = (1, 12), tuple(range(101, 107))
"""What a student's numbers are drawn from: twelve tasks in all."""
_METHODS = {
    "full": {"method": "full", "learning_rate": 2e-3},
    "lora": {"method": "lora", "rank": RANK, "learning_rate": 7e-3},
}
"""At the rates of the chapter's rule."""
SIZES = {"n": 512, "test_n": 1000, "epochs": 25, "micro_batch_size": 32}
"""Of the examples and of the training. Tests make them smaller."""


class Measured(NamedTuple):
    """What one run shows, as shares."""

    accuracy: float
    """Of the answers to clean test examples."""
    training_accuracy: float
    """Of the answers to the training examples, against the labels that were trained on."""
    wrong_labels: float
    """Of the examples with a wrong label, those that are answered with that label."""
    energies: tuple
    """For each linear layer, the leading direction's share of the update's energy."""


def configuration(method: str, shift_rank: Integer, shift_seed: Integer) -> FineTuneConfig:
    """The run of a method, "full" or "lora", on a student's task. Raises ValueError for another method."""
    if method not in _METHODS:
        raise ValueError(f"method was {method!r}; it must be one of {list(_METHODS)}")
    return FineTuneConfig(
        model="tiny",
        task="csqa",
        data="synthetic",
        shift_rank=shift_rank,
        shift_seed=shift_seed,
        noise=NOISE,
        validation=0.0,
        warm_up=0.1,
        **SIZES,
        **_METHODS[method],
    )


def measured(method: str, shift_rank: Integer, shift_seed: Integer) -> Measured:
    """Trains, the first time it is asked for, and measures. Raises ValueError as `configuration` does."""
    return _measured(configuration(method, shift_rank, shift_seed))


@cache
def _measured(config: FineTuneConfig) -> Measured:
    with tempfile.TemporaryDirectory() as folder:
        result = runs.run(config, Path(folder), keep_weights=False)
    noisy, clean = (data.splits(setting).train for setting in (config, config.but(noise=0.0)))
    wrong = np.array([a.label != b.label for a, b in zip(noisy, clean, strict=True)])
    fitted = np.array([item == "1" for item in result["metrics"]["train"]["items"]])
    layers = result["spectra"]["layers"]
    return Measured(
        result["metrics"]["test"]["accuracy"],
        result["metrics"]["train"]["accuracy"],
        _share(fitted[wrong]),
        tuple(layer["energy"]["1"] for layer in layers.values()),
    )


def _share(which: np.ndarray) -> Real:
    return float(np.mean(which))
