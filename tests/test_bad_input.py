"""Bad input is a ValueError that names the argument, says what it was and what it must be."""

import re
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from lorabook import (
    Task,
    bounds,
    descent_rate,
    factored_gradient_descent,
    figures,
    full_finetune,
    gradient_descent,
    linalg,
    lora,
    rank_path,
    ridge_finetune,
    sharp,
)
from lorabook.predictions import predicted_risks
from lorabook.sampler import draw_risks

pytestmark = pytest.mark.usefixtures("no_shape_checks")

NAN, INF = float("nan"), float("inf")


def ones(*shape):
    return np.ones(shape)


def with_entry(value, shape):
    array = np.ones(shape, dtype=type(value))
    array.flat[-1] = value
    return array


# What has no short name of its own is shown by its type and shape, on one line.
LONG = [
    ("an entry", ones(1), "is an array of shape (1,)"),
    ("a matrix for a number", np.eye(12), "is an array of shape (12, 12)"),
    ("a task for a number", Task(np.eye(9), np.eye(9)), "is of type Task"),
    ("a long list", list(range(99)), "is of type list of length 99"),
    ("a long string", "x" * 99, "is 'xxx"),
]
HUGE = [
    ("2^63", 2**63, "is 9223372036854775808"),
    ("10**400 for an integer", 10**400, "is 1000"),
    ("more digits than Python prints", 10**5000, "is an integer of 16610 bits"),
]
BAD_NOISE = [("a square that overflows", 1e200, "is 1e+200")]


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
        ("masked", np.ma.masked_equal(with_entry(-999.0, shape), -999), "has 1 masked entries"),
        ("lists of masked rows", list(np.ma.masked_equal(with_entry(-999.0, shape), -999)), "has 1 masked entries"),
        ("dates", np.full(shape, "2020", dtype="M8[Y]"), "its type is datetime64[Y]"),
    ]


def bad_integers(minimum, maximum=None):
    beyond = [] if maximum is None else [maximum + 1]
    wrong = [minimum - 1, *beyond, 1.5, 2.0, np.float64(1.0), True, np.True_, NAN, INF, "1", None, 1j, [1]]
    return [(repr(value), value, f"is {value!r}") for value in wrong] + LONG + HUGE


def bad_numbers(strict=False):
    zero = [0.0] if strict else []
    wrong = [-1.0, -INF, INF, NAN, *zero, True, np.True_, "1", None, 1j, [1.0]]
    return [(repr(value), value, f"is {value!r}") for value in wrong] + [("10**400", 10**400, "is 1000")] + LONG


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
NOISE = bad_numbers() + BAD_NOISE
SIZES = {"d_x": bad_integers(1), "d_y": bad_integers(1), "noise_std": NOISE, "seed": BAD_SEEDS}
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
                ("weights", W0, "is an array of shape (2, 3)"),
                ("a likeness", SimpleNamespace(W0=W0), "is of type SimpleNamespace"),
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
            "callback": [("a name", "print", "is 'print'")],
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
            "callback": [("a name", "print", "is 'print'")],
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
    *(
        (task.whiten, {"D": W0}, {"D": bad_matrices((2, 3), free_axes=(0,))})
        for task in (TASK, Task(W0, W0, feature_cov=np.eye(3)))
    ),
    (
        predicted_risks,
        {
            "ranks": (1, 2),
            "singular_values": ones(2),
            **{k: GOOD_SIZES[k] for k in ("d_x", "d_y", "noise_std")},
            "n": 9,
        },
        {
            "ranks": [
                ("a number", 3, "is 3"),
                ("a string", "12", "is '12'"),
                ("rows of different lengths", [[1], [1, 2]], "is [[1], [1, 2]]"),
                ("a matrix", ones(2, 2), "is an array of shape (2, 2)"),
                ("a frame", pd.DataFrame({"rank": [1, 2]}), "is of type DataFrame of shape (2, 1)"),
                ("negative", (1, -1), "is -1"),
                ("fractional", (1, 2.0), "is 2.0"),
            ],
            "draws": [case for case in bad_integers(0) if case[1] is not None],
        },
    ),
    (
        draw_risks,
        {"ranks": (1,), "singular_values": ones(2), **GOOD_SIZES, "n": 9, "draws": 2},
        {"noise_std": NOISE, "n": bad_integers(1), "ranks": [("a number", 3, "is 3"), ("negative", [-1], "is -1")]},
    ),
    (
        sharp.full_risk,
        {"singular_values": ones(2), **{k: GOOD_SIZES[k] for k in ("d_x", "d_y", "noise_std")}, "n": 9},
        {"noise_std": bad_numbers(strict=True) + BAD_NOISE, "n": bad_integers(1)},
    ),
    (
        sharp.shrunk_lora,
        {**GOOD_DATA, "observed_norm": False},
        {"observed_norm": [(repr(value), value, f"is {value!r}") for value in ("no", 1, 0.0, None)]},
    ),
    (
        bounds.full_risk_any_features,
        {"task": TASK, "n": 4, "draws": 2},
        {
            "features": [("a name", "gaussian", "is 'gaussian'"), ("an array", X, "is an array of shape (3, 4)")],
            "task": [("an array", np.eye(12), "is an array of shape (12, 12)")],
        },
    ),
    (
        figures.method_style,
        {"method": "lora", "rank": 2},
        {
            "method": [("another", "foo", "is 'foo'"), ("none", None, "is None"), ("an array", X, "is an array of")],
            "rank": bad_integers(1),
        },
    ),
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
    assert "\n" not in message
    assert len(message) < 400
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
