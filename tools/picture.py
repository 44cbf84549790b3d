"""Draw the README's picture, book/_static/answer.svg, from real draws: the paper's Figure 1a with 100 seeds."""

from pathlib import Path

from lorabook import figures, sweeps

TARGET = Path(__file__).parent.parent / "book" / "_static" / "answer.svg"

if __name__ == "__main__":
    figures.use_style()
    ax = figures.risk_curves(sweeps.run("fig1a", seeds=100), "n", "number of samples n  (100 inputs, 100 outputs)")
    ax.axvline(100, color=figures.INK, linestyle=":", linewidth=1)
    ax.figure.savefig(TARGET, metadata={"Date": None})
    print(f"wrote {TARGET}")
