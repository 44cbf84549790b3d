"""Numerical checks of the book's statements: one function a statement, a module a chapter, random cases for each.

Every function returns a `claims.Check`: what was measured, the figure, and the limit that it must keep. Limits of exact
identities follow from rounding, those of Monte-Carlo checks from a stated rate of false alarms.
"""

from lorabook.checks.full_finetuning import (
    best_descent_rate,
    full_finetuning_error,
    gradient_descent_rate,
    least_norm,
    pseudo_inverse,
)
from lorabook.checks.gaussian_matrices import (
    bartlett,
    chevet,
    gaussian_norm,
    gaussian_poincare,
    inverse_wishart,
    inverse_wishart_square,
    marchenko_pastur,
    mean_projector,
    noise_norm,
    schur,
    smallest_eigenvalue,
    smallest_eigenvalue_limit,
)
from lorabook.checks.lora import (
    comparison,
    lora_formula,
    nuclear_norm,
    projector,
    rank_constrained,
    risk_decomposition,
    ties,
    unseen_directions,
)
from lorabook.checks.low_rank import eckart_young, singular_values, truncation_perturbation, weyl
from lorabook.checks.setting import excess_risk, gaussian_shift, inevitable_error, optimism, product_singular_values

__all__ = [
    "bartlett",
    "best_descent_rate",
    "chevet",
    "comparison",
    "eckart_young",
    "excess_risk",
    "full_finetuning_error",
    "gaussian_norm",
    "gaussian_poincare",
    "gaussian_shift",
    "gradient_descent_rate",
    "inevitable_error",
    "inverse_wishart",
    "inverse_wishart_square",
    "least_norm",
    "lora_formula",
    "marchenko_pastur",
    "mean_projector",
    "noise_norm",
    "nuclear_norm",
    "optimism",
    "product_singular_values",
    "projector",
    "pseudo_inverse",
    "rank_constrained",
    "risk_decomposition",
    "schur",
    "singular_values",
    "smallest_eigenvalue",
    "smallest_eigenvalue_limit",
    "ties",
    "truncation_perturbation",
    "unseen_directions",
    "weyl",
]
