"""pytest-benchmark's report → `benchmarks/results.json`, the small file that the page *How fast* reads.

python -m benchmarks.results REPORT [RESULTS]
"""

import json
import os
import platform
import sys
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import scipy
from threadpoolctl import threadpool_info

from benchmarks import cases, sliders

__all__ = ["machine", "summary"]

RESULTS = Path(__file__).with_name("results.json")


def summary(report: dict, timed: list[cases.Case]) -> list[dict]:
    """One entry per case: shortest times, their ratio (how many times ours is faster, or for a limit slower), goal."""
    seconds = {(b["extra_info"]["name"], b["extra_info"]["side"]): b["stats"]["min"] for b in report["benchmarks"]}
    entries = []
    for case in timed:
        baseline, ours = seconds[case.name, "baseline"], seconds[case.name, "ours"]
        entries.append(
            {
                "name": case.name,
                "what": case.what,
                "against": case.against,
                "baseline_seconds": _digits(baseline),
                "our_seconds": _digits(ours),
                "ratio": _digits(ours / baseline if case.limit else baseline / ours),
                "goal": case.goal,
                "goal_is": "at most" if case.limit else "at least",
            }
        )
    return entries


def machine() -> dict:
    """What the times depend on, without the machine's name."""
    blas = {f"{pool['internal_api']} {pool['version']}" for pool in threadpool_info() if pool["user_api"] == "blas"}
    return {
        "cpu": _cpu(),
        "cores": os.cpu_count(),
        "threads": max(pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"),
        "python": platform.python_version(),
        "numpy": np.__version__,
        "scipy": scipy.__version__,
        "blas": ", ".join(sorted(blas)),
        "date": datetime.now(UTC).date().isoformat(),
    }


def _cpu() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return models[0] if models else platform.machine()


def _digits(value: float) -> float:
    return float(f"{value:.3g}")


def main(report, results=RESULTS) -> None:
    timed = json.loads(Path(report).read_text("utf-8"))
    content = {"machine": machine(), "benchmarks": summary(timed, cases.make())}
    content["sliders"] = sliders.measure()
    Path(results).write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", "utf-8")
    for entry in content["benchmarks"]:
        goal = "" if entry["goal"] is None else f"   (goal: {entry['goal_is']} {entry['goal']:,})"
        print(f"{entry['name']:28} {entry['ratio']:10,}{goal}")
    for entry in content["sliders"]:
        print(f"{entry['name']:44} {entry['median_ms']:4} ms, slowest {entry['slowest_ms']:4} ms")


if __name__ == "__main__":
    main(*sys.argv[1:])
