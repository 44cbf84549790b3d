"""Linear fine-tuning, its data and its excess risk (chapter *The setting*; equations (1)–(3), (8), (9))."""

from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from lorabook import _validate
from lorabook._arrays import Float, Integer, Real, Seed
from lorabook.linalg import _spectrum, haar_frame

__all__ = ["Dataset", "Task"]

_GAUSSIAN_STREAM, _SPECTRUM_STREAM, _SAMPLE_STREAM = 1, 2, 3


class Dataset(NamedTuple):
    """A training set; samples are columns."""

    X: Float[np.ndarray, "d_x n"]
    Y: Float[np.ndarray, "d_y n"]


@dataclass(frozen=True, eq=False)
class Task:
    """Linear fine-tuning: `y = W_star x + e` with `W_star = W0 + shift`, x ~ N(0, feature_cov), e ~ N(0, noise_cov).

    Arguments:
        W0: pre-trained weights, (d_y, d_x).
        shift: what fine-tuning should learn, `Delta_* = W_star - W0` (3), (d_y, d_x).
        noise_cov: variance of each output's noise, a number of at least 0, or a covariance (d_y, d_y).
        feature_cov: covariance of the features, (d_x, d_x); None is the identity.

    Raises ValueError if shapes do not fit, an entry is NaN, infinite or complex, the variance is negative, or a
    covariance is not symmetric positive definite.

    >>> task = Task(W0=np.zeros((2, 3)), shift=np.ones((2, 3)), noise_cov=0.25)
    >>> task.excess_risk(task.W0)
    6.0
    """

    W0: Float[np.ndarray, "d_y d_x"]
    shift: Float[np.ndarray, "d_y d_x"]
    noise_cov: Real | Float[np.ndarray, "d_y d_y"] = 1.0
    feature_cov: Float[np.ndarray, "d_x d_x"] | None = None
    _noise_factor: np.ndarray | float = field(init=False, repr=False)
    _feature_factor: np.ndarray | None = field(init=False, repr=False)

    def __post_init__(self):
        W0 = _validate.matrix("W0", self.W0)
        d_y, d_x = W0.shape
        shift = _validate.matrix("shift", self.shift, d_y, d_x, "the shape of W0")
        if self.noise_cov is None or np.isscalar(self.noise_cov):
            noise_cov = _validate.number("noise_cov", self.noise_cov, meaning="a variance")
            noise_factor = np.sqrt(noise_cov)
        else:
            noise_cov, noise_factor = _validate.covariance("noise_cov", self.noise_cov, d_y, "d_y by d_y")
        feature_cov, feature_factor = None, None
        if self.feature_cov is not None:
            feature_cov, feature_factor = _validate.covariance("feature_cov", self.feature_cov, d_x, "d_x by d_x")
        for name, value in {
            "W0": W0,
            "shift": shift,
            "noise_cov": noise_cov,
            "feature_cov": feature_cov,
            "_noise_factor": noise_factor,
            "_feature_factor": feature_factor,
        }.items():
            object.__setattr__(self, name, _frozen(value))

    @classmethod
    def gaussian(cls, d_x: Integer, d_y: Integer, shift_rank: Integer, noise_std: Real, seed: Seed) -> "Task":
        """The construction of the paper's Section 4: `shift = U V / sqrt(shift_rank)`, U, V and W0 standard Gaussian.

        U is (d_y, shift_rank), V is (shift_rank, d_x), so `E ||shift||_F^2 = d_x d_y` whatever the rank; features are
        isotropic, and noise has standard deviation `noise_std` in each output. Rank 0 gives no shift at all.

        Raises ValueError unless 0 <= shift_rank <= min(d_x, d_y), sizes are at least 1 and noise_std at least 0.

        >>> Task.gaussian(d_x=5, d_y=4, shift_rank=2, noise_std=1.0, seed=0).W0.shape
        (4, 5)
        """
        d_x, d_y = _validate.integer("d_x", d_x, 1), _validate.integer("d_y", d_y, 1)
        shift_rank = _validate.integer("shift_rank", shift_rank, 0, min(d_x, d_y), "at most min(d_x, d_y)")
        noise_std = _validate.noise_std(noise_std)
        W0, U, V = _gaussian_draws(d_x, d_y, shift_rank, seed)
        return cls(W0, U @ V / np.sqrt(max(shift_rank, 1)), noise_std**2)

    @classmethod
    def with_spectrum(
        cls, singular_values: Float[np.ndarray, " k"], d_x: Integer, d_y: Integer, noise_std: Real, seed: Seed
    ) -> "Task":
        """A shift with the given singular values and uniformly random singular vectors; W0 standard Gaussian.

        `shift = U diag(singular_values) V^T` with Haar frames U (d_y, k) and V (d_x, k), as in the paper's Figure 12.

        Raises ValueError if the singular values are negative or more than min(d_x, d_y), a size is below 1 or
        noise_std below 0.

        >>> task = Task.with_spectrum(np.array([3.0, 1.0]), d_x=6, d_y=5, noise_std=1.0, seed=0)
        >>> np.linalg.svd(task.shift, compute_uv=False).round(12)[:3]
        array([3., 1., 0.])
        """
        d_x, d_y = _validate.integer("d_x", d_x, 1), _validate.integer("d_y", d_y, 1)
        s = _spectrum("singular_values", singular_values)
        if len(s) > min(d_x, d_y):
            raise ValueError(
                f"singular_values has {len(s)} entries; it must have at most min(d_x, d_y) = {min(d_x, d_y)}"
            )
        noise_std = _validate.noise_std(noise_std)
        rng = _validate.generator(seed, _SPECTRUM_STREAM)
        W0 = rng.standard_normal((d_y, d_x))
        U, V = haar_frame(d_y, len(s), rng), haar_frame(d_x, len(s), rng)
        return cls(W0, (U * s) @ V.T, noise_std**2)

    @property
    def d_x(self) -> int:
        """Number of inputs."""
        return self.W0.shape[1]

    @property
    def d_y(self) -> int:
        """Number of outputs."""
        return self.W0.shape[0]

    @property
    def W_star(self) -> Float[np.ndarray, "d_y d_x"]:
        """The weights that generate the data, `W0 + shift`; the minimiser of the population risk."""
        return self.W0 + self.shift

    def sample(self, n: Integer, seed: Seed) -> Dataset:
        """Draw a training set of n samples: X (d_x, n) and `Y = W_star X + E` (1), (d_y, n).

        Raises ValueError if n is not an integer of at least 1.

        >>> task = Task.gaussian(d_x=3, d_y=2, shift_rank=1, noise_std=1.0, seed=0)
        >>> X, Y = task.sample(10, seed=0)
        >>> X.shape, Y.shape
        ((3, 10), (2, 10))
        """
        n = _validate.integer("n", n, 1, meaning="a training set needs a sample")
        rng = _validate.generator(seed, _SAMPLE_STREAM)
        X = rng.standard_normal((self.d_x, n))
        if self._feature_factor is not None:
            X = self._feature_factor @ X
        E = rng.standard_normal((self.d_y, n))
        E = self._noise_factor * E if np.ndim(self._noise_factor) == 0 else self._noise_factor @ E
        return Dataset(X, self.W_star @ X + E)

    def excess_risk(self, W: Float[np.ndarray, "d_y d_x"]) -> float:
        """Excess risk `tr[(W - W_star) Sigma_x (W - W_star)^T] = R(W) - R(W_star)` (9); squared units of y.

        Computed as `||(W - W_star) L||_F^2` with `Sigma_x = L L^T`, so it is never negative.

        Raises ValueError if W is not a finite real (d_y, d_x) matrix.

        >>> task = Task.gaussian(d_x=3, d_y=2, shift_rank=1, noise_std=1.0, seed=0)
        >>> task.excess_risk(task.W_star)
        0.0
        """
        W = _validate.matrix("W", W, self.d_y, self.d_x, "the shape of W0")
        return float(np.sum(self.whiten(W - self.W_star) ** 2))

    def risk(self, W: Float[np.ndarray, "d_y d_x"]) -> float:
        """Population risk `R(W) = E ||y - W x||^2 = excess_risk(W) + tr Sigma_e` (8); squared units of y.

        Raises ValueError as `excess_risk` does.

        >>> task = Task(W0=np.zeros((2, 3)), shift=np.ones((2, 3)), noise_cov=0.25)
        >>> task.risk(task.W_star)
        0.5
        """
        return self.excess_risk(W) + self.noise_trace

    @property
    def noise_trace(self) -> float:
        """`tr Sigma_e`, the risk that no weights can avoid."""
        return self.d_y * self.noise_cov if np.ndim(self.noise_cov) == 0 else float(np.trace(self.noise_cov))

    def whiten(self, D: Float[np.ndarray, "k d_x"]) -> Float[np.ndarray, "k d_x"]:
        """`D L` with `Sigma_x = L L^T`: after it, Frobenius norms of weight differences are excess risks.

        D is (k, d_x), k any number of rows, none too.

        Raises ValueError if D is not a finite real matrix of d_x columns.
        """
        D = _validate.matrix("D", D, columns=self.d_x, meaning="the columns of W0", may_have_no_rows=True)
        return D if self._feature_factor is None else D @ self._feature_factor


def _gaussian_draws(d_x: int, d_y: int, shift_rank: int, seed) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """W0, U and V of `Task.gaussian`, for whoever needs the factors of the shift and not the shift."""
    rng = _validate.generator(seed, _GAUSSIAN_STREAM)
    W0 = rng.standard_normal((d_y, d_x))
    return W0, rng.standard_normal((d_y, shift_rank)), rng.standard_normal((shift_rank, d_x))


def _frozen(value):
    if isinstance(value, np.ndarray):
        value = value.copy()
        value.flags.writeable = False
    return value
