"""What theory says about the mean excess risk before any data are drawn; one function per numbered result.

- Theorems 1 and 3 of the paper: `full_risk_any_features`, `full_risk_lower_bound`
- Propositions 3 and 5 of the paper: `full_risk`, `best_sample_size`, `is_strong_noise`
- Theorems 2 and 4 of the paper: `lora_bound`, `lora_bound_three_terms`
- Propositions 4 and 6 of the paper: `lora_variance_limit`
- Corollaries 1 and 2 of the paper: `lora_bound_exact_rank`
- sharp forms of these theorems, beyond the paper: `lora_bound_sharp`
- strong-signal limits, beyond the paper: `strong_signal_risk`
- Appendix V.3 of the paper: `inevitable_error`

Every function takes a `Task`, whose noise may be correlated, and whose features may be where the result allows it; a
ValueError says why where it does not. Risks are in squared units of y and come as `Terms`: a value for each named term,
and their `total`. Chapters *More data than dimensions* (n >= d_x) and *Fewer data than dimensions* (n < d_x).
"""

from lorabook.bounds._terms import Terms
from lorabook.bounds.full import (
    best_sample_size,
    full_risk,
    full_risk_any_features,
    full_risk_lower_bound,
    is_strong_noise,
)
from lorabook.bounds.lora import (
    inevitable_error,
    lora_bound,
    lora_bound_exact_rank,
    lora_bound_three_terms,
    lora_variance_limit,
)
from lorabook.bounds.tight import lora_bound_sharp, strong_signal_risk

__all__ = [
    "Terms",
    "best_sample_size",
    "full_risk",
    "full_risk_any_features",
    "full_risk_lower_bound",
    "inevitable_error",
    "is_strong_noise",
    "lora_bound",
    "lora_bound_exact_rank",
    "lora_bound_sharp",
    "lora_bound_three_terms",
    "lora_variance_limit",
    "strong_signal_risk",
]
