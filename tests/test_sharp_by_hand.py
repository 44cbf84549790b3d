"""The sharp results where no theorem looks: words of errors and warnings, edges of ranges, defaults, values by hand."""

import warnings

import numpy as np
import pytest
from scipy.integrate import trapezoid
from scipy.optimize import brentq

from lorabook import Task, sharp, wishart
from lorabook.sharp import _accuracy, _setting, bulk, identity

S = np.array([6.0, 3.5, 2.7, 1.2])
INF = np.inf


def message_of(call):
    with pytest.raises(ValueError, match=r".") as error:
        call()
    return str(error.value)


def warnings_of(call):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        call()
    assert all(w.category is sharp.AccuracyWarning for w in caught)
    return [str(w.message) for w in caught]


# Errors, word for word


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: sharp.full_risk(S, 0, 5, 9, 1.0), "d_x is 0; it must be an integer of at least 1"),
        (lambda: sharp.full_risk(S, 5, 0, 9, 1.0), "d_y is 0; it must be an integer of at least 1"),
        (
            lambda: sharp.full_risk(S, 5, 5, 0, 1.0),
            "n is 0; it must be an integer of at least 1 (a training set needs a sample)",
        ),
        (
            lambda: sharp.full_risk(S, 3, 5, 9, 1.0),
            "singular_values has 4 positive entries; it must have at most min(d_x, d_y) = 3",
        ),
        (
            lambda: sharp.full_risk(S, 5, 5, 9, 0.0),
            "noise_std is 0.0; it must be a finite real number above 0 (strengths are in units of the noise)",
        ),
        (
            lambda: sharp.full_risk(-S, 9, 9, 20, 1.0),
            "singular_values has smallest entry -6; singular values must be at least 0",
        ),
        (lambda: sharp.lora_risk(-1, S, 9, 9, 20, 1.0), "rank is -1; it must be an integer of at least 0"),
        (lambda: sharp.core_risk(1, S, 9, 9, 20, 1.0, 1), "draws is 1; it must be an integer of at least 2"),
        (lambda: sharp.finite_size_risk(1, S, 9, 9, 20, 1.0, 1), "draws is 1; it must be an integer of at least 2"),
        (
            lambda: sharp.finite_size_risk(1, S, 9, 9, 3, 1.0),
            "singular_values has 4 positive entries; it must have at most n = 3, because the identity averages over "
            "what the signal leaves of the row space of X",
        ),
        (
            lambda: sharp.lora_risk_limit(1, 100 * S, 9, 4, 20, 1.0),
            "singular_values has 4 detectable directions; there must be fewer than d_y = 4 and at most min(n, d_x) = 9"
            ", because the theory sets them in a sea of noise",
        ),
        (
            lambda: sharp.shrunk_risk(100 * S, 9, 6, 3, 1.0),
            "singular_values has 4 detectable directions; there must be fewer than d_y = 6 and at most min(n, d_x) = 3"
            ", because the theory sets them in a sea of noise",
        ),
        (
            lambda: sharp.strong_spike_risk(5, S, 9, 9, 20, 1.0),
            "rank is 5; it must be an integer from 0 to 4 (at most the rank of the shift)",
        ),
        (
            lambda: sharp.noise_free_risk(5, S, 9, 20),
            "rank is 5; it must be an integer from 0 to 4 (at most the rank of the shift)",
        ),
        (lambda: sharp.mixing_term(1, S, 0), "n is 0; it must be an integer of at least 1"),
        (lambda: sharp.mixing_term(-1, S, 5), "rank is -1; it must be an integer of at least 0"),
        (
            lambda: sharp.mixing_term(2, np.array([3.0, 2.0, 2.0]), 5),
            "singular_values has s_2 = s_3 = 2; the mixing term needs s_r > s_(r+1)",
        ),
        (
            lambda: sharp.component_cost(-1.0, 9, 9, 20, 1.0),
            "x is -1.0; it must be a finite real number of at least 0 (a strength)",
        ),
        (
            lambda: sharp.component_cost(1.0, 9, 9, 20, -1.0),
            "noise_std is -1.0; it must be a finite real number of at least 0",
        ),
        (
            lambda: sharp.detection_threshold(9, 9, 20, -1.0),
            "noise_std is -1.0; it must be a finite real number of at least 0",
        ),
        (lambda: sharp.inflation(0, 5), "d_x is 0; it must be an integer of at least 1"),
        (
            lambda: sharp.usefulness_root(9, 9, 0.5),
            "kappa is 0.5; it must be a finite real number of at least 1 (the inflation)",
        ),
        (lambda: sharp.usefulness_root(0, 9, 2.0), "d_y is 0; it must be an integer of at least 1"),
        (lambda: sharp.usefulness_root(9, 0, 2.0), "k is 0; it must be an integer of at least 1"),
        (lambda: sharp.spiked_triplet(1.0, 0, 9), "d_y is 0; it must be an integer of at least 1"),
        (lambda: sharp.spiked_triplet(1.0, 9, 0), "k is 0; it must be an integer of at least 1"),
        (
            lambda: sharp.spiked_triplet(np.array([1.0, -2.0]), 9, 9),
            "x has smallest entry -2; a strength must be at least 0",
        ),
        (lambda: sharp.estimated_strength(1.0, 0, 9), "d_y is 0; it must be an integer of at least 1"),
        (lambda: sharp.estimated_strength(1.0, 9, 0), "k is 0; it must be an integer of at least 1"),
        (
            lambda: sharp.crossover_noise(9, S, 9, 9, 20),
            "rank is 9; it must be an integer from 0 to 8 (from min(n, d_x, d_y) on LoRA is full fine-tuning)",
        ),
        (
            lambda: sharp.crossover_noise_limit(1, S, 9, 9, 10),
            "n is 10; it must differ from d_x = 9 by 2 or more: both risks are infinite",
        ),
    ],
)
def test_what_is_refused_and_why(call, message, no_shape_checks):
    assert message_of(call) == message


@pytest.mark.parametrize("call", [sharp.spiked_triplet, sharp.estimated_strength])
def test_the_name_of_a_bad_array(call, no_shape_checks):
    name = "x" if call is sharp.spiked_triplet else "y"
    assert message_of(lambda: call(np.nan, 9, 9)).startswith(f"{name} has 1 entries that are NaN or infinite")


# Warnings, word for word, on both sides of their edges

NEAR = (
    "singular_values has a direction at {:.2f} times the detectability threshold; within 0.3 of 1 the predicted risk "
    "was found {} for sizes from 25 to 100"
)
MANY = (
    "rank {0} keeps {0} detectable directions; with more than a quarter of min(n, d_x, d_y) = {1}, not all of them "
    "strong, the predicted risk was found from 5 % too low to 20 % too high"
)
CLOSE = (
    "n is {} and d_x is {}; for |n - d_x| <= 3 the risk has a mean but no variance, and averages over data sets "
    "scatter widely"
)
RISKS = {
    "core": (lambda *args: sharp.core_risk(*args, draws=2), "up to 11 % too high"),
    "lora": (sharp.lora_risk, "up to 11 % too high"),
    "limit": (sharp.lora_risk_limit, "up to 30 % too high"),
}


def of_strength(x, d_x=16, d_y=16, n=64):
    """Singular values whose strengths are x times the detectability threshold, for noise of standard deviation 1."""
    return np.sqrt(np.asarray(x) * np.sqrt(d_y * min(n, d_x)) / n)


@pytest.mark.parametrize("name", RISKS)
def test_warnings_near_the_detectability_threshold(name):
    risk, found = RISKS[name]
    for x, warned in ((1.29, True), (1.31, False), (0.71, True), (0.69, False)):
        expected = [NEAR.format(x, found)] if warned else []
        assert warnings_of(lambda x=x: risk(1, of_strength([x]), 16, 16, 64, 1.0)) == expected
    two = of_strength([20.0, 1.1])
    assert warnings_of(lambda: risk(1, two, 16, 16, 64, 1.0)) == []  # the second is not kept
    assert warnings_of(lambda: risk(2, two, 16, 16, 64, 1.0)) == [NEAR.format(1.1, found)]
    assert warnings_of(lambda: risk(0, of_strength([1.1]), 16, 16, 64, 1.0)) == []
    assert warnings_of(lambda: risk(16, of_strength([1.1]), 16, 16, 64, 1.0)) == []


@pytest.mark.parametrize("name", ["core", "limit"])
def test_warnings_with_many_directions(name):
    risk, _ = RISKS[name]
    five = of_strength([30.0, 25.0, 20.0, 15.0, 9.9])
    assert warnings_of(lambda: risk(5, five, 16, 16, 64, 1.0)) == [MANY.format(5, 16)]
    assert warnings_of(lambda: risk(4, five, 16, 16, 64, 1.0)) == []  # a quarter and no more
    weak = of_strength([30.0, 25.0, 20.0, 15.0, 1.5])
    assert warnings_of(lambda: risk(5, weak, 16, 16, 64, 1.0)) == [MANY.format(5, 16)]
    assert warnings_of(lambda: risk(5, of_strength([30.0, 25.0, 20.0, 15.0, 10.1]), 16, 16, 64, 1.0)) == []
    assert warnings_of(lambda: risk(4, of_strength([5.0, 4.0, 3.0, 2.0]), 16, 16, 64, 1.0)) == []


@pytest.mark.parametrize("name", ["core", "limit"])
def test_warnings_next_to_as_many_data_as_dimensions(name):
    risk, _ = RISKS[name]
    for n in (12, 13, 14, 18, 19, 20):
        s = of_strength([20.0], n=n)
        expected = [CLOSE.format(n, 16)] if abs(n - 16) <= 3 else []
        assert warnings_of(lambda n=n, s=s: risk(1, s, 16, 16, n, 1.0)) == expected
    for n in (15, 16, 17):  # infinite, and no doubt about it
        assert warnings_of(lambda n=n: risk(1, of_strength([20.0], n=n), 16, 16, n, 1.0)) == []
        value = risk(1, of_strength([20.0], n=n), 16, 16, n, 1.0)
        assert value in (INF, (INF, 0.0))


# Values by hand


def test_spiked_triplets_by_hand():
    """x = 6, d_y = 4, k = 3: (10 * 9 / 6, 24 / 60, 24 / 54); the threshold is sqrt 12, the edge 7 + 2 sqrt 12."""
    assert sharp.spiked_triplet(6.0, 4, 3) == pytest.approx((15.0, 0.4, 4 / 9), rel=1e-14)
    edge = 7 + 2 * np.sqrt(12)
    assert sharp.spiked_triplet(np.sqrt(12), 4, 3) == pytest.approx((edge, 0.0, 0.0), rel=1e-14)
    assert sharp.spiked_triplet(0.0, 4, 3) == pytest.approx((edge, 0.0, 0.0), rel=1e-14)
    assert all(type(value) is float for value in sharp.spiked_triplet(6.0, 4, 3))
    square, left, right = sharp.spiked_triplet(np.array([[6.0, 1.0]]), 4, 3)
    np.testing.assert_allclose(square, [[15.0, edge]])
    np.testing.assert_allclose(left, [[0.4, 0.0]])
    np.testing.assert_allclose(right, [[4 / 9, 0.0]])
    assert sharp.estimated_strength(15.0, 4, 3) == pytest.approx(6.0, rel=1e-14)
    assert type(sharp.estimated_strength(15.0, 4, 3)) is float
    assert sharp.estimated_strength(edge, 4, 3) == 0.0
    assert sharp.estimated_strength(edge * (1 + 1e-9), 4, 3) == pytest.approx(np.sqrt(12), rel=1e-3)
    np.testing.assert_allclose(sharp.estimated_strength(np.array([15.0, 1.0, 0.0]), 4, 3), [6.0, 0.0, 0.0])


def test_component_costs_by_hand():
    """d_y = 4, k = 3: kappa = 12 / 8 = 1.5 for 12 samples of 3 inputs, and for 3 samples of 12 inputs."""
    for d_x, n in ((3, 12), (12, 3)):
        assert sharp.inflation(d_x, n) == 1.5
        cost = 4.0 / 12 * (1.5 * 3 * 10**2 - (36 - 12) * (6 - 4)) / 36
        assert sharp.component_cost(6.0, d_x, 4, n, 2.0) == pytest.approx(cost, rel=1e-14)
        noise = 4.0 / 12 * 1.5 * (2 + np.sqrt(3)) ** 2
        for x in (0.0, 3.0, np.sqrt(12)):
            assert sharp.component_cost(x, d_x, 4, n, 2.0) == pytest.approx(noise, rel=1e-14)
        assert sharp.component_cost(6.0, d_x, 4, n, 0.0) == 0.0
    assert [sharp.component_cost(6.0, 12, 4, n, 1.0) for n in (11, 12, 13)] == [INF] * 3
    assert [sharp.inflation(12, n) for n in (10, 11, 12, 13, 14)] == [12.0, INF, INF, INF, 14.0]


def test_risks_of_full_fine_tuning_by_hand():
    s = np.array([0.0, 1.0, 3.0])
    assert sharp.full_risk(s, 3, 4, 12, 2.0) == pytest.approx(4 * 1.5 * 12 / 12)
    assert sharp.full_risk(s, 12, 4, 3, 2.0) == pytest.approx(0.75 * 10 + 4 * 1.5 * 12 / 12)
    assert [sharp.full_risk(s, 12, 4, n, 2.0) for n in (11, 12, 13)] == [INF] * 3


def test_singular_values_count_beside_the_largest_and_not_by_their_size():
    assert sharp.strong_spike_risk(0, np.array([1e-20]), 12, 4, 3, 2.0) == pytest.approx(1e-40)
    assert sharp.strong_spike_risk(0, np.zeros(2), 12, 4, 3, 2.0) == 0.0
    assert sharp.strong_spike_risk(0, np.array([]), 12, 4, 3, 2.0) == 0.0


def test_as_many_visible_directions_as_the_data_hold_are_few_enough():
    assert np.isfinite(sharp.shrunk_risk(100 * S[:3], 9, 6, 3, 1.0))
    assert sharp.core_risk(1, of_strength([20.0]), 16, 16, 64, 1.0, 20).standard_error > 0


def test_strong_directions_by_hand():
    """n / N = 1/4 under, 1 over; each kept direction costs 4 (d_y + kappa k) / 12 = 4 * 8.5 / 12."""
    s = np.array([1.0, 3.0, 0.0, 2.0])
    for rank, kept in ((0, 0.0), (1, 9.0), (2, 13.0), (3, 14.0)):
        over = 14.0 - kept + rank * 4 * 8.5 / 12
        assert sharp.strong_spike_risk(rank, s, 3, 4, 12, 2.0) == pytest.approx(over)
        assert sharp.strong_spike_risk(rank, s, 12, 4, 3, 2.0) == pytest.approx(over + 0.75 * kept)
    assert [sharp.strong_spike_risk(rank, s, 12, 4, 12, 2.0) for rank in (0, 1)] == [14.0, INF]
    mixing = (9 * 4 / 5 + 9 / 8) / 10
    assert sharp.mixing_term(1, s, 10) == pytest.approx(mixing)
    assert sharp.mixing_term(0, s, 10) == 0.0
    assert sharp.mixing_term(3, s, 10) == 0.0
    assert sharp.mixing_term(7, s, 10) == 0.0
    assert sharp.noise_free_risk(1, s, 5, 10) == pytest.approx(5.0 + mixing)
    assert sharp.noise_free_risk(1, s, 40, 10) == pytest.approx(5.0 + 0.75 * 9 - 0.25 * 0.5 * mixing)


def test_thresholds_by_hand():
    assert sharp.detection_threshold(3, 4, 12, 2.0) == pytest.approx(2 * np.sqrt(np.sqrt(12) / 12))
    assert sharp.detection_threshold(12, 4, 3, 2.0) == pytest.approx(2 * np.sqrt(np.sqrt(12) / 3))
    assert sharp.detection_threshold(3, 4, 12, 0.0) == 0.0
    for d_y, k, kappa in ((4, 3, 1.5), (100, 1, 1.0), (1, 100, 30.0), (7, 7, 1e6)):
        cubic = [1.0, -(d_y + kappa * k), -(1 + 2 * kappa) * d_y * k, -(kappa - 1) * d_y**2 * k]
        assert sharp.usefulness_root(d_y, k, kappa) == pytest.approx(max(np.roots(cubic).real), rel=1e-10)
    assert sharp.usefulness_root(4, 3, INF) == INF
    root = max(np.roots([1.0, -8.5, -48.0, -24.0]).real)
    assert sharp.usefulness_threshold(3, 4, 12, 2.0) == pytest.approx(2 * np.sqrt(root / 12))
    assert sharp.usefulness_threshold(12, 4, 3, 2.0) == pytest.approx(2 * np.sqrt(root / 3))
    assert [sharp.usefulness_threshold(12, 4, n, 2.0) for n in (11, 12, 13)] == [INF] * 3


def test_zones_keep_the_order_given():
    visible, useful = sharp.detection_threshold(30, 20, 90, 1.0), sharp.usefulness_threshold(30, 20, 90, 1.0)
    s = np.array([visible, useful * 1.001, 0.0, useful * 0.999, visible * 1.001, 10.0])
    assert sharp.zones(s, 30, 20, 90, 1.0) == ["invisible", "useful", "invisible", "harmful", "harmful", "useful"]
    assert sharp.best_rank(s, 30, 20, 90, 1.0) == 2
    assert sharp.zones(s, 30, 20, 30, 1.0)[5] == "harmful"
    assert sharp.best_rank(s, 30, 20, 30, 1.0) == 0


def test_the_crossover_for_strong_directions_by_hand():
    """kappa d_y k = 18 and d_y + kappa k = 8.5: rank 2 leaves 1, rank 3 nothing that full fine-tuning pays for."""
    s = np.array([5.0, 3.0, 2.0])
    assert sharp.crossover_noise_limit(0, s, 3, 4, 12) == pytest.approx(np.sqrt(12 * 38 / 18))
    assert sharp.crossover_noise_limit(1, s, 3, 4, 12) == pytest.approx(np.sqrt(12 * 13 / 9.5))
    assert sharp.crossover_noise_limit(2, s, 3, 4, 12) == pytest.approx(np.sqrt(12 * 4 / 1.0))
    assert sharp.crossover_noise_limit(2, s, 12, 4, 3) == pytest.approx(np.sqrt(3 * 4 / 1.0))
    assert sharp.crossover_noise_limit(2, s[:2], 3, 4, 12) == 0.0
    # d_y = k = 3: rank 2 costs as much as full fine-tuning at kappa = 2 (n = 8), and more below it.
    assert [sharp.crossover_noise_limit(2, s, 3, 3, n) for n in (8, 9)] == [INF, INF]
    assert sharp.crossover_noise_limit(2, s[:2], 3, 3, 9) == INF
    assert sharp.crossover_noise_limit(2, s, 3, 3, 7) == pytest.approx(np.sqrt(7 * 4 / (7 / 3 * 9 - 2 * (3 + 7))))
    assert sharp.crossover_noise(0, np.array([]), 3, 4, 12) == 0.0


def test_predicted_risks_of_the_other_estimators_by_hand():
    """x = 6 and 1 of which the second does not show: n = 12, sigma = 2, s^2 = sigma^2 x / n."""
    for d_x, n in ((3, 12), (12, 3)):
        s = np.sqrt(4 * np.array([6.0, 1.0]) / n)
        gain = 4 / 12 * 24**2 / (10 * (24 + 1.5 * 3 * 10))
        assert sharp.shrunk_risk(s, d_x, 4, n, 2.0) == pytest.approx(4 * 7 / n - gain)
        t, g = d_x * 10 / 24, d_x / n
        a = 2 / (1 + g + t + np.sqrt((1 + t - g) ** 2 + 4 * g * t))
        assert sharp.ridge_risk(s, d_x, 4, n, 2.0) == pytest.approx(4 * 6 / n * (1 - 0.4 * a) + 4 / n)
    assert sharp.shrunk_risk(S, 9, 9, 9, 1.0) == pytest.approx(np.sum(S**2))
    assert sharp.shrunk_risk(S, 9, 9, 10, 1.0) == pytest.approx(np.sum(S**2))
    assert np.isfinite(sharp.ridge_risk(S, 9, 9, 9, 1.0))


def test_ranks_at_both_ends_are_exact():
    s = of_strength([20.0, 0.1])
    energy = np.sum(s**2)
    for risk in (sharp.core_risk, sharp.finite_size_risk):
        assert risk(0, s, 16, 10, 64, 1.0) == (energy, 0.0)
        for rank in (10, 11, 100):
            assert risk(rank, s, 16, 10, 64, 1.0) == (pytest.approx(sharp.full_risk(s, 16, 10, 64, 1.0)), 0.0)
        assert risk(9, s, 16, 10, 64, 1.0, 5).value != sharp.full_risk(s, 16, 10, 64, 1.0)
        assert risk(1, s, 16, 10, 17, 1.0) == (INF, 0.0)
        assert risk(0, s, 16, 10, 17, 1.0) == (energy, 0.0)
    for risk in (sharp.lora_risk, sharp.lora_risk_limit):
        assert risk(0, s, 16, 10, 64, 1.0) == energy
        assert risk(10, s, 16, 10, 64, 1.0) == sharp.full_risk(s, 16, 10, 64, 1.0)
        assert risk(1, s, 16, 10, 17, 1.0) == INF
        assert risk(0, s, 16, 10, 17, 1.0) == energy


def test_draws_and_seeds_unless_told():
    s = of_strength([20.0, 4.0])
    assert sharp.core_risk(1, s, 16, 10, 64, 1.0) == sharp.core_risk(1, s, 16, 10, 64, 1.0, 4000, 0)
    assert sharp.lora_risk(1, s, 16, 10, 64, 1.0) == sharp.core_risk(1, s, 16, 10, 64, 1.0, 4000, 0).value
    assert sharp.finite_size_risk(1, s, 16, 10, 64, 1.0) == sharp.finite_size_risk(1, s, 16, 10, 64, 1.0, 200, 0)
    assert sharp.core_risk(1, s, 16, 10, 64, 1.0, 20, 1) != sharp.core_risk(1, s, 16, 10, 64, 1.0, 20, 2)


# The simulations, draw by draw in plain loops


def controlled_by_hand(values, controls):
    """Mean and standard error of what a regression on the controls, through their known mean zero, leaves."""
    values, controls = np.array(values), np.array(controls).T
    controls = controls[np.std(controls, axis=1) > 1e-9]  # for n >= d_x the data hold all of the signal, always
    covariance = np.cov(controls)
    weights = np.linalg.solve(np.atleast_2d(covariance), [np.cov(values, c)[0, 1] for c in controls])
    rest = values - weights @ controls
    return rest.mean(), rest.std(ddof=1) / np.sqrt(len(rest))


def length_by_hand(a, C_inverse, b_square, n, d_x):
    return a @ C_inverse @ a + (1 + np.trace(C_inverse)) * b_square / (abs(n - d_x) - 1)


def factors_by_hand(rng, m, d_x, n, draws):
    L = wishart.bartlett(m, n, rng, draws)
    C = np.array([factor.T @ factor for factor in L])
    return L, C if n >= d_x else C + wishart.sample(m, d_x - n, rng, draws)


@pytest.mark.parametrize(("d_x", "n"), [(16, 40), (40, 16)])
@pytest.mark.parametrize("rank", [1, 2, 3, 9])
def test_the_identity_draw_by_draw(d_x, n, rank):
    s, d_y, sigma, draws, k, N = np.array([0.5, 3.0, 0.0, 2.0]), 10, 0.8, 30, 16, 40
    positive, m = np.array([3.0, 2.0, 0.5]), 3
    rng = np.random.default_rng(np.random.SeedSequence(7, spawn_key=(16,)))
    L, C = factors_by_hand(rng, m, d_x, n, draws)
    noise = sigma * rng.standard_normal((draws, d_y, k))
    energy, changes, controls = np.sum(positive**2), [], []
    for factor, gram, M in zip(L, C, noise, strict=True):
        B = np.diag(positive) @ factor
        M[:m, :m] += B
        U, theta, Vt = np.linalg.svd(M)
        inverse = np.linalg.inv(gram)
        each = []
        for i in range(d_y):
            a = Vt[i, :m]
            norm = length_by_hand(a, inverse, 1 - a @ a, n, d_x)
            each.append(theta[i] ** 2 * norm - 2 * theta[i] * U[:m, i] @ B @ inverse @ a)
        changes.append(sum(each[:rank]))
        seen = np.trace(B @ inverse @ B.T) - n / N * energy
        controls.append([seen, energy + sum(each) - sharp.full_risk(s, d_x, d_y, n, sigma)])
    mean, error = controlled_by_hand(changes, controls)
    assert sharp.finite_size_risk(rank, s, d_x, d_y, n, sigma, draws, 7) == pytest.approx((energy + mean, error))


def test_the_identity_in_batches(monkeypatch):
    """Batches only bound the memory: with seeds that move on they are other draws, of the same number."""
    s, seen = np.array([3.0]), []
    original = identity._draw
    monkeypatch.setattr(identity, "_draw", lambda p, r, draws, rng: seen.append(draws) or original(p, r, draws, rng))
    monkeypatch.setattr(identity, "_BATCH_ENTRIES", 8 * 10 * 16 + 1)
    sharp.finite_size_risk(1, s, 16, 10, 40, 1.0, 20)
    assert seen == [8, 8, 4]
    monkeypatch.setattr(identity, "_BATCH_ENTRIES", 1)
    sharp.finite_size_risk(1, s, 16, 10, 40, 1.0, 2)
    assert seen[3:] == [1, 1]


@pytest.mark.parametrize(("d_x", "n"), [(16, 64), (64, 16)])
@pytest.mark.parametrize("rank", [1, 2])
def test_the_core_formula_draw_by_draw(d_x, n, rank):
    d_y, sigma, draws, k, N, m = 12, 0.5, 40, 16, 64, 2
    strengths = np.array([30.0, 12.0, 0.3]) * np.sqrt(d_y * k)
    s = sigma * np.sqrt(strengths / n)
    rng = np.random.default_rng(np.random.SeedSequence(7, spawn_key=(15,)))
    L, C = factors_by_hand(rng, m, d_x, n, draws)
    noise = sigma * rng.standard_normal((draws, m, m))
    changes, controls = [], []
    for factor, gram, Z in zip(L, C, noise, strict=True):
        B, inverse = np.diag(s[:m]) @ factor, np.linalg.inv(gram)
        U, theta, Vt = np.linalg.svd(B + Z)
        change = 0.0
        for i in range(rank):
            square, c_u, c_v = sharp.spiked_triplet(theta[i] ** 2 / sigma**2, d_y - m, k - m)
            square, a = sigma**2 * square, np.sqrt(c_v) * Vt[i]
            change += square * length_by_hand(a, inverse, 1 - c_v, n, d_x)
            change -= 2 * np.sqrt(square) * np.sqrt(c_u) * U[:, i] @ B @ inverse @ a
        changes.append(change)
        controls.append([np.trace(B @ inverse @ B.T) - n / N * np.sum(s[:m] ** 2)])
    mean, error = controlled_by_hand(changes, controls)
    risk = sharp.core_risk(rank, s, d_x, d_y, n, sigma, draws, 7)
    assert risk == pytest.approx((np.sum(s**2) + mean, error))


@pytest.mark.parametrize(("d_x", "n"), [(16, 64), (64, 16), (16, 24)])
@pytest.mark.parametrize("strengths", [[30.0, 12.0, 0.3], [0.5], []])
def test_every_rank_by_the_master_formula_written_out(d_x, n, strengths):
    """Angles of the bulk from the count of singular values, energies and captured fractions, and what they cost."""
    d_y, sigma = 12, 0.5
    k, N = min(n, d_x), max(n, d_x)
    small, large, edge = min(d_y, k), max(d_y, k), np.sqrt(d_y * k)
    x = np.array(strengths) * edge
    s = sigma * np.sqrt(x / n)
    visible, rho = int(np.sum(x > edge)), x / edge
    phi = np.linspace(0, np.pi, 200_001)[1:]
    squares = d_y + k + 2 * edge * np.cos(phi)
    count = small * (1 - wishart.marchenko_pastur_cdf(squares / large, small / large)) + 0.25 - phi / (2 * np.pi)
    for r in rho:
        count += np.arctan2(r * np.sin(phi), 1 - r * np.cos(phi)) / np.pi
    count = np.maximum.accumulate(count)
    inside = np.arange(visible + 1, small + 1)
    above = [(x[i] + d_y) * (x[i] + k) / (x[i] + 2 * i + 1) for i in range(visible)]
    below = d_y + k + 2 * edge * np.cos(np.interp(inside - 0.5, count, phi))
    below *= (d_y * k + np.sum(x) - np.sum(above)) / np.sum(below)
    energies = np.concatenate([above, below])
    alpha = 1 / (N - visible - 1)
    beta = (N - 1) / ((N - k - 1) * (N - visible - 1))
    for rank in range(1, small):
        t = np.linspace(0, np.interp(rank, count, phi) if rank > visible else 0.0, 20_001)
        captured = [
            (max(0.0, 1 - r**-2) if j < rank else 0.0)
            + trapezoid(2 / np.pi * np.sin(t) ** 2 / (1 - 2 * r * np.cos(t) + r**2), t)
            for j, r in enumerate(rho)
        ]
        risk = np.sum(x) / n + beta * np.sum(energies[:rank]) - (beta + 1 / N) * np.sum(x * captured)
        risk -= d_y * (beta - alpha) * np.sum(captured[:visible])
        with warnings.catch_warnings(action="ignore", category=sharp.AccuracyWarning):
            found = sharp.lora_risk_limit(rank, s, d_x, d_y, n, sigma)
        assert found == pytest.approx(sigma**2 * risk, rel=2e-4), rank


def test_ranks_beyond_the_visible_directions_join_the_two_formulas():
    """The difference at the last visible rank fades with the energy of the bulk that is left."""
    d_x, d_y, n = 16, 12, 64
    s = of_strength([30.0, 12.0, 0.3], d_x, d_y, n)
    core, limit = (
        [r.value if hasattr(r, "value") else r for r in (f(rank, s, d_x, d_y, n, 1.0) for rank in range(2, 13))]
        for f in (sharp.core_risk, sharp.lora_risk_limit)
    )
    difference = np.array(core) - np.array(limit)
    spectrum = np.diff(bulk.bulk(_setting.setting(s, d_x, d_y, n, 1.0)).energies)
    left = [np.sum(spectrum[rank:]) / np.sum(spectrum[2:]) for rank in range(2, 13)]
    np.testing.assert_allclose(difference, difference[0] * np.array(left), atol=1e-9)
    first, later = (sharp.core_risk(rank, s, d_x, d_y, n, 1.0).standard_error for rank in (2, 5))
    assert later == pytest.approx(left[3] * first)
    # Without visible directions there is nothing to draw, and the two agree.
    weak = of_strength([0.3], d_x, d_y, n)
    for rank in (1, 5):
        assert sharp.core_risk(rank, weak, d_x, d_y, n, 1.0) == (
            pytest.approx(np.sum(weak**2) + (sharp.lora_risk_limit(rank, weak, d_x, d_y, n, 1.0) - np.sum(weak**2))),
            0.0,
        )


def test_the_crossover_is_where_the_risks_cross():
    s = of_strength([30.0, 12.0, 8.0], 16, 12, 64)
    for rank in (0, 1, 2):
        noise = sharp.crossover_noise(rank, s, 16, 12, 64)
        for factor, sign in ((0.99, 1), (1.01, -1), (1.5, -1)):
            with warnings.catch_warnings(action="ignore", category=sharp.AccuracyWarning):
                gap = sharp.core_risk(rank, s, 16, 12, 64, factor * noise, 2000, 0).value
            gap -= sharp.full_risk(s, 16, 12, 64, factor * noise)
            assert np.sign(gap) == sign, (rank, factor)
    assert sharp.crossover_noise(3, s, 16, 12, 64) == 0.0


# The estimators, written out with pseudo-inverses


def estimate_by_hand(task, X, Y, sigma):
    """The update, and the directions of the fitted residual that show, with their strengths."""
    D = (Y - task.W0 @ X) @ np.linalg.pinv(X)
    U, theta, Vt = np.linalg.svd(D @ X, full_matrices=False)
    d_y, k = len(Y), min(X.shape)
    y = theta**2 / sigma**2
    found = y > (np.sqrt(d_y) + np.sqrt(k)) ** 2
    y = y[found]
    x = (y - d_y - k + np.sqrt((y - d_y - k) ** 2 - 4 * d_y * k)) / 2
    return D, U[:, : len(x)], Vt[: len(x)], x


@pytest.mark.parametrize("n", [12, 20, 21, 40])
def test_the_estimators_written_out(n):
    d_x, d_y = 20, 15
    task = Task.with_spectrum(np.array([9.0, 6.0, 5.0, 1.0]), d_x, d_y, 1.2, seed=0)
    X, Y = task.sample(n, seed=1)
    k, N = min(n, d_x), max(n, d_x)
    R = Y - task.W0 @ X
    if n > d_x:
        sigma = np.linalg.norm(R @ (np.eye(n) - np.linalg.pinv(X) @ X)) / np.sqrt(d_y * (n - d_x))
    else:
        small, large = min(d_y, k), max(d_y, k)
        grid = np.linspace(*wishart.marchenko_pastur_edges(small / large), 200_001)
        median = large * np.interp(0.5, wishart.marchenko_pastur_cdf(grid, small / large), grid)
        sigma = np.sqrt(np.median(np.linalg.svd(R @ np.linalg.pinv(X) @ X, compute_uv=False)[:small] ** 2) / median)
    assert sharp.estimate_noise(X, Y, task.W0) == pytest.approx(sigma, rel=1e-6)
    D, U, Vt, x = estimate_by_hand(task, X, Y, sharp.estimate_noise(X, Y, task.W0))
    assert len(x) >= 2
    kappa = N / (N - k - 1) if N - k > 1 else INF
    bar = sharp.usefulness_root(d_y, k, kappa)
    assert sharp.choose_rank(X, Y, task.W0) == np.sum(x > bar)
    seen = x**2 - d_y * k
    factor = x * seen / ((x + d_y) * (seen + kappa * k * (x + d_y))) if kappa < INF else np.zeros(len(x))
    np.testing.assert_allclose(sharp.shrunk_lora(X, Y, task.W0), task.W0 + (U * factor) @ U.T @ D, atol=1e-9)
    lengths = np.array([np.sum((u @ D) ** 2) for u in U.T]) * np.mean(X**2)
    sigma = sharp.estimate_noise(X, Y, task.W0)
    factor = sigma**2 * seen / (N * x * lengths)
    np.testing.assert_allclose(sharp.shrunk_lora(X, Y, task.W0, True), task.W0 + (U * factor) @ U.T @ D, atol=1e-9)
    ridge = np.zeros((d_y, d_x))
    for i, strength in enumerate(x):
        c_u, c_v = (seen[i] / (strength * (strength + d)) for d in (d_y, k))
        t = np.mean(X**2) * n * d_x * (strength + d_y) / seen[i]
        filtered = np.linalg.solve(X @ X.T + t * np.eye(d_x), X @ Vt[i])
        ridge += sigma * np.sqrt(strength) * np.sqrt(c_u / c_v) * np.outer(U[:, i], filtered)
    np.testing.assert_allclose(sharp.ridge_lora(X, Y, task.W0), task.W0 + ridge, atol=1e-9)


def test_features_in_a_subspace_count_its_dimension():
    """Twelve features of which six repeat the others: as the six, sqrt 2 larger, and every estimator agrees."""
    task = Task.with_spectrum(np.array([9.0, 6.0]), 6, 15, 1.0, seed=0)
    X, Y = task.sample(30, seed=1)
    twice, W0 = np.vstack([X, X]) / np.sqrt(2), np.hstack([task.W0, task.W0]) / np.sqrt(2)
    assert sharp.estimate_noise(twice, Y, W0) == pytest.approx(sharp.estimate_noise(X, Y, task.W0))
    assert sharp.choose_rank(twice, Y, W0) == sharp.choose_rank(X, Y, task.W0) == 2
    shrunk = sharp.shrunk_lora(X, Y, task.W0)
    np.testing.assert_allclose(sharp.shrunk_lora(twice, Y, W0), np.hstack([shrunk, shrunk]) / np.sqrt(2), atol=1e-9)


def test_data_without_noise_or_without_anything():
    task = Task.with_spectrum(np.array([9.0, 6.0]), 10, 8, 0.0, seed=0)
    X, Y = task.sample(30, seed=1)
    assert sharp.estimate_noise(X, Y, task.W0) < 1e-12
    assert sharp.choose_rank(X, Y, task.W0) == 2
    np.testing.assert_allclose(sharp.shrunk_lora(X, Y, task.W0), task.W_star, atol=1e-9)
    assert sharp.estimate_noise(X, task.W0 @ X, task.W0) == pytest.approx(0.0, abs=1e-12)


@pytest.mark.parametrize("shape", [(2, 2), (2, 7), (5, 3), (3, 1)])
def test_features_that_are_all_zero_leave_the_pretrained_weights(shape):
    X, Y, W0 = np.zeros(shape), np.ones((4, shape[1])), np.eye(4, shape[0])
    assert sharp.estimate_noise(X, Y, W0) == pytest.approx(1.0)
    assert sharp.estimate_noise(X, 0.0 * Y, W0) == 0.0
    for outputs in (Y, 0.0 * Y):
        assert sharp.choose_rank(X, outputs, W0) == 0
        for estimator in (sharp.shrunk_lora, sharp.ridge_lora, lambda *data: sharp.shrunk_lora(*data, True)):
            np.testing.assert_array_equal(estimator(X, outputs, W0), W0)


def test_warnings_of_the_estimators_for_anisotropic_features():
    task = Task(np.zeros((8, 20)), np.zeros((8, 20)), 1.0, np.diag(np.r_[np.full(2, 20.0), np.full(18, 0.1)]))
    for n in (15, 60):
        X, Y = task.sample(n, seed=0)
        S = X @ X.T / n
        excess = (n * (20 * np.sum(S**2) / np.trace(S) ** 2 - 1) - 20 - 1) / 2
        text = f"X has features that are not isotropic, by {excess:.1f} standard deviations of John's statistic; "
        few = [text + "for n < d_x the theory needs a covariance sigma_x^2 I"] if n < 20 else []
        assert excess > _accuracy._TOO_FAR
        assert warnings_of(lambda X=X, Y=Y: sharp.choose_rank(X, Y, task.W0)) == few
        assert warnings_of(lambda X=X, Y=Y: sharp.shrunk_lora(X, Y, task.W0)) == few
        assert warnings_of(lambda X=X, Y=Y: sharp.shrunk_lora(X, Y, task.W0, observed_norm=True)) == [
            text + "observed_norm needs a covariance sigma_x^2 I"
        ]
        assert warnings_of(lambda X=X, Y=Y: sharp.ridge_lora(X, Y, task.W0)) == [
            text + "ridge-LoRA needs a covariance sigma_x^2 I"
        ]
    isotropic = Task(np.zeros((8, 20)), np.zeros((8, 20)), 1.0)
    X, Y = isotropic.sample(15, seed=0)
    assert warnings_of(lambda: sharp.ridge_lora(X, Y, isotropic.W0)) == []


def test_john_s_statistic_warns_above_its_limit():
    """X diagonal with one large entry: the traces by hand."""
    limit = _accuracy._TOO_FAR

    def excess(scale, d_x=100, n=100):
        g = np.r_[np.full(1, scale), np.ones(d_x - 1)] ** 2
        return (n * (d_x * np.sum(g**2) / np.sum(g) ** 2 - 1) - d_x - 1) / 2

    at = brentq(lambda scale: excess(scale) - limit, 1.0, 20.0)
    for factor, warned in ((0.999, False), (1.001, True)):
        X = np.diag(np.r_[factor * at, np.ones(99)])
        assert bool(warnings_of(lambda X=X: _accuracy.check_isotropic(X, "this"))) is warned
    assert warnings_of(lambda: _accuracy.check_isotropic(np.zeros((3, 2)), "this")) == []
