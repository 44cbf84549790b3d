"""The benchmarks compare equals, and their results are what the page *How fast* reads. Nothing is timed here."""

import json
from dataclasses import replace

import numpy as np
import pytest

from benchmarks import cases, results, sliders, textbook
from lorabook import Task, rank_path, sweeps
from lorabook.explorers import EXPLORERS, RANK_PATH

TINY = sweeps.Grid(d_x=6, d_y=5, n=(4, 9, 20), noise_std=(1.0,), shift_rank=2, ranks=(1, 2))


@pytest.mark.parametrize("n", [3, 6, 20])
@pytest.mark.parametrize("shared", [False, True])
def test_the_textbook_gives_the_library_s_risks(n, shared):
    task = Task.gaussian(6, 5, 2, 1.0, 0)
    X, Y = textbook.sample(task, n, 1)
    every = rank_path(X, Y, task.W0).excess_risks(task)
    expected = every[[-1, 1, 2, min(n, 5)]]
    np.testing.assert_allclose(textbook.excess_risks(task, X, Y, (1, 2, 5), shared), expected, rtol=1e-8)


def test_the_textbook_draws_the_task_s_data():
    task = Task.gaussian(3, 2, 1, 2.0, 0)
    X, Y = textbook.sample(task, 20_000, 1)
    np.testing.assert_allclose(X @ X.T / 20_000, np.eye(3), atol=0.05)
    np.testing.assert_allclose(np.cov(Y - task.W_star @ X), 4 * np.eye(2), atol=0.2)


@pytest.mark.parametrize("shared", [False, True])
@pytest.mark.parametrize(("d", "n"), [(20, 10), (20, 40)])
def test_solutions_agree(d, n, shared):
    case = cases.solutions("tiny", d, n, 10, shared)
    np.testing.assert_allclose(case.run_baseline(), case.ours(), atol=1e-8)


def test_sweeps_agree_on_average():
    """z-scores of 9 means, which exceed 5 with a probability below 1e-5."""
    case = cases.sweep("tiny", TINY, 300, 30)
    first, second = (np.log(risks).reshape(300, 3, 3) for risks in (case.run_baseline(), case.ours()))
    error = np.sqrt((first.var(axis=0) + second.var(axis=0)) / 300)
    assert np.max(np.abs(first.mean(axis=0) - second.mean(axis=0)) / error) < 5


def test_one_point_agrees():
    case = cases.one_point("tiny", TINY, 100_000, 1000)
    assert case.run_baseline().shape == case.ours().shape == (1, 3)
    # Both see the same task, whose rank-1 risk is nearly the square of the second singular value.
    np.testing.assert_allclose(case.run_baseline()[0, 1], case.ours()[0, 1], rtol=0.01)


def test_the_bare_decomposition_is_the_one_of_a_draw():
    case = cases.one_draw("tiny", 20, 40, 2.5, pairs=3)
    first, *_, info = case.run_baseline()
    assert info == 0
    np.testing.assert_allclose(first[:3], np.linalg.eigvalsh(case.fresh())[-3:])
    assert case.ours().lora.shape == (1, 1)


def test_ratios_and_goals():
    faster = replace(cases.one_draw("a", 5, 10, 2.5, pairs=1), limit=False, goal=4.0)
    times = {("a", "baseline"): 0.3, ("a", "ours"): 0.1, ("b", "baseline"): 0.2, ("b", "ours"): 0.3}
    report = {
        "benchmarks": [
            {"extra_info": {"name": name, "side": side}, "stats": {"min": seconds}}
            for (name, side), seconds in times.items()
        ]
    }
    first, second = results.summary(report, [faster, cases.one_draw("b", 5, 10, 2.5, pairs=1)])
    assert (first["ratio"], first["goal"], first["goal_is"]) == (3.0, 4.0, "at least")
    assert (second["ratio"], second["goal"], second["goal_is"]) == (1.5, 2.5, "at most")
    assert (second["baseline_seconds"], second["our_seconds"]) == (0.2, 0.3)


def test_committed_results_have_what_the_page_reads():
    content = json.loads(results.RESULTS.read_text("utf-8"))
    assert set(content["machine"]) == set(results.machine())
    fields = {"name", "what", "against", "baseline_seconds", "our_seconds", "ratio", "goal", "goal_is"}
    for entry in content["benchmarks"]:
        assert set(entry) == fields
        slower, faster = entry["our_seconds"], entry["baseline_seconds"]
        quotient = slower / faster if entry["goal_is"] == "at most" else faster / slower
        assert entry["ratio"] == pytest.approx(quotient, rel=0.02)
    assert sum(entry["goal"] is None for entry in content["benchmarks"]) == 2


def test_sliders_are_moved_and_timed():
    (entry,) = sliders.measure([RANK_PATH], moves=3)
    assert entry["name"] == RANK_PATH.title
    assert 0 < entry["median_ms"] <= entry["slowest_ms"]


def test_the_page_has_the_time_of_every_slider():
    stored = json.loads(results.RESULTS.read_text("utf-8"))["sliders"]
    assert [entry["name"] for entry in stored] == [explorer.title for explorer in EXPLORERS.values()]
