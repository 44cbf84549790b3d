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
    words = "over the repeats as if independent; their test sets differ;\ndifferences are paired"
    assert f"95 % intervals {words}" in text
    assert all(len(one) <= 76 for one in text.splitlines())


def test_what_is_missing_is_said(finished):
    small, out = finished
    cells = [c for c in small.all_cells()[1] if c.method == "LoRA, r = 8" and c.place == small.all_cells()[1][0].place]
    (work.folder_of(out, cells[0]) / runs.RESULT).unlink()
    put_result(out, cells[1], 0.5, "diverged")
    line = next(one for one in reports.lines(small, out) if one.method == "LoRA, r = 8")
    assert (line.repeats, line.missing) == (2, 2)
    assert "2 of 4" in reports.table(small, out)


def test_a_single_repeat_has_no_interval_to_show(tmp_path):
    """And the words that say so have room: no infinity, every column under its head, no two words in one."""
    small = grid(repeats=[{"seed": i, "shift_seed": i} for i in range(3)])
    for search in small.searches():
        for cells in search.cells.values():
            put_result(tmp_path, cells[0], 0.6)
    for cell in small.cells(work.rates(work.choose_rates(small, small.searches(), tmp_path)))["own"]:
        if cell.repeat == 0 or cell.method == "full":
            put_result(tmp_path, cell, 0.76 if cell.method == "LoRA, r = 2" else 0.66)
    text = reports.table(small, tmp_path)
    assert "inf" not in text
    for block in text.split("\n\n")[:-1]:
        _, head, *rows = block.splitlines()
        assert len(rows) == 3
        for row in rows[1:]:
            accuracy = "76.0" if row.startswith("LoRA, r = 2") else "66.0"
            assert row[head.index("accuracy") :].startswith(f"{accuracy} (one repeat) ")
            assert row[head.index("minus") :].startswith("+10.0 " if accuracy == "76.0" else "0.0 ")
            assert row[head.index("runs") :] == "1 of 3"
            assert "  one repeat says nothing 1 of 3" in row


@pytest.fixture
def in_two_worlds():
    """Two worlds crossed with three shifts; results as a packed file has them, with the accuracy before training."""
    small = grid(
        axes={"noise": [0.0, 0.4]},
        repeats=[{"world_seed": w, "seed": s, "shift_seed": s} for w in (0, 1) for s in (1, 2, 3)],
    )
    rng, results = np.random.default_rng(5), {}

    def put(cell, accuracy):
        parts = {"before": 0.5 + 0.03 * (cell.repeat % 2), "test": accuracy}
        metrics = {part: {"accuracy": value} for part, value in parts.items()}
        results[cell.id] = {"status": "done", "metrics": metrics, "hashes": {"test": f"{cell.repeat}"}}

    for search in small.searches():
        for rate, cells in search.cells.items():
            put(cells[0], 0.5 - rate if dict(search.place)["noise"] else 0.5 + rate)
    for cells in small.cells(work.rates(work.choose_rates(small, small.searches(), results))).values():
        for cell in cells:
            if cell.id not in results:
                put(cell, 0.7 + 0.02 * (cell.config.rank or 0) * cell.config.noise + 0.01 * rng.normal())
    return small, results


def test_not_training_is_a_candidate(in_two_worlds):
    """First at every place, the same whatever the rates, and in the picture as a dotted line."""
    small, results = in_two_worlds
    found = reports.lines(small, results, untrained=True)
    assert len(found) == 2 * 2 * 4
    assert reports.lines(small, results) == [line for line in found if line.method != "not training"]
    for line in found[::4]:
        assert (line.method, line.rate, line.repeats, line.missing) == ("not training", None, 6, 0)
        assert line.accuracy.mean == pytest.approx(0.515)
        assert line.verdict == "worse"
        (full,) = [x for x in found if (x.choice, x.place, x.method) == (line.choice, line.place, "full")]
        assert line.difference.mean == pytest.approx(0.515 - full.accuracy.mean)
        assert line.to_dict()["rate"] is None
    rows = [row for row in reports.table(small, results).splitlines() if row.startswith("not training")]
    assert len(rows) == 4
    assert rows[0].split()[2:5] == ["51.5", "±", "1.7"]  # t = 2.571 times 0.01643 / sqrt(6)
    for ax in reports.picture(small, results).axes:
        (dotted,) = [drawn for drawn in ax.lines if drawn.get_label() == "not training"]
        np.testing.assert_allclose(np.asarray(dotted.get_ydata(), dtype=float), [51.5, 51.5])


def test_differences_to_another_method(in_two_worlds):
    small, results = in_two_worlds
    by_full, by_other = (reports.lines(small, results, against=m) for m in ("full", "LoRA, r = 8"))
    for one, other in zip(by_full, by_other, strict=True):
        assert one.accuracy == other.accuracy
        (step,) = [x for x in by_full if (x.choice, x.place, x.method) == (one.choice, one.place, "LoRA, r = 8")]
        if one.method == "LoRA, r = 8":
            assert other.difference is None
        else:
            assert other.difference.mean == pytest.approx(one.accuracy.mean - step.accuracy.mean)
    with pytest.raises(ValueError, match=r"against is 'LoRA'; it must be one of \['not training', 'full', "):
        reports.lines(small, results, against="LoRA")


def test_the_shift_as_the_unit(in_two_worlds):
    """Averages over the worlds, and Student's test with two degrees of freedom on what is left of six repeats."""
    small, results = in_two_worlds
    chosen = work.rates(work.choose_rates(small, small.searches(), results))
    for line in reports.lines(small, results, "shift_seed"):
        assert line.spreads_over == "the means of repeats with the same shift_seed"
        assert line.repeats == 6
        if line.difference is None:
            continue
        accuracies = {m: np.empty((2, 3)) for m in (line.method, "full")}
        for cell in small.cells(chosen)[line.choice]:
            if cell.method in accuracies and dict(cell.place) == line.place:
                where = cell.config.world_seed, cell.config.shift_seed - 1
                accuracies[cell.method][where] = results[cell.id]["metrics"]["test"]["accuracy"]
        by_shift = (accuracies[line.method] - accuracies["full"]).mean(axis=0)
        wanted = stats.ttest_1samp(by_shift, 0.0)
        low, high = wanted.confidence_interval(0.95)
        d = line.difference
        np.testing.assert_allclose([d.mean, d.low, d.high], [by_shift.mean(), low, high], rtol=0, atol=1e-12)
        assert line.p_value == pytest.approx(wanted.pvalue)
    with pytest.raises(ValueError, match="unit is 'shift'; it must be 'repeat' or a field"):
        reports.lines(small, results, "shift")


def test_one_unit_has_no_p_value(in_two_worlds):
    """All repeats have one task: no interval, no verdict, and nothing to correct."""
    line = reports.lines(*in_two_worlds, "task")[1]
    assert line.p_value is None
    assert line.verdict == "one repeat says nothing"
    assert reports.comparisons([in_two_worlds[0]], in_two_worlds[1], "task") == []


@pytest.mark.parametrize("unit", ["repeat", "shift_seed"])
def test_holms_correction(in_two_worlds, unit):
    """By its definition: a p-value is multiplied by the number of those that are not smaller, in order, up to 1.

    The clean places of the two choices share their runs: of eight differences six are distinct, and the same grid
    given twice adds none.
    """
    small, results = in_two_worlds
    found = reports.comparisons([small, small], results, unit)
    p = [one.line.p_value for one in found]
    assert len(p) == 6
    assert p == sorted(p)
    assert all(one.line.method != "not training" for one in found)
    level = 0.0
    for i, one in enumerate(found):
        level = max(level, min(1.0, (6 - i) * p[i]))
        assert one.adjusted == pytest.approx(level)
    assert len(reports.comparisons([small], results, unit, "not training")) == 8  # full fine-tuning as well


def test_differences_without_spread_and_with_shared_items(finished):
    small, out = finished
    assert reports._p_value(Estimate(0.0, 0.0, 0.0), 3) == 1.0
    assert reports._p_value(Estimate(-0.1, -0.1, -0.1), 3) == 0.0
    for cell in small.all_cells()[1]:
        put_result(out, cell, 0.6)
    for path in out.rglob("result.json"):
        path.write_text(path.read_text().replace('"test": "1"', '"test": "0"').replace('"test": "2"', '"test": "0"'))
        path.write_text(path.read_text().replace('"test": "3"', '"test": "0"'))
    line = reports.lines(small, out)[1]
    assert line.spreads_over == "repeats and the test items that they share"
    assert line.p_value is None
    with pytest.raises(ValueError, match="the repeats of the grid 'small' share their test items"):
        reports.comparisons([small], out)


def test_zero_has_no_sign():
    assert [reports._signed(share) for share in (-0.0004, 0.0, 0.0004, -0.0006, 0.041)] == [
        "0.0", "0.0", "0.0", "-0.1", "+4.1",
    ]  # fmt: skip


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
    assert [ax.get_xlabel() for ax in figure.axes] == ["", "", *["share of wrong training labels"] * 2]
    with pytest.raises(ValueError, match="axis is 'n'; it must be one of"):
        reports.picture(small, out, "n")


def test_estimates_know_zero():
    assert Estimate(0.0, -1.0, 1.0).covers_zero
    assert not Estimate(1.0, 0.5, 1.5).covers_zero
