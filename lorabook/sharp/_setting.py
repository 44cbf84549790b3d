"""The problem that the sharp formulas are about: its sizes, the singular values of the shift, and the noise."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from lorabook import _validate, formulas
from lorabook.linalg import _EPS, _spectrum

INF = float("inf")
_SMALLEST, _STRONGEST = np.finfo(np.float64).tiny, 1e300


class TooManyVisibleError(ValueError):
    """A shift with more detectable directions than the theory can set in a sea of noise."""


@dataclass(frozen=True)
class Sizes:
    """Numbers of inputs, outputs and samples."""

    d_x: int
    d_y: int
    n: int

    @property
    def k(self) -> int:
        """min(n, d_x), the dimension of the data's row space."""
        return min(self.n, self.d_x)

    @property
    def N(self) -> int:
        return max(self.n, self.d_x)

    @property
    def max_rank(self) -> int:
        """min(n, d_x, d_y), from which on LoRA is full fine-tuning."""
        return min(self.k, self.d_y)

    @property
    def kappa(self) -> float:
        """The inflation; infinite for `|n - d_x| <= 1`."""
        return float(formulas.inflation(N=self.N, k=self.k)) if self.N - self.k > 1 else INF

    @property
    def constants(self) -> dict:
        """What most formulas take."""
        return {"d_y": float(self.d_y), "k": float(self.k), "N": float(self.N), "kappa": self.kappa}

    @property
    def detectable(self) -> float:
        """The strength above which a direction shows."""
        return float(np.sqrt(self.d_y * self.k))


@dataclass(frozen=True)
class Setting(Sizes):
    """Sizes, the positive singular values of the shift, descending, and the standard deviation of the noise."""

    s: np.ndarray
    sigma: float

    @property
    def energy(self) -> float:
        """`||Delta_*||_F^2`, the risk of the pre-trained model."""
        return float(np.sum(self.s**2))

    @cached_property
    def strengths(self) -> np.ndarray:
        """`x_i`, descending. Raises ValueError where they are beyond double precision."""
        with np.errstate(divide="ignore", over="ignore"):
            strengths = formulas.strength(n=self.n, s_i=self.s, sigma=self.sigma)
        if self.sigma**2 < _SMALLEST or np.any(strengths > _STRONGEST):
            raise ValueError(
                f"noise_std is {self.sigma:g}; it must be larger for these singular_values: its square, or a strength "
                f"n s^2 / noise_std^2 above {_STRONGEST:g}, is beyond double precision"
            )
        return strengths

    @property
    def visible(self) -> int:
        """Number of directions above the detectability threshold."""
        return int(np.sum(self.strengths > self.detectable))

    def need_few_visible(self) -> None:
        """Refuse as many visible directions as the data have room for."""
        if self.visible >= self.d_y or self.visible > self.k:
            raise TooManyVisibleError(
                f"singular_values has {self.visible} detectable directions; there must be fewer than d_y = {self.d_y} "
                f"and at most min(n, d_x) = {self.k}, because the theory sets them in a sea of noise"
            )


def sizes(d_x, d_y, n) -> Sizes:
    return Sizes(
        _validate.integer("d_x", d_x, 1),
        _validate.integer("d_y", d_y, 1),
        _validate.integer("n", n, 1, meaning="a training set needs a sample"),
    )


def setting(singular_values, d_x, d_y, n, noise_std) -> Setting:
    checked = sizes(d_x, d_y, n)
    s = positive(singular_values)
    if len(s) > min(d_x, d_y):
        raise ValueError(
            f"singular_values has {len(s)} positive entries; it must have at most min(d_x, d_y) = {min(d_x, d_y)}"
        )
    sigma = _validate.noise_std(noise_std, strict=True, meaning="strengths are in units of the noise")
    return Setting(checked.d_x, checked.d_y, checked.n, s, sigma)


def positive(singular_values) -> np.ndarray:
    """Those that are more than rounding, descending."""
    s = _spectrum("singular_values", singular_values)
    return np.sort(s[s > len(s) * _EPS * np.max(s, initial=0.0)])[::-1]


def rank_of_shift(rank, s: np.ndarray) -> int:
    return _validate.integer("rank", rank, 0, len(s), "at most the rank of the shift")


def checked_rank(rank) -> int:
    return _validate.integer("rank", rank, 0)
