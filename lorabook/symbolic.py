"""Proofs by computation that the chapters show: each step is an identity that sympy has verified.

A `Proof` cannot be made from a false step, so what it displays is what was checked. The functions below make one each,
and name the statement of the book that they serve.
"""

from dataclasses import dataclass

import sympy
from sympy.matrices.expressions import MatAdd, MatMul

from lorabook import formulas

__all__ = ["Proof", "Step", "holds"]


Side = sympy.Basic | sympy.MatrixBase | int
"""A side of an identity."""


@dataclass(frozen=True)
class Step:
    """`left = right`, with a few words on why one looks at it.

    `given` holds pairs (product, what it equals) of symbols that do not commute; sympy may use them as often as it
    likes.
    """

    words: str
    left: Side
    right: Side
    given: tuple[tuple[Side, Side], ...] = ()


@dataclass(frozen=True)
class Proof:
    """A chain of identities, all verified when it is made.

    Raises ValueError, with the step, if sympy finds the difference of its two sides to be anything but zero.

    >>> x = sympy.Symbol("x")
    >>> Proof("a square", (Step("expand", (x + 1) ** 2, x**2 + 2 * x + 1),))
    Proof of a square: 1 identity verified
    >>> Proof("no square", (Step("expand", (x + 1) ** 2, x**2 + 1),))
    Traceback (most recent call last):
        ...
    ValueError: no square, step 1 (expand): the two sides differ by 2*x
    """

    title: str
    steps: tuple[Step, ...]

    def __post_init__(self):
        for number, step in enumerate(self.steps, 1):
            difference = _difference(_using(step.given, step.left), _using(step.given, step.right))
            if not _is_zero(difference):
                raise ValueError(f"{self.title}, step {number} ({step.words}): the two sides differ by {difference}")

    def __repr__(self) -> str:
        count = len(self.steps)
        return f"Proof of {self.title}: {count} {'identity' if count == 1 else 'identities'} verified"

    def _repr_latex_(self) -> str:
        lines = [
            rf"\text{{{step.words}:}}\quad & {_latex(step.left)} = {_latex(step.right)}"
            + r" \quad\checkmark"
            + _since(step.given)
            for step in self.steps
        ]
        return "$$\\begin{aligned}\n" + " \\\\\n".join(lines) + "\n\\end{aligned}$$"


def holds(left, right) -> bool:
    """Whether sympy can reduce `left - right` (numbers, expressions or matrices) to zero."""
    return _is_zero(_difference(left, right))


def _difference(left, right):
    difference = left - right
    if isinstance(difference, sympy.MatrixBase):
        return difference.applyfunc(sympy.simplify)
    return sympy.simplify(sympy.expand(difference))


def _using(given, expr):
    """`expr` with the given products replaced until none is left."""
    previous = None
    while given and expr != previous:
        previous, expr = expr, sympy.expand(expr.subs(given))
    return expr


def _since(given) -> str:
    relations = r",\ ".join(f"{_latex(word)} = {_latex(value)}" for word, value in given)
    return rf" \\ & \quad\text{{since }} {relations}" if given else ""


def _latex(side) -> str:
    return sympy.latex(side, order="none")


def _is_zero(difference) -> bool:
    if isinstance(difference, sympy.MatrixBase):
        return all(entry == 0 for entry in difference)
    return difference == 0


def svd_2x2() -> Proof:
    """Theorem `thm-svd` for every 2x2 matrix with given half-axes and rotations."""
    s1, s2 = sympy.symbols("sigma_1 sigma_2", positive=True)
    U, V = (_rotation(sympy.Symbol(name, real=True)) for name in ("alpha", "beta"))
    A = U * sympy.diag(s1, s2) * V.T
    return Proof(
        "the singular value decomposition in the plane",
        (
            Step("the image of v1 is a half-axis", A * V[:, 0], s1 * U[:, 0]),
            Step("so is the image of v2", A * V[:, 1], s2 * U[:, 1]),
            Step("the energy is the sum of squares", (A.T * A).trace(), s1**2 + s2**2),
        ),
    )


def eckart_young_2x2() -> Proof:
    """Lemma `lem-eckart-young` in the plane: error of the best fit along the direction at angle theta."""
    s1, s2 = sympy.symbols("s_1 s_2", positive=True)
    theta = sympy.Symbol("theta", real=True)
    A, u = sympy.diag(s1, s2), _rotation(theta)[:, 0]
    error = A - u * u.T * A
    return Proof(
        "Eckart–Young in the plane",
        (
            Step("squared error", (error.T * error).trace(), s2**2 + (s1**2 - s2**2) * sympy.sin(theta) ** 2),
            Step("at angle 0 it is the tail", (error.T * error).trace().subs(theta, 0), s2**2),
        ),
    )


def truncation_perturbation_attained() -> Proof:
    """Lemma `lem-truncation-perturbation`: the example in which its bound is an equality."""
    epsilon = sympy.Symbol("epsilon", positive=True)
    A, N = sympy.diag(1, 1 - 2 * epsilon), sympy.diag(-epsilon, epsilon)
    second = sympy.diag(0, 1)
    kept = (A + N) * second
    return Proof(
        "the example that attains the perturbation bound",
        (
            Step("noise makes a tie", A + N, (1 - epsilon) * sympy.eye(2)),
            Step("keep the second direction", kept - A, sympy.diag(-1, epsilon)),
            Step("the bound is 1, the norm of that", A[1, 1] + 2 * N[1, 1], sympy.Integer(1)),
        ),
    )


def pseudo_inverse() -> Proof:
    """Lemma `lem-pseudo-inverse` for matrices of every size and rank, from the singular value decomposition."""
    U, Ut, S, V, Vt = _symbols("U", r"U^\top", "S", "V", r"V^\top")
    X, dagger, gram_inverse = U * S * Vt, V * S**-1 * Ut, U * S**-2 * Ut
    orthonormal = ((Ut * U, 1), (Vt * V, 1))
    full_rank = (*orthonormal, (U * Ut, 1))
    return Proof(
        "the pseudo-inverse and its projectors",
        (
            Step("the inputs' directions", X * dagger, U * Ut, orthonormal),
            Step("the row space", dagger * X, V * Vt, orthonormal),
            Step("undone and done again", X * dagger * X, X, orthonormal),
            Step("done and undone again", dagger * X * dagger, dagger, orthonormal),
            Step("full row rank", X * V * S * Ut * gram_inverse, sympy.Integer(1), full_rank),
            Step("so that", V * S * Ut * gram_inverse, dagger, full_rank),
        ),
    )


def full_finetuning() -> Proof:
    """Proposition `prop-full-finetuning` for matrices of every size, from the formula that the page shows."""
    W, OLS, fits = (
        _words(f) for f in (formulas.full_finetune, formulas.ordinary_least_squares, formulas.interpolation)
    )
    W0, X, Xt, Y, dagger = _symbols("W_0", "X", r"X^\top", "Y", r"X^\dagger")
    left_gram, right_gram = _symbols(r"(X X^\top)^{-1}", r"(X^\top X)^{-1}")
    R, Rt, H, Ht, dagger_t = _symbols("R", r"R^\top", "H", r"H^\top", r"{X^\dagger}^\top")
    others = ((dagger * Ht, 0), (H * dagger_t, 0))
    return Proof(
        "the closed form of full fine-tuning",
        (
            Step("old and new", W, W0 * (1 - X * dagger) + Y * dagger),
            Step("a best fit", W * X, Y * dagger * X, ((X * dagger * X, X),)),
            Step("the closest", (R * dagger + H) * (dagger_t * Rt + Ht), R * dagger * dagger_t * Rt + H * Ht, others),
            Step("full row rank", W, OLS, ((Xt * left_gram, dagger), (X * dagger, 1))),
            Step("full column rank", W, fits, ((right_gram * Xt, dagger),)),
            Step("which interpolates", W * X, Y, ((dagger * X, 1),)),
        ),
    )


def full_finetuning_error() -> Proof:
    """Corollary `cor-fft-error` for matrices of every size."""
    W0, shift, X, E, Y, dagger = _symbols("W_0", r"\Delta_*", "X", "E", "Y", r"X^\dagger")
    projector = ((X * dagger * X, X), (dagger * X * dagger, dagger))
    closed_form = _words(formulas.full_finetune).subs(Y, (W0 + shift) * X + E)
    error = (shift * X + E) * dagger - shift
    return Proof(
        "the error of full fine-tuning",
        (
            Step("insert the data", closed_form, W0 + (shift * X + E) * dagger),
            Step("subtract the truth", error, _words(formulas.full_finetune_error)),
            Step("enough data: noise", error, E * dagger, ((X * dagger, 1),)),
            Step("unseen: the shift", error * (1 - X * dagger), -shift * (1 - X * dagger), projector),
        ),
    )


def gradient_descent() -> Proof:
    """Lemma `lem-gradient-descent` for matrices of every size: one step."""
    W, limit, X, Xt, Y, dagger, u = _symbols("W_t", r"W_{\mathrm{FFT}}", "X", r"X^\top", "Y", r"X^\dagger", "u_i")
    eta, s = sympy.symbols("eta s_i", positive=True)
    step = W - eta * (W * X - Y) * Xt
    return Proof(
        "one step of gradient descent",
        (
            Step(
                "the distance to the limit", step - limit, (W - limit) * (1 - eta * X * Xt), ((Y * Xt, limit * X * Xt),)
            ),
            Step("along a singular direction", (1 - eta * X * Xt) * u, (1 - eta * s**2) * u, ((X * Xt * u, s**2 * u),)),
            Step("unseen: nothing moves", step * (1 - X * dagger), W * (1 - X * dagger), ((Xt * X * dagger, Xt),)),
        ),
    )


def best_step() -> Proof:
    """Corollary `cor-best-step`: at the best step size both ends contract alike, and no step size does better."""
    s_1, s_m, eta = sympy.symbols("s_1 s_m eta", positive=True)
    kappa = sympy.Symbol(r"\kappa", positive=True)
    best = formulas.best_step_size.expression
    rate = formulas.best_descent_rate.expression
    in_singular_values = (s_1**2 - s_m**2) / (s_1**2 + s_m**2)
    slow, fast = 1 - eta * s_m**2, eta * s_1**2 - 1
    return Proof(
        "the best step size",
        (
            Step("the rate", rate.subs(kappa, s_1**2 / s_m**2), in_singular_values),
            Step("slowest direction", slow.subs(eta, best), in_singular_values),
            Step("fastest direction", fast.subs(eta, best), in_singular_values),
            Step("weighted mean", (s_1**2 * slow + s_m**2 * fast) / (s_1**2 + s_m**2), in_singular_values),
        ),
    )


def _symbols(*names):
    return [sympy.Symbol(name, commutative=False) for name in names]


def _words(formula: formulas.Formula):
    """A formula for matrices of any size as a polynomial in symbols that do not commute."""

    def words(expr):
        if expr in formula.definitions:
            return words(formula.definitions[expr])
        if isinstance(expr, MatAdd):
            return sympy.Add(*map(words, expr.args))
        if isinstance(expr, MatMul):
            return sympy.Mul(*map(words, expr.args))
        if isinstance(expr, sympy.Identity):
            return sympy.Integer(1)
        if isinstance(expr, sympy.Number):
            return expr
        return _symbols(formulas.Formula("", "", expr).latex())[0]

    return words(formula.expression)


def _rotation(angle) -> sympy.Matrix:
    return sympy.Matrix([[sympy.cos(angle), -sympy.sin(angle)], [sympy.sin(angle), sympy.cos(angle)]])


def lora_is_projected() -> Proof:
    """Proposition `prop-projector` for matrices of every size, with symbols that do not commute.

    D is the full fine-tuning update, S the root of the covariance, + marks pseudo-inverses, P the projector.
    """
    P, R, X, X_plus, S, S_plus = sympy.symbols("P R X X^+ S S^+", commutative=False)
    root, penrose = (S * S_plus, X * X_plus), (X_plus * X * X_plus, X_plus)
    return Proof(
        "LoRA as projected full fine-tuning, all sizes",
        (
            Step("truncating is projecting", P * R * X_plus * S * S_plus, P * R * X_plus, (root, penrose)),
            Step("the update ignores unseen directions", R * X_plus * (1 - X * X_plus), sympy.Integer(0), (penrose,)),
        ),
    )


def tie_example() -> Proof:
    """Example `exa-tie`: equal losses, different norms, one least."""
    theta = sympy.Symbol("theta", real=True)
    X, R = sympy.sqrt(2) * sympy.diag(1, 2), sympy.sqrt(2) * sympy.eye(2)
    u = _rotation(theta)[:, 0]
    update = u * u.T * R * X.inv()
    residual = R - update * X
    norm = (update * update.T).trace()
    return Proof(
        "the tie with a unique answer",
        (
            Step("the matrix to truncate is the identity", R * X.inv() * sympy.diag(1, 2), sympy.eye(2)),
            Step("every direction has the same loss", (residual * residual.T).trace(), sympy.Integer(2)),
            Step("squared norm", norm, sympy.Rational(1, 4) + sympy.Rational(3, 4) * sympy.cos(theta) ** 2),
            Step("least, at a right angle", norm.subs(theta, sympy.pi / 2), sympy.Rational(1, 4)),
        ),
    )


def risk_decomposition() -> Proof:
    """Proposition `prop-risk-decomposition` and its corollary, for matrices of every size.

    F and D stand for the full fine-tuning update and the true shift; P is an orthogonal projector, Z any matrix of
    their shape, a prime marks transposes.
    """
    P, F, D, Z, Z_t = sympy.symbols("P F D Z Z'", commutative=False)
    projector = (P**2, P)
    return Proof(
        "the exact decomposition of the risk, all sizes",
        (
            Step("the error has two parts", P * F - D, P * (F - D) - (1 - P) * D),
            Step("their columns are orthogonal", Z_t * P * (1 - P) * D, sympy.Integer(0), (projector,)),
            Step("any error splits so", P * Z + (1 - P) * Z, Z),
        ),
    )


def unseen_directions() -> Proof:
    """Lemma `lem-unseen` for matrices of every size: one step of descent on A, multiplied by I - Pi."""
    eta, decay = sympy.symbols("eta lambda", positive=True)
    A, B, B_t, R, X, X_t, X_plus = sympy.symbols("A B B' R X X' X^+", commutative=False)
    gradient = B_t * (B * A * X - R) * X_t + decay * A
    unseen, seen = 1 - X * X_plus, (X_t * X * X_plus, X_t)
    return Proof(
        "what the factors never see, all sizes",
        (
            Step("the loss pulls no unseen direction", X_t * unseen, sympy.Integer(0), (seen,)),
            Step(
                "a step shrinks them by weight decay alone",
                (A - eta * gradient) * unseen,
                (1 - eta * decay) * A * unseen,
                (seen,),
            ),
        ),
    )


# The setting


class Mean(sympy.Expr):
    """Expectation of a polynomial in random letters: `Mean(polynomial, (letters, moments), …)`, evaluated by `doit`.

    Each pair is a group of letters, independent of the other groups, with a dict from their exponents to the moment.
    """

    def doit(self, **_):
        polynomial, *groups = self.args
        letters = [letter for group, _ in groups for letter in group]
        total = sympy.Integer(0)
        for exponents, factor in sympy.Poly(polynomial, *letters).terms():
            powers = iter(exponents)
            for group, moments in groups:
                factor *= moments[sympy.Tuple(*(next(powers) for _ in group))]
            total += factor
        return total

    def _latex(self, printer, **_):
        return rf"\mathbb{{E}}\Bigl[{printer._print(self.args[0])}\Bigr]"


def excess_risk_2x2() -> Proof:
    """Lemma `lem-excess-risk` for two inputs and two outputs; the moments of x and of the noise are symbols."""
    a, b, c, d, s, t, u = sympy.symbols("a b c d s t u")
    x, noise = sympy.symbols("x_1 x_2"), sympy.symbols("epsilon_1 epsilon_2")
    m, mu = sympy.symbols("m_1 m_2"), sympy.symbols("mu_1 mu_2")
    D, S = sympy.ImmutableMatrix([[a, b], [c, d]]), sympy.ImmutableMatrix([[s, t], [t, u]])
    N = sympy.ImmutableMatrix([["N_11", "N_12"], ["N_12", "N_22"]])
    features, zero_mean, any_mean = (_second_order(*law) for law in ((x, m, S), (noise, (0, 0), N), (noise, mu, N)))
    predicted, at_mean = D * sympy.Matrix(x), D * sympy.Matrix(m)
    risks = [Mean((predicted[i] + noise[i]) ** 2, features, zero_mean) for i in (0, 1)]
    excess = sum(risk.doit() for risk in risks) - N.trace()
    return Proof(
        "the excess risk for two inputs and two outputs",
        (
            Step("output 1", risks[0], a**2 * s + 2 * a * b * t + b**2 * u + N[0, 0]),
            Step("output 2", risks[1], c**2 * s + 2 * c * d * t + d**2 * u + N[1, 1]),
            Step("trace", sympy.Trace(sympy.MatMul(D, S, D.T)), sympy.collect(excess, (s, t, u))),
            Step("cross 1", Mean(noise[0] * predicted[0], features, any_mean), mu[0] * at_mean[0]),
            Step("cross 2", Mean(noise[1] * predicted[1], features, any_mean), mu[1] * at_mean[1]),
        ),
    )


def gaussian_shift() -> Proof:
    """Lemma `lem-gaussian-shift`: mean square of an entry of the Gaussian shift, for ranks 1, 2 and 3."""
    steps = []
    for rank in (1, 2, 3):
        u, v = sympy.symbols(f"u_1:{rank + 1}"), sympy.symbols(f"v_1:{rank + 1}")
        entry = sum(a * b for a, b in zip(u, v, strict=True)) / sympy.sqrt(rank)
        steps.append(Step(f"rank {rank}", Mean(entry**2, *map(_standard_gaussian, u + v)), sympy.Integer(1)))
    return Proof("the energy of an entry of the Gaussian shift", tuple(steps))


def inevitable_error_2x2() -> Proof:
    """Proposition `prop-inevitable-error` in the plane: the excess risk of every update of rank one, diagonal task."""
    s1, s2, p, q = sympy.symbols("s_1 s_2 p q", positive=True)
    theta = sympy.Symbol("theta", real=True)
    c1, c2 = sympy.symbols("c_1 c_2", real=True)
    cos, sin = sympy.cos(theta), sympy.sin(theta)
    error = sympy.Matrix([cos, sin]) * sympy.Matrix([[c1, c2]]) - sympy.diag(s1, s2)
    first, second = (error[:, j].dot(error[:, j]) for j in (0, 1))
    rests = (s1**2 * sin**2, s2**2 * cos**2)
    least = q**2 * s2**2 + (p**2 * s1**2 - q**2 * s2**2) * sin**2
    return Proof(
        "the inevitable error in the plane",
        (
            Step("column 1", first, (c1 - s1 * cos) ** 2 + rests[0]),
            Step("column 2", second, (c2 - s2 * sin) ** 2 + rests[1]),
            Step("remains", p**2 * rests[0] + q**2 * rests[1], least),
        ),
    )


def _second_order(letters, means, second_moments) -> sympy.Tuple:
    """Two letters with the given means and second moments, as a group of `Mean`."""
    moments = {(0, 0): 1, (1, 0): means[0], (0, 1): means[1]}
    moments |= {(2, 0): second_moments[0, 0], (1, 1): second_moments[0, 1], (0, 2): second_moments[1, 1]}
    return sympy.Tuple(sympy.Tuple(*letters), sympy.Dict({sympy.Tuple(*k): v for k, v in moments.items()}))


def _standard_gaussian(letter) -> sympy.Tuple:
    moments = sympy.Dict({sympy.Tuple(power): moment for power, moment in enumerate((1, 0, 1))})
    return sympy.Tuple(sympy.Tuple(letter), moments)
