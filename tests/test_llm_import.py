"""Importing the language-model package is as light as the rest: torch comes when something runs."""

import subprocess
import sys
from pathlib import Path

import lorabook.llm

MODULES = sorted(path.stem for path in Path(lorabook.llm.__file__).parent.glob("*.py") if path.stem != "__init__")
PROGRAM = """
import importlib, sys
import lorabook
assert not [name for name in sys.modules if name.startswith("lorabook.llm")]
for name in sys.argv[1:]:
    importlib.import_module(f"lorabook.llm.{name}")
heavy = {"torch", "transformers", "peft", "lm_eval", "datasets", "openai", "submitit", "safetensors", "tqdm", "pandas"}
print(sorted(heavy & set(sys.modules)))
"""


def test_no_module_imports_torch():
    assert {"training", "runs", "reports", "evaluation", "paraphrase", "cluster"} <= set(MODULES)
    done = subprocess.run([sys.executable, "-c", PROGRAM, *MODULES], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
