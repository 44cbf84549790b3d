"""The exercises of problem set 3: what each asks about, on which numbers, and the mistakes that are typical of it."""

from functools import partial

from lorabook.assignments._exercise import Exercise
from lorabook.assignments.lora_risk import (
    draws,
    mistakes,
    mistakes_of_averages,
    mistakes_of_choice,
    mistakes_of_formulas,
    mistakes_of_validation,
    oracles,
)

EXERCISES = (
    Exercise(
        "risk_parts",
        oracles.risk_parts,
        draws.risk_parts,
        "a dictionary with the keys kept and missed, each an array of shape (min(n, d_x, d_y) + 1,)",
        mistakes.RISK_PARTS,
        cases=3,
    ),
    Exercise(
        "bill",
        oracles.bill,
        draws.bill,
        "a dictionary with the keys price and credit, each an array of shape (min(n, d_x, d_y),)",
        mistakes.BILL,
        cases=3,
    ),
    Exercise(
        "bias_and_variance",
        oracles.bias_and_variance,
        draws.bias_and_variance,
        "a dictionary with the keys bias and variance, both numbers",
        mistakes_of_averages.BIAS_AND_VARIANCE,
        cases=2,
    ),
    Exercise(
        "compare_ranks",
        oracles.compare_ranks,
        draws.compare_ranks,
        "a dictionary with the keys difference, standard_error and z",
        mistakes_of_averages.COMPARE_RANKS,
        cases=2,
    ),
    Exercise(
        "crossover",
        oracles.crossover,
        draws.crossover,
        "a dictionary with the keys parameters, lora, full and crossover",
        mistakes_of_formulas.CROSSOVER,
        own_numbers=True,
        tolerance=draws.ROUNDING,
    ),
    Exercise(
        "thresholds",
        oracles.thresholds,
        tuple(partial(draws.thresholds, next_to=step) for step in (-1, 1)),
        "a dictionary from each number of samples to one with the keys edge, visible and useful",
        mistakes_of_formulas.THRESHOLDS,
        cases=2,
    ),
    Exercise(
        "choose_rank",
        oracles.choose_rank,
        draws.choose_rank,
        "a dictionary with the keys values, noise, threshold and rank",
        mistakes_of_choice.CHOOSE_RANK,
        cases=3,
    ),
    Exercise(
        "cross_validate",
        oracles.cross_validate,
        draws.cross_validate,
        "an array of shape (min(d_x, d_y) + 1,)",
        mistakes_of_validation.CROSS_VALIDATE,
        cases=2,
    ),
    Exercise(
        "report",
        oracles.report,
        draws.report,
        "a dictionary with the keys rank and test_loss",
        mistakes_of_validation.REPORT,
        own_numbers=True,
        tolerance=draws.ROUNDING,
    ),
    Exercise(
        "reading",
        oracles.reading,
        draws.reading,
        "a dictionary with the keys now, then and advice, the last a letter from A to F",
        mistakes_of_formulas.READING,
        own_numbers=True,
    ),
)
