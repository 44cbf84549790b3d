"""A file that one process holds at a time; the system lets go of it when the process ends, however it ends.

Grids of runs need it (chapter *Fine-tuning Qwen2.5*).
"""

import contextlib
import os
from pathlib import Path

__all__ = ["lock", "try_lock"]


@contextlib.contextmanager
def lock(path: Path):
    """Wait for the file and hold it."""
    import fcntl

    with path.open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


@contextlib.contextmanager
def try_lock(path: Path):
    """Hold the file, or say at once that another process does: yields whether it is held.

    The system's locks reach over a network file system where its server supports them, as NFS since version 4 does.
    """
    import fcntl

    with path.open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
            return
        # A file that was removed in between is another one now; whoever makes it anew may hold that.
        try:
            yield os.fstat(file.fileno()).st_ino == os.stat(path).st_ino
        except FileNotFoundError:
            yield False
