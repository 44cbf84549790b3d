"""A slider over a precomputed table, one object for every home (the static site, JupyterLab, Colab).

The chart is Vega-Lite: its slider *filters* the table, so no formula is repeated in JavaScript and no kernel is needed.
A notebook shows the same chart; on the site the scripts are served with the page, elsewhere they come from a CDN.
"""

import hashlib
import html
import json
from dataclasses import dataclass

import altair as alt
import numpy as np
import pandas as pd

from lorabook._arrays import Real
from lorabook.figures import INK, method_style

__all__ = ["Slider", "SliderChart", "risk_slider_chart"]

_SCRIPTS = [
    f"https://cdn.jsdelivr.net/npm/vega@{alt.VEGA_VERSION}",
    f"https://cdn.jsdelivr.net/npm/vega-lite@{alt.VEGALITE_VERSION}",
    f"https://cdn.jsdelivr.net/npm/vega-embed@{alt.VEGAEMBED_VERSION}",
]

_EMBED = """<div class="lorabook-explorer" id="{id}" style="display: block; width: 100%"
  role="group" aria-label="{label}"></div>
<script>
(function () {{
  const spec = {spec}, scripts = {scripts};
  const draw = () => window.vegaEmbed("#{id}", spec, {{actions: false, renderer: "svg"}});
  const load = (urls) => {{
    if (window.vegaEmbed) return draw();
    const script = document.createElement("script");
    script.src = urls[0];
    script.onload = () => load(urls.slice(1));
    document.head.appendChild(script);
  }};
  if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", () => load(scripts));
  else load(scripts);
}})();
</script>"""


@dataclass(frozen=True)
class Slider:
    """A slider over the evenly spaced values that a column of the table takes."""

    column: str
    label: str
    """Shown beside the slider, with the unit."""

    def binding(self, table: pd.DataFrame, start: Real) -> alt.Parameter:
        """The Vega-Lite parameter of this slider. Raises ValueError if the values are not evenly spaced."""
        values = np.sort(table[self.column].unique())
        steps = np.diff(values)
        if len(values) < 2 or not np.allclose(steps, steps[0]):
            raise ValueError(f"{self.column} takes the values {values.tolist()}; a slider needs evenly spaced ones")
        if start not in values:
            raise ValueError(f"start is {start}; it must be one of {values.tolist()}")
        bind = alt.binding_range(min=values[0], max=values[-1], step=steps[0], name=self.label + " ")
        return alt.param(name=self.column, value=start, bind=bind)


@dataclass(frozen=True)
class SliderChart:
    """A chart with its slider; shows itself in a notebook and on the site."""

    chart: alt.TopLevelMixin
    description: str
    """Alternative text: what the chart shows and how it changes with the slider."""

    def __repr__(self) -> str:
        return f"<SliderChart: {self.description}>"

    def _repr_mimebundle_(self, include=None, exclude=None) -> dict:
        spec = json.loads(self.chart.to_json(indent=None))
        return {
            f"application/vnd.vegalite.v{alt.VEGALITE_VERSION[0]}+json": spec,
            "text/html": self.html(),
            "text/plain": repr(self),
        }

    def html(self) -> str:
        """The chart as a fragment of HTML that draws itself with the page's vegaEmbed."""
        spec = json.dumps(json.loads(self.chart.to_json(indent=None)), separators=(",", ":")).replace("</", "<\\/")
        name = "explorer-" + hashlib.sha256(spec.encode()).hexdigest()[:12]
        return _EMBED.format(id=name, label=html.escape(self.description), spec=spec, scripts=json.dumps(_SCRIPTS))


def risk_slider_chart(
    table: pd.DataFrame, x: str, x_title: str, slider: Slider, start, description: str
) -> SliderChart:
    """Mean excess risk against `x` for each method and rank, with a slider over another column.

    `table` has the columns of `sweeps.run` and the columns `x` and `slider.column`; bands reach one standard deviation
    over the seeds to either side. Axes are logarithmic and stay fixed, so that the eye sees what the slider does.

    Raises ValueError if the slider's column is not evenly spaced or `start` is not among its values.
    """
    styles = [method_style(m, r if m == "lora" else None) for m, r in _methods(table)]
    labels = [style["label"] for style in styles]
    named = table.assign(
        method=[method_style(m, r)["label"] for m, r in zip(table["method"], table["rank"], strict=True)]
    )
    risks = named.groupby([slider.column, x, "method"])["excess_risk"]
    mean, spread = risks.mean(), risks.std(ddof=0)
    low = np.maximum(mean - spread, mean / 10)  # a band that reaches zero has no place on a logarithmic axis
    summary = pd.DataFrame({"mean": mean, "low": low, "high": mean + spread}).reset_index()
    for column in ("mean", "low", "high", x):
        summary[column] = [float(f"{value:.4g}") for value in summary[column]]
    parameter = slider.binding(summary, start)
    step = parameter.param.bind.step
    log = alt.Scale(type="log", nice=False)
    y_log = alt.Scale(type="log", domain=[float(summary["low"].min()), float(summary["high"].max())])
    key = alt.Legend(title=None, symbolType="stroke", symbolOpacity=1, symbolStrokeWidth=3, symbolSize=300)
    color = alt.Color("method:N", scale=alt.Scale(domain=labels, range=[s["color"] for s in styles]), legend=key)
    dashes = alt.Scale(domain=labels, range=[[6, 3] if s["linestyle"] == "--" else [1, 0] for s in styles])
    powers = [10.0**k for k in range(*np.ceil(np.log10(y_log.domain)).astype(int))]
    base = (
        alt.Chart(summary)
        .transform_filter(f"abs(datum.{slider.column} - {slider.column}) < {step / 2}")
        .encode(x=alt.X(f"{x}:Q", scale=log, title=x_title, axis=alt.Axis(grid=False)))
    )
    lines = base.mark_line(point=True, strokeWidth=2).encode(
        y=alt.Y("mean:Q", scale=y_log, title="excess risk (squared units of y)", axis=alt.Axis(values=powers)),
        color=color,
        strokeDash=alt.StrokeDash("method:N", scale=dashes, legend=key),
        tooltip=[alt.Tooltip("method:N"), alt.Tooltip(f"{x}:Q", title=x_title), alt.Tooltip("mean:Q", format=".4g")],
    )
    bands = base.mark_area(opacity=0.18).encode(y=alt.Y("low:Q", scale=y_log, title=""), y2="high:Q", color=color)
    chart = (
        (bands + lines)
        .add_params(parameter)
        .properties(width="container", height=320, background="transparent", description=description)
        .configure(font="sans-serif", autosize=alt.AutoSizeParams(type="fit-x", contains="padding"))
        .configure_axis(labelColor=INK, titleColor=INK, gridColor=INK, gridOpacity=0.25, domainColor=INK, tickColor=INK)
        .configure_legend(labelColor=INK, orient="top", columns=3)
        .configure_view(stroke=None)
    )
    return SliderChart(chart, description)


def _methods(table: pd.DataFrame) -> list[tuple[str, int | None]]:
    ranks = sorted(table.loc[table["method"] == "lora", "rank"].unique())
    return [("full", None), *(("lora", int(rank)) for rank in ranks)]
