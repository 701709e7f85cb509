"""The API as a server: its wire, its faults, its books."""

from __future__ import annotations

import asyncio
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from types import TracebackType
from typing import Final, Self

from tests.openai_stand_in import published
from tests.openai_stand_in.answers import Decide, fate_of
from tests.openai_stand_in.errors import ApiError, InvalidRequestError, not_found
from tests.openai_stand_in.exchange import Received, Reply, Wait, refusal
from tests.openai_stand_in.faults import Call, Choose, never, refused
from tests.openai_stand_in.http import Exchange, Server
from tests.openai_stand_in.ledger import Ledger
from tests.openai_stand_in.lines import Fates, LineWay
from tests.openai_stand_in.prompts import prompt_in
from tests.openai_stand_in.routes import Routes
from tests.openai_stand_in.world import Pace, Retention, World

CONTROL: Final = "/stand-in/"
"""What is no part of the API: the books, and the clock, for tests in other processes."""


class OpenAI:
    """The whole stand-in; a server while its context is open.

    Args:
        seed: all dice fall by it.
        scale: seconds of the API's time in one of ours.
        pace: how long things take.
        retention: what `store` means for the projects.
        decide: how an answer ends, by what is asked and how often this prompt has been.
        choose: what goes wrong with a call.
        drops_unread: whether a connection breaks before a call's body is read.
        fates: how lines of batches end.
        strict: whether requests that no well-made client sends are written down, besides being refused.
        keys: the API keys that are known; None: any.
        project_of: the project of a key; those of one see each other's objects.
        host: to listen at.
        port: to listen at; 0: any.
    """

    def __init__(
        self,
        *,
        seed: int = 0,
        scale: float = 1,
        pace: Pace | None = None,
        retention: Retention = "standard",
        decide: Decide = fate_of,
        choose: Choose = never,
        drops_unread: Callable[[Call], bool] = lambda call: False,
        fates: Fates | None = None,
        strict: bool = True,
        keys: frozenset[str] | None = None,
        project_of: Callable[[str], str] = lambda key: "project",
        host: str = "127.0.0.1",
        port: int = 0,
    ) -> None:
        self.world = World(
            seed=seed, scale=scale, pace=pace, retention=retention, decide=decide, strict=strict
        )
        self.choose = choose
        self.drops_unread = drops_unread
        self.calls: list[Call] = []
        self.drifted: list[str] = []
        """Answers that do not fit the published types, and errors: faults of the stand-in itself."""
        self._routes = Routes(self.world, fates or Fates(), keys=keys, project_of=project_of)
        self._asked: Counter[tuple[str, str]] = Counter()
        self._host = host
        self._server = Server(self._is_refused_unread, self._exchange, host, port)

    @property
    def origin(self) -> str:
        """Scheme, host and port."""
        return f"http://{self._host}:{self._server.port}"

    @property
    def base_url(self) -> str:
        """What to set as OPENAI_BASE_URL or `openai_baseUrl`."""
        return f"{self.origin}/v1"

    @property
    def ledger(self) -> Ledger:
        """What was bought."""
        return self.world.ledger

    @property
    def complaints(self) -> list[str]:
        """What was asked that no well-made client asks."""
        return self.world.complaints

    @property
    def kept(self) -> int:
        """How many responses are there to be fetched."""
        return len(self._routes.responses)

    @property
    def connections(self) -> int:
        """How many connections there are whose other side has not hung up."""
        return self._server.connections

    @property
    def connections_made(self) -> int:
        """How many connections there have been."""
        return self._server.accepted

    @property
    def batches(self) -> list[int]:
        """How many lines each batch has that was run."""
        return [sizes for sizes in self._routes.batches.sizes() if sizes]

    @property
    def files(self) -> int:
        """How many files it keeps."""
        return self._routes.files.count

    def fates(self, line: Callable[[str, int], LineWay]) -> None:
        """Choose how lines of batches end from now on."""
        self._routes.batches.fates = Fates(line=line)

    def advance(self, seconds: float) -> None:
        """Let time jump ahead."""
        with self.world.lock:
            self.world.clock.advance(seconds)
            self.world.settle()

    def count(self, endpoint: str) -> int:
        """Count the calls of an endpoint, such as `GET /v1/responses/{id}`."""
        return sum(call.endpoint == endpoint for call in self.calls)

    def label(self, received: Received) -> str:
        """Return which endpoint is meant, such as `GET /v1/responses/{id}`."""
        return self._routes.label(received)

    def handle(self, received: Received) -> Reply | Wait:
        """Do what a request asks."""
        with self.world.lock:
            return self._guarded(received, lambda: self._done(received))

    def _done(self, received: Received) -> Reply | Wait:
        self.world.settle()
        return self._controlled(received) if _is_control(received) else self._routes.do(received)

    def _guarded(self, received: Received, do: Callable[[], Reply | Wait]) -> Reply | Wait:
        """Return a reply, also where there is an error."""
        asked = f"{received.method} {received.path}"
        try:
            return do()
        except InvalidRequestError as error:
            self.world.complain(asked, error)
            return refusal(error)
        except ApiError as error:
            return refusal(error)
        except Exception as error:
            self.drifted.append(f"{asked}: {error!r}")
            return refusal(ApiError(500, repr(error), kind="server_error"))

    def _controlled(self, received: Received) -> Reply:
        match received.path.removeprefix(CONTROL):
            case "ledger":
                return Reply(self.ledger.summary())
            case "complaints":
                return Reply(self.complaints + self.drifted)
            case "clock":
                if isinstance(received.json, dict):
                    self.advance(received.json.get("advance", 0))
                    self.world.clock.scale = received.json.get("scale", self.world.clock.scale)
                return Reply({"now": self.world.now, "scale": self.world.clock.scale})
        raise not_found("page", received.path)

    def _call(self, received: Received, prompt: str = "") -> Call:
        request_id = received.headers.get("x-client-request-id", "")
        label, now = self._routes.label(received), time.time()
        return Call(label, received.path, received.key, request_id, prompt, arrived=now)

    def _is_refused_unread(self, head: Received) -> bool:
        if _is_control(head):
            return False
        call = self._call(head)
        self._asked[f"unread {call.endpoint}", call.path] += 1
        call.nth = self._asked[f"unread {call.endpoint}", call.path]
        if not self.drops_unread(call):
            return False
        call.way = "reset unread"
        self.calls.append(call)
        return True

    async def _exchange(self, received: Received) -> Exchange:
        if _is_control(received):
            reply = self.handle(received)
            return Exchange(reply if isinstance(reply, Reply) else None)
        call = self._call(received, prompt_in(received.json))
        self._asked[call.endpoint, call.prompt or call.path] += 1
        call.nth = self._asked[call.endpoint, call.prompt or call.path]
        self.calls.append(call)
        way = self.choose(call)
        call.way = way.kind
        if way.kind in ("reset before", "hang"):
            return Exchange(None, way)
        error = refused(way)
        reply = refusal(error) if error else await self._ripe(received)
        reply = self._checked(reply)
        call.status = reply.status
        return Exchange(self._with_headers(reply), way)

    async def _ripe(self, received: Received) -> Reply:
        reply = self.handle(received)
        if isinstance(reply, Reply):
            return reply
        await self.world.clock.sleep_until(reply.until)
        with self.world.lock:
            ripe = self._guarded(received, lambda: self._then(reply))
        assert isinstance(ripe, Reply)
        return ripe

    def _then(self, wait: Wait) -> Reply:
        self.world.settle()
        return wait.then()

    def _checked(self, reply: Reply) -> Reply:
        """Return the reply, if it is one that the published API gives."""
        try:
            if reply.kind:
                published.check_answer(reply.kind, reply.body)
        except published.DriftError as error:
            self.drifted.append(str(error))
            return Reply({"error": {"message": str(error), "type": "drifted"}}, 500)
        return reply

    def _with_headers(self, reply: Reply) -> Reply:
        headers: Mapping[str, str] = {
            "x-request-id": self.world.new_id("req_"),
            "openai-version": "2020-10-01",
            "openai-processing-ms": "10",
            **reply.headers,
        }
        return Reply(reply.body, reply.status, reply.kind, reply.content, headers, reply.purchases)

    async def __aenter__(self) -> Self:
        await self._server.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._server.close()

    @contextmanager
    def in_thread(self) -> Iterator[Self]:
        """Run in a thread of its own, for callers that have no event loop to share."""
        loop = asyncio.new_event_loop()
        thread = threading.Thread(target=loop.run_forever, daemon=True)
        thread.start()
        try:
            asyncio.run_coroutine_threadsafe(self._server.start(), loop).result()
            yield self
        finally:
            asyncio.run_coroutine_threadsafe(self._server.close(), loop).result()
            loop.call_soon_threadsafe(loop.stop)
            thread.join()
            loop.close()


def _is_control(received: Received) -> bool:
    return received.path.startswith(CONTROL)
