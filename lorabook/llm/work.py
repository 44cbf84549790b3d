"""Working through a grid: cell after cell, beside other processes, and again after an interruption.

Every cell has a folder of its own, named by the hash of its configuration. A process holds the folder's lock while it
works there; the lock falls when the process ends. What is finished has a result and is never done again.

Chapter *Fine-tuning Qwen2.5*.
"""

import contextlib
import json
import shutil
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from lorabook.llm import runs
from lorabook.llm.grid import Cell, Grid, Search
from lorabook.llm.locks import lock, try_lock
from lorabook.sweeps.parts import remove_half_written

__all__ = ["Outcome", "choose_rates", "finish", "folder_of", "result_of", "work"]

FAILED = "failed.json"
_PAUSE = 0.5
"""Seconds between looks at cells that other processes hold."""


@dataclass
class Outcome:
    """How the cells of a grid ended."""

    done: int = 0
    diverged: list = field(default_factory=list)
    """Cells whose loss was not finite, in words."""
    failed: list = field(default_factory=list)
    """Cells that raised an error, in words."""

    @property
    def is_whole(self) -> bool:
        return not self.failed and not self.diverged


def folder_of(out: Path, cell: Cell) -> Path:
    return out / "cells" / cell.id


def result_of(out, cell: Cell) -> dict | None:
    """The cell's result, or None if it has none yet; `out` is a folder, or a mapping of results by the cells' ids."""
    if isinstance(out, Mapping):
        return out.get(cell.id)
    try:
        return json.loads((folder_of(out, cell) / runs.RESULT).read_text("utf-8"))
    except FileNotFoundError:
        return None


def work(grid: Grid, out: Path | str, progress: bool = False, run_cells: Callable | None = None) -> Outcome:
    """Run what is missing of a grid: first the searches for learning rates, then the comparison.

    `run_cells(cells, out, grid, progress)` runs some cells and returns when they have all ended; None runs them here,
    one after another. Several processes may work in one folder, on one machine or on several that share it.

    A cell that fails is noted, the others go on, and the next call tries it again.

    Raises OSError if the folder cannot be made.
    """
    out = Path(out)
    (out / "cells").mkdir(parents=True, exist_ok=True)
    run_cells = run_cells or run_here
    _write_grid(grid, out)
    searches = grid.searches()
    tried = _distinct(cell for search in searches for cells in search.cells.values() for cell in cells)
    run_cells(tried, out, grid, progress)
    chosen = choose_rates(grid, searches, out)
    compared = _distinct(cell for cells in grid.cells(rates(chosen)).values() for cell in cells)
    run_cells(compared, out, grid, progress)
    outcome = Outcome()
    for cell in _distinct(tried + compared):
        _tidy(folder_of(out, cell))
        _count(outcome, cell, out, is_tried=all(cell.id != other.id for other in compared))
    missing = [search for search in searches if (search.method, search.place) not in chosen]
    outcome.failed += [f"no learning rate for {search.method} at {dict(search.place)}" for search in missing]
    return outcome


def run_here(cells: list[Cell], out: Path, grid: Grid, progress: bool) -> None:
    """Run the cells that are not finished, here, and wait for those that other processes are running."""
    from tqdm.auto import tqdm

    started = time.time()
    waiting = [cell for cell in cells if result_of(out, cell) is None]
    with tqdm(total=len(cells), initial=len(cells) - len(waiting), unit="run", disable=not progress) as bar:
        while waiting:
            ended = [cell for cell in waiting if _try(cell, out, grid, started)]
            bar.update(len(ended))
            waiting = [cell for cell in waiting if cell not in ended]
            if waiting and not ended:
                time.sleep(_PAUSE)


def choose_rates(grid: Grid, searches: list[Search], out) -> dict:
    """For each search that has results, by method and place: the rate with the best mean score, and all the scores.

    A run that diverged scores nothing. Of rates that score the same the smaller one is taken. A best rate at the end
    of its list says that the list was too short: `at_the_end` is then true.
    """
    found = {}
    for search in searches:
        scores = {}
        for rate, cells in search.cells.items():
            results = [result_of(out, cell) for cell in cells]
            if all(results):
                scores[rate] = float(np.mean([_score(result, grid.score) for result in results]))
        if scores:
            best = max(scores, key=lambda rate: (scores[rate], -rate))
            found[(search.method, search.place)] = {
                "rate": best,
                "scores": scores,
                "at_the_end": best in (min(search.cells), max(search.cells)),
            }
    return found


def rates(chosen: dict) -> dict:
    """The rates alone, as `Grid.cells` takes them."""
    return {key: search["rate"] for key, search in chosen.items()}


def finish(out: Path, cell: Cell, grid: Grid) -> None:
    """Run one cell in its folder, whose lock is held, and leave its result there."""
    folder = folder_of(out, cell)
    runs.run(cell.config, folder, grid.checkpoint_steps, grid.keep_weights)
    _clear(folder)


def _try(cell: Cell, out: Path, grid: Grid, started: float) -> bool:
    """Run the cell unless another process does; whether it has ended, here or there."""
    folder = folder_of(out, cell)
    if has_ended(folder, started):
        return True
    try:
        folder.mkdir(exist_ok=True)
        with try_lock(folder / "lock") as held:
            if not held:
                return False
            if not has_ended(folder, started):
                with _noting_failure(folder):
                    finish(out, cell, grid)
    except OSError as error:  # no folder, or no lock
        _note_failure(folder, error)
    return True


def has_ended(folder: Path, started: float) -> bool:
    """It has a result, or has failed since this process began."""
    if (folder / runs.RESULT).exists():
        return True
    try:
        return (folder / FAILED).stat().st_mtime >= started
    except FileNotFoundError:
        return False


def _tidy(folder: Path) -> None:
    """Clear away what a process left that was killed between its result and the end; unless one works there now."""
    if (folder / runs.RESULT).exists():
        with contextlib.suppress(OSError), try_lock(folder / "lock") as held:
            if held:
                _clear(folder)


def _clear(folder: Path) -> None:
    """Leave of a finished run what it is for. The folder's lock is held."""
    shutil.rmtree(folder / "checkpoints", ignore_errors=True)
    (folder / FAILED).unlink(missing_ok=True)
    remove_half_written(folder)


@contextlib.contextmanager
def _noting_failure(folder: Path):
    try:
        yield
    except Exception as error:
        _note_failure(folder, error)


def _note_failure(folder: Path, error: Exception) -> None:
    """Say in the folder why, if there is room for it: on a full disk there may be none."""
    reason = " ".join(f"{type(error).__name__}: {error}".split())[:500]
    with contextlib.suppress(OSError):
        runs.write_json(folder / FAILED, {"reason": reason})


def _count(outcome: Outcome, cell: Cell, out: Path, is_tried: bool) -> None:
    result = result_of(out, cell)
    what = f"{cell.method} at {dict(cell.place)}, rate {cell.config.learning_rate_used:g}, {cell.id}"
    if result is None:
        outcome.failed.append(f"{what}: {_reason(folder_of(out, cell))}")
    elif result["status"] == "diverged" and not is_tried:
        outcome.diverged.append(what)
    else:
        outcome.done += 1


def _reason(folder: Path) -> str:
    try:
        return json.loads((folder / FAILED).read_text("utf-8"))["reason"]
    except (OSError, ValueError, KeyError):
        return "no result, and no word why"


def _score(result: dict, part: str) -> float:
    return 0.0 if result["status"] == "diverged" else result["metrics"][part]["accuracy"]


def _distinct(cells) -> list[Cell]:
    return list({cell.id: cell for cell in cells}.values())


def _write_grid(grid: Grid, out: Path) -> None:
    """What the folder's tables and figures are made from. Several grids may share a folder, and what they have in
    common is run once."""
    path, values = out / f"{grid.name}.grid.json", grid.to_dict()
    with lock(out / "lock"):
        remove_half_written(out)
        if not path.exists():
            runs.write_json(path, values)
        elif json.loads(path.read_text("utf-8")) != values:
            raise ValueError(f"{out} has another grid of the name {grid.name!r} ({path}); give a folder of its own")
