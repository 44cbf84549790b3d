"""Wishart matrices: single draws, edges and quadratures that the laws of the other module do not notice."""

import mpmath
import numpy as np
import pytest

from lorabook import wishart


@pytest.mark.parametrize(("size", "dof"), [(3, 5), (5, 3), (1, 1)])
def test_one_draw_is_the_first_of_one(size, dof):
    factor, product = wishart.bartlett(size, dof, seed=1), wishart.sample(size, dof, seed=1)
    assert factor.shape == (size, min(size, dof))
    assert product.shape == (size, size)
    np.testing.assert_array_equal(factor, wishart.bartlett(size, dof, seed=1, draws=1)[0])
    np.testing.assert_array_equal(product, wishart.sample(size, dof, seed=1, draws=1)[0])
    np.testing.assert_allclose(product, factor @ factor.T, rtol=1e-14)


def test_mean_and_standard_error_by_hand():
    """1, 2 and 4: mean 7/3, variance 7/3, so that the mean has standard error sqrt(7/3) / sqrt 3."""
    estimate = wishart._estimate(np.array([1.0, 2.0, 4.0]))
    assert estimate == pytest.approx((7 / 3, np.sqrt(7) / 3), rel=1e-14)
    assert [type(number) for number in estimate] == [float, float]


@pytest.mark.parametrize("ratio", [0.25, 1.0, 4.0])
def test_the_density_is_zero_at_both_edges(ratio):
    """At ratio 1 the lower edge is zero, where the formula would divide by zero."""
    low, high = wishart.marchenko_pastur_edges(ratio)
    np.testing.assert_array_equal(wishart.marchenko_pastur_density(np.array([low, high]), ratio), [0.0, 0.0])


@pytest.mark.parametrize(
    ("size", "dof", "power"), [(2, 4, 1), (4, 6, 1), (30, 32, 1), (2, 6, 2), (9, 14, 2), (1, 9, 1)]
)
def test_the_integral_of_the_tail_bound_just_above_its_threshold(size, dof, power):
    """`integral power F(x) x^{-power-1} dx` where it converges slowly at zero, in 30 digits.

    The three branches of F are integrated one by one: the power law in closed form up to where it crosses the
    Gaussian tail, that tail up to (sqrt N - sqrt k)^2 by quadrature, one from there on.
    """
    with mpmath.workdps(30):
        p, edge = mpmath.mpf(dof - size + 1) / 2, (mpmath.sqrt(dof) - mpmath.sqrt(size)) ** 2
        C = mpmath.mpf(2) ** (p - 1) * mpmath.gamma(mpmath.mpf(dof + 1) / 2)
        C /= mpmath.gamma(mpmath.mpf(size) / 2) * mpmath.gamma(dof - size + 1)

        def smallest(x):
            return min(1, C * x**p / p, mpmath.exp(-((mpmath.sqrt(edge) - mpmath.sqrt(x)) ** 2) / 2))

        start = edge / 10**6  # the power law is the smallest below
        points = [start * (edge / start) ** (mpmath.mpf(j) / 120) for j in range(121)]
        assert all(smallest(start / 10**j) == C * (start / 10**j) ** p / p for j in range(20))
        low = power * C * start ** (p - power) / (p * (p - power))
        middle = mpmath.quad(lambda x: power * smallest(x) * x ** (-power - 1), points, maxdegree=5)
        exact = float(low + middle + edge**-power)
    assert wishart._tail_moment(size, dof, power) == pytest.approx(exact, rel=1e-6)


@pytest.mark.parametrize("law", [wishart.marchenko_pastur_cdf, wishart.marchenko_pastur_density])
def test_a_ratio_is_above_zero(law, no_shape_checks):
    for ratio in (0.0, -1.0):
        with pytest.raises(ValueError, match=rf"^ratio is {ratio}; it must be a finite real number above 0$"):
            law(1.0, ratio)
