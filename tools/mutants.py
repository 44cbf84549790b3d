"""Mutation testing: change the library in hundreds of small ways, one at a time, and see whether the tests notice.

    python tools/mutants.py            the modules below
    python tools/mutants.py MODULES    these

Prints every change that no test noticed, and the share of the changes that were caught; exits 1 if that is below
95 % for a module. mutmut makes the changes and runs the tests, in a copy of the project, `mutants/`; there,
`mutmut show NAME` prints the change of that name.
"""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
COPY = ROOT / "mutants"
NEEDED = 0.95

# Which tests must notice: the modules whose names begin so.
TESTS = {
    "estimators": ["test_estimators", "test_bad_input", "test_descent", "test_oracle", "test_properties"],
    "wishart": ["test_wishart"],
    "bounds": ["test_bounds"],
    "sharp": ["test_sharp"],
}
# But not these. A survivor costs a run of all tests that reach its function, and most of these take seconds; the last
# looks at the stack of calls, in which mutmut puts itself.
UNFIT = ["on_draws", "tightness", "certifies", "risk_is_exact", "points_at_the_caller"]


def run(module: str) -> None:
    """Mutate one module, a file or a package, and write the verdicts into the copy."""
    from mutmut.__main__ import _run
    from mutmut.configuration import config

    settings = config()
    settings.pytest_add_cli_args += ["-p", Path(__file__).stem]
    settings.only_mutate = [f"lorabook/{module}.py", f"lorabook/{module}/*"]
    files = (path for name in TESTS[module] for path in sorted((ROOT / "tests").glob(f"{name}*.py")))
    settings.pytest_add_cli_args_test_selection = [
        *(str(path.relative_to(ROOT)) for path in files),
        *("-k", f"not ({' or '.join(UNFIT)})"),
    ]
    _run((), max_children=None)


def pytest_collection_modifyitems(items: list) -> None:
    """As a plugin of pytest: the quickest tests first, since the first that fails is the last to run."""
    from mutmut.state import state

    items.sort(key=lambda item: state().duration_by_test.get(item.nodeid, 0.0))


def verdicts() -> dict[str, str]:
    """The mutants of the last run and what became of them, "killed" or "timeout" if the tests noticed."""
    from mutmut.stats import status_by_exit_code

    files = [json.loads(path.read_text("utf-8")) for path in sorted(COPY.rglob("*.meta"))]
    return {name: status_by_exit_code[code] for file in files for name, code in file["exit_code_by_key"].items()}


def change(name: str) -> str:
    """The lines of the mutant that differ, without the rest of the patch."""
    shown = subprocess.run(["mutmut", "show", name], cwd=ROOT, check=True, capture_output=True, text=True).stdout
    lines = [line for line in shown.splitlines() if line[:1] in "+-" and line[:3] not in ("+++", "---")]
    return "\n".join(f"    {line}" for line in lines)


def report(module: str) -> tuple[int, int]:
    """Print the survivors; how many mutants were caught, of how many."""
    found = verdicts()
    missed = {name: verdict for name, verdict in found.items() if verdict not in ("killed", "timeout")}
    for name, verdict in missed.items():
        print(f"{name} {verdict}\n{change(name)}")
    return len(found) - len(missed), len(found)


def main(modules: list[str]) -> int:
    unknown = set(modules) - set(TESTS)
    if unknown:
        print(f"There are no mutants of {', '.join(sorted(unknown))}; there are of {', '.join(TESTS)}")
        return 2
    # A process of its own for each: mutmut imports the mutated library into the process that it runs in.
    scores = {}
    for module in modules or TESTS:
        print(f"\n{module}")
        shutil.rmtree(COPY, ignore_errors=True)
        subprocess.run([sys.executable, __file__, "--one", module], cwd=ROOT, check=True)
        scores[module] = report(module)
    print()
    for module, (caught, made) in scores.items():
        print(f"{module:12} {caught} of {made} caught, {caught / made:.1%}")
    return int(any(caught < NEEDED * made for caught, made in scores.values()))


if __name__ == "__main__":
    os.environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    if sys.argv[1:2] == ["--one"]:
        run(sys.argv[2])
    else:
        sys.exit(main(sys.argv[1:]))
