"""Formulas of chapters 1 to 4: truncation, the risks, full fine-tuning and LoRA."""

import sympy
from sympy.matrices.expressions import MatAdd, MatMul, MatrixSymbol, Trace, Transpose

from lorabook.formulas._formula import Formula
from lorabook.formulas._nodes import (
    FrobeniusSquare,
    Inverse,
    OperatorNorm,
    PseudoInverse,
    Root,
    RootPseudoInverse,
    SingularValue,
    TailSum,
    TopProjector,
    Truncation,
    WorstContraction,
)

n, d_x, d_y = sympy.symbols("n d_x d_y", integer=True, positive=True)
_r = sympy.Symbol("r", integer=True, nonnegative=True)
_eta, _kappa = sympy.Symbol(r"\eta", positive=True), sympy.Symbol(r"\kappa", positive=True)
_A, _N = MatrixSymbol("A", d_y, d_x), MatrixSymbol("N", d_y, d_x)
_X, _Y = MatrixSymbol("X", d_x, n), MatrixSymbol("Y", d_y, n)
_W, _W0, _Wstar = (MatrixSymbol(name, d_y, d_x) for name in ("W", "W_0", "W_*"))
_Wfft = MatrixSymbol(r"W_{\mathrm{FFT}}", d_y, d_x)
_Dfft, _Dstar = MatrixSymbol(r"\Delta_{\mathrm{FFT}}", d_y, d_x), MatrixSymbol(r"\Delta_*", d_y, d_x)
_Sigma, _Sigma_hat = MatrixSymbol(r"\Sigma_x", d_x, d_x), MatrixSymbol(r"\hat\Sigma_x", d_x, d_x)
_P = MatrixSymbol("P", d_y, d_y)


def _minus(A, B):
    return MatAdd(A, MatMul(sympy.Integer(-1), B) if not isinstance(B, MatMul) else MatMul(sympy.Integer(-1), *B.args))


_residual = _minus(_Y, MatMul(_W0, _X))
_fitted = {_Dfft: MatMul(_residual, PseudoInverse(_X)), _Sigma_hat: MatMul(1 / n, _X, Transpose(_X))}

spectral_tail = Formula("spectral_tail", "eq-eckart-young", TailSum(_A, _r))
operator_error = Formula("operator_error", "eq-eckart-young-operator", SingularValue(_A, _r + 1))
truncation_perturbation = Formula(
    "truncation_perturbation",
    "eq-truncation-perturbation",
    sympy.Add(SingularValue(_A, _r + 1), sympy.Mul(2, OperatorNorm(_N), evaluate=False), evaluate=False),
)
empirical_risk = Formula(
    "empirical_risk",
    "eq-empirical-risk",
    sympy.Mul(1 / n, FrobeniusSquare(_minus(_Y, MatMul(_W, _X))), evaluate=False),
)
excess_risk = Formula(
    "excess_risk",
    "eq-excess-risk",
    Trace(MatMul(_minus(_W, _Wstar), _Sigma, Transpose(_minus(_W, _Wstar)))),
)
excess_risk_norm = Formula(
    "excess_risk_norm", "eq-excess-risk", FrobeniusSquare(MatMul(_minus(_W, _Wstar), Root(_Sigma)))
)
inevitable_error = Formula("inevitable_error", "eq-inevitable-error", TailSum(MatMul(_Dstar, Root(_Sigma)), _r))
full_finetune = Formula("full_finetune", "eq-full-finetuning", MatAdd(_W0, MatMul(_residual, PseudoInverse(_X))))
_E, _Pi_perp = MatrixSymbol("E", d_y, n), MatrixSymbol(r"\Pi^\perp", d_x, d_x)
_unseen = {_Pi_perp: _minus(sympy.Identity(d_x), MatMul(_X, PseudoInverse(_X)))}
ordinary_least_squares = Formula(
    "ordinary_least_squares",
    "eq-ordinary-least-squares",
    MatMul(_Y, Transpose(_X), Inverse(MatMul(_X, Transpose(_X)))),
)
interpolation = Formula(
    "interpolation",
    "eq-interpolation",
    MatAdd(MatMul(_W0, _Pi_perp), MatMul(_Y, Inverse(MatMul(Transpose(_X), _X)), Transpose(_X))),
    _unseen,
)
full_finetune_error = Formula(
    "full_finetune_error",
    "eq-fft-error",
    _minus(MatMul(_E, PseudoInverse(_X)), MatMul(_Dstar, _Pi_perp)),
    _unseen,
)
descent_rate = Formula("descent_rate", "eq-descent-rate", WorstContraction(_X, _eta))
_s_1, _s_m = sympy.symbols("s_1 s_m", positive=True)
best_step_size = Formula("best_step_size", "eq-best-step", 2 / (_s_1**2 + _s_m**2))
best_descent_rate = Formula(
    "best_descent_rate",
    "eq-best-descent-rate",
    sympy.Mul(sympy.Add(_kappa, -1, evaluate=False), sympy.Pow(_kappa + 1, -1), evaluate=False),
)
lora = Formula(
    "lora",
    "eq-lora",
    MatAdd(_W0, MatMul(Truncation(MatMul(_Dfft, Root(_Sigma_hat)), _r), RootPseudoInverse(_Sigma_hat))),
    _fitted,
)
lora_projector = Formula(
    "lora_projector",
    "eq-projector",
    MatMul(_P, _Dfft),
    {**_fitted, _P: TopProjector(MatMul(_Dfft, Root(_Sigma_hat)), _r)},
)
risk_decomposition = Formula(
    "risk_decomposition",
    "eq-risk-decomposition",
    sympy.Add(
        FrobeniusSquare(MatMul(_P, _minus(_Wfft, _Wstar), Root(_Sigma))),
        FrobeniusSquare(MatMul(_minus(sympy.Identity(d_y), _P), _Dstar, Root(_Sigma))),
        evaluate=False,
    ),
)
