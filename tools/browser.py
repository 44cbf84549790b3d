"""Find a Chromium that runs, or get one: `python tools/browser.py` prints where it is.

Tried in this order: $CHROMIUM, a browser on the PATH, Chrome or Chromium of macOS, the one playwright downloads. If
none of them starts, Debian's package is installed where that is allowed, and otherwise playwright's own download.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from playwright.sync_api import sync_playwright

NAMES = ("chromium", "google-chrome", "google-chrome-stable", "chromium-browser")
MAC_APPS = (
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
    "/Applications/Chromium.app/Contents/MacOS/Chromium",
)
# --no-sandbox: the sandbox cannot start as root or in most containers, and the only pages opened are our own.
FLAGS = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking", "--disable-sync"]


def find() -> str | None:
    """Path of the first Chromium that starts, or None."""
    for path in _candidates():
        if path and _starts(path):
            return path
    return None


def require() -> str:
    """Path of a Chromium that starts; RuntimeError, saying what to do, if there is none."""
    path = find()
    if path is None:
        raise RuntimeError("no Chromium found: run `make browser`, or set CHROMIUM to the path of one")
    return path


def install() -> str:
    """Path of a Chromium that starts, installed first if need be."""
    for command in ([], *_installers()):
        if command:
            print("No Chromium yet; running:", " ".join(command), flush=True)
            subprocess.run(command, check=False)
        if path := find():
            return path
    sys.exit(
        "No Chromium could be found or installed. Install Chromium or Google Chrome by hand, or set CHROMIUM to the"
        " path of one, and try again."
    )


def _candidates():
    yield os.environ.get("CHROMIUM")
    yield from map(shutil.which, NAMES)
    yield from MAC_APPS
    with sync_playwright() as playwright:
        downloaded = playwright.chromium.executable_path
    yield downloaded


def _starts(path: str) -> bool:
    if not Path(path).exists():
        return False
    return subprocess.run([path, "--version"], capture_output=True, timeout=60).returncode == 0


def _installers():
    if shutil.which("apt-get") and "ID=debian" in Path("/etc/os-release").read_text().split():
        as_root = [] if os.geteuid() == 0 else ["sudo", "-n"]
        if not as_root or (shutil.which("sudo") and subprocess.run(["sudo", "-n", "true"]).returncode == 0):
            yield [*as_root, "apt-get", "update", "-q"]
            yield [*as_root, "apt-get", "install", "-y", "-q", "--no-install-recommends", "chromium"]
    yield [sys.executable, "-m", "playwright", "install", "chromium"]


if __name__ == "__main__":
    print(install())
