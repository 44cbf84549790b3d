"""Sweeps: a tidy table of real draws, the same whatever the number of processes."""

import numpy as np
import pandas as pd
import pytest

import lorabook
from lorabook import sweeps

SMALL = sweeps.Grid(d_x=7, d_y=5, n=(4, 20), noise_std=(0.5, 2.0), shift_rank=2, ranks=(1, 3, 9))
COLUMNS = ["d_x", "d_y", "n", "noise_std", "shift_rank", "decay", "method", "rank", "seed", "excess_risk"]


def test_the_table_is_tidy():
    table = sweeps.run(SMALL, seeds=3, jobs=1)
    assert list(table.columns) == COLUMNS
    settings = table.groupby(["n", "noise_std", "seed"])["method"].apply(sorted)
    assert len(settings) == 2 * 2 * 3
    assert all(methods == ["full", "lora", "lora", "lora"] for methods in settings)


def test_each_risk_is_that_of_the_estimator_on_the_seed_s_own_draw():
    table = sweeps.run(SMALL, seeds=[5], jobs=1)
    for row in table.itertuples():
        task = lorabook.Task.gaussian(7, 5, 2, row.noise_std, seed=5)
        X, Y = task.sample(row.n, seed=5)
        full = row.method == "full"
        W = lorabook.full_finetune(X, Y, task.W0) if full else lorabook.lora(X, Y, task.W0, row.rank)
        assert task.excess_risk(W) == pytest.approx(row.excess_risk, rel=1e-9)


def test_processes_do_not_change_the_numbers():
    pd.testing.assert_frame_equal(sweeps.run(SMALL, seeds=4, jobs=1), sweeps.run(SMALL, seeds=4, jobs=2))


def test_figure_1a_has_the_paper_s_parameters():
    grid = sweeps.PRESETS["fig1a"]
    assert (grid.d_x, grid.d_y, grid.noise_std, grid.shift_rank, grid.ranks) == (100, 100, (12.0,), 4, (1, 2, 4, 8))
    assert len(grid.n) == 26
    assert (grid.n[0], grid.n[-1]) == (10, 953)
    assert not set(grid.n) & {99, 100, 101}  # where the mean risk is infinite


def test_an_unknown_preset_is_an_error():
    with pytest.raises(ValueError, match=r"grid is 'fig9'; it must be a Grid or one of \['fig1a'\]"):
        sweeps.run("fig9", seeds=1)


@pytest.mark.parametrize(
    ("change", "name"),
    [
        ({"ranks": (-1,)}, "rank"),
        ({"n": (0,)}, "n"),
        ({"noise_std": (-1.0,)}, "noise_std"),
        ({"shift_rank": 6}, "shift_rank"),
    ],
)
def test_a_grid_that_makes_no_sense_is_an_error(change, name):
    grid = sweeps.Grid(**{**vars(SMALL), **change})
    with pytest.raises(ValueError, match=rf"^{name}"):
        sweeps.run(grid, seeds=1, jobs=1)


@pytest.mark.parametrize("seeds", [0, -1, 1.5, [0, -3]])
def test_seeds_must_be_counts_or_integers(seeds):
    with pytest.raises(ValueError, match="seed"):
        sweeps.run(SMALL, seeds=seeds, jobs=1)


def test_global_random_state_is_left_alone():
    np.random.seed(0)  # noqa: NPY002
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    sweeps.run(SMALL, seeds=1, jobs=1)
    assert np.array_equal(np.random.get_state()[1], before)  # noqa: NPY002
