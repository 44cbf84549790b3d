"""What a sweep keeps on disk: a folder for each set of settings, in it a file for each few seeds.

A part holds the seeds of one block of `BLOCK` consecutive numbers, so that sweeps of more or of fewer seeds share
parts, whatever the number of processes. A file appears whole or not at all: it is written under another name and then
renamed. What cannot be read, fails its checksum or holds another table is not trusted.
"""

import contextlib
import hashlib
import io
import json
import os
import time
import uuid
from dataclasses import asdict, dataclass
from itertools import groupby
from pathlib import Path
from typing import NamedTuple

import numpy as np

import lorabook
from lorabook.sweeps.grid import Grid
from lorabook.sweeps.table import COLUMNS, columns

__all__ = ["BLOCK", "DamagedPartError", "Folder", "Part", "folder", "remove_half_written", "split", "write_whole"]

BLOCK = 4
"""Seeds in a part. Part of the layout on disk: another number makes other files."""

_FORMAT = 1
_STALE = 3600.0
"""Seconds after which a temporary file belongs to no one."""


class DamagedPartError(Exception):
    """A file that is there and does not hold what its name says."""

    def __init__(self, path: Path, reason: str):
        super().__init__(f"{path} {reason}")
        self.path = path


class Part(NamedTuple):
    """The wanted seeds of one block."""

    block: int
    seeds: tuple[int, ...]

    @property
    def name(self) -> str:
        """The file's: the block's number and, unless all its seeds are there, their places in the block."""
        places = "" if len(self.seeds) == BLOCK else "-" + "".join(str(seed % BLOCK) for seed in self.seeds)
        return f"part-{self.block:05d}{places}.parquet"


def split(seeds) -> list[Part]:
    """Seeds in ascending order, in blocks.

    >>> [(part.name, part.seeds) for part in split([7, 0, 4, 5, 6])]
    [('part-00000-0.parquet', (0,)), ('part-00001.parquet', (4, 5, 6, 7))]
    """
    return [Part(block, tuple(group)) for block, group in groupby(sorted(seeds), key=lambda seed: seed // BLOCK)]


@dataclass(frozen=True)
class Folder:
    """Where the parts of one set of settings are."""

    path: Path
    grid: Grid
    settings: str
    """What the parts depend on, as text."""

    def prepare(self) -> None:
        """Make the folder, say in settings.json what is in it, and clear away what a killed process left half-written.

        Raises OSError, saying which file and why, if the folder cannot be made or written.
        """
        try:
            self.path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise OSError(f"cannot make the folder {self.path}: {error.strerror}") from None
        about = self.path / "settings.json"
        if not about.exists() or about.read_bytes() != self.settings.encode():
            write_whole(about, self.settings.encode())
        remove_half_written(self.path, older=_STALE)

    def load(self, part: Part) -> np.ndarray | None:
        """Risks of the part, (seeds, settings, 1 + ranks); None if they are not there. A whole block has every part.

        Raises DamagedPartError if the file does not hold them.
        """
        first = part.block * BLOCK
        whole = Part(part.block, tuple(range(first, first + BLOCK)))
        for candidate in dict.fromkeys([part, whole]):
            path = self.path / candidate.name
            if path.exists():
                risks = self._read(path, candidate)
                return risks[[candidate.seeds.index(seed) for seed in part.seeds]]
        return None

    def _read(self, path: Path, part: Part) -> np.ndarray:
        import pyarrow
        from pyarrow import parquet

        try:
            table = parquet.read_table(pyarrow.BufferReader(path.read_bytes()), page_checksum_verification=True)
            found = {name: table[name].to_numpy() for name in COLUMNS}
        except (OSError, KeyError, pyarrow.ArrowException) as error:
            raise DamagedPartError(path, f"cannot be read ({' '.join(str(error).split())[:100]})") from None
        risks = found["excess_risk"]
        shape = (len(part.seeds), len(self.grid.settings()), 1 + len(self.grid.ranks))
        if len(risks) != np.prod(shape) or not np.isfinite(risks).all():
            raise DamagedPartError(path, f"holds {len(risks)} rows, not {np.prod(shape)} of finite numbers")
        for name, expected in columns(self.grid, part.seeds, risks).items():
            if not np.array_equal(expected, found[name], equal_nan=name == "decay"):
                raise DamagedPartError(path, f"holds another {name}")
        return risks.reshape(shape)

    def save(self, part: Part, risks: np.ndarray) -> None:
        """Write the part. Raises OSError, saying which file and why, if that fails."""
        import pyarrow
        from pyarrow import parquet

        buffer = io.BytesIO()
        table = pyarrow.table(columns(self.grid, part.seeds, risks))
        parquet.write_table(table, buffer, write_page_checksum=True)
        write_whole(self.path / part.name, buffer.getbuffer())


def folder(out, name: str, grid: Grid, engine: str, common_random_numbers: bool) -> Folder:
    """The folder of these settings under `out`; its name ends in a hash of them and of the library's version."""
    fields = {key: value for key, value in asdict(grid).items() if key != "base_seed"}
    settings = {
        "lorabook": lorabook.__version__,
        "layout": _FORMAT,
        "engine": engine,
        "common_random_numbers": bool(common_random_numbers),
        "grid": {key: _plain(value) for key, value in fields.items()},
    }
    digest = hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()[:12]
    text = "{\n" + ",\n".join(f"  {json.dumps(k)}: {json.dumps(v)}" for k, v in settings.items()) + "\n}\n"
    return Folder(Path(out).absolute() / f"{name}-{digest}", grid, text)


def write_whole(path: Path, content) -> None:
    """Write a file so that it is there whole or not at all. Raises OSError, saying which file and why."""
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex}.tmp")
    try:
        try:
            temporary.write_bytes(content)
            os.replace(temporary, path)
        finally:
            temporary.unlink(missing_ok=True)
    except OSError as error:
        raise OSError(error.errno, f"cannot write {path}: {error.strerror}") from None


def remove_half_written(folder: Path, older: float = 0.0) -> None:
    """Remove what `write_whole` left in the folder when its process was killed, if it is older than so many seconds.

    Whoever may be writing there now loses what is younger, so with 0 the folder must be the caller's alone.
    """
    for leftover in folder.glob(".*.tmp"):
        with contextlib.suppress(FileNotFoundError):  # another process was quicker
            if not older or time.time() - leftover.stat().st_mtime > older:
                leftover.unlink()


def _plain(value):
    """Numbers as JSON has them, and equal numbers as equal text: 2 and 2.0, tuples and arrays."""
    if value is None:
        return None
    if np.ndim(value):
        return [_plain(entry) for entry in value]
    return int(value) if float(value).is_integer() else float(value)
