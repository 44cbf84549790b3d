"""Zero-shot evaluation through lm-evaluation-harness, with this project's prompt and with the harness's own.

The paper trains on one prompt and evaluates with the other, so both are reported.
"""

import contextlib
import io
import json
import logging
import math
import re
import tempfile
from pathlib import Path

from lorabook import _validate
from lorabook._arrays import Integer
from lorabook.llm import data, tasks
from lorabook.llm.config import FineTuneConfig
from lorabook.llm.tasks import TASKS, Example

__all__ = ["PROMPTS", "harness", "hub_row"]

PROMPTS = ("alpaca", "stock")
"""The form of Appendix VI.2, which runs are trained on; and the harness's prompt for the same data set."""
_OWN = Path(__file__).parent / "harness"
_STOCK = {"boolq": "super_glue/boolq/default.yaml", "csqa": "commonsense_qa/default.yaml"}
_BOOLQ = re.compile(r"Passage: (.*)\n\nQuestion: (.*)", re.DOTALL)
_CSQA = re.compile(r"Question: (.*)\n\nOptions:\nA\. (.*)\nB\. (.*)\nC\. (.*)\nD\. (.*)\nE\. (.*)", re.DOTALL)


def harness(
    model,
    tokenizer,
    task: str,
    rows: list[Example] | None = None,
    prompts: tuple[str, ...] = PROMPTS,
    batch_size: Integer = 16,
    limit: Integer | None = None,
) -> dict:
    """Scores by prompt: `correct`, `count`, `accuracy`, `standard_error`, `items`, and versions of task and harness.

    `rows` are the examples to answer; None takes the validation split of the hub's data set, the one that the harness
    uses itself. With rows given nothing touches a network. `limit` takes the first so many.

    The model may be a plain one or PEFT's. Each allowed answer is scored by its log-likelihood after the prompt, and
    the largest is the model's answer.

    Raises ValueError for an unknown task or prompt, or rows of another task.
    Source: Section 4 and Appendix VI of the paper.
    """
    if task not in TASKS:
        raise ValueError(f"task is {task!r}; it must be one of {sorted(TASKS)}")
    unknown = sorted(set(prompts) - set(PROMPTS))
    if unknown:
        raise ValueError(f"prompts has {unknown}; there are {list(PROMPTS)}")
    if rows is None:
        rows = data.splits(FineTuneConfig(model="tiny", task=task, method="full")).test
    if not rows or any(row.task != task for row in rows):
        raise ValueError(f"rows must be examples of {task}, at least one")
    if limit is not None:
        rows = rows[: _validate.integer("limit", limit, 1)]
    was_training = model.training
    try:
        with tempfile.TemporaryDirectory() as folder:
            return {
                prompt: _score(model, tokenizer, task, rows, prompt, Path(folder), batch_size) for prompt in prompts
            }
    finally:
        model.train(was_training)


def hub_row(example: Example) -> dict:
    """The fields of the hub's data set from which `tasks.from_hub` makes this example, and its `label`.

    Raises ValueError if the input has not the task's form.

    >>> row = hub_row(Example("boolq", "Passage: Ice is cold.\\n\\nQuestion: is ice cold", 1))
    >>> row["question"], row["answer"]
    ('is ice cold', True)
    """
    found = (_BOOLQ if example.task == "boolq" else _CSQA).fullmatch(example.input)
    if not found:
        raise ValueError(f"input is {example.input[:60]!r}…; it has not the form of {example.task}")
    if example.task == "boolq":
        return {"passage": found[1], "question": found[2], "answer": bool(example.label), "label": example.label}
    options = {"label": list("ABCDE"), "text": list(found.groups()[1:])}
    return {"question": found[1], "choices": options, "answerKey": example.output, "label": example.label}


def _score(model, tokenizer, task: str, rows, prompt: str, folder: Path, batch_size: int) -> dict:
    with _quiet():
        import lm_eval
        from lm_eval.tasks import TaskManager

        config = _config(task, prompt, _write(rows, prompt, folder))
        outcome = lm_eval.simple_evaluate(
            model=_apart(model, tokenizer, batch_size, prompt == "alpaca"),
            tasks=[config],
            task_manager=TaskManager(include_defaults=False),
            bootstrap_iters=0,
            log_samples=True,
        )
    name = config["task"]
    samples = sorted(outcome["samples"][name], key=lambda sample: sample["doc_id"])
    right = [bool(sample["acc"]) for sample in samples]
    accuracy = sum(right) / len(right)
    return {
        "correct": sum(right),
        "count": len(right),
        "accuracy": accuracy,
        "standard_error": math.sqrt(accuracy * (1 - accuracy) / max(1, len(right) - 1)),
        "items": "".join("1" if answer else "0" for answer in right),
        "task": f"{name} {config.get('metadata', {}).get('version', '')}".strip(),
        "harness": lm_eval.__version__,
    }


def _write(rows: list[Example], prompt: str, folder: Path) -> Path:
    path = folder / f"{prompt}.jsonl"
    if prompt == "alpaca":
        tasks.save(rows, path)
    else:
        path.write_text("".join(json.dumps(hub_row(row)) + "\n" for row in rows), "utf-8")
    return path


def _config(task: str, prompt: str, path: Path) -> dict:
    """The task as its YAML describes it, over the rows in a local file."""
    import lm_eval
    import yaml

    own = _OWN / f"lorabook_{task}.yaml"
    described = own if prompt == "alpaca" else Path(lm_eval.__file__).parent / "tasks" / _STOCK[task]
    config = yaml.safe_load(described.read_text("utf-8"))
    for name in ("dataset_name", "training_split", "validation_split", "tag"):
        config.pop(name, None)
    cache = path.parent / "cache"
    return config | {
        "dataset_path": "json",
        "dataset_kwargs": {"data_files": {"test": str(path)}, "cache_dir": str(cache)},
        "test_split": "test",
    }


def _apart(model, tokenizer, batch_size: int, encode_apart: bool):
    from lm_eval.models.huggingface import HFLM

    class Apart(HFLM):
        """Encodes prompt and answer apart, as training does; HFLM would move white space from one to the other."""

        def _encode_pair(self, context, continuation):
            if not encode_apart:
                return super()._encode_pair(context, continuation)
            return (
                tokenizer(context, add_special_tokens=False)["input_ids"],
                tokenizer(continuation, add_special_tokens=False)["input_ids"],
            )

    return Apart(pretrained=model, tokenizer=tokenizer, batch_size=batch_size)


@contextlib.contextmanager
def _quiet():
    """The harness announces what it does at length, on several ways; errors are raised all the same."""
    import datasets

    names = ("lm_eval", "datasets")
    levels = [logging.getLogger(name).level for name in names]
    bars = datasets.is_progress_bar_enabled()
    for name in names:
        logging.getLogger(name).setLevel(logging.ERROR)
    datasets.disable_progress_bar()
    try:
        with contextlib.redirect_stderr(io.StringIO()):
            yield
    finally:
        for name, level in zip(names, levels, strict=True):
            logging.getLogger(name).setLevel(level)
        if bars:
            datasets.enable_progress_bar()
