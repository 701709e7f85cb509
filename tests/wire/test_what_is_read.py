"""What HTTP clients in general can read is read, in all four ways, and as curl and requests read it."""

from __future__ import annotations

import asyncio
import json
import shutil
import ssl
from typing import Any

import httpx
import pytest
import requests
from hypothesis import given, settings
from hypothesis import strategies as st

from openai_connector.openai_api import ApiClient, Proxies
from openai_connector.openai_api.transport import Transport
from tests.unit.openai_api.conftest import ask
from tests.wire.cases import (
    CHARSETS,
    FRAMES,
    HEADERS,
    LETTERS,
    READ,
    STATUS_LINES,
    UNREADABLE,
)
from tests.wire.conftest import Wire
from tests.wire.raw import ANSWER, RawServer, response


@pytest.mark.parametrize("name", READ)
async def test_what_clients_read_is_read(wire: Wire, name: str) -> None:
    """The answer is read, once, however oddly it comes."""
    async with wire([READ[name], "close"]) as (server, client):
        answer = await ask(client, server.url)
        assert (answer.status, answer.body) == (200, json.loads(ANSWER))
        assert len(server.requests) == 1


@pytest.mark.parametrize("name", CHARSETS)
async def test_letters_are_read_as_they_are_declared(client: ApiClient, name: str) -> None:
    """A byte-order mark, the declared charset, or UTF-8: never other letters."""
    async with RawServer([CHARSETS[name]]) as server:
        assert (await ask(client, server.url)).body == LETTERS


async def test_header_names_and_reason_are_kept_as_received(wire: Wire) -> None:
    """Users' expressions name headers as the server writes them; a repeated one is a list."""
    raw = response(
        ANSWER, b"X-Request-ID: a", b"x-lower: b", b"X-Request-ID:  c ", status="200 Très".encode("latin-1")
    )
    async with wire([raw]) as (server, client):
        answer = await ask(client, server.url)
    assert answer.headers["X-Request-ID"] == ["a", "c"]
    assert answer.headers["x-lower"] == "b"
    assert answer.reason == "Très"


async def test_the_transport_is_one_of_httpx(client_tls: ssl.SSLContext) -> None:
    """httpx's own client works on it: streams, encodings, and connections that are used again."""
    async with (
        RawServer([READ["packing: gzip"]]) as server,
        httpx.AsyncClient(transport=Transport(client_tls, Proxies.of({}))) as client,
    ):
        for _ in range(2):
            answer = await client.post(server.url, json={})
            assert (answer.status_code, answer.content) == (200, ANSWER)
        assert server.connections == 1


STATUS, HEADER, FRAME = (st.sampled_from(sorted(cases)) for cases in (STATUS_LINES, HEADERS, FRAMES))


@given(STATUS, st.lists(HEADER, max_size=3), FRAME)
@settings(deadline=None, max_examples=60)
def test_oddities_together_are_read(status: str, headers: list[str], frame: str) -> None:
    """An odd status line, odd headers and an odd frame in one response do not hinder each other."""
    line = STATUS_LINES[status].partition(b"\r\n")[0].replace(b"HTTP/1.0", b"HTTP/1.1")
    head, _, body = FRAMES[frame].partition(b"\r\n\r\n")
    heads = [HEADERS[name].partition(b"\r\n\r\n")[0].split(b"\r\n", 3) for name in headers]
    extra = [lines[3] for lines in heads if lines[0] == b"HTTP/1.1 200 OK" and len(lines) == 4]
    raw = b"\r\n".join([line, *head.split(b"\r\n")[1:], *extra]) + b"\r\n\r\n" + body

    async def read() -> Any:
        client = ApiClient(proxies=Proxies.of({}))
        try:
            async with RawServer([raw, "close"]) as server:
                return (await ask(client, server.url)).body
        finally:
            await client.aclose()

    assert asyncio.run(read()) == json.loads(ANSWER)


async def _by_curl(url: str) -> Any:
    """Return status and JSON body as curl reads them; None where it does not."""
    process = await asyncio.create_subprocess_exec(
        "curl", "--silent", "--compressed", "--max-time", "20", "--noproxy", "*", "--data", "{}",
        "--write-out", "\n%{http_code}", url, stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    written, _ = await process.communicate()
    body, _, status = written.rpartition(b"\n")
    return (int(status), _json(body)) if process.returncode == 0 else None


def _by_requests(url: str) -> Any:
    session = requests.Session()
    session.trust_env = False
    try:
        answer = session.post(url, data=b"{}", timeout=20)
        return answer.status_code, _json(answer.content)
    except (requests.RequestException, UnicodeError):
        return None
    finally:
        session.close()


def _json(body: bytes) -> Any:
    try:
        return json.loads(body)
    except ValueError:
        return body


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed (make system-deps)")
@pytest.mark.parametrize("name", [*READ, *UNREADABLE])
async def test_what_curl_and_requests_read_is_read_the_same(client: ApiClient, name: str) -> None:
    """Where both read the same status and JSON, so does the worker."""
    raw = {**READ, **UNREADABLE}[name]
    async with RawServer([raw, "close"]) as server:
        by_curl = await _by_curl(server.url)
        by_requests = await asyncio.to_thread(_by_requests, server.url)
        if by_curl is None or by_curl != by_requests or not isinstance(by_curl[1], dict):
            return
        answer = await ask(client, server.url)
        assert (answer.status, answer.body) == by_curl
