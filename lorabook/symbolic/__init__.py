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
    chevet_increments,
    chi_mean,
    inverse_wishart,
    inverse_wishart_square,
    marchenko_pastur,
    mean_projector_plane,
    noise_covariance,
    poincare_attained,
    schur_2x2,
    smallest_eigenvalue_density,
    uniform_integrability,
)
from lorabook.symbolic.lora import (
    lora_is_projected,
    rank_constrained,
    risk_decomposition,
    tie_example,
    unseen_directions,
)
from lorabook.symbolic.low_rank import eckart_young_2x2, singular_value_decomposition, truncation_perturbation_attained
from lorabook.symbolic.overdetermined import (
    convex_trace,
    exact_rank_bound,
    full_risk_gaussian,
    infinite_mean,
    lora_noise,
    rank_split_attained,
    sharp_bound_limit,
    split_square,
    strong_signal_isotropic,
    subspace_attained,
    variance_limit,
)
from lorabook.symbolic.setting import excess_risk_2x2, gaussian_shift, inevitable_error_2x2
from lorabook.symbolic.underdetermined import (
    best_sample_size,
    cross_terms,
    exact_rank_bound_under,
    full_risk_isotropic,
    projector_under,
    pythagoras_under,
    strong_signal_under,
    variance_limit_under,
)

__all__ = [
    "Proof",
    "Step",
    "bartlett_2x2",
    "best_sample_size",
    "best_step",
    "chevet_increments",
    "chi_mean",
    "convex_trace",
    "cross_terms",
    "eckart_young_2x2",
    "exact_rank_bound",
    "exact_rank_bound_under",
    "excess_risk_2x2",
    "full_finetuning_error",
    "full_risk_gaussian",
    "full_risk_isotropic",
    "gaussian_shift",
    "gradient_descent",
    "inevitable_error_2x2",
    "infinite_mean",
    "inverse_wishart",
    "inverse_wishart_square",
    "least_norm",
    "lora_is_projected",
    "lora_noise",
    "marchenko_pastur",
    "mean_projector_plane",
    "noise_covariance",
    "poincare_attained",
    "projector_under",
    "pseudo_inverse",
    "pythagoras_under",
    "rank_constrained",
    "rank_split_attained",
    "risk_decomposition",
    "schur_2x2",
    "sharp_bound_limit",
    "singular_value_decomposition",
    "smallest_eigenvalue_density",
    "split_square",
    "strong_signal_isotropic",
    "strong_signal_under",
    "subspace_attained",
    "tie_example",
    "truncation_perturbation_attained",
    "uniform_integrability",
    "unseen_directions",
    "variance_limit",
    "variance_limit_under",
]
