"""What a grid will cost, before anything starts: floating point operations, memory and disk, from rules of thumb."""

from dataclasses import dataclass
from typing import NamedTuple

from lorabook.llm.config import FineTuneConfig
from lorabook.llm.grid import Cell

__all__ = ["GPUS", "SIZES", "Estimate", "Gpu", "Size", "of_cells", "of_run"]


class Size(NamedTuple):
    """How many numbers a model has."""

    parameters: float
    adapter: float
    """Of LoRA's factors on all linear layers, for each unit of the rank: the sum of their inputs and outputs."""


SIZES = {
    "Qwen/Qwen2.5-0.5B": Size(0.494e9, 0.550e6),
    "Qwen/Qwen2.5-1.5B": Size(1.544e9, 1.154e6),
    "Qwen/Qwen2.5-3B": Size(3.086e9, 1.871e6),
    "tiny": Size(0.106e6, 2048),
}
"""By model."""
TRAIN_EXAMPLES = {"boolq": 9427, "csqa": 9741}
TEST_EXAMPLES = {"boolq": 3270, "csqa": 1221}
TOKENS = {"boolq": 220, "csqa": 130}
"""Of an example with its prompt, about; synthetic ones have 26."""


class Gpu(NamedTuple):
    """What a GPU is assumed to hold and to do."""

    memory: float
    """Bytes."""
    rate: float
    """Floating point operations a second that training reaches: a third of the peak for dense matrices in 16 bits."""


GPUS = {
    "T4": Gpu(16e9, 20e12),
    "L4": Gpu(24e9, 40e12),
    "A100": Gpu(40e9, 100e12),
    "A100 80 GB": Gpu(80e9, 100e12),
}
"""By name; the peaks in NVIDIA's data sheets are 65, 121 and 312 times 1e12, the T4's in fp16."""
RATE = {"cuda": GPUS["A100"].rate, "cpu": 30e9}
"""Floating point operations a second that training is assumed to reach: an A100 at a third of its bf16 peak; a CPU on
the tiny model, where most of the time goes into calls."""
_SYNTHETIC_TOKENS, _SYNTHETIC_TRAIN, _SYNTHETIC_TEST = 26, 512, 1000
_PROCESS_BYTES = 0.6e9
"""Of a process with its libraries, beside which the tiny model is nothing."""
_ACTIVATION_BYTES = 1.5e6
"""For each token of a micro-batch with checkpointing, about, at 0.5B in 16 bits, with room for what is computed
besides; it grows like the square root of the size."""
_KEPT, _COPIED = 1.3, 1.1
"""Numbers that autograd keeps of a block's activations, and bytes more where LoRA's factors in fp32 stand beside
16 bits; both for each input and each output of a linear layer."""


@dataclass(frozen=True)
class Estimate:
    """Of one run, or summed over many; memory is the largest."""

    hours: float
    """Of one device: a GPU, or for the tiny model one core."""
    memory: float
    """Bytes on the device."""
    disk: float
    """Bytes of what is kept, and of the checkpoints of one run at a time."""


def of_run(config: FineTuneConfig, keep_weights: bool = False, size: Size | None = None, gpu: str = "A100") -> Estimate:
    """The cost of a run, on one of the `GPUS`; of the tiny model, on one core.

    Training takes about `6 P T` operations for P parameters and T tokens; LoRA needs no gradients of its frozen
    weights, `4 P T`; checkpointing computes the forward pass twice, `2 P T` more.

    A number takes 2 bytes in bf16 and fp16, which "auto" is on a GPU, and 4 in fp32. AdamW keeps four numbers for a
    trained parameter (weight, gradient, two averages) and SGD three; they are in fp32 with master weights, and so are
    LoRA's factors, else in `precision`. A frozen parameter is one number in `precision`.

    Activations with checkpointing are a rule of thumb, on the safe side. Without it, those of all blocks come on top,
    about `1.3 b T_m S` bytes for `T_m` tokens of a micro-batch, b bytes a number and S inputs and outputs of all
    linear layers: most inputs and outputs once, and what norms and the gate of the MLP add. LoRA in 16 bits also
    copies its inputs to fp32, `1.1 T_m S` bytes. Both factors come from counting the tensors that autograd saves in
    blocks of Qwen2's three sizes; the count itself is met within a sixth, the memory that an allocator takes is not
    counted.

    Raises ValueError if the model's size is neither known nor given, or if the GPU is not known.
    """
    if gpu not in GPUS:
        raise ValueError(f"gpu is {gpu!r}; it must be one of {list(GPUS)}")
    size = size or SIZES.get(config.model)
    if size is None:
        raise ValueError(f"size is missing; that of {config.model!r} is not known, only those of {list(SIZES)}")
    parameters = size.parameters
    synthetic = config.data == "synthetic"
    n = config.n or (_SYNTHETIC_TRAIN if synthetic else TRAIN_EXAMPLES[config.task])
    tests = config.test_n or (_SYNTHETIC_TEST if synthetic else TEST_EXAMPLES[config.task])
    length = _SYNTHETIC_TOKENS if synthetic else min(TOKENS[config.task], config.cutoff)
    trained = length * n * (1 - config.validation) * config.epochs
    on_gpu = config.model != "tiny"
    per_token = 4 if config.method == "lora" else 6
    if not on_gpu:  # where PEFT's additional calls cost more than the gradients that it saves
        per_token = 7.5 if config.method == "lora" else 6
    elif config.gradient_checkpointing:
        per_token += 2
    operations = per_token * parameters * trained + 2 * parameters * length * (2 * tests + n)
    number = {"auto": 2 if on_gpu else 4, "fp32": 4}.get(config.precision, 2)
    trained_number = 4 if config.master_weights else number
    states = 1 if config.optimizer == "sgd" else 2
    if config.method == "lora":
        changed, frozen = config.rank * size.adapter, parameters
    else:
        changed, frozen = parameters, 0.0
    memory = number * frozen + trained_number * (2 + states) * changed
    memory += _activations(config, size, number, trained_number) if on_gpu else _PROCESS_BYTES
    checkpoints = 2 * trained_number * (1 + states) * changed
    disk = (trained_number * changed if keep_weights else 0.0) + checkpoints
    return Estimate(operations / (GPUS[gpu].rate if on_gpu else RATE["cpu"]) / 3600, memory, disk)


def _activations(config: FineTuneConfig, size: Size, number: int, trained_number: int) -> float:
    """Bytes of a micro-batch whose texts are all as long as the cutoff."""
    a_token = _ACTIVATION_BYTES * number / 2 * (size.parameters / 0.5e9) ** 0.5
    if not config.gradient_checkpointing:
        copied = _COPIED if config.method == "lora" and trained_number > number else 0.0
        a_token += (_KEPT * number + copied) * size.adapter
    return a_token * config.micro_batch_size * config.cutoff


def of_cells(cells: list[Cell], keep_weights: bool = False) -> Estimate:
    """The cost of several runs, each different one once."""
    found = [of_run(cell.config, keep_weights) for cell in {cell.id: cell for cell in cells}.values()]
    kept = [of_run(cell.config, keep_weights).disk - of_run(cell.config).disk for cell in cells] if keep_weights else []
    return Estimate(
        hours=sum(one.hours for one in found),
        memory=max((one.memory for one in found), default=0.0),
        disk=sum(kept) + max((one.disk for one in found), default=0.0),
    )
