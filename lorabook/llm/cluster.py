"""The cells of a grid on a cluster, by submitit: the same on Slurm, on this machine, and in this process to debug.

Chapter *Fine-tuning Qwen2.5*.
"""

import time
from collections.abc import Callable
from pathlib import Path

from lorabook import _validate, extras
from lorabook._arrays import Integer
from lorabook.llm import work
from lorabook.llm.grid import Cell, Grid

__all__ = ["ENGINES", "LARGEST_ARRAY", "runner"]

ENGINES = ("slurm", "local", "debug")
"""Where jobs can run: on a Slurm cluster, in processes of this machine, in this process."""
LARGEST_ARRAY = 1000
"""Jobs submitted as one array; Slurm's usual limit is 1001."""
_ROUNDS = 5
"""Times that cells whose jobs were killed are submitted again, as long as some cell ends in each."""


def runner(engine: str, workers: Integer = 1, options: dict | None = None, minutes: Integer = 24 * 60) -> Callable:
    """What `work.work` takes as `run_cells`.

    On "slurm", every cell is a job of its own with one GPU, `workers` of them at a time; `options` are passed to
    submitit ("slurm_partition", "slurm_account", "mem_gb", …). On "local", the cells are dealt out to `workers`
    processes on this machine, and on "debug" they run in this process. Logs are in the folder `jobs`.

    A job that is killed has left its cell's checkpoint behind; it is submitted again and goes on from there.

    Raises ValueError for an unknown engine; RuntimeError if submitit is missing or submitting fails.
    """
    if engine not in ENGINES:
        raise ValueError(f"engine is {engine!r}; it must be one of {list(ENGINES)}")
    workers = _validate.integer("workers", workers, 1)

    def run_cells(cells: list[Cell], out: Path, grid: Grid, progress: bool) -> None:
        started = time.time()
        for _ in range(_ROUNDS):
            waiting = [cell for cell in cells if not work.has_ended(work.folder_of(out, cell), started)]
            if not waiting:
                return
            _submit_and_wait(
                _executor(engine, out, workers, options or {}, minutes), engine, workers, waiting, out, grid
            )
            if all(not work.has_ended(work.folder_of(out, cell), started) for cell in waiting):
                return  # nothing ended, so nothing will

    return run_cells


def _executor(engine: str, out: Path, workers: int, options: dict, minutes: int):
    extras.need("submitit", who="jobs need", extras=["llm"])
    import submitit

    executor = submitit.AutoExecutor(folder=out.absolute() / "jobs", cluster=engine)
    executor.update_parameters(timeout_min=minutes, **options)
    if engine == "slurm":
        executor.update_parameters(gpus_per_node=1, slurm_array_parallelism=workers)
    return executor


def _submit_and_wait(executor, engine: str, workers: int, cells: list[Cell], out: Path, grid: Grid) -> None:
    if engine == "slurm":
        shares = [[cell] for cell in cells]
    else:
        shares = [cells[i::workers] for i in range(min(workers, len(cells)))]
    for start in range(0, len(shares), LARGEST_ARRAY):
        jobs = executor.map_array(lambda share: _run(share, out, grid), shares[start : start + LARGEST_ARRAY])
        for job in jobs:
            # How it ended is in the cells' folders. A killed job raises here; its cells are submitted again.
            job.exception()


def _run(cells: list[Cell], out: Path, grid: Grid) -> None:
    work.run_here(cells, out.absolute(), grid, progress=False)
