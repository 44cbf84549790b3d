"""Typical mistakes in problem set 2: moments of Wishart matrices and the mean risk."""

from math import inf, sqrt

import numpy as np
from scipy.stats import chi2, norm

from lorabook._arrays import Integer, Real
from lorabook.assignments._exercise import Mistake
from lorabook.assignments.full_finetuning import oracles


def _sides(sizes, d_x):
    """n, the smaller and the larger of n and d_x, for each size."""
    return [(n, min(n, d_x), max(n, d_x)) for n in sizes]


def _over(numerator: Real, denominator: Real) -> float:
    """A quotient that is infinite at a pole."""
    return numerator / denominator if denominator else inf


def pole(k: Integer, N: Integer, numerator: Real | None = None, less: Integer = 1) -> float:
    """`numerator / (N - k - less)`, infinite where that is not positive; the numerator is k by default."""
    return _over(k if numerator is None else numerator, max(N - k - less, 0))


INVERSE_TRACE = (
    Mistake(
        "without the minus one",
        lambda sizes, d_x, feature_std: {n: pole(k, N, less=0) / feature_std**2 for n, k, N in _sides(sizes, d_x)},
        "The denominator is too large by one. Look again at the mean of 1 / chi^2, and at the degrees of freedom that "
        "are left for one row.",
    ),
    Mistake(
        "law of large numbers",
        lambda sizes, d_x, feature_std: {n: k / N / feature_std**2 for n, k, N in _sides(sizes, d_x)},
        "This replaces X X^T by its mean before it is inverted. The mean of an inverse is larger than the inverse of "
        "the mean.",
    ),
    Mistake(
        "one entry of the diagonal",
        lambda sizes, d_x, feature_std: {n: pole(k, N, 1) / feature_std**2 for n, k, N in _sides(sizes, d_x)},
        "This is one entry of the diagonal. The trace has several.",
    ),
    Mistake(
        "standard deviation for variance",
        lambda sizes, d_x, feature_std: oracles.inverse_trace(sizes, d_x, sqrt(feature_std)),
        "X X^T grows with the variance of the features, and what you divided by is their standard deviation.",
    ),
    Mistake(
        "features' variance on the wrong side",
        lambda sizes, d_x, feature_std: oracles.inverse_trace(sizes, d_x, 1 / feature_std),
        "Larger features make the inverse smaller; here they make it larger.",
    ),
    Mistake(
        "features' variance forgotten",
        lambda sizes, d_x, feature_std: oracles.inverse_trace(sizes, d_x, 1.0),
        "This is right for standard Gaussian features. These have another standard deviation.",
    ),
    Mistake(
        "one branch",
        lambda sizes, d_x, feature_std: {n: _over(d_x, n - d_x - 1) / feature_std**2 for n in sizes},
        "Some values are negative: the formula for more samples than features was used with fewer.",
    ),
    Mistake(
        "rank of few data",
        lambda sizes, d_x, feature_std: {n: pole(k, N, d_x) / feature_std**2 for n, k, N in _sides(sizes, d_x)},
        "With fewer samples than features X X^T has rank n; the pseudo-inverse has zeros on all other directions, and "
        "you counted d_x of them.",
    ),
    Mistake(
        "nothing special at the threshold",
        lambda sizes, d_x, feature_std: {n: _over(k, N - k - 1) / feature_std**2 for n, k, N in _sides(sizes, d_x)},
        "At n = d_x the formula gives a negative number. It does not hold there: the mean is infinite at three sizes.",
    ),
    Mistake(
        "no inverse of few data",
        lambda sizes, d_x, feature_std: {
            n: value if n > d_x else inf for n, value in oracles.inverse_trace(sizes, d_x, feature_std).items()
        },
        "With fewer samples than features the inverse does not exist, but the pseudo-inverse does, and its mean is "
        "finite away from the threshold.",
    ),
)


def _factor(uniform, degrees):
    """A factor with the given degrees of freedom on its diagonal."""
    return np.tril(norm.ppf(uniform), -1) + np.diag(np.sqrt(chi2.ppf(np.diag(uniform), degrees)))


BARTLETT = (
    Mistake(
        "degrees of freedom off by one",
        lambda uniform, dof: _factor(uniform, dof - 1 - np.arange(len(uniform))),
        "Every chi-squared variable has one degree of freedom too few. The first row is the length of a vector that "
        "nothing has been projected out of.",
    ),
    Mistake(
        "the same degrees of freedom",
        lambda uniform, dof: _factor(uniform, np.full(len(uniform), dof)),
        "All diagonal entries have the same degrees of freedom. Each row loses those directions that the rows before "
        "it have used.",
    ),
    Mistake(
        "degrees of freedom in reverse",
        lambda uniform, dof: _factor(uniform, dof - np.arange(len(uniform))[::-1]),
        "The degrees of freedom are right but run the wrong way: the first row has the most.",
    ),
    Mistake(
        "size for degrees of freedom",
        lambda uniform, dof: _factor(uniform, len(uniform) - np.arange(len(uniform))),
        "The degrees of freedom were counted from the size k. They are those of a vector with N entries.",
    ),
    Mistake(
        "chi-squared for chi",
        lambda uniform, dof: np.tril(norm.ppf(uniform), -1) + np.diag(np.diag(oracles.bartlett(uniform, dof)) ** 2),
        "The diagonal holds squared lengths. An entry of the factor is a length.",
    ),
    Mistake(
        "Gaussian diagonal",
        lambda uniform, dof: np.tril(norm.ppf(uniform)),
        "The diagonal entries are Gaussian. They should be the lengths of what is left of the rows.",
    ),
    Mistake(
        "upper triangle",
        lambda uniform, dof: np.triu(norm.ppf(uniform), 1) + np.diag(np.diag(oracles.bartlett(uniform, dof))),
        "The Gaussians are above the diagonal. A row has components along the rows before it, not along those after.",
    ),
    Mistake(
        "no zeros",
        lambda uniform, dof: np.triu(norm.ppf(uniform), 1) + oracles.bartlett(uniform, dof),
        "The entries above the diagonal are not zero: what Gram and Schmidt leave is triangular.",
    ),
    Mistake(
        "the product",
        lambda uniform, dof: oracles.bartlett(uniform, dof) @ oracles.bartlett(uniform, dof).T,
        "This is the Wishart matrix. Asked for is its factor.",
    ),
)


def _risks(sizes, shift, noise_std, feature_std, variance=pole, energy=None, share=None):
    """Mean risks with a wrong variance, energy of the shift or unseen share."""
    d_y, d_x = shift.shape
    energy = feature_std**2 * float(np.sum(shift**2)) if energy is None else energy
    unseen = (lambda n: max(1 - n / d_x, 0.0)) if share is None else share
    return {n: unseen(n) * energy + d_y * noise_std**2 * variance(k, N) for n, k, N in _sides(sizes, d_x)}


MEAN_RISK = (
    Mistake(
        "standard deviation of the noise for its variance",
        lambda sizes, shift, noise_std, feature_std: oracles.mean_risk(sizes, shift, sqrt(noise_std), feature_std),
        "The variance term should grow with the square of the noise's standard deviation, and does not.",
    ),
    Mistake(
        "d_y forgotten",
        lambda sizes, shift, noise_std, feature_std: oracles.mean_risk(
            sizes, shift, noise_std / sqrt(len(shift)), feature_std
        ),
        "The noise of a single output was counted. There are d_y of them, and each has weights to fit.",
    ),
    Mistake(
        "without the minus one",
        lambda **case: _risks(**case, variance=lambda k, N: pole(k, N, less=0)),
        "The pole is in the wrong place: the variance is infinite one sample away from the threshold already.",
    ),
    Mistake(
        "Jensen's bound",
        lambda **case: _risks(**case, variance=lambda k, N: k / N),
        "Your variance has no pole. It is what a fixed covariance would give, a lower bound; the empirical "
        "covariance fluctuates, and near the threshold badly.",
    ),
    Mistake(
        "no bias",
        lambda **case: _risks(**case, energy=0.0),
        "With fewer samples than features there is a second term: the part of the shift that the data do not show.",
    ),
    Mistake(
        "the seen share",
        lambda **case: _risks(**case, share=lambda n: n / case["shift"].shape[1] if n < case["shift"].shape[1] else 0),
        "The bias grows with every sample in your answer. That is the seen share of the shift; what is lost is the "
        "unseen one.",
    ),
    Mistake(
        "the norm of the shift not squared",
        lambda **case: _risks(**case, energy=case["feature_std"] ** 2 * float(np.linalg.norm(case["shift"]))),
        "The bias is a squared length. You used the norm of the shift.",
    ),
    Mistake(
        "features' variance forgotten in the bias",
        lambda **case: _risks(**case, energy=float(np.sum(case["shift"] ** 2))),
        "The bias is a risk on new inputs, whose size counts: the variance of the features is missing.",
    ),
    Mistake(
        "features' variance in the variance term",
        lambda **case: _risks(**case, variance=lambda k, N: pole(k, N) / case["feature_std"] ** 2),
        "Larger features make the weights more accurate and each error of them more costly. In the variance term the "
        "two cancel.",
    ),
    Mistake(
        "rank of few data",
        lambda **case: _risks(**case, variance=lambda k, N: pole(k, N, case["shift"].shape[1])),
        "With fewer samples than features noise is fitted in n directions; your variance counts d_x of them.",
    ),
    Mistake(
        "risk for excess risk",
        lambda sizes, shift, noise_std, feature_std: {
            n: risk + len(shift) * noise_std**2
            for n, risk in oracles.mean_risk(sizes, shift, noise_std, feature_std).items()
        },
        "This is the risk. The excess risk leaves out the noise of the new label, which nobody can predict.",
    ),
)
