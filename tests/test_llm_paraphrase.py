"""Paraphrasing against servers that answer, fail, lie and are cut off."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
import urllib.request
from email.utils import formatdate

import pytest
from llm_server import Gate, Scripted, paraphrase

from lorabook.llm import _asking, _rewriting
from lorabook.llm import paraphrase as module
from lorabook.llm.paraphrase import Endpoint, augment, augmented, estimate
from lorabook.llm.tasks import Example

KEY = "sk-very-secret"
DELAY = _asking._delay
COLD = Example("boolq", "Passage: In 1901 the town of Skive had ice.\n\nQuestion: is ice cold", 1)
HOT = Example("boolq", "Passage: The sun is hot.\n\nQuestion: is the sun a moon", 0)
MANY = [Example("boolq", f"Passage: Lake {i} freezes.\n\nQuestion: is ice cold at lake {i}", 1) for i in range(30)]


@pytest.fixture(autouse=True)
def environment(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.setattr(_asking, "_delay", lambda attempt, after: min(DELAY(attempt, after), 0.05))


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
        ('{"passage": "In 1901 Skive froze.", "question": "is ice \\ud800"}', "not in the form that was asked for"),
        ('{"passage": ' + 5000 * "1" + ', "question": "Skive"}', "not in the form that was asked for"),
        (5000 * '{"passage":' + "}", "not in the form that was asked for"),
        ('{"passage": "In 1901 the Skives had ice.", "question": "is ice cold"}', "a name is missing"),
        ('{"passage": "In 1901 Skive had sk\\u002dvery-secret.", "question": "is ice cold"}', "the key is in it"),
    ],
    ids=lambda value: value[:60],
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
    assert KEY not in (tmp_path / "outcomes.jsonl").read_text("utf-8")
    if "form" in reason:
        assert len(server.requests) == 3  # asked again before it was given up


def test_what_begins_a_passage_or_a_question_is_no_name(tmp_path):
    plain = Example("boolq", "Passage: Every lake in Århus froze. Birds left.\n\nQuestion: Is ice cold", 1)
    answer = '{"passage": "All lakes of Århus\'s froze, and no bird stayed.", "question": "is ice cold"}'
    report, _ = run(lambda number, text: answer if "Reply with" in text else "Yes", tmp_path, [plain])
    assert (report.kept, report.rejected) == (1, {})


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
        lambda number, text: trouble if number in (1, 2, 4) else paraphrase(text),
        tmp_path,
        timeout=1.0 if trouble == "hang" else 10.0,
        retries=2,
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


def test_the_server_names_the_time_to_wait(tmp_path, monkeypatch):
    """0.8 seconds, where without it the first wait is half a second at most."""
    monkeypatch.setattr(_asking, "_delay", DELAY)
    busy = (429, {"Retry-After": "0.8"}, "")
    _, server = run(lambda number, text: busy if number == 1 else paraphrase(text), tmp_path)
    assert server.times[1] - server.times[0] >= 0.8


def test_times_to_wait():
    assert DELAY(0, "0.03") == 0.03
    assert DELAY(0, "-1") == 0.0
    assert DELAY(0, "inf") == DELAY(0, "9999") == 120.0
    assert 50.0 < DELAY(0, formatdate(time.time() + 60, usegmt=True)) <= 61.0
    assert DELAY(9, formatdate(time.time() - 60, usegmt=True)) == 0.0
    for nothing in (None, "", "nan", "soon"):
        assert 0.25 <= DELAY(0, nothing) <= 0.5
        assert 1.0 <= DELAY(2, nothing) <= 2.0
        assert 15.0 <= DELAY(20, nothing) <= 30.0
    assert len({DELAY(0, None) for _ in range(20)}) > 1


@pytest.mark.parametrize("status", [401, 403, 404])
def test_a_refusal_ends_the_run_without_the_key(tmp_path, status):
    """Even if the server sends the key back."""
    echo = json.dumps({"error": {"message": f"wrong key {KEY}"}})
    with pytest.raises(RuntimeError, match="the endpoint refuses") as caught:
        run(lambda number, text: (status, {}, echo), tmp_path, MANY)
    assert KEY not in str(caught.value)
    assert str(status) in str(caught.value)
    assert "[key]" in str(caught.value)
    assert caught.value.__cause__ is caught.value.__context__ is None  # the client's own error has the key in it


def test_what_is_answered_during_a_refusal_is_noted(tmp_path):
    """The second example is refused while the last answer about the first one is under way."""
    under_way, refused = threading.Event(), threading.Event()

    def script(number, text):
        if "Skive" not in text:
            under_way.wait(30)
            refused.set()
            return (401, {}, "no")
        if "Reply with" not in text:
            under_way.set()
            refused.wait(30)
            time.sleep(0.3)
        return paraphrase(text)

    with pytest.raises(RuntimeError, match="the endpoint refuses"):
        run(script, tmp_path, [COLD, HOT, *MANY], workers=2)
    assert [outcome["status"] for outcome in outcomes(tmp_path)] == ["kept"]
    report, server = run(lambda number, text: paraphrase(text), tmp_path, [COLD, HOT])
    assert report.kept == 2
    assert all("Skive" not in request["messages"][0]["content"] for request in server.requests)


def test_a_refusal_ends_the_waiting_of_others(tmp_path, monkeypatch):
    """The first example waits to be asked again when the second is refused: it is not asked again."""
    waits = threading.Event()
    monkeypatch.setattr(_asking, "_delay", lambda attempt, after: waits.set() or 10.0)
    texts = []

    def script(number, text):
        texts.append(text)
        if "Skive" in text:
            return (503, {}, "")
        waits.wait(30)
        return (401, {}, "no")

    with pytest.raises(RuntimeError, match="the endpoint refuses"):
        run(script, tmp_path, [COLD, HOT, *MANY], workers=2)
    assert len(texts) == 2
    assert outcomes(tmp_path) == []


def test_the_key_is_sent_and_kept_nowhere(tmp_path, capfd):
    _, server = run(lambda number, text: paraphrase(text), tmp_path, [COLD], progress=True)
    assert set(server.keys) == {f"Bearer {KEY}"}
    assert KEY not in repr(Endpoint(server.url, "m"))
    assert not [path for path in tmp_path.rglob("*") if path.is_file() and KEY in path.read_text("utf-8")]
    shown = "".join(capfd.readouterr())
    assert "1/1" in shown
    assert KEY not in shown


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


def wait_until(condition, process):
    while not condition():
        assert process.poll() is None, process.communicate()
        time.sleep(0.01)


def test_killed_in_the_middle_it_goes_on_and_asks_nothing_twice(tmp_path):
    folder, gate = tmp_path / "killed", Gate(0)
    with Scripted(gate) as server:
        for _ in range(3):
            allowed = len(server.requests) + 12
            gate.open(allowed)
            one = in_a_process(folder, server.url)
            wait_until(lambda n=allowed + 2: len(server.requests) >= n, one)  # both threads are held back
            os.kill(one.pid, signal.SIGKILL)
            one.communicate()
        done = {o["original"] for o in outcomes(folder)}
        assert 15 <= len(done) == len(outcomes(folder)) < 30
        with (folder / "outcomes.jsonl").open("ab") as file:
            file.write('{"key": "half a wörd'.encode()[:-3])
        gate.open()
        before = len(server.requests)
        report = augment(MANY, folder, Endpoint(server.url, "m"))
        asked = [request["messages"][0]["content"] for request in server.requests[before:]]
    assert (report.asked, report.kept, report.failed) == (30, 30, 0)
    assert len(asked) == 2 * (30 - len(done))
    assert not [text for text in asked for e in MANY if module._identity(e) in done and e.input[9:] in text]
    whole, _ = run(lambda number, text: paraphrase(text), tmp_path / "whole", MANY)
    assert augmented(MANY, folder) == augmented(MANY, tmp_path / "whole")
    assert whole == report


def test_a_second_process_is_turned_away(tmp_path):
    gate = Gate(0)
    with Scripted(gate) as server:
        one = in_a_process(tmp_path, server.url)
        try:
            wait_until(lambda: server.requests, one)
            with pytest.raises(RuntimeError, match="another process is paraphrasing into"):
                augment(MANY[:1], tmp_path, Endpoint(server.url, "m"), timeout=0.5, retries=0)
            gate.open()
            _, error = one.communicate()
        finally:
            one.kill()
            one.wait()
            one.stderr.close()
    assert one.returncode == 0, error
    assert len(outcomes(tmp_path)) == 30
    assert len(server.requests) == 60


def test_paraphrases_stand_in_the_order_of_the_examples(tmp_path):
    run(lambda number, text: paraphrase(text), tmp_path, MANY[:3])
    inputs = [example.input for example in augmented(MANY[:3], tmp_path)]
    path = tmp_path / "outcomes.jsonl"
    path.write_bytes(b"".join(reversed(path.read_bytes().splitlines(keepends=True))))
    assert [example.input for example in augmented(MANY[:3], tmp_path)] == inputs


def test_another_model_or_temperature_is_asked_anew(tmp_path):
    with Scripted() as server:
        for model, temperature, requests in (("m", 1.0, 2), ("m", 1, 2), ("m", 0.5, 4), ("n", 1.0, 6)):
            report = augment([COLD], tmp_path, Endpoint(server.url, model), temperature)
            assert (report.kept, len(server.requests)) == (1, requests)
    assert len(augmented([COLD], tmp_path)) == 2  # the three paraphrases are the same


def test_every_letter_survives_the_file(tmp_path):
    """Some end a line elsewhere, though not in JSON lines."""
    odd = Example("boolq", "Passage: a\u2028b\u0085c\u2029d “é” 雪\n\nQuestion: is ice cold", 1)
    run(lambda number, text: paraphrase(text), tmp_path, [odd])
    report, server = run(lambda number, text: paraphrase(text), tmp_path, [odd])
    assert (report.kept, server.requests) == (1, [])
    assert augmented([odd], tmp_path)[1].input == odd.input.replace(": a", ": As is known, a") + ", really"


def test_looking_does_not_change_the_file(tmp_path):
    """A line without an end may be one that another process is writing."""
    run(lambda number, text: paraphrase(text), tmp_path)
    path = tmp_path / "outcomes.jsonl"
    path.write_bytes(path.read_bytes() + b'{"key"')
    before = path.read_bytes()
    assert len(augmented([COLD], tmp_path)) == 2
    assert path.read_bytes() == before


def test_a_damaged_file_is_named(tmp_path):
    run(lambda number, text: paraphrase(text), tmp_path)
    path = tmp_path / "outcomes.jsonl"
    for line in (b"\0\0", b"[]", b"{}"):
        path.write_bytes(path.read_bytes().splitlines(keepends=True)[0] + line + b"\n")
        with pytest.raises(ValueError, match=r"line 2 of .*outcomes\.jsonl is not an outcome"):
            augmented([COLD], tmp_path)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("temperature", -0.1), ("workers", 0), ("requests_per_minute", 0), ("requests_per_minute", -1),
        ("retries", -1), ("timeout", 0), ("max_tokens", 0),
    ],
)  # fmt: skip
def test_numbers_out_of_range(tmp_path, name, value):
    with pytest.raises(ValueError, match=f"^{name} is {value}; it must be"):
        augment([COLD], tmp_path / "new", Endpoint("http://there/v1", "m"), **{name: value})
    assert not (tmp_path / "new").exists()


def test_importing_it_is_light():
    heavy = "{'openai', 'torch', 'tqdm', 'transformers', 'pandas', 'pyarrow'}"
    program = f"import sys, lorabook.llm.paraphrase; print({heavy} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    assert done.stdout == "set()\n"


def test_the_rate_is_kept(tmp_path):
    """600 a minute are a tenth of a second apart, whatever the number of threads."""
    _, server = run(lambda number, text: paraphrase(text), tmp_path, MANY[:4], workers=4, requests_per_minute=600)
    times = sorted(server.times)
    assert len(times) == 8
    assert times[-1] - times[0] >= 0.1 * 7 - 0.05


def test_the_estimate_by_hand():
    found = estimate([COLD, HOT], price_in=2.0, price_out=10.0)
    letters = len(COLD.input) + len(HOT.input)
    tokens_in = (2 * (len(_rewriting.REWRITE) + len(_rewriting.ANSWER)) + 2 * letters) // 4
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
    assert [outcome["status"] for outcome in outcomes(tmp_path / "out")] == ["rejected", "rejected"]
    assert json.loads((tmp_path / "out" / "report.json").read_text())["rejected"] == report.rejected


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
