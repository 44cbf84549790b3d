"""Proofs by computation of chapters *The exact answer* and *Better than truncation*.

Throughout d_y is the number of outputs, k and N the smaller and the larger of n and d_x, kappa = N / (N - k - 1), and
x = n s^2 / sigma^2 the strength of a direction.
"""

import sympy

from lorabook import formulas
from lorabook.symbolic._proof import Proof, Step

__all__ = [
    "component_cost",
    "crossover_noise",
    "finite_size_identity",
    "optimal_ridge",
    "optimal_shrinkage",
    "reduction",
    "spiked_matrix",
    "strong_spikes",
    "usefulness_cubic",
]

_x, _p, _k, _n, _N, _d = sympy.symbols("x d_y k n N d_x", positive=True)
_kappa, _sigma, _s = sympy.symbols(r"\kappa \sigma s", positive=True)

_square = formulas.spiked_square.plain
"""Squared singular value of the data over sigma^2."""
_left = formulas.overlap_left.plain
"""Squared overlap of the left singular vectors, c_u^2."""
_right = formulas.overlap_right.plain
"""Squared overlap of the right singular vectors, c_v^2."""
_cost = formulas.component_cost.plain * _N / _sigma**2
"""delta(x), times N over sigma^2."""
_cubic = formulas.usefulness_cubic.plain
_edge = sympy.sqrt(_p * _k)


def reduction() -> Proof:
    """Lemma `lem-reduction` for matrices of every size, two directions kept; a prime marks transposes."""
    X_plus, X, R = sympy.symbols("X^+ X R", commutative=False)
    u, u_t, z, z_t = (sympy.symbols(f"{name}_1:3", commutative=False) for name in ("u", "u'", "z", "z'"))
    theta = sympy.symbols("theta_1:3", positive=True)
    update = sum(theta[i] * u[i] * z_t[i] for i in (0, 1))
    transposed = sum(theta[i] * z[i] * u_t[i] for i in (0, 1))
    orthonormal = tuple((u_t[i] * u[j], sympy.Integer(int(i == j))) for i in (0, 1) for j in (0, 1))
    squares = sum(theta[i] ** 2 * z[i] * z_t[i] for i in (0, 1))
    penrose = (X_plus * X * X_plus, X_plus)
    return Proof(
        "the reduction to singular triplets, all sizes",
        (
            Step("the update sees the fitted residual", R * X_plus * X * X_plus, R * X_plus, (penrose,)),
            Step("no cross terms", transposed * update, squares, orthonormal),
        ),
    )


def finite_size_identity() -> Proof:
    """Theorem `thm-finite-identity` for one spike and two dimensions: the averages of its proof, in both regimes."""
    a, b, f, ell, T, C = sympy.symbols("a b f ell T C", positive=True)
    g, F = sympy.symbols("g F", real=True)
    above = ((a - g * f) / ell) ** 2 + f**2
    below = a**2 / C - 2 * a * b * F / C + b**2 / T + b**2 * F**2 / C
    gram = sympy.Matrix([[C + F**2 * T, F * T], [F * T, T]])
    inverse = sympy.Matrix([[1 / C, -F / C], [-F / C, 1 / T + F**2 / C]])
    vector = sympy.Matrix([a, b])
    r = sympy.Symbol("r_*", positive=True)
    trace = r / (_N - r - 1)
    return Proof(
        "the finite-size identity, one signal direction in two dimensions",
        (
            Step("more data: mean squared length", _mean(above, g, 1), a**2 / ell**2 + (1 + 1 / ell**2) * f**2),
            Step("more data: mean of the signal's entry", _mean((a - g * f) / ell, g, 1), a / ell),
            Step("fewer data: the inverse by blocks", sympy.MatMul(gram, inverse, evaluate=False), sympy.eye(2)),
            Step("its quadratic form", (vector.T * inverse * vector)[0], below),
            Step("fewer data: mean squared length", _mean(below, F, 1 / T), a**2 / C + (1 + 1 / C) * b**2 / T),
            Step("fewer data: mean of the signal's entry", _mean(ell * (a - F * b) / C, F, 1 / T), ell * a / C),
            Step("all ranks: the factor in front of the blind part", 1 + trace, (_N - 1) / (_N - r - 1)),
            Step("all ranks: noise", trace + (1 + trace) * (_k - r) / (_N - _k - 1), _k / (_N - _k - 1)),
        ),
    )


def spiked_matrix() -> Proof:
    """Theorem `thm-spiked`: what its formulas say at the edge, and how the strength is read off the data."""
    y = sympy.Symbol("y", positive=True)
    root = formulas.estimated_strength.plain
    noise_edge = (sympy.sqrt(_p) + sympy.sqrt(_k)) ** 2
    return Proof(
        "the spiked matrix at its edge, and its inversion",
        (
            Step("squared singular value at the edge", sympy.Subs(_square, _x, _edge), noise_edge),
            Step("which is its least value", sympy.Subs(sympy.diff(_square, _x), _x, _edge), sympy.Integer(0)),
            Step("left overlap at the edge", sympy.Subs(_left, _x, _edge), sympy.Integer(0)),
            Step("right overlap at the edge", sympy.Subs(_right, _x, _edge), sympy.Integer(0)),
            Step("strength from the singular value", sympy.Subs(_square, _x, root), y),
        ),
    )  # fmt: skip


def component_cost() -> Proof:
    """Theorem `thm-sharp-limit`: the cost of a direction from its overlaps, and its value at the edge."""
    theta_uv = _sigma * (_x**2 - _p * _k) / _x ** sympy.Rational(3, 2)
    price = _sigma**2 * _square * (_right + _kappa * (1 - _right)) / _N
    product = sympy.Mul(_sigma**2, _square, _left, _right, evaluate=False)
    credit = 2 * theta_uv * _sigma * sympy.sqrt(_x) / _N
    return Proof(
        "the cost of a direction",
        (
            Step("singular value times both overlaps, squared", product, theta_uv**2),
            Step("what the other inputs catch", _square * (1 - _right), _k * (_x + _p) ** 2 / _x**2),
            Step("price minus credit", price - credit, _sigma**2 * _cost / _N),
            Step(
                "at the edge it is the price of pure noise",
                sympy.Subs(_sigma**2 * _cost / _N, _x, _edge),
                formulas.bulk_cost.plain,
            ),
        ),
    )


def strong_spikes() -> Proof:
    """Proposition `prop-strong-spikes`: what is left of `s^2 + delta(x)` for large x."""
    s_square = _sigma**2 * _x / _n
    cost = _sigma**2 * _cost / _N
    limit = sympy.Limit(cost + _sigma**2 * _x / _N, _x, sympy.oo)
    return Proof(
        "strong spikes",
        (
            Step("the cost, apart from what it gains", limit, _sigma**2 * (_p + _kappa * _k) / _N),
            Step("what is never gained", s_square - _sigma**2 * _x / _N, (1 - _n / _N) * s_square),
        ),
    )


def usefulness_cubic() -> Proof:
    """Proposition `prop-thresholds`: the cubic, its sign at the edge, and its root where it has a simple one."""
    many_data = (_p + _k + sympy.sqrt((_p + _k) ** 2 + 12 * _p * _k)) / 2
    square_case, square_root = _cubic.subs(_p, _k), formulas.usefulness_root.plain
    ratio = _square.subs(_p, _k) / _k
    at_edge = -_kappa * _p * _k * (sympy.sqrt(_p) + sympy.sqrt(_k)) ** 2
    return Proof(
        "when a direction pays",
        (
            Step("the cost is the cubic", -_cubic / _x**2, _cost),
            Step("the cubic at the edge", sympy.Subs(_cubic, _x, _edge), at_edge),
            Step("root for as many outputs as $k$", sympy.Subs(square_case, _x, square_root), sympy.Integer(0)),
            Step("root for plenty of data", sympy.Subs(_cubic.subs(_kappa, 1), _x, many_data), sympy.Integer(0)),
            Step("Gavish and Donoho's number", sympy.Subs(ratio, _x, 3 * _k), (4 / sympy.sqrt(3)) ** 2),
        ),
    )  # fmt: skip


def crossover_noise() -> Proof:
    """Proposition `prop-crossover`: where the strong-spike risk and that of full fine-tuning meet.

    `h` and `t` stand for the sums of s_i^2 up to and beyond the rank r. The second step goes on with what the first
    one found.
    """
    r, h, t = sympy.symbols("r h t", positive=True)
    lora = t + (1 - _n / _N) * h + r * _sigma**2 * (_p + _kappa * _k) / _N
    full = (1 - _n / _N) * (h + t) + _sigma**2 * _kappa * _p * _k / _N
    (tail,) = formulas.crossover_square.symbols - {_n, _k, _kappa, _p, r}
    meeting = sympy.sqrt(formulas.crossover_square.plain.subs(tail, t))
    gap = (_sigma**2 * (_kappa * _p * _k - r * (_p + _kappa * _k)) - _n * t) / _N
    return Proof(
        "the cross-over noise",
        (
            Step("the difference of the risks", full - lora, gap),
            Step("vanishes at the stated noise", sympy.Subs(gap, _sigma, meeting), sympy.Integer(0)),
        ),
    )


def optimal_shrinkage() -> Proof:
    """Proposition `prop-shrinker`: the best size of a direction and what it removes from the risk."""
    eta, g, w, T = sympy.symbols("eta g w T", positive=True)
    risk = eta**2 * w - 2 * eta * g
    seen = _x**2 - _p * _k
    total = seen + _kappa * _k * (_x + _p)
    per_weight = _x * (_x + _k) / T
    removed = sympy.Mul(_x, _left, _right, per_weight, evaluate=False)
    factor_square = sympy.Mul(removed, per_weight, 1 / _square, evaluate=False)
    gain = formulas.shrinkage_gain.plain * _N / _sigma**2
    whole = (T * (_x + _p) - 2 * _x * seen) / _x**2
    saved = (T * (_x + _p) - _x * seen) ** 2 / (_x**2 * (_x + _p) * T)
    return Proof(
        "the best shrinkage",
        (
            Step("slope at the best size", sympy.Subs(sympy.diff(risk, eta), eta, g / w), sympy.Integer(0)),
            Step("what that size removes", sympy.Subs(-risk, eta, g / w), g**2 / w),
            Step(
                "the weight, times $x (x + k)$; call it $T$", (_right + _kappa * (1 - _right)) * _x * (_x + _k), total
            ),
            Step(r"removed, times $N / \sigma^2$", removed, seen**2 / ((_x + _p) * T)),
            Step("the factor, squared", factor_square, _x**2 * seen**2 / ((_x + _p) ** 2 * T**2)),
            Step("removed, in full", sympy.Subs(seen**2 / ((_x + _p) * T), T, total), gain),
            Step(
                "the factor, in full",
                sympy.Subs(_x * seen / ((_x + _p) * T), T, total),
                formulas.shrinkage_factor.plain,
            ),
            Step("keeping it whole costs", sympy.Subs(whole, T, total), _cost),
            Step("so shrinking saves a square", whole + seen**2 / ((_x + _p) * T), saved),
        ),
    )


def optimal_ridge() -> Proof:
    """Proposition `prop-ridge`: Cauchy–Schwarz on two eigenvalues, the penalty, and the effective dimension.

    The spectrum has two values l_i with probabilities m_i, the filter is f_i there.
    """
    ell, mass, f = (sympy.symbols(f"{name}_1:3", positive=True) for name in ("l", "m", "f"))
    t, gamma = sympy.symbols(r"t \gamma", positive=True)
    weight = [_right * value + _d / _k * (1 - _right) for value in ell]
    w = sympy.symbols("w_1:3", positive=True)
    credit = sum(m * e * g for m, e, g in zip(mass, ell, f, strict=True))
    price = sum(m * g**2 * e * v for m, e, g, v in zip(mass, ell, f, w, strict=True))
    ideal = sum(m * e / v for m, e, v in zip(mass, ell, w, strict=True))
    gap = mass[0] * mass[1] * ell[0] * ell[1] * (f[0] * w[0] - f[1] * w[1]) ** 2 / (w[0] * w[1])
    penalty = formulas.ridge_penalty.plain
    a = formulas.effective_dimension.plain
    stieltjes = (1 - a) / t
    return Proof(
        "the best filter is a ridge",
        (
            Step("Cauchy–Schwarz, with its gap", price * ideal - credit**2, gap),
            Step("the weight is a ridge", weight[0], _right * (ell[0] + penalty)),
            Step("effective dimension", gamma * a**2 + 1, (1 + gamma + t) * a),
            Step("from Marchenko and Pastur's law", -gamma * t * stieltjes**2 + 1, (1 - gamma + t) * stieltjes),
        ),
    )


def _mean(expr, variable, variance):
    """Mean over a Gaussian variable of mean zero, as an integral that is not yet carried out."""
    density = sympy.exp(-(variable**2) / (2 * variance)) / sympy.sqrt(2 * sympy.pi * variance)
    return sympy.Integral(expr * density, (variable, -sympy.oo, sympy.oo))
