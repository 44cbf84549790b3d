"""A server on this machine that speaks OpenAI's protocol and does what a script says."""

import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


def paraphrase(text: str) -> str:
    """An honest model: other words, the same names and numbers; the label is in the question."""
    if "Reply with one JSON object" in text:
        passage, question = text.split("Passage: ")[1].split("\n\nQuestion: ")
        return json.dumps({"passage": f"As is known, {passage}", "question": f"{question}, really"})
    return "Yes." if "is ice cold" in text else "No"


class Gate:
    """A script that answers honestly, but holds back every request after the first `allowed` ones."""

    def __init__(self, allowed: int):
        self._allowed, self._changed = allowed, threading.Condition()

    def __call__(self, number: int, text: str) -> str:
        with self._changed:
            self._changed.wait_for(lambda: number <= self._allowed)
        return paraphrase(text)

    def open(self, allowed: int = 10**9) -> None:
        with self._changed:
            self._allowed = allowed
            self._changed.notify_all()


class Scripted:
    """`script(number, text)` returns the text to answer, or status, headers and body, or "hang", or "drop"."""

    def __init__(self, script=lambda number, text: paraphrase(text)):
        self.requests, self.times, self.keys = [], [], []
        outer, lock = self, threading.Lock()

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                with lock:
                    outer.requests.append(body)
                    outer.times.append(time.monotonic())
                    outer.keys.append(self.headers["Authorization"])
                    number = len(outer.requests)
                done = script(number, body["messages"][0]["content"])
                if done == "hang":
                    time.sleep(4.0)
                    done = "late"
                if done == "drop":
                    self.connection.close()
                    return
                status, headers, text = done if isinstance(done, tuple) else (200, {}, None)
                if text is None:
                    message = {"role": "assistant", "content": done}
                    choice = {"index": 0, "finish_reason": "stop", "message": message}
                    text = json.dumps(
                        {"id": "1", "object": "chat.completion", "created": 0, "model": "m", "choices": [choice]}
                    )
                try:
                    self.send_response(status)
                    for name, value in ({"Content-Type": "application/json"} | headers).items():
                        self.send_header(name, value)
                    self.end_headers()
                    self.wfile.write(text.encode())
                except OSError:
                    pass  # the client has stopped waiting

            def log_message(self, *_):
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}/v1"

    def __enter__(self):
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *_):
        self._server.shutdown()
        self._server.server_close()
