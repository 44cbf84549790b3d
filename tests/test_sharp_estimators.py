"""Choosing the rank, shrunk LoRA and ridge-LoRA, against the textbook: pseudo-inverses and explicit inverses."""

import inspect
import warnings

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.optimize import brentq

from lorabook import Task, linalg, lora, sharp
from lorabook.checks._cases import z_limit
from lorabook.sharp import _accuracy

ESTIMATORS = [
    sharp.shrunk_lora,
    lambda *data: sharp.shrunk_lora(*data, observed_norm=True),
    sharp.ridge_lora,
]
SIZES = [(20, 30, 60), (30, 20, 16), (24, 24, 27), (25, 18, 25)]


def data(d_x, d_y, n, seed=0, scale=1.0):
    unit = np.sqrt(d_y * min(n, d_x)) / n
    task = Task.with_spectrum(np.sqrt(np.array([30.0, 12.0, 4.0]) * unit), d_x, d_y, 1.0, seed=seed)
    X, Y = task.sample(n, seed)
    return X * scale, Y, task.W0 / scale


def median_of_noise(d_y, k):
    """Median squared singular value of a matrix of noise, by integrating the density from the upper edge down."""
    small, large = min(d_y, k), max(d_y, k)

    def share_above(level):
        def density(u):
            return np.sqrt(max(0.0, 4 * small * large - (u - small - large) ** 2)) / (2 * np.pi * u * small)

        return quad(density, level, (np.sqrt(small) + np.sqrt(large)) ** 2, limit=200)[0]

    low = (np.sqrt(large) - np.sqrt(small)) ** 2
    return brentq(lambda level: share_above(level) - 0.5, low + 1e-6, small + large + 2 * np.sqrt(small * large) - 1e-9)


def textbook(X, Y, W0, estimator):
    """The estimators from their displayed formulas: SVD of the fitted residual, pseudo-inverse, explicit inverse."""
    (d_x, n), d_y = X.shape, len(Y)
    k, N = min(n, d_x), max(n, d_x)
    R, X_plus = Y - W0 @ X, np.linalg.pinv(X)
    P = X_plus @ X
    U, theta, Vt = np.linalg.svd(R @ P, full_matrices=False)
    U, theta, Vt = U[:, : min(d_y, k)], theta[: min(d_y, k)], Vt[: min(d_y, k)]
    noise = np.sum((R - R @ P) ** 2) / (d_y * (n - d_x)) if n > d_x else np.median(theta**2) / median_of_noise(d_y, k)
    if estimator == "noise":
        return np.sqrt(noise)
    scale = np.mean(X**2)
    kappa = N / (N - k - 1) if N - k > 1 else np.inf
    W, rank = W0.copy(), 0
    for u, size, v in zip(U.T, theta, Vt, strict=True):
        y = size**2 / noise
        if y <= (np.sqrt(d_y) + np.sqrt(k)) ** 2:
            continue
        x = (y - d_y - k + np.sqrt((y - d_y - k) ** 2 - 4 * d_y * k)) / 2
        c_u = np.sqrt((1 - d_y * k / x**2) / (1 + d_y / x))
        c_v = np.sqrt((1 - d_y * k / x**2) / (1 + k / x))
        z = X_plus.T @ v
        true = np.sqrt(noise * x)
        rank += x**3 - (d_y + kappa * k) * x**2 - (1 + 2 * kappa) * d_y * k * x - (kappa - 1) * d_y**2 * k > 0
        if estimator == "shrunk":
            W += true * c_u * c_v / (c_v**2 + kappa * (1 - c_v**2)) * np.outer(u, z)
        elif estimator == "observed":
            W += true * c_u * c_v / (N * scale * (z @ z)) * np.outer(u, z)
        elif estimator == "ridge":
            penalty = n * scale * d_x * (x + d_y) / (x**2 - d_y * k)
            W += true * c_u / c_v * np.outer(u, np.linalg.inv(X @ X.T + penalty * np.eye(d_x)) @ X @ v)
    return rank if estimator == "rank" else W


@pytest.mark.parametrize("scale", [1.0, 7.0])
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("seed", [0, 1])
def test_the_estimators_are_the_textbook_s(size, seed, scale):
    X, Y, W0 = data(*size, seed, scale)
    assert sharp.estimate_noise(X, Y, W0) == pytest.approx(textbook(X, Y, W0, "noise"), rel=1e-6)
    assert sharp.choose_rank(X, Y, W0) == (0 if size[0] == size[2] else textbook(X, Y, W0, "rank"))
    tolerance = {"rtol": 1e-6, "atol": 1e-7 / scale}
    if size[0] != size[2]:
        np.testing.assert_allclose(sharp.shrunk_lora(X, Y, W0), textbook(X, Y, W0, "shrunk"), **tolerance)
    observed = sharp.shrunk_lora(X, Y, W0, observed_norm=True)
    np.testing.assert_allclose(observed, textbook(X, Y, W0, "observed"), **tolerance)
    np.testing.assert_allclose(sharp.ridge_lora(X, Y, W0), textbook(X, Y, W0, "ridge"), **tolerance)
    assert not np.allclose(observed, W0)


def test_the_chosen_rank_is_between_none_and_all():
    ranks = {sharp.choose_rank(*data(20, 30, 60, seed)) for seed in range(10)}
    assert ranks <= {1, 2, 3}
    assert max(ranks) >= 2


@pytest.mark.parametrize("n", [24, 25, 26])
def test_within_one_of_the_threshold_nothing_is_kept(n):
    X, Y, W0 = data(25, 18, n)
    assert sharp.choose_rank(X, Y, W0) == 0
    np.testing.assert_array_equal(sharp.shrunk_lora(X, Y, W0), W0)
    assert np.linalg.norm(sharp.shrunk_lora(X, Y, W0, observed_norm=True) - W0) > 0.01
    assert np.linalg.norm(sharp.ridge_lora(X, Y, W0) - W0) > 0.1


def test_the_result_is_new():
    X, Y, W0 = data(25, 18, 25)
    for estimator in ESTIMATORS:
        assert not np.shares_memory(estimator(X, Y, W0), W0)


def test_observed_norms_are_not_the_default():
    assert inspect.signature(sharp.shrunk_lora).parameters["observed_norm"].default is False
    X, Y, W0 = data(20, 30, 60)
    np.testing.assert_array_equal(sharp.shrunk_lora(X, Y, W0), sharp.shrunk_lora(X, Y, W0, observed_norm=False))


@pytest.mark.parametrize(("d_x", "d_y", "n"), [(60, 50, 150), (60, 50, 30), (60, 50, 60)])
def test_mean_risks_are_the_predicted_ones(d_x, d_y, n):
    """Five per cent of bias is what finite size costs at sizes of 50; on top, a false alarm of 1e-4 for all."""
    s = np.sqrt(np.array([20.0, 6.0]) * np.sqrt(d_y * min(n, d_x)) / n)
    task = Task.with_spectrum(s, d_x, d_y, 1.0, seed=0)
    for estimator, risk in [(sharp.shrunk_lora, sharp.shrunk_risk), (sharp.ridge_lora, sharp.ridge_risk)]:
        risks = [task.excess_risk(estimator(*task.sample(n, seed), task.W0)) for seed in range(60)]
        predicted = risk(s, d_x, d_y, n, 1.0)
        error = np.std(risks) / np.sqrt(60)
        assert abs(np.mean(risks) - predicted) < 0.05 * predicted + z_limit(6) * error


def test_shrunk_lora_beats_every_rank_on_average():
    task = Task.with_spectrum(np.array([1.6, 1.0, 0.7]), 40, 40, 1.0, seed=0)
    gains = []
    for seed in range(40):
        X, Y = task.sample(80, seed)
        shrunk = task.excess_risk(sharp.shrunk_lora(X, Y, task.W0))
        gains.append([task.excess_risk(lora(X, Y, task.W0, rank)) - shrunk for rank in range(5)])
    assert np.all(np.mean(gains, axis=0) > z_limit(5) * np.std(gains, axis=0) / np.sqrt(40))


# Edges of the data


@pytest.mark.parametrize("n", [12, 20, 21, 50])
def test_nothing_to_learn(n):
    rng = np.random.default_rng(n)
    X, W0 = rng.standard_normal((20, n)), rng.standard_normal((15, 20))
    Y = W0 @ X
    for estimator in ESTIMATORS:
        np.testing.assert_allclose(estimator(X, Y, W0), W0, atol=1e-9)
    zero = np.zeros((15, 20))
    assert sharp.estimate_noise(X, 0 * Y, zero) == 0.0
    assert sharp.choose_rank(X, 0 * Y, zero) == 0
    for estimator in ESTIMATORS:
        np.testing.assert_array_equal(estimator(X, 0 * Y, zero), zero)


def test_data_without_noise_are_kept_whole():
    task = Task.with_spectrum(np.array([3.0, 2.0]), 20, 15, 0.0, seed=0)
    X, Y = task.sample(50, seed=1)
    assert sharp.choose_rank(X, Y, task.W0) == 2
    noise = np.random.default_rng(2).standard_normal(Y.shape)
    for estimator in (sharp.shrunk_lora, sharp.ridge_lora):
        np.testing.assert_allclose(estimator(X, Y, task.W0), task.W_star, atol=1e-6)
    observed = sharp.shrunk_lora(X, Y, task.W0, observed_norm=True)
    np.testing.assert_allclose(observed, textbook(X, Y + 1e-8 * noise, task.W0, "observed"), atol=1e-5)


def test_features_in_a_subspace_are_a_problem_in_that_subspace():
    X, Y, W0 = data(8, 12, 15)
    Q = linalg.haar_frame(20, 8, seed=3)
    wide = (Q @ X, Y, W0 @ Q.T)
    assert sharp.estimate_noise(*wide) == pytest.approx(sharp.estimate_noise(X, Y, W0), rel=1e-9)
    assert sharp.choose_rank(*wide) == sharp.choose_rank(X, Y, W0) > 0
    np.testing.assert_allclose(sharp.shrunk_lora(*wide), sharp.shrunk_lora(X, Y, W0) @ Q.T, atol=1e-9)


def test_correlated_features_change_nothing_for_enough_data():
    X, Y, W0 = data(20, 30, 60)
    mixing = np.diag(np.linspace(1.0, 30.0, 20)) + np.triu(np.ones((20, 20)))
    correlated = (mixing @ X, Y, W0 @ np.linalg.inv(mixing))
    assert sharp.choose_rank(*correlated) == sharp.choose_rank(X, Y, W0)
    np.testing.assert_allclose(sharp.shrunk_lora(*correlated) @ mixing, sharp.shrunk_lora(X, Y, W0), atol=1e-8)


# Warnings and bad input


def messages(function, *arguments, **options):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        function(*arguments, **options)
    assert all(w.category is sharp.AccuracyWarning for w in caught)
    return [str(w.message) for w in caught]


def stretched(n):
    X, Y, W0 = data(60, 30, n)
    stretch = np.exp(np.linspace(2, -2, 60))[:, None]
    return X * stretch, Y, W0 / stretch.T


def test_anisotropic_features_are_noticed_where_they_matter():
    few, many = stretched(30), stretched(120)
    pattern = (
        r"^X has features that are not isotropic, by \d+\.\d standard deviations of John's statistic; {} needs a cov"
    )
    assert messages(sharp.estimate_noise, *few) == []
    with pytest.warns(sharp.AccuracyWarning, match=pattern.format("for n < d_x the theory")):
        sharp.choose_rank(*few)
    with pytest.warns(sharp.AccuracyWarning, match=pattern.format("for n < d_x the theory")):
        sharp.shrunk_lora(*few)
    for sample in (few, many):
        with pytest.warns(sharp.AccuracyWarning, match=pattern.format("observed_norm")):
            sharp.shrunk_lora(*sample, observed_norm=True)
        with pytest.warns(sharp.AccuracyWarning, match=pattern.format("ridge-LoRA")):
            sharp.ridge_lora(*sample)
    assert messages(sharp.choose_rank, *many) == messages(sharp.shrunk_lora, *many) == []


def coloured(n, variances, seed=0, d_x=60):
    """Data with features in general position and independent noise of these variances, scaled to a mean of 1."""
    task = Task.with_spectrum(np.array([4.0, 2.0])[: len(variances)], d_x, len(variances), 1.0, seed=seed)
    noise = np.diag(variances / np.mean(variances))
    return (*Task(task.W0, task.shift, noise).sample(n, seed), task.W0)


SEES_NOISE = [(sharp.choose_rank, "the count of directions"), (ESTIMATORS[0], "shrunk LoRA"),
              (ESTIMATORS[1], "shrunk LoRA"), (ESTIMATORS[2], "ridge-LoRA")]  # fmt: skip
LOUD = np.r_[np.full(2, 20.0), np.full(38, 1.0)]


@pytest.mark.parametrize(("estimator", "who"), SEES_NOISE)
def test_noise_that_is_not_white_is_noticed_above_the_threshold(estimator, who):
    pattern = r"^Y has noise that is not white, by \d+\.\d standard deviations of John's statistic; {} takes directions"
    for seed in range(5):
        with pytest.warns(sharp.AccuracyWarning, match=pattern.format(who)):
            estimator(*coloured(120, LOUD, seed))
    assert messages(estimator, *coloured(40, LOUD)) == []  # all of the residual can be explained: nothing to test
    assert messages(sharp.estimate_noise, *coloured(120, LOUD)) == []  # a mean over the outputs


@pytest.mark.parametrize("n", [61, 63, 70, 120, 300])
@pytest.mark.parametrize("d_y", [1, 3, 40, 90])
def test_white_noise_passes(n, d_y):
    """Eight standard deviations: 200 data sets without a false alarm; a limit of three would fail."""
    for seed in range(10):
        assert messages(sharp.choose_rank, *coloured(n, np.ones(d_y), seed)) == []


def test_noise_that_rounding_alone_makes_passes():
    task = Task.with_spectrum(np.array([3.0, 2.0]), 20, 15, 0.0, seed=0)
    for seed in range(5):
        X, Y = task.sample(50, seed)
        assert messages(sharp.choose_rank, np.diag(np.geomspace(1, 1e3, 20)) @ X, Y, task.W0) == []


def test_what_is_taken_for_signal_is_noise_and_costs_more_than_not_training():
    """The reason for the warning: a mean over 10 data sets, some of which are twice as bad."""
    loud = np.r_[np.full(2, 400.0), np.full(38, 1.0)]
    ranks, risks, untrained = [], [], 4.0**2 + 2.0**2
    for seed in range(10):
        X, Y, W0 = coloured(90, loud, seed)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", sharp.AccuracyWarning)
            ranks.append(sharp.choose_rank(X, Y, W0))
        task = Task.with_spectrum(np.array([4.0, 2.0]), 60, 40, 1.0, seed=seed)
        risks.append(task.excess_risk(lora(X, Y, W0, ranks[-1])))
    assert min(ranks) >= 2
    assert np.mean(risks) > 2 * untrained


def test_john_s_statistic_of_noise_by_hand():
    """One input, ten samples, two outputs: the residual has 9 degrees and, rotated, the variances that are planted."""
    n, large = 10, 7.0
    X = np.zeros((1, n))
    X[0, 0] = 1.0
    noise = np.zeros((2, n))
    noise[0, 1:], noise[1, 1::2] = large, 1.0  # (9 large^2, 5) on the diagonal, 5 large beside it
    gram = np.array([[9 * large**2, 5 * large], [5 * large, 5.0]])
    expected = (9 * (2 * np.sum(gram**2) / np.trace(gram) ** 2 - 1) - 2 - 1) / 2
    assert _accuracy._john(noise, n - 1) == pytest.approx(expected)
    assert _accuracy._john(noise.T @ np.eye(2), 2) == pytest.approx(_accuracy._john(noise.T, 2))
    assert _accuracy._john(np.zeros((3, 4)), 4) == 0.0


@pytest.mark.parametrize("n", [2, 30, 60, 120])
def test_isotropic_features_pass(n):
    for seed in range(20):
        X, Y, W0 = data(60, 30, n, seed, scale=5.0)
        assert messages(sharp.ridge_lora, X, Y, W0) == []


def test_john_s_statistic_by_hand():
    """X X^T / n = diag(1, 3): U = 2 * 10 / 16 - 1 = 1 / 4, and (n / 4 - 2 - 1) / 2 standard deviations."""

    def features(n):
        return np.vstack([np.tile([1.0, -1.0], n // 2), np.sqrt(3.0) * np.repeat([1.0, -1.0], n // 2)])

    W0 = np.zeros((1, 2))
    for n, count in ((76, 0), (80, 1)):  # 8.0 and 8.5
        X = features(n)
        Y = np.random.default_rng(0).standard_normal((1, n))
        found = messages(sharp.ridge_lora, X, Y, W0)
        assert len(found) == count
    assert found[0].startswith("X has features that are not isotropic, by 8.5 standard deviations of John's statistic;")


@pytest.mark.parametrize("function", [sharp.estimate_noise, sharp.choose_rank, *ESTIMATORS])
@pytest.mark.usefixtures("no_shape_checks")
def test_bad_data_meet_the_errors_of_lora(function):
    X, Y, W0 = data(6, 5, 9)
    with pytest.raises(ValueError, match=r"^Y has shape \(5, 8\); it must have shape \(5, 9\)"):
        function(X, Y[:, :8], W0)
    with pytest.raises(ValueError, match=r"^W0 has shape \(5, 5\); it must have shape \(5, 6\)"):
        function(X, Y, W0[:, :5])
    with pytest.raises(ValueError, match=r"^X has 6 entries that are NaN or infinite"):
        function(np.where(np.eye(6, 9), np.nan, X), Y, W0)
