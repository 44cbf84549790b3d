"""What a sweep runs over: all combinations of shifts, noise levels and sample sizes; the paper's figures by name."""

from dataclasses import dataclass
from itertools import product
from typing import NamedTuple

import numpy as np

from lorabook import _validate
from lorabook._arrays import Integer, Real

__all__ = ["PRESETS", "Grid", "Setting"]


class Setting(NamedTuple):
    """One point of a grid: what a training set is drawn from."""

    shift_rank: Integer
    decay: Real | None
    """None for a shift with Gaussian factors."""
    noise_std: Real
    n: Integer


@dataclass(frozen=True)
class Grid:
    """All combinations of shifts, noise levels and sample sizes, in one pair of dimensions.

    `sweeps.run` checks it as a whole and raises ValueError, naming the field, before anything is computed.

    >>> len(Grid(d_x=6, d_y=5, n=(4, 20), noise_std=(1.0, 2.0), shift_rank=(1, 2, 3), ranks=(1,)).settings())
    12
    """

    d_x: Integer
    d_y: Integer
    n: tuple[Integer, ...]
    noise_std: tuple[Real, ...]
    shift_rank: Integer | tuple[Integer, ...]
    ranks: tuple[Integer, ...]
    """LoRA ranks to report, beside full fine-tuning."""
    decay: tuple[Real, ...] | None = None
    """None: the shift is that of `Task.gaussian`. Rates alpha: it has the singular values
    `strength * exp(-alpha (i - 1))`, i = 1 … shift_rank, and uniformly random singular vectors (192)."""
    strength: Real = 5.0
    """The largest singular value of a shift with `decay`; without it, of no effect."""
    base_seed: Integer = 0
    """A number k of seeds means base_seed, …, base_seed + k - 1."""

    def settings(self) -> list[Setting]:
        """Every combination; the sample size changes fastest, then the noise, then the decay."""
        shift_ranks = (self.shift_rank,) if np.ndim(self.shift_rank) == 0 else self.shift_rank
        decays = (None,) if self.decay is None else self.decay
        return [Setting(*combination) for combination in product(shift_ranks, decays, self.noise_std, self.n)]

    def validate(self) -> None:
        """Raises ValueError unless every field makes sense; the words name the field."""
        _validate.integer("d_x", self.d_x, 1)
        _validate.integer("d_y", self.d_y, 1)
        _each("n", self.n, lambda n: _validate.integer("n", n, 1, meaning="a training set needs a sample"))
        _each("noise_std", self.noise_std, _validate.noise_std)
        smaller = min(self.d_x, self.d_y)
        shift_ranks = (self.shift_rank,) if np.ndim(self.shift_rank) == 0 else self.shift_rank
        _each(
            "shift_rank",
            shift_ranks,
            lambda rank: _validate.integer("shift_rank", rank, 0, smaller, "at most min(d_x, d_y)"),
        )
        _each("ranks", self.ranks, lambda rank: _validate.integer("ranks", rank, 0), may_be_empty=True)
        if self.decay is not None:
            _each("decay", self.decay, lambda decay: _validate.number("decay", decay))
        _validate.number("strength", self.strength)
        _validate.integer("base_seed", self.base_seed, 0)


def _each(name: str, values, check, may_be_empty: bool = False) -> None:
    if isinstance(values, str | bytes) or np.ndim(values) != 1 or (len(values) == 0 and not may_be_empty):
        wanted = "a tuple of numbers" if may_be_empty else "a tuple of numbers, at least one"
        raise ValueError(f"{name} is {_validate.shown(values)}; it must be {wanted}")
    checked = [check(value) for value in values]
    if len(set(checked)) < len(checked):
        twice = next(value for place, value in enumerate(checked) if value in checked[:place])
        raise ValueError(f"{name} has {twice} twice; its entries must differ, each would be a row of its own")


_SIZES = tuple(int(10 * 1.2**j) for j in range(26))
_NOISE = tuple(float(sigma) for sigma in np.logspace(0, 2, 40))

PRESETS = {
    "fig1a": Grid(100, 100, n=_SIZES, noise_std=(12.0,), shift_rank=4, ranks=(1, 2, 4, 8)),
    "fig1b": Grid(100, 100, n=(50,), noise_std=_NOISE, shift_rank=10, ranks=(1, 2, 4, 8, 16)),
    "fig10a": Grid(100, 100, n=_SIZES, noise_std=(1.0,), shift_rank=4, ranks=(1, 2, 4, 8)),
    "fig10b": Grid(100, 100, n=(1000,), noise_std=_NOISE, shift_rank=10, ranks=(1, 2, 4, 8, 16)),
    "fig11": Grid(40, 40, n=(30,), noise_std=(2.0,), shift_rank=tuple(range(1, 41)), ranks=(1, 2, 4, 8, 32)),
    "fig12": Grid(
        40,
        40,
        n=(200,),
        noise_std=(0.5,),
        shift_rank=40,
        ranks=(1, 2, 4, 8, 16),
        decay=tuple(0.125 * j for j in range(21)),
        base_seed=42,
    ),
}
"""The paper's figures by name: `fig1a`, `fig10a` risk against sample size, with strong and with weak noise; `fig1b`,
`fig10b` risk against noise, with fewer and with more samples than inputs; `fig11` against the rank of the shift;
`fig12` against the decay of its singular values."""
