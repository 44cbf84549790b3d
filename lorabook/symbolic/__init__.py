"""Proofs by computation that the chapters show: each step is an identity that sympy has verified.

A `Proof` cannot be made from a false step, so what it displays is what was checked. The functions below make one each
and name the statement of the book that they serve; a module a chapter.
"""

from lorabook.symbolic._proof import Proof, Step
from lorabook.symbolic.full_finetuning import (
    best_step,
    full_finetuning_error,
    gradient_descent,
    least_norm,
    pseudo_inverse,
)
from lorabook.symbolic.gaussian_matrices import (
    bartlett_2x2,
    chi_mean,
    inverse_wishart,
    inverse_wishart_square,
    marchenko_pastur,
    mean_projector_plane,
    noise_covariance,
    poincare_attained,
    schur_2x2,
    smallest_eigenvalue_size_one,
)
from lorabook.symbolic.lora import (
    lora_is_projected,
    rank_constrained,
    risk_decomposition,
    tie_example,
    unseen_directions,
)
from lorabook.symbolic.low_rank import eckart_young_2x2, singular_value_decomposition, truncation_perturbation_attained
from lorabook.symbolic.setting import excess_risk_2x2, gaussian_shift, inevitable_error_2x2

__all__ = [
    "Proof",
    "Step",
    "bartlett_2x2",
    "best_step",
    "chi_mean",
    "eckart_young_2x2",
    "excess_risk_2x2",
    "full_finetuning_error",
    "gaussian_shift",
    "gradient_descent",
    "inevitable_error_2x2",
    "inverse_wishart",
    "inverse_wishart_square",
    "least_norm",
    "lora_is_projected",
    "marchenko_pastur",
    "mean_projector_plane",
    "noise_covariance",
    "poincare_attained",
    "pseudo_inverse",
    "rank_constrained",
    "risk_decomposition",
    "schur_2x2",
    "singular_value_decomposition",
    "smallest_eigenvalue_size_one",
    "tie_example",
    "truncation_perturbation_attained",
    "unseen_directions",
]
