"""The problem sets as students and teachers get them.

    python -m tools.assignments           into _build/assignments: an archive for students, one for teachers
    python -m tools.assignments --update  write the student versions that are committed anew
    python -m tools.assignments --check   change nothing; exit 1 if a committed student version is out of date

A student version is made from the source notebook by nbgrader's own steps, and the same every time. The teachers'
archive is a course folder for nbgrader; there the seed of the hidden tests, which is public, is replaced by what the
environment variable GRADING_SEED holds, if it holds anything. In both archives the library is pinned to the commit that
they are made from, if there is one: its checks belong to these notebooks.
"""

import argparse
import copy
import os
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

import nbformat
from nbgrader import preprocessors as steps

from tools import notebooks, repository

ROOT = Path(__file__).resolve().parent.parent
ASSIGNMENTS = ROOT / "book" / "assignments"
SOURCE, RELEASE, COURSE = (ASSIGNMENTS / name for name in ("source", "release", "course"))
OUT = ROOT / "_build" / "assignments"
PUBLIC_SEED = 'grading="published"'
LIBRARY = f"git+https://github.com/{repository.current()}"
STUDENTS_README = f"""# Problem sets

Open a notebook in Colab, whose first cell installs the library, or anywhere after

    pip install "lorabook[book,llm] @ {LIBRARY}"

without `llm` for the sets before the last. The checks of another version of the library may differ.
"""
STUDENT_LINE = re.compile(r'^STUDENT = ".*"$', re.MULTILINE)
# Those of nbgrader's GenerateAssignment that need no gradebook; a test compares with what it makes.
STEPS = (
    steps.LockCells,
    steps.ClearSolutions,
    steps.ClearOutput,
    steps.CheckCellMetadata,
    steps.ClearHiddenTests,
    steps.ClearMarkScheme,
    steps.ComputeChecksums,
    steps.CheckCellMetadata,
)


def sources() -> list[Path]:
    """Every source notebook, in the order of the book."""
    return sorted(SOURCE.glob("*/*.ipynb"))


def released(path: Path) -> Path:
    """Where the student version of a source notebook is kept."""
    return RELEASE / path.relative_to(SOURCE)


def source(path: Path, seed: str | None = None) -> nbformat.NotebookNode:
    """A source notebook without anybody's id, its hidden tests with `seed` if there is one."""
    notebook = nbformat.read(path, as_version=4)
    for cell in notebook.cells:
        cell.source = STUDENT_LINE.sub('STUDENT = "your-id"', cell.source)
        if seed is not None:
            cell.source = cell.source.replace(PUBLIC_SEED, f"grading={seed!r}")
    return notebook


def student_version(notebook: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """Without solutions and hidden tests, cells locked and checksummed as nbgrader wants them."""
    notebook, resources = copy.deepcopy(notebook), {}
    for step in STEPS:
        notebook, resources = step().preprocess(notebook, resources)
    return notebook


def out_of_date() -> list[Path]:
    """The committed student versions that are not what their sources give, and those without a source."""
    wanted = {released(path): notebooks.text(student_version(source(path))) for path in sources()}
    stale = [path for path, text in wanted.items() if not path.exists() or path.read_text("utf-8") != text]
    return stale + sorted(set(RELEASE.glob("*/*")) - set(wanted))


def update() -> None:
    shutil.rmtree(RELEASE, ignore_errors=True)
    for path in sources():
        _write(released(path), notebooks.text(student_version(source(path))))


def build(out: Path = OUT, seed: str | None = None, commit: str | None = None) -> tuple[Path, Path]:
    """Makes the archives for students and for teachers in `out`, and returns them; the library is pinned to `commit`.

    Nothing else in `out` is touched.
    """
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        course, students = Path(folder) / "course", Path(folder) / "students"
        for path in COURSE.iterdir():
            if path.is_file():
                _write(course / path.name, pinned(path.read_text("utf-8"), commit))
        _write(students / "README.md", pinned(STUDENTS_README, commit))
        for path in sources():
            name, notebook = path.relative_to(SOURCE), source(path, seed)
            for cell in notebook.cells:
                cell.source = pinned(cell.source, commit)
            released = notebooks.text(student_version(notebook))
            _write(course / "source" / name, notebooks.text(notebook))
            _write(course / "release" / name, released)
            _write(students / name, released)
        return _archive(out / "lorabook-problem-sets.zip", students), _archive(out / "lorabook-course.zip", course)


def pinned(text: str, commit: str | None) -> str:
    """A text in which pip installs the library as it was at `commit`.

    >>> pinned(f'pip install "lorabook[book] @ {LIBRARY}"', "1f0c").rpartition("/")[2]
    'lorabook@1f0c"'
    """
    return text.replace(f'{LIBRARY}"', f'{LIBRARY}@{commit}"') if commit else text


def head(root: Path = ROOT) -> tuple[str | None, bool]:
    """The commit of the repository at `root`, None without one; and whether what goes into archives differs from it."""

    def git(*arguments: str) -> str:
        return subprocess.run(["git", "-C", root, *arguments], capture_output=True, text=True, check=True).stdout

    try:
        top, commit = git("rev-parse", "--show-toplevel", "HEAD").splitlines()
        if Path(top).resolve() != root.resolve():  # a copy without history inside another repository
            return None, False
        return commit, bool(git("status", "--porcelain", "--", "lorabook", "book/assignments", "pyproject.toml"))
    except (OSError, subprocess.CalledProcessError):
        return None, False


def _archive(path: Path, folder: Path) -> Path:
    """A zip of the folder's files, the same bytes for the same files."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in _files(folder):
            name = Path(path.stem) / file.relative_to(folder)
            archive.writestr(zipfile.ZipInfo(name.as_posix()), file.read_bytes(), zipfile.ZIP_DEFLATED)
    return path


def _files(folder: Path) -> Iterator[Path]:
    return (path for path in sorted(folder.rglob("*")) if path.is_file())


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, "utf-8")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    mode = parser.add_mutually_exclusive_group()
    mode.add_argument("--update", action="store_true", help="write the committed student versions anew")
    mode.add_argument("--check", action="store_true", help="only say which of them are out of date")
    arguments = parser.parse_args()
    if arguments.update:
        update()
    elif arguments.check:
        stale = out_of_date()
        for path in stale:
            print(f"{path.relative_to(ROOT)}: out of date; run python -m tools.assignments --update")
        return int(bool(stale))
    else:
        seed = os.environ.get("GRADING_SEED") or None
        commit, changed = head()
        students, teachers = build(OUT, seed, commit)
        print(f"For students: {students.relative_to(ROOT)}")
        print(f"For teachers: {teachers.relative_to(ROOT)}; unpack it outside of this folder, which `make` may delete")
        print(
            "Hidden tests: "
            + ("your seed" if seed else "the PUBLIC seed; call with GRADING_SEED=… for one of your own")
        )
        print(
            f"Library: pinned to commit {commit} of {repository.current()}, which must have it"
            if commit
            else "Library: NOT pinned, since this is no git repository"
        )
        if changed:
            print("CAUTION: there are changes that this commit does not have; commit them and call again")
    return 0


if __name__ == "__main__":
    sys.exit(main())
