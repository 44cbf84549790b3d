"""Numerical checks of chapter *Gaussian matrices*. Random ones give a false alarm with probability 1e-4 at most."""

import numpy as np
from scipy.linalg import polar

from lorabook import wishart
from lorabook.checks._cases import z_limit, z_score
from lorabook.claims import Check
from lorabook.linalg import svd

__all__ = [
    "bartlett",
    "chevet",
    "gaussian_norm",
    "gaussian_poincare",
    "inverse_wishart",
    "inverse_wishart_square",
    "marchenko_pastur",
    "mean_projector",
    "noise_norm",
    "schur",
    "smallest_eigenvalue",
    "smallest_eigenvalue_limit",
]

GRID = [(1, 1), (1, 9), (3, 3), (4, 20), (12, 12), (10, 50)]


def gaussian_poincare() -> Check:
    """`lem-gaussian-poincare`: five functions with Lipschitz constant 1; the linear one attains the bound."""
    rng = np.random.default_rng(501)
    g = rng.standard_normal((20_000, 5, 4))
    flat = g.reshape(len(g), -1)
    direction = np.ones(20) / np.sqrt(20)
    functions = [
        np.linalg.norm(g, 2, axis=(1, 2)),
        np.linalg.norm(flat, axis=1),
        flat.max(axis=1),
        np.abs(flat[:, 0]),
    ]
    scores = [z_score((f - f.mean()) ** 2, 1.0) for f in functions]
    attained = abs(z_score((flat @ direction) ** 2, 1.0))
    return Check(
        "largest z-score of a variance above 1, or of a linear function off 1; 5 functions, 20,000 draws",
        max(*scores, attained),
        z_limit(5),
    )


def gaussian_norm() -> Check:
    """`lem-gaussian-norm`: the mean square of the largest singular value never exceeds the bound."""
    worst, tightest = -np.inf, 0.0
    for shift, (m, n) in enumerate(GRID):
        top = wishart.eigenvalues(m, n, 5000, seed=510 + shift)[:, -1]
        bound = wishart.gaussian_norm_bound(m, n)
        worst, tightest = max(worst, z_score(top, bound)), max(tightest, top.mean() / bound)
    words = f"largest z-score of E||Z||^2 above the bound (it reaches {tightest:.2f} of it), 6 shapes, 5,000 draws each"
    return Check(words, worst, z_limit(len(GRID)))


def chevet() -> Check:
    """`lem-chevet`: mean and mean square of the norm of Z K for matrices K of several spectra."""
    worst = -np.inf
    for shift, spectrum in enumerate([[1.0], [1.0, 1.0, 1.0], [3.0, 1.0, 0.3, 0.1], [1.0, 0.0]]):
        K, m = np.diag(spectrum), 6
        Z = np.random.default_rng(520 + shift).standard_normal((8000, m, len(K)))
        norms = np.linalg.norm(Z @ K, 2, axis=(1, 2))
        bound = np.sqrt(m) * np.linalg.norm(K, 2) + np.linalg.norm(K)
        worst = max(worst, z_score(norms, bound), z_score(norms**2, bound**2 + np.linalg.norm(K, 2) ** 2))
    return Check("largest z-score above a bound, 4 matrices K, 8,000 draws each", worst, z_limit(8))


def mean_projector() -> Check:
    """`lem-mean-projector`: entries of the mean projector of random column spaces."""
    scores = []
    for shift, (d, n) in enumerate([(2, 1), (6, 2), (6, 6), (9, 5)]):
        Q = np.linalg.qr(np.random.default_rng(530 + shift).standard_normal((8000, d, n)))[0]
        projectors = Q @ Q.swapaxes(1, 2)
        scores.append(abs(z_score(projectors[:, 0, 1], 0.0)) if d > n else abs(projectors[:, 0, 1]).max())
        scores.append(abs(z_score(projectors[:, 0, 0], n / d)) if d > n else abs(projectors[:, 0, 0] - 1).max())
    return Check(
        "largest z-score of an entry of the mean projector, 4 shapes, 8,000 draws each", max(scores), z_limit(8)
    )


def noise_norm() -> Check:
    """`lem-noise-norm`: Z P_row has the norm of Z Q; its mean square is that of a d_y x k Gaussian, below the bound."""
    scores, worst = [], 0.0
    for shift, (d_x, n) in enumerate([(3, 8), (8, 3), (5, 5)]):
        rng = np.random.default_rng(540 + shift)
        X, k, d_y = rng.standard_normal((d_x, n)), min(d_x, n), 4
        row = svd(X)[2].T
        Z = rng.standard_normal((8000, d_y, n))
        norms = np.linalg.norm(Z @ (row @ row.T), 2, axis=(1, 2)) ** 2
        worst = max(worst, np.abs(norms - np.linalg.norm(Z @ row, 2, axis=(1, 2)) ** 2).max())
        free = np.linalg.norm(rng.standard_normal((8000, d_y, k)), 2, axis=(1, 2)) ** 2
        scores.append(abs(z_score(norms - free, 0.0)))
        scores.append(z_score(norms, wishart.gaussian_norm_bound(d_y, k)))
    value = max(scores) if worst < 1e-10 else np.inf
    return Check(
        "largest z-score against a free Gaussian, or above the bound; 3 shapes, 8,000 draws each", value, z_limit(6)
    )


def bartlett() -> Check:
    """`lem-bartlett`: means and variances of the entries of L L^T, also with fewer degrees of freedom than rows."""
    scores = []
    for shift, (size, dof) in enumerate([(1, 4), (3, 3), (4, 9), (5, 2)]):
        W = wishart.sample(size, dof, seed=550 + shift, draws=8000)
        first, last = W[:, 0, 0], W[:, -1, -1]
        scores += [z_score(last, dof), z_score((last - dof) ** 2, 2 * dof), z_score(first, dof)]
        if size > 1:
            corner = W[:, -1, 0]
            scores += [z_score(corner, 0.0), z_score(corner**2, dof), z_score(first * last, dof**2)]
    return Check(
        "largest z-score of a moment of an entry, 4 pairs of size and degrees, 8,000 draws each",
        float(np.max(np.abs(scores))),
        z_limit(len(scores)),
    )


def inverse_wishart() -> Check:
    """`prop-inverse-wishart`: the mean trace of the inverse, from next to the threshold to far from it."""
    scores = []
    for shift, (k, N) in enumerate([(1, 6), (2, 7), (5, 10), (10, 40), (40, 46)]):
        traces = (1 / wishart.eigenvalues(k, N, 8000, seed=560 + shift)).sum(axis=1)
        scores.append(abs(z_score(traces, wishart.inverse_trace(k, N))))
    return Check("largest z-score of E tr of the inverse, 5 pairs (k, N), 8,000 draws each", max(scores), z_limit(5))


def inverse_wishart_square() -> Check:
    """`prop-inverse-wishart-square`: the mean square of the trace of the inverse."""
    scores = []
    for shift, (k, N) in enumerate([(1, 12), (2, 14), (5, 20), (10, 40)]):
        traces = (1 / wishart.eigenvalues(k, N, 8000, seed=570 + shift)).sum(axis=1)
        scores.append(abs(z_score(traces**2, wishart.inverse_trace_square(k, N))))
    return Check(
        "largest z-score of E (tr of the inverse)^2, 4 pairs (k, N), 8,000 draws each", max(scores), z_limit(4)
    )


def smallest_eigenvalue() -> Check:
    """`lem-smallest-eigenvalue`: the closed bounds lie above the simulated moments of 1 / lambda_min."""
    worst, loosest, pairs = -np.inf, 0.0, [(2, 7), (3, 12), (10, 18), (20, 100), (50, 60)]
    for shift, (k, N) in enumerate(pairs):
        smallest = wishart.eigenvalues(k, N, 3000, seed=580 + shift)[:, 0]
        for power in (1, 2):
            bound = wishart.inverse_smallest_bound(k, N, power)
            worst = max(worst, z_score(smallest**-power, bound))
            loosest = max(loosest, bound / np.mean(smallest**-power))
    words = (
        f"largest z-score above the bound (at most {loosest:.1f} times the moment), 5 pairs (k, N), 3,000 draws each"
    )
    return Check(words, worst, z_limit(10))


def schur() -> Check:
    """`lem-schur`: mean and variance of the entries of the inverse of the corner, those of W_r(d)."""
    d, n, r, draws = 9, 4, 2, 6000
    Z = np.random.default_rng(590).standard_normal((draws, d, n))
    corners = np.empty((draws, r, r))
    for i, z in enumerate(Z):
        O = polar(z[:r].T)[0]
        corners[i] = np.linalg.inv(O.T @ np.linalg.solve(z.T @ z, O))
    diagonal, off = corners[:, 0, 0], corners[:, 0, 1]
    scores = [z_score(diagonal, d), z_score((diagonal - d) ** 2, 2 * d), z_score(off, 0.0), z_score(off**2, d)]
    return Check("largest z-score of a moment of an entry, 6,000 draws", float(np.max(np.abs(scores))), z_limit(4))


def marchenko_pastur() -> Check:
    """`thm-marchenko-pastur`: the distance of the spectrum from the law falls with the size, about like 1 / k."""
    sizes, distances = (25, 100, 400), []
    for k in sizes:
        spectra = wishart.eigenvalues(k, 2 * k, max(2, 800 // k), seed=600) / (2 * k)
        law = wishart.marchenko_pastur_cdf(spectra, 0.5)
        steps = np.arange(1, k + 1) / k
        distances.append(np.mean(np.max(np.maximum(np.abs(steps - law), np.abs(steps - 1 / k - law)), axis=1)))
    slopes = np.diff(np.log(distances)) / np.diff(np.log(sizes))
    return Check("largest exponent of k in the distance from the law, k = 25, 100, 400, N = 2k", max(slopes), -0.7)


def smallest_eigenvalue_limit() -> Check:
    """`thm-smallest-eigenvalue-limit`: lambda_min / N approaches the lower edge, as a power of the size."""
    sizes, gaps = (10, 40, 160), []
    for k in sizes:
        smallest = wishart.eigenvalues(k, 2 * k, 4000 // k, seed=610)[:, 0] / (2 * k)
        gaps.append(abs(np.mean(smallest) - wishart.marchenko_pastur_edges(0.5)[0]))
    slopes = np.diff(np.log(gaps)) / np.diff(np.log(sizes))
    return Check("largest exponent of k in the distance from the edge, k = 10, 40, 160, N = 2k", max(slopes), -0.5)
