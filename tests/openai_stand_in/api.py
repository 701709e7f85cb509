"""The API: which request goes where, who may ask, and what is wrong with it."""

from __future__ import annotations

import asyncio
import re
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from types import TracebackType
from typing import Any, Final, Self

from tests.openai_stand_in import published
from tests.openai_stand_in.answers import Asked, Fate, fate_of
from tests.openai_stand_in.batches import Batches
from tests.openai_stand_in.chat import Chat
from tests.openai_stand_in.embeddings import Embeddings
from tests.openai_stand_in.errors import ApiError, InvalidRequestError, not_found
from tests.openai_stand_in.exchange import Received, Reply, Wait, page, refusal
from tests.openai_stand_in.faults import Call, Choose, never, refused
from tests.openai_stand_in.files import Files
from tests.openai_stand_in.http import Exchange, Server
from tests.openai_stand_in.ledger import Buyer, Ledger
from tests.openai_stand_in.lines import Endpoint, Fates
from tests.openai_stand_in.moderations import Moderations
from tests.openai_stand_in.prices import PRICES
from tests.openai_stand_in.prompts import prompt_in
from tests.openai_stand_in.responses import Responses
from tests.openai_stand_in.world import Pace, Retention, World

Handler = Callable[[Received, Buyer, str], Reply | Wait]

CONTROL: Final = "/stand-in/"
"""What is no part of the API: the books, and the clock, for tests in other processes."""


class OpenAI:
    """The whole stand-in; a server while its context is open.

    Args:
        seed: all dice fall by it.
        scale: seconds of the API's time in one of ours.
        pace: how long things take.
        retention: what `store` means for the projects.
        decide: how an answer ends.
        choose: what goes wrong with a call.
        drops_unread: whether a connection breaks before a call's body is read.
        fates: how lines of batches end.
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
        decide: Callable[[Asked], Fate] = fate_of,
        choose: Choose = never,
        drops_unread: Callable[[Call], bool] = lambda call: False,
        fates: Fates | None = None,
        keys: frozenset[str] | None = None,
        project_of: Callable[[str], str] = lambda key: "project",
        host: str = "127.0.0.1",
        port: int = 0,
    ) -> None:
        self.world = World(seed=seed, scale=scale, pace=pace, retention=retention, decide=decide)
        self.choose = choose
        self.drops_unread = drops_unread
        self.calls: list[Call] = []
        self.drifted: list[str] = []
        """Answers that do not fit the published types: faults of the stand-in itself."""
        self.responses = Responses(self.world)
        self.files = Files(self.world)
        self._endpoints: dict[str, Endpoint] = {
            endpoint.url: endpoint
            for endpoint in (
                self.responses,
                Chat(self.world),
                Moderations(self.world),
                Embeddings(self.world),
            )
        }
        self.batches = Batches(self.world, self.files, self._endpoints, fates or Fates())
        self._keys, self._project_of = keys, project_of
        self._asked: Counter[tuple[str, str]] = Counter()
        self._host = host
        self._server = Server(self._is_refused_unread, self._exchange, host, port)
        self._routes = [(re.compile(_pattern(label)), label, handler) for label, handler in self._handlers()]

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

    def advance(self, seconds: float) -> None:
        """Let time jump ahead."""
        self.world.clock.advance(seconds)
        self.world.settle()

    def count(self, endpoint: str) -> int:
        """Count the calls of an endpoint, such as `GET /v1/responses/{id}`."""
        return sum(call.endpoint == endpoint for call in self.calls)

    def handle(self, received: Received) -> Reply | Wait:
        """Do what a request asks."""
        with self.world.lock:
            self.world.settle()
            try:
                return self._routed(received)
            except InvalidRequestError as error:
                self.complaints.append(f"{received.method} {received.path}: {error.message} ({error.param})")
                return refusal(error)
            except ApiError as error:
                return refusal(error)

    def _routed(self, received: Received) -> Reply | Wait:
        if received.path.startswith(CONTROL):
            return self._controlled(received)
        buyer = received.buyer(self._project(received))
        handler, _, name = self._route(received)
        return handler(received, buyer, name)

    def _route(self, received: Received) -> tuple[Handler, str, str]:
        for pattern, label, handler in self._routes:
            if found := pattern.fullmatch(f"{received.method} {received.path}"):
                return handler, label, found[1] if found.groups() else ""
        raise InvalidRequestError(f"Invalid URL ({received.method} {received.path})")

    def _project(self, received: Received) -> str:
        if not received.key:
            raise ApiError(401, "You didn't provide an API key.")
        if self._keys is not None and received.key not in self._keys:
            raise ApiError(401, "Incorrect API key provided.", code="invalid_api_key")
        return self._project_of(received.key)

    def _handlers(self) -> Iterator[tuple[str, Handler]]:
        """Return every endpoint: its label, and what does it."""
        responses, files, batches = self.responses, self.files, self.batches
        yield "POST /v1/responses", self._create_response
        yield "GET /v1/responses/{id}", self._retrieve_response
        yield "DELETE /v1/responses/{id}", lambda _, buyer, name: responses.delete(name, buyer)
        yield "POST /v1/responses/{id}/cancel", lambda _, buyer, name: responses.cancel(name, buyer)
        yield "GET /v1/responses/{id}/input_items", self._input_items
        for url, endpoint in self._endpoints.items():
            if endpoint is not responses:
                yield f"POST {url}", self._plain(endpoint)
        yield "GET /v1/models", self._models
        yield "GET /v1/models/{id}", self._model
        yield "POST /v1/files", lambda received, buyer, _: files.upload(received, buyer)
        yield "GET /v1/files", self._list_files
        yield "GET /v1/files/{id}", lambda _, buyer, name: files.retrieve(name, buyer)
        yield "DELETE /v1/files/{id}", lambda _, buyer, name: files.delete(name, buyer)
        yield "GET /v1/files/{id}/content", lambda _, buyer, name: files.content(name, buyer)
        yield "POST /v1/batches", self._create_batch
        yield "GET /v1/batches", self._list_batches
        yield "GET /v1/batches/{id}", lambda _, buyer, name: batches.retrieve(name, buyer)
        yield "POST /v1/batches/{id}/cancel", lambda _, buyer, name: batches.cancel(name, buyer)

    def _json(self, received: Received, kind: str) -> dict[str, Any]:
        body = received.json
        if not isinstance(body, dict):
            raise InvalidRequestError("We could not parse the JSON body of your request.")
        if not received.headers.get("content-type", "").startswith("application/json"):
            raise InvalidRequestError("Unsupported content type: expected application/json.")
        published.check_request(kind, body)
        return body

    def _query(self, received: Received, kind: str) -> dict[str, Any]:
        query: dict[str, Any] = {}
        for name, value in received.query:
            if name.endswith("[]"):
                query.setdefault(name.removesuffix("[]"), []).append(value)
            else:
                query[name] = int(value) if value.isdecimal() else value
        published.check_request(kind, query)
        return query

    def _create_response(self, received: Received, buyer: Buyer, _: str) -> Reply | Wait:
        return self.responses.create(self._json(received, "responses"), buyer)

    def _retrieve_response(self, received: Received, buyer: Buyer, name: str) -> Reply:
        self._query(received, "response retrieval")
        return self.responses.retrieve(name, buyer)

    def _input_items(self, received: Received, buyer: Buyer, name: str) -> Reply:
        query = self._query(received, "input item list")
        items = self.responses.input_items(name, buyer)
        if query.get("order") == "asc":
            items.reverse()
        return Reply(page(items, limit=query.get("limit", 20), after=query.get("after")), kind="input items")

    def _plain(self, endpoint: Endpoint) -> Handler:
        """Return what answers in the foreground, and nowhere else."""

        def handler(received: Received, buyer: Buyer, _: str) -> Wait:
            body = self._json(received, endpoint.kind)
            asked = endpoint.check(body, buyer)
            fate = self.world.decide(asked)
            ends = self.world.now + self.world.seconds(asked, fate)
            done: list[Reply] = []

            def produce() -> None:
                try:
                    answer, purchase = endpoint.answer(body, asked, fate, buyer)
                    done.append(
                        Reply(answer, kind=endpoint.answer_kind, purchases=[purchase] if purchase else [])
                    )
                except ApiError as error:
                    done.append(refusal(error))

            self.world.at(ends, produce)  # whether or not anybody is there to get it
            return Wait(ends, lambda: done[0])

        return handler

    def _models(self, received: Received, buyer: Buyer, _: str) -> Reply:
        return Reply({"object": "list", "data": [_model_of(name) for name in PRICES]})

    def _model(self, received: Received, buyer: Buyer, name: str) -> Reply:
        if name not in PRICES:
            raise not_found("model", name)
        return Reply(_model_of(name), kind="model")

    def _list_files(self, received: Received, buyer: Buyer, _: str) -> Reply:
        query = self._query(received, "file list")
        items = self.files.listed(buyer, purpose=query.get("purpose"))
        if query.get("order") == "asc":
            items.reverse()
        return Reply(page(items, limit=query.get("limit", 10_000), after=query.get("after"), most=10_000))

    def _create_batch(self, received: Received, buyer: Buyer, _: str) -> Reply:
        return self.batches.create(self._json(received, "batches"), buyer)

    def _list_batches(self, received: Received, buyer: Buyer, _: str) -> Reply:
        query = self._query(received, "batch list")
        items = self.batches.listed(buyer)
        return Reply(page(items, limit=query.get("limit", 20), after=query.get("after")))

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
        try:
            _, endpoint, _ = self._route(received)
        except InvalidRequestError:
            endpoint = f"{received.method} {received.path}"
        request_id = received.headers.get("x-client-request-id", "")
        return Call(endpoint, received.path, request_id, prompt)

    def _is_refused_unread(self, head: Received) -> bool:
        if head.path.startswith(CONTROL):
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
        if received.path.startswith(CONTROL):
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
            self.world.settle()
            return reply.then()

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


def _pattern(label: str) -> str:
    return re.escape(label).replace(r"\{id\}", "([^/]+)")


def _model_of(name: str) -> dict[str, Any]:
    return {
        "id": name,
        "object": "model",
        "created": 1_790_000_000,
        "owned_by": "openai",
        "shutdown_date": None,
    }
