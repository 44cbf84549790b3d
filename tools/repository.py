"""Point the book's links at another repository: `python tools/repository.py owner/name`, before a build.

Forks need it, and only in the workflow that publishes them: what is committed names the original.
"""

import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
ORIGINAL = ("lorabook", "lorabook")


def main(repository: str) -> None:
    owner, name = repository.split("/")
    for path in [ROOT / "_config.yml", *sorted((ROOT / "book").glob("*.ipynb"))]:
        text = path.read_text("utf-8")
        path.write_text(_renamed(text, owner, name), "utf-8")


def _renamed(text: str, owner: str, name: str) -> str:
    old_owner, old_name = ORIGINAL
    text = text.replace(f"github.com/{old_owner}/{old_name}", f"github.com/{owner}/{name}")
    return re.sub(rf"https://{old_owner}\.github\.io/{old_name}", f"https://{owner.lower()}.github.io/{name}", text)


if __name__ == "__main__":
    main(sys.argv[1])
