"""Linear algebra on stacks of matrices, the last two axes of an array."""

import numpy as np

__all__ = ["fro", "inv", "norm", "root", "sigma", "t", "tail", "trace", "truncate"]

inv = np.linalg.inv


def t(A):
    """Transposes of a stack of matrices."""
    return np.swapaxes(A, -1, -2)


def fro(A):
    """Squared Frobenius norms."""
    return np.sum(A**2, axis=(-2, -1))


def norm(A):
    """Operator norms."""
    return np.linalg.norm(A, 2, axis=(-2, -1))


def trace(A):
    """Traces."""
    return np.trace(A, axis1=-2, axis2=-1)


def sigma(A, i: int):
    """The i-th largest singular values; zero beyond the size."""
    s = np.linalg.svd(A, compute_uv=False)
    return s[..., i - 1] if i <= s.shape[-1] else np.zeros(s.shape[:-1])


def tail(A, r: int):
    """Sums of the squared singular values after the r-th."""
    return np.sum(np.linalg.svd(A, compute_uv=False)[..., r:] ** 2, axis=-1)


def truncate(A, r: int):
    """Truncated singular value decompositions."""
    U, s, Vt = np.linalg.svd(A, full_matrices=False)
    return (U[..., :r] * s[..., None, :r]) @ Vt[..., :r, :]


def root(S):
    """Positive semi-definite roots of positive definite matrices."""
    values, vectors = np.linalg.eigh(S)
    return (vectors * np.sqrt(values)[..., None, :]) @ t(vectors)
