"""Typical mistakes in problem set 2: estimates from data, a simulation, and what to do with one's own numbers."""

from math import sqrt

import numpy as np

from lorabook.assignments._exercise import Mistake
from lorabook.assignments.full_finetuning import oracles
from lorabook.assignments.full_finetuning.mistakes_of_moments import pole


def _noise(X, Y, degrees):
    return float(np.sum((Y - Y @ np.linalg.pinv(X) @ X) ** 2)) / degrees


NOISE_VARIANCE = (
    Mistake(
        "the training loss",
        lambda X, Y: _noise(X, Y, X.shape[1] * len(Y)),
        "This is the training loss per output, and the training loss flatters: the fit has explained d_x of the n "
        "directions of the noise away.",
    ),
    Mistake(
        "all outputs together",
        lambda X, Y: _noise(X, Y, X.shape[1] - len(X)),
        "This estimates the noise of all outputs together, the trace of its covariance. Asked for is the variance in "
        "one output.",
    ),
    Mistake(
        "as for the inverse Wishart matrix",
        lambda X, Y: _noise(X, Y, (X.shape[1] - len(X) - 1) * len(Y)),
        "n - d_x - 1 belongs to the mean of an inverse Wishart matrix. Here the dimensions that the fit leaves are "
        "counted, and nothing is inverted.",
    ),
    Mistake(
        "only a mean was fitted",
        lambda X, Y: _noise(X, Y, (X.shape[1] - 1) * len(Y)),
        "n - 1 is for data of which only a mean was estimated. Here each output has d_x fitted weights.",
    ),
    Mistake(
        "weights of one output",
        lambda X, Y: _noise(X, Y, X.shape[1] * len(Y) - len(X)),
        "The fitted weights of a single output were subtracted from the n d_y numbers. Every output has d_x weights "
        "of its own.",
    ),
    Mistake(
        "a standard deviation",
        lambda X, Y: sqrt(oracles.noise_variance(X, Y)),
        "This is the standard deviation. Asked for is the variance.",
    ),
    Mistake(
        "nothing was fitted",
        lambda X, Y: float(np.mean(Y**2)),
        "This is the mean square of Y: signal and noise together. Subtract what the features explain first.",
    ),
)


def _monte_carlo(X, Y, W_star, noise_std, exact=None, **changed):
    """The right judgement with parts replaced: functions of the risks and the exact mean."""
    risks = np.sum((Y @ np.linalg.pinv(X) - W_star) ** 2, axis=(1, 2))
    d_x, n = X.shape[1:]
    exact = len(W_star) * noise_std**2 * d_x / (n - d_x - 1) if exact is None else exact
    mean = changed.get("mean", np.mean)(risks)
    error = changed.get("error", lambda values: np.std(values, ddof=1) / sqrt(len(values)))(risks)
    z = changed.get("sign", lambda z: z)((mean - exact) / error)
    return {"mean": float(mean), "standard_error": float(error), "z": float(z)}


MONTE_CARLO = (
    Mistake(
        "standard deviation for standard error",
        lambda **case: _monte_carlo(**case, error=lambda risks: np.std(risks, ddof=1)),
        "This is the spread of one simulated risk. The mean of many is more precise than each of them.",
    ),
    Mistake(
        "ddof 0",
        lambda **case: _monte_carlo(**case, error=lambda risks: np.std(risks) / sqrt(len(risks))),
        "The standard deviation was computed around the sample's own mean but divided by the full number of draws: "
        "numpy's default is for a known mean.",
    ),
    Mistake(
        "the variance of the mean",
        lambda **case: _monte_carlo(**case, error=lambda risks: np.var(risks, ddof=1) / len(risks)),
        "This is the squared standard error: a root is missing.",
    ),
    Mistake(
        "divided by the number of draws",
        lambda **case: _monte_carlo(**case, error=lambda risks: np.std(risks, ddof=1) / len(risks)),
        "The error of a mean falls with the root of the number of draws, not with the number itself.",
    ),
    Mistake(
        "the sign of z",
        lambda **case: _monte_carlo(**case, sign=lambda z: -z),
        "z has the wrong sign: it is positive where the simulation lies above the exact value.",
        sometimes_right=True,
    ),
    Mistake(
        "z without its sign",
        lambda **case: _monte_carlo(**case, sign=abs),
        "z is never negative in your answer. It is where the simulation lies below the exact value.",
        sometimes_right=True,
    ),
    Mistake(
        "the median",
        lambda **case: _monte_carlo(**case, mean=np.median),
        "This is the median of the simulated risks. They are skewed, and the formula is about their mean.",
    ),
    Mistake(
        "z against Jensen's bound",
        lambda **case: _monte_carlo(
            **case, exact=len(case["W_star"]) * case["noise_std"] ** 2 * case["X"].shape[1] / case["X"].shape[2]
        ),
        "Mean and standard error are right. z compares with d_x over n times the noise, which is a lower bound of the "
        "mean risk and not the mean.",
    ),
)


def _counted(d_x, d_y, noise_std, shift_norm, pole=pole, outputs=None, power=2, noise_power=2):
    """`enough_samples` with a wrong risk."""
    energy, noise = shift_norm**power, (d_y if outputs is None else outputs) * noise_std**noise_power
    return oracles.best_and_enough(
        lambda n: max(1 - n / d_x, 0.0) * energy + noise * pole(min(n, d_x), max(n, d_x)), d_x, energy
    )


ENOUGH_SAMPLES = (
    Mistake(
        "standard deviation of the noise for its variance",
        lambda **case: _counted(**case, noise_power=1),
        "These sizes belong to a noise whose variance is your noise_std. It is a standard deviation.",
    ),
    Mistake(
        "d_y forgotten",
        lambda **case: _counted(**case, outputs=1),
        "These sizes would be right with noise in one output only. Every output has it.",
    ),
    Mistake(
        "the norm of the shift not squared",
        lambda **case: _counted(**case, power=1),
        "These sizes belong to a risk of W0 that is the norm of the shift. It is the squared norm.",
    ),
    Mistake(
        "without the minus one",
        lambda **case: _counted(**case, pole=lambda k, N: pole(k, N, less=0)),
        "These sizes come from a pole at n = d_x. The mean risk is infinite at three sizes, so the poles are one "
        "sample further out.",
    ),
    Mistake(
        "Jensen's bound",
        lambda **case: _counted(**case, pole=lambda k, N: k / N),
        "These sizes come from a variance without a pole, which is only a lower bound.",
    ),
)


def _reading_of_std(d_x, d_y, noise_std, **case):
    """`reading` with the standard deviation of the noise for its variance."""
    return oracles.reading(d_x, d_y, sqrt(noise_std), **case)


READING = (
    Mistake(
        "more data always help",
        lambda statements, **case: oracles.letter(statements, many=0, few=1, none=2),
        "That would be the order if more data always helped, and training too. Compute both mean risks, then compare.",
    ),
    Mistake(
        "standard deviation of the noise for its variance",
        _reading_of_std,
        "That would be so if noise_std were the variance of the noise.",
    ),
)
