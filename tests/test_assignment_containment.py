"""What a submission can reach while it is graded, and afterwards through what it has left behind."""

import json
import os
import re
import shutil
import socket
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import nbformat
import pytest
from nbconvert.exporters import HTMLExporter
from nbformat import v4
from playwright.sync_api import sync_playwright

from tests import assignment_notebooks as sets
from tools import assignments as tool
from tools import browser

FIRST = "ps1_low_rank_regression"
BWRAP = ["bwrap", "--ro-bind", "/", "/", "--unshare-all", "true"]
CONTAINED = shutil.which("bwrap") is not None and subprocess.run(BWRAP, capture_output=True).returncode == 0
needs_bwrap = pytest.mark.skipif(not CONTAINED, reason="bubblewrap is not here, or may not make namespaces")

# Run by a student's cell, in autograded/STUDENT/ASSIGNMENT.
ATTACK = """
import json, os, socket
from pathlib import Path
course, found = Path("../../..").resolve(), {{}}
files = [path for path in course.iterdir() if path.is_file()]
folders = ["source", "release", "submitted", "feedback", "export", "downloaded", "grades", "autograded", "cache"]
for path in [*files, course / "nbgrader_config.json", *(course / name / "planted" for name in folders)]:
    try:
        with path.open("a") as file:
            file.write("# planted")
        found[str(path.relative_to(course))] = True
    except OSError:
        found[str(path.relative_to(course))] = False
found["secret"] = Path({secret!r}).exists()
for address in ({address!r}, "\\0" + {address!r}):
    try:
        socket.socket(socket.AF_UNIX).connect(address)
        found[address] = True
    except OSError:
        found[address] = False
found["environment"] = "SECRET" in os.environ
found["terminal"] = False
for path in Path("/proc").glob("[0-9]*/fd/[012]"):
    try:
        stream = os.open(path, os.O_WRONLY)
        found["terminal"] |= os.isatty(stream)
        if path.name == "2" and "/proc/1/" not in str(path):
            os.write(stream, b"\\x1b]0;title\\x07")
    except OSError:
        pass
print("found", json.dumps(found))
"""
SCRIPT = "<script>document.title = 'changed'</script>"


@pytest.fixture(scope="module")
def course(tmp_path_factory):
    root = tmp_path_factory.mktemp("contained")
    tool.build(root / "built", "a seed")
    shutil.unpack_archive(root / "built" / "lorabook-course.zip", root)
    (root / "secret").write_text("a secret", "utf-8")
    return root / "lorabook-course"


def contained(course, *command):
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = os.environ | {"PATH": path, "SECRET": "a secret"}
    script = ["sh", str(course / "contained.sh"), *command]
    return subprocess.run(script, cwd=course.parent, env=environment, capture_output=True, text=True)


def contained_in_a_terminal(course, *command):
    """What the terminal gets, and the command's exit status."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    outside, inside = os.openpty()
    with subprocess.Popen(
        ["sh", str(course / "contained.sh"), *command],
        env=os.environ | {"PATH": path, "SECRET": "a secret"},
        stdin=inside,
        stdout=inside,
        stderr=inside,
    ) as process:
        os.close(inside)
        said = b""
        try:
            while piece := os.read(outside, 4096):
                said += piece
        except OSError:  # how a terminal says that nobody has it open
            pass
    os.close(outside)
    return said.decode("utf-8"), process.returncode


def hand_in(course, student, code):
    notebook = sets.read(FIRST, "release")
    for cell in notebook.cells:
        if sets.metadata(cell).grade_id == "truncate":
            cell.source = code
    notebook.cells = [cell for cell in notebook.cells if sets.metadata(cell).grade_id]  # the others take time
    path = course / "submitted" / student / FIRST / f"{sets.SETS[FIRST]}.ipynb"
    path.parent.mkdir(parents=True)
    nbformat.write(notebook, path)


@needs_bwrap
def test_a_submission_writes_points_and_what_was_graded_and_sees_nothing_of_the_system(course, tmp_path):
    made = contained(course, "nbgrader", "generate_assignment", FIRST, "--force")
    assert made.returncode == 0, made.stdout
    files = {path.name for path in course.iterdir() if path.is_file()}
    for folder in ("feedback", "export", "downloaded"):
        (course / folder).mkdir()
    before = {path: path.read_bytes() for path in course.rglob("*") if path.is_file() and path.parent.name != "grades"}

    address = str(tmp_path / "socket")
    with socket.socket(socket.AF_UNIX) as server, socket.socket(socket.AF_UNIX) as abstract:
        server.bind(address)
        server.listen()
        abstract.bind("\0" + address)
        abstract.listen()
        hand_in(course, "eve", ATTACK.format(secret=str(course.parent / "secret"), address=address))
        log, status = contained_in_a_terminal(course, "nbgrader", "autograde", FIRST)
    assert status == 0, log
    assert "\x1b" not in log
    assert "^[]0;title^G" in log
    notebook = nbformat.read(next(course.glob("autograded/eve/*/*.ipynb")), as_version=4)
    said = next(
        output.text
        for cell in notebook.cells
        for output in cell.get("outputs", [])
        if "found" in output.get("text", "")
    )
    found = json.loads(said.partition("found")[2])
    assert files < set(found)
    assert {name for name, reached in found.items() if reached} == {
        "grades/planted",
        "autograded/planted",
        "cache/planted",
    }
    assert before == {path: path.read_bytes() for path in before}


@needs_bwrap
def test_a_link_that_was_left_behind_leads_nowhere(course):
    """Runs after the test above."""
    (course / "autograded" / "eve" / FIRST / "link").symlink_to(course.parent / "secret")
    (course / "autograded" / "eve" / FIRST / "page.html").write_text(SCRIPT, "utf-8")
    feedback = contained(course, "nbgrader", "generate_feedback", FIRST)
    assert feedback.returncode == 0, feedback.stdout
    assert [path.name for path in (course / "feedback" / "eve" / FIRST).iterdir()] == [f"{sets.SETS[FIRST]}.html"]
    assert contained(course, "nbgrader", "generate_feedback", "no_such_set").returncode == 1
    exported = contained(course, "nbgrader", "export", "--to", "export/grades.csv")
    assert exported.returncode == 0, exported.stdout
    assert "eve" in (course / "export" / "grades.csv").read_text("utf-8")


@needs_bwrap
def test_files_that_a_browser_has_numbered_are_collected_and_no_other_place_is_written(course):
    folder = course / "downloaded" / FIRST / "archive"
    folder.mkdir(parents=True)
    for name in ("bob_low_rank_regression (1)", ".._low_rank_regression", "carl_low_rank_regression"):
        shutil.copy(sets.notebook(FIRST, "release"), folder / f"{name}.ipynb")
    collected = contained(course, "nbgrader", "zip_collect", FIRST)
    assert collected.returncode == 0, collected.stdout
    assert {path.parts[-3] for path in course.glob(f"submitted/*/{FIRST}/low_rank_regression.ipynb")} >= {"bob", "carl"}
    assert not (course / FIRST).exists()


@needs_bwrap
def test_commands_for_text_run_inside_and_what_is_missing_is_said(course):
    read = contained(course, "python", "by_hand.py", "read", FIRST)
    assert (read.returncode, read.stderr) == (0, "")
    nothing = contained(course)
    assert (nothing.returncode, nothing.stderr) == (2, "contained.sh: say what to run\n")
    bare = {"PATH": os.pathsep.join([str(course / "no"), "/usr/bin", "/bin"])}
    (course / "no").mkdir()
    (course / "no" / "python").write_text("#!/bin/sh\nexit 1\n")
    (course / "no" / "python").chmod(0o755)
    no_nbgrader = subprocess.run(["sh", course / "contained.sh", "true"], env=bare, capture_output=True, text=True)
    assert no_nbgrader.returncode == 2
    assert "activate the environment" in no_nbgrader.stderr


def test_every_command_of_the_page_is_contained_and_its_table_is_the_scripts():
    page = (tool.ROOT / "book" / "teaching.md").read_text("utf-8")
    commands = [
        line
        for block in re.findall(r"```bash\n(.*?)```", page, re.DOTALL)
        for line in block.splitlines()
        if re.search(r"nbgrader (?!=)\w|by_hand\.py", line)
    ]
    assert len(commands) == 8
    assert all(line.startswith("sh contained.sh ") for line in commands)

    script = (tool.COURSE / "contained.sh").read_text("utf-8")
    table = re.findall(r"^\| `(\w+)`[^|]*\| (`.*`) \|$", page, re.MULTILINE)
    assert {name: set(re.findall(r"\w+", folders)) for name, folders in table} == {
        name: set(folders.split()) for name, folders in re.findall(r'"nbgrader (\w+)"\) writes="(.*?)"', script)
    }


def settings(tmp_path, monkeypatch):
    """What `nbgrader_config.py` defines."""
    monkeypatch.chdir(tmp_path)
    names = {"get_config": lambda: SimpleNamespace(**{name: SimpleNamespace() for name in SECTIONS})}
    exec((tool.COURSE / "nbgrader_config.py").read_text("utf-8"), names)
    return names


SECTIONS = (
    "CourseDirectory",
    "Execute",
    "ExtractorPlugin",
    "FileNameCollectorPlugin",
    "GenerateFeedback",
    "LimitOutput",
    "OverwriteCells",
)


def hostile():
    """A notebook that changes the title of its page in every way that a notebook has."""
    data = {
        "text/html": SCRIPT,
        "image/svg+xml": f"<svg xmlns='http://www.w3.org/2000/svg'>{SCRIPT}</svg>",
        "application/javascript": "document.title = 'changed'",
    }
    picture = v4.new_markdown_cell("![a](attachment:a.png)")
    picture.attachments = {"a.png": {f'image/png">{SCRIPT}<img src="': "AAAA"}}
    return [
        v4.new_markdown_cell(SCRIPT),
        v4.new_markdown_cell("<img src=x onerror=\"document.title = 'changed'\">"),
        v4.new_markdown_cell('<a id="link" href="javascript:document.title = \'changed\'">link</a>'),
        picture,
        *(v4.new_code_cell(outputs=[v4.new_output("display_data", {key: value})]) for key, value in data.items()),
    ]


def titles(exporter):
    """Of a page for each cell of `hostile`, as Chromium shows it."""
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=browser.require(), args=browser.FLAGS)
        page = chromium.new_context(offline=True).new_page()
        for cell in hostile():
            text, _ = exporter.from_notebook_node(v4.new_notebook(cells=[cell], metadata={"title": "kept"}))
            page.set_content(text)
            if page.locator("#link").count():
                page.locator("#link").click()
            page.wait_for_timeout(100)
            yield page.title()


@pytest.mark.skipif(browser.find() is None, reason="there is no Chromium")
def test_no_script_runs_in_a_page_of_feedback(tmp_path, monkeypatch):
    still = settings(tmp_path, monkeypatch)["Still"]
    assert set(titles(still())) == {"kept"}
    assert "changed" in set(titles(HTMLExporter()))
