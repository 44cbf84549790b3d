"""Execute the chapters whose code has changed, two at a time, into the cache that the build reads.

    python -m tools.chapters                           into _build/.jupyter_cache
    python -m tools.chapters --cache FOLDER --workers N

A build alone executes one chapter after the other. The cache knows a chapter by the code of its cells; a chapter that
is in it is not executed again. A chapter that fails is not stored: its traceback is shown and the exit status is 1.
"""

import argparse
import multiprocessing
import os
import sys
import traceback
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path

import nbformat
import yaml
from jupyter_cache import get_cache
from jupyter_cache.base import CacheBundleIn, JupyterCacheAbstract
from jupyter_cache.executors.utils import single_nb_execution
from sphinx_external_toc.parsing import parse_toc_yaml

ROOT = Path(__file__).resolve().parent.parent
CACHE = ROOT / "_build" / ".jupyter_cache"


def notebooks(root: Path = ROOT) -> list[Path]:
    """The notebooks in the table of contents, in its order."""
    pages = (root / f"{name}.ipynb" for name in parse_toc_yaml(root / "_toc.yml"))
    return [path for path in pages if path.is_file()]


def settings(root: Path = ROOT) -> dict:
    """What `execute` in the book's configuration says."""
    return yaml.safe_load((root / "_config.yml").read_text("utf-8"))["execute"]


def changed(paths: list[Path], cache: JupyterCacheAbstract) -> list[Path]:
    """Those that the cache does not hold, the largest first: it takes longest, as a rule, and shall not start last."""
    missing = []
    for path in paths:
        try:
            cache.match_cache_notebook(_read(path))
        except KeyError:
            missing.append(path)
    return sorted(missing, key=lambda path: path.stat().st_size, reverse=True)


def run(path: Path, timeout: int) -> tuple[nbformat.NotebookNode, float, str | None]:
    """Execute one, in its own folder: the notebook with its outputs, the seconds, and the traceback if it failed."""
    notebook = _read(path)
    try:
        result = single_nb_execution(notebook, cwd=str(path.parent), timeout=timeout, allow_errors=False)
    except Exception:  # the kernel died or did not start
        return notebook, 0.0, traceback.format_exc()
    return notebook, result.time, result.exc_string


def execute(paths: list[Path], cache: JupyterCacheAbstract, timeout: int, workers: int) -> list[Path]:
    """Execute and store these; the ones that failed."""
    failed = []
    with ProcessPoolExecutor(workers, mp_context=multiprocessing.get_context("spawn")) as pool:
        jobs = {pool.submit(run, path, timeout): path for path in paths}
        for job in as_completed(jobs):
            path = jobs[job]
            notebook, seconds, error = job.result()
            if error:
                failed.append(path)
                print(f"{path.name} failed:\n{error}", file=sys.stderr, flush=True)
                continue
            bundle = CacheBundleIn(notebook, str(path), data={"execution_seconds": seconds})
            cache.cache_notebook_bundle(bundle, check_validity=False, overwrite=True)
            print(f"{path.name:30} {seconds:6.1f} s", flush=True)
    return failed


def _read(path: Path) -> nbformat.NotebookNode:
    return nbformat.read(path, as_version=4)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cache", type=Path, default=CACHE, help="the build's cache (default: %(default)s)")
    parser.add_argument("--workers", type=int, default=2, help="chapters at a time (default: %(default)s)")
    arguments = parser.parse_args()
    os.environ["LORABOOK_PAGE"] = "1"  # in the kernels too: explorers compute all pictures of their page
    cache = get_cache(arguments.cache)
    missing = changed(notebooks(), cache)
    if missing:
        print(f"Executing {len(missing)} chapters, {arguments.workers} at a time")
        if failed := execute(missing, cache, settings()["timeout"], arguments.workers):
            print("Failed: " + ", ".join(path.name for path in failed), file=sys.stderr)
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
