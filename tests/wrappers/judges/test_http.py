"""The HTTP judge against a server on 127.0.0.1 that misbehaves in every way we could think of."""

from __future__ import annotations

import json
import math
import re
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler
from typing import Any

import pytest
from support.judge_server import NOW, Server, answer, ask, completion, send, verdict

from rewardax.wrappers.judges import (
    Annotator,
    CachedJudge,
    HTTPJudge,
    Query,
    judge_from_config,
    judge_to_config,
)

pytest.importorskip("openai")

SECRET = "sk-very-secret-4711"


def test_a_well_formed_verdict_with_usage_and_cost(server: Server) -> None:
    found = ask(server, prices=(1.0, 10.0))
    assert (found.value, found.reason) == (0.5, "because")
    assert (found.input_tokens, found.output_tokens) == (100, 20)
    assert found.cost == pytest.approx(300e-6)
    assert found.latency > 0
    assert json.loads(found.raw)["score"] == 0.5
    request = server.requests[0]
    assert (request["model"], request["temperature"], request["max_tokens"]) == ("tiny", 0.0, 256)


def test_thinking_aloud_before_the_verdict_is_fine(server: Server) -> None:
    server.behave = answer(1, before='I see {"a": {"score": 3}} and {braces}. First guess: {"score": 0}.\n')
    assert ask(server).value == 1.0


def test_many_queries_come_back_in_order(server: Server) -> None:
    def behave(n: int, body: dict[str, Any], handler: BaseHTTPRequestHandler) -> None:
        number = int(re.search(r"event (\d+)", body["messages"][1]["content"])[1])  # type: ignore[index]
        time.sleep(0.002 * (number % 3))
        send(handler, completion(verdict(body, number)))

    server.behave = behave
    verdicts = server.judge(high=100.0)([Query(f"event {i}") for i in range(20)])
    assert [verdict.value for verdict in verdicts] == list(range(20))
    assert server.judge()([]) == []


@pytest.mark.parametrize("status", [408, 429, 500, 503])
def test_passing_trouble_is_retried(server: Server, status: int) -> None:
    good = answer(0.75)
    server.behave = lambda n, body, handler: send(handler, b"{}", status, **NOW) if n < 2 else good(n, body, handler)
    assert ask(server).value == 0.75
    assert len(server.requests) == 3


@pytest.mark.parametrize(("status", "tries"), [(429, 3), (500, 3), (400, 1), (401, 1), (404, 1)])
def test_lasting_trouble_is_nan_after_the_retries_of_one_mechanism(server: Server, status: int, tries: int) -> None:
    server.behave = lambda n, body, handler: send(handler, b'{"error": "no"}', status, **NOW)
    found = ask(server)
    assert math.isnan(found.value)
    assert found.reason.startswith(f"HTTP {status}")
    assert len(server.requests) == tries


def test_silence_is_a_time_out(server: Server) -> None:
    released = threading.Event()
    server.behave = lambda n, body, handler: released.wait(5.0) and None
    found = ask(server, timeout=0.2, max_retries=0)
    released.set()
    assert math.isnan(found.value)
    assert "Timeout" in found.reason


def test_a_body_that_drips_is_cut_at_the_deadline(server: Server) -> None:
    def drip(n: int, body: dict[str, Any], handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.end_headers()
        for _ in range(100):  # each read succeeds in time, the whole would take 5 s
            handler.wfile.write(b" ")
            handler.wfile.flush()
            time.sleep(0.05)

    server.behave = drip
    found = ask(server, timeout=0.3)
    assert math.isnan(found.value)
    assert "took longer than 0.3 s" in found.reason


def test_an_endless_body_is_dropped(server: Server) -> None:
    sent = []

    def flood(n: int, body: dict[str, Any], handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.end_headers()
        for _ in range(2000):
            handler.wfile.write(b"x" * 65536)
            sent.append(1)

    server.behave = flood
    found = ask(server, max_reply_bytes=10_000)
    assert math.isnan(found.value)
    assert "longer than 10000 bytes" in found.reason
    assert len(sent) < 2000


def test_a_connection_closed_in_the_middle_is_nan(server: Server) -> None:
    def stop(n: int, body: dict[str, Any], handler: BaseHTTPRequestHandler) -> None:
        data = completion(verdict(body, 1.0))
        handler.send_response(200)
        handler.send_header("content-length", str(len(data)))
        handler.end_headers()
        handler.wfile.write(data[: len(data) // 2])

    server.behave = stop
    assert math.isnan(ask(server).value)


def test_nobody_there_is_nan() -> None:
    found = HTTPJudge("http://127.0.0.1:9/v1", "tiny", max_retries=0, timeout=2.0)([Query("x")])[0]
    assert math.isnan(found.value)
    assert "Connection" in found.reason


def test_text_that_cannot_be_sent_is_nan_and_harms_no_neighbor(server: Server) -> None:
    good, bad = server.judge()([Query("fine"), Query("\ud800")])
    assert good.value == 0.5
    assert math.isnan(bad.value)
    assert "surrogates not allowed" in bad.reason


def test_no_more_requests_in_flight_than_allowed(server: Server) -> None:
    lock, active, most = threading.Lock(), 0, 0

    def slow(n: int, body: dict[str, Any], handler: BaseHTTPRequestHandler) -> None:
        nonlocal active, most
        with lock:
            active += 1
            most = max(most, active)
        time.sleep(0.03)
        with lock:
            active -= 1
        send(handler, completion(verdict(body, 0.5)))

    server.behave = slow
    judge = server.judge(max_concurrency=3)
    with ThreadPoolExecutor(3) as pool:  # three callers share the bound
        parts = pool.map(lambda i: judge([Query(f"{i} {j}") for j in range(8)]), range(3))
    assert all(verdict.value == 0.5 for part in parts for verdict in part)
    assert 1 < most <= 3


def test_the_key_is_sent_and_shown_nowhere(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_KEY", SECRET)
    judge = server.judge(api_key_env="MY_KEY")
    assert judge([Query("x")])[0].value == 0.5
    assert server.headers[0]["authorization"] == f"Bearer {SECRET}"
    refused = []
    for padding in range(400, 500, 8):  # the key lies across the place where reasons are cut
        error = json.dumps({"error": {"message": "x" * padding + SECRET}}).encode()
        server.behave = lambda n, body, handler, error=error: send(handler, error, 401)  # type: ignore[misc]
        refused += judge([Query("x")])
    assert max(len(verdict.reason) for verdict in refused) == 500
    server.behave = lambda n, body, handler: send(handler, completion(f"your key is {SECRET}"))
    echoed = judge([Query("x")])[0]
    assert "[key]" in echoed.raw
    shown = [
        repr(judge),
        str(judge),
        judge.name,
        json.dumps(judge_to_config(judge)),
        repr(refused),
        repr(echoed),
    ]
    for text in shown:
        assert SECRET[:8] not in text


def test_without_a_named_variable_no_key_of_the_environment_is_sent(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", SECRET)
    assert ask(server).value == 0.5
    assert SECRET not in json.dumps(server.headers)


def test_a_missing_key_or_package_is_said_at_the_door(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_SUCH_KEY", raising=False)
    with pytest.raises(ValueError, match=r"NO_SUCH_KEY.*is not set"):
        HTTPJudge("http://127.0.0.1:9/v1", "m", api_key_env="NO_SUCH_KEY")
    monkeypatch.setitem(sys.modules, "openai", None)
    with pytest.raises(ImportError, match=r'pip install "rewardax\[llm\]"'):
        HTTPJudge("http://127.0.0.1:9/v1", "m")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"base_url": "127.0.0.1:8000"}, "https://host"),
        ({"base_url": "ftp://host/v1"}, "https://host"),
        ({"base_url": "https://me:pw@host/v1"}, "credentials"),
        ({"base_url": "https://host/v1?key=pw"}, "credentials"),
        ({"low": 1.0}, "low < high"),
        ({"high": math.inf}, "low < high"),
        ({"timeout": 0.0}, "timeout"),
        ({"max_concurrency": 0}, "max_concurrency"),
        ({"max_retries": -1}, "max_retries"),
        ({"prices": (1.0, -1.0)}, "prices"),
        ({"options": {"stream": True}}, "stream"),
        ({"options": {"stop": {"a"}}}, "JSON request"),
    ],
)
def test_wrong_arguments_are_refused_without_repeating_secrets(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message) as caught:
        HTTPJudge(**{"base_url": "http://127.0.0.1:9/v1", "model": "m", "connect": False, **options})
    assert "pw" not in str(caught.value)


def test_names_follow_model_prompt_scale_and_options_but_not_the_address() -> None:
    def name(**options: Any) -> str:
        return HTTPJudge(**{"base_url": "http://a/v1", "model": "m", "connect": False, **options}).name

    assert name() == name(base_url="http://b/v1", timeout=1.0, max_concurrency=1, low=0, high=1)
    changes: list[dict[str, Any]] = [{"model": "n"}, {"prompt": "p"}, {"high": 2.0}, {"options": {}}]
    assert len({name(), *(name(**change) for change in changes)}) == 5


def test_a_recorded_run_replays_without_key_package_or_server(
    server: Server, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MY_KEY", SECRET)
    path = str(tmp_path / "verdicts.sqlite")
    config = judge_to_config(CachedJudge(server.judge(api_key_env="MY_KEY"), path))
    assert [v.value for v in judge_from_config(config)([Query("a"), Query("b")])] == [0.5, 0.5]
    asked = len(server.requests)
    monkeypatch.delenv("MY_KEY")
    monkeypatch.setitem(sys.modules, "openai", None)
    replay = judge_from_config({**config, "offline": True})
    assert [v.value for v in replay([Query("b"), Query("a")])] == [0.5, 0.5]
    assert math.isnan(replay([Query("c")])[0].value)
    assert len(server.requests) == asked == 2
    assert SECRET.encode() not in (tmp_path / "verdicts.sqlite").read_bytes()


def test_the_whole_way_from_captions_to_labels(server: Server, tmp_path: Any) -> None:
    def behave(n: int, body: dict[str, Any], handler: BaseHTTPRequestHandler) -> None:
        good = "key" in body["messages"][1]["content"]
        if n == 0:
            send(handler, b"busy", 429, **NOW)
        else:
            send(handler, completion(verdict(body, float(good)) if good else "hm"))

    server.behave = behave
    judge = CachedJudge(server.judge(), str(tmp_path / "v.sqlite"))
    with Annotator(judge, max_attempts=2) as annotator:
        annotator.submit([Query("you pick up the key", id=7), Query("you turn left", id=1)])
        assert annotator.wait(20.0)
        labels = annotator.poll()
    assert labels[7].value == 1.0
    assert math.isnan(labels[1].value)
    assert len(judge) == 1
