"""Problem set 4: a tiny Qwen2 under label noise, full fine-tuning against LoRA, and the spectra of their updates.

Twelve exercises on the chapters *From the linear model to a network* and *Fine-tuning Qwen2.5*. Importing this package
does not import torch. Pages *Problem sets* and *For teachers*.
"""

from lorabook.assignments._problem_set import ProblemSet
from lorabook.assignments.network.exercises import EXERCISES

__all__ = ["problems"]

problems = ProblemSet("network", EXERCISES)
