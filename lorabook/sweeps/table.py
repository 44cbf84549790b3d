"""Arrays of risks → the columns of the tidy table, made whole rather than row by row."""

import numpy as np

from lorabook.sweeps.grid import Grid

__all__ = ["COLUMNS", "columns"]

COLUMNS = ("d_x", "d_y", "n", "noise_std", "shift_rank", "decay", "method", "rank", "seed", "excess_risk")


def columns(grid: Grid, seeds, risks: np.ndarray) -> dict[str, np.ndarray]:
    """The table of risks (seeds, settings, 1 + ranks), one row for each, in that order.

    >>> grid = Grid(d_x=6, d_y=5, n=(4,), noise_std=(1.0,), shift_rank=1, ranks=(1, 2))
    >>> table = columns(grid, [7], np.array([[[3.0, 1.0, 2.0]]]))
    >>> table["rank"], table["excess_risk"]
    (array([4, 1, 2]), array([3., 1., 2.]))
    """
    settings, curves, repeats = grid.settings(), 1 + len(grid.ranks), len(seeds)

    def by_setting(values) -> np.ndarray:
        return np.tile(np.repeat(np.array(values), curves), repeats)

    n = [setting.n for setting in settings]
    full = np.minimum(n, min(grid.d_x, grid.d_y))[:, None]
    lora = np.broadcast_to(np.array(grid.ranks, dtype=np.int64), (len(settings), curves - 1))
    rows = repeats * len(settings) * curves
    return {
        "d_x": np.full(rows, grid.d_x),
        "d_y": np.full(rows, grid.d_y),
        "n": by_setting(n),
        "noise_std": by_setting([setting.noise_std for setting in settings]),
        "shift_rank": by_setting([setting.shift_rank for setting in settings]),
        "decay": by_setting([np.nan if setting.decay is None else float(setting.decay) for setting in settings]),
        "method": np.tile(np.array(["full"] + ["lora"] * (curves - 1), dtype=object), repeats * len(settings)),
        "rank": np.tile(np.hstack([full, lora]).ravel(), repeats),
        "seed": np.repeat(np.array(seeds), len(settings) * curves),
        "excess_risk": np.asarray(risks, dtype=np.float64).ravel(),
    }
