"""What the notebooks of the book must be, so that running them under strict nbval means something.

nbval does not compare a cell without an execution count: a stripped notebook passes it. These checks close that hole,
and hold the chapters to the conventions that readers rely on.
"""

import re
from pathlib import Path

import nbformat
import pytest
import yaml

from tools import notebooks

ROOT = Path(__file__).resolve().parent.parent
NOTEBOOKS = sorted((ROOT / "book").glob("*.ipynb"))
TOC = yaml.safe_load((ROOT / "_toc.yml").read_text("utf-8"))
CHAPTERS = [
    ROOT / f"{entry['file']}.ipynb" for part in TOC["parts"] if part.get("numbered") for entry in part["chapters"]
]
# The tags in use. Those that would let a cell fail or go unrun (nbval-skip, raises-exception) are not among them.
TAGS = {"hide-input", "hide-cell", "remove-cell", "remove-input", "nbval-ignore-output", "wrap"}
LONGEST_CELL = 45
NO_TEXT = re.compile(r"<(IPython\.core\.display\.\w+ object|[\w.]+ at 0x\w+)>")


def read(path):
    return nbformat.read(path, as_version=4)


def code_cells(path):
    return [cell for cell in read(path).cells if cell.cell_type == "code"]


def markdown(path):
    return "\n\n".join(cell.source for cell in read(path).cells if cell.cell_type == "markdown")


def output_texts(cell):
    return [output.data.get("text/plain", "") for output in cell.outputs if "data" in output]


each_notebook = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
each_chapter = pytest.mark.parametrize("path", CHAPTERS, ids=lambda path: path.stem)


def test_every_notebook_is_in_the_table_of_contents():
    listed = {TOC["root"], *(entry["file"] for part in TOC["parts"] for entry in part["chapters"])}
    assert {f"book/{path.stem}" for path in NOTEBOOKS} <= listed
    assert set(CHAPTERS) <= set(NOTEBOOKS)


@each_notebook
def test_every_code_cell_was_run_once_in_order(path):
    counts = [cell.execution_count for cell in code_cells(path)]
    assert counts, "a notebook without code is a .md page"
    assert counts == list(range(1, len(counts) + 1))


@each_notebook
def test_nothing_is_stored_but_text(path):
    assert path.read_text("utf-8") == notebooks.text(notebooks.clean(read(path)))


@each_notebook
def test_no_error_is_stored(path):
    assert not [cell.source for cell in code_cells(path) if any(o.output_type == "error" for o in cell.outputs)]


@each_notebook
def test_no_warning_is_stored(path):
    """nbval does not compare a cell whose output it ignores, so a warning there would stay."""
    streams = [output for cell in code_cells(path) for output in cell.outputs if output.output_type == "stream"]
    assert not [stream.text for stream in streams if stream.name != "stdout"]


@each_notebook
def test_what_is_stored_can_be_compared(path):
    """An HTML table or a bare object leaves only a name or an address behind, which says nothing about its content."""
    for cell in code_cells(path):
        if "nbval-ignore-output" not in cell.metadata.get("tags", []):
            alone = [output.data for output in cell.outputs if set(output.get("data", {})) == {"text/plain"}]
            assert not [data for data in alone if NO_TEXT.search(data["text/plain"])], cell.source


@each_notebook
def test_tags_are_those_in_use(path):
    assert {tag for cell in read(path).cells for tag in cell.metadata.get("tags", [])} <= TAGS


@each_notebook
def test_cells_fit_on_a_screen(path):
    assert not [cell.source for cell in code_cells(path) if len(cell.source.splitlines()) > LONGEST_CELL]


@each_notebook
def test_figures_have_a_name_a_caption_and_alt_text(path):
    for cell in code_cells(path):
        if any(text.startswith("<Figure size") for text in output_texts(cell)):
            mystnb = cell.metadata.get("mystnb", {})
            figure, image = mystnb.get("figure", {}), mystnb.get("image", {})
            missing = [key for key in ("name", "caption") if not figure.get(key)] + ["alt"] * (not image.get("alt"))
            assert not missing, f"{missing} missing for the figure of:\n{cell.source}"


@each_notebook
def test_it_starts_with_the_colab_cell(path):
    """With the extra that its imports need."""
    first, reference = code_cells(path)[0], code_cells(NOTEBOOKS[0])[0]
    uses_models = any("lorabook.llm" in cell.source for cell in code_cells(path))
    assert "google.colab" in first.source
    assert first.source.replace("[book,llm]" if uses_models else "[book]", "[book]") == reference.source
    assert ("[book,llm]" in first.source) == uses_models
    assert first.metadata.tags == ["remove-cell"]


@each_chapter
def test_chapters_have_three_exercises_and_their_solutions(path):
    text = markdown(path)
    exercises = re.findall(r"\{exercise(?:-start)?\}[^\n]*\n:label: (\S+)", text)
    solutions = re.findall(r"\{solution(?:-start)?\} *(\S+)", text)
    assert len(set(exercises)) == len(exercises) >= 3
    assert sorted(solutions) == sorted(exercises)
    assert "Predict, then check" in text


@each_chapter
def test_solutions_are_folded(path):
    openings = re.findall(r"\{solution(?:-start)?\}[^\n]*\n((?::[^\n]*\n)*)", markdown(path))
    assert openings
    assert all(":class: dropdown" in options for options in openings)


@pytest.mark.parametrize("path", sorted((ROOT / "book").glob("*.md")) + NOTEBOOKS, ids=lambda path: path.name)
def test_pictures_in_prose_have_alt_text(path):
    text = markdown(path) if path.suffix == ".ipynb" else path.read_text("utf-8")
    assert not re.findall(r"!\[\s*\]\([^)]*\)", text)
    assert not [tag for tag in re.findall(r"<img\b[^>]*>", text) if not re.search(r"""alt=["'][^"']""", tag)]
    directives = re.findall(r"\{(?:image|figure)\}[^\n]*\n((?::[^\n]*\n)*)", text)
    assert not [options for options in directives if ":alt:" not in options]


SAMPLE = """
print("a")
print("b")
import matplotlib.pyplot as plt
plt.plot([1, 2])
plt.show()
"""


def test_executing_and_cleaning_twice_changes_nothing(tmp_path):
    path = tmp_path / "sample.ipynb"
    # No cell ids, as older notebooks have none; a stream in two pieces; a picture.
    cell = {"cell_type": "code", "metadata": {"collapsed": True}, "source": SAMPLE, "outputs": []}
    sample = {"cells": [cell | {"execution_count": None}], "metadata": {}, "nbformat": 4, "nbformat_minor": 4}
    path.write_text(nbformat.writes(nbformat.from_dict(sample)))
    runs = []
    for _ in range(2):
        notebook = read(path)
        notebooks.execute(notebook, tmp_path)
        path.write_text(notebooks.text(notebooks.clean(notebook)))
        runs.append(path.read_text())
    assert runs[0] == runs[1]
    stream, figure = read(path).cells[0].outputs
    assert stream.text == "a\nb\n"
    assert list(figure.data) == ["text/plain"]
    assert figure.data["text/plain"].startswith("<Figure size")
    assert runs[0].endswith("}\n")
