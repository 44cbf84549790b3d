"""The book's closed forms, each once: the object that is displayed on the page is the object that is evaluated.

A `Formula` holds a sympy expression. `latex()` is what the page shows (a test compares it with the labelled equation),
and a call evaluates the same expression by the textbook operations, pseudo-inverse and square root included. That
makes it the oracle for the library's own way of computing, which shares no code with it.

>>> import numpy as np
>>> full_finetune.latex()
'W_0 + (Y - W_0 X) X^\\\\dagger'
>>> full_finetune(X=np.diag([1.0, 2.0]), Y=np.array([[3.0, 4.0]]), W_0=np.zeros((1, 2)))
array([[3., 2.]])
"""

from dataclasses import dataclass, field

import numpy as np
import sympy
from sympy.matrices.expressions import MatAdd, MatMul, MatrixExpr, MatrixSymbol, Trace, Transpose
from sympy.printing.latex import LatexPrinter

__all__ = [
    "FORMULAS",
    "Formula",
    "best_descent_rate",
    "best_step_size",
    "descent_rate",
    "empirical_risk",
    "excess_risk",
    "excess_risk_norm",
    "full_finetune",
    "full_finetune_error",
    "inevitable_error",
    "interpolation",
    "lora",
    "lora_projector",
    "operator_error",
    "ordinary_least_squares",
    "risk_decomposition",
    "spectral_tail",
    "truncation_perturbation",
]


class PseudoInverse(MatrixExpr):
    """`A^+`."""

    arg = property(lambda self: self.args[0])
    shape = property(lambda self: self.arg.shape[::-1])

    def _latex(self, printer, **_):
        return printer.factor(self.arg) + r"^\dagger"

    def numeric(self, A):
        return np.linalg.pinv(A)


class Inverse(MatrixExpr):
    """`A^{-1}`, for an invertible matrix."""

    arg = property(lambda self: self.args[0])
    shape = property(lambda self: self.arg.shape)

    def _latex(self, printer, **_):
        return printer.factor(self.arg) + "^{-1}"

    def numeric(self, A):
        return np.linalg.inv(A)


class Root(MatrixExpr):
    """`A^{1/2}`, the positive semi-definite root."""

    arg = property(lambda self: self.args[0])
    shape = property(lambda self: self.arg.shape)

    def _latex(self, printer, **_):
        return printer.factor(self.arg) + "^{1/2}"

    def numeric(self, A):
        values, vectors = np.linalg.eigh(A)
        return (vectors * np.sqrt(np.clip(values, 0, None))) @ vectors.T


class RootPseudoInverse(MatrixExpr):
    """`(A^{1/2})^+`; eigenvalues below `eps * size` times the largest count as zero."""

    arg = property(lambda self: self.args[0])
    shape = property(lambda self: self.arg.shape)

    def _latex(self, printer, **_):
        return "(" + printer.factor(self.arg) + r"^{1/2})^\dagger"

    def numeric(self, A):
        values, vectors = np.linalg.eigh(A)
        kept = values > np.finfo(float).eps * len(A) * values[-1]
        return (vectors[:, kept] / np.sqrt(values[kept])) @ vectors[:, kept].T


class Truncation(MatrixExpr):
    """`(A)_r`, the truncated singular value decomposition."""

    shape = property(lambda self: self.args[0].shape)

    def _latex(self, printer, **_):
        return f"({printer._print(self.args[0])})_{printer._print(self.args[1])}"

    def numeric(self, A, rank):
        U, s, Vt = np.linalg.svd(A, full_matrices=False)
        return (U[:, :rank] * s[:rank]) @ Vt[:rank]


class TopProjector(MatrixExpr):
    """Orthogonal projector on the span of the top r left singular vectors of A."""

    shape = property(lambda self: (self.args[0].shape[0],) * 2)

    def numeric(self, A, rank):
        U = np.linalg.svd(A, full_matrices=False)[0][:, :rank]
        return U @ U.T


class FrobeniusSquare(sympy.Expr):
    """`||A||_F^2`."""

    def _latex(self, printer, **_):
        return rf"\|{printer._print(self.args[0])}\|_F^2"

    def numeric(self, A):
        return float(np.sum(A**2))


class OperatorNorm(sympy.Expr):
    """`||A||`, the largest singular value."""

    def _latex(self, printer, **_):
        return rf"\|{printer._print(self.args[0])}\|"

    def numeric(self, A):
        return float(np.linalg.norm(A, 2))


class SingularValue(sympy.Expr):
    """`sigma_i(A)`, the i-th largest singular value; zero beyond the size of A."""

    def _latex(self, printer, exp=None, **_):
        power = f"^{exp}" if exp else ""
        index = printer._print(self.args[1])
        return rf"\sigma_{{{index}}}{power}({printer._print(self.args[0])})"

    def numeric(self, A, index):
        s = np.linalg.svd(A, compute_uv=False)
        return float(s[index - 1]) if index <= len(s) else 0.0


class TailSum(sympy.Expr):
    """`sum_{i>r} sigma_i^2(A)`."""

    def _latex(self, printer, **_):
        A, r = (printer._print(arg) for arg in self.args)
        return rf"\sum_{{i>{r}}} \sigma_i^2({A})"

    def numeric(self, A, rank):
        return float(np.sum(np.linalg.svd(A, compute_uv=False)[rank:] ** 2))


class WorstContraction(sympy.Expr):
    """`max_{i <= rank X} |1 - eta sigma_i(X)^2|`."""

    def _latex(self, printer, **_):
        X, eta = (printer._print(arg) for arg in self.args)
        return rf"\max_{{i \le \operatorname{{rank}} {X}}} |1 - {eta} \sigma_i^2({X})|"

    def numeric(self, X, eta):
        s = np.linalg.svd(X, compute_uv=False)
        return float(np.max(np.abs(1 - eta * s[: np.linalg.matrix_rank(X)] ** 2)))


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
        """Evaluate at numpy values, given by the names of the symbols (`W_0`, `X`, `r`, …).

        Raises ValueError if a symbol has no value or a name is not a symbol of the formula.
        """
        known = {symbol.name: symbol for symbol in self.symbols}
        if set(known) != set(values):
            raise ValueError(f"{self.name} was given {sorted(values)}; it needs values for {sorted(known)}")
        numbers = {known[name]: np.asarray(value)[()] for name, value in values.items()}
        for symbol in [s for s in numbers if isinstance(s, MatrixSymbol)]:
            numbers |= dict(zip(symbol.shape, numbers[symbol].shape, strict=True))
        for symbol, definition in self.definitions.items():
            numbers[symbol] = _evaluate(definition, numbers)
        return _evaluate(self.expression, numbers)

    @property
    def symbols(self) -> frozenset:
        """The free symbols: sizes of matrices, and symbols that are defined from others, are not among them."""
        atoms = set().union(*(_atoms(e) for e in (self.expression, *self.definitions.values())))
        sizes = set().union(*(a.shape for a in atoms if isinstance(a, MatrixSymbol)))
        return frozenset(atoms - sizes - set(self.definitions))


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

n, d_x, d_y = sympy.symbols("n d_x d_y", integer=True, positive=True)
_r = sympy.Symbol("r", integer=True, nonnegative=True)
_eta, _kappa = sympy.Symbol(r"\eta", positive=True), sympy.Symbol(r"\kappa", positive=True)
_A, _N = MatrixSymbol("A", d_y, d_x), MatrixSymbol("N", d_y, d_x)
_X, _Y = MatrixSymbol("X", d_x, n), MatrixSymbol("Y", d_y, n)
_W, _W0, _Wstar = (MatrixSymbol(name, d_y, d_x) for name in ("W", "W_0", "W_*"))
_Wfft = MatrixSymbol(r"W_{\mathrm{FFT}}", d_y, d_x)
_Dfft, _Dstar = MatrixSymbol(r"\Delta_{\mathrm{FFT}}", d_y, d_x), MatrixSymbol(r"\Delta_*", d_y, d_x)
_Sigma, _Sigma_hat = MatrixSymbol(r"\Sigma_x", d_x, d_x), MatrixSymbol(r"\hat\Sigma_x", d_x, d_x)
_P = MatrixSymbol("P", d_y, d_y)


def _minus(A, B):
    return MatAdd(A, MatMul(sympy.Integer(-1), B) if not isinstance(B, MatMul) else MatMul(sympy.Integer(-1), *B.args))


_residual = _minus(_Y, MatMul(_W0, _X))
_fitted = {_Dfft: MatMul(_residual, PseudoInverse(_X)), _Sigma_hat: MatMul(1 / n, _X, Transpose(_X))}

spectral_tail = Formula("spectral_tail", "eq-eckart-young", TailSum(_A, _r))
operator_error = Formula("operator_error", "eq-eckart-young-operator", SingularValue(_A, _r + 1))
truncation_perturbation = Formula(
    "truncation_perturbation",
    "eq-truncation-perturbation",
    sympy.Add(SingularValue(_A, _r + 1), sympy.Mul(2, OperatorNorm(_N), evaluate=False), evaluate=False),
)
empirical_risk = Formula(
    "empirical_risk",
    "eq-empirical-risk",
    sympy.Mul(1 / n, FrobeniusSquare(_minus(_Y, MatMul(_W, _X))), evaluate=False),
)
excess_risk = Formula(
    "excess_risk",
    "eq-excess-risk",
    Trace(MatMul(_minus(_W, _Wstar), _Sigma, Transpose(_minus(_W, _Wstar)))),
)
excess_risk_norm = Formula(
    "excess_risk_norm", "eq-excess-risk", FrobeniusSquare(MatMul(_minus(_W, _Wstar), Root(_Sigma)))
)
inevitable_error = Formula("inevitable_error", "eq-inevitable-error", TailSum(MatMul(_Dstar, Root(_Sigma)), _r))
full_finetune = Formula("full_finetune", "eq-full-finetuning", MatAdd(_W0, MatMul(_residual, PseudoInverse(_X))))
descent_rate = Formula("descent_rate", "eq-descent-rate", WorstContraction(_X, _eta))
best_descent_rate = Formula(
    "best_descent_rate",
    "eq-best-descent-rate",
    sympy.Mul(sympy.Add(_kappa, -1, evaluate=False), sympy.Pow(_kappa + 1, -1), evaluate=False),
)
_E, _Pi_perp = MatrixSymbol("E", d_y, n), MatrixSymbol(r"\Pi^\perp", d_x, d_x)
_unseen = {_Pi_perp: _minus(sympy.Identity(d_x), MatMul(_X, PseudoInverse(_X)))}
ordinary_least_squares = Formula(
    "ordinary_least_squares",
    "eq-ordinary-least-squares",
    MatMul(_Y, Transpose(_X), Inverse(MatMul(_X, Transpose(_X)))),
)
interpolation = Formula(
    "interpolation",
    "eq-interpolation",
    MatAdd(MatMul(_W0, _Pi_perp), MatMul(_Y, Inverse(MatMul(Transpose(_X), _X)), Transpose(_X))),
    _unseen,
)
full_finetune_error = Formula(
    "full_finetune_error",
    "eq-fft-error",
    _minus(MatMul(_E, PseudoInverse(_X)), MatMul(_Dstar, _Pi_perp)),
    _unseen,
)
_s_1, _s_m = sympy.symbols("s_1 s_m", positive=True)
best_step_size = Formula("best_step_size", "eq-best-step", 2 / (_s_1**2 + _s_m**2))
lora = Formula(
    "lora",
    "eq-lora",
    MatAdd(_W0, MatMul(Truncation(MatMul(_Dfft, Root(_Sigma_hat)), _r), RootPseudoInverse(_Sigma_hat))),
    _fitted,
)
lora_projector = Formula(
    "lora_projector",
    "eq-projector",
    MatMul(_P, _Dfft),
    {**_fitted, _P: TopProjector(MatMul(_Dfft, Root(_Sigma_hat)), _r)},
)
risk_decomposition = Formula(
    "risk_decomposition",
    "eq-risk-decomposition",
    sympy.Add(
        FrobeniusSquare(MatMul(_P, _minus(_Wfft, _Wstar), Root(_Sigma))),
        FrobeniusSquare(MatMul(_minus(sympy.Identity(d_y), _P), _Dstar, Root(_Sigma))),
        evaluate=False,
    ),
)

FORMULAS = {f.name: f for f in list(globals().values()) if isinstance(f, Formula)}
