"""A small HTTP server: reads requests without a body, answers them, and bounds all that a client can take."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import time
from collections.abc import Callable
from http import HTTPStatus
from typing import Final

import h11

from openai_connector import wording
from openai_connector.redaction import place_of
from openai_connector.status.endpoint import HEALTH, Reply
from openai_connector.status.names import Names

log = logging.getLogger(__name__)

EVERYWHERE: Final = "*"
"""In place of a host: all addresses of this machine, of IPv4 and IPv6."""
MOST_CONNECTIONS: Final = 64
PATIENCE: Final = 5.0
"""Seconds for a request to come in, and again for its answer to be taken; then the connection is cut."""
REST: Final = 3.0
"""How many times as long as an answer took to make nothing but probes is answered: the jobs come first."""
LONGEST_HEAD: Final = 16 * 1024


class Server:
    """Serves what a function answers, one request a connection.

    Args:
        answer: from method and path.
        names: by which it may be asked.
        patience: seconds for a request to come in, and again for its answer to be taken.
    """

    def __init__(
        self, answer: Callable[[str, str], Reply], names: Names | None = None, *, patience: float = PATIENCE
    ) -> None:
        self._answer = answer
        self._names = names or Names()
        self._patience = patience
        self._server: asyncio.Server | None = None
        # The one that has been idle longest comes first.
        self._connections: dict[asyncio.Task[None], asyncio.WriteTransport] = {}
        self._turn = asyncio.Lock()
        self._next_turn = 0.0
        self.url = ""
        """Its address, once it is open."""

    async def open(self, host: str, port: int) -> None:
        """Listen.

        Raises:
            OSError: the port is taken, or the host is none of this machine.
            ValueError: the host can be no name.
        """
        if host == EVERYWHERE:
            where = _everywhere(port)
            self._server = await asyncio.start_server(self._accept, sock=where, limit=LONGEST_HEAD)
        else:
            self._server = await asyncio.start_server(self._accept, host, port, limit=LONGEST_HEAD)
        opened = self._server.sockets[0].getsockname()[1]
        self.url = f"http://{f'[{host}]' if ':' in host else host}:{opened}"

    async def aclose(self) -> None:
        """Stop listening, and close all connections."""
        if self._server is not None:
            self._server.close()
        tasks = [*self._connections]
        for task in tasks:
            self._end(task)
        await asyncio.gather(*tasks, return_exceptions=True)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if len(self._connections) >= MOST_CONNECTIONS:
            self._end(next(iter(self._connections)))  # not the newest: that may be a probe
        writer.transport.set_write_buffer_limits(0)  # so that drain() waits until all is sent
        task = asyncio.create_task(self._serve(reader, writer))
        self._connections[task] = writer.transport
        task.add_done_callback(self._end)

    def _end(self, task: asyncio.Task[None]) -> None:
        transport = self._connections.pop(task, None)
        if transport is not None:
            task.cancel()
            transport.abort()  # close() would wait for a client that does not read

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = h11.Connection(h11.SERVER, max_incomplete_event_size=LONGEST_HEAD)
        try:
            with contextlib.suppress(OSError, TimeoutError):
                answer = await self._answered(connection, reader)
                if answer:
                    writer.write(answer)
                    async with asyncio.timeout(self._patience):
                        await writer.drain()
                        await _linger(reader, writer)
        except Exception as error:
            log.error("An answer of the HTTP endpoint failed (%s). This is a bug", place_of(error))

    async def _answered(self, connection: h11.Connection, reader: asyncio.StreamReader) -> bytes:
        """Read a request and return what is sent in answer."""
        try:
            async with asyncio.timeout(self._patience):
                request = await _request(connection, reader)
        except h11.RemoteProtocolError as error:
            return _written(connection, _plain(error.error_status_hint, wording.STATUS_NO_REQUEST()))
        if request is None:
            return b""
        task = asyncio.current_task()
        if task in self._connections:
            self._connections[task] = self._connections.pop(task)
        reply = await self._reply(request)
        return _written(connection, reply, has_content=request.method != b"HEAD")

    async def _reply(self, request: h11.Request) -> Reply:
        host = next((value.decode("latin-1") for name, value in request.headers if name == b"host"), None)
        try:
            if host is not None and not self._names.has(host):  # without one it comes from no browser
                return _plain(403, wording.STATUS_OTHER_NAME())
        except ValueError:
            return _plain(400, wording.STATUS_NO_REQUEST())
        method, path = request.method.decode("ascii"), request.target.decode("ascii")
        return self._answer(method, path) if path.startswith(HEALTH) else await self._in_turn(method, path)

    async def _in_turn(self, method: str, path: str) -> Reply:
        """Answer when it leaves the event loop to the jobs for most of the time, however many ask at once."""
        async with self._turn:
            await asyncio.sleep(max(0.0, self._next_turn - time.monotonic()))
            begun = time.monotonic()
            try:
                return self._answer(method, path)
            finally:
                ended = time.monotonic()
                self._next_turn = ended + REST * (ended - begun)


def _everywhere(port: int) -> socket.socket:
    """Return a socket for both families: for asyncio `::` is IPv6 alone, and `0.0.0.0` IPv4 alone."""
    if socket.has_dualstack_ipv6():
        return socket.create_server(("", port), family=socket.AF_INET6, dualstack_ipv6=True)
    return socket.create_server(("", port))


async def _request(connection: h11.Connection, reader: asyncio.StreamReader) -> h11.Request | None:
    """Return the head of a request; a body is no concern of any answer here."""
    while (event := connection.next_event()) is h11.NEED_DATA:
        connection.receive_data(await reader.read(LONGEST_HEAD))
    return event if isinstance(event, h11.Request) else None


def _plain(status: int, text: str) -> Reply:
    return Reply(status, "text/plain", text.encode(), {"X-Content-Type-Options": "nosniff"})


def _written(connection: h11.Connection, reply: Reply, *, has_content: bool = True) -> bytes:
    headers = [
        ("Content-Type", reply.content_type),
        ("Content-Length", str(len(reply.body))),
        ("Connection", "close"),
        *reply.headers.items(),
    ]
    reason = HTTPStatus(reply.status).phrase.encode()
    head = connection.send(h11.Response(status_code=reply.status, headers=headers, reason=reason)) or b""
    return head + reply.body if has_content else head  # as long as its length says: h11 has nothing to add


async def _linger(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Read away what else was sent: closed before, the connection would be reset, and the answer lost."""
    writer.write_eof()
    while await reader.read(LONGEST_HEAD):
        pass
