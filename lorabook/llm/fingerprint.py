"""Hashes of code, of data and of weights: what a result depends on, in a few letters.

Chapter *From the linear model to a network*, whose stored results carry them.
"""

import ast
import hashlib
import json
from importlib.util import find_spec
from pathlib import Path

from lorabook.llm.tasks import Example

__all__ = ["of_code", "of_examples", "of_modules", "of_weights"]


def of_modules(*names: str) -> str:
    """The hash of some modules of `lorabook.llm`: of what they do, not of what they say about it."""
    return of_code(*(Path(find_spec(f"lorabook.llm.{name}").origin).read_text("utf-8") for name in names))


def of_code(*sources: str) -> str:
    """The hash of Python source texts, in this order, without comments, docstrings, layout and the
    annotations of functions.

    >>> of_code("x = 1  # one") == of_code('x = (1)')
    True
    >>> of_code("x = 1") == of_code("x = 2")
    False
    """
    digest = hashlib.sha256()
    for source in sources:
        tree = ast.parse(source)
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef):
                node.returns = None
            if isinstance(node, ast.arg):
                node.annotation = None
            body = getattr(node, "body", None)
            if isinstance(body, list):
                node.body = [statement for statement in body if not _is_text(statement)]
        digest.update(ast.dump(tree).encode())
    return digest.hexdigest()[:16]


def of_examples(examples: list[Example]) -> str:
    """The hash of what the examples say, in their order."""
    rows = [[example.task, example.input, example.label] for example in examples]
    return hashlib.sha256(json.dumps(rows).encode()).hexdigest()[:16]


def of_weights(model) -> str:
    """The hash of a torch model's names, types, shapes and bits."""
    import torch

    digest = hashlib.sha256()
    for name, weight in sorted(model.state_dict().items()):
        digest.update(f"{name} {weight.dtype} {tuple(weight.shape)}".encode())
        digest.update(weight.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()[:16]


def _is_text(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.Expr) and isinstance(getattr(statement.value, "value", None), str)
