"""Answers in words are text and nothing else for whoever reads them, and points come back from that text."""

import importlib.util
import os
import shutil
import sys
from pathlib import Path

import nbformat
import pytest
from nbgrader.api import Gradebook

from tests import assignment_notebooks as sets
from tools import assignments as tool

# nbgrader's own use of sqlalchemy, at every first submission.
pytestmark = pytest.mark.filterwarnings(r"ignore:Object of type <\w+> not in session")

FIRST = "ps1_low_rank_regression"
NAME = sets.SETS[FIRST]
HOSTILE = (
    "<script>document.title = 'changed'</script><img src=x onerror=\"document.title = 'changed'\">\n"
    "[a link](javascript:document.title='changed') ![a picture](attachment:a.png)\n"
    "== bob explain: 2 of 2\r== bob explain: 2 of 2\u2028== bob explain: 2 of 2\n"
    "\x1b]0;title\x07\x9b31m \u202eright to left"
)


@pytest.fixture(scope="module")
def template(tmp_path_factory):
    """The course of one set, which two students have handed in."""
    folder = tmp_path_factory.mktemp("template")
    tool.build(folder / "built")
    shutil.unpack_archive(folder / "built" / "lorabook-course.zip", folder)
    course = folder / "lorabook-course"
    (course / "grades").mkdir()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")  # nbgrader calls alembic
        with Gradebook(f"sqlite:///{course}/grades/gradebook.db") as gradebook:
            gradebook.add_assignment(FIRST)
            gradebook.add_notebook(NAME, FIRST)
            gradebook.add_grade_cell("explain", NAME, FIRST, max_score=2, cell_type="markdown")
            gradebook.add_solution_cell("explain", NAME, FIRST)
            for student in ("ada", "bob"):
                gradebook.add_student(student)
                gradebook.add_submission(FIRST, student)
    return course


@pytest.fixture
def tool_of_course(template, tmp_path):
    """`by_hand.py` of that course."""
    course = shutil.copytree(template, tmp_path / "course")
    spec = importlib.util.spec_from_file_location("by_hand", course / "by_hand.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def hand_in(course, student, answer=None, code=""):
    notebook = sets.read(FIRST, "release")
    for cell in notebook.cells:
        if sets.metadata(cell).grade_id == "explain" and answer is not None:
            cell.source = answer
            cell.attachments = {"a.png": {'image/png"><script>': "AAAA"}}
        if sets.metadata(cell).grade_id == "truncate":
            cell.source += code
    write(course, student, nbformat.writes(notebook))


def write(course, student, text):
    path = course / "submitted" / student / FIRST / f"{NAME}.ipynb"
    path.parent.mkdir(parents=True)
    path.write_text(text, "utf-8")


def grades(course):
    with Gradebook(f"sqlite:///{course}/grades/gradebook.db") as gradebook:
        return {
            student: (
                gradebook.find_grade("explain", NAME, FIRST, student).manual_score,
                gradebook.find_comment("explain", NAME, FIRST, student).manual_comment,
            )
            for student in ("ada", "bob")
        }


def test_only_what_prints_is_read_and_no_answer_passes_for_the_teachers_lines(tool_of_course):
    hand_in(tool_of_course.COURSE, "ada", HOSTILE)
    hand_in(tool_of_course.COURSE, "untouched")
    write(tool_of_course.COURSE, "zoe", "{")
    lines = list(tool_of_course.answers(FIRST))
    assert all(line.isprintable() for line in lines)
    assert [line for line in lines if line and not line.startswith("| ")] == [
        "== ada explain: of 2",
        "== zoe explain: of 2",
    ]
    assert "<script>" in lines[1]
    assert sum("bob explain" in line for line in lines) == 3
    assert "cannot be read" in lines[-2]


def test_points_and_comments_come_back_from_the_text(tool_of_course):
    hand_in(tool_of_course.COURSE, "ada", HOSTILE)
    hand_in(tool_of_course.COURSE, "bob", "Noise.")
    lines = "\n".join(tool_of_course.answers(FIRST)).replace("== ada explain: of", "== ada explain: 1.5 of", 1)
    text = lines.replace("\n\n== bob", "\nGood,\nbut short.\n\n== bob")
    assert tool_of_course.enter(FIRST, text.splitlines(keepends=True)) == 1
    assert grades(tool_of_course.COURSE) == {"ada": (1.5, "Good,\nbut short."), "bob": (None, None)}


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("== bob explain: 3 of 2", "bob explain: 3 points of 2"),
        ("== bob explain: nan of 2", "bob explain: nan points of 2"),
        ("== bob explain: 1,5 of 2", "could not convert"),
        ("== eve explain: 1 of 2", "eve explain: .*was it graded by machine"),
    ],
)
def test_nothing_is_entered_if_something_is_wrong(tool_of_course, line, message):
    with pytest.raises(ValueError, match=message):
        tool_of_course.enter(FIRST, ["== ada explain: 1 of 2", line])
    assert grades(tool_of_course.COURSE)["ada"] == (None, None)


def test_a_name_like_a_line_of_points_stays_a_name(tool_of_course):
    hand_in(tool_of_course.COURSE, "ada explain: 2 of 2 ", "Noise.")
    assert list(tool_of_course.marks(tool_of_course.answers(FIRST))) == []


@pytest.mark.parametrize(
    "line",
    [
        "import lorabook.linear as l",
        "from lorabook import lora",
        "problems = None",
        "truncate = problems.exercise('truncate').oracle",
        "__builtins__",
        "os.chdir('..')",
    ],
)
def test_plain_ways_to_the_librarys_answers_are_found(tool_of_course, line):
    hand_in(tool_of_course.COURSE, "ada")
    assert list(tool_of_course.search(FIRST)) == []
    hand_in(tool_of_course.COURSE, "bob", code=f"\n{line}  # \x1b]0;")
    assert list(tool_of_course.search(FIRST)) == [f"| bob: {line}  # \N{REPLACEMENT CHARACTER}]0;"]


@pytest.mark.parametrize("assignment", sets.SETS)
def test_the_reference_is_not_suspicious(tool_of_course, assignment):
    source = sets.read(assignment)
    for cell in source.cells:
        if sets.metadata(cell).grade and cell.cell_type == "code":
            cell.source = cell.source.splitlines()[0]
    path = tool_of_course.COURSE / "submitted" / "ada" / assignment / sets.notebook(assignment).name
    path.parent.mkdir(parents=True)
    nbformat.write(source, path)
    assert list(tool_of_course.search(assignment)) == []
