"""Problem sets: exercises that say what is wrong with an answer, with numbers of their own for every student.

Each module of this package is one set, a `ProblemSet`: `low_rank_regression`, `full_finetuning`, `lora_risk` and
`network`, in the order of the book. A notebook asks a set to check an answer, a function or a value::

    from lorabook.assignments.low_rank_regression import problems

    problems.check("truncate", truncate, student="ada")

Pages *Problem sets* and *For teachers*.
"""

from lorabook.assignments._answers import WrongAnswer
from lorabook.assignments._exercise import Exercise, Mistake, told_apart
from lorabook.assignments._problem_set import ProblemSet

__all__ = ["Exercise", "Mistake", "ProblemSet", "WrongAnswer", "told_apart"]
