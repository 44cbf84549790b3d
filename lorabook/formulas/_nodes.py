"""Operations that sympy lacks or would rearrange, each with how it is printed and how it is evaluated."""

import numpy as np
import sympy
from sympy.matrices.expressions import MatrixExpr


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
