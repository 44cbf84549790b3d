"""The formulas as they stand on the page, in plain numpy: what the library is compared with.

Formula (7) needs a pseudo-inverse, the square root of the sample covariance, the pseudo-inverse of that, and a singular
value decomposition. Here stands what a careful user would write, with numpy's own function for each.
"""

import numpy as np

__all__ = ["excess_risks", "full_finetune", "lora", "lora_of_ranks", "sample"]

_ZERO = 1e-10
"""Eigenvalues of the sample covariance, and singular values of its root, below this share of the largest are zero."""


def sample(task, n, seed):
    """A training set of n samples, for isotropic features and noise."""
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((task.d_x, n))
    return X, task.W_star @ X + np.sqrt(task.noise_cov) * rng.standard_normal((task.d_y, n))


def full_finetune(X, Y, W0):
    """`W_FFT = W0 + (Y - W0 X) X^+` (6)."""
    return W0 + (Y - W0 @ X) @ np.linalg.pinv(X)


def lora(X, Y, W0, rank):
    """`W_LoRA = W0 + (D S^{1/2})_r (S^{1/2})^+` (7), with `D = (Y - W0 X) X^+` and `S = X X^T / n`."""
    return next(lora_of_ranks(X, Y, W0, [rank]))


def lora_of_ranks(X, Y, W0, ranks):
    """The same for several ranks in turn, when only the singular value decomposition is made anew for each."""
    update = (Y - W0 @ X) @ np.linalg.pinv(X)
    values, vectors = np.linalg.eigh(X @ X.T / X.shape[1])
    values[values < _ZERO * values[-1]] = 0.0
    root = (vectors * np.sqrt(values)) @ vectors.T
    root_pinv = np.linalg.pinv(root, rcond=_ZERO)
    for rank in ranks:
        yield W0 + _truncated(update @ root, rank) @ root_pinv


def excess_risks(task, X, Y, ranks, shared=False):
    """Excess risk of full fine-tuning and of LoRA of each rank, for isotropic features.

    `shared`: what does not depend on the rank is computed once rather than for each.
    """
    solutions = lora_of_ranks(X, Y, task.W0, ranks) if shared else (lora(X, Y, task.W0, rank) for rank in ranks)
    return [np.linalg.norm(W - task.W_star) ** 2 for W in (full_finetune(X, Y, task.W0), *solutions)]


def _truncated(A, rank):
    U, s, Vt = np.linalg.svd(A, full_matrices=False)
    return (U[:, :rank] * s[:rank]) @ Vt[:rank]
