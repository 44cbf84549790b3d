"""lorabook: when low-rank adaptation beats full fine-tuning, in linear regression and beyond.

Columns are samples: X is (d_x, n), Y is (d_y, n), every weight matrix is (d_y, d_x). `seed` is an int or a numpy
Generator; nothing touches global random state.
"""

from lorabook.estimators import (
    RankPath,
    descent_rate,
    factored_gradient_descent,
    full_finetune,
    gradient_descent,
    lora,
    rank_path,
    ridge_finetune,
)
from lorabook.task import Dataset, Task

__version__ = "0.1.0"

__all__ = [
    "Dataset",
    "RankPath",
    "Task",
    "descent_rate",
    "factored_gradient_descent",
    "full_finetune",
    "gradient_descent",
    "lora",
    "rank_path",
    "ridge_finetune",
]
