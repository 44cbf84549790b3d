"""The book's closed forms, each once: the object that is displayed on the page is the object that is evaluated.

A `Formula` holds a sympy expression. `latex()` is what the page shows (a test compares it with the labelled equation),
and a call evaluates the same expression. For matrices it does so by the textbook operations, pseudo-inverse and square
root included, which makes it the oracle for the library's own way of computing; for numbers it is the library's way.
A module a chapter; every formula is also an attribute of this package.

>>> import numpy as np
>>> full_finetune.latex()
'W_0 + (Y - W_0 X) X^\\\\dagger'
>>> full_finetune(X=np.diag([1.0, 2.0]), Y=np.array([[3.0, 4.0]]), W_0=np.zeros((1, 2)))
array([[3., 2.]])
"""

from lorabook.formulas import estimation, exact_answer, gaussian_matrices, overdetermined, underdetermined
from lorabook.formulas._formula import Formula

MODULES = (estimation, gaussian_matrices, overdetermined, underdetermined, exact_answer)

FORMULAS = {f.name: f for module in MODULES for f in vars(module).values() if isinstance(f, Formula)}
"""Every formula of the book by its name."""

globals().update(FORMULAS)

__all__ = ["FORMULAS", "Formula", *FORMULAS]
