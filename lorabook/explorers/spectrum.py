"""The spectrum explorer: a shift's singular values against the two thresholds (chapter *The exact answer*)."""

import numpy as np

from lorabook import sharp
from lorabook.explorers._model import Axis, Control, Curve, Explorer, Picture, Points, number
from lorabook.figures import COLORS
from lorabook.linalg import exponential_spectrum
from lorabook.predictions import predicted_risks

__all__ = ["SPECTRUM"]

D = 100
_KEYS = {"useful": "useful", "harmful": "harmful", "invisible": "invisible"}


def _picture(n, noise_std, strongest, decay, directions) -> Picture:
    s = exponential_spectrum(directions, decay, strongest)
    index, zones = np.arange(1, directions + 1), np.array(sharp.zones(s, D, D, n, noise_std))
    detect = sharp.detection_threshold(D, D, n, noise_std)
    useful = sharp.usefulness_threshold(D, D, n, noise_std)
    ends = np.array([0.5, 20.5])
    series = {
        "detect": Points(ends, np.full(2, detect)),
        "use": Points(ends, np.full(2, useful)),
        **{key: Points(index[zones == key], s[zones == key]) for key in _KEYS},
    }
    best = sharp.best_rank(s, D, D, n, noise_std)
    prediction = predicted_risks((best,), s, D, D, n, noise_std)
    counts = ", ".join(f"{int(np.sum(zones == key))} {key}" for key in _KEYS)
    words = (
        f"Of {directions} directions {counts}. Detectable from {detect:.3g}, useful from {useful:.3g}: the best rank "
        f"is {best}. Predicted excess risk: {number(prediction.lora[0])}, full fine-tuning "
        f"{number(prediction.full)}, not training {number(s @ s)}."
    )
    if not prediction.trusted[0]:
        words += " A direction is close to a threshold here: this prediction is less accurate."
    return Picture(series, words)


SPECTRUM = Explorer(
    name="spectrum",
    title="From the spectrum of the shift to the best rank",
    description="Singular values of a shift by index, useful, harmful or invisible, with the detectability and the "
    f"usefulness threshold as lines. {D} inputs and outputs. Sliders set samples, noise, the strongest singular value, "
    "the decay, and the number of directions.",
    controls=(
        Control(
            "n",
            "samples n",
            (25, 50, 75, 90, 97, 104, 110, 150, 200, 400, 1000),
            start=200,
            page=(50, 90, 110, 200, 400),
        ),
        Control("noise_std", "noise σ (units of y)", (0.25, 0.5, 1, 2, 4), start=1, page=(0.5, 1, 2)),
        Control("strongest", "largest singular value", (1, 2, 3, 4, 6, 8, 12), start=4, page=(2, 4, 8)),
        Control(
            "decay", "decay of the singular values", (0.0, 0.05, 0.1, 0.2, 0.3, 0.5), start=0.1, page=(0.0, 0.1, 0.3)
        ),
        Control("directions", "directions", (1, 2, 4, 8, 12, 20), start=12, page=(4, 12, 20)),
    ),
    curves=(
        Curve("use", "useful above", COLORS["green"]),
        Curve("detect", "detectable above", COLORS["orange"], dash="dashed"),
        Curve("useful", "useful: keep", COLORS["green"], "points"),
        Curve("harmful", "harmful: visible, not worth its noise", COLORS["red"], "points"),
        Curve("invisible", "invisible", COLORS["purple"], "points"),
    ),
    x=Axis("index i of the direction", range=(0.5, 20.5), whole=True),
    y=Axis("singular value of the shift (units of y)", log=True, range=(0.02, 30)),
    compute=_picture,
)
