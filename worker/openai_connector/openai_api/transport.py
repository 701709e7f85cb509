"""The transport under httpx: connections of our own, because a paid answer hangs on what they do.

httpx's own pool takes quadratic time in the calls under way. aiohttp gives an idle connection's surplus to
the next request. hyper changes the names of headers, on which users' expressions depend. To choose again, put
another `httpx.AsyncBaseTransport` in the place of `Transport`; nothing above it knows more than httpx.
"""

from __future__ import annotations

import asyncio
import ssl
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import suppress
from typing import Any, NamedTuple

import h11
import httpx

from openai_connector.openai_api.connection import Connection, Headers
from openai_connector.openai_api.dialling import Dialler
from openai_connector.openai_api.faults import NotSent, Stale
from openai_connector.openai_api.proxies import DEFAULT_PORTS, Proxies, Proxy


class _Key(NamedTuple):
    """What two requests must share in order to share a connection."""

    scheme: str
    host: str
    port: int
    proxy: Proxy | None


class Transport(httpx.AsyncBaseTransport):
    """Sends each request once: on an idle connection where there is one, otherwise on a new one.

    There is no limit of connections: the worker's slots are the limit.
    """

    def __init__(self, context: ssl.SSLContext, proxies: Proxies) -> None:
        self._dialler = Dialler(context)
        self._proxies = proxies
        self._idle: dict[_Key, deque[Connection]] = {}

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send one request and read the response's head; the body is read from its stream.

        Raises:
            httpx.ConnectTimeout, NotSent: there was no connection; the request was not sent.
            Broken, Malformed: it was sent, and there is no response to it.
        """
        url = request.url
        if url.scheme not in DEFAULT_PORTS or not url.host:
            raise NotSent("the address is no URL of http or https")
        port = url.port or DEFAULT_PORTS[url.scheme]
        proxy = self._proxies.proxy_for(url.scheme, url.host, port)
        is_plain_proxy = proxy is not None and url.scheme == "http"
        target, headers = url.raw_path, request.headers.raw
        if is_plain_proxy:
            assert proxy is not None
            target = b"http://" + url.netloc + target
            headers = [*headers, *proxy.authorization()]
        key = _Key(url.scheme, "" if is_plain_proxy else url.host, 0 if is_plain_proxy else port, proxy)
        asking = request.method.encode(), target, headers, request.extensions.get("parts") or request.content
        while (connection := self._take(key)) is not None:
            with suppress(Stale):  # surely not sent: so it is sent once all the same
                return await self._ask(key, connection, *asking)
        seconds = request.extensions.get("timeout", {}).get("connect")
        connection = await self._dial(url.scheme, url.host, port, proxy, seconds)
        return await self._ask(key, connection, *asking)

    async def _ask(
        self,
        key: _Key,
        connection: Connection,
        method: bytes,
        target: bytes,
        headers: Headers,
        content: bytes | Sequence[bytes],
    ) -> httpx.Response:
        try:
            head = await connection.ask(method, target, headers, content)
        except BaseException:
            connection.abort()
            raise
        return self._response(key, connection, head)

    def _response(self, key: _Key, connection: Connection, head: h11.Response) -> httpx.Response:
        keep_alive = b",".join(value for name, value in head.headers if name == b"keep-alive").decode(
            "latin-1"
        )
        body = _Body(lambda: self._give_back(key, connection, keep_alive), connection)
        extensions: dict[str, Any] = {
            "reason_phrase": bytes(head.reason),
            "has_surplus": body.has_surplus,  # to be called when the body has been read
            "is_proxy_told": key.proxy is not None and bool(key.proxy.credentials),
        }
        return httpx.Response(
            head.status_code, headers=head.headers.raw_items(), stream=body, extensions=extensions
        )

    async def _dial(
        self, scheme: str, host: str, port: int, proxy: Proxy | None, seconds: float | None
    ) -> Connection:
        try:
            async with asyncio.timeout(seconds):
                return await self._dialler.connect(scheme, host, port, proxy)
        except TimeoutError:
            raise httpx.ConnectTimeout(f"none within {seconds:g} s") from None

    def _take(self, key: _Key) -> Connection | None:
        """Return the connection that was used last: the others may end."""
        connections = self._idle.get(key)
        while connections:
            connection = connections.pop()
            if connection.wake_up():
                return connection
        self._idle.pop(key, None)
        return None

    def _give_back(self, key: _Key, connection: Connection, keep_alive: str) -> None:
        if not connection.rest(keep_alive):
            connection.abort()
            return
        connections = self._idle.setdefault(key, deque())
        while connections and not connections[0].is_resting:  # the oldest end first
            connections.popleft()
        connections.append(connection)

    async def aclose(self) -> None:
        """Close the idle connections."""
        for connections in self._idle.values():
            for connection in connections:
                connection.abort()
        self._idle.clear()
        await asyncio.sleep(0)  # asyncio closes in its next round


class _Body(httpx.AsyncByteStream):
    """A response's body; closing it gives the connection back, or closes it where the body was not read."""

    def __init__(self, give_back: Callable[[], None], connection: Connection) -> None:
        self._give_back = give_back
        self._connection = connection
        self._has_surplus = False

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for chunk in self._connection.body():
            yield chunk
        self._has_surplus = self._connection.has_surplus

    def has_surplus(self) -> bool:
        """Return whether more had arrived than the body has."""
        return self._has_surplus

    async def aclose(self) -> None:
        self._give_back()
