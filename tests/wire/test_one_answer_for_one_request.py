"""No response is ever given to a request that it does not answer, and no request is sent twice."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from openai_connector.job import Recovery
from openai_connector.openai_api import ApiClient, ApiConnectionError, ApiStatusError, connection
from tests.make import sentences_in
from tests.unit.openai_api.conftest import ask, error_of
from tests.wire.conftest import Wire
from tests.wire.raw import ANSWER, OTHER, RawServer, response

UNASKED = {
    "the response again": response(),
    "an error": response(b"", b"Connection: close", status=b"408 Request Timeout"),
    "a head alone": b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n",
    "a line in parts": b"HTTP/1.1 20",
    "an interim answer": b"HTTP/1.1 103 Early Hints\r\n\r\n",
    "an empty line": b"\r\n",
    "one byte": b"\0",
    "garbage": b"garbage",
}


@pytest.mark.parametrize("name", UNASKED)
async def test_what_comes_unasked_later_is_given_to_nobody(wire: Wire, name: str) -> None:
    """Bytes on an idle connection end it: the next request goes over a new one, and is answered there."""
    async with wire([response(), 0.02, UNASKED[name]], [response(OTHER)]) as (server, client):
        assert (await ask(client, server.url)).body == json.loads(ANSWER)
        await asyncio.sleep(0.08)
        assert (await ask(client, server.url, timeout=10)).body == json.loads(OTHER)
        assert len(server.requests) == 2
        assert server.connections == 2


@pytest.mark.parametrize("name", UNASKED)
async def test_what_comes_together_with_an_answer_is_given_to_nobody(wire: Wire, name: str) -> None:
    """More than the answer, in the same breath, ends the connection too."""
    async with wire([response() + UNASKED[name]], [response(OTHER)]) as (server, client):
        assert (await ask(client, server.url)).body == json.loads(ANSWER)
        assert (await ask(client, server.url, timeout=10)).body == json.loads(OTHER)
        assert (len(server.requests), server.connections) == (2, 2)


@pytest.mark.parametrize("name", ["the response again", "an error"])
async def test_what_comes_while_nobody_looks_is_given_to_nobody(client: ApiClient, name: str) -> None:
    """Bytes that wait in the system, of which asyncio has not told yet, count as well."""
    async with RawServer([response(), 0.02, UNASKED[name]], [response(OTHER)]) as server:
        await ask(client, server.url)
        await asyncio.sleep(0.05)
        assert (await ask(client, server.url, timeout=10)).body == json.loads(OTHER)
        assert len(server.requests) == 2


@pytest.mark.parametrize("name", UNASKED)
async def test_what_comes_before_the_first_request_is_given_to_nobody(
    client: ApiClient, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server that speaks first is not answering; nothing is sent to it."""
    greeted = asyncio.Event()

    async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(UNASKED[name])
        greeted.set()
        assert await reader.read() == b""
        writer.close()

    ask_on = connection.Connection.ask

    async def ask_late(self: connection.Connection, *request: Any) -> Any:
        await greeted.wait()
        return await ask_on(self, *request)

    monkeypatch.setattr(connection.Connection, "ask", ask_late)
    server = await asyncio.start_server(greet, "127.0.0.1", 0)
    async with server:
        error = await error_of(client, f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}")
    assert sentences_in(str(error)) == {"API_NO_CONNECTION"}


@pytest.mark.parametrize("status", [b"408 Request Timeout", b"408 Too Slow", b"408 "])
async def test_a_timeout_that_crosses_a_request_ends_the_connection(wire: Wire, status: bytes) -> None:
    """A 408 that was meant for the idle connection takes the place of an answer, which the next call must not get."""
    late = response(b'{"for": "the call before"}')
    async with wire([response()], [response(b"", status=status), 0.05, late], [response(OTHER)]) as (
        server,
        client,
    ):
        await ask(client, server.url)
        assert (await error_of(client, server.url)).code == "408"
        assert (await ask(client, server.url)).body == json.loads(OTHER)
        assert (len(server.requests), server.connections) == (3, 2)


async def test_many_jobs_get_their_own_answers(wire: Wire) -> None:
    """A server that sends each answer twice gives each call its own."""

    def answered(number: int) -> bytes:
        return response(json.dumps({"number": number}).encode()) * 2

    async with wire(*[[answered(number)] for number in range(20)]) as (server, client):
        got = [(await ask(client, server.url)).body["number"] for _ in range(20)]
        assert got == list(range(20))
        assert len(server.requests) == 20


@pytest.mark.parametrize("end", ["close", "reset"])
async def test_a_connection_that_has_ended_is_not_used(wire: Wire, end: str) -> None:
    """An idle connection that the server closed costs nothing."""
    async with wire([response(), 0.02, end], [response(OTHER)]) as (server, client):
        await ask(client, server.url)
        await asyncio.sleep(0.08)
        assert (await ask(client, server.url)).body == json.loads(OTHER)
        assert len(server.requests) == 2


@pytest.mark.parametrize("end", ["close", "reset"])
async def test_a_request_that_may_have_arrived_is_not_sent_again(wire: Wire, end: str) -> None:
    """A connection that ends in the moment of reuse, without a byte, is an error: perhaps paid, once."""
    async with wire([response()], [end]) as (server, client):
        await ask(client, server.url)
        error = await error_of(client, server.url)
        assert isinstance(error, ApiConnectionError)
        assert (error.recovery, sentences_in(str(error))) == (Recovery.TRANSIENT, {"API_BROKEN"})
        assert len(server.requests) == 2


@pytest.mark.parametrize(
    "lines",
    [(), (b"Keep-Alive: timeout=5",), (b"Keep-Alive: max=100",), (b"keep-alive: max=9, Timeout = 60",)],
    ids=["nothing said", "five seconds", "no time", "a minute"],
)
async def test_connections_are_used_again(wire: Wire, lines: tuple[bytes, ...]) -> None:
    """Calls one after the other share a connection where the server says nothing against it."""
    async with wire([response(ANSWER, *lines)]) as (server, client):
        for _ in range(3):
            await ask(client, server.url)
        assert server.connections == 1


@pytest.mark.parametrize(
    "raw",
    [
        response(ANSWER, b"Keep-Alive: timeout=1"),
        response(ANSWER, b"Keep-Alive: timeout=0, max=5"),
        response(ANSWER, b"Keep-Alive: timeout=5, max=0"),
        response(ANSWER, b"Keep-Alive: max=0"),
        response(ANSWER, b'Keep-Alive: timeout="1"'),
        response(ANSWER, b"Connection: close"),
        response(ANSWER, b"Connection: Keep-Alive, Close"),
        response(version=b"1.0"),
        response(ANSWER, b"X Bad: 1"),
    ],
    ids=[
        "one second",
        "no seconds",
        "no more",
        "no more, ever",
        "in quotes",
        "close",
        "close among others",
        "HTTP/1.0",
        "odd head",
    ],
)
async def test_connections_are_not_used_again(client: ApiClient, raw: bytes) -> None:
    """A server that will close, or that speaks oddly, gets a new connection for the next call."""
    async with RawServer([raw]) as server:
        for _ in range(3):
            await ask(client, server.url)
        assert server.connections == 3


def test_idle_connections_end_before_the_named_servers_end_them() -> None:
    """uvicorn and Node close after 5 seconds; a network and a slow moment must fit in between."""
    assert connection.LONGEST_IDLE <= 4


async def test_idle_connections_are_closed(client: ApiClient, monkeypatch: pytest.MonkeyPatch) -> None:
    """A connection whose time is over is closed without anybody asking for it."""
    monkeypatch.setattr(connection, "LONGEST_IDLE", 0.05)
    closed = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"{}")
        writer.write(response())
        assert await reader.read() == b""
        closed.set()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        await ask(client, f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}")
        await closed.wait()


@pytest.mark.parametrize("size", [10, 8_000_000], ids=["small", "large"])
async def test_an_answer_before_the_request_is_read_is_read(client: ApiClient, size: int) -> None:
    """A server that refuses and closes, while the request is still being sent, is understood."""

    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(100)
        writer.write(response(b"{}", b"Connection: close", status=b"413 Too Large"))
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(refuse, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        error = await error_of(client, f"http://127.0.0.1:{port}", body=b"x" * size)
    assert isinstance(error, ApiStatusError)
    assert error.code == "413"
