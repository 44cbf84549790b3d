"""Figures and sliders show the numbers of the table, in colours that stand out on light and dark pages."""

import json
import re

import altair as alt
import matplotlib as mpl
import numpy as np
import pytest
import vl_convert

mpl.use("agg")

import matplotlib.pyplot as plt

from lorabook import explorer, figures, sweeps

GRID = sweeps.Grid(d_x=7, d_y=5, n=(4, 20, 60), noise_std=(1.0, 2.0, 3.0), shift_rank=2, ranks=(1, 4))


@pytest.fixture(scope="module")
def table():
    table = sweeps.run(GRID, seeds=5, jobs=1)
    return table.assign(ratio=table["d_x"] / table["n"])


@pytest.fixture
def fresh_axes():
    figures.use_style()
    yield plt.subplots()[1]
    plt.close("all")


@pytest.mark.parametrize("color", [figures.INK, *figures.COLORS.values()])
@pytest.mark.parametrize("page", ["#ffffff", "#14181e"])
def test_colours_stand_out_on_both_pages(color, page):
    # WCAG 2 asks for 3 : 1 for graphics and large text.
    lighter, darker = sorted((_luminance(color), _luminance(page)), reverse=True)
    assert (lighter + 0.05) / (darker + 0.05) >= 3.0


def _luminance(color: str) -> float:
    rgb = np.array(mpl.colors.to_rgb(color))
    return float(np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4) @ [0.2126, 0.7152, 0.0722])


def test_methods_differ_without_colour():
    styles = [figures.method_style("full")] + [figures.method_style("lora", r) for r in (1, 2, 4, 8, 16)]
    assert len({(s["marker"], s["linestyle"]) for s in styles}) == len(styles)


def test_curves_are_the_means_and_bands_one_standard_deviation(table, fresh_axes):
    one = table[table["noise_std"] == 1.0]
    figures.risk_curves(one, "ratio", "d_x / n", ax=fresh_axes)
    curves = {line.get_label(): line for line in fresh_axes.get_lines()}
    assert list(curves) == ["full fine-tuning", "LoRA, r = 1", "LoRA, r = 4"]
    for (method, rank), label in {("lora", 1): "LoRA, r = 1", ("lora", 4): "LoRA, r = 4"}.items():
        risks = one[(one["method"] == method) & (one["rank"] == rank)].groupby("ratio")["excess_risk"]
        np.testing.assert_allclose(curves[label].get_ydata(), risks.mean())
    band = fresh_axes.collections[1].get_paths()[0].vertices[:, 1]
    risks = one[(one["method"] == "lora") & (one["rank"] == 1)].groupby("ratio")["excess_risk"]
    assert band.max() == pytest.approx((risks.mean() + risks.std(ddof=0)).max())
    assert fresh_axes.get_xlabel() == "d_x / n"
    assert "excess risk" in fresh_axes.get_ylabel()


def _chart(table, **changes):
    settings = {"x": "ratio", "x_title": "d_x / n", "slider": explorer.Slider("noise_std", "noise"), "start": 2.0}
    return explorer.risk_slider_chart(table, **{**settings, "description": "a risk chart", **changes})


def test_the_slider_covers_the_levels_and_the_chart_holds_the_means(table):
    spec = json.loads(_chart(table).chart.to_json())
    (parameter,) = [p for p in spec["params"] if p["name"] == "noise_std"]
    assert (parameter["value"], parameter["bind"]["min"], parameter["bind"]["max"], parameter["bind"]["step"]) == (
        2,
        1,
        3,
        1,
    )
    (rows,) = spec["datasets"].values()
    assert len(rows) == 3 * 3 * 3  # noise levels, sample sizes, curves
    for row in rows:
        mine = table[(table["noise_std"] == row["noise_std"]) & np.isclose(table["ratio"], row["ratio"], rtol=1e-3)]
        mine = mine[
            [
                figures.method_style(m, r)["label"] == row["method"]
                for m, r in zip(mine["method"], mine["rank"], strict=True)
            ]
        ]
        assert row["mean"] == pytest.approx(mine["excess_risk"].mean(), rel=1e-3)
        assert row["high"] == pytest.approx(mine["excess_risk"].mean() + mine["excess_risk"].std(ddof=0), rel=1e-3)


def test_the_drawn_chart_has_a_key_of_its_curves_in_full_colour(table):
    spec = _chart(table).chart.properties(width=600).to_json()
    svg = vl_convert.vegalite_to_svg(spec, vl_version=".".join(alt.VEGALITE_VERSION.split(".")[:2]))
    key = svg[svg.index("role-legend") :]
    for method, rank in (("full", None), ("lora", 1), ("lora", 4)):
        style = figures.method_style(method, rank)
        assert f">{style['label']}<" in key
        assert re.search(rf'<path [^>]*stroke="{style["color"]}"[^>]*opacity="1"', key)


def test_the_chart_shows_itself_everywhere(table):
    chart = _chart(table, description='risk & "noise"')
    bundle = chart._repr_mimebundle_()
    assert set(bundle) == {"application/vnd.vegalite.v5+json", "text/html", "text/plain"}
    assert 'aria-label="risk &amp; &quot;noise&quot;"' in bundle["text/html"]
    assert "vegaEmbed" in bundle["text/html"]
    assert bundle["text/plain"] == '<SliderChart: risk & "noise">'
    assert chart.html() == chart.html()


def test_uneven_levels_and_unknown_starts_are_errors(table):
    with pytest.raises(ValueError, match="evenly spaced"):
        _chart(table, slider=explorer.Slider("n", "samples"), start=4)
    with pytest.raises(ValueError, match=r"start is 5; it must be one of \[1.0, 2.0, 3.0\]"):
        _chart(table, start=5)
