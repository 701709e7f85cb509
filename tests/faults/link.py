"""A TCP proxy between a worker and what it speaks to: a wire that can be cut, slowed, and deafened."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Callable
from contextlib import suppress
from types import TracebackType
from typing import Final, Self

from tests.faults.schedule import Mode

UP: Final = "up"
"""From the worker."""
DOWN: Final = "down"
LATENCY: Final = 0.3
"""Seconds by which a slow wire delays each piece, in each direction."""


class Link:
    """One wire; connections through it share its fate.

    Args:
        target: where it leads, asked at each connection.
    """

    def __init__(self, target: Callable[[], tuple[str, int]]) -> None:
        self._target = target
        self._ends: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._open = {UP: asyncio.Event(), DOWN: asyncio.Event()}
        for direction in self._open.values():
            direction.set()
        self._latency = 0.0
        self._is_cut = False
        self._turn = asyncio.Lock()
        self._server: asyncio.Server | None = None

    @property
    def address(self) -> str:
        """`host:port` of the worker's end."""
        assert self._server is not None
        return f"127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    async def strike(self, mode: Mode, seconds: float) -> None:
        """Do something to the wire, for so long; one thing after the other."""
        async with self._turn:
            match mode:
                case "reset":
                    self._break()
                case "cut":
                    self._is_cut = True
                    self._break()
                case "delay":
                    self._latency = LATENCY
                case "mute up":
                    self._open[UP].clear()
                case "mute down":
                    self._open[DOWN].clear()
                case "hole":
                    self._open[UP].clear()
                    self._open[DOWN].clear()
            try:
                await asyncio.sleep(seconds)
            finally:
                self._mend(mode)

    def _mend(self, mode: Mode) -> None:
        if mode == "hole":
            self._break()  # what was on its way never arrives
        self._latency, self._is_cut = 0.0, False
        for direction in self._open.values():
            direction.set()

    def _break(self) -> None:
        for end in list(self._ends):
            reset(end)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._is_cut:
            reset(writer)
            return
        try:
            far_reader, far_writer = await asyncio.open_connection(*self._target())
        except OSError:
            reset(writer)
            return
        ends = {writer, far_writer}
        self._ends |= ends
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._carry(reader, far_writer, UP))
                group.create_task(self._carry(far_reader, writer, DOWN))
        finally:
            self._ends -= ends
            for end in ends:
                end.close()

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, way: str) -> None:
        """Carry bytes, and the end of the connection, in one direction."""
        try:
            while True:
                data = await reader.read(65_536)
                await asyncio.sleep(self._latency)
                await self._open[way].wait()
                if not data or writer.is_closing():
                    break
                writer.write(data)
                await writer.drain()
            if not writer.is_closing():
                writer.write_eof()
        except OSError:
            reset(writer)

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._connected, "127.0.0.1", 0)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._server is not None
        self._server.close()
        for direction in self._open.values():
            direction.set()
        self._break()


def reset(writer: asyncio.StreamWriter) -> None:
    """Close a connection by RST: what is on its way is lost."""
    with suppress(OSError):
        end = writer.get_extra_info("socket")
        end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()
