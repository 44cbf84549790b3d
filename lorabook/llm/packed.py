"""The results of finished grids in one file, which says by which code and settings it was made."""

import hashlib
import json
from pathlib import Path

from lorabook.llm import fingerprint, runs, work
from lorabook.llm.grid import Grid

__all__ = ["SHIPPED", "Packed", "load", "pack", "shipped"]

SHIPPED = Path(__file__).parent / "results" / "tiny.json"
"""Results of the tiny grids `noise`, `samples` and `spectra`, which a chapter shows; `make tiny-results` makes them.

:meta hide-value:
"""
_GRIDS = ("noise", "samples", "spectra")

_SCHEMA = 1


class Packed(dict):
    """Results by cell, to be given to `reports` in place of a folder."""

    def __init__(self, cells: dict, grids: dict, about: dict):
        super().__init__(cells)
        self.grids = grids
        """By name."""
        self.about = about
        """Versions, hardware, and hours of one core that the runs took."""


def pack(out: Path | str, grids: list[Grid], path: Path | str) -> None:
    """Write the results of some finished grids in a folder as one JSON file.

    Which test items were answered rightly is left out, counts are kept.

    Raises ValueError if a cell is missing, or was made by other code than this.
    """
    out, code = Path(out), _code()
    cells, seconds, about = {}, 0.0, {}
    for grid in grids:
        searches = grid.searches()
        compared = grid.cells(work.rates(work.choose_rates(grid, searches, out))).values()
        tried = [some for search in searches for some in search.cells.values()]
        for cell in [cell for some in (*tried, *compared) for cell in some]:
            result = work.result_of(out, cell)
            if result is None:
                raise ValueError(f"'{out}' has no result of {cell.method} at {dict(cell.place)}, {cell.id}")
            if result["hashes"]["code"] != code:
                raise ValueError(f"the result {cell.id} was made by other code; run the grid again")
            if cell.id not in cells:
                cells[cell.id] = _short(result)
                seconds += result["cost"]["seconds"]
                about = {"versions": result["versions"], "hardware": result["cost"]["hardware"]}
    about["core_hours"] = seconds / 3600
    content = {
        "schema": _SCHEMA,
        "code": code,
        "grids": {grid.name: grid.to_dict() for grid in grids},
        "about": about,
        "cells": dict(sorted(cells.items())),
    }
    runs.write_json(Path(path), content | {"checksum": _checksum(content)})


def load(path: Path | str, settings: list[Grid] | None = None) -> Packed:
    """Read what `pack` wrote, if this code made it with these settings.

    `settings` are the grids as they are described now; None takes those of the file.

    Raises ValueError if the file is damaged, or code or settings have changed since: its numbers would then not be
    those of the code beside them.
    """
    content = json.loads(Path(path).read_text("utf-8"))
    checksum = content.pop("checksum", None)
    if content.get("schema") != _SCHEMA or checksum != _checksum(content):
        raise ValueError(f"'{path}' is damaged: its checksum is not that of its content")
    if content["code"] != _code():
        raise ValueError(f"'{path}' was made by other code; make it again")
    for grid in settings or []:
        if content["grids"].get(grid.name) != json.loads(json.dumps(grid.to_dict())):
            raise ValueError(f"'{path}' was made with other settings of the grid {grid.name!r}; make it again")
    grids = {name: Grid.from_dict(values) for name, values in content["grids"].items()}
    return Packed(content["cells"], grids, content["about"])


def shipped() -> Packed:
    """The results that come with the library, checked against the code and the grids that come with it."""
    return load(SHIPPED, [Grid.load(name, tiny=True) for name in _GRIDS])


def _short(result: dict) -> dict:
    metrics = {
        part: {key: value for key, value in score.items() if key != "items"}
        for part, score in result.get("metrics", {}).items()
    }
    short = {"status": result["status"], "metrics": metrics, "hashes": {"test": result["hashes"]["test"]}}
    if "spectra" in result:
        short["spectra"] = result["spectra"]
    return short


def _code() -> str:
    return fingerprint.of_modules(*runs.CODE)


def _checksum(content: dict) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


if __name__ == "__main__":
    import sys

    SHIPPED.parent.mkdir(exist_ok=True)
    pack(sys.argv[1], [Grid.load(name, tiny=True) for name in _GRIDS], SHIPPED)
    print(f"{SHIPPED.stat().st_size / 1e3:.0f} kB in {SHIPPED}")
