"""The wire: HTTP/1.1 on a real socket, with keep-alive, and with all that can happen to an answer."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Final
from urllib.parse import parse_qsl, unquote

import h11

from tests.faults.link import reset
from tests.openai_stand_in.exchange import Received, Reply
from tests.openai_stand_in.faults import Way

SOUND: Final = Way()
PIECE: Final = 65_536
"""Bytes of a content that are sent at once."""


@dataclass(frozen=True, slots=True)
class Exchange:
    """What becomes of a request."""

    reply: Reply | None
    """None: nothing is sent."""
    way: Way = SOUND


class Server:
    """Connections.

    Args:
        is_refused_unread: whether a request is dropped, by its head.
        answer: makes the reply.
        host: to listen at.
        port: to listen at; 0: any.
    """

    def __init__(
        self,
        is_refused_unread: Callable[[Received], bool],
        answer: Callable[[Received], Awaitable[Exchange]],
        host: str = "127.0.0.1",
        port: int = 0,
    ) -> None:
        self._is_refused_unread = is_refused_unread
        self._answer = answer
        self._host, self._port = host, port
        self._connections: dict[asyncio.Task[None], tuple[asyncio.StreamReader, asyncio.StreamWriter]] = {}
        self.accepted = 0
        """How many connections there have been."""
        self._server: asyncio.Server | None = None

    @property
    def port(self) -> int:
        """The port listened on."""
        assert self._server is not None
        return int(self._server.sockets[0].getsockname()[1])

    @property
    def connections(self) -> int:
        """How many connections there are whose other side has not hung up."""
        return sum(not reader.at_eof() for reader, _ in self._connections.values())

    async def start(self) -> None:
        """Listen."""
        self._server = await asyncio.start_server(self._connected, self._host, self._port, backlog=2048)

    async def close(self) -> None:
        """Break off everything."""
        assert self._server is not None
        self._server.close()
        tasks = list(self._connections)
        for task, (_, writer) in list(self._connections.items()):
            writer.transport.abort()
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._connections[task] = reader, writer
        self.accepted += 1
        connection = h11.Connection(h11.SERVER)
        try:
            with suppress(OSError, h11.ProtocolError, asyncio.CancelledError):
                while await self._serve(connection, reader, writer):
                    connection.start_next_cycle()
        finally:
            del self._connections[task]
            writer.close()

    async def _serve(
        self, connection: h11.Connection, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> bool:
        """Answer one request; False ends the connection."""
        head = await _next(connection, reader)
        if not isinstance(head, h11.Request):
            return False
        received = _received(head)
        if self._is_refused_unread(received):
            reset(writer)
            return False
        if connection.they_are_waiting_for_100_continue:
            writer.write(connection.send(h11.InformationalResponse(status_code=100, headers=[])) or b"")
        pieces = bytearray()
        while not isinstance(event := await _next(connection, reader), h11.EndOfMessage):
            if not isinstance(event, h11.Data):
                return False
            pieces += event.data
        whole = _received(head, bytes(pieces))
        exchange = await self._answer(whole)
        return await self._send(connection, exchange, reader, writer)

    async def _send(
        self,
        connection: h11.Connection,
        exchange: Exchange,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> bool:
        reply, way = exchange.reply, exchange.way
        if way.kind in ("hang", "hang after"):
            await reader.read(1)  # until the other side has had enough
            return False
        if reader.at_eof():  # nobody waits any more
            return False
        if reply is None or way.kind == "reset after":
            reset(writer)
            return False
        if way.kind == "slow":
            await asyncio.sleep(way.seconds)
        events = list(_events(reply))
        if way.kind == "cut":
            await _write(connection, writer, _half(events))
            await asyncio.sleep(0.02)  # let what was sent arrive first
            reset(writer)
            return False
        _hand_out(reply, 1)  # before anybody can have it
        try:
            await _write(connection, writer, events)
        except OSError:
            _hand_out(reply, -1)
            raise
        return connection.our_state is h11.DONE and connection.their_state is h11.DONE


def _hand_out(reply: Reply, times: int) -> None:
    for purchase in reply.purchases:
        purchase.handed_out += times


async def _next(connection: h11.Connection, reader: asyncio.StreamReader) -> object:
    while (event := connection.next_event()) is h11.NEED_DATA:
        connection.receive_data(await reader.read(PIECE))
    return event


async def _write(connection: h11.Connection, writer: asyncio.StreamWriter, events: list[h11.Event]) -> None:
    waiting = bytearray()
    for event in events:
        waiting += connection.send(event) or b""
        if len(waiting) >= PIECE:
            writer.write(bytes(waiting))
            waiting.clear()
            await writer.drain()
    writer.write(bytes(waiting))
    await writer.drain()


def _received(head: h11.Request, content: bytes = b"") -> Received:
    path, _, query = head.target.decode("ascii").partition("?")
    headers = {name.decode("ascii"): value.decode("latin-1") for name, value in head.headers}
    asked = tuple(parse_qsl(query, keep_blank_values=True))
    return Received(head.method.decode("ascii"), unquote(path), asked, headers, content)


def _events(reply: Reply) -> Iterator[h11.Event]:
    """Return what is sent: a body with its length, a content in pieces of which nobody knows how many come."""
    headers = dict(reply.headers)
    if reply.content is not None:
        headers |= {"content-type": "application/octet-stream", "transfer-encoding": "chunked"}
        pieces = [reply.content[begin : begin + PIECE] for begin in range(0, len(reply.content), PIECE)]
    else:
        body = json.dumps(reply.body, ensure_ascii=False).encode()
        headers |= {"content-type": "application/json", "content-length": str(len(body))}
        pieces = [body]
    yield h11.Response(status_code=reply.status, headers=list(headers.items()), reason=b"Said")
    for piece in pieces:
        yield h11.Data(data=piece)
    yield h11.EndOfMessage()


def _half(events: list[h11.Event]) -> list[h11.Event]:
    head, *pieces = events[:-1]
    if len(pieces) > 1:
        return [head, *pieces[: len(pieces) // 2]]
    return [
        head,
        *(
            h11.Data(data=piece.data[: len(piece.data) // 2])
            for piece in pieces
            if isinstance(piece, h11.Data)
        ),
    ]
