"""A language model behind any OpenAI-compatible endpoint as a judge."""

from __future__ import annotations

import json
import math
import os
import threading
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import urlsplit

from rewardax.base.errors import MissingPackage, UserError
from rewardax.wrappers.judges.core import Query, Verdict, digest, require_range
from rewardax.wrappers.judges.protocol import FRAME, MATERIAL, compose, read_verdict

PROMPT = """You judge single events from a game in which an agent should solve its task without detours. \
Score how much the event helps to solve the task: the lowest score for no help or for harm, \
the highest for solving it."""
REASON = 500  # characters kept of a reason
OWN_FIELDS = {"model", "messages", "stream", "n"}


class _BadReply(Exception):
    """The endpoint answered, but not with a usable completion; the message says how."""


@dataclass(frozen=True)
class HTTPJudge:
    """Ask a chat model for a strict JSON verdict ``{"key", "score", "reason"}``; everything else is NaN.

    A refusal, a reply cut off, a score off the scale, a missing or wrong key, two contradicting readings, a
    time-out or an HTTP error left after the retries: NaN with the reason, never zero, never an exception.
    Text that tries to smuggle in a verdict fails because a verdict must echo a key the text cannot know
    (:mod:`rewardax.wrappers.judges.protocol`). A model that is *persuaded* by the text is not detected:
    measure that.

    Retries (connection errors, time-outs, 408, 409, 429, 5xx, ``Retry-After`` up to two minutes) are the
    ``openai`` client's, and only those. A body that breaks off or drips in too slowly is not retried.

    Args:
        base_url: for example ``"https://api.openai.com/v1"`` or ``"http://127.0.0.1:8000/v1"``; without
            credentials.
        model: the model's name at that endpoint. Caches tell judges apart by model, prompt and scale, not by
            address.
        prompt: what to judge and by which standard. Framing and reply format are added.
        low, high: the scale of the score.
        api_key_env: name of the environment variable with the key; None sends no real key (local servers).
            The key is read once, kept out of ``repr``, configs, names, reasons and raw replies.
        max_concurrency: requests in flight at most, over all callers of this judge.
        timeout: seconds for connecting, for each read, and for a whole body.
        max_retries: tries after the first one.
        max_reply_bytes: a longer body is dropped unread.
        prices: currency per million input and output tokens, for ``Verdict.cost``.
        options: further fields of the request, for example ``{"temperature": 0, "max_tokens": 256}``.
        connect: False builds a judge that cannot be called and needs neither key nor ``openai``: for
            replaying a cache.

    Raises:
        ImportError: the ``openai`` package is missing.
        UserError: a bad address, number or option, or the key's variable is not set.

    >>> HTTPJudge("http://127.0.0.1:8000/v1", "my-model", connect=False).name.split("@")[0]
    'my-model'
    """

    base_url: str
    model: str
    prompt: str = PROMPT
    low: float = 0.0
    high: float = 1.0
    api_key_env: str | None = None
    max_concurrency: int = 4
    timeout: float = 30.0
    max_retries: int = 2
    max_reply_bytes: int = 65536
    prices: tuple[float, float] = (0.0, 0.0)
    options: Mapping[str, Any] = field(default_factory=lambda: {"temperature": 0.0, "max_tokens": 256})
    connect: bool = field(default=True, compare=False, repr=False)
    _client: Any = field(default=None, init=False, compare=False, repr=False)
    _secret: str = field(default="", init=False, compare=False, repr=False)
    _slots: Any = field(default=None, init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        url = urlsplit(self.base_url)
        if url.scheme not in ("http", "https") or not url.hostname:
            raise UserError("base_url must look like https://host/v1")
        if url.username or url.password or url.query:
            raise UserError("base_url must not carry credentials or a query; name the key's variable in api_key_env")
        require_range(self.low, self.high)
        if self.max_concurrency < 1 or self.max_retries < 0 or self.max_reply_bytes < 1:
            raise UserError("max_concurrency and max_reply_bytes are at least 1, max_retries at least 0")
        if not (math.isfinite(self.timeout) and self.timeout > 0):
            raise UserError(f"timeout is a positive number of seconds, got {self.timeout}")
        if len(self.prices) != 2 or not all(math.isfinite(p) and p >= 0 for p in self.prices):
            raise UserError(f"prices are two numbers >= 0 per million tokens (input, output), got {self.prices}")
        if clash := OWN_FIELDS & set(self.options):
            raise UserError(f"options must not set {sorted(clash)}: the judge does")
        try:
            json.dumps(dict(self.options))
        except (TypeError, ValueError) as error:
            raise UserError(f"options go into a JSON request: {error}") from None
        object.__setattr__(self, "prices", tuple(self.prices))
        object.__setattr__(self, "_slots", threading.BoundedSemaphore(self.max_concurrency))
        if self.connect:
            self._connect()

    def _connect(self) -> None:
        try:
            from openai import OpenAI
        except ImportError:
            raise MissingPackage(
                'HTTPJudge needs the openai client: pip install "rewardax[llm]" (ScriptedJudge needs nothing)'
            ) from None
        secret = os.environ.get(self.api_key_env, "") if self.api_key_env else ""
        if self.api_key_env and not secret:
            raise UserError(
                f"the environment variable {self.api_key_env} (api_key_env) is not set; "
                "set it to the endpoint's key, or pass api_key_env=None for an endpoint without one"
            )
        client = OpenAI(
            base_url=self.base_url,
            api_key=secret or "none",
            timeout=self.timeout,
            max_retries=self.max_retries,
        )
        object.__setattr__(self, "_secret", secret)
        object.__setattr__(self, "_client", client)

    @property
    def name(self) -> str:
        shape = (FRAME, MATERIAL, self.prompt, float(self.low), float(self.high), dict(self.options))
        return f"{self.model}@{digest(self.model, *shape, length=12)}"

    @property
    def deterministic(self) -> bool:
        return False

    def __call__(self, queries: Sequence[Query]) -> list[Verdict]:
        if self._client is None:
            raise RuntimeError(f"judge {self.name} was built with connect=False: it can only name a cache's entries")
        if not queries:
            return []
        with ThreadPoolExecutor(min(self.max_concurrency, len(queries)), "rewardax-judge") as pool:
            return list(pool.map(self._judge, queries))

    def _judge(self, query: Query) -> Verdict:
        with self._slots:
            start = time.monotonic()
            verdict = self._ask(query)
            latency = time.monotonic() - start
        return replace(
            verdict,
            reason=self._redact(verdict.reason)[:REASON],
            raw=self._redact(verdict.raw),
            latency=latency,
        )

    def _ask(self, query: Query) -> Verdict:
        verdict = Verdict.none("no reply")
        try:
            exchange = compose(self.name, self.prompt, query, self.low, self.high)
            body = self._post(exchange.messages)
            verdict = self._account(body)
            value, reason = read_verdict(_content(body), exchange.key, self.low, self.high)
            return replace(verdict, value=value, reason=reason)
        except _BadReply as error:
            return replace(verdict, reason=str(error))
        except Exception as error:  # whatever the transport throws, training goes on without a verdict
            status = getattr(error, "status_code", None)
            kind = f"HTTP {status}" if status else type(error).__name__
            return replace(verdict, reason=f"{kind}: {error}")

    def _post(self, messages: list[dict[str, str]]) -> dict[str, Any]:
        """One completion as decoded JSON, read under a size limit and a deadline."""
        create = self._client.chat.completions.with_streaming_response.create
        data = bytearray()
        with create(model=self.model, messages=messages, extra_body=dict(self.options)) as response:
            deadline = time.monotonic() + self.timeout
            for piece in response.iter_bytes():
                data += piece
                if len(data) > self.max_reply_bytes:
                    raise _BadReply(f"the reply is longer than {self.max_reply_bytes} bytes")
                if time.monotonic() > deadline:
                    raise _BadReply(f"the reply took longer than {self.timeout:g} s")
        try:
            body = json.loads(data.decode("utf-8"))
        except (ValueError, RecursionError) as error:
            raise _BadReply(f"the endpoint's reply is no JSON: {error}") from None
        if not isinstance(body, dict):
            raise _BadReply("the endpoint's reply is no JSON object")
        return body

    def _account(self, body: dict[str, Any]) -> Verdict:
        """An open verdict with usage, cost and raw reply, kept whatever becomes of the reply."""
        usage = body.get("usage")
        counts = usage if isinstance(usage, dict) else {}
        tokens = [counts.get(f"{side}_tokens") for side in ("prompt", "completion")]
        used, made = (n if isinstance(n, int) and not isinstance(n, bool) and n >= 0 else 0 for n in tokens)
        cost = (used * self.prices[0] + made * self.prices[1]) / 1e6
        return Verdict(math.nan, "no reply", _raw(body), used, made, cost)

    def _redact(self, text: str) -> str:
        return text.replace(self._secret, "[key]") if self._secret else text


def _choice(body: dict[str, Any]) -> dict[str, Any]:
    choices = body.get("choices")
    choice = choices[0] if isinstance(choices, list) and choices else None
    return choice if isinstance(choice, dict) else {}


def _raw(body: dict[str, Any]) -> str:
    message = _choice(body).get("message")
    text = message.get("content") if isinstance(message, dict) else None
    return text if isinstance(text, str) else json.dumps(body)


def _content(body: dict[str, Any]) -> str:
    """The model's words, or :class:`_BadReply` where it did not finish or refused."""
    choice = _choice(body)
    message = choice.get("message")
    if not isinstance(message, dict):
        raise _BadReply("the endpoint's reply has no choices[0].message")
    if choice.get("finish_reason") in ("length", "content_filter"):
        raise _BadReply(f"the reply was cut off ({choice['finish_reason']})")
    if message.get("refusal"):
        raise _BadReply(f"the model refused: {message['refusal']}")
    if not isinstance(message.get("content"), str):
        raise _BadReply("the endpoint's reply has no text")
    return message["content"]
