"""Typical mistakes with samples that are left out, each written as somebody who makes it would write it."""

import numpy as np

from lorabook import full_finetune, lora
from lorabook.assignments import Mistake
from lorabook.assignments.lora_risk import oracles


def _folds(X, Y, W0, fold, weights, tested):
    """Errors by fold and rank, (folds, ranks), for `weights(out, rank)` and the samples that `tested(out)` names."""
    ranks = range(min(len(X), len(Y)) + 1)
    outs = [fold == label for label in np.unique(fold)]
    return np.array([[oracles.squared_errors(weights(out, r), X, Y, tested(out)) for r in ranks] for out in outs])


def _trained_without(X, Y, W0):
    return lambda out, rank: lora(X[:, ~out], Y[:, ~out], W0, rank)


def _left_out(X, Y, W0, fold):
    return _folds(X, Y, W0, fold, _trained_without(X, Y, W0), lambda out: out)


def _mean_of_means(X, Y, W0, fold):
    sizes = np.unique(fold, return_counts=True)[1]
    return np.mean(_left_out(X, Y, W0, fold) / sizes[:, None], axis=0)


def _training_error(X, Y, W0, fold):
    errors = _folds(X, Y, W0, fold, _trained_without(X, Y, W0), lambda out: ~out)
    return errors.sum(axis=0) / (len(fold) * (len(errors) - 1))


def _trained_on_all(X, Y, W0, fold):
    return _folds(X, Y, W0, fold, lambda out, rank: lora(X, Y, W0, rank), lambda out: out).sum(axis=0) / len(fold)


def _exchanged(X, Y, W0, fold):
    """Trained on the fold that is to be left out, tested on the others."""
    errors = _folds(X, Y, W0, fold, lambda out, rank: lora(X[:, out], Y[:, out], W0, rank), lambda out: ~out)
    return errors.sum(axis=0) / (len(fold) * (len(errors) - 1))


def _directions_of_all(X, Y, W0, fold):
    U = np.linalg.svd((full_finetune(X, Y, W0) - W0) @ X)[0]

    def weights(out, rank):
        update = full_finetune(X[:, ~out], Y[:, ~out], W0) - W0
        return W0 + U[:, :rank] @ U[:, :rank].T @ update

    return _folds(X, Y, W0, fold, weights, lambda out: out).sum(axis=0) / len(fold)


def _last_fold_forgotten(X, Y, W0, fold):
    return _left_out(X, Y, W0, fold)[:-1].sum(axis=0) / len(fold)


def _changed(change):
    return lambda X, Y, W0, fold: change(oracles.cross_validate(X, Y, W0, fold), Y)


CROSS_VALIDATE = (
    Mistake(
        "trained on all",
        _trained_on_all,
        "Every sample was used for training before it was used for testing. The fold has to be left out of training.",
    ),
    Mistake(
        "directions of all",
        _directions_of_all,
        "The directions were found on all samples and only the weights without the fold. Then the labels of the fold "
        "have taken part in choosing.",
    ),
    Mistake(
        "error on the trained samples",
        _training_error,
        "The errors are those on the samples that were trained on. They fall with the rank whatever the truth is.",
    ),
    Mistake(
        "folds exchanged",
        _exchanged,
        "You train on one fold and test on the others. It is the other way round.",
    ),
    Mistake(
        "the last fold forgotten",
        _last_fold_forgotten,
        "The last fold was never left out: range ends before its argument, and folds are counted from 0.",
    ),
    Mistake(
        "mean of the folds' means",
        _mean_of_means,
        "You take the mean of the folds' means. The folds differ in size, and every sample should count the same.",
    ),
    Mistake(
        "mean over the outputs",
        _changed(lambda errors, Y: errors / len(Y)),
        "The squared error of a sample is the sum over its outputs; you took their mean.",
    ),
    Mistake(
        "sum over the samples",
        _changed(lambda errors, Y: errors * Y.shape[1]),
        "This is the sum over all samples. Asked for is the mean.",
    ),
    Mistake(
        "rank 0 not tried",
        _changed(lambda errors, Y: errors[1:]),
        "Rank 0 was not tried. Not training is a choice, and under strong noise the best one.",
    ),
    Mistake(
        "full fine-tuning not tried",
        _changed(lambda errors, Y: errors[:-1]),
        "The largest rank, full fine-tuning, was not tried.",
    ),
    Mistake(
        "trained from zero",
        lambda X, Y, W0, fold: oracles.cross_validate(X, Y, 0 * W0, fold),
        "Training starts from zero in your answer. It starts from the pre-trained weights.",
    ),
)


def _tested(W, X_test, Y_test):
    return oracles.squared_errors(W, X_test, Y_test) / X_test.shape[1]


def _at_rank(choose):
    """An honest report on the rank that `choose` finds."""

    def answer(X, Y, W0, fold, X_test, Y_test):
        ranks = range(min(len(X), len(Y)) + 1)
        rank = int(choose(X, Y, W0, fold, X_test, Y_test, ranks))
        return {"rank": rank, "test_loss": _tested(lora(X, Y, W0, rank), X_test, Y_test)}

    return answer


def _loss_changed(loss):
    """The right rank with another number reported for it."""

    def answer(**case):
        right = oracles.report(**case)
        return {**right, "test_loss": loss(**right, **case)}

    return answer


def _of_the_last_fold(rank, test_loss, X, Y, W0, fold, X_test, Y_test):
    trained = fold != fold.max()
    return _tested(lora(X[:, trained], Y[:, trained], W0, rank), X_test, Y_test)


CHOSEN_WRONGLY = (
    Mistake(
        "chosen on the test data",
        _at_rank(
            lambda X, Y, W0, fold, X_test, Y_test, ranks: np.argmin(
                [_tested(lora(X, Y, W0, rank), X_test, Y_test) for rank in ranks]
            )
        ),
        "The rank was chosen on the test data. Then their error is the smallest of several, and no longer an honest "
        "estimate.",
    ),
    Mistake(
        "chosen on the training data",
        _at_rank(lambda *case: case[-1][-1]),
        "This is the rank of least training loss, full fine-tuning, as always.",
    ),
    Mistake(
        "place for rank",
        _at_rank(lambda X, Y, W0, fold, *_: np.argmin(oracles.cross_validate(X, Y, W0, fold)[1:])),
        "The rank is one off: if a list begins with rank 1, its first place is not rank 0.",
    ),
)

REPORT = (
    *CHOSEN_WRONGLY,
    Mistake(
        "cross-validated error reported",
        _loss_changed(lambda rank, X, Y, W0, fold, **case: oracles.cross_validate(X, Y, W0, fold)[rank]),
        "The rank is right. The error that you report is the cross-validated one, by which it was chosen; it is the "
        "smallest of several.",
    ),
    Mistake(
        "not trained again",
        _loss_changed(_of_the_last_fold),
        "The rank is right. The weights are those trained without one fold; once the rank is known, train on all.",
    ),
    Mistake(
        "mean over the outputs of the test data",
        _loss_changed(lambda test_loss, Y, **case: test_loss / len(Y)),
        "The rank is right. The reported error is a mean over the outputs; add them up, as before.",
    ),
    Mistake(
        "training error reported",
        _loss_changed(lambda rank, X, Y, W0, **case: _tested(lora(X, Y, W0, rank), X, Y)),
        "The rank is right. The reported error is that on the training samples.",
    ),
)
