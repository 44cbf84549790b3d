"""The exact limits along a curve, refused where they do not hold, for pictures (chapter *The linear experiments*)."""

import warnings
from typing import NamedTuple

import numpy as np

from lorabook import _validate, sharp
from lorabook._arrays import Float, Integer, Real

__all__ = ["Prediction", "predicted_risks"]


class Prediction(NamedTuple):
    """Predicted mean risks of one setting; squared units of y."""

    full: float
    lora: Float[np.ndarray, " ranks"]
    """NaN where the theory refuses, infinite where the mean is."""
    trusted: np.ndarray
    """Whether no `sharp.AccuracyWarning` came with it, (ranks,)."""


def predicted_risks(
    ranks,
    singular_values: Float[np.ndarray, " k"],
    d_x: Integer,
    d_y: Integer,
    n: Integer,
    noise_std: Real,
    draws: Integer = 0,
) -> Prediction:
    """Full fine-tuning, exact, and LoRA at each rank: `sharp.lora_risk_limit`, or with draws `sharp.core_risk`.

    Where the theory refuses (more detectable directions than it allows) the value is NaN; where it warns, the value
    is not trusted.

    Arguments: ranks, a sequence of integers of at least 0; draws, 0 or at least 2; the rest as in `sharp.lora_risk`.
    Raises ValueError for bad input, as `sharp.lora_risk` does.

    >>> prediction = predicted_risks((1, 4), np.array([3.0, 2.0]), d_x=20, d_y=20, n=80, noise_std=1.0)
    >>> prediction.lora.round(2), prediction.trusted
    (array([4.62, 3.14]), array([ True,  True]))
    """
    ranks, draws = _validate.integers("ranks", ranks, 0), _validate.integer("draws", draws, 0)
    full = sharp.full_risk(singular_values, d_x, d_y, n, noise_std)
    values, trusted = np.full(len(ranks), np.nan), np.zeros(len(ranks), dtype=bool)
    for i, rank in enumerate(ranks):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always", sharp.AccuracyWarning)
            try:
                if draws:
                    values[i] = sharp.core_risk(rank, singular_values, d_x, d_y, n, noise_std, draws=draws).value
                else:
                    values[i] = sharp.lora_risk_limit(rank, singular_values, d_x, d_y, n, noise_std)
            except sharp.TooManyVisibleError:
                continue
        trusted[i] = not caught
    return Prediction(full, values, trusted)
