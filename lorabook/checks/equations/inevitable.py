"""The inevitable error, (189)–(191), and the spectrum of the experiments, (192)."""

import numpy as np

from lorabook import bounds, formulas, linalg
from lorabook.checks.equations._draws import both
from lorabook.checks.equations._equation import DEFINITION, STATEMENT, Group, at_most, equal
from lorabook.checks.equations._stacks import fro, inv, tail, truncate

inevitable = Group("prop-inevitable-error")
GROUPS = (inevitable,)


@inevitable(
    189,
    r"\mathcal{E}(W_0 + \Delta) = \|\Delta \Sigma_x^{1/2} - \Delta_* \Sigma_x^{1/2}\|_F^2",
    on=both,
)
def _(c):
    direct = c.each(lambda D: c.task.excess_risk(c.W0 + D), D=c.low)
    return equal(direct, fro(c.low @ c.S_half - c.shift @ c.S_half))


@inevitable(
    190,
    r"\mathcal{E}(W_0 + \Delta) \ge \min_{\operatorname{rank} B \le r} \|B - \Delta_* \Sigma_x^{1/2}\|_F^2",
    rf"= {formulas.inevitable_error.latex()}",
    on=both,
    kind=STATEMENT,
)
def _(c):
    least = formulas.inevitable_error(**{"Delta_*": c.shift, "Sigma_x": c.S, "r": c.r})
    best = c.W0 + truncate(c.shift @ c.S_half, c.r) @ inv(c.S_half)
    return (
        at_most(least, c.excess(c.W0 + c.rival(c.shift))),
        at_most(least, c.excess(c.lora)),
        equal(least, c.task.excess_risk(best)),
        equal(least, bounds.inevitable_error(c.task, c.r)),
    )


@inevitable(
    191,
    r"\sum_{i>r} \sigma_i^2(\Delta_* \Sigma_x^{1/2}) \ge \lambda_{\min}(\Sigma_x) \sum_{i>r} \sigma_i^2(\Delta_*)",
    on=both,
    kind=STATEMENT,
    where="eq-inevitable-error-spectrum",
)
def _(c):
    return at_most(np.linalg.eigvalsh(c.S)[0] * tail(c.shift, c.r), bounds.inevitable_error(c.task, c.r))


@inevitable(192, r"\sigma_i = s\, e^{-\alpha (i - 1)}", kind=DEFINITION)
def _(_):
    """The largest is s, and each is the one before it times e^{-alpha}."""
    s = linalg.exponential_spectrum(6, 0.7, 5.0)
    return equal(s[0], 5.0), equal(s[1:] / s[:-1], np.full(5, np.exp(-0.7)))
