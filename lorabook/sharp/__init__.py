"""The risk of LoRA itself, not a bound on it: Gaussian features, a shift of low rank, white noise.

- `lora_risk`, `core_risk`, `lora_risk_limit`, `full_risk`: the mean risk of each rank, of full fine-tuning
- `finite_size_risk`: the same by an exact identity, averaged over draws
- `component_cost`, `strong_spike_risk`, `mixing_term`, `noise_free_risk`: what it is made of
- `spiked_triplet`, `estimated_strength`: what noise does to a direction's singular value and vectors
- `inflation`, `detection_threshold`, `usefulness_threshold`, `usefulness_root`, `zones`, `best_rank`: what to keep
- `crossover_noise`, `crossover_noise_limit`: the noise above which LoRA beats full fine-tuning
- `estimate_noise`, `choose_rank`, `shrunk_lora`, `ridge_lora`: estimators, from X, Y and W0 alone
- `shrunk_risk`, `ridge_risk`: their risks in the limit

From data alone: `choose_rank`, `shrunk_lora`, `ridge_lora`, `estimate_noise`. Everything else answers "what if": it
takes the singular values of the shift, which nobody with real data knows.

`singular_values` are those of the shift; features are isotropic with variance 1. For n >= d_x they may have any
covariance, with the singular values of `shift Sigma_x^{1/2}`. Results from outside the range where the theory was found
accurate come with an `AccuracyWarning`. Chapters *The exact answer* and *Better than truncation*.
"""

from lorabook.sharp._accuracy import AccuracyWarning
from lorabook.sharp._setting import TooManyVisibleError
from lorabook.sharp.core import core_risk, lora_risk
from lorabook.sharp.crossover import crossover_noise, crossover_noise_limit
from lorabook.sharp.estimators import choose_rank, estimate_noise, ridge_lora, shrunk_lora
from lorabook.sharp.identity import finite_size_risk
from lorabook.sharp.limit import (
    component_cost,
    full_risk,
    lora_risk_limit,
    mixing_term,
    noise_free_risk,
    strong_spike_risk,
)
from lorabook.sharp.predictions import ridge_risk, shrunk_risk
from lorabook.sharp.spikes import estimated_strength, spiked_triplet
from lorabook.sharp.thresholds import (
    best_rank,
    detection_threshold,
    inflation,
    usefulness_root,
    usefulness_threshold,
    zones,
)

__all__ = [
    "AccuracyWarning",
    "TooManyVisibleError",
    "best_rank",
    "choose_rank",
    "component_cost",
    "core_risk",
    "crossover_noise",
    "crossover_noise_limit",
    "detection_threshold",
    "estimate_noise",
    "estimated_strength",
    "finite_size_risk",
    "full_risk",
    "inflation",
    "lora_risk",
    "lora_risk_limit",
    "mixing_term",
    "noise_free_risk",
    "ridge_lora",
    "ridge_risk",
    "shrunk_lora",
    "shrunk_risk",
    "spiked_triplet",
    "strong_spike_risk",
    "usefulness_root",
    "usefulness_threshold",
    "zones",
]
