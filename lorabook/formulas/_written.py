r"""Sums, products and fractions that stay as they were written.

sympy puts the terms of a sum in an order of its own. The nodes here print in the order of their arguments; `.doit()`
gives the ordinary sympy expression, which is what proofs compute with and what is evaluated.

>>> import sympy
>>> from lorabook.formulas._formula import Formula
>>> n, d = sympy.symbols("n d", positive=True)
>>> Formula("f", "eq-f", over(n, add(n, minus(d), minus(1)))).latex()
'\\frac{n}{n - d - 1}'
"""

import sympy

__all__ = [
    "Factors",
    "Over",
    "Power",
    "SquareRoot",
    "Terms",
    "Written",
    "add",
    "minus",
    "over",
    "power",
    "root",
    "times",
]


class Written(sympy.Expr):
    """An operation on its arguments; `plain` is sympy's own."""

    is_commutative = True

    def __new__(cls, *args):
        return sympy.Expr.__new__(cls, *map(sympy.sympify, args))

    def doit(self, **hints):
        return self.plain(*(arg.doit(**hints) for arg in self.args))


class Terms(Written):
    """A sum."""

    plain = staticmethod(sympy.Add)

    def _latex(self, printer, **_):
        text, *others = [printer._print(arg) for arg in self.args]
        return text + "".join(f" - {t[1:]}" if t.startswith("-") else f" + {t}" for t in others)

    def numeric(self, *terms):
        return sum(terms[1:], terms[0])


class Factors(Written):
    """A product of numbers. A first factor of -1 prints as a minus sign."""

    plain = staticmethod(sympy.Mul)

    def _latex(self, printer, **_):
        negative = self.args[0] == -1
        factors = self.args[1:] if negative else self.args
        text = " ".join(
            _grouped(printer, f, Terms, sympy.Add) if len(factors) > 1 else printer._print(f) for f in factors
        )
        if negative and isinstance(factors[0], Terms | sympy.Add) and len(factors) == 1:
            text = f"({text})"
        return "-" + text if negative else text

    def numeric(self, *factors):
        product = 1
        for factor in factors:
            product = product * factor
        return product


class Over(Written):
    """A fraction."""

    plain = staticmethod(lambda above, below: above / below)

    def _latex(self, printer, **_):
        above, below = (printer._print(arg) for arg in self.args)
        return rf"\frac{{{above}}}{{{below}}}"

    def numeric(self, above, below):
        return above / below


class Power(Written):
    """A power."""

    plain = staticmethod(sympy.Pow)

    def _latex(self, printer, **_):
        base = _grouped(printer, self.args[0], Terms, Factors, Over, Power, sympy.Add, sympy.Mul, sympy.Pow)
        return f"{base}^{{{printer._print(self.args[1])}}}"

    def numeric(self, base, exponent):
        return base ** float(exponent)


class SquareRoot(Written):
    """A square root."""

    plain = staticmethod(sympy.sqrt)

    def _latex(self, printer, **_):
        return rf"\sqrt{{{printer._print(self.args[0])}}}"

    def numeric(self, value):
        return value**0.5


def add(*terms):
    return Terms(*terms)


def times(*factors):
    return Factors(*factors)


def minus(term):
    return Factors(-1, *(term.args if isinstance(term, Factors) else [term]))


def over(above, below):
    return Over(above, below)


def power(base, exponent):
    return Power(base, exponent)


def root(value):
    return SquareRoot(value)


def _grouped(printer, expr, *kinds) -> str:
    text = printer._print(expr)
    return f"({text})" if isinstance(expr, kinds) else text
