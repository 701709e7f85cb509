"""A small HTTP server: reads requests without a body, answers them, and bounds all that a client can take."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable
from http import HTTPStatus
from typing import Final
from urllib.parse import urlsplit

import h11

from openai_connector import wording
from openai_connector.observe.logs import place_of
from openai_connector.status.endpoint import Reply

log = logging.getLogger(__name__)

MOST_CONNECTIONS: Final = 64
IDLE: Final = 30.0
"""Seconds for a request to come in, and for an answer to be taken; then the connection is closed."""
LONGEST_HEAD: Final = 16 * 1024
LOOPBACK: Final = ("127.0.0.1", "localhost", "::1")


class Server:
    """Serves what a function answers.

    Args:
        answer: from method and path.
    """

    def __init__(self, answer: Callable[[str, str], Reply]) -> None:
        self._answer = answer
        self._server: asyncio.Server | None = None
        self._connections: set[asyncio.Task[None]] = set()
        self._is_local = True
        self.url = ""
        """Its address, once it is open."""

    async def open(self, host: str, port: int) -> None:
        """Listen.

        Raises:
            OSError: the port is taken, or the host is none of this machine.
        """
        self._is_local = host in LOOPBACK
        self._server = await asyncio.start_server(self._accept, host, port, limit=LONGEST_HEAD)
        opened = self._server.sockets[0].getsockname()[1]
        self.url = f"http://{f'[{host}]' if ':' in host else host}:{opened}"

    async def aclose(self) -> None:
        """Stop listening, and close all connections."""
        if self._server is not None:
            self._server.close()
        for task in self._connections:
            task.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if len(self._connections) >= MOST_CONNECTIONS:
            writer.close()
            return
        task = asyncio.create_task(self._serve(reader, writer))
        self._connections.add(task)
        task.add_done_callback(self._connections.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = h11.Connection(h11.SERVER, max_incomplete_event_size=LONGEST_HEAD)
        try:
            with contextlib.suppress(OSError, TimeoutError, h11.RemoteProtocolError):
                while await self._exchange(connection, reader, writer):
                    connection.start_next_cycle()
        except Exception as error:
            log.error("An answer of the HTTP endpoint failed (%s). This is a bug", place_of(error))
        finally:
            writer.close()

    async def _exchange(
        self, connection: h11.Connection, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> bool:
        """Answer one request; return whether another may follow."""
        async with asyncio.timeout(IDLE):
            request = await _next(connection, reader)
            if not isinstance(request, h11.Request):
                return False
            if not isinstance(await _next(connection, reader), h11.EndOfMessage):
                return False  # a body: nothing here takes one
            reply = self._checked(request)
            writer.write(_head(connection, reply))
            if request.method != b"HEAD":
                writer.write(connection.send(h11.Data(reply.body)) or b"")
            writer.write(connection.send(h11.EndOfMessage()) or b"")
            await writer.drain()
        return connection.our_state is h11.DONE and connection.their_state is h11.DONE

    def _checked(self, request: h11.Request) -> Reply:
        """Return the answer; to other pages of a browser on this machine there is none (DNS rebinding)."""
        if self._is_local:
            host = next((value.decode("latin-1") for name, value in request.headers if name == b"host"), "")
            if _name(host) not in LOOPBACK:
                return Reply(403, "text/plain", wording.STATUS_THIS_MACHINE().encode(), {})
        return self._answer(request.method.decode("ascii"), request.target.decode("ascii"))


def _name(host: str) -> str | None:
    try:
        return urlsplit(f"//{host}").hostname
    except ValueError:
        return None


def _head(connection: h11.Connection, reply: Reply) -> bytes:
    headers = [
        ("Content-Type", reply.content_type),
        ("Content-Length", str(len(reply.body))),
        *reply.headers.items(),
    ]
    response = h11.Response(
        status_code=reply.status, headers=headers, reason=HTTPStatus(reply.status).phrase.encode()
    )
    return connection.send(response) or b""


async def _next(
    connection: h11.Connection, reader: asyncio.StreamReader
) -> h11.Event | type[h11.NEED_DATA] | type[h11.PAUSED]:
    while (event := connection.next_event()) is h11.NEED_DATA:
        connection.receive_data(await reader.read(LONGEST_HEAD))
    return event
