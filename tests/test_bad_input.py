"""Bad input is a ValueError that names the argument, says what it was and what it must be."""

import re
from types import SimpleNamespace

import numpy as np
import pytest

from lorabook import (
    Task,
    descent_rate,
    factored_gradient_descent,
    full_finetune,
    gradient_descent,
    linalg,
    lora,
    rank_path,
    ridge_finetune,
)

pytestmark = pytest.mark.usefixtures("no_shape_checks")

NAN, INF = float("nan"), float("inf")


def ones(*shape):
    return np.ones(shape)


def with_entry(value, shape):
    array = np.ones(shape, dtype=type(value))
    array.flat[-1] = value
    return array


def bad_matrices(shape, free_axes=()):
    """(label, value, what the message says it was) for a matrix argument; a free axis may have any size from 1 up."""
    longer = [tuple(d + (i == axis) for i, d in enumerate(shape)) for axis in range(2) if axis not in free_axes]
    return [
        *((f"shape {other}", ones(*other), f"has shape {other}") for other in longer),
        ("a vector", ones(3), "has shape (3,)"),
        ("three axes", ones(*shape, 1), f"has shape {(*shape, 1)}"),
        ("a number", 1.0, "has shape ()"),
        ("ragged", [[1.0, 2.0], [3.0]], "inhomogeneous shape"),
        ("NaN", with_entry(NAN, shape), "has 1 entries that are NaN or infinite"),
        ("infinity", with_entry(-INF, shape), "has 1 entries that are NaN or infinite"),
        ("complex", with_entry(1 + 0j, shape), "it is complex"),
        ("strings", np.full(shape, "1"), "its type is <U1"),
        ("objects", np.full(shape, None), "its type is object"),
        ("None", None, "its type is object"),
        ("dates", np.full(shape, "2020", dtype="M8[Y]"), "its type is datetime64[Y]"),
    ]


def bad_integers(minimum, maximum=None):
    beyond = [] if maximum is None else [maximum + 1]
    wrong = [minimum - 1, *beyond, 1.5, 2.0, np.float64(1.0), True, np.True_, NAN, INF, "1", None, 1j, [1], ones(1)]
    return [(repr(value), value, f"is {value!r}") for value in wrong]


def bad_numbers(strict=False):
    zero = [0.0] if strict else []
    wrong = [-1.0, -INF, INF, NAN, *zero, True, np.True_, "1", None, 1j, [1.0], ones(1)]
    return [(repr(value), value, f"is {value!r}") for value in wrong] + [("10**400", 10**400, "is 1000")]


def bad_covariances(d):
    singular = np.outer(np.arange(1.0, d + 1), np.arange(1.0, d + 1))
    rounded = np.random.default_rng(0).standard_normal((d, d - 1))
    return [
        *bad_matrices((d, d)),
        ("not symmetric", np.eye(d) + np.eye(d, k=1) * 1e-3, "differs from its transpose by up to 0.001"),
        ("indefinite", np.diag(np.arange(d) - 0.5), "has smallest eigenvalue -0.5"),
        ("zero", np.zeros((d, d)), "has smallest eigenvalue 0"),
        ("singular", singular, "has smallest eigenvalue"),
        *((f"singular but for rounding, {c:g}", c * rounded @ rounded.T, "has smallest eigenvalue") for c in (1, 1e-9)),
    ]


BAD_SEEDS = [(repr(v), v, f"is {v!r}") for v in (-1, 1.0, True, "0", None, NAN, 1j)] + [
    ("a RandomState", np.random.RandomState(0), "is RandomState")
]
BAD_SPECTRA = [
    ("negative", np.array([1.0, -2.0]), "has smallest entry -2"),
    ("a matrix", ones(2, 2), "has shape (2, 2)"),
    ("a number", 1.0, "has shape ()"),
    *[case for case in bad_matrices((1, 1)) if case[0] in ("NaN", "infinity", "complex", "strings", "None")],
]

X, Y, W0 = ones(3, 4), ones(2, 4), ones(2, 3)
TASK = Task(W0, W0)
PATH = rank_path(X, Y, W0)

# Every public function with good arguments, and for each argument what is bad. Where shapes must agree, the message
# names the argument that disagrees with those before it: X sets the sizes, Y must have its columns, W0 fits both.
DATA = {
    "X": bad_matrices((3, 4), free_axes=(0, 1)),
    "Y": bad_matrices((2, 4), free_axes=(0,)),
    "W0": bad_matrices((2, 3)),
}
DATA["X"] += [("n = 0", ones(3, 0), "has shape (3, 0)"), ("d_x = 0", ones(0, 4), "has shape (0, 4)")]
DATA["Y"] += [("d_y = 0", ones(0, 4), "has shape (0, 4)")]
GOOD_DATA = {"X": X, "Y": Y, "W0": W0}
MATRIX = [*bad_matrices((2, 3), free_axes=(0, 1)), ("empty", ones(0, 3), "has shape (0, 3)")]
SIZES = {"d_x": bad_integers(1), "d_y": bad_integers(1), "noise_std": bad_numbers(), "seed": BAD_SEEDS}
GOOD_SIZES = {"d_x": 4, "d_y": 3, "noise_std": 1.0, "seed": 0}

TABLE = [
    (full_finetune, GOOD_DATA, DATA),
    (lora, {**GOOD_DATA, "rank": 1}, {**DATA, "rank": bad_integers(0)}),
    (rank_path, GOOD_DATA, DATA),
    (ridge_finetune, {**GOOD_DATA, "weight_decay": 1.0}, {**DATA, "weight_decay": bad_numbers()}),
    (PATH.weights, {"rank": 1}, {"rank": bad_integers(0)}),
    (
        PATH.excess_risks,
        {"task": TASK},
        {
            "task": [
                ("of another shape", Task(ones(3, 2), ones(3, 2)), "has weights of shape (3, 2)"),
                ("None", None, "is None"),
                ("weights", W0, "is array("),
                ("a likeness", SimpleNamespace(W0=W0), "is namespace("),
            ]
        },
    ),
    (
        gradient_descent,
        {**GOOD_DATA, "steps": 1, "step_size": 1e-3},
        {
            **DATA,
            "steps": bad_integers(0),
            "step_size": [
                *[case for case in bad_numbers(strict=True) if case[1] is not None],
                ("too large", 2.0 / 12 * 1.0001, "is 0.166683"),  # all-ones X: s_1^2 = 12
            ],
        },
    ),
    (
        descent_rate,
        {"X": X, "step_size": 1e-3},
        {
            "X": DATA["X"],
            "step_size": [
                *[case for case in bad_numbers(strict=True) if case[1] is not None],
                ("too large", 0.2, "is 0.2"),
            ],
        },
    ),
    (
        factored_gradient_descent,
        {**GOOD_DATA, "rank": 1, "steps": 1},
        {
            **DATA,
            "rank": bad_integers(1),
            "steps": bad_integers(0),
            "step_size": [case for case in bad_numbers(strict=True) if case[1] is not None],
            "weight_decay": bad_numbers(),
            "init_scale": bad_numbers(),
            "A": [case for case in bad_matrices((1, 3)) if case[1] is not None],
            "seed": BAD_SEEDS,
        },
    ),
    (
        Task,
        {"W0": W0, "shift": W0},
        {
            "W0": bad_matrices((2, 3), free_axes=(0, 1)),
            "shift": bad_matrices((2, 3)),
            "noise_cov": [
                *[case for case in bad_numbers() if np.isscalar(case[1]) or case[1] is None],
                *[case for case in bad_covariances(2) if case[0] not in ("None", "a number")],
                ("zero-dimensional", np.array(1.0), "has shape ()"),
            ],
            "feature_cov": [case for case in bad_covariances(3) if case[0] != "None"],
        },
    ),
    (Task.gaussian, {**GOOD_SIZES, "shift_rank": 1}, {**SIZES, "shift_rank": bad_integers(0, 3)}),
    (
        Task.with_spectrum,
        {**GOOD_SIZES, "singular_values": ones(2)},
        {**SIZES, "singular_values": [*BAD_SPECTRA, ("too many", ones(4), "has 4 entries")]},
    ),
    (TASK.sample, {"n": 1, "seed": 0}, {"n": bad_integers(1), "seed": BAD_SEEDS}),
    (TASK.excess_risk, {"W": W0}, {"W": bad_matrices((2, 3))}),
    (TASK.risk, {"W": W0}, {"W": bad_matrices((2, 3))}),
    (linalg.svd, {"A": W0}, {"A": MATRIX}),
    (linalg.truncate, {"A": W0, "rank": 1}, {"A": MATRIX, "rank": bad_integers(0)}),
    (linalg.row_space, {"X": X}, {"X": MATRIX}),
    (
        linalg.spectral_tail,
        {"singular_values": ones(2), "rank": 1},
        {"singular_values": BAD_SPECTRA, "rank": bad_integers(0)},
    ),
    (
        linalg.psd_sqrt,
        {"S": np.eye(2)},
        {
            "S": [
                *bad_matrices((2, 2), free_axes=(0,)),
                ("not symmetric", np.array([[1.0, 0.1], [0.0, 1.0]]), "differs from its transpose by up to 0.1"),
                ("indefinite", np.diag([1.0, -0.5]), "has smallest eigenvalue -0.5"),
            ]
        },
    ),
    (
        linalg.haar_frame,
        {"size": 3, "columns": 2, "seed": 0},
        {"size": bad_integers(1), "columns": bad_integers(0, 3), "seed": BAD_SEEDS},
    ),
    (linalg.flat_spectrum, {"rank": 2, "scale": 1.0}, {"rank": bad_integers(0), "scale": bad_numbers()}),
    (
        linalg.exponential_spectrum,
        {"size": 2, "decay": 1.0, "scale": 1.0},
        {"size": bad_integers(0), "decay": bad_numbers(), "scale": bad_numbers()},
    ),
    (
        linalg.power_law_spectrum,
        {"size": 2, "exponent": 1.0, "scale": 1.0},
        {"size": bad_integers(0), "exponent": bad_numbers(), "scale": bad_numbers()},
    ),
]


def rows():
    for function, good, bad in TABLE:
        for argument, values in bad.items():
            for label, value, was in values:
                label = re.sub(r"\s+", " ", label)
                yield pytest.param(
                    function, good, argument, value, was, id=f"{function.__qualname__}-{argument}-{label}"
                )


@pytest.mark.parametrize(("function", "good", "argument", "value", "was"), list(rows()))
def test_bad_input_is_named(function, good, argument, value, was):
    with pytest.raises(ValueError, match=f"^{argument} ") as caught:
        function(**{**good, argument: value})
    message = str(caught.value)
    assert was in message
    assert "must" in message.partition(was)[2]


@pytest.mark.parametrize(("function", "good"), [pytest.param(f, good, id=f.__qualname__) for f, good, _ in TABLE])
def test_the_good_arguments_of_the_table_are_good(function, good):
    function(**good)


@pytest.mark.parametrize(("d_y", "n", "W0_shape"), [(2, 5, (2, 3)), (2, 4, (3, 2)), (1, 4, (2, 3)), (2, 4, (2, 4))])
@pytest.mark.parametrize("function", [full_finetune, rank_path, gradient_descent])
def test_shapes_that_do_not_fit_say_what_would(function, d_y, n, W0_shape):
    wanted = (
        "Y has shape .* must have shape \\(2, 4\\)" if n != 4 else f"W0 has shape .* must have shape \\({d_y}, 3\\)"
    )
    with pytest.raises(ValueError, match=wanted):
        function(ones(3, 4), ones(d_y, n), ones(*W0_shape))


def test_good_input_of_every_harmless_kind_is_taken():
    """Lists, integers, single precision, numpy's own numbers, badly scaled but definite covariances."""
    W = lora(X.tolist(), Y.astype(np.int64), W0.astype(np.float32), np.int64(1))
    np.testing.assert_array_equal(W, lora(X, Y, W0, 1))
    task = Task(W0, W0, np.float32(0.25), np.diag([1.0, 1e-12, 1e12]))
    assert task.noise_trace == 0.5
    assert task.sample(np.int32(3), np.uint8(1)).X.shape == (3, 3)
    assert Task(W0, W0, 0).sample(1, 0).Y.shape == (2, 1)
    assert linalg.haar_frame(3, 0, 0).shape == (3, 0)
    assert linalg.spectral_tail([], 0) == 0.0
