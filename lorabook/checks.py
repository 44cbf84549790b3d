"""Numerical checks of the book's statements, one function a statement, each on its own random cases.

Every function returns a `claims.Check`: what was measured, the figure, and the limit that it must keep. Limits of exact
identities follow from rounding: `ROUNDING` is what a few dozen operations on well-conditioned matrices may lose.
"""

import numpy as np
from scipy.special import ndtri

from lorabook import estimators, formulas, linalg
from lorabook._arrays import Real
from lorabook.claims import Check
from lorabook.estimators import descent_rate, full_finetune, gradient_descent
from lorabook.task import Task

__all__ = [
    "best_descent_rate",
    "comparison",
    "eckart_young",
    "excess_risk",
    "full_finetuning",
    "full_finetuning_error",
    "gaussian_shift",
    "gradient_descent_rate",
    "inevitable_error",
    "lora_formula",
    "nuclear_norm",
    "optimism",
    "product_singular_values",
    "projector",
    "pseudo_inverse",
    "rank_constrained",
    "risk_decomposition",
    "singular_values",
    "ties",
    "truncation_perturbation",
    "unseen_directions",
    "weyl",
]

ROUNDING = 1e3 * np.finfo(float).eps
"""About 2e-13, relative. Where X is inverted, times the largest condition number among the cases."""

_SHAPES = [(1, 1), (1, 6), (6, 1), (4, 4), (8, 5), (5, 8), (30, 20)]


def singular_values() -> Check:
    """`thm-svd`: the pieces add up to A, the vectors are orthonormal, the first value is the operator norm."""
    worst = 0.0
    for A in _gaussian_matrices(seed=11):
        U, s, Vt = linalg.svd(A)
        identity = np.eye(len(s))
        sphere = _unit_vectors(A.shape[1], 200, seed=12)
        stretch = np.linalg.norm(A @ sphere, axis=0).max() / s[0] - 1
        sum_of_pieces = np.linalg.norm(sum(s[i] * np.outer(U[:, i], Vt[i]) for i in range(len(s))) - A) / s[0]
        orthonormal = max(np.abs(U.T @ U - identity).max(), np.abs(Vt @ Vt.T - identity).max())
        energy = abs(np.sum(s**2) / np.sum(A**2) - 1)
        worst = max(worst, stretch, sum_of_pieces, orthonormal, energy, *np.maximum(np.diff(s), 0))
    return Check("largest violation on random matrices of 7 shapes", worst, ROUNDING)


def weyl() -> Check:
    """`thm-weyl`: all index pairs, general and low-rank summands."""
    worst = -np.inf
    for seed in range(50):
        for A in _gaussian_matrices(seed=100 + seed):
            B = linalg.truncate(np.random.default_rng(seed).standard_normal(A.shape), 2)
            a, b, ab = (np.linalg.svd(M, compute_uv=False) for M in (A, B, A + B))
            pairs = [(i, j) for i in range(len(a)) for j in range(len(a) - i)]
            worst = max(worst, max((ab[i + j] - a[i] - b[j]) / a[0] for i, j in pairs))
    return Check("largest excess of the left side, all index pairs, 350 matrices", worst, ROUNDING)


def eckart_young() -> Check:
    """`lem-eckart-young`: the truncation attains both tails and no competitor is closer.

    Competitors: alternating least squares, which would find a better matrix of rank r if there were one, and the
    truncation moved a little.
    """
    worst = 0.0
    for A in _gaussian_matrices(seed=21):
        s = np.linalg.svd(A, compute_uv=False)
        rng = np.random.default_rng(22)
        for r in range(len(s)):
            tail, best = formulas.spectral_tail(A=A, r=r), linalg.truncate(A, r)
            operator = formulas.operator_error(A=A, r=r)
            attained = max(abs(np.sum((A - best) ** 2) - tail), abs(linalg.spectral_tail(s, r) - tail)) / s[0] ** 2
            attained = max(attained, abs(np.linalg.norm(A - best, 2) - operator) / s[0])
            competitors = [_alternating_least_squares(A, r, rng)] if r else []
            competitors += [linalg.truncate(best + size * rng.standard_normal(A.shape), r) for size in (0.01, 1.0)]
            beaten = max((tail - np.sum((A - B) ** 2)) / s[0] ** 2 for B in competitors)
            beaten = max(beaten, max((operator - np.linalg.norm(A - B, 2)) / s[0] for B in competitors))
            worst = max(worst, attained, beaten)
    return Check("largest distance from the tail, or gain of a competitor, all ranks of 7 shapes", worst, ROUNDING)


def truncation_perturbation() -> Check:
    """`lem-truncation-perturbation`: never exceeded on random cases, attained by the example."""
    worst = -np.inf
    for seed in range(30):
        for A in _gaussian_matrices(seed=300 + seed):
            noise = np.random.default_rng(seed).standard_normal(A.shape)
            for r in range(min(A.shape) + 1):
                bound = formulas.truncation_perturbation(A=A, N=noise, r=r)
                worst = max(worst, np.linalg.norm(linalg.truncate(A + noise, r) - A, 2) / bound - 1)
    epsilon = 0.01
    A, noise = np.diag([1.0, 1.0 - 2 * epsilon]), np.diag([-epsilon, epsilon + 1e-15])
    attained = np.linalg.norm(linalg.truncate(A + noise, 1) - A, 2) / formulas.truncation_perturbation(
        A=A, N=noise, r=1
    )
    return Check("largest relative excess on 210 pairs, or gap of the example", max(worst, abs(attained - 1)), ROUNDING)


def pseudo_inverse() -> Check:
    """`lem-pseudo-inverse`: the row space's two maps are X^+ and X^+ X, with the properties of the lemma."""
    worst = 0.0
    for X in _data_matrices(seed=31):
        d_x, n = X.shape
        space, m = linalg.row_space(X), np.linalg.matrix_rank(X)
        dagger = space.lift(space.coordinates(np.eye(n)))
        seen, row = X @ dagger, dagger @ X
        U, s, Vt = linalg.svd(X)
        errors = [dagger - (Vt[:m].T / s[:m]) @ U[:, :m].T, seen @ X - X, dagger @ seen - dagger]
        errors += [P - P.T for P in (seen, row)] + [P @ P - P for P in (seen, row)]
        if m == d_x:
            errors += [seen - np.eye(d_x), dagger @ (X @ X.T) - X.T]
        if m == n:
            errors += [row - np.eye(n), (X.T @ X) @ dagger - X.T]
        ranks = abs(space.dimension - m) + abs(np.trace(seen) - m) + abs(np.trace(row) - m)
        worst = max(worst, ranks, *(np.abs(error).max() for error in errors))
    return Check("largest violation, 7 data matrices of singular values from 2 to 1", worst, ROUNDING)


def full_finetuning() -> Check:
    """`prop-full-finetuning`: both regimes' formulas, generic least squares, and no other minimiser closer to W_0."""
    worst = -np.inf
    for X, Y, W0 in _data_sets(seed=41):
        W, m = full_finetune(X, Y, W0), np.linalg.matrix_rank(X)
        generic = W0 + np.linalg.lstsq(X.T, (Y - W0 @ X).T, rcond=None)[0].T
        errors = [W - generic, W - formulas.full_finetune(X=X, Y=Y, W_0=W0)]
        if m == len(X):
            errors += [W - formulas.ordinary_least_squares(X=X, Y=Y), W - full_finetune(X, Y, -2 * W0)]
        if m == X.shape[1]:
            errors += [W - formulas.interpolation(X=X, Y=Y, W_0=W0), W @ X - Y]
        worst = max(worst, *(np.abs(error).max() for error in errors))
        loss, distance = formulas.empirical_risk(X=X, Y=Y, W=W), np.linalg.norm(W - W0)
        rng, seen = np.random.default_rng(42), X @ np.linalg.pinv(X)
        for H in 10.0 ** rng.uniform(-3, 0, (50, 1, 1)) * rng.standard_normal((50, *W.shape)):
            other = W + H - H @ seen
            same_fit = abs(formulas.empirical_risk(X=X, Y=Y, W=other) - loss)
            closer = distance - np.linalg.norm(other - W0)
            fits_better = loss - formulas.empirical_risk(X=X, Y=Y, W=W + H)
            worst = max(worst, same_fit, closer, fits_better)
    return Check("largest distance from 4 other routes, or gain of a competitor; 7 data sets", worst, ROUNDING)


def full_finetuning_error() -> Check:
    """`cor-fft-error`: the two parts add up to the error, and to the excess risk of isotropic features."""
    worst = 0.0
    for seed, X in enumerate(_data_matrices(seed=51)):
        task = Task.gaussian(d_x=len(X), d_y=4, shift_rank=1, noise_std=0.5, seed=seed)
        E = 0.5 * np.random.default_rng(seed).standard_normal((4, X.shape[1]))
        W = full_finetune(X, task.W_star @ X + E, task.W0)
        error = formulas.full_finetune_error(E=E, X=X, **{r"\Delta_*": task.shift})
        space = linalg.row_space(X)
        noise = space.lift(space.coordinates(E))
        unseen = task.shift - space.lift(space.coordinates(task.shift @ X))
        split = abs(task.excess_risk(W) - np.sum(noise**2) - np.sum(unseen**2))
        worst = max(worst, split, np.abs(W - task.W_star - error).max(), np.abs(noise - unseen - error).max())
    return Check("largest difference of the two sides, 7 data matrices", worst, ROUNDING)


def gradient_descent_rate() -> Check:
    """`lem-gradient-descent`: the bound at every step, attained from the slowest direction, and the limit.

    Step sizes from a hundredth of the largest allowed one to nearly all of it.
    """
    worst = -np.inf
    for X, Y, W0 in _data_sets(seed=61):
        target, limit = full_finetune(X, Y, W0), 2 / np.linalg.norm(X, 2) ** 2
        (U, s, _), m = linalg.svd(X), np.linalg.matrix_rank(X)
        seen = X @ np.linalg.pinv(X)
        for eta in (None, 0.01 * limit, 0.5 * limit, 0.99 * limit):
            rate = descent_rate(X, eta)
            size = formulas.best_step_size(s_1=s[0], s_m=s[m - 1]) if eta is None else eta
            slowest = np.argmax(np.abs(1 - size * s[:m] ** 2))
            worst = max(worst, abs(rate - formulas.descent_rate(X=X, **{r"\eta": size})))
            distances = _distances(X, Y, W0, target, eta)
            powers = rate ** np.arange(len(distances))
            worst = max(worst, np.max(distances / distances[0] - powers))
            start = target + np.outer(np.ones(len(W0)), U[:, slowest])
            distances = _distances(X, Y, start, target, eta)
            worst = max(worst, np.max(np.abs(distances / distances[0] - powers)))
        fitted = gradient_descent(X, Y, W0, steps=100)
        worst = max(worst, np.abs(fitted - target).max(), np.abs((fitted - W0) @ (np.eye(len(X)) - seen)).max())
    return Check(
        "largest excess over the rate's powers, gap where it is attained, distance to the limit", worst, ROUNDING
    )


def best_descent_rate() -> Check:
    """`cor-best-step`: the default step size and its rate, and no step size of a fine grid does better."""
    worst = -np.inf
    for X in _data_matrices(seed=71):
        s = linalg.svd(X)[1][: np.linalg.matrix_rank(X)]
        best = formulas.best_descent_rate(**{r"\kappa": s[0] ** 2 / s[-1] ** 2})
        size = formulas.best_step_size(s_1=s[0], s_m=s[-1])
        better = best - min(descent_rate(X, eta) for eta in np.linspace(0, 2 / s[0] ** 2, 1002)[1:-1])
        worst = max(worst, better, abs(descent_rate(X) - best), abs(descent_rate(X, size) - best))
    return Check("largest gain of 1,000 other step sizes, or gap of the best; 7 data matrices", worst, ROUNDING)


def _data_matrices(seed: int):
    """Data matrices of full and of lower rank, their singular values evenly spaced from 2 down to 1."""
    for shift, (d_x, n, rank) in enumerate(
        [(6, 6, 6), (6, 15, 6), (15, 6, 6), (10, 8, 4), (8, 20, 3), (1, 5, 1), (5, 1, 1)]
    ):
        rng = np.random.default_rng([seed, shift])
        U, V = linalg.haar_frame(d_x, rank, rng), linalg.haar_frame(n, rank, rng)
        yield U * np.linspace(2.0, 1.0, rank) @ V.T


def _data_sets(seed: int):
    for shift, X in enumerate(_data_matrices(seed)):
        rng = np.random.default_rng([seed, shift, 1])
        yield X, rng.standard_normal((4, X.shape[1])), rng.standard_normal((4, len(X)))


def _distances(X, Y, start, target, step_size) -> np.ndarray:
    """Distance to `target` along 60 steps of gradient descent."""
    distances = []
    gradient_descent(X, Y, start, 60, step_size, lambda _, W: distances.append(np.linalg.norm(W - target)))
    return np.array(distances)


def _gaussian_matrices(seed: int):
    rng = np.random.default_rng(seed)
    return [rng.standard_normal(shape) for shape in _SHAPES]


def _unit_vectors(size: int, count: int, seed: int) -> np.ndarray:
    vectors = np.random.default_rng(seed).standard_normal((size, count))
    return vectors / np.linalg.norm(vectors, axis=0)


def _alternating_least_squares(A: np.ndarray, rank: int, rng: np.random.Generator, rounds: int = 200) -> np.ndarray:
    right = rng.standard_normal((rank, A.shape[1]))
    for _ in range(rounds):
        left = np.linalg.lstsq(right.T, A.T, rcond=None)[0].T
        right = np.linalg.lstsq(left, A, rcond=None)[0]
    return left @ right


# The LoRA solution


def rank_constrained() -> Check:
    """`lem-rank-constrained`: the stated minimum is attained by `lora`, and alternating least squares stays above it."""
    worst, condition = 0.0, 1.0
    for X, R in _regressions(seed=41):
        rng = np.random.default_rng(42)
        condition = max(condition, np.linalg.cond(X) if np.linalg.matrix_rank(X) == min(X.shape) else 1.0)
        n, total, X_plus = X.shape[1], np.sum(R**2), np.linalg.pinv(X)
        M = R @ X_plus @ linalg.psd_sqrt(X @ X.T / n)
        for r in range(min(M.shape) + 1):
            minimum = np.sum((R - R @ X_plus @ X) ** 2) + n * formulas.spectral_tail(A=M, r=r)
            loss = np.sum((R - estimators.lora(X, R, np.zeros_like(M), r) @ X) ** 2)
            worst = max(worst, abs(loss - minimum) / total)
            if r:
                competitor = _factored_least_squares(X, R, r, rng)
                worst = max(worst, (minimum - np.sum((R - competitor @ X) ** 2)) / total)
    words = "distance from the stated minimum, or gain of alternating least squares, all ranks"
    return Check(words, worst, ROUNDING * condition)


def lora_formula() -> Check:
    """`prop-lora`: `lora` against the displayed formula on 1,000 random cases, n below, at and above d_x.

    The formula squares the condition number c of X and may lose c^2 eps, relative; cases have c up to 300, and a factor
    of 100 is for the number of operations.
    """
    worst, cases = 0.0, 0
    rng = np.random.default_rng(43)
    while cases < 1000:
        d_x, d_y, n = (int(size) for size in rng.integers(1, 16, size=3))
        X, Y = rng.standard_normal((d_x, n)), rng.standard_normal((d_y, n))
        W0 = rng.standard_normal((d_y, d_x))
        if np.linalg.cond(X) > 300:
            continue
        cases += 1
        r = int(rng.integers(0, min(d_x, d_y, n) + 1))
        expected = formulas.lora(X=X, Y=Y, W_0=W0, r=r)
        worst = max(worst, np.linalg.norm(estimators.lora(X, Y, W0, r) - expected) / np.linalg.norm(expected))
    limit = 100 * 300**2 * np.finfo(float).eps
    return Check("largest relative difference between lora and the displayed formula, 1,000 cases", worst, limit)


def projector() -> Check:
    """`prop-projector`: the projected update is the LoRA update, and full fine-tuning from min(n, d_x, d_y) on."""
    worst = 0.0
    for X, R in _regressions(seed=44):
        zero = np.zeros((len(R), len(X)))
        full = estimators.full_finetune(X, R, zero)
        for r in range(max(*X.shape, len(R)) + 1):
            update = estimators.lora(X, R, zero, r)
            expected = formulas.lora_projector(X=X, Y=R, W_0=zero, r=r)
            worst = max(worst, np.linalg.norm(update - expected) / np.linalg.norm(full))
            if r >= min(*X.shape, len(R)):
                worst = max(worst, np.linalg.norm(update - full) / np.linalg.norm(full))
    return Check("largest relative difference, all ranks, 7 shapes and two rank-deficient X", worst, ROUNDING)


def ties() -> Check:
    """`prop-ties`: under exact ties `lora` has the norm of the eigenvalue rule, and random minimisers have no less."""
    worst = 0.0
    for seed in range(20):
        rng = np.random.default_rng(500 + seed)
        X = rng.standard_normal((7, 9 if seed % 2 else 5))
        X_plus, rows = np.linalg.pinv(X), np.linalg.svd(X, full_matrices=False)[2]
        U = np.linalg.qr(rng.standard_normal((6, 4)))[0]
        V = rows.T @ np.linalg.qr(rng.standard_normal((len(rows), 4)))[0]
        R = U * [3.0, 1.0, 1.0, 1.0] @ V.T
        first = np.sum((3.0 * V[:, 0] @ X_plus) ** 2)
        eigenvalues = np.linalg.eigvalsh(V[:, 1:].T @ X_plus @ X_plus.T @ V[:, 1:])
        for r in (2, 3):
            norm = np.sum(estimators.lora(X, R, np.zeros((6, 7)), r) ** 2)
            worst = max(worst, abs(norm / (first + np.sum(eigenvalues[: r - 1])) - 1))
            for _ in range(20):
                Q = np.linalg.qr(rng.standard_normal((3, r - 1)))[0]
                kept = np.column_stack([U[:, 0], U[:, 1:] @ Q])
                worst = max(worst, 1 - np.sum((kept.T @ R @ X_plus) ** 2) / norm)
    return Check("distance from the eigenvalue rule, or gain of a random minimiser, 40 ties", worst, ROUNDING)


def risk_decomposition() -> Check:
    """`prop-risk-decomposition`: the sum of the two terms is the excess risk, every rank, correlated features."""
    worst, condition = 0.0, 1.0
    for task, data in _tasks(seed=45, count=12):
        condition = max(condition, np.linalg.cond(data.X))
        path = estimators.rank_path(*data, task.W0)
        W_fft, risks = path.weights(path.max_rank), path.excess_risks(task)
        for r, risk in enumerate(risks):
            kept = path.directions[:, :r]
            values = {"P": kept @ kept.T, r"W_{\mathrm{FFT}}": W_fft, "W_*": task.W_star}
            values |= {r"\Delta_*": task.shift, r"\Sigma_x": task.feature_cov}
            direct = task.excess_risk(path.weights(r))
            worst = max(worst, abs(formulas.risk_decomposition(**values) / direct - 1), abs(risk / direct - 1))
    return Check("largest relative difference, every rank of 12 tasks", worst, ROUNDING * condition)


def comparison() -> Check:
    """`cor-comparison`: the criterion and the risks never disagree."""
    disagreements = 0
    for task, data in _tasks(seed=46, count=40):
        path = estimators.rank_path(*data, task.W0)
        risks, W_fft = path.excess_risks(task), path.weights(path.max_rank)
        for r in range(path.max_rank):
            kept = path.directions[:, :r]
            signal, error = (task.whiten(D - kept @ (kept.T @ D)) for D in (task.shift, W_fft - task.W_star))
            disagreements += (np.linalg.norm(signal) < np.linalg.norm(error)) != (risks[r] < risks[-1])
    return Check("disagreements over every rank of 40 tasks", float(disagreements), 0.0)


def unseen_directions() -> Check:
    """`lem-unseen`: after 500 steps the unseen part of A is the start, shrunk by weight decay alone."""
    worst = 0.0
    task = Task.gaussian(8, 6, 2, 0.5, seed=0)
    X, Y = task.sample(5, seed=4)
    unseen = np.eye(8) - X @ np.linalg.pinv(X)
    start = np.random.default_rng(47).standard_normal((2, 8))
    for decay in (0.0, 0.5):
        factors = {}
        estimators.factored_gradient_descent(
            X, Y, task.W0, 2, steps=500, step_size=1e-3, weight_decay=decay, A=start,
            callback=lambda t, B, A, factors=factors: factors.update({t: A}),
        )  # fmt: skip
        for t in (1, 10, 500):
            expected = (1 - 1e-3 * decay) ** t * start @ unseen
            worst = max(worst, np.linalg.norm(factors[t] @ unseen - expected) / np.linalg.norm(expected))
    return Check("relative difference after 1, 10 and 500 steps, with and without weight decay", worst, ROUNDING)


def nuclear_norm() -> Check:
    """`prop-nuclear`: no factorisation is cheaper than the nuclear norm, the balanced one costs just that."""
    worst = 0.0
    rng = np.random.default_rng(48)
    for A in _gaussian_matrices(seed=49):
        U, s, Vt = linalg.svd(A)
        nuclear = np.sum(s)
        balanced = (U * np.sqrt(s), np.sqrt(s)[:, None] * Vt)
        worst = max(worst, abs(sum(np.sum(F**2) for F in balanced) / 2 / nuclear - 1))
        for _ in range(20):
            G = np.eye(len(s)) + 0.5 * rng.standard_normal((len(s), len(s)))
            left, right = balanced[0] @ G, np.linalg.solve(G, balanced[1])
            worst = max(worst, 1 - (np.sum(left**2) + np.sum(right**2)) / 2 / nuclear)
    return Check("gap of the balanced factors, or gain of 140 others", worst, ROUNDING)


def _regressions(seed: int):
    """Pairs (X, R): n below, at and above d_x, few and many outputs, repeated and zero columns; well conditioned."""
    rng = np.random.default_rng(seed)
    sizes = [(6, 4, 3), (6, 4, 9), (4, 6, 4), (3, 7, 12), (8, 2, 5), (5, 5, 30), (1, 3, 6)]
    pairs = [(rng.standard_normal((d_x, n)), rng.standard_normal((d_y, n))) for d_x, d_y, n in sizes]
    X, R = pairs[1]
    repeated, zero = X[:, [0, 1, 2, 0, 1, 2, 0, 1, 2]], np.where(np.arange(9) < 4, X, 0.0)
    return [*pairs, (repeated, R), (zero, R)]


def _tasks(seed: int, count: int):
    """Tasks with correlated features and a data set each, n below and above d_x."""
    for index in range(count):
        rng = np.random.default_rng([seed, index])
        factor = np.eye(6) + 0.3 * rng.standard_normal((6, 6))
        task = Task(*rng.standard_normal((2, 5, 6)), noise_cov=0.5, feature_cov=factor @ factor.T)
        yield task, task.sample([4, 9, 40][index % 3], rng)


def _factored_least_squares(X: np.ndarray, R: np.ndarray, rank: int, rng: np.random.Generator) -> np.ndarray:
    """Alternating least squares for `min ||R - B A X||` from a random start."""
    A = rng.standard_normal((rank, len(X)))
    for _ in range(100):
        B = np.linalg.lstsq((A @ X).T, R.T, rcond=None)[0].T
        A = np.linalg.lstsq(B, R, rcond=None)[0] @ np.linalg.pinv(X)
    return B @ A


# The setting


def excess_risk() -> Check:
    """`lem-excess-risk`: trace, norm and library against the risk itself, an exact average over all pairs (x, noise).

    Both take finitely many values, equally likely; x has a mean, and the noise is skewed.
    """
    worst = 0.0
    for d_y, d_x in _SHAPES:
        rng = np.random.default_rng([401, d_y, d_x])
        features, noise = 1.0 + rng.exponential(size=(d_x, d_x + 3)), rng.exponential(size=(d_y, d_y + 2))
        noise -= noise.mean(axis=1, keepdims=True)
        W0, shift, difference = rng.standard_normal((3, d_y, d_x))
        moment, noise_cov = (M @ M.T / M.shape[1] for M in (features, noise))
        task = Task(W0, shift, noise_cov, moment)
        W = task.W_star + difference
        outcomes = (task.W_star @ features)[:, :, None] + noise[:, None, :]
        risk, best = (np.mean(np.sum((outcomes - (V @ features)[:, :, None]) ** 2, axis=0)) for V in (W, task.W_star))
        values = {"W": W, "W_*": task.W_star, r"\Sigma_x": moment}
        claimed = [formulas.excess_risk(**values), formulas.excess_risk_norm(**values), task.excess_risk(W)]
        differences = [*(risk - best - excess for excess in claimed), best - np.trace(noise_cov), risk - task.risk(W)]
        worst = max(worst, np.max(np.abs(differences)) / risk)
    return Check("largest relative difference from the risk by enumeration, 7 shapes", worst, ROUNDING)


def gaussian_shift() -> Check:
    """`lem-gaussian-shift`: mean energy of the shifts that `Task.gaussian` makes."""
    settings, draws = [(4, 3, 1), (4, 3, 3), (2, 9, 2), (12, 10, 5)], 2000
    scores = []
    for d_x, d_y, rank in settings:
        energies = [np.sum(Task.gaussian(d_x, d_y, rank, 1.0, seed).shift ** 2) for seed in range(draws)]
        scores.append(abs(_z_score(energies, d_x * d_y)))
    return Check("largest |z| of 4 settings, 2,000 draws each; false alarms 1e-4 in all", max(scores), _z_limit(4))


def product_singular_values() -> Check:
    """`lem-product-singular-values`: never violated; both sides attained when B is a multiple of a rotation."""
    worst = -np.inf
    for A in _gaussian_matrices(seed=411):
        size = A.shape[1]
        a = np.linalg.svd(A, compute_uv=False)
        rotation = 3.0 * linalg.haar_frame(size, size, seed=412)
        for B in [rotation, *np.random.default_rng(413).standard_normal((50, size, size))]:
            b, ab = (np.linalg.svd(M, compute_uv=False) for M in (B, A @ B))
            slack = np.concatenate([ab - a * b[-1], a * b[0] - ab]) / ab[0]
            worst = max(worst, np.max(np.abs(slack) if B is rotation else -slack))
    return Check("largest violation, 350 pairs, or gap of the multiples of rotations", worst, ROUNDING)


def inevitable_error() -> Check:
    """`prop-inevitable-error`: the floor is attained, no competitor is below it, the spectrum of the shift bounds it.

    Competitors: LoRA on noisy data, truncations of the shift, alternating least squares, the best update moved a bit.
    """
    worst = -np.inf
    for d_y, d_x in _SHAPES:
        rng = np.random.default_rng([421, d_y, d_x])
        W0, shift = rng.standard_normal((2, d_y, d_x))
        moment = np.cov(rng.standard_normal((d_x, 3 * d_x + 2))).reshape(d_x, d_x)
        task, root, scale = Task(W0, shift, 1.0, moment), linalg.psd_sqrt(moment), np.sum(shift**2)
        data = task.sample(2 * d_x, seed=1)
        for r in range(min(d_x, d_y) + 1):
            floor = formulas.inevitable_error(**{r"\Delta_*": shift, r"\Sigma_x": moment, "r": r})
            tails = linalg.spectral_tail(np.linalg.svd(task.whiten(shift), compute_uv=False), r)
            best = np.linalg.solve(root, linalg.truncate(shift @ root, r).T).T
            attained = max(abs(task.excess_risk(W0 + best) - floor), abs(tails - floor))
            below = np.linalg.eigvalsh(moment)[0] * formulas.spectral_tail(A=shift, r=r) - floor
            updates = [estimators.lora(*data, W0, r) - W0, linalg.truncate(shift, r)]
            updates += [linalg.truncate(best + 0.01 * rng.standard_normal(shift.shape), r)]
            if r:
                updates += [np.linalg.solve(root, _alternating_least_squares(shift @ root, r, rng, 50).T).T]
            beaten = floor - min(task.excess_risk(W0 + update) for update in updates)
            worst = max(worst, max(attained, below, beaten) / scale)
    return Check("largest distance from the floor, or gain of a competitor, all ranks of 7 shapes", worst, ROUNDING)


def optimism() -> Check:
    """`prop-optimism`, for every rank: the two inequalities on every draw, and the equality between them on average.

    The best weights of rank r have training losses with mean `best[r]`, LoRA has less on every draw, and more risk.
    """
    draws, n, ranks = 500, 15, range(6)
    task = Task.gaussian(d_x=6, d_y=5, shift_rank=3, noise_std=1.0, seed=431)
    spectrum = np.linalg.svd(task.shift, compute_uv=False)
    best = np.array([task.noise_trace + linalg.spectral_tail(spectrum, r) for r in ranks])
    weights = [task.W0 + linalg.truncate(task.shift, r) for r in ranks]
    losses, losses_of_best, risks = np.empty((3, draws, len(ranks)))
    for seed in range(draws):
        X, Y = task.sample(n, seed)
        path = estimators.rank_path(X, Y, task.W0)
        losses[seed] = [formulas.empirical_risk(X=X, Y=Y, W=path.weights(r)) for r in ranks]
        losses_of_best[seed] = [formulas.empirical_risk(X=X, Y=Y, W=W) for W in weights]
        risks[seed] = task.noise_trace + path.excess_risks(task)
    violated = np.any(losses > losses_of_best * (1 + ROUNDING)) or np.any(risks < best * (1 - ROUNDING))
    scores = [abs(_z_score(losses_of_best[:, r], best[r])) for r in ranks]
    words = "largest |z| of 6 ranks, 500 draws, infinite if an inequality fails on one; false alarms 1e-4 in all"
    return Check(words, np.inf if violated else max(scores), _z_limit(len(ranks)))


def _z_score(values, mean: Real) -> float:
    """How many standard errors the mean of the values lies above `mean`."""
    return float((np.mean(values) - mean) / (np.std(values, ddof=1) / np.sqrt(len(values))))


def _z_limit(count: int, false_alarms: float = 1e-4) -> float:
    """What one of `count` standard normal scores exceeds in absolute value with at most the given probability."""
    return float(-ndtri(false_alarms / (2 * count)))
