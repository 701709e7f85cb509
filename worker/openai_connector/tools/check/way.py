"""The way to the engine, step by step: name, connection, TLS, protocol.

gRPC says of all of these no more than that there is no connection.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import ssl
from collections.abc import AsyncIterator, Mapping
from importlib.resources import files
from typing import Final

from openai_connector.openai_api import Proxies
from openai_connector.tools.check.findings import Finding, failure, ok
from openai_connector.zeebe.channel import Connection

HELLO: Final = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes((0, 0, 0, 4, 0, 0, 0, 0, 0))
"""How each HTTP/2 connection begins: with a fixed text and empty settings."""
SETTINGS: Final = 4
"""The kind of frame that an HTTP/2 server sends first."""
TLS_ALERT: Final = b"\x15\x03"
_ADDRESS: Final = "Check ZEEBE_ADDRESS, and that the engine runs"
_PORT: Final = "Take the port of the gateway's gRPC endpoint, 26500 by default (8080 and 9600 are others)"


class BlockedError(Exception):
    """The way ends here; holds the finding."""

    def __init__(self, finding: Finding) -> None:
        super().__init__(finding.message)
        self.finding = finding


async def way_to(connection: Connection, seconds: float) -> list[Finding]:
    """Go to the engine step by step, up to the first that fails."""
    host, _, port = connection.target.rpartition(":")
    host = host.strip("[]")
    if is_through_proxy(os.environ, host, int(port)):
        return [ok("engine-dns", f"{host} is reached through the proxy of the environment")]
    findings: list[Finding] = []
    try:
        findings.append(await _resolve(host, int(port), seconds))
        findings.append(await _connect(host, int(port), seconds))
        if connection.tls:
            findings.append(await _secure(connection, host, int(port), seconds))
        else:
            await _greet(host, int(port), seconds)
    except BlockedError as barrier:
        findings.append(barrier.finding)
    return findings


def is_through_proxy(environment: Mapping[str, str], host: str, port: int) -> bool:
    """Check whether gRPC goes through a proxy, by the variables that it reads."""
    names = ("grpc_proxy", "https_proxy", "http_proxy")
    proxy = next((environment[name] for name in names if environment.get(name)), None)
    if proxy is None:
        return False
    without = environment.get("no_grpc_proxy") or environment.get("no_proxy") or ""
    return Proxies.of({"http_proxy": proxy, "no_proxy": without}).proxy_for("http", host, port) is not None


async def _resolve(host: str, port: int, seconds: float) -> Finding:
    try:
        async with asyncio.timeout(seconds):
            found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except TimeoutError:
        raise BlockedError(
            failure(
                "engine-dns", f"The name {host} is not resolved within {seconds:g} s", "Check the DNS server"
            )
        ) from None
    except (OSError, UnicodeError) as error:
        reason = getattr(error, "strerror", None) or type(error).__name__
        raise BlockedError(
            failure("engine-dns", f"The name {host} is not known ({reason})", _ADDRESS)
        ) from None
    addresses = dict.fromkeys(str(entry[4][0]) for entry in found)
    return ok("engine-dns", f"{host} is {', '.join(addresses)}")


async def _connect(host: str, port: int, seconds: float) -> Finding:
    async with _opened(host, port, seconds):
        return ok("engine-port", f"Port {port} of {host} takes connections")


@contextlib.asynccontextmanager
async def _opened(
    host: str, port: int, seconds: float, tls: ssl.SSLContext | None = None
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    try:
        async with asyncio.timeout(seconds):
            reader, writer = await asyncio.open_connection(host, port, ssl=tls)
    except ssl.SSLError:
        raise
    except TimeoutError:
        message = f"Port {port} of {host} does not answer within {seconds:g} s"
        raise BlockedError(
            failure("engine-port", message, f"{_ADDRESS} and no firewall is between")
        ) from None
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else type(error).__name__
        message = f"Port {port} of {host} takes no connections ({reason})"
        raise BlockedError(failure("engine-port", message, _ADDRESS)) from None
    try:
        yield reader, writer
    finally:
        writer.close()
        with contextlib.suppress(OSError, TimeoutError):
            async with asyncio.timeout(1):
                await writer.wait_closed()


async def _secure(connection: Connection, host: str, port: int, seconds: float) -> Finding:
    try:
        async with _opened(host, port, seconds, _context(connection)) as (_, writer):
            secured = writer.get_extra_info("ssl_object")
    except ssl.SSLCertVerificationError as error:
        raise BlockedError(_untrusted(error, host, connection)) from None
    except (ssl.SSLError, ConnectionError) as error:
        reason = getattr(error, "reason", None) or type(error).__name__
        advice = "Begin ZEEBE_ADDRESS with http:// if the engine speaks no TLS; else check the certificates"
        raise BlockedError(
            failure("engine-tls", f"{host} speaks no TLS with us ({reason})", advice)
        ) from None
    if secured.selected_alpn_protocol() != "h2":
        raise BlockedError(failure("engine-protocol", f"{host} speaks TLS, but not HTTP/2 (ALPN)", _PORT))
    return ok("engine-tls", f"{host} is trusted ({secured.version()})")


def _untrusted(error: ssl.SSLCertVerificationError, host: str, connection: Connection) -> Finding:
    message = f"The certificate of {host} is not trusted ({error.verify_message})"
    if "expired" in error.verify_message or "not yet valid" in error.verify_message:
        return failure("engine-tls", message, "Renew the certificate, or correct this machine's clock")
    if "match" in error.verify_message:
        return failure("engine-tls", message, "Use a name in ZEEBE_ADDRESS that stands in the certificate")
    also = "another authority than that of" if connection.ca_certificate else "its authority to"
    return failure("engine-tls", message, f"Give {also} ZEEBE_CA_CERTIFICATE_PATH")


def _context(connection: Connection) -> ssl.SSLContext:
    """Return what gRPC trusts: the authorities set, or its own list, not the system's."""
    own = os.environ.get("GRPC_DEFAULT_SSL_ROOTS_FILE_PATH")
    bundled = files("grpc").joinpath("_cython/_credentials/roots.pem")
    context = ssl.create_default_context(cafile=str(connection.ca_certificate or own or bundled))
    if connection.client_certificate and connection.client_key:
        context.load_cert_chain(connection.client_certificate, connection.client_key)
    context.set_alpn_protocols(["h2"])
    return context


async def _greet(host: str, port: int, seconds: float) -> None:
    """Begin HTTP/2 without TLS, and see what comes back."""
    async with _opened(host, port, seconds) as (reader, writer):
        writer.write(HELLO)
        start = b""
        with contextlib.suppress(OSError, TimeoutError, asyncio.IncompleteReadError):
            async with asyncio.timeout(seconds):
                start = await reader.readexactly(9)
    if len(start) == 9 and start[3] == SETTINGS:
        return
    if start.startswith(b"HTTP/"):
        raise BlockedError(
            failure("engine-protocol", f"Port {port} of {host} speaks HTTP/1.1, which is not gRPC", _PORT)
        )
    if start.startswith(TLS_ALERT) or await _speaks_tls(host, port, seconds):
        advice = "Begin ZEEBE_ADDRESS with https://"
        raise BlockedError(
            failure("engine-tls", f"Port {port} of {host} speaks TLS, the worker does not", advice)
        )
    raise BlockedError(
        failure("engine-protocol", f"Port {port} of {host} speaks something else than gRPC", _PORT)
    )


async def _speaks_tls(host: str, port: int, seconds: float) -> bool:
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE  # nothing is sent: only asked whether
    try:
        async with _opened(host, port, seconds, context):
            return True
    except (ssl.SSLError, BlockedError):
        return False
