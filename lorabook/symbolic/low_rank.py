"""Proofs by computation of chapter *Low-rank approximation*."""

import sympy

from lorabook.symbolic._proof import Proof, Step, rotation

__all__ = ["eckart_young_2x2", "svd_2x2", "truncation_perturbation_attained"]


def svd_2x2() -> Proof:
    """Theorem `thm-svd` for every 2x2 matrix with given half-axes and rotations."""
    s1, s2 = sympy.symbols("sigma_1 sigma_2", positive=True)
    U, V = (rotation(sympy.Symbol(name, real=True)) for name in ("alpha", "beta"))
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
    A, u = sympy.diag(s1, s2), rotation(theta)[:, 0]
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
