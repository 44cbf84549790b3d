"""Typical mistakes of problem set 4, in what is measured on trained models."""

import numpy as np

from lorabook.assignments._exercise import Mistake
from lorabook.assignments.network import oracles
from lorabook.assignments.network.experiment import RANK, measured
from lorabook.assignments.network.oracles import METHODS


def _squares(delta):
    return np.linalg.svd(delta, compute_uv=False) ** 2


def _t_interval(differences, factor=None, ddof=1, root=True, level=0.975):
    from scipy import stats

    k = len(differences)
    error = np.std(differences, ddof=ddof) / (np.sqrt(k) if root else 1.0)
    width = (stats.t.ppf(level, k - 1) if factor is None else factor) * error
    return differences.mean(), differences.mean() - width, differences.mean() + width


def _unpaired(full, lora):
    from scipy import stats

    error = np.sqrt((np.var(full, ddof=1) + np.var(lora, ddof=1)) / len(full))
    width = stats.t.ppf(0.975, 2 * len(full) - 2) * error
    mean = (lora - full).mean()
    return mean, mean - width, mean + width


def _of_runs(value):
    return lambda shift_rank, shift_seed: {
        method: value(measured(method, shift_rank, shift_seed)) for method in METHODS
    }


def _swapped(oracle):
    def answer(shift_rank, shift_seed):
        right = oracle(shift_rank, shift_seed)
        return {"full": right["lora"], "lora": right["full"]}

    return answer


def _verdict_with(**changes):
    statements = {"spectrum": 2, "rates": 3}

    def answer(shift_rank, shift_seed):
        right = oracles.verdict(shift_rank, shift_seed)
        keys = list(right)
        return right | {keys[statements[name]]: value for name, value in changes.items()}

    return answer


ENERGY = (
    Mistake(
        "singular values themselves",
        lambda delta: np.cumsum(np.sqrt(_squares(delta))) / np.sqrt(_squares(delta)).sum(),
        "Energy is a matter of squares: these are shares of the sum of the singular values.",
    ),
    Mistake(
        "shares of single directions",
        lambda delta: _squares(delta) / _squares(delta).sum(),
        "Each entry should hold the first k directions together; these are the shares of single directions.",
    ),
    Mistake(
        "smallest first",
        lambda delta: np.cumsum(_squares(delta)[::-1]) / _squares(delta).sum(),
        "The sum began at the smallest singular value; the leading directions come first.",
    ),
    Mistake(
        "divided by the largest",
        lambda delta: np.cumsum(_squares(delta)) / _squares(delta)[0],
        "Divided by the largest square, the last entry is not 1; the whole energy belongs below the line.",
    ),
    Mistake(
        "what is left",
        lambda delta: 1 - np.cumsum(_squares(delta)) / _squares(delta).sum(),
        "This is what the first k directions leave behind, not what they hold.",
    ),
)

WRONG_LABELS_LEARNT = (
    Mistake(
        "out of all examples",
        lambda answers, noisy, clean: float(np.mean((noisy != clean) & (answers == noisy))),
        "Counted among all examples; the share is one of the examples whose label is wrong.",
    ),
    Mistake(
        "fit to all labels",
        lambda answers, noisy, clean: float(np.mean(answers == noisy)),
        "This is the accuracy on the training labels, right ones included; only the wrong ones are asked for.",
    ),
    Mistake(
        "any wrong answer",
        lambda answers, noisy, clean: float(np.mean((answers != clean)[noisy != clean])),
        "An answer that is neither the right one nor the label trained on has not been learnt from that label.",
    ),
    Mistake(
        "right answers",
        lambda answers, noisy, clean: float(np.mean((answers == clean)[noisy != clean])),
        "This is the share that is still answered rightly in spite of the wrong label: the opposite of learning it.",
    ),
)

INTERVAL = (
    Mistake(
        "normal quantile",
        lambda full, lora: _t_interval(lora - full, 1.96),
        "With so few repeats the quantile is Student's, with one degree of freedom less than repeats, not 1.96.",
    ),
    Mistake(
        "quantile of one side",
        lambda full, lora: _t_interval(lora - full, level=0.95),
        "The quantile leaves 5 % out on either side, so this is a 90 % interval; half of the 5 % belongs on each.",
    ),
    Mistake(
        "n in the variance",
        lambda full, lora: _t_interval(lora - full, ddof=0),
        "The spread was divided by the number of differences; their mean was estimated too, so divide by one less.",
    ),
    Mistake(
        "standard deviation for standard error",
        lambda full, lora: _t_interval(lora - full, root=False),
        "This interval is for a single difference; that of their mean is narrower by the root of their number.",
    ),
    Mistake(
        "unpaired",
        _unpaired,
        "The repeats share their data between the methods: take the differences first, then their spread.",
    ),
    Mistake(
        "the other difference",
        lambda full, lora: _t_interval(full - lora),
        "This is full fine-tuning minus LoRA; asked for is LoRA minus full fine-tuning.",
    ),
)

ACCURACIES = (
    Mistake(
        "training accuracy",
        _of_runs(lambda run: run.training_accuracy),
        "These are accuracies on the training labels, the wrong ones among them; measure on the test examples.",
    ),
    Mistake(
        "methods exchanged",
        _swapped(oracles.accuracies),
        "The two methods' test accuracies are exchanged.",
    ),
    Mistake(
        "error rates",
        _of_runs(lambda run: 1 - run.accuracy),
        "These are the shares of wrong answers on the test examples.",
    ),
    Mistake(
        "percent",
        _of_runs(lambda run: 100 * run.accuracy),
        "These are percentages; answer with shares between 0 and 1.",
    ),
)

WRONG_LABELS = (
    Mistake(
        "exchanged",
        _swapped(oracles.wrong_labels),
        "The shares of wrong labels learnt are exchanged between the methods.",
    ),
    Mistake(
        "all labels",
        _of_runs(lambda run: run.training_accuracy),
        "These are the shares of all training labels that are fitted, right ones included.",
    ),
)

LEADING_ENERGIES = (
    Mistake(
        "one layer",
        _of_runs(lambda run: run.energies[0]),
        "This is the first layer alone; asked for is the mean over all linear layers.",
    ),
    Mistake(
        "the largest",
        _of_runs(lambda run: max(run.energies)),
        "This is the layer with the largest share; asked for is the mean over all linear layers.",
    ),
    Mistake(
        "a flat spectrum",
        lambda shift_rank, shift_seed: (
            {"full": oracles.leading_energies(shift_rank, shift_seed)["full"]} | {"lora": 1 / RANK}
        ),
        "A LoRA update of rank two does not share its energy evenly between its directions; measure it.",
    ),
)

VERDICT = (
    Mistake(
        "spectrum as proof",
        _verdict_with(spectrum=True),
        "The rank of a LoRA update was set before training. It says nothing of the rank of what had to be learnt.",
    ),
    Mistake(
        "one pair as proof",
        _verdict_with(rates=True),
        "Two runs, one rate each, one task: at other rates the order may be another. Look at the chapter's searches.",
    ),
    Mistake(
        "both",
        _verdict_with(spectrum=True, rates=True),
        "Two of the statements go beyond what was measured: which of them could another run contradict?",
    ),
)
