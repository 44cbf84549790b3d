"""Importing lorabook is quick and light, and numpy and scipy are all that it needs."""

import json
import subprocess
import sys

TIMED = """
import json, sys, time
start = time.process_time()
import scipy.linalg
middle = time.process_time()
from lorabook import lora
end = time.process_time()
print(json.dumps([(end - middle) / (middle - start), sorted(sys.modules)]))
"""

BARE = """
import sys

ALLOWED = sys.stdlib_module_names | {"numpy", "scipy", "lorabook"}


class OnlyNumpyAndScipy:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] not in ALLOWED and not name.startswith("_sysconfigdata"):  # the standard library's
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)


for name in [name for name in sys.modules if name.partition(".")[0] in ("jaxtyping", "beartype")]:
    del sys.modules[name]
sys.meta_path.insert(0, OnlyNumpyAndScipy())

import numpy as np
from lorabook import Task, factored_gradient_descent, full_finetune, gradient_descent, lora, rank_path

task = Task.gaussian(d_x=5, d_y=4, shift_rank=2, noise_std=0.1, seed=0)
X, Y = task.sample(20, seed=1)
assert task.excess_risk(lora(X, Y, task.W0, 2)) < task.excess_risk(full_finetune(X, Y, task.W0))
rank_path(X, Y, task.W0).excess_risks(task)
gradient_descent(X, Y, task.W0, steps=1)
factored_gradient_descent(X, Y, task.W0, rank=1, steps=1)
assert "jaxtyping" not in sys.modules
print("done")
"""


def fresh_interpreter(program):
    return subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True).stdout


def test_import_is_quick_and_light():
    """What it adds to numpy and `scipy.linalg` costs less than half of these; the least of five ratios of CPU times."""
    runs = [json.loads(fresh_interpreter(TIMED)) for _ in range(5)]
    assert min(ratio for ratio, _ in runs) < 0.5
    assert not {"torch", "IPython", "pandas", "matplotlib", "sympy", "mpmath", "beartype", "jax"} & set(runs[0][1])


def test_the_package_has_its_names_and_loads_them_when_asked():
    program = """
import sys
import lorabook
assert "numpy" not in sys.modules
assert set(lorabook.__all__) <= set(dir(lorabook))
assert lorabook.estimators.lora is lorabook.lora
assert lorabook.linalg.svd and lorabook.task.Task is lorabook.Task
from lorabook import *
assert Task is lorabook.Task and Dataset is lorabook.Dataset
assert all(getattr(lorabook, name).__name__ == name for name in lorabook.__all__)
try:
    lorabook.full_finetuning
except AttributeError as error:
    print(error)
"""
    assert fresh_interpreter(program) == "module 'lorabook' has no attribute 'full_finetuning'\n"


def test_the_library_runs_on_numpy_and_scipy_alone():
    assert fresh_interpreter(BARE) == "done\n"
