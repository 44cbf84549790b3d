"""Intervals, tables and figures of a grid."""

import math

import numpy as np
import pytest
from scipy import stats
from test_llm_grid import grid, put_result

from lorabook.llm import reports, runs, work
from lorabook.llm.intervals import Estimate, crossed, nested


def test_nested_is_students_interval_over_repeats():
    values = np.random.default_rng(0).normal(size=(6, 40))
    means = values.mean(axis=1)
    low, high = stats.t.interval(0.95, 5, means.mean(), stats.sem(means))
    found = nested(values)
    np.testing.assert_allclose([found.mean, found.low, found.high], [means.mean(), low, high])
    assert found.half_width == pytest.approx((high - low) / 2)


def test_one_repeat_has_no_interval_of_its_own_but_its_items_have():
    values = np.random.default_rng(0).normal(size=(1, 40))
    assert (nested(values).low, nested(values).high) == (-math.inf, math.inf)
    low, high = stats.t.interval(0.95, 39, values.mean(), stats.sem(values[0]))
    found = crossed(values)
    np.testing.assert_allclose([found.low, found.high], [low, high])


@pytest.mark.parametrize(
    ("rows", "columns", "rest"), [(1.0, 1.0, 1.0), (0.0, 0.5, 1.0), (1.0, 0.0, 0.2), (0.2, 1.0, 3.0)]
)
def test_crossed_covers_with_the_stated_probability(rows, columns, rest):
    """Means of tables with random rows and columns: 95 % of 2000 intervals cover 0, up to four standard errors.

    Fewer than that many misses have a probability below 1e-4 each; more coverage is allowed, for where one of the two
    variances is zero the formula errs on that side.
    """
    rng, missed = np.random.default_rng(3), 0
    for _ in range(2000):
        values = rows * rng.normal(size=(6, 1)) + columns * rng.normal(size=(1, 30)) + rest * rng.normal(size=(6, 30))
        missed += not crossed(values).covers_zero
    assert missed <= 2000 * 0.05 + 4 * math.sqrt(2000 * 0.05 * 0.95)
    assert missed >= 20  # and the intervals are not so wide that they cover always


def test_ignoring_the_shared_items_would_not_cover():
    """Why there are two formulas: Student's interval over repeats alone misses far more often on shared items."""
    rng, missed = np.random.default_rng(4), 0
    for _ in range(500):
        values = rng.normal(size=(1, 30)) + 0.3 * rng.normal(size=(6, 30))
        missed += not nested(values).covers_zero
    assert missed > 250


def test_intervals_refuse_what_is_no_table():
    with pytest.raises(ValueError, match="confidence is 1; it must be below 1"):
        crossed(np.ones((3, 3)), 1.0)
    with pytest.raises(ValueError, match="values"):
        nested(np.array([[1.0, math.nan]]))


@pytest.fixture
def finished(tmp_path):
    """A grid whose LoRA of rank 2 is 10 points ahead on noisy labels in every repeat, and level on clean ones."""
    small = grid(repeats=[{"seed": i, "shift_seed": i} for i in range(4)])
    for search in small.searches():
        for i, cells in enumerate(search.cells.values()):
            put_result(tmp_path, cells[0], 0.9 - 0.1 * i)
    for cells in small.cells(work.rates(work.choose_rates(small, small.searches(), tmp_path))).values():
        for cell in cells:
            base = 0.6 + 0.02 * cell.repeat
            if cell.method == "LoRA, r = 2":
                base += 0.1 + 0.02 * (cell.repeat % 2) if cell.config.noise else 0.02 * (-1) ** cell.repeat
            put_result(tmp_path, cell, base)
    work._write_grid(small, tmp_path)
    return small, tmp_path


def test_differences_are_paired_and_judged_by_their_interval(finished):
    found = reports.lines(*finished)
    assert len(found) == 2 * 4 * 3
    for line in found:
        assert (line.repeats, line.missing) == (4, 0)
        assert line.accuracy.mean == pytest.approx(
            0.63 + (0.11 if "r = 2" in line.method and line.place["noise"] else 0)
        )
        if line.method == "full":
            assert line.difference is None
            assert line.verdict == ""
        elif line.method == "LoRA, r = 2" and line.place["noise"]:
            assert line.verdict == "better"
            assert line.difference.half_width < line.accuracy.half_width  # what the repeats have in common is gone
        else:
            assert line.verdict == "no difference"


def test_the_table_in_words(finished):
    text = reports.table(*finished)
    assert "noise = 0.4, shift_rank = 12; learning rates own" in text
    assert "* the best rate of a search was the first or the last of its list" in text
    line = next(one for one in text.split("noise = 0.4")[1].splitlines() if one.startswith("LoRA, r = 2"))
    assert line.split()[4:9] == ["0.005*", "74.0", "±", "5.2", "+11.0"]  # t = 3.18 times 0.0327 / 2
    assert line.endswith("better        4")
    assert "95 % intervals over repeats with test items of their own;\ndifferences are paired" in text


def test_what_is_missing_is_said(finished):
    small, out = finished
    cells = [c for c in small.all_cells()[1] if c.method == "LoRA, r = 8" and c.place == small.all_cells()[1][0].place]
    (work.folder_of(out, cells[0]) / runs.RESULT).unlink()
    put_result(out, cells[1], 0.5, "diverged")
    line = next(one for one in reports.lines(small, out) if one.method == "LoRA, r = 8")
    assert (line.repeats, line.missing) == (2, 2)
    assert "2 of 4" in reports.table(small, out)


def test_nothing_finished(tmp_path):
    assert reports.table(grid(), tmp_path) == "nothing is finished yet"
    with pytest.raises(ValueError, match="there is nothing to draw"):
        reports.picture(grid(), tmp_path)
    with pytest.raises(ValueError, match="holds no grid"):
        reports.grid_in(tmp_path)


def test_the_grid_of_a_folder(finished):
    small, out = finished
    assert reports.grid_in(out) == small
    with pytest.raises(ValueError, match=r"holds the grids \['small'\], not 'large'"):
        reports.grid_in(out, "large")
    work._write_grid(grid(name="another"), out)
    with pytest.raises(ValueError, match=r"holds the grids \['another', 'small'\]; say which"):
        reports.grid_in(out)
    assert reports.grid_in(out, "another").name == "another"


def test_the_picture_shows_the_lines(finished):
    small, out = finished
    figure = reports.picture(small, out, "noise")
    assert len(figure.axes) == 4  # two choices, two ranks of the shift
    found = reports.lines(small, out)
    for ax, (choice, rank) in zip(figure.axes, [(c, r) for c in ("clean", "own") for r in (1, 12)], strict=True):
        assert ax.get_title() == f"shift rank = {rank}\nrates {choice}"
        assert ax.get_xticks().tolist() == [0, 1]
        for container, method in zip(ax.containers, ("full", "LoRA, r = 2", "LoRA, r = 8"), strict=True):
            drawn = np.asarray(container.lines[0].get_ydata(), dtype=float)
            here = [x for x in found if (x.choice, x.place["shift_rank"], x.method) == (choice, rank, method)]
            np.testing.assert_allclose(drawn, [100 * line.accuracy.mean for line in here])
            (bars,) = container.lines[2]
            ends = [segment[:, 1].tolist() for segment in bars.get_segments()]
            np.testing.assert_allclose(ends, [[100 * x.accuracy.low, 100 * x.accuracy.high] for x in here])
    assert [tick.get_text() for tick in figure.axes[-1].get_xticklabels()] == ["0", "0.4"]
    with pytest.raises(ValueError, match="axis is 'n'; it must be one of"):
        reports.picture(small, out, "n")


def test_estimates_know_zero():
    assert Estimate(0.0, -1.0, 1.0).covers_zero
    assert not Estimate(1.0, 0.5, 1.5).covers_zero
