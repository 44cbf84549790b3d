"""Gaussian and Wishart matrices: factors, spectra and the moments of the inverse (chapter *Gaussian matrices*).

`W_k(N)` is the law of `G G^T`, G of shape (k, N) with independent standard Gaussian entries; k is `size` and N is
`dof`. The data matrix of isotropic Gaussian features makes `X X^T` a `W_{d_x}(n)` and `X^T X` a `W_n(d_x)`.
"""

from functools import lru_cache
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from scipy.integrate import quad
from scipy.linalg import eigh_tridiagonal

from lorabook import _validate, formulas
from lorabook._arrays import Float, Integer, Real, Seed

__all__ = [
    "Estimate",
    "bartlett",
    "bidiagonal",
    "condition_number",
    "eigenvalues",
    "gaussian_norm_bound",
    "inverse_smallest",
    "inverse_smallest_bound",
    "inverse_trace",
    "inverse_trace_square",
    "marchenko_pastur_atom",
    "marchenko_pastur_cdf",
    "marchenko_pastur_density",
    "marchenko_pastur_edges",
    "sample",
]

_BARTLETT_STREAM, _SPECTRUM_STREAM, _SMALLEST_STREAM, _CONDITION_STREAM = 5, 6, 7, 8


class Estimate(NamedTuple):
    """A Monte-Carlo mean with its standard error."""

    value: float
    standard_error: float


def bartlett(size: Integer, dof: Integer, seed: Seed, draws: Integer | None = None) -> Float[np.ndarray, "..."]:
    """Bartlett's factor: L of shape (size, min(size, dof)), zero above the diagonal, with `L L^T ~ W_size(dof)`.

    `L_ii^2` is chi-squared with `dof - i + 1` degrees of freedom (i = 1, 2, …), entries below the diagonal are standard
    Gaussian, all independent. With fewer degrees of freedom than the size the product is singular and L is trapezoidal.

    Arguments: size, dof, integers of at least 1; draws, None for one factor or a number of them on the first axis.
    Raises ValueError if one of them is not an integer of at least 1.
    Source: Bartlett 1933; chapter *Gaussian matrices*.

    >>> bartlett(3, 5, seed=0).shape, bartlett(5, 3, seed=0, draws=7).shape
    ((3, 3), (7, 5, 3))
    """
    size, dof = _sizes(size, dof)
    count = 1 if draws is None else _validate.integer("draws", draws, 1)
    rng = _validate.generator(seed, _BARTLETT_STREAM)
    columns = min(size, dof)
    L = np.tril(rng.standard_normal((count, size, columns)))
    L[:, range(columns), range(columns)] = np.sqrt(rng.chisquare(dof - np.arange(columns), (count, columns)))
    return L[0] if draws is None else L


def sample(size: Integer, dof: Integer, seed: Seed, draws: Integer | None = None) -> Float[np.ndarray, "..."]:
    """Draw from `W_size(dof)`, shape (size, size), or (draws, size, size); singular if dof < size.

    Raises ValueError as `bartlett` does.

    >>> W = sample(2, 10, seed=0)
    >>> bool(np.all(W == W.T))
    True
    """
    L = bartlett(size, dof, seed, draws)
    return L @ L.swapaxes(-1, -2)


def eigenvalues(size: Integer, dof: Integer, draws: Integer, seed: Seed) -> Float[np.ndarray, "draws k"]:
    """Non-zero eigenvalues of `draws` Wishart matrices, ascending, (draws, min(size, dof)).

    From a bidiagonal matrix with the same law of eigenvalues, `O(k^2)` each instead of `O(k^3)` (Dumitriu and
    Edelman 2002): diagonal `chi_N, chi_{N-1}, …`, below it `chi_{k-1}, …, chi_1`.

    Raises ValueError if a size or the number of draws is not an integer of at least 1.

    >>> eigenvalues(3, 10, draws=2, seed=0).shape
    (2, 3)
    """
    size, dof = _sizes(size, dof)
    draws = _validate.integer("draws", draws, 1)
    rng = _validate.generator(seed, _SPECTRUM_STREAM)
    k, N = min(size, dof), max(size, dof)
    squares, below = _bidiagonal(k, N, draws, rng)
    diagonal = squares.copy()
    diagonal[:, 1:] += below
    off = np.sqrt(squares[:, :-1] * below)
    spectra = [eigh_tridiagonal(diagonal[i], off[i], eigvals_only=True) for i in range(draws)]
    return np.maximum(np.array(spectra), np.finfo(float).tiny)


def bidiagonal(size: Integer, dof: Integer, seed: Seed) -> tuple[Float[np.ndarray, " k"], Float[np.ndarray, " l"]]:
    """A Gaussian (size, dof) matrix after rotations of its rows and columns: zero but on the diagonal and below it.

    With k = min(size, dof) and N the larger: diagonal `chi_N, chi_{N-1}, …`, (k,), below it `chi_{k-1}, …, chi_1`,
    (k - 1,), all independent. The rotations are independent of anything that is independent of the matrix.

    Raises ValueError if a size is not an integer of at least 1.
    Source: Dumitriu and Edelman 2002; chapter *The linear experiments*.

    >>> diagonal, below = bidiagonal(3, 10, seed=0)
    >>> diagonal.shape, below.shape
    ((3,), (2,))
    """
    size, dof = _sizes(size, dof)
    rng = _validate.generator(seed, _SPECTRUM_STREAM)
    squares, below = _bidiagonal(min(size, dof), max(size, dof), 1, rng)
    return np.sqrt(squares[0]), np.sqrt(below[0])


def _bidiagonal(k: int, N: int, draws: int, rng) -> tuple[np.ndarray, np.ndarray]:
    squares = rng.chisquare(N - np.arange(k), (draws, k))
    return squares, rng.chisquare(np.arange(k - 1, 0, -1), (draws, k - 1))


def inverse_trace(size: Integer, dof: Integer) -> float:
    """`f(k, N) = E tr W_k(N)^{-1} = k / (N - k - 1)`; infinite for N <= k + 1.

    Raises ValueError unless 1 <= size <= dof (there is no inverse otherwise).
    Source: the moment behind Propositions 3 and 5 of the paper, (93), (113); chapter *Gaussian matrices*.

    >>> inverse_trace(4, 10)
    0.8
    >>> inverse_trace(4, 5)
    inf
    """
    size, dof = _invertible(size, dof)
    return float(formulas.inverse_trace(k=size, N=dof)) if dof > size + 1 else np.inf


def inverse_trace_square(size: Integer, dof: Integer) -> float:
    """`f_2(k, N) = E (tr W_k(N)^{-1})^2 = k (k (M - 2) + 2) / (M (M - 1) (M - 3))`, M = N - k; infinite for M <= 3.

    Raises ValueError unless 1 <= size <= dof.
    Source: not in the paper; the sharp bound of chapter *More data than dimensions*.

    >>> inverse_trace_square(1, 7)  # E 1 / chi^4 with 7 degrees of freedom is 1 / (5 * 3)
    0.06666666666666667
    """
    size, dof = _invertible(size, dof)
    return float(formulas.inverse_trace_square(k=size, N=dof)) if dof > size + 3 else np.inf


def inverse_smallest(
    size: Integer, dof: Integer, power: Integer = 1, draws: Integer = 10_000, seed: Seed = 0
) -> Estimate:
    """`E lambda_min(W_k(N))^{-power}` by simulation: phi(k, N) for power 1, phi_2(k, N) for power 2.

    It is infinite, returned as (inf, 0), unless `N - k + 1 > 2 power`. The variance of one draw is finite only if
    `N - k + 1 > 4 power`, that is `N >= k + 4` for power 1 and `N >= k + 8` for power 2: closer to the threshold the
    standard error understates the error. Size 1 is exact.

    Raises ValueError unless 1 <= size <= dof, power is 1 or 2, and draws is an integer of at least 2.
    Source: section *The smallest eigenvalue* of chapter *Gaussian matrices*; used in Theorems 2 and 4
    of the paper.

    >>> inverse_smallest(1, 7)
    Estimate(value=0.2, standard_error=0.0)
    >>> inverse_smallest(5, 6).value
    inf
    """
    size, dof = _invertible(size, dof)
    power = _validate.integer("power", power, 1, 2)
    draws = _validate.integer("draws", draws, 2)
    if dof - size + 1 <= 2 * power:
        return Estimate(np.inf, 0.0)
    if size == 1:
        return Estimate(_inverse_power_trace(1, dof, power), 0.0)
    rng = _validate.generator(seed, _SMALLEST_STREAM)
    return _estimate(eigenvalues(size, dof, draws, rng)[:, 0] ** -power)


def inverse_smallest_bound(size: Integer, dof: Integer, power: Integer = 1) -> float:
    """Closed upper bound of `E lambda_min(W_k(N))^{-power}`, power 1 or 2; infinite where the mean is.

    With p = (N - k + 1) / 2, C as displayed in the chapter, and
    `F(x) = min{1, C x^p / p, exp(-(sqrt N - sqrt k - sqrt x)_+^2 / 2)} >= P(lambda_min <= x)`, it is
    `power * integral_0^inf F(x) x^{-power-1} dx`, or `E tr W_k(N)^{-power}` if that is smaller; exact for k = 1.

    Raises ValueError unless 1 <= size <= dof and power is 1 or 2.
    Source: lemma on the smallest eigenvalue of chapter *Gaussian matrices*.

    >>> inverse_smallest_bound(1, 7)
    0.2
    >>> 0.029 < inverse_smallest_bound(20, 100) < 0.052  # simulated: 0.0293
    True
    """
    size, dof = _invertible(size, dof)
    power = _validate.integer("power", power, 1, 2)
    if dof - size + 1 <= 2 * power:
        return np.inf
    return min(_inverse_power_trace(size, dof, power), _tail_moment(size, dof, power))


def condition_number(size: Integer, dof: Integer, draws: Integer = 10_000, seed: Seed = 0) -> Estimate:
    """`E[lambda_max / lambda_min]` of `W_k(N)` by simulation; (inf, 0) for N <= k + 1, exactly 1 for size 1.

    The variance of one draw is finite only if N >= k + 4: closer to the threshold the standard error understates the
    error.

    Raises ValueError unless 1 <= size <= dof and draws is an integer of at least 2.
    Source: the tail term of Theorem 2 of the paper, (12); chapter *More data than dimensions*.

    >>> condition_number(1, 4)
    Estimate(value=1.0, standard_error=0.0)
    """
    size, dof = _invertible(size, dof)
    draws = _validate.integer("draws", draws, 2)
    if size == 1:
        return Estimate(1.0, 0.0)
    if dof <= size + 1:
        return Estimate(np.inf, 0.0)
    spectra = eigenvalues(size, dof, draws, _validate.generator(seed, _CONDITION_STREAM))
    return _estimate(spectra[:, -1] / spectra[:, 0])


def gaussian_norm_bound(m: Integer, n: Integer) -> float:
    """`E ||Z||^2 <= (sqrt m + sqrt n)^2` for Z of shape (m, n) with independent standard Gaussian entries.

    Raises ValueError if m or n is not an integer of at least 1.
    Source: Lemma 4 of the paper, (25), without its "+ 1"; chapter *Gaussian matrices*.

    >>> gaussian_norm_bound(4, 9)
    25.0
    """
    m, n = _validate.integer("m", m, 1), _validate.integer("n", n, 1)
    return float(formulas.gaussian_norm_bound(m=m, n=n))


def marchenko_pastur_edges(ratio: Real) -> tuple[float, float]:
    """Edges `(1 -/+ sqrt c)^2` of the limiting spectrum of `W_k(N) / N` as k / N tends to c = `ratio`.

    Raises ValueError unless the ratio is a finite number above 0.

    >>> marchenko_pastur_edges(0.25)
    (0.25, 2.25)
    """
    ratio = _validate.number("ratio", ratio, strict=True)
    return (
        float(formulas.marchenko_pastur_lower_edge(c=ratio)),
        float(formulas.marchenko_pastur_upper_edge(c=ratio)),
    )


def marchenko_pastur_atom(ratio: Real) -> float:
    """Share of zero eigenvalues, `max(0, 1 - 1 / c)`: with k > N the matrix is singular.

    Raises ValueError unless the ratio is a finite number above 0.

    >>> marchenko_pastur_atom(2.0), marchenko_pastur_atom(0.5)
    (0.5, 0.0)
    """
    return float(formulas.marchenko_pastur_atom(c=_validate.number("ratio", ratio, strict=True)))


def marchenko_pastur_density(x: Real | Float[np.ndarray, "..."], ratio: Real) -> Real | Float[np.ndarray, "..."]:
    """Density of the limiting spectrum away from zero, `sqrt((x_+ - x)(x - x_-)) / (2 pi c x)` between the edges.

    It integrates to `min(1, 1 / c)`; the rest is the atom at zero.

    Raises ValueError unless x is finite and real and the ratio a finite number above 0.

    >>> round(marchenko_pastur_density(1.0, 1.0), 6)
    0.275664
    """
    low, high = marchenko_pastur_edges(ratio)
    x = np.asarray(_validate.real_array("x", x))
    inside = (x > low) & (x < high)
    density = np.zeros(x.shape)
    density[inside] = formulas.marchenko_pastur_density(x=x[inside], c=ratio)
    return density if density.ndim else float(density)


def marchenko_pastur_cdf(x: Real | Float[np.ndarray, "..."], ratio: Real) -> Real | Float[np.ndarray, "..."]:
    """Distribution function of the limiting spectrum of `W_k(N) / N`, the atom at zero included.

    In closed form, with the angle t that x has on the circle from edge to edge: `cos t = (1 + c - x) / (2 sqrt c)`.

    Raises ValueError unless x is finite and real and the ratio a finite number above 0.

    >>> round(marchenko_pastur_cdf(4.0, 1.0), 9), round(marchenko_pastur_cdf(0.0, 2.0), 9)
    (1.0, 0.5)
    """
    ratio = _validate.number("ratio", ratio, strict=True)
    x = np.asarray(_validate.real_array("x", x))
    t = np.arccos(np.clip(formulas.marchenko_pastur_cosine(x=x, c=ratio), -1.0, 1.0))
    cdf = marchenko_pastur_atom(ratio) + formulas.marchenko_pastur_integral(t=t, c=ratio)
    cdf = np.where(x < 0, 0.0, np.clip(cdf, 0.0, 1.0))
    return cdf if cdf.ndim else float(cdf)


def _inverse_power_trace(k: int, N: int, power: int) -> float:
    """`E tr W_k(N)^{-power}`."""
    trace = formulas.inverse_trace if power == 1 else formulas.inverse_square_trace
    return float(trace(k=k, N=N))


@lru_cache(maxsize=1024)  # a bound asks for the same few of them at every rank
def _tail_moment(k: int, N: int, power: int) -> float:
    """`power * integral_0^inf F(x) x^{-power-1} dx` with the F of `inverse_smallest_bound`."""
    p, root_edge = (N - k + 1) / 2, np.sqrt(N) - np.sqrt(k)
    log_scale = float(formulas.smallest_eigenvalue_constant.log(k=k, N=N)) - np.log(p)

    def integrand(u):  # x = e^u, below the edge, where the exponential is below 1
        log_tail = min(log_scale + p * u, -0.5 * (root_edge - np.exp(u / 2)) ** 2)
        return power * np.exp(log_tail - power * u)

    # Up to `first` the power law lies below the smallest value of the exponential, that at x = 0.
    edge = 2 * np.log(root_edge)
    first = min(-(0.5 * root_edge**2 + log_scale) / p, edge)
    below = power * np.exp(log_scale + (p - power) * first) / (p - power)
    between = sum(quad(integrand, a, b)[0] for a, b in pairwise(np.linspace(first, edge, 65)))
    above = np.exp(-power * edge)  # F = 1 from the edge on
    return float(below + between + above)


def _estimate(values: np.ndarray) -> Estimate:
    return Estimate(float(np.mean(values)), float(np.std(values, ddof=1) / np.sqrt(len(values))))


def _sizes(size, dof) -> tuple[int, int]:
    return _validate.integer("size", size, 1), _validate.integer("dof", dof, 1)


def _invertible(size, dof) -> tuple[int, int]:
    size = _validate.integer("size", size, 1)
    return size, _validate.integer(
        "dof", dof, size, meaning="an inverse needs at least as many degrees of freedom as rows"
    )
