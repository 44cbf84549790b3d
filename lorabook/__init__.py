"""lorabook: when low-rank adaptation beats full fine-tuning, in linear regression and beyond.

Columns are samples: X is (d_x, n), Y is (d_y, n), every weight matrix is (d_y, d_x). `seed` is an int or a numpy
Generator; nothing touches global random state.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
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

_MODULES = ("estimators", "linalg", "task")


def __getattr__(name: str):
    """The names above and the modules behind them, imported when they are first asked for.

    The command line thus begins before numpy and scipy are there.
    """
    if name in _MODULES:
        return import_module(f"{__name__}.{name}")
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    home = import_module(f"{__name__}.{'task' if name in ('Dataset', 'Task') else 'estimators'}")
    globals()[name] = getattr(home, name)
    return globals()[name]


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__, *_MODULES})
