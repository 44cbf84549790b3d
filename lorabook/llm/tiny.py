"""A Qwen2 small enough for a laptop: its own tokenizer, pre-trained here on the two tasks before their shift.

Same architecture class as Qwen2.5, 64 wide and two blocks deep. Pre-training takes about a minute of one core; the
result is kept in a cache folder under a hash of the settings and of the code that made it.

Chapter *From the linear model to a network*.
"""

import contextlib
import hashlib
import json
import os
import shutil
import uuid
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from lorabook import _validate
from lorabook._arrays import Integer
from lorabook.llm import fingerprint, tasks
from lorabook.llm.synthetic import QUESTIONS, World

__all__ = ["PretrainingConfig", "cache_folder", "pretrained"]

_WEIGHTS_STREAM, _BATCHES_STREAM = 46, 47
_TEXT_SEED, _POOL_SEEDS = 7, {"boolq": 1, "csqa": 2}
_SHARES = {"boolq": 2 / 3, "csqa": 1 / 3}
_END = "<|endoftext|>"
# Qwen2's own division of a text into words, before the pairs of bytes are merged.
_WORDS = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)


@dataclass(frozen=True)
class PretrainingConfig:
    """Everything that the tiny model depends on."""

    world_seed: Integer = 0
    steps: Integer = 2400
    batch_size: Integer = 64
    learning_rate: float = 3e-3
    weight_decay: float = 0.01
    warm_up_steps: Integer = 50
    end_from: float = 0.8
    """Share of the steps after which the end-of-text token is learnt as well; from the start it would slow the rest."""
    end_weight: float = 0.3
    """Of that token's loss."""
    pool: Integer = 40_000
    """Examples of each task to draw batches from."""
    vocabulary: Integer = 640
    hidden_size: Integer = 64
    intermediate_size: Integer = 128
    blocks: Integer = 2
    heads: Integer = 4

    def __post_init__(self):
        _validate.integer("world_seed", self.world_seed, 0)
        for name in ("steps", "batch_size", "pool", "blocks", "heads"):
            _validate.integer(name, getattr(self, name), 1)


def cache_folder() -> Path:
    """Where pre-trained tiny models are kept: LORABOOK_CACHE, or `lorabook` in the user's cache folder."""
    if os.environ.get("LORABOOK_CACHE"):
        return Path(os.environ["LORABOOK_CACHE"])
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "lorabook"


def pretrained(config: PretrainingConfig | None = None, progress: bool = False) -> Path:
    """The folder of the tiny model, in the form that transformers saves; pre-trained first if it is not there yet.

    Processes that need the same model at the same time wait for the one that makes it.

    Raises OSError if the cache folder cannot be written.
    """
    config = config or PretrainingConfig()
    name = hashlib.sha256(json.dumps([asdict(config), _code()], sort_keys=True).encode()).hexdigest()[:16]
    folder = cache_folder() / f"tiny-{name}"
    if folder.is_dir():
        return folder
    folder.parent.mkdir(parents=True, exist_ok=True)
    with _locked(folder.with_suffix(".lock")):
        if not folder.is_dir():
            unfinished = folder.with_name(f"{folder.name}.{uuid.uuid4().hex}.tmp")
            try:
                _pretrain(config, unfinished, progress)
                unfinished.rename(folder)
            finally:
                shutil.rmtree(unfinished, ignore_errors=True)
    return folder


def tokenizer():
    """Byte-level BPE in Qwen2's manner, learnt from the tasks' texts; what all examples share is one token each."""
    from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    world = World.draw(0)
    texts = [example.input for task in tasks.TASKS for example in world.sample(task, 2000, _TEXT_SEED)]
    texts += [answer for form in tasks.TASKS.values() for answer in form.answers] * 100
    bpe = Tokenizer(models.BPE())
    bpe.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(_WORDS), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    bpe.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=PretrainingConfig.vocabulary,
        special_tokens=[_END],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    bpe.train_from_iterator(texts, trainer)
    fast = PreTrainedTokenizerFast(tokenizer_object=bpe, eos_token=_END, pad_token=_END)
    fast.add_tokens(_shared_texts())
    return fast


def _shared_texts() -> list[str]:
    shared = []
    for task, form in tasks.TASKS.items():
        before, after = tasks.prompt(tasks.Example(task, "\0", 0)).split("\0")
        header, rest = before.split(form.instruction)
        shared += [header, form.instruction, rest, after]
    options = ["\n".join(f"{a}. {o}" for a, o in zip("ABCDE", texts, strict=True)) for texts in QUESTIONS.values()]
    return list(dict.fromkeys(shared + [f"\n\nOptions:\n{listed}" for listed in options]))


def _pretrain(config: PretrainingConfig, folder: Path, progress: bool) -> None:
    import torch
    from tqdm.auto import tqdm
    from transformers import Qwen2Config, Qwen2ForCausalLM

    from lorabook.llm.encoding import collate, encode
    from lorabook.llm.scoring import last_logits

    words = tokenizer()
    world = World.draw(config.world_seed)
    pools = {
        task: encode(world.sample(task, config.pool, seed, margin=0.1, mentioned=(1, 2, 3, 4)), words).rows
        for task, seed in _POOL_SEEDS.items()
    }
    size = Qwen2Config(
        vocab_size=len(words),
        hidden_size=config.hidden_size,
        intermediate_size=config.intermediate_size,
        num_hidden_layers=config.blocks,
        num_attention_heads=config.heads,
        num_key_value_heads=max(1, config.heads // 2),
        max_position_embeddings=512,
        tie_word_embeddings=True,
        initializer_range=0.5 / config.hidden_size**0.5,
        bos_token_id=words.eos_token_id,
        eos_token_id=words.eos_token_id,
        pad_token_id=words.pad_token_id,
    )
    rng = _validate.generator(config.world_seed, _BATCHES_STREAM)
    with torch.random.fork_rng(devices=[]), _one_thread():
        torch.manual_seed(int(_validate.generator(config.world_seed, _WEIGHTS_STREAM).integers(2**31)))
        model = Qwen2ForCausalLM(size).train()
        optimizer = torch.optim.AdamW(
            model.parameters(), config.learning_rate, (0.9, 0.98), weight_decay=config.weight_decay, fused=True
        )
        for step in tqdm(range(config.steps), "pre-training the tiny model", disable=not progress):
            pool = pools[str(rng.choice(list(_SHARES), p=list(_SHARES.values())))]
            rows = [pool[i] for i in rng.integers(0, len(pool), config.batch_size)]
            batch = collate(rows, words.pad_token_id)
            for group in optimizer.param_groups:
                group["lr"] = config.learning_rate * _schedule(step, config)
            answer, end = batch["labels"][:, -2], batch["labels"][:, -1]
            logits = last_logits(model, batch, 3)
            loss = torch.nn.functional.cross_entropy(logits[:, 0], answer)
            if step >= config.end_from * config.steps:
                loss = loss + config.end_weight * torch.nn.functional.cross_entropy(logits[:, 1], end)
            optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
    model.save_pretrained(folder)
    words.save_pretrained(folder)
    (folder / "pretraining.json").write_text(json.dumps(asdict(config), indent=2) + "\n", "utf-8")


def _schedule(step: int, config: PretrainingConfig) -> float:
    if step < config.warm_up_steps:
        return (step + 1) / config.warm_up_steps
    done = (step - config.warm_up_steps) / max(1, config.steps - config.warm_up_steps)
    return 0.5 * (1 + np.cos(np.pi * done))


def _code() -> list[str]:
    """What else the weights depend on."""
    from importlib.metadata import version

    modules = ("tiny", "synthetic", "tasks", "encoding", "scoring")
    return [fingerprint.of_modules(*modules), version("torch"), version("numpy"), version("tokenizers")]


@contextlib.contextmanager
def _one_thread():
    """On matrices this small a second thread only gets in the way, and the sums keep their order."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


@contextlib.contextmanager
def _locked(path: Path):
    from lorabook.llm.locks import lock

    with lock(path):
        yield
