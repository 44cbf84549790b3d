"""Problem set 1: low-rank approximation and reduced-rank regression from scratch.

On the chapters *Low-rank approximation*, *The setting* and *The LoRA solution*.
"""

from lorabook.assignments import ProblemSet
from lorabook.assignments.low_rank_regression.exercises import EXERCISES

__all__ = ["problems"]

problems = ProblemSet("low_rank_regression", EXERCISES)
