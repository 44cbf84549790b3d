"""The formulas of chapter *More data than dimensions*, rearranged by hand."""

import numpy as np


def cases(seed: int) -> dict:
    rng = np.random.default_rng([seed, 6])
    k, d_y, r, q, m = (int(v) for v in rng.integers(2, 9, 5))
    n = k + r + q + m + 5
    N = n + 3
    t, lam, kappa, chi, s, s_r, s_q, tau, tail = rng.uniform(0.2, 3.0, 9)
    a, f, o, f_2, phi, phi_n, phi_2 = rng.uniform(0.2, 3.0, 7)
    h, omega, fourth, C, nu, ell, delta, b, w = rng.uniform(0.2, 3.0, 9)
    s_next = 0.5 * s_r
    widths = k + d_y + 2 * np.sqrt(k * d_y)
    sizes = {"k": k, "d_y": d_y, "n": n, "r": r}
    noise = sizes | {"lambda_varepsilon": lam, "barkappa": kappa}
    bound = noise | {"barchi": chi, "sigma_{r+1}": s, "T_r": tail}
    per_sample = lam * widths * kappa / n
    square = s**2 * chi + 4 * s * np.sqrt(chi * per_sample) + 4 * per_sample
    p_star = 0.3 * t
    exponent = np.exp(-(s**2) / 4)
    quarter = 2 * nu / (s_r * ell)
    root = np.sqrt(n)
    return {
        "full_risk_lower_bound": ({"d_x": k, "n": n, "t_varepsilon": t}, t / n * k),
        "full_risk_gaussian": ({"d_x": k, "n": n, "t_varepsilon": t}, 1 / ((n - 1) / (k * t) - 1 / t)),
        "lora_bound": (bound, 2 * r * square + tail),
        "lora_bound_three_terms": (bound, 4 * r * (4 * per_sample + chi * s**2) + tail),
        "lora_bound_paper": (
            bound | {"lambda_x": o},
            8 * r * (8 * per_sample + (2 * chi + o) * s**2) + 2 * tail,
        ),
        "lora_bound_exact_rank": (noise, 8 * r * per_sample),
        "lora_variance_limit": (
            {"c": a, "k": k, "N": N, "d_y": d_y, "r": r, "lambda_varepsilon": lam},
            a * r * lam * widths / (N + k - 2 * np.sqrt(N * k)),
        ),
        "strong_signal": (
            {"p_*": p_star, "t_varepsilon": t, "k": k, "N": N, "r": r},
            0.3 * t * k / (N - k - 1) + 0.7 * t * r / (N - r - 1),
        ),
        "sharp_variance_0": ({"t_varepsilon": t, "f": f}, np.exp(np.log(t) + np.log(f))),
        "sharp_variance_1": (
            {"r": r, "lambda_varepsilon": lam, "d_y": d_y, "o": o, "f": f},
            lam * r * (d_y * o + 2 * np.sqrt(d_y * o * f) + f + o),
        ),
        "sharp_variance_2": ({"t_r": t, "f": f, "delta": delta}, t * f + 2 * delta * np.sqrt(t * f) + delta**2),
        "sharp_delta_square": (
            {"t_varepsilon": t, "f": f, "f_2": f_2, "nu": nu, "ell": ell, "s": s, "s_r": s_r},
            t * (f * (quarter**2 if quarter < 1 else 1) + 3 * f_2**0.5 * exponent),
        ),
        "sharp_ell": ({"r": r, "s": s, "n": n}, (root - r**0.5 - s) / root),
        "sharp_nu": (
            {"lambda_varepsilon": lam, "n": n, "a": a, "s": s, "tau": tau, "s_{r+1}": s_next},
            (lam**0.5 * (a + s) + tau + s * s_next) / root + s_next,
        ),
        "sharp_signal_1": (
            {"tau": tau, "C": C, "q": q, "n": n, "t_varepsilon": t},
            tau**2 + (C + (tau + t**0.5) / np.sqrt((n - 1) / q - 1)) ** 2,
        ),
        "sharp_alignment_weak": (
            {"n": n, "h": h, "omega": omega, "phi_q": phi, "phi'_q": phi_n},
            root * (h * phi**0.5 + omega * phi_n**0.5),
        ),
        "sharp_alignment_strong": (
            {"q": q, "n": n, "N_4": fourth, "s_q": s_q, "phi''_q": phi_2},
            fourth**2 * n * np.sqrt(4 * q * phi_2) / s_q,
        ),
        "sharp_omega_square": ({"q": q, "lambda_varepsilon": lam, "n": n, "a": a}, a * a * lam / (n / q)),
        "sharp_h_square": (
            {"tau": tau, "r": r, "n": n, "s_{r+1}": s_next},
            min(tau**2, r * (s_next**2 + 2 * s_next * tau / root + (tau**2 + s_next**2) / n)),
        ),
        "sharp_fourth": (
            {"lambda_varepsilon": lam, "n": n, "a": a, "tau": tau, "s_{r+1}": s_next},
            (lam**0.5 * a + 2 * lam**0.5 + 2 * s_next + tau) / root + s_next,
        ),
        "sharp_signal_2": (
            {"phi": phi, "b": b, "chi": chi, "tau": tau, "omega'": w},
            phi * b**2
            + 2 * b * np.sqrt(phi * (chi * tau**2 + phi * b**2 + phi * w**2))
            + chi * tau**2
            + phi * (b**2 + w**2),
        ),
        "sharp_b_square": ({"m": m, "t_varepsilon": t, "n": n}, t / (n / m)),
        "sharp_w_square": (
            {"r": r, "lambda_varepsilon": lam, "a": a, "k": k, "b_r": b, "n": n},
            r / n * lam * a * a - b / n * k,
        ),
    }
