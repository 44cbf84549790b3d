"""Proofs by computation of chapter *The setting*."""

import sympy

from lorabook.symbolic._proof import Proof, Step

__all__ = ["excess_risk_2x2", "gaussian_shift", "inevitable_error_2x2"]


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


def _second_order(letters, means, second_moments) -> sympy.Tuple:
    """Two letters with the given means and second moments, as a group of `Mean`."""
    moments = {(0, 0): 1, (1, 0): means[0], (0, 1): means[1]}
    moments |= {(2, 0): second_moments[0, 0], (1, 1): second_moments[0, 1], (0, 2): second_moments[1, 1]}
    return sympy.Tuple(sympy.Tuple(*letters), sympy.Dict({sympy.Tuple(*k): v for k, v in moments.items()}))


def _standard_gaussian(letter) -> sympy.Tuple:
    moments = sympy.Dict({sympy.Tuple(power): moment for power, moment in enumerate((1, 0, 1))})
    return sympy.Tuple(sympy.Tuple(letter), moments)
