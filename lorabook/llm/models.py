"""One function for every model: from the hub, from a folder, or the tiny one made here."""

import warnings
from pathlib import Path

from lorabook._arrays import Integer
from lorabook.llm import tiny
from lorabook.llm.quiet import quiet

__all__ = ["LINEAR_TYPES", "linear_layers", "load", "load_trained", "location", "need_linear_layers"]

LINEAR_TYPES = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")
"""The linear maps in each block of Qwen2, in the order of the forward pass."""


def location(name: str, world_seed: Integer = 0, progress: bool = False) -> str:
    """What transformers loads: the name itself, or for "tiny" the folder of the model pre-trained in that world."""
    if name == "tiny":
        return str(tiny.pretrained(tiny.PretrainingConfig(world_seed=world_seed), progress))
    return name


def load(name: str, world_seed: Integer = 0, dtype: str = "float32", device: str = "cpu", progress: bool = False):
    """The model and its tokenizer.

    `name` is a name on the hub ("Qwen/Qwen2.5-0.5B"), a folder, or "tiny". No code that a repository brings along is
    run, and weights are read from safetensors only. Nothing is sent anywhere but the request for the files.

    Raises ValueError if there is no such model, or if it is not a causal language model.
    """
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    if Path(name).is_dir() and not (Path(name) / "config.json").exists():
        raise ValueError(f"model is {name!r}; it cannot be loaded: the folder has no config.json")
    try:
        with quiet(progress):
            where = location(name, world_seed, progress)
            tokenizer = AutoTokenizer.from_pretrained(where, trust_remote_code=False)
            model = AutoModelForCausalLM.from_pretrained(
                where,
                dtype=getattr(torch, dtype),
                attn_implementation="sdpa",
                use_safetensors=True,
                trust_remote_code=False,
            )
    except (OSError, ValueError) as error:
        reason = str(error).strip().split("\n")[0]
        raise ValueError(f"model is {name!r}; it cannot be loaded: {reason}") from error
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token
    return model.to(device), tokenizer


def load_trained(folder: str | Path, base: str, world_seed: Integer = 0, device: str = "cpu", dtype: str = "float32"):
    """What a run has kept in its folder of weights, and its tokenizer: a whole model, or an adapter on its base.

    `dtype` is that of the whole model or of the base, `result["precision"]["weights"]` in the run; the factors of an
    adapter are in float32 whatever it is.

    Raises ValueError if the folder holds neither.
    """
    if not (Path(folder) / "adapter_config.json").exists():
        return load(str(folder), dtype=dtype, device=device)
    from peft import PeftModel

    model, tokenizer = load(base, world_seed, dtype, device)
    with quiet(), warnings.catch_warnings():
        # PEFT asks transformers by a name that is about to change, as in `training.adapted`.
        warnings.filterwarnings("ignore", "`is_gradient_checkpointing` is deprecated", FutureWarning)
        return PeftModel.from_pretrained(model, str(folder)), tokenizer


def linear_layers(model) -> dict:
    """The linear layers of the blocks by name ("layers.0.self_attn.q_proj"), without a wrapper's prefixes."""
    found = {}
    for name, module in model.named_modules():
        if name.rpartition(".")[2] in LINEAR_TYPES:
            found[name[name.index("layers.") :]] = module
    return found


def need_linear_layers(model, name: str) -> None:
    """Raise ValueError, which says what is looked for, if the model has none of the layers that LoRA is put beside."""
    if not linear_layers(model):
        raise ValueError(f"model is {name!r}; it has none of the layers that LoRA looks for: {', '.join(LINEAR_TYPES)}")


def is_local(name: str) -> bool:
    """Whether the model can be had without a network."""
    return name == "tiny" or Path(name).is_dir()
