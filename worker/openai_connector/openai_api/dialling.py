"""How a connection comes about: name, TCP, the proxy's tunnel, TLS. Whatever fails here, nothing was sent."""

from __future__ import annotations

import asyncio
import ipaddress
import os
import socket
import ssl
from typing import Any, Final

import aiohappyeyeballs
import h11

from openai_connector.openai_api.connection import Connection
from openai_connector.openai_api.faults import (
    Broken,
    Malformed,
    NoSecureConnection,
    NotSent,
    TunnelRefused,
)
from openai_connector.openai_api.proxies import Proxy

NAMES_KEPT: Final = 10.0  # seconds for which a name's addresses are not asked for again
NEXT_ADDRESS: Final = 0.25  # seconds after which the next address of a name is tried too (RFC 8305)

Addresses = list[Any]  # as getaddrinfo gives them


class Dialler:
    """Opens connections."""

    def __init__(self, context: ssl.SSLContext) -> None:
        self._context = context
        self._names: dict[tuple[str, int], tuple[float, asyncio.Task[Addresses]]] = {}

    async def connect(self, scheme: str, host: str, port: int, proxy: Proxy | None) -> Connection:
        """Return a connection to a host, through the proxy where there is one.

        Raises:
            NotSent: there is none; the error says why.
        """
        try:
            if proxy is None:
                return await self._open(host, port, is_secure=scheme == "https")
            connection = await self._open(proxy.host, proxy.port, is_secure=proxy.scheme == "https")
            if scheme == "https":
                await self._tunnel(connection, host, port, proxy)
            return connection
        except ssl.SSLError as error:
            raise NoSecureConnection.of(error) from None
        except (OSError, ValueError) as error:
            raise NotSent(_why(error)) from None

    async def _open(self, host: str, port: int, *, is_secure: bool) -> Connection:
        addresses = await self._addresses(host, port)
        sock = await aiohappyeyeballs.start_connection(addresses, happy_eyeballs_delay=NEXT_ADDRESS)
        _, connection = await asyncio.get_running_loop().create_connection(Connection, sock=sock)
        if is_secure:
            await self._secure(connection, host)
        return connection

    async def _secure(self, connection: Connection, host: str) -> None:
        try:
            await connection.secure(self._context, host.rstrip("."))
        except ConnectionError:
            connection.abort()
            raise NoSecureConnection("the connection was closed during the TLS handshake") from None
        except BaseException:
            connection.abort()
            raise

    async def _tunnel(self, connection: Connection, host: str, port: int, proxy: Proxy) -> None:
        name = f"[{host}]" if ":" in host else host
        target = f"{name}:{port}".encode()
        try:
            try:
                head = await connection.ask(
                    b"CONNECT", target, [(b"Host", target), *proxy.authorization()], b""
                )
            except (Broken, Malformed):
                raise NotSent("the proxy opened no tunnel") from None
            if not 200 <= head.status_code < 300:
                raise TunnelRefused(head.status_code, _headers(head), is_known=bool(proxy.authorization()))
            if connection.has_surplus:
                raise NotSent("the proxy sent more than its answer")
        except BaseException:
            connection.abort()
            raise
        await self._secure(connection, host)

    async def _addresses(self, host: str, port: int) -> Addresses:
        """Return a host's addresses; many calls at once ask for a name once."""
        if _is_address(host):
            return socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST)
        loop = asyncio.get_running_loop()
        known = self._names.get((host, port))
        if known is None or known[0] < loop.time():
            self._names = {name: known for name, known in self._names.items() if known[0] > loop.time()}
            asking = loop.create_task(loop.getaddrinfo(host, port, type=socket.SOCK_STREAM))
            asking.add_done_callback(_look_at)
            known = self._names[host, port] = loop.time() + NAMES_KEPT, asking
        try:
            return await asyncio.shield(known[1])
        except OSError:
            self._names.pop((host, port), None)
            raise


def _headers(head: h11.Response) -> dict[str, list[str]]:
    headers: dict[str, list[str]] = {}
    for name, value in head.headers:
        headers.setdefault(name.decode("latin-1"), []).append(value.decode("latin-1"))
    return headers


def _look_at(asking: asyncio.Task[Addresses]) -> None:
    """Keep asyncio from complaining of an error that nobody waited for."""
    if not asking.cancelled():
        asking.exception()


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _why(error: Exception) -> str:
    """Return why, without any address."""
    if isinstance(error, socket.gaierror):
        return error.strerror or "the name is not known"
    if isinstance(error, OSError) and error.errno is not None:
        return os.strerror(error.errno)
    return type(error).__name__
