"""nbval compares what the committed notebooks keep: text, LaTeX and Markdown (see tools/notebooks.py)."""

from nbval.plugin import IPyNbFile

NOT_COMMITTED = (
    "image/svg+xml",
    "application/pdf",
    "text/html",
    "application/vnd.vegalite.v5+json",
)


def pytest_collectstart(collector):
    if isinstance(collector, IPyNbFile):
        collector.skip_compare += NOT_COMMITTED
