"""A grid of settings → a tidy table of excess risks; the paper's figures as presets (chapter *The LoRA solution*).

Every seed makes one task and, for each sample size, one data set, from its own random numbers: the same seed at every
sample size and noise level sees the same task and the same features (common random numbers), as in the paper.
"""

from dataclasses import dataclass

import joblib
import numpy as np
import pandas as pd

from lorabook import _validate
from lorabook.estimators import rank_path
from lorabook.task import Task

__all__ = ["PRESETS", "Grid", "run"]


@dataclass(frozen=True)
class Grid:
    """All combinations of sample sizes and noise levels for one kind of shift."""

    d_x: int
    d_y: int
    n: tuple[int, ...]
    noise_std: tuple[float, ...]
    shift_rank: int
    ranks: tuple[int, ...]
    """LoRA ranks to report, beside full fine-tuning."""


PRESETS = {
    "fig1a": Grid(
        d_x=100,
        d_y=100,
        n=tuple(int(10 * 1.2**j) for j in range(26)),
        noise_std=(12.0,),
        shift_rank=4,
        ranks=(1, 2, 4, 8),
    ),
}
"""The paper's figures by name. `fig1a`: risk against sample size, a shift of rank 4 in 100 dimensions, strong noise."""


def run(grid: str | Grid, seeds, jobs: int = -1) -> pd.DataFrame:
    """Excess risks on real draws, one row per setting, method and seed.

    Arguments:
        grid: the name of a preset or a `Grid`.
        seeds: how many seeds (0, 1, …), or the seeds themselves.
        jobs: processes, each with one BLAS thread; -1 takes all cores.

    Columns: d_x, d_y, n, noise_std, shift_rank, decay (NaN here), method ("full" or "lora"), rank, seed, excess_risk.
    The rank of "full" is min(n, d_x, d_y).
    Raises ValueError for an unknown preset, or for a size, rank or noise level that makes no sense.

    >>> table = run(Grid(d_x=6, d_y=5, n=(4, 20), noise_std=(1.0,), shift_rank=1, ranks=(1,)), seeds=2, jobs=1)
    >>> len(table)
    8
    """
    if isinstance(grid, str):
        if grid not in PRESETS:
            raise ValueError(f"grid is {grid!r}; it must be a Grid or one of {sorted(PRESETS)}")
        grid = PRESETS[grid]
    seeds = range(_validate.integer("seeds", seeds, 1)) if np.ndim(seeds) == 0 else seeds
    for rank in grid.ranks:
        _validate.integer("ranks", rank, 0)
    with joblib.parallel_config(backend="loky", inner_max_num_threads=1):
        parts = joblib.Parallel(n_jobs=jobs)(joblib.delayed(_one_seed)(grid, int(seed)) for seed in seeds)
    return pd.DataFrame([row for part in parts for row in part])


def _one_seed(grid: Grid, seed: int) -> list[dict]:
    rows = []
    for noise_std in grid.noise_std:
        for n in grid.n:
            task = Task.gaussian(grid.d_x, grid.d_y, grid.shift_rank, noise_std, seed)
            path = rank_path(*task.sample(n, seed), task.W0)
            risks = path.excess_risks(task)
            setting = {"d_x": grid.d_x, "d_y": grid.d_y, "n": n, "noise_std": noise_std}
            setting |= {"shift_rank": grid.shift_rank, "decay": np.nan}
            curves = [("full", path.max_rank)] + [("lora", rank) for rank in grid.ranks]
            for method, rank in curves:
                risk = risks[min(rank, path.max_rank)]
                rows.append(setting | {"method": method, "rank": rank, "seed": seed, "excess_risk": risk})
    return rows
