"""Means of simulations with control variates."""

import numpy as np

from lorabook.wishart import Estimate


def controlled_mean(values: np.ndarray, controls: np.ndarray) -> Estimate:
    """Mean of the values, (draws,), less what a linear combination of the controls, (draws, any), explains of them.

    The controls have mean zero, so this changes the spread and not the mean.
    """
    centred = controls - np.mean(controls, axis=0)
    weights = np.linalg.lstsq(centred, values - np.mean(values), rcond=None)[0]
    rest = values - controls @ weights
    return Estimate(float(np.mean(rest)), float(np.std(rest, ddof=1) / np.sqrt(len(rest))))
