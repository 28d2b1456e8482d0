"""A chat endpoint on 127.0.0.1 that behaves as badly as it is instructed."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from rewardax.wrappers.judges import HTTPJudge, Query, Verdict

NOW = {"retry-after-ms": "5"}  # the client's own retries, without its half-second pauses


class Server:
    """A chat endpoint whose behavior is one function of (request number, request body, handler)."""

    def __init__(self) -> None:
        self.behave: Callable[[int, dict[str, Any], BaseHTTPRequestHandler], None] = answer(0.5)
        self.requests: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        lock = threading.Lock()
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["content-length"])))
                with lock:
                    number = len(server.requests)
                    server.requests.append(body)
                    server.headers.append({k.lower(): v for k, v in self.headers.items()})
                with suppress(BrokenPipeError, ConnectionResetError):  # the client gave up first
                    server.behave(number, body, self)

            def log_message(self, *args: Any) -> None: ...

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.http.daemon_threads = True
        self.http.block_on_close = False
        self.url = f"http://127.0.0.1:{self.http.server_address[1]}/v1"
        threading.Thread(target=self.http.serve_forever, args=(0.01,), daemon=True).start()

    def judge(self, **options: Any) -> HTTPJudge:
        return HTTPJudge(self.url, "tiny", **{"timeout": 5.0, "max_retries": 2, **options})


@contextmanager
def running() -> Iterator[Server]:
    server = Server()
    try:
        yield server
    finally:
        server.http.shutdown()
        server.http.server_close()


def send(handler: BaseHTTPRequestHandler, data: bytes, status: int = 200, **headers: str) -> None:
    handler.send_response(status)
    for name, value in {
        "content-type": "application/json",
        "content-length": str(len(data)),
        **headers,
    }.items():
        handler.send_header(name, value)
    handler.end_headers()
    handler.wfile.write(data)


def completion(content: Any, finish: str = "stop", **message: Any) -> bytes:
    message = {"role": "assistant", "content": content, **message}
    usage = {"prompt_tokens": 100, "completion_tokens": 20, "total_tokens": 120}
    return json.dumps({"choices": [{"message": message, "finish_reason": finish}], "usage": usage}).encode()


def key_of(body: dict[str, Any]) -> str:
    found = re.search(r'"key": "(\w+)"', body["messages"][0]["content"])
    assert found
    return found[1]


def verdict(body: dict[str, Any], score: Any, **change: Any) -> str:
    return json.dumps({"key": key_of(body), "score": score, "reason": "because", **change})


def answer(score: Any, before: str = "", after: str = "", **change: Any) -> Callable[..., None]:
    return lambda n, body, handler: send(handler, completion(before + verdict(body, score, **change) + after))


def ask(server: Server, text: str = "you pick up the key", **options: Any) -> Verdict:
    return server.judge(**options)([Query(text)])[0]
