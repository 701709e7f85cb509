"""The HTTP server: what it does with connections, whatever is sent."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
from collections.abc import AsyncIterator

import pytest

from openai_connector.status.endpoint import Reply
from openai_connector.status.names import Names
from openai_connector.status.server import EVERYWHERE, MOST_CONNECTIONS, Server
from tests.unit.status.states import busy, idle

SENT_EVERYTHING = 10_000_000
"""Bytes of an answer: more than the buffers of a connection take."""


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    """A server at a free port of this machine."""
    served = Server(idle().endpoint.answer)
    await served.open("127.0.0.1", 0)
    yield served
    await served.aclose()


def port_of(server: Server) -> int:
    return int(server.url.rpartition(":")[2])


async def sent(server: Server, content: bytes, *, to: str = "127.0.0.1", ends: bool = True) -> bytes:
    """Return all that the server answers until it closes."""
    reader, writer = await asyncio.open_connection(to, port_of(server))
    writer.write(content)
    if ends:
        writer.write_eof()
    async with asyncio.timeout(20):
        answer = await reader.read()
    writer.close()
    return answer


def get(path: str, host: str = "localhost", method: str = "GET", more: str = "") -> bytes:
    return f"{method} {path} HTTP/1.1\r\nHost: {host}\r\n{more}\r\n".encode()


async def test_a_connection_serves_one_request(server: Server) -> None:
    """It says so, answers the first of several, and closes without waiting for the client to."""
    answer = await sent(server, get("/health/live") * 1000, ends=False)
    assert answer.count(b"HTTP/1.1 200 OK") == 1
    assert b"\r\nConnection: close\r\n" in answer
    assert answer.endswith(b'{"status": "UP"}')


async def test_head_has_no_content(server: Server) -> None:
    """HEAD tells the length alone."""
    head, _, content = (await sent(server, get("/metrics", method="HEAD"))).partition(b"\r\n\r\n")
    assert b"content-length" in head.lower()
    assert content == b""


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"GET /",
        b"\x16\x03\x01\x02\x00\x01\x00\x01",
        b"GET / HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + b"a" * 100_000,
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"\r\n" * 50,
    ],
    ids=["nothing", "half_a_line", "tls", "no_host", "large_head", "http2", "blank_lines"],
)
async def test_what_is_no_request_ends_its_connection_alone(server: Server, content: bytes) -> None:
    """The connection is closed without any state of the worker, and others are served."""
    with contextlib.suppress(OSError):  # closed before all was sent
        assert b" 200 " not in await sent(server, content)
    assert b"200 OK" in await sent(server, get("/health/live"))


@pytest.mark.parametrize(
    ("content", "status"),
    [
        (get("/", method="POST", more="Content-Length: 5\r\n") + b"hello", 405),
        (get("/", method="POST", more="Content-Length: 5\r\n"), 405),
        (get("/", method="POST", more="Content-Length: 900000\r\n") + b"a" * 900_000, 405),
        (get("/", method="PUT", more="Transfer-Encoding: chunked\r\n") + b"5\r\nhello\r\n0\r\n\r\n", 405),
        (get("/", method="POST", more="Expect: 100-continue\r\nContent-Length: 5\r\n"), 405),
        (get("localhost:443", method="CONNECT"), 405),
        (get("/health", more="Content-Length: 5\r\n") + b"hello", 200),
        (get("/health", more="Upgrade: h2c\r\nConnection: Upgrade\r\n"), 200),
        (b"GET /health HTTP/1.0\r\n\r\n", 200),
        (b"GET /health HTTP/1.1\r\n\r\n", 400),
        (get("/health", "a\r\nHost: b"), 400),
        (get("/health", "["), 400),
        (get("/health", "a b"), 400),
        (get("/health", "a/b"), 400),
        (get("/health", "a:b"), 400),
        (get("/health", "caf\u00e9"), 400),
        (get("/health", more="X: " + "a" * 100_000 + "\r\n"), 431),
        (b"hello\r\n\r\n", 400),
    ],
    ids=[
        "body",
        "body_to_come",
        "large_body",
        "chunked_body",
        "waits_to_send_its_body",
        "connect",
        "get_with_a_body",
        "upgrade",
        "http_1_0",
        "no_host",
        "two_hosts",
        "bracket",
        "space",
        "path_in_host",
        "letters_for_a_port",
        "not_ascii",
        "large_head",
        "no_http",
    ],
)
async def test_what_is_not_answered_is_refused_with_a_status(
    server: Server, content: bytes, status: int
) -> None:
    """A client is told what was wrong, whether it has sent its body or not, and not cut off."""
    answer = await sent(server, content, ends=False)
    assert answer.startswith(f"HTTP/1.1 {status} ".encode())


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("localhost", 200),
        ("127.0.0.1:9898", 200),
        ("127.0.0.2", 200),
        ("10.1.2.3:9898", 200),
        ("[::1]:9898", 200),
        ("[2001:db8::7]", 200),
        ("LOCALHOST", 200),
        ("localhost.", 200),
        ("worker.localhost", 200),
        ("worker:9898", 200),
        ("openai-connector.camunda.svc", 200),
        ("openai-connector.camunda.svc.cluster.local:9898", 200),
        ("host.docker.internal:9898", 200),
        ("node-7.corp.example", 200),
        ("connector.example.com", 200),
        ("a.b.wild.example", 200),
        ("wild.example", 403),
        ("evil.example", 403),
        ("evil.example:9898", 403),
        ("svc.evil.example", 403),
        ("evil.notsvc", 403),
        ("localhost.evil.example", 403),
        ("127.0.0.1.evil.example:9898", 403),
        ("evilconnector.example.com", 403),
        ("", 403),
        (".", 403),
    ],
)
@pytest.mark.parametrize("listens", ["127.0.0.1", "0.0.0.0", EVERYWHERE], ids=["loopback", "ipv4", "all"])
async def test_pages_of_others_do_not_reach_it(listens: str, host: str, status: int) -> None:
    """No public name is answered but those that are given: a page elsewhere cannot rebind its own."""
    names = Names(["connector.example.com", "*.wild.example"], own="node-7.corp.example")
    async with contextlib.AsyncExitStack() as stack:
        server = Server(idle().endpoint.answer, names)
        await server.open(listens, 0)
        stack.push_async_callback(server.aclose)
        for path in ("/", "/metrics", "/health/live"):
            assert f" {status} ".encode() in await sent(server, get(path, host))


async def test_any_name_may_be_given() -> None:
    """A star lets all pass, behind a proxy that has names of its own."""
    server = Server(idle().endpoint.answer, Names(["*"]))
    await server.open("127.0.0.1", 0)
    assert b" 200 " in await sent(server, get("/", "any.example"))
    await server.aclose()


@pytest.mark.parametrize(
    ("listens", "reached"),
    [
        ("127.0.0.1", {"127.0.0.1"}),
        ("0.0.0.0", {"127.0.0.1"}),
        ("::1", {"::1"}),
        (EVERYWHERE, {"127.0.0.1", "::1"}),
    ],
    ids=["loopback", "ipv4", "ipv6_loopback", "all"],
)
async def test_a_star_is_both_families_at_one_port(listens: str, reached: set[str]) -> None:
    """All addresses answer at the port that the log names; others than the given one do not."""
    if not socket.has_dualstack_ipv6():
        pytest.skip("this machine has no IPv6")
    server = Server(idle().endpoint.answer)
    await server.open(listens, 0)
    found = set()
    for address in ("127.0.0.1", "::1"):
        with contextlib.suppress(OSError):
            if b" 200 " in await sent(server, get("/health"), to=address):
                found.add(address)
    await server.aclose()
    assert found == reached


async def held(server: Server, content: bytes = b"") -> list[asyncio.StreamWriter]:
    """Return as many connections as the server holds, each with something sent."""
    writers = []
    for _ in range(MOST_CONNECTIONS):
        _, writer = await asyncio.open_connection("127.0.0.1", port_of(server))
        writer.write(content)
        writers.append(writer)
    return writers


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"GET /health/live HTTP/1.1\r\nHost:",
        get("/large"),
        get("/", method="POST", more="Content-Length: 9\r\n"),
    ],
    ids=["silent", "half_a_head", "does_not_read", "half_a_body"],
)
async def test_those_that_hold_connections_do_not_shut_out_a_probe(content: bytes) -> None:
    """At the limit the one that has been idle longest goes, not the one that comes."""

    def answer(method: str, path: str) -> Reply:
        if path == "/large":
            return Reply(200, "text/plain", b"a" * SENT_EVERYTHING, {})
        return idle().endpoint.answer(method, path)

    server = Server(answer, patience=600)
    await server.open("127.0.0.1", 0)
    writers = await held(server, content)
    for _ in range(3):
        assert b" 200 " in await sent(server, get("/health/live"))
    for writer in writers:
        writer.close()
    await server.aclose()


@pytest.mark.parametrize(
    "content",
    [b"", b"GET / HTTP/1.1\r\nHost:", get("/large"), get("/large", method="POST")],
    ids=["silent", "half_a_head", "does_not_read", "does_not_close"],
)
async def test_a_client_that_does_nothing_more_holds_nothing(content: bytes) -> None:
    """After a while its connection is gone from this process, also while an answer is not taken."""

    def answer(method: str, path: str) -> Reply:
        return Reply(200, "text/plain", b"a" * (SENT_EVERYTHING if method == "GET" else 5), {})

    server = Server(answer, patience=0.1)
    await server.open("127.0.0.1", 0)
    with socket.create_connection(("127.0.0.1", port_of(server))) as client:
        before = files()
        client.sendall(content)
        async with asyncio.timeout(20):
            while files() == before:  # not accepted yet
                await asyncio.sleep(0)
            while files() > before:
                await asyncio.sleep(0.02)
    await server.aclose()


def files() -> int:
    return len(os.listdir("/dev/fd"))


async def test_answers_are_made_in_turn_and_probes_at_once() -> None:
    """However many ask for what takes long to make, the event loop gets to other work in between."""
    made: list[str] = []
    asked = asyncio.Event()

    def answer(method: str, path: str) -> Reply:
        made.append(path)
        asked.set()
        begun = clock()
        while path == "/metrics" and clock() < begun + 0.05:
            pass
        return Reply(200, "text/plain", b"", {})

    server = Server(answer)
    clock = asyncio.get_running_loop().time
    await server.open("127.0.0.1", 0)
    crowd = [asyncio.create_task(sent(server, get("/metrics"))) for _ in range(20)]
    await asked.wait()
    await sent(server, get("/health/live"))
    assert made.index("/health/live") < len(crowd)
    for task in crowd:
        task.cancel()
    await server.aclose()


@pytest.mark.parametrize(
    "host",
    ["a..b", "a" * 70, ".", "no-such-name.invalid", "192.0.2.1", "http://localhost", "[::1]", "a b"],
    ids=["empty_label", "long_label", "dot", "unknown", "not_ours", "url", "brackets", "space"],
)
async def test_a_host_that_cannot_be_opened_is_told(host: str) -> None:
    """It raises what its caller tells, whatever the resolver makes of it."""
    with pytest.raises((OSError, UnicodeError)):
        await Server(busy().endpoint.answer).open(host, 0)


async def test_a_taken_port_is_told(server: Server) -> None:
    """A second server at the same port raises an OSError, for the caller to tell."""
    for host in ("127.0.0.1", EVERYWHERE):
        with pytest.raises(OSError, match=r"(?i)address already in use"):
            await Server(busy().endpoint.answer).open(host, port_of(server))
