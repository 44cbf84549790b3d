"""The exercises of problem set 2: what each asks about, on which numbers, and the mistakes that are typical of it."""

from collections.abc import Callable
from math import ceil, floor, log

import numpy as np

from lorabook import Task, descent_rate, full_finetune
from lorabook._arrays import Integer, Real
from lorabook.assignments._exercise import Case, Exercise, Mistake, told_apart
from lorabook.assignments.full_finetuning import mistakes_of_judging as judging
from lorabook.assignments.full_finetuning import mistakes_of_moments as moments
from lorabook.assignments.full_finetuning import mistakes_of_training as training
from lorabook.assignments.full_finetuning import oracles
from lorabook.linalg import haar_frame

Generator = np.random.Generator


def _task(rng: Generator, d_x: Integer, d_y: Integer, noise_std: Real) -> Task:
    """A task with a shift of full rank, of the size of the pre-trained weights."""
    W0, shift = rng.standard_normal((2, d_y, d_x))
    return Task(W0, shift, noise_std**2)


def _full_finetune(rng: Generator) -> Case:
    d_x, d_y, n = int(rng.integers(8, 11)), int(rng.integers(2, 4)), int(rng.integers(4, 7))
    task = _task(rng, d_x, d_y, noise_std=0.5)
    return {**task.sample(n, rng)._asdict(), "W0": task.W0}


def _error_parts(rng: Generator) -> Case:
    """Correlated features, fewer samples than features."""
    d_x, d_y, n = int(rng.integers(7, 10)), int(rng.integers(2, 4)), int(rng.integers(4, 7))
    root = rng.standard_normal((d_x, d_x + 3)) / 3
    shift = rng.standard_normal((d_y, d_x))
    task = Task(np.zeros_like(shift), shift, 1.0, root @ root.T)
    X, Y = task.sample(n, rng)
    return {"X": X, "E": Y - shift @ X, "shift": shift, "feature_cov": root @ root.T}


def _descent(rng: Generator) -> Case:
    """Fewer samples than features; a number of steps that is safe to round, and unlike those of the mistakes."""
    d_x, d_y, n = int(rng.integers(8, 11)), int(rng.integers(2, 4)), int(rng.integers(4, 7))
    while True:
        s = np.linspace(rng.uniform(2.2, 2.8), rng.uniform(0.9, 1.1), n)
        accuracy = round(float(rng.uniform(0.005, 0.05)), 3)
        steps, steps_of_root = (log(accuracy) / log(descent_rate(np.diag(values))) for values in (s, np.sqrt(s)))
        counts = {ceil(steps), floor(steps), ceil(steps / 2), ceil(steps_of_root)}
        if 0.1 < steps % 1 < 0.9 and len(counts) == 4:
            break
    X = haar_frame(d_x, n, rng) * s @ haar_frame(n, n, rng).T
    task = _task(rng, d_x, d_y, noise_std=0.5)
    E = 0.5 * rng.standard_normal((d_y, n))
    return {"X": X, "Y": task.W_star @ X + E, "W0": task.W0, "accuracy": accuracy}


def _sizes_around(rng: Generator, d_x: Integer) -> tuple:
    """Numbers of samples: two below the threshold, the three without a mean, and two above."""
    few = rng.choice(np.arange(2, d_x - 2), 2, replace=False)
    many = rng.choice(np.arange(d_x + 3, 3 * d_x), 2, replace=False)
    return tuple(sorted(int(n) for n in (*few, d_x - 1, d_x, d_x + 1, *many)))


def _inverse_trace(rng: Generator) -> Case:
    d_x = int(rng.integers(8, 16))
    return {"sizes": _sizes_around(rng, d_x), "d_x": d_x, "feature_std": round(float(rng.uniform(1.3, 2.5)), 2)}


def _bartlett(rng: Generator) -> Case:
    k = int(rng.integers(3, 6))
    return {"uniform": rng.uniform(0.02, 0.98, (k, k)), "dof": k + int(rng.integers(2, 7))}


def _mean_risk(rng: Generator) -> Case:
    d_x, d_y = int(rng.integers(8, 13)), int(rng.integers(3, 6))
    noise_std, feature_std = (round(float(scale), 2) for scale in rng.uniform(1.3, 2.5, 2))
    shift = rng.standard_normal((d_y, d_x))
    return {"sizes": _sizes_around(rng, d_x), "shift": shift, "noise_std": noise_std, "feature_std": feature_std}


def _noise_variance(rng: Generator) -> Case:
    d_x, d_y, n = int(rng.integers(4, 7)), int(rng.integers(2, 4)), int(rng.integers(10, 16))
    return _task(rng, d_x, d_y, noise_std=float(rng.uniform(1.5, 3.0))).sample(n, rng)._asdict()


def _monte_carlo(rng: Generator) -> Case:
    """Enough samples that the variance of the risk is finite: n is at least d_x + 6."""
    (d_x, d_y), draws = ((3, 2), (4, 2), (4, 3))[int(rng.integers(3))], int(rng.integers(15, 20))
    n, noise_std = d_x + int(rng.integers(6, 10)), round(float(rng.uniform(1.5, 3.0)), 2)
    task = _task(rng, d_x, d_y, noise_std)
    X, Y = (np.array(arrays) for arrays in zip(*(task.sample(n, rng) for _ in range(draws)), strict=True))
    return {"X": X, "Y": Y, "W_star": task.W_star, "noise_std": noise_std}


def _until_told_apart(draw: Callable, oracle: Callable, wrong: tuple[Mistake, ...]) -> Callable:
    """`draw`, again and again until the right answer and those of all mistakes differ from each other."""

    def case(rng: Generator) -> Case:
        while True:
            numbers = draw(rng)
            if told_apart(numbers, oracle, wrong):
                return numbers

    return case


def _enough_samples(rng: Generator) -> Case:
    d_x, d_y = int(rng.integers(24, 41)), int(rng.integers(6, 13))
    noise_std = round(float(rng.uniform(1.5, 3.0)), 2)
    ratio = rng.uniform(0.1, 0.4)  # of the noise's energy to the shift's
    return {
        "d_x": d_x,
        "d_y": d_y,
        "noise_std": noise_std,
        "shift_norm": round(float(noise_std * np.sqrt(d_y / ratio)), 1),
    }


def _reading(rng: Generator) -> Case:
    """Noise from weak to strong, and a large training set on either side of the threshold."""
    d_x, d_y = int(rng.integers(24, 41)), int(rng.integers(6, 13))
    noise_std, ratio = np.exp([rng.uniform(np.log(0.3), np.log(3.0)), rng.uniform(np.log(0.03), np.log(3.0))])
    texts = list(oracles.READINGS.values())
    return {
        "d_x": d_x,
        "d_y": d_y,
        "noise_std": round(float(noise_std), 2),
        "shift_norm": round(float(noise_std * np.sqrt(d_y / ratio)), 1),
        "n_few": int(rng.integers(d_x // 5, d_x - 5)),
        "n_many": d_x + int(rng.choice([-4, -3, -2, 2, 3, 4, 6, 8, 12, 20, 40])),
        "statements": {
            letter: texts[which] for letter, which in zip("ABCDEF", rng.permutation(len(texts)), strict=True)
        },
    }


FUNCTION_OF_SIZES = "a dictionary from each number of samples to a number"

EXERCISES = (
    Exercise("full_finetune", full_finetune, _full_finetune, "an array of shape (d_y, d_x)", training.FULL_FINETUNE),
    Exercise(
        "error_parts",
        oracles.error_parts,
        _error_parts,
        "three numbers, (noise, unseen, mixed)",
        training.ERROR_PARTS,
    ),
    Exercise(
        "descent",
        oracles.descent,
        _descent,
        "a dictionary with the keys step_size, steps and weights",
        training.DESCENT,
    ),
    Exercise("noise_variance", oracles.noise_variance, _noise_variance, "a number", judging.NOISE_VARIANCE),
    Exercise("inverse_trace", oracles.inverse_trace, _inverse_trace, FUNCTION_OF_SIZES, moments.INVERSE_TRACE),
    Exercise("bartlett", oracles.bartlett, _bartlett, "an array of shape (k, k)", moments.BARTLETT),
    Exercise("mean_risk", oracles.mean_risk, _mean_risk, FUNCTION_OF_SIZES, moments.MEAN_RISK),
    Exercise(
        "monte_carlo",
        oracles.monte_carlo,
        _monte_carlo,
        "a dictionary with the keys mean, standard_error and z",
        judging.MONTE_CARLO,
        cases=2,
    ),
    Exercise(
        "enough_samples",
        oracles.enough_samples,
        _until_told_apart(_enough_samples, oracles.enough_samples, judging.ENOUGH_SAMPLES),
        "a dictionary with the keys best_below and enough_above, both whole numbers",
        judging.ENOUGH_SAMPLES,
        own_numbers=True,
    ),
    Exercise(
        "reading",
        oracles.reading,
        _until_told_apart(_reading, oracles.reading, judging.READING),
        "a letter from A to F",
        judging.READING,
        own_numbers=True,
    ),
)
