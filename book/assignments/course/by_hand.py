"""Answers in words as plain text, and their points into the gradebook.

    sh contained.sh python by_hand.py read ps1_low_rank_regression > answers.txt
    sh contained.sh python by_hand.py enter ps1_low_rank_regression < answers.txt
    sh contained.sh python by_hand.py search ps1_low_rank_regression

`read` prints each answer that was handed in below a line like `== ada explain: of 2`. Write the points before `of`, as
in `== ada explain: 1.5 of 2`. The lines of an answer begin with `|`; what you write on others is a comment for the
student. `enter` puts points and comments into the gradebook, or none of them if something is wrong. `search` prints the
lines of code that students have written and that no answer needs: imports, and ways to the library's own answers.
"""

import argparse
import re
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

import nbformat
from nbgrader.api import Gradebook, MissingEntry

COURSE = Path(__file__).resolve().parent
HEADER = re.compile(r"== (?P<student>.+) (?P<name>\S+):\s*(?P<points>\S*)\s*of \S+\s*")

# In lines that were not given.
NEEDLESS = re.compile(
    r"import|lorabook|problems|oracle|\.exercise|measured|chdir|getattr|globals|__|\beval\b|\bexec\b"
)


def by_hand(notebook: nbformat.NotebookNode) -> dict[str, nbformat.NotebookNode]:
    """The cells that a person grades, by name."""
    cells = ((cell.metadata.get("nbgrader", {}), cell) for cell in notebook.cells)
    return {
        settings["grade_id"]: cell
        for settings, cell in cells
        if settings.get("grade") and settings.get("solution")
    }


def plain(text: str) -> Iterator[str]:
    """Lines marked as an answer, nothing in them but what prints: a terminal obeys other characters."""
    for line in text.expandtabs().splitlines():
        yield "| " + "".join(
            character if character.isprintable() else "\N{REPLACEMENT CHARACTER}"
            for character in line
        )


def answers(assignment: str) -> Iterator[str]:
    """What `read` prints. An answer that nobody has touched has no points already and is left out."""
    for source in sorted((COURSE / "source" / assignment).glob("*.ipynb")):
        asked = by_hand(nbformat.read(source, as_version=4))
        blank = by_hand(
            nbformat.read(COURSE / "release" / assignment / source.name, as_version=4)
        )
        for path in sorted(
            (COURSE / "submitted").glob(f"*/{assignment}/{source.name}")
        ):
            student = path.parent.parent.name
            try:
                found = nbformat.read(path, as_version=4).cells
                given = [
                    (
                        str(cell.metadata.get("nbgrader", {}).get("grade_id")),
                        str(cell.source),
                    )
                    for cell in found
                ]
            except Exception as error:  # whatever a student has made of the file
                given = [
                    (name, f"(The notebook cannot be read: {error})") for name in asked
                ]
            for name, cell in asked.items():
                texts = [
                    text
                    for given_name, text in given
                    if given_name == name and text != blank[name].source
                ]
                if texts:
                    yield f"== {next(plain(student))[2:]} {name}: of {cell.metadata.nbgrader.points}"
                    yield from (line for text in texts for line in plain(text))
                    yield ""


def search(assignment: str) -> Iterator[str]:
    """What `search` prints: the student and the line."""
    for release in sorted((COURSE / "release" / assignment).glob("*.ipynb")):
        given = {
            line
            for cell in nbformat.read(release, as_version=4).cells
            for line in cell.source.splitlines()
        }
        for path in sorted(
            (COURSE / "submitted").glob(f"*/{assignment}/{release.name}")
        ):
            try:
                code = [
                    str(cell.source)
                    for cell in nbformat.read(path, as_version=4).cells
                    if cell.cell_type == "code"
                ]
            except Exception as error:  # whatever a student has made of the file
                code = [f"# __ The notebook cannot be read: {error}"]
            for line in "\n".join(code).splitlines():
                if line not in given and NEEDLESS.search(line):
                    yield from plain(f"{path.parent.parent.name}: {line}")


def marks(lines: Iterable[str]) -> Iterator[tuple[str, str, float, str]]:
    """Student, name of the exercise, points and comment, of every answer that has points."""
    blocks: list[tuple[re.Match, list[str]]] = []
    for line in lines:
        if header := HEADER.fullmatch(line.rstrip("\n")):
            blocks.append((header, []))
        elif blocks and not line.startswith("|") and line.strip():
            blocks[-1][1].append(line.strip())
    for header, comment in blocks:
        if header["points"]:
            yield (
                header["student"],
                header["name"],
                float(header["points"]),
                "\n".join(comment),
            )


def enter(assignment: str, lines: Iterable[str]) -> int:
    """Writes points and comments, and returns how many. Raises ValueError for what cannot be."""
    with Gradebook(f"sqlite:///{COURSE}/grades/gradebook.db") as gradebook:
        entered = list(marks(lines))
        (notebook,) = (
            notebook.name
            for notebook in gradebook.find_assignment(assignment).notebooks
        )
        for student, name, points, comment in entered:
            where = name, notebook, assignment, student
            try:
                grade = gradebook.find_grade(*where)
            except MissingEntry as error:
                raise ValueError(
                    f"{student} {name}: {error}; was it graded by machine?"
                ) from error
            if not 0 <= points <= grade.max_score:
                raise ValueError(
                    f"{student} {name}: {points:g} points of {grade.max_score:g}"
                )
            grade.manual_score, grade.needs_manual_grade = points, False
            if comment:
                gradebook.find_comment(*where).manual_comment = comment
        gradebook.db.commit()
    return len(entered)


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", choices=["read", "enter", "search"])
    parser.add_argument("assignment")
    arguments = parser.parse_args()
    if arguments.what != "enter":
        print(
            *{"read": answers, "search": search}[arguments.what](arguments.assignment),
            sep="\n",
        )
    else:
        try:
            print(f"{enter(arguments.assignment, sys.stdin)} answers have points.")
        except ValueError as error:
            sys.exit(f"Nothing was entered. {error}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
