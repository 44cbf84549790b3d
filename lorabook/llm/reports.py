"""What a grid found: accuracies, differences to full fine-tuning with their intervals, and the picture of both."""

import itertools
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lorabook.llm import work
from lorabook.llm.grid import Cell, Grid
from lorabook.llm.intervals import Estimate, crossed, nested

__all__ = ["Line", "grid_in", "lines", "picture", "searched", "table"]

BASELINE = "full"


@dataclass(frozen=True)
class Line:
    """One method at one place of a grid, over all its finished repeats."""

    choice: str
    """Where the learning rate was searched."""
    place: dict
    """The axes' values."""
    method: str
    rate: float
    accuracy: Estimate
    difference: Estimate | None
    """To full fine-tuning with AdamW, on the repeats that both have finished; None for that itself, or without any."""
    repeats: int
    missing: int
    """Repeats that have no result, or diverged."""
    spreads_over: str
    """What the intervals cover: "repeats and their test items", or "repeats and shared test items"."""

    @property
    def verdict(self) -> str:
        """ "better", "worse" or "no difference": the last where the interval of the difference covers 0."""
        if self.difference is None:
            return ""
        if not np.isfinite(self.difference.low):
            return "one repeat says nothing"
        if self.difference.covers_zero:
            return "no difference"
        return "better" if self.difference.mean > 0.0 else "worse"

    def to_dict(self) -> dict:
        def ends(estimate):
            return None if estimate is None else [estimate.mean, estimate.low, estimate.high]

        return {
            "choice": self.choice,
            "place": self.place,
            "method": self.method,
            "rate": self.rate,
            "accuracy": ends(self.accuracy),
            "difference": ends(self.difference),
            "verdict": self.verdict,
            "repeats": self.repeats,
            "missing": self.missing,
        }


def grid_in(out: Path | str, name: str | None = None) -> Grid:
    """The grid that a folder was made from; its name is needed where the folder serves several.

    Raises ValueError if the folder holds none, or several and no name is given.
    """
    found = {path.name.removesuffix(".grid.json"): path for path in sorted(Path(out).glob("*.grid.json"))}
    if not found:
        raise ValueError(f"'{out}' holds no grid; it must be a folder that 'lorabook llm run' made")
    if name is None and len(found) > 1:
        raise ValueError(f"'{out}' holds the grids {list(found)}; say which")
    if name is not None and name not in found:
        raise ValueError(f"'{out}' holds the grids {list(found)}, not {name!r}")
    return Grid.from_dict(json.loads(found[name or next(iter(found))].read_text("utf-8")))


def searched(grid: Grid, out) -> dict:
    """The searches for learning rates that have results, in a folder or in a packed file: see `work.choose_rates`."""
    return work.choose_rates(grid, grid.searches(), _source(out))


def lines(grid: Grid, out) -> list[Line]:
    """Every method at every place, for every choice of the learning rates; those without any result are left out.

    `out` is the folder of the grid, or what `packed.load` read.
    """
    out, found = _source(out), []
    for choice, cells in grid.cells(work.rates(searched(grid, out))).items():
        for place in dict.fromkeys(cell.place for cell in cells):
            here = [cell for cell in cells if cell.place == place]
            results = {
                m: _items(out, [c for c in here if c.method == m]) for m in dict.fromkeys(c.method for c in here)
            }
            for method, (items, hashes, missing) in results.items():
                if items:
                    first = next(cell for cell in here if cell.method == method)
                    found.append(_line(choice, first, items, hashes, missing, results.get(BASELINE)))
    return found


def table(grid: Grid, out) -> str:
    """The lines as text, with the rates found and a word on each difference."""
    text, ends = [], _rates_at_the_end(grid, out)
    found = lines(grid, out)
    for choice, place in dict.fromkeys((line.choice, tuple(line.place.items())) for line in found):
        here = [line for line in found if line.choice == choice and tuple(line.place.items()) == place]
        where = ", ".join(f"{axis} = {_value(value)}" for axis, value in place)
        text += ["", f"{where or grid.name}" + (f"; learning rates {choice}" if choice else "")]
        text.append(f"{'method':<16}{'rate':>9}  {'accuracy, %':<13}{'minus full, points':<22}{'':<14}repeats")
        for line in here:
            mark = "*" if (choice, place, line.method) in ends else " "
            accuracy = f"{100 * line.accuracy.mean:.1f} ± {100 * line.accuracy.half_width:.1f}"
            difference = "" if line.difference is None else _points(line.difference)
            of = f"{line.repeats}" + (f" of {line.repeats + line.missing}" if line.missing else "")
            start = f"{line.method:<16}{line.rate:>9.2g}{mark} {accuracy:<13}"
            text.append(f"{start}{difference:<22}{line.verdict:<14}{of}")
    if not found:
        return "nothing is finished yet"
    text += [
        "",
        f"95 % intervals over {found[0].spreads_over};",
        "differences are paired, and not corrected for their number",
    ]
    if ends:
        text.append("* the best rate of a search was the first or the last of its list")
    return "\n".join(text[1:])


def picture(grid: Grid, out, axis: str | None = None):
    """Accuracy against an axis of the grid, a panel for each choice of the rates and each value of the other axes.

    `axis` is the last axis with several values unless it is named. Raises ValueError if nothing is finished, or there
    is no such axis.
    """
    import matplotlib.pyplot as plt

    from lorabook.figures import method_style

    found = lines(grid, out)
    if not found:
        raise ValueError(f"nothing in '{out}' is finished yet; there is nothing to draw")
    several = [name for name, values in grid.axes.items() if len(values) > 1]
    axis = axis or (several[-1] if several else next(iter(grid.axes), None))
    if axis not in grid.axes:
        raise ValueError(f"axis is {axis!r}; it must be one of {list(grid.axes)}")
    rows = list(dict.fromkeys(line.choice for line in found))
    columns = list(dict.fromkeys(_others(line, axis) for line in found))
    figure, panels = plt.subplots(
        len(rows),
        len(columns),
        figsize=(4.2 * len(columns), 3.1 * len(rows)),
        squeeze=False,
        sharex=True,
        sharey="col",
        layout="constrained",
    )
    methods = list(dict.fromkeys(line.method for line in found))
    for (choice, others), ax in zip(itertools.product(rows, columns), panels.flat, strict=True):
        for k, method in enumerate(methods):
            some = [x for x in found if (x.choice, _others(x, axis), x.method) == (choice, others, method)]
            if some:
                rank = int(method.rpartition(" ")[2]) if method.startswith("LoRA") else None
                style = method_style("lora" if rank else "full", rank) | {"label": method}
                places = np.arange(len(some)) + 0.03 * (k - (len(methods) - 1) / 2)
                widths = [100 * min(line.accuracy.half_width, 1.0) for line in some]
                ax.errorbar(places, [100 * line.accuracy.mean for line in some], widths, capsize=2, **style)
                ax.set_xticks(range(len(some)), [_value(line.place.get(axis, "")) for line in some])
        title = ", ".join(f"{name.replace('_', ' ')} = {_value(value)}" for name, value in others)
        ax.set_title("\n".join(filter(None, [title, choice and f"rates {choice}"])), fontsize="medium")
        ax.set_xlabel({"noise": "share of wrong training labels", "n": "training examples n"}.get(axis, axis))
        ax.set_ylabel("test accuracy, %")
    panels[0, -1].legend(fontsize="small")
    return figure


def _source(out):
    return out if isinstance(out, Mapping) else Path(out)


def _line(choice: str, cell: Cell, items: dict, hashes: dict, missing: int, baseline) -> Line:
    shared = len(items) > 1 and len(set(hashes.values())) == 1
    estimate = crossed if shared else nested
    difference = None
    if baseline is not None and cell.method != BASELINE:
        both = [repeat for repeat in items if repeat in baseline[0]]
        if both:
            difference = estimate(np.array([items[repeat] - baseline[0][repeat] for repeat in both]))
    return Line(
        choice=choice,
        place=dict(cell.place),
        method=cell.method,
        rate=cell.config.learning_rate_used,
        accuracy=estimate(np.array(list(items.values()))),
        difference=difference,
        repeats=len(items),
        missing=missing,
        spreads_over="repeats and the test items that they share" if shared else "repeats with test items of their own",
    )


def _items(out, cells: list[Cell]) -> tuple[dict, dict, int]:
    """By repeat: which test items were answered rightly, the hash of the items; and how many repeats are missing."""
    items, hashes, missing = {}, {}, 0
    for cell in cells:
        result = work.result_of(out, cell)
        if result is None or result["status"] != "done":
            missing += 1
        else:
            score = result["metrics"]["test"]
            # A packed file has counts alone, and its test sets differ between repeats: the means are all that is used.
            marks = [float(mark) for mark in score["items"]] if "items" in score else [score["accuracy"]]
            items[cell.repeat] = np.array(marks)
            hashes[cell.repeat] = result["hashes"]["test"]
    return items, hashes, missing


def _rates_at_the_end(grid: Grid, out) -> set:
    ends = {key for key, search in searched(grid, out).items() if search["at_the_end"]}
    return {
        (choice, cell.place, cell.method)
        for choice, cells in grid.cells(work.rates(searched(grid, out))).items()
        for cell in cells
        if (cell.method, grid.searched_at(choice, cell.place)) in ends
    }


def _others(line: Line, axis: str) -> tuple:
    return tuple((name, value) for name, value in line.place.items() if name != axis)


def _points(difference: Estimate) -> str:
    if not np.isfinite(difference.low):
        return f"{100 * difference.mean:+.1f}"
    return f"{100 * difference.mean:+.1f} [{100 * difference.low:+.1f}, {100 * difference.high:+.1f}]"


def _value(value) -> str:
    return "all" if value is None else f"{value:g}" if isinstance(value, float) else str(value)
