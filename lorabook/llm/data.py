"""The examples of a run: from the hub, from a folder, or from a synthetic world."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lorabook.llm import noise, tasks
from lorabook.llm.config import FineTuneConfig
from lorabook.llm.synthetic import World
from lorabook.llm.tasks import TASKS, Example

__all__ = ["Splits", "splits"]

_EXAMPLES_STREAM = 49
_SYNTHETIC_N, _SYNTHETIC_TEST_N = 512, 1000


@dataclass(frozen=True)
class Splits:
    """Training examples with their noise, validation and test examples without."""

    train: list[Example]
    validation: list[Example]
    test: list[Example]
    flipped: int
    """How many training labels are wrong on purpose."""


def splits(config: FineTuneConfig) -> Splits:
    """The examples that a configuration asks for.

    n examples are taken, those of a smaller n among those of a larger; a share is held out for validation; then the
    labels of a share of the remaining ones are flipped. The hub's validation split is the test set, as in the
    evaluation harness, since CommonsenseQA publishes no answers for its test split.

    Raises ValueError, naming the field, if there are fewer examples than asked for.
    """
    if config.data == "synthetic":
        pool, test = _synthetic(config)
    else:
        pool, test = _from_hub(config.task) if config.data == "hub" else _from_folder(config.task, Path(config.data))
        if config.n is not None:
            pool = noise.subset(pool, config.n, config.data_seed)
        if config.test_n is not None:
            if config.test_n > len(test):
                raise ValueError(f"test_n is {config.test_n}; there are {len(test)} test examples")
            test = test[: config.test_n]
    train, validation = noise.split(pool, config.validation)
    noisy = noise.flip_labels(train, config.noise, config.noise_seed)
    flipped = sum(old.label != new.label for old, new in zip(train, noisy, strict=True))
    return Splits(noisy, validation, test, flipped)


def _synthetic(config: FineTuneConfig) -> tuple[list[Example], list[Example]]:
    world = World.draw(config.world_seed)
    if config.shift_rank is not None:
        world = world.shifted(config.task, config.shift_rank, config.shift_strength, config.shift_seed)
    sizes = config.n or _SYNTHETIC_N, config.test_n or _SYNTHETIC_TEST_N
    draws = [
        np.random.default_rng(
            np.random.SeedSequence([config.data_seed, config.shift_seed, which], spawn_key=(_EXAMPLES_STREAM,))
        )
        for which in range(2)
    ]
    train, test = (world.sample(config.task, size, rng) for size, rng in zip(sizes, draws, strict=True))
    return train, test


def _from_folder(task: str, folder: Path) -> tuple[list[Example], list[Example]]:
    files = [folder / f"{part}.jsonl" for part in ("train", "test")]
    for file in files:
        if not file.is_file():
            raise ValueError(f"data is '{folder}'; it must be a folder with train.jsonl and test.jsonl")
    train, test = (tasks.load(task, file) for file in files)
    return train, test


def _from_hub(task: str) -> tuple[list[Example], list[Example]]:
    import datasets

    name = TASKS[task].hub_name
    try:
        parts = [datasets.load_dataset(name, split=part) for part in ("train", "validation")]
    except (OSError, ValueError, RuntimeError) as error:
        reason = str(error).strip().split("\n")[0]
        raise ValueError(f"data is 'hub'; {name} cannot be had from it: {reason}") from error
    train, test = ([tasks.from_hub(task, row) for row in part] for part in parts)
    return train, test
