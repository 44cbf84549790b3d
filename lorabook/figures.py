"""One visual style for the book: legible on light and on dark pages, safe for colour-blind readers.

Backgrounds are transparent, text and axes are a mid grey, and curves differ by marker and dash as well as by colour
(after Okabe and Ito). One function per kind of figure; a figure's caption and alternative text stand in its cell.
"""

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np

from lorabook import _validate
from lorabook._arrays import Integer

__all__ = ["COLORS", "INK", "STYLE", "method_style", "risk_curves", "untrained_style", "use_style"]

INK = "#767676"
"""Mid grey of text and axes: contrast above 4 : 1 on white and on the dark page."""

COLORS = {
    "blue": "#2c87c7",
    "orange": "#c47a00",
    "green": "#00966c",
    "red": "#d55e00",
    "purple": "#b8679a",
    "violet": "#8a7cf0",
    "grey": INK,
}
"""Okabe–Ito hues, shifted in lightness so that each stands out on white and on black."""

_CYCLE = [COLORS[name] for name in ("blue", "orange", "green", "purple", "red", "violet")]
_MARKERS = ["o", "s", "^", "D", "v", "P"]


STYLE = {
    "figure.facecolor": "none",
    "axes.facecolor": "none",
    "savefig.facecolor": "none",
    "savefig.transparent": True,
    "figure.figsize": (7.0, 4.2),
    "figure.constrained_layout.use": True,
    "font.size": 11,
    "axes.titlesize": 11,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.prop_cycle": mpl.cycler(color=_CYCLE),
    "axes.grid": True,
    "grid.alpha": 0.25,
    "lines.linewidth": 1.8,
    "lines.markersize": 5,
    "legend.frameon": False,
    "image.cmap": "cividis",
    "svg.hashsalt": "lorabook",
    **dict.fromkeys(
        ["text.color", "axes.edgecolor", "axes.labelcolor", "xtick.color", "ytick.color", "grid.color"], INK
    ),
}
"""Matplotlib's settings in the book."""


def use_style() -> None:
    """Set matplotlib's defaults to the book's style; in a notebook, figures become SVG."""
    mpl.rcParams.update(STYLE)
    try:
        from IPython import get_ipython
        from matplotlib_inline.backend_inline import set_matplotlib_formats
    except ModuleNotFoundError:
        return
    if get_ipython() is not None:
        set_matplotlib_formats("svg")


def method_style(method: str, rank: Integer | None = None) -> dict:
    """Line style of a method, the same in every figure: full fine-tuning grey and dashed, LoRA by rank.

    Arguments: method, "full" or "lora"; rank of LoRA, at least 1.
    Raises ValueError for another method or rank.

    >>> method_style("full")["label"], method_style("lora", 4)["label"]
    ('full fine-tuning', 'LoRA, r = 4')
    """
    if isinstance(method, str) and method == "full":
        return {"color": INK, "marker": "x", "linestyle": "--", "label": "full fine-tuning"}
    if not isinstance(method, str) or method != "lora":
        raise ValueError(f'method is {_validate.shown(method)}; it must be "full" or "lora"')
    place = int(np.log2(_validate.integer("rank", rank, 1)))
    return {
        "color": _CYCLE[place % len(_CYCLE)],
        "marker": _MARKERS[place % len(_MARKERS)],
        "linestyle": "-",
        "label": f"LoRA, r = {rank}",
    }


def untrained_style() -> dict:
    """Line style of the pre-trained model, rank 0: the risk of not training, the same in every figure.

    >>> untrained_style()["label"]
    'not training'
    """
    return {"color": INK, "linestyle": (0, (1, 1.5)), "linewidth": 1.6, "label": "not training"}


def risk_curves(table, x: str, x_label: str, ax=None, untrained=None):
    """Mean excess risk against `x`, one curve per method and rank, on logarithmic axes.

    `table` has the columns of `sweeps.run` and a column `x`; bands reach one standard deviation over the seeds to
    either side of the mean. `untrained`: the risk of the pre-trained model, drawn as a line. Returns the axes.
    """
    ax = plt.subplots()[1] if ax is None else ax
    curves = table.assign(rank=table["rank"].where(table["method"] != "full", 0))  # full fine-tuning is one curve
    for (method, rank), curve in curves.groupby(["method", "rank"], sort=False):
        risks = curve.groupby(x)["excess_risk"]
        mean, spread = risks.mean(), risks.std(ddof=0)
        style = method_style(method, rank)
        ax.loglog(mean.index, mean, markevery=2, **style)
        ax.fill_between(mean.index, mean - spread, mean + spread, color=style["color"], alpha=0.2, linewidth=0)
    if untrained is not None:
        ax.axhline(untrained, **untrained_style())
    ax.set(xlabel=x_label, ylabel="excess risk (squared units of y)")
    ax.legend()
    return ax
