"""The Wishart explorer: eigenvalues of drawn matrices beside the Marchenko–Pastur law (chapter *Gaussian matrices*)."""

import numpy as np

from lorabook import wishart
from lorabook.explorers._model import Axis, Control, Curve, Explorer, Picture, Points, number
from lorabook.figures import COLORS

__all__ = ["WISHART"]

_BINS = 40
_EIGENVALUES = 2000


def _picture(size, ratio, seed) -> Picture:
    dof = round(ratio * size)
    draws = max(2, _EIGENVALUES // size)
    spectra = wishart.eigenvalues(size, dof, draws, seed) / dof
    least, most = wishart.marchenko_pastur_edges(size / dof)
    usual = wishart.eigenvalues(size, dof, draws, seed=0) / dof  # the axis stays while the seed changes
    edges = np.linspace(0.0, 1.15 * max(most, usual.max()), _BINS + 1)
    counts, _ = np.histogram(spectra, edges)
    middles = (edges[1:] + edges[:-1]) / 2
    grid = np.linspace(least, most, 200)
    smallest, inverse = spectra[:, 0], np.sum(1 / spectra, axis=1) / dof
    mean = wishart.inverse_trace(size, dof)
    exact = number(mean) if np.isfinite(mean) else "infinite"
    words = (
        f"Drawn: {draws} matrices W of size {size} with {dof} degrees of freedom. Smallest eigenvalue of W/N: mean "
        f"{smallest.mean():.3g}, edge of the law {least:.3g}; largest: mean {spectra[:, -1].mean():.3g}, edge "
        f"{most:.3g}. Trace of the inverse of W: mean {number(inverse.mean())}, exact "
        f"{exact}."
    )
    series = {
        "drawn": Points(middles, counts / spectra.size / (edges[1] - edges[0])),
        "law": Points(grid, wishart.marchenko_pastur_density(grid, size / dof)),
    }
    return Picture(series, words)


WISHART = Explorer(
    name="wishart",
    title="Eigenvalues of a Wishart matrix",
    description="Histogram of the eigenvalues of W / N, W Wishart of size k with N degrees of freedom, beside the "
    "density of the Marchenko–Pastur law. Sliders set k, the ratio N / k, and the seed of the draws.",
    controls=(
        Control("size", "size k", (2, 5, 10, 20, 50, 100, 200), start=20, page=(2, 5, 20, 100)),
        Control("ratio", "degrees of freedom per size, N / k", (1, 1.1, 1.2, 1.5, 2, 3, 5, 10, 20), start=2),
        Control("seed", "seed of the draws", tuple(range(10)), start=0, page=(0, 1, 2)),
    ),
    curves=(
        Curve("drawn", "eigenvalues that were drawn", COLORS["blue"], "bars"),
        Curve("law", "Marchenko–Pastur law", COLORS["orange"]),
    ),
    x=Axis("eigenvalue of W / N"),
    y=Axis("density", range=(0, 2)),
    compute=_picture,
)
