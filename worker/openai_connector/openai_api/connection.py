"""One connection, and one exchange on it at a time: HTTP/1.1 by h11, over asyncio."""

from __future__ import annotations

import asyncio
import re
import select
import ssl
from collections.abc import AsyncIterator, Sequence
from typing import Any, Final

import h11

from openai_connector.openai_api.faults import Broken, Malformed, NoSecureConnection, NotSent, Stale
from openai_connector.openai_api.leniency import readable

MAX_HEAD_BYTES: Final = 300 * 1024  # of status line and headers; as much as curl reads
UNREAD_BYTES: Final = 256 * 1024  # that may wait here before the other side has to
LONGEST_IDLE: Final = 4.0
"""Seconds for which a connection waits for the next call. uvicorn (vLLM, LiteLLM) and Node close theirs after
5 s: a request that crosses that on its way is lost, and may not be repeated."""
IDLE_MARGIN: Final = 1.0  # less than the seconds that `Keep-Alive: timeout` promises
IDLE_TOO_LONG: Final = 408
"""Said by servers of a connection, not of a request; it may cross one."""
_SIGNATURE: Final = b"HTTP/"
_BARE_CHUNK: Final = re.compile(rb"[0-9A-Fa-f]{1,20}[ \t]*(?:;[^\r\n]*)?\n")
"""The size of a chunk, ended in a way that h11 would wait behind for ever."""

Headers = Sequence[tuple[bytes, bytes]]


class Connection(asyncio.Protocol):
    """A connection as asyncio reports of it.

    Whatever arrives while no request waits for it makes the connection unusable: no response is ever given
    to a request that it does not answer.
    """

    def __init__(self) -> None:
        self._transport: asyncio.Transport
        self._socket_transport: asyncio.Transport  # the same, without TLS
        self._unread: list[bytes] = []
        self._unread_size = 0
        self._is_paused = False
        self._has_ended = False
        self._error: Exception | None = None
        self._news: asyncio.Future[None] | None = None
        self._http = h11.Connection(h11.CLIENT, max_incomplete_event_size=MAX_HEAD_BYTES)
        self._head = b""
        self._method = b""
        self._is_suspect = False
        self._has_answered = False
        self._expiry: asyncio.TimerHandle | None = None
        self._is_open = False
        self._is_full = False

    # What asyncio reports

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the transport."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = self._socket_transport = transport
        self._is_open = True

    def data_received(self, data: bytes) -> None:
        """Keep what has arrived for the reader; without one, never use the connection again."""
        if self._expiry is not None:
            self.abort()
            return
        self._unread.append(data)
        self._unread_size += len(data)
        if self._unread_size > UNREAD_BYTES and not self._is_paused:
            self._is_paused = True
            self._transport.pause_reading()
        self._wake()

    def eof_received(self) -> None:
        """Note the end; asyncio closes the transport."""
        self._end(None)

    def connection_lost(self, exc: Exception | None) -> None:
        """Note the end, and why."""
        self._end(exc)

    def _end(self, error: Exception | None) -> None:
        self._is_open = False
        if not self._has_ended:
            self._has_ended = True
            self._error = error
        self._wake()

    def _wake(self) -> None:
        if self._news is not None and not self._news.done():
            self._news.set_result(None)

    # One exchange

    async def ask(
        self, method: bytes, target: bytes, headers: Headers, content: bytes | Sequence[bytes]
    ) -> h11.Response:
        """Send a request, and read the head of its response.

        A content of parts is sent bit by bit, as the other side takes it.

        Raises:
            Broken: the connection ended first.
            Malformed: what came is no response.
            NotSent: the request is not one that HTTP allows.
            Stale: the connection had ended before.
            NoSecureConnection: the other side refused the connection, and so the request, by a TLS alert.
        """
        http, self._method = self._http, method
        whole = content if isinstance(content, bytes) else b""
        try:
            parts = [http.send(h11.Request(method=method, target=target, headers=list(headers)))]
            if whole:
                parts.append(http.send(h11.Data(data=whole)))
            if isinstance(content, bytes):
                parts.append(http.send(h11.EndOfMessage()))
        except h11.LocalProtocolError:  # whose text may have the key in it
            raise NotSent("the request has headers or an address that HTTP does not allow") from None
        await self._write(b"".join(part for part in parts if part))
        if not isinstance(content, bytes):
            await self._write_parts(content)
        self._head = b""
        while True:
            event = self._next()
            if event is h11.NEED_DATA:
                await self._read_head()
            elif isinstance(event, h11.Response):
                if event.status_code == IDLE_TOO_LONG:
                    self._is_suspect = (
                        True  # the real answer may still come: the next request must not get it
                    )
                return event
            elif isinstance(event, h11.InformationalResponse):
                self._head = self._http.trailing_data[0]
            else:
                raise Malformed("it is no response", self._head)

    async def _write(self, data: bytes) -> None:
        """Write a request; where the system takes none of it, it is surely not sent."""
        if not self._has_answered and _is_readable(self._transport):  # a TLS alert, or the end
            await asyncio.sleep(0)  # asyncio looks
            await asyncio.sleep(0)  # and tells
        if self._unread:
            raise NotSent("the server spoke before it was asked")
        if not self._has_ended:
            self._transport.write(data)
        if self._has_ended or self._socket_transport.is_closing():
            while not self._has_ended:
                await self._wait()  # to be told why
            if isinstance(self._error, ssl.SSLError) and not self._has_answered:
                raise NoSecureConnection.of(self._error)
            raise Stale

    async def _write_parts(self, parts: Sequence[bytes]) -> None:
        """Write a long body; where the other side has heard enough, the rest is left out."""
        http = self._http
        for part in parts:
            self._transport.write(http.send(h11.Data(data=part)) or b"")
            while self._is_full and not self._has_ended:
                await self._wait()
            if self._has_ended or self._unread:
                self._is_suspect = True
                return
        http.send(h11.EndOfMessage())

    def pause_writing(self) -> None:
        """Note that the other side is slower than we are."""
        self._is_full = True

    def resume_writing(self) -> None:
        """Note that it has caught up."""
        self._is_full = False
        self._wake()

    async def _read_head(self) -> None:
        data = await self._receive()
        if not data:
            if isinstance(self._error, ssl.SSLError) and not (self._head or self._has_answered):
                raise NoSecureConnection.of(self._error)
            raise Broken("it was closed before the answer", is_clean=self._error is None)
        self._head += data
        if not self._head.startswith(_SIGNATURE[: len(self._head)]):
            raise Malformed("it does not begin with HTTP/", self._head)
        self._http.receive_data(data)

    def _next(self) -> Any:
        try:
            return self._http.next_event()
        except h11.RemoteProtocolError as error:
            if not self._head or self._is_suspect:
                raise Malformed(_named(error), self._head) from None
            return self._read_again(error)

    def _read_again(self, error: h11.RemoteProtocolError) -> Any:
        """Read a head as other clients do, where h11 refuses it; the connection is not used again then."""
        head = readable(self._head)
        if head is None:
            raise Malformed(_named(error), self._head) from None
        self._is_suspect = True
        fresh = h11.Connection(h11.CLIENT, max_incomplete_event_size=MAX_HEAD_BYTES)
        fresh.send(h11.Request(method=self._method, target=b"/", headers=[(b"Host", b"-")]))
        fresh.send(h11.EndOfMessage())
        fresh.receive_data(head)
        self._http = fresh
        return self._next()

    async def body(self) -> AsyncIterator[bytes]:
        """Yield the response's body, whose head has been read.

        Raises:
            Broken: the connection ended before the body did.
            Malformed: it cannot be told where the body ends.
        """
        self._head = b""
        self._has_answered = True
        http = self._http
        while True:
            event = self._next()
            if isinstance(event, h11.Data):
                yield bytes(event.data)
            elif event is not h11.NEED_DATA:
                return
            elif _BARE_CHUNK.match(http.trailing_data[0]):
                raise Malformed("illegal chunk header")
            elif data := await self._receive():
                http.receive_data(data)
            else:
                self._read_to_the_end(http)

    def _read_to_the_end(self, http: h11.Connection) -> None:
        """Take the end of the connection for the end of the body, where HTTP has it so."""
        if self._error is not None:
            raise Broken(type(self._error).__name__, is_clean=False)
        http.receive_data(b"")
        try:
            http.next_event()
        except h11.RemoteProtocolError:
            raise Broken("it was closed before the answer's end", is_clean=True) from None

    async def _receive(self) -> bytes:
        """Return what has arrived, or wait for it; empty at the end of the connection."""
        if not self._unread and not self._has_ended:
            await self._wait()
        data = b"".join(self._unread)
        self._unread.clear()
        self._unread_size = 0
        if self._is_paused:
            self._is_paused = False
            self._transport.resume_reading()
        return data

    async def _wait(self) -> None:
        """Wait until asyncio reports something."""
        self._news = asyncio.get_running_loop().create_future()
        try:
            await self._news
        finally:
            self._news = None

    # Between two exchanges

    @property
    def is_resting(self) -> bool:
        """The connection may be used again."""
        return self._expiry is not None and self._is_open

    @property
    def has_surplus(self) -> bool:
        """More has arrived than the response has."""
        return bool(self._unread) or self._http.trailing_data[0] != b""

    def rest(self, keep_alive: str) -> bool:
        """Wait for the next exchange, where both sides allow it.

        Args:
            keep_alive: the header of this name: how long the server waits, and for how many.
        """
        http = self._http
        seconds = min(LONGEST_IDLE, _promised(keep_alive) - IDLE_MARGIN)
        if (
            not self._is_open
            or self._is_suspect
            or self.has_surplus
            or not http.our_state is http.their_state is h11.DONE
            or seconds <= 0
            or self._transport.get_write_buffer_size()
        ):
            return False
        http.start_next_cycle()
        self._expiry = asyncio.get_running_loop().call_later(seconds, self.abort)
        return True

    def wake_up(self) -> bool:
        """Return whether another exchange may begin: nothing, not even an end, has arrived in between."""
        if not self.is_resting or self._socket_transport.is_closing():
            return False
        if _is_readable(self._transport):  # and asyncio does not know yet
            self.abort()
            return False
        assert self._expiry is not None
        self._expiry.cancel()
        self._expiry = None
        return True

    async def secure(self, context: ssl.SSLContext, host: str) -> None:
        """Speak TLS from now on.

        Raises:
            OSError: TLS does not come about.
        """
        if self._unread:  # servers of TLS wait for the client
            raise NoSecureConnection("the port does not speak TLS")
        loop = asyncio.get_running_loop()
        transport = await loop.start_tls(self._transport, self, context, server_hostname=host)
        if transport is None or self._has_ended:
            raise ConnectionResetError
        self._transport = transport
        self._http = h11.Connection(h11.CLIENT, max_incomplete_event_size=MAX_HEAD_BYTES)

    def abort(self) -> None:
        """Close at once."""
        if self._expiry is not None:
            self._expiry.cancel()
        self._is_open = False
        self._transport.abort()


def _named(error: h11.RemoteProtocolError) -> str:
    """Return what is wrong in h11's words, without the bytes that it shows: they may be anything."""
    words = re.split(r": (?:b|bytearray\(b)['\"]", str(error))[0]
    is_about_status = "InformationalResponse" in words or "_SWITCH_" in words
    return "its status is not one of an answer" if is_about_status else words


def _promised(keep_alive: str) -> float:
    """Return the seconds for which the server waits; 0 where it takes no other request."""
    promised = float("inf")
    for part in keep_alive.split(","):
        name, _, written = part.strip().partition("=")
        name, number = name.strip().lower(), written.strip().strip('"')
        if name == "timeout" and number.isdecimal():
            promised = min(promised, float(number))
        elif name == "max" and number.isdecimal() and not int(number[:9]):
            return 0
    return promised


def _is_readable(transport: asyncio.Transport) -> bool:
    """Return whether something has arrived, be it the end, that asyncio has not told of yet."""
    file = transport.get_extra_info("socket").fileno()
    if file < 0:
        return True
    if not hasattr(select, "poll"):  # Windows
        return bool(select.select([file], [], [], 0)[0])
    poll = select.poll()
    poll.register(file, select.POLLIN)
    return bool(poll.poll(0))
