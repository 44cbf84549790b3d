"""What a model answers: the log-likelihood of each allowed answer, straight from its logits."""

from dataclasses import dataclass

import numpy as np

from lorabook._arrays import Integer
from lorabook.llm import tasks
from lorabook.llm.encoding import IGNORED, left_padded
from lorabook.llm.tasks import TASKS, Example

__all__ = ["Score", "answer_loss", "last_logits", "log_likelihoods", "score"]


@dataclass(frozen=True)
class Score:
    """How many examples of a test set a model answers rightly, and which."""

    right: tuple[bool, ...]
    """For each example, in order."""
    loss: float
    """Mean of -log of the right answer's share among the allowed answers, in nats."""

    @property
    def correct(self) -> int:
        return sum(self.right)

    @property
    def count(self) -> int:
        return len(self.right)

    @property
    def accuracy(self) -> float:
        return self.correct / self.count

    def to_dict(self) -> dict:
        items = "".join("1" if right else "0" for right in self.right)
        return {"correct": self.correct, "count": self.count, "accuracy": self.accuracy, "loss": self.loss} | {
            "items": items
        }


def score(model, tokenizer, examples: list[Example], batch_size: Integer = 64) -> Score:
    """The model's answers: of the allowed ones, the one with the largest log-likelihood; the first if several tie.

    Raises ValueError if there are no examples, or of several tasks.
    """
    if not examples:
        raise ValueError("examples is empty; a score needs one at least")
    values = log_likelihoods(model, tokenizer, examples, batch_size)
    labels = np.array([example.label for example in examples])
    right = values.argmax(axis=1) == labels
    normalised = values - values.max(axis=1, keepdims=True)
    normalised -= np.log(np.exp(normalised).sum(axis=1, keepdims=True))
    loss = -normalised[np.arange(len(labels)), labels].mean()
    return Score(tuple(bool(answer) for answer in right), float(loss))


def log_likelihoods(model, tokenizer, examples: list[Example], batch_size: Integer = 64) -> np.ndarray:
    """The sum of the log-probabilities of an answer's tokens after the prompt, for every allowed answer.

    Shape (examples, answers). The model is put into evaluation mode for it, and back into the mode it was in.
    """
    import torch

    names = {example.task for example in examples}
    if len(names) != 1:
        raise ValueError(f"examples are of the tasks {sorted(names)}; they must be of one")
    answers = [tokenizer(answer, add_special_tokens=False)["input_ids"] for answer in TASKS[examples[0].task].answers]
    prompts = tokenizer([tasks.prompt(example) for example in examples], add_special_tokens=False)["input_ids"]
    by_length = sorted(range(len(prompts)), key=lambda i: -len(prompts[i]))
    values = np.empty((len(prompts), len(answers)))
    was_training = model.training
    model.eval()
    try:
        with torch.no_grad():
            for start in range(0, len(prompts), batch_size):
                some = by_length[start : start + batch_size]
                values[some] = _of_batch(model, tokenizer, [prompts[i] for i in some], answers)
    finally:
        model.train(was_training)
    return values


def last_logits(model, batch: dict, positions: int):
    """The logits at the last positions of a left-padded batch, (examples, positions, tokens).

    Only these are computed: on a vocabulary of 150,000 the others would be most of the memory.
    """
    mask = batch["attention_mask"]
    whole = bool(mask.all())
    return model(
        input_ids=batch["input_ids"],
        attention_mask=None if whole else mask,
        position_ids=(mask.cumsum(1) - 1).clamp(min=0),
        use_cache=False,
        logits_to_keep=positions,
    ).logits


def answer_loss(model, batch: dict, tokens=None):
    """Cross entropy of the answers' tokens, summed and divided by `tokens`: their number in the whole batch."""
    import torch

    labels = batch["labels"]
    positions = int((labels != IGNORED).sum(dim=1).max())
    logits = last_logits(model, batch, positions + 1)[:, :-1].float()
    targets = labels[:, -positions:]
    total = torch.nn.functional.cross_entropy(
        logits.reshape(-1, logits.shape[-1]), targets.reshape(-1), ignore_index=IGNORED, reduction="sum"
    )
    return total / (tokens if tokens is not None else (targets != IGNORED).sum())


def _of_batch(model, tokenizer, prompts, answers) -> np.ndarray:
    import torch

    device = next(model.parameters()).device

    def logs(sequences, positions):
        batch = {key: value.to(device) for key, value in left_padded(sequences, tokenizer.pad_token_id).items()}
        return torch.log_softmax(last_logits(model, batch, positions).float(), dim=-1)

    if all(len(answer) == 1 for answer in answers):
        first = logs(prompts, 1)[:, -1]
        return first[:, [answer[0] for answer in answers]].double().cpu().numpy()
    columns = []
    for answer in answers:
        found = logs([prompt + answer for prompt in prompts], len(answer) + 1)[:, :-1]
        picked = found.gather(2, torch.tensor(answer, device=device).expand(len(prompts), -1)[:, :, None])
        columns.append(picked.double().sum(dim=(1, 2)))
    return torch.stack(columns, dim=1).cpu().numpy()
