"""A package that is not there is one line that says how to get it; and nobody loads what only others need."""

import ast
import json
import re
import subprocess
import sys
from importlib import metadata
from pathlib import Path
from types import ModuleType

import pytest
from IPython.core.inputtransformer2 import TransformerManager

from lorabook import extras
from tools import environments

ROOT = Path(__file__).resolve().parent.parent
HOME = next(line.split(", ")[1] for line in metadata.metadata("lorabook").get_all("Project-URL"))
NOTEBOOKS = sorted((ROOT / "book").glob("*.ipynb"))
PACKAGES = extras._packages()
BOOK = PACKAGES["book"]


def hide(monkeypatch, package):
    monkeypatch.setitem(sys.modules, package, None)


def test_the_extras_are_those_of_the_project():
    assert set(PACKAGES) == {"book", "cluster", "llm"}
    assert {"matplotlib", "IPython", "pandas"} <= set(PACKAGES["book"])
    assert {"torch", "yaml", "lm_eval"} <= set(PACKAGES["llm"])
    assert not {"pytest", "ruff"} & {name for names in PACKAGES.values() for name in names}


# One line in a notebook -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("extra", sorted(PACKAGES))
def test_nothing_is_missing_here(extra):
    extras.require(f"lorabook[{extra}]")


@pytest.mark.parametrize(("extra", "package"), [(extra, name) for extra in PACKAGES for name in PACKAGES[extra]])
def test_each_package_of_an_extra_is_missed(extra, package, monkeypatch):
    hide(monkeypatch, package)
    with pytest.raises(extras.MissingPackageError) as error:
        extras.require(f"lorabook[{extra}]")
    assert str(error.value) == f'this chapter needs {package}; pip install "lorabook[{extra}] @ git+{HOME}"'
    assert error.value.name == package


def test_all_that_are_missing_are_named_once(monkeypatch):
    for package in ("torch", "pandas", "matplotlib"):
        hide(monkeypatch, package)
    with pytest.raises(
        ModuleNotFoundError, match=r"needs matplotlib, pandas, torch; pip install \"lorabook\[book,llm\]"
    ):
        extras.require("lorabook[book,llm]")


@pytest.mark.parametrize("words", ["lorabook", "lorabook[]", "[book]", "lorabook[book, llm]", "lorabook[boko]"])
def test_words_that_make_no_sense(words):
    with pytest.raises(ValueError, match=r"^wanted is '"):
        extras.require(words)


def test_a_library_that_is_not_installed_knows_no_packages(monkeypatch):
    def missing(_):
        raise metadata.PackageNotFoundError

    monkeypatch.setattr(metadata, "metadata", missing)
    extras.require("lorabook[book]")
    assert extras.pip_command(["book"]) == 'pip install "lorabook[book]"'


def test_a_notebook_shows_the_line_and_no_traceback():
    code = "import sys; sys.modules['pandas'] = None\nfrom lorabook import extras\nextras.require('lorabook[book]')"
    command = [sys.executable, "-m", "IPython", "--no-banner", "--no-term-title", "--colors=NoColor", "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.stdout.strip() == f"MissingPackageError: this chapter needs pandas; {extras.pip_command(['book'])}"


class Shell:
    """IPython, as far as the first cell of a chapter needs it."""

    def __init__(self):
        self.magics = []

    def run_line_magic(self, name, words):
        self.magics.append(f"%{name} {words}")


def first_cell(path, shell):
    source = next(c["source"] for c in json.loads(path.read_text("utf-8"))["cells"] if c["cell_type"] == "code")
    exec(TransformerManager().transform_cell("".join(source)), {"get_ipython": lambda: shell})


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_the_first_cell_installs_in_colab_and_elsewhere_says_what_is_missing(path, monkeypatch):
    wanted = ",".join(environments.extras_of(path))
    shell = Shell()
    first_cell(path, shell)
    assert shell.magics == []

    with monkeypatch.context() as bare:
        hide(bare, PACKAGES[wanted.split(",")[-1]][-1])
        with pytest.raises(extras.MissingPackageError, match=rf'; pip install "lorabook\[{wanted}\] @ git'):
            first_cell(path, shell)

    # In Colab there may be no lorabook yet.
    for name, module in {"google": ModuleType("google"), "google.colab": ModuleType("google.colab")}.items():
        monkeypatch.setitem(sys.modules, name, module)
    hide(monkeypatch, "lorabook")
    first_cell(path, shell)
    assert shell.magics == [f'%pip install -q "lorabook[{wanted}] @ git+{HOME}"']


# One line on the command line -------------------------------------------------------------------------------------

SWEEP = ["sweep", "fig1a", "--seeds", "1", "--out", "out"]
FIGURE = ["figure", "fig1a", "--seeds", "1"]
TRAINING = ["llm", "run", "noise", "--tiny", "--out", "out"]
AVERAGE = ["llm", "average", "checkpoint", "--to", "mean"]
NEEDED = [
    *((package, SWEEP) for package in ("joblib", "pandas", "pyarrow", "threadpoolctl")),
    *((package, FIGURE) for package in ("joblib", "pandas", "matplotlib")),
    ("ray", [*SWEEP, "--backend", "ray"]),
    *(
        (package, TRAINING)
        for package in ("accelerate", "datasets", "peft", "safetensors", "tokenizers", "torch", "tqdm", "transformers")
    ),
    ("yaml", [*TRAINING, "--dry-run"]),
    ("submitit", [*TRAINING, "--engine", "local"]),
    ("safetensors", AVERAGE),
    ("openai", ["llm", "paraphrase", "rows.jsonl", "--out", "out"]),
    ("yaml", ["llm", "train", "run.yaml", "--out", "out"]),
]
# Each case in a process of its own, forked where nothing but the commands is loaded.
PROGRAM = """
import json, os, sys
from lorabook import cli


class Without:
    def __init__(self, package):
        self.package = package

    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == self.package:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)


for package, words in json.load(sys.stdin):
    sys.stdout.flush(), sys.stderr.flush()
    child = os.fork()
    if not child:
        sys.meta_path.insert(0, Without(package))
        code = cli.main(words)
        print(f"exit code {code}", file=sys.stderr, flush=True)
        os._exit(0)
    os.waitpid(child, 0)
"""


def test_the_command_line_says_in_one_line_what_is_missing(tmp_path, monkeypatch):
    (tmp_path / "checkpoint").mkdir()
    row = {"passage": "Ice is frozen water.", "question": "is ice cold", "answer": True}
    (tmp_path / "rows.jsonl").write_text(json.dumps(row) + "\n")
    (tmp_path / "run.yaml").write_text("model: tiny\n")
    monkeypatch.setenv("LORABOOK_PARAPHRASE_MODEL", "any")
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:9")
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        input=json.dumps(NEEDED),
        capture_output=True,
        text=True,
        cwd=tmp_path,
        timeout=300,
        check=True,
    )
    lines = done.stderr.splitlines()
    assert len(lines) == 2 * len(NEEDED), done.stderr
    for (package, words), said, code in zip(NEEDED, lines[::2], lines[1::2], strict=True):
        assert re.fullmatch(
            rf'lorabook: error: .*\b{package}\b.*; pip install "lorabook\[\w+\] @ git\+{HOME}"', said
        ), (package, words, said)
        assert code == "exit code 1", (package, words)


def test_an_error_that_no_extra_explains_stays():
    for error in (ModuleNotFoundError("No module named 'a.b'", name="a.b"), ImportError("cannot import name 'c'")):
        assert extras.explained(error) is error
    found = extras.explained(ModuleNotFoundError("No module named 'pyarrow.lib'", name="pyarrow.lib"))
    assert str(found) == f"this needs pyarrow; {extras.pip_command(['book'])}"


# Nobody loads what only others need -------------------------------------------------------------------------------


def imports(path):
    """The statements that import something, of all cells but the first."""
    cells = [cell for cell in json.loads(path.read_text("utf-8"))["cells"] if cell["cell_type"] == "code"]
    for cell in cells[1:]:
        lines = [line for line in "".join(cell["source"]).splitlines() if not line.lstrip().startswith(("%", "!"))]
        for node in ast.walk(ast.parse("\n".join(lines))):
            if isinstance(node, ast.Import | ast.ImportFrom):
                yield node


def names(node):
    return [alias.name for alias in node.names] if isinstance(node, ast.Import) else [node.module]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_chapter_imports_only_what_its_extras_bring(path):
    brought = {"lorabook", "numpy", "scipy", "sympy"} | set(sys.stdlib_module_names)
    for extra in environments.extras_of(path):
        brought |= set(PACKAGES[extra])
    used = {name.partition(".")[0] for node in imports(path) for name in names(node)}
    assert used <= brought


def test_chapters_without_models_do_not_load_torch():
    light = [path for path in NOTEBOOKS if environments.extras_of(path) == ("book",)]
    statements = dict.fromkeys(ast.unparse(node) for path in light for node in imports(path))
    foreign = sorted(set(PACKAGES["llm"]) - set(BOOK))
    program = "\n".join(["import sys", *statements, f"print(sorted(set({foreign}) & set(sys.modules)))"])
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, cwd=ROOT / "book", check=True
    )
    assert len(light) > 10
    assert done.stdout == "[]\n"
