"""More examples from the same questions: paraphrases by a language model, checked (Appendix VI.7 of the paper).

A model behind any endpoint that speaks OpenAI's protocol rewrites passage and question of a yes/no example. The
rewriting is kept only if it has the same numbers and names, and if the same model, asked again at temperature 0,
answers it with the right label.
"""

import contextlib
import hashlib
import json
import os
import random
import re
import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from dataclasses import asdict, dataclass
from pathlib import Path

from lorabook import _validate
from lorabook._arrays import Integer, Real
from lorabook.llm.locks import try_lock
from lorabook.llm.tasks import Example

__all__ = ["CostEstimate", "Endpoint", "Report", "augment", "augmented", "estimate"]

OUTCOMES, REPORT = "outcomes.jsonl", "report.json"
_VERSION = 1
_ATTEMPTS_AT_FORM = 3
_LETTERS_A_TOKEN = 4
_INPUT = re.compile(r"Passage: (.*)\n\nQuestion: (.*)", re.DOTALL)
_NUMBER = re.compile(r"\d+(?:[.,]\d+)*")
_NAME = re.compile(r"(?<=[\w,;:)\"'] )[A-Z][\w'-]+")
_REWRITE = (
    "Rewrite the passage and the question in other words. Keep the meaning, so that the answer stays {answer}. Keep "
    'every name and every number exactly as it is. Reply with one JSON object that has the two fields "passage" and '
    '"question", and with nothing else.\n\nPassage: {passage}\n\nQuestion: {question}'
)
_ANSWER = "{text}\n\nAnswer the question from the passage alone, with the one word Yes or No."


@dataclass(frozen=True)
class Endpoint:
    """Where the model is, and its name there. The key is read from OPENAI_API_KEY when it is used, and kept nowhere."""

    base_url: str
    model: str

    @classmethod
    def from_environment(cls, model: str | None = None) -> "Endpoint":
        """From OPENAI_BASE_URL and LORABOOK_PARAPHRASE_MODEL, unless the model is given.

        Raises ValueError, naming the variable, for what is missing.
        """
        model = model or os.environ.get("LORABOOK_PARAPHRASE_MODEL")
        values = {"OPENAI_BASE_URL": os.environ.get("OPENAI_BASE_URL"), "LORABOOK_PARAPHRASE_MODEL": model}
        missing = [name for name, value in values.items() if not value]
        if missing:
            raise ValueError(f"{', '.join(missing)} must be set in the environment")
        return cls(*values.values())


@dataclass(frozen=True)
class CostEstimate:
    """Before anything is asked; tokens are taken as four letters each."""

    requests: int
    input_tokens: int
    output_tokens: int
    cost: float
    """In the currency of the prices."""


@dataclass(frozen=True)
class Report:
    """What became of the examples."""

    asked: int
    kept: int
    rejected: dict
    """By reason."""
    failed: int
    """Not answered after all retries; the next call tries them again."""

    @property
    def retention(self) -> float:
        """The share of the answered ones that was kept."""
        answered = self.kept + sum(self.rejected.values())
        return self.kept / answered if answered else 0.0

    def __str__(self):
        reasons = "".join(f"\n  {count} {reason}" for reason, count in sorted(self.rejected.items()))
        failed = f"\n{self.failed} failed and can be asked again" if self.failed else ""
        kept = f"{self.kept} of {self.asked} paraphrases kept, {100 * self.retention:.1f} % of those answered"
        return f"{kept}{reasons}{failed}"


class _FormError(Exception):
    """The model's answer has not the form that was asked for."""


def estimate(examples: list[Example], price_in: Real = 0.0, price_out: Real = 0.0) -> CostEstimate:
    """What paraphrasing these examples takes, with prices for a million tokens in and out; nothing is asked.

    Raises ValueError for examples that are not yes/no questions about a passage.
    """
    for name, price in (("price_in", price_in), ("price_out", price_out)):
        _validate.number(name, price)
    texts = [len(_REWRITE) + len(e.input) for e in _checked(examples)]
    again = [len(_ANSWER) + len(e.input) for e in examples]
    tokens_in = (sum(texts) + sum(again)) // _LETTERS_A_TOKEN
    tokens_out = sum(len(e.input) for e in examples) // _LETTERS_A_TOKEN + len(examples)
    return CostEstimate(2 * len(examples), tokens_in, tokens_out, (tokens_in * price_in + tokens_out * price_out) / 1e6)


def augment(
    examples: list[Example],
    folder: str | Path,
    endpoint: Endpoint,
    temperature: Real = 1.0,
    workers: Integer = 4,
    requests_per_minute: Real | None = None,
    retries: Integer = 5,
    timeout: Real = 60.0,
    max_tokens: Integer = 2048,
    progress: bool = False,
) -> Report:
    """Ask for a paraphrase of every example that has none in the folder yet, check it, and note what became of it.

    Outcomes are lines of `outcomes.jsonl`, each on the disk before the next is asked for. A call that was killed is
    gone on with by the same call: nothing that was answered is asked again. Errors of the connection, time-outs, the
    answers 429 and 5xx and bodies that are not JSON are tried again `retries` times, later and later, and after the
    time that the server names; then the example counts as failed.

    Raises ValueError for examples that are not yes/no questions about a passage; RuntimeError if another process works
    in the folder, if OPENAI_API_KEY is missing, or if the endpoint refuses for good (401, 403, 404, …).
    """
    _checked(examples)
    workers = _validate.integer("workers", workers, 1)
    retries = _validate.integer("retries", retries, 0)
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    with try_lock(folder / "lock") as held:
        if not held:
            raise RuntimeError(f"another process is paraphrasing into '{folder}'")
        outcomes = _read(folder)
        keys = {_key(example, endpoint, temperature): example for example in examples}
        missing = {k: e for k, e in keys.items() if outcomes.get(k, {"status": "failed"})["status"] == "failed"}
        ask = _Asker(endpoint, requests_per_minute, retries, timeout, max_tokens)
        _ask_all(missing, folder, lambda example: _one(example, ask, temperature), workers, progress)
        outcomes = _read(folder)
    report = _report([outcomes[key] for key in keys])
    (folder / REPORT).write_text(json.dumps(asdict(report) | {"retention": report.retention}, indent=1) + "\n", "utf-8")
    return report


def augmented(examples: list[Example], folder: str | Path) -> list[Example]:
    """The examples, and after them the paraphrases of theirs that were kept."""
    texts = {_identity(example) for example in examples}
    kept = [o for o in _read(Path(folder)).values() if o["status"] == "kept" and o["original"] in texts]
    return examples + [Example("boolq", outcome["input"], outcome["label"]) for outcome in kept]


def _one(example: Example, ask: Callable, temperature: float) -> dict:
    """One example's outcome: kept, or rejected with the reason."""
    passage, question = _INPUT.fullmatch(example.input).groups()
    text = _REWRITE.format(answer=example.output, passage=passage, question=question)
    for _ in range(_ATTEMPTS_AT_FORM):
        with contextlib.suppress(_FormError):
            candidate = _parsed(ask(text, temperature))
            break
    else:
        return {"status": "rejected", "reason": "not in the form that was asked for"}
    if candidate == example.input:
        return {"status": "rejected", "reason": "the same words"}
    if set(_NUMBER.findall(candidate)) != set(_NUMBER.findall(example.input)):
        return {"status": "rejected", "reason": "other numbers"}
    if not all(name in candidate for name in _NAME.findall(example.input)):
        return {"status": "rejected", "reason": "a name is missing"}
    answer = re.match(r"\W*(yes|no)\b", ask(_ANSWER.format(text=candidate), 0.0), re.IGNORECASE)
    if not answer:
        return {"status": "rejected", "reason": "asked again, neither yes nor no"}
    if answer[1].lower() != example.output.lower():
        return {"status": "rejected", "reason": "asked again, the other answer"}
    return {"status": "kept", "input": candidate, "label": example.label}


def _parsed(answer: str) -> str:
    """The candidate in the task's form."""
    found = re.search(r"\{.*\}", answer, re.DOTALL)
    try:
        values = json.loads(found[0]) if found else None
    except json.JSONDecodeError:
        raise _FormError from None
    if not isinstance(values, dict) or set(values) != {"passage", "question"}:
        raise _FormError
    parts = [values["passage"], values["question"]]
    if not all(isinstance(part, str) and part.strip() for part in parts) or "\n\nQuestion: " in "".join(parts):
        raise _FormError
    return "Passage: {}\n\nQuestion: {}".format(*map(str.strip, parts))


class _Asker:
    """Asks one thing, patiently."""

    def __init__(self, endpoint: Endpoint, requests_per_minute, retries: int, timeout: float, max_tokens: int):
        import openai

        key = os.environ.get("OPENAI_API_KEY")
        if not key:
            raise RuntimeError("OPENAI_API_KEY is missing in the environment; local servers take any word")
        self._openai, self._key, self._model = openai, key, endpoint.model
        self._client = openai.OpenAI(base_url=endpoint.base_url, api_key=key, timeout=timeout, max_retries=0)
        self._retries, self._max_tokens = retries, max_tokens
        self._pause = 60.0 / requests_per_minute if requests_per_minute else 0.0
        self._turn, self._next = threading.Lock(), 0.0

    def __call__(self, text: str, temperature: float) -> str:
        for attempt in range(self._retries + 1):
            self._wait_for_turn()
            try:
                answer = self._client.chat.completions.create(
                    model=self._model,
                    messages=[{"role": "user", "content": text}],
                    temperature=temperature,
                    max_tokens=self._max_tokens,
                )
                content = answer.choices[0].message.content
                if not isinstance(content, str):
                    raise ValueError("an answer without text")
                return content
            except self._openai.APIStatusError as error:
                if error.status_code not in (408, 409, 429) and error.status_code < 500:
                    raise RuntimeError(f"the endpoint refuses: {self._safe(str(error))}") from None
                reason, after = f"{error.status_code}", error.response.headers.get("retry-after")
            except (self._openai.OpenAIError, ValueError, AttributeError, TypeError, IndexError) as error:
                reason, after = type(error).__name__, None
            if attempt < self._retries:
                time.sleep(_delay(attempt, after))
        raise _ExhaustedError(reason)

    def _wait_for_turn(self) -> None:
        with self._turn:
            now = time.monotonic()
            start = max(now, self._next)
            self._next = start + self._pause
        time.sleep(start - now)

    def _safe(self, text: str) -> str:
        return " ".join(text.replace(self._key, "[key]").split())[:300]


class _ExhaustedError(Exception):
    """All retries are used up."""


def _delay(attempt: int, after: str | None) -> float:
    """Seconds: what the server names, or twice as long each time, with a random part so that threads spread out."""
    with contextlib.suppress(TypeError, ValueError):
        return min(float(after), 120.0)
    return min(0.5 * 2.0**attempt, 30.0) * random.uniform(0.5, 1.0)


def _ask_all(missing: dict, folder: Path, ask: Callable, workers: int, progress: bool) -> None:
    """Only as many at a time as there are workers, so that after a refusal no more is asked."""
    from tqdm.auto import tqdm

    waiting, running = list(missing.items()), {}
    with (
        (folder / OUTCOMES).open("a", encoding="utf-8") as file,
        ThreadPoolExecutor(workers) as pool,
        tqdm(total=len(waiting), unit="example", disable=not progress) as bar,
    ):
        while waiting or running:
            while waiting and len(running) < workers:
                key, example = waiting.pop(0)
                running[pool.submit(ask, example)] = key, example
            for done in wait(running, return_when=FIRST_COMPLETED).done:
                key, example = running.pop(done)
                try:
                    outcome = done.result()
                except _ExhaustedError as error:
                    outcome = {"status": "failed", "reason": str(error)}
                line = {"key": key, "original": _identity(example)} | outcome
                file.write(json.dumps(line, ensure_ascii=False) + "\n")
                file.flush()
                os.fsync(file.fileno())
                bar.update()


def _read(folder: Path) -> dict:
    """The last outcome of every example; a line that a kill left half-written is cut off the file."""
    path = folder / OUTCOMES
    if not path.exists():
        return {}
    data = path.read_bytes()
    whole = data[: data.rfind(b"\n") + 1]
    if whole != data:
        with path.open("r+b") as file:
            file.truncate(len(whole))
    return {outcome["key"]: outcome for outcome in map(json.loads, whole.decode("utf-8").splitlines())}


def _report(outcomes: list[dict]) -> Report:
    return Report(
        asked=len(outcomes),
        kept=sum(outcome["status"] == "kept" for outcome in outcomes),
        rejected=dict(Counter(outcome["reason"] for outcome in outcomes if outcome["status"] == "rejected")),
        failed=sum(outcome["status"] == "failed" for outcome in outcomes),
    )


def _checked(examples: list[Example]) -> list[Example]:
    for number, example in enumerate(examples, 1):
        if example.task != "boolq" or not _INPUT.fullmatch(example.input):
            raise ValueError(
                f"example {number} is not a yes/no question about a passage; only those can be paraphrased"
            )
    return examples


def _identity(example: Example) -> str:
    return hashlib.sha256(json.dumps([example.input, example.label]).encode()).hexdigest()[:16]


def _key(example: Example, endpoint: Endpoint, temperature: float) -> str:
    values = [_VERSION, endpoint.model, float(temperature), _REWRITE, _ANSWER, example.input, example.label]
    return hashlib.sha256(json.dumps(values).encode()).hexdigest()[:16]
