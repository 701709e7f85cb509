"""The HTTP server: what it does with connections, whatever is sent."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest

from openai_connector.status.server import MOST_CONNECTIONS, Server
from tests.unit.status.states import busy, idle


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    """A server at a free port of this machine."""
    served = Server(idle().endpoint.answer)
    await served.open("127.0.0.1", 0)
    yield served
    await served.aclose()


def port_of(server: Server) -> int:
    return int(server.url.rpartition(":")[2])


async def sent(server: Server, content: bytes) -> bytes:
    """Return all that the server answers until it closes."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port_of(server))
    writer.write(content)
    writer.write_eof()
    async with asyncio.timeout(20):
        answer = await reader.read()
    writer.close()
    return answer


def get(path: str, host: str = "localhost", method: str = "GET", more: str = "") -> bytes:
    return f"{method} {path} HTTP/1.1\r\nHost: {host}\r\n{more}\r\n".encode()


async def test_a_connection_serves_many_requests(server: Server) -> None:
    """Keep-alive, pipelined too, as scrapers use it."""
    answer = await sent(server, get("/health/live") * 3)
    assert answer.count(b"HTTP/1.1 200 OK") == 3


async def test_head_has_no_content(server: Server) -> None:
    """HEAD tells the length alone."""
    head, _, content = (await sent(server, get("/metrics", method="HEAD"))).partition(b"\r\n\r\n")
    assert b"content-length" in head.lower()
    assert content == b""


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\x16\x03\x01\x02\x00\x01\x00\x01",
        b"GET / HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + b"a" * 100_000,
        get("/", method="POST", more="Content-Length: 5\r\n") + b"hello",
        get("/", more="Transfer-Encoding: chunked\r\n") + b"5\r\nhello\r\n0\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"\r\n" * 50,
    ],
    ids=["nothing", "tls", "no_host", "large_head", "body", "chunked_body", "http2", "blank_lines"],
)
async def test_what_is_no_request_ends_its_connection_alone(server: Server, content: bytes) -> None:
    """The connection is closed without any state of the worker, and others are served."""
    with contextlib.suppress(OSError):  # closed before all was sent
        assert b" 200 " not in await sent(server, content)
    assert b"200 OK" in await sent(server, get("/health/live"))


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("localhost", 200),
        ("127.0.0.1:9898", 200),
        ("[::1]:9898", 200),
        ("LOCALHOST", 200),
        ("evil.example", 403),
        ("localhost.evil.example", 403),
        ("127.0.0.1.evil.example:9898", 403),
        ("", 403),
        ("[", 403),
    ],
)
async def test_pages_of_others_do_not_reach_it(server: Server, host: str, status: int) -> None:
    """On loopback only names of this machine are answered: a page elsewhere cannot rebind its own."""
    assert f" {status} ".encode() in await sent(server, get("/", host))


async def test_connections_are_bounded(server: Server) -> None:
    """One connection too many is closed; when others are gone, there is room again."""
    held = [await asyncio.open_connection("127.0.0.1", port_of(server)) for _ in range(MOST_CONNECTIONS)]
    await asyncio.sleep(0)
    with contextlib.suppress(OSError):  # closed before all was sent
        assert b"200" not in await sent(server, get("/health/live"))
    for _, writer in held:
        writer.close()
    for _ in range(100):
        try:
            answer = await sent(server, get("/health/live"))
        except OSError:
            answer = b""
        if b"200" in answer:
            return
        await asyncio.sleep(0.05)
    pytest.fail("there was no room again")


async def test_a_taken_port_is_told(server: Server) -> None:
    """A second server at the same port raises an OSError, for the caller to tell."""
    with pytest.raises(OSError, match="address already in use"):
        await Server(busy().endpoint.answer).open("127.0.0.1", port_of(server))
