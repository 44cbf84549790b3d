"""A grid of settings → a tidy table of excess risks; the paper's figures as presets (chapter *The LoRA solution*).

- `run`: the table of a preset or of a `Grid`, on all cores or on a cluster, resumable
- `Grid`: all combinations of shifts, sample sizes and noise levels
- `PRESETS`: the grids of the paper's figures by name
- `gaussian_spectrum`: the singular values of the shift that a seed draws

Every seed makes one task and, for each sample size, one data set, from its own random numbers: the same seed at every
sample size and noise level sees the same task and the same features (common random numbers), as in the paper.
"""

from lorabook.sweeps._run import run
from lorabook.sweeps.grid import PRESETS, Grid
from lorabook.sweeps.shifts import gaussian_spectrum

__all__ = ["PRESETS", "Grid", "gaussian_spectrum", "run"]
