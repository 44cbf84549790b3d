"""Times both functions of every case; not a part of the test suite, and nothing here fails for being slow."""

import pytest

from benchmarks import cases


@pytest.mark.parametrize("case", cases.make(), ids=lambda case: case.name)
@pytest.mark.parametrize("side", ["baseline", "ours"])
def test_speed(benchmark, case, side):
    function, fresh = (case.baseline, case.fresh) if side == "baseline" else (case.ours, None)
    benchmark.group = case.name
    benchmark.extra_info |= {"name": case.name, "side": side}
    setup = None if fresh is None else (lambda: ((fresh(),), {}))
    rounds = case.rounds[side == "ours"]
    benchmark.pedantic(function, setup=setup, rounds=rounds, warmup_rounds=int(rounds > 1))
