"""What a grid found: accuracies, also without training, differences with their intervals, and the picture of both.

Chapter *From the linear model to a network*.
"""

import itertools
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
from scipy import stats

from lorabook.llm import work
from lorabook.llm.config import FineTuneConfig
from lorabook.llm.grid import Cell, Grid
from lorabook.llm.intervals import Estimate, crossed, nested

__all__ = ["UNTRAINED", "Comparison", "Line", "comparisons", "grid_in", "lines", "picture", "searched", "table"]

BASELINE = "full"
UNTRAINED = "not training"
"""The name of the pre-trained model among the methods; its accuracy is on the same test items."""
_WIDTHS = {2: 12, 3: 21, 4: 14}
"""Letters of the table's columns of accuracies, differences and verdicts, at least."""


@dataclass(frozen=True)
class Line:
    """One method at one place of a grid, over all its finished repeats."""

    choice: str
    """Where the learning rate was searched."""
    place: dict
    """The axes' values."""
    method: str
    rate: float | None
    """None for not training."""
    accuracy: Estimate
    difference: Estimate | None
    """To the method that `lines` was asked for, by itself full fine-tuning with AdamW, on the repeats that both have
    finished; None for that method itself, or without any."""
    p_value: float | None
    """Two-sided, of the difference by Student's test; None without a difference, with one unit alone, or where the
    repeats share their test items."""
    repeats: int
    missing: int
    """Repeats that have no result, or diverged."""
    spreads_over: str
    """What the intervals cover, in words."""

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


@dataclass(frozen=True)
class Comparison:
    """A difference among several, and what their number does to it."""

    line: Line
    adjusted: float
    """The p-value after Holm's correction: to name all differences for which it is below 5 % is to name any that is
    none with a probability of 5 % at most."""


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


def lines(grid: Grid, out, unit: str = "repeat", against: str = BASELINE, untrained: bool = False) -> list[Line]:
    """Every method at every place, for every choice of the learning rates; those without any result are left out.

    `out` is the folder of the grid, or what `packed.load` read. With `untrained`, not training comes first at every
    place, where results have the accuracy before training. `unit` is what intervals take as independent: a
    "repeat", or a field of the configurations, such as "shift_seed". Repeats with the same value of it are averaged
    first; with m values the intervals are Student's with m - 1 degrees of freedom. `against` is the method that
    differences are to: "full", "not training", "LoRA, r = 8".

    Raises ValueError if the unit is no field of a configuration, or the grid has no such method.
    """
    return [line for line, _ in _lines(grid, out, unit, against) if untrained or line.method != UNTRAINED]


def comparisons(grids: list[Grid], out, unit: str = "repeat", against: str = BASELINE) -> list[Comparison]:
    """The differences between trained methods in some grids, the smallest p-value first, with Holm's correction.

    With p-values p_1 <= ... <= p_m the adjusted ones are min(1, max over j <= i of (m - j + 1) p_j). A difference that
    stands at several places, because these share their runs, counts once, where it is met first. `unit` and `against`
    as in `lines`.

    Raises ValueError as `lines` does, or if repeats share their test items: Student's test is not for these.
    """
    found = {}
    for grid in grids:
        for line, runs in _lines(grid, out, unit, against):
            if line.difference is None or line.method == UNTRAINED or not np.isfinite(line.difference.low):
                continue
            if line.p_value is None:
                raise ValueError(f"the repeats of the grid {grid.name!r} share their test items; there is no p-value")
            found.setdefault(runs, line)
    ordered = sorted(found.values(), key=lambda line: line.p_value)
    steps = [line.p_value * (len(ordered) - i) for i, line in enumerate(ordered)]
    adjusted = np.minimum(np.maximum.accumulate(steps), 1.0) if steps else []
    return [Comparison(line, float(p)) for line, p in zip(ordered, adjusted, strict=True)]


def table(grid: Grid, out) -> str:
    """The lines as text, with the rates found and a word on each difference to full fine-tuning."""
    text, ends = [], _rates_at_the_end(grid, out)
    found = lines(grid, out, untrained=True)
    for choice, place in dict.fromkeys((line.choice, tuple(line.place.items())) for line in found):
        here = [line for line in found if line.choice == choice and tuple(line.place.items()) == place]
        where = ", ".join(f"{axis} = {_value(value)}" for axis, value in place)
        text += ["", f"{where or grid.name}" + (f"; learning rates {choice}" if choice else "")]
        rows = [("method", "rate ", "accuracy, %", "minus full, points", "", "runs")]
        for line in here:
            mark = "*" if (choice, place, line.method) in ends else " "
            difference = "" if line.difference is None else _points(line.difference)
            of = f"{line.repeats}" + (f" of {line.repeats + line.missing}" if line.missing else "")
            rate = "" if line.rate is None else f"{line.rate:.2g}{mark}"
            rows.append((line.method, rate, _percent(line.accuracy), difference, line.verdict, of))
        first, second, third = (max(least, 1 + max(len(row[i]) for row in rows)) for i, least in _WIDTHS.items())
        text += [
            f"{method:<14}{rate:>9} {accuracy:<{first}}{difference:<{second}}{verdict:<{third}}{of}"
            for method, rate, accuracy, difference, verdict, of in rows
        ]
    if not found:
        return "nothing is finished yet"
    text += [
        "",
        f"95 % intervals over {found[0].spreads_over};",
        "differences are paired, judged before rounding, not corrected for number",
    ]
    if ends:
        text.append("* the best rate of a search was the first or the last of its list")
    return "\n".join(text[1:])


def picture(grid: Grid, out, axis: str | None = None):
    """Accuracy against an axis of the grid, a panel for each choice of the rates and each value of the other axes.

    Bars are the 95 % intervals of `table`; the points of the methods stand side by side at each value, so that bars
    do not cover each other. Dotted: not training. `axis` is the last axis with several values unless it is named.

    Raises ValueError if nothing is finished, or there is no such axis.
    """
    import matplotlib.pyplot as plt

    from lorabook.figures import method_style, untrained_style

    found = lines(grid, out, untrained=True)
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
        figsize=(4.2 * len(columns), 3.1 * len(rows) + 0.5),
        squeeze=False,
        sharex=True,
        sharey="col",
        layout="constrained",
    )
    methods = list(dict.fromkeys(line.method for line in found if line.method != UNTRAINED))
    for (choice, others), ax in zip(itertools.product(rows, columns), panels.flat, strict=True):
        here = [x for x in found if (x.choice, _others(x, axis)) == (choice, others)]
        for k, method in enumerate(methods):
            some = [x for x in here if x.method == method]
            if some:
                rank = int(method.rpartition(" ")[2]) if method.startswith("LoRA") else None
                style = method_style("lora" if rank else "full", rank) | {"label": method}
                places = np.arange(len(some)) + 0.03 * (k - (len(methods) - 1) / 2)
                widths = [100 * min(line.accuracy.half_width, 1.0) for line in some]
                ax.errorbar(places, [100 * line.accuracy.mean for line in some], widths, capsize=2, **style)
                ax.set_xticks(range(len(some)), [_value(line.place.get(axis, "")) for line in some])
        untrained = [100 * x.accuracy.mean for x in here if x.method == UNTRAINED]
        if untrained:
            ax.plot(range(len(untrained)), untrained, zorder=1, **untrained_style())
        title = ", ".join(f"{name.replace('_', ' ')} = {_value(value)}" for name, value in others)
        ax.set_title("\n".join(filter(None, [title, choice and f"rates {choice}"])), fontsize="medium")
        ax.set_ylabel("test accuracy, %")
    for ax in panels[-1]:
        ax.set_xlabel({"noise": "share of wrong training labels", "n": "training examples n"}.get(axis, axis))
    shown = dict(zip(*reversed(panels[0, -1].get_legend_handles_labels()), strict=True))
    figure.legend(shown.values(), shown.keys(), loc="outside lower center", ncols=3, fontsize="small")
    return figure


def _source(out):
    return out if isinstance(out, Mapping) else Path(out)


def _lines(grid: Grid, out, unit: str, against: str) -> Iterator[tuple[Line, tuple]]:
    """The lines, and of each the runs that its difference is made of."""
    if unit != "repeat" and unit not in {field.name for field in fields(FineTuneConfig)}:
        raise ValueError(f"unit is {unit!r}; it must be 'repeat' or a field of a configuration, such as 'shift_seed'")
    methods = [UNTRAINED, *dict.fromkeys(cell.method for cell in grid.all_cells()[1])]
    if against not in (BASELINE, *methods):
        raise ValueError(f"against is {against!r}; it must be one of {methods}")
    out = _source(out)
    for choice, cells in grid.cells(work.rates(searched(grid, out))).items():
        for place in dict.fromkeys(cell.place for cell in cells):
            here = [cell for cell in cells if cell.place == place]
            units = {cell.repeat: cell.repeat if unit == "repeat" else getattr(cell.config, unit) for cell in here}
            results = {UNTRAINED: _items(out, here, "before")}
            for method in dict.fromkeys(cell.method for cell in here):
                results[method] = _items(out, [cell for cell in here if cell.method == method], "test")
            for method, found in results.items():
                if found.marks:
                    base = None if method == against else results.get(against)
                    first = next((cell for cell in here if cell.method == method), None)
                    rate = first and first.config.learning_rate_used
                    line = _line(choice, dict(place), method, rate, found, base, units, unit)
                    yield line, (method, found.runs, base and base.runs)


@dataclass(frozen=True)
class _Items:
    """What a method did, by repeat: 1 for each test item that was answered rightly and 0 for the others."""

    marks: dict
    hashes: dict
    """Of the test items, by repeat."""
    missing: int
    runs: tuple
    """Their identities; none for not training."""


def _items(out, cells: list[Cell], part: str) -> _Items:
    """Of the first cell of each repeat that has a score of this part: before training all methods have the same."""
    marks, hashes = {}, {}
    for cell in cells:
        result = work.result_of(out, cell)
        score = None if result is None else result["metrics"].get(part)
        if score is not None and cell.repeat not in marks:
            # A packed file has counts alone, and its test sets differ between repeats: the means are all that is used.
            right = [float(mark) for mark in score["items"]] if "items" in score else [score["accuracy"]]
            marks[cell.repeat] = np.array(right)
            hashes[cell.repeat] = result["hashes"]["test"]
    missing = len({cell.repeat for cell in cells} - set(marks))
    return _Items(marks, hashes, missing, () if part == "before" else tuple(cell.id for cell in cells))


def _line(choice, place: dict, method, rate, found: _Items, base: _Items | None, units: dict, unit: str) -> Line:
    shared = len(found.marks) > 1 and len(set(found.hashes.values())) == 1

    def rows(marks: dict) -> np.ndarray:
        """One for each unit: the mean over its repeats, by item where these are the same, and otherwise in all."""
        groups = {}
        for repeat, right in marks.items():
            groups.setdefault(units[repeat], []).append(right if shared else [right.mean()])
        return np.array([np.mean(group, axis=0) for group in groups.values()])

    estimate = crossed if shared else nested
    difference = p_value = None
    both = [repeat for repeat in found.marks if base is not None and repeat in base.marks]
    if both:
        values = rows({repeat: found.marks[repeat] - base.marks[repeat] for repeat in both})
        difference = estimate(values)
        if not shared and len(values) > 1:
            p_value = _p_value(difference, len(values) - 1)
    if shared:
        spreads_over = "repeats and the test items that they share"
    elif unit == "repeat":
        spreads_over = "the repeats as if independent; their test sets differ"
    else:
        spreads_over = f"the means of repeats with the same {unit}"
    return Line(
        choice=choice,
        place=place,
        method=method,
        rate=rate,
        accuracy=estimate(rows(found.marks)),
        difference=difference,
        p_value=p_value,
        repeats=len(found.marks),
        missing=found.missing,
        spreads_over=spreads_over,
    )


def _p_value(estimate: Estimate, freedom: int) -> float:
    """Student's, two-sided, of a mean with its 95 % interval; without any spread 0, or 1 for a mean of 0."""
    if estimate.half_width == 0.0:
        return float(estimate.mean == 0.0)
    t = estimate.mean / estimate.half_width * stats.t.ppf(0.975, freedom)
    return float(2.0 * stats.t.sf(abs(t), freedom))


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


def _percent(accuracy: Estimate) -> str:
    if not np.isfinite(accuracy.low):
        return f"{100 * accuracy.mean:.1f} (one repeat)"
    return f"{100 * accuracy.mean:.1f} ± {100 * accuracy.half_width:.1f}"


def _points(difference: Estimate) -> str:
    if not np.isfinite(difference.low):
        return _signed(difference.mean)
    return f"{_signed(difference.mean)} [{_signed(difference.low)}, {_signed(difference.high)}]"


def _signed(share: float) -> str:
    """In points, to a tenth; zero has no sign."""
    points = round(100 * float(share), 1)
    return f"{points:+.1f}" if points else "0.0"


def _value(value) -> str:
    return "all" if value is None else f"{value:g}" if isinstance(value, float) else str(value)
