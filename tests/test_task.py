"""The task: what it holds, what it refuses to change, and the spectra of its shifts."""

import numpy as np
import pytest

from lorabook import Task


@pytest.mark.parametrize("shift_rank", [0, 1, 3])
def test_the_shift_has_the_asked_rank(shift_rank):
    task = Task.gaussian(d_x=5, d_y=3, shift_rank=shift_rank, noise_std=2.0, seed=0)
    assert np.linalg.matrix_rank(task.shift) == shift_rank
    assert (task.d_x, task.d_y) == (5, 3)
    assert task.noise_cov == 4.0
    assert task.noise_trace == 12.0
    assert task.feature_cov is None


@pytest.mark.parametrize("spectrum", [[], [2.0], [3.0, 2.0, 1.0], [0.5, 0.0, 4.0]])
def test_the_shift_has_the_asked_spectrum(spectrum):
    task = Task.with_spectrum(np.array(spectrum), d_x=5, d_y=3, noise_std=0.5, seed=0)
    s = np.linalg.svd(task.shift, compute_uv=False)
    np.testing.assert_allclose(s, np.sort(np.pad(spectrum, (0, 3 - len(spectrum))))[::-1], atol=1e-14)
    assert task.noise_cov == 0.25


def test_a_task_cannot_be_changed_from_outside():
    W0, noise_cov = np.zeros((2, 3)), np.eye(2)
    task = Task(W0, W0, noise_cov)
    W0[:] = 7.0
    noise_cov[:] = 7.0
    assert not task.W_star.any()
    assert task.noise_trace == 2.0
    with pytest.raises(ValueError, match="read-only"):
        task.shift[0, 0] = 1.0
    with pytest.raises(AttributeError, match="noise_cov"):
        task.noise_cov = 1.0


def test_a_variance_and_its_covariance_matrix_are_one_task():
    rng = np.random.default_rng(0)
    W0, shift = rng.standard_normal((2, 3)), rng.standard_normal((2, 3))
    number, matrix = Task(W0, shift, 0.25), Task(W0, shift, 0.25 * np.eye(2), np.eye(3))
    for one, other in zip(number.sample(5, seed=1), matrix.sample(5, seed=1), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-14)
    assert number.risk(W0) == pytest.approx(matrix.risk(W0), rel=1e-14)


def test_without_noise_the_targets_are_exact():
    task = Task(np.ones((2, 3)), np.eye(2, 3), noise_cov=0.0)
    X, Y = task.sample(4, seed=0)
    np.testing.assert_array_equal(Y, task.W_star @ X)
    assert task.risk(task.W_star) == 0.0


def test_the_root_of_the_feature_covariance_makes_norms_into_risks():
    feature_cov = np.array([[2.0, 1.0], [1.0, 3.0]])
    task = Task(np.zeros((1, 2)), np.zeros((1, 2)), 1.0, feature_cov)
    root = task.whiten(np.eye(2))
    np.testing.assert_allclose(root @ root.T, feature_cov, rtol=1e-14)
    assert task.excess_risk(np.array([[1.0, 2.0]])) == pytest.approx(2 + 2 * 2 + 4 * 3)
