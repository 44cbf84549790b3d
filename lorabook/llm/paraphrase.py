"""More examples from the same questions: paraphrases by a language model, checked (Appendix VI.7 of the paper).

A model behind any endpoint that speaks OpenAI's protocol rewrites passage and question of a yes/no example. The
rewriting is kept only if it has the same numbers and names, and if the same model, asked again at temperature 0,
answers it with the right label.
"""

import contextlib
import hashlib
import json
import os
from collections import Counter
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path

from lorabook import _validate
from lorabook._arrays import Integer, Real
from lorabook.llm._asking import Asker, ExhaustedError, StoppedError
from lorabook.llm._rewriting import ANSWER, INPUT, REWRITE, VERSION, rewritten
from lorabook.llm.locks import try_lock
from lorabook.llm.tasks import Example
from lorabook.sweeps.parts import write_whole

__all__ = ["CostEstimate", "Endpoint", "Report", "augment", "augmented", "estimate"]

OUTCOMES, REPORT = "outcomes.jsonl", "report.json"
_LETTERS_A_TOKEN = 4


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


def estimate(examples: list[Example], price_in: Real = 0.0, price_out: Real = 0.0) -> CostEstimate:
    """What paraphrasing these examples takes, with prices for a million tokens in and out; nothing is asked.

    Raises ValueError for examples that are not yes/no questions about a passage.
    """
    for name, price in (("price_in", price_in), ("price_out", price_out)):
        _validate.number(name, price)
    texts = [len(REWRITE) + len(e.input) for e in _checked(examples)]
    again = [len(ANSWER) + len(e.input) for e in examples]
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
        limits = requests_per_minute, retries, timeout, max_tokens
        with contextlib.closing(Asker(endpoint.base_url, endpoint.model, *limits)) as ask:
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


def _ask_all(missing: dict, folder: Path, ask: Asker, temperature: float, workers: int, progress: bool) -> None:
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
                running[pool.submit(rewritten, example, ask, temperature)] = key, example
            if not running:
                break
            for done in wait(running, return_when=FIRST_COMPLETED).done:
                key, example = running.pop(done)
                try:
                    outcome = done.result()
                except ExhaustedError as error:
                    outcome = {"status": "failed", "reason": str(error)}
                except StoppedError:
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
        if example.task != "boolq" or not INPUT.fullmatch(example.input):
            raise ValueError(
                f"example {number} is not a yes/no question about a passage; only those can be paraphrased"
            )
    return examples


def _identity(example: Example) -> str:
    return hashlib.sha256(json.dumps([example.input, example.label]).encode()).hexdigest()[:16]


def _key(example: Example, endpoint: Endpoint, temperature: float) -> str:
    """Of an outcome; one with other prompts or other checks counts as missing."""
    values = [VERSION, endpoint.model, float(temperature), REWRITE, ANSWER, example.input, example.label]
    return hashlib.sha256(json.dumps(values).encode()).hexdigest()[:16]
