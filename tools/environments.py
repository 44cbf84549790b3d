"""Environments that have what a reader has, and nothing of what the book is built with.

    python tools/environments.py prepare            make the environments that the chapters need
    python tools/environments.py chapters [FILES]   run every cell there, and compare its output with the stored one
    python tools/environments.py library            run the tests of the library where all its extras are

What a chapter needs stands in its first cell, which installs it in Colab: `lorabook[book]`, or more extras. The
environment gets the same from this tree, and a kernel; nbval compares from outside. `--versions` says which packages:

    locked   those of requirements.txt, so that a release of the night breaks nothing (the default)
    oldest   the lower bounds in pyproject.toml, of everything that it names
    newest   what pip finds today

An environment is made anew when what it is made from has changed. This file needs the standard library alone.
"""

import argparse
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import tomllib
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import date
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / ".venv" / "environments"
VERSIONS = ("locked", "oldest", "newest")
TOOLS = ("ipykernel", "setuptools>=77")
"""Beside the library: a notebook's kernel, and what builds the library again when it has changed."""
CELL_TIMEOUT = 900
OF_THE_BOOK = (
    "tests/site",
    "tests/test_assignment*.py",
    "tests/test_chapters.py",
    "tests/test_claims.py",
    "tests/test_grading.py",
    "tests/test_notebooks.py",
    "tests/test_paper.py",
    "tests/test_reference.py",
)
"""Tests of what the book is built with, which no extra brings."""
NOT_WITH_THE_OLDEST = (
    "tests/test_import.py::test_import_is_quick_and_light",  # scipy 1.12 loads all of scipy.sparse with scipy.linalg
    # The `transformers serve` of 5.3 does not start with a huggingface_hub of today.
    "tests/test_llm_paraphrase.py::test_transformers_serves_the_protocol",
)
INSTALLS = re.compile(r"%pip install -q \"lorabook\[([\w,]+)\] @ git\+https://")


class CommandError(Exception):
    """A command failed; the message is what it printed."""


# What is asked for ------------------------------------------------------------------------------------------------


def extras_of(notebook: Path) -> tuple[str, ...]:
    """The extras that the notebook's first cell installs in Colab. Raises ValueError if it installs nothing."""
    cells = json.loads(notebook.read_text("utf-8"))["cells"]
    first = next(("".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"), "")
    found = INSTALLS.search(first)
    if found is None:
        raise ValueError(f"{notebook} has no first cell that installs lorabook in Colab")
    return tuple(found[1].split(","))


def requirements(extras: tuple[str, ...], project: dict | None = None) -> list[str]:
    """What pyproject.toml asks for, with these extras."""
    project = project or tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    optional = project["optional-dependencies"]
    return list(dict.fromkeys([*project["dependencies"], *(line for extra in extras for line in optional[extra])]))


def constraints(versions: str, extras: tuple[str, ...]) -> str:
    """The text of pip's constraints file."""
    if versions == "newest":
        return ""
    if versions == "oldest":
        return "".join(f"{lower_bound(line)}\n" for line in requirements(extras))
    lines = (ROOT / "requirements.txt").read_text("utf-8").splitlines()
    return "".join(f"{line}\n" for line in lines if line and not line.startswith("#"))


def lower_bound(requirement: str) -> str:
    """The oldest release that a requirement allows, pinned.

    >>> lower_bound("transformers[serving]>=5.3")
    'transformers==5.3'
    """
    found = re.fullmatch(r"([\w.-]+)(?:\[[\w,]+\])?>=([\w.]+)", requirement)
    if found is None:
        raise ValueError(f"requirement is {requirement!r}; it must be a name, >= and a version")
    return f"{found[1]}=={found[2]}"


# Making them ------------------------------------------------------------------------------------------------------


class Environment:
    """A virtual environment with the library and some of its extras."""

    def __init__(self, extras: tuple[str, ...], versions: str, folder: Path | None = None):
        self.extras, self.versions = extras, versions
        self.name = "-".join([*extras, versions])
        self.path = (folder or FOLDER) / self.name
        self.python = self.path / "bin" / "python"

    def prepare(self) -> None:
        """Make it, or bring the library in it up to date. Raises CommandError with what pip said."""
        made_from, library = self._made_from(), _hash_of_library()
        packages, installed = self.path / "packages.txt", self.path / "library.txt"
        if _text(packages) != made_from:
            start = time.perf_counter()
            shutil.rmtree(self.path, ignore_errors=True)
            _run([sys.executable, "-m", "venv", self.path])
            limits = self.path / "constraints.txt"
            limits.write_text(constraints(self.versions, self.extras), "utf-8")
            with _copy_of_library() as copy:
                wanted = f"lorabook[{','.join(self.extras)}] @ {copy.as_uri()}"
                self._pip("-c", limits, wanted, *TOOLS)
            self._write_kernel()
            installed.write_text(library, "utf-8")
            packages.write_text(made_from, "utf-8")
            print(f"environment {self.name} made in {time.perf_counter() - start:.0f} s", flush=True)
        elif _text(installed) != library:
            with _copy_of_library() as copy:
                self._pip("--no-deps", "--no-build-isolation", "--force-reinstall", copy)
            installed.write_text(library, "utf-8")

    def _made_from(self) -> str:
        day = [date.today().isoformat()] if self.versions == "newest" else []
        asked = [sys.version, *requirements(self.extras), *TOOLS, *day]
        return "\n".join([*asked, constraints(self.versions, self.extras)])

    def _pip(self, *words) -> None:
        # Modules are compiled when they are imported: most never are.
        options = ["--no-input", "--disable-pip-version-check", "--progress-bar", "off", "--no-compile"]
        _run([self.python, "-m", "pip", "install", *options, *words])

    def _write_kernel(self) -> None:
        """jupyter's own description of a kernel names no interpreter, and another one would run the chapters."""
        folder = self.path / "share" / "jupyter" / "kernels" / self.name
        folder.mkdir(parents=True)
        argv = [str(self.python), "-m", "ipykernel_launcher", "-f", "{connection_file}"]
        content = {"argv": argv, "display_name": self.name, "language": "python"}
        (folder / "kernel.json").write_text(json.dumps(content), "utf-8")


@contextmanager
def _copy_of_library():
    """What the library's package is built from, where building leaves nothing behind."""
    with tempfile.TemporaryDirectory() as folder:
        for path in _sources():
            target = Path(folder) / path.relative_to(ROOT)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, target)
        yield Path(folder)


def _sources() -> list[Path]:
    papers = [ROOT / name for name in ("pyproject.toml", "README.md", "LICENSE")]
    files = (path for path in (ROOT / "lorabook").rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    return [*papers, *sorted(files)]


def _hash_of_library() -> str:
    seen = hashlib.sha256()
    for path in _sources():
        seen.update(f"{path.relative_to(ROOT)}\0".encode() + path.read_bytes() + b"\0")
    return seen.hexdigest()


def _text(path: Path) -> str | None:
    return path.read_text("utf-8") if path.exists() else None


def _run(command: list, **options) -> str:
    done = subprocess.run(
        list(map(str, command)), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **options
    )
    if done.returncode:
        last_words = "\n".join(done.stdout.splitlines()[-40:])
        raise CommandError(f"{' '.join(map(str, command))}\n{last_words}")
    return done.stdout


def prepare(wanted: list[Environment]) -> None:
    """Make several environments at once."""
    with ThreadPoolExecutor(len(wanted)) as pool:
        list(pool.map(Environment.prepare, wanted))


# Using them -------------------------------------------------------------------------------------------------------


def chapters(paths: list[Path], versions: str, workers: int) -> int:
    """Run notebooks, each in its environment, some at a time; print a line for each and say which failed."""
    # Those with models take longest: first, so that no worker waits for the other at the end.
    jobs = sorted(((extras_of(path), path) for path in paths), key=lambda job: (-len(job[0]), job[1].name))
    environments = {extras: Environment(extras, versions) for extras, _ in jobs}
    prepare(list(environments.values()))
    failed = []
    with ThreadPoolExecutor(workers) as pool:
        for (extras, path), (passed, seconds, output) in zip(
            jobs, pool.map(lambda job: _nbval(job[1], environments[job[0]]), jobs), strict=True
        ):
            print(f"{path.name:28}{environments[extras].name:20}{seconds:6.1f} s  {'passed' if passed else 'FAILED'}")
            if not passed:
                failed.append(path.name)
                print(output)
            sys.stdout.flush()
    print(f"{len(jobs) - len(failed)} of {len(jobs)} notebooks passed{', not: ' if failed else ''}{', '.join(failed)}")
    return int(bool(failed))


def _nbval(path: Path, environment: Environment) -> tuple[bool, float, str]:
    start = time.perf_counter()
    command = [sys.executable, "-m", "pytest", "-q", "-o", "addopts=", "-o", "filterwarnings="]
    command += ["-p", "no:cacheprovider", "-p", "nbval.plugin", "--nbval", "--nbval-cell-timeout", str(CELL_TIMEOUT)]
    command += ["--nbval-kernel-name", environment.name, str(path)]
    settings = {"JUPYTER_PATH": str(environment.path / "share" / "jupyter"), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    done = subprocess.run(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=ROOT, env=os.environ | settings
    )
    return done.returncode == 0, time.perf_counter() - start, done.stdout


def library(versions: str, workers: int) -> int:
    """Run the library's tests and doctests where all its extras are.

    Warnings are no errors with the oldest: packages from different years warn about each other.
    """
    environment = Environment(("book", "cluster", "llm", "dev"), versions)
    environment.prepare()
    command = [environment.python, "-m", "pytest", "tests", "lorabook", "-n", str(workers), "--dist", "loadfile"]
    command += [f"--ignore-glob={ROOT / pattern}" for pattern in OF_THE_BOOK]
    if versions == "oldest":
        command += ["-W", "default", *(f"--deselect={test}" for test in NOT_WITH_THE_OLDEST)]
    return subprocess.call(list(map(str, command)), cwd=ROOT)


def main(words: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["prepare", "chapters", "library"])
    parser.add_argument("files", nargs="*", type=Path, help="notebooks; all of book/ by default")
    parser.add_argument("--versions", choices=VERSIONS, default="locked")
    parser.add_argument("--workers", type=int, default=2, metavar="N", help="processes at a time (default: 2)")
    options = parser.parse_intermixed_args(words)
    paths = options.files or sorted((ROOT / "book").glob("*.ipynb"))
    try:
        if options.what == "library":
            return library(options.versions, options.workers)
        if options.what == "chapters":
            return chapters(paths, options.versions, options.workers)
        prepare([Environment(extras, options.versions) for extras in sorted(set(map(extras_of, paths)))])
    except CommandError as error:
        print(f"failed: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
