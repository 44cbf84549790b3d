"""One run: a model, fully fine-tuned or through LoRA, by transformers' Trainer and PEFT."""

import contextlib
import inspect
import math
import os
import random
import shutil
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lorabook._arrays import Integer
from lorabook.llm import encoding
from lorabook.llm.config import FineTuneConfig
from lorabook.llm.precision import Precision, default_device
from lorabook.llm.scoring import answer_loss

__all__ = ["DivergedError", "Trained", "adapted", "decayed", "train"]

_LOGS = 50
"""Losses noted in a run, about."""
_COMPLETE = "complete"


class DivergedError(RuntimeError):
    """The loss, or a weight, is not finite any more."""

    def __init__(self, step: int, losses: list):
        super().__init__(f"the loss is not finite at step {step}")
        self.step, self.losses = step, losses


@dataclass(frozen=True)
class Trained:
    """What training did, beside changing the model."""

    losses: list
    """Pairs of a step and the mean loss since the pair before it, in nats per token of an answer."""
    steps: int
    tokens: int
    """Seen in this process, padding left out."""
    cut: int
    """Training examples that lost words to the cutoff."""
    micro_batch_size: int
    resumed_at: int
    """The step of the checkpoint that training went on from; 0 if from the beginning."""
    notes: list


def adapted(model, config: FineTuneConfig):
    """The model as the method trains it: itself, or with LoRA factors beside all its linear layers.

    PEFT's own beginning: A random, from the seed, and B zero. Raises ValueError for a rank above the model's width.
    """
    if config.method == "full":
        return model.requires_grad_(True)
    from peft import LoraConfig, get_peft_model

    from lorabook.llm.models import linear_layers

    widest = max(min(layer.weight.shape) for layer in linear_layers(model).values())
    if config.rank > widest:
        raise ValueError(f"rank is {config.rank}; the layers of {config.model} are {widest} wide")
    with seeded(config.seed), warnings.catch_warnings():
        # PEFT asks transformers by a name that is about to change; it is theirs to mend.
        warnings.filterwarnings("ignore", "`is_gradient_checkpointing` is deprecated", FutureWarning)
        return get_peft_model(
            model,
            LoraConfig(
                r=config.rank,
                lora_alpha=config.alpha_used,
                lora_dropout=config.dropout,
                target_modules="all-linear",
                bias="none",
                task_type="CAUSAL_LM",
            ),
            autocast_adapter_dtype=config.master_weights,
        )


def decayed(model) -> list[str]:
    """The names of the weights that weight decay acts on: all but biases and the scales of norms.

    Qwen2 names its norms `input_layernorm`, `post_attention_layernorm` and `norm`.
    """
    return [
        name
        for name, _ in model.named_parameters()
        if not name.endswith("bias") and not name.removesuffix(".weight").endswith("norm")
    ]


def train(
    model,
    tokenizer,
    examples,
    config: FineTuneConfig,
    precision: Precision,
    folder: Path,
    checkpoint_steps: Integer | None = None,
    progress: bool = False,
) -> Trained:
    """Train `model`, as `adapted` has prepared it, in place.

    With `checkpoint_steps`, the state is kept in `folder` every so many steps, and a run that finds a whole checkpoint
    there goes on from it: on a CPU to the same weights, bit for bit, as without the interruption. When a GPU's memory
    does not hold a micro-batch, half of it is tried, with as many more steps of accumulation.

    Raises DivergedError when the loss is not finite.
    """
    import torch

    encoded = encoding.encode(examples, tokenizer, config.cutoff)
    lengths = [len(row) for row in encoded.rows]
    order = encoding.order_of_batches(lengths, config.epochs, config.batch_size, config.seed)
    rows = [encoded.rows[i] for i in order]
    steps = math.ceil(len(rows) / config.batch_size)
    micro, notes = min(config.micro_batch_size, config.batch_size), []
    while True:
        trainer = _trainer(model, tokenizer, rows, steps, config, precision, folder, checkpoint_steps, micro, progress)
        last = _last_checkpoint(folder) if checkpoint_steps else None
        try:
            with seeded(config.seed):
                trainer.train(resume_from_checkpoint=str(last) if last else None)
            break
        except torch.cuda.OutOfMemoryError:
            if micro == 1:
                raise
            micro //= 2
            while config.batch_size % micro:
                micro -= 1
            notes.append(f"out of memory: the micro-batch is {micro} now, the batch still {config.batch_size}")
        # Outside of the handler, whose exception holds on to the tensors that filled the memory.
        del trainer
        model.zero_grad(set_to_none=True)
        torch.cuda.empty_cache()
    losses = _losses(trainer)
    if not all(bool(torch.isfinite(weight).all()) for weight in model.parameters() if weight.requires_grad):
        raise DivergedError(steps, losses)
    resumed = int(last.name.rpartition("-")[2]) if last else 0
    tokens = sum(len(row) for row in rows[resumed * config.batch_size :])
    return Trained(losses, steps, tokens, encoded.cut, micro, resumed, notes)


@contextlib.contextmanager
def seeded(seed: int):
    """Seed every global generator, since Trainer and PEFT draw from them, and put them back afterwards."""
    import torch

    states = random.getstate(), np.random.get_state()  # noqa: NPY002
    devices = range(torch.cuda.device_count()) if torch.cuda.is_available() else []
    with torch.random.fork_rng(devices):
        try:
            random.seed(seed)
            np.random.seed(seed % 2**32)  # noqa: NPY002
            torch.manual_seed(seed)
            yield
        finally:
            random.setstate(states[0])
            np.random.set_state(states[1])  # noqa: NPY002


def _trainer(model, tokenizer, rows, steps, config, precision, folder, checkpoint_steps, micro, progress):
    from transformers import Trainer, TrainerCallback
    from transformers.trainer_callback import PrinterCallback, ProgressCallback

    class AnswerTrainer(Trainer):
        """The loss of the answers alone, from logits at their positions alone."""

        def _get_train_sampler(self, train_dataset=None):
            from torch.utils.data import SequentialSampler

            return SequentialSampler(train_dataset or self.train_dataset)

        def get_decay_parameter_names(self, model):
            return decayed(model)

        def compute_loss(self, model, inputs, return_outputs=False, num_items_in_batch=None):
            # `num_items_in_batch` counts the tokens of all processes, and their gradients are averaged, not summed.
            loss = answer_loss(model, inputs, num_items_in_batch) * self.args.world_size
            return (loss, None) if return_outputs else loss

    class Watch(TrainerCallback):
        """Stops at a loss that is not finite, and marks the checkpoints that are whole."""

        def on_log(self, args, state, control, logs=None, **rest):
            if not math.isfinite((logs or {}).get("loss", 0.0)):
                raise DivergedError(state.global_step, _pairs(state.log_history))

        def on_save(self, args, state, control, **rest):
            if state.is_world_process_zero:
                (folder / f"checkpoint-{state.global_step}" / _COMPLETE).touch()

    class Bar(ProgressCallback):
        """A bar, and no losses on standard output."""

        def on_log(self, *_, **__):
            pass

    trainer = AnswerTrainer(
        model=model,
        args=_arguments(steps, config, precision, folder, checkpoint_steps, micro, progress),
        train_dataset=rows,
        data_collator=lambda some: encoding.collate(some, tokenizer.pad_token_id),
        processing_class=tokenizer,
        callbacks=[Watch()],
    )
    trainer.model_accepts_loss_kwargs = True  # the loss is a sum over the whole batch, however it is divided
    trainer.remove_callback(PrinterCallback)
    trainer.remove_callback(ProgressCallback)
    if progress:
        trainer.add_callback(Bar())
    return trainer


def _arguments(steps, config, precision, folder, checkpoint_steps, micro, progress):
    from transformers import TrainingArguments

    known = inspect.signature(TrainingArguments).parameters
    checkpointing = "activation_checkpointing" if "activation_checkpointing" in known else "gradient_checkpointing"
    on_cpu = default_device() == "cpu"
    every = max(1, math.ceil(steps / _LOGS))
    optimizer = "sgd" if config.optimizer == "sgd" else ("adamw_torch_fused" if config.fused else "adamw_torch")
    options = {
        checkpointing: config.gradient_checkpointing and not on_cpu,
        "output_dir": str(folder),
        "max_steps": steps,
        "per_device_train_batch_size": micro,
        "gradient_accumulation_steps": _accumulation(config.batch_size, micro),
        "learning_rate": config.learning_rate_used,
        "lr_scheduler_type": "cosine",
        "warmup_steps": math.ceil(config.warm_up_used * steps),
        "optim": optimizer,
        "optim_args": "momentum=0.9" if config.optimizer == "sgd" else None,
        "weight_decay": config.weight_decay,
        "max_grad_norm": config.clip,
        "bf16": precision.autocast and precision.arithmetic == "bfloat16",
        "fp16": precision.arithmetic == "float16",
        "torch_compile": config.compile,
        "logging_strategy": "steps",
        "logging_steps": every,
        "logging_nan_inf_filter": False,
        "save_strategy": "steps" if checkpoint_steps else "no",
        # A multiple of the logging steps, for the mean since the last log starts anew after an interruption.
        "save_steps": math.ceil((checkpoint_steps or 1) / every) * every,
        "save_total_limit": 2,
        "report_to": "none",
        "disable_tqdm": not progress,
        "use_cpu": on_cpu,
        "ddp_find_unused_parameters": False,
        "dataloader_pin_memory": not on_cpu,
        "remove_unused_columns": False,
        "seed": config.seed,
        "data_seed": config.seed,
    }
    return TrainingArguments(**options)


def _accumulation(batch_size: int, micro: int) -> int:
    processes = int(os.environ.get("WORLD_SIZE", "1"))
    if batch_size % (micro * processes):
        raise ValueError(
            f"batch_size is {batch_size}; {processes} processes with {micro} examples each do not divide it"
        )
    return batch_size // (micro * processes)


def _last_checkpoint(folder: Path) -> Path | None:
    """The last whole checkpoint; what an interruption left half-written is removed."""
    whole = {}
    for path in folder.glob("checkpoint-*"):
        if (path / _COMPLETE).exists():
            whole[int(path.name.rpartition("-")[2])] = path
        else:
            shutil.rmtree(path)
    return whole[max(whole)] if whole else None


def _losses(trainer) -> list:
    return _pairs(trainer.state.log_history)


def _pairs(history) -> list:
    return [[entry["step"], entry["loss"]] for entry in history if "loss" in entry]
