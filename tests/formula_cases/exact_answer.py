"""The formulas of *The exact answer* and *Better than truncation*, rearranged by hand or from other quantities."""

import numpy as np
from scipy.integrate import quad


def cases(seed: int) -> dict:
    rng = np.random.default_rng([seed, 8])
    d_x, d_y, n, r = (int(v) for v in rng.integers(2, 30, 4))
    n = n if abs(n - d_x) > 1 else d_x + 2
    k, N = min(n, d_x), max(n, d_x)
    kappa = N / (abs(n - d_x) - 1)
    x = np.sqrt(d_y * k) * rng.uniform(1.1, 9.0)
    sigma, s, g, tail, head, mixing = rng.uniform(0.3, 2.0, 6)
    c_u, c_v, eta, theta = rng.uniform(0.2, 0.9, 4)
    over_x = d_y * k / x**2
    cu2, cv2 = (1 - over_x) / (1 + d_y / x), (1 - over_x) / (1 + k / x)
    square = x + d_y + k + d_y * k / x
    price = square * (cv2 + kappa * (1 - cv2))
    cost = sigma**2 / N * (price - 2 * np.sqrt(square * x * cu2 * cv2))
    edge = d_y + k + 2 * np.sqrt(d_y * k)
    best_price = cv2 + kappa * (1 - cv2)
    values = rng.uniform(0.3, 2.0, (3, 5))
    s_i, s_j = 3.0 + values[0], values[1]
    rho, phi = rng.uniform(0.2, 3.0), rng.uniform(0.2, 3.0)
    gamma, t = rng.uniform(0.3, 3.0), rng.uniform(0.1, 3.0)
    visible, m, F, i = 3, 7, 0.4, 2
    alpha, beta = rng.uniform(0.01, 0.2, 2)
    d = {"d_y": d_y, "k": k}
    spike = {"x": x, **d}
    inflated = {"kappa": kappa, "N": N, "sigma": sigma, **d}
    roots = np.roots([gamma, -(1 + gamma + t), 1])
    vector = rng.standard_normal(3)
    C = np.diag([2.0, 3.0, 4.0])
    quadratic = vector @ np.linalg.inv(C) @ vector
    rho_j = np.array([0.4, 1.7])
    shift = np.angle(1 - rho_j * (np.cos(phi) - 1j * np.sin(phi)))
    sums = {r"\sum_{i > r} s_i^2": tail, r"\sum_{i \le r} s_i^2": head}
    return {
        "strength": ({"n": n, "s_i": s, "sigma": sigma}, (np.sqrt(n) * s / sigma) ** 2),
        "inflation": ({"N": N, "k": k}, 1 / (1 - (k + 1) / N)),
        "full_inflation": (
            {"n": n, r"\|\Delta_*\|_{F}^2": s, **inflated},
            max(0, d_x - n) / d_x * s + sigma**2 * d_y * min(n, d_x) / (abs(n - d_x) - 1),
        ),
        "mean_square_length": (
            {
                "n": n,
                "d_x": d_x,
                r"a_i^\top C^{-1} a_i": quadratic,
                r"\operatorname{tr} C^{-1}": np.trace(np.linalg.inv(C)),
                r"\|b_{i}\|^2": tail,
            },
            np.sum(vector**2 / [2, 3, 4]) + (1 + 1 / 2 + 1 / 3 + 1 / 4) * tail / (N - k - 1),
        ),
        "spiked_square": (spike, square),
        "overlap_left": (spike, cu2),
        "overlap_right": (spike, cv2),
        "estimated_strength": ({"y": square, **d}, x),
        "bill": (
            {r"\hat\theta": theta, "kappa": kappa, "N": N, "s": s, "n": n, "c_u": c_u, "c_v": c_v},
            theta / N * (theta * (kappa - (kappa - 1) * c_v**2) - 2 * s * np.sqrt(n) * c_u * c_v),
        ),
        "component_cost": (spike | inflated, cost),
        "bulk_cost": (inflated, sigma**2 * edge / (abs(n - d_x) - 1)),
        "strong_spikes": (
            {"n": n, "r": r, **inflated, **sums},
            tail + head * (N - n) / N + r * sigma**2 * (d_y / N + k / (N - k - 1)),
        ),
        "noise_free": ({"g": g, "T_r": mixing, **sums}, tail + head + g * (2 * g * mixing - mixing - head)),
        "mixing": (
            {"n": n, "s_i": s_i, "s_j": s_j},
            sum(1 / (b**-2 - a**-2) for a, b in zip(s_i, s_j, strict=True)) / n,
        ),
        "alpha": ({"N": 40, r"r_{\mathrm{vis}}": visible}, 1 / 36),
        "beta": ({"N": 40, "k": k % 30, r"r_{\mathrm{vis}}": visible}, 39 / 36 / (39 - k % 30)),
        "visible_square": ({"x_i": x, "i": i, **d}, x * square / (x + 3)),
        "bulk_square": (
            {"phi": phi, **d},
            abs(np.sqrt(d_y) + np.sqrt(k) * np.exp(1j * phi)) ** 2,
        ),
        "bulk_count": (
            {"m": m, "F": F, "phi": phi, "rho_j": rho_j},
            m * F + 0.25 + (np.sum(shift) - phi / 2) / np.pi,
        ),
        "bulk_capture": (
            {"rho": rho, "phi": phi},
            quad(lambda a: 2 / np.pi * np.sin(a) ** 2 / abs(1 - rho * np.exp(1j * a)) ** 2, 0, phi, epsabs=1e-12)[0],
        ),
        "master": (
            {
                "N": N,
                "n": n,
                "d_y": d_y,
                "alpha": alpha,
                "beta": beta,
                "lambda_i": values[0],
                "x_j": values[1],
                "Omega_j": values[2],
                "Omega_v": values[2, :2],
            },
            np.sum(values[1]) / n
            + beta * np.sum(values[0])
            - values[1] @ values[2] * (beta + 1 / N)
            - d_y * (beta - alpha) * (values[2, 0] + values[2, 1]),
        ),
        "usefulness_cubic": ({"kappa": kappa, **spike}, -(x**2) * N / sigma**2 * cost),
        "usefulness_root": (
            {"k": k, "kappa": kappa},
            max(np.roots([1, -(1 + kappa) * k, -(1 + 2 * kappa) * k**2, -(kappa - 1) * k**3]).real),
        ),
        "threshold": ({"sigma": sigma, "x_*": x, "n": n}, np.exp(np.log(sigma) + 0.5 * np.log(x / n))),
        "crossover_square": (
            {"n": n, "kappa": kappa, "r": r, r"\sum_{i > r} s_i^2": tail, **d},
            tail * n / (d_y * k) / (kappa - r * (1 / k + kappa / d_y)),
        ),
        "shrinkage_bill": (
            {"eta": eta, "theta": theta, "kappa": kappa, "N": N, "c_u": c_u, "c_v": c_v},
            eta / N * (eta * (kappa - (kappa - 1) * c_v**2) - 2 * theta * c_u * c_v),
        ),
        "shrinkage_factor": ({"kappa": kappa, **spike}, np.sqrt(x * cu2 * cv2 / square) / best_price),
        "shrinkage_gain": (spike | inflated, sigma**2 / N * x * cu2 * cv2 / best_price),
        "shrinkage_observed": (
            {"sigma": sigma, "N": N, r"\|\hat\theta_i z_{i}\|^2": s, **spike},
            sigma**2 * np.sqrt(square * x * cu2 * cv2) / N / s,
        ),
        "noise_estimate": (
            {r"\|R (I - P_{\mathrm{row}})\|_F^2": tail, "n": d_x + r, "d_x": d_x, "d_y": d_y},
            tail / d_y / r,
        ),
        "ridge_penalty": ({"d_x": d_x, **spike}, d_x / k * (1 - cv2) / cv2),
        "effective_dimension": ({"gamma": gamma, "t": t}, min(roots.real)),
        "ridge_risk": (
            {"s_i": values[0], "c_{u}^2(x_i)": values[1], "a(t_{i})": values[2]},
            sum(a**2 - a**2 * b * c for a, b, c in values.T),
        ),
    }
