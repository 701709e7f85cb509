"""An API that keeps books: each answer that it has produced is bought, whoever gets it.

It thinks to the end even where nobody waits any more, which is the dearest way an API may count.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from types import TracebackType
from typing import Final, Self

from tests.faults.link import reset
from tests.faults.schedule import Choice
from tests.stand_in import chat_body

LONG = 7.0
"""Seconds that a slow answer takes: longer than a lease, shorter than the call's timeout."""
DRIPS, DRIP_SECONDS = 20, 3.0
KEY: Final = "sk-worker-"
"""How an API key begins; then comes the number of the worker process."""
REFUSALS: Final = {
    "429 with a hint": (429, "Retry-After: 1"),
    "429": (429, ""),
    "408": (408, ""),
    "500": (500, ""),
    "503": (503, ""),
}
BROKEN: Final = frozenset({"truncated", "reset before"})
"""Ways of the API by which no worker can get what it has paid for."""


@dataclass(slots=True)
class Call:
    """One request that arrived whole."""

    life: int
    """Which worker process sent it: each has a key of its own."""
    job_key: int
    request_id: str
    """As the worker sends it; its first part is the job's key."""
    body: str
    """The hash of the request's body."""
    way: str
    arrived: float
    """Seconds since the epoch."""
    bought: float | None = None
    """When the answer was produced; None: there was none to pay for."""
    left: float | None = None
    """When the worker hung up before it had its answer."""


class Limit:
    """Requests a minute, counted as OpenAI does: a bucket of one minute's requests that fills up steadily.

    Args:
        a_minute: how many there may be.
        clock: in seconds.
    """

    def __init__(self, a_minute: int, clock: Callable[[], float] = time.monotonic) -> None:
        self.a_minute = a_minute
        self._clock = clock
        self._left = float(a_minute)
        self._since = clock()

    def take(self) -> bool:
        """Take one request out of the bucket; False: it is empty."""
        now = self._clock()
        self._left = min(self.a_minute, self._left + (now - self._since) * self.a_minute / 60)
        self._since = now
        if self._left < 1:
            return False
        self._left -= 1
        return True

    def headers(self) -> str:
        """Return what a response says of it."""
        full_in = (self.a_minute - self._left) * 60 / self.a_minute
        lines = [
            f"x-ratelimit-limit-requests: {self.a_minute}",
            f"x-ratelimit-remaining-requests: {int(self._left)}",
            f"x-ratelimit-reset-requests: {full_in:.3f}s",
        ]
        if self._left < 1:
            lines.append(f"Retry-After: {max(1, round((1 - self._left) * 60 / self.a_minute))}")
        return "\r\n".join(lines)


def answer_to(prompt: str) -> str:
    """Return the one right answer to a prompt."""
    return f"answer {hashlib.sha256(prompt.encode()).hexdigest()[:12]}"


class Seller:
    """The server.

    Args:
        choose: how to answer a prompt that is asked for the nth time.
    """

    def __init__(self, choose: Callable[[str, int], Choice]) -> None:
        self.calls: list[Call] = []
        self.outage = ""
        """The way in which every call is answered, meanwhile."""
        self.limit: Limit | None = None
        """How many requests there may be; None: any number."""
        self._choose = choose
        self._asked: Counter[str] = Counter()
        self._writers: set[asyncio.StreamWriter] = set()
        self._server: asyncio.Server | None = None

    @property
    def place(self) -> tuple[str, int]:
        """Host and port."""
        assert self._server is not None
        return "127.0.0.1", int(self._server.sockets[0].getsockname()[1])

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        with suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            while await self._serve(reader, writer):
                pass
        self._writers.discard(writer)
        writer.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Answer one request; False ends the connection."""
        head = await reader.readuntil(b"\r\n\r\n")
        headers = dict(line.lower().split(": ", 1) for line in head.decode("latin-1").split("\r\n")[1:-2])
        body = await reader.readexactly(int(headers["content-length"]))
        prompt = json.loads(body)["messages"][-1]["content"]
        self._asked[prompt] += 1
        way, seconds = self._choose(prompt, self._asked[prompt])
        request_id = headers["x-client-request-id"]
        hashed = hashlib.sha256(body).hexdigest()
        life = int(headers["authorization"].removeprefix(f"bearer {KEY}"))
        call = Call(life, int(request_id.split("-")[0]), request_id, hashed, way, time.time())
        self.calls.append(call)
        call.way = self.outage or call.way
        if self.limit is not None and not self.limit.take():
            call.way = "429"
        if call.way in REFUSALS:
            status, header = REFUSALS[call.way]
            header = header or self._of_limit()
            writer.write(
                _response({"error": {"message": "Not now.", "type": "server_error"}}, status, header)
            )
            return True
        if call.way == "hang":
            await reader.read(1)  # until the other side has had enough
            return False
        await self._think(call, LONG if way == "slow" else seconds, reader)
        return await self._answer(call, prompt, writer)

    async def _think(self, call: Call, seconds: float, reader: asyncio.StreamReader) -> None:
        """Take so long, to the end even if the other side hangs up; it sends nothing in the meantime."""
        end = time.monotonic() + seconds
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                with suppress(OSError):
                    await reader.read(1)
                call.left = time.time()
        await asyncio.sleep(max(0.0, end - time.monotonic()))

    async def _answer(self, call: Call, prompt: str, writer: asyncio.StreamWriter) -> bool:
        if call.way == "not json":
            writer.write(_response("<html>Welcome</html>"))
            return True
        if call.way == "no choices":
            writer.write(_response({}))
            return True
        call.bought = time.time()
        whole = _response(chat_body(answer_to(prompt)), header=self._of_limit())
        match call.way:
            case "drip":
                size = len(whole) // DRIPS + 1
                for begin in range(0, len(whole), size):
                    writer.write(whole[begin : begin + size])
                    await writer.drain()
                    await asyncio.sleep(DRIP_SECONDS / DRIPS)
            case "truncated":
                writer.write(whole[: len(whole) // 2])
                return False
            case "reset before":
                reset(writer)
                return False
            case "reset after":
                writer.write(whole)
                await asyncio.sleep(0.05)
                reset(writer)
                return False
            case "sent twice":
                writer.write(whole + whole)
            case "unasked 408":
                writer.write(whole)
                await asyncio.sleep(0.05)
                writer.write(_response("", 408))
            case "length twice":
                writer.write(
                    whole.replace(b"\r\n\r\n", b"\r\n" + _line(whole, b"Content-Length") + b"\r\n\r\n", 1)
                )
            case "latin-1 reason":
                writer.write(whole.replace(b"200 Said", b"200 D'accord, \xe9tudi\xe9", 1))
            case _:
                writer.write(whole)
        await writer.drain()
        return True

    def _of_limit(self) -> str:
        return "" if self.limit is None else self.limit.headers()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._connected, "127.0.0.1", 0)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._server is not None
        self._server.close()
        for writer in self._writers:
            writer.transport.abort()


def _response(body: object, status: int = 200, header: str = "") -> bytes:
    content = body.encode() if isinstance(body, str) else json.dumps(body).encode()
    kind = "text/html" if isinstance(body, str) else "application/json"
    lines = [f"HTTP/1.1 {status} Said", f"Content-Type: {kind}", f"Content-Length: {len(content)}"]
    return "\r\n".join([*lines, *([header] if header else [])]).encode() + b"\r\n\r\n" + content


def _line(response: bytes, name: bytes) -> bytes:
    return next(line for line in response.split(b"\r\n") if line.startswith(name))
