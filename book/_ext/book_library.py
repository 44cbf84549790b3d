"""What of `lorabook` the reference lists: every public object of every public module, by the name it has there."""

import importlib
import pkgutil
from functools import cache
from types import ModuleType

import lorabook

# Each package inside is one problem set, which the package itself tells of.
WITHIN = {"lorabook.assignments"}


@cache
def modules() -> tuple[str, ...]:
    """Public modules. A module inside a package that has an `__all__` is how the package does it, and is left out."""
    return tuple(_public(lorabook))


def _public(package: ModuleType):
    for info in pkgutil.iter_modules(package.__path__, f"{package.__name__}."):
        if info.name.rpartition(".")[2].startswith("_") or package.__name__ in WITHIN:
            continue
        inside = package is not lorabook and hasattr(package, "__all__")
        module = importlib.import_module(info.name)
        if hasattr(module, "__all__") and (info.ispkg or not inside):
            yield info.name
        if info.ispkg:
            yield from _public(module)


@cache
def objects() -> dict[str, object]:
    """Every public object by its full name in the reference."""
    return {
        f"{module}.{name}": getattr(importlib.import_module(module), name)
        for module in modules()
        for name in importlib.import_module(module).__all__
    }


@cache
def _names() -> dict[int, str]:
    return {id(value): name for name, value in objects().items()}


def name_of(value: object, dotted: str = "") -> str | None:
    """The name of an object in the reference, whatever it was imported from; None if it has none.

    A number or a string is the same object in many places, so `dotted`, where it was found, must be that name.
    """
    if isinstance(value, ModuleType):
        return value.__name__ if value.__name__ in modules() else None
    if isinstance(value, int | float | str | tuple):
        return dotted if dotted in objects() else None
    return _names().get(id(value))


def module_of(name: str) -> str:
    """The module under which the reference lists a name."""
    return max((m for m in modules() if name == m or name.startswith(f"{m}.")), key=len)
