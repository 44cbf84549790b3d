"""What function of an object's attributes a model has learnt: the matrix that the synthetic world hides."""

from typing import NamedTuple

import numpy as np

from lorabook.llm.scoring import log_likelihoods
from lorabook.llm.synthetic import ATTRIBUTES, QUESTIONS
from lorabook.llm.tasks import Example

__all__ = ["LinearScores", "attributes", "centred", "linear_scores"]

_OPTIONS = 5


class LinearScores(NamedTuple):
    """The best linear description of a model's answers."""

    matrix: np.ndarray
    """(5 * questions, attributes): how much an attribute raises an option's log-likelihood, each question centred."""
    explained: float
    """The share of the variance of the log-likelihoods that it explains."""


def attributes(examples: list[Example]) -> tuple[np.ndarray, np.ndarray]:
    """For each five-way example, the vector of its attributes (+1, -1, or 0 if it mentions none), and its question.

    Shapes (examples, attributes) and (examples,). Raises ValueError for an example that no world has drawn.
    """
    poles = {word: (i, 1 - 2 * pole) for i, pair in enumerate(ATTRIBUTES) for pole, word in enumerate(pair)}
    X = np.zeros((len(examples), len(ATTRIBUTES)))
    asked = np.zeros(len(examples), dtype=int)
    for row, example in enumerate(examples):
        try:
            described, question = example.input.split(" is ", 1)[1].split("\n")[0].split(". ")
            for word in described.split(", "):
                axis, sign = poles[word]
                X[row, axis] = sign
            asked[row] = list(QUESTIONS).index(question)
        except (IndexError, KeyError, ValueError):
            raise ValueError(f"example {row + 1} is not a five-way question of a synthetic world") from None
    return X, asked


def centred(scores: np.ndarray) -> np.ndarray:
    """Scores (5 * questions, attributes) without what all options of a question share: answers do not depend on it."""
    blocks = scores.reshape(-1, _OPTIONS, scores.shape[1])
    return (blocks - blocks.mean(axis=1, keepdims=True)).reshape(scores.shape)


def linear_scores(model, tokenizer, examples: list[Example]) -> LinearScores:
    """Least squares of the model's centred log-likelihoods on the attributes, a matrix for each question.

    Raises ValueError as `attributes` does, or if the examples are too few to determine the matrix.
    """
    X, asked = attributes(examples)
    values = log_likelihoods(model, tokenizer, examples)
    values = values - values.mean(axis=1, keepdims=True)
    blocks, left, total = [], 0.0, 0.0
    for question in range(len(QUESTIONS)):
        mine = asked == question
        design = np.column_stack([X[mine], np.ones(mine.sum())])
        if np.linalg.matrix_rank(design) < design.shape[1]:
            raise ValueError(f"examples are too few: {mine.sum()} ask question {question + 1} of {len(QUESTIONS)}")
        coefficients = np.linalg.lstsq(design, values[mine], rcond=None)[0]
        left += ((values[mine] - design @ coefficients) ** 2).sum()
        total += ((values[mine] - values[mine].mean(axis=0)) ** 2).sum()
        blocks.append(coefficients[:-1].T)
    return LinearScores(np.vstack(blocks), float(1 - left / total))
