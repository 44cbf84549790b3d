"""How long a live explorer takes from the move of a slider to the new picture, in milliseconds."""

import random
import time
from statistics import median

from lorabook import widgets
from lorabook.explorers import EXPLORERS, Explorer

__all__ = ["measure"]


def measure(explorers: list[Explorer] | None = None, moves: int = 20) -> list[dict]:
    """Random moves of random sliders, the same every time: the median and the slowest of each explorer."""
    return [_measure(explorer, moves) for explorer in explorers or EXPLORERS.values()]


def _measure(explorer: Explorer, moves: int) -> dict:
    panel, rng, times = widgets.Panel(explorer), random.Random(explorer.name), []
    for _ in range(moves):
        control = rng.choice(explorer.controls)
        slider = panel.controls[control.name]
        value = rng.choice([value for value in control.values if value != slider.value])
        start = time.perf_counter()
        slider.value = value
        times.append(1000 * (time.perf_counter() - start))
    return {"name": explorer.title, "median_ms": round(median(times)), "slowest_ms": round(max(times))}
