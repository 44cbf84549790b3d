"""One question at a time to an endpoint that speaks OpenAI's protocol, asked again when it fails."""

import contextlib
import math
import os
import random
import threading
import time
from email.utils import parsedate_to_datetime

__all__ = ["Asker", "ExhaustedError", "StoppedError"]

_LONGEST_WAIT = 120.0
_SECRET = 8
"""Letters from which on a key is a secret, and not a word for a local server that takes any."""


class Asker:
    """Asks one thing, patiently; with the key in OPENAI_API_KEY.

    A call raises ExhaustedError when all retries are used up, StoppedError after `stop`, and RuntimeError if the
    endpoint refuses for good.
    """

    def __init__(self, base_url: str, model: str, requests_per_minute, retries: int, timeout: float, max_tokens: int):
        import openai

        key = os.environ.get("OPENAI_API_KEY")
        if not key:
            raise RuntimeError("OPENAI_API_KEY is missing in the environment; local servers take any word")
        self._openai, self._key, self._model = openai, key, model
        self._client = openai.OpenAI(base_url=base_url, api_key=key, timeout=timeout, max_retries=0)
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
        raise ExhaustedError(reason)

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
            raise StoppedError


class ExhaustedError(Exception):
    """All retries are used up."""


class StoppedError(Exception):
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
