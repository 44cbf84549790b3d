"""What is asked of a model that paraphrases, and which of its answers hold."""

import contextlib
import json
import re

from lorabook.llm._asking import Asker
from lorabook.llm.tasks import Example

__all__ = ["ANSWER", "INPUT", "REWRITE", "VERSION", "rewritten"]

VERSION = 2
"""Of the prompts and of the checks."""
_ATTEMPTS_AT_FORM = 3
INPUT = re.compile(r"Passage: (.*)\n\nQuestion: (.*)", re.DOTALL)
_NUMBER = re.compile(r"\d+(?:[.,]\d+)*")
_INSIDE = re.compile(r"(?<=[\w,;:)] )\w[\w'’-]+")
"""Words that do not begin a sentence."""
REWRITE = (
    "Rewrite the passage and the question in other words. Keep the meaning, so that the answer stays {answer}. Keep "
    'every name and every number exactly as it is. Reply with one JSON object that has the two fields "passage" and '
    '"question", and with nothing else.\n\nPassage: {passage}\n\nQuestion: {question}'
)
ANSWER = "{text}\n\nAnswer the question from the passage alone, with the one word Yes or No."


def rewritten(example: Example, ask: Asker, temperature: float) -> dict:
    """One example's outcome: kept, or rejected with the reason."""
    passage, question = INPUT.fullmatch(example.input).groups()
    text = REWRITE.format(answer=example.output, passage=passage, question=question)
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
    answer = re.match(r"\W*(yes|no)\b", ask(ANSWER.format(text=candidate), 0.0), re.IGNORECASE)
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


class _FormError(Exception):
    """The model's answer has not the form that was asked for."""
