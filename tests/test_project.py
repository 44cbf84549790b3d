"""The project's own papers agree with each other."""

import json
import re
import tomllib
from pathlib import Path

import lorabook

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]


def test_one_version():
    cited = re.search(r"^version: (\S+)$", (ROOT / "CITATION.cff").read_text("utf-8"), re.MULTILINE)[1]
    assert PROJECT["version"] == lorabook.__version__ == cited
    assert f"## {lorabook.__version__}" in (ROOT / "CHANGELOG.md").read_text("utf-8")


def test_one_address():
    home = PROJECT["urls"]["Repository"]
    papers = [ROOT / name for name in ("_config.yml", "CITATION.cff", "README.md")]
    texts = {path.name: path.read_text("utf-8") for path in papers}
    for path in (ROOT / "book").glob("*.ipynb"):
        first = next(cell for cell in json.loads(path.read_text("utf-8"))["cells"] if cell["cell_type"] == "code")
        texts[path.name] = "".join(first["source"])
    for name, text in texts.items():
        addresses = set(re.findall(r"https://github\.com/lorabook/\w+|https://github\.com/[\w-]+/lorabook", text))
        assert addresses == {home}, name


def test_every_name_in_all_exists():
    for path in sorted((ROOT / "lorabook").glob("[a-z]*.py")) + sorted((ROOT / "lorabook" / "llm").glob("[a-z]*.py")):
        inside = ".".join(path.relative_to(ROOT).with_suffix("").parts)
        module = __import__(inside, fromlist=["__all__"])
        missing = [name for name in module.__all__ if not hasattr(module, name)]
        assert not missing, f"{path.name}: {missing}"


def test_the_lock_pins_what_was_asked_for():
    wanted = {line.strip() for line in (ROOT / "requirements.in").read_text("utf-8").splitlines() if "==" in line}
    locked = {line.split(" ;")[0].strip() for line in (ROOT / "requirements.txt").read_text("utf-8").splitlines()}
    assert {_normal(line) for line in wanted} <= {_normal(line) for line in locked}


def _normal(pin: str) -> str:
    return re.sub(r"\[.*?\]", "", pin.lower()).replace("_", "-")
