"""Stacks of data sets in the paper's notation, with more and with fewer samples than dimensions."""

from functools import cache, cached_property

import numpy as np

from lorabook import estimators, linalg
from lorabook.checks.equations._stacks import fro, norm, root, t, truncate
from lorabook.task import Task

__all__ = [
    "Draws",
    "both",
    "fixed_over",
    "fixed_under",
    "isotropic",
    "low_rank_isotropic",
    "low_rank_over",
    "low_rank_under",
    "many_isotropic",
    "many_over",
    "many_under",
    "over",
    "under",
]


class Draws:
    """Data sets of one task, stacked on the first axis; the names are the paper's symbols.

    Features are Gaussian and correlated, noise is correlated. `fixed`: all data sets share one X.
    """

    def __init__(self, task: Task, n: int, rank: int, count: int, seed: int, fixed: bool = False):
        self.task, self.n, self.r, self.count = task, n, rank, count
        self.d_y, self.d_x = task.W0.shape
        self.k = min(n, self.d_x)
        self.W0, self.W_star, self.shift = task.W0, task.W_star, task.shift
        self.S, self.S_e = task.feature_cov, task.noise_cov
        self.S_half, self.S_e_half = root(self.S), root(self.S_e)
        self.largest_e, self.largest_x = norm(self.S_e), norm(self.S)
        rng = np.random.default_rng([seed, n])
        Z = rng.standard_normal((1 if fixed else count, self.d_x, n))
        self.Z = np.broadcast_to(Z, (count, self.d_x, n))
        self.white = rng.standard_normal((count, self.d_y, n))
        self.any, self.other = rng.standard_normal((2, count, self.d_y, self.d_x))
        """Matrices without a meaning, for statements about all matrices."""
        self.near = self.other * 10 ** rng.uniform(-3, 0, (count, 1, 1))
        self.fresh = rng.standard_normal((count, self.d_y, self.k))
        """A Gaussian matrix independent of the data."""
        self.X, self.E = self.S_half @ self.Z, self.S_e_half @ self.white
        self.Y = self.W_star @ self.X + self.E
        self.R = self.Y - self.W0 @ self.X

    @cached_property
    def _svd(self):
        return np.linalg.svd(self.X, full_matrices=False)

    @cached_property
    def condition(self) -> float:
        """Largest condition number of the non-zero part of X X^T."""
        s = self._svd[1]
        return float((s[:, 0] / s[:, -1]).max() ** 2)

    @cached_property
    def X_plus(self):
        return np.linalg.pinv(self.X)

    @cached_property
    def Pi(self):
        return self.X @ self.X_plus

    @cached_property
    def Pi_perp(self):
        return np.eye(self.d_x) - self.Pi

    @cached_property
    def P_row(self):
        return self.X_plus @ self.X

    @cached_property
    def Q(self):
        """Orthonormal basis of the row space of X, as columns."""
        return t(self._svd[2])

    @cached_property
    def hat(self):
        """The empirical second moment."""
        return self.X @ t(self.X) / self.n

    @cached_property
    def hat_plus(self):
        U, s, _ = self._svd
        return (U * (self.n / s**2)[:, None, :]) @ t(U)

    @cached_property
    def hat_half(self):
        U, s, _ = self._svd
        return (U * (s / np.sqrt(self.n))[:, None, :]) @ t(U)

    @cached_property
    def hat_half_plus(self):
        U, s, _ = self._svd
        return (U * (np.sqrt(self.n) / s)[:, None, :]) @ t(U)

    @cached_property
    def hat_largest(self):
        return norm(self.hat)

    @cached_property
    def W_ols(self):
        return self.Y @ self.X_plus

    @cached_property
    def A_ols(self):
        return self.W_ols @ self.hat_half

    @cached_property
    def W_r(self):
        """Rank-constrained least squares, by the library."""
        return self.each(lambda X, Y: estimators.lora(X, Y, 0 * self.W0, self.r), X=self.X, Y=self.Y)

    @cached_property
    def W_fft(self):
        return self.W0 + self.R @ self.X_plus

    @cached_property
    def D_fft(self):
        return self.R @ self.X_plus

    @cached_property
    def D_lora(self):
        directions = np.linalg.svd(self.R @ self.Q, full_matrices=False)[0][..., : self.r]
        return directions @ (t(directions) @ self.D_fft)

    @cached_property
    def W_lora(self):
        return self.W0 + self.D_lora

    @cached_property
    def lora(self):
        """LoRA by the library."""
        return self.each(lambda X, Y: estimators.lora(X, Y, self.W0, self.r), X=self.X, Y=self.Y)

    @cached_property
    def T(self):
        return self.D_fft @ self.hat_half

    @cached_property
    def A(self):
        return self.shift @ self.hat_half

    @cached_property
    def N(self):
        return self.E @ t(self.X) @ self.hat_half_plus / self.n

    @cached_property
    def kappa(self):
        """Largest eigenvalue of Sigma_x^{1/2} hat^+ Sigma_x^{1/2}."""
        return norm(self.hat_half_plus @ self.S_half) ** 2

    def excess(self, W):
        """Excess risks of a stack of weights."""
        return fro((W - self.W_star) @ self.S_half)

    @cached_property
    def bias(self):
        """Full fine-tuning's bias, given X."""
        return fro(self.shift @ self.Pi_perp @ self.S_half)

    @cached_property
    def noise_part(self):
        return fro(self.E @ self.X_plus @ self.S_half)

    @cached_property
    def unseen(self):
        """Perturbations of the weights that the data do not see, in the column space of `W_r`."""
        columns = np.linalg.svd(self.W_r, full_matrices=False)[0][..., : self.r]
        return columns @ (t(columns) @ self.any) @ self.Pi_perp

    @cached_property
    def low(self):
        """Matrices of rank r."""
        return truncate(self.any, self.r)

    def rival(self, M):
        """Matrices of rank at most r, some near M and some far."""
        return truncate(M + self.near, self.r)

    def loss(self, W):
        """Squared residuals, `||Y - W X||_F^2`."""
        return fro(self.Y - W @ self.X)

    @cached_property
    def trace_e(self) -> float:
        return self.task.noise_trace

    @cached_property
    def bound_values(self) -> dict:
        """Symbols of the upper bounds of LoRA's risk, with kappa of each data set in place of its mean."""
        return {"r": self.r, "lambda_varepsilon": self.largest_e, "k": self.k, "d_y": self.d_y, "n": self.n} | {
            "barkappa": self.kappa
        }

    def each(self, function, **values):
        """`function` on one data set after the other; a value with three axes is a stack."""
        return np.array(
            [
                function(**{name: value[i] if np.ndim(value) == 3 else value for name, value in values.items()})
                for i in range(self.count)
            ]
        )


def _task(d_x: int, d_y: int, seed: int, rank: int | None = None, isotropic: bool = False) -> Task:
    rng = np.random.default_rng([seed, d_x, d_y])
    W0, shift = rng.standard_normal((2, d_y, d_x))
    features, noise = (np.eye(d) + 0.3 * rng.standard_normal((d, d)) for d in (d_x, d_y))
    feature_cov = 2.25 * np.eye(d_x) if isotropic else features @ features.T
    shift = shift if rank is None else linalg.truncate(shift, rank)
    return Task(W0, shift, 0.5 * noise @ noise.T, feature_cov)


OVER, UNDER = [(3, 4, 9, 2), (5, 3, 14, 1), (4, 7, 12, 3)], [(9, 4, 3, 2), (14, 3, 5, 1), (12, 7, 4, 3)]
"""Sizes d_x, d_y, n and rank."""
FEW, MANY = 8, 4000


@cache
def over():
    """24 data sets with n > d_x."""
    return tuple(Draws(_task(d_x, d_y, 1), n, r, FEW, 2) for d_x, d_y, n, r in OVER)


@cache
def under():
    """24 data sets with n < d_x."""
    return tuple(Draws(_task(d_x, d_y, 1), n, r, FEW, 3) for d_x, d_y, n, r in UNDER)


@cache
def both():
    """48 data sets, n above and below d_x."""
    return (*over(), *under())


@cache
def isotropic():
    """24 data sets with n < d_x and isotropic features."""
    return tuple(Draws(_task(d_x, d_y, 1, isotropic=True), n, r, FEW, 4) for d_x, d_y, n, r in UNDER)


def _many(d_x: int, n: int, seed: int, fixed: bool = False, **kind):
    return (Draws(_task(d_x, 4, seed, **kind), n, 2, MANY, seed, fixed),)


@cache
def many_over():
    """4,000 data sets with n > d_x."""
    return _many(3, 12, 5)


@cache
def many_under():
    """4,000 data sets with n < d_x."""
    return _many(12, 3, 6)


@cache
def many_isotropic():
    """The same with isotropic features."""
    return _many(12, 3, 7, isotropic=True)


@cache
def fixed_over():
    """4,000 draws of the noise for one X, n > d_x."""
    return _many(3, 12, 8, fixed=True)


@cache
def fixed_under():
    """4,000 draws of the noise for one X, n < d_x."""
    return _many(12, 3, 9, fixed=True)


@cache
def low_rank_over():
    """4,000 data sets with n > d_x and a shift of rank 2."""
    return _many(3, 12, 10, rank=2)


@cache
def low_rank_under():
    """4,000 data sets with n < d_x and a shift of rank 2."""
    return _many(12, 3, 11, rank=2)


@cache
def low_rank_isotropic():
    """The same with isotropic features."""
    return _many(12, 3, 12, rank=2, isotropic=True)
