"""Which request goes where, and who may ask."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

from tests.openai_stand_in import published
from tests.openai_stand_in.batches import Batches
from tests.openai_stand_in.chat import Chat
from tests.openai_stand_in.embeddings import Embeddings
from tests.openai_stand_in.errors import ApiError, InvalidRequestError, not_found
from tests.openai_stand_in.exchange import Received, Reply, Wait, page, refusal
from tests.openai_stand_in.files import Files
from tests.openai_stand_in.ledger import Buyer
from tests.openai_stand_in.lines import Endpoint, Fates
from tests.openai_stand_in.moderations import Moderations
from tests.openai_stand_in.prices import PRICES
from tests.openai_stand_in.responses import Responses
from tests.openai_stand_in.world import World

Handler = Callable[[Received, Buyer, str], Reply | Wait]


class Routes:
    """All endpoints.

    Args:
        world: that they share.
        fates: how lines of batches end.
        keys: the API keys that are known; None: any.
        project_of: the project of a key.
    """

    def __init__(
        self,
        world: World,
        fates: Fates,
        *,
        keys: frozenset[str] | None,
        project_of: Callable[[str], str],
    ) -> None:
        self._world = world
        self.responses = Responses(world)
        self.files = Files(world)
        foreground = (Chat(world), Moderations(world), Embeddings(world))
        self._endpoints: dict[str, Endpoint] = {one.url: one for one in (self.responses, *foreground)}
        self.batches = Batches(world, self.files, self._endpoints, fates)
        self._keys, self._project_of = keys, project_of
        self._routes = [(re.compile(_pattern(label)), label, handler) for label, handler in self._handlers()]

    def do(self, received: Received) -> Reply | Wait:
        """Do what a request asks.

        Raises:
            ApiError: it is refused.
        """
        buyer = received.buyer(self._project(received))
        handler, _, name = self._route(received)
        return handler(received, buyer, name)

    def label(self, received: Received) -> str:
        """Return which endpoint is meant, such as `GET /v1/responses/{id}`."""
        try:
            return self._route(received)[1]
        except InvalidRequestError:
            return f"{received.method} {received.path}"

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
            fate = self._world.fate(asked)
            ends = self._world.now + self._world.seconds(asked, fate)
            done: list[Reply] = []

            def produce() -> None:
                try:
                    answer, purchase = endpoint.answer(body, asked, fate, buyer)
                    done.append(
                        Reply(answer, kind=endpoint.answer_kind, purchases=[purchase] if purchase else [])
                    )
                except ApiError as error:
                    done.append(refusal(error))

            self._world.at(ends, produce)  # whether or not anybody is there to get it
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
