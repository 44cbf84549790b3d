"""More examples from the same questions: paraphrases by a language model, checked (Appendix VI.7 of the paper).

A model behind any endpoint that speaks OpenAI's protocol rewrites passage and question of a yes/no example. The
rewriting is kept only if it has the same numbers and names, and if the same model, asked again at temperature 0,
answers it with the right label.
"""

import contextlib
import hashlib
import json
import math
import os
import random
import re
import threading
import time
from collections import Counter
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from dataclasses import asdict, dataclass
from email.utils import parsedate_to_datetime
from itertools import islice
from pathlib import Path

from lorabook import _validate
from lorabook._arrays import Integer, Real
from lorabook.llm.locks import try_lock
from lorabook.llm.tasks import Example
from lorabook.sweeps.parts import write_whole

__all__ = ["CostEstimate", "Endpoint", "Report", "augment", "augmented", "estimate"]

OUTCOMES, REPORT = "outcomes.jsonl", "report.json"
_VERSION = 2
"""Of the prompts and of the checks; outcomes of another version count as missing."""
_ATTEMPTS_AT_FORM = 3
_LETTERS_A_TOKEN = 4
_LONGEST_WAIT = 120.0
_SECRET = 8
"""Letters from which on a key is a secret, and not a word for a local server that takes any."""
_INPUT = re.compile(r"Passage: (.*)\n\nQuestion: (.*)", re.DOTALL)
_NUMBER = re.compile(r"\d+(?:[.,]\d+)*")
_INSIDE = re.compile(r"(?<=[\w,;:)] )\w[\w'’-]+")
"""Words that do not begin a sentence."""
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
    """Before anything is asked, and if nothing is asked again; tokens are taken as four letters each."""

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
    gone on with by the same call: no example that has an outcome is asked again, but for the failed ones. Errors of
    the connection, time-outs, the answers 429 and 5xx and bodies that are not JSON are tried again `retries` times,
    later and later, or after the time that the server names, two minutes at most; then the example counts as failed.

    `timeout` is in seconds; None as `requests_per_minute` sets no limit.

    Raises ValueError for examples that are not yes/no questions about a passage, for numbers out of range and for a
    file of outcomes that is damaged; RuntimeError if another process works in the folder, if OPENAI_API_KEY is missing,
    or if the endpoint refuses for good (401, 403, 404, …).
    """
    _checked(examples)
    temperature = _validate.number("temperature", temperature)
    workers = _validate.integer("workers", workers, 1)
    if requests_per_minute is not None:
        requests_per_minute = _validate.number("requests_per_minute", requests_per_minute, strict=True)
    retries = _validate.integer("retries", retries, 0)
    timeout = _validate.number("timeout", timeout, strict=True)
    max_tokens = _validate.integer("max_tokens", max_tokens, 1)
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    with try_lock(folder / "lock") as held:
        if not held:
            raise RuntimeError(f"another process is paraphrasing into '{folder}'")
        _cut(folder)
        outcomes = _read(folder)
        keys = {_key(example, endpoint, temperature): example for example in examples}
        missing = {k: e for k, e in keys.items() if outcomes.get(k, {"status": "failed"})["status"] == "failed"}
        with contextlib.closing(_Asker(endpoint, requests_per_minute, retries, timeout, max_tokens)) as ask:
            _ask_all(missing, folder, ask, temperature, workers, progress)
        outcomes = _read(folder)
        report = _report([outcomes[key] for key in keys])
        text = json.dumps(asdict(report) | {"retention": report.retention}, indent=1) + "\n"
        write_whole(folder / REPORT, text.encode())
    return report


def augmented(examples: list[Example], folder: str | Path) -> list[Example]:
    """The examples, and after them, in their order, the paraphrases of theirs that were kept.

    If several models or temperatures were asked in this folder, what was kept of each is there, equal texts once.

    Raises ValueError for a file of outcomes that is damaged.
    """
    kept = {}
    for outcome in _read(Path(folder)).values():
        if outcome["status"] == "kept":
            kept.setdefault(outcome["original"], []).append(Example("boolq", outcome["input"], outcome["label"]))
    identities = dict.fromkeys(map(_identity, examples))
    return examples + list(dict.fromkeys(one for identity in identities for one in kept.get(identity, [])))


def _one(example: Example, ask: "_Asker", temperature: float) -> dict:
    """One example's outcome: kept, or rejected with the reason."""
    passage, question = _INPUT.fullmatch(example.input).groups()
    text = _REWRITE.format(answer=example.output, passage=passage, question=question)
    for _ in range(_ATTEMPTS_AT_FORM):
        with contextlib.suppress(_FormError):
            candidate = _parsed(ask(text, temperature))
            break
    else:
        return {"status": "rejected", "reason": "not in the form that was asked for"}
    if ask.betrayed_by(candidate):
        return {"status": "rejected", "reason": "the key is in it"}
    if candidate == example.input:
        return {"status": "rejected", "reason": "the same words"}
    if set(_NUMBER.findall(candidate)) != set(_NUMBER.findall(example.input)):
        return {"status": "rejected", "reason": "other numbers"}
    if not all(re.search(rf"\b{re.escape(name)}\b", candidate) for name in _names(passage) | _names(question)):
        return {"status": "rejected", "reason": "a name is missing"}
    answer = re.match(r"\W*(yes|no)\b", ask(_ANSWER.format(text=candidate), 0.0), re.IGNORECASE)
    if not answer:
        return {"status": "rejected", "reason": "asked again, neither yes nor no"}
    if answer[1].lower() != example.output.lower():
        return {"status": "rejected", "reason": "asked again, the other answer"}
    return {"status": "kept", "input": candidate, "label": example.label}


def _names(text: str) -> set[str]:
    """Capitalised words, of two letters at least, that do not begin a sentence; without the 's of a genitive.

    What begins a sentence may be any word, and is not looked at; nor are names that a paraphrase adds.

    >>> sorted(_names("The lake of Skive's mayor, Ann O'Neill. She met Bach in Århus."))
    ['Ann', 'Bach', "O'Neill", 'Skive', 'Århus']
    """
    words = (word.removesuffix("'s").removesuffix("’s") for word in _INSIDE.findall(text))
    return {word for word in words if word[0].isupper()}


def _parsed(answer: str) -> str:
    """The candidate in the task's form."""
    found = re.search(r"\{.*\}", answer, re.DOTALL)
    try:
        values = json.loads(found[0]) if found else None
        json.dumps(values, ensure_ascii=False).encode()  # half a pair of surrogates cannot be written
    except (ValueError, RecursionError):
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
        self._stopped = threading.Event()

    def __call__(self, text: str, temperature: float) -> str:
        refusal = None
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
                    refusal = " ".join(str(error).replace(self._key, "[key]").split())[:300]
                    break
                reason, after = f"{error.status_code}", error.response.headers.get("retry-after")
            except (self._openai.OpenAIError, ValueError, AttributeError, TypeError, IndexError) as error:
                reason, after = type(error).__name__, None
            if attempt < self._retries:
                self._sleep(_delay(attempt, after))
        if refusal is not None:  # raised out here, so that the client's own error, with the key in it, is not its cause
            raise RuntimeError(f"the endpoint refuses: {refusal}")
        raise _ExhaustedError(reason)

    def stop(self) -> None:
        """Let go of what waits for its turn or for another attempt; answers that are under way still come."""
        self._stopped.set()

    def close(self) -> None:
        self._client.close()

    def betrayed_by(self, text: str) -> bool:
        """Whether the text, which goes to a file, has the key in it."""
        return len(self._key) >= _SECRET and self._key in text

    def _wait_for_turn(self) -> None:
        with self._turn:
            now = time.monotonic()
            start = max(now, self._next)
            self._next = start + self._pause
        self._sleep(start - now)

    def _sleep(self, seconds: float) -> None:
        if self._stopped.wait(seconds):
            raise _StoppedError


class _ExhaustedError(Exception):
    """All retries are used up."""


class _StoppedError(Exception):
    """Another request was refused for good."""


def _delay(attempt: int, after: str | None) -> float:
    """Seconds: what the server names, or twice as long each time, with a random part so that threads spread out."""
    named = _seconds(after) if after else math.nan
    if math.isnan(named):
        return min(0.5 * 2.0**attempt, 30.0) * random.uniform(0.5, 1.0)
    return min(max(named, 0.0), _LONGEST_WAIT)


def _seconds(after: str) -> float:
    """From now on, of a Retry-After header: a number or a date; not a number for anything else."""
    with contextlib.suppress(ValueError):
        return float(after)
    with contextlib.suppress(ValueError, OverflowError):
        return parsedate_to_datetime(after).timestamp() - time.time()
    return math.nan


def _ask_all(missing: dict, folder: Path, ask: _Asker, temperature: float, workers: int, progress: bool) -> None:
    """Only as many at a time as there are workers; after a refusal no more, but what is answered is still noted."""
    from tqdm.auto import tqdm

    waiting, running, refusal = iter(missing.items()), {}, None
    with (
        (folder / OUTCOMES).open("a", encoding="utf-8") as file,
        ThreadPoolExecutor(workers) as pool,
        tqdm(total=len(missing), unit="example", disable=not progress) as bar,
        contextlib.ExitStack() as stack,
    ):
        stack.callback(ask.stop)
        while True:
            for key, example in islice(waiting, 0 if refusal else workers - len(running)):
                running[pool.submit(_one, example, ask, temperature)] = key, example
            if not running:
                break
            for done in wait(running, return_when=FIRST_COMPLETED).done:
                key, example = running.pop(done)
                try:
                    outcome = done.result()
                except _ExhaustedError as error:
                    outcome = {"status": "failed", "reason": str(error)}
                except _StoppedError:
                    continue
                except Exception as error:
                    refusal = refusal or error
                    ask.stop()
                    continue
                line = {"key": key, "original": _identity(example)} | outcome
                file.write(json.dumps(line, ensure_ascii=False) + "\n")
                file.flush()
                os.fsync(file.fileno())
                bar.update()
    if refusal:
        raise refusal


def _cut(folder: Path) -> None:
    """Cut off a line that a kill left half-written. For the process that holds the folder's lock."""
    path = folder / OUTCOMES
    if path.exists():
        data = path.read_bytes()
        if not data.endswith(b"\n") and data:
            with path.open("r+b") as file:
                file.truncate(data.rfind(b"\n") + 1)


def _read(folder: Path) -> dict:
    """The last outcome of every key; a last line without its end is left out.

    Raises ValueError with the number of a line that is no outcome.
    """
    path = folder / OUTCOMES
    outcomes = {}
    lines = path.read_bytes().split(b"\n")[:-1] if path.exists() else []
    for number, line in enumerate(lines, 1):
        try:
            outcome = json.loads(line)
            outcomes[outcome["key"]] = outcome
        except (ValueError, KeyError, TypeError):
            raise ValueError(
                f"line {number} of {path} is not an outcome; without that line, its example is asked again"
            ) from None
    return outcomes


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
