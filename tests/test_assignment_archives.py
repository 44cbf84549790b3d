"""What students and teachers get: the student versions, and a course folder with a seed of the teacher's own."""

import shutil
import subprocess
import zipfile

import nbformat
import pytest

from tests import assignment_notebooks as sets
from tools import assignments as tool

SEED = 'it\'s a "seed"'


@pytest.fixture(scope="module")
def archives(tmp_path_factory):
    return [{path.name: path for path in tool.build(tmp_path_factory.mktemp("built"), SEED)} for _ in range(2)]


def texts(path):
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name).decode("utf-8") for name in archive.namelist()}


def test_the_students_archive_has_the_student_versions_alone(archives):
    folder = "lorabook-problem-sets"
    expected = {
        f"{folder}/{path.relative_to(tool.RELEASE)}": path.read_text("utf-8")
        for path in (sets.notebook(assignment, "release") for assignment in sets.SETS)
    }
    found = texts(archives[0][f"{folder}.zip"])
    assert f'"lorabook[book,llm] @ {tool.LIBRARY}"' in found.pop(f"{folder}/README.md")
    assert found == expected


def test_the_teachers_archive_is_a_course_with_the_seed_in_every_hidden_test(archives):
    found = texts(archives[0]["lorabook-course.zip"])
    for assignment in sets.SETS:
        name = f"{assignment}/{sets.notebook(assignment).name}"
        source = nbformat.reads(found[f"lorabook-course/source/{name}"], as_version=4)
        hidden = [region for cell in source.cells for region in sets.regions(cell.source, "HIDDEN TESTS")]
        assert len(hidden) == len(sets.problems(assignment).exercises)
        assert all(f"grading={SEED!r})" in region for region in hidden)
        assert SEED not in found[f"lorabook-course/release/{name}"]
    others = {name.partition("/")[2] for name in found if "ps" not in name}
    assert others == {"README.md", "nbgrader_config.py", "contained.sh", "by_hand.py"}


def test_the_same_sources_give_the_same_archives(archives):
    first, second = archives
    assert first.keys() == second.keys()
    assert all(first[name].read_bytes() == second[name].read_bytes() for name in first)


def test_every_line_that_installs_the_library_is_pinned_to_the_commit_and_nothing_else_differs(archives, tmp_path):
    commit = "0123456789abcdef0123456789abcdef01234567"
    for path in tool.build(tmp_path, SEED, commit):
        found = texts(path)
        plain = texts(archives[0][path.name])
        assert sum(text.count("git+https") for text in found.values()) == (9 if "course" in path.name else 5)
        assert sum(text.count(f"{tool.LIBRARY}@{commit}") for text in found.values()) == (
            9 if "course" in path.name else 5
        )
        assert {name: text.replace(f"@{commit}", "") for name, text in found.items()} == plain


def test_the_commit_is_the_repositorys_own(tmp_path):
    def git(*arguments):
        subprocess.run(["git", "-C", tmp_path, "-c", "user.name=a", "-c", "user.email=a@b.c", *arguments], check=True)

    assert tool.head(tmp_path) == (None, False)
    (tmp_path / "lorabook").mkdir()
    (tmp_path / "lorabook" / "a.py").write_text("")
    git("init", "--quiet")
    assert tool.head(tmp_path) == (None, False)
    git("add", ".")
    git("commit", "--quiet", "--message", "First")
    commit, changed = tool.head(tmp_path)
    assert len(commit) == 40
    assert not changed
    assert tool.head(tmp_path / "lorabook") == (None, False)
    (tmp_path / "lorabook" / "a.py").write_text("b = 1")
    assert tool.head(tmp_path) == (commit, True)


def test_nothing_that_lies_beside_the_archives_is_lost(tmp_path, monkeypatch, capsys):
    work = tmp_path / "course" / "grades" / "gradebook.db"
    work.parent.mkdir(parents=True)
    work.write_text("points")
    monkeypatch.setattr(tool, "ROOT", tmp_path)
    monkeypatch.setattr(tool, "head", lambda: ("1f0c", True))
    monkeypatch.setattr(tool, "OUT", tmp_path)
    monkeypatch.setattr("sys.argv", ["assignments"])
    monkeypatch.delenv("GRADING_SEED", raising=False)
    assert tool.main() == 0
    said = capsys.readouterr().out
    assert all(words in said for words in ("PUBLIC seed", "pinned to commit 1f0c", "CAUTION", "unpack it outside"))
    assert work.read_text() == "points"
    assert {path.name for path in tmp_path.iterdir()} == {"course", "lorabook-course.zip", "lorabook-problem-sets.zip"}


def test_without_a_seed_the_public_one_stays():
    notebook = tool.source(sets.notebook("ps1_low_rank_regression"))
    assert sum(tool.PUBLIC_SEED in cell.source for cell in notebook.cells) == len(
        sets.problems("ps1_low_rank_regression").exercises
    )


def test_a_student_version_that_is_out_of_date_is_named(tmp_path, monkeypatch, capsys):
    shutil.copytree(tool.RELEASE, tmp_path / "book" / "release")
    monkeypatch.setattr(tool, "RELEASE", tmp_path / "book" / "release")
    monkeypatch.setattr(tool, "ROOT", tmp_path)
    monkeypatch.setattr("sys.argv", ["assignments", "--check"])
    assert tool.main() == 0
    old = tool.RELEASE / "ps1_low_rank_regression" / "low_rank_regression.ipynb"
    old.write_text(old.read_text("utf-8").replace("Eckart", "Eckhart"), "utf-8")
    (tool.RELEASE / "ps1_low_rank_regression" / "left_over.ipynb").write_text("", "utf-8")
    assert tool.main() == 1
    assert capsys.readouterr().out.count("out of date; run python -m tools.assignments --update") == 2
    monkeypatch.setattr("sys.argv", ["assignments", "--update"])
    assert tool.main() == 0
    assert not tool.out_of_date()
