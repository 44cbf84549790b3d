"""The problem sets go through nbgrader itself: the reference has all points, a blank notebook none, a copy some."""

import os
import shutil
import sys
from pathlib import Path

import nbformat
import numpy as np
import pytest
from nbgrader.api import Gradebook
from nbgrader.apps import NbGraderAPI
from nbgrader.apps.nbgraderapp import NbGraderApp

from tests import assignment_notebooks as sets
from tools import assignments as tool

pytestmark = [
    # nbgrader's own use of sqlalchemy, at every first submission,
    pytest.mark.filterwarnings(r"ignore:Object of type <\w+> not in session"),
    # and its own cell, in place of a check that was removed.
    pytest.mark.filterwarnings("ignore:Cell is missing an id field:nbformat.warnings.MissingIDFieldWarning"),
]

SEED = "a seed that nobody knows"
FIRST = "ps1_low_rank_regression"


@pytest.fixture(scope="module")
def course(tmp_path_factory):
    """The folder that teachers get, with everything that nbgrader and the kernels write below it."""
    root = tmp_path_factory.mktemp("grading")
    tool.build(root / "built", SEED)
    shutil.unpack_archive(root / "built" / "lorabook-course.zip", root)
    with pytest.MonkeyPatch.context() as patch:
        for name in ("JUPYTER_RUNTIME_DIR", "JUPYTER_DATA_DIR", "JUPYTER_CONFIG_DIR", "IPYTHONDIR"):
            patch.setenv(name, str(root / name.lower()))
        patch.setenv("JUPYTER_PREFER_ENV_PATH", "1")
        patch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")  # nbgrader calls alembic
        patch.chdir(root / "lorabook-course")
        yield root / "lorabook-course"


@pytest.fixture(scope="module")
def api(course):
    app = NbGraderApp()
    app.load_config_file()
    return NbGraderAPI(config=app.config)


def hand_in(course, assignment, student, notebook):
    """Into the student's folder. Trainings are made short, in a cell that graders leave as it is."""
    for cell in notebook.cells:
        if "import experiment" in cell.source:
            cell.source += "\nexperiment.SIZES.update(n=32, test_n=40, epochs=3)"
    path = course / "submitted" / student / assignment / f"{sets.SETS[assignment]}.ipynb"
    path.parent.mkdir(parents=True)
    nbformat.write(notebook, path)


def finished(assignment, student):
    """The reference as a student would hand it in, the cells of figures left out to save time."""
    notebook = sets.read(assignment)
    notebook.cells = [cell for cell in notebook.cells if "figure" not in sets.tags(cell)]
    for cell in notebook.cells:
        cell.source = tool.STUDENT_LINE.sub(f'STUDENT = "{student}"', cell.source)
        if sets.metadata(cell).grade and cell.cell_type == "code":
            cell.source = cell.source.splitlines()[0]
    return notebook


def blank(assignment):
    return sets.read(assignment, "release")


def cell_of(notebook, grade_id):
    return next(cell for cell in notebook.cells if sets.metadata(cell).grade_id == grade_id)


def graded(api, assignment, student):
    """The points of each cell that a machine grades, and the share of what it can have."""
    result = api.autograde(assignment, student)
    assert result["success"], result["log"]
    with Gradebook(api.coursedir.db_url) as gradebook:
        grades = gradebook.find_submission_notebook(sets.SETS[assignment], assignment, student).grades
        points = {grade.name: (grade.auto_score, grade.max_score) for grade in grades if grade.cell.cell_type == "code"}
    return points


def generated(api, assignment):
    result = api.generate_assignment(assignment, force=True)
    assert result["success"], result["log"]


@pytest.mark.parametrize("assignment", sets.SETS)
def test_the_reference_has_all_points_and_a_blank_notebook_none(course, api, assignment):
    generated(api, assignment)
    release = course / "release" / assignment / f"{sets.SETS[assignment]}.ipynb"
    assert nbformat.read(release, as_version=4) == blank(assignment)

    hand_in(course, assignment, "ada", finished(assignment, "ada"))
    reference = graded(api, assignment, "ada")
    assert set(reference) == {f"check_{exercise.name}" for exercise in sets.problems(assignment).exercises}
    assert all(mine == most for mine, most in reference.values())

    hand_in(course, assignment, "nobody", blank(assignment))
    assert not any(mine for mine, _ in graded(api, assignment, "nobody").values())


def hard_coded(assignment, student, name):
    """Finished, but for one function: it knows the answers to the cases that the student can see, and no other."""
    problems = sets.problems(assignment)
    seen = [
        (float(np.sum(case["A"])), float(problems.exercise(name).oracle(**case)))
        for case in problems.cases(name, student)
    ]
    notebook = finished(assignment, student)
    cell_of(
        notebook, name
    ).source = f"def {name}(A, rank):\n    return min({seen}, key=lambda pair: abs(pair[0] - A.sum()))[1]"
    return notebook


def copied(assignment, owner):
    """Another one's notebook, a check changed so that it lets everything pass, and another one removed."""
    notebook = finished(assignment, owner)
    cell_of(notebook, "check_tail").source = "pass"
    notebook.cells.remove(cell_of(notebook, "check_lora"))
    return notebook


def test_what_is_hard_coded_or_copied_has_no_points(course, api):
    """And what was changed or removed of the checks is put back. Runs after the test above has made the assignment."""
    hand_in(course, FIRST, "clever", hard_coded(FIRST, "clever", "tail"))
    wrong = {name: points for name, points in graded(api, FIRST, "clever").items() if points[0] != points[1]}
    assert wrong == {"check_tail": (0.0, 2.0)}
    path = course / "autograded" / "clever" / FIRST / f"{sets.SETS[FIRST]}.ipynb"
    said, error = cell_of(nbformat.read(path, as_version=4), "check_tail").outputs
    assert (said.text, error.ename) == ("tail: right.\n", "WrongAnswer")

    hand_in(course, FIRST, "copier", copied(FIRST, owner="ada"))
    wrong = {name for name, (mine, most) in graded(api, FIRST, "copier").items() if mine != most}
    own = {f"check_{exercise.name}" for exercise in sets.problems(FIRST).exercises if exercise.own_numbers}
    assert wrong == own


def test_feedback_says_what_is_wrong_and_marks_by_hand_count(course, api):
    """Runs after the two tests above."""
    with Gradebook(api.coursedir.db_url) as gradebook:
        submission = gradebook.find_submission(FIRST, "ada")
        by_hand = [grade for notebook in submission.notebooks for grade in notebook.grades if grade.needs_manual_grade]
        assert [grade.name for grade in by_hand] == ["explain"]
        assert submission.max_score - submission.score == by_hand[0].max_score > 0
        by_hand[0].manual_score = by_hand[0].max_score
        gradebook.db.commit()
        assert submission.score == submission.max_score
    result = api.generate_feedback(FIRST, "clever")
    assert result["success"], result["log"]
    page = (course / "feedback" / "clever" / FIRST / f"{sets.SETS[FIRST]}.html").read_text("utf-8")
    assert "tail: With A of shape" in page
    assert SEED in page  # so a seed is good for one term: the page for teachers says so
