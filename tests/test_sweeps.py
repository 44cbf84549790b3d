"""Sweeps: a tidy table of real draws, the same whatever the number of processes."""

import os
import signal
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import threadpoolctl

import lorabook
from lorabook import sweeps
from lorabook.sweeps import engines, workers

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
    one, two = sweeps.run(SMALL, seeds=9, jobs=1), sweeps.run(SMALL, seeds=9, jobs=2)
    pd.testing.assert_frame_equal(one, two, check_exact=True)


@pytest.mark.parametrize(
    ("name", "d", "n", "noise", "shift_ranks", "ranks"),
    [
        ("fig1a", 100, (10, 953, 26), (12.0, 12.0, 1), (4, 4, 1), (1, 2, 4, 8)),
        ("fig1b", 100, (50, 50, 1), (1.0, 100.0, 40), (10, 10, 1), (1, 2, 4, 8, 16)),
        ("fig10a", 100, (10, 953, 26), (1.0, 1.0, 1), (4, 4, 1), (1, 2, 4, 8)),
        ("fig10b", 100, (1000, 1000, 1), (1.0, 100.0, 40), (10, 10, 1), (1, 2, 4, 8, 16)),
        ("fig11", 40, (30, 30, 1), (2.0, 2.0, 1), (1, 40, 40), (1, 2, 4, 8, 32)),
        ("fig12", 40, (200, 200, 1), (0.5, 0.5, 1), (40, 40, 1), (1, 2, 4, 8, 16)),
    ],
)
def test_presets_have_the_paper_s_parameters(name, d, n, noise, shift_ranks, ranks):
    grid = sweeps.PRESETS[name]
    grid.validate()
    assert (grid.d_x, grid.d_y, grid.ranks) == (d, d, ranks)
    shifts = np.atleast_1d(grid.shift_rank)
    for values, (first, last, count) in [(grid.n, n), (grid.noise_std, noise), (shifts, shift_ranks)]:
        assert (values[0], values[-1], len(values)) == (first, pytest.approx(last), count)
    assert not set(grid.n) & {d - 1, d, d + 1}  # where the mean risk is infinite


def test_presets_have_the_paper_s_abscissae_and_seeds():
    steps = np.diff(np.log10(sweeps.PRESETS["fig1b"].noise_std))
    assert np.allclose(steps, 2 / 39)
    assert sweeps.PRESETS["fig1a"].n[:4] == (10, 12, 14, 17)
    decaying = sweeps.PRESETS["fig12"]
    assert decaying.decay == tuple(0.125 * j for j in range(21))
    assert (decaying.strength, decaying.base_seed) == (5.0, 42)
    assert all(sweeps.PRESETS[name].base_seed == 0 for name in ("fig1a", "fig1b", "fig10a", "fig10b", "fig11"))


def test_a_number_of_seeds_counts_from_the_base_and_listed_seeds_are_taken_as_they_are():
    grid = replace(SMALL, base_seed=42)
    assert list(sweeps.run(grid, seeds=3, jobs=1)["seed"].unique()) == [42, 43, 44]
    assert list(sweeps.run(grid, seeds=[9, 3], jobs=1)["seed"].unique()) == [3, 9]


def test_each_rank_of_the_shift_has_its_own_tasks():
    grid = replace(SMALL, shift_rank=(0, 3), n=(20,), noise_std=(1.0,))
    for row in sweeps.run(grid, seeds=[4], jobs=1).itertuples():
        task = lorabook.Task.gaussian(7, 5, row.shift_rank, 1.0, seed=4)
        W = lorabook.lora(*task.sample(20, seed=4), task.W0, row.rank)
        assert task.excess_risk(W) == pytest.approx(row.excess_risk, rel=1e-9)
        assert np.isnan(row.decay)


def test_a_shift_with_decaying_singular_values():
    grid = replace(SMALL, shift_rank=4, decay=(0, 0.5), strength=3.0, n=(20,), noise_std=(1.0,))
    table = sweeps.run(grid, seeds=[4], jobs=1)
    assert list(table["decay"].unique()) == [0.0, 0.5]
    for row in table.itertuples():
        s = lorabook.linalg.exponential_spectrum(4, row.decay, 3.0)
        task = lorabook.Task.with_spectrum(s, 7, 5, 1.0, seed=4)
        W = lorabook.lora(*task.sample(20, seed=4), task.W0, row.rank)
        assert task.excess_risk(W) == pytest.approx(row.excess_risk, rel=1e-9)


@pytest.mark.parametrize("shift_rank", [0, 1, 3, 5])
def test_the_spectrum_of_a_seed_is_that_of_its_shift(shift_rank):
    shift = lorabook.Task.gaussian(7, 5, shift_rank, 1.0, seed=8).shift
    spectrum = sweeps.gaussian_spectrum(7, 5, shift_rank, seed=8)
    assert np.allclose(spectrum, np.linalg.svd(shift, compute_uv=False)[:shift_rank], rtol=1e-12)


@pytest.mark.parametrize("common", [True, False])
@pytest.mark.parametrize("decay", [None, (0.3,)])
def test_both_engines_have_the_same_tasks(common, decay):
    """With a million samples and little noise the risk of rank 1 is what a seed's shift has beyond rank 1."""
    grid = replace(SMALL, n=(20_000,), noise_std=(1e-3,), ranks=(1,), shift_rank=3, decay=decay)
    data, exact = (
        sweeps.run(grid, seeds=4, jobs=1, engine=engine, common_random_numbers=common) for engine in ("data", "exact")
    )
    rank_1 = data["method"] == "lora"
    assert np.allclose(data["excess_risk"][rank_1], exact["excess_risk"][rank_1], rtol=0.05)
    assert data["excess_risk"][rank_1].nunique() == 4


@pytest.mark.parametrize("common", [True, False])
def test_both_engines_have_the_same_means(common):
    kept = ["n", "noise_std", "method", "rank"]
    tables = [
        sweeps.run(SMALL, seeds=300, jobs=1, engine=engine, common_random_numbers=common).groupby(kept)["excess_risk"]
        for engine in ("data", "exact")
    ]
    error = np.sqrt(sum(table.var() / 300 for table in tables))
    assert (np.abs(tables[0].mean() - tables[1].mean()) < 4.5 * error).all()


@pytest.mark.parametrize("engine", ["data", "exact"])
def test_common_random_numbers(engine):
    """With the same features and noise, four times the noise is exactly sixteen times the risk, for n >= d_x."""

    def ratio(common):
        table = sweeps.run(SMALL, seeds=5, jobs=1, engine=engine, common_random_numbers=common)
        full = table[(table["method"] == "full") & (table["n"] == 20)].set_index(["seed", "noise_std"])["excess_risk"]
        return full.xs(2.0, level="noise_std") / full.xs(0.5, level="noise_std")

    assert np.allclose(ratio(True), 16.0)
    assert (np.abs(ratio(False) - 16.0) > 0.01).all()


@pytest.mark.parametrize("engine", ["data", "exact"])
def test_independent_numbers_do_not_depend_on_the_rest_of_the_grid(engine):
    def table(grid):
        return sweeps.run(grid, seeds=3, jobs=1, engine=engine, common_random_numbers=False)

    every = table(SMALL)
    part = table(replace(SMALL, n=(20,), noise_std=(2,), ranks=(3,)))
    chosen = every[
        (every["n"] == 20) & (every["noise_std"] == 2) & ((every["rank"] == 3) | (every["method"] == "full"))
    ]
    assert np.array_equal(chosen["excess_risk"], part["excess_risk"])


@pytest.mark.parametrize("engine", ["data", "exact"])
def test_no_two_settings_share_independent_numbers(engine):
    grid = replace(SMALL, shift_rank=3, decay=(0.0, 0.1), ranks=())
    table = sweeps.run(grid, seeds=3, jobs=1, engine=engine, common_random_numbers=False)
    full = table[table["n"] == 20].copy()
    full["scaled"] = (full["excess_risk"] / full["noise_std"] ** 2).round(9)
    assert full["scaled"].nunique() == len(full) == 2 * 2 * 3


def test_blas_has_one_thread_while_a_part_is_computed(monkeypatch):
    def threads():
        return {pool["num_threads"] for pool in threadpoolctl.threadpool_info() if pool["user_api"] == "blas"}

    seen = []

    def spy(grid, seed, common_random_numbers):
        seen.append(threads())
        return engines.from_data(grid, seed, common_random_numbers)

    monkeypatch.setitem(engines.ENGINES, "data", spy)
    with threadpoolctl.threadpool_limits(2, user_api="blas"):
        sweeps.run(SMALL, seeds=1, jobs=1)
        assert seen == [{1}]
        assert threads() == {2}


def test_nothing_is_written_without_a_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    sweeps.run(SMALL, seeds=1, jobs=1)
    assert not list(tmp_path.iterdir())


def test_progress_goes_to_standard_error(capsys):
    sweeps.run(SMALL, seeds=2, jobs=1)
    assert capsys.readouterr() == ("", "")
    sweeps.run(SMALL, seeds=2, jobs=1, progress=True)
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "8/8" in captured.err


def test_a_package_that_is_not_there_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    sweeps.run(SMALL, seeds=1, jobs=1)
    with pytest.raises(ModuleNotFoundError, match=r'a sweep needs pyarrow; pip install "lorabook\[book\] @ '):
        sweeps.run(SMALL, seeds=1, jobs=1, out="never made")
    assert not Path("never made").exists()


def test_an_unknown_preset_is_an_error():
    with pytest.raises(ValueError, match=r"grid is 'fig9'; it must be a Grid or one of \['fig10a', .*'fig1a'"):
        sweeps.run("fig9", seeds=1)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"d_x": 0}, "d_x is 0"),
        ({"d_y": 2.0}, "d_y is 2.0"),
        ({"ranks": (-1,)}, "ranks is -1"),
        ({"ranks": 3}, "ranks is 3; it must be a tuple"),
        ({"ranks": (2, 1, 2)}, "ranks has 2 twice"),
        ({"n": (0,)}, "n is 0"),
        ({"n": (5, 0)}, "n is 0"),
        ({"n": ()}, r"n is \(\); it must be a tuple of numbers, at least one"),
        ({"n": 30}, "n is 30; it must be a tuple"),
        ({"n": (5, 5)}, "n has 5 twice"),
        ({"noise_std": (-1.0,)}, "noise_std is -1.0"),
        ({"noise_std": (1.0, float("nan"))}, "noise_std is nan"),
        ({"noise_std": (1, 1.0)}, "noise_std has 1.0 twice"),
        ({"noise_std": "12"}, "noise_std is '12'; it must be a tuple"),
        ({"shift_rank": 6}, "shift_rank is 6; it must be an integer from 0 to 5"),
        ({"shift_rank": (1, 6)}, "shift_rank is 6"),
        ({"shift_rank": ()}, "shift_rank is"),
        ({"decay": (-0.5,)}, "decay is -0.5"),
        ({"decay": 0.5}, "decay is 0.5; it must be a tuple"),
        ({"strength": -1.0}, "strength is -1.0"),
        ({"base_seed": -1}, "base_seed is -1"),
    ],
)
@pytest.mark.usefixtures("no_shape_checks")
def test_a_grid_that_makes_no_sense_is_an_error(change, words, monkeypatch):
    monkeypatch.setattr(workers, "results", None)  # nothing may start
    with pytest.raises(ValueError, match=rf"^{words}"):
        sweeps.run(sweeps.Grid(**{**vars(SMALL), **change}), seeds=1, jobs=1)


@pytest.mark.parametrize("seeds", [0, -1, 1.5, [0, -3], [], [1, 2, 1]])
def test_seeds_must_be_counts_or_integers(seeds):
    with pytest.raises(ValueError, match=r"^seeds"):
        sweeps.run(SMALL, seeds=seeds, jobs=1)


@pytest.mark.parametrize(
    ("name", "value"), [("engine", "fast"), ("backend", "dask"), ("jobs", 0), ("jobs", -2), ("jobs", 1.5)]
)
@pytest.mark.usefixtures("no_shape_checks")
def test_how_to_run_must_make_sense(name, value):
    with pytest.raises(ValueError, match=rf"^{name} is {value!r}"):
        sweeps.run(SMALL, seeds=1, **{name: value})


def test_a_worker_that_dies_loses_nothing(tmp_path):
    """Functions made here travel to the workers by value."""
    flag = tmp_path / "died"

    def compute(part):
        if part == 5 and not flag.exists():
            flag.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return part**2

    with pytest.warns(
        UserWarning, match=r"a worker process died; \d of 8 parts are done, the others are submitted again"
    ):
        found = list(workers.results(compute, range(8), jobs=2, backend="loky"))
    assert sorted(found) == [(part, part**2) for part in range(8)]


def test_workers_that_die_again_and_again_are_given_up(tmp_path):
    def compute(part):
        if part == 2:
            os.kill(os.getpid(), signal.SIGKILL)
        return part

    with (
        pytest.warns(UserWarning, match="a worker process died"),
        pytest.raises(
            RuntimeError, match=r"died 4 times in a row; [0-3] of 4 parts are done.* running the same again cont"
        ),
    ):
        list(workers.results(compute, range(4), jobs=2, backend="loky"))


def test_an_error_in_a_worker_passes_on_at_once(tmp_path):
    log = tmp_path / "calls"

    def compute(part):
        with log.open("a") as file:
            file.write("x")
        raise ValueError(f"part {part} makes no sense")

    with pytest.raises(ValueError, match=r"part \d makes no sense"):
        list(workers.results(compute, range(50), jobs=2, backend="loky"))
    assert len(log.read_text()) < 10


def test_a_reader_may_stop_early():
    found = workers.results(abs, range(50), jobs=2, backend="loky")
    next(found)
    found.close()


def test_global_random_state_is_left_alone():
    np.random.seed(0)  # noqa: NPY002
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    sweeps.run(SMALL, seeds=1, jobs=1)
    assert np.array_equal(np.random.get_state()[1], before)  # noqa: NPY002
