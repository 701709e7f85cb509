"""The way to the engine, step by step: name, connection, TLS, protocol.

gRPC says of all of these no more than that there is no connection.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import ssl
from collections.abc import AsyncIterator
from typing import Any, Final

import aiohappyeyeballs

from openai_connector.tools.check import grpc_proxy, tls
from openai_connector.tools.check.findings import Finding, Verdict, failure, ok, warning
from openai_connector.zeebe.channel import Connection

HELLO: Final = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes((0, 0, 0, 4, 0, 0, 0, 0, 0))
"""How each HTTP/2 connection begins: with a fixed text and empty settings."""
SETTINGS: Final = 4
"""The kind of frame that an HTTP/2 server sends first."""
HEAD: Final = 9
"""Bytes of the head of a frame."""
NEXT_ADDRESS: Final = 0.25
"""Seconds after which the next address of a name is tried too."""
_ADDRESS: Final = "Check ZEEBE_ADDRESS, and that the engine runs"
_PORT: Final = "Take the port of the gateway's gRPC endpoint, 26500 by default (8080 and 9600 are others)"
_HANGS: Final = (
    "Check the port in ZEEBE_ADDRESS (26500 is the gateway's by default), that the engine there is not "
    "stuck, and that no proxy or firewall takes the connection in its place"
)
_CLIENT: Final = (
    "If the engine wants a client certificate, set ZEEBE_CLIENT_CERTIFICATE_PATH and ZEEBE_CLIENT_KEY_PATH "
    "to one that it trusts; else look at its log"
)
_MISNAMED: Final = "; to go through a proxy, gRPC must find it in https_proxy, in small letters"

Stream = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class BlockedError(Exception):
    """The way ends here; holds the finding."""

    def __init__(self, check: str, message: str, advice: str) -> None:
        super().__init__(message)
        self.finding = failure(check, message, advice)


async def way_to(connection: Connection, seconds: float) -> list[Finding]:
    """Go to the engine step by step, up to the first that fails."""
    host, _, port = connection.target.rpartition(":")
    host = host.strip("[]")
    roots = tls.roots_problem(connection)
    findings = [] if roots is None else [roots]
    if roots is not None and roots.verdict is Verdict.FAILURE:
        return findings
    proxy = grpc_proxy.variable_of(os.environ, host)
    if proxy is not None and grpc_proxy.is_usable(os.environ[proxy]):
        return [*findings, ok("engine-dns", f"{host} is reached through the proxy in {proxy}")]
    if proxy is not None:
        message = f"{proxy} is no http:// URL: gRPC ignores it, and goes to {host} directly"
        advice = f"Begin it with http://, or name {host} in no_grpc_proxy"
        findings.append(warning("engine-proxy", message, advice))
    try:
        await _go(connection, host, int(port), seconds, findings)
    except BlockedError as barrier:
        findings.append(barrier.finding)
    return findings


async def _go(connection: Connection, host: str, port: int, seconds: float, findings: list[Finding]) -> None:
    """Take the steps, and add each that succeeds."""
    addresses = await _resolve(host, port, seconds)
    shown = dict.fromkeys(str(entry[4][0]) for entry in addresses)
    findings.append(ok("engine-dns", f"{host} is {', '.join(shown)}"))
    async with _opened(addresses, host, port, seconds) as stream:
        findings.append(ok("engine-port", f"Port {port} of {host} takes connections"))
        if connection.tls:
            findings.append(await _secure(stream, connection, host, port, seconds))
        start = await _greet(stream, f"Port {port} of {host}", seconds)
    if not _is_http2(start):
        if connection.tls and not start:
            message = f"Port {port} of {host} closes the connection after the TLS handshake"
            raise BlockedError("engine-tls", message, _CLIENT)
        speaks_tls = not connection.tls and await _speaks_tls(addresses, host, port, seconds)
        raise _other_than_grpc(start, f"Port {port} of {host}", speaks_tls=speaks_tls)


async def _resolve(host: str, port: int, seconds: float) -> list[Any]:
    try:
        async with asyncio.timeout(seconds):
            return await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except TimeoutError:
        message = f"The name {host} is not resolved within {seconds:g} s"
        raise BlockedError("engine-dns", message, _or_proxy("Check the DNS server of this machine")) from None
    except socket.gaierror as error:
        if error.errno == socket.EAI_AGAIN:
            message = f"The DNS server does not say what {host} is ({error.strerror})"
            advice = _or_proxy("Check the DNS server of this machine, and the network to it")
            raise BlockedError("engine-dns", message, advice) from None
        message = f"The name {host} is not known ({error.strerror})"
        raise BlockedError("engine-dns", message, _or_proxy(_ADDRESS)) from None
    except (OSError, UnicodeError) as error:
        message = f"The name {host} cannot be asked for ({_why(error)})"
        raise BlockedError("engine-dns", message, "Check the host in ZEEBE_ADDRESS") from None


@contextlib.asynccontextmanager
async def _opened(addresses: list[Any], host: str, port: int, seconds: float) -> AsyncIterator[Stream]:
    try:
        async with asyncio.timeout(seconds):
            sock = await aiohappyeyeballs.start_connection(addresses, happy_eyeballs_delay=NEXT_ADDRESS)
            reader, writer = await asyncio.open_connection(sock=sock)
    except TimeoutError:
        message = f"Port {port} of {host} does not answer within {seconds:g} s"
        advice = _or_proxy(f"{_ADDRESS} and no firewall is between")
        raise BlockedError("engine-port", message, advice) from None
    except OSError as error:
        message = f"Port {port} of {host} takes no connections ({_why(error)})"
        raise BlockedError("engine-port", message, _or_proxy(_ADDRESS)) from None
    try:
        yield reader, writer
    finally:
        writer.transport.abort()  # nothing is left to be said, and a silent host is not waited for


def _or_proxy(advice: str) -> str:
    return advice + (_MISNAMED if grpc_proxy.is_misnamed(os.environ) else "")


def _why(error: Exception) -> str:
    """Return why; several addresses may have failed for several reasons."""
    number = getattr(error, "errno", None)
    return os.strerror(number) if number and number > 0 else str(error) or type(error).__name__


async def _secure(stream: Stream, connection: Connection, host: str, port: int, seconds: float) -> Finding:
    _, writer = stream
    try:
        async with asyncio.timeout(seconds):
            await writer.start_tls(tls.context_of(connection), server_hostname=host)
    except TimeoutError:
        message = f"Port {port} of {host} takes the connection, but is silent to TLS for {seconds:g} s"
        raise BlockedError("engine-tls", message, _HANGS) from None
    except ssl.SSLCertVerificationError as error:
        blocked = tls.untrusted(error, host, connection)
        raise BlockedError("engine-tls", blocked.message, blocked.advice) from None
    except ssl.SSLError as error:
        raise BlockedError("engine-tls", *_no_tls(error, f"Port {port} of {host}")) from None
    except OSError:
        message = f"Port {port} of {host} closes the connection when it is spoken to in TLS"
        advice = "Begin ZEEBE_ADDRESS with http:// if the engine speaks no TLS; else look at the engine's log"
        raise BlockedError("engine-tls", message, advice) from None
    secured = writer.get_extra_info("ssl_object")
    if secured.selected_alpn_protocol() != "h2":
        message = f"Port {port} of {host} speaks TLS, but not HTTP/2 (ALPN), which gRPC is"
        raise BlockedError("engine-protocol", message, _PORT)
    return ok("engine-tls", f"{host} is trusted ({secured.version()})")


def _no_tls(error: ssl.SSLError, place: str) -> tuple[str, str]:
    reason = error.reason or type(error).__name__
    if reason in ("WRONG_VERSION_NUMBER", "HTTP_REQUEST", "PACKET_LENGTH_TOO_LONG", "RECORD_LAYER_FAILURE"):
        return f"{place} speaks no TLS", "Begin ZEEBE_ADDRESS with http://"
    if "ALERT" in reason and ("CERTIFICATE" in reason or "UNKNOWN_CA" in reason):
        return f"{place} does not take the worker's client certificate, or wants one ({reason})", _CLIENT
    return f"{place} and the worker agree on no TLS ({reason})", "Check the engine's TLS versions and ciphers"


async def _greet(stream: Stream, place: str, seconds: float) -> bytes:
    """Begin HTTP/2, and return the beginning of what comes back."""
    reader, writer = stream
    writer.write(HELLO)
    try:
        async with asyncio.timeout(seconds):
            return await reader.readexactly(HEAD)
    except TimeoutError:
        message = f"{place} takes the connection, but says nothing for {seconds:g} s"
        raise BlockedError("engine-protocol", message, _HANGS) from None
    except asyncio.IncompleteReadError as error:
        return error.partial
    except ssl.SSLError as error:
        raise BlockedError("engine-tls", *_no_tls(error, place)) from None
    except OSError:
        return b""


def _is_http2(start: bytes) -> bool:
    return len(start) == HEAD and start[3] == SETTINGS


def _other_than_grpc(start: bytes, place: str, *, speaks_tls: bool) -> BlockedError:
    """Return what is wrong with an answer to the greeting."""
    if speaks_tls:  # also where it answers in HTTP/1.1 that it does, as nginx
        message = f"{place} speaks TLS, the worker does not"
        return BlockedError("engine-tls", message, "Begin ZEEBE_ADDRESS with https://")
    if start.startswith(b"HTTP/"):
        return BlockedError("engine-protocol", f"{place} speaks HTTP/1.1, which is not gRPC", _PORT)
    if not start:
        message = f"{place} takes the connection, and closes it when it is spoken to"
        return BlockedError("engine-protocol", message, _HANGS)
    return BlockedError("engine-protocol", f"{place} speaks something else than gRPC", _PORT)


async def _speaks_tls(addresses: list[Any], host: str, port: int, seconds: float) -> bool:
    try:
        async with _opened(addresses, host, port, seconds) as (_, writer), asyncio.timeout(seconds):
            await writer.start_tls(tls.any_context(), server_hostname=host)
            return True
    except ssl.SSLError as error:
        return "ALERT" in (error.reason or "")  # it refuses us in TLS: a certificate of ours is missing, say
    except (OSError, TimeoutError, BlockedError):
        return False
