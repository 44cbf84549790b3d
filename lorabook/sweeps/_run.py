"""The sweep itself: which parts are there, which are missing, and the table of all of them."""

import contextlib
import warnings
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from lorabook import _validate, extras
from lorabook.sweeps import parts, workers
from lorabook.sweeps.engines import ENGINES
from lorabook.sweeps.grid import PRESETS, Grid
from lorabook.sweeps.table import columns

__all__ = ["run"]


def run(
    grid: str | Grid,
    seeds,
    *,
    engine: str = "data",
    jobs: int = -1,
    backend: str = "loky",
    common_random_numbers: bool = True,
    out=None,
    progress: bool = False,
) -> "pandas.DataFrame":
    """Excess risks on real draws, one row per setting, method and seed.

    Arguments:
        grid: the name of a preset or a `Grid`.
        seeds: how many seeds (from the grid's base_seed on), or the seeds themselves, all different.
        engine: "data" draws training sets and solves; "exact" draws the risks from the law that they have then, which
            is much quicker for large sizes (`sampler.draw_risks`). Both draw the same task at the same seed.
        jobs: processes, each with one BLAS thread; -1 takes all cores, or all CPUs of the cluster.
        backend: "loky", processes on this machine, or "ray", a Ray cluster: the one that this process is connected
            to, the one that RAY_ADDRESS names ("auto" for the one started here), or else a local one for the time.
        common_random_numbers: True takes the same random numbers for a seed at every setting, as the paper does;
            False gives every setting a stream of its own, derived from the seed and the setting.
        out: a folder to keep finished parts in; None keeps nothing. A sweep that was interrupted continues from there
            when it is run again, also with more seeds, and several may use one folder at once. With "ray" the folder
            should be one that all machines share. The parts of other settings, or another version of the library, lie
            beside each other.
        progress: True shows a bar on standard error.

    Columns: d_x, d_y, n, noise_std, shift_rank, decay (NaN for Gaussian shifts), method ("full" or "lora"), rank,
    seed, excess_risk. The rank of "full" is min(n, d_x, d_y). Rows are in order of the seed, then of the grid; they are
    the same whatever the jobs, the backend and the interruptions.

    Warns when a damaged part is computed again and when a worker that died is replaced.
    Raises ValueError for an unknown preset, engine or backend, or for a size, rank or noise level that makes no sense;
    ModuleNotFoundError without the packages that it needs; OSError if `out` cannot be written; RuntimeError if workers
    die again and again.

    >>> table = run(Grid(d_x=6, d_y=5, n=(4, 20), noise_std=(1.0,), shift_rank=1, ranks=(1,)), seeds=2, jobs=1)
    >>> len(table)
    8
    """
    name, grid = _named(grid)
    grid.validate()
    seeds = _seeds(seeds, grid.base_seed)
    _one_of("engine", engine, ENGINES)
    _one_of("backend", backend, workers.BACKENDS)
    common_random_numbers = _validate.flag("common_random_numbers", common_random_numbers)
    progress = _validate.flag("progress", progress)
    if jobs != -1:
        _validate.integer("jobs", jobs, 1, meaning="or -1 for all")
    packages = ["joblib", "pandas", "threadpoolctl"] + ["tqdm"] * progress + ["pyarrow"] * (out is not None)
    if backend == "ray":
        extras.need("ray", *packages, who='a sweep with backend "ray" needs', extras=["cluster"])
    extras.need(*packages, who="a sweep needs", extras=["book"])
    import pandas as pd

    folder = None if out is None else parts.folder(out, name, grid, engine, common_random_numbers)
    wanted = parts.split(seeds)
    done = {} if folder is None else _on_disk(folder, wanted)
    missing = [part for part in wanted if part not in done]
    compute = _Compute(grid, engine, common_random_numbers, folder)
    with (
        _bar(progress, name, grid, seeds, done) as bar,
        contextlib.closing(workers.results(compute, missing, jobs, backend)) as finished,
    ):
        for part, risks in finished:
            if folder is not None and not (folder.path / part.name).exists():  # a worker without the shared folder
                folder.save(part, risks)
            done[part] = risks
            bar.update(risks.shape[0] * risks.shape[1])
    return pd.DataFrame(columns(grid, sorted(seeds), np.concatenate([done[part] for part in wanted])))


@dataclass(frozen=True)
class _Compute:
    """What a worker does with a part."""

    grid: Grid
    engine: str
    common_random_numbers: bool
    folder: parts.Folder | None

    def __call__(self, part: parts.Part) -> np.ndarray:
        if self.folder is not None:
            with contextlib.suppress(parts.DamagedPartError):
                found = self.folder.load(part)  # by another sweep on the same folder, in the meantime
                if found is not None:
                    return found
        with _blas().limit(limits=1, user_api="blas"):
            risks = [ENGINES[self.engine](self.grid, seed, self.common_random_numbers) for seed in part.seeds]
        if self.folder is not None:
            with contextlib.suppress(OSError):  # whoever collects the parts tries again, and says why it fails
                self.folder.save(part, np.array(risks))
        return np.array(risks)


@lru_cache  # looking for the libraries takes milliseconds
def _blas():
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()


def _on_disk(folder: parts.Folder, wanted: list[parts.Part]) -> dict[parts.Part, np.ndarray]:
    folder.prepare()
    found = {part: _trusted(folder, part) for part in wanted}
    return {part: risks for part, risks in found.items() if risks is not None}


def _trusted(folder: parts.Folder, part: parts.Part) -> np.ndarray | None:
    while True:
        try:
            return folder.load(part)
        except parts.DamagedPartError as error:
            warnings.warn(f"{error}; it is computed again", stacklevel=4)
            error.path.unlink(missing_ok=True)


@contextlib.contextmanager
def _bar(progress: bool, name: str, grid: Grid, seeds, done):
    if not progress:
        yield _NoBar()
        return
    from tqdm.auto import tqdm

    settings = len(grid.settings())
    initial = settings * sum(len(part.seeds) for part in done)
    with tqdm(total=settings * len(seeds), initial=initial, desc=name, unit=" settings") as bar:
        yield bar


class _NoBar:
    def update(self, count: int) -> None:
        pass


def _named(grid: str | Grid) -> tuple[str, Grid]:
    if isinstance(grid, Grid):
        return "grid", grid
    if not isinstance(grid, str) or grid not in PRESETS:
        raise ValueError(f"grid is {_validate.shown(grid)}; it must be a Grid or one of {sorted(PRESETS)}")
    return grid, PRESETS[grid]


def _seeds(seeds, base_seed: int) -> list[int]:
    if np.ndim(seeds) == 0:
        return list(range(base_seed, base_seed + _validate.integer("seeds", seeds, 1)))
    listed = [_validate.integer("seeds", seed, 0) for seed in seeds]
    if not listed or len(set(listed)) < len(listed):
        raise ValueError(f"seeds is {_validate.shown(seeds)}; it must have at least one seed, and each only once")
    return listed


def _one_of(name: str, value, allowed) -> None:
    if not isinstance(value, str) or value not in allowed:
        raise ValueError(f"{name} is {_validate.shown(value)}; it must be one of {list(allowed)}")
