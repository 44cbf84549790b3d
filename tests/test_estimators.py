"""Defaults, limits and messages of the estimators, each against numbers found by hand.

The theorems are in the other modules (properties, oracle, descent); here is what a theorem does not notice: another
default, another step, a boundary moved by one.
"""

import re

import numpy as np
import pytest

from lorabook import (
    Task,
    descent_rate,
    estimators,
    factored_gradient_descent,
    full_finetune,
    gradient_descent,
    rank_path,
    ridge_finetune,
)

ONE = np.ones((1, 1))
# Operator norms 4, 3 and Frobenius norms that differ; `residual` is Y - W0 X, so that D_FFT = residual / diag(2, 1).
X = np.diag([2.0, 1.0])
RESIDUAL = np.diag([8.0, 3.0])
W0 = np.array([[1.0, 2.0], [3.0, 4.0]])
Y = W0 @ X + RESIDUAL
D_FFT = np.diag([4.0, 3.0])


def times(descend, *args, **kwargs):
    """What the callback is told, as a list."""
    seen = []
    descend(*args, **kwargs, callback=lambda *told: seen.append(told))
    return seen


# Defaults


def test_gradient_descent_takes_1000_steps_unless_told():
    assert [t for t, _ in times(gradient_descent, ONE, ONE, ONE)] == list(range(1001))


def test_factored_descent_takes_10000_steps_unless_told():
    assert [t for t, _, _ in times(factored_gradient_descent, ONE, ONE, ONE, 1)] == list(range(10_001))


def test_no_step_at_all_is_a_number_of_steps():
    np.testing.assert_array_equal(gradient_descent(X, Y, W0, steps=0), W0)
    np.testing.assert_array_equal(factored_gradient_descent(X, Y, W0, 1, steps=0), W0)
    assert len(times(gradient_descent, X, Y, W0, steps=0)) == 1


def test_the_random_start_is_a_thousandth_of_a_gaussian_of_stream_4_and_seed_0():
    ((_, B, A),) = times(factored_gradient_descent, X, Y, W0, 2, steps=0)
    gaussian = np.random.default_rng(np.random.SeedSequence(0, spawn_key=(4,))).standard_normal((2, 2))
    np.testing.assert_array_equal(B, np.zeros((2, 2)))
    np.testing.assert_allclose(A, gaussian / 1000, rtol=1e-14)
    ((_, _, scaled),) = times(factored_gradient_descent, X, Y, W0, 2, steps=0, init_scale=2.5)
    np.testing.assert_allclose(scaled, 2.5 * gaussian, rtol=1e-14)
    ((_, _, other),) = times(factored_gradient_descent, X, Y, W0, 2, steps=0, seed=1)
    assert np.abs(other - A).min() > 1e-6


# The default step size of the factored descent


@pytest.mark.parametrize(
    ("A", "weight_decay", "step_size"),
    [
        (np.diag([1.0, 0.5]), 0.0, 1 / (4 * 4 * 4)),  # ||X|| = 2, ||D_FFT|| = 4 > ||A||^2
        (np.diag([3.0, 2.0]), 0.0, 1 / (4 * 4 * 9)),  # ||A||^2 = 9 > ||D_FFT||
        (np.diag([1.5, 1.5]), 0.0, 1 / (4 * 4 * 4)),  # Frobenius norm squared 4.5, but operator norm squared 2.25
        (np.diag([1.0, 0.5]), 8.0, 1 / (4 * 4 * 4 + 16)),
        (np.diag([1.0, 0.5]), 4.0, 1 / (4 * 4 * 4 + 8)),  # weight decay as large as the norm
    ],
)
def test_the_default_step_of_the_factored_descent(A, weight_decay, step_size):
    """At B = 0 the first step moves B to step_size (Y - W0 X) X^T A^T and shrinks A by step_size weight_decay."""
    _, (_, B, shrunk) = times(factored_gradient_descent, X, Y, W0, 2, steps=1, A=A, weight_decay=weight_decay)
    np.testing.assert_allclose(B, step_size * RESIDUAL @ X.T @ A.T, rtol=1e-13)
    np.testing.assert_allclose(shrunk, (1 - step_size * weight_decay) * A, rtol=1e-13)


def test_the_default_step_of_the_factored_descent_uses_operator_norms():
    """Weights whose Frobenius norm is far above the operator norm: 3 for the one, 3 sqrt 2 for the other."""
    residual = 3 * np.eye(2)
    _, (_, B, _) = times(factored_gradient_descent, np.eye(2), residual, np.zeros((2, 2)), 2, steps=1, A=np.eye(2))
    np.testing.assert_allclose(B, residual / 12, rtol=1e-13)


def test_a_start_with_nothing_to_do_has_a_step_size_all_the_same():
    zero = np.zeros((1, 1))
    np.testing.assert_array_equal(factored_gradient_descent(ONE, ONE, ONE, 1, steps=2, A=zero), ONE)
    np.testing.assert_array_equal(factored_gradient_descent(zero, ONE, ONE, 1, steps=2, A=zero), ONE)


# Divergence


def test_divergence_names_the_step_at_which_it_is_noticed():
    """The scalar iteration in plain floats: b a is at most 1e100 until it is not."""
    a, b, t, step_size = 1.0, 0.0, 0, 3.0
    while abs(a * b) < 1e100:
        gradient = b * a - 2.0
        a, b, t = a - step_size * b * gradient, b - step_size * gradient * a, t + 1
    assert t > 3
    message = rf"^step_size is 3; it must be smaller, the iteration diverged at step {t}$"
    arguments = (ONE, 2 * ONE, 0 * ONE, 1)
    with pytest.raises(ValueError, match=message):
        factored_gradient_descent(*arguments, steps=t, step_size=step_size, A=ONE)
    with pytest.raises(
        ValueError, match=rf"^step_size is 3; it must be smaller, the objective rose .* in {t - 1} steps$"
    ):
        factored_gradient_descent(*arguments, steps=t - 1, step_size=step_size, A=ONE)


def test_the_iteration_counts_as_diverged_from_1e100_on():
    below = np.nextafter(1e100, 0.0)
    W = factored_gradient_descent(ONE, below * ONE, 0 * ONE, 1, steps=1, step_size=1.0, A=ONE)
    np.testing.assert_array_equal(W, [[below]])
    with pytest.raises(ValueError, match="diverged at step 1"):
        factored_gradient_descent(ONE, 1e100 * ONE, 0 * ONE, 1, steps=1, step_size=1.0, A=ONE)


# Messages, word for word


@pytest.mark.usefixtures("no_shape_checks")
@pytest.mark.parametrize(
    ("changed", "message"),
    [
        (
            {"X": np.ones(3)},
            "X has shape (3,); it must be a matrix with two axes (d_x features by n samples)",
        ),
        (
            {"Y": np.ones((2, 3))},
            "Y has shape (2, 3); it must have shape (2, 2) (d_y outputs by the n samples of X)",
        ),
        (
            {"W0": np.ones((2, 3))},
            "W0 has shape (2, 3); it must have shape (2, 2) (d_y rows of Y by d_x rows of X)",
        ),
        ({"A": np.ones((1, 3))}, "A has shape (1, 3); it must have shape (1, 2) (rank by d_x)"),
        ({"rank": 0}, "rank is 0; it must be an integer of at least 1"),
        ({"steps": -1}, "steps is -1; it must be an integer of at least 0"),
        ({"step_size": 0.0}, "step_size is 0.0; it must be a finite real number above 0"),
        ({"weight_decay": -1.0}, "weight_decay is -1.0; it must be a finite real number of at least 0"),
        ({"init_scale": -1.0}, "init_scale is -1.0; it must be a finite real number of at least 0"),
    ],
)
def test_bad_arguments_of_the_factored_descent_word_for_word(changed, message):
    arguments = {"X": X, "Y": Y, "W0": W0, "rank": 1, "steps": 1, **changed}
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        factored_gradient_descent(**arguments)


@pytest.mark.usefixtures("no_shape_checks")
@pytest.mark.parametrize("features", [X, np.zeros((2, 2))], ids=["features", "features that are all zero"])
@pytest.mark.parametrize("step_size", [0.0, -1.0, float("inf"), "1", True])
def test_a_step_size_is_a_positive_number_even_where_it_does_not_matter(features, step_size):
    message = f"^step_size is {re.escape(repr(step_size))}; it must be a finite real number above 0$"
    for descend in (lambda: gradient_descent(features, Y, W0, 1, step_size), lambda: descent_rate(features, step_size)):
        with pytest.raises(ValueError, match=message):
            descend()


def test_a_step_size_at_the_limit_is_refused_and_the_limit_named():
    with pytest.raises(ValueError, match=r"^step_size is 0\.5; it must be below 2 / s_1\^2 = 0\.5 to converge$"):
        descent_rate(X, 0.5)
    assert descent_rate(X, np.nextafter(0.5, 0.0)) == pytest.approx(1.0)
    assert descent_rate(X, 0.5 - 1e-9) < 1.0


@pytest.mark.usefixtures("no_shape_checks")
def test_what_is_no_task_is_refused_word_for_word():
    path = rank_path(X, Y, W0)
    with pytest.raises(ValueError, match=r"^task is 'task'; it must be a Task$"):
        path.excess_risks("task")


# Singular values that count


def test_descent_rate_by_hand():
    assert descent_rate(np.array([[2.0]]), 0.1) == pytest.approx(0.6, rel=1e-14)
    assert descent_rate(X, 0.3) == pytest.approx(0.7, rel=1e-14)  # |1 - 1.2| < |1 - 0.3|
    assert descent_rate(X, 0.45) == pytest.approx(0.8, rel=1e-14)  # |1 - 1.8| > |1 - 0.45|
    assert descent_rate(X) == pytest.approx(3 / 5, rel=1e-14)  # (4 - 1) / (4 + 1)
    assert descent_rate(np.zeros((2, 3))) == 0.0
    assert descent_rate(np.zeros((2, 3)), 7.0) == 0.0


def test_singular_values_below_the_rounding_of_the_largest_do_not_count():
    """With three values the third is measured against the first, not the second."""
    np.testing.assert_allclose(estimators._nonzero_squares(np.diag([1.0, 1e-10, 1e-20])), [1.0, 1e-20], rtol=1e-6)
    assert len(estimators._nonzero_squares(np.diag([1.0, 1e-15]))) == 2
    assert len(estimators._nonzero_squares(np.diag([1.0, 1e-16]))) == 1


def test_the_path_keeps_only_directions_above_the_rounding():
    path = rank_path(np.eye(3), np.diag([1.0, 1e-10, 1e-20]), np.zeros((3, 3)))
    np.testing.assert_allclose(path.singular_values, [1.0, 1e-10], rtol=1e-6)
    assert path.directions.shape == (3, 2)
    assert path.updates.shape == (2, 3)
    assert path.max_rank == 3


def test_data_that_leave_nothing_to_learn_have_a_path_without_directions():
    path = rank_path(np.eye(2), W0, W0)
    assert path.singular_values.shape == (0,)
    assert path.directions.shape == (2, 0)
    assert path.updates.shape == (0, 2)
    np.testing.assert_array_equal(path.weights(2), W0)


def test_ties_are_runs_that_differ_by_no_more_than_the_tolerance():
    def blocks(*values):
        return estimators._tied_blocks(np.array(values), 0.5)

    assert blocks(3.0, 2.0, 1.0) == []
    assert blocks(3.0, 2.5, 1.0) == [slice(0, 2)]
    assert blocks(3.0, 2.0, 1.5, 1.0) == [slice(1, 4)]
    assert blocks(3.0, 2.75, 2.0, 1.0, 0.75) == [slice(0, 2), slice(3, 5)]
    assert blocks(3.0) == []


def test_full_finetuning_of_the_example_by_hand():
    np.testing.assert_allclose(full_finetune(X, Y, W0), W0 + D_FFT, rtol=1e-14)


# Weight decay


@pytest.mark.parametrize("n", [3, 6, 20])
@pytest.mark.parametrize("weight_decay", [1e-3, 2.0, 50.0])
def test_ridge_finetuning_is_least_squares_on_data_with_samples_of_decay_added(n, weight_decay):
    """sqrt(decay) times each unit vector as another sample, at which the update shall be zero."""
    task = Task.gaussian(6, 4, 2, 1.0, seed=n)
    features, outputs = task.sample(n, seed=1)
    extra = np.sqrt(weight_decay) * np.eye(6)
    expected = full_finetune(np.hstack([features, extra]), np.hstack([outputs, task.W0 @ extra]), task.W0)
    np.testing.assert_allclose(ridge_finetune(features, outputs, task.W0, weight_decay), expected, atol=1e-9)


def test_ridge_finetuning_goes_from_full_finetuning_to_the_pretrained_weights():
    np.testing.assert_array_equal(ridge_finetune(X, Y, W0, 0.0), full_finetune(X, Y, W0))
    twice = np.hstack([X, X])  # of rank 2 with 4 samples, and a third input that is never used
    unused = np.vstack([twice, np.zeros(4)])
    wide, outputs = np.hstack([W0, W0[:, :1]]), np.hstack([Y, Y])
    np.testing.assert_allclose(ridge_finetune(unused, outputs, wide, 1e-12), full_finetune(unused, outputs, wide))
    np.testing.assert_allclose(ridge_finetune(X, Y, W0, 1e12), W0, atol=1e-9)
    np.testing.assert_allclose(ridge_finetune(X, Y, W0, 1.0) - W0, np.diag([2 * 8.0 / 5.0, 1 * 3.0 / 2.0]))


def test_the_decay_that_knows_noise_and_shift_beats_others_and_has_no_peak():
    """Isotropic features, 40 tasks, next to n = d_x; means of paired differences, z = 4."""
    risks = []
    for seed in range(40):
        task = Task.gaussian(20, 20, 4, 3.0, seed)
        features, outputs = task.sample(21, seed)
        best = 20 * task.noise_trace / np.sum(task.shift**2)
        risks.append([task.excess_risk(ridge_finetune(features, outputs, task.W0, f * best)) for f in (1, 0.1, 10, 0)])
    risks = np.array(risks)
    gains = risks[:, 1:] - risks[:, :1]
    assert np.all(gains[:, :2].mean(axis=0) > 4 * gains[:, :2].std(axis=0) / np.sqrt(40))
    assert (risks[:, 0] < risks[:, 3]).all()
    assert risks[:, 0].mean() < np.mean([np.sum(Task.gaussian(20, 20, 4, 3.0, seed).shift ** 2) for seed in range(40)])
