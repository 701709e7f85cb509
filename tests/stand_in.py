"""A stand-in for the OpenAI API: a real HTTP server that answers as told, and remembers what it was asked.

Used as an async context manager in the test's own event loop; a worker in another process may call it too::

    async with StandIn() as api:
        api.answer(failure(429, headers={"Retry-After": "2"}))  # the first call; later ones get a good answer
        ...
        assert api.calls == 2
"""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import json
import ssl
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Literal, Self

from aiohttp import web

DEEP = 100_000  # levels of nesting that no JSON parser of ours may stumble over


@dataclass(frozen=True)
class Answer:
    """One scripted answer; `None` as body means: what OpenAI would say."""

    status: int = 200
    body: Any = None
    """A JSON value."""
    content: bytes | None = None
    """Bytes in place of `body`, sent as they are."""
    headers: Sequence[tuple[str, str]] = ()
    """Sent beside the usual ones; a name may stand there twice."""
    delay: float = 0
    """Seconds before the answer begins."""
    drop: Literal["", "before", "headers", "body"] = ""
    """Where the connection is cut: before anything was sent, after the headers, or in the middle of the
    body."""
    raw: bytes | None = None
    """The whole HTTP response as bytes, for what no well-behaved server sends; the connection is closed
    after it."""
    stay: float = 0
    """Seconds for which the connection stays open after `raw`."""


@dataclass(frozen=True)
class Request:
    """What was received."""

    path: str
    """With the query, as it came over the wire."""
    headers: list[tuple[str, str]]
    """As received: names not changed, in their order, repeated ones repeated."""
    content: bytes
    json: Any = field(default=None)

    def header(self, name: str) -> str | None:
        """Give a header's value, its name in any case; None when it is not there."""
        return next((value for key, value in self.headers if key.lower() == name.lower()), None)


def failure(
    status: int,
    message: str = "No.",
    *,
    code: str | None = None,
    kind: str = "invalid_request_error",
    param: str | None = None,
    headers: Mapping[str, str] | None = None,
) -> Answer:
    """Make an error in OpenAI's shape."""
    body = {"error": {"message": message, "type": kind, "param": param, "code": code}}
    return Answer(status, body, headers=tuple((headers or {}).items()))


def text_answer(text: str, content_type: str = "text/html") -> Answer:
    """Make an answer that is no JSON."""
    return Answer(content=text.encode(), headers=(("Content-Type", content_type),))


def gzipped(body: Any) -> Answer:
    """Make a good answer, packed."""
    return Answer(content=gzip.compress(json.dumps(body).encode()), headers=(("Content-Encoding", "gzip"),))


def chat_body(
    *texts: str | None, model: str = "gpt-6-luna", messages: Iterable[Mapping[str, Any]] = ()
) -> dict[str, Any]:
    """Make the body of a chat answer, with a choice for each text or whole message."""
    said = [{"role": "assistant", "content": text, "refusal": None} for text in texts] + [
        dict(m) for m in messages
    ]
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1795000000,
        "model": model,
        "choices": [
            {"index": index, "message": message, "logprobs": None, "finish_reason": "stop"}
            for index, message in enumerate(said)
        ],
        "usage": {"prompt_tokens": 9, "completion_tokens": 3, "total_tokens": 12},
    }


def moderation_body(*results: Mapping[str, float]) -> dict[str, Any]:
    """Make the body of a moderation answer from each text's scores; 0.5 and above is flagged."""
    return {
        "id": "modr-1",
        "model": "omni-moderation-latest",
        "results": [
            {
                "flagged": any(score >= 0.5 for score in scores.values()),
                "categories": {name: score >= 0.5 for name, score in scores.items()},
                "category_scores": dict(scores),
            }
            for scores in results
        ],
    }


def deeply_nested(levels: int = DEEP) -> Answer:
    """Make an answer whose usage is a list in a list in a list …"""
    body = json.dumps(chat_body("Hello") | {"usage": None}).replace(
        '"usage": null', f'"usage": {"[" * levels}{"]" * levels}'
    )
    return Answer(content=body.encode(), headers=(("Content-Type", "application/json"),))


Script = Callable[[Request], Answer | None]


class StandIn:
    """The server. Answers come from `answer(...)` in their order, then from `always(...)`, else they are good ones."""

    def __init__(
        self, *, delay: float = 0, tls: ssl.SSLContext | None = None, host: str = "127.0.0.1"
    ) -> None:
        self.requests: list[Request] = []
        self.most_in_flight = 0
        self.in_flight = 0
        self._delay = delay
        self._tls = tls
        self._host = host
        self._transports: set[asyncio.Transport] = set()
        self._open = asyncio.Event()
        self._open.set()
        self._queue: list[Answer] = []
        self._always: Answer | Script | None = None
        self._server: asyncio.Server | None = None
        self._web: web.Server | None = None

    @property
    def calls(self) -> int:
        """How many requests have come."""
        return len(self.requests)

    @property
    def connections_made(self) -> int:
        """How many connections have brought a request."""
        return len(self._transports)

    @property
    def connections(self) -> int:
        """How many of them are open now."""
        return sum(not transport.is_closing() for transport in self._transports)

    @property
    def port(self) -> int:
        """The port listened on."""
        assert self._server is not None
        return int(self._server.sockets[0].getsockname()[1])

    @property
    def origin(self) -> str:
        """Scheme, host and port."""
        host = f"[{self._host}]" if ":" in self._host else self._host
        return f"{'https' if self._tls else 'http'}://{host}:{self.port}"

    @property
    def base_url(self) -> str:
        """What to set as OPENAI_BASE_URL or `openai_baseUrl`."""
        return f"{self.origin}/v1"

    def answer(self, *answers: Answer) -> None:
        """Answer the next calls so, one after the other."""
        self._queue.extend(answers)

    def always(self, answer: Answer | Script | None) -> None:
        """Answer every call so for which nothing is queued.

        A function may choose by the request (None: a good one).
        """
        self._always = answer

    def hold(self) -> None:
        """Keep all answers back until `release`; requests are received and counted meanwhile."""
        self._open.clear()

    def release(self) -> None:
        """Give the answers that were held, and those to come at once."""
        self._open.set()

    async def until(self, is_so: Callable[[], bool], *, seconds: float = 60) -> None:
        """Wait until something holds, such as `lambda: api.in_flight == 300`."""
        async with asyncio.timeout(seconds):
            while not is_so():  # what is waited for may be anything
                await asyncio.sleep(0.005)

    async def __aenter__(self) -> Self:
        self._web = web.Server(self._handle, access_log=None, lingering_time=0, handler_cancellation=True)
        self._server = await asyncio.get_running_loop().create_server(
            self._web, self._host, 0, ssl=self._tls, backlog=2048
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, place: TracebackType | None
    ) -> None:
        assert self._server is not None
        assert self._web is not None
        self._server.close()
        for transport in self._transports:
            transport.abort()  # the shutdown would wait for connections that are idle
        await self._web.shutdown(0.1)

    async def _handle(self, received: web.BaseRequest) -> web.StreamResponse:
        if received.transport is not None:
            self._transports.add(received.transport)
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        try:
            request = await self._record(received)
            answer = self._next(request)
            await self._open.wait()
            await asyncio.sleep(answer.delay or self._delay)
            return await self._send(received, request, answer)
        finally:
            self.in_flight -= 1

    async def _record(self, received: web.BaseRequest) -> Request:
        content = await received.content.read()  # of any length
        parsed = None
        with contextlib.suppress(ValueError):
            parsed = json.loads(content)
        headers = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in received.raw_headers]
        request = Request(received.raw_path, headers, content, parsed)
        self.requests.append(request)
        return request

    def _next(self, request: Request) -> Answer:
        if self._queue:
            return self._queue.pop(0)
        answer = self._always(request) if callable(self._always) else self._always
        return answer or Answer()

    async def _send(self, received: web.BaseRequest, request: Request, answer: Answer) -> web.StreamResponse:
        transport = received.transport
        assert transport is not None
        content = _content(request, answer)
        response = web.StreamResponse(status=answer.status)
        response.headers["Content-Type"] = "application/json"
        names = {name.lower() for name, _ in answer.headers}
        if "content-type" in names:
            del response.headers["Content-Type"]
        for name, value in answer.headers:
            response.headers.add(name, value)
        if answer.raw is not None:
            transport.write(answer.raw)
            await asyncio.sleep(answer.stay)
            transport.close()
            return response
        if answer.drop == "before":
            transport.abort()
            return response
        response.content_length = len(content)
        await response.prepare(received)
        with contextlib.suppress(ConnectionError):
            if answer.drop == "headers":
                content = b""
            elif answer.drop == "body":
                content = content[: len(content) // 2]
            await response.write(content)
            if answer.drop:
                await asyncio.sleep(0.05)  # let what was sent arrive first
                transport.abort()
            else:
                await response.write_eof()
        return response


def _content(request: Request, answer: Answer) -> bytes:
    if answer.content is not None:
        return answer.content
    body = answer.body
    if body is None:
        if answer.status in (204, 304):
            return b""
        asked = request.json if isinstance(request.json, dict) else {}
        if request.path.split("?")[0].endswith("/moderations"):
            texts = asked.get("input") if isinstance(asked.get("input"), list) else [asked.get("input")]
            body = moderation_body(
                *({"violence": 0.9 if "kill" in str(text) else 0.1} for text in texts or ())
            )
        else:
            number = asked.get("n", 1)
            count = number if isinstance(number, int) else 1
            body = chat_body(*(f"Answer {n + 1}" for n in range(count)), model=str(asked.get("model")))
    return json.dumps(body).encode()
