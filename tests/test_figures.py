"""Figures show the numbers of the table, in colours that stand out on light and dark pages."""

import matplotlib as mpl
import numpy as np
import pytest

mpl.use("agg")

import matplotlib.pyplot as plt

from lorabook import figures, sweeps

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
    assert figures.untrained_style()["linestyle"] not in {s["linestyle"] for s in styles}


def test_the_risk_of_not_training_is_a_line_across(table, fresh_axes):
    figures.risk_curves(table, "ratio", "d_x / n", ax=fresh_axes, untrained=7.0)
    assert [line.get_label() for line in fresh_axes.get_lines()].count("not training") == 1
    line = fresh_axes.get_lines()[-1]
    assert (line.get_label(), set(line.get_ydata())) == ("not training", {7.0})


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
