"""Chapters are executed before the build into the cache that it reads; one that fails is reported and not stored."""

import nbformat
from jupyter_cache import get_cache

from tools import chapters


def write(path, source):
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source)])
    notebook.metadata.kernelspec = {"name": "python3", "display_name": "Python 3", "language": "python"}
    nbformat.write(notebook, path)
    return path


def test_what_ran_is_found_and_what_failed_is_shown(tmp_path, capsys):
    good = write(tmp_path / "good.ipynb", "print(6 * 7)")
    bad = write(tmp_path / "bad.ipynb", "1 / 0")
    cache = get_cache(tmp_path / "cache")
    assert set(chapters.changed([good, bad], cache)) == {good, bad}
    assert chapters.execute([good, bad], cache, timeout=60, workers=2) == [bad]
    shown = capsys.readouterr().err
    assert "bad.ipynb failed" in shown
    assert "ZeroDivisionError" in shown
    assert chapters.changed([good, bad], cache) == [bad]
    _, merged = cache.merge_match_into_notebook(nbformat.read(good, as_version=4))  # as myst-nb looks it up
    assert merged.cells[0].outputs[0].text == "42\n"
    write(good, "print(6 * 8)")
    assert chapters.changed([good], cache) == [good]


def test_the_notebooks_are_those_of_the_book():
    listed = chapters.notebooks()
    assert {path.suffix for path in listed} == {".ipynb"}
    assert set(listed) == set((chapters.ROOT / "book").glob("*.ipynb"))
