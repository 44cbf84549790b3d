"""Examples as tokens: the prompt, the answer, and nothing of the answer ever cut away."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from lorabook import _validate
from lorabook._arrays import Integer, Real
from lorabook.llm import tasks
from lorabook.llm.tasks import Example

__all__ = ["Encoded", "Row", "collate", "encode", "left_padded", "order_of_batches"]

IGNORED = -100
"""The label of a position that the loss leaves out."""
_ORDER_STREAM = 48
_MEGABATCH = 50
"""Batches that are sorted by length together; more would fix the order more than they save padding."""


@dataclass(frozen=True)
class Row:
    """An example's tokens."""

    prompt: list[int]
    answer: list[int]
    """With the token that ends the text."""

    def __len__(self) -> int:
        return len(self.prompt) + len(self.answer)


@dataclass(frozen=True)
class Encoded:
    rows: list[Row]
    cut: int
    """How many examples lost words to the cutoff."""


def encode(examples: list[Example], tokenizer, cutoff: Integer | None = None) -> Encoded:
    """Prompt and answer of each example, encoded apart, and the end-of-text token after the answer.

    An example of more than `cutoff` tokens loses words at the end of its passage, or of its question where it has
    options. Raises ValueError if no words are left to cut.
    """
    ends = [tokenizer.eos_token_id]
    answers = {answer: _ids(tokenizer, [answer])[0] + ends for example in examples for answer in [example.output]}
    rows, cut = [], 0
    for example, ids in zip(examples, _ids(tokenizer, [tasks.prompt(e) for e in examples]), strict=True):
        answer = answers[example.output]
        if cutoff is not None and len(ids) + len(answer) > cutoff:
            ids = _shortened(example, tokenizer, cutoff - len(answer))
            cut += 1
        rows.append(Row(ids, answer))
    return Encoded(rows, cut)


def left_padded(sequences: Sequence[list[int]], pad: int):
    """Token ids and attention mask, tensors of one shape, with the padding in front."""
    import torch

    longest = max(map(len, sequences))
    ids = torch.full((len(sequences), longest), pad)
    mask = torch.zeros_like(ids)
    for i, sequence in enumerate(sequences):
        ids[i, longest - len(sequence) :] = torch.tensor(sequence)
        mask[i, longest - len(sequence) :] = 1
    return {"input_ids": ids, "attention_mask": mask}


def collate(rows: list[Row], pad: int) -> dict:
    """A batch for training: `labels` are the tokens of the answers, and -100 at every other position."""
    batch = left_padded([row.prompt + row.answer for row in rows], pad)
    labels = batch["input_ids"].new_full(batch["input_ids"].shape, IGNORED)
    for i, row in enumerate(rows):
        labels[i, -len(row.answer) :] = batch["input_ids"][i, -len(row.answer) :]
    return batch | {"labels": labels}


def order_of_batches(lengths: Sequence[int], epochs: Real, batch_size: Integer, seed: Integer) -> list[int]:
    """The examples in the order of training, all epochs one after another, those of like length side by side.

    Each epoch is a permutation of its own: shuffled, sorted by length within some fifty batches, and the batches
    shuffled again. A last, partial epoch is the beginning of one. Everything is drawn from the seed beforehand, so
    that a run that goes on after an interruption sees the same examples in the same order.
    """
    epochs = _validate.number("epochs", epochs, strict=True)
    batch_size = _validate.integer("batch_size", batch_size, 1)
    rng = _validate.generator(seed, _ORDER_STREAM)
    lengths = np.asarray(lengths)
    total = max(1, round(epochs * len(lengths)))
    order: list[int] = []
    while len(order) < total:
        shuffled = rng.permutation(len(lengths))
        near = [
            part[np.argsort(-lengths[part], kind="stable")]
            for part in np.split(shuffled, range(_MEGABATCH * batch_size, len(shuffled), _MEGABATCH * batch_size))
        ]
        batches = [part[i : i + batch_size] for part in near for i in range(0, len(part), batch_size)]
        order += [int(i) for b in rng.permutation(len(batches)) for i in batches[b]]
    return order[:total]


def _shortened(example: Example, tokenizer, room: int) -> list[int]:
    """The prompt with as many words as fit into so many tokens."""
    separator = "\n\nQuestion: " if example.task == "boolq" else "\n\nOptions:\n"
    text, found, rest = example.input.rpartition(separator)
    words = (text if found else example.input).split(" ")

    def prompt(kept: int) -> list[int]:
        shorter = replace(example, input=" ".join(words[:kept]) + found + rest if found else " ".join(words[:kept]))
        return _ids(tokenizer, [tasks.prompt(shorter)])[0]

    kept = 0
    for step in (1 << k for k in reversed(range(len(words).bit_length()))):
        if kept + step < len(words) and len(prompt(kept + step)) <= room:
            kept += step
    ids = prompt(max(kept, 1))
    if len(ids) > room:
        raise ValueError(f"cutoff leaves {room} tokens for a prompt that needs {len(ids)} without its passage")
    return ids


def _ids(tokenizer, texts: list[str]) -> list[list[int]]:
    return tokenizer(texts, add_special_tokens=False)["input_ids"]
