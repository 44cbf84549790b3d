"""The problem sets: the reference is right for everybody, and every typical mistake is told by its own hint."""

import ast
import builtins
import json
import re
from collections import Counter

import matplotlib.pyplot as plt
import nbformat
import numpy as np
import pytest
import yaml
from nbgrader.nbgraderformat import MetadataValidator

from lorabook.assignments import WrongAnswer
from lorabook.assignments._answers import agree
from lorabook.assignments.network import experiment
from lorabook.estimators import full_finetune
from lorabook.linalg import truncate
from tests import assignment_notebooks as sets
from tools import assignments as tool

PAGE = sets.ROOT / "book" / "problem_sets.md"
HIDDEN = ("published", "another seed")
MARK = re.compile(r"### (BEGIN|END) (SOLUTION|HIDDEN TESTS)")
STUB = "# YOUR CODE HERE\nraise NotImplementedError()"

each_set = pytest.mark.parametrize("assignment", sets.SETS)
each_exercise = pytest.mark.parametrize(
    ("assignment", "name"),
    [(assignment, exercise.name) for assignment in sets.SETS for exercise in sets.problems(assignment).exercises],
)


def first_code_cell(chapter):
    cells = nbformat.read(sets.ROOT / "book" / f"{chapter}.ipynb", as_version=4).cells
    return next(cell.source for cell in cells if cell.cell_type == "code")


def complaint(assignment, name, answer, student, grading=None):
    """What the check says, or None."""
    try:
        sets.problems(assignment).check(name, answer, student, grading)
    except WrongAnswer as error:
        return str(error)
    return None


def graded(assignment, version="source"):
    return [cell for cell in sets.read(assignment, version).cells if sets.metadata(cell).grade]


def table(assignment):
    """Minutes and points of every row of the notebook's table, and of its last, the sum."""
    rows = re.findall(
        r"^\|.*\| *\**(\d+)\** *\| *\**(\d+)\** *\|$", sets.read(assignment).cells[0].source, re.MULTILINE
    )
    numbers = [(int(minutes), int(points)) for minutes, points in rows]
    return numbers[:-1], numbers[-1]


@pytest.fixture(autouse=True)
def short_trainings(monkeypatch):
    """A few steps are enough to see whether a notebook and its checks agree."""
    for name, size in {"n": 32, "test_n": 40, "epochs": 3}.items():
        monkeypatch.setitem(experiment.SIZES, name, size)


@pytest.fixture
def no_trainings(monkeypatch):
    """Runs whose results are made up, no two the same."""

    def made_up(config):
        *shares, first, second = np.random.default_rng([config.method == "lora", config.shift_seed]).random(5)
        return experiment.Measured(*shares, (first / 2, 1 - second / 2))

    monkeypatch.setattr(experiment, "_measured", made_up)


# Answers ----------------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("no_shape_checks")  # they would take most of the time
@each_set
def test_the_reference_is_right_for_200_students(assignment, capsys):
    """The last set trains for the student's own numbers, of which there are twelve: four of them are enough."""
    problems, tried = sets.problems(assignment), []
    own = [exercise.name for exercise in problems.exercises if exercise.own_numbers]
    expected = 0
    for i in range(200):
        numbers = {name: problems.numbers(name, f"student {i}") for name in own}
        all_of_it = not (assignment == "ps4_network" and (len(tried) == 4 or numbers in tried))
        tried += [numbers] * all_of_it
        sets.run(assignment, f"student {i}", grading=f"seed {i}", own_numbers=all_of_it)
        expected += 2 * (len(problems.exercises) - len(own) * (not all_of_it))
    assert capsys.readouterr().out.count(": right.") == expected


@pytest.mark.usefixtures("no_trainings", "no_shape_checks")
@each_exercise
def test_every_typical_mistake_is_told_by_its_own_hint(assignment, name):
    problems = sets.problems(assignment)
    exercise = problems.exercise(name)
    for student, grading in [("ada", None), ("grace", None), *(("ada", seed) for seed in HIDDEN)]:
        for mistake in exercise.mistakes:
            answer = mistake.answer
            if exercise.own_numbers:
                answer = answer(**problems.numbers(name, student))
            assert complaint(assignment, name, answer, student, grading) == f"{name}: {mistake.hint}", mistake.name


@pytest.mark.usefixtures("no_shape_checks")
@each_set
def test_the_given_figures_are_drawn_from_right_answers(assignment, monkeypatch):
    shown = []
    monkeypatch.setattr(plt, "show", lambda: shown.append([len(ax.lines) for ax in plt.gcf().axes]))
    try:
        names = sets.run(assignment, "ada", only_graded=False)
    finally:
        plt.close("all")
    assert len(shown) == sum("figure" in sets.tags(cell) for cell in sets.read(assignment).cells)
    assert all(lines > 1 for axes in shown for lines in axes)
    if assignment == "ps1_low_rank_regression":
        assert np.sum(names["flat"] ** 2) == pytest.approx(np.sum(names["decaying"] ** 2))


@each_set
def test_there_are_enough_mistakes_each_with_a_hint_of_its_own(assignment):
    hints = Counter(mistake.hint for exercise in sets.problems(assignment).exercises for mistake in exercise.mistakes)
    assert len(hints) >= 20
    assert max(hints.values()) == 1


@each_exercise
def test_an_answer_hard_coded_to_the_visible_cases_fails_the_hidden_ones(assignment, name):
    problems = sets.problems(assignment)
    exercise = problems.exercise(name)
    if exercise.own_numbers:  # there is only one case; a copied answer is tested below
        return
    seen = [(case, exercise.oracle(**case)) for case in problems.cases(name, "ada")]

    def remembered(**case):
        return next((answer for old, answer in seen if same_case(case, old)), seen[0][1])

    assert complaint(assignment, name, remembered, "ada") is None
    for seed in HIDDEN:
        assert complaint(assignment, name, remembered, "ada", seed) is not None


def lists(assignment, name, students=12):
    """The visible and the hidden cases of some students."""
    problems = sets.problems(assignment)
    for i in range(students):
        yield problems.cases(name, f"student {i}")
        yield problems.cases(name, f"student {i}", grading=f"seed {i}")


def answers(assignment, name, what=lambda answer: answer, **options):
    """The right answers to the cases of every list, or what is asked for of them."""
    oracle = sets.problems(assignment).exercise(name).oracle
    for cases in lists(assignment, name, **options):
        yield [what(oracle(**case)) for case in cases]


@pytest.mark.usefixtures("no_shape_checks")
@pytest.mark.parametrize("name", ["minimum_norm", "lora", "lora_path"])
def test_there_are_more_samples_than_inputs_and_fewer(name):
    for cases in lists("ps1_low_rank_regression", name):
        signs = {int(np.sign(np.diff(case["X"].shape)[0])) for case in cases}
        assert signs == {-1, 1}


def inverted(X, Y, W0, rank):
    """LoRA for those who hold the empirical covariance to be regular."""
    values, vectors = np.linalg.eigh(X @ X.T / X.shape[1])
    root = (vectors * np.sqrt(values)) @ vectors.T
    return W0 + truncate((full_finetune(X, Y, W0) - W0) @ root, rank) @ np.linalg.inv(root)


@pytest.mark.filterwarnings("ignore:invalid value:RuntimeWarning")
@pytest.mark.usefixtures("no_shape_checks")
def test_a_singular_covariance_cannot_be_inverted():
    hint = "It is right for more samples than inputs, and fails for fewer"
    for i in range(12):
        for grading in (None, "published", f"seed {i}"):
            assert hint in complaint("ps1_low_rank_regression", "lora", inverted, f"student {i}", grading)


@pytest.mark.usefixtures("no_shape_checks")
@pytest.mark.parametrize(
    ("assignment", "name", "number"),
    [("ps2_full_finetuning", "monte_carlo", "z"), ("ps3_lora_risk", "compare_ranks", "difference")],
)
def test_both_signs_occur(assignment, name, number):
    for found in answers(assignment, name, lambda answer: np.sign(answer[number])):
        assert {-1, 1} <= set(found)


@pytest.mark.usefixtures("no_shape_checks")
def test_some_credits_are_negative():
    assert all(min(found) < 0 for found in answers("ps3_lora_risk", "bill", lambda answer: answer["credit"].min()))


@pytest.mark.usefixtures("no_shape_checks")
def test_several_ranks_occur():
    assert all(len(set(found)) > 1 for found in answers("ps3_lora_risk", "choose_rank", lambda answer: answer["rank"]))


@pytest.mark.usefixtures("no_shape_checks")
def test_both_sides_of_the_threshold_occur():
    for cases in lists("ps3_lora_risk", "thresholds"):
        assert {case["sizes"][1] - case["d_x"] for case in cases} == {-1, 1}


def test_shares_of_labels_are_rounded_up_and_down_and_from_halves():
    for cases in lists("ps4_network", "flip_labels"):
        counts = [case["share"] * len(case["labels"]) for case in cases]
        assert any(0 < count % 1 < 0.5 for count in counts)
        assert any(count % 1 > 0.5 for count in counts)
        assert any(count % 1 == 0.5 and round(count) < count for count in counts)


@pytest.mark.usefixtures("no_shape_checks")
@pytest.mark.parametrize("name", ["crossover", "thresholds", "reading"])
def test_no_two_sizes_agree(name):
    for cases in lists("ps3_lora_risk", name):
        for case in cases:
            names = {"d_x", "d_y", "n", "n_now", "n_then"} & case.keys()
            sizes = [*case.get("sizes", ()), *(case[size] for size in names)]
            assert len(set(sizes)) == len(sizes)


@pytest.mark.usefixtures("no_shape_checks")
@each_exercise
def test_no_two_dimensions_of_data_agree(assignment, name):
    for cases in lists(assignment, name, students=6):
        for case in cases:
            if "X" in case and "Y" in case:
                X, Y = case["X"].shape, case["Y"].shape  # (d_x, n) and (d_y, n), of several draws at most three axes
                assert len({*X, *Y}) == (3 if len(X) == len(Y) == 2 else 4)


@pytest.mark.parametrize(("name", "number"), [("crossover", "crossover"), ("report", "test_loss")])
@pytest.mark.usefixtures("no_shape_checks")
def test_a_rounded_number_is_right_where_it_is_within_a_thousandth(name, number):
    problems = sets.problems("ps3_lora_risk")
    for i in range(12):
        student = f"student {i}"
        right = problems.exercise(name).oracle(**problems.numbers(name, student))
        rounded = {**right, number: float(f"{right[number]:.4g}")}
        assert complaint("ps3_lora_risk", name, rounded, student) is None
        assert complaint("ps3_lora_risk", name, {**right, number: 1.003 * right[number]}, student) is not None


def same_case(left, right):
    return all(left[key] is right[key] or agree(left[key], right[key], 0.0) for key in right)


@each_set
def test_only_ones_own_numbers_fail_in_a_copied_notebook(assignment, tmp_path, monkeypatch):
    folder = tmp_path / "autograded" / "grace" / assignment
    folder.mkdir(parents=True)
    monkeypatch.chdir(folder)
    own = {f"check_{exercise.name}" for exercise in sets.problems(assignment).exercises if exercise.own_numbers}
    assert len(own) >= 2
    found = sets.complaints(sets.read(assignment), "ada")
    assert {name for name, error in found.items() if error} == own
    assert all("'grace' handed it in" in found[name] for name in own)


@each_set
def test_a_blank_notebook_is_told_that_nothing_is_answered_yet(assignment):
    found = sets.complaints(sets.read(assignment, "release"), "ada")
    assert found == {
        f"check_{exercise.name}": f"WrongAnswer: {exercise.name}: Not answered yet."
        for exercise in sets.problems(assignment).exercises
    }


@each_set
def test_the_rules_are_said_first(assignment):
    first = sets.read(assignment).cells[0].source
    assert re.search("Arguments are not to be changed|Functions must leave their arguments as they are", first)
    own = [exercise for exercise in sets.problems(assignment).exercises if exercise.own_numbers]
    inexact = any(exercise.tolerance > 1e-6 for exercise in own)
    assert inexact == ("do not round" in first)


@pytest.mark.usefixtures("no_shape_checks")
def test_a_function_that_is_left_blank_is_named_by_those_that_call_it():
    cells = sets.read("ps1_low_rank_regression")
    blank = next(cell for cell in cells.cells if sets.metadata(cell).grade_id == "minimum_norm")
    blank.source = blank.source.partition("    ### BEGIN SOLUTION")[0] + "    raise NotImplementedError()"
    found = sets.complaints(cells, "ada")
    assert found["check_minimum_norm"] == "WrongAnswer: minimum_norm: Not answered yet."
    for name in ("lora", "lora_path"):
        assert found[f"check_{name}"] == f"WrongAnswer: {name}: It calls `minimum_norm`, which is not answered yet."
    assert found["check_truncate"] is None


@pytest.mark.parametrize("finite", [0.0, 1e9])
def test_a_finite_number_for_an_infinite_one_is_told(finite):
    for assignment, name in (("ps2_full_finetuning", "inverse_trace"), ("ps2_full_finetuning", "mean_risk")):
        oracle = sets.problems(assignment).exercise(name).oracle

        def wrong(oracle=oracle, **case):
            return {n: value if np.isfinite(value) else finite for n, value in oracle(**case).items()}

        assert complaint(assignment, name, wrong, "ada").endswith(" It is finite; the right value is infinite.")


def test_the_wrong_number_of_several_is_named():
    def wrong(full, lora):
        mean = np.mean(lora - full)
        return mean, mean - 1.0, mean + 1.0

    said = complaint("ps4_network", "interval", wrong, "ada")
    assert "Its part 2 of 3, low, is wrong. It is " in said


# Notebooks --------------------------------------------------------------------------------------------------------


def test_the_student_versions_are_those_of_the_sources():
    assert [path.parent.name for path in tool.sources()] == list(sets.SETS)
    assert not tool.out_of_date()


@each_set
def test_no_solution_is_in_the_student_version(assignment):
    cells, release = sets.read(assignment).cells, sets.read(assignment, "release").cells
    text = "\n".join(cell.source for cell in release)
    assert not MARK.search(text)
    assert "`reference`" not in text  # the id that sources may have in place of `your-id`
    secret = [
        line.strip()
        for cell in cells
        for what in ("SOLUTION", "HIDDEN TESTS")
        for region in sets.regions(cell.source, what)
        for line in region.splitlines()
    ]
    secret += [
        line
        for cell in cells
        if sets.metadata(cell).solution and cell.cell_type == "markdown"
        for line in cell.source.splitlines()
    ]
    assert len(secret) > len(graded(assignment))
    assert not [line for line in secret if len(line) >= 16 and line in text]


@each_set
def test_the_student_version_is_the_source_without_its_solutions(assignment):
    """So nothing of a solution stands there by being too short for the test above."""
    for cell, given in zip(sets.read(assignment).cells, sets.read(assignment, "release").cells, strict=True):
        if cell.cell_type == "markdown" and sets.metadata(cell).solution:
            assert given.source == "YOUR ANSWER HERE"
            continue
        expected = re.sub(r"\n *### BEGIN HIDDEN TESTS\n.*?### END HIDDEN TESTS", "", cell.source, flags=re.DOTALL)
        expected = re.sub(
            r"^( *)### BEGIN SOLUTION\n.*?### END SOLUTION",
            lambda mark: "\n".join(mark[1] + line for line in STUB.splitlines()),
            expected,
            flags=re.DOTALL | re.MULTILINE,
        )
        assert given.source == tool.STUDENT_LINE.sub('STUDENT = "your-id"', expected)


@each_set
def test_a_name_that_a_given_cell_needs_is_given_or_asked_for(assignment):
    cells = sets.read(assignment, "release").cells
    trees = [
        ast.parse(re.sub(r"^%.*|^ +%.*", "", cell.source, flags=re.MULTILINE) or "None")
        for cell in cells
        if cell.cell_type == "code" and "install" not in cell.metadata.get("tags", [])
    ]
    nodes = [node for tree in trees for node in ast.walk(tree)]
    given = set(dir(builtins)) | {
        node.id for node in nodes if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
    }
    for node in nodes:
        match node:
            case ast.FunctionDef(name=name) | ast.ClassDef(name=name) | ast.arg(arg=name):
                given.add(name)
            case ast.alias():
                given.add((node.asname or node.name).partition(".")[0])
    text = "\n".join(cell.source for cell in cells if cell.cell_type == "markdown")
    asked = set(re.findall(r"Write `(\w+)", text))
    needed = {node.id for node in nodes if isinstance(node, ast.Name)}
    assert needed - given <= asked


@each_set
def test_the_graders_metadata_is_valid(assignment):
    for version in ("source", "release"):
        cells = sets.read(assignment, version)
        MetadataValidator().validate_nb(cells)
        ids = [sets.metadata(cell).grade_id for cell in cells.cells if "nbgrader" in cell.metadata]
        assert len(set(ids)) == len(ids)
        assert all(sets.metadata(cell).points > 0 for cell in graded(assignment, version))
        assert sum(cell.source.count('STUDENT = "') for cell in cells.cells) == 1


@each_set
def test_every_exercise_is_checked_on_visible_and_on_hidden_cases(assignment):
    expected = {
        f"check_{exercise.name}": f'problems.check("{exercise.name}", {exercise.name}, STUDENT)\n'
        "### BEGIN HIDDEN TESTS\n"
        f'problems.check("{exercise.name}", {exercise.name}, STUDENT, grading="published")\n'
        "### END HIDDEN TESTS"
        for exercise in sets.problems(assignment).exercises
    }
    found = {sets.metadata(cell).grade_id: cell.source for cell in graded(assignment) if cell.cell_type == "code"}
    assert found == expected


@each_set
def test_points_and_minutes_add_up(assignment):
    rows, total = table(assignment)
    assert total == tuple(np.sum(rows, axis=0))
    assert [points for _, points in rows] == [sets.metadata(cell).points for cell in graded(assignment)]
    assert 60 <= total[0] <= 120
    by_machine = sum(sets.metadata(cell).points for cell in graded(assignment) if cell.cell_type == "code")
    row = re.search(rf"^\| {assignment[2]}\. .*$", PAGE.read_text("utf-8"), re.MULTILINE)[0]
    assert row.endswith(f"| {total[0]} | {by_machine} | {total[1] - by_machine} |")


@each_set
def test_the_page_offers_the_student_version_here_and_in_colab(assignment):
    path = sets.notebook(assignment, "release").relative_to(sets.ROOT)
    settings = yaml.safe_load((sets.ROOT / "_config.yml").read_text("utf-8"))
    place = (
        f"{settings['repository']['url'].removeprefix('https://github.com')}/blob/{settings['repository']['branch']}"
    )
    text = PAGE.read_text("utf-8")
    assert f"<{path.relative_to('book')}>`" in text
    assert f"({settings['launch_buttons']['colab_url']}/github{place}/{path})" in text


def test_the_page_quotes_a_hint():
    quoted = re.search(r"^> WrongAnswer: (\w+): (.*)$", PAGE.read_text("utf-8"), re.MULTILINE)
    exercise = sets.problems("ps1_low_rank_regression").exercise(quoted[1])
    assert quoted[2] in [mistake.hint for mistake in exercise.mistakes]


@each_set
def test_the_source_is_clean_and_installs_as_the_chapters_do(assignment):
    path = sets.notebook(assignment)
    text = path.read_text("utf-8")
    assert text == json.dumps(json.loads(text), indent=1, ensure_ascii=False) + "\n"
    code = [cell for cell in sets.read(assignment).cells if cell.cell_type == "code"]
    assert not [cell for cell in code if cell.outputs or cell.execution_count]
    assert code[0].source == first_code_cell("network" if "llm" in code[0].source else "lora")
    assert sets.tags(code[0]) == {"install"}
    assert {tag for cell in code for tag in sets.tags(cell)} <= {"install", "figure"}
