"""In which numbers a run computes and in which it keeps its weights."""

from dataclasses import dataclass

from lorabook.llm.config import FineTuneConfig

__all__ = ["Precision", "choose", "default_device"]


@dataclass(frozen=True)
class Precision:
    """Names of torch's types."""

    weights: str
    """Of the weights as they are loaded. The factors of LoRA are kept in float32 beside them."""
    arithmetic: str
    """Of the products of matrices; where it is not the type of the weights, torch's autocast converts."""

    @property
    def autocast(self) -> bool:
        return self.arithmetic != "float32" and (self.arithmetic, self.weights) != ("bfloat16", "bfloat16")


def default_device() -> str:
    """ "cuda" if there is one, else "cpu"."""
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"


def choose(config: FineTuneConfig, device: str) -> Precision:
    """What a run uses on this device.

    "auto" computes in bf16 where the device does so in hardware, in fp16 on older GPUs (a T4), in fp32 on a CPU. Full
    fine-tuning with master weights keeps fp32 ones; LoRA keeps its frozen model in the type of the arithmetic.

    Raises ValueError for full fine-tuning without master weights in fp16: its steps would round to nothing, and the
    scaling of gradients that fp16 needs does not work on fp16 weights.
    """
    arithmetic = {"bf16": "bfloat16", "fp16": "float16", "fp32": "float32"}.get(config.precision)
    if arithmetic is None:
        arithmetic = _best(device)
    if config.method == "full" and config.master_weights:
        return Precision("float32", arithmetic)
    if config.method == "full" and arithmetic == "float16":
        raise ValueError("master_weights is false; in fp16 full fine-tuning needs them: set it, or another precision")
    return Precision(arithmetic, arithmetic)


def _best(device: str) -> str:
    import torch

    if not device.startswith("cuda"):
        return "float32"
    return "bfloat16" if torch.cuda.is_bf16_supported(including_emulation=False) else "float16"
