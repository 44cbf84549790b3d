"""Set the book with LaTeX: `python -m tools.pdf` writes _build/latex/lorabook.pdf.

Needs latexmk and xelatex; in Debian they are in latexmk, texlive-xetex, texlive-latex-extra,
texlive-fonts-recommended, texlive-plain-generic and fonts-freefont-otf.
"""

import argparse
import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
NAME = "lorabook"
PROGRAMS = ("latexmk", "xelatex")
PACKAGES = (
    "latexmk texlive-xetex texlive-latex-extra texlive-fonts-recommended texlive-plain-generic fonts-freefont-otf"
)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--to", type=Path, default=ROOT, help="the folder whose _build is used (default: the book's)")
    folder = parser.parse_args().to
    if missing := [program for program in PROGRAMS if shutil.which(program) is None]:
        print(f"The PDF needs {' and '.join(missing)}. On Debian: apt-get install {PACKAGES}", file=sys.stderr)
        return 1
    builder = Path(sys.executable).with_name("jupyter-book")
    command = [builder, "build", ".", "--builder", "latex", "-W", "--keep-going", "--path-output", folder]
    if subprocess.run(command, cwd=ROOT).returncode:
        return 1
    latex = folder / "_build" / "latex"
    command = ["latexmk", "-xelatex", "-interaction=nonstopmode", "-halt-on-error", "-quiet", f"{NAME}.tex"]
    done = subprocess.run(command, cwd=latex, capture_output=True, text=True, errors="replace")
    log = (latex / f"{NAME}.log").read_text("utf-8", errors="replace")
    if done.returncode:
        print("\n".join(errors(log)) or done.stdout + done.stderr, file=sys.stderr)
        return 1
    print(f"{pages(log)} pages in {latex / f'{NAME}.pdf'}")
    return 0


def errors(log: str) -> list[str]:
    """LaTeX's complaints, each with the two lines that follow it."""
    lines = log.splitlines()
    return [line for i, first in enumerate(lines) if first.startswith("!") for line in lines[i : i + 3]]


def pages(log: str) -> int:
    """As LaTeX counted them; the line is broken wherever it is too long."""
    return int(re.search(r"\((\d+)pages", re.sub(r"\s", "", log))[1])


if __name__ == "__main__":
    sys.exit(main())
