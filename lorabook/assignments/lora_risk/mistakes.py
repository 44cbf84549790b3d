"""Typical mistakes with the exact decomposition, each written as somebody who makes it would write it."""

import numpy as np

from lorabook import full_finetune
from lorabook.assignments import Mistake
from lorabook.assignments.lora_risk import oracles
from lorabook.linalg import spectral_tail


def _from_zero(values):
    return np.concatenate([[0.0], np.cumsum(values)])


def _max_rank(X, Y):
    return min(*X.shape, len(Y))


def _update(X, Y, W0):
    return full_finetune(X, Y, W0) - W0


def _risk_parts(X, Y, W0, W_star, S, seen_in=None, root=None, error=None, lost=None):
    """The decomposition with parts replaced: what the directions are read from, the root of S, the two errors."""
    update = _update(X, Y, W0)
    seen_in = update @ X if seen_in is None else seen_in
    root = np.linalg.cholesky(S) if root is None else root
    error = W0 + update - W_star if error is None else error
    lost = W_star - W0 if lost is None else lost
    U = np.linalg.svd(seen_in)[0][:, : _max_rank(X, Y)]
    kept, dropped = (np.sum((U.T @ difference @ root) ** 2, axis=1) for difference in (error, lost))
    return {"kept": _from_zero(kept), "missed": np.sum((lost @ root) ** 2) - _from_zero(dropped)}


def _each(change):
    """The right parts, each of them changed."""
    return lambda **case: {name: change(part) for name, part in oracles.risk_parts(**case).items()}


def _exchanged(**case):
    kept, missed = oracles.risk_parts(**case).values()
    return {"kept": missed, "missed": kept}


def _tail_of_the_truth(X, Y, W0, W_star, S):
    s = np.linalg.svd((W_star - W0) @ np.linalg.cholesky(S), compute_uv=False)
    tails = [spectral_tail(s, rank) for rank in range(_max_rank(X, Y) + 1)]
    return {**oracles.risk_parts(X, Y, W0, W_star, S), "missed": np.array(tails)}


def _input_side(X, Y, W0, W_star, S):
    update, root = _update(X, Y, W0), np.linalg.cholesky(S)
    Vt = np.linalg.svd(update)[2]
    projectors = [Vt[:rank].T @ Vt[:rank] for rank in range(_max_rank(X, Y) + 1)]
    shift = W_star - W0
    return {
        "kept": np.array([np.sum(((update - shift) @ P @ root) ** 2) for P in projectors]),
        "missed": np.array([np.sum((shift @ root - shift @ P @ root) ** 2) for P in projectors]),
    }


RISK_PARTS = (
    Mistake(
        "directions of the update itself",
        lambda X, Y, W0, **case: _risk_parts(X, Y, W0, **case, seen_in=_update(X, Y, W0)),
        "These are the left singular vectors of the full update. LoRA truncates after whitening: it ranks directions "
        "by what they do on the data.",
    ),
    Mistake(
        "population for sample covariance in the directions",
        lambda X, Y, W0, W_star, S: _risk_parts(X, Y, W0, W_star, S, seen_in=_update(X, Y, W0) @ np.linalg.cholesky(S)),
        "The directions are chosen with the covariance of the population. Training has never seen it; what it ranks "
        "directions by are the samples.",
    ),
    Mistake(
        "directions of the whole residual",
        lambda X, Y, W0, **case: _risk_parts(X, Y, W0, **case, seen_in=Y - W0 @ X),
        "The directions are those of the whole residual. Its part that no linear map of X can fit must be left out "
        "before the decomposition.",
    ),
    Mistake(
        "pre-trained weights forgotten",
        lambda X, Y, W0, **case: _risk_parts(X, Y, W0, **case, seen_in=_update(X, Y, 0 * W0) @ X),
        "The directions are those of the labels. LoRA starts from W0 and sees only what W0 leaves unexplained.",
    ),
    Mistake(
        "no covariance in the risk",
        lambda X, **case: _risk_parts(X, **case, root=np.eye(len(X))),
        "Both parts are plain squared norms of weights. A new input does not have every feature equally large; the "
        "covariance of the population is missing.",
    ),
    Mistake(
        "sample for population covariance in the risk",
        lambda X, **case: _risk_parts(X, **case, root=X / np.sqrt(X.shape[1])),
        "The parts are weighted by the empirical covariance. That is the risk on the training inputs; asked for is the "
        "risk on new ones.",
    ),
    Mistake(
        "S for its root",
        lambda S, **case: _risk_parts(S=S, **case, root=S),
        "S enters twice too often: its square root, not S, belongs inside of a norm that is squared afterwards.",
    ),
    Mistake("parts exchanged", _exchanged, "The two parts are exchanged: what is kept is 0 at rank 0."),
    Mistake(
        "not squared",
        _each(np.sqrt),
        "These are the norms of the two parts. Only their squares add up to the risk.",
    ),
    Mistake(
        "distance from the pre-trained weights",
        lambda X, Y, W0, **case: _risk_parts(X, Y, W0, **case, error=_update(X, Y, W0)),
        "The kept part measures how far training moved the weights. Risk is measured from the true weights, not from "
        "where training began.",
    ),
    Mistake(
        "error of full fine-tuning missed",
        lambda X, Y, W0, W_star, S: _risk_parts(X, Y, W0, W_star, S, lost=full_finetune(X, Y, W0) - W_star),
        "The missed part is what full fine-tuning would get wrong in the dropped directions. LoRA does not move there: "
        "it misses the shift.",
    ),
    Mistake(
        "tail of the truth",
        _tail_of_the_truth,
        "The missed part is the spectral tail of the true shift. That is the least that any rank could miss; LoRA "
        "drops the directions that the noisy data tell it to drop.",
    ),
    Mistake(
        "rank 0 forgotten",
        _each(lambda part: part[1:]),
        "The first rank is 0, not training at all. It is missing from your answer.",
    ),
    Mistake(
        "not added up",
        _each(lambda part: np.abs(np.diff(part))),
        "This is what each single direction contributes. Rank r has all of the first r of them.",
    ),
    Mistake(
        "projector on the inputs",
        _input_side,
        "The projector acts on the inputs. LoRA's rank limits the outputs: it projects from the left.",
    ),
)


def _bill(X, Y, W0, W_star, z=None, shift=None):
    """The bill with the (directions, d_x) rows of the update or the shift replaced."""
    update = _update(X, Y, W0)
    U = np.linalg.svd(update @ X)[0][:, : _max_rank(X, Y)]
    rows = U.T @ update if z is None else z(U)
    shift = W_star - W0 if shift is None else shift
    return {"price": np.sum(rows**2, axis=1), "credit": 2 * np.sum(rows * (U.T @ shift), axis=1)}


def _bill_changed(**changes):
    """The right bill with each named part changed."""
    return lambda **case: {name: changes.get(name, np.copy)(part) for name, part in oracles.bill(**case).items()}


def _bill_exchanged(**case):
    price, credit = oracles.bill(**case).values()
    return {"price": credit, "credit": price}


def _bill_of_the_update(X, Y, W0, W_star):
    U, s, Vt = np.linalg.svd(_update(X, Y, W0), full_matrices=False)
    r = _max_rank(X, Y)
    return {"price": s[:r] ** 2, "credit": (2 * s * np.sum((U.T @ (W_star - W0)) * Vt, axis=1))[:r]}


def _price_of_the_fit(X, Y, W0, W_star):
    s = np.linalg.svd(_update(X, Y, W0) @ X, compute_uv=False)
    return {**oracles.bill(X, Y, W0, W_star), "price": s[: _max_rank(X, Y)] ** 2}


BILL = (
    Mistake(
        "credit without the 2",
        _bill_changed(credit=lambda credit: credit / 2),
        "The credit is half of what it should be: in the square of a difference the product comes twice.",
    ),
    Mistake(
        "energy of the fit",
        _price_of_the_fit,
        "The price is the energy that the direction has in the fitted residual. Asked for is its energy in the "
        "weights, after the data have been inverted.",
    ),
    Mistake(
        "true weights for the shift",
        lambda W_star, **case: _bill(W_star=W_star, **case, shift=W_star),
        "The credit is an inner product with the true weights. The part of them that W0 has already earns nothing.",
    ),
    Mistake(
        "credit without its sign",
        _bill_changed(credit=np.abs),
        "The credit is never negative in your answer. A direction that points away from the shift has to pay twice.",
        sometimes_right=True,
    ),
    Mistake("bill exchanged", _bill_exchanged, "Price and credit are exchanged. A price is never negative."),
    Mistake(
        "bill added up",
        _bill_changed(price=np.cumsum, credit=np.cumsum),
        "Your entries are for all directions up to one. Asked for is one direction at a time.",
    ),
    Mistake(
        "price not squared",
        _bill_changed(price=np.sqrt),
        "The price is a length. Risk is in squared units.",
    ),
    Mistake(
        "directions of the unwhitened update",
        _bill_of_the_update,
        "This would be the bill if LoRA truncated the update as it is. It truncates what that does on the samples.",
    ),
    Mistake(
        "price of the error",
        lambda X, Y, W0, W_star: {
            **oracles.bill(X, Y, W0, W_star),
            "price": _bill(X, Y, W0, W_star, z=lambda U: U.T @ (full_finetune(X, Y, W0) - W_star))["price"],
        },
        "The price is the squared error in that direction, from which the credit has been taken off already. The price "
        "is what the weights' own size costs.",
    ),
    Mistake(
        "credit of the truth",
        lambda X, Y, W0, W_star: {
            **oracles.bill(X, Y, W0, W_star),
            "credit": _bill(X, Y, W0, W_star, z=lambda U: U.T @ (W_star - W0))["credit"],
        },
        "The credit is what a perfect estimate of that direction would earn. Yours is not perfect: it earns by its "
        "inner product with the truth.",
    ),
)
