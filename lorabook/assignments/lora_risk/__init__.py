"""Problem set 3: LoRA's risk. The exact decomposition, bias against variance, choosing the rank from data.

On the chapters *The LoRA solution*, *The exact answer* and *Better than truncation*.
"""

from lorabook.assignments import ProblemSet
from lorabook.assignments.lora_risk.exercises import EXERCISES

__all__ = ["problems"]

problems = ProblemSet("lora_risk", EXERCISES)
