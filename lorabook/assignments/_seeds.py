"""Where the numbers of a student, and those of the hidden tests, come from."""

import hashlib
import unicodedata
from pathlib import Path

import numpy as np

GRADED = "autograded"  # nbgrader runs a submission in autograded/STUDENT/ASSIGNMENT


def generator(*words: str) -> np.random.Generator:
    """A random generator that depends on every word, and on nothing else: the same on every machine."""
    digest = hashlib.sha256("\0".join(words).encode("utf-8")).digest()
    return np.random.default_rng(int.from_bytes(digest[:16], "big"))


def plain(student: str) -> str:
    """An id without spaces around it, each letter with its accents in one piece: some systems take them apart."""
    return unicodedata.normalize("NFC", student.strip())


def handed_in_by(student: str, folder: Path | None = None) -> str:
    """Whose submission is being graded: the folder that nbgrader runs it in says so; elsewhere it is `student`."""
    folder = Path.cwd() if folder is None else folder
    return plain(folder.parent.name) if folder.parent.parent.name == GRADED else student
