"""One run from its configuration to its result: data, model, training, scores, spectrum, and what it cost."""

import json
import os
import platform
import resource
import shutil
import sys
import time
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from lorabook._arrays import Integer
from lorabook.llm import data, fingerprint, models
from lorabook.llm.config import FineTuneConfig
from lorabook.llm.quiet import quiet

__all__ = ["CODE", "RESULT", "WEIGHTS", "is_first_process", "refuse_another", "run", "write_json"]

RESULT, WEIGHTS = "result.json", "weights"
"""A result's file and folder, in the folder of its run."""
CODE = ("tasks", "synthetic", "noise", "data", "tiny", "encoding", "scoring", "training")
"""The modules that a result's numbers depend on."""
_CHECKPOINTS, _CONFIGURATION = "checkpoints", "configuration.json"
"""The folder of a run's checkpoints, and the file in it that says whose they are."""
_SCHEMA = 1
_PACKAGES = ("lorabook", "torch", "transformers", "peft", "accelerate", "tokenizers", "numpy", "lm_eval")


def run(
    config: FineTuneConfig,
    folder: Path | str,
    checkpoint_steps: Integer | None = None,
    keep_weights: bool = True,
    progress: bool = False,
) -> dict:
    """Run a configuration and return its result, which is written to `folder` as well.

    `result.json` holds the configuration, scores with counts, losses, sizes, hashes, versions and costs; `weights` the
    trained model as safetensors, of LoRA the adapter alone; `spectra` the singular values of every layer's update.
    Everything but `cost` is the same for the same configuration on the same machine.

    With `checkpoint_steps`, a run that was killed goes on from its last checkpoint in `folder`, if that is of the same
    configuration; without, it begins anew. A loss that is not finite ends the run; the result then has the status
    "diverged".

    Under `accelerate launch` all processes train; the first of them evaluates and writes, and the others return early.

    Raises ValueError, before anything is trained or written, if the model or the data cannot be had or do not fit, or
    if with `checkpoint_steps` the folder holds a run of another configuration; OSError if it cannot be written.
    """
    from lorabook.llm import precision, training
    from lorabook.llm.scoring import score

    folder = Path(folder)
    if checkpoint_steps:
        refuse_another(config, folder)
    folder.mkdir(parents=True, exist_ok=True)
    start, device = time.perf_counter(), precision.default_device()
    if device == "cuda" and "LOCAL_RANK" in os.environ:
        device = f"cuda:{os.environ['LOCAL_RANK']}"
    chosen = precision.choose(config, device)
    with quiet(progress), _threads(config):
        examples = data.splits(config)
        model, tokenizer = models.load(config.model, config.world_seed, chosen.weights, device, progress)
        if config.method == "lora":
            models.need_linear_layers(model, config.model)
        metrics = {"before": score(model, tokenizer, examples.test).to_dict()}
        hashes = {
            "weights_before": fingerprint.of_weights(model),
            "train": fingerprint.of_examples(examples.train),
            "test": fingerprint.of_examples(examples.test),
            "code": fingerprint.of_modules(*CODE),
        }
        model = training.adapted(model, config)
        result = {
            "schema": _SCHEMA,
            "config": config.to_dict(),
            "status": "done",
            "data": {
                "train": len(examples.train),
                "validation": len(examples.validation),
                "test": len(examples.test),
                "flipped": examples.flipped,
            },
            "precision": {"weights": chosen.weights, "arithmetic": chosen.arithmetic},
        }
        if checkpoint_steps and is_first_process():
            (folder / _CHECKPOINTS).mkdir(exist_ok=True)
            write_json(folder / _CHECKPOINTS / _CONFIGURATION, config.to_dict())
        began = time.perf_counter()
        try:
            trained = training.train(
                model, tokenizer, examples.train, config, chosen, folder / _CHECKPOINTS, checkpoint_steps, progress
            )
        except training.DivergedError as error:
            result |= {"status": "diverged", "metrics": metrics, "losses": _finite(error.losses), "step": error.step}
        else:
            if not is_first_process():
                return result | {"status": "left to the first process"}
            seconds = time.perf_counter() - began
            for part in ("train", "validation", "test"):
                if getattr(examples, part):
                    metrics[part] = score(model, tokenizer, getattr(examples, part)).to_dict()
            hashes["weights_after"] = fingerprint.of_weights(model)
            result["data"]["cut"] = trained.cut
            result |= {"steps": trained.steps, "losses": trained.losses, "metrics": metrics}
            result["cost"] = {
                "training_seconds": seconds,
                "tokens_per_second": trained.tokens / seconds,
                "micro_batch_size": trained.micro_batch_size,
                "resumed_at": trained.resumed_at,
                "notes": trained.notes,
            }
            result |= _extras(config, folder, model, tokenizer, examples, keep_weights)
        result |= {"hashes": hashes, "versions": _versions()}
        result["cost"] = result.get("cost", {}) | _cost(start, device)
    write_json(folder / RESULT, result)
    return result


def is_first_process() -> bool:
    """Of those that `accelerate launch` starts; alone, it is the first."""
    return os.environ.get("RANK", "0") == "0"


def refuse_another(config: FineTuneConfig, folder: Path | str) -> None:
    """Raise ValueError if the folder holds a result, or checkpoints to go on from, of another configuration."""
    folder = Path(folder)
    held = [_configuration(folder / RESULT, "config")]
    if any((folder / _CHECKPOINTS).glob("checkpoint-*")):
        held.append(_configuration(folder / _CHECKPOINTS / _CONFIGURATION))
    for values in held:
        differing = [name for name, value in config.to_dict().items() if values is not None and values[name] != value]
        if differing:
            raise ValueError(
                f"folder is '{folder}'; it holds a run of another configuration (other {', '.join(differing)}); "
                "give another folder"
            )


def write_json(path: Path, value: dict) -> None:
    """A file that appears whole or not at all."""
    from lorabook.sweeps.parts import write_whole

    write_whole(path, (json.dumps(value, indent=1, allow_nan=False) + "\n").encode())


def _extras(config, folder: Path, model, tokenizer, examples, keep_weights: bool) -> dict:
    found = {}
    if config.spectra:
        from lorabook.llm import updates

        before = None
        if config.method == "full":
            before, _ = models.load(config.model, config.world_seed, device=str(model.device))
        spectra = updates.of_models(before, model)
        spectra.save(folder / "spectra")
        found["spectra"] = spectra.to_dict()
    if config.harness:
        from lorabook.llm import evaluation

        found["harness"] = evaluation.harness(model, tokenizer, config.task, rows=examples.test)
    if keep_weights:
        # PEFT would go on with a model card that a killed process left half-written.
        shutil.rmtree(folder / WEIGHTS, ignore_errors=True)
        model.save_pretrained(folder / WEIGHTS)
        tokenizer.save_pretrained(folder / WEIGHTS)
        _in_order(folder / WEIGHTS / "adapter_config.json")
    return found


def _configuration(path: Path, entry: str | None = None) -> dict | None:
    """The configuration in a file, or in an entry of it; None if there is no such file."""
    try:
        values = json.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        return None
    except ValueError:
        raise ValueError(f"'{path}' is no JSON; give another folder") from None
    try:
        return FineTuneConfig.from_dict(values[entry] if entry else values).to_dict()
    except (KeyError, TypeError, ValueError):
        raise ValueError(f"'{path}' has no configuration of this version; give another folder") from None


def _in_order(path: Path) -> None:
    """PEFT writes a set of names as it comes; sorted, the same run writes the same file."""
    if path.exists():
        values = json.loads(path.read_text("utf-8"))
        values["target_modules"] = sorted(values["target_modules"])
        write_json(path, values)


def _finite(losses: list) -> list:
    """JSON has no infinity: the loss that ended the run is null."""
    import math

    return [[step, loss if math.isfinite(loss) else None] for step, loss in losses]


def _versions() -> dict:
    found = {"python": platform.python_version()}
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = None
    return found


def _cost(start: float, device: str) -> dict:
    import torch

    if device.startswith("cuda"):
        memory, hardware = torch.cuda.max_memory_allocated(), torch.cuda.get_device_name()
    else:
        # Kilobytes on Linux, bytes on macOS; of the process, not of the run alone.
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
        hardware = f"{platform.machine()} CPU, {torch.get_num_threads()} threads"
    return {"seconds": time.perf_counter() - start, "peak_memory_bytes": memory, "hardware": hardware}


@contextmanager
def _threads(config: FineTuneConfig):
    """One thread for the tiny model: more would only wait for each other, and the order of the sums is fixed."""
    import torch

    before = torch.get_num_threads()
    if config.model == "tiny":
        torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
