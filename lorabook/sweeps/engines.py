"""Two ways to the excess risks of one seed at every point of a grid: from data, or from their exact law.

Each returns an array (settings, 1 + ranks), the first column full fine-tuning. With common random numbers every point
uses the seed as it is, as in the paper; without, the stream of a point is that of a hash of the seed and the point.
"""

import hashlib
import json
from dataclasses import replace
from itertools import groupby

import numpy as np

from lorabook.estimators import rank_path
from lorabook.sampler import draw_risks
from lorabook.sweeps.grid import Grid, Setting
from lorabook.sweeps.shifts import shift_spectrum
from lorabook.task import Task

__all__ = ["ENGINES", "from_data", "from_exact_law", "untrained_risk"]

_TASK_STREAM, _DRAW_STREAM = 30, 31


def from_data(grid: Grid, seed: int, common_random_numbers: bool) -> np.ndarray:
    """Draw the task and each training set, solve, and take the risks of the solutions."""
    risks, task, drawn = [], None, None
    for setting in grid.settings():
        if common_random_numbers:
            shift = setting[:2]
            if shift != drawn:
                task, drawn = _task(grid, setting, seed), shift
            task, draw_seed = replace(task, noise_cov=float(setting.noise_std) ** 2), seed
        else:
            task = _task(grid, setting, _task_seed(grid, setting, seed, common_random_numbers))
            draw_seed = _stream(grid, setting, seed, _DRAW_STREAM)
        path = rank_path(*task.sample(setting.n, draw_seed), task.W0)
        every_rank = path.excess_risks(task)
        risks.append(every_rank[[path.max_rank] + [min(rank, path.max_rank) for rank in grid.ranks]])
    return np.array(risks)


def from_exact_law(grid: Grid, seed: int, common_random_numbers: bool) -> np.ndarray:
    """Draw the risks from the law that they have for the task of `from_data`, without drawing the training sets."""
    risks = []
    for _, group in groupby(grid.settings(), key=lambda setting: setting[:2]):
        singular_values = None
        for setting in group:
            if singular_values is None or not common_random_numbers:
                singular_values = _spectrum(grid, setting, _task_seed(grid, setting, seed, common_random_numbers))
            draw_seed = seed if common_random_numbers else _stream(grid, setting, seed, _DRAW_STREAM)
            n, noise_std = setting.n, setting.noise_std
            draw = draw_risks(singular_values, grid.d_x, grid.d_y, n, noise_std, grid.ranks, 1, draw_seed)
            risks.append(np.concatenate([draw.full, draw.lora[0]]))
    return np.array(risks)


ENGINES = {"data": from_data, "exact": from_exact_law}
"""What `run` calls an engine."""


def untrained_risk(grid: Grid, setting: Setting, seed: int, common_random_numbers: bool) -> float:
    """Excess risk of not training, `||Delta_*||_F^2` for the shift that both engines draw at this point and seed."""
    spectrum = _spectrum(grid, setting, _task_seed(grid, setting, seed, common_random_numbers))
    return float(np.sum(spectrum**2))


def _task_seed(grid: Grid, setting: Setting, seed: int, common_random_numbers: bool):
    return seed if common_random_numbers else _stream(grid, setting, seed, _TASK_STREAM)


def _task(grid: Grid, setting: Setting, seed) -> Task:
    if setting.decay is None:
        return Task.gaussian(grid.d_x, grid.d_y, setting.shift_rank, setting.noise_std, seed)
    return Task.with_spectrum(_spectrum(grid, setting, seed), grid.d_x, grid.d_y, setting.noise_std, seed)


def _spectrum(grid: Grid, setting: Setting, seed) -> np.ndarray:
    return shift_spectrum(grid.d_x, grid.d_y, setting.shift_rank, setting.decay, grid.strength, seed)


def _stream(grid: Grid, setting: Setting, seed: int, stream: int) -> np.random.Generator:
    """A point's own random numbers: they depend on the point and the seed and not on the rest of the grid."""
    sizes = [int(size) for size in (seed, grid.d_x, grid.d_y, setting.n, setting.shift_rank)]
    shift = None if setting.decay is None else [float(setting.decay), float(grid.strength)]
    name = json.dumps([*sizes, float(setting.noise_std), shift])
    entropy = int.from_bytes(hashlib.sha256(name.encode()).digest(), "big")
    return np.random.default_rng(np.random.SeedSequence(entropy, spawn_key=(stream,)))
