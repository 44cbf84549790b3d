"""Work that tests do in processes of their own, which they kill. Importing this imports all that training needs."""

import threading
from pathlib import Path

import accelerate  # noqa: F401
import peft  # noqa: F401
import torch
from tqdm import tqdm
from transformers import AutoModelForCausalLM, AutoTokenizer, Trainer, TrainingArguments  # noqa: F401

from lorabook.llm import work
from lorabook.llm.grid import Grid


def work_through(values: dict, out: str) -> None:
    torch.set_num_threads(1)
    # tqdm's own lock is shared with every other copy of this process: one killed while it holds it would stop them all.
    tqdm.set_lock(threading.RLock())
    work.work(Grid.from_dict(values), Path(out))
