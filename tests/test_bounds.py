"""The bounds: they hold on real draws, agree with hand computation, and are infinite or refused where they must be."""

import numpy as np
import pytest
from scipy import stats

from lorabook import Task, bounds, wishart
from lorabook.checks._cases import risk_draws

FALSE_ALARM = 1e-4
"""Over the seeds, for all random checks of this module together; the seeds are fixed."""
LIMIT = stats.norm.isf(FALSE_ALARM / 500)


def correlated(d, seed, spread=1.0):
    Q = np.linalg.qr(np.random.default_rng(seed).standard_normal((d, d)))[0]
    return (Q * np.logspace(0, spread, d)) @ Q.T


def small(noise_std=1.0, rank=2, seed=0, d_x=10, d_y=8):
    return Task.gaussian(d_x, d_y, rank, noise_std, seed)


GENERAL = Task(small().W0, small().shift, correlated(8, 1), correlated(10, 2))
STRETCHED = Task(small().W0, small().shift, 0.3, 2.5 * np.eye(10))
FULL_RANK = Task.with_spectrum(2.0 * 0.7 ** np.arange(8), 10, 8, 0.5, seed=3)
TASKS = {
    "weak noise": small(0.1),
    "strong noise": small(5.0),
    "general covariances": GENERAL,
    "scaled features": STRETCHED,
    "full rank": FULL_RANK,
    "noise alone": Task(small().W0, np.zeros((8, 10)), 1.0),
    "no noise": small(0.0),
}


def standard_error(values):
    return values.std(axis=0, ddof=1) / np.sqrt(len(values))


@pytest.mark.parametrize("n", [4, 7, 14, 60])
@pytest.mark.parametrize("name", TASKS)
def test_every_bound_holds_on_draws(name, n):
    task = TASKS[name]
    risks = risk_draws(task, n, 1500, seed=4)
    mean, error = risks.mean(axis=0), standard_error(risks)
    shift_rank = np.linalg.matrix_rank(task.shift)
    for rank in (1, 2, 8):
        column = min(rank, risks.shape[1] - 1)
        least = mean[column] - LIMIT * error[column] - 1e-12
        bound = {
            "sharp": bounds.lora_bound_sharp(task, n, rank, draws=100).total,
            "unsplit": bounds.lora_bound(task, n, rank, draws=100).total,
            "three terms": bounds.lora_bound_three_terms(task, n, rank, draws=100).total,
            "paper": bounds.lora_bound_three_terms(task, n, rank, "paper", draws=100).total,
        }
        if rank >= shift_rank:
            bound["exact rank"] = bounds.lora_bound_exact_rank(task, n, rank, draws=100).total
        for kind, value in bound.items():
            assert value >= least, (kind, rank, value, least)
        assert bound["unsplit"] <= bound["three terms"] * (1 + 1e-12) + 1e-12
        assert bound["three terms"] <= bound["paper"] * (1 + 1e-12) + 1e-12
        floor = bounds.inevitable_error(task, rank)
        assert np.all(risks[:, column] >= floor * (1 - 1e-9) - 1e-12)


@pytest.mark.parametrize("n", [3, 6, 15, 40])
@pytest.mark.parametrize("name", ["weak noise", "scaled features", "full rank", "general covariances"])
def test_full_fine_tuning_s_risk_is_exact(name, n):
    task = TASKS[name]
    simulated = bounds.full_risk_any_features(task, n, draws=1500, seed=5)
    draws = risk_draws(task, n, 1500, seed=6)[:, -1]
    if n >= 8:  # LoRA of the largest rank is full fine-tuning once n reaches d_y
        gap = abs(draws.mean() - simulated.total)
        assert gap < LIMIT * np.hypot(standard_error(draws), sum(simulated.standard_errors.values()))
    if name == "general covariances" and n < 10:
        with pytest.raises(ValueError, match="anisotropic features; Proposition 5 needs"):
            bounds.full_risk(task, n)
        return
    exact = bounds.full_risk(task, n)
    for term in ("bias", "variance"):
        assert abs(simulated[term] - exact[term]) <= LIMIT * simulated.standard_errors[term] + 1e-12
    assert (exact["bias"] == 0) == (n >= 10)
    if n >= 10:
        assert exact.total >= bounds.full_risk_lower_bound(task, n)


def test_full_fine_tuning_by_hand():
    task = Task(np.zeros((2, 4)), np.full((2, 4), 0.5), 3.0)
    assert dict(bounds.full_risk(task, 9)) == {"bias": 0.0, "variance": pytest.approx(6.0)}
    assert dict(bounds.full_risk(task, 2)) == {"bias": pytest.approx(1.0), "variance": pytest.approx(12.0)}
    assert dict(bounds.full_risk(task, 1)) == {"bias": pytest.approx(1.5), "variance": pytest.approx(3.0)}
    assert [bounds.full_risk(task, n).total for n in (3, 4, 5)] == [np.inf] * 3
    assert bounds.full_risk(task, 3)["bias"] == pytest.approx(0.5)
    assert np.isfinite(bounds.full_risk(task, 6).total)
    quiet = Task(np.zeros((2, 4)), np.full((2, 4), 0.5), 0.0)
    assert [bounds.full_risk(quiet, n).total for n in (3, 4, 5)] == [pytest.approx(0.5), 0.0, 0.0]
    assert bounds.full_risk_lower_bound(task, 8) == pytest.approx(3.0)
    assert bounds.full_risk_lower_bound(task, 4) == pytest.approx(6.0)


def test_features_of_one_s_own():
    task = small()

    def signs(n, rng):
        return rng.choice([-1.0, 1.0], (10, n))

    risk = bounds.full_risk_any_features(task, 60, signs, draws=300)
    assert risk["variance"] > bounds.full_risk_lower_bound(task, 60)
    assert risk["variance"] == pytest.approx(bounds.full_risk(task, 60)["variance"], rel=0.1)
    repeated = bounds.full_risk_any_features(task, 30, lambda n, rng: np.repeat(np.eye(10)[:, :5], n // 5, 1), draws=2)
    assert repeated["bias"] == pytest.approx(np.sum(task.shift[:, 5:] ** 2))
    assert repeated["variance"] == pytest.approx(8 * 5 / 6)
    assert repeated.standard_errors == {"bias": 0.0, "variance": 0.0}
    with pytest.raises(ValueError, match=r"X has shape \(3, 4\); it must have shape \(10, 4\) \(what `features` must"):
        bounds.full_risk_any_features(task, 4, lambda n, rng: np.ones((3, n)))


def test_the_shape_of_full_fine_tuning_s_risk():
    task = small(0.4)
    best = bounds.best_sample_size(task)
    risks = [bounds.full_risk(task, n).total for n in range(1, 9)]
    assert abs(1 + int(np.argmin(risks)) - best) <= 1
    assert not bounds.is_strong_noise(task)
    energy = np.sum(task.shift**2)
    for factor, strong in ((0.999, False), (1.001, True)):
        edge = Task(task.W0, task.shift, factor * 0.9 * energy / 8)
        assert bounds.is_strong_noise(edge) is strong
        assert (bounds.best_sample_size(edge) == 0) is strong
    assert bounds.best_sample_size(TASKS["noise alone"]) == 0.0
    assert bounds.is_strong_noise(TASKS["noise alone"])
    assert bounds.best_sample_size(STRETCHED) == pytest.approx(9 - np.sqrt(2.4 * 90 / (2.5 * energy)))
    for function in (bounds.best_sample_size, bounds.is_strong_noise):
        with pytest.raises(ValueError, match="anisotropic"):
            function(GENERAL)


def test_the_paper_s_shape_by_hand():
    task = Task.with_spectrum(np.array([5.0, 3.0, 2.0]), 10, 8, 1.5, seed=7)
    n, draws = 40, 200
    kappa = n * wishart.inverse_smallest(10, n, 1, draws, 0).value
    condition = wishart.condition_number(10, n, draws, 0).value
    widths = (10**0.5 + 8**0.5) ** 2
    three = bounds.lora_bound_three_terms(task, n, 1, draws=draws)
    assert three["variance"] == pytest.approx(16 * 2.25 * widths / n * kappa)
    assert three["tail_operator"] == pytest.approx(4 * condition * 9)
    assert three["tail_frobenius"] == pytest.approx(13)
    assert (three["bias"], three["cross"]) == (0, 0)
    paper = bounds.lora_bound_three_terms(task, n, 1, "paper", draws=draws)
    assert paper["tail_operator"] == pytest.approx((16 * condition + 8) * 9)
    assert paper["tail_frobenius"] == pytest.approx(26)
    whole = bounds.lora_bound(task, n, 1, draws=draws)
    assert whole["square"] == pytest.approx(2 * (3 * condition**0.5 + 2 * (2.25 * widths * kappa / n) ** 0.5) ** 2)
    assert whole["tail"] == pytest.approx(13)
    exact = bounds.lora_bound_exact_rank(task, n, 3, draws=draws)
    assert exact["variance"] == pytest.approx(8 * 3 * 2.25 * widths / n * kappa)
    assert exact.total == exact["variance"]
    kappa_error = n * wishart.inverse_smallest(10, n, 1, draws, 0).standard_error
    condition_error = wishart.condition_number(10, n, draws, 0).standard_error
    assert three.standard_errors == {
        "variance": pytest.approx(16 * 2.25 * widths / n * kappa_error),
        "tail_operator": pytest.approx(4 * condition_error * 9),
    }
    assert paper.standard_errors["tail_operator"] == pytest.approx(16 * condition_error * 9)
    assert exact.standard_errors == {"variance": pytest.approx(8 * 3 * 2.25 * widths / n * kappa_error)}
    slopes = [3 * condition_error / condition**0.5, 2 * (2.25 * widths / kappa / n) ** 0.5 * kappa_error]
    assert whole.standard_errors == {"square": pytest.approx((2 * whole["square"]) ** 0.5 * sum(slopes), rel=0.05)}
    # The shift has no tail beyond rank 3, and infinity times zero counts as zero.
    assert bounds.lora_bound_three_terms(task, 11, 3, draws=draws)["tail_operator"] == 0.0
    assert bounds.lora_bound_three_terms(task, 11, 3, draws=draws)["variance"] == np.inf


def test_the_paper_s_shape_with_few_data():
    s = np.array([5.0, 3.0, 2.0, 1.0])
    task = Task(*np.split(np.concatenate([np.zeros((8, 10)), np.eye(8, 10) * np.pad(s, (0, 4))[:, None]]), 2), 1.0)
    n, draws = 3, 200
    kappa = n * wishart.inverse_smallest(n, 10, 1, draws, 0).value
    condition = wishart.condition_number(n, 10, draws, 0).value
    three = bounds.lora_bound_three_terms(task, n, 1, draws=draws)
    assert three["bias"] == pytest.approx(0.7 * 39)
    assert three["variance"] == pytest.approx(16 * (3**0.5 + 8**0.5) ** 2 / n * kappa)
    assert three["tail_operator"] == pytest.approx(4 * condition * 9)
    assert three["tail_frobenius"] == pytest.approx(9 + 4)  # the sum stops at n = 3
    assert bounds.lora_bound(task, n, 1, draws=draws)["tail"] == pytest.approx(0.3 * 14)  # min(13, 4.2)
    assert bounds.lora_bound(task, 3, 3, draws=draws)["tail"] == 0.0
    stretched = Task(task.W0, task.shift, 1.0, 2.5 * np.eye(10))
    assert bounds.lora_bound_three_terms(stretched, n, 1, draws=draws)["tail_frobenius"] == pytest.approx(2.5 * 13)
    assert bounds.lora_bound_three_terms(stretched, n, 1, draws=draws)["bias"] == pytest.approx(2.5 * 0.7 * 39)
    assert bounds.lora_bound(stretched, n, 1, draws=draws)["square"] > 0


def test_anisotropic_features_and_few_data_need_a_cross_term():
    simulated = bounds.full_risk_any_features(GENERAL, 5, draws=1500)["bias"]
    for function in (bounds.lora_bound, bounds.lora_bound_three_terms, bounds.lora_bound_sharp):
        bound = function(GENERAL, 5, 2, draws=1500)
        others = bound.total - bound["bias"] - bound["cross"] - bound.get("signal", 0.0)
        assert bound["cross"] == pytest.approx(2 * np.sqrt(bound["bias"] * others))
        assert bound["bias"] == pytest.approx(simulated, rel=0.05)
        assert bound.standard_errors["bias"] > 0
        assert function(GENERAL, 20, 2, draws=50)["cross"] == 0.0
        assert function(STRETCHED, 5, 2, draws=50)["cross"] == 0.0
        assert "bias" not in function(STRETCHED, 5, 2, draws=50).standard_errors


def test_the_limit_of_the_variance_term():
    for d_x, n, constant in ((100, 300, 16.0), (300, 100, 8.0)):
        k = min(d_x, n)
        near = constant * 2 * (k**0.5 + 8**0.5) ** 2 * wishart.inverse_smallest(k, 300, draws=400).value
        task = Task.gaussian(d_x, 8, 2, 1.0, 0)
        assert bounds.lora_variance_limit(task, n, 2, constant) == pytest.approx(near, rel=0.06)
    assert bounds.lora_variance_limit(small(), 10, 1) == np.inf
    with pytest.raises(ValueError, match="anisotropic features; Proposition 6"):
        bounds.lora_variance_limit(GENERAL, 9, 1)
    assert bounds.lora_variance_limit(GENERAL, 11, 1) > 0
    with pytest.raises(ValueError, match=r"constant is 0\.0; it must be a finite real number above 0"):
        bounds.lora_variance_limit(small(), 20, 1, 0.0)
    assert bounds.lora_variance_limit(small(), 20, 1) == bounds.lora_variance_limit(small(), 20, 1, 16.0)


@pytest.mark.parametrize("n", [14, 30, 6])
def test_the_strong_signal_limit(n):
    weak = 1e-8
    noise = weak * correlated(8, 1)
    task = Task(small().W0, small().shift, noise)
    risks = risk_draws(task, n, 6000, seed=8)[:, 2]
    limit = bounds.strong_signal_risk(task, n)
    if n < 10:
        X = np.random.default_rng([8, n]).standard_normal((6000, 10, n))
        U = np.linalg.svd(X, full_matrices=False)[0]
        risks = risks - np.array([np.sum(task.shift**2) - np.sum((task.shift @ u) ** 2) for u in U])
        assert limit["bias"] == pytest.approx(0.4 * np.sum(task.shift**2))
    gap = abs(risks.mean() - limit["inside"] - limit["outside"])
    assert gap < LIMIT * standard_error(risks) + 1e-3 * weak


def test_the_strong_signal_limit_by_hand():
    shift = np.zeros((3, 10))
    shift[0, 0] = 2.0
    task = Task(np.zeros((3, 10)), shift, np.diag([1.0, 2.0, 4.0]))
    assert dict(bounds.strong_signal_risk(task, 16)) == {
        "bias": 0.0,
        "inside": pytest.approx(1 * 10 / 5),
        "outside": pytest.approx(6 / 14),
    }
    under = bounds.strong_signal_risk(task, 4)
    assert dict(under) == {"bias": pytest.approx(2.4), "inside": pytest.approx(4 / 5), "outside": pytest.approx(6 / 8)}
    edge = bounds.strong_signal_risk(task, 11)
    assert (edge["inside"], edge["outside"]) == (np.inf, pytest.approx(6 / 9))
    square = Task(np.zeros((3, 3)), np.eye(3), 1.0)
    assert [bounds.strong_signal_risk(square, n)["outside"] for n in (3, 4)] == [np.inf, np.inf]
    assert dict(bounds.strong_signal_risk(square, 5)) == {"bias": 0, "inside": pytest.approx(9), "outside": 0}
    assert bounds.strong_signal_risk(task, 12).total < np.inf
    assert bounds.strong_signal_risk(task, 3)["bias"] == pytest.approx(2.8)
    with pytest.raises(ValueError, match=r"n is 2; it must be an integer of at least 3"):
        bounds.strong_signal_risk(task, 2)
    with pytest.raises(ValueError, match="shift of rank 0"):
        bounds.strong_signal_risk(TASKS["noise alone"], 20)
    with pytest.raises(ValueError, match="anisotropic features; the strong-signal limit needs"):
        bounds.strong_signal_risk(GENERAL, 5)


@pytest.mark.parametrize(("d_x", "d_y"), [(6, 1), (1, 6)])
def test_the_sharp_bound_of_a_single_direction_is_above_the_exact_risk(d_x, d_y):
    """With one input or one output, rank one is full fine-tuning, whose mean risk is known."""
    task = small(rank=1, d_x=d_x, d_y=d_y)
    exact = bounds.full_risk(task, 20).total
    assert exact <= bounds.lora_bound_sharp(task, 20, 1, draws=100).total < 20 * exact


def test_the_sharp_bound_reaches_the_strong_signal_limit():
    task = Task.gaussian(20, 15, 3, 1e-6, seed=9)
    for n in (60, 400):
        bound, truth = bounds.lora_bound_sharp(task, n, 3), bounds.strong_signal_risk(task, n)
        assert bound.options == {"variance": "V2", "signal": "S1"}
        assert truth.total < bound.total
        assert bound["variance"] == pytest.approx(truth["inside"], rel=0.1 if n == 60 else 1e-4)
        assert bound["signal"] == pytest.approx(1e-12 * 15 * 3 / (n - 4), rel=1e-3)


@pytest.mark.parametrize(("d_x", "n"), [(10, 30), (20, 15)])
def test_what_is_discarded_without_noise_is_chi_times_the_tail(d_x, n):
    """chi = E[lambda_max(L) / lambda_min(L + L')], here from whole Gaussian matrices; S_2 = chi tau^2, tau = 2."""
    shift = np.zeros((8, d_x))
    shift[0, 0], shift[1, 1] = 3.0, 2.0
    quiet = Task(np.zeros_like(shift), shift, 0.0)
    draws, mine = 1000, 20_000
    bound = bounds.lora_bound_sharp(quiet, n, 1, draws=draws)
    assert (bound.options["signal"], bound["variance"]) == ("S2", 0.0)
    G = np.random.default_rng([31, n]).standard_normal((mine, 2, max(n, d_x)))
    some, every = G[:, :, :n], G if n < d_x else G[:, :, :n]
    largest = np.linalg.eigvalsh(some @ some.swapaxes(1, 2))[:, 1]
    ratios = largest / np.linalg.eigvalsh(every @ every.swapaxes(1, 2))[:, 0]
    gap = bound["signal"] / 4 - ratios.mean() - 3 * ratios.std() / np.sqrt(draws)
    assert abs(gap) < LIMIT * ratios.std() * np.sqrt(1 / draws + 1 / mine)
    assert bounds.lora_bound_sharp(quiet, n, 1, draws, seed=1)["signal"] != bound["signal"]


PAPER = Task.gaussian(100, 100, 4, 1.0, seed=0)
STRONG = Task(PAPER.W0, PAPER.shift, 144.0)


@pytest.mark.parametrize(
    ("task", "n", "rank", "risk", "sharp", "unsplit", "paper"),
    [
        (PAPER, 953, 4, 0.89, 1.43, 32.5, 260),
        (PAPER, 319, 4, 3.01, 2.17, 65.5, 524),
        (PAPER, 184, 8, 22.9, 5.42, 79.9, None),
        (STRONG, 953, 4, 124, 5.53, 33.4, 267),
        (STRONG, 74, 8, 13048, 4.10, 104, None),
    ],
)
def test_the_tightness_that_is_known_for_the_paper_s_setting(task, n, rank, risk, sharp, unsplit, paper):
    """Ratios of bound to risk from an independent evaluation, with its risks (8 data sets, another shift): to 10 %."""
    assert bounds.lora_bound_sharp(task, n, rank).total == pytest.approx(sharp * risk, rel=0.1)
    assert bounds.lora_bound(task, n, rank, draws=300).total == pytest.approx(unsplit * risk, rel=0.1)
    if paper:
        bound = bounds.lora_bound_three_terms(task, n, rank, "paper", draws=300)
        assert bound.total == pytest.approx(paper * risk, rel=0.1)


def test_only_the_sharp_bound_certifies_that_lora_wins():
    full = bounds.full_risk(PAPER, 1000).total
    assert full == pytest.approx(11.12, abs=0.005)
    assert bounds.lora_bound_sharp(PAPER, 1000, 4).total == pytest.approx(1.19, abs=0.005)
    assert bounds.lora_bound(PAPER, 1000, 4, draws=300).total == pytest.approx(26.7, abs=0.3)
    assert bounds.lora_bound_three_terms(PAPER, 1000, 4, "paper", draws=300).total == pytest.approx(213, abs=3)


def test_near_the_threshold():
    task = small()
    for n in (9, 10, 11):
        for function in (bounds.lora_bound, bounds.lora_bound_three_terms, bounds.lora_bound_exact_rank):
            assert function(task, n, 2, draws=20).total == np.inf
        assert bounds.lora_bound_sharp(task, n, 2, draws=20)["variance"] == np.inf
        assert np.isfinite(bounds.lora_bound_sharp(task, n, 2, draws=20)["signal"])
    for n in (8, 12):
        assert bounds.lora_bound_sharp(task, n, 2, draws=20).total < np.inf
        assert bounds.lora_bound(task, n, 2, draws=20).total < np.inf
    for n in (9, 10, 11):
        assert bounds.full_risk_any_features(task, n, draws=20)["variance"] == np.inf
        assert bounds.full_risk_any_features(GENERAL, n, draws=20).standard_errors["variance"] == 0.0
    for n in (8, 12):
        assert bounds.full_risk_any_features(task, n, draws=20)["variance"] < np.inf
    own = bounds.full_risk_any_features(task, 10, lambda n, rng: np.eye(10), draws=2)
    assert own["variance"] == pytest.approx(80)
    assert bounds.lora_bound(GENERAL, 9, 2, draws=20).total == np.inf
    assert bounds.lora_bound_sharp(GENERAL, 9, 2, draws=20).total == np.inf


def test_without_noise_nothing_is_infinite_at_the_threshold():
    quiet = TASKS["no noise"]
    for n in (9, 10, 11):
        bias = (10 - n) / 10 * np.sum(quiet.shift**2) if n < 10 else 0.0
        for function in (bounds.lora_bound, bounds.lora_bound_three_terms, bounds.lora_bound_exact_rank):
            assert function(quiet, n, 2, draws=20).total == pytest.approx(bias)
        assert bounds.lora_bound_sharp(quiet, n, 2, draws=20).total == pytest.approx(bias)
        assert bounds.full_risk_any_features(quiet, n, draws=20)["variance"] == 0.0
        assert bounds.strong_signal_risk(quiet, n).total == pytest.approx(bias)
        tail = bounds.lora_bound_three_terms(quiet, n, 1, draws=20)
        assert (tail["variance"], tail["tail_operator"]) == (0.0, np.inf)


def test_without_a_shift_the_cross_term_is_zero_even_at_the_threshold():
    still = Task(GENERAL.W0, np.zeros((8, 10)), GENERAL.noise_cov, GENERAL.feature_cov)
    for function in (bounds.lora_bound, bounds.lora_bound_three_terms, bounds.lora_bound_exact_rank):
        bound = function(still, 9, 1, draws=20)
        assert (bound["bias"], bound["cross"], bound.total) == (0.0, 0.0, np.inf)
    sharp = bounds.lora_bound_sharp(still, 9, 1, draws=20)
    assert (sharp["signal"], sharp["cross"], sharp.total) == (0.0, 0.0, np.inf)


def test_terms_are_a_mapping():
    terms = bounds.Terms({"a": 1.0, "b": 2.0}, {"b": 0.1})
    assert (terms["b"], list(terms), len(terms), terms.total) == (2.0, ["a", "b"], 2, 3.0)
    assert terms.standard_errors == {"b": 0.1}
    assert terms.names == ("a", "b")
    assert (terms.options, bounds.Terms({}).standard_errors) == ({}, {})


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: bounds.full_risk("task", 3), "task is 'task'; it must be a Task"),
        (lambda: bounds.full_risk(small(), 0), "n is 0; it must be an integer of at least 1 (a training set needs"),
        (lambda: bounds.full_risk_lower_bound(small(), 9), "n is 9; it must be an integer of at least 10 (Theorem 1"),
        (lambda: bounds.full_risk_any_features(small(), 9, draws=1), "draws is 1; it must be an integer of at least 2"),
        (lambda: bounds.lora_bound(small(), 9, 0), "rank is 0; it must be an integer from 1 to 8 (the theorems"),
        (lambda: bounds.lora_bound(small(), 9, 9), "rank is 9; it must be an integer from 1 to 8 (the theorems"),
        (lambda: bounds.lora_bound(small(), 9, 1, draws=1), "draws is 1; it must be an integer of at least 2"),
        (lambda: bounds.lora_bound_sharp(small(), 9, 9), "rank is 9; it must be an integer from 1 to 8 (the theorems"),
        (lambda: bounds.lora_bound_sharp(small(), 9, 1, 1), "draws is 1; it must be an integer of at least 2"),
        (lambda: bounds.lora_bound_exact_rank(small(), 9, 1), "rank is 1; Corollaries 1 and 2 need it to be at least"),
        (lambda: bounds.lora_bound_exact_rank(small(), 9, 0), "rank is 0; it must be an integer from 1 to 8"),
        (lambda: bounds.lora_bound_three_terms(small(), 9, 0), "rank is 0; it must be an integer from 1 to 8"),
        (lambda: bounds.lora_bound_three_terms(small(), 9, 1, "x"), 'constants is \'x\'; it must be "book" or "paper"'),
        (lambda: bounds.lora_variance_limit(small(), 9, 0), "rank is 0; it must be an integer from 1 to 8"),
        (lambda: bounds.inevitable_error(small(), -1), "rank is -1; it must be an integer of at least 0"),
        (lambda: bounds.inevitable_error(None, 1), "task is None; it must be a Task"),
    ],
)
def test_bad_input(call, message, no_shape_checks):
    with pytest.raises(ValueError, match=r".") as error:
        call()
    assert str(error.value).startswith(message)
