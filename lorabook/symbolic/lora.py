"""Proofs by computation of chapter *The LoRA solution*."""

import sympy

from lorabook.symbolic._proof import Proof, Step, rotation

__all__ = ["lora_is_projected", "rank_constrained", "risk_decomposition", "tie_example", "unseen_directions"]


def rank_constrained() -> Proof:
    """Lemma `lem-rank-constrained` for matrices of every size: why the squares in its proof add.

    D is any update, a prime marks transposes, + the pseudo-inverse.
    """
    R, D, X, X_t, X_plus = sympy.symbols("R D X X' X^+", commutative=False)
    rest = R - R * X_plus * X
    return Proof(
        "rank-constrained least squares, all sizes",
        (
            Step("a residual has two parts", R - D * X, rest + (R * X_plus - D) * X),
            Step("they are orthogonal", rest * X_t, sympy.Integer(0), ((X_plus * X * X_t, X_t),)),
        ),
    )


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
    u = rotation(theta)[:, 0]
    update = u * u.T * R * X.inv()
    residual = R - update * X
    norm = (update * update.T).trace()
    truncated = sympy.MatMul(R, X.inv(), sympy.diag(1, 2), evaluate=False)
    return Proof(
        "the tie with a unique answer",
        (
            Step("the matrix to truncate is the identity", truncated, sympy.eye(2)),
            Step("every direction has the same loss", (residual * residual.T).trace(), sympy.Integer(2)),
            Step("squared norm", norm, sympy.Rational(1, 4) + sympy.Rational(3, 4) * sympy.cos(theta) ** 2),
            Step("least, at a right angle", sympy.Subs(norm, theta, sympy.pi / 2), sympy.Rational(1, 4)),
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
