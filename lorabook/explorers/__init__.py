"""Explorers: pictures that follow from the positions of sliders. `lorabook.widgets` shows them.

- `RANK_PATH`: one data set, every rank, and the two parts of the risk
- `WISHART`: eigenvalues of drawn matrices beside the Marchenko–Pastur law
- `BOUNDS_MANY_SAMPLES`, `BOUNDS_FEW_SAMPLES`: bounds beside the risk
- `SPECTRUM`: singular values of the shift against the thresholds, and the best rank
- `SHRINKAGE`: LoRA at its best rank, shrunk LoRA, ridge-LoRA
- `RISK_OVER_SAMPLES`, `RISK_OVER_NOISE`, `RISK_OVER_RANK`: draws beside the exact limits
"""

from lorabook.explorers._model import Axis, Control, Curve, Explorer, Picture, Points
from lorabook.explorers.bounds import BOUNDS_FEW_SAMPLES, BOUNDS_MANY_SAMPLES
from lorabook.explorers.rank_path import RANK_PATH
from lorabook.explorers.risk import RISK_OVER_NOISE, RISK_OVER_RANK, RISK_OVER_SAMPLES
from lorabook.explorers.shrinkage import SHRINKAGE
from lorabook.explorers.spectrum import SPECTRUM
from lorabook.explorers.wishart import WISHART

__all__ = [
    "BOUNDS_FEW_SAMPLES",
    "BOUNDS_MANY_SAMPLES",
    "EXPLORERS",
    "RANK_PATH",
    "RISK_OVER_NOISE",
    "RISK_OVER_RANK",
    "RISK_OVER_SAMPLES",
    "SHRINKAGE",
    "SPECTRUM",
    "WISHART",
    "Axis",
    "Control",
    "Curve",
    "Explorer",
    "Picture",
    "Points",
]

EXPLORERS = {
    explorer.name: explorer
    for explorer in (
        RANK_PATH,
        WISHART,
        BOUNDS_MANY_SAMPLES,
        BOUNDS_FEW_SAMPLES,
        SPECTRUM,
        SHRINKAGE,
        RISK_OVER_SAMPLES,
        RISK_OVER_NOISE,
        RISK_OVER_RANK,
    )
}
"""All of them, by name."""
