"""A sweep that was interrupted, damaged or shared with another process ends in the same table."""

import contextlib
import errno
import json
import os
import random
import signal
import subprocess
import sys
import time
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

import lorabook
from lorabook import sweeps
from lorabook.sweeps import _run, engines, parts

GRID = sweeps.Grid(d_x=60, d_y=60, n=(50, 200, 400), noise_std=(1.0, 3.0), shift_rank=2, ranks=(1, 4))
SEEDS = 128
SMALL = replace(GRID, d_x=7, d_y=5, n=(4, 20))

PROGRAM = """
import sys
from lorabook import sweeps

grid = sweeps.Grid(d_x=60, d_y=60, n=(50, 200, 400), noise_std=(1.0, 3.0), shift_rank=2, ranks=(1, 4))
sweeps.run(grid, int(sys.argv[3]), jobs=int(sys.argv[1]), out=sys.argv[2]).to_pickle(sys.argv[4])
"""


@pytest.fixture(scope="module")
def uninterrupted():
    return sweeps.run(GRID, SEEDS, jobs=2)


@pytest.fixture
def computed(monkeypatch):
    """The seeds that are computed, and not read, in this process."""
    seeds = []

    def spy(grid, seed, common_random_numbers):
        seeds.append(seed)
        return engines.from_data(grid, seed, common_random_numbers)

    monkeypatch.setitem(_run.ENGINES, "data", spy)
    return seeds


def start(jobs, out, table=os.devnull):
    command = [sys.executable, "-c", PROGRAM, str(jobs), str(out), str(SEEDS), str(table)]
    return subprocess.Popen(command, start_new_session=True)


def files(out):
    return sorted(out.glob("grid-*/part-*.parquet"))


def small(out, seeds=6, **changes):
    return sweeps.run(SMALL, seeds, jobs=1, out=out, **changes)


def same(left, right):
    pd.testing.assert_frame_equal(left, right, check_exact=True)


@pytest.mark.parametrize(("jobs", "moments"), [(1, (1, 5, 9)), (2, (1, 6))])
def test_a_killed_sweep_continues_and_ends_in_the_same_table(jobs, moments, tmp_path, uninterrupted):
    """SIGKILL as soon as so many parts are there, or a bit later; workers outlive their parent and may still write."""
    rng = random.Random(jobs)
    counts, groups = [], []
    try:
        for parts_there in moments:
            process = start(jobs, tmp_path)
            groups.append(process.pid)
            deadline = time.monotonic() + 60
            while len(files(tmp_path)) < parts_there and process.poll() is None and time.monotonic() < deadline:
                time.sleep(0.002)
            time.sleep(rng.uniform(0.0, 0.04))
            process.kill()
            assert process.wait() == -signal.SIGKILL
            counts.append(len(files(tmp_path)))
        assert 1 <= counts[0] < counts[-1] < SEEDS / parts.BLOCK
        before = {path: path.stat().st_ino for path in files(tmp_path)}
        same(sweeps.run(GRID, SEEDS, jobs=jobs, out=tmp_path), uninterrupted)
        assert len(files(tmp_path)) == SEEDS / parts.BLOCK
        kept = {path for path in files(tmp_path) if path.stat().st_ino == before.get(path)}
        assert len(kept) >= counts[0]  # an orphan may write once more what it was at work on, the same
    finally:
        for group in groups:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(group, signal.SIGKILL)


def test_two_processes_on_one_folder(tmp_path, uninterrupted):
    tables = [tmp_path / "one.pickle", tmp_path / "two.pickle"]
    processes = [start(1, tmp_path / "shared", table) for table in tables]
    assert [process.wait(timeout=60) for process in processes] == [0, 0]
    for table in tables:
        same(pd.read_pickle(table), uninterrupted)
    same(sweeps.run(GRID, SEEDS, jobs=1, out=tmp_path / "shared"), uninterrupted)
    assert not list(tmp_path.glob("shared/*/.*"))


def test_nothing_is_computed_twice(tmp_path, computed):
    first = small(tmp_path)
    assert computed == [0, 1, 2, 3, 4, 5]
    same(small(tmp_path), first)
    assert len(computed) == 6


def test_more_seeds_reuse_the_parts_of_fewer(tmp_path, computed):
    small(tmp_path, 6)
    computed.clear()
    same(small(tmp_path, 14), sweeps.run(SMALL, 14, jobs=2))
    assert computed == list(range(4, 14))  # the block of 4 and 5 was not whole


def test_fewer_seeds_are_read_from_the_parts_of_more(tmp_path, computed):
    small(tmp_path, 8)
    computed.clear()
    same(small(tmp_path, [1, 6, 7]), sweeps.run(SMALL, [7, 1, 6], jobs=2))
    assert computed == []


def truncate(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def empty(path):
    path.write_bytes(b"")


def flip_a_bit_of_a_risk(path):
    content = bytearray(path.read_bytes())
    risk = np.float64(sweeps.run(SMALL, [1], jobs=1)["excess_risk"].iloc[0]).tobytes()
    place = bytes(content).index(risk)
    content[place] ^= 1
    path.write_bytes(content)


def take_another_seed_s_part(path):
    path.write_bytes((path.parent / "part-00001.parquet").read_bytes())


def take_a_part_with_other_columns(path):
    pd.DataFrame({"seed": [1]}).to_parquet(path)


def take_a_table_that_is_too_short(path):
    pd.read_parquet(path).iloc[:-1].to_parquet(path, index=False)


def take_a_table_with_a_hole(path):
    table = pd.read_parquet(path)
    table.loc[3, "excess_risk"] = np.nan
    table.to_parquet(path, index=False)


@pytest.mark.parametrize(
    "damage",
    [
        truncate,
        empty,
        flip_a_bit_of_a_risk,
        take_another_seed_s_part,
        take_a_part_with_other_columns,
        take_a_table_that_is_too_short,
        take_a_table_with_a_hole,
    ],
)
def test_a_damaged_part_is_computed_again(damage, tmp_path, computed):
    first = small(tmp_path, 8)
    damage(files(tmp_path)[0])
    computed.clear()
    with pytest.warns(UserWarning, match=r"part-00000.parquet .*; it is computed again"):
        same(small(tmp_path, 8), first)
    assert computed == [0, 1, 2, 3]
    same(small(tmp_path, 8), first)  # and is whole now
    assert computed == [0, 1, 2, 3]


def test_a_worker_does_not_trust_a_part_that_was_damaged_in_the_meantime(tmp_path, computed, monkeypatch):
    first = small(tmp_path, 4)
    truncate(files(tmp_path)[0])
    monkeypatch.setattr(parts.Folder, "prepare", lambda folder: None)
    compute = _run._Compute(SMALL, "data", True, parts.folder(tmp_path, "grid", SMALL, "data", True))
    assert np.array_equal(compute(parts.split(range(4))[0]).ravel(), first["excess_risk"])
    assert np.array_equal(pd.read_parquet(files(tmp_path)[0])["excess_risk"], first["excess_risk"])


def test_old_leftovers_are_cleared_away_and_new_ones_left_alone(tmp_path):
    first = small(tmp_path)
    folder = files(tmp_path)[0].parent
    old, new = folder / ".part-00000.parquet.1.tmp", folder / ".part-00000.parquet.2.tmp"
    for path in (old, new):
        path.write_bytes(b"half of it")
    os.utime(old, (time.time() - 2 * parts._STALE,) * 2)
    same(small(tmp_path), first)
    assert not old.exists()
    assert new.exists()


def test_other_settings_and_another_version_have_other_folders(tmp_path, monkeypatch):
    def folders():
        return {path.name for path in tmp_path.iterdir()}

    small(tmp_path)
    seen = folders()
    assert len(seen) == 1
    small(tmp_path, 2)
    sweeps.run(replace(SMALL, base_seed=3), 2, jobs=2, out=tmp_path)
    sweeps.run(replace(SMALL, noise_std=(1, 3)), 2, jobs=1, out=tmp_path)
    assert folders() == seen
    for change in ({"engine": "exact"}, {"common_random_numbers": False}):
        small(tmp_path, **change)
        assert len(folders()) == len(seen) + 1
        seen = folders()
    for change in ({"n": (4, 21)}, {"ranks": (1,)}, {"shift_rank": 1}, {"decay": (0.0,)}, {"noise_std": (1.5,)}):
        sweeps.run(replace(SMALL, **change), 1, jobs=1, out=tmp_path)
        assert len(folders()) == len(seen) + 1
        seen = folders()
    monkeypatch.setattr(lorabook, "__version__", "0.0.0")
    small(tmp_path)
    assert len(folders()) == len(seen) + 1


def test_the_folder_says_what_is_in_it(tmp_path):
    small(tmp_path)
    sweeps.run("fig11", 1, jobs=1, engine="exact", out=tmp_path)
    about = json.loads(next(tmp_path.glob("grid-*/settings.json")).read_text("utf-8"))
    assert about["lorabook"] == lorabook.__version__
    assert (about["engine"], about["common_random_numbers"]) == ("data", True)
    assert about["grid"]["n"] == [4, 20]
    assert len(list(tmp_path.glob("fig11-*/part-00000-0.parquet"))) == 1
    same(pd.read_parquet(next(tmp_path.glob("grid-*/part-00000.parquet"))), small(tmp_path, 4))


def test_a_full_disk_is_an_error_that_says_so_and_keeps_what_is_there(tmp_path, monkeypatch):
    rename, allowed = os.replace, ["settings.json", "part-00000.parquet"]

    def replace_until_full(source, target):
        if target.name not in allowed:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        rename(source, target)

    monkeypatch.setattr(os, "replace", replace_until_full)
    with pytest.raises(OSError, match=r"cannot write .*part-00001.parquet: No space left on device"):
        small(tmp_path, 12)
    assert [path.name for path in files(tmp_path)] == ["part-00000.parquet"]
    assert not list(tmp_path.glob("*/.*"))
    monkeypatch.undo()
    same(small(tmp_path, 12), sweeps.run(SMALL, 12, jobs=1))


def test_a_folder_that_cannot_be_made_is_an_error_before_anything_is_computed(tmp_path, computed):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(OSError, match=r"cannot make the folder .*file/grid-\w+: Not a directory"):
        small(tmp_path / "file")
    assert computed == []
