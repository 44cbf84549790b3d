"""BoolQ and CommonsenseQA as instruction, input and output (Appendix VI.2 of the paper)."""

import json
from dataclasses import dataclass, replace
from pathlib import Path

__all__ = ["TASKS", "Example", "TaskForm", "from_hub", "load", "prompt", "save"]

_HEADER = (
    "Below is an instruction that describes a task, paired with an input that provides further context. "
    "Write a response that appropriately completes the request."
)


@dataclass(frozen=True)
class TaskForm:
    """What a task asks, and the answers it allows."""

    hub_name: str
    instruction: str
    answers: tuple[str, ...]
    """In the order of the labels 0, 1, …"""


TASKS = {
    "boolq": TaskForm("google/boolq", "Answer the following yes/no question based on the passage.", ("No", "Yes")),
    "csqa": TaskForm(
        "tau/commonsense_qa",
        "Answer the following multiple-choice question. Choose the correct option letter only (A, B, C, D, or E).",
        ("A", "B", "C", "D", "E"),
    ),
}
"""By name: yes/no questions about a passage, and questions with five options.

:meta hide-value:
"""


@dataclass(frozen=True)
class Example:
    """One training or test example of a task."""

    task: str
    input: str
    label: int
    """Index into the task's answers."""

    def __post_init__(self):
        form = _form(self.task)
        if not self.input.strip():
            raise ValueError("input is empty; an example needs a question")
        if isinstance(self.label, bool) or self.label not in range(len(form.answers)):
            raise ValueError(f"label is {self.label!r}; for {self.task} it must be one of 0 to {len(form.answers) - 1}")

    @property
    def instruction(self) -> str:
        return TASKS[self.task].instruction

    @property
    def output(self) -> str:
        """The answer as text."""
        return TASKS[self.task].answers[self.label]

    def with_label(self, label: int) -> "Example":
        """The same question with another answer."""
        return replace(self, label=label)


def prompt(example: Example) -> str:
    """Everything before the answer, in the form of Alpaca; the answer follows directly.

    >>> prompt(Example("boolq", "Passage: Ice is cold.\\n\\nQuestion: is ice cold", 1))[-60:]
    'Passage: Ice is cold.\\n\\nQuestion: is ice cold\\n\\n### Response:\\n'
    """
    return f"{_HEADER}\n\n### Instruction:\n{example.instruction}\n\n### Input:\n{example.input}\n\n### Response:\n"


def from_hub(task: str, row: dict) -> Example:
    """A row of the hub's data set as an example.

    BoolQ rows have `passage`, `question` and `answer`, a truth value; CommonsenseQA rows have `question`, `choices`
    with the lists `label` and `text`, and `answerKey`.

    Raises ValueError, naming the field, for a row without a field, without a label, or with other than five options.

    >>> from_hub("boolq", {"passage": "Ice is cold.", "question": "is ice cold", "answer": True})
    Example(task='boolq', input='Passage: Ice is cold.\\n\\nQuestion: is ice cold', label=1)
    """
    form = _form(task)
    if task == "boolq":
        passage, question, answer = _fields(row, "passage", "question", "answer")
        if not isinstance(answer, bool):
            raise ValueError(f"answer is {answer!r}; it must be true or false")
        return Example(task, f"Passage: {passage}\n\nQuestion: {question}", int(answer))
    question, choices, key = _fields(row, "question", "choices", "answerKey")
    labels, texts = _fields(choices, "label", "text")
    if tuple(labels) != form.answers or len(texts) != len(labels):
        raise ValueError(f"choices has the labels {list(labels)}; they must be A to E, each with its text")
    if key not in form.answers:
        raise ValueError(f"answerKey is {key!r}; it must be one of A to E (the hub's test split has no answers)")
    options = "\n".join(f"{label}. {text}" for label, text in zip(labels, texts, strict=True))
    return Example(task, f"Question: {question}\n\nOptions:\n{options}", form.answers.index(key))


def load(task: str, path: str | Path) -> list[Example]:
    """Examples from a local file of rows, JSON or JSON lines, in the hub's form or in Alpaca's.

    Alpaca rows have `instruction`, `input` and `output`; the instruction must be that of the task.

    Raises ValueError with the number of the row that is wrong; OSError if the file cannot be read.
    """
    form, examples = _form(task), []
    for number, row in enumerate(_rows(Path(path)), 1):
        try:
            if "output" in row:
                examples.append(_from_alpaca(task, form, row))
            else:
                examples.append(from_hub(task, row))
        except ValueError as error:
            raise ValueError(f"row {number} of {path}: {error}") from None
    if not examples:
        raise ValueError(f"{path} has no rows; a data set needs one at least")
    return examples


def save(examples: list[Example], path: str | Path) -> None:
    """Write examples as JSON lines in Alpaca's form, which `load` reads."""
    rows = ({"instruction": e.instruction, "input": e.input, "output": e.output} for e in examples)
    Path(path).write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), "utf-8")


def _from_alpaca(task: str, form: TaskForm, row: dict) -> Example:
    instruction, text, output = _fields(row, "instruction", "input", "output")
    if instruction != form.instruction:
        raise ValueError(f"instruction is {instruction!r}; for {task} it must be {form.instruction!r}")
    if output not in form.answers:
        raise ValueError(f"output is {output!r}; for {task} it must be one of {list(form.answers)}")
    return Example(task, text, form.answers.index(output))


def _rows(path: Path) -> list[dict]:
    text = path.read_text("utf-8")
    try:
        if text.lstrip().startswith("["):
            rows = json.loads(text)
        else:
            rows = [json.loads(line) for line in text.splitlines() if line.strip()]
    except json.JSONDecodeError as error:
        raise ValueError(f"{path} is not JSON ({error}); it must hold a list of rows, or a row on each line") from None
    if not all(isinstance(row, dict) for row in rows):
        raise ValueError(f"{path} holds something else than rows; each must be an object with named fields")
    return rows


def _fields(row: dict, *names: str) -> list:
    missing = [name for name in names if row.get(name) is None]
    if missing:
        raise ValueError(f"it has no {', '.join(missing)}; it has {sorted(row)}")
    return [row[name] for name in names]


def _form(task: str) -> TaskForm:
    if task not in TASKS:
        raise ValueError(f"task is {task!r}; it must be one of {sorted(TASKS)}")
    return TASKS[task]
