"""The risk explorers: full fine-tuning and LoRA against samples, noise, or rank; exact draws beside the theory."""

import numpy as np

from lorabook import sampler
from lorabook._arrays import Real
from lorabook.explorers._model import Axis, Control, Curve, Explorer, Picture, Points, number
from lorabook.explorers._shift import D_X, D_Y, DECAY, SHIFT_RANK, UNTRAINED, spectrum
from lorabook.figures import COLORS, INK, method_style
from lorabook.predictions import predicted_risks

__all__ = ["RISK_OVER_NOISE", "RISK_OVER_RANK", "RISK_OVER_SAMPLES"]

RANKS = (1, 2, 4, 8)
DRAWS = 10
_SAMPLES = np.unique(np.r_[np.geomspace(5, 400, 14).astype(int), 33, 36, 38, 42, 44, 48])
_SAMPLES = _SAMPLES[np.abs(_SAMPLES - D_X) > 1]  # next to d_x the mean is infinite
_DRAWN_SAMPLES = (6, 12, 20, 29, 52, 80, 140, 400)
_NOISES = np.geomspace(0.5, 50, 17)
_DRAWN_NOISES = tuple(np.geomspace(0.5, 50, 7))
_RISK = Axis("excess risk (squared units of y)", log=True)

_NOISE = Control("noise_std", "noise σ (units of y)", (0.5, 1, 2, 3, 4, 6, 8, 12, 16, 24), start=6, page=(1, 3, 6, 12))
_N = Control(
    "n", "samples n", (8, 12, 16, 20, 24, 28, 32, 36, 44, 48, 56, 80, 120, 200, 400), start=80, page=(20, 32, 80, 200)
)


def _curves(gap: Real | None = None) -> tuple[Curve, ...]:
    styles = {"full": method_style("full")} | {f"r{rank}": method_style("lora", rank) for rank in RANKS}
    dashes = {"--": "dashed", "-": "solid"}
    lines = [Curve(key, s["label"], s["color"], dash=dashes[s["linestyle"]], gap=gap) for key, s in styles.items()]
    return (*lines, UNTRAINED, *(Curve(f"{key} drawn", s["label"], s["color"], "points") for key, s in styles.items()))


def _draw(s, d_y: int, n: int, noise_std: Real, ranks=RANKS) -> tuple[np.ndarray, np.ndarray]:
    """Mean risks of full fine-tuning and of the ranks, and their standard errors, over the same few draws."""
    risks = sampler.draw_risks(s, D_X, d_y, n, noise_std, ranks, DRAWS, seed=0)
    columns = np.column_stack([risks.full, risks.lora])
    return columns.mean(axis=0), columns.std(axis=0, ddof=1) / np.sqrt(DRAWS)


def _compare(xs, drawn_xs, settings) -> dict[str, Points]:
    """Lines of predictions at `xs`, points of draws at `drawn_xs`; `settings(x)` are (s, d_y, n, noise_std)."""
    lines = []
    for x in xs:
        s, d_y, n, noise_std = settings(x)
        prediction = predicted_risks(RANKS, s, D_X, d_y, n, noise_std)
        lines.append([prediction.full, *prediction.lora])
    means, errors = (np.array(columns) for columns in zip(*(_draw(*settings(x)) for x in drawn_xs), strict=True))
    series = {}
    for i, key in enumerate(["full", *(f"r{rank}" for rank in RANKS)]):
        series[key] = Points(np.asarray(xs), np.array(lines)[:, i])
        low, high = means[:, i] - errors[:, i], means[:, i] + errors[:, i]
        series[f"{key} drawn"] = Points(np.asarray(drawn_xs), means[:, i], low, high)
    series["untrained"] = Points(np.asarray(xs), np.array([s @ s for s, *_ in map(settings, xs)]))
    return series


def _in_words(series: dict[str, Points], at: tuple, where: str) -> str:
    """The risks that were drawn at some abscissas, and that of not training, the same at all of them."""
    sentences = []
    for x in at:
        drawn = {rank: points.y[list(points.x).index(x)] for rank, points in _drawn(series).items()}
        full, ranks = drawn.pop(0), drawn
        best = min(ranks, key=ranks.get)
        sentences.append(
            f"{where} {Control.text(x)}: full fine-tuning {number(full)}, the best of these ranks is {best} with "
            f"{number(ranks[best])}"
        )
    return f"Excess risk, mean of 10 draws. {'; '.join(sentences)}. Not training: {number(series['untrained'].y[0])}."


def _drawn(series) -> dict[int, Points]:
    return {0: series["full drawn"], **{rank: series[f"r{rank} drawn"] for rank in RANKS}}


def _over_samples(noise_std, shift_rank, decay, d_y) -> Picture:
    s = spectrum(shift_rank, decay, d_y)
    series = _compare(_SAMPLES, _DRAWN_SAMPLES, lambda n: (s, d_y, int(n), noise_std))
    return Picture(series, _in_words(series, (20, 52, 400), "n ="))


def _over_noise(n, shift_rank, decay, d_y) -> Picture:
    s = spectrum(shift_rank, decay, d_y)
    series = _compare(_NOISES, _DRAWN_NOISES, lambda noise_std: (s, d_y, n, float(noise_std)))
    return Picture(series, _in_words(series, (_DRAWN_NOISES[0], _DRAWN_NOISES[3], _DRAWN_NOISES[6]), "σ ="))


def _over_rank(n, noise_std, shift_rank, decay, d_y) -> Picture:
    s = spectrum(shift_rank, decay, d_y)
    ranks = np.arange(min(n, D_X, d_y) + 1)
    prediction = predicted_risks(ranks, s, D_X, d_y, n, noise_std)
    mean, error = _draw(s, d_y, n, noise_std, ranks)
    series = {
        "theory": Points(ranks, prediction.lora),
        "full": Points(np.array([0, ranks[-1]]), np.full(2, prediction.full)),
        "untrained": Points(np.array([0, ranks[-1]]), np.full(2, s @ s)),
        "drawn": Points(ranks, mean[1:], mean[1:] - error[1:], mean[1:] + error[1:]),
    }
    best = int(np.argmin(mean[1:]))
    words = (
        f"The shift has rank {len(s)}. On these draws rank {best} has the least excess risk, {number(mean[1 + best])}; "
        f"full fine-tuning has {number(mean[0])} (exact mean {number(prediction.full)}), not training {number(s @ s)}."
    )
    if np.isnan(prediction.lora).any():
        words += " Most directions of the shift are detectable here, more than the theory allows: it draws no line."
    return Picture(series, words)


_WHERE = (
    "; lines are the exact limits, points with standard errors the mean of 10 exact draws, and a dotted line is the "
    "risk of not training"
)

RISK_OVER_SAMPLES = Explorer(
    name="risk-over-samples",
    title="Risk against samples",
    description="Excess risk of full fine-tuning and of LoRA with ranks 1, 2, 4 and 8 against the number of samples, "
    f"with {D_X} inputs{_WHERE}. Sliders set the noise, the rank and decay of the shift, and the number of outputs.",
    controls=(_NOISE, SHIFT_RANK, DECAY, D_Y),
    curves=_curves(gap=D_X),
    x=Axis("samples n", log=True, range=(5, 400)),
    y=_RISK,
    compute=_over_samples,
)

RISK_OVER_NOISE = Explorer(
    name="risk-over-noise",
    title="Risk against noise",
    description="Excess risk of full fine-tuning and of LoRA with ranks 1, 2, 4 and 8 against the noise, with "
    f"{D_X} inputs{_WHERE}. Sliders set the samples, the rank and decay of the shift, and the number of outputs.",
    controls=(_N, SHIFT_RANK, DECAY, D_Y),
    curves=_curves(),
    x=Axis("noise σ, standard deviation (units of y)", log=True, range=(0.5, 50)),
    y=_RISK,
    compute=_over_noise,
)

RISK_OVER_RANK = Explorer(
    name="risk-over-rank",
    title="Risk against rank",
    description="Excess risk of LoRA against its rank, full fine-tuning as a dashed line, with "
    f"{D_X} inputs{_WHERE}. Sliders set samples, noise, the rank and decay of the shift, and the number of outputs.",
    controls=(_N, _NOISE, SHIFT_RANK, DECAY, D_Y),
    curves=(
        Curve("full", "full fine-tuning", INK, dash="dashed"),
        UNTRAINED,
        Curve("theory", "LoRA, exact limit", COLORS["blue"]),
        Curve("drawn", "LoRA, mean of 10 draws", COLORS["orange"], "points"),
    ),
    x=Axis("rank r of LoRA", whole=True),
    y=_RISK,
    compute=_over_rank,
)
