"""The bound-versus-truth explorers (chapters *More data than dimensions*, *Fewer data than dimensions*)."""

import numpy as np

from lorabook import Task, bounds, sampler
from lorabook.explorers._model import Axis, Control, Curve, Explorer, Picture, Points, number
from lorabook.figures import COLORS, INK

__all__ = ["BOUNDS_FEW_SAMPLES", "BOUNDS_MANY_SAMPLES"]

D = 40
_RANKS = (1, 2, 4, 8)
_DRAWS = 20
_MOMENTS = 100
_FLOOR = "inevitable error, if above 0"


def _picture(n, noise_std, shift_rank) -> Picture:
    s = np.full(shift_rank, D / np.sqrt(shift_rank))
    shift = np.zeros((D, D))
    np.fill_diagonal(shift[:shift_rank, :shift_rank], s)
    task = Task(np.zeros((D, D)), shift, noise_std**2)
    risks = sampler.draw_risks(s, D, D, n, noise_std, _RANKS, _DRAWS, seed=0).lora
    mean, error = risks.mean(axis=0), risks.std(axis=0, ddof=1) / np.sqrt(_DRAWS)
    full = bounds.full_risk(task, n).total
    curves = {
        "paper": [bounds.lora_bound_three_terms(task, n, r, "paper", draws=_MOMENTS).total for r in _RANKS],
        "unsplit": [bounds.lora_bound(task, n, r, draws=_MOMENTS).total for r in _RANKS],
        "sharp": [bounds.lora_bound_sharp(task, n, r, draws=_MOMENTS).total for r in _RANKS],
        "full": [full] * len(_RANKS),
        "floor": [bounds.inevitable_error(task, r) for r in _RANKS],
    }
    series = {key: Points(np.array(_RANKS), np.array(values)) for key, values in curves.items()}
    series["floor points"] = series["floor"]
    series["truth"] = Points(np.array(_RANKS), mean, mean - error, mean + error)
    at = _RANKS.index(min(shift_rank, _RANKS[-1]))
    sharp, theorem, paper = (
        f"{number(curves[key][at] / mean[at], 3)} times as large" for key in ("sharp", "unsplit", "paper")
    )
    if abs(curves["sharp"][at] - mean[at]) < 2 * error[at]:
        sharp = "equal to it within the error of the draws"
    certified = [name for name, key in _NAMES.items() if min(curves[key]) < full]
    words = (
        f"At rank {_RANKS[at]} the risk is {number(mean[at])} ± {number(error[at], 2)}, mean of {_DRAWS} draws and its "
        f"standard error. The sharp form of the bound is {sharp}; the theorem, unsplit, is {theorem}; with the "
        f"constants of the paper's route it is {paper}. Full fine-tuning has {number(full)}; that LoRA of some rank "
        f"here beats it is certified by {' and '.join(certified) if certified else 'none of the bounds'}."
    )
    return Picture(series, words)


_NAMES = {
    "the sharp form": "sharp",
    "the theorem": "unsplit",
    "the constants of the paper's route": "paper",
}


def _explorer(name: str, title: str, samples: Control) -> Explorer:
    return Explorer(
        name=name,
        title=title,
        description="Excess risk of LoRA against its rank, mean of draws, below three upper bounds of its mean and "
        f"above the inevitable error; full fine-tuning dashed. {D} inputs and outputs. Sliders set samples, noise and "
        "the rank of the shift.",
        controls=(
            samples,
            Control(
                "noise_std", "noise σ (units of y)", (0.5, 1, 2, 4, 8, 12, 16, 24), start=4, page=(0.5, 2, 4, 8, 16)
            ),
            Control("shift_rank", "rank of the shift", (1, 2, 4, 8, 16, 40), start=4, page=(1, 2, 4, 8)),
        ),
        curves=(
            Curve("paper", "constants of the paper's route", COLORS["orange"]),
            Curve("unsplit", "theorem, unsplit", COLORS["blue"]),
            Curve("sharp", "sharp form", COLORS["green"]),
            Curve("full", "full fine-tuning, exact", INK, dash="dashed"),
            Curve("floor", _FLOOR, COLORS["red"], dash="dashed"),
            Curve("floor points", _FLOOR, COLORS["red"], "points"),
            Curve("truth", "LoRA, mean of draws", COLORS["purple"], "points"),
        ),
        x=Axis("rank r of LoRA", whole=True),
        y=Axis("excess risk (squared units of y)", log=True),
        compute=_picture,
    )


BOUNDS_MANY_SAMPLES = _explorer(
    "bounds-many-samples",
    "Bound and truth, more data than dimensions",
    Control("n", "samples n", (45, 60, 80, 120, 200, 400, 1000, 4000), start=200, page=(45, 60, 80, 200, 1000, 4000)),
)
BOUNDS_FEW_SAMPLES = _explorer(
    "bounds-few-samples",
    "Bound and truth, fewer data than dimensions",
    Control("n", "samples n", (5, 10, 15, 20, 25, 30, 35), start=20),
)
