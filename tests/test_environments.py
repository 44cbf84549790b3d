"""The environments that the chapters run in: what goes into them, and that the right kernel runs."""

import ast
import fnmatch
import json
import os
import re
import sys
import tomllib
from pathlib import Path

import nbformat
import pytest
import yaml
from packaging.requirements import Requirement
from packaging.version import Version

from tools import environments
from tools.environments import Environment

ROOT = Path(__file__).resolve().parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
EXTRAS = PROJECT["optional-dependencies"]
EVERYTHING = PROJECT["dependencies"] + [line for lines in EXTRAS.values() for line in lines]
LOCK = (ROOT / "requirements.txt").read_text("utf-8")


def normal(name):
    return re.sub(r"[-_.]+", "-", name).lower()


# What is asked for ------------------------------------------------------------------------------------------------


def test_the_first_cell_says_which_extras():
    assert environments.extras_of(ROOT / "book" / "low_rank.ipynb") == ("book",)
    assert environments.extras_of(ROOT / "book" / "qwen.ipynb") == ("book", "llm")


def test_a_notebook_that_installs_nothing_is_an_error(tmp_path):
    path = tmp_path / "other.ipynb"
    nbformat.write(nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("1 + 1")]), path)
    with pytest.raises(ValueError, match=r"other\.ipynb has no first cell that installs lorabook in Colab"):
        environments.extras_of(path)


def test_everything_that_the_extras_name_is_asked_for_once():
    asked = environments.requirements(("book", "llm"))
    assert set(asked) == {*PROJECT["dependencies"], *EXTRAS["book"], *EXTRAS["llm"]}
    assert len(asked) == len(set(asked))


@pytest.mark.parametrize("line", sorted(set(EVERYTHING)))
def test_each_requirement_has_a_lower_bound_that_the_lock_is_not_below(line):
    name, oldest = environments.lower_bound(line).split("==")
    assert Requirement(line).specifier.contains(oldest)
    pins = re.findall(r"^([\w.-]+)==([^ \n]+)", LOCK, re.MULTILINE)
    locked = [Version(version) for pinned, version in pins if normal(pinned) == normal(name)]
    assert locked, f"{name} is not in requirements.txt"
    assert Version(oldest) <= min(locked)


@pytest.mark.parametrize("line", ["numpy", "numpy<3", "numpy>=1.26,<3", "numpy==2.0"])
def test_a_requirement_without_a_plain_lower_bound_is_an_error(line):
    with pytest.raises(ValueError, match=r"it must be a name, >= and a version"):
        environments.lower_bound(line)


def test_extras_share_their_lower_bounds():
    bounds = {}
    for line in EVERYTHING:
        bounds.setdefault(normal(Requirement(line).name), set()).add(environments.lower_bound(line).split("==")[1])
    assert not {name: found for name, found in bounds.items() if len(found) > 1}


def test_the_constraints_of_each_choice_of_versions():
    assert environments.constraints("newest", ("book",)) == ""
    oldest = environments.constraints("oldest", ("book",)).splitlines()
    assert oldest == [environments.lower_bound(line) for line in environments.requirements(("book",))]
    locked = environments.constraints("locked", ("book",)).splitlines()
    assert set(locked) == {line for line in LOCK.splitlines() if "==" in line and line[0] != "#"}


def test_cells_have_the_same_time_wherever_they_run():
    config = yaml.safe_load((ROOT / "_config.yml").read_text("utf-8"))
    executed = re.search(r"^CELL_TIMEOUT = (\d+)$", (ROOT / "tools" / "notebooks.py").read_text("utf-8"), re.MULTILINE)
    assert environments.CELL_TIMEOUT == int(executed[1]) == config["execute"]["timeout"]


# Making them ------------------------------------------------------------------------------------------------------


@pytest.fixture
def commands(monkeypatch):
    """What is run, in place of running it."""
    seen = []

    def run(command, **_):
        words = list(map(str, command))
        seen.append(words)
        if "venv" in words:
            Path(words[-1]).mkdir(parents=True)
        if "install" in words:
            (source,) = [word for word in words if "/" in word and Path(word.partition("file://")[2] or word).is_dir()]
            folder = Path(source.partition("file://")[2] or source)
            assert {"pyproject.toml", "README.md", "LICENSE"} <= {path.name for path in folder.iterdir()}
            assert (folder / "lorabook" / "claims.toml").exists()
            assert not list(folder.rglob("__pycache__"))

    monkeypatch.setattr(environments, "_run", run)
    return seen


def test_an_environment_is_made_once_from_the_same_requirements(commands, tmp_path, monkeypatch, capsys):
    for _ in range(2):
        Environment(("book",), "locked", tmp_path).prepare()
    made, installed = commands
    assert made == [sys.executable, "-m", "venv", str(tmp_path / "book-locked")]
    assert installed[0] == str(tmp_path / "book-locked" / "bin" / "python")
    assert any(word.startswith("lorabook[book] @ file://") for word in installed)
    assert "environment book-locked made in" in capsys.readouterr().out
    limits = (tmp_path / "book-locked" / "constraints.txt").read_text()
    assert limits == environments.constraints("locked", ("book",))

    monkeypatch.setattr(environments, "_hash_of_library", lambda: "another library")
    Environment(("book",), "locked", tmp_path).prepare()
    assert len(commands) == 3
    assert {"--no-deps", "--force-reinstall"} <= set(commands[2])

    monkeypatch.setattr(environments, "constraints", lambda *_: "numpy==2.0\n")
    Environment(("book",), "locked", tmp_path).prepare()
    assert commands[3] == made
    assert len(commands) == 5


def test_an_environment_that_could_not_be_made_is_not_taken_for_one(commands, tmp_path, monkeypatch):
    def fail(*_, **__):
        raise environments.CommandError("pip says no")

    with monkeypatch.context() as broken:
        broken.setattr(Environment, "_pip", fail)
        with pytest.raises(environments.CommandError):
            Environment(("book",), "locked", tmp_path).prepare()
    Environment(("book",), "locked", tmp_path).prepare()
    assert len(commands) == 3


def test_a_change_of_the_library_is_noticed(monkeypatch, tmp_path):
    (tmp_path / "lorabook").mkdir()
    files = ("pyproject.toml", "README.md", "LICENSE", "lorabook/a.py")
    for name in files:
        (tmp_path / name).write_text("1")
    monkeypatch.setattr(environments, "ROOT", tmp_path)
    seen = {environments._hash_of_library()}
    for name in files:
        (tmp_path / name).write_text("2")
        seen.add(environments._hash_of_library())
    assert len(seen) == 1 + len(files)


def test_what_fails_is_said_with_its_words(capsys, monkeypatch):
    monkeypatch.setattr(environments, "FOLDER", Path("/nowhere"))
    command = [sys.executable, "-c", "print('its words'); raise SystemExit(3)"]
    monkeypatch.setattr(Environment, "prepare", lambda self: environments._run(command))
    assert environments.main(["prepare"]) == 1
    assert "its words" in capsys.readouterr().err


# Tests of the library ---------------------------------------------------------------------------------------------


def files(module):
    """The files of a module of the tests or tools; none of a package, and none of the library."""
    if module.startswith("lorabook"):
        return []
    places = (base.joinpath(*module.split(".")) for base in (ROOT, ROOT / "tests", ROOT / "book" / "_ext"))
    return [place.with_suffix(".py") for place in places if place.with_suffix(".py").exists()]


def foreign(path, seen):
    """Packages that a file of the tests imports, itself or through other files that are not the library's."""
    if path in seen:
        return set()
    seen.add(path)
    found = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom):
            names = [node.module]
            names += [name for alias in node.names if files(name := f"{node.module}.{alias.name}")]
        for name in names:
            found |= set().union(*(foreign(file, seen) for file in files(name))) or {name.partition(".")[0]}
    return {
        name
        for name in found
        if not any((folder / name).is_dir() for folder in (ROOT, ROOT / "tests")) and not files(name)
    } - set(sys.stdlib_module_names)


def test_tests_of_the_library_need_what_its_extras_bring():
    of_the_book = [re.compile(fnmatch.translate(pattern)) for pattern in environments.OF_THE_BOOK]
    brought = {"yaml", "IPython"} | {normal(Requirement(line).name).replace("-", "_") for line in EVERYTHING}
    brought |= {"nbformat", "packaging"}  # with nbval and pytest
    needed = {}
    for path in sorted((ROOT / "tests").glob("test_*.py")):
        if not any(pattern.match(f"tests/{path.name}") for pattern in of_the_book):
            needed[path.name] = foreign(path, set()) - brought
    assert len(needed) > 30
    assert not {name: packages for name, packages in needed.items() if packages}


def test_tests_that_the_oldest_leave_out_exist():
    for name in environments.NOT_WITH_THE_OLDEST:
        file, _, function = name.partition("::")
        assert f"def {function}(" in (ROOT / file).read_text("utf-8")


@pytest.mark.parametrize("versions", environments.VERSIONS)
def test_the_library_is_tested_in_its_environment(versions, monkeypatch):
    seen = []
    monkeypatch.setattr(Environment, "prepare", lambda self: seen.append(self.name))
    monkeypatch.setattr(environments.subprocess, "call", lambda command, cwd: seen.append(command) or 5)
    assert environments.main(["library", "--versions", versions]) == 5
    name, command = seen
    assert name == f"book-cluster-llm-dev-{versions}"
    assert command[0].endswith(f"{name}/bin/python")
    assert f"--ignore-glob={ROOT}/tests/test_notebooks.py" in command
    assert ("-W" in command) == (versions == "oldest")


# Using them -------------------------------------------------------------------------------------------------------

FIRST = '%pip install -q "lorabook[book] @ git+https://nowhere"'


def stored(path, output):
    """A notebook that asks which environment it runs in, and remembers an answer."""
    cells = [nbformat.v4.new_code_cell(f"if False:\n    {FIRST}", execution_count=1)]
    cells.append(nbformat.v4.new_code_cell("import os\nprint(os.environ['WHERE'])", execution_count=2))
    cells[1].outputs = [nbformat.v4.new_output("stream", text=f"{output}\n")]
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata=kernel), path)
    return path


def test_chapters_run_in_their_environment_and_a_wrong_output_fails(tmp_path, monkeypatch, capsys):
    def pretend(self):
        python = self.path / "bin" / "python"
        python.parent.mkdir(parents=True)
        python.write_text(f'#!/bin/sh\nWHERE={self.name} exec {sys.executable} "$@"\n')
        os.chmod(python, 0o755)
        self._write_kernel()

    monkeypatch.setattr(Environment, "prepare", pretend)
    monkeypatch.setattr(environments, "FOLDER", tmp_path / "environments")
    paths = [stored(tmp_path / "right.ipynb", "book-newest"), stored(tmp_path / "wrong.ipynb", "somewhere else")]
    assert environments.chapters(paths, "newest", workers=2) == 1
    said = capsys.readouterr().out
    assert re.search(r"^right\.ipynb +book-newest +[\d.]+ s  passed$", said, re.MULTILINE)
    assert re.search(r"^wrong\.ipynb +book-newest +[\d.]+ s  FAILED$", said, re.MULTILINE)
    assert "somewhere else" in said
    assert said.endswith("1 of 2 notebooks passed, not: wrong.ipynb\n")


def test_the_kernel_is_the_one_of_the_environment(tmp_path):
    environment = Environment(("book", "llm"), "oldest", tmp_path)
    environment._write_kernel()
    (path,) = tmp_path.rglob("kernel.json")
    assert path.parent.name == environment.name == "book-llm-oldest"
    assert json.loads(path.read_text())["argv"][0] == str(tmp_path / "book-llm-oldest" / "bin" / "python")
