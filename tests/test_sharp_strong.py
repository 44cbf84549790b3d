"""The sharp risks of strong signals: no digits are lost, and the formulas are those of the book."""

import warnings

import numpy as np
import pytest

from lorabook import formulas, predictions, sharp, wishart
from lorabook.sharp import core, identity
from lorabook.sharp._setting import setting
from lorabook.sharp._strong import remainder, unlearned
from lorabook.sharp.bulk import bulk
from lorabook.sharp.limit import master
from lorabook.sweeps import gaussian_spectrum

SHIFT = gaussian_spectrum(100, 100, 4, 0)
SIZES = (100, 100, 1000)
RISKS = [
    *((lambda sigma, r=r: sharp.lora_risk(r, SHIFT, *SIZES, sigma)) for r in (4, 5, 50)),
    *((lambda sigma, r=r: sharp.lora_risk_limit(r, SHIFT, *SIZES, sigma)) for r in (4, 5, 50)),
    *((lambda sigma, r=r: sharp.core_risk(r, SHIFT, *SIZES, sigma, draws=50).value) for r in (4, 5)),
    lambda sigma: sharp.shrunk_risk(SHIFT, *SIZES, sigma),
    lambda sigma: sharp.ridge_risk(SHIFT, *SIZES, sigma),
    lambda sigma: sharp.finite_size_risk(4, SHIFT[:2], 20, 15, 60, sigma, draws=20).value,
]


@pytest.mark.parametrize("risk", RISKS)
@pytest.mark.parametrize("sigma", [1e-5, 1e-6, 1e-7])
def test_with_weak_noise_the_risk_is_proportional_to_its_square(risk, sigma):
    assert risk(sigma) / sigma**2 == pytest.approx(risk(1e-4) / 1e-8, rel=1e-6)


@pytest.mark.parametrize("risk", RISKS[:-1])
def test_up_to_the_limits_of_double_precision(risk):
    assert risk(1e-100) * 1e100 * 1e100 == pytest.approx(risk(1e-6) * 1e12, rel=1e-9)


@pytest.mark.parametrize("n", [50, 1000])
@pytest.mark.parametrize("rank", [1, 2])
def test_what_is_not_kept_or_not_seen_does_not_change_with_weak_noise(n, rank):
    """Up to what a rank leaves, or fewer samples than inputs hide, the noise hardly matters."""
    for risk in (sharp.lora_risk, sharp.lora_risk_limit):
        values = [risk(rank, SHIFT, 100, 100, n, sigma) for sigma in (1e-5, 1e-8, 1e-100)]
        assert values == pytest.approx([values[0]] * 3, rel=1e-9)


def test_the_limit_is_the_price_of_the_parameters():
    for sigma in (1e-3, 1e-9, 1e-60):
        price = sharp.strong_spike_risk(4, SHIFT, *SIZES, sigma)
        box = 4 * sigma**2 * (100 + sharp.inflation(100, 1000) * 100) / 1000
        assert price == pytest.approx(box, rel=1e-12)
        assert sharp.lora_risk_limit(4, SHIFT, *SIZES, sigma) == pytest.approx(price, rel=0.03)
        assert sharp.lora_risk(4, SHIFT, *SIZES, sigma) == pytest.approx(price, rel=0.03)


def test_predictions_that_are_trusted_are_right():
    found = predictions.predicted_risks((4, 5), SHIFT, *SIZES, 1e-5, draws=100)
    assert found.trusted.all()
    wanted = predictions.predicted_risks((4, 5), SHIFT, *SIZES, 1e-3, draws=100)
    np.testing.assert_allclose(found.lora, 1e-4 * wanted.lora, rtol=1e-5)


def test_more_samples_than_integers_of_the_machine_can_multiply():
    for rank in (4, 5):
        assert sharp.lora_risk(rank, SHIFT, 100, 100, 10**18, 1.0) == pytest.approx(2e-16 * rank, rel=0.5)
    assert sharp.usefulness_root(10**7, 10**7, 1.0) == pytest.approx(3e7, rel=1e-9)


# The stable forms are the formulas


@pytest.mark.parametrize("x", [80.0, 300.0, 1e4])
def test_a_remainder_is_the_formula_less_its_leading_term(x):
    d = {"d_y": 60, "k": 100}
    at, u = {"x": x, **d}, {"u": 1 / x, **d}
    square, left, right = formulas.spiked_square(**at), formulas.overlap_left(**at), formulas.overlap_right(**at)
    expected = {
        "spiked_square": square * right / x - 1,
        "blind_square": square * (1 - right),
        "overlap_left": 1 - left,
    }
    for name, value in expected.items():
        assert remainder(name, **u) == pytest.approx(value, rel=1e-9), name
    visible = formulas.visible_square(x_i=x, i=2, **d)
    assert remainder("visible_square", i=2, **u) == pytest.approx(visible - x, rel=1e-9)
    gain = formulas.shrinkage_gain(N=250, sigma=0.7, kappa=1.7, **at)
    assert remainder("shrinkage_gain", kappa=1.7, **u) == pytest.approx(1 - gain * 250 / (0.49 * x), rel=1e-9)
    penalty = formulas.ridge_penalty(d_x=40, **at)
    assert remainder("ridge_penalty", d_x=40, **u) == pytest.approx(penalty, rel=1e-12)


@pytest.mark.parametrize("gamma", [0.1, 0.9, 1.0, 1.1, 3.0])
def test_what_ridge_does_not_learn_is_one_less_the_effective_dimension(gamma):
    t = np.array([1e-3, 0.1, 0.5, 2.0])
    expected = 1 - formulas.effective_dimension(t=t, gamma=gamma)
    np.testing.assert_allclose(unlearned(t, gamma), expected, rtol=1e-10)
    if gamma < 1:  # to first order t / (1 - gamma)
        assert unlearned(np.array([1e-20]), gamma) == pytest.approx(1e-20 / (1 - gamma), rel=1e-12)


@pytest.mark.parametrize(("d_x", "d_y", "n"), [(60, 40, 150), (60, 40, 30), (30, 70, 50)])
@pytest.mark.parametrize("rank", [1, 2, 3, 10])
def test_the_master_formula_in_its_own_words(d_x, d_y, n, rank):
    problem = setting(np.sqrt(np.array([20.0, 5.0, 0.4]) * np.sqrt(d_y * min(n, d_x)) / n), d_x, d_y, n, 0.9)
    problem_weights = {"N": problem.N, r"r_{\mathrm{vis}}": problem.visible}
    spectrum = bulk(problem)
    captured = spectrum.captured[:, rank]
    direct = 0.81 * formulas.master(
        n=n,
        N=problem.N,
        d_y=d_y,
        alpha=formulas.alpha(**problem_weights),
        beta=formulas.beta(k=problem.k, **problem_weights),
        x_j=problem.strengths,
        lambda_i=np.diff(spectrum.energies)[:rank],
        Omega_j=captured,
        Omega_v=captured[: problem.visible],
    )
    assert master(problem, rank) == pytest.approx(float(direct), rel=1e-11)


def bill(problem, square, c_u, c_v, left, right, L, C):
    """Each direction's `lambda |z|^2 - 2 sqrt(lambda) <z, S u>`: the change of the risk by keeping it, on average."""
    inverse, m = np.linalg.inv(C), L.shape[1]
    filtered = problem.s[:m, None] * L @ inverse
    length = formulas.mean_square_length(
        n=problem.n,
        d_x=problem.d_x,
        **{
            r"a_i^\top C^{-1} a_i": c_v * np.einsum("dri,dij,drj->dr", right, inverse, right),
            r"\operatorname{tr} C^{-1}": np.trace(inverse, axis1=1, axis2=2)[:, None],
            r"\|b_{i}\|^2": 1.0 - c_v * np.sum(right**2, axis=2),
        },
    )
    overlap = np.sqrt(c_u * c_v) * np.einsum("dir,dij,drj->dr", left, filtered, right)
    return square * length - 2 * np.sqrt(square) * overlap


@pytest.mark.parametrize(("d_x", "d_y", "n"), [(60, 40, 150), (60, 40, 30), (30, 70, 50)])
@pytest.mark.parametrize("strengths", [(20.0, 5.0, 1.05), (9.0, 1.02, 1.01)])
@pytest.mark.parametrize("rank", [1, 3])
def test_the_draws_of_the_core_formula_are_the_energy_and_the_bill(d_x, d_y, n, strengths, rank):
    """With directions next to the threshold, so that some draws do not see them."""
    problem = setting(np.sqrt(np.array(strengths) * np.sqrt(d_y * min(n, d_x)) / n), d_x, d_y, n, 1.0)
    assert problem.visible == 3
    risks, _ = core._draw(problem, rank, 30, np.random.default_rng(5))
    rng = np.random.default_rng(5)
    L, C = identity.signal_factors(problem, 3, 30, rng)
    left, theta, right = np.linalg.svd(problem.s[:, None] * L + rng.standard_normal((30, 3, 3)))
    left, theta, right = left[:, :, :rank], theta[:, :rank], right[:, :rank]
    triplets = sharp.spiked_triplet(theta**2, d_y - 3, problem.k - 3)
    direct = problem.energy + np.sum(bill(problem, *triplets, left, right, L, C), axis=1)
    np.testing.assert_allclose(risks, direct, rtol=1e-10)


@pytest.mark.parametrize(("d_x", "d_y", "n"), [(20, 12, 50), (20, 12, 9), (10, 17, 30)])
@pytest.mark.parametrize("rank", [1, 3, 6])
def test_the_draws_of_the_identity_are_the_energy_and_the_bill(d_x, d_y, n, rank):
    problem = setting(np.array([2.0, 1.0, 0.3]), d_x, d_y, n, 0.8)
    risks, controls = identity._draw(problem, rank, 30, np.random.default_rng(5))
    rng = np.random.default_rng(5)
    L, C = identity.signal_factors(problem, 3, 30, rng)
    M = 0.8 * rng.standard_normal((30, d_y, problem.k))
    M[:, :3, :3] += problem.s[:, None] * L
    left, theta, right = np.linalg.svd(M, full_matrices=False)
    changes = bill(problem, theta**2, 1.0, 1.0, left[:, :3], right[:, :, :3], L, C)
    np.testing.assert_allclose(risks, problem.energy + np.sum(changes[:, :rank], axis=1), rtol=1e-10)
    every = problem.energy + np.sum(changes, axis=1) - sharp.full_risk(problem.s, d_x, d_y, n, 0.8)
    np.testing.assert_allclose(controls[:, 0], every, rtol=1e-9, atol=1e-10)


@pytest.mark.parametrize(("d_x", "d_y", "n"), [(60, 40, 150), (60, 40, 30), (30, 70, 30), (30, 70, 29)])
def test_the_risks_of_the_estimators_in_the_formulas_own_words(d_x, d_y, n):
    s = np.sqrt(np.array([20.0, 1.5, 0.4]) * np.sqrt(d_y * min(n, d_x)) / n)
    problem = setting(s, d_x, d_y, n, 1.0)
    x = problem.strengths[:2]
    if n != d_x and problem.kappa < np.inf:
        gains = formulas.shrinkage_gain(x=x, sigma=1.0, **problem.constants)
        assert sharp.shrunk_risk(s, d_x, d_y, n, 1.0) == pytest.approx(problem.energy - np.sum(gains), rel=1e-12)
    _, c_u, _ = sharp.spiked_triplet(problem.strengths, d_y, problem.k)
    t = formulas.ridge_penalty(x=x, d_x=d_x, d_y=d_y, k=problem.k)
    a = np.r_[formulas.effective_dimension(t=t, gamma=d_x / n), 0.0]
    direct = formulas.ridge_risk(s_i=problem.s, **{"c_{u}^2(x_i)": c_u, "a(t_{i})": a})
    assert sharp.ridge_risk(s, d_x, d_y, n, 1.0) == pytest.approx(float(direct), rel=1e-12)


# Where the theory says that it ends


@pytest.mark.parametrize(
    "risk",
    [
        lambda sigma: sharp.lora_risk(1, SHIFT, *SIZES, sigma),
        lambda sigma: sharp.lora_risk_limit(5, SHIFT, *SIZES, sigma),
        lambda sigma: sharp.core_risk(1, SHIFT, *SIZES, sigma),
        lambda sigma: sharp.finite_size_risk(1, SHIFT, *SIZES, sigma),
        lambda sigma: sharp.shrunk_risk(SHIFT, *SIZES, sigma),
        lambda sigma: sharp.ridge_risk(SHIFT, *SIZES, sigma),
    ],
)
@pytest.mark.parametrize("sigma", [1e-150, 1e-160, 1e-300])
def test_strengths_beyond_double_precision_are_refused(risk, sigma):
    message = f"^noise_std is {sigma:g}; it must be larger for these singular_values: its square, or a strength n .*$"
    with pytest.raises(ValueError, match=message):
        risk(sigma)


def test_zones_and_exact_risks_need_no_strengths():
    assert sharp.zones(np.array([1.0, 0.0]), 20, 20, 60, 1e-200) == ["useful", "invisible"]
    assert sharp.full_risk(SHIFT, 100, 100, 50, 1e-160) == sharp.full_risk(SHIFT, 100, 100, 50, 1e-100)


@pytest.mark.parametrize(("sigma", "n", "count"), [(2.4e-12, 60, 0), (2.3e-12, 60, 1), (1e-13, 15, 0)])
def test_the_identity_says_when_rounding_shows(sigma, n, count):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        found = sharp.finite_size_risk(1, np.array([3.0]), 20, 15, n, sigma, draws=2)
    assert isinstance(found, wishart.Estimate)
    assert [str(warning.message) for warning in caught] == [
        "singular_values has a direction of strength 1.0e+26; above 1e+26 the rounding of the drawn matrices shows in "
        "the risk"
    ] * count
    assert all(warning.category is sharp.AccuracyWarning for warning in caught)
