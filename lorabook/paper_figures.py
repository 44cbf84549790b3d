"""The paper's six linear figures, from the tables of `sweeps.run`, with the theory on top.

Chapter *The linear experiments*.
"""

from dataclasses import dataclass

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from lorabook import _validate, bounds, sweeps
from lorabook.figures import method_style, untrained_style
from lorabook.predictions import predicted_risks
from lorabook.sweeps.shifts import shift_spectrum
from lorabook.task import Task

__all__ = ["FIGURES", "PaperFigure", "paper_figure", "predictions", "table_of_numbers", "untrained_risks"]

_CORE_DRAWS = 200
_BOUND_DRAWS = 200


@dataclass(frozen=True)
class PaperFigure:
    """What stands on the axes of a figure, and what it shows."""

    x: str
    """Column of the table, or "ratio" for d_x / n."""
    x_label: str
    log_x: bool
    bound_rank: int
    """The rank whose sharp bound is drawn."""
    alt: str


_AGAINST = "Excess risk of full fine-tuning and of LoRA against "
_DRAWN = (
    "; markers are means over seeds with bands of one standard deviation, lines the exact limits; a dotted grey line "
    "is the risk of not training"
)

FIGURES = {
    "fig1a": PaperFigure(
        "ratio",
        "$d_x / n$",
        True,
        4,
        f"{_AGAINST}the ratio of inputs to samples, with strong noise{_DRAWN}. Full fine-tuning peaks where the "
        "ratio is one and falls on both sides; LoRA of rank four lies below it everywhere. Not training is better than "
        "full fine-tuning unless samples are plenty, and next to the peak better than rank four.",
    ),
    "fig1b": PaperFigure(
        "noise_std",
        "noise σ, standard deviation (units of y)",
        True,
        16,
        f"{_AGAINST}the noise, with half as many samples as inputs{_DRAWN}. Flat for weak noise, where small ranks are "
        "worse; for strong noise the risk grows with the square of the noise, small ranks are the best of those drawn, "
        "and not training is better than all.",
    ),
    "fig10a": PaperFigure(
        "ratio",
        "$d_x / n$",
        True,
        4,
        f"{_AGAINST}the ratio of inputs to samples, with weak noise{_DRAWN}. Below the threshold full fine-tuning "
        "rises as samples are taken away; ranks one and two have a floor.",
    ),
    "fig10b": PaperFigure(
        "noise_std",
        "noise σ, standard deviation (units of y)",
        True,
        16,
        f"{_AGAINST}the noise, with ten times as many samples as inputs{_DRAWN}. Full fine-tuning is a straight line; "
        "small ranks are flat until the noise reaches their floor. Where the noise is strongest all of them are worse "
        "than not training.",
    ),
    "fig11": PaperFigure(
        "shift_rank",
        "rank of the shift",
        False,
        8,
        f"{_AGAINST}the rank of the shift{_DRAWN}. Each rank of LoRA is good up to about that rank of the shift; full "
        "fine-tuning does not depend on it.",
    ),
    "fig12": PaperFigure(
        "decay",
        "decay α of the shift's singular values",
        False,
        4,
        f"{_AGAINST}the decay of the singular values of a shift of full rank{_DRAWN}. Without decay small ranks are "
        "far worse than full fine-tuning; with fast decay they are best.",
    ),
}
"""By the name of the preset."""


def paper_figure(preset: str, table: pd.DataFrame, theory: bool = True) -> Figure:
    """Draw a figure of the paper from a table of `sweeps.run(preset, …)`.

    Markers are means over the seeds, bands one standard deviation (ddof 0) to either side, as in the paper. With
    `theory`, lines of the same colour are the exact limits of `predictions`, dotted where they come with a warning and
    absent where the theory refuses; the thin line is the sharp bound of one rank, `bounds.lora_bound_sharp`. The dotted
    grey line is the risk of not training, `untrained_risks`.

    Raises ValueError for an unknown preset or a table without rows of it.
    """
    layout, grid, numbers = _layout(preset), sweeps.PRESETS[preset], table_of_numbers(preset, table)
    figure, ax = plt.subplots()
    lines = predictions(preset, table["seed"].unique()) if theory else None
    for (method, rank), rows in numbers.groupby(["method", "rank"], sort=False):
        style = method_style(method, rank)
        line = {"color": style["color"], "linewidth": 1.3}
        ax.plot(rows["x"], rows["mean"], style["marker"], color=style["color"], label=style["label"], markersize=4)
        low = np.maximum(rows["mean"] - rows["standard_deviation"], rows["mean"] / 10)
        ax.fill_between(
            rows["x"], low, rows["mean"] + rows["standard_deviation"], alpha=0.15, linewidth=0, color=line["color"]
        )
        if lines is None:
            continue
        mine = lines[(lines["method"] == method) & (lines["rank"] == rank)]
        trusted = mine["predicted"].where(mine["trusted"])
        ax.plot(mine["x"], mine["predicted"], ":", **line)
        ax.plot(mine["x"], trusted, style["linestyle"], **line)
    untrained = untrained_risks(preset, table["seed"].unique())
    ax.plot(untrained["x"], untrained["risk"], **untrained_style())
    if theory:
        style = method_style("lora", layout.bound_rank)
        xs, values = _sharp_bounds(grid, layout, table["seed"].unique())
        label = f"sharp bound, r = {layout.bound_rank}"
        ax.plot(xs, values, color=style["color"], linewidth=0.7, linestyle="-.", label=label)
    ax.set(xlabel=layout.x_label, ylabel="excess risk (squared units of y)", yscale="log")
    if layout.log_x:
        ax.set_xscale("log")
    ax.set_ylim(0.6 * numbers["mean"].min(), 3 * numbers["mean"].max())
    ax.legend(fontsize=9, ncols=2)
    return figure


def table_of_numbers(preset: str, table: pd.DataFrame) -> pd.DataFrame:
    """The numbers behind a figure: x, method, rank (0 for full fine-tuning), mean, standard_deviation, seeds.

    Raises ValueError for an unknown preset or a table without rows of it.
    """
    layout, grid = _layout(preset), sweeps.PRESETS[preset]
    if not len(table) or (table["d_x"] != grid.d_x).any() or (table["d_y"] != grid.d_y).any():
        raise ValueError(f"table has {len(table)} rows; it must hold the sweep of {preset}, d_x = {grid.d_x}")
    x = table["d_x"] / table["n"] if layout.x == "ratio" else table[layout.x]
    named = table.assign(x=x.astype(float), rank=table["rank"].where(table["method"] != "full", 0))
    risks = named.groupby(["method", "rank", "x"])["excess_risk"]
    summary = pd.DataFrame({"mean": risks.mean(), "standard_deviation": risks.std(ddof=0), "seeds": risks.size()})
    return summary.reset_index()[["x", "method", "rank", "mean", "standard_deviation", "seeds"]]


def predictions(preset: str, seeds, draws: int = _CORE_DRAWS) -> pd.DataFrame:
    """The theory of a figure's curves, at the root-mean-square singular values of the shifts of these seeds.

    Columns: x, method, rank (0 for full fine-tuning), predicted (NaN where the theory refuses or the mean is infinite),
    trusted (it did not warn). LoRA's is `sharp.core_risk` with `draws`.

    Raises ValueError for an unknown preset.
    """
    layout, grid = _layout(preset), sweeps.PRESETS[preset]
    spectra = _spectra(grid, seeds)
    rows = []
    for setting in grid.settings():
        x = _x(layout, grid, setting)
        s = spectra[setting.shift_rank, setting.decay]
        found = predicted_risks(grid.ranks, s, grid.d_x, grid.d_y, setting.n, setting.noise_std, draws)
        rows.append((x, "full", 0, found.full, True))
        rows += [(x, "lora", *row) for row in zip(grid.ranks, found.lora, found.trusted, strict=True)]
    table = pd.DataFrame(rows, columns=["x", "method", "rank", "predicted", "trusted"])
    table["predicted"] = table["predicted"].replace(np.inf, np.nan)
    return table.sort_values(["method", "rank", "x"], ignore_index=True)


def untrained_risks(preset: str, seeds) -> pd.DataFrame:
    """The mean excess risk of the pre-trained model, which is the energy `||Delta_*||_F^2` of the shift, at each x.

    Columns: x, risk.

    Raises ValueError for an unknown preset.

    >>> untrained_risks("fig10b", [0]).round(1).iloc[0].tolist()
    [1.0, 10259.1]
    """
    layout, grid = _layout(preset), sweeps.PRESETS[preset]
    spectra = _spectra(grid, seeds)  # root mean squares, so that the sum of their squares is the mean energy
    rows = [(_x(layout, grid, at), float(np.sum(spectra[at.shift_rank, at.decay] ** 2))) for at in grid.settings()]
    return pd.DataFrame(rows, columns=["x", "risk"]).sort_values("x", ignore_index=True)


def _x(layout: PaperFigure, grid: sweeps.Grid, setting) -> float:
    return grid.d_x / setting.n if layout.x == "ratio" else float(getattr(setting, layout.x))


def _spectra(grid: sweeps.Grid, seeds) -> dict[tuple, np.ndarray]:
    """By rank and decay of the shift: the root mean square over the seeds of each singular value."""
    found = {}
    for rank, decay, *_ in grid.settings():
        if (rank, decay) in found:
            continue
        which = seeds if decay is None else [0]  # with a decay they are the same at every seed
        squares = [shift_spectrum(grid.d_x, grid.d_y, rank, decay, grid.strength, int(seed)) ** 2 for seed in which]
        found[rank, decay] = np.sqrt(np.mean(squares, axis=0))
    return found


def _sharp_bounds(grid: sweeps.Grid, layout: PaperFigure, seeds) -> tuple[list[float], list[float]]:
    spectra, xs, values = _spectra(grid, seeds), [], []
    for setting in grid.settings():
        s = spectra[setting.shift_rank, setting.decay]
        shift = np.zeros((grid.d_y, grid.d_x))
        np.fill_diagonal(shift[: len(s), : len(s)], s)
        task = Task(np.zeros_like(shift), shift, setting.noise_std**2)
        values.append(bounds.lora_bound_sharp(task, setting.n, layout.bound_rank, draws=_BOUND_DRAWS).total)
        xs.append(_x(layout, grid, setting))
    return xs, values


def _layout(preset: str) -> PaperFigure:
    if not isinstance(preset, str) or preset not in FIGURES:
        raise ValueError(f"preset is {_validate.shown(preset)}; it must be one of {sorted(FIGURES)}")
    return FIGURES[preset]
