"""The shrinkage explorer: truncation at its best against shrinkage and ridge (chapter *Better than truncation*)."""

import numpy as np

from lorabook import sharp
from lorabook._arrays import Real
from lorabook.explorers._model import Axis, Control, Curve, Explorer, Picture, Points, number
from lorabook.explorers._shift import D_X, D_Y, DECAY, SHIFT_RANK, UNTRAINED, spectrum
from lorabook.figures import COLORS, INK
from lorabook.predictions import predicted_risks

__all__ = ["SHRINKAGE"]

_SAMPLES = np.unique(np.concatenate([np.geomspace(5, 400, 20).astype(int), [34, 36, 37, 38, 42, 43, 44, 47]]))
_SAMPLES = _SAMPLES[np.abs(_SAMPLES - D_X) > 1]
_AT = 80


def _risks(s, d_y: int, n: int, noise_std: Real) -> list[float]:
    """Full fine-tuning, LoRA at the best rank, shrunk LoRA, ridge-LoRA; NaN where the theory refuses."""
    best = sharp.best_rank(s, D_X, d_y, n, noise_std)
    prediction = predicted_risks((best,), s, D_X, d_y, n, noise_std)
    try:
        better = [sharp.shrunk_risk(s, D_X, d_y, n, noise_std), sharp.ridge_risk(s, D_X, d_y, n, noise_std)]
    except sharp.TooManyVisibleError:
        better = [np.nan, np.nan]
    return [prediction.full, float(prediction.lora[0]), *better]


def _picture(noise_std, shift_rank, decay, d_y) -> Picture:
    s = spectrum(shift_rank, decay, d_y)
    columns = np.array([_risks(s, d_y, int(n), noise_std) for n in _SAMPLES]).T
    series = {
        key: Points(_SAMPLES, column) for key, column in zip(("full", "lora", "shrunk", "ridge"), columns, strict=True)
    }
    series["untrained"] = Points(_SAMPLES, np.full(len(_SAMPLES), s @ s))
    full, truncated, shrunk, ridge = _risks(s, d_y, _AT, noise_std)
    if np.isnan(shrunk):
        words = (
            f"At n = {_AT} all outputs carry a detectable direction, more than the theory allows: only full "
            f"fine-tuning has a prediction, {number(full)}; not training {number(s @ s)}."
        )
        return Picture(series, words)
    words = (
        f"Predicted excess risk at n = {_AT}: full fine-tuning {number(full)}, LoRA of the best rank, "
        f"{sharp.best_rank(s, D_X, d_y, _AT, noise_std)}: {number(truncated)}, shrunk LoRA {number(shrunk)}, "
        f"ridge-LoRA {number(ridge)}; not training {number(s @ s)}."
    )
    return Picture(series, words)


SHRINKAGE = Explorer(
    name="shrinkage",
    title="Truncating, shrinking, ridge",
    description="Predicted excess risk against the number of samples of full fine-tuning, LoRA at its best rank, "
    f"shrunk LoRA and ridge-LoRA, with {D_X} inputs; dotted, the risk of not training. Sliders set the noise, the "
    "rank and decay of the shift, and the number of outputs.",
    controls=(
        Control(
            "noise_std", "noise σ (units of y)", (1, 2, 3, 4, 6, 8, 12, 16, 24), start=6, page=(2, 4, 6, 8, 12, 24)
        ),
        SHIFT_RANK,
        DECAY,
        D_Y,
    ),
    curves=(
        Curve("full", "full fine-tuning", INK, dash="dashed", gap=D_X),
        UNTRAINED,
        Curve("lora", "LoRA of the best rank", COLORS["orange"], gap=D_X),
        Curve("shrunk", "shrunk LoRA", COLORS["blue"], gap=D_X),
        Curve("ridge", "ridge-LoRA", COLORS["green"]),
    ),
    x=Axis("samples n", log=True, range=(5, 400)),
    y=Axis("excess risk (squared units of y)", log=True),
    compute=_picture,
)
