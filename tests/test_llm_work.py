"""Working through a grid: killed again and again, beside another process, on a full disk, on a cluster."""

import contextlib
import json
import multiprocessing
import os
import signal
import time
from multiprocessing import forkserver
from pathlib import Path

import numpy as np
import pytest
import torch
from llm_process import work_through

from lorabook.llm import cluster, runs, work
from lorabook.llm.grid import Grid
from lorabook.llm.locks import try_lock

VALUES = {
    "name": "killed",
    "base": {
        "model": "tiny", "task": "csqa", "data": "synthetic", "shift_rank": 1, "n": 128, "test_n": 50, "epochs": 12,
        "validation": 0.0, "micro_batch_size": 16, "spectra": False,
    },
    "methods": [
        {"method": "full", "rates": [1e-3, 2e-3]},
        {"method": "lora", "rank": 2, "dropout": 0.1, "rates": [7e-3]},
        {"method": "full", "optimizer": "sgd", "rates": [3e-2]},
    ],
    "axes": {"noise": [0.0, 0.4]},
    "search": {"score": "test", "repeats": [{"seed": 9}], "choices": {"clean": {"noise": 0.0}}},
    "checkpoint_steps": 4,
    "keep_weights": True,
}  # fmt: skip
QUICK = VALUES | {"base": VALUES["base"] | {"epochs": 1}, "methods": VALUES["methods"][:2], "keep_weights": False}


@pytest.fixture(scope="module")
def processes():
    """New processes that are copies of one which has everything imported and has computed nothing."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["llm_process"])
    with pytest.MonkeyPatch.context() as patch:
        # Before Python 3.13 the server knows this process's path only from the environment, and says nothing of a
        # module that it cannot find.
        patch.setenv("PYTHONPATH", str(Path(__file__).parent), prepend=os.pathsep)
        forkserver.ensure_running()
    return context


@pytest.fixture(autouse=True)
def one_thread():
    torch.set_num_threads(1)


def state(out):
    """Everything that a grid leaves behind, without what it cost."""
    found = {}
    for path in sorted(out.rglob("*")):
        name = path.relative_to(out).as_posix()
        if path.name == runs.RESULT:
            found[name] = {key: value for key, value in json.loads(path.read_text()).items() if key != "cost"}
        elif path.is_file() and path.name != "lock" and "jobs" not in path.parts:
            found[name] = path.read_bytes()
    return found


def same(found, expected):
    """The same files with the same contents; says the names of those that differ, of which there may be megabytes."""
    assert sorted(found) == sorted(expected)
    assert [name for name in expected if found[name] != expected[name]] == []


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory, processes):
    out = tmp_path_factory.mktemp("uninterrupted")
    one = processes.Process(target=work_through, args=(VALUES, str(out)))
    one.start()
    one.join()
    assert one.exitcode == 0
    assert sum(name.endswith("result.json") for name in state(out)) == 2 + 6
    return state(out)


def test_killed_twenty_times_it_ends_as_if_nothing_had_been(uninterrupted, processes, tmp_path):
    """Bit for bit: results, losses and weights, of AdamW, of SGD, and of LoRA with dropout."""
    rng, resumed = np.random.default_rng(0), 0
    for kill in range(20):
        one = processes.Process(target=work_through, args=(VALUES, str(tmp_path)))
        started = time.time()
        one.start()
        # A quarter of the kills come at any moment; the others soon after a checkpoint.
        while kill % 4 and one.is_alive() and not checkpoints(tmp_path, started):
            time.sleep(0.005)
        time.sleep(rng.uniform(0, 0.4 if kill % 4 else 2.0))
        os.kill(one.pid, signal.SIGKILL)
        one.join()
        assert one.exitcode in (-signal.SIGKILL, 0)
        resumed += bool(checkpoints(tmp_path, 0.0))
    assert resumed >= 10  # that often there was something to go on from
    last = processes.Process(target=work_through, args=(VALUES, str(tmp_path)))
    last.start()
    last.join()
    assert last.exitcode == 0
    same(state(tmp_path), uninterrupted)
    costs = [json.loads(path.read_text())["cost"] for path in tmp_path.rglob("result.json")]
    assert any(cost["resumed_at"] > 0 for cost in costs)


def test_two_processes_share_the_work(uninterrupted, processes, tmp_path):
    both = [processes.Process(target=work_through, args=(VALUES, str(tmp_path))) for _ in range(2)]
    for one in both:
        one.start()
    for one in both:
        one.join()
        assert one.exitcode == 0
    same(state(tmp_path), uninterrupted)


def test_a_half_written_checkpoint_is_not_trusted(tmp_path, monkeypatch):
    grid = Grid.from_dict(QUICK | {"checkpoint_steps": 1})
    cell = grid.all_cells()[0][0]  # of the search, which is run whatever rate it finds
    folder = work.folder_of(tmp_path, cell) / "checkpoints" / "checkpoint-3"
    folder.mkdir(parents=True)
    (folder / "model.safetensors").write_bytes(b"half")
    assert work.work(grid, tmp_path).is_whole
    assert not folder.exists()


def test_half_written_weights_are_written_anew(tmp_path):
    grid = Grid.from_dict(QUICK | {"keep_weights": True})
    cell = next(cell for cell in grid.all_cells()[1] if cell.config.method == "lora")
    work.finish(tmp_path, cell, grid)
    before = state(tmp_path)
    folder = work.folder_of(tmp_path, cell)
    (folder / "result.json").unlink()
    for path in (folder / "weights").iterdir():
        path.write_bytes(path.read_bytes()[:100])
    (folder / "weights" / "README.md").write_text("")
    work.finish(tmp_path, cell, grid)
    same(state(tmp_path), before)


def test_finished_cells_are_not_run_again(tmp_path, monkeypatch):
    grid, calls = Grid.from_dict(QUICK), []
    run = runs.run
    monkeypatch.setattr(runs, "run", lambda config, *rest: calls.append(config) or run(config, *rest))
    assert work.work(grid, tmp_path) == work.Outcome(done=6)
    assert len(calls) == 6
    before = state(tmp_path)
    assert work.work(grid, tmp_path) == work.Outcome(done=6)
    assert len(calls) == 6
    same(state(tmp_path), before)


def test_what_a_process_left_that_was_killed_after_its_result_is_cleared_away(tmp_path):
    grid = Grid.from_dict(QUICK)
    work.work(grid, tmp_path)
    before = state(tmp_path)
    cell = next((tmp_path / "cells").iterdir())
    (cell / "checkpoints" / "checkpoint-3").mkdir(parents=True)
    (cell / "checkpoints" / "checkpoint-3" / "model.safetensors").write_bytes(b"whole")
    for path in (cell / "failed.json", cell / ".result.json.0123.tmp", tmp_path / ".killed.grid.json.4567.tmp"):
        path.write_text("{}")
    with try_lock(cell / "lock") as held:  # as if another process were at work there
        assert held
        work.work(grid, tmp_path)
        assert (cell / "checkpoints").exists()
    assert work.work(grid, tmp_path) == work.Outcome(done=6)
    same(state(tmp_path), before)
    assert not (cell / "checkpoints").exists()


def test_a_failing_cell_is_noted_and_the_others_go_on(tmp_path, monkeypatch):
    """A full disk, for one: and the next call tries it again."""
    grid, run = Grid.from_dict(QUICK), runs.run

    def full_disk(config, *rest):
        if config.method == "lora" and config.noise == 0.4:
            raise OSError(28, "No space left on device")
        return run(config, *rest)

    monkeypatch.setattr(runs, "run", full_disk)
    outcome = work.work(grid, tmp_path)
    assert (outcome.done, outcome.diverged, len(outcome.failed)) == (5, [], 1)
    assert "LoRA, r = 2 at {'noise': 0.4}" in outcome.failed[0]
    assert outcome.failed[0].endswith("OSError: [Errno 28] No space left on device")
    monkeypatch.setattr(runs, "run", run)
    assert work.work(grid, tmp_path) == work.Outcome(done=6)
    assert not list(tmp_path.rglob("failed.json"))


def test_a_disk_too_full_to_say_so(tmp_path, monkeypatch):
    grid = Grid.from_dict(QUICK)

    def full_disk(*_):
        raise OSError(28, "No space left on device")

    write = runs.write_json
    monkeypatch.setattr(
        runs, "write_json", lambda path, value: write(path, value) if "grid" in path.name else full_disk()
    )
    outcome = work.work(grid, tmp_path)
    assert outcome.done == 0
    assert "no learning rate for full at {'noise': 0.0}" in outcome.failed


def test_divergence_is_recorded_and_the_grid_goes_on(tmp_path):
    methods = [{"method": "full", "rates": [1e30], "clip": 0.0}, {"method": "lora", "rank": 2, "rates": [7e-3]}]
    outcome = work.work(Grid.from_dict(QUICK | {"methods": methods}), tmp_path)
    assert (outcome.done, outcome.failed, len(outcome.diverged)) == (2, [], 2)
    assert not outcome.is_whole


def test_a_rate_that_diverges_in_the_search_is_no_failure(tmp_path):
    methods = [{"method": "full", "rates": [1e-3, 1e30], "clip": 0.0}]
    outcome = work.work(Grid.from_dict(QUICK | {"methods": methods}), tmp_path)
    assert outcome == work.Outcome(done=4)


def test_grids_share_a_folder_and_what_they_have_in_common(tmp_path):
    first, second = Grid.from_dict(QUICK), Grid.from_dict(QUICK | {"name": "other", "axes": {"noise": [0.0, 0.2]}})
    work.work(first, tmp_path)
    count = len(list(tmp_path.rglob("result.json")))
    assert work.work(second, tmp_path) == work.Outcome(done=6)
    assert len(list(tmp_path.rglob("result.json"))) == count + 2
    with pytest.raises(ValueError, match="has another grid of the name 'killed'"):
        work.work(Grid.from_dict(QUICK | {"axes": {"noise": [0.1]}}), tmp_path)


def test_debug_engine_is_the_same_code(tmp_path):
    grid = Grid.from_dict(QUICK)
    assert work.work(grid, tmp_path / "here").is_whole
    assert work.work(grid, tmp_path / "debug", run_cells=cluster.runner("debug", 2)).is_whole
    same(state(tmp_path / "debug"), state(tmp_path / "here"))


def test_local_engine_with_a_worker_killed_in_the_middle(uninterrupted, processes, tmp_path):
    """Two jobs, one of which is killed once; its cells are submitted again and end as if nothing had been."""
    controller = processes.Process(target=on_cluster, args=(VALUES, str(tmp_path)))
    controller.start()
    deadline = time.time() + 120
    while time.time() < deadline and not checkpoints(tmp_path, 0.0):
        time.sleep(0.02)
    victims = workers_below(controller.pid)
    assert victims
    os.kill(victims[0], signal.SIGKILL)
    controller.join()
    assert controller.exitcode == 0
    same(state(tmp_path), uninterrupted)


def checkpoints(out, since):
    """The whole ones that are newer, and are not gone again; folders may go while they are listed."""
    found = []
    for folder, _, names in os.walk(out):
        path = Path(folder, "complete")
        if path.name in names and path.parent.name.startswith("checkpoint-"):
            with contextlib.suppress(FileNotFoundError):
                found += [path] if path.stat().st_mtime > since else []
    return found


def on_cluster(values, out):
    outcome = work.work(Grid.from_dict(values), out, run_cells=cluster.runner("local", 2))
    assert outcome.is_whole, outcome


def workers_below(pid):
    """The Python processes under a process that have no children themselves."""
    children = {}
    for entry in os.scandir("/proc"):
        if entry.name.isdigit():
            try:
                fields = Path(f"/proc/{entry.name}/stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            children.setdefault(int(fields[1]), []).append(int(entry.name))
    leaves, todo = [], list(children.get(pid, []))
    while todo:
        one = todo.pop()
        todo += children.get(one, [])
        leaves += [] if children.get(one) else [one]
    return sorted(leaves)


def test_unknown_engines_and_workers():
    with pytest.raises(ValueError, match="engine is 'pbs'"):
        cluster.runner("pbs")
    with pytest.raises(ValueError, match="workers is 0"):
        cluster.runner("local", 0)


def test_slurm_jobs_have_a_gpu_each_and_come_in_arrays(tmp_path, monkeypatch):
    """What would be submitted, without a Slurm to submit it to."""
    import submitit

    class Job:
        def exception(self):
            return None

    class Executor:
        parameters, arrays = {}, []

        def __init__(self, folder, cluster):
            assert cluster == "slurm"

        def update_parameters(self, **changes):
            self.parameters.update(changes)

        def map_array(self, function, shares):
            self.arrays.append(list(shares))
            return [Job() for _ in shares]

    monkeypatch.setattr(submitit, "AutoExecutor", Executor)
    monkeypatch.setattr(cluster, "LARGEST_ARRAY", 3)
    cells = Grid.from_dict(VALUES).all_cells()[1]
    cluster.runner("slurm", 4, {"slurm_partition": "gpu"}, 60)(cells, tmp_path, Grid.from_dict(VALUES), False)
    assert Executor.parameters == {
        "timeout_min": 60, "slurm_partition": "gpu", "gpus_per_node": 1, "slurm_array_parallelism": 4,
    }  # fmt: skip
    assert [[cell.id for share in array for cell in share] for array in Executor.arrays] == [
        [cell.id for cell in cells[:3]],
        [cell.id for cell in cells[3:]],
    ]
