"""Sharp bounds of LoRA's mean risk and the strong-signal limits, for Gaussian data.

LoRA's risk is `||P E K||^2 + ||(I - P) Delta_* Sigma_x^{1/2}||^2`, for n < d_x plus a bias. The first part is bounded
by the smallest of V_0, V_1, V_2, the second by the smallest of S_0, S_1, S_2; each is infinite outside its own range.
"""

from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize_scalar

from lorabook import _validate, formulas, wishart
from lorabook._arrays import Integer, Seed
from lorabook.bounds._setting import (
    checked,
    checked_rank,
    cross_term,
    estimate,
    feature_draws,
    feature_scale,
    isotropic_bias,
    need_isotropic,
    noise_spectrum,
    shift_values,
    smaller_larger,
    unseen_draws,
)
from lorabook.bounds._terms import Terms
from lorabook.task import Task

__all__ = ["lora_bound_sharp", "strong_signal_risk"]

_CHI_STREAM = 13
INF = float("inf")


def lora_bound_sharp(task: Task, n: Integer, rank: Integer, draws: Integer = 4000, seed: Seed = 0) -> Terms:
    """Sharp upper bound of LoRA's mean risk for Gaussian data: terms `bias`, `variance`, `signal`, `cross`.

    `bias` is that of full fine-tuning, `variance` bounds the noise that is kept, V = min(V_0, V_1, V_2), and `signal`
    what is discarded of the shift, S = min(S_0, S_1, S_2), with the formulas of the two chapters' theorems; `options`
    says which was smallest. Moments of extreme eigenvalues enter by `wishart.inverse_smallest_bound`. Only chi in S_2
    is simulated, and raised by three standard errors. For n < d_x and anisotropic features the bound is
    `(sqrt B + sqrt V)^2 + S`, its `cross` term `2 sqrt(B V)`: two moments in V are simulated and raised likewise, and
    B, in closed form elsewhere, is simulated and comes with its standard error.

    Infinite at `|n - d_x| <= 1` (if there is noise). Raises ValueError unless 1 <= rank <= min(d_x, d_y).
    Source: not in the paper; theorems of chapters *More data than dimensions* and *Fewer data than dimensions*.

    >>> task = Task.gaussian(d_x=100, d_y=100, shift_rank=4, noise_std=1.0, seed=0)
    >>> bound = lora_bound_sharp(task, n=1000, rank=4)
    >>> bound.options, round(bound.total, 1)  # full fine-tuning: exactly d_y d_x / (n - d_x - 1) = 11.1
    ({'variance': 'V2', 'signal': 'S1'}, 1.2)
    """
    task, n, rank = *checked(task, n), checked_rank(task, rank)
    draws = _validate.integer("draws", draws, 2)
    problem = _Problem.of(task, n, rank, draws, seed)
    variance, which = _smallest({"V0": problem.v0(), "V1": problem.v1(), "V2": problem.v2()})
    signal, of_what = _smallest({"S0": problem.s0(), "S1": problem.s1(), "S2": problem.s2()})
    terms = {"bias": problem.bias.value, "variance": variance, "signal": signal, "cross": 0.0}
    if not problem.isotropic and n < task.d_x:
        terms["cross"] = cross_term(problem.bias.value, variance)
    errors = {"bias": problem.bias.standard_error} if problem.bias.standard_error else {}
    return Terms(terms, errors, {"variance": which, "signal": of_what})


def strong_signal_risk(task: Task, n: Integer) -> Terms:
    """LoRA's mean risk at the rank of the shift when the noise is weak: terms `bias`, `inside`, `outside`.

    `tr(P_* Sigma_e) f(k, N) + tr((I - P_*) Sigma_e) f(r, N)`, P_* the projector on the column space of Delta_* and r
    its rank, plus the bias of full fine-tuning if n < d_x. What exceeds the bias, divided by the noise level, tends to
    this as the noise tends to 0. Infinite at `|n - d_x| <= 1`, where every noise makes the mean infinite.

    Raises ValueError for a shift of rank 0, and for n < d_x if n < r + 2 or the features are anisotropic.
    Source: not in the paper; chapters *More data than dimensions*, *Fewer data than dimensions*.

    >>> task = Task.gaussian(d_x=10, d_y=8, shift_rank=2, noise_std=1.0, seed=0)
    >>> {name: round(value, 3) for name, value in strong_signal_risk(task, n=31).items()}
    {'bias': 0.0, 'inside': 1.0, 'outside': 0.429}
    """
    task, n = checked(task, n)
    if n < task.d_x:
        need_isotropic(task, "the strong-signal limit")
    U = np.linalg.svd(task.shift)[0]
    rank = int(np.sum(shift_values(task) > 0))
    if rank == 0:
        raise ValueError("task has a shift of rank 0; the strong-signal limit needs a signal")
    if n < task.d_x:
        _validate.integer("n", n, rank + 2, meaning="two more than the rank of the shift")
    noise = task.noise_cov * np.eye(task.d_y) if np.ndim(task.noise_cov) == 0 else task.noise_cov
    inside = min(float(np.sum(U[:, :rank] * (noise @ U[:, :rank]))), task.noise_trace)
    k, N = smaller_larger(task, n)
    kept, lost = 0.0, 0.0
    if task.noise_trace:
        of_inside, of_outside = formulas.strong_signal.parts
        kept = of_inside(**{"p_*": inside}, k=k, N=N) if N - k >= 2 else INF
        lost = of_outside(**{"p_*": inside}, t_varepsilon=task.noise_trace, r=rank, N=N) if N - rank >= 2 else INF
    return Terms({"bias": isotropic_bias(task, n), "inside": float(kept), "outside": float(lost)})


@dataclass(frozen=True)
class _Problem:
    """The numbers that the two sharp bounds are functions of."""

    n: int
    d_x: int
    d_y: int
    r: int
    k: int
    N: int
    s: np.ndarray
    """Singular values of `Delta_* Sigma_x^{1/2}`, zeros beyond them."""
    noise: np.ndarray
    """Eigenvalues of the noise covariance, descending."""
    f: float
    o: float
    f_2: float
    bias: wishart.Estimate
    isotropic: bool
    draws: int
    seed: object

    @classmethod
    def of(cls, task: Task, n: int, rank: int, draws: int, seed) -> "_Problem":
        k, N = smaller_larger(task, n)
        s = np.concatenate([shift_values(task), np.zeros(rank + 1)])
        isotropic = feature_scale(task) is not None
        if n >= task.d_x or isotropic:
            f, o, f_2 = (
                wishart.inverse_trace(k, N),
                wishart.inverse_smallest_bound(k, N),
                wishart.inverse_trace_square(k, N),
            )
            bias = wishart.Estimate(isotropic_bias(task, n), 0.0)
        else:
            bias, (f, o), f_2 = estimate(unseen_draws(task, n, draws, seed)), _k_moments(task, n, draws, seed), INF
        return cls(n, task.d_x, task.d_y, rank, k, N, s, noise_spectrum(task), f, o, f_2, bias, isotropic, draws, seed)

    @property
    def under(self) -> bool:
        """Whether the projection onto the seen inputs may be used: n < d_x, isotropic features."""
        return self.n < self.d_x and self.isotropic

    @property
    def m(self) -> int:
        return int(np.sum(self.s > 0))

    @property
    def q(self) -> int:
        return min(self.r, self.m)

    @property
    def tau(self) -> float:
        return float(np.sqrt(np.sum(self.s[self.r :] ** 2)))

    @property
    def common(self) -> dict:
        return {"lambda_varepsilon": float(self.noise[0]), "n": self.n, "a": np.sqrt(self.d_y) + np.sqrt(self.k)}

    @property
    def trace(self) -> float:
        return float(np.sum(self.noise))

    def v0(self) -> float:
        if not self.trace:
            return 0.0
        return _finite(formulas.sharp_variance_0, t_varepsilon=self.trace, f=self.f)

    def v1(self) -> float:
        largest = float(self.noise[0])
        return _finite(formulas.sharp_variance_1, r=self.r, lambda_varepsilon=largest, d_y=self.d_y, o=self.o, f=self.f)

    def v2(self) -> float:
        if self.m < self.r or not np.isfinite(self.f_2) or np.sqrt(self.r) >= np.sqrt(self.n):
            return INF
        top = np.sqrt(self.n) - np.sqrt(self.r)
        grid = np.linspace(0.0, top, 66)[1:-1]
        start = grid[np.argmin([self._v2(s) for s in grid])]
        step = grid[1] - grid[0]
        found = minimize_scalar(
            self._v2, bounds=(max(start - step, step / 8), min(start + step, top)), method="bounded"
        )
        return min(self._v2(start), float(found.fun))

    def _v2(self, s: float) -> float:
        ell = float(formulas.sharp_ell(r=self.r, s=s, n=self.n))
        if ell <= 0:
            return INF
        nu = float(formulas.sharp_nu(**self.common, s=s, tau=self.tau, **{"s_{r+1}": self.s[self.r]}))
        delta_square = formulas.sharp_delta_square(
            t_varepsilon=self.trace, f=self.f, f_2=self.f_2, nu=nu, ell=ell, s=s, s_r=self.s[self.r - 1]
        )
        kept = float(np.sum(self.noise[: self.r]))
        return float(formulas.sharp_variance_2(t_r=kept, f=self.f, delta=np.sqrt(delta_square)))

    def s0(self) -> float:
        energy = float(np.sum(self.s**2))
        if not self.under:
            return energy
        return float(formulas.sharp_signal_under_0(n=self.n, d_x=self.d_x, **{"s^2": energy}))

    def s1(self) -> float:
        if self.q == 0 or self.n < self.q + 2:
            return INF if self.q else 0.0
        values = {"tau": self.tau, "C": self._alignment(), "q": self.q, "n": self.n, "t_varepsilon": self.trace}
        if self.under:
            return float(formulas.sharp_signal_under_1(**values, d_x=self.d_x))
        return float(formulas.sharp_signal_1(**values))

    def _alignment(self) -> float:
        """C: by the noise's energy in q directions, or by the rotation that it causes."""
        q, n, next_one = self.q, self.n, {"s_{r+1}": self.s[self.r]}
        omega = np.sqrt(formulas.sharp_omega_square(**self.common, q=q))
        h = np.sqrt(formulas.sharp_h_square(n=n, r=self.r, tau=self.tau, **next_one))
        phi = wishart.inverse_smallest_bound(q, n)
        phi_noise = wishart.inverse_smallest_bound(q, self.d_x) if self.under else phi
        weak = formulas.sharp_alignment_weak(n=n, h=h, omega=omega, **{"phi_q": phi, "phi'_q": phi_noise})
        phi_2 = wishart.inverse_smallest_bound(q, n, 2)
        if not np.isfinite(phi_2):
            return float(weak)
        fourth = formulas.sharp_fourth(**self.common, tau=self.tau, **next_one)
        strong = formulas.sharp_alignment_strong(q=q, n=n, N_4=fourth, s_q=self.s[q - 1], **{"phi''_q": phi_2})
        return float(min(weak, strong))

    def s2(self) -> float:
        m, n = self.m, self.n
        if m == 0:
            return 0.0
        if n < m + 2:
            return INF
        N = self.d_x if self.under else n
        smallest = float(np.sum(self.noise[max(len(self.noise) - self.r, 0) :]))
        phi = n * wishart.inverse_smallest_bound(m, N)
        b_square = formulas.sharp_b_square(m=m, n=n, t_varepsilon=self.trace)
        w_square = formulas.sharp_w_square(**self.common, r=self.r, k=self.k, b_r=smallest)
        chi = self._chi(m) if self.tau > 0 else 0.0
        values = {"phi": phi, "b": np.sqrt(b_square), "chi": chi, "tau": self.tau, "omega'": np.sqrt(w_square)}
        return float(formulas.sharp_signal_2(**values))

    def _chi(self, m: int) -> float:
        """`E[lambda_max(L) / lambda_min(L + L')]`, L ~ W_m(n), L' ~ W_m(d_x - n) or 0, plus three standard errors."""
        if not self.under:
            value, error = wishart.condition_number(m, self.n, self.draws, self.seed)
            return value + 3 * error
        rng = _validate.generator(self.seed, _CHI_STREAM)
        L = wishart.sample(m, self.n, rng, self.draws)
        both = L + wishart.sample(m, self.d_x - self.n, rng, self.draws)
        value, error = estimate(np.linalg.eigvalsh(L)[:, -1] / np.linalg.eigvalsh(both)[:, 0])
        return value + 3 * error


def _k_moments(task: Task, n: int, draws: int, seed) -> tuple[float, float]:
    """`E ||K||_F^2` and `E ||K||^2` for anisotropic features and n < d_x, raised by three standard errors."""
    if abs(n - task.d_x) < 2:
        return INF, INF
    largest, trace, _ = np.array(list(feature_draws(task, n, draws, seed))).T / n
    return tuple(value + 3 * error for value, error in (estimate(trace), estimate(largest)))


def _smallest(options: dict[str, float]) -> tuple[float, str]:
    name = min(options, key=options.get)
    return options[name], name


def _finite(formula, **values) -> float:
    return float(formula(**values)) if all(np.isfinite(v) for v in values.values()) else INF
