"""Upper bounds of LoRA's mean risk in the paper's shape: its Theorems 2, 4, Propositions 4, 6, Corollaries 1, 2."""

from typing import Literal

import numpy as np

from lorabook import _validate, formulas
from lorabook._arrays import Integer, Real, Seed
from lorabook.bounds._setting import (
    checked,
    checked_rank,
    cross_term,
    estimate,
    feature_scale,
    isotropic_bias,
    kappa_moments,
    largest_feature_variance,
    need_isotropic,
    noise_spectrum,
    shift_values,
    smaller_larger,
    unseen_draws,
)
from lorabook.bounds._terms import Terms
from lorabook.linalg import spectral_tail
from lorabook.task import Task
from lorabook.wishart import Estimate

__all__ = ["inevitable_error", "lora_bound", "lora_bound_exact_rank", "lora_bound_three_terms", "lora_variance_limit"]


def inevitable_error(task: Task, rank: Integer) -> float:
    """`tau_r^2 = sum_{i>r} sigma_i^2(Delta_* Sigma_x^{1/2})`: no update of rank r has a smaller excess risk.

    Raises ValueError if the rank is not an integer of at least 0.
    Source: Appendix V.3 of the paper, (189)–(190); chapter *The setting*.

    >>> task = Task(W0=np.zeros((2, 2)), shift=np.diag([3.0, 1.0]))
    >>> inevitable_error(task, 1)
    1.0
    """
    task, _ = checked(task, 1)
    return spectral_tail(shift_values(task), rank)


def lora_bound(task: Task, n: Integer, rank: Integer, draws: Integer = 4000, seed: Seed = 0) -> Terms:
    """Upper bound of LoRA's mean risk, the square not split: terms `bias`, `square`, `tail`, and `cross`.

    `2 r (a + 2 b)^2 + T_r` with `a = s_{r+1}(Delta_*) sqrt(E[kappa lambda_max(Sigma_hat)])` and
    `b = (sqrt k + sqrt d_y) sqrt(lambda_max(Sigma_e) E[kappa] / n)`. For n >= d_x this is the paper's Theorem 2, with
    T_r the inevitable error. For n < d_x it is V' of its Theorem 4 and the bias B of full fine-tuning is added: the
    bound is `B + V'` for isotropic features and `(sqrt B + sqrt V')^2`, that is a term `cross` of `2 sqrt(B V')`,
    otherwise.

    The moments of kappa_X are simulated (`draws`, `seed`), and the terms have standard errors accordingly; infinite for
    `|n - d_x| <= 1`, unless there is neither noise nor a tail for them to multiply.

    Raises ValueError unless 1 <= rank <= min(d_x, d_y).
    Source: Theorems 2 and 4 of the paper, constants re-derived; chapters *More data …*, *Fewer data than dimensions*.

    >>> task = Task.gaussian(d_x=10, d_y=8, shift_rank=2, noise_std=1.0, seed=0)
    >>> bound = lora_bound(task, n=40, rank=2)
    >>> sorted(bound), bound["tail"]
    (['bias', 'cross', 'square', 'tail'], 0.0)
    """
    task, n, rank = *checked(task, n), checked_rank(task, rank)
    values, errors = _ingredients(task, n, rank, draws, seed)
    values["T_r"] = _tail(task, n, rank)
    return _with_bias(task, n, draws, seed, *_terms(formulas.lora_bound.parts, ("square", "tail"), values, errors))


def lora_bound_three_terms(
    task: Task,
    n: Integer,
    rank: Integer,
    constants: Literal["book", "paper"] = "book",
    draws: Integer = 4000,
    seed: Seed = 0,
) -> Terms:
    """The paper's forms (12), (17) of three terms: `bias`, `variance`, `tail_operator`, `tail_frobenius`, `cross`.

    `16 r lambda_max(Sigma_e) (sqrt k + sqrt d_y)^2 E kappa / n + 4 r E[kappa lambda_max(Sigma_hat)] s_{r+1}^2(Delta_*)`
    plus `lambda_max(Sigma_x) sum_{i>r} s_i^2(Delta_*)`, the sum up to n if n < d_x. With `constants="paper"`
    they are what the paper's route, splitting off the tail by its Lemma 11, leads to when it is followed here: 64,
    `16 E[kappa lambda_max(Sigma_hat)] + 8 lambda_max(Sigma_x)` and 2. All constants are derived in this book.

    Raises ValueError unless 1 <= rank <= min(d_x, d_y) and constants is "book" or "paper".
    Source: Theorems 2 and 4 of the paper, (12), (17).

    >>> task = Task.gaussian(d_x=10, d_y=8, shift_rank=2, noise_std=1.0, seed=0)
    >>> book, paper = (lora_bound_three_terms(task, 40, 2, constants) for constants in ("book", "paper"))
    >>> paper["variance"] / book["variance"]
    4.0
    """
    task, n, rank = *checked(task, n), checked_rank(task, rank)
    if constants not in ("book", "paper"):
        raise ValueError(f'constants is {_validate.shown(constants)}; it must be "book" or "paper"')
    formula = formulas.lora_bound_three_terms if constants == "book" else formulas.lora_bound_paper
    values, errors = _ingredients(task, n, rank, draws, seed)
    values |= {"T_r": _frobenius_tail(task, n, rank), "lambda_x": largest_feature_variance(task)}
    names = ("variance", "tail_operator", "tail_frobenius")
    return _with_bias(task, n, draws, seed, *_terms(formula.parts, names, values, errors))


def lora_bound_exact_rank(task: Task, n: Integer, rank: Integer, draws: Integer = 4000, seed: Seed = 0) -> Terms:
    """Upper bound for a shift of rank at most r: terms `bias`, `variance`, `cross`.

    `8 r lambda_max(Sigma_e) (sqrt k + sqrt d_y)^2 E kappa_X / n`, plus the bias of full fine-tuning if n < d_x; for
    anisotropic features and n < d_x combined as `(sqrt B + sqrt V)^2`.

    Raises ValueError unless rank(Delta_*) <= rank <= min(d_x, d_y).
    Source: Corollaries 1 and 2 of the paper, (13), (18), constant re-derived.

    >>> task = Task.gaussian(d_x=10, d_y=8, shift_rank=2, noise_std=1.0, seed=0)
    >>> sorted(lora_bound_exact_rank(task, n=40, rank=2))
    ['bias', 'cross', 'variance']
    """
    task, n, rank = *checked(task, n), checked_rank(task, rank)
    shift_rank = int(np.sum(shift_values(task) > 0))
    if shift_rank > rank:
        raise ValueError(
            f"rank is {rank}; Corollaries 1 and 2 need it to be at least the rank of the shift, {shift_rank}"
        )
    values, errors = _ingredients(task, n, rank, draws, seed)
    return _with_bias(task, n, draws, seed, *_terms((formulas.lora_bound_exact_rank,), ("variance",), values, errors))


def lora_variance_limit(task: Task, n: Integer, rank: Integer, constant: Real = 16.0) -> float:
    """What the variance term tends to: `C r lambda_max(Sigma_e) (sqrt k + sqrt d_y)^2 / (sqrt N - sqrt k)^2`.

    In the proportional limit, k / N to a number in (0, 1); C = 16 for the paper's Theorems 2 and 4, 8 for its
    Corollaries. For n < d_x features must be isotropic. Infinite at n = d_x.

    Raises ValueError unless 1 <= rank <= min(d_x, d_y), or for n < d_x with anisotropic features.
    Source: Propositions 4 and 6 of the paper.

    >>> task = Task.gaussian(d_x=25, d_y=25, shift_rank=2, noise_std=1.0, seed=0)
    >>> lora_variance_limit(task, n=100, rank=2)
    128.0
    """
    task, n, rank = *checked(task, n), checked_rank(task, rank)
    constant = _validate.number("constant", constant, strict=True)
    if n < task.d_x:
        need_isotropic(task, "Proposition 6")
    k, N = smaller_larger(task, n)
    if k == N:
        return float("inf")
    largest = float(noise_spectrum(task)[0])
    return float(formulas.lora_variance_limit(c=constant, k=k, N=N, d_y=task.d_y, r=rank, lambda_varepsilon=largest))


def _ingredients(task: Task, n: int, rank: int, draws, seed) -> tuple[dict, dict]:
    """What the formulas are functions of, and the standard errors of what was simulated."""
    draws = _validate.integer("draws", draws, 2)
    kappa, product = kappa_moments(task, n, draws, seed)
    largest, s = float(noise_spectrum(task)[0]), np.append(shift_values(task, whitened=False), 0.0)
    nothing = Estimate(0.0, 0.0)  # infinity times zero counts as zero
    kappa, product = kappa if largest else nothing, product if s[rank] else nothing
    values = {
        "barkappa": kappa.value,
        "barchi": product.value,
        "sigma_{r+1}": float(s[rank]),
        "lambda_varepsilon": largest,
        "k": min(n, task.d_x),
        "d_y": task.d_y,
        "n": n,
        "r": rank,
    }
    return values, {"barkappa": kappa.standard_error, "barchi": product.standard_error}


def _terms(parts, names, values: dict, errors: dict) -> tuple[dict, dict]:
    """The terms by name, and by how much each grows if every simulated moment grows by its standard error."""
    raised = values | {name: values[name] + error for name, error in errors.items()}
    terms, growth = {}, {}
    for name, part in zip(names, parts, strict=True):
        terms[name] = float(part(**{key: values[key] for key in part.names}))
        if any(errors.get(key) for key in part.names):
            growth[name] = float(part(**{key: raised[key] for key in part.names})) - terms[name]
    return terms, growth


def _tail(task: Task, n: int, rank: int) -> float:
    """T_r: the inevitable error, or for n < d_x a bound of `E sum_{i>r} s_i^2(Delta_* Pi Sigma_x^{1/2})`."""
    if n >= task.d_x:
        return inevitable_error(task, rank)
    scale, tail = feature_scale(task), _frobenius_tail(task, n, rank)
    if scale is None:
        return tail
    energy = scale * spectral_tail(shift_values(task, whitened=False), rank)
    return min(tail, float(formulas.sharp_signal_under_0(n=n, d_x=task.d_x, **{"s^2": energy})))


def _frobenius_tail(task: Task, n: int, rank: int) -> float:
    """`lambda_max(Sigma_x) sum_{r < i <= n} s_i^2(Delta_*)`."""
    return largest_feature_variance(task) * spectral_tail(shift_values(task, whitened=False)[:n], rank)


def _with_bias(task: Task, n: int, draws, seed, terms: dict, errors: dict) -> Terms:
    """Add the bias of full fine-tuning, and the cross term where Pythagoras does not apply."""
    if n >= task.d_x or feature_scale(task) is not None:
        return Terms({"bias": isotropic_bias(task, n), **terms, "cross": 0.0}, errors)
    bias = estimate(unseen_draws(task, n, draws, seed))
    cross = cross_term(bias.value, sum(terms.values()))
    return Terms({"bias": bias.value, **terms, "cross": cross}, {"bias": bias.standard_error, **errors})
