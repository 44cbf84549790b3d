"""Are the risks that `sampler.draw_risks` draws those that training sets have?

Each law is compared with that of solving on drawn data, by Kolmogorov-Smirnov tests of single ranks and of statistics
that join ranks and full fine-tuning; means are compared with exact ones by z-scores. All tests together raise a false
alarm with probability `FALSE_ALARM` at most, over the choice of the seeds (Bonferroni, half of it for either kind).
The seeds are fixed, so a passing test passes always. That these tests have power is tested on wrong samplers.
"""

import tracemalloc
from itertools import product
from typing import NamedTuple

import numpy as np
import pytest
from scipy.stats import ks_2samp, norm

from lorabook import Task, bounds, rank_path, sampler
from lorabook.sampler import draw_risks

FALSE_ALARM = 1e-4
DRAWS = 1200

law = pytest.mark.usefixtures("no_shape_checks")  # which take longer than the draws


class Shape(NamedTuple):
    s: tuple[float, ...]
    d_x: int
    d_y: int
    n: int
    noise_std: float = 1.0

    @property
    def largest(self) -> int:
        return min(self.d_x, self.d_y, self.n)


SHAPES = {
    "no shift, more samples": Shape((), 4, 3, 9),
    "no shift, fewer samples": Shape((), 6, 4, 3),
    "no shift, few outputs, more samples": Shape((), 7, 2, 8),
    "no shift, few outputs, fewer samples": Shape((), 7, 2, 5),
    "no shift, square, more samples": Shape((), 3, 3, 6),
    "no shift, square, fewer samples": Shape((), 6, 3, 3),
    "no shift, many outputs, more samples": Shape((), 3, 5, 6),
    "shift of full rank d_y, more samples": Shape((2, 1, 0.5), 5, 3, 8),
    "shift of full rank d_y, fewer samples": Shape((2, 1.5, 1), 5, 3, 4),
    "shift of full rank d_x, more samples": Shape((2, 1, 0.5), 3, 4, 6),
    "shift of full rank d_x, fewer samples": Shape((2, 1.5, 1), 3, 4, 2),
    "square shift of full rank": Shape((2, 1, 0.5), 3, 3, 6),
    "one sample": Shape((2, 1), 4, 3, 1),
    "as many samples as inputs": Shape((2, 1), 4, 3, 4),
    "one sample more than inputs": Shape((2, 1), 4, 3, 5),
    "one sample less than inputs": Shape((2, 1), 4, 3, 3),
    "d_y < n < d_x": Shape((2, 1), 9, 3, 6),
    "columns left out, more samples": Shape((2,), 8, 2, 10),
    "columns left out, n = d_x": Shape((2, 1), 9, 3, 9),
    "columns left out, fewer samples": Shape((2,), 12, 3, 8),
    "rows left out, more samples": Shape((2, 1), 4, 30, 9),
    "rows left out, fewer samples": Shape((2, 1), 5, 30, 3),
    "one output, more samples": Shape((2,), 5, 1, 8),
    "one output, fewer samples": Shape((2,), 5, 1, 3),
    "one input": Shape((2,), 1, 4, 3),
    "one of everything": Shape((2,), 1, 1, 1),
    "shift of a rank above n": Shape((3, 2, 1), 6, 5, 2),
    "shift of a rank above n, many inputs": Shape((3, 2, 1), 10, 3, 2),
    "no noise, more samples": Shape((3, 1), 4, 3, 7, 0.0),
    "no noise, fewer samples": Shape((3, 1), 6, 4, 3, 0.0),
    "strong noise": Shape((3, 1), 6, 5, 10, 4.0),
    "strong noise, fewer samples": Shape((3, 2, 1), 9, 8, 7, 3.0),
    "strong noise, columns left out": Shape((3, 2, 1), 16, 5, 10, 3.0),
    "equal singular values": Shape((2, 2, 2), 5, 4, 7),
    "zeros among the singular values, in no order": Shape((0, 1, 0, 2), 5, 4, 7),
    "dozens of dimensions, more samples": Shape((3, 2, 1), 20, 15, 40),
    "dozens of dimensions, fewer samples": Shape((3, 2, 1), 24, 15, 18),
}


def from_data(shape, draws, seed):
    """Risks of ranks 0, 1, …, largest, (draws, largest + 1), by solving."""
    rng = np.random.default_rng([seed, 1])
    task = Task.with_spectrum(np.array(shape.s, dtype=float), shape.d_x, shape.d_y, shape.noise_std, seed=seed)
    return np.array([rank_path(*task.sample(shape.n, rng), task.W0).excess_risks(task) for _ in range(draws)])


def from_sampler(shape, draws, seed):
    """The same from the sampler; the last column is what it returns as full fine-tuning."""
    ranks = tuple(range(shape.largest))
    full, lora = draw_risks(
        np.array(shape.s, dtype=float), shape.d_x, shape.d_y, shape.n, shape.noise_std, ranks, draws, seed
    )
    return np.column_stack([lora, full])


def statistics(risks, scale):
    """Numbers whose laws are compared, one for each draw: of single ranks, and joint ones."""
    risks = risks / scale
    last = risks.shape[1] - 1
    picked = sorted({1, 2, last // 2, last - 1, last} & set(range(1, last + 1)))
    logs = np.log(np.maximum(risks, 0) + 1e-6)
    found = {f"rank {r}": risks[:, r] for r in picked}
    found |= {f"step to rank {r}": risks[:, r] - risks[:, r - 1] for r in picked}
    found |= {f"ratio of rank {r} to full": logs[:, r] - logs[:, last] for r in picked[:-1]}
    found |= {f"product of rank {r} and full": logs[:, r] + logs[:, last] for r in picked[:-1]}
    found |= {"least of all ranks": risks.min(axis=1), "geometric mean": logs.mean(axis=1)}
    return {name: np.round(values, 9) for name, values in found.items()}  # what is constant but for rounding


def p_values(shape, first, second):
    """p-value of each statistic; both are arrays of risks."""
    scale = np.sum(np.square(shape.s)) + shape.d_y * shape.noise_std**2
    pairs = zip(statistics(first, scale).items(), statistics(second, scale).values(), strict=True)
    return {name: ks_2samp(a, b, method="asymp").pvalue for (name, a), b in pairs}


NUMBER = sum(len(statistics(np.zeros((1, shape.largest + 1)), 1.0)) for shape in SHAPES.values())
SIGNIFICANT = FALSE_ALARM / 2 / NUMBER


def test_every_regime_is_among_the_shapes():
    """The sampler does something else for n below d_x and above, with rows or columns left out, without a shift."""
    found = set()
    for shape in SHAPES.values():
        k, q = sum(value > 0 for value in shape.s), min(shape.n, shape.d_x)
        rows, columns = sampler._noise(k, shape.d_y, q, np.random.default_rng(0)).shape
        found.add((shape.n >= shape.d_x, (columns < q) - (rows < shape.d_y), k > 0))
    assert found == set(product((False, True), (-1, 0, 1), (False, True)))


@law
@pytest.mark.parametrize("name", SHAPES)
def test_same_law_as_solving_on_data(name):
    shape, seed = SHAPES[name], list(SHAPES).index(name)
    found = p_values(shape, from_data(shape, DRAWS, seed), from_sampler(shape, DRAWS, seed))
    assert {statistic: p for statistic, p in found.items() if p < SIGNIFICANT} == {}


# The tests above notice a sampler that is wrong


def one_more_degree_of_freedom(monkeypatch):
    right = sampler._bartlett
    monkeypatch.setattr(sampler, "_bartlett", lambda size, dof, rng: right(size, dof + (dof >= size), rng))


def wider_noise(monkeypatch):
    right = sampler.bidiagonal
    monkeypatch.setattr(sampler, "bidiagonal", lambda rows, columns, rng: right(rows, columns + 1, rng))


def nothing_below_the_diagonal(monkeypatch):
    right = sampler.bidiagonal
    monkeypatch.setattr(sampler, "bidiagonal", lambda *arguments: (right(*arguments)[0], 0 * right(*arguments)[1]))


def columns_dropped_not_projected_out(monkeypatch):
    many, few = sampler._many_samples, sampler._few_samples
    monkeypatch.setattr(sampler, "_many_samples", lambda k, d_x, n, width, rng: many(k, width, n, width, rng))
    monkeypatch.setattr(sampler, "_few_samples", lambda k, d_x, n, width, rng: few(k, d_x + n - width, n, width, rng))


def no_noise_beside_the_features(monkeypatch):
    right = sampler._noise

    def noise(k, d_y, q, rng):
        M = right(k, d_y, q, rng)
        M[k:, : min(k, q)] = 0.0
        return M

    monkeypatch.setattr(sampler, "_noise", noise)


WRONG = [
    (one_more_degree_of_freedom, "no shift, few outputs, more samples"),
    (one_more_degree_of_freedom, "one sample more than inputs"),
    (one_more_degree_of_freedom, "one sample less than inputs"),
    (one_more_degree_of_freedom, "rows left out, fewer samples"),
    (wider_noise, "no shift, square, more samples"),
    (wider_noise, "no shift, square, fewer samples"),
    (nothing_below_the_diagonal, "no shift, square, more samples"),
    (nothing_below_the_diagonal, "dozens of dimensions, fewer samples"),
    (columns_dropped_not_projected_out, "columns left out, more samples"),
    (columns_dropped_not_projected_out, "columns left out, fewer samples"),
    (no_noise_beside_the_features, "strong noise"),
    (no_noise_beside_the_features, "strong noise, fewer samples"),
]


@law
@pytest.mark.parametrize(("mistake", "name"), WRONG, ids=lambda value: getattr(value, "__name__", value))
def test_a_wrong_law_is_noticed(monkeypatch, mistake, name):
    expected = from_data(SHAPES[name], DRAWS, 1)
    mistake(monkeypatch)
    assert min(p_values(SHAPES[name], expected, from_sampler(SHAPES[name], DRAWS, 1)).values()) < SIGNIFICANT


@law
@pytest.mark.parametrize("name", ["d_y < n < d_x", "strong noise", "no shift, more samples"])
def test_wrong_dependence_is_noticed(name):
    """Full fine-tuning of another draw: every rank by itself has the right law."""
    expected, drawn = from_data(SHAPES[name], DRAWS, 1), from_sampler(SHAPES[name], DRAWS, 1)
    drawn[:, -1] = drawn[::-1, -1]
    found = p_values(SHAPES[name], expected, drawn)
    assert min(found.values()) < SIGNIFICANT
    assert min(p for statistic, p in found.items() if statistic.startswith("rank")) > SIGNIFICANT


# Means


MEANS = {
    "more samples": Shape((2, 1), 5, 4, 14),
    "fewer samples": Shape((2, 1), 14, 4, 6),
    "d_y < n < d_x": Shape((2, 1), 16, 3, 8),
    "one output": Shape((2,), 6, 1, 15),
    "many outputs": Shape((2, 1), 5, 60, 14),
    "no shift, fewer samples": Shape((), 14, 3, 6),
    "no noise, fewer samples": Shape((3, 1), 12, 4, 6, 0.0),
    "a million samples": Shape((0.01, 0.005), 20, 15, 1_000_000),
    "a million outputs": Shape((30, 20), 6, 1_000_000, 15),
    "a million outputs, fewer samples": Shape((30, 20), 15, 1_000_000, 6),
    "100,000 inputs, fewer samples": Shape((300, 200), 100_000, 5, 50),
    "100,000 inputs, a million samples": Shape((1, 0.5), 100_000, 5, 1_000_000),
}
LIMIT = float(norm.isf(FALSE_ALARM / 2 / (2 * len(MEANS))))


def full_risk(shape):
    """Exact mean; it depends on sizes and on the shift's energy only, so a task with few outputs stands in."""
    few = min(shape.d_y, 5)
    energy = np.sqrt(np.sum(np.square(shape.s)))
    noise_std = shape.noise_std * np.sqrt(shape.d_y / few)
    task = Task(np.zeros((few, shape.d_x)), energy * np.eye(few, shape.d_x) / np.sqrt(few), noise_std**2)
    return bounds.full_risk(task, shape.n).total


@law
@pytest.mark.parametrize("name", MEANS)
def test_exact_mean_of_full_finetuning(name):
    shape = MEANS[name]
    full = draw_risks(np.array(shape.s, dtype=float), *shape[1:], (), 1000, 0).full
    z = (full.mean() - full_risk(shape)) / (full.std(ddof=1) / np.sqrt(len(full)))
    assert abs(z) < LIMIT


def test_limit_of_many_samples():
    """LoRA of the shift's rank learns its directions: `noise_std^2 k (d_x + d_y - k) / n`, to first order."""
    d_x, d_y, n, k = 20, 15, 1_000_000, 2
    lora = draw_risks(np.array([3.0, 2.0]), d_x, d_y, n, 1.0, (k,), 400, 0).lora[:, 0]
    assert lora.mean() == pytest.approx(k * (d_x + d_y - k) / n, rel=0.03)


@pytest.mark.parametrize(
    "sizes", [(20, 15, 10_000_000), (6, 10_000_000, 15), (15, 10_000_000, 6), (10_000_000, 5, 50), (10**6, 5, 10**7)]
)
def test_memory_does_not_grow_with_the_largest_size(sizes):
    tracemalloc.start()
    try:
        draw_risks(np.array([2.0, 1.0]), *sizes, 1.0, (0, 1, 2), 3, 0)
        assert tracemalloc.get_traced_memory()[1] < 1_000_000  # bytes; one vector of the largest size has more
    finally:
        tracemalloc.stop()


# What it returns


def test_columns_are_in_the_order_asked():
    asked = (3, 0, 1, 3, 100, 2, 5)
    full, lora = draw_risks(np.array([3.0, 2.0]), 8, 6, 20, 1.0, asked, 5, 0)
    each = draw_risks(np.array([3.0, 2.0]), 8, 6, 20, 1.0, range(7), 5, 0)
    np.testing.assert_allclose(lora, each.lora[:, np.minimum(asked, 6)], rtol=1e-10)
    np.testing.assert_array_equal(full, each.full)
    assert lora.shape == (5, 7)
    assert draw_risks(np.array([3.0, 2.0]), 8, 6, 20, 1.0, (), 5, 0).lora.shape == (5, 0)


@pytest.mark.parametrize("name", SHAPES)
def test_the_ends_of_the_rank_path(name):
    shape = SHAPES[name]
    ranks = (0, shape.largest, shape.largest + 1, 10**6)
    full, lora = draw_risks(np.array(shape.s, dtype=float), *shape[1:], ranks, 3, 0)
    np.testing.assert_allclose(lora[:, 0], np.sum(np.square(shape.s)), rtol=1e-14)
    np.testing.assert_array_equal(lora[:, 1:], np.tile(full[:, None], 3))


def test_steps_to_the_last_rank_add_up_to_full_finetuning():
    """All ranks below the last: the last direction that is left adds the rest."""
    for d_x, d_y, n in [(5, 4, 9), (5, 4, 4), (9, 3, 6), (4, 30, 9)]:
        full, lora = draw_risks(np.array([2.0, 1.0]), d_x, d_y, n, 0.0, range(min(d_x, d_y, n)), 5, 0)
        np.testing.assert_allclose(lora[:, 2], full, atol=1e-12)  # without noise, two directions are all


def test_nothing_to_learn_and_no_noise():
    full, lora = draw_risks(np.zeros(0), 5, 4, 9, 0.0, (0, 1, 4), 3, 0)
    assert not full.any()
    assert not lora.any()


def test_no_noise_and_enough_samples():
    full, lora = draw_risks(np.array([3.0, 1.0]), 5, 4, 5, 0.0, (1, 2, 3), 50, 0)
    assert np.abs(full).max() < 1e-12
    assert np.abs(lora[:, 1:]).max() < 1e-12
    assert lora[:, 0].min() > 1.0


# Random numbers


def test_draws_are_reproducible():
    arguments = (np.array([2.0, 1.0]), 6, 5, 9, 1.0, (1, 2))
    first, again = draw_risks(*arguments, 3, 7), draw_risks(*arguments, 3, 7)
    np.testing.assert_array_equal(first.full, again.full)
    np.testing.assert_array_equal(first.lora, again.lora)
    assert not np.intersect1d(first.full, draw_risks(*arguments, 3, 8).full).size
    assert len(set(first.full)) == 3


def test_more_draws_start_with_the_same():
    few, many = (draw_risks(np.array([2.0, 1.0]), 6, 5, 9, 1.0, (1, 2), draws, 7) for draws in (2, 5))
    np.testing.assert_array_equal(few.full, many.full[:2])
    np.testing.assert_array_equal(few.lora, many.lora[:2])


def test_a_generator_goes_on():
    arguments = (np.array([2.0, 1.0]), 6, 5, 9, 1.0, (1,))
    together = draw_risks(*arguments, 4, np.random.default_rng(3)).full
    rng = np.random.default_rng(3)
    np.testing.assert_array_equal(
        together, [*draw_risks(*arguments, 1, rng).full, *draw_risks(*arguments, 3, rng).full]
    )


def test_global_random_state_is_left_alone():
    before = np.random.get_state()  # noqa: NPY002
    draw_risks(np.array([2.0, 1.0]), 6, 5, 9, 1.0, (1,), 3, 0)
    after = np.random.get_state()  # noqa: NPY002
    assert before[2:] == after[2:]
    np.testing.assert_array_equal(before[1], after[1])


def test_arguments_are_left_alone():
    s = np.array([1.0, 0.0, 2.0])
    draw_risks(s, 6, 5, 9, 1.0, (1,), 1, 0)
    assert s.tolist() == [1.0, 0.0, 2.0]


# Bad input


GOOD = {"singular_values": [2.0], "d_x": 4, "d_y": 3, "n": 5, "noise_std": 1.0, "ranks": (1,), "draws": 2, "seed": 0}
BAD = [
    ({"singular_values": np.ones(4)}, "singular_values has 4 entries above zero; it must have at most"),
    ({"singular_values": np.ones(5), "d_y": 9}, r"at most min\(d_x, d_y\) = 4"),
    ({"singular_values": [-1.0]}, "singular_values has smallest entry -1"),
    ({"singular_values": [np.nan]}, "singular_values has 1 entries that are NaN or infinite"),
    ({"singular_values": [np.inf]}, "singular_values has 1 entries that are NaN or infinite"),
    ({"singular_values": np.ones((1, 1))}, "singular_values has shape"),
    ({"singular_values": 2.0}, "singular_values has shape"),
    ({"singular_values": ["a"]}, "singular_values is not an array of real numbers"),
    ({"d_x": 0}, "d_x is 0; it must be an integer of at least 1"),
    ({"d_x": 4.0}, "d_x is 4.0; it must be an integer"),
    ({"d_y": 2.5}, "d_y is 2.5; it must be an integer"),
    ({"d_y": -3}, "d_y is -3; it must be an integer of at least 1"),
    ({"n": 0}, "n is 0; it must be an integer of at least 1"),
    ({"n": 10.5}, "n is 10.5; it must be an integer"),
    ({"noise_std": -1.0}, "noise_std is -1.0; it must be a finite real number of at least 0"),
    ({"noise_std": np.nan}, "noise_std is nan; it must be a finite"),
    ({"noise_std": np.inf}, "noise_std is inf; it must be a finite"),
    ({"ranks": (1, -1)}, "ranks is -1; it must be an integer of at least 0"),
    ({"ranks": (1.5,)}, "ranks is 1.5; it must be an integer"),
    ({"ranks": (True,)}, "ranks is True; it must be an integer"),
    ({"draws": 0}, "draws is 0; it must be an integer of at least 1"),
    ({"draws": 2.0}, "draws is 2.0; it must be an integer"),
    ({"seed": -1}, "seed is -1; it must be an integer of at least 0"),
    ({"seed": None}, "seed is None; it must be an integer of at least 0"),
]


@pytest.mark.usefixtures("no_shape_checks")
@pytest.mark.parametrize(("change", "message"), BAD)
def test_bad_input(change, message):
    draw_risks(**GOOD)
    with pytest.raises(ValueError, match=message):
        draw_risks(**(GOOD | change))


def test_zeros_do_not_count_as_singular_values():
    assert draw_risks(np.array([2.0, 0.0, 0.0, 0.0, 0.0]), 2, 2, 5, 1.0, (0,), 1, 0).lora[0, 0] == 4.0


@pytest.mark.parametrize(("d_x", "d_y", "n"), [(30, 20, 60), (30, 40, 60), (20, 60, 50)])
@pytest.mark.parametrize("ranks", [(3, 5), (3, 10)])
def test_beside_a_strong_signal_the_directions_of_noise_are_still_those_of_the_noise(d_x, d_y, n, ranks):
    """Ranks beyond that of the shift keep noise, and cost its variance times a number, however weak it is."""
    s = np.array([3.0, 2.0, 1.0])
    costs = [draw_risks(s, d_x, d_y, n, sigma, ranks, 40, 0).lora.mean(axis=0) / sigma**2 for sigma in (1e-3, 1e-8)]
    np.testing.assert_allclose(costs[1], costs[0], rtol=2e-3)
