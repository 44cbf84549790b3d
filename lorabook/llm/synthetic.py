"""Small stand-ins for BoolQ and CommonsenseQA in which the rank of what is to be learnt is chosen.

Each example describes a made-up object by a few of twelve two-pole attributes ("heavy" or "light", "wet" or "dry") and
asks a yes/no question about it, or one with five options. The right answer is the sign, or the largest entry, of a
hidden matrix times the vector of attributes. Pre-training uses a matrix W; fine-tuning uses W + D with D of the chosen
rank. The five options of a question stand in a fixed order: it is classification in the form of CommonsenseQA.
"""

from dataclasses import dataclass, field

import numpy as np

from lorabook import _validate
from lorabook._arrays import Integer, Real
from lorabook.llm.tasks import Example

__all__ = ["World"]

ATTRIBUTES = (
    ("heavy", "light"),
    ("red", "blue"),
    ("old", "new"),
    ("round", "square"),
    ("loud", "quiet"),
    ("soft", "hard"),
    ("wet", "dry"),
    ("hot", "cold"),
    ("thick", "thin"),
    ("sweet", "sour"),
    ("bright", "dark"),
    ("rough", "smooth"),
)
OBJECTS = ("bambol", "crintle", "drosk", "fenwit", "gorp", "hask", "jubber", "kelp")
PROPERTIES = ("useful", "safe", "valuable", "portable", "durable", "fragile", "popular", "washable")
QUESTIONS = {
    "Where is it kept?": ("kitchen", "garage", "garden", "office", "school"),
    "Who would want it?": ("farmer", "sailor", "baker", "teacher", "doctor"),
    "What is it for?": ("trade", "war", "play", "prayer", "study"),
}
MENTIONED = 4
"""Attributes of an object that an example mentions."""
_OPTIONS = 5
LARGEST_SHIFT_RANK = {
    "boolq": min(len(PROPERTIES), len(ATTRIBUTES)),
    "csqa": min(_OPTIONS * len(QUESTIONS), len(ATTRIBUTES)),
}
"""By task: the smaller side of its matrix of scores."""
_WORLD_STREAM, _SHIFT_STREAM, _SAMPLE_STREAM = 43, 44, 45


@dataclass(frozen=True, eq=False)
class World:
    """The hidden matrices: a row of scores for each property, and five for each kind of question."""

    boolq: np.ndarray
    """(properties, attributes)"""
    csqa: np.ndarray
    """(5 * questions, attributes)"""
    shift: dict = field(default_factory=dict)
    """What was added for fine-tuning, by task."""

    @classmethod
    def draw(cls, seed: Integer) -> "World":
        """Standard Gaussian scores."""
        rng = _validate.generator(seed, _WORLD_STREAM)
        d = len(ATTRIBUTES)
        return cls(rng.standard_normal((len(PROPERTIES), d)), rng.standard_normal((_OPTIONS * len(QUESTIONS), d)))

    def shifted(self, task: str, rank: Integer, strength: Real, seed: Integer) -> "World":
        """The world with a Gaussian shift of this rank added to the task's scores, `strength` times their norm.

        Raises ValueError if the rank exceeds that of the scores, or for an unknown task.
        """
        scores = self._scores(task)
        rank = _validate.integer("rank", rank, 1, min(scores.shape), "the shift is a matrix like the scores")
        strength = _validate.number("strength", strength)
        rng = _validate.generator(seed, _SHIFT_STREAM)
        D = rng.standard_normal((scores.shape[0], rank)) @ rng.standard_normal((rank, scores.shape[1]))
        D *= strength * np.linalg.norm(scores) / np.linalg.norm(D)
        changed = {"boolq": self.boolq, "csqa": self.csqa, task: scores + D}
        return World(**changed, shift={**self.shift, task: D})

    def sample(
        self, task: str, n: Integer, seed: Integer | np.random.Generator, margin: Real = 0.25, mentioned=(MENTIONED,)
    ) -> list[Example]:
        """n examples with answers that are not close calls.

        An example is kept if its score is off zero, or its best option ahead of the second, by `margin` standard
        deviations of a score. `mentioned` are the numbers of attributes to choose from, uniformly.
        """
        scores = self._scores(task)
        n = _validate.integer("n", n, 1)
        margin = _validate.number("margin", margin)
        rng = _validate.generator(seed, _SAMPLE_STREAM)
        least = margin * np.sqrt(MENTIONED * np.mean(scores**2))
        make = _yes_or_no if task == "boolq" else _five_options
        examples = []
        while len(examples) < n:
            count = int(rng.choice(mentioned))
            which, pole = rng.permutation(len(ATTRIBUTES))[:count], rng.integers(0, 2, count)
            x = np.zeros(len(ATTRIBUTES))
            x[which] = 1 - 2 * pole
            words = ", ".join(ATTRIBUTES[a][p] for a, p in zip(which, pole, strict=True))
            example = make(scores @ x, f"{OBJECTS[rng.integers(len(OBJECTS))]}", words, least, rng)
            if example is not None:
                examples.append(example)
        return examples

    def _scores(self, task: str) -> np.ndarray:
        if task not in ("boolq", "csqa"):
            raise ValueError(f"task is {task!r}; it must be one of ['boolq', 'csqa']")
        return getattr(self, task)


def _yes_or_no(scores, thing: str, words: str, least: float, rng) -> Example | None:
    asked = int(rng.integers(len(PROPERTIES)))
    if abs(scores[asked]) < least:
        return None
    text = f"Passage: The {thing} is {words}.\n\nQuestion: is the {thing} {PROPERTIES[asked]}"
    return Example("boolq", text, int(scores[asked] > 0))


def _five_options(scores, thing: str, words: str, least: float, rng) -> Example | None:
    asked = int(rng.integers(len(QUESTIONS)))
    own = scores[_OPTIONS * asked : _OPTIONS * (asked + 1)]
    second, best = np.sort(own)[-2:]
    if best - second < least:
        return None
    question, options = list(QUESTIONS.items())[asked]
    listed = "\n".join(f"{letter}. {option}" for letter, option in zip("ABCDE", options, strict=True))
    return Example("csqa", f"Question: The {thing} is {words}. {question}\n\nOptions:\n{listed}", int(np.argmax(own)))
