"""The formulas of chapter *Fewer data than dimensions*, by minimisation and rearrangement."""

import numpy as np
from scipy.optimize import minimize_scalar


def cases(seed: int) -> dict:
    rng = np.random.default_rng([seed, 7])
    n = int(rng.integers(6, 12))
    d_x, q = n + 2 + int(rng.integers(1, 9)), 1 + seed % 3
    t, tau, C = rng.uniform(0.2, 3.0, 3)
    energy = 40.0 * t

    def risk(n):
        return energy - energy * n / d_x + t * n / (d_x - n - 1)

    best = minimize_scalar(risk, bounds=(0, d_x - 1 - 1e-9), method="bounded", options={"xatol": 1e-12}).x
    # the noise at which the risk neither falls nor grows at n = 0
    balanced = energy / d_x / ((d_x - 1) / (d_x - 1) ** 2)
    roots = [np.sqrt(n / d_x) * tau, C, tau / np.sqrt((n - 1) / q - 1), np.sqrt(t / ((d_x - 1) / q - 1))]
    return {
        "full_risk_isotropic": ({"n": n, "d_x": d_x, "t_varepsilon": t, "s^2": energy}, risk(n)),
        "best_sample_size": (
            {"d_x": d_x, "t_varepsilon": t, "s^2": energy},
            best,
        ),
        "strong_noise": ({"d_x": d_x, "s^2": energy}, balanced),
        "sharp_signal_under_0": ({"n": n, "d_x": d_x, "s^2": energy}, energy / (d_x / n)),
        "sharp_signal_under_1": (
            {"n": n, "d_x": d_x, "q": q, "tau": tau, "C": C, "t_varepsilon": t},
            sum(roots) ** 2,
        ),
    }
