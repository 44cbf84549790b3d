"""Proofs by computation of chapter *Gaussian matrices*."""

import sympy

from lorabook import formulas
from lorabook.symbolic._proof import Proof, Step

__all__ = [
    "bartlett_2x2",
    "chevet_increments",
    "chi_mean",
    "inverse_wishart",
    "inverse_wishart_square",
    "marchenko_pastur",
    "mean_projector_plane",
    "noise_covariance",
    "poincare_attained",
    "schur_2x2",
    "smallest_eigenvalue_density",
    "uniform_integrability",
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
    """Lemma `lem-gaussian-norm`: the increments, and the recursion behind `mu_m^2 < s + 1/(8 s)`, s = m - 1/2."""
    a, b = sympy.symbols("a b", real=True)
    half, s = sympy.symbols("h s", positive=True)
    mean = sympy.sqrt(2) * sympy.gamma(half + sympy.Rational(1, 2)) / sympy.gamma(half)
    bound, later = s + 1 / (8 * s), (s + 2) + 1 / (8 * (s + 2))
    ratio = ((s + sympy.Rational(3, 2)) / (s + sympy.Rational(1, 2))) ** 2 * bound / later
    excess = 18 / ((2 * s + 1) ** 2 * s * (8 * s**2 + 32 * s + 33))
    return Proof(
        "the mean of the norm",
        (
            Step("one increment exceeds the other by", (4 - 2 * a - 2 * b) - (2 - 2 * a * b), 2 * (1 - a) * (1 - b)),
            Step(
                "with $m = 2 h$, the means of two chi variables",
                mean * mean.subs(half, half + sympy.Rational(1, 2)),
                2 * half,
            ),
            Step("two degrees of freedom more", mean.subs(half, half + 1) / mean, (2 * half + 1) / (2 * half)),
            Step("the ratio exceeds one by", ratio - 1, excess),
        ),
    )


def chevet_increments() -> Proof:
    """Lemma `lem-chevet`: the difference of the mean squared increments of the two processes."""
    a, inner = sympy.symbols("a p", real=True)
    K, w, v = sympy.symbols("K w v", positive=True)
    simple = 2 * K**2 * (1 - a) + (w**2 + v**2 - 2 * inner)
    return Proof(
        "the increments",
        (Step("their difference", simple - (w**2 + v**2 - 2 * a * inner), 2 * (1 - a) * (K**2 - inner)),),
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
                r"the mean of $1 / x$, with degrees $2 + \epsilon$",
                sympy.Integral(density / x, (x, 0, sympy.oo)),
                1 / excess,
            ),
            Step("$k$ diagonal entries", k / ((N - k + 1) - 2), formulas.inverse_trace.expression),
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


def smallest_eigenvalue_density() -> Proof:
    """Lemma `lem-smallest-eigenvalue`: the displayed constant is the ratio of normalisations, k = 1 to 4, any N.

    Also the step from the means of chi variables to the square roots of their degrees of freedom.
    """
    constant = formulas.smallest_eigenvalue_constant
    k, N = map(constant.symbol, ("k", "N"))
    s = sympy.Symbol("s", positive=True)
    step = (4 * s - 1) ** 2 / (8 * s * (8 * s**2 + 1))
    return Proof(
        "the density of the smallest eigenvalue",
        (
            *(Step(f"the constants for k = {j}", _ratio(j, N), constant.plain.subs(k, j)) for j in (1, 2, 3, 4)),
            Step(
                "the steps of the two roots, squared",
                step - 1 / (4 * s + 3),
                (16 * s**2 - 28 * s + 3) / (8 * s * (8 * s**2 + 1) * (4 * s + 3)),
            ),
        ),
    )


def _ratio(k: int, N: sympy.Expr) -> sympy.Expr:
    """Constant of the joint density of the ordered eigenvalues of `W_k(N)` over that of `W_{k-1}(N+1)`."""

    def constant(k, N):
        gammas = [sympy.gamma((N - j) / 2) * sympy.gamma(sympy.Rational(k - j, 2)) for j in range(k)]
        return sympy.pi ** sympy.Rational(k, 2) / (2 ** (k * N / 2) * sympy.prod(gammas))

    return constant(k, N) / constant(k - 1, N + 1)


def uniform_integrability() -> Proof:
    """Theorem `thm-smallest-eigenvalue-limit`: the second moment that a power law near zero leaves, p = 2 + q."""
    x, q, b = sympy.symbols("x q b", positive=True)
    tail = sympy.Integral(2 * (b * x) ** (2 + q) / x**3, (x, 0, 1 / b))
    return Proof("the bounded second moment", (Step("with $p = 2 + q$", tail, 2 * b**2 / q),))


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
    """Theorem `thm-marchenko-pastur`: the root of the self-consistent equation, the distribution, two moments."""
    x, c, t, w = sympy.symbols("x c t w", positive=True)
    low = formulas.marchenko_pastur_lower_edge.plain
    high = formulas.marchenko_pastur_upper_edge.plain
    discriminant = (x + c - 1) ** 2 - 4 * c * x
    density = formulas.marchenko_pastur_density.plain
    place = 1 + c - 2 * sympy.sqrt(c) * sympy.cos(t)
    in_t = 2 * sympy.sin(t) ** 2 / (sympy.pi * place)
    in_w = 16 * w**2 / (sympy.pi * (1 + w**2) ** 2 * ((1 - sympy.sqrt(c)) ** 2 + (1 + sympy.sqrt(c)) ** 2 * w**2))
    first, second = (sympy.expand(sympy.cancel(place**power * in_t)) for power in (1, 2))
    return Proof(
        "the Marchenko–Pastur law",
        (
            Step("the discriminant", discriminant, (x - low) * (x - high)),
            Step("its root's imaginary part, squared", -discriminant / (2 * sympy.pi * c * x) ** 2, density**2),
            Step("under the root, $x$ in terms of $t$", (high - place) * (place - low), sympy.diff(place, t) ** 2),
            Step("its integral, differentiated in $w$, $c$ below 1", _integral_slope(w, sign=-1), in_w),
            Step("and above 1", _integral_slope(w, sign=1), in_w),
            Step("the density in $w$", _in_half_angle(in_t, t, w) * 2 / (1 + w**2), in_w),
            Step("the mean", sympy.Integral(first, (t, 0, sympy.pi)), 1),
            Step("the second moment", sympy.Integral(second, (t, 0, sympy.pi)), 1 + c),
        ),
    )


def _integral_slope(w: sympy.Symbol, sign: int) -> sympy.Expr:
    """The displayed integral, to be differentiated in w = tan(t / 2); `sign` is that of c - 1."""
    formula = formulas.marchenko_pastur_integral
    t = next(symbol for symbol in formula.symbols if symbol.name == "t")
    (direction,) = (arg.args[0] for arg in formula.plain.atoms(sympy.arg))
    above = direction.coeff(sympy.I)
    slope = sympy.simplify(above / (direction - sympy.I * above) / sympy.tan(t / 2))
    plain = formula.plain.subs(sympy.arg(direction), sympy.atan(slope * w)).replace(sympy.Abs, lambda a: sign * a)
    return sympy.Derivative(_in_half_angle(plain, t, w), w)


def _in_half_angle(expr: sympy.Expr, t: sympy.Symbol, w: sympy.Symbol) -> sympy.Expr:
    sine, cosine = 2 * w / (1 + w**2), (1 - w**2) / (1 + w**2)
    return expr.subs({sympy.sin(t): sine, sympy.cos(t): cosine}).subs(t, 2 * sympy.atan(w))
