"""Problem set 2: full fine-tuning, minimum norm, Wishart moments, double descent.

Ten exercises on the chapters *The setting*, *Full fine-tuning*, *Gaussian matrices*, *More data than dimensions* and
*Fewer data than dimensions*. Pages *Problem sets* and *For teachers*.
"""

from lorabook.assignments._problem_set import ProblemSet
from lorabook.assignments.full_finetuning.exercises import EXERCISES

__all__ = ["problems"]

problems = ProblemSet("full_finetuning", EXERCISES)
