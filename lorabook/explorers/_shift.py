"""The shift that the risk explorers share: a rank, a decay, and always the energy d_x d_y of the paper's shifts."""

import numpy as np

from lorabook._arrays import Real
from lorabook.explorers._model import Control, Curve
from lorabook.figures import untrained_style
from lorabook.linalg import exponential_spectrum

D_X = 40
"""Inputs in the explorers of risks: large enough for the theory, small enough to simulate while a slider moves."""

SHIFT_RANK = Control("shift_rank", "rank of the shift", (1, 2, 3, 4, 6, 8, 12, 16), start=4, page=(1, 4, 8))
DECAY = Control(
    "decay", "decay of its singular values", (0.0, 0.1, 0.2, 0.3, 0.5, 0.75, 1.0), start=0.0, page=(0.0, 0.5)
)
D_Y = Control("d_y", "number of outputs", (10, 20, 40, 80), start=40, page=(20, 40))
UNTRAINED = Curve("untrained", untrained_style()["label"], untrained_style()["color"], dash="dotted")
"""The line of the pre-trained model, whose risk is the energy of the shift."""


def spectrum(shift_rank: int, decay: Real, d_y: int) -> np.ndarray:
    """`s_i` proportional to `exp(-decay (i - 1))`, i up to the rank, with `sum_i s_i^2 = d_x d_y`."""
    s = exponential_spectrum(min(shift_rank, d_y), decay)
    return s * np.sqrt(D_X * d_y / np.sum(s**2))
