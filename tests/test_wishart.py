"""Wishart matrices against scipy's, quadrature and each other."""

import mpmath
import numpy as np
import pytest
from scipy import stats
from scipy.integrate import quad

from lorabook import wishart

FALSE_ALARM = 1e-4
"""Over the seeds, for all random checks of this module together; the seeds are fixed."""
LIMIT = stats.norm.isf(FALSE_ALARM / 2 / 60)
KS_LEVEL = FALSE_ALARM / 60


def z(values, mean):
    return abs(np.mean(values) - mean) / (np.std(values, ddof=1) / np.sqrt(len(values)))


@pytest.mark.parametrize(("size", "dof"), [(1, 1), (3, 3), (3, 8), (5, 2), (4, 1)])
def test_bartlett_s_factor_has_the_law_of_a_gaussian_product(size, dof):
    L = wishart.bartlett(size, dof, seed=1, draws=4000)
    assert L.shape == (4000, size, min(size, dof))
    assert np.all(np.triu(L, 1) == 0)
    W = L @ L.swapaxes(1, 2)
    G = np.random.default_rng(2).standard_normal((4000, size, dof))
    V = G @ G.swapaxes(1, 2)
    for a, b in ((W[:, 0, 0], V[:, 0, 0]), (W[:, -1, 0], V[:, -1, 0]), (W.sum((1, 2)), V.sum((1, 2)))):
        assert stats.ks_2samp(a, b).pvalue > KS_LEVEL
    assert z(W[:, -1, -1], dof) < LIMIT


def test_samples_agree_with_scipy():
    ours = wishart.sample(3, 7, seed=3, draws=4000)
    theirs = stats.wishart(df=7, scale=np.eye(3)).rvs(4000, random_state=np.random.default_rng(4))
    assert stats.ks_2samp(np.linalg.det(ours), np.linalg.det(theirs)).pvalue > KS_LEVEL
    assert stats.ks_2samp(ours[:, 0, 1], theirs[:, 0, 1]).pvalue > KS_LEVEL


@pytest.mark.parametrize(("size", "dof"), [(2, 2), (3, 9), (9, 3), (12, 40)])
def test_the_tridiagonal_model_has_the_eigenvalues_of_the_dense_one(size, dof):
    k = min(size, dof)
    ours = wishart.eigenvalues(size, dof, 3000, seed=5)
    dense = np.linalg.eigvalsh(wishart.sample(k, max(size, dof), seed=6, draws=3000))
    assert ours.shape == (3000, k)
    assert np.all(np.diff(ours, axis=1) >= 0)
    for i in {0, k // 2, k - 1}:
        assert stats.ks_2samp(ours[:, i], dense[:, i]).pvalue > KS_LEVEL
    assert z(ours.sum(axis=1), k * max(size, dof)) < LIMIT


def test_a_single_eigenvalue_is_chi_squared():
    assert stats.kstest(wishart.eigenvalues(1, 5, 4000, seed=7)[:, 0], stats.chi2(5).cdf).pvalue > KS_LEVEL


@pytest.mark.parametrize(("size", "dof"), [(1, 5), (2, 9), (6, 14), (4, 10)])
def test_moments_of_the_trace(size, dof):
    traces = (1 / wishart.eigenvalues(size, dof, 20_000, seed=8)).sum(axis=1)
    assert z(traces, wishart.inverse_trace(size, dof)) < LIMIT
    if dof - size > 7:
        assert z(traces**2, wishart.inverse_trace_square(size, dof)) < LIMIT


def test_exact_values():
    assert wishart.inverse_trace(4, 10) == 0.8
    assert wishart.inverse_trace(1, 3) == 1.0
    assert wishart.inverse_trace_square(1, 5) == pytest.approx(1 / 3)
    assert wishart.inverse_trace_square(2, 8) == pytest.approx(2 * (2 * 4 + 2) / (6 * 5 * 3))
    assert wishart.gaussian_norm_bound(4, 9) == 25.0


@pytest.mark.parametrize(("size", "dof"), [(1, 9), (2, 8), (5, 11), (20, 40)])
def test_the_inverse_moments_agree_with_scipy(size, dof):
    law = stats.invwishart(df=dof, scale=np.eye(size))
    mean, variance = np.atleast_2d(law.mean()), np.atleast_2d(law.var())
    assert wishart.inverse_trace(size, dof) == pytest.approx(np.trace(mean), rel=1e-12)
    square = np.sum(mean**2 + variance)  # E tr V^2
    bounds = [wishart.inverse_smallest_bound(size, dof, power) for power in (1, 2)]
    assert bounds <= [np.trace(mean) * (1 + 1e-12), square * (1 + 1e-12)]


def test_next_to_the_threshold_the_bound_is_the_mean_trace():
    assert wishart.inverse_smallest_bound(100, 102) == pytest.approx(100.0, rel=1e-12)
    assert wishart.inverse_smallest_bound(3, 7, power=2) == pytest.approx(3 * 6 / (4 * 3 * 1), rel=1e-12)


def test_where_the_moments_are_infinite():
    assert [np.isinf(wishart.inverse_trace(5, N)) for N in (5, 6, 7)] == [True, True, False]
    assert [np.isinf(wishart.inverse_trace_square(5, N)) for N in (7, 8, 9)] == [True, True, False]
    for power, last in ((1, 6), (2, 8)):
        for moment in (wishart.inverse_smallest, wishart.inverse_smallest_bound):
            values = [np.ravel(moment(5, N, power))[0] for N in (last, last + 1)]
            assert [np.isinf(value) for value in values] == [True, False], (power, moment)
    assert wishart.inverse_smallest(5, 6) == (np.inf, 0.0)
    assert wishart.inverse_smallest(1, 2) == (np.inf, 0.0)
    assert wishart.inverse_smallest(1, 4, power=2) == (np.inf, 0.0)
    assert wishart.condition_number(5, 6) == (np.inf, 0.0)
    assert np.isfinite(wishart.condition_number(5, 7, draws=10).value)
    assert wishart.condition_number(1, 1) == (1.0, 0.0)


def test_size_one_is_exact():
    assert wishart.inverse_smallest(1, 7) == pytest.approx((0.2, 0.0))
    assert wishart.inverse_smallest(1, 7, power=2) == pytest.approx((1 / 15, 0.0))
    assert wishart.inverse_smallest_bound(1, 7) == pytest.approx(0.2, rel=1e-12)
    assert wishart.inverse_smallest_bound(1, 7, power=2) == pytest.approx(1 / 15, rel=1e-12)


def _two_by_two(N, power):
    """`E lambda_min(W_2(N))^-power` by quadrature of the joint density of the two eigenvalues."""

    def density(low, high):
        return (low * high) ** ((N - 3) / 2) * np.exp(-(low + high) / 2) * (high - low)

    def integral(p):
        def inner(low):
            return quad(lambda high: density(low, high), low, np.inf)[0] * low**p

        return quad(inner, 0, np.inf, limit=200)[0]

    return integral(-power) / integral(0)


@pytest.mark.parametrize(("N", "power"), [(9, 1), (14, 1), (14, 2)])
def test_the_smallest_eigenvalue_of_two_by_two_matrices(N, power):
    exact = _two_by_two(N, power)
    value, error = wishart.inverse_smallest(2, N, power, draws=20_000, seed=9)
    assert abs(value - exact) < LIMIT * error
    assert exact <= wishart.inverse_smallest_bound(2, N, power) < 1.6 * exact


@pytest.mark.parametrize(("size", "dof"), [(3, 7), (5, 12), (20, 100), (40, 44), (100, 300)])
@pytest.mark.parametrize("power", [1, 2])
def test_the_closed_bound_holds_and_is_not_far(size, dof, power):
    value, error = wishart.inverse_smallest(size, dof, power, draws=2000, seed=10)
    bound = wishart.inverse_smallest_bound(size, dof, power)
    assert bound > value - LIMIT * error
    assert bound < 4 * value


@pytest.mark.parametrize(
    ("size", "dof", "power"), [(3, 8, 1), (20, 100, 1), (20, 100, 2), (100, 106, 1), (100, 112, 2)]
)
def test_the_closed_bound_is_the_integral_that_it_says(size, dof, power):
    k, N = mpmath.mpf(size), mpmath.mpf(dof)
    p = (N - k + 1) / 2
    C = 2 ** (p - 1) * mpmath.gamma((N + 1) / 2) / (mpmath.gamma(k / 2) * mpmath.gamma(N - k + 1))
    gap = mpmath.sqrt(N) - mpmath.sqrt(k)

    def tail(x):
        return min(1, C * x**p / p, mpmath.exp(-(max(gap - mpmath.sqrt(x), 0) ** 2) / 2))

    edge = gap**2
    points = [edge * mpmath.mpf(j) / 200 for j in range(201)]
    integral = mpmath.quad(lambda x: power * tail(x) / x ** (power + 1), points, maxdegree=4) + edge**-power
    M = N - k
    trace = k / (N - k - 1) if power == 1 else k * (N - 1) / (M * (M - 1) * (M - 3))
    bound = wishart.inverse_smallest_bound(size, dof, power)
    assert bound == pytest.approx(float(min(integral, trace)), rel=1e-6)


def test_the_mean_condition_number():
    spectra = np.linalg.eigvalsh(wishart.sample(3, 12, seed=11, draws=5000))
    other = spectra[:, -1] / spectra[:, 0]
    value, error = wishart.condition_number(3, 12, draws=5000, seed=12)
    assert error == pytest.approx(other.std() / np.sqrt(5000), rel=0.2)
    assert abs(value - other.mean()) < LIMIT * np.sqrt(2) * error


def _mass_up_to(x, ratio, moment=0):
    """`integral u^moment rho(u) du` to x, after `u = low + v^2`: close to ratio 1 the density is steep at the edge."""
    low, _ = wishart.marchenko_pastur_edges(ratio)

    def integrand(v):
        u = low + v**2
        return 2 * v * u**moment * wishart.marchenko_pastur_density(u, ratio)

    top = np.sqrt(x - low)
    middle = min(10 * np.sqrt(low), top / 2)
    return sum(quad(integrand, a, b, limit=200)[0] for a, b in ((0, middle), (middle, top)))


@pytest.mark.parametrize("ratio", [0.04, 0.5, 0.9999, 1.0, 2.5])
def test_the_marchenko_pastur_law(ratio):
    low, high = wishart.marchenko_pastur_edges(ratio)
    assert (low, high) == pytest.approx(((1 - ratio**0.5) ** 2, (1 + ratio**0.5) ** 2))
    atom = wishart.marchenko_pastur_atom(ratio)
    assert atom == pytest.approx(max(0, 1 - 1 / ratio))
    for moment, exact in ((0, min(1, 1 / ratio)), (1, 1), (2, 1 + ratio), (3, 1 + 3 * ratio + ratio**2)):
        assert _mass_up_to(high, ratio, moment) == pytest.approx(exact, rel=1e-7)
    for x in low + (high - low) * np.array([1e-6, 0.01, 0.25, 0.5, 0.75]):
        below = _mass_up_to(x, ratio)
        assert wishart.marchenko_pastur_cdf(x, ratio) == pytest.approx(atom + below, abs=1e-9)
    assert list(wishart.marchenko_pastur_cdf(np.array([-1.0, high, 9.0]), ratio)) == pytest.approx([0, 1, 1], abs=1e-14)
    if low > 0:
        assert list(wishart.marchenko_pastur_cdf(np.array([0.0, low / 2]), ratio)) == pytest.approx([atom, atom])
    assert list(wishart.marchenko_pastur_density(np.array([low / 2 - 1e-9, high + 1, -1.0]), ratio)) == [0, 0, 0]
    assert isinstance(wishart.marchenko_pastur_density(1.0, ratio), float)
    assert isinstance(wishart.marchenko_pastur_cdf(1.0, ratio), float)


def test_spectra_of_large_matrices_follow_the_law():
    spectrum = wishart.eigenvalues(300, 600, 1, seed=13)[0] / 600
    distance = np.max(np.abs(np.arange(1, 301) / 300 - wishart.marchenko_pastur_cdf(spectrum, 0.5)))
    assert distance < 0.01


def test_draws_follow_the_seed():
    for function in (wishart.bartlett, wishart.sample):
        assert np.array_equal(function(3, 5, 1), function(3, 5, 1))
        assert not np.array_equal(function(3, 5, 1), function(3, 5, 2))
        assert function(3, 5, np.random.default_rng(1), draws=2).shape[0] == 2
    assert wishart.inverse_smallest(3, 9, draws=50, seed=1) == wishart.inverse_smallest(3, 9, 1, 50, 1)
    assert wishart.inverse_smallest(3, 9, draws=50) == wishart.inverse_smallest(3, 9, 1, 50, 0)
    assert wishart.inverse_smallest(2, 9) == wishart.inverse_smallest(2, 9, 1, 10_000, 0)
    assert wishart.condition_number(2, 9) == wishart.condition_number(2, 9, 10_000, 0)
    first, second = wishart.eigenvalues(3, 9, 2, 1), wishart.bartlett(3, 9, 1, 2)
    assert not np.isclose(first[0, 0], second[0, 0, 0] ** 2)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: wishart.bartlett(0, 3, 0), "size is 0; it must be an integer of at least 1"),
        (lambda: wishart.bartlett(3, 0, 0), "dof is 0; it must be an integer of at least 1"),
        (lambda: wishart.bartlett(3, 3, 0, 0), "draws is 0; it must be an integer of at least 1"),
        (lambda: wishart.bartlett(3, 3, -1), "seed is -1; it must be"),
        (lambda: wishart.eigenvalues(3, 3, 0, 0), "draws is 0; it must be an integer of at least 1"),
        (lambda: wishart.eigenvalues(0, 3, 1, 0), "size is 0; it must be an integer of at least 1"),
        (lambda: wishart.inverse_trace(3, 2), "dof is 2; it must be an integer of at least 3 (an inverse needs"),
        (lambda: wishart.inverse_trace(0, 2), "size is 0; it must be an integer of at least 1"),
        (lambda: wishart.inverse_trace_square(3, 2), "dof is 2; it must be an integer of at least 3 (an inverse needs"),
        (lambda: wishart.inverse_smallest(3, 9, 3), "power is 3; it must be an integer from 1 to 2"),
        (lambda: wishart.inverse_smallest(3, 9, 0), "power is 0; it must be an integer from 1 to 2"),
        (lambda: wishart.inverse_smallest(3, 9, 1, 1), "draws is 1; it must be an integer of at least 2"),
        (lambda: wishart.inverse_smallest_bound(3, 9, 3), "power is 3; it must be an integer from 1 to 2"),
        (lambda: wishart.inverse_smallest_bound(3, 9, 0), "power is 0; it must be an integer from 1 to 2"),
        (lambda: wishart.condition_number(3, 9, 1), "draws is 1; it must be an integer of at least 2"),
        (lambda: wishart.gaussian_norm_bound(0, 1), "m is 0; it must be an integer of at least 1"),
        (lambda: wishart.gaussian_norm_bound(1, 0), "n is 0; it must be an integer of at least 1"),
        (lambda: wishart.marchenko_pastur_edges(0.0), "ratio is 0.0; it must be a finite real number above 0"),
        (lambda: wishart.marchenko_pastur_atom(-1.0), "ratio is -1.0; it must be a finite real number above 0"),
        (lambda: wishart.marchenko_pastur_density(np.nan, 1.0), "x has 1 entries that are NaN or infinite"),
        (lambda: wishart.marchenko_pastur_cdf(np.inf, 1.0), "x has 1 entries that are NaN or infinite"),
    ],
)
def test_bad_input(call, message, no_shape_checks):
    with pytest.raises(ValueError, match=r".") as error:
        call()
    assert str(error.value).startswith(message)
