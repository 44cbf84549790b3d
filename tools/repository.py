"""Point everything that names the repository at another one: `python tools/repository.py owner/name`.

For forks, before a build or once and for all: the book's links and buttons, the first cells that install the library,
the badges, the metadata of the package and of the citation. What is named now is read from pyproject.toml.
"""

import re
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FILES = (
    "*.md",
    "*.yml",
    "*.toml",
    "*.cff",
    "book/**/*.md",
    "book/**/*.ipynb",
    "book/_ext/*.py",
    "lorabook/**/*.py",
    ".binder/*",
    ".devcontainer/*",
    ".github/**/*.yml",
)
"""Where the repository may be named. The tests and tools name none."""


def main(repository: str, root: Path = ROOT) -> None:
    """Rename in all files below `root`. Raises ValueError unless `repository` is an owner, a slash and a name."""
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9-]*/[\w.-]+", repository):
        raise ValueError(f"repository is {repository!r}; it must be OWNER/NAME, as GitHub has it")
    old = current(root)
    for path in sorted({path for pattern in FILES for path in root.glob(pattern) if path.is_file()}):
        text = path.read_text("utf-8")
        if (new := renamed(text, old, repository)) != text:
            path.write_text(new, "utf-8")


def current(root: Path = ROOT) -> str:
    """The repository that pyproject.toml names, as owner/name."""
    project = tomllib.loads((root / "pyproject.toml").read_text("utf-8"))["project"]
    return project["urls"]["Repository"].partition("github.com/")[2].strip("/")


def renamed(text: str, old: str, new: str) -> str:
    """A text with the addresses of one repository, and of its pages, in place of another's.

    >>> renamed("https://mybinder.org/v2/gh/lorabook/lorabook/main", "lorabook/lorabook", "me/book")
    'https://mybinder.org/v2/gh/me/book/main'
    >>> renamed("https://lorabook.github.io/lorabook/setting.html", "lorabook/lorabook", "Me/book")
    'https://me.github.io/book/setting.html'
    """
    # github.com/…, also of Colab and of badges; raw files; Binder. Not a longer name that begins alike.
    hosts = r"(github\.com/|/github/|githubusercontent\.com/|/gh/)"
    text = re.sub(rf"{hosts}{re.escape(old)}(?![\w-])", lambda found: found[1] + new, text)
    return text.replace(_pages(old), _pages(new))


def _pages(repository: str) -> str:
    """Where GitHub serves a repository's site, without a slash at the end."""
    owner, name = repository.split("/")
    host = f"{owner.lower()}.github.io"
    return host if name.lower() == host else f"{host}/{name}"


if __name__ == "__main__":
    try:
        main(*sys.argv[1:])
    except (TypeError, ValueError) as error:
        sys.exit(f"{error}\nusage: python tools/repository.py OWNER/NAME")
