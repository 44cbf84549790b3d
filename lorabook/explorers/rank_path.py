"""The rank-path explorer: one data set, every rank, and the two parts of the risk (chapter *The LoRA solution*)."""

import numpy as np

from lorabook import Task, rank_path
from lorabook.explorers._model import Axis, Control, Curve, Explorer, Picture, Points, number
from lorabook.figures import COLORS, INK

__all__ = ["RANK_PATH"]

D = 30
_ROUNDING = 1e-12 * D * D
"""Below it a risk is zero: the energy of a shift is about d_x d_y."""


def _picture(n, noise_std, shift_rank, seed) -> Picture:
    task = Task.gaussian(D, D, shift_rank, noise_std, seed)
    path = rank_path(*task.sample(n, seed), task.W0)
    error, missed = (np.where(part > _ROUNDING, part, 0.0) for part in path.risk_parts(task))
    risks = error + missed
    ranks = np.arange(len(risks))
    best = int(np.argmin(risks))
    series = {
        "full": Points(ranks[[0, -1]], risks[[-1, -1]]),
        "error": Points(ranks, error),
        "missed": Points(ranks, missed),
        "risk": Points(ranks, risks),
    }
    words = (
        f"Rank {best} has the least excess risk on this data set, {number(risks[best])}: error in what it keeps "
        f"{number(error[best])}, shift that it misses {number(missed[best])}. Full fine-tuning has "
        f"{number(risks[-1])}, not training {number(risks[0])}."
    )
    return Picture(series, words)


RANK_PATH = Explorer(
    name="rank-path",
    title="One data set, every rank",
    description="Excess risk of LoRA on one data set against its rank, and its two parts: the error of full "
    "fine-tuning in the directions that are kept, which grows with the rank, and the shift in the others, which falls. "
    f"{D} inputs and outputs. Sliders set samples, noise, the rank of the shift, and the seed of the data.",
    controls=(
        Control(
            "n", "samples n", (5, 10, 15, 20, 25, 28, 32, 35, 40, 60, 100, 200), start=60, page=(10, 20, 40, 60, 200)
        ),
        Control(
            "noise_std", "noise σ (units of y)", (0, 0.5, 1, 2, 4, 6, 8, 12, 16, 24), start=6, page=(0, 2, 6, 12, 24)
        ),
        Control("shift_rank", "rank of the shift", (0, 1, 2, 3, 4, 6, 8, 12, 20, 30), start=4, page=(1, 4, 12)),
        Control("seed", "seed of the data", tuple(range(10)), start=0, page=(0, 1, 2)),
    ),
    curves=(
        Curve("full", "full fine-tuning", INK, dash="dashed"),
        Curve("risk", "excess risk of LoRA", COLORS["blue"]),
        Curve("error", "error in what is kept", COLORS["orange"]),
        Curve("missed", "shift that is missed", COLORS["green"]),
    ),
    x=Axis("rank r of LoRA", whole=True),
    y=Axis("excess risk (squared units of y)"),
    compute=_picture,
)
