"""Servers that stand where the engine or the API should: each breaks in its own way, on a real socket."""

from __future__ import annotations

import asyncio
import contextlib
import datetime
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID
from google.protobuf.message import Message

Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
Key = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey


@contextlib.asynccontextmanager
async def answering(handler: Handler, host: str = "127.0.0.1") -> AsyncIterator[int]:
    """Run a TCP server; return its port."""
    writers: list[asyncio.StreamWriter] = []

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)
        with contextlib.suppress(OSError):
            await handler(reader, writer)

    server = await asyncio.start_server(handle, host, 0)
    try:
        yield int(server.sockets[0].getsockname()[1])
    finally:
        server.close()
        for writer in writers:
            writer.transport.abort()


async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Take the connection, and say nothing."""
    while await reader.read(1000):
        pass


async def closing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Close the connection at the first word."""
    await reader.read(1)
    writer.transport.abort()


def saying(text: bytes) -> Handler:
    """Return what answers the first word with a text, and closes."""

    async def say(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1000)
        writer.write(text)
        await writer.drain()
        writer.close()

    return say


@dataclass(frozen=True, slots=True)
class Certificate:
    """A certificate with its key."""

    certificate: x509.Certificate
    key: Key

    @property
    def pem(self) -> bytes:
        return self.certificate.public_bytes(serialization.Encoding.PEM)

    @property
    def key_pem(self) -> bytes:
        return self.key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )

    def context(self, folder: Path, *, protocols: tuple[str, ...] = ("h2",)) -> ssl.SSLContext:
        """Return what a server speaks TLS with."""
        (folder / "server.pem").write_bytes(self.pem + self.key_pem)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.set_ciphers("DEFAULT:@SECLEVEL=0")
        context.load_cert_chain(folder / "server.pem")
        context.set_alpn_protocols(list(protocols))
        return context


def issue(
    name: str, by: Certificate | None = None, *, is_authority: bool = False, bits: int = 0, days: int = 5
) -> Certificate:
    """Make a certificate, with nothing in it that TLS does not need: no key usage, no key identifiers."""
    key: Key = rsa.generate_private_key(65537, bits) if bits else ec.generate_private_key(ec.SECP256R1())
    own = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(own)
        .issuer_name(by.certificate.subject if by else own)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=9))
        .not_valid_after(now + datetime.timedelta(days=days))
    )
    if is_authority:
        builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    else:
        builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
    return Certificate(builder.sign(by.key if by else key, hashes.SHA256()), key)


Answer = Any
"""A message, or a status (which mypy has no types of); None: the command is not answered."""


class Gateway(grpc.GenericRpcHandler):  # type: ignore[misc]
    """An engine's gateway that answers each command as told."""

    def __init__(self, answers: dict[str, Answer], otherwise: Answer = grpc.StatusCode.NOT_FOUND) -> None:
        self._answers = answers
        self._otherwise = otherwise

    def service(self, handler_call_details: Any) -> Any:
        """Return what answers the command of this name."""
        name = handler_call_details.method.rpartition("/")[2]
        answer = self._answers.get(name, self._otherwise)

        async def one(_request: bytes, context: Any) -> bytes:
            if answer is None:
                await asyncio.sleep(60)
            if isinstance(answer, Message):
                return answer.SerializeToString()
            await context.abort(answer, "so it is told")
            raise AssertionError

        async def stream(request: bytes, context: Any) -> AsyncIterator[bytes]:
            yield await one(request, context)

        if name == "ActivateJobs":
            return grpc.unary_stream_rpc_method_handler(stream)
        return grpc.unary_unary_rpc_method_handler(one)

    @contextlib.asynccontextmanager
    async def running(self, credentials: grpc.ServerCredentials | None = None) -> AsyncIterator[int]:
        """Run it; return its port."""
        server = grpc.aio.server()
        server.add_generic_rpc_handlers((self,))
        place = "127.0.0.1:0"
        port = server.add_secure_port(place, credentials) if credentials else server.add_insecure_port(place)
        await server.start()
        try:
            yield int(port)
        finally:
            await server.stop(None)
