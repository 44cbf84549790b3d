"""What an explorer is: controls, a picture that follows from them, and its numbers in words. Nothing here draws."""

import itertools
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np

from lorabook._arrays import Real

__all__ = ["Axis", "Control", "Curve", "Explorer", "Picture", "Points", "number"]


def number(value: Real, digits: int = 4) -> str:
    """A number in words: this many digits, and all of those before the point up to a million.

    >>> number(0.12345), number(1349.51), number(102_583.4), number(102_583.4, 2), number(2e8)
    ('0.1235', '1,350', '102,583', '102,583', '2e+08')
    """
    return f"{value:,.0f}" if 10 ** (digits - 1) <= abs(value) < 1e6 else f"{value:.{digits}g}"


@dataclass(frozen=True)
class Control:
    """A slider over listed values."""

    name: str
    """The keyword argument that it sets."""
    label: str
    """Shown beside it, with the unit."""
    values: tuple
    """Every position where there is a kernel."""
    start: object
    page: tuple = ()
    """Positions on the page, where each combination is computed beforehand; none means all."""

    def __post_init__(self):
        positions = self.page or self.values
        if not set(positions) <= set(self.values) or self.start not in positions or len(positions) < 2:
            raise ValueError(
                f"{self.name} starts at {self.start!r} and has the positions {positions} of {self.values}; it needs "
                "two positions or more, all of them values, one of them the start"
            )

    @property
    def positions(self) -> tuple:
        """Those on the page."""
        return self.page or self.values

    @staticmethod
    def text(value) -> str:
        """A value as the control shows it."""
        return value if isinstance(value, str) else number(value)


@dataclass(frozen=True)
class Curve:
    """How one series of a picture is drawn."""

    key: str
    label: str
    color: str
    mark: Literal["line", "points", "bars"] = "line"
    dash: Literal["solid", "dashed", "dotted"] = "solid"
    gap: Real | None = None
    """A line is broken at this abscissa, where it has no finite value."""


class Points(NamedTuple):
    """A series: coordinates, and where it has them the ends of its error bars or of its band."""

    x: np.ndarray
    y: np.ndarray
    low: np.ndarray | None = None
    high: np.ndarray | None = None


@dataclass(frozen=True)
class Axis:
    """Label with unit, scale, range. A range stays while controls move; None fits the data.

    On the page a logarithmic axis without a range fits all of its pictures at once.
    """

    label: str
    log: bool = False
    range: tuple[Real, Real] | None = None
    whole: bool = False
    """Ticks at whole numbers only."""


class Picture(NamedTuple):
    """What one setting of the controls shows."""

    series: dict[str, Points]
    """By the key of their curve; only points that the axes can show."""
    words: str
    """The numbers, for readers who do not see the picture, and for those who do."""


@dataclass(frozen=True)
class Explorer:
    """A picture that follows from the positions of some controls."""

    name: str
    title: str
    description: str
    """Alternative text: what is drawn and what each control does."""
    controls: tuple[Control, ...]
    curves: tuple[Curve, ...]
    x: Axis
    y: Axis
    compute: Callable[..., Picture]

    @property
    def start(self) -> dict:
        """The setting that it opens with."""
        return {control.name: control.start for control in self.controls}

    def settings(self) -> Iterator[dict]:
        """All combinations of the positions on the page, the last control the fastest."""
        for values in itertools.product(*(control.positions for control in self.controls)):
            yield dict(zip((control.name for control in self.controls), values, strict=True))

    def picture(self, **setting) -> Picture:
        """The picture at these positions; controls that are not named stay at their start.

        Raises ValueError for a control that does not exist, or a value that is not among its own.
        """
        unknown = set(setting) - set(self.start)
        if unknown:
            raise ValueError(f"{sorted(unknown)} are no controls of {self.name}; it has {sorted(self.start)}")
        for control in self.controls:
            if setting.get(control.name, control.start) not in control.values:
                raise ValueError(f"{control.name} is {setting[control.name]!r}; it must be one of {control.values}")
        series, words = self.compute(**{**self.start, **setting})
        stray = set(series) - {curve.key for curve in self.curves}
        if stray:
            raise ValueError(f"{self.name} computed {sorted(stray)}, which are none of its curves")
        unbroken = words.replace(" = ", "\u00a0=\u00a0")
        return Picture({key: self._shown(points) for key, points in series.items()}, unbroken)

    def _shown(self, points: Points) -> Points:
        """Without what is not a number, infinite, or at or below zero on a logarithmic axis; bars cut to the range."""
        x, y = (np.asarray(values, dtype=float) for values in points[:2])
        seen = np.isfinite(x) & np.isfinite(y)
        for values, axis in ((x, self.x), (y, self.y)):
            if axis.log:
                seen &= values > 0
        if points.low is None:
            return Points(x[seen], y[seen])
        least, most = self.y.range if self.y.range else (-math.inf, math.inf)
        low, high = (np.clip(np.asarray(ends, dtype=float), least, most)[seen] for ends in points[2:])
        if self.y.log:
            low = np.maximum(low, y[seen] / 10)
        return Points(x[seen], y[seen], low, high)
