"""One fine-tuning run, described completely (Section 4 and Appendix VI of the paper for the defaults)."""

import json
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path

from lorabook import _validate
from lorabook._arrays import Integer, Real
from lorabook.llm import yaml_files
from lorabook.llm.synthetic import LARGEST_SHIFT_RANK
from lorabook.llm.tasks import TASKS

__all__ = ["SCHEMA", "FineTuneConfig"]

SCHEMA = 1
"""Version of the fields and of their meaning; a file of another version is refused."""

_CHOICES = {
    "task": tuple(TASKS),
    "method": ("full", "lora"),
    "optimizer": ("adamw", "sgd"),
    "precision": ("auto", "bf16", "fp16", "fp32"),
}
WIDTHS = {
    "tiny": 64,
    "Qwen/Qwen2.5-0.5B": 896,
    "Qwen/Qwen2.5-1.5B": 1536,
    "Qwen/Qwen2.5-3B": 2048,
}
"""The smaller side of the largest layers; of other models it is looked up when they load."""
_LARGEST_RANK = 256
_LEARNING_RATES = {"lora": 2e-4, "adamw": 2e-5, "sgd": 1e-2}
_WARM_UP = {"lora": 0.02, "full": 0.05}


@dataclass(frozen=True)
class FineTuneConfig:
    """Model, data, method and every hyper-parameter of a run; checked when it is made.

    Raises ValueError, naming the field, for a value out of range and for combinations that make no sense.

    >>> config = FineTuneConfig(model="Qwen/Qwen2.5-0.5B", task="boolq", method="lora", rank=16)
    >>> config.learning_rate_used, config.alpha_used, config.warm_up_used
    (0.0002, 32, 0.02)
    """

    model: str
    """A name on the hub, a folder, or "tiny"."""
    task: str
    method: str
    """"full" or "lora"."""
    rank: Integer | None = None
    """Of LoRA's factors; None for full fine-tuning."""
    optimizer: str = "adamw"
    """"adamw", or "sgd" with momentum 0.9 for full fine-tuning."""
    data: str = "hub"
    """"hub"; "synthetic", from a world with a shift of chosen rank; or a folder with train.jsonl and test.jsonl."""
    world_seed: Integer = 0
    """Of the synthetic world, in which the tiny model is pre-trained as well."""
    shift_rank: Integer | None = None
    """Of what fine-tuning has to learn; None leaves the world as it was. Synthetic data only, as the next two."""
    shift_strength: Real = 1.5
    """Norm of the shift, as a share of the norm of the scores that it is added to."""
    shift_seed: Integer = 0
    """Of the shift, and of the examples drawn after it."""
    test_n: Integer | None = None
    """Test examples; None takes all, and of synthetic ones 1000."""
    n: Integer | None = None
    """Examples before the validation split; None takes all, and of synthetic ones 512."""
    noise: Real = 0.0
    """Share of flipped training labels."""
    seed: Integer = 0
    """Of the initial factors and of the order of the examples."""
    data_seed: Integer = 42
    """Of the subset and of the split."""
    noise_seed: Integer = 42
    validation: Real = 0.2
    epochs: Real = 3.0
    batch_size: Integer = 32
    """Examples in a step of the optimizer."""
    micro_batch_size: Integer = 8
    """Examples on the device at once; the steps between accumulate gradients."""
    learning_rate: Real | None = None
    """None: 2e-4 for LoRA, 1e-4 at its largest rank, 256; 2e-5 for AdamW, 1e-2 for SGD."""
    warm_up: Real | None = None
    """Share of the steps; None: 0.02 for LoRA, 0.05 for full fine-tuning. A cosine follows."""
    weight_decay: Real = 0.01
    """None on biases and on the scales of norms."""
    clip: Real = 1.0
    """Largest norm of the gradient; 0 does not clip."""
    cutoff: Integer = 512
    """Tokens of an example; what is too long loses words of its passage, never its answer."""
    alpha: Real | None = None
    """LoRA's scale is alpha / rank; None: alpha = 2 rank."""
    dropout: Real = 0.0
    precision: str = "auto"
    """Of the arithmetic; "auto" is bf16 where the device computes in it, else fp16, on a CPU fp32."""
    master_weights: bool = True
    """Full fine-tuning keeps its weights in fp32; False keeps them in `precision`, as the paper's scripts do."""
    gradient_checkpointing: bool = True
    compile: bool = False
    """torch.compile the model."""
    fused: bool = True
    """AdamW's fused kernel."""
    harness: bool = False
    """Evaluate through lm-evaluation-harness too, with its own prompt and with this project's."""
    spectra: bool = True
    """Take the singular values of the update of every linear layer."""
    schema: Integer = SCHEMA

    def __post_init__(self):
        if self.schema != SCHEMA:
            raise ValueError(f"schema is {self.schema!r}; this version reads {SCHEMA}")
        if not isinstance(self.model, str) or not self.model:
            raise ValueError(f"model is {self.model!r}; it must be a name or a folder")
        for name, allowed in _CHOICES.items():
            if getattr(self, name) not in allowed:
                raise ValueError(f"{name} is {getattr(self, name)!r}; it must be one of {list(allowed)}")
        for name, least in {"batch_size": 1, "micro_batch_size": 1, "cutoff": 16}.items():
            _validate.integer(name, getattr(self, name), least)
        for name in ("seed", "data_seed", "noise_seed", "world_seed", "shift_seed"):
            _validate.integer(name, getattr(self, name), 0)
        for name in ("n", "test_n", "shift_rank"):
            if getattr(self, name) is not None:
                _validate.integer(name, getattr(self, name), 1)
        _validate.number("shift_strength", self.shift_strength)
        if not isinstance(self.data, str) or not self.data:
            raise ValueError(f"data is {self.data!r}; it must be 'hub', 'synthetic' or a folder")
        for name in ("noise", "validation", "dropout", "warm_up"):
            _share(name, getattr(self, name))
        for name in ("weight_decay", "clip"):
            _validate.number(name, getattr(self, name))
        _validate.number("epochs", self.epochs, strict=True)
        for name in ("learning_rate", "alpha"):
            if getattr(self, name) is not None:
                _validate.number(name, getattr(self, name), strict=True)
        for name in ("master_weights", "gradient_checkpointing", "compile", "fused", "harness", "spectra"):
            if not isinstance(getattr(self, name), bool):
                raise ValueError(f"{name} is {getattr(self, name)!r}; it must be true or false")
        self._check_combinations()

    def _check_combinations(self) -> None:
        if self.method == "lora":
            if self.rank is None:
                raise ValueError("rank is missing; LoRA needs one, full fine-tuning has none")
            _validate.integer("rank", self.rank, 1)
            if self.optimizer != "adamw":
                raise ValueError("optimizer is 'sgd'; LoRA is trained with 'adamw'")
        else:
            for name in ("rank", "alpha"):
                if getattr(self, name) is not None:
                    raise ValueError(f"{name} is {getattr(self, name)!r}; full fine-tuning has none")
            if self.dropout:
                raise ValueError(f"dropout is {self.dropout:g}; it is LoRA's, and full fine-tuning has none")
        if self.data != "synthetic" and self.shift_rank is not None:
            raise ValueError(
                f"shift_rank is {self.shift_rank}; only synthetic data has a shift, not data {self.data!r}"
            )
        if self.data == "synthetic" and self.shift_rank is not None and self.shift_rank > LARGEST_SHIFT_RANK[self.task]:
            raise ValueError(
                f"shift_rank is {self.shift_rank}; for {self.task} it must be at most {LARGEST_SHIFT_RANK[self.task]}"
            )
        if self.method == "lora" and self.model in WIDTHS and self.rank > WIDTHS[self.model]:
            raise ValueError(
                f"rank is {self.rank}; the layers of {self.model} are {WIDTHS[self.model]} wide, the highest rank that "
                "an update of theirs can have"
            )
        if self.batch_size % self.micro_batch_size:
            raise ValueError(
                f"micro_batch_size is {self.micro_batch_size}; it must divide the batch_size, {self.batch_size}"
            )

    @property
    def learning_rate_used(self) -> Real:
        if self.learning_rate is not None:
            return self.learning_rate
        if self.method == "full":
            return _LEARNING_RATES[self.optimizer]
        return _LEARNING_RATES["lora"] / (2 if self.rank >= _LARGEST_RANK else 1)

    @property
    def warm_up_used(self) -> Real:
        return _WARM_UP[self.method] if self.warm_up is None else self.warm_up

    @property
    def alpha_used(self) -> Real:
        """LoRA's alpha; its update is `alpha / rank` times the product of the factors."""
        return 2 * self.rank if self.alpha is None else self.alpha

    def but(self, **changes) -> "FineTuneConfig":
        """The same run with some fields changed."""
        _known(changes)
        return replace(self, **changes)

    def to_dict(self) -> dict:
        return asdict(self)

    @classmethod
    def from_dict(cls, values) -> "FineTuneConfig":
        """Raises ValueError for keys that are no fields, fields that are missing, and as the constructor does."""
        if not isinstance(values, dict):
            raise ValueError(f"a configuration is a mapping of fields to values, not {type(values).__name__}")
        _known(values)
        missing = [name for name in ("model", "task", "method") if name not in values]
        if missing:
            raise ValueError(f"{', '.join(missing)} missing; a run needs a model, a task and a method")
        return cls(**values)

    def save(self, path: str | Path) -> None:
        """Write as JSON or YAML, by the ending of the file's name."""
        path = Path(path)
        if path.suffix == ".json":
            text = json.dumps(self.to_dict(), indent=2) + "\n"
        else:
            import yaml

            _is_yaml(path)
            text = yaml.safe_dump(self.to_dict(), sort_keys=False)
        path.write_text(text, "utf-8")

    @classmethod
    def load(cls, path: str | Path) -> "FineTuneConfig":
        """Read from JSON or YAML; a ValueError names the file."""
        path = Path(path)
        text = path.read_text("utf-8")
        try:
            if path.suffix == ".json":
                values = json.loads(text)
            else:
                _is_yaml(path)
                values = yaml_files.parse(text)
            return cls.from_dict(values)
        except ValueError as error:
            raise ValueError(f"{path}: {error}") from None


def _known(values) -> None:
    names = [field.name for field in fields(FineTuneConfig)]
    unknown = sorted(set(values) - set(names))
    if unknown:
        raise ValueError(f"{', '.join(map(repr, unknown))}: no such field; there are {names}")


def _share(name: str, value) -> None:
    if value is not None and _validate.number(name, value) > 1.0:
        raise ValueError(f"{name} is {value:g}; it must be at most 1")


def _is_yaml(path: Path) -> None:
    if path.suffix not in (".yaml", ".yml"):
        raise ValueError(f"its name ends in {path.suffix!r}; it must be .json, .yaml or .yml")
