"""A sweep on a Ray cluster: the table of one process, and nothing lost when a worker is killed."""

import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import replace

import pandas as pd
import pytest

from lorabook import sweeps
from lorabook.sweeps import workers

ray = pytest.importorskip("ray")  # it has no wheels for Intel Macs

GRID = sweeps.Grid(d_x=60, d_y=60, n=(50, 200, 400), noise_std=(1.0, 3.0), shift_rank=2, ranks=(1, 4))
SEEDS = 62


@pytest.fixture(scope="module")
def alone():
    return sweeps.run(GRID, SEEDS, jobs=1)


@pytest.fixture(scope="module")
def cluster():
    """Two workers on this machine, started and stopped as by a sweep that finds no cluster."""
    assert not ray.is_initialized()
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("RAY_ADDRESS", raising=False)
        with workers._ray_cluster(ray, jobs=2):
            assert ray.cluster_resources()["CPU"] == 2
            yield
    assert not ray.is_initialized()


def same(left, right):
    pd.testing.assert_frame_equal(left, right, check_exact=True)


def processes():
    listing = subprocess.run(["ps", "-e", "-o", "pid=,ppid=,args="], check=True, capture_output=True, text=True).stdout
    return [
        (int(pid), int(parent), args) for pid, parent, args in (line.split(None, 2) for line in listing.splitlines())
    ]


def workers_of_this_cluster():
    """Process numbers of the workers at work whose ancestor is this process."""
    table = processes()
    ours, grown = {os.getpid()}, 0
    while grown < len(ours):
        grown = len(ours)
        ours |= {pid for pid, parent, _ in table if parent in ours}
    return [pid for pid, _, args in table if pid in ours and args.startswith("ray::PoolActor.run_batch")]


def kill_a_worker_once(folder, mark, killed):
    """Once a part is there; leaves the mark in any case, which the other parts wait for."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and not killed:
        if any(folder.glob("grid-*/part-*.parquet")) and (found := workers_of_this_cluster()):
            os.kill(found[0], signal.SIGKILL)
            killed.append(found[0])
        time.sleep(0.02)
    mark.touch()


def _after_the_first(mark):
    """The first part as ever; the others start when the mark is there, so that a worker is at work until then."""

    def with_part(compute, part):
        import time
        from pathlib import Path

        while 0 not in part.seeds and not Path(mark).exists():
            time.sleep(0.02)
        return part, compute(part)

    return with_part


def test_the_table_is_that_of_one_process(cluster, tmp_path, alone):
    same(sweeps.run(GRID, SEEDS, backend="ray", out=tmp_path), alone)
    assert len(list(tmp_path.glob("grid-*/part-*.parquet"))) == 16
    assert ray.is_initialized()  # somebody else's cluster is left running


def test_parts_reach_a_folder_that_the_workers_cannot_write(cluster, tmp_path, monkeypatch):
    """As when each machine has disks of its own: here, one folder to this process and another to the workers."""
    small = replace(GRID, d_x=7, d_y=5)
    (tmp_path / "in the way").write_text("")
    monkeypatch.setattr(workers, "_with_part", _as_if_elsewhere(str(tmp_path / "in the way")))
    table = sweeps.run(small, 8, backend="ray", out=tmp_path / "mine")
    assert len(list(tmp_path.glob("mine/grid-*/part-*.parquet"))) == 2
    monkeypatch.undo()
    same(table, sweeps.run(small, 8, jobs=1))


def _as_if_elsewhere(path):
    def with_part(compute, part):
        from dataclasses import replace
        from pathlib import Path

        return part, replace(compute, folder=replace(compute.folder, path=Path(path)))(part)

    return with_part


def test_a_killed_worker_loses_nothing(cluster, tmp_path, alone, monkeypatch):
    """Killed while it works, once the first part is on disk."""
    killed, mark = [], tmp_path / "killed"
    monkeypatch.setattr(workers, "_with_part", _after_the_first(str(mark)))
    thread = threading.Thread(target=kill_a_worker_once, args=(tmp_path, mark, killed))
    thread.start()
    with pytest.warns(UserWarning, match=r"a worker process died; \d+ of 16 parts are done, the others are submitted"):
        table = sweeps.run(GRID, SEEDS, backend="ray", out=tmp_path)
    thread.join()
    assert len(killed) == 1
    same(table, alone)


def test_an_error_in_a_worker_passes_on_at_once(cluster):
    def compute(part):
        raise ValueError(f"part {part} makes no sense")

    with pytest.raises(ValueError, match=r"part \d makes no sense"):
        list(workers.results(compute, range(5), jobs=2, backend="ray"))


def test_more_jobs_than_the_cluster_has_are_an_error(cluster):
    with pytest.raises(ValueError, match="only 2 CPUs"):
        sweeps.run(GRID, 8, backend="ray", jobs=3)


def test_without_ray_the_error_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(ModuleNotFoundError, match=r'backend "ray" needs .* pip install "lorabook\[cluster\] ') as error:
        sweeps.run(GRID, 4, backend="ray")
    assert "\n" not in str(error.value)
