"""A server of which every byte is chosen by the test, and a small proxy whose words are chosen too."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import ssl
import struct
from collections.abc import Sequence
from types import TracebackType
from typing import Literal, Self

Step = bytes | float | Literal["close", "reset"]
"""Bytes to send, seconds to wait, or the end of the connection."""

ANSWER = json.dumps({"choices": [{"message": {"role": "assistant", "content": "Hello"}}]}).encode()
OTHER = ANSWER.replace(b"Hello", b"Other")


def response(
    body: bytes = ANSWER,
    *lines: bytes,
    status: bytes = b"200 OK",
    length: int | None = -1,
    version: bytes = b"1.1",
    content_type: bytes = b"application/json",
) -> bytes:
    """Return a response; its length is right unless given, or left out (`None`)."""
    head = [b"HTTP/" + version + b" " + status, b"Content-Type: " + content_type]
    if length is not None:
        head.append(b"Content-Length: %d" % (len(body) if length < 0 else length))
    return b"\r\n".join([*head, *lines]) + b"\r\n\r\n" + body


def chunked(*chunks: bytes) -> bytes:
    """Return a body in chunks, with its end."""
    return b"".join(b"%x\r\n%s\r\n" % (len(chunk), chunk) for chunk in (*chunks, b""))


class _Listener:
    """Listens on a port of its own, and serves each connection in a task."""

    def __init__(self, tls: ssl.SSLContext | None) -> None:
        self._tls = tls
        self._tasks: set[asyncio.Task[None]] = set()
        self.connections = 0
        self.port = 0

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=self._tls, limit=2**22)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    @property
    def url(self) -> str:
        """Return the address without a path."""
        return f"{'https' if self._tls else 'http'}://127.0.0.1:{self.port}"

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        with contextlib.suppress(asyncio.IncompleteReadError, OSError, asyncio.CancelledError):
            await self._talk(reader, writer)
        with contextlib.suppress(Exception):
            writer.close()

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        raise NotImplementedError


class RawServer(_Listener):
    """Serves each request by the next script; the last one again and again."""

    def __init__(self, *scripts: Sequence[Step], tls: ssl.SSLContext | None = None) -> None:
        super().__init__(tls)
        self._scripts = [list(script) for script in scripts]
        self.requests: list[tuple[str, dict[str, str], bytes]] = []
        """Request line, headers (small letters) and body of each."""

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while await self._exchange(reader, writer):
            pass

    async def _exchange(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        headers = {
            name.lower(): value.strip()
            for name, colon, value in (line.partition(":") for line in head[1:])
            if colon
        }
        body = await reader.readexactly(int(headers.get("content-length", 0)))
        self.requests.append((head[0], headers, body))
        for step in self._scripts.pop(0) if len(self._scripts) > 1 else self._scripts[0]:
            if isinstance(step, bytes):
                writer.write(step)
                await writer.drain()
            elif step == "close":
                writer.close()
                return False
            elif step == "reset":
                _reset(writer)
                return False
            else:
                await asyncio.sleep(float(step))
        return True


class RawProxy(_Listener):
    """A proxy: answers CONNECT by a script, or opens a tunnel; carries plain requests on with their bytes."""

    def __init__(self, *refusal: Step, tls: ssl.SSLContext | None = None) -> None:
        super().__init__(tls)
        self._refusal = refusal
        self.asked: list[bytes] = []
        """The heads of the requests that it got."""

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        self.asked.append(head)
        if self._refusal:
            await self._refuse(writer)
        else:
            await self._carry(head, reader, writer)

    async def _refuse(self, writer: asyncio.StreamWriter) -> None:
        for step in self._refusal:
            if isinstance(step, bytes):
                writer.write(step)
                await writer.drain()
            elif step == "reset":
                _reset(writer)
            elif step != "close":
                await asyncio.sleep(float(step))

    async def _carry(self, head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        method, target, _ = head.split(b" ", 2)
        authority = target if method == b"CONNECT" else target.split(b"/")[2]
        host, _, port = authority.decode().rpartition(":")
        there, onward = await asyncio.open_connection(host, int(port))
        if method == b"CONNECT":
            writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        else:
            onward.write(head.replace(b"http://" + authority, b"", 1))
        await asyncio.gather(_copy(reader, onward), _copy(there, writer))


def _reset(writer: asyncio.StreamWriter) -> None:
    """Close a connection so that the other side is told of an error, not of an end."""
    linger = struct.pack("ii", 1, 0)
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    writer.transport.abort()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    with contextlib.suppress(Exception):
        writer.close()
