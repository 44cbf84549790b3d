"""Explorers made visible: live sliders where there is a kernel, the same sliders over computed pictures on the site.

`show(explorer)` is all that a chapter needs. In JupyterLab and Colab it is an ipywidgets panel that computes while a
slider moves. While the site is built (LORABOOK_PAGE is set) it computes the picture of every combination of the page's
positions beforehand, and a few lines of JavaScript look them up.
"""

import base64
import html
import io
import json
import os
from importlib import resources

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, MaxNLocator, NullLocator, StrMethodFormatter

from lorabook import extras, figures
from lorabook._arrays import Real
from lorabook.explorers import Axis, Control, Curve, Explorer, Picture, Points
from lorabook.figures import INK

__all__ = ["Panel", "draw", "page", "show"]

_SIZE, _DPI = (7.0, 4.2), 110


def show(explorer: Explorer):
    """The explorer, for the last line of a cell: a live panel, or its page while the site is built.

    Raises ModuleNotFoundError, saying what to install, where a live panel is asked for without ipywidgets.
    """
    return _Page(explorer) if os.environ.get("LORABOOK_PAGE") else Panel(explorer)


class Panel:
    """Live sliders, their picture, and its numbers in words; shows itself in a notebook."""

    def __init__(self, explorer: Explorer):
        extras.need("ipywidgets", who="sliders need", extras=["book"])
        import ipywidgets

        self.explorer = explorer
        self._canvas = _Canvas(explorer)
        self._canvas.figure.set_dpi(_DPI)
        self._paint = FigureCanvasAgg(self._canvas.figure).print_png  # `savefig` would lay the figure out twice
        wide = {"description_width": "16em"}
        self.controls = {
            control.name: ipywidgets.SelectionSlider(
                options=[(control.text(value), value) for value in control.values],
                value=control.start,
                description=control.label,
                style=wide,
                layout=ipywidgets.Layout(width="38em", max_width="100%"),
            )
            for control in explorer.controls
        }
        self.reset = ipywidgets.Button(description="Reset", tooltip="Every slider back to its start")
        self.image, self.words = ipywidgets.HTML(), ipywidgets.HTML()
        self.box = ipywidgets.VBox([*self.controls.values(), self.reset, self.image, self.words])
        for slider in self.controls.values():
            slider.observe(self._moved, names="value")
        self.reset.on_click(self._back_to_start)
        self._update()

    def __repr__(self) -> str:
        return f"<Explorer: {self.explorer.title}>"

    def _repr_mimebundle_(self, include=None, exclude=None) -> dict:
        return {**self.box._repr_mimebundle_(), "text/plain": repr(self)}

    @property
    def setting(self) -> dict:
        """Where the sliders stand."""
        return {name: slider.value for name, slider in self.controls.items()}

    def _moved(self, _change) -> None:
        self._update()

    def _back_to_start(self, _button) -> None:
        for name, slider in self.controls.items():
            slider.unobserve(self._moved, names="value")
            slider.value = self.explorer.start[name]
            slider.observe(self._moved, names="value")
        self._update()

    def _update(self) -> None:
        picture = self.explorer.picture(**self.setting)
        self._canvas.show(picture)
        file = io.BytesIO()
        self._paint(file)
        data = base64.b64encode(file.getvalue()).decode()
        alt = html.escape(self.explorer.description, quote=True)
        self.image.value = f'<img alt="{alt}" src="data:image/png;base64,{data}" style="max-width: 100%">'
        self.words.value = f'<p role="status" aria-live="polite">{html.escape(picture.words, quote=False)}</p>'


def draw(explorer: Explorer, picture: Picture) -> Figure:
    """Draw a picture with matplotlib on a new figure."""
    canvas = _Canvas(explorer)
    canvas.show(picture)
    return canvas.figure


class _Canvas:
    """A figure for the pictures of one explorer: axes and key are made once, only the series are exchanged."""

    def __init__(self, explorer: Explorer):
        self.explorer = explorer
        self._shown = []
        with plt.rc_context(figures.STYLE):
            self.figure = Figure(figsize=_SIZE)
            self.figure.set_layout_engine("none")  # for good: an engine of None is replaced by the style's when saving
            labels = [curve.label for curve in explorer.curves]
            names = list(dict.fromkeys(labels))
            columns = 3 if max(map(len, labels)) < 26 else 2
            rows = -(-len(names) // columns)
            self._ax = self.figure.add_axes((0.16, 0.13, 0.81, 0.84 - 0.06 * rows))
            self._ax.set(xlabel=explorer.x.label, ylabel=explorer.y.label)
            for axis, name in ((explorer.x, "x"), (explorer.y, "y")):
                if axis.log:
                    self._ax.set(**{f"{name}scale": "log"})
            handles = [_draw_curve(self._ax, curve, _ONE_POINT)[0] for curve in explorer.curves]
            key = [handles[labels.index(name)] for name in names]
            place = {"loc": "lower left", "bbox_to_anchor": (0, 1.01), "borderaxespad": 0}
            self._ax.legend(key, names, ncols=columns, fontsize=9, **place)
            for artist in [*self._ax.lines, *self._ax.collections, *self._ax.patches]:
                artist.remove()

    def show(self, picture: Picture) -> None:
        """Exchange the series."""
        for artist in self._shown:
            artist.remove()
        curves = [curve for curve in self.explorer.curves if curve.key in picture.series]
        drawn = [(curve, picture.series[curve.key]) for curve in curves if len(picture.series[curve.key].x)]
        self._shown = [artist for curve, points in drawn for artist in _draw_curve(self._ax, curve, points)]
        for coordinate, axis, name in ((0, self.explorer.x, "x"), (1, self.explorer.y, "y")):
            low, high = axis.range or _limits(axis, [points[coordinate] for _, points in drawn])
            self._ax.set(**{f"{name}lim": (low, high)})
            if axis.whole:
                getattr(self._ax, f"{name}axis").set_major_locator(MaxNLocator(integer=True))
            if axis.log:  # the ticks of the page; matplotlib's many minor ones would take half of the time
                ruler = getattr(self._ax, f"{name}axis")
                ruler.set_major_locator(FixedLocator(_ticks(low, high)))
                ruler.set_minor_locator(NullLocator())
                ruler.set_major_formatter(StrMethodFormatter("{x:,.12g}"))


_DASHES = {"solid": ("-", [1, 0]), "dashed": ("--", [6, 3]), "dotted": (":", [2, 2])}
"""As matplotlib and as Vega call them."""
_ONE_POINT = Points(np.ones(1), np.ones(1))


def _limits(axis: Axis, values: list[np.ndarray]) -> tuple[float, float]:
    """A little more than the data."""
    found = np.concatenate(values)
    if axis.log:
        low, high = np.log10(found.min()), np.log10(found.max())
        margin = 0.05 * (high - low) or 0.5
        return 10 ** (low - margin), 10 ** (high + margin)
    low, high = min(0.0, found.min()), found.max()
    margin = 0.04 * (high - low) or 0.5
    return low - margin, high + margin


def _draw_curve(ax, curve: Curve, points: Points) -> list:
    """The artists that were added."""
    if curve.mark == "bars":
        width = points.x[1] - points.x[0] if len(points.x) > 1 else 1.0
        edges = np.append(points.x - width / 2, points.x[-1] + width / 2)
        return [ax.stairs(points.y, edges, fill=True, color=curve.color, alpha=0.45)]
    if curve.mark == "points":
        added = ax.plot(points.x, points.y, "o", color=curve.color, markersize=4)
        if points.low is not None:
            added.append(ax.vlines(points.x, points.low, points.high, color=curve.color, linewidth=1))
        return added
    x, y = points.x, points.y
    if curve.gap is not None:
        place = np.searchsorted(x, curve.gap)
        x, y = np.insert(x, place, curve.gap), np.insert(y, place, np.nan)
    return ax.plot(x, y, _DASHES[curve.dash][0], color=curve.color)


class _Page:
    """An explorer for a page without a kernel."""

    def __init__(self, explorer: Explorer):
        self.explorer = explorer

    def __repr__(self) -> str:
        return f"<Explorer: {self.explorer.title}>"

    def _repr_mimebundle_(self, include=None, exclude=None) -> dict:
        return {"text/plain": repr(self), "text/html": page(self.explorer)}


def page(explorer: Explorer) -> str:
    """The explorer as HTML with the picture and the words of every setting of its page; needs the site's vegaEmbed."""
    name = f"explorer-{explorer.name}"
    content = json.dumps(_lookup(explorer), separators=(",", ":"), allow_nan=False).replace("</", "<\\/")
    script = resources.files("lorabook.explorers").joinpath("page.js").read_text("utf-8")
    return _HTML.format(
        name=name,
        title=html.escape(explorer.title),
        description=html.escape(explorer.description, quote=True),
        controls="\n".join(_control(name, control) for control in explorer.controls),
        key=_key(explorer.curves),
        content=content,
        script=script.replace("EXPLORER_NAME", name),
    )


_HTML = """<div class="lorabook-explorer" id="{name}" role="group" aria-label="{title}">
<div class="lorabook-controls">
{controls}
<button type="button" class="lorabook-reset">Reset</button>
</div>
<ul class="lorabook-key">{key}</ul>
<div class="lorabook-picture" role="img" aria-label="{description}"></div>
<p class="lorabook-words" role="status" aria-live="polite"></p>
<script type="application/json" class="lorabook-content">{content}</script>
<script>
{script}
</script>
</div>"""

_CONTROL = (
    '<label for="{id}">{label}</label><input type="range" id="{id}" data-name="{name}" min="0" max="{last}" step="1" '
    'value="{start}"><output for="{id}">{text}</output>'
)


def _control(name: str, control: Control) -> str:
    return _CONTROL.format(
        id=f"{name}-{control.name}",
        name=control.name,
        label=html.escape(control.label),
        last=len(control.positions) - 1,
        start=control.positions.index(control.start),
        text=html.escape(control.text(control.start)),
    )


_SYMBOLS = {
    "bars": '<rect x="8" y="1" width="12" height="10" fill="{color}" fill-opacity="0.45" stroke="{color}"/>',
    "line": '<path d="M0 6H28" stroke="{color}" stroke-width="2" stroke-dasharray="{dash}"/>',
    "points": '<circle cx="14" cy="6" r="3.4" fill="{color}"/>',
}


def _key(curves: tuple[Curve, ...]) -> str:
    """An entry for each label, with the marks of all of its curves; it wraps where the picture is narrow."""
    symbols = {curve.label: "" for curve in curves}
    for curve in curves:
        dash = " ".join(map(str, _DASHES[curve.dash][1]))
        symbols[curve.label] += _SYMBOLS[curve.mark].format(color=curve.color, dash=dash)
    return "".join(
        f'<li><svg width="28" height="12" aria-hidden="true">{symbol}</svg>{html.escape(label)}</li>'
        for label, symbol in symbols.items()
    )


def _lookup(explorer: Explorer) -> dict:
    """Every picture of the page; arrays that several pictures share are stored once."""
    pool: dict[str, int] = {}

    def place(values) -> int | None:
        if values is None:
            return None
        text = json.dumps([float(f"{value:.4g}") for value in values], separators=(",", ":"))
        return pool.setdefault(text, len(pool))

    pictures = [explorer.picture(**setting) for setting in explorer.settings()]
    return {
        "positions": [[control.text(value) for value in control.positions] for control in explorer.controls],
        "curves": [vars(curve) for curve in explorer.curves],
        "pictures": [{key: [place(v) for v in points] for key, points in p.series.items()} for p in pictures],
        "words": [picture.words for picture in pictures],
        "arrays": [json.loads(text) for text in pool],
        "spec": _vega_lite(explorer, pictures),
    }


def _vega_lite(explorer: Explorer, pictures: list[Picture]) -> dict:
    """The chart of a data set `shown`, whose rows the page fills in; its key is HTML."""
    styles = {curve.label: curve for curve in reversed(explorer.curves)}
    names = list(dict.fromkeys(curve.label for curve in explorer.curves))

    def by_label(values) -> dict:
        return {"field": "label", "type": "nominal", "scale": {"domain": names, "range": values}, "legend": None}

    color = by_label([styles[name].color for name in names])
    dash = by_label([_DASHES[styles[name].dash][1] for name in names])
    x, y = _scale(explorer.x, pictures, 0), _scale(explorer.y, pictures, 1)
    fixed = {"x": {"field": "x", "type": "quantitative", **x}, "y": {"field": "y", "type": "quantitative", **y}}
    tip = [
        {"field": "label", "title": "curve"},
        {"field": "x", "title": explorer.x.label, "type": "quantitative", "format": ",.4~r"},
        {"field": "y", "title": explorer.y.label, "type": "quantitative", "format": ",.4~r"},
    ]
    layers = [
        ({"type": "rect", "fillOpacity": 0.45}, "bars", {"stroke": color, "x2": {"field": "x2"}, "y2": {"datum": 0}}),
        (
            {"type": "line", "strokeWidth": 2},
            "line",
            {"strokeDash": dash, "detail": [{"field": "key"}, {"field": "side"}]},
        ),
        ({"type": "rule"}, "points", {"y": {**fixed["y"], "field": "low"}, "y2": {"field": "high"}}),
        ({"type": "point", "filled": True, "size": 35, "opacity": 1}, "points", {}),
    ]
    marks = {curve.mark for curve in explorer.curves}
    return {
        "data": {"name": "shown", "values": []},
        "width": "container",
        "height": 320,
        "background": "transparent",
        "layer": [
            {
                "mark": mark,
                "transform": [{"filter": f"datum.mark == '{kind}'"}],
                "encoding": {**fixed, "color": color, "tooltip": tip, **more},
            }
            for mark, kind, more in layers
            if kind in marks
        ],
        "config": {
            "font": "sans-serif",
            "autosize": {"type": "fit-x", "contains": "padding"},
            "axis": {
                **dict.fromkeys(["labelColor", "titleColor", "gridColor", "domainColor", "tickColor"], INK),
                **dict.fromkeys(["labelFontSize", "titleFontSize"], 12),
                "gridOpacity": 0.25,
            },
            "view": {"stroke": None},
        },
    }


def _scale(axis: Axis, pictures: list[Picture], coordinate: int) -> dict:
    """Title, scale and ticks; the same for every picture on a logarithmic axis and where the range is given."""
    scale = {"type": "log" if axis.log else "linear", "nice": False, "clamp": True}
    ruler = {"tickMinStep": 1, "labelExpr": "datum.value % 1 ? '' : datum.label"} if axis.whole else {}
    if axis.log or axis.range:
        values = [points[coordinate] for picture in pictures for points in picture.series.values() if len(points.x)]
        low, high = axis.range or (np.concatenate(values).min(), np.concatenate(values).max())
        scale["domain"] = [float(low), float(high)]
        ruler |= {"format": ",~r", "values": _ticks(low, high)} if axis.log else {}
    return {"title": axis.label, "scale": scale, "axis": ruler}


def _ticks(low: Real, high: Real) -> list[float]:
    """Powers of ten; within one or two decades also their doubles and quintuples."""
    powers = range(int(np.floor(np.log10(low))), int(np.ceil(np.log10(high))) + 1)
    steps = (1, 2, 5) if np.log10(high / low) < 2.5 else (1,)
    return [step * 10.0**power for power in powers for step in steps if low <= step * 10.0**power <= high]
