"""What is timed: pairs of functions that give the same numbers, or numbers of the same law, with a goal for each."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
from scipy.linalg import lapack

from benchmarks import textbook
from lorabook import Task, rank_path, sweeps
from lorabook.sampler import draw_risks

__all__ = ["Case", "make", "one_draw", "one_point", "solutions", "sweep"]

_FIVE_RANKS = (1, 2, 4, 8, 16)


@dataclass(frozen=True)
class Case:
    """A function of the library and what it is compared with."""

    name: str
    what: str
    against: str
    baseline: Callable
    ours: Callable[[], object]
    goal: float | None
    """None: timed for comparison only."""
    limit: bool = False
    """False: the baseline should take at least `goal` times as long as ours; True: ours at most `goal` times."""
    rounds: tuple[int, int] = (3, 10)
    """How often the baseline and ours are timed; the shortest time counts."""
    fresh: Callable[[], object] | None = None
    """Makes an argument for the baseline, before each of its rounds and untimed; None: it takes no argument."""

    def run_baseline(self):
        """Once, untimed."""
        return self.baseline() if self.fresh is None else self.baseline(self.fresh())


def sweep(name, grid, seeds, goal, shared=False):
    """A whole grid: by drawing and solving every training set, and from the exact law."""

    def baseline():
        risks = []
        for seed in range(seeds):
            task = None
            for setting in grid.settings():
                if task is None:
                    task = Task.gaussian(grid.d_x, grid.d_y, setting.shift_rank, setting.noise_std, seed)
                risks.append(textbook.excess_risks(task, *textbook.sample(task, setting.n, seed), grid.ranks, shared))
        return np.array(risks)

    def ours():
        table = sweeps.run(grid, seeds, engine="exact", jobs=1)
        return table["excess_risk"].to_numpy().reshape(-1, 1 + len(grid.ranks))

    what = f"Figure 1a: {len(grid.n)} sample sizes, {seeds} seeds"
    return Case(name, what, _formula(shared), baseline, ours, goal)


def one_point(name, grid, n, goal):
    """One training set of many samples."""
    noise_std, k = grid.noise_std[0], grid.shift_rank

    def baseline():
        task = Task.gaussian(grid.d_x, grid.d_y, k, noise_std, 0)
        return np.array([textbook.excess_risks(task, *textbook.sample(task, n, 0), grid.ranks)])

    def ours():
        s = sweeps.gaussian_spectrum(grid.d_x, grid.d_y, k, 0)
        full, lora = draw_risks(s, grid.d_x, grid.d_y, n, noise_std, grid.ranks, 1, 0)
        return np.column_stack([full, lora])

    return Case(name, f"One point of Figure 1a at n = {n:,}", _formula(False), baseline, ours, goal, rounds=(1, 100))


def solutions(name, d, n, goal, shared=False, ranks=_FIVE_RANKS, rounds=(3, 10)):
    """LoRA of several ranks on given data."""
    task = Task.gaussian(d, d, 4, 12.0, 0)
    X, Y = task.sample(n, 0)

    def baseline():
        if shared:
            return np.array(list(textbook.lora_of_ranks(X, Y, task.W0, ranks)))
        return np.array([textbook.lora(X, Y, task.W0, rank) for rank in ranks])

    def ours():
        path = rank_path(X, Y, task.W0)
        return np.array([path.weights(rank) for rank in ranks])

    what = f"LoRA of {len(ranks)} ranks on given data, d = {d:,}, n = {n:,}"
    return Case(name, what, _formula(shared), baseline, ours, goal, rounds=rounds)


def one_draw(name, d, n, goal, pairs=8, rounds=(100, 100)):
    """One draw of the risks of full fine-tuning and of a rank, beside the one dense decomposition that it contains."""
    X = np.random.default_rng(0).standard_normal((d, 2 * d))
    gram = X @ X.T
    s = np.linspace(10.0, 5.0, 4)

    def baseline(matrix):
        return lapack.dsyevr(matrix, range="I", il=d - pairs + 1, iu=d, lower=1, overwrite_a=1)

    def ours():
        return draw_risks(s, d, d, n, 1.0, (pairs,), 1, 0)

    what = f"One draw of the risks, d = {d:,}, n = {n:,}"
    against = f"LAPACK's {pairs} leading eigenpairs of a {d:,} × {d:,} matrix"
    fresh = partial(np.array, gram, order="F")  # LAPACK overwrites it
    return Case(name, what, against, baseline, ours, goal, True, rounds, fresh)


def _formula(shared):
    return "formula (7), shared by all ranks" if shared else "formula (7) for each rank"


def make():
    """All of them. A function, because the data of some are large."""
    fig1a = sweeps.PRESETS["fig1a"]
    return [
        sweep("fig1a", fig1a, 8, 30),
        one_point("fig1a_n_100000", fig1a, 100_000, 1000),
        solutions("rank_path_100_few", 100, 50, 10),
        solutions("rank_path_100_many", 100, 200, 10),
        solutions("rank_path_400_few", 400, 200, 20),
        solutions("rank_path_400_many", 400, 800, 20),
        sweep("fig1a_shared", fig1a, 8, None, shared=True),
        solutions("rank_path_400_many_shared", 400, 800, None, shared=True),
        one_draw("draw_100", 100, 200, 2.5, rounds=(500, 500)),
        one_draw("draw_400", 400, 800, 2.5),
        one_draw("draw_1000", 1000, 2000, 2.5, rounds=(20, 20)),
    ]
