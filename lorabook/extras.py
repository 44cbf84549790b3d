"""Packages that only some readers need come with an extra; where one is missing, one line says how to get it.

Which packages those are, and where the library comes from, is read from its own metadata: forks name themselves.
The first cell of every notebook needs it (page *LoRA versus full fine-tuning, worked through*).
"""

import re
from collections.abc import Sequence
from importlib import metadata
from importlib.util import find_spec

__all__ = ["MissingPackageError", "explained", "need", "pip_command", "require"]

_IMPORTED_AS = {"ipython": "IPython", "pyyaml": "yaml"}
"""Where a package has another name in `import` than for pip; dashes and underscores apart."""


class MissingPackageError(ModuleNotFoundError):
    """A package that comes with an extra is not installed; the message says how to install it.

    In a notebook it is shown as that one line, without a traceback.
    """

    def _render_traceback_(self) -> list[str]:
        return [f"{type(self).__name__}: {self}"]


def require(wanted: str) -> None:
    """Make sure that the packages of some extras are there; nothing is imported.

    The first cell of each chapter calls it, with the words that install the library in Colab.

    Raises MissingPackageError, naming all that are missing; ValueError if `wanted` is not such words.

    >>> require("lorabook[book]")
    """
    found = re.fullmatch(r"lorabook\[(\w+(?:,\w+)*)\]", wanted)
    if found is None:
        raise ValueError(f"wanted is {wanted!r}; it must be lorabook and its extras, as in 'lorabook[book]'")
    packages = _packages()
    extras = found[1].split(",")
    unknown = [extra for extra in extras if extra not in packages]
    if packages and unknown:
        raise ValueError(f"wanted is {wanted!r}; there is no extra {unknown[0]!r}, only {list(packages)}")
    need(*(name for extra in extras for name in packages.get(extra, ())), who="this chapter needs", extras=extras)


def need(*packages: str, who: str, extras: Sequence[str]) -> None:
    """Make sure that packages, by the names that `import` has for them, are there; nothing is imported.

    Raises MissingPackageError "who package, package; pip install …", with the command for the extras.

    >>> need("numpy", who="a sweep needs", extras=["book"])
    """
    absent = [name for name in dict.fromkeys(packages) if not _is_there(name)]
    if absent:
        raise MissingPackageError(f"{who} {', '.join(absent)}; {pip_command(extras)}", name=absent[0])


def explained(error: ImportError) -> ImportError:
    """A MissingPackageError in place of one for a package that comes with an extra; any other error as it is.

    >>> explained(ModuleNotFoundError("No module named 'left_pad'", name="left_pad")).name
    'left_pad'
    """
    if isinstance(error, MissingPackageError) or not isinstance(error, ModuleNotFoundError):
        return error
    package = (error.name or "").partition(".")[0]
    for extra, packages in _packages().items():
        if package in packages:
            return MissingPackageError(f"this needs {package}; {pip_command([extra])}", name=package)
    return error


def pip_command(extras: Sequence[str]) -> str:
    """What to type to have the library with some extras, from where this one comes."""
    listed = f"lorabook[{','.join(extras)}]"
    home = next((url for label, url in _links() if label == "Repository"), None)
    return f'pip install "{listed} @ git+{home}"' if home else f'pip install "{listed}"'


def _packages() -> dict[str, list[str]]:
    """The packages of each extra, by the names that `import` has for them, but for those of the tests."""
    found: dict[str, list[str]] = {}
    for line in _metadata("Requires-Dist"):
        extra = re.search(r"extra == ['\"](\w+)['\"]", line)
        if extra and extra[1] != "dev":
            name = re.match(r"[\w.-]+", line)[0].lower().replace("-", "_")
            found.setdefault(extra[1], []).append(_IMPORTED_AS.get(name, name))
    return found


def _links() -> list[list[str]]:
    return [line.split(", ", 1) for line in _metadata("Project-URL")]


def _metadata(field: str) -> list[str]:
    try:
        return metadata.metadata("lorabook").get_all(field) or []
    except metadata.PackageNotFoundError:  # a folder on the path, not installed
        return []


def _is_there(name: str) -> bool:
    try:
        return find_spec(name) is not None
    except (ModuleNotFoundError, ValueError):
        return False
