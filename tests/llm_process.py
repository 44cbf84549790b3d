"""Work that tests do in processes of their own, which they kill. Importing this imports all that training needs."""

from pathlib import Path

import accelerate  # noqa: F401
import peft  # noqa: F401
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, Trainer, TrainingArguments  # noqa: F401

from lorabook.llm import work
from lorabook.llm.grid import Grid


def work_through(values: dict, out: str) -> None:
    torch.set_num_threads(1)
    work.work(Grid.from_dict(values), Path(out))
