"""A fork's book is about the fork: nothing points at the original once it is renamed."""

import json
import re
import shutil
import tomllib
from pathlib import Path

import pytest
import yaml

from tools import environments, repository

ROOT = Path(__file__).resolve().parent.parent
OLD = repository.current()
LEFT_OUT = (
    ".*cache*",
    ".git",
    ".venv",
    ".ci",
    ".hypothesis",
    "_build",
    "build",
    "screenshots",
    "mutants",
    "__pycache__",
)
TEXTS = {".md", ".yml", ".toml", ".cff", ".ipynb", ".py", ".json", ".txt", ".html", ".js", ".css", ".in", ""}


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    """The project as someone has forked it."""
    folder = tmp_path_factory.mktemp("fork") / "tree"
    shutil.copytree(ROOT, folder, ignore=shutil.ignore_patterns(*LEFT_OUT, "*.egg-info"))
    return folder


def texts(folder):
    for path in sorted(folder.rglob("*")):
        if path.is_file() and path.suffix in TEXTS and path.relative_to(folder).parts[0] not in ("tests", "tools"):
            yield path, path.read_text("utf-8")


def naming(folder, owner, name):
    """Files with an address of the repository, whatever the site: `github.com/o/n`, `/gh/o/n`, `o.github.io/n`."""
    address = re.compile(rf"[/.]\w+(?:\.\w+)*/{owner}/{name}\b(?!\.)|\b{owner}\.github\.io\b", re.IGNORECASE)
    return {
        str(path.relative_to(folder)): address.findall(text) for path, text in texts(folder) if address.search(text)
    }


def test_nothing_of_the_original_is_left_and_the_fork_is_everywhere(tree):
    owner, name = OLD.split("/")
    before = naming(tree, owner, name)
    assert {"_config.yml", "pyproject.toml", "CITATION.cff", "README.md", "book/low_rank.ipynb"} <= set(before)

    repository.main("Some-One/a.fork", tree)
    assert naming(tree, owner, name) == {}
    assert set(naming(tree, "some-one", r"a\.fork")) == set(before)
    config = yaml.safe_load((tree / "_config.yml").read_text("utf-8"))
    assert config["repository"]["url"] == "https://github.com/Some-One/a.fork"
    assert config["html"]["baseurl"] == "https://some-one.github.io/a.fork/"
    project = tomllib.loads((tree / "pyproject.toml").read_text("utf-8"))["project"]
    assert project["urls"]["Repository"] == "https://github.com/Some-One/a.fork"
    for path in (tree / "book").glob("*.ipynb"):
        assert environments.extras_of(path)
        assert "@ git+https://github.com/Some-One/a.fork" in path.read_text("utf-8")
        json.loads(path.read_text("utf-8"))

    repository.main(OLD, tree)
    changed = [str(path) for path, text in texts(tree) if text != (ROOT / path.relative_to(tree)).read_text("utf-8")]
    assert changed == []


@pytest.mark.parametrize(
    ("address", "new"),
    [
        ("https://github.com/lorabook/lorabook/issues/1", "https://github.com/me/book/issues/1"),
        ("git+https://github.com/lorabook/lorabook.git", "git+https://github.com/me/book.git"),
        ("colab.research.google.com/github/lorabook/lorabook/blob/", "colab.research.google.com/github/me/book/blob/"),
        ("https://img.shields.io/github/license/x", "https://img.shields.io/github/license/x"),
        ("raw.githubusercontent.com/lorabook/lorabook/main/a", "raw.githubusercontent.com/me/book/main/a"),
        ("https://mybinder.org/v2/gh/lorabook/lorabook/main", "https://mybinder.org/v2/gh/me/book/main"),
        ("https://github.com/lorabook/lorabook-extra", "https://github.com/lorabook/lorabook-extra"),
        ("https://github.com/other/lorabook", "https://github.com/other/lorabook"),
        ("lorabook/lorabook is a path", "lorabook/lorabook is a path"),
    ],
)
def test_addresses(address, new):
    assert repository.renamed(address, "lorabook/lorabook", "me/book") == new


def test_a_site_of_its_own_has_no_folder():
    new = repository.renamed("https://lorabook.github.io/lorabook/a.html", "lorabook/lorabook", "Me/me.github.io")
    assert new == "https://me.github.io/a.html"


@pytest.mark.parametrize("name", ["", "me", "me/", "/book", "me/book/more", "me /book", "https://github.com/me/book"])
def test_what_is_no_repository_changes_nothing(name, tmp_path):
    with pytest.raises(ValueError, match=r"^repository is .*; it must be OWNER/NAME"):
        repository.main(name, tmp_path)


# Where else the book can be run -----------------------------------------------------------------------------------


def test_binder_installs_the_chapters_without_models_as_they_were_tested():
    lines = (ROOT / ".binder" / "requirements.txt").read_text("utf-8").splitlines()
    assert [line for line in lines if not line.startswith("#")] == ["-c ../requirements.txt", ".[book]"]
    version = (ROOT / ".binder" / "runtime.txt").read_text("utf-8").strip().removeprefix("python-")
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    assert f"Programming Language :: Python :: {version}" in project["classifiers"]


def test_the_dev_container_makes_what_the_editor_uses():
    content = json.loads((ROOT / ".devcontainer" / "devcontainer.json").read_text("utf-8"))
    target = re.fullmatch(r"make (\w+) PYTHON=python3", content["postCreateCommand"])[1]
    makefile = (ROOT / "Makefile").read_text("utf-8")
    assert re.search(rf"^{target}: \$\(INSTALLED\)$", makefile, re.MULTILINE)
    settings = content["customizations"]["vscode"]["settings"]
    assert settings["python.defaultInterpreterPath"].endswith("/.venv/bin/python")
    assert re.search(r"^VENV := \.venv$", makefile, re.MULTILINE)


def test_launch_buttons_are_configured():
    config = yaml.safe_load((ROOT / "_config.yml").read_text("utf-8"))
    assert config["launch_buttons"] == {
        "notebook_interface": "jupyterlab",
        "binderhub_url": "https://mybinder.org",
        "colab_url": "https://colab.research.google.com",
    }
    assert config["html"]["use_issues_button"]
    assert config["repository"]["path_to_book"] == ""
