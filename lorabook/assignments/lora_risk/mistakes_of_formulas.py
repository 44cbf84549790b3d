"""Typical mistakes with the formulas for large layers, each written as somebody who makes it would write it."""

from math import inf, sqrt

import numpy as np

from lorabook import formulas, sharp
from lorabook.assignments import Mistake
from lorabook.assignments.lora_risk import oracles


def _without_the_one(d_x, n):
    """The inflation with its pole at n = d_x only."""
    return max(n, d_x) / abs(n - d_x) if n != d_x else inf


def _crossover(
    d_x, d_y, n, noise_std, rank, singular_values, kappa=None, k=None, outputs=None, tail=None, first=None, divisor=None
):
    """`crossover` with a wrong quantity; `divisor` is what the noise terms are divided by."""
    N = max(n, d_x)
    k = min(n, d_x) if k is None else k
    kappa = sharp.inflation(d_x, n) if kappa is None else kappa
    outputs = d_y if outputs is None else outputs
    squares = singular_values**2
    tail = np.sum(squares[rank:]) if tail is None else tail
    bias = (1 - n / N) * np.sum(squares)
    missed = n / N * tail
    variance = noise_std**2 / (N if divisor is None else divisor)
    per_rank = d_y + kappa * k if first is None else first
    saved = kappa * outputs * k - rank * per_rank
    return {
        **oracles.crossover(d_x, d_y, n, noise_std, rank, singular_values),
        "lora": bias + missed + rank * per_rank * variance,
        "full": bias + kappa * outputs * k * variance,
        "crossover": sqrt((N if divisor is None else divisor) / N * n * tail / saved) if saved > 0 else inf,
    }


def _crossover_changed(**changes):
    return lambda **case: {
        name: changes[name](part, **case) if name in changes else part
        for name, part in oracles.crossover(**case).items()
    }


def _without_bias(risk, d_x, n, singular_values, **case):
    return risk - (1 - n / max(n, d_x)) * np.sum(singular_values**2)


CROSSOVER = (
    Mistake(
        "parameters of the factors",
        _crossover_changed(parameters=lambda count, d_x, d_y, rank, **case: rank * (d_x + d_y)),
        "You counted the entries of the factors B and A. Different factors give the same update, and those freedoms do "
        "not count.",
    ),
    Mistake(
        "parameters of all weights",
        _crossover_changed(parameters=lambda count, d_x, d_y, **case: d_x * d_y),
        "You counted the entries of the update. Its rank is bounded, so they are not free.",
    ),
    Mistake(
        "standard deviation for variance",
        lambda noise_std, **case: {
            **oracles.crossover(noise_std=noise_std, **case),
            **{
                name: part
                for name, part in oracles.crossover(noise_std=sqrt(noise_std), **case).items()
                if name != "crossover"
            },
        },
        "In both risks the noise enters by its standard deviation. Its variance belongs there.",
    ),
    Mistake(
        "variance at the crossover",
        _crossover_changed(crossover=lambda noise, **case: noise**2),
        "The last number is the variance of the noise at which the risks are equal; noise_std is a standard deviation.",
    ),
    Mistake(
        "tail not squared",
        lambda **case: _crossover(**case, tail=np.sum(case["singular_values"][case["rank"] :])),
        "What LoRA leaves out is a sum of singular values in your answer; energy is the sum of their squares.",
    ),
    Mistake(
        "tail from the r-th value",
        lambda **case: _crossover(**case, tail=np.sum(case["singular_values"][case["rank"] - 1 :] ** 2)),
        "Direction number r is counted among those that LoRA leaves out. Rank r keeps it.",
    ),
    Mistake(
        "no inflation",
        lambda **case: _crossover(**case, kappa=1.0),
        "Inverting the data costs nothing in your answer. It enlarges noise by the factor kappa.",
    ),
    Mistake(
        "inflation without the minus one",
        lambda **case: _crossover(**case, kappa=_without_the_one(case["d_x"], case["n"])),
        "Your inflation becomes infinite at n = d_x only. The mean is infinite one sample away from there too.",
    ),
    Mistake(
        "inputs for k",
        lambda **case: _crossover(**case, k=case["d_x"]),
        "Noise is fitted in as many directions as the inputs have, in your answer. Your samples are fewer than that.",
    ),
    Mistake(
        "one output",
        lambda **case: _crossover(**case, outputs=1),
        "The variance of full fine-tuning is that of one output. Each of the d_y outputs has its own.",
    ),
    Mistake(
        "divided by the samples",
        lambda **case: _crossover(**case, divisor=case["n"]),
        "The noise terms are divided by n. With fewer samples than inputs it is the larger of the two that they are "
        "divided by.",
    ),
    Mistake(
        "no bias of what is unseen",
        _crossover_changed(lora=_without_bias, full=_without_bias),
        "With fewer samples than inputs a share of the whole shift is invisible to any method. It is missing from both "
        "risks.",
    ),
    Mistake(
        "inflated price for every parameter",
        lambda **case: _crossover(
            **case,
            first=sharp.inflation(case["d_x"], case["n"]) * (case["d_y"] + case["n"]),
        ),
        "All parameters of a direction are inflated in your answer. Those of its output side are not: the data's "
        "inverse acts on inputs.",
    ),
)


def _each_size(change):
    """For every number of samples, the right thresholds after `change(n, thresholds, d_x, d_y, noise_std)`."""

    def answer(sizes, d_x, d_y, noise_std):
        right = oracles.thresholds(sizes, d_x, d_y, noise_std)
        return {n: {**right[n], **change(n, right[n], d_x, d_y, noise_std)} for n in sizes}

    return answer


def _with_k(choose):
    """All three thresholds with another number of directions that the data have."""

    def change(n, right, d_x, d_y, noise_std):
        k = choose(n, d_x)
        root = sharp.usefulness_root(d_y, k, sharp.inflation(d_x, n))
        return {
            "edge": noise_std * (sqrt(d_y) + sqrt(k)),
            "visible": noise_std * sqrt(sqrt(d_y * k) / n),
            "useful": noise_std * sqrt(root / n),
        }

    return _each_size(change)


def _useful_with(inflation):
    def change(n, right, d_x, d_y, noise_std):
        root = sharp.usefulness_root(d_y, min(n, d_x), inflation(d_x, n))
        return {"useful": noise_std * sqrt(root / n)}

    return _each_size(change)


def _as_strengths(n, right, d_x, d_y, noise_std):
    return {name: n * right[name] ** 2 / noise_std**2 for name in ("visible", "useful")}


THRESHOLDS = (
    Mistake(
        "inputs for k in the thresholds",
        _with_k(lambda n, d_x: d_x),
        "With fewer samples than inputs the fitted residual has only n dimensions on the input side; you took d_x.",
    ),
    Mistake(
        "samples for k in the thresholds",
        _with_k(lambda n, d_x: n),
        "With more samples than inputs the fitted residual has d_x dimensions on the input side; you took n, which is "
        "the shape of the array.",
    ),
    Mistake(
        "eigenvalue for singular value",
        _each_size(lambda n, right, *_: {"edge": right["edge"] ** 2}),
        "The edge is that of the squared singular values, the eigenvalues of a Gram matrix.",
    ),
    Mistake(
        "root of the sum",
        _each_size(lambda n, right, d_x, d_y, noise_std: {"edge": noise_std * sqrt(d_y + min(n, d_x))}),
        "The edge has the root of a sum where the sum of two roots belongs.",
    ),
    Mistake(
        "variance for standard deviation",
        lambda noise_std, **case: oracles.thresholds(noise_std=noise_std**2, **case),
        "All three thresholds grow with the variance of the noise. Singular values are in the units of its standard "
        "deviation.",
    ),
    Mistake(
        "in units of the noise",
        lambda noise_std, **case: oracles.thresholds(noise_std=1.0, **case),
        "Your thresholds are in units of the noise. They do not change with noise_std, and must.",
    ),
    Mistake(
        "strengths",
        _each_size(_as_strengths),
        "The last two are strengths x. Asked for are the singular values of the shift that have these strengths.",
    ),
    Mistake(
        "divided by N",
        _each_size(
            lambda n, right, d_x, *_: {name: right[name] * sqrt(n / max(n, d_x)) for name in ("visible", "useful")}
        ),
        "A strength counts samples. The larger of n and d_x was used to turn it into a singular value.",
    ),
    Mistake(
        "no inflation in the threshold",
        _useful_with(lambda d_x, n: 1.0),
        "This is when denoising a matrix pays. In regression a direction is also multiplied by the inverse of the "
        "data, which costs a factor.",
    ),
    Mistake(
        "inflation without the minus one in the threshold",
        _useful_with(_without_the_one),
        "At one of your sizes nothing pays, because the mean risk is infinite. Your kappa is finite there.",
    ),
    Mistake(
        "edge for visibility",
        _each_size(lambda n, right, *_: {"visible": right["edge"] / sqrt(n)}),
        "You ask when a direction of the shift exceeds the noise. It shows earlier: noise lifts its singular value.",
    ),
    Mistake(
        "visible and useful exchanged",
        _each_size(lambda n, right, *_: {"visible": right["useful"], "useful": right["visible"]}),
        "The two thresholds for the shift are exchanged: there are directions that show and do not pay, none the other "
        "way round.",
    ),
    Mistake(
        "observed value",
        _each_size(
            lambda n, right, d_x, d_y, noise_std: {
                "useful": noise_std
                * sqrt(formulas.spiked_square(x=n * right["useful"] ** 2 / noise_std**2, d_y=d_y, k=min(n, d_x)) / n)
                if right["useful"] < inf
                else inf
            }
        ),
        "The last threshold is for the singular values that one observes, which noise has enlarged. Asked for is the "
        "one for the true shift.",
    ),
)


def _read(count, d_x, d_y, n_now, n_then, noise_std, singular_values, statements):
    """`reading` with the best rank counted wrongly, as `count(strengths, d_x, d_y, n)`."""
    now, then = (int(count(n * singular_values**2 / noise_std**2, d_x, d_y, n)) for n in (n_now, n_then))
    full = sharp.full_risk(singular_values, d_x, d_y, n_then, noise_std)
    return oracles.advised(statements, now, then, full < np.sum(singular_values**2))


def _all_visible(x, d_x, d_y, n):
    return np.sum(x > sqrt(d_y * min(n, d_x)))


def _useful(x, d_x, d_y, n):
    return np.sum(x > sharp.usefulness_root(d_y, min(n, d_x), sharp.inflation(d_x, n)))


def _without_inflation(x, d_x, d_y, n):
    return np.sum(x > sharp.usefulness_root(d_y, min(n, d_x), 1.0))


READING = (
    Mistake(
        "all that shows pays",
        lambda **case: _read(_all_visible, **case),
        "You keep every direction that shows. Between showing and paying there is a zone in which the estimate is too "
        "noisy to help.",
    ),
    Mistake(
        "no inflation in the reading",
        lambda **case: _read(_without_inflation, **case),
        "With these ranks the data would be inverted for free. How far are your two sizes from d_x?",
    ),
    Mistake(
        "standard deviation in the strengths",
        lambda **case: _read(lambda x, *sizes: _useful(case["noise_std"] * x, *sizes), **case),
        "These ranks belong to strengths with one factor of the noise's standard deviation in place of two.",
    ),
)
