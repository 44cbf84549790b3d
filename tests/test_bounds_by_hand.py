"""The bounds against a plain transcription of the theorems, and their edges, defaults and messages word for word.

`sharp_by_hand` and `shape_by_hand` write Theorems 2, 4, 2' and 4' out in numpy alone, from the statements. They share
with the library the moments of Wishart matrices, which have tests of their own, and nothing else.
"""

from functools import lru_cache

import numpy as np
import pytest

from lorabook import Task, bounds, wishart
from lorabook.bounds import tight

INF = np.inf


@pytest.fixture(scope="module", autouse=True)
def _remember_the_moments():
    """The bound of an inverse moment is an integral, and every case here asks for the same few."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(wishart, "inverse_smallest_bound", lru_cache(None)(wishart.inverse_smallest_bound))
        yield


def orthogonal(d, seed):
    return np.linalg.qr(np.random.default_rng(seed).standard_normal((d, d)))[0]


def task_with(s, d_x=10, d_y=8, noise=1.0, feature_scale=None, feature_cov=None, seed=0):
    """A shift of singular values s between random frames; noise a level or a spectrum, in a random basis."""
    s = np.asarray(s, dtype=float)
    shift = (orthogonal(d_y, [seed, 1])[:, : len(s)] * s) @ orthogonal(d_x, [seed, 2])[:, : len(s)].T
    if np.ndim(noise):
        V = orthogonal(d_y, [seed, 3])
        noise = (V * np.asarray(noise)) @ V.T
        noise = (noise + noise.T) / 2
    if feature_scale is not None:
        feature_cov = feature_scale * np.eye(d_x)
    return Task(np.zeros((d_y, d_x)), shift, noise, feature_cov)


def spectrum(task):
    return np.sort(
        np.linalg.eigvalsh(task.noise_cov * np.eye(task.d_y) if np.ndim(task.noise_cov) == 0 else task.noise_cov)
    )


def root_features(task):
    return np.linalg.cholesky(np.eye(task.d_x) if task.feature_cov is None else task.feature_cov)


STRETCH = np.diag(np.linspace(0.5, 3.0, 10))
COLOURED = np.linspace(0.2, 2.0, 8)
TASKS = {
    "rank two": task_with([3.0, 1.0]),
    "rank two, weak noise": task_with([30.0, 20.0], noise=0.01, seed=1),
    "full rank": task_with(2.0 * 0.7 ** np.arange(8), noise=0.5, seed=2),
    "coloured": task_with([4.0, 2.0, 0.1], noise=COLOURED, seed=3),
    "coloured, strong": task_with([40.0, 25.0, 0.01, 0.005], noise=0.1 * COLOURED, seed=4),
    "scaled features": task_with([4.0, 2.0, 0.5], noise=COLOURED, feature_scale=2.5, seed=5),
    "one signal": task_with([50.0], noise=1e-3, seed=6),
    "nothing to learn": task_with([], noise=COLOURED, seed=7),
    "no noise": task_with([3.0, 1.0], noise=0.0, seed=8),
    "large": task_with(np.append(np.full(4, 10.0), 0.01 * 0.5 ** np.arange(6)), 60, 40, 0.04, seed=9),
    "large, exact rank": task_with(np.full(4, 10.0), 60, 40, 0.04, seed=10),
}
STRETCHED = task_with([4.0, 2.0, 0.5], noise=COLOURED, feature_cov=STRETCH, seed=11)


# Theorems 2' and 4'


def sharp_by_hand(task, n, r, draws, seed):
    """V_0, V_1, V_2, S_0, S_1, S_2 as Theorem 2' states them, and 4' for n < d_x and isotropic features."""
    d_x, d_y = task.d_x, task.d_y
    s = np.linalg.svd(task.shift @ root_features(task), compute_uv=False)
    s = np.where(s > 1e-12, s, 0.0)
    noise, under = spectrum(task), n < d_x
    lam, t, k, N = noise[-1], noise.sum(), min(n, d_x), max(n, d_x)
    m, s_next = int(np.sum(s > 0)), (s[r] if r < len(s) else 0.0)
    q, tau, a = min(r, m), np.sqrt(np.sum(s[r:] ** 2)), np.sqrt(d_y) + np.sqrt(k)
    M = N - k
    f = k / (M - 1) if M > 1 else INF
    o = wishart.inverse_smallest_bound(k, N)
    values = {"V0": t * f if t else 0.0, "V1": INF, "V2": INF}
    if np.isfinite(o):
        values["V1"] = r * lam * ((np.sqrt(d_y * o) + np.sqrt(f)) ** 2 + o)
    if n > r and m >= r and M > 3:
        f_2 = k * (k * (M - 2) + 2) / (M * (M - 1) * (M - 3))
        x = np.linspace(0, np.sqrt(n) - np.sqrt(r), 40_001)[1:-1]
        ell = 1 - (np.sqrt(r) + x) / np.sqrt(n)
        nu = np.sqrt(lam / n) * (a + x) + s_next + (tau + x * s_next) / np.sqrt(n)
        delta = t * f * np.minimum(1, (2 * nu / (s[r - 1] * ell)) ** 2) + 3 * t * np.sqrt(f_2) * np.exp(-(x**2) / 4)
        values["V2"] = np.min((np.sqrt(np.sum(noise[-r:]) * f) + np.sqrt(delta)) ** 2)
    share = n / d_x if under else 1.0
    values["S0"] = share * np.sum(s**2)
    values["S1"] = 0.0 if q == 0 else INF
    if q and n >= q + 2:
        omega = np.sqrt(q * lam / n) * a
        h = np.sqrt(min(tau**2, r / n * ((np.sqrt(n) * s_next + tau) ** 2 + s_next**2)))
        fourth = np.sqrt(lam / n) * (a + 2) + s_next * (1 + 2 / np.sqrt(n)) + tau / np.sqrt(n)
        phi, phi_noise = wishart.inverse_smallest_bound(q, n), wishart.inverse_smallest_bound(q, d_x if under else n)
        C = np.sqrt(n * phi) * h + np.sqrt(n * phi_noise) * omega
        phi_2 = wishart.inverse_smallest_bound(q, n, 2)
        if np.isfinite(phi_2):
            C = min(C, 2 * np.sqrt(q) * n * np.sqrt(phi_2) / s[q - 1] * fourth**2)
        spread = np.sqrt(q / (n - q - 1))
        if under:
            values["S1"] = (np.sqrt(share) * tau + C + spread * tau + np.sqrt(t * q / (d_x - q - 1))) ** 2
        else:
            values["S1"] = tau**2 + (C + spread * (tau + np.sqrt(t))) ** 2
    values["S2"] = 0.0 if m == 0 else INF
    if m and n >= m + 2:
        phi = n * wishart.inverse_smallest_bound(m, d_x if under else n)
        b, w = np.sqrt(m * t / n), np.sqrt((r * lam * a**2 - k * np.sum(noise[:r])) / n)
        chi = 0.0
        if tau > 0 and not under:
            value, error = wishart.condition_number(m, n, draws, seed)
            chi = value + 3 * error
        elif tau > 0:
            rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(13,)))
            L = wishart.sample(m, n, rng, draws)
            both = L + wishart.sample(m, d_x - n, rng, draws)
            ratio = np.linalg.eigvalsh(L)[:, -1] / np.linalg.eigvalsh(both)[:, 0]
            chi = ratio.mean() + 3 * ratio.std(ddof=1) / np.sqrt(draws)
        values["S2"] = (np.sqrt(phi) * b + np.sqrt(chi * tau**2 + phi * (b**2 + w**2))) ** 2
    return values


def bias_by_hand(task, n):
    scale = 1.0 if task.feature_cov is None else task.feature_cov[0, 0]
    return scale * max(0.0, 1 - n / task.d_x) * np.sum(task.shift**2)


@pytest.mark.parametrize("name", TASKS)
@pytest.mark.parametrize("rank", [1, 2, 8])
def test_every_option_of_the_sharp_bound_is_what_the_theorem_states(name, rank):
    task = TASKS[name]
    for n in (2, 3, 5, task.d_x - 2, task.d_x - 1, task.d_x + 3, task.d_x + 4, 2000):
        problem = tight._Problem.of(task, n, rank, 20, 3)
        found = {option: getattr(problem, option.lower())() for option in ("V0", "V1", "V2", "S0", "S1", "S2")}
        expected = sharp_by_hand(task, n, rank, 20, 3)
        v2, grid_v2 = found.pop("V2"), expected.pop("V2")
        assert found == pytest.approx(expected, rel=1e-9, abs=1e-13), n
        assert v2 == pytest.approx(grid_v2, rel=1e-3), n  # the minimum over s: every s bounds, so a near one will do


@pytest.mark.parametrize("n", [5, 13])
@pytest.mark.parametrize("name", TASKS)
def test_the_sharp_bound_takes_the_smallest_option_of_each(name, n):
    task = TASKS[name]
    values = sharp_by_hand(task, n, 2, 20, 3)
    bound = bounds.lora_bound_sharp(task, n, 2, 20, 3)
    assert bound.names == ("bias", "variance", "signal", "cross")
    V, S = (min(value for option, value in values.items() if option[0] == kind) for kind in "VS")
    assert list(bound.values()) == pytest.approx([bias_by_hand(task, n), V, S, 0.0], rel=1e-4, abs=1e-13)
    assert list(bound.options) == ["variance", "signal"]
    assert values[bound.options["variance"]] == pytest.approx(V, rel=1e-4)
    assert values[bound.options["signal"]] == pytest.approx(S, rel=1e-4)
    assert bound.standard_errors == {}


@pytest.mark.parametrize("n", [4, 8])
@pytest.mark.parametrize("rank", [1, 3])
def test_the_sharp_bound_for_anisotropic_features_and_few_data(n, rank):
    """The same signal as for many data, V from simulated moments, and B: from the same draws, by other formulas."""
    task, draws = STRETCHED, 50
    root = root_features(task)

    def feature_matrices(stream):
        rng = np.random.default_rng(np.random.SeedSequence(3, spawn_key=(stream,)))
        return [root @ rng.standard_normal((10, n)) for _ in range(draws)]

    K = [np.linalg.pinv(X) @ root for X in feature_matrices(10)]
    f, o = (
        np.mean(v) + 3 * np.std(v, ddof=1) / np.sqrt(draws)
        for v in ([np.sum(A**2) for A in K], [np.linalg.norm(A, 2) ** 2 for A in K])
    )
    unseen = [np.eye(10) - X @ np.linalg.pinv(X) for X in feature_matrices(11)]
    B = [np.sum((task.shift @ P @ root) ** 2) for P in unseen]
    lam, t = 2.0, COLOURED.sum()
    V = min(t * f, rank * lam * ((np.sqrt(8 * o) + np.sqrt(f)) ** 2 + o))
    bound = bounds.lora_bound_sharp(task, n, rank, draws, 3)
    assert bound["bias"] == pytest.approx(np.mean(B))
    assert bound["variance"] == pytest.approx(V)
    assert bound["cross"] == pytest.approx(2 * np.sqrt(np.mean(B) * V))
    assert bound.standard_errors == {"bias": pytest.approx(np.std(B, ddof=1) / np.sqrt(draws))}
    over = sharp_by_hand(task_with([4.0, 2.0, 0.5], noise=COLOURED, feature_cov=STRETCH, seed=11), n, rank, draws, 3)
    problem = tight._Problem.of(task, n, rank, draws, 3)
    assert problem.v2() == INF
    assert problem.s0() == pytest.approx(over["S0"] * 10 / n)
    assert bound["signal"] == min(problem.s0(), problem.s1(), problem.s2())
    assert bounds.lora_bound_sharp(task, 9, rank, draws, 3)["variance"] == INF


def test_the_option_named_is_the_smallest():
    assert tight._smallest({"a": 2.0, "b": 1.0, "c": INF}) == (1.0, "b")


# Theorems 2 and 4, in one square and in three terms, and the corollaries


def shape_by_hand(task, n, r, kappa, chi):
    """Terms from `E kappa_X` and `E[kappa_X lambda_max(Sigma_hat)]`: unsplit, split, the paper's, the corollary's."""
    raw = np.linalg.svd(task.shift, compute_uv=False)
    raw = np.where(raw > 1e-12, raw, 0.0)
    lam, lam_x = spectrum(task)[-1], 1.0 if task.feature_cov is None else np.linalg.eigvalsh(task.feature_cov)[-1]
    s_next = raw[r] if r < len(raw) else 0.0
    widths = (np.sqrt(min(n, task.d_x)) + np.sqrt(task.d_y)) ** 2
    variance = r * lam * widths * kappa / n if lam else 0.0
    operator = r * s_next**2 * chi if s_next else 0.0
    root = np.sqrt(s_next**2 * chi if s_next else 0.0) + 2 * np.sqrt(widths * lam * kappa / n if lam else 0.0)
    frobenius = lam_x * np.sum(raw[r:n] ** 2)
    if n >= task.d_x:
        tail = np.sum(np.linalg.svd(task.shift @ root_features(task), compute_uv=False)[r:] ** 2)
    else:
        isotropic = lam_x * n / task.d_x * np.sum(raw[r:] ** 2)
        tail = frobenius if task is STRETCHED else min(frobenius, isotropic)
    return {
        "unsplit": {"square": 2 * r * root**2, "tail": tail},
        "book": {"variance": 16 * variance, "tail_operator": 4 * operator, "tail_frobenius": frobenius},
        "paper": {
            "variance": 64 * variance,
            "tail_operator": 16 * operator + 8 * r * lam_x * s_next**2,
            "tail_frobenius": 2 * frobenius,
        },
        "exact": {"variance": 8 * variance},
    }


def all_shapes(task, n, r, draws, seed):
    found = {
        "unsplit": bounds.lora_bound(task, n, r, draws, seed),
        "book": bounds.lora_bound_three_terms(task, n, r, "book", draws, seed),
        "paper": bounds.lora_bound_three_terms(task, n, r, "paper", draws, seed),
    }
    if np.linalg.matrix_rank(task.shift) <= r:
        found["exact"] = bounds.lora_bound_exact_rank(task, n, r, draws, seed)
    return found


@pytest.mark.parametrize("name", [name for name in TASKS if "large" not in name])
@pytest.mark.parametrize("rank", [1, 2, 8])
def test_the_paper_s_bounds_are_what_the_theorems_state(name, rank):
    task = TASKS[name]
    lam_x = 1.0 if task.feature_cov is None else 2.5
    for n in (1, 3, 8, 9, 10, 13, 40):
        smallest = wishart.inverse_smallest(min(n, 10), max(n, 10), 1, 20, 3)
        condition = wishart.condition_number(min(n, 10), max(n, 10), 20, 3)
        if abs(n - 10) < 2:  # for a size of 1 too
            smallest = condition = wishart.Estimate(INF, 0.0)
        expected = shape_by_hand(task, n, rank, n * smallest.value, lam_x * condition.value)
        raised = shape_by_hand(task, n, rank, n * sum(smallest), lam_x * sum(condition))
        for shape, bound in all_shapes(task, n, rank, 20, 3).items():
            terms = {"bias": bias_by_hand(task, n), **expected[shape], "cross": 0.0}
            assert bound.names == tuple(terms)
            assert dict(bound) == pytest.approx(terms, rel=1e-9, abs=1e-13), (n, shape)
            for term, error in bound.standard_errors.items():
                if np.isfinite(terms[term]):
                    assert error == pytest.approx(raised[shape][term] - expected[shape][term], rel=1e-6, abs=1e-12)
            moving = [t for t in expected[shape] if np.isfinite(terms[t]) and raised[shape][t] > terms[t] * (1 + 1e-12)]
            assert set(moving) <= set(bound.standard_errors)


@pytest.mark.parametrize("rank", [1, 3])
def test_the_paper_s_bounds_for_anisotropic_features_and_few_data(rank):
    n, draws, root = 5, 30, root_features(STRETCHED)

    def drawn(stream):
        rng = np.random.default_rng(np.random.SeedSequence(3, spawn_key=(stream,)))
        return [root @ rng.standard_normal((10, n)) for _ in range(draws)]

    def mean(values):
        return np.mean(values), np.std(values, ddof=1) / np.sqrt(draws)

    kappa = [n * np.linalg.norm(np.linalg.pinv(X) @ root, 2) ** 2 for X in drawn(10)]
    chi = [kappa_X * np.linalg.norm(X, 2) ** 2 / n for kappa_X, X in zip(kappa, drawn(10), strict=True)]
    B = mean([np.sum((STRETCHED.shift @ (np.eye(10) - X @ np.linalg.pinv(X)) @ root) ** 2) for X in drawn(11)])
    expected = shape_by_hand(STRETCHED, n, rank, mean(kappa)[0], mean(chi)[0])
    raised = shape_by_hand(STRETCHED, n, rank, sum(mean(kappa)), sum(mean(chi)))
    for shape, bound in all_shapes(STRETCHED, n, rank, draws, 3).items():
        rest = sum(expected[shape].values())
        assert dict(bound) == pytest.approx({"bias": B[0], **expected[shape], "cross": 2 * np.sqrt(B[0] * rest)})
        for term, error in bound.standard_errors.items():
            growth = B[1] if term == "bias" else raised[shape][term] - expected[shape][term]
            assert error == pytest.approx(growth, rel=1e-6)
        assert "bias" in bound.standard_errors


def test_a_shift_counts_by_its_rank_and_not_by_its_size():
    weak = task_with([3.0, 0.5])
    with pytest.raises(ValueError, match=r"^rank is 1; Corollaries 1 and 2 need it to be at least .* the shift, 2$"):
        bounds.lora_bound_exact_rank(weak, 30, 1)
    both = bounds.strong_signal_risk(weak, 31)
    assert list(both.values()) == pytest.approx([0.0, 2 * 10 / 20, 6 * 2 / 28])
    one = bounds.strong_signal_risk(task_with([0.5]), 31)
    assert list(one.values()) == pytest.approx([0.0, 10 / 20, 7 * 1 / 29])


def test_the_limit_of_the_variance_takes_the_largest_noise():
    task = TASKS["coloured"]
    expected = 16 * 3 * 2.0 * (np.sqrt(10) + np.sqrt(8)) ** 2 / (np.sqrt(40) - np.sqrt(10)) ** 2
    assert bounds.lora_variance_limit(task, 40, 3) == pytest.approx(expected)
    assert bounds.lora_variance_limit(task, 40, 3, 8.0) == pytest.approx(expected / 2)
    assert bounds.lora_variance_limit(STRETCHED, 10, 3) == INF  # n = d_x is not yet fewer data than dimensions


# Full fine-tuning


def test_features_of_one_s_own_may_have_any_scale_and_any_rank():
    task = task_with([3.0, 1.0])  # noise trace 8

    def risk(diagonal):
        X = np.zeros((10, 12))
        X[range(len(diagonal)), range(len(diagonal))] = diagonal
        return bounds.full_risk_any_features(task, 12, lambda n, rng: X, draws=2)

    assert dict(risk(np.full(10, 1e-10))) == {"bias": 0.0, "variance": pytest.approx(8 * 10 * 1e20)}
    assert dict(risk(np.full(10, 1e10))) == {"bias": 0.0, "variance": pytest.approx(8 * 10 * 1e-20)}
    two = risk([1.0, 1e-8, 1e-18])  # the third is rounding beside the first, though not beside the second
    assert two["variance"] == pytest.approx(8 * (1 + 1e16))
    assert two["bias"] == pytest.approx(np.sum(task.shift[:, 2:] ** 2))


def test_gaussian_features_that_span_all_inputs_leave_no_bias_at_all():
    risk = bounds.full_risk_any_features(STRETCHED, 15, draws=3)
    assert (risk["bias"], risk.standard_errors["bias"]) == (0.0, 0.0)


def test_strong_noise_begins_at_equality():
    """`tr(Sigma_e) = 2 = ||Delta_*||^2 (d_x - 1) / d_x` in exact numbers."""
    assert bounds.is_strong_noise(Task(np.zeros((2, 2)), np.diag([2.0, 0.0]), 1.0)) is True
    assert bounds.is_strong_noise(Task(np.zeros((2, 2)), np.diag([2.0, 0.0]), 0.999)) is False


def test_draws_and_seeds_unless_told():
    task, arguments = TASKS["rank two"], (13, 2)
    for function, draws, more in (
        (bounds.lora_bound, 4000, ()),
        (bounds.lora_bound_three_terms, 4000, ("book",)),
        (bounds.lora_bound_exact_rank, 4000, ()),
        (bounds.lora_bound_sharp, 4000, ()),
    ):
        default = function(task, *arguments)
        told = function(task, *arguments, *more, draws, 0)
        assert (dict(default), default.standard_errors) == (dict(told), told.standard_errors)
    assert dict(bounds.lora_bound_sharp(task, 4, 1)) == dict(bounds.lora_bound_sharp(task, 4, 1, 4000, 0))
    task, n = task_with([1.0], 3, 2), 2
    default, told = bounds.full_risk_any_features(task, n), bounds.full_risk_any_features(task, n, None, 1000, 0)
    assert (dict(default), default.standard_errors) == (dict(told), told.standard_errors)


# Messages, word for word


WHY = "the null space of the data is then equally likely in every direction"


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: bounds.full_risk(STRETCHED, 9),
            f"task has anisotropic features; Proposition 5 needs Sigma_x = sigma_x^2 I when n < d_x: {WHY}",
        ),
        (
            lambda: bounds.best_sample_size(STRETCHED),
            f"task has anisotropic features; Proposition 5 needs Sigma_x = sigma_x^2 I when n < d_x: {WHY}",
        ),
        (
            lambda: bounds.lora_variance_limit(STRETCHED, 9, 1),
            f"task has anisotropic features; Proposition 6 needs Sigma_x = sigma_x^2 I when n < d_x: {WHY}",
        ),
        (
            lambda: bounds.strong_signal_risk(STRETCHED, 9),
            f"task has anisotropic features; the strong-signal limit needs Sigma_x = sigma_x^2 I when n < d_x: {WHY}",
        ),
        (
            lambda: bounds.strong_signal_risk(TASKS["nothing to learn"], 9),
            "task has a shift of rank 0; the strong-signal limit needs a signal",
        ),
        (
            lambda: bounds.strong_signal_risk(TASKS["rank two"], 3),
            "n is 3; it must be an integer of at least 4 (two more than the rank of the shift)",
        ),
        (
            lambda: bounds.full_risk(TASKS["rank two"], 0),
            "n is 0; it must be an integer of at least 1 (a training set needs a sample)",
        ),
        (
            lambda: bounds.full_risk_lower_bound(TASKS["rank two"], 9),
            "n is 9; it must be an integer of at least 10 (Theorem 1 is about n >= d_x)",
        ),
        (
            lambda: bounds.lora_bound(TASKS["rank two"], 9, 9),
            "rank is 9; it must be an integer from 1 to 8 (the theorems are about 1 <= r <= min(d_x, d_y))",
        ),
        (
            lambda: bounds.lora_bound_three_terms(TASKS["rank two"], 9, 1, "PAPER"),
            'constants is \'PAPER\'; it must be "book" or "paper"',
        ),
        (
            lambda: bounds.full_risk_any_features(TASKS["rank two"], 4, lambda n, rng: np.ones((10, 5))),
            "X has shape (10, 5); it must have shape (10, 4) (what `features` must return, d_x by n)",
        ),
        (
            lambda: bounds.lora_variance_limit(TASKS["rank two"], 40, 1, 0.0),
            "constant is 0.0; it must be a finite real number above 0",
        ),
    ],
)
def test_what_is_refused_and_why(call, message, no_shape_checks):
    with pytest.raises(ValueError, match=r".") as error:
        call()
    assert str(error.value) == message


def test_more_data_than_dimensions_begin_at_as_many():
    """At n = d_x anisotropic features are no reason to refuse; the risks are infinite for noise alone."""
    assert dict(bounds.full_risk(STRETCHED, 10)) == {"bias": 0.0, "variance": INF}
    assert bounds.strong_signal_risk(STRETCHED, 10)["bias"] == 0.0
    assert bounds.strong_signal_risk(STRETCHED, 10)["inside"] == INF
    assert bounds.full_risk_lower_bound(STRETCHED, 10) == pytest.approx(COLOURED.sum())


def test_each_option_of_the_variance_is_smallest_somewhere():
    weak, strong = task_with([1e-3], 60, 40), task_with([1e3], 60, 40)
    assert bounds.lora_bound_sharp(weak, 2000, 1, 20).options["variance"] == "V1"  # little is kept of much noise
    assert bounds.lora_bound_sharp(strong, 2000, 1, 20).options["variance"] == "V2"
    assert bounds.lora_bound_sharp(weak, 2000, 40, 20).options["variance"] == "V0"


def test_at_as_many_data_as_dimensions_anisotropic_features_are_like_any():
    for shape, bound in all_shapes(STRETCHED, 10, 1, 20, 3).items():
        assert (bound["bias"], bound["cross"], bound.total) == (0.0, 0.0, INF)
        assert "bias" not in bound.standard_errors
        if shape == "unsplit":
            assert bound["tail"] == bounds.inevitable_error(STRETCHED, 1)
    sharp = bounds.lora_bound_sharp(STRETCHED, 10, 1, 20, 3)
    assert (sharp["bias"], sharp["variance"], sharp["cross"], sharp.standard_errors) == (0.0, INF, 0.0, {})


def test_what_multiplies_nothing_has_no_error():
    for bound in all_shapes(TASKS["no noise"], 40, 2, 20, 3).values():
        assert bound.standard_errors == {}
    assert set(bounds.lora_bound_three_terms(TASKS["no noise"], 40, 1, "book", 20, 3).standard_errors) == {
        "tail_operator"
    }
    assert set(bounds.lora_bound_three_terms(TASKS["rank two"], 40, 2, "book", 20, 3).standard_errors) == {"variance"}
