"""The sharp risks: closed forms by hand, limits, and simulations as z-scores.

All z-scores of this module together raise a false alarm with probability 1e-4 at most over the choice of the seeds
(Bonferroni); the seeds are fixed. Heuristics are allowed the accuracy that their docstrings state, on top.
"""

import re
import subprocess
import sys
import warnings

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.optimize import brentq, minimize_scalar

from lorabook import Task, bounds, formulas, sharp
from lorabook.checks._cases import risk_draws, z_limit
from lorabook.sampler import draw_risks
from lorabook.sharp import identity
from lorabook.sharp._setting import setting
from lorabook.sharp.bulk import bulk
from lorabook.sharp.limit import master

INF = float("inf")
Z = z_limit(68)
SHIFT = np.array([6.0, 3.5, 2.7, 1.2])
STRONG = np.array([58.6, 51.5, 49.6, 38.3])
SHAPES = [(100, 60, 250), (100, 60, 40), (40, 90, 70), (70, 70, 50)]


def overlaps(x, d_y, k):
    """Squared singular value and overlaps above the threshold, written as series in 1 / x."""
    rest = 1 - d_y * k / x**2
    return x + d_y + k + d_y * k / x, rest / (1 + d_y / x), rest / (1 + k / x)


def bill(eta, x, d_x, d_y, n, kappa):
    """Risk that a visible direction of observed size eta sigma adds, over sigma^2."""
    _, c_u, c_v = overlaps(x, d_y, min(n, d_x))
    return (eta**2 * (c_v + kappa * (1 - c_v)) - 2 * eta * np.sqrt(x * c_u * c_v)) / max(n, d_x)


# What noise leaves of a direction


def test_spiked_triplet_by_hand():
    assert sharp.spiked_triplet(400.0, 50, 200) == pytest.approx((675.0, 5 / 6, 0.625), rel=1e-14)
    assert sharp.spiked_triplet(400.0, 200, 50) == pytest.approx((675.0, 0.625, 5 / 6), rel=1e-14)


@pytest.mark.parametrize("x", [0.0, 99.0, 100.0])
def test_nothing_is_left_up_to_the_threshold(x):
    assert sharp.spiked_triplet(x, 50, 200) == pytest.approx((450.0, 0.0, 0.0), rel=1e-14)


def test_spiked_triplet_of_an_array():
    square, c_u, c_v = sharp.spiked_triplet(np.array([100.0, 101.0, 400.0]), 50, 200)
    assert square == pytest.approx([450.0, 151 * 301 / 101, 675.0])
    assert c_u == pytest.approx([0.0, 201 / (101 * 151), 5 / 6])
    assert c_v == pytest.approx([0.0, 201 / (101 * 301), 0.625])


def test_left_and_right_overlaps_of_drawn_matrices():
    d_y, k = 30, 120
    x = 6 * np.sqrt(d_y * k)
    G = np.random.default_rng(1).standard_normal((300, d_y, k))
    G[:, 0, 0] += np.sqrt(x)
    U, _, Vt = np.linalg.svd(G, full_matrices=False)
    _, c_u, c_v = sharp.spiked_triplet(x, d_y, k)
    assert abs(np.mean(U[:, 0, 0] ** 2) - c_u) < (c_u - c_v) / 6
    assert abs(np.mean(Vt[:, 0, 0] ** 2) - c_v) < (c_u - c_v) / 6


@pytest.mark.parametrize("x", [101.0, 150.0, 4000.0])
def test_the_strength_is_read_off_the_singular_value(x):
    assert sharp.estimated_strength(overlaps(x, 50, 200)[0], 50, 200) == pytest.approx(x, rel=1e-10)


def test_no_strength_at_or_below_the_edge():
    assert sharp.estimated_strength(450.0, 50, 200) == 0.0
    np.testing.assert_array_equal(sharp.estimated_strength(np.array([0.0, 450.0]), 50, 200), [0.0, 0.0])
    assert 100.0 < sharp.estimated_strength(450.0 + 1e-9, 50, 200) < 100.1


@pytest.mark.parametrize("function", [sharp.spiked_triplet, sharp.estimated_strength])
@pytest.mark.usefixtures("no_shape_checks")
def test_sizes_of_a_spiked_matrix(function):
    with pytest.raises(ValueError, match=r"^d_y is 0; it must be an integer of at least 1$"):
        function(1.0, 0, 1)
    with pytest.raises(ValueError, match=r"^k is 0; it must be an integer of at least 1$"):
        function(1.0, 1, 0)
    assert np.isfinite(function(1e9, 1, 1)).all()
    with pytest.raises(ValueError, match=r"^[xy] has 1 entries that are NaN or infinite"):
        function(np.array([1.0, INF]), 1, 1)


def test_a_strength_is_not_negative():
    with pytest.raises(ValueError, match=r"^x has smallest entry -1; a strength must be at least 0$"):
        sharp.spiked_triplet(np.array([2.0, -1.0]), 5, 5)


# Thresholds


def test_inflation_on_both_sides():
    assert [sharp.inflation(100, n) for n in (98, 99, 100, 101, 102)] == [100.0, INF, INF, INF, 102.0]
    assert sharp.inflation(100, 50) == pytest.approx(100 / 49)
    assert sharp.inflation(50, 100) == pytest.approx(100 / 49)


def test_detection_threshold_on_both_sides():
    assert sharp.detection_threshold(100, 100, 400, 2.0) == pytest.approx(1.0)
    assert sharp.detection_threshold(100, 400, 25, 2.0) == pytest.approx(4.0)
    assert sharp.detection_threshold(100, 400, 25, 0.0) == 0.0


@pytest.mark.parametrize("kappa", [1.0, 1.5, 7.0, 300.0])
def test_usefulness_root_of_a_square(kappa):
    closed = 50 * (2 + kappa + np.sqrt(kappa**2 + 8 * kappa))
    assert sharp.usefulness_root(100, 100, kappa) == pytest.approx(closed, rel=1e-13)


@pytest.mark.parametrize(("d_y", "k", "kappa"), [(10, 200, 1.0), (200, 10, 1.0), (200, 10, 40.0), (1, 1, 1e5)])
def test_usefulness_root_is_the_positive_root(d_y, k, kappa):
    roots = np.roots([1.0, -(d_y + kappa * k), -(1 + 2 * kappa) * d_y * k, -(kappa - 1) * d_y**2 * k])
    assert sharp.usefulness_root(d_y, k, kappa) == pytest.approx(max(roots.real), rel=1e-11)


def test_usefulness_at_the_interpolation_threshold():
    assert sharp.usefulness_root(10, 20, INF) == INF
    assert [sharp.usefulness_threshold(100, 100, n, 1.0) for n in (99, 100, 101)] == [INF] * 3


@pytest.mark.parametrize(("d_x", "d_y", "n"), SHAPES)
def test_the_usefulness_threshold_is_where_the_cost_changes_sign(d_x, d_y, n):
    s = sharp.usefulness_threshold(d_x, d_y, n, 0.7)
    costs = [sharp.component_cost(n * (s * factor / 0.7) ** 2, d_x, d_y, n, 0.7) for factor in (0.999, 1.001)]
    assert costs[0] > 0 > costs[1]


def test_inflation_must_be_at_least_one():
    with pytest.raises(ValueError, match=r"^kappa is 0.9; it must be a finite real number of at least 1 \(the infl"):
        sharp.usefulness_root(5, 5, 0.9)


@pytest.mark.parametrize(
    ("n", "visible", "best"),
    [(40, 3, 2), (100, 4, 3), (180, 4, 1), (190, 4, 1), (195, 4, 0), (199, 4, 0), (200, 4, 0), (205, 4, 0)]
    + [(210, 4, 1), (250, 4, 3), (400, 4, 3), (800, 4, 4)],
)
def test_the_best_rank_rises_collapses_and_rises(n, visible, best):
    expected = ["useful"] * best + ["harmful"] * (visible - best) + ["invisible"] * (4 - visible)
    assert sharp.zones(SHIFT, 200, 200, n, 1.0) == expected
    assert sharp.zones(SHIFT[::-1], 200, 200, n, 1.0) == expected[::-1]
    assert sharp.best_rank(SHIFT, 200, 200, n, 1.0) == best
    assert sharp.best_rank(2 * SHIFT, 200, 200, n, 2.0) == best


# The limit


@pytest.mark.parametrize(("d_x", "d_y", "n"), SHAPES)
@pytest.mark.parametrize("rho", [1.001, 2.0, 30.0])
def test_component_cost_is_price_minus_credit(d_x, d_y, n, rho):
    x = rho * np.sqrt(d_y * min(n, d_x))
    kappa = max(n, d_x) / (abs(n - d_x) - 1)
    expected = 0.49 * bill(np.sqrt(overlaps(x, d_y, min(n, d_x))[0]), x, d_x, d_y, n, kappa)
    assert sharp.component_cost(x, d_x, d_y, n, 0.7) == pytest.approx(expected, rel=1e-11)


def test_component_cost_of_noise():
    assert sharp.component_cost(0.0, 100, 25, 400, 2.0) == pytest.approx(4 * 225 / 299)
    assert sharp.component_cost(50.0, 100, 25, 400, 2.0) == pytest.approx(4 * 225 / 299)
    assert sharp.component_cost(50.0 + 1e-9, 100, 25, 400, 2.0) == pytest.approx(4 * 225 / 299, rel=1e-6)
    assert [sharp.component_cost(x, 100, 25, 101, 2.0) for x in (0.0, 1e6)] == [INF, INF]
    assert sharp.component_cost(0.0, 100, 25, 102, 2.0) == pytest.approx(4 * 225)


def test_component_cost_refuses():
    with pytest.raises(ValueError, match=r"^x is -1.0; it must be a finite real number of at least 0 \(a strength\)$"):
        sharp.component_cost(-1.0, 5, 5, 9, 1.0)
    with pytest.raises(ValueError, match=r"^noise_std is -1.0; it must be a finite real number of at least 0$"):
        sharp.component_cost(1.0, 5, 5, 9, -1.0)


@pytest.mark.parametrize("n", [5, 18, 22, 60])
def test_full_risk_is_that_of_the_propositions(n):
    task = Task.with_spectrum(np.array([3.0, 1.0]), 20, 12, 0.7, seed=0)
    assert sharp.full_risk(np.array([3.0, 1.0]), 20, 12, n, 0.7) == pytest.approx(bounds.full_risk(task, n).total)


RISKS = [sharp.lora_risk, sharp.lora_risk_limit, lambda *a: sharp.core_risk(*a).value]
RISKS += [lambda *a: sharp.finite_size_risk(*a, draws=10).value]


@pytest.mark.parametrize("risk", RISKS)
@pytest.mark.parametrize(("d_x", "d_y", "n"), [(12, 20, 30), (30, 20, 12), (20, 12, 40)])
def test_both_ends_are_exact(risk, d_x, d_y, n):
    s = np.array([0.3, 0.0, 20.0, 15.0])
    assert risk(0, s, d_x, d_y, n, 1.0) == pytest.approx(625.09)
    for rank in (12, 13, 50):
        assert risk(rank, s, d_x, d_y, n, 1.0) == pytest.approx(sharp.full_risk(s, d_x, d_y, n, 1.0))
    assert abs(risk(11, s, d_x, d_y, n, 1.0) - sharp.full_risk(s, d_x, d_y, n, 1.0)) > 1e-6


@pytest.mark.parametrize("risk", RISKS)
@pytest.mark.parametrize("n", [99, 100, 101])
def test_the_mean_is_infinite_next_to_the_threshold(risk, n):
    assert risk(0, STRONG[:1], 100, 10, n, 1.0) == pytest.approx(STRONG[0] ** 2)
    assert [risk(rank, STRONG[:1], 100, 10, n, 1.0) for rank in (1, 5, 10)] == [INF] * 3


@pytest.mark.parametrize("risk", RISKS)
@pytest.mark.parametrize("n", [98, 102])
def test_and_finite_two_away(risk, n):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", sharp.AccuracyWarning)
        assert STRONG[0] ** 2 / 200 < risk(1, STRONG[:1], 100, 10, n, 1.0) < STRONG[0] ** 2


@pytest.mark.parametrize(("d_x", "d_y", "n"), SHAPES)
@pytest.mark.parametrize("rho", [(), (0.4,), (20.0, 6.0, 0.4)])
def test_the_master_formula_ends_at_full_fine_tuning(d_x, d_y, n, rho):
    s = np.sqrt(np.array(rho) * np.sqrt(d_y * min(n, d_x)) / n)
    problem = setting(s, d_x, d_y, n, 1.0)
    assert master(problem, problem.max_rank) == pytest.approx(sharp.full_risk(s, d_x, d_y, n, 1.0), rel=1e-12)


@pytest.mark.parametrize("ratio", [2.0, 0.5])
def test_the_master_formula_tends_to_the_limit(ratio):
    distances = []
    for size in (100, 1000):
        n = int(ratio * size)
        s = np.sqrt(np.array([30.0, 8.0, 0.2]) * np.sqrt(size * min(n, size)) / n)
        costs = [sharp.component_cost(n * value**2, size, size, n, 1.0) for value in s]
        box = np.sum(s**2) + np.cumsum(costs)
        distances.append([abs(sharp.lora_risk_limit(r, s, size, size, n, 1.0) - box[r - 1]) for r in (1, 2, 3)])
    assert np.all(np.array(distances[1][:2]) < 0.15 * np.array(distances[0][:2]))
    assert distances[1][2] < 0.4 * distances[0][2]  # the edge of the noise approaches like size^(-2/3)


def test_the_bulk_of_pure_noise_by_simulation():
    d_y, k = 30, 60
    squares = np.linalg.svd(np.random.default_rng(2).standard_normal((2000, d_y, k)), compute_uv=False) ** 2
    predicted = np.diff(bulk(setting(np.zeros(0), k, d_y, 200, 1.0)).energies)
    assert np.sum(predicted) == pytest.approx(d_y * k, rel=1e-12)
    np.testing.assert_allclose(predicted, squares.mean(axis=0), atol=0.005 * predicted[0])


@pytest.mark.parametrize(("d_y", "k"), [(10, 25), (25, 10), (12, 12)])
def test_the_bulk_solves_its_equations(d_y, k):
    """The mean number of singular values above the i-th is i - 1/2, above what rank r keeps r; by quadrature."""
    rho = np.array([8.0, 3.0, 0.5])
    unit, small = np.sqrt(d_y * k), min(d_y, k)
    x = rho * unit

    def square(phi):
        return d_y + k + 2 * unit * np.cos(phi)

    def density(phi):
        return np.sin(phi) ** 2 / square(phi) if phi < np.pi else 0.0

    def count(phi):
        share = quad(density, 0, phi)[0] / quad(density, 0, np.pi)[0]
        shifts = np.arctan2(rho * np.sin(phi), 1 - rho * np.cos(phi))
        return small * share + 0.25 - phi / (2 * np.pi) + np.sum(shifts) / np.pi

    def angle(level):
        return brentq(lambda phi: count(phi) - level, 0.3, np.pi)

    predicted = bulk(setting(np.sqrt(x / 100), k, d_y, 100, 1.0))
    energies = np.diff(predicted.energies)
    above = [(x[0] + d_y) * (x[0] + k) / (x[0] + 1), (x[1] + d_y) * (x[1] + k) / (x[1] + 3)]
    np.testing.assert_allclose(energies[:2], above, rtol=1e-12)
    assert predicted.energies[-1] == pytest.approx(d_y * k + np.sum(x), rel=1e-12)
    below = np.array([square(angle(i - 0.5)) for i in range(3, small + 1)])
    np.testing.assert_allclose(energies[2:] / energies[2], below / below[0], rtol=1e-5)
    for r in range(3, small):
        for j in range(3):
            inside = quad(
                lambda a, j=j: 2 / np.pi * np.sin(a) ** 2 / abs(1 - rho[j] * np.exp(1j * a)) ** 2, 0, angle(r)
            )
            expected = max(0, 1 - rho[j] ** -2) + inside[0]
            assert predicted.captured[j, r] == pytest.approx(expected, rel=1e-5)
    np.testing.assert_allclose(predicted.captured[:, :3], [[0, 63 / 64, 63 / 64], [0, 0, 8 / 9], [0, 0, 0]], atol=1e-12)


@pytest.mark.parametrize("rho", [0.5, 3.0])
def test_where_the_signal_is_by_simulation(rho):
    """Captured share of the cross term, and the energies: five per cent of a whole is the accuracy asked for."""
    d_y, k = 30, 60
    theta = np.sqrt(rho * np.sqrt(d_y * k))
    M = np.random.default_rng(3).standard_normal((4000, d_y, k))
    M[:, 0, 0] += theta
    U, singular, Vt = np.linalg.svd(M, full_matrices=False)
    captured = np.cumsum(np.mean(singular * U[:, 0] * Vt[:, :, 0], axis=0)) / theta
    predicted = bulk(setting(np.array([theta / np.sqrt(200)]), k, d_y, 200, 1.0))
    assert np.max(np.abs(predicted.captured[0, 1:] - captured)) < 0.05
    energies = np.cumsum(np.mean(singular**2, axis=0))
    np.testing.assert_allclose(predicted.energies[1:], energies, rtol=0.05)
    assert predicted.energies[0] == predicted.captured[0, 0] == 0.0
    assert predicted.captured[0, -1] == 1.0


def test_strong_spike_risk_by_hand():
    risk = sharp.strong_spike_risk
    assert risk(0, np.array([3.0, 2.0]), 10, 5, 31, 2.0) == 13.0
    assert risk(1, np.array([2.0, 3.0]), 10, 5, 31, 2.0) == pytest.approx(4 + 4 * (5 / 31 + 10 / 20))
    assert risk(2, np.array([3.0, 2.0]), 31, 5, 10, 2.0) == pytest.approx(13 * 21 / 31 + 2 * 4 * (5 / 31 + 10 / 20))
    assert [risk(1, np.array([3.0, 2.0]), 10, 5, n, 2.0) for n in (9, 10, 11)] == [INF] * 3
    with pytest.raises(ValueError, match=r"^rank is 3; it must be an integer from 0 to 2 \(at most the rank of the sh"):
        risk(3, np.array([3.0, 2.0, 0.0]), 10, 5, 31, 2.0)


def test_mixing_and_noise_free_risk_by_hand():
    s = np.array([1.0, 3.0, 2.0])
    assert sharp.mixing_term(1, s, 10) == pytest.approx((36 / 5 + 9 / 8) / 10)
    assert sharp.mixing_term(2, s, 10) == pytest.approx((9 / 8 + 4 / 3) / 10)
    assert [sharp.mixing_term(r, s, 10) for r in (0, 3, 4)] == [0.0, 0.0, 0.0]
    assert sharp.noise_free_risk(1, s, 5, 10) == pytest.approx(5 + (36 / 5 + 9 / 8) / 10)
    g = 10 / 40
    assert sharp.noise_free_risk(2, s, 40, 10) == pytest.approx(1 + 0.75 * 13 + g * (2 * g - 1) * (9 / 8 + 4 / 3) / 10)
    with pytest.raises(
        ValueError, match=r"^singular_values has s_1 = s_2 = 2; the mixing term needs s_r > s_\(r\+1\)$"
    ):
        sharp.mixing_term(1, np.array([2.0, 2.0]), 10)
    assert sharp.mixing_term(1, np.array([2.0, 0.0, 0.0]), 10) == 0.0
    with pytest.raises(ValueError, match=r"^rank is 4; it must be an integer from 0 to 3"):
        sharp.noise_free_risk(4, s, 40, 10)
    with pytest.raises(ValueError, match=r"^rank is -1; it must be an integer of at least 0$"):
        sharp.mixing_term(-1, s, 10)
    with pytest.raises(ValueError, match=r"^n is 0; it must be an integer of at least 1$"):
        sharp.mixing_term(1, s, 0)


# Finite size


@pytest.mark.parametrize(("d_x", "d_y", "n"), [(6, 5, 13), (13, 5, 6), (5, 8, 12), (10, 3, 6)])
def test_the_identity_against_simulated_risks(d_x, d_y, n):
    s = np.array([2.0, 1.0])
    risks = risk_draws(Task.with_spectrum(s, d_x, d_y, 1.0, seed=83), n, draws=8000, seed=84)
    for r in range(1, min(d_x, d_y, n)):
        exact = sharp.finite_size_risk(r, s, d_x, d_y, n, 1.0, draws=8000, seed=85)
        error = np.hypot(exact.standard_error, np.std(risks[:, r]) / np.sqrt(len(risks)))
        assert abs(np.mean(risks[:, r]) - exact.value) < Z * error
        assert exact.standard_error < np.std(risks[:, r]) / np.sqrt(len(risks))


def test_the_identity_with_as_many_directions_as_fit():
    s = np.linspace(3.0, 1.0, 5)
    risks = risk_draws(Task.with_spectrum(s, 9, 5, 1.0, seed=1), 5, draws=8000, seed=2)
    exact = sharp.finite_size_risk(3, s, 9, 5, 5, 1.0, draws=8000, seed=3)
    assert abs(np.mean(risks[:, 3]) - exact.value) < Z * np.std(risks[:, 3]) / np.sqrt(4000)


def test_the_identity_s_defaults_and_batches(monkeypatch):
    arguments = (2, np.array([3.0, 2.0]), 12, 10, 30, 1.0)
    base = sharp.finite_size_risk(*arguments)
    assert base == sharp.finite_size_risk(*arguments, draws=200, seed=0)
    assert base != sharp.finite_size_risk(*arguments, draws=200, seed=1)
    drawn = []
    original = identity._draw
    monkeypatch.setattr(identity, "_draw", lambda p, r, draws, rng: drawn.append(draws) or original(p, r, draws, rng))
    monkeypatch.setattr(identity, "_BATCH_ENTRIES", 64 * 120)
    batched = sharp.finite_size_risk(*arguments)
    assert drawn == [64, 64, 64, 8]
    assert abs(batched.value - base.value) < Z * np.hypot(batched.standard_error, base.standard_error)
    assert base.standard_error / 1.5 < batched.standard_error < 1.5 * base.standard_error
    monkeypatch.setattr(identity, "_BATCH_ENTRIES", 1)
    sharp.finite_size_risk(*arguments, draws=3)
    assert drawn[4:] == [1, 1, 1]


@pytest.mark.parametrize(("d_x", "d_y", "n"), [(8, 5, 20), (20, 5, 8)])
def test_the_identity_without_a_signal_is_the_price_of_noise(d_x, d_y, n):
    """`sigma^2 E sum_{i <= r} lambda_i / (|n - d_x| - 1)`, lambda_i the eigenvalues of a (d_y, k) matrix of noise."""
    k = min(n, d_x)
    squares = np.linalg.svd(np.random.default_rng(0).standard_normal((4000, d_y, k)), compute_uv=False) ** 2
    drawn = 4.0 * np.sum(squares[:, :2], axis=1) / (abs(n - d_x) - 1)
    for nothing in (np.zeros(0), np.zeros(3)):
        found = sharp.finite_size_risk(2, nothing, d_x, d_y, n, 2.0, draws=2000)
        assert abs(found.value - drawn.mean()) < Z * np.hypot(found.standard_error, drawn.std() / np.sqrt(4000))


def test_the_identity_refuses_more_directions_than_samples():
    message = "^singular_values has 3 positive entries; it must have at most n = 2, because the identity averages over"
    with pytest.raises(ValueError, match=message):
        sharp.finite_size_risk(1, np.array([3.0, 2.0, 1.0]), 9, 5, 2, 1.0)
    assert sharp.finite_size_risk(1, np.array([3.0, 2.0]), 9, 5, 2, 1.0).value > 0
    with pytest.raises(ValueError, match=r"^draws is 1; it must be an integer of at least 2$"):
        sharp.finite_size_risk(1, np.array([3.0]), 9, 5, 20, 1.0, draws=1)


@pytest.mark.parametrize(("d_x", "d_y", "n"), [(40, 30, 90), (90, 30, 40), (40, 50, 43)])
@pytest.mark.parametrize("rank", [1, 2, 3, 6])
def test_the_core_formula_against_the_identity(d_x, d_y, n, rank):
    s = np.array([9.0, 5.0, 3.0]) * np.sqrt(np.sqrt(d_y * min(n, d_x)) / n)
    exact = sharp.finite_size_risk(rank, s, d_x, d_y, n, 1.0, draws=600, seed=4)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", sharp.AccuracyWarning)
        core = sharp.core_risk(rank, s, d_x, d_y, n, 1.0)
    slack = 0.02 * exact.value
    assert abs(core.value - exact.value) < slack + Z * np.hypot(core.standard_error, exact.standard_error)


@pytest.mark.parametrize(("d_x", "d_y", "n"), [(20, 12, 50), (50, 12, 20)])
def test_the_core_formula_is_exact_for_a_strong_shift(d_x, d_y, n):
    s = np.array([3e4, 2e4, 1e4])
    task = Task.with_spectrum(s, d_x, d_y, 1.0, seed=0)
    core = sharp.core_risk(3, s, d_x, d_y, n, 1.0, draws=8000)
    exact = bounds.strong_signal_risk(task, n)
    rounding = 1e-9 * exact["bias"]
    assert abs(core.value - exact.total) < Z * core.standard_error + rounding
    assert core.standard_error < 0.005 * (exact.total - exact["bias"]) + rounding


@pytest.mark.parametrize("n", [20, 500])
@pytest.mark.parametrize("rank", [1, 2])
def test_the_core_formula_contains_the_mixing(n, rank):
    s = np.array([30.0, 20.0, 10.0])
    core = sharp.core_risk(rank, s, 100, 100, n, 1e-4, draws=20_000)
    first_order = sharp.noise_free_risk(rank, s, 100, n)
    g = min(1.0, n / 100)
    mixing = g * (2 * g - 1) * sharp.mixing_term(rank, s, n)
    assert abs(core.value - first_order) < Z * core.standard_error + 3 * abs(mixing) / np.sqrt(n)
    assert core.standard_error < 0.1 * abs(mixing)


@pytest.mark.parametrize(("size", "low", "high"), [(40, -0.09, 0.13), (200, -0.04, 0.03)])
def test_what_equal_directions_cost_in_accuracy(size, low, high):
    """As the docstring says, and not less."""
    noise_std = 1.0 / (sharp.detection_threshold(size, size, 2 * size, 1.0) * np.sqrt(1.5))
    setting = np.ones(4), size, size, 2 * size
    drawn = draw_risks(*setting, noise_std, (1, 4), draws=1000, seed=0).lora
    found = np.array([sharp.lora_risk(rank, *setting, noise_std) for rank in (1, 4)]) / drawn.mean(axis=0) - 1.0
    error = drawn.std(axis=0) / np.sqrt(len(drawn)) / drawn.mean(axis=0)
    assert np.all(np.abs(found - [low, high]) < 0.01 + Z * error), found


@pytest.mark.parametrize(("n", "expected"), [(20, (9194, 8627, 8018, 8026)), (500, (6635, 4010, 1.779, 5.19))])
def test_the_setting_of_figure_1a(n, expected):
    """Against an independent program of the same theory, printed to four digits; both are averages of draws."""
    predicted = [sharp.lora_risk(r, STRONG, 100, 100, n, 1.0) for r in (1, 2, 4, 8)]
    np.testing.assert_allclose(predicted, expected, rtol=2e-3)


def test_lora_risk_is_the_core_formula_at_its_defaults():
    arguments = (2, STRONG, 100, 100, 150, 1.0)
    default = sharp.core_risk(*arguments)
    assert sharp.lora_risk(*arguments) == default.value == sharp.lora_risk(*arguments)
    assert default == sharp.core_risk(*arguments, draws=4000, seed=0)
    other = sharp.core_risk(*arguments, draws=1000, seed=np.random.default_rng(3))
    assert other.value != default.value
    assert abs(other.value - default.value) < Z * other.standard_error
    assert 1.7 < other.standard_error / default.standard_error < 2.3
    with pytest.raises(ValueError, match=r"^draws is 1; it must be an integer of at least 2$"):
        sharp.core_risk(*arguments, draws=1)


def test_without_detectable_directions_the_core_formula_is_the_master_formula():
    s = np.array([0.2])
    for rank in (1, 5):
        core = sharp.core_risk(rank, s, 30, 20, 80, 1.0)
        assert core == pytest.approx((sharp.lora_risk_limit(rank, s, 30, 20, 80, 1.0), 0.0), rel=1e-12)


def test_further_ranks_add_the_bulk_s_share():
    """The gap between the formulas at the last visible direction fades with the energy of the bulk that is left."""
    s = np.sqrt(np.array([40.0, 15.0]) * 30 / 90)
    core = {r: sharp.core_risk(r, s, 30, 30, 90, 1.0) for r in (2, 9)}
    closed = {r: sharp.lora_risk_limit(r, s, 30, 30, 90, 1.0) for r in (2, 9)}
    energies = bulk(setting(s, 30, 30, 90, 1.0)).energies
    left = (energies[30] - energies[9]) / (energies[30] - energies[2])
    assert core[9].value == pytest.approx(closed[9] + left * (core[2].value - closed[2]), rel=1e-12)
    assert core[9].standard_error == pytest.approx(left * core[2].standard_error, rel=1e-12)


def test_scale_and_order_do_not_matter():
    for risk in (sharp.lora_risk, sharp.lora_risk_limit, sharp.shrunk_risk, sharp.ridge_risk):
        rank = () if risk in (sharp.shrunk_risk, sharp.ridge_risk) else (2,)
        one = risk(*rank, SHIFT, 200, 200, 400, 1.0)
        assert risk(*rank, 3 * SHIFT[::-1], 200, 200, 400, 3.0) == pytest.approx(9 * one, rel=1e-12)
        padded = np.concatenate([SHIFT, np.full(96, 1e-16)])
        assert risk(*rank, padded, 200, 200, 400, 1.0) == pytest.approx(one, rel=1e-12)


# Predictions for the better estimators


@pytest.mark.parametrize(("d_x", "d_y", "n"), SHAPES)
def test_no_size_beats_the_shrunk_risk(d_x, d_y, n):
    unit = np.sqrt(d_y * min(n, d_x))
    s = np.sqrt(np.array([9.0, 2.0, 0.9]) * unit / n)
    kappa = max(n, d_x) / (abs(n - d_x) - 1)
    expected = np.sum(s**2)
    for x in (9.0 * unit, 2.0 * unit):
        upper = np.sqrt(overlaps(x, d_y, min(n, d_x))[0])
        expected += minimize_scalar(bill, bounds=(0, upper), args=(x, d_x, d_y, n, kappa), options={"xatol": 1e-9}).fun
    assert sharp.shrunk_risk(s, d_x, d_y, n, 1.0) == pytest.approx(expected, rel=1e-10)


@pytest.mark.parametrize(
    ("d_y", "d_x", "n", "expected"),
    [(200, 200, 400, 3.448), (200, 200, 100, 18.556), (200, 200, 240, 8.814), (300, 200, 150, 15.987)],
)
def test_shrunk_risks_of_an_independent_program(d_y, d_x, n, expected):
    s = np.sqrt(np.array([12.0, 5.0, 2.5]) * np.sqrt(d_y * min(n, d_x)) / n)
    assert sharp.shrunk_risk(s, d_x, d_y, n, 1.0) == pytest.approx(expected, abs=5.1e-4)


@pytest.mark.parametrize("n", [99, 100, 101])
def test_at_the_threshold_shrinkage_gains_nothing_and_ridge_does(n):
    s = np.array([6.0, 3.0])
    assert sharp.shrunk_risk(s, 100, 100, n, 1.0) == 45.0
    assert sharp.ridge_risk(s, 100, 100, n, 1.0) < 12.0


@pytest.mark.parametrize(("d_x", "d_y", "n"), [*SHAPES, (50, 60, 50)])
def test_ridge_risk_by_integration_over_marchenko_pastur(d_x, d_y, n):
    k, gamma = min(n, d_x), d_x / n
    unit = np.sqrt(d_y * k)
    s = np.sqrt(np.array([9.0, 2.0, 0.9]) * unit / n)
    low, high = (1 - np.sqrt(gamma)) ** 2, (1 + np.sqrt(gamma)) ** 2
    expected = np.sum(s**2)
    for x, value in zip((9.0 * unit, 2.0 * unit), s, strict=False):
        _, c_u, c_v = overlaps(x, d_y, k)
        t = d_x / k * (1 - c_v) / c_v

        def kept(angle, t=t):
            ell = (low + high) / 2 - (high - low) / 2 * np.cos(angle)
            return ((high - low) / 2 * np.sin(angle)) ** 2 / (2 * np.pi * gamma) / (ell + t)

        expected -= value**2 * c_u * quad(kept, 0, np.pi, epsabs=1e-13)[0]
    assert sharp.ridge_risk(s, d_x, d_y, n, 1.0) == pytest.approx(expected, rel=1e-9)


# Cross-over


@pytest.mark.parametrize(("d_x", "d_y", "n"), [(40, 30, 100), (100, 30, 40), (60, 60, 70)])
@pytest.mark.parametrize("rank", [0, 1, 3])
def test_at_the_closed_cross_over_the_strong_risks_meet(d_x, d_y, n, rank):
    s = np.array([9.0, 7.0, 4.0, 1.0])
    sigma = sharp.crossover_noise_limit(rank, s, d_x, d_y, n)
    lora = sharp.strong_spike_risk(rank, s, d_x, d_y, n, sigma)
    assert lora == pytest.approx(sharp.full_risk(s, d_x, d_y, n, sigma), rel=1e-12)


@pytest.mark.parametrize(("n", "rank"), [(40, 2), (200, 1), (400, 2)])
def test_at_the_cross_over_the_risks_meet(n, rank):
    sigma = sharp.crossover_noise(rank, STRONG, 100, 100, n)
    assert sigma == pytest.approx(sharp.crossover_noise_limit(rank, STRONG, 100, 100, n), rel=0.06)
    ratios = [
        sharp.lora_risk(rank, STRONG, 100, 100, n, f * sigma) / sharp.full_risk(STRONG, 100, 100, n, f * sigma)
        for f in (0.97, 1.0, 1.03)
    ]
    assert ratios[0] > 1 > ratios[2]
    assert ratios[1] == pytest.approx(1.0, abs=0.01)


def test_cross_overs_that_are_zero_or_infinite():
    s = np.array([9.0, 7.0])
    assert sharp.crossover_noise_limit(2, s, 40, 30, 100) == 0.0
    assert sharp.crossover_noise(2, s, 40, 30, 100) == 0.0
    assert sharp.crossover_noise(1, np.zeros(2), 40, 30, 100) == 0.0
    # 2 (4 + kappa 4) > 16 kappa for kappa < 1 only; at rank 3 LoRA has more to pay for
    assert sharp.crossover_noise_limit(3, np.full(4, 5.0), 4, 4, 1000) == INF
    # kappa = 9 / 6: sigma^2 = 9 * 25 / (6 - 5)
    assert sharp.crossover_noise_limit(1, np.full(2, 5.0), 2, 2, 9) == pytest.approx(15.0)


def test_rank_zero_crosses_where_full_fine_tuning_is_worth_it():
    sigma = sharp.crossover_noise(0, SHIFT, 20, 12, 50)
    assert sharp.full_risk(SHIFT, 20, 12, 50, sigma) == pytest.approx(np.sum(SHIFT**2), rel=1e-8)
    assert sharp.crossover_noise_limit(0, SHIFT, 20, 12, 50) == pytest.approx(sigma, rel=1e-8)


@pytest.mark.parametrize("function", [sharp.crossover_noise, sharp.crossover_noise_limit])
def test_cross_over_refuses(function):
    with pytest.raises(
        ValueError, match=r"^rank is 12; it must be an integer from 0 to 11 \(from min\(n, d_x, d_y\) on"
    ):
        function(12, SHIFT, 20, 12, 50)
    message = "^n is 21; it must differ from d_x = 20 by 2 or more: both risks are infinite$"
    with pytest.raises(ValueError, match=message):
        function(1, SHIFT, 20, 12, 21)


# Bad input, and warnings


BAD = [
    ((-1, SHIFT, 9, 9, 20, 1.0), "rank is -1; it must be an integer of at least 0"),
    ((1, SHIFT, 0, 9, 20, 1.0), "d_x is 0; it must be an integer of at least 1"),
    ((1, SHIFT, 9, 0, 20, 1.0), "d_y is 0; it must be an integer of at least 1"),
    ((1, SHIFT, 9, 9, 0, 1.0), "n is 0; it must be an integer of at least 1 (a training set needs a sample)"),
    ((1, -SHIFT, 9, 9, 20, 1.0), "singular_values has smallest entry -6; singular values must be at least 0"),
    ((1, SHIFT, 9, 3, 20, 1.0), "singular_values has 4 positive entries; it must have at most min(d_x, d_y) = 3"),
    ((1, SHIFT, 3, 9, 20, 1.0), "singular_values has 4 positive entries; it must have at most min(d_x, d_y) = 3"),
    (
        (1, SHIFT, 9, 9, 20, 0.0),
        "noise_std is 0.0; it must be a finite real number above 0 (strengths are in units of the noise)",
    ),
]


@pytest.mark.parametrize(("arguments", "message"), BAD)
@pytest.mark.parametrize("risk", [sharp.lora_risk, sharp.core_risk, sharp.lora_risk_limit, sharp.finite_size_risk])
def test_bad_input(risk, arguments, message):
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        risk(*arguments)


@pytest.mark.parametrize(("arguments", "message"), BAD[1:])
@pytest.mark.parametrize("function", [sharp.full_risk, sharp.zones, sharp.shrunk_risk, sharp.ridge_risk])
def test_bad_input_without_a_rank(function, arguments, message):
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        function(*arguments[1:])


def test_singular_values_of_one_direction_each_are_enough_and_allowed():
    assert sharp.full_risk(np.array([1.0, 1.0, 1.0]), 3, 3, 9, 1.0) == pytest.approx(9 / 5)


@pytest.mark.parametrize(("d_x", "d_y", "n", "count"), [(9, 4, 40, 4), (9, 12, 40, 9), (9, 12, 5, 7)])
@pytest.mark.parametrize("risk", [sharp.lora_risk, sharp.lora_risk_limit])
def test_too_many_detectable_directions(risk, d_x, d_y, n, count):
    message = f"singular_values has {count} detectable directions; there must be fewer than d_y = {d_y} and at most min"
    refused = (d_x, d_y, n, count) != (9, 12, 40, 9)
    arguments = (1, np.full(count, 50.0), d_x, d_y, n, 1.0)
    if refused:
        with pytest.raises(ValueError, match=re.escape(message)):
            risk(*arguments)
        for prediction in (sharp.shrunk_risk, sharp.ridge_risk):
            with pytest.raises(ValueError, match=re.escape(message)):
                prediction(*arguments[1:])
    else:
        assert risk(*arguments) > 0


def warned(function, *arguments):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        function(*arguments)
    assert all(w.category is sharp.AccuracyWarning for w in caught)
    return [str(w.message) for w in caught]


def test_a_warning_points_at_the_caller():
    """In a process of its own: the run-time checks of shapes put frames in between."""
    program = """
import warnings
import numpy as np
from lorabook import sharp
s, X = np.array([0.72]), np.diag(np.arange(1.0, 40.0)) @ np.random.default_rng(0).standard_normal((39, 30))
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    sharp.lora_risk(1, s, 100, 100, 200, 1.0)
    sharp.core_risk(1, s, 100, 100, 200, 1.0)
    sharp.lora_risk_limit(1, s, 100, 100, 200, 1.0)
    sharp.choose_rank(X, X, 0 * X @ X.T)
    sharp.shrunk_lora(X, X, 0 * X @ X.T)
    sharp.ridge_lora(X, X, 0 * X @ X.T)
print([w.filename for w in caught])
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == str(["<string>"] * 6)


def at(rho, n=200):
    return np.sqrt(np.array(rho) * 100 / n)


@pytest.mark.parametrize(
    ("risk", "found"), [(sharp.lora_risk, "up to 11 % too high"), (sharp.lora_risk_limit, "up to 30 % too high")]
)
def test_near_the_detectability_threshold_it_says_so(risk, found):
    message = (
        f"singular_values has a direction at 1.05 times the detectability threshold; within 0.3 of 1 the predicted "
        f"risk was found {found} for sizes from 25 to 100"
    )
    assert warned(risk, 2, at([5.0, 1.05]), 100, 100, 200, 1.0) == [message]
    for rho in (0.71, 1.29):
        assert len(warned(risk, 2, at([5.0, rho]), 100, 100, 200, 1.0)) == 1
    for rho in (0.69, 1.31):
        assert warned(risk, 2, at([5.0, rho]), 100, 100, 200, 1.0) == []


@pytest.mark.parametrize("rank", [0, 1, 100, 101])
def test_a_direction_that_is_not_kept_or_an_exact_risk_needs_no_warning(rank):
    assert warned(sharp.core_risk, rank, at([5.0, 1.05]), 100, 100, 200, 1.0) == []


def test_the_closed_form_also_minds_detectable_directions_that_it_does_not_keep():
    """15 % too high where half of the directions are detectable and a few are kept; the core formula is not."""
    s = np.full(16, 3.0)
    with pytest.warns(sharp.AccuracyWarning, match=r"rank 2 keeps 2 of 16 detectable directions"):
        sharp.lora_risk_limit(2, s, 40, 40, 30, 1.0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        sharp.core_risk(2, s, 40, 40, 30, 1.0, draws=10)


@pytest.mark.parametrize("risk", [sharp.lora_risk, sharp.core_risk, sharp.lora_risk_limit])
def test_many_detectable_directions(risk):
    message = (
        "rank 6 keeps 6 detectable directions; with more than a quarter of min(n, d_x, d_y) = 20, not all of them "
        "strong, the predicted risk was found from 5 % too low to 20 % too high"
    )
    s = np.sqrt(np.linspace(15.0, 9.9, 6) * 20 / 60)
    assert warned(risk, 6, s, 20, 20, 60, 1.0) == [message]
    assert warned(risk, 5, s, 20, 20, 60, 1.0) == []
    assert warned(risk, 6, np.sqrt(10.1 / 9.9) * s, 20, 20, 60, 1.0) == []
    assert warned(risk, 7, s, 20, 20, 60, 1.0) == [message.replace("rank 6", "rank 7")]


@pytest.mark.parametrize(("n", "count"), [(96, 0), (97, 1), (98, 1), (99, 0), (101, 0), (102, 1), (103, 1), (104, 0)])
def test_close_to_the_interpolation_threshold(n, count):
    messages = warned(sharp.lora_risk, 1, np.array([9.0]), 100, 100, n, 1.0)
    assert len(messages) == count
    if count:
        assert messages[0] == (
            f"n is {n} and d_x is 100; for |n - d_x| <= 3 the risk has a mean but no variance, and averages over data "
            "sets scatter widely"
        )


def test_the_package_s_formulas_are_the_book_s():
    values = {"x": 700.0, "d_y": 60, "k": 100, "N": 250, "kappa": 250 / 149, "sigma": 0.7}
    assert sharp.component_cost(700.0, 100, 60, 250, 0.7) == pytest.approx(formulas.component_cost(**values), rel=1e-14)
