"""Training finds the closed forms: Lemma 6 with its rate, and the factored descent with and without weight decay."""

import numpy as np
import oracle
import pytest

from lorabook import (
    Task,
    descent_rate,
    factored_gradient_descent,
    full_finetune,
    gradient_descent,
    lora,
)


def problem(kind="full", d_x=5, d_y=4, n=8, seed=0):
    rng = np.random.default_rng(seed)
    X = oracle.data_matrix(rng, d_x, n, 0.5, kind)
    return X, rng.standard_normal((d_y, n)), rng.standard_normal((d_y, d_x))


def iterates(descend, *args, **kwargs):
    path = []
    if descend is factored_gradient_descent:
        kwargs["callback"] = lambda t, B, A: path.append((t, args[2] + B @ A))
    else:
        kwargs["callback"] = lambda t, W: path.append((t, W.copy()))
    last = descend(*args, **kwargs)
    assert [t for t, _ in path] == list(range(len(path)))
    np.testing.assert_array_equal(path[-1][1], last)
    return np.stack([W for _, W in path])


def step_sizes(X):
    s_1 = np.linalg.norm(X, 2)
    return [None, 0.1 / s_1**2, 1.0 / s_1**2, 1.9 / s_1**2]


# Lemma 6


@pytest.mark.parametrize("kind", oracle.KINDS)
@pytest.mark.parametrize("n", [3, 5, 8])
@pytest.mark.parametrize("size", range(4))
def test_gradient_descent_contracts_at_the_rate_of_lemma_6(kind, n, size):
    """`||W_t - W_FFT|| <= rho^t ||W_0 - W_FFT||`, each step by rho at most, by exactly rho in the long run.

    Precisely, the part along the i-th left singular vector of X shrinks by |1 - step_size s_i^2| in each step.
    """
    X, Y, W0 = problem(kind, n=n)
    step_size = step_sizes(X)[size]
    rho = descent_rate(X, step_size)
    assert 0 < rho < 1
    # Until the distance nears rounding.
    steps = min(int(np.log(1e-9) / np.log(rho)), 3000)
    W = iterates(gradient_descent, X, Y, W0, steps=steps, step_size=step_size)
    assert len(W) == steps + 1
    np.testing.assert_array_equal(W[0], W0)
    W_full = full_finetune(X, Y, W0)
    distance = np.linalg.norm(W - W_full, axis=(1, 2))
    rounding = 1e-14 * (np.linalg.norm(W0) + distance[0])
    assert np.all(distance <= rho ** np.arange(steps + 1) * distance[0] + rounding)
    assert np.all(distance[1:] <= rho * distance[:-1] + rounding)
    U, s, _ = np.linalg.svd(X)
    m = np.linalg.matrix_rank(X)
    eta = 2 / (s[0] ** 2 + s[m - 1] ** 2) if step_size is None else step_size
    factors, weights = np.abs(1 - eta * s[:m] ** 2), np.sum(((W0 - W_full) @ U[:, :m]) ** 2, axis=0)
    predicted = np.sqrt(factors ** (2 * np.arange(steps + 1)[:, None]) @ weights)
    np.testing.assert_allclose(distance, predicted, rtol=1e-9, atol=rounding)
    faster = np.max(factors[factors < rho * (1 - 1e-9)], initial=0.0)
    if (faster / rho) ** steps < 1e-3:  # what shrinks faster than rho has died out
        assert distance[-1] / distance[-2] == pytest.approx(rho, rel=1e-3)


@pytest.mark.parametrize("kind", oracle.KINDS)
def test_gradient_descent_converges_to_full_finetuning(kind):
    for n in (3, 5, 8):
        X, Y, W0 = problem(kind, n=n)
        steps = int(np.ceil(np.log(1e-14) / np.log(descent_rate(X))))
        np.testing.assert_allclose(gradient_descent(X, Y, W0, steps), full_finetune(X, Y, W0), atol=1e-12)


@pytest.mark.parametrize("kind", oracle.KINDS)
def test_the_default_step_size_is_the_fastest(kind):
    """`(k - 1) / (k + 1)` at `2 / (s_1^2 + s_m^2)`, k = s_1^2 / s_m^2, and no step size has a smaller rate."""
    X, _, _ = problem(kind)
    s = np.linalg.svd(X, compute_uv=False)[: np.linalg.matrix_rank(X)]
    k = (s[0] / s[-1]) ** 2
    assert descent_rate(X) == pytest.approx((k - 1) / (k + 1), rel=1e-12)
    for step_size in np.linspace(0.01, 1.99, 200) / s[0] ** 2:
        assert descent_rate(X, step_size) >= descent_rate(X) - 1e-14
        assert descent_rate(X, step_size) == pytest.approx(np.max(np.abs(1 - step_size * s**2)), rel=1e-12)


@pytest.mark.parametrize("factor", [1.0, 1.001, 10.0])
def test_a_step_size_that_does_not_converge_is_refused(factor):
    X, Y, W0 = problem()
    limit = 2 / np.linalg.svd(X, compute_uv=False)[0] ** 2
    for call in (lambda eta: descent_rate(X, eta), lambda eta: gradient_descent(X, Y, W0, step_size=eta)):
        with pytest.raises(ValueError, match=r"^step_size is .* must be below 2 / s_1\^2 = "):
            call(limit * factor)
        call(limit * 0.999)


# Factored descent


def losses(X, Y, weights):
    return np.sum((Y - weights @ X) ** 2, axis=(-2, -1))


@pytest.mark.parametrize("kind", oracle.KINDS)
@pytest.mark.parametrize("rank", [1, 2])
@pytest.mark.parametrize("seed", range(2))
def test_training_the_factors_finds_the_loss_of_lora(kind, rank, seed):
    X, Y, W0 = problem(kind, seed=3)
    W = iterates(factored_gradient_descent, X, Y, W0, rank=rank, steps=20_000, seed=seed)[:: 20_000 // 100]
    best = losses(X, Y, lora(X, Y, W0, rank))
    found = losses(X, Y, W)
    np.testing.assert_array_equal(W[0], W0)  # B = 0 at the start
    assert np.all(found >= best * (1 - 1e-12))
    assert np.all(np.diff(found) <= 1e-12 * found[0])  # the default step size descends
    assert found[-1] <= best * (1 + 1e-9)
    assert np.linalg.matrix_rank(W[-1] - W0, tol=1e-10) <= rank


def whitened(d_y=3, d_x=4, shift=(3.0, 2.0, 1.0)):
    """X with `X X^T = 4 I` and an update of full fine-tuning `D = diag(shift)`, exactly, in floating point."""
    X = 2 * np.eye(d_x)
    D = np.zeros((d_y, d_x))
    np.fill_diagonal(D, shift)
    return X, D @ X, np.zeros((d_y, d_x)), D


def test_with_weight_decay_the_solution_is_lora_with_its_singular_values_lowered():
    """`X X^T = c I`: the minimum of `c ||D - D_FFT||^2 / 2 + decay ||D||_*` lowers each by decay / c."""
    X, Y, W0, _ = whitened()
    for decay in (0.4, 4.0, 10.0):
        W = factored_gradient_descent(X, Y, W0, rank=2, steps=4000, weight_decay=decay)
        expected = np.zeros_like(W0)
        np.fill_diagonal(expected, [max(3 - decay / 4, 0), max(2 - decay / 4, 0), 0])
        np.testing.assert_allclose(W, expected, atol=1e-9)


def test_weight_decay_selects_the_solution_of_least_norm():
    """Features that span 2 of 5 dimensions, a start outside their span: without decay what the data cannot see stays,
    with a vanishing decay the limit approaches LoRA, whose norm is the least, in proportion to the decay."""
    rng = np.random.default_rng(1)
    X = oracle.data_matrix(rng, 5, 2, 0.2)
    Y, W0, A = rng.standard_normal((4, 2)), rng.standard_normal((4, 5)), rng.standard_normal((1, 5))
    unseen = np.eye(5) - X @ np.linalg.pinv(X)
    best = lora(X, Y, W0, 1)

    def train(decay):
        return factored_gradient_descent(X, Y, W0, rank=1, steps=40_000, weight_decay=decay, A=A)

    free = train(0.0)
    assert losses(X, Y, free) == pytest.approx(losses(X, Y, best), rel=1e-9)
    assert np.linalg.norm((free - W0) @ unseen) > 0.1
    assert np.linalg.norm(free - W0) > np.linalg.norm(best - W0) * 1.01
    distances = {decay: np.linalg.norm(train(decay) - best) for decay in (0.04, 0.02, 0.01)}
    assert distances[0.04] / distances[0.02] == pytest.approx(2, rel=0.1)
    assert distances[0.02] / distances[0.01] == pytest.approx(2, rel=0.1)
    assert distances[0.01] < 0.05 * np.linalg.norm(best - W0)


def test_a_bad_start_stays_at_a_saddle_and_a_nudge_leaves_it():
    """A along the second right singular direction: descent keeps it there and fits that direction only."""
    X, Y, W0, D = whitened()
    A = np.array([[0.0, 0.5, 0.0, 0.0]])
    second = np.zeros_like(D)
    second[1, 1] = 2.0
    stuck = factored_gradient_descent(X, Y, W0, rank=1, steps=5000, A=A)
    np.testing.assert_allclose(stuck, second, atol=1e-12)
    best = lora(X, Y, W0, 1)
    assert losses(X, Y, best) == 4 * (2**2 + 1**2)
    assert losses(X, Y, stuck) == pytest.approx(4 * (3**2 + 1**2))
    nudged = factored_gradient_descent(X, Y, W0, rank=1, steps=5000, A=A + 1e-8 * np.eye(1, 4))
    np.testing.assert_allclose(nudged, best, atol=1e-9)


@pytest.mark.parametrize("A", [np.zeros((1, 4)), np.array([[0.0, 0.0, 0.0, 0.7]])])
def test_a_start_orthogonal_to_all_that_is_needed_never_moves(A):
    X, Y, W0, _ = whitened()
    np.testing.assert_array_equal(factored_gradient_descent(X, Y, W0, rank=1, steps=100, A=A), W0)


def test_the_first_step_moves_b_alone():
    """B = 0: the gradient in A vanishes, so `W_1 = W0 + step (Y - W0 X) X^T A^T A`."""
    X, Y, W0 = problem()
    A = np.random.default_rng(2).standard_normal((2, 5))
    W = factored_gradient_descent(X, Y, W0, rank=2, steps=1, step_size=1e-3, weight_decay=0.7, A=A)
    np.testing.assert_allclose(W - W0, 1e-3 * (Y - W0 @ X) @ X.T @ A.T @ A * (1 - 1e-3 * 0.7), rtol=1e-10)


def test_the_second_step_is_the_gradient_of_the_objective():
    """Against central differences of `||Y - (W0 + B A) X||^2 / 2 + decay (||B||^2 + ||A||^2) / 2`."""
    X, Y, W0 = problem()
    decay, eta, h = 0.7, 1e-3, 1e-5
    A = np.random.default_rng(2).standard_normal((2, 5))
    B = np.zeros((4, 2))

    def objective(B, A):
        return (losses(X, Y, W0 + B @ A) + decay * (np.sum(B**2) + np.sum(A**2))) / 2

    def gradient(f, at):
        result = np.zeros_like(at)
        for i in np.ndindex(at.shape):
            e = np.zeros_like(at)
            e[i] = h
            result[i] = (f(at + e) - f(at - e)) / (2 * h)
        return result

    start = A
    for steps in (1, 2):
        g_B, g_A = gradient(lambda b, a=A: objective(b, a), B), gradient(lambda a, b=B: objective(b, a), A)
        B, A = B - eta * g_B, A - eta * g_A
        W = factored_gradient_descent(X, Y, W0, 2, steps=steps, step_size=eta, weight_decay=decay, A=start)
        np.testing.assert_allclose(W - W0, B @ A, atol=1e-8)


def test_the_callback_sees_every_step():
    X, Y, W0 = problem()
    for descend, kwargs in ((gradient_descent, {}), (factored_gradient_descent, {"rank": 2})):
        W = iterates(descend, X, Y, W0, steps=7, **kwargs)
        assert len(W) == 8
        np.testing.assert_array_equal(W[0], W0)
        np.testing.assert_array_equal(W[3], descend(X, Y, W0, steps=3, **kwargs))


@pytest.mark.parametrize("step_size", [1.0, 1e3, 1e40])
def test_divergence_is_reported(step_size):
    X, Y, W0 = problem()
    with pytest.raises(ValueError, match=r"^step_size is .*; it must be smaller, the iteration diverged at step \d+$"):
        factored_gradient_descent(X, Y, W0, rank=2, init_scale=1.0, step_size=step_size)


@pytest.mark.parametrize("weight_decay", [0.0, 0.7])
@pytest.mark.parametrize("steps", [1, 2, 3])
def test_an_end_above_the_beginning_is_reported_before_anything_overflows(steps, weight_decay):
    X, Y, W0 = problem()
    with pytest.raises(ValueError, match=rf"^step_size is 2; it must be smaller, the objective rose .* {steps} steps$"):
        factored_gradient_descent(X, Y, W0, 2, steps, 2.0, weight_decay, init_scale=1.0)


def test_what_has_nowhere_to_go_has_not_risen():
    """At the minimum, and where the pre-trained model explains the data but for rounding."""
    rng = np.random.default_rng(0)
    X, W0 = rng.standard_normal((5, 8)), rng.standard_normal((4, 5))
    Y = (W0 @ X.astype(np.longdouble)).astype(float)
    np.testing.assert_allclose(factored_gradient_descent(X, Y, W0, rank=2, steps=50, init_scale=1.0), W0, atol=1e-13)
    X, Y, W0, _ = whitened()
    for decay in (0.0, 0.4, 30.0):
        factored_gradient_descent(X, Y, W0, rank=2, steps=4000, weight_decay=decay)


def test_descent_of_a_sampled_task_reaches_the_risk_of_lora():
    task = Task.gaussian(d_x=6, d_y=5, shift_rank=2, noise_std=0.3, seed=0)
    X, Y = task.sample(40, seed=1)
    trained = factored_gradient_descent(X, Y, task.W0, rank=2)
    assert task.excess_risk(trained) == pytest.approx(task.excess_risk(lora(X, Y, task.W0, 2)), rel=1e-6)
