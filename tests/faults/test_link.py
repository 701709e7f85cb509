"""The wire that can be struck: each kind of strike does what it says, and passes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from tests.faults.link import Link
from tests.faults.schedule import MODES, Mode

FOREVER = 600.0
"""Seconds of a strike that a test ends itself."""


class Echo:
    """A server that says everything again, and remembers it."""

    def __init__(self) -> None:
        self.heard = b""
        self.news = asyncio.Event()
        self.place = ("", 0)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while data := await reader.read(100):
                self.heard += data
                self.news.set()
                writer.write(data)
                await writer.drain()
        except OSError:
            pass
        writer.close()


@pytest.fixture
async def echo() -> AsyncIterator[Echo]:
    """A running server."""
    echo = Echo()
    async with await asyncio.start_server(echo.serve, "127.0.0.1", 0) as server:
        echo.place = server.sockets[0].getsockname()[:2]
        yield echo


@pytest.fixture
async def link(echo: Echo) -> AsyncIterator[Link]:
    """A wire to it."""
    async with Link(lambda: echo.place) as link:
        yield link


async def connected(link: Link) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Connect to the worker's end."""
    host, _, port = link.address.rpartition(":")
    return await asyncio.open_connection(host, int(port))


async def struck(link: Link, mode: Mode) -> asyncio.Task[None]:
    """Begin a strike; cancelling it mends the wire."""
    strike = asyncio.create_task(link.strike(mode, FOREVER))
    await asyncio.sleep(0)
    return strike


async def passed(strike: asyncio.Task[None]) -> None:
    """End a strike."""
    strike.cancel()
    await asyncio.gather(strike, return_exceptions=True)


async def said(link: Link, text: bytes = b"hello") -> bytes:
    """Say something on a new connection, and return what comes back before its end."""
    reader, writer = await connected(link)
    writer.write(text)
    writer.write_eof()
    try:
        return await reader.read()
    finally:
        writer.close()


async def test_a_sound_wire_carries_bytes_and_the_end_of_each_direction(link: Link) -> None:
    """What is said comes back, and an end of one direction leaves the other open."""
    assert await said(link, b"x" * 300_000) == b"x" * 300_000


@pytest.mark.parametrize("mode", MODES)
async def test_each_strike_passes(link: Link, mode: Mode) -> None:
    """After a strike of any kind the wire is as good as before."""
    await passed(await struck(link, mode))
    assert await said(link) == b"hello"


@pytest.mark.parametrize("mode", ["reset", "cut", "hole"])
async def test_open_connections_break(link: Link, echo: Echo, mode: Mode) -> None:
    """A reset, a cut and the end of a silence in both directions break the connections that stand."""
    reader, writer = await connected(link)
    writer.write(b"one")
    assert await reader.read(3) == b"one"
    await passed(await struck(link, mode))
    with pytest.raises(ConnectionResetError):
        await reader.read(3)
    writer.close()
    assert echo.heard == b"one"


async def test_a_cut_wire_takes_no_connection(link: Link) -> None:
    """While a wire is cut, new connections break as well."""
    strike = await struck(link, "cut")
    with pytest.raises(ConnectionResetError):
        await said(link)
    await passed(strike)


async def test_of_a_half_open_wire_only_the_answer_is_held(link: Link, echo: Echo) -> None:
    """With the way back silent the request arrives, and its answer comes when the wire is mended."""
    reader, writer = await connected(link)
    strike = await struck(link, "mute down")
    writer.write(b"request")
    await echo.news.wait()
    reply = asyncio.create_task(reader.read(7))
    await asyncio.sleep(0.05)
    assert not reply.done()
    await passed(strike)
    assert await reply == b"request"
    writer.close()


@pytest.mark.parametrize("mode", ["mute up", "hole"])
async def test_of_a_deaf_wire_the_request_is_held(link: Link, echo: Echo, mode: Mode) -> None:
    """With the way to the other side silent nothing arrives there, and nobody is told."""
    _, writer = await connected(link)
    strike = await struck(link, mode)
    writer.write(b"request")
    await asyncio.sleep(0.05)
    assert echo.heard == b""
    await passed(strike)
    writer.close()
