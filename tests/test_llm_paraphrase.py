"""Paraphrasing against servers that answer, fail, lie and are cut off."""

import json
import os
import signal
import subprocess
import sys
import time
import urllib.request

import pytest
from llm_server import Scripted, paraphrase

from lorabook.llm import paraphrase as module
from lorabook.llm.paraphrase import Endpoint, augment, augmented, estimate
from lorabook.llm.tasks import Example

KEY = "sk-very-secret"
COLD = Example("boolq", "Passage: In 1901 the town of Skive had ice.\n\nQuestion: is ice cold", 1)
HOT = Example("boolq", "Passage: The sun is hot.\n\nQuestion: is the sun a moon", 0)
MANY = [Example("boolq", f"Passage: Lake {i} freezes.\n\nQuestion: is ice cold at lake {i}", 1) for i in range(30)]


@pytest.fixture(autouse=True)
def environment(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.setattr(module, "_delay", lambda attempt, after, delay=module._delay: min(delay(attempt, after), 0.05))


def outcomes(folder):
    return [json.loads(line) for line in (folder / "outcomes.jsonl").read_text("utf-8").splitlines()]


def run(script, folder, examples=(COLD,), **options):
    with Scripted(script) as server:
        report = augment(
            list(examples), folder, Endpoint(server.url, "m"), **({"workers": 1, "timeout": 5.0} | options)
        )
    return report, server


def test_what_is_kept_joins_the_originals(tmp_path):
    report, server = run(lambda number, text: paraphrase(text), tmp_path, [COLD, HOT])
    assert (report.asked, report.kept, report.rejected, report.failed, report.retention) == (2, 2, {}, 0, 1.0)
    assert augmented([COLD, HOT], tmp_path) == [
        COLD,
        HOT,
        Example(
            "boolq", "Passage: As is known, In 1901 the town of Skive had ice.\n\nQuestion: is ice cold, really", 1
        ),
        Example("boolq", "Passage: As is known, The sun is hot.\n\nQuestion: is the sun a moon, really", 0),
    ]
    assert augmented([HOT], tmp_path)[1:] == augmented([COLD, HOT], tmp_path)[3:]
    assert [request["temperature"] for request in server.requests] == [1.0, 0.0, 1.0, 0.0]
    assert {request["model"] for request in server.requests} == {"m"}
    saved = json.loads((tmp_path / "report.json").read_text())
    assert (saved["kept"], saved["retention"]) == (2, 1.0)
    assert str(report) == "2 of 2 paraphrases kept, 100.0 % of those answered"


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ('{"passage": "In 1902 the town of Skive had ice.", "question": "is ice cold"}', "other numbers"),
        ('{"passage": "In 1901 and 1902 Skive had ice.", "question": "is ice cold"}', "other numbers"),
        ('{"passage": "In 1901 some town had ice.", "question": "is ice cold"}', "a name is missing"),
        ('{"passage": "In 1901 the town of Skive had ice.", "question": "is ice cold"}', "the same words"),
        ('{"passage": "In 1901 Skive froze.", "question": "is fire cold"}', "asked again, the other answer"),
        ('{"passage": "In 1901 Skive froze.", "question": "what"}', "asked again, neither yes nor no"),
        ("In other words: it froze.", "not in the form that was asked for"),
        ('{"passage": "In 1901 Skive froze."}', "not in the form that was asked for"),
        ('{"passage": 1901, "question": "Skive"}', "not in the form that was asked for"),
        ('{"passage": "", "question": "Skive"}', "not in the form that was asked for"),
        ('{"passage": "In 1901 Skive', "not in the form that was asked for"),
    ],
)
def test_what_is_rejected_and_why(tmp_path, answer, reason):
    def script(number, text):
        if "Reply with one JSON object" in text:
            return answer
        return {"fire": "no", "what": "It depends."}.get(next((w for w in ("fire", "what") if w in text), ""), "YES")

    report, server = run(script, tmp_path)
    assert (report.kept, report.rejected, report.failed) == (0, {reason: 1}, 0)
    assert augmented([COLD], tmp_path) == [COLD]
    assert reason in str(report)
    if "form" in reason:
        assert len(server.requests) == 3  # asked again before it was given up


def test_a_form_that_comes_at_the_second_time(tmp_path):
    report, _ = run(lambda number, text: "Sure!" if number == 1 else "Of course: " + paraphrase(text), tmp_path)
    assert report.kept == 0  # the answer to the second question, "Of course: Yes.", is not the one word
    report, _ = run(lambda number, text: "Sure!" if number == 1 else paraphrase(text), tmp_path / "other")
    assert report.kept == 1


@pytest.mark.parametrize(
    "trouble",
    [
        (429, {"Retry-After": "0"}, '{"error": "slow down"}'),
        (500, {}, "oops"),
        (503, {}, "{}"),
        (200, {}, '{"choices": [{"mess'),
        (200, {}, '{"choices": []}'),
        (200, {}, "null"),
        "hang",
        "drop",
    ],
    ids=str,
)
def test_trouble_that_passes(tmp_path, trouble):
    report, server = run(
        lambda number, text: trouble if number in (1, 2, 4) else paraphrase(text), tmp_path, timeout=0.3, retries=2
    )
    assert (report.kept, report.failed) == (1, 0)
    assert len(server.requests) == 5


def test_trouble_that_stays_is_a_failure_that_is_tried_again(tmp_path):
    report, server = run(
        lambda number, text: (500, {}, "oops") if "Skive" in text else paraphrase(text),
        tmp_path,
        [COLD, HOT],
        retries=2,
    )
    assert (report.kept, report.failed, report.retention) == (1, 1, 1.0)
    assert len(server.requests) == 3 + 2
    assert "1 failed and can be asked again" in str(report)
    report, server = run(lambda number, text: paraphrase(text), tmp_path, [COLD, HOT])
    assert (report.kept, report.failed) == (2, 0)
    assert all("Skive" in request["messages"][0]["content"] for request in server.requests)


def test_the_server_names_the_time_to_wait():
    assert module._delay(0, "0.03") == 0.03
    assert 0.0 < module._delay(0, None) <= 0.05


@pytest.mark.parametrize("status", [401, 403, 404])
def test_a_refusal_ends_the_run_without_the_key(tmp_path, status):
    """Even if the server sends the key back."""
    echo = json.dumps({"error": {"message": f"wrong key {KEY}"}})
    with pytest.raises(RuntimeError, match="the endpoint refuses") as caught:
        run(lambda number, text: (status, {}, echo), tmp_path, MANY)
    assert KEY not in str(caught.value)
    assert str(status) in str(caught.value)
    assert "[key]" in str(caught.value)


def test_the_key_is_sent_and_kept_nowhere(tmp_path, capfd):
    _, server = run(lambda number, text: paraphrase(text), tmp_path, [COLD], progress=True)
    assert set(server.keys) == {f"Bearer {KEY}"}
    assert KEY not in repr(Endpoint(server.url, "m"))
    assert not [path for path in tmp_path.rglob("*") if path.is_file() and KEY in path.read_text("utf-8")]
    assert KEY not in "".join(capfd.readouterr())


def test_the_environment(monkeypatch, tmp_path):
    monkeypatch.setenv("OPENAI_BASE_URL", "http://there/v1")
    monkeypatch.setenv("LORABOOK_PARAPHRASE_MODEL", "m")
    assert Endpoint.from_environment() == Endpoint("http://there/v1", "m")
    assert Endpoint.from_environment("other").model == "other"
    monkeypatch.delenv("LORABOOK_PARAPHRASE_MODEL")
    with pytest.raises(ValueError, match="LORABOOK_PARAPHRASE_MODEL must be set"):
        Endpoint.from_environment()
    monkeypatch.delenv("OPENAI_API_KEY")
    with pytest.raises(RuntimeError, match="OPENAI_API_KEY is missing"):
        augment([COLD], tmp_path, Endpoint("http://there/v1", "m"))


PROGRAM = """
import sys
sys.path[:0] = [sys.argv[1]]
from test_llm_paraphrase import MANY
from lorabook.llm.paraphrase import Endpoint, augment
augment(MANY, sys.argv[2], Endpoint(sys.argv[3], "m"), workers=2)
"""


def in_a_process(folder, url):
    return subprocess.Popen(
        [sys.executable, "-c", PROGRAM, os.path.dirname(__file__), str(folder), url],
        stderr=subprocess.PIPE,
        env=os.environ | {"OPENAI_API_KEY": KEY},
    )


def slowly(number, text):
    time.sleep(0.03)
    return paraphrase(text)


def test_killed_in_the_middle_it_goes_on_and_asks_nothing_twice(tmp_path):
    with Scripted(slowly) as server:
        for _ in range(3):
            one = in_a_process(tmp_path / "killed", server.url)
            known = len(outcomes(tmp_path / "killed")) if (tmp_path / "killed" / "outcomes.jsonl").exists() else 0
            while one.poll() is None and (
                not (tmp_path / "killed" / "outcomes.jsonl").exists() or len(outcomes(tmp_path / "killed")) < known + 5
            ):
                time.sleep(0.01)
            os.kill(one.pid, signal.SIGKILL)
            one.communicate()
        done = {o["original"] for o in outcomes(tmp_path / "killed")}
        assert 15 <= len(done) < 30
        path = tmp_path / "killed" / "outcomes.jsonl"
        path.write_bytes(path.read_bytes() + b'{"key": "half a li')
        before = len(server.requests)
        report = augment(MANY, tmp_path / "killed", Endpoint(server.url, "m"))
        asked = [request["messages"][0]["content"] for request in server.requests[before:]]
    assert (report.kept, report.failed) == (30, 0)
    assert len(asked) == 2 * (30 - len(done))
    assert not [text for text in asked for e in MANY if module._identity(e) in done and f"{e.input[9:]}" in text]
    whole, _ = run(lambda number, text: paraphrase(text), tmp_path / "whole", MANY)
    assert sorted(e.input for e in augmented(MANY, tmp_path / "killed")) == sorted(
        e.input for e in augmented(MANY, tmp_path / "whole")
    )
    assert whole == report


def test_a_second_process_is_turned_away(tmp_path):
    with Scripted(slowly) as server:
        one = in_a_process(tmp_path, server.url)
        while one.poll() is None and not (tmp_path / "outcomes.jsonl").exists():
            time.sleep(0.01)
        with pytest.raises(RuntimeError, match="another process is paraphrasing into"):
            augment(MANY, tmp_path, Endpoint(server.url, "m"))
        _, error = one.communicate()
        assert one.returncode == 0, error
    assert len(outcomes(tmp_path)) == 30


def test_the_rate_is_kept(tmp_path):
    """600 a minute are a tenth of a second apart, whatever the number of threads."""
    _, server = run(lambda number, text: paraphrase(text), tmp_path, MANY[:4], workers=4, requests_per_minute=600)
    times = sorted(server.times)
    assert len(times) == 8
    assert times[-1] - times[0] >= 0.1 * 7 - 0.05


def test_the_estimate_by_hand():
    found = estimate([COLD, HOT], price_in=2.0, price_out=10.0)
    letters = len(COLD.input) + len(HOT.input)
    tokens_in = (2 * (len(module._REWRITE) + len(module._ANSWER)) + 2 * letters) // 4
    assert (found.requests, found.input_tokens, found.output_tokens) == (4, tokens_in, letters // 4 + 2)
    assert found.cost == pytest.approx((2 * tokens_in + 10 * (letters // 4 + 2)) / 1e6)


def test_only_questions_about_a_passage():
    with pytest.raises(ValueError, match="example 2 is not a yes/no question about a passage"):
        estimate([COLD, Example("csqa", "Question: what\n\nOptions:\nA. a", 0)])
    with pytest.raises(ValueError, match="price_in is -1"):
        estimate([COLD], price_in=-1)


def test_transformers_serves_the_protocol(tmp_path):
    """A tiny model with random weights speaks nonsense, and each step of the protocol works."""
    from test_llm_encoding import WORDS
    from transformers import Qwen2Config, Qwen2ForCausalLM

    size = Qwen2Config(
        vocab_size=len(WORDS), hidden_size=32, intermediate_size=32, num_hidden_layers=1, num_attention_heads=2,
        num_key_value_heads=1, bos_token_id=0, eos_token_id=0, pad_token_id=0,
    )  # fmt: skip
    Qwen2ForCausalLM(size).save_pretrained(tmp_path / "model")
    WORDS.chat_template = "{% for message in messages %}{{ message['content'] }}\n{% endfor %}"
    WORDS.save_pretrained(tmp_path / "model")
    WORDS.chat_template = None
    port = free_port()
    command = os.path.join(os.path.dirname(sys.executable), "transformers")
    server = subprocess.Popen(
        [command, "serve", "--host", "127.0.0.1", "--port", str(port)],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=os.environ | {"HF_HUB_OFFLINE": "1"},
    )  # fmt: skip
    try:
        wait_for(f"http://127.0.0.1:{port}/health", server)
        endpoint = Endpoint(f"http://127.0.0.1:{port}/v1", str(tmp_path / "model"))
        report = augment([COLD, HOT], tmp_path / "out", endpoint, workers=1, retries=0, max_tokens=8)
    finally:
        server.kill()
        server.wait()
    assert (report.asked, report.failed) == (2, 0)
    assert report.rejected == {"not in the form that was asked for": 2}


def free_port():
    import socket

    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def wait_for(url, process):
    deadline = time.time() + 90
    while time.time() < deadline and process.poll() is None:
        try:
            urllib.request.urlopen(url, timeout=1).close()
            return
        except OSError:
            time.sleep(0.2)
    raise AssertionError("the server did not start")
