"""The formulas of a strong direction less their leading terms, which cancel in its risk.

What a direction of strength x contributes is of the order of x several times over, with both signs, and of order one
once those have cancelled. Each remainder here is made from the book's formula by algebra, in `u = 1 / x`: it keeps its
digits however strong the direction is.
"""

from functools import cache

import numpy as np
import sympy

from lorabook import formulas

__all__ = ["remainder", "unlearned"]

_u = sympy.Symbol("u", positive=True)


def remainder(name: str, **values):
    """A remainder at values given by the names of the symbols, with `u = 1 / x` in place of the strength.

    - visible_square: `lambda - x` of the i-th visible direction
    - spiked_square: `lambda c_v^2 / x - 1`
    - blind_square: `lambda (1 - c_v^2)`
    - overlap_left: `1 - c_u^2`
    - shrinkage_gain: `1 - gain N / (sigma^2 x)`
    - ridge_penalty: the penalty itself, whose formula overflows where it is small
    """
    return _remainders()[name](**{symbol: np.asarray(value, dtype=float) for symbol, value in values.items()})


def unlearned(t: np.ndarray, gamma: float) -> np.ndarray:
    """`1 - a(t)` of `formulas.effective_dimension`: `4 t / ((root + 1 - gamma - t) (root + 1 + gamma + t))`.

    That form, where the first bracket is a sum of positive terms; else a is not near one, and nothing cancels.
    """
    a = formulas.effective_dimension(t=t, gamma=gamma)
    root = np.sqrt((1.0 + t - gamma) ** 2 + 4.0 * gamma * t)
    first = root + 1.0 - gamma - t
    positive = gamma + t < 1.0
    return np.where(positive, 4.0 * t / (np.where(positive, first, 1.0) * (root + 1.0 + gamma + t)), 1.0 - a)


@cache
def _remainders() -> dict[str, formulas.Formula]:
    square, left, right = formulas.spiked_square, formulas.overlap_left, formulas.overlap_right
    gain, visible, penalty = formulas.shrinkage_gain, formulas.visible_square, formulas.ridge_penalty
    x, x_i = square.symbol("x"), visible.symbol("x_i")
    N, sigma = gain.symbol("N"), gain.symbol(r"\sigma")
    made = {
        "visible_square": (visible, (visible.plain - x_i).subs(x_i, x)),
        "spiked_square": (square, square.plain * right.plain / x - 1),
        "blind_square": (square, square.plain * (1 - right.plain)),
        "overlap_left": (left, 1 - left.plain),
        "shrinkage_gain": (gain, 1 - gain.plain * N / (sigma**2 * x)),
        "ridge_penalty": (penalty, penalty.plain),
    }
    return {
        name: formulas.Formula(name, formula.equation, sympy.cancel(sympy.together(expression.subs(x, 1 / _u))))
        for name, (formula, expression) in made.items()
    }
