"""Proofs by computation of chapter *Gaussian matrices*."""

import sympy

from lorabook import formulas
from lorabook.symbolic._proof import Proof, Step

__all__ = [
    "bartlett_2x2",
    "chi_mean",
    "inverse_wishart",
    "inverse_wishart_square",
    "marchenko_pastur",
    "mean_projector_plane",
    "noise_covariance",
    "poincare_attained",
    "schur_2x2",
    "smallest_eigenvalue_size_one",
]


def poincare_attained() -> Proof:
    """Lemma `lem-gaussian-poincare`: the identity behind it for a cubic; a linear function attains the bound."""
    x, t = sympy.symbols("x t", real=True)
    weight = sympy.exp(-(x**2) / 2) / sympy.sqrt(2 * sympy.pi)
    smoothed = sympy.exp(-t) * 3 * (sympy.exp(-2 * t) * x**2 + 1 - sympy.exp(-2 * t))
    energy = sympy.integrate(sympy.expand(smoothed**2) * weight, (x, -sympy.oo, sympy.oo))
    return Proof(
        "the variance as an integral",
        (
            Step("a cubic has variance 15", 2 * sympy.Integral(sympy.expand(energy), (t, 0, sympy.oo)), 15),
            Step("which is", sympy.Integral(x**6 * weight, (x, -sympy.oo, sympy.oo)), 15),
            Step("a linear function", sympy.Integral(x**2 * weight, (x, -sympy.oo, sympy.oo)), 1),
        ),
    )


def chi_mean() -> Proof:
    """Lemma `lem-gaussian-norm`: the recursion of the mean of a chi variable, and why `mu_m^2 < m - 1/4`."""
    m, half = sympy.symbols("m a", positive=True)
    mean = sympy.gamma(half + sympy.Rational(1, 2)) / sympy.gamma(half)
    ratio = ((m + 1) / m) ** 2 * (m - sympy.Rational(1, 4)) / (m + sympy.Rational(7, 4))
    excess = (m / 2 - sympy.Rational(1, 4)) / (m**2 * (m + sympy.Rational(7, 4)))
    return Proof(
        "the mean of a chi variable",
        (
            Step(
                "with m = 2a, two degrees of freedom more",
                mean.subs(half, half + 1) / mean,
                (2 * half + 1) / (2 * half),
            ),
            Step("the ratio exceeds one by", ratio - 1, excess),
        ),
    )


def mean_projector_plane() -> Proof:
    """Lemma `lem-mean-projector` in the plane: a random direction, averaged, and the mirror."""
    phi = sympy.Symbol("phi", real=True)
    a, b, c = sympy.symbols("a b c", real=True)
    circle = (phi, 0, 2 * sympy.pi)
    mirror, mean = sympy.diag(1, -1), sympy.Matrix([[a, b], [b, c]])
    return Proof(
        "the mean projector in the plane",
        (
            Step("on the diagonal", sympy.Integral(sympy.cos(phi) ** 2 / (2 * sympy.pi), circle), sympy.Rational(1, 2)),
            Step("off it", sympy.Integral(sympy.cos(phi) * sympy.sin(phi) / (2 * sympy.pi), circle), 0),
            Step("the mirror", sympy.MatMul(mirror, mean, mirror), sympy.Matrix([[a, -b], [-b, c]])),
        ),
    )


def noise_covariance() -> Proof:
    """Lemma `lem-noise-norm`: one row of noise in two orthonormal directions of three has covariance the identity."""
    phi = sympy.Symbol("phi", real=True)
    Q = sympy.Matrix([[sympy.cos(phi), 0], [sympy.sin(phi), 0], [0, 1]])
    return Proof(
        "the covariance of rotated noise",
        (Step("covariance of a row", sympy.MatMul(Q.T, sympy.eye(3), Q), sympy.eye(2)),),
    )


def bartlett_2x2() -> Proof:
    """Lemma `lem-bartlett` for two rows of two entries: the factor by Gram–Schmidt."""
    a, b, c, d = sympy.symbols("a b c d", positive=True)
    length = sympy.sqrt(a**2 + b**2)
    L = sympy.Matrix([[length, 0], [(a * c + b * d) / length, (a * d - b * c) / length]])
    G = sympy.Matrix([[a, b], [c, d]])
    return Proof("Bartlett's factor of two rows", (Step("the factor", sympy.MatMul(L, L.T), sympy.MatMul(G, G.T)),))


def inverse_wishart() -> Proof:
    """Proposition `prop-inverse-wishart`: the mean of an inverse chi-squared variable, and the displayed formula."""
    x, excess, k, N = sympy.symbols("x epsilon k N", positive=True)
    density = x ** (excess / 2) * sympy.exp(-x / 2) / (2 ** (1 + excess / 2) * sympy.gamma(1 + excess / 2))
    return Proof(
        "the mean of the trace",
        (
            Step(
                "the mean of 1/x, with degrees 2 + epsilon", sympy.Integral(density / x, (x, 0, sympy.oo)), 1 / excess
            ),
            Step("k diagonal entries", k / ((N - k + 1) - 2), formulas.inverse_trace.expression),
        ),
    )


def inverse_wishart_square() -> Proof:
    """Proposition `prop-inverse-wishart-square`: three moments from three equations, and the two displayed sums."""
    M, k, N = sympy.symbols("M k N", positive=True)
    A, B, C = sympy.symbols("A B C")
    solution = sympy.solve(
        [A - 1 / ((M - 1) * (M - 3)), A - B - 2 * C, B - C - 1 / (M * (M - 1))], [A, B, C], dict=True
    )[0]
    square = k * solution[A] + k * (k - 1) * solution[B]
    trace = k * solution[A] + k * (k - 1) * solution[C]
    return Proof(
        "the second moments of an inverse Wishart matrix",
        (
            Step("two diagonal entries", solution[B], (M - 2) / (M * (M - 1) * (M - 3))),
            Step("an entry off the diagonal", solution[C], 1 / (M * (M - 1) * (M - 3))),
            Step("the trace, squared", square, formulas.inverse_trace_square.expression),
            Step("the trace of the square", trace, formulas.inverse_square_trace.expression.subs(N, M + k)),
        ),
    )


def smallest_eigenvalue_size_one() -> Proof:
    """Lemma `lem-smallest-eigenvalue` for k = 1, where the bound on the density is the chi-squared density itself."""
    a = sympy.Symbol("a", positive=True)
    constant = formulas.smallest_eigenvalue_constant
    k, N = (next(s for s in constant.symbols if s.name == name) for name in ("k", "N"))
    chi_squared = 1 / (2**a * sympy.gamma(a))
    return Proof(
        "the density of the smallest eigenvalue for k = 1",
        (Step("with N = 2a, the constants", constant.plain.subs({k: 1, N: 2 * a}), chi_squared),),
    )


def schur_2x2() -> Proof:
    """Lemma `lem-schur`: the inverse of a corner of the inverse is the Schur complement."""
    a, b, c = sympy.symbols("a b c", positive=True)
    A = sympy.Matrix([[a, b], [b, c]])
    corner = sympy.Matrix([[1, 0]])
    return Proof(
        "a corner of the inverse",
        (Step("the corner", sympy.MatMul(corner, A.inv(), corner.T), sympy.Matrix([[1 / (a - b**2 / c)]])),),
    )


def marchenko_pastur() -> Proof:
    """Theorem `thm-marchenko-pastur`: the root of the self-consistent equation, and two moments."""
    x, t = sympy.symbols("x t", positive=True)
    c = sympy.Symbol("c", positive=True)
    low = formulas.marchenko_pastur_lower_edge.plain
    high = formulas.marchenko_pastur_upper_edge.plain
    discriminant = (x + c - 1) ** 2 - 4 * c * x
    density = formulas.marchenko_pastur_density.plain
    place = 1 + c + 2 * sympy.sqrt(c) * sympy.cos(t)
    return Proof(
        "the Marchenko–Pastur density",
        (
            Step("the discriminant", discriminant, (x - low) * (x - high)),
            Step(
                "its root's imaginary part, squared",
                -discriminant / (2 * sympy.pi * c * x) ** 2,
                density**2,
            ),
            Step(
                "the mean",
                sympy.Integral(2 * sympy.sin(t) ** 2 / sympy.pi, (t, 0, sympy.pi)),
                sympy.Integer(1),
            ),
            Step(
                "the second moment",
                sympy.Integral(sympy.expand(2 * sympy.sin(t) ** 2 * place / sympy.pi), (t, 0, sympy.pi)),
                1 + c,
            ),
        ),
    )
