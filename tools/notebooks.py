"""Execute the notebooks of the book in place, and clean them so that diffs stay readable.

    python tools/notebooks.py                  execute and clean every notebook of book/
    python tools/notebooks.py FILES            execute and clean these
    python tools/notebooks.py --clean [FILES]  clean without executing; exit 1 if a file changed
    python tools/notebooks.py --check [FILES]  change nothing; exit 1 if a file is not clean

A clean notebook keeps what strict nbval compares: text, LaTeX and Markdown outputs, and execution counts. Pictures,
HTML and widgets are left out (the text that stands for them stays), as are timestamps and the marks of one machine.
"""

import argparse
import hashlib
import sys
import time
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

BOOK = Path(__file__).resolve().parent.parent / "book"
KEPT_OUTPUTS = ("text/plain", "text/latex", "text/markdown")
KEPT_CELL_METADATA = ("mystnb", "tags")
METADATA = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}
CELL_TIMEOUT = 900


def clean(notebook: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """A copy without pictures, HTML, widgets, timestamps and machine marks; cleaning it again changes nothing."""
    ids: set[str] = set()
    cells = [_clean_cell(cell, position, ids) for position, cell in enumerate(notebook.cells)]
    return nbformat.from_dict({"cells": cells, "metadata": METADATA, "nbformat": 4, "nbformat_minor": 5})


def text(notebook: nbformat.NotebookNode) -> str:
    """The notebook as it stands in its file."""
    return nbformat.writes(notebook) + "\n"


def execute(notebook: nbformat.NotebookNode, folder: Path) -> None:
    """Run every cell, in a fresh kernel, in the notebook's own folder."""
    resources = {"metadata": {"path": str(folder)}}
    client = NotebookClient(
        notebook, timeout=CELL_TIMEOUT, kernel_name="python3", resources=resources, record_timing=False
    )
    client.execute()


def _clean_cell(cell, position, ids):
    metadata = {key: cell.metadata[key] for key in KEPT_CELL_METADATA if cell.metadata.get(key)}
    kept = {"cell_type": cell.cell_type, "id": _stable_id(cell, position, ids), "metadata": metadata}
    if cell.cell_type == "code":
        kept["execution_count"] = cell.execution_count
        kept["outputs"] = _merge_streams(filter(None, map(_clean_output, cell.outputs)))
    kept["source"] = cell.source
    return kept


def _stable_id(cell, position, ids):
    """The cell's own id; one made from its place and source where it has none, or another cell's."""
    identity = cell.get("id")
    if not identity or identity in ids:
        identity = hashlib.sha256(f"{position} {cell.source}".encode()).hexdigest()[:8]
    ids.add(identity)
    return identity


def _clean_output(output):
    if output.output_type in ("stream", "error"):
        return dict(output)
    data = {mime: value for mime, value in output.data.items() if mime in KEPT_OUTPUTS}
    if not data:
        return None
    return {**output, "data": data, "metadata": {}}


def _merge_streams(outputs):
    merged = []
    for output in outputs:
        if merged and output["output_type"] == "stream" and output.get("name") == merged[-1].get("name"):
            merged[-1]["text"] += output["text"]
        else:
            merged.append(output)
    return merged


def _read(path):
    return nbformat.read(path, as_version=4)


def _clean_files(paths, write):
    dirty = []
    for path in paths:
        cleaned = text(clean(_read(path)))
        if cleaned != path.read_text("utf-8"):
            dirty.append(path)
            if write:
                path.write_text(cleaned, "utf-8")
    for path in dirty:
        print(f"{path}: {'cleaned' if write else 'not clean; run `make notebooks`, or tools/notebooks.py --clean'}")
    return bool(dirty)


def _execute_files(paths):
    total = 0.0
    for path in paths:
        notebook, start = _read(path), time.perf_counter()
        try:
            execute(notebook, path.resolve().parent)
        except CellExecutionError as error:
            print(f"{path}: a cell failed; the file is unchanged\n{error}", file=sys.stderr)
            return 1
        seconds = time.perf_counter() - start
        total += seconds
        path.write_text(text(clean(notebook)), "utf-8")
        print(f"{path.name:30} {seconds:6.1f} s", flush=True)
    print(f"{'total':30} {total:6.1f} s")
    return 0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    mode = parser.add_mutually_exclusive_group()
    mode.add_argument("--clean", action="store_true", help="clean without executing")
    mode.add_argument("--check", action="store_true", help="only say which files are not clean")
    parser.add_argument("files", nargs="*", type=Path, help="notebooks; all of book/ by default")
    arguments = parser.parse_args()
    paths = arguments.files or sorted(BOOK.glob("*.ipynb"))
    if arguments.clean or arguments.check:
        return int(_clean_files(paths, write=arguments.clean))
    return _execute_files(paths)


if __name__ == "__main__":
    sys.exit(main())
