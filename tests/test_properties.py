"""Theorems as properties, over shapes, ranks, conditioning and deficient features.

Two sides of an identity may differ by what rounding explains: `oracle.forward_error`, from the condition of the case.
"""

import random
from typing import NamedTuple

import numpy as np
import oracle
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy.stats import ortho_group

from lorabook import (
    RankPath,
    Task,
    descent_rate,
    factored_gradient_descent,
    full_finetune,
    gradient_descent,
    linalg,
    lora,
    rank_path,
)


class Case(NamedTuple):
    task: Task
    X: np.ndarray
    Y: np.ndarray
    rank: int
    rng: np.random.Generator

    @property
    def W0(self):
        return self.task.W0

    @property
    def R(self):
        return self.Y - self.W0 @ self.X

    def error(self, rank):
        return oracle.forward_error(self.X, self.Y, self.W0, rank)


@st.composite
def cases(draw, kinds=oracle.KINDS, isotropic=False):
    d_x, d_y, n = (draw(st.integers(1, 8), label=name) for name in ("d_x", "d_y", "n"))
    rank = draw(st.integers(0, min(d_x, d_y, n) + 2), label="rank")
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1), label="seed"))
    X = oracle.data_matrix(rng, d_x, n, draw(st.floats(0, 3), label="log10_cond"), draw(st.sampled_from(kinds)))
    feature_cov = None if isotropic else covariance(rng, d_x)
    W0, shift = rng.standard_normal((d_y, d_x)), rng.standard_normal((d_y, d_x))
    task = Task(W0, shift, covariance(rng, d_y), feature_cov)
    return Case(task, X, task.W_star @ X + rng.standard_normal((d_y, n)), rank, rng)


def covariance(rng, d):
    Q = np.linalg.qr(rng.standard_normal((d, d)))[0]
    return (Q * np.logspace(0, 1, d)) @ Q.T


def rotation(rng, d):
    return ortho_group.rvs(d, random_state=rng) if d > 1 else -np.eye(1)


def projector_on_top_directions(case):
    """P of rank r: the top left singular vectors of the fitted residual R X^+ X."""
    U = np.linalg.svd(case.R @ np.linalg.pinv(case.X) @ case.X)[0]
    return U[:, : case.rank] @ U[:, : case.rank].T


def generic(case):
    """Rank at which the top directions are unique: a gap in the spectrum or nothing beyond it."""
    s = np.append(np.linalg.svd(case.R @ np.linalg.pinv(case.X) @ case.X, compute_uv=False), 0.0)
    return case.rank == 0 or case.rank >= len(s) or s[case.rank - 1] - s[case.rank] > 1e-3 * s[0]


# The update


@given(cases())
def test_the_update_has_at_most_the_asked_rank(case):
    D = lora(case.X, case.Y, case.W0, case.rank) - case.W0
    s = np.append(np.linalg.svd(D, compute_uv=False), np.zeros(case.rank + 1))
    rounding = oracle.EPS * (sum(D.shape) * s[0] + 2 * np.linalg.norm(case.W0))
    assert s[case.rank] <= rounding
    if case.rank <= min(np.linalg.matrix_rank(case.X), len(D)) and case.rank > 0:
        assert s[case.rank - 1] > rounding  # noise of full rank: never less than asked, where the features allow it


@given(cases())
def test_the_update_lives_on_the_span_of_the_features(case):
    """`D = D Pi`, hence `||D - C||^2 = ||D - C Pi||^2 + ||C Pi_perp||^2` for every C."""
    D = lora(case.X, case.Y, case.W0, case.rank) - case.W0
    Pi = case.X @ np.linalg.pinv(case.X)
    assert np.linalg.norm(D - D @ Pi) <= case.error(case.rank)
    C = case.rng.standard_normal(D.shape)
    parts = np.sum((D - C @ Pi) ** 2) + np.sum((C - C @ Pi) ** 2)
    rounding = case.error(case.rank) * (np.linalg.norm(D) + np.linalg.norm(C)) * 2
    assert abs(np.sum((D - C) ** 2) - parts) <= rounding


@given(cases())
def test_training_loss_falls_with_the_rank_by_the_singular_values_squared(case):
    """`||Y - W_r X||^2 = ||R (I - X^+ X)||^2 + sum_{i>r} s_i^2` (Lemmas 1 and 7)."""
    path = rank_path(case.X, case.Y, case.W0)
    never_fitted = np.sum((case.R - case.R @ np.linalg.pinv(case.X) @ case.X) ** 2)
    losses = [np.sum((case.Y - path.weights(r) @ case.X) ** 2) for r in range(path.max_rank + 1)]
    formula = [never_fitted + linalg.spectral_tail(path.singular_values, r) for r in range(path.max_rank + 1)]
    scale = np.linalg.norm(case.Y) + np.linalg.norm(case.W0) * np.linalg.norm(case.X)
    rounding = 4 * scale * np.linalg.norm(case.X, 2) * case.error(path.max_rank)
    np.testing.assert_allclose(losses, formula, rtol=0, atol=rounding)
    assert np.all(np.diff(losses) <= rounding)
    assert np.all(np.diff(path.singular_values) <= 0)


@given(cases())
def test_rank_path_is_lora_at_every_rank(case):
    path = rank_path(case.X, case.Y, case.W0)
    assert path.max_rank == min(*case.X.shape, len(case.Y))
    for rank in range(path.max_rank + 3):
        np.testing.assert_array_equal(path.weights(rank), lora(case.X, case.Y, case.W0, rank))


@given(cases())
def test_rank_zero_is_the_pretrained_model_and_full_rank_is_full_finetuning(case):
    path = rank_path(case.X, case.Y, case.W0)
    np.testing.assert_array_equal(path.weights(0), case.W0)
    W_full = full_finetune(case.X, case.Y, case.W0)
    for rank in (path.max_rank, path.max_rank + 1, path.max_rank + 1000):
        assert np.linalg.norm(path.weights(rank) - W_full) <= case.error(rank)


@given(cases(kinds=("full",)))
def test_with_enough_samples_full_finetuning_forgets_the_pretrained_weights(case):
    assume(case.X.shape[1] >= len(case.X))
    other = case.rng.standard_normal(case.W0.shape)
    difference = full_finetune(case.X, case.Y, case.W0) - full_finetune(case.X, case.Y, other)
    rounding = case.error(0) + oracle.forward_error(case.X, case.Y, other, 0)
    assert np.linalg.norm(difference) <= rounding


@given(cases(kinds=("full",)))
def test_with_few_samples_full_finetuning_keeps_the_pretrained_weights_off_their_span(case):
    """(14): `W_FFT = W0 Pi_perp + Y X^+` for n <= d_x."""
    assume(case.X.shape[1] <= len(case.X))
    X_pinv = np.linalg.pinv(case.X)
    expected = case.W0 - case.W0 @ case.X @ X_pinv + case.Y @ X_pinv
    assert np.linalg.norm(full_finetune(case.X, case.Y, case.W0) - expected) <= 2 * case.error(0)


# Risk


def square_root(task):
    values, vectors = np.linalg.eigh(np.eye(task.d_x) if task.feature_cov is None else task.feature_cov)
    return (vectors * np.sqrt(values)) @ vectors.T


@given(cases())
def test_excess_risk_is_the_trace_formula_and_the_risk_above_the_unavoidable(case):
    task, W = case.task, case.rng.standard_normal(case.W0.shape)
    gap = W - task.W_star
    assert task.excess_risk(W) == pytest.approx(np.trace(gap @ task.feature_cov @ gap.T), rel=1e-12)
    assert task.risk(W) - task.risk(task.W_star) == pytest.approx(task.excess_risk(W), rel=1e-10, abs=1e-12)
    assert task.risk(task.W_star) == pytest.approx(np.trace(task.noise_cov), rel=1e-14)
    assert task.excess_risk(task.W_star) == 0.0


@given(cases())
def test_decomposition_d1(case):
    """`E(W_LoRA) = ||P (W_FFT - W_*) S||^2 + ||(I - P) Delta_* S||^2`, S the root of Sigma_x."""
    assume(generic(case))
    task, P, S = case.task, projector_on_top_directions(case), square_root(case.task)
    W_full = case.W0 + case.R @ np.linalg.pinv(case.X)
    kept, dropped = P @ (W_full - task.W_star) @ S, task.shift @ S - P @ task.shift @ S
    risk = task.excess_risk(lora(case.X, case.Y, case.W0, case.rank))
    rounding = 2 * np.linalg.norm(S, 2) * case.error(case.rank) * (np.sqrt(risk) + np.linalg.norm(dropped))
    assert abs(risk - np.sum(kept**2) - np.sum(dropped**2)) <= rounding + 1e-13 * risk


@given(cases())
def test_criterion_d2(case):
    """LoRA beats full fine-tuning exactly if, on the dropped directions, the shift is smaller than FFT's error."""
    assume(generic(case) and case.rank < min(np.linalg.matrix_rank(case.X), len(case.Y)))
    task, P, S = case.task, projector_on_top_directions(case), square_root(case.task)
    W_full = full_finetune(case.X, case.Y, case.W0)
    dropped, error = (A - P @ A for A in (task.shift @ S, (W_full - task.W_star) @ S))
    risk_full, risk = task.excess_risk(W_full), task.excess_risk(lora(case.X, case.Y, case.W0, case.rank))
    criterion = np.sum(error**2) - np.sum(dropped**2)
    rounding = 4 * np.linalg.norm(S, 2) * case.error(case.rank) * (np.sqrt(risk_full) + np.sqrt(risk))
    assert abs(risk_full - risk - criterion) <= rounding
    if abs(criterion) > rounding:
        assert (risk < risk_full) == (np.linalg.norm(dropped) < np.linalg.norm(error))


@given(cases())
def test_risks_of_the_rank_path_are_the_risks_of_its_weights(case):
    path = rank_path(case.X, case.Y, case.W0)
    risks = path.excess_risks(case.task)
    assert risks.shape == (path.max_rank + 1,)
    weights = [path.weights(r) for r in range(path.max_rank + 1)]
    sizes = sum(np.linalg.norm(W) for W in (path.weights(path.max_rank), case.W0, case.task.W_star))
    rounding = 50 * oracle.EPS * sizes * np.sqrt(np.linalg.norm(case.task.feature_cov, 2))
    np.testing.assert_allclose(np.sqrt(risks), [np.sqrt(case.task.excess_risk(W)) for W in weights], atol=rounding)


@given(cases())
def test_no_update_of_rank_r_has_less_risk_than_the_spectral_tail(case):
    """(189)-(191): `E(W_0 + D) >= sum_{i>r} s_i^2(Delta_* S) >= lambda_min sum_{i>r} s_i^2(Delta_*)`."""
    S, task = square_root(case.task), case.task
    tails = [linalg.spectral_tail(np.linalg.svd(A, compute_uv=False), case.rank) for A in (task.shift @ S, task.shift)]
    risk = task.excess_risk(lora(case.X, case.Y, case.W0, case.rank))
    assert risk >= tails[0] * (1 - 1e-12)
    assert tails[0] >= np.linalg.eigvalsh(task.feature_cov)[0] * tails[1] * (1 - 1e-12)


# Equivariance


@given(cases())
def test_rotating_the_outputs_rotates_the_solution(case):
    O = rotation(case.rng, len(case.Y))
    rotated = lora(case.X, O @ case.Y, O @ case.W0, case.rank)
    assert np.linalg.norm(rotated - O @ lora(case.X, case.Y, case.W0, case.rank)) <= 2 * case.error(case.rank)


@given(cases(isotropic=True))
def test_rotating_isotropic_inputs_rotates_the_solution_and_keeps_the_risk(case):
    O = rotation(case.rng, len(case.X))
    W = lora(case.X, case.Y, case.W0, case.rank)
    rotated = lora(O @ case.X, case.Y, case.W0 @ O.T, case.rank)
    assert np.linalg.norm(rotated - W @ O.T) <= 2 * case.error(case.rank)
    task = Task(case.W0 @ O.T, case.task.shift @ O.T, case.task.noise_cov)
    risk = case.task.excess_risk(W)
    rounding = 4 * np.sqrt(risk) * case.error(case.rank) + 1e-12 * risk
    assert abs(task.excess_risk(rotated) - risk) <= rounding


@given(cases(), st.sampled_from([2.0**-30, 0.3, 7.0, 1e5]))
def test_changing_the_unit_of_the_outputs_or_of_the_features(case, c):
    W = lora(case.X, case.Y, case.W0, case.rank)
    outputs = lora(case.X, c * case.Y, c * case.W0, case.rank)
    features = lora(c * case.X, case.Y, case.W0 / c, case.rank)
    assert np.linalg.norm(outputs / c - W) <= 2 * case.error(case.rank)
    assert np.linalg.norm(features * c - W) <= 2 * case.error(case.rank)


@given(cases())
def test_the_order_of_the_samples_does_not_matter(case):
    order = case.rng.permutation(case.X.shape[1])
    shuffled = lora(case.X[:, order], case.Y[:, order], case.W0, case.rank)
    assert np.linalg.norm(shuffled - lora(case.X, case.Y, case.W0, case.rank)) <= 2 * case.error(case.rank)


def test_features_that_are_all_zero_leave_the_pretrained_weights():
    X, Y, W0 = np.zeros((3, 4)), np.ones((2, 4)), np.ones((2, 3))
    path = rank_path(X, Y, W0)
    for W in (full_finetune(X, Y, W0), gradient_descent(X, Y, W0, steps=3), path.weights(0), path.weights(2)):
        np.testing.assert_array_equal(W, W0)
    np.testing.assert_array_equal(path.excess_risks(Task(W0, W0)), np.full(3, 6.0))
    assert descent_rate(X) == 0.0


def test_data_that_the_pretrained_model_explains_leave_it_alone():
    rng = np.random.default_rng(0)
    X, W0 = rng.standard_normal((3, 5)), rng.integers(-3, 4, (2, 3)).astype(float)
    for W in (full_finetune(X, W0 @ X, W0), lora(X, W0 @ X, W0, 1), factored_gradient_descent(X, W0 @ X, W0, 1)):
        np.testing.assert_array_equal(W, W0)


# linalg


@st.composite
def matrices(draw):
    m, n = draw(st.integers(1, 8), label="m"), draw(st.integers(1, 8), label="n")
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1), label="seed"))
    return oracle.data_matrix(rng, m, n, draw(st.floats(0, 8)), draw(st.sampled_from(oracle.KINDS))), rng


@given(matrices())
def test_singular_value_decomposition(matrix):
    A, _ = matrix
    U, s, Vt = linalg.svd(A)
    k, rounding = min(A.shape), 10 * sum(A.shape) * oracle.EPS
    np.testing.assert_allclose((U * s) @ Vt, A, atol=rounding * s[0])
    np.testing.assert_allclose(U.T @ U, np.eye(k), atol=rounding)
    np.testing.assert_allclose(Vt @ Vt.T, np.eye(k), atol=rounding)
    assert np.all(np.diff(s) <= 0)
    assert s[-1] >= 0


@given(matrices(), st.integers(0, 9))
def test_truncation_is_the_best_approximation_in_both_norms(matrix, rank):
    """Eckart-Young (19), (20), with the least errors by value, and against other matrices of the same rank."""
    A, rng = matrix
    s = np.linalg.svd(A, compute_uv=False)
    error, rounding = A - linalg.truncate(A, rank), 10 * sum(A.shape) * oracle.EPS * s[0]
    assert np.linalg.matrix_rank(linalg.truncate(A, rank), tol=rounding) <= rank
    assert abs(np.linalg.norm(error) - np.sqrt(linalg.spectral_tail(rng.permutation(s), rank))) <= rounding
    assert abs(np.linalg.norm(error, 2) - np.append(s, np.zeros(10))[rank]) <= rounding
    for scale in (1e-3, 1.0):
        nearby = A + scale * s[0] * rng.standard_normal(A.shape)
        U = np.linalg.svd(nearby)[0][:, :rank]
        other = A - U @ U.T @ A
        assert np.linalg.norm(other) >= np.linalg.norm(error) - rounding
        assert np.linalg.norm(other, 2) >= np.linalg.norm(error, 2) - rounding


@given(matrices())
def test_row_space_is_that_of_the_pseudo_inverse(matrix):
    """`coordinates` is an isometry on the row space; `lift(coordinates(R)) = R X^+`."""
    X, rng = matrix
    space, R = linalg.row_space(X), rng.standard_normal((3, X.shape[1]))
    assert space.dimension == np.linalg.matrix_rank(X)
    coordinates, X_pinv = space.coordinates(R), np.linalg.pinv(X)
    assert coordinates.shape == (3, space.dimension)
    s = np.linalg.svd(X, compute_uv=False)
    kappa = s[0] / s[space.dimension - 1] if space.dimension else 1.0
    rounding = 20 * sum(X.shape) * oracle.EPS * kappa * np.linalg.norm(R)
    np.testing.assert_allclose(coordinates @ coordinates.T, R @ X_pinv @ X @ R.T, atol=rounding * np.linalg.norm(R))
    np.testing.assert_allclose(space.lift(coordinates), R @ X_pinv, atol=rounding * np.linalg.norm(X_pinv, 2))


@given(matrices())
def test_root_of_a_positive_semi_definite_matrix(matrix):
    A, _ = matrix
    S = A @ A.T
    root = linalg.psd_sqrt(S)
    np.testing.assert_allclose(root @ root, S, atol=20 * len(S) * oracle.EPS * np.linalg.norm(S, 2))
    np.testing.assert_allclose(root, root.T, atol=20 * len(S) * oracle.EPS * np.linalg.norm(root, 2))
    assert np.linalg.eigvalsh(root)[0] >= -20 * len(S) * oracle.EPS * np.linalg.norm(root, 2)


@given(st.integers(1, 12), st.integers(0, 12), st.integers(0, 2**32 - 1))
def test_haar_frames_are_orthonormal(size, columns, seed):
    assume(columns <= size)
    Q = linalg.haar_frame(size, columns, seed)
    np.testing.assert_allclose(Q.T @ Q, np.eye(columns), atol=50 * size * oracle.EPS)


@given(st.integers(0, 30), st.floats(0, 3), st.floats(0, 10))
def test_spectra_and_the_energy_of_exponential_decay(size, decay, scale):
    """(192) and its energy `sum_i s_i^2 = s^2 (1 - q^d) / (1 - q)`, `q = exp(-2 decay)`."""
    s = linalg.exponential_spectrum(size, decay, scale)
    q = np.exp(-2 * decay)
    energy = size if q == 1.0 else (1 - q**size) / (1 - q)
    assert np.sum(s**2) == pytest.approx(scale**2 * energy, rel=1e-6 if decay < 1e-6 else 1e-9)
    assert np.all(linalg.exponential_spectrum(size, 0.0, scale) == linalg.flat_spectrum(size, scale))
    power = linalg.power_law_spectrum(size, decay, scale)
    assert np.all(power * np.arange(1.0, size + 1) ** decay == pytest.approx(scale))
    np.testing.assert_array_equal(linalg.power_law_spectrum(size, 0.0, scale), linalg.flat_spectrum(size, scale))


# Randomness


def everything_drawn(seed):
    task = Task.gaussian(d_x=4, d_y=3, shift_rank=2, noise_std=0.5, seed=seed)
    shaped = Task.with_spectrum(np.array([2.0, 1.0]), d_x=4, d_y=3, noise_std=0.5, seed=seed)
    X, Y = task.sample(6, seed=seed)
    start = factored_gradient_descent(X, Y, task.W0, rank=1, steps=5, seed=seed)
    return task.W0, task.shift, shaped.W0, shaped.shift, X, Y, linalg.haar_frame(4, 2, seed), start


@given(st.integers(0, 2**64))
def test_the_same_seed_gives_the_same_numbers_and_another_seed_gives_others(seed):
    for first, again, other in zip(
        everything_drawn(seed), everything_drawn(seed), everything_drawn(seed + 1), strict=True
    ):
        np.testing.assert_array_equal(first, again)
        assert not np.array_equal(first, other)


def test_a_generator_is_drawn_from_and_moves_on():
    first, second = (everything_drawn(rng) for rng in (np.random.default_rng(3), np.random.default_rng(3)))
    for one, other in zip(first, second, strict=True):
        np.testing.assert_array_equal(one, other)
    rng, task = np.random.default_rng(3), Task.gaussian(4, 3, 2, 0.5, seed=0)
    assert not np.array_equal(task.sample(6, rng).X, task.sample(6, rng).X)


def test_global_random_state_is_left_alone():
    numpy_before, python_before = np.random.get_state(), random.getstate()  # noqa: NPY002
    everything_drawn(0)
    numpy_after = np.random.get_state()  # noqa: NPY002
    assert random.getstate() == python_before
    assert all(np.array_equal(before, after) for before, after in zip(numpy_before, numpy_after, strict=True))


def test_estimators_leave_their_arguments_alone():
    task = Task.gaussian(d_x=4, d_y=3, shift_rank=2, noise_std=0.5, seed=0)
    X, Y = task.sample(6, seed=0)
    A, W0 = np.ones((1, 4)), task.W0.copy()
    copies = [array.copy() for array in (X, Y, W0, A)]
    path = rank_path(X, Y, W0)
    assert isinstance(path, RankPath)
    path.weights(0)[:] = 7.0
    gradient_descent(X, Y, W0, steps=3)[:] = 7.0
    factored_gradient_descent(X, Y, W0, rank=1, steps=3, A=A)[:] = 7.0
    linalg.truncate(X, 9)[:] = 7.0
    for array, copy in zip((X, Y, W0, A), copies, strict=True):
        np.testing.assert_array_equal(array, copy)
