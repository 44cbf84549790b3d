"""The formulas of chapter *Gaussian matrices*, by other routes: recursions, quadrature, independent distributions."""

import mpmath
import numpy as np
from scipy import stats
from scipy.integrate import quad


def cases(seed: int) -> dict:
    k, N = [(1, 6), (2, 9), (3, 8), (7, 20), (5, 9), (12, 30)][seed]
    c = [0.1, 0.5, 0.9, 1.0, 1.7, 4.0][seed]
    chi = stats.chi2(N - k + 1)
    low, high = np.sqrt(c) ** 2 - 2 * np.sqrt(c) + 1, c + 2 * np.sqrt(c) + 1
    x = low + (high - low) * (seed + 1) / 8
    t = np.pi * (seed + 1) / 8
    stieltjes = _stieltjes(x, c)
    diagonal, off = _second_moments(k, N)
    return {
        "gaussian_norm_bound": ({"m": k, "n": N}, k + N + 2 * np.sqrt(k * N)),
        "inverse_trace": ({"k": k, "N": N}, k * chi.expect(lambda t: 1 / t, epsabs=1e-13)),
        "inverse_trace_square": ({"k": k, "N": N}, k * diagonal + k * (k - 1) * off[0]),
        "inverse_square_trace": ({"k": k, "N": N}, k * diagonal + k * (k - 1) * off[1]),
        "smallest_eigenvalue_constant": ({"k": k, "N": N}, _constant(k, N)),
        "marchenko_pastur_lower_edge": ({"c": c}, low),
        "marchenko_pastur_upper_edge": ({"c": c}, high),
        "marchenko_pastur_density": ({"x": x, "c": c}, stieltjes.imag / np.pi),
        "marchenko_pastur_atom": ({"c": c}, [0.0, 0.0, 0.0, 0.0, 7 / 17, 0.75][seed]),
        "marchenko_pastur_cosine": ({"x": x, "c": c}, 1 - (x - low) / (high - low) * 2),
        "marchenko_pastur_integral": ({"t": t, "c": c}, _mass_below(1 + c - 2 * np.sqrt(c) * np.cos(t), c, low)),
    }


def _stieltjes(x: float, c: float) -> complex:
    """The root of `c z m^2 + (z + c - 1) m + 1 = 0` in the upper half plane: the self-consistent equation."""
    return max(np.roots([c * x, x + c - 1, 1]), key=lambda root: root.imag)


def _mass_below(x: float, c: float, low: float) -> float:
    """The density integrated over `low` to `x`, after `u = low + v^2`, which takes the singularity at the edge away."""
    return quad(lambda v: 2 * v * _stieltjes(low + v**2, c).imag / np.pi, 0, np.sqrt(x - low), epsabs=1e-12)[0]


def _second_moments(k: int, N: int) -> tuple[float, tuple[float, float]]:
    """`E V_11^2` and `E V_11 V_22`, `E V_12^2` for V the inverse of a W_k(N), from von Rosen's formulas."""
    M = N - k
    mean = 1 / (M - 1)
    scale = 1 / (M * (M - 1) ** 2 * (M - 3))
    variance, covariance, off_variance = 2 * M * scale, 2 * scale, (M - 1) * scale
    return mean**2 + variance, (mean**2 + covariance, off_variance)


def _constant(k: int, N: int) -> float:
    """Normalising constants of the joint laws of the eigenvalues of W_k(N) and W_{k-1}(N+1): their ratio, times k."""

    def joint(k, N):
        gammas = [mpmath.gamma(mpmath.mpf(N - j) / 2) * mpmath.gamma(mpmath.mpf(k - j) / 2) for j in range(k)]
        return mpmath.pi ** (mpmath.mpf(k) / 2) / (mpmath.mpf(2) ** (mpmath.mpf(k * N) / 2) * mpmath.fprod(gammas))

    # ordered eigenvalues: density joint * prod l^{(N-k-1)/2} e^{-l/2} prod |l_i - l_j|; joint includes no factor 1/k!
    return float(joint(k, N) / joint(k - 1, N + 1)) if k > 1 else float(joint(1, N))
