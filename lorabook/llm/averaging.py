"""Uniform averages of trained models, and the choice of a reference model (Appendix VI.6 and VI.11 of the paper).

Chapter *Fine-tuning Qwen2.5*.
"""

import json
import shutil
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lorabook import _validate
from lorabook._arrays import Integer
from lorabook.llm.intervals import Estimate, crossed
from lorabook.llm.scoring import Score

__all__ = ["Reference", "average", "choose_reference"]

_INDEX, _SINGLE = "model.safetensors.index.json", "model.safetensors"
_ADAPTER = "adapter_config.json"
_DTYPES = ("bfloat16", "float16", "float32")


def average(checkpoints: list, out: str | Path, dtype: str = "bfloat16", shard_bytes: Integer = 4_000_000_000) -> Path:
    """Write the arithmetic mean of several checkpoints, taken in float32 and then cast, and return its folder.

    Each checkpoint is a folder with safetensors, in one file or in shards, however they are cut. One tensor of each is
    read at a time, and a shard of `shard_bytes` is written when it is full, so that memory stays near one shard.
    Integer tensors must be the same in all. Configuration and tokenizer are those of the first checkpoint. The folder
    appears whole or not at all.

    Raises ValueError if there is no checkpoint, if one is an adapter and no whole model, if they differ in the names
    or shapes of their tensors, hold a number that is not finite, or if `out` exists and is not empty; OSError if it
    cannot be written.
    Source: Appendix VI.6 of the paper.
    """
    out = Path(out)
    if not checkpoints:
        raise ValueError("checkpoints is empty; a mean needs one at least")
    if dtype not in _DTYPES:
        raise ValueError(f"dtype is {dtype!r}; it must be one of {list(_DTYPES)}")
    _validate.integer("shard_bytes", shard_bytes, 1)
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise ValueError(f"out is '{out}'; it must be a new or an empty folder")
    readers = [_tensors(Path(folder)) for folder in checkpoints]
    for folder, reader in zip(checkpoints, readers, strict=True):
        if set(reader) != set(readers[0]):
            differing = sorted(set(reader) ^ set(readers[0]))[:3]
            raise ValueError(f"'{folder}' has other tensors than '{checkpoints[0]}': {differing}")
    out.parent.mkdir(parents=True, exist_ok=True)
    unfinished = out.with_name(f"{out.name}.{uuid.uuid4().hex}.tmp")
    unfinished.mkdir()
    try:
        means = ((name, _mean(name, [reader[name] for reader in readers], dtype)) for name in sorted(readers[0]))
        _write(means, unfinished, shard_bytes)
        for path in Path(checkpoints[0]).iterdir():
            if path.is_file() and path.suffix in (".json", ".txt", ".jinja") and path.name != _INDEX:
                shutil.copy(path, unfinished)
        if out.exists():
            out.rmdir()
        unfinished.rename(out)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
    return out


@dataclass(frozen=True)
class Reference:
    """The model that stands for what can be learnt; its difference to the base model is the proxy of the shift."""

    name: str
    accuracy: float
    ahead: Estimate | None
    """Of the second, in accuracy on the items of the test; None if there was one candidate."""

    @property
    def is_tie(self) -> bool:
        """Whether the interval of the difference covers 0: the choice is then no more than a toss."""
        return self.ahead is not None and self.ahead.covers_zero


def choose_reference(scores: dict) -> Reference:
    """The best of some models on one test set; of equals the first.

    `scores` has the `Score` of each by name. The paper's candidates are full fine-tuning with AdamW and the average of
    several seeds of SGD, both trained on the augmented data.

    Raises ValueError if there are none, or of different test sets.
    Source: Appendix VI.11 of the paper.
    """
    if not scores or not all(isinstance(score, Score) for score in scores.values()):
        raise ValueError("scores must hold a Score for each of one or more models")
    if len({score.count for score in scores.values()}) > 1:
        raise ValueError(f"scores are of {[score.count for score in scores.values()]} items; the test must be the same")
    ranked = sorted(scores, key=lambda name: -scores[name].correct)
    best = scores[ranked[0]]
    ahead = None
    if len(ranked) > 1:
        difference = np.array(best.right, dtype=float) - np.array(scores[ranked[1]].right, dtype=float)
        ahead = crossed(difference[None, :])
    return Reference(ranked[0], best.accuracy, ahead)


def _tensors(folder: Path) -> dict[str, Callable]:
    """For every tensor of a checkpoint, a function that reads it."""
    from safetensors import safe_open

    if (folder / _INDEX).is_file():
        places = json.loads((folder / _INDEX).read_text("utf-8"))["weight_map"]
    elif (folder / _SINGLE).is_file():
        with safe_open(folder / _SINGLE, "pt") as file:
            places = dict.fromkeys(file.keys(), _SINGLE)
    elif (folder / _ADAPTER).is_file():
        raise ValueError(
            f"'{folder}' holds an adapter, whose factors have no mean; merge each into its base and average the whole "
            "models: lorabook.llm.models.load_trained(folder, base)[0].merge_and_unload().save_pretrained(new)"
        )
    else:
        raise ValueError(f"'{folder}' holds no model in safetensors")

    def reader(name):
        def read():
            with safe_open(folder / places[name], "pt") as file:
                return file.get_tensor(name)

        return read

    return {name: reader(name) for name in places}


def _mean(name: str, readers: list[Callable], dtype: str):
    import torch

    first = readers[0]()
    if not first.is_floating_point():
        for read in readers[1:]:
            if not torch.equal(read(), first):
                raise ValueError(f"{name} is of integers, and not the same in all checkpoints")
        return first
    total = first.to(torch.float32, copy=True)
    for read in readers[1:]:
        tensor = read()
        if tensor.shape != first.shape:
            raise ValueError(f"{name} has the shapes {tuple(first.shape)} and {tuple(tensor.shape)}")
        total += tensor.to(torch.float32)
    total /= len(readers)
    if not bool(torch.isfinite(total).all()):
        raise ValueError(f"{name} has numbers that are not finite")
    return total.to(getattr(torch, dtype))


def _write(means, folder: Path, shard_bytes: int) -> None:
    from safetensors.torch import save_file

    shards, held, size, total = [], {}, 0, 0

    def flush():
        path = folder / f"part-{len(shards)}"
        save_file(held, path, metadata={"format": "pt"})
        shards.append((path, list(held)))
        held.clear()

    for name, tensor in means:
        bytes_more = tensor.numel() * tensor.element_size()
        if held and size + bytes_more > shard_bytes:
            flush()
            size = 0
        held[name] = tensor.contiguous()
        size += bytes_more
        total += bytes_more
    flush()
    if len(shards) == 1:
        shards[0][0].rename(folder / _SINGLE)
        return
    places = {}
    for i, (path, names) in enumerate(shards, 1):
        final = f"model-{i:05d}-of-{len(shards):05d}.safetensors"
        path.rename(folder / final)
        places |= dict.fromkeys(names, final)
    index = {"metadata": {"total_size": total}, "weight_map": places}
    (folder / _INDEX).write_text(json.dumps(index, indent=1) + "\n", "utf-8")
