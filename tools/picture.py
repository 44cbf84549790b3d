"""Draw the README's picture, book/_static/answer.svg, from real draws: the paper's Figure 1a with 100 seeds."""

from pathlib import Path

import numpy as np

from lorabook import figures, sweeps

TARGET = Path(__file__).parent.parent / "book" / "_static" / "answer.svg"

if __name__ == "__main__":
    figures.use_style()
    table = sweeps.run("fig1a", seeds=100)
    untrained = np.mean([np.sum(sweeps.gaussian_spectrum(100, 100, 4, seed) ** 2) for seed in range(100)])
    ax = figures.risk_curves(table, "n", "number of samples n  (100 inputs, 100 outputs)", untrained=untrained)
    ax.axvline(100, color=figures.INK, linestyle=":", linewidth=1)
    ax.figure.savefig(TARGET, metadata={"Date": None})
    print(f"wrote {TARGET}")
