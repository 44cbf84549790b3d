"""`Formula`: one sympy expression that the page displays and the library evaluates."""

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import sympy
from sympy.matrices.expressions import MatAdd, MatMul, MatrixSymbol, Trace, Transpose
from sympy.printing.latex import LatexPrinter

__all__ = ["Formula"]


class _Printer(LatexPrinter):
    """sympy's LaTeX in the book's notation: terms stay in the order in which they were written."""

    def factor(self, expr):
        text = self._print(expr)
        return f"({text})" if isinstance(expr, MatAdd | MatMul) else text

    def _print_MatAdd(self, expr):
        text = self._print(expr.args[0])
        for term in expr.args[1:]:
            negative = isinstance(term, MatMul) and term.args[0] == -1
            text += (" - " + self._print(MatMul(*term.args[1:]))) if negative else (" + " + self._print(term))
        return text

    def _print_MatMul(self, expr):
        return " ".join(self.factor(arg) if isinstance(arg, MatAdd) else self._print(arg) for arg in expr.args)

    def _print_Transpose(self, expr):
        return self.factor(expr.arg) + r"^\top"

    def _print_Identity(self, _):
        return "I"

    def _print_Trace(self, expr):
        return rf"\operatorname{{tr}}[{self._print(expr.arg)}]"

    def _print_MatrixSymbol(self, expr, **_):
        return expr.name

    def _print_Add(self, expr, **_):
        text, *others = [self._print(arg) for arg in sorted(expr.args, key=lambda arg: bool(arg.is_number))]
        return text + "".join(f" - {t[1:]}" if t.startswith("-") else f" + {t}" for t in others)


@dataclass(frozen=True)
class Formula:
    """A closed form: displayed by `latex()`, evaluated by calling it with a value for each free symbol."""

    name: str
    """Its name in this module."""
    equation: str
    """Label of the equation of the book that displays it."""
    expression: sympy.Basic
    definitions: dict = field(default_factory=dict)
    """Symbols that the page defines in terms of the free ones, with their expressions."""

    def latex(self) -> str:
        """The right-hand side as the page shows it."""
        return _Printer({"order": "none"}).doprint(self.expression)

    def _repr_latex_(self) -> str:
        return f"$\\displaystyle {self.latex()}$"

    def __call__(self, **values):
        """Evaluate at numpy values, given by the names of the symbols (`W_0`, `X`, `r`, `sigma` for `\\sigma`, …).

        A formula without matrices takes arrays of numbers too, entry by entry.
        Raises ValueError if a symbol has no value or a name is not a symbol of the formula.
        """
        known = {_name(symbol): symbol for symbol in self.symbols}
        values = {name.replace("\\", ""): np.asarray(value)[()] for name, value in values.items()}
        if set(known) != set(values):
            raise ValueError(f"{self.name} was given {sorted(values)}; it needs values for {sorted(known)}")
        if not any(isinstance(symbol, MatrixSymbol) for symbol in known.values()):
            symbols, function = self._compiled
            return function(*(values[_name(symbol)] for symbol in symbols))
        numbers = {known[name]: value for name, value in values.items()}
        for symbol in [s for s in numbers if isinstance(s, MatrixSymbol)]:
            numbers |= dict(zip(symbol.shape, numbers[symbol].shape, strict=True))
        for symbol, definition in self.definitions.items():
            numbers[symbol] = _evaluate(definition, numbers)
        return _evaluate(self.expression, numbers)

    @cached_property
    def parts(self) -> tuple["Formula", ...]:
        """The terms of a sum written with `_written.add`, in their order."""
        return tuple(Formula(self.name, self.equation, term, self.definitions) for term in self.expression.args)

    def terms(self, **values) -> tuple:
        """The values of the terms of a sum, in their order, at the values of a call."""
        values = {name.replace("\\", ""): value for name, value in values.items()}
        return tuple(part(**{name: values[name] for name in part.names}) for part in self.parts)

    @cached_property
    def plain(self) -> sympy.Expr:
        """The expression in sympy's own order and in the free symbols alone, for computing with it."""
        expression = self.expression.doit()
        while any(symbol in expression.free_symbols for symbol in self.definitions):
            expression = expression.subs({symbol: value.doit() for symbol, value in self.definitions.items()})
        return expression

    def log(self, **values):
        """Logarithm of a product of powers and gamma functions, which may itself be beyond the largest number."""
        symbols, function = self._compiled_log
        return function(*(values[_name(symbol)] for symbol in symbols))

    @cached_property
    def _compiled_log(self) -> tuple:
        logarithm = sympy.expand_log(sympy.log(self.plain), force=True)
        logarithm = logarithm.subs({sympy.log(g): sympy.loggamma(*g.args) for g in logarithm.atoms(sympy.gamma)})
        symbols = sorted(self.symbols, key=lambda symbol: symbol.name)
        return symbols, sympy.lambdify(symbols, logarithm, modules=["scipy", "numpy"])

    @cached_property
    def _compiled(self) -> tuple:
        symbols = sorted(self.symbols, key=lambda symbol: symbol.name)
        return symbols, sympy.lambdify(symbols, self.plain, modules=["scipy", "numpy"], cse=True)

    @cached_property
    def names(self) -> frozenset[str]:
        """The names of the values that a call needs: the symbols without backslashes."""
        return frozenset(map(_name, self.symbols))

    def symbol(self, name: str) -> sympy.Symbol:
        """The free symbol of this name, for computing with `plain`."""
        return next(symbol for symbol in self.symbols if symbol.name == name)

    @cached_property
    def symbols(self) -> frozenset:
        """The free symbols: sizes of matrices, and symbols that are defined from others, are not among them."""
        atoms = set().union(*(_atoms(e) for e in (self.expression, *self.definitions.values())))
        sizes = set().union(*(a.shape for a in atoms if isinstance(a, MatrixSymbol)))
        return frozenset(atoms - sizes - set(self.definitions))


def _name(symbol) -> str:
    return symbol.name.replace("\\", "")


def _atoms(expr) -> set:
    if isinstance(expr, MatrixSymbol | sympy.Symbol):
        return {expr}
    if isinstance(expr, sympy.Identity):
        return set()
    return set().union(*(_atoms(arg) for arg in expr.args))


def _evaluate(expr, numbers):
    if isinstance(expr, MatrixSymbol | sympy.Symbol):
        return numbers[expr]
    if isinstance(expr, sympy.Identity):
        return _IDENTITY
    if isinstance(expr, sympy.Number):
        return int(expr) if expr.is_Integer else float(expr)
    args = [_evaluate(arg, numbers) for arg in expr.args]
    if hasattr(expr, "numeric"):
        return expr.numeric(*args)
    return _OPERATIONS[type(expr)](*args)


class _IdentityOfAnySize:
    """The identity matrix before its size is known: `I - P`."""

    def __add__(self, other):
        return np.eye(len(other)) + other


_IDENTITY = _IdentityOfAnySize()


def _sum(first, *rest):
    for term in rest:
        first = first + term
    return first


def _product(first, *rest):
    for factor in rest:
        first = first * factor if np.ndim(first) == 0 or np.ndim(factor) == 0 else first @ factor
    return first


_OPERATIONS = {
    MatAdd: _sum,
    sympy.Add: _sum,
    MatMul: _product,
    sympy.Mul: _product,
    sympy.Pow: lambda base, exponent: base ** float(exponent),
    Transpose: np.transpose,
    Trace: lambda A: float(np.trace(A)),
}
