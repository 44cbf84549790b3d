"""Typical mistakes with means over noise and over data sets, each written as somebody who makes it would write it."""

import numpy as np

from lorabook import lora
from lorabook.assignments import Mistake
from lorabook.assignments.lora_risk import oracles
from lorabook.linalg import spectral_tail


def _weights(X, Y, W0, rank):
    return np.array([lora(X, labels, W0, rank) for labels in Y])


def _split_changed(**changes):
    """Bias and variance, each replaced by a function of the weights, the true ones and the pre-trained ones."""

    def answer(X, Y, W0, W_star, rank):
        weights = _weights(X, Y, W0, rank)
        right = oracles.split(weights, W_star)
        return {**right, **{name: change(weights, W_star, W0) for name, change in changes.items()}}

    return answer


def _mean_parts(X, Y, W0, W_star, rank):
    parts = [oracles.risk_parts(X, labels, W0, W_star, np.eye(len(X))) for labels in Y]
    kept, missed = (np.mean([part[name][rank] for part in parts]) for name in ("kept", "missed"))
    return {"bias": missed, "variance": kept}


def _on_the_samples(X, Y, W0, W_star, rank):
    return oracles.split(_weights(X, Y, W0, rank) @ X / np.sqrt(X.shape[1]), W_star @ X / np.sqrt(X.shape[1]))


BIAS_AND_VARIANCE = (
    Mistake(
        "ddof 1",
        _split_changed(variance=lambda W, W_star, W0: np.sum(np.var(W, axis=0, ddof=1))),
        "The variance is divided by one less than the number of draws. That estimates a variance over all noise; the "
        "identity asks for the one over your draws.",
    ),
    Mistake(
        "kept and missed",
        _mean_parts,
        "These are the means of the missed and the kept part. Both contain bias and variance, because the projector "
        "itself depends on the noise.",
    ),
    Mistake(
        "bias of the truncation",
        _split_changed(
            bias=lambda W, W_star, W0: spectral_tail(
                np.linalg.svd(W_star - W0, compute_uv=False), np.linalg.matrix_rank(W[0] - W0)
            )
        ),
        "This bias is the spectral tail of the shift, what the best matrix of this rank would miss. The mean of LoRA's "
        "weights is another matrix.",
    ),
    Mistake(
        "mean of the squares",
        _split_changed(bias=lambda W, W_star, W0: np.mean(np.sum((W - W_star) ** 2, axis=(1, 2)))),
        "The bias is averaged after squaring, which gives the whole mean risk. First the mean, then the square.",
    ),
    Mistake(
        "LoRA of the mean labels",
        lambda X, Y, W0, W_star, rank: {
            **oracles.bias_and_variance(X, Y, W0, W_star, rank),
            "bias": oracles.split(lora(X, Y.mean(axis=0), W0, rank)[None], W_star)["bias"],
        },
        "This is the error of LoRA trained on averaged labels. Truncation is not linear: the mean of the weights is "
        "not the weights of the mean.",
    ),
    Mistake(
        "bias from the pre-trained weights",
        _split_changed(bias=lambda W, W_star, W0: np.sum((W.mean(axis=0) - W0) ** 2)),
        "The bias is taken from W0. It is the distance of the mean to the truth.",
    ),
    Mistake(
        "bias not squared",
        _split_changed(bias=lambda W, W_star, W0: np.linalg.norm(W.mean(axis=0) - W_star)),
        "This bias is a norm. Its square belongs in a sum with a variance.",
    ),
    Mistake(
        "variance around the truth",
        _split_changed(variance=lambda W, W_star, W0: np.mean(np.sum((W - W_star) ** 2, axis=(1, 2)))),
        "The variance is taken around the true weights and so contains the bias. It is the spread around the mean.",
    ),
    Mistake(
        "full fine-tuning",
        lambda X, Y, W0, W_star, rank: oracles.bias_and_variance(X, Y, W0, W_star, min(*X.shape, len(W0))),
        "These are the bias and the variance of full fine-tuning: the rank has no effect.",
    ),
    Mistake(
        "risk on the samples",
        _on_the_samples,
        "Errors are weighted by the inputs of the training set. New inputs have uncorrelated features of variance 1.",
    ),
    Mistake(
        "mean over the entries",
        lambda W_star, **case: {
            name: part / W_star.size for name, part in oracles.bias_and_variance(W_star=W_star, **case).items()
        },
        "Both parts are means over the entries of the weights. A risk is the sum over them.",
    ),
)


def _judged(change, z=lambda z: z, **changes):
    """The comparison with the two ranks' risks changed, or one of the three numbers found from them in another way."""

    def answer(**case):
        risks = change(oracles.simulated_risks(**case))
        right = oracles.judged(*risks)
        right.update({name: found(*risks) for name, found in changes.items()})
        return {**right, "z": z(right["difference"] / right["standard_error"])}

    return answer


def _same(risks):
    return risks


def _unpaired(first, second):
    return np.sqrt((np.var(first, ddof=1) + np.var(second, ddof=1)) / len(first))


def _training_losses(X, Y, W0, W_star, ranks):
    losses = [
        [np.sum((labels - lora(inputs, labels, W0, rank) @ inputs) ** 2) / X.shape[2] for rank in ranks]
        for inputs, labels in zip(X, Y, strict=True)
    ]
    return oracles.judged(*np.array(losses).T)


def _counted_from_one(ranks, **case):
    return oracles.compare_ranks(ranks=tuple(rank - 1 for rank in ranks), **case)


COMPARE_RANKS = (
    Mistake(
        "unpaired",
        _judged(_same, standard_error=_unpaired),
        "This standard error is for ranks tried on different data sets. Yours were tried on the same ones, and what a "
        "hard data set adds to both cancels.",
    ),
    Mistake(
        "the sign of the difference",
        _judged(lambda risks: risks[::-1]),
        "The difference has the wrong sign: it is positive where the first rank has the larger risk.",
        sometimes_right=True,
    ),
    Mistake(
        "z without its sign",
        _judged(_same, z=abs),
        "The difference is right. z has its sign, too, and is never negative in your answer.",
        sometimes_right=True,
    ),
    Mistake(
        "the difference without its sign",
        _judged(_same, difference=lambda first, second: abs(np.mean(first - second))),
        "The difference is never negative in your answer. It is where the first rank has the smaller risk.",
        sometimes_right=True,
    ),
    Mistake(
        "standard deviation for standard error",
        _judged(_same, standard_error=lambda first, second: np.std(first - second, ddof=1)),
        "This is how much the difference varies from one data set to another. The mean of many is known better.",
    ),
    Mistake(
        "ddof 0",
        _judged(_same, standard_error=lambda first, second: np.std(first - second) / np.sqrt(len(first))),
        "The spread around the sample's own mean was divided by the number of draws; one degree of freedom has gone "
        "into that mean.",
    ),
    Mistake(
        "variance of the mean",
        _judged(_same, standard_error=lambda first, second: np.var(first - second, ddof=1) / len(first)),
        "This is the squared standard error.",
    ),
    Mistake(
        "divided by the number of draws",
        _judged(_same, standard_error=lambda first, second: np.std(first - second, ddof=1) / len(first)),
        "The error of your mean falls in proportion to the number of draws. It falls with the root of it.",
    ),
    Mistake(
        "median",
        _judged(_same, difference=lambda first, second: np.median(first - second)),
        "This is the median of the differences. Asked for is the mean.",
    ),
    Mistake(
        "training losses",
        _training_losses,
        "The two ranks are compared by their training losses. The larger rank always wins that; compare their excess "
        "risks.",
    ),
    Mistake(
        "rank 0 forgotten in the comparison",
        _counted_from_one,
        "These are the risks of the ranks below the given two: the first entry of a list of all risks is rank 0.",
    ),
    Mistake(
        "relative",
        _judged(lambda risks: risks / risks[1]),
        "The differences are relative to the second rank's risk. Asked for is the difference itself.",
    ),
)
