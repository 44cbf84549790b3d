"""Proofs by computation of chapter *Low-rank approximation*."""

import sympy

from lorabook.symbolic._proof import Proof, Step, rotation

__all__ = ["eckart_young_2x2", "singular_value_decomposition", "truncation_perturbation_attained"]


def singular_value_decomposition() -> Proof:
    """Theorem `thm-svd` for matrices of every size: U, S, V as in `A = U S V'`, a prime marks transposes."""
    U, U_t, S, V, V_t = sympy.symbols("U U' S V V'", commutative=False)
    A, A_t = U * S * V_t, V * S * U_t
    orthonormal = ((U_t * U, sympy.Integer(1)), (V_t * V, sympy.Integer(1)))
    return Proof(
        "the singular value decomposition, all sizes",
        (
            Step("the right vectors go to the half-axes", A * V, U * S, orthonormal[1:]),
            Step("they are eigenvectors", A_t * A * V, V * S**2, orthonormal),
        ),
    )


def eckart_young_2x2() -> Proof:
    """Lemma `lem-eckart-young` in the plane: error of the best fit along the direction at angle theta."""
    s1, s2 = sympy.symbols("s_1 s_2", positive=True)
    theta = sympy.Symbol("theta", real=True)
    A, u = sympy.diag(s1, s2), rotation(theta)[:, 0]
    error = (A.T * A).trace() - (u.T * A * A.T * u)[0]
    return Proof(
        "Eckart–Young in the plane",
        (
            Step("energy less the part that is kept", error, s2**2 + (s1**2 - s2**2) * sympy.sin(theta) ** 2),
            Step("at angle 0 it is the tail", sympy.Subs(error, theta, 0), s2**2),
        ),
    )


def truncation_perturbation_attained() -> Proof:
    """Lemma `lem-truncation-perturbation`: the example in which its bound is an equality."""
    epsilon = sympy.Symbol("epsilon", positive=True)
    A, N = sympy.diag(1, 1 - 2 * epsilon), sympy.diag(-epsilon, epsilon)
    noisy, second = sympy.MatAdd(A, N, evaluate=False), sympy.diag(0, 1)
    kept = sympy.MatMul(noisy, second, evaluate=False)
    bound = sympy.Add(A[1, 1], sympy.Mul(2, N[1, 1], evaluate=False), evaluate=False)
    return Proof(
        "the example that attains the perturbation bound",
        (
            Step("noise makes a tie", noisy, (1 - epsilon) * sympy.eye(2)),
            Step(
                "keep the second direction, and err by", sympy.MatAdd(kept, -A, evaluate=False), sympy.diag(-1, epsilon)
            ),
            Step("the bound is 1, the norm of that", bound, sympy.Integer(1)),
        ),
    )
