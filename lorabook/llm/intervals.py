"""Differences between methods with their uncertainty: over repeats, and over the test items that they share.

Chapter *From the linear model to a network*.
"""

import math
from dataclasses import dataclass

import numpy as np
from scipy import stats

from lorabook import _validate
from lorabook._arrays import Float, Real

__all__ = ["Estimate", "crossed", "nested"]


@dataclass(frozen=True)
class Estimate:
    """A mean and its confidence interval."""

    mean: Real
    low: Real
    high: Real

    @property
    def half_width(self) -> float:
        return (self.high - self.low) / 2

    @property
    def covers_zero(self) -> bool:
        return bool(self.low <= 0.0 <= self.high)


def nested(values: Float[np.ndarray, "repeats items"], confidence: Real = 0.95) -> Estimate:
    """The mean over repeats that have test items of their own: Student's interval over the means of the repeats.

    Those means vary with the repeat and with its items, so both are in the interval. A single repeat has no
    interval; its ends are then infinite.

    Raises ValueError for values that are not a finite matrix, or a confidence that is not between 0 and 1.
    """
    values = _validate.matrix("values", values)
    means = values.mean(axis=1)
    if len(means) == 1:
        return Estimate(float(means[0]), -math.inf, math.inf)
    return _student(float(means.mean()), float(means.var(ddof=1)) / len(means), len(means) - 1, confidence)


def crossed(values: Float[np.ndarray, "repeats items"], confidence: Real = 0.95) -> Estimate:
    """The mean over repeats that share their test items, both taken as random.

    With the mean squares of rows, of columns and of what is left, the variance of the mean is
    `(MS_rows + MS_columns - MS_rest) / (rows * columns)`, and Satterthwaite's formula gives the degrees of freedom.
    Where that comes out below the larger of the two one-way variances, the latter is taken. One repeat alone has the
    variance of its items.

    Raises ValueError as `nested` does.
    """
    values = _validate.matrix("values", values)
    rows, columns = values.shape
    mean = float(values.mean())
    if columns == 1:
        return nested(values, confidence)
    if rows == 1:
        return _student(mean, float(values.var(ddof=1)) / columns, columns - 1, confidence)
    by_row, by_column = values.mean(axis=1), values.mean(axis=0)
    ms_rows = columns * float(by_row.var(ddof=1))
    ms_columns = rows * float(by_column.var(ddof=1))
    rest = values - by_row[:, None] - by_column[None, :] + mean
    ms_rest = float((rest**2).sum()) / ((rows - 1) * (columns - 1))
    total = ms_rows + ms_columns - ms_rest
    if total <= max(ms_rows, ms_columns):
        most, freedom = max((ms_rows, rows - 1), (ms_columns, columns - 1))
        return _student(mean, most / (rows * columns), freedom, confidence)
    spread = ms_rows**2 / (rows - 1) + ms_columns**2 / (columns - 1) + ms_rest**2 / ((rows - 1) * (columns - 1))
    return _student(mean, total / (rows * columns), total**2 / spread, confidence)


def _student(mean: float, variance: float, freedom: Real, confidence: Real) -> Estimate:
    confidence = _validate.number("confidence", confidence, strict=True)
    if confidence >= 1.0:
        raise ValueError(f"confidence is {confidence:g}; it must be below 1")
    width = float(stats.t.ppf(0.5 + confidence / 2, freedom)) * math.sqrt(variance)
    return Estimate(mean, mean - width, mean + width)
