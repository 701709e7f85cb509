"""What was surely not sent is never "may have been paid for", and the known reason is said."""

from __future__ import annotations

import asyncio
import datetime
import socket
import ssl
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress

import pytest
import trustme
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from openai_connector.connector import explained
from openai_connector.contract import PANEL
from openai_connector.job import Recovery
from openai_connector.openai_api import ApiClient, ApiConnectionError, ApiError, Proxies
from tests.make import sentences_in
from tests.unit.openai_api.conftest import ask, error_of
from tests.wire.raw import RawProxy, RawServer, Step, response

NOT_PAID = "nothing was paid for"
TODAY = datetime.datetime.now(datetime.UTC)
DAY = datetime.timedelta(days=1)


@asynccontextmanager
async def through(proxy: RawProxy, tls: ssl.SSLContext, **more: str) -> AsyncIterator[ApiClient]:
    """Open a client that goes through a proxy."""
    client = ApiClient(verify=tls, proxies=Proxies.of({"ALL_PROXY": proxy.url, **more}))
    try:
        yield client
    finally:
        await client.aclose()


async def refused_by_proxy(tls: ssl.SSLContext, *script: Step, timeout: float = 60) -> ApiError:
    """Ask through a proxy that opens no tunnel."""
    async with RawProxy(*script) as proxy, through(proxy, tls) as client:
        error = await error_of(client, "https://api.example.com", timeout=timeout)
        assert len(proxy.asked) == 1
        assert NOT_PAID in explained(error, PANEL)
        assert isinstance(error, ApiConnectionError)
        return error


@pytest.mark.parametrize(
    "script",
    [
        ("close",),
        ("reset",),
        (b"garbage\r\n\r\n", "close"),
        (b"HTTP/1.1 200", "close"),
        (b"HTTP/1.1 200 OK\r\n\r\nmore", 600),
        (b"HTTP/1.1 200 OK\r\n\r\n", "close"),
        (b"HTTP/1.1 200 OK\r\n\r\n", 0.05, b"HTTP/1.1 200 OK\r\n\r\n", "close"),
    ],
    ids=[
        "closes",
        "resets",
        "garbage",
        "half a line",
        "more than asked",
        "closes the tunnel",
        "no TLS inside",
    ],
)
async def test_a_tunnel_that_does_not_open_was_not_paid(
    client_tls: ssl.SSLContext, script: tuple[Step, ...]
) -> None:
    """Whatever happens before TLS stands, the request has not left."""
    error = await refused_by_proxy(client_tls, *script)
    assert error.recovery is Recovery.TRANSIENT


async def test_a_proxy_that_is_silent_was_not_paid(client_tls: ssl.SSLContext) -> None:
    """The tunnel belongs to connecting, and so to its share of the time."""
    error = await refused_by_proxy(client_tls, 600, timeout=0.5)
    assert "none within 0.4 s" in str(error)


@pytest.mark.parametrize(
    ("status", "recovery", "reason"),
    [
        ("407", Recovery.PERMANENT, "407"),
        ("403", Recovery.PERMANENT, "no_tunnel"),
        ("400", Recovery.PERMANENT, "no_tunnel"),
        ("301", Recovery.PERMANENT, "no_tunnel"),
        ("429", Recovery.TRANSIENT, "no_connection"),
        ("502", Recovery.TRANSIENT, "no_connection"),
        ("503", Recovery.TRANSIENT, "no_connection"),
        ("504", Recovery.TRANSIENT, "no_connection"),
    ],
)
async def test_a_tunnel_that_is_refused_goes_by_its_status(
    client_tls: ssl.SSLContext, status: str, recovery: Recovery, reason: str
) -> None:
    """A missing password and a forbidden host are final; trouble of the proxy passes."""
    refusal = f"HTTP/1.1 {status} No\r\nContent-Length: 2\r\n\r\nno".encode()
    error = await refused_by_proxy(client_tls, refusal)
    assert (error.recovery, error.reason) == (recovery, reason)
    assert f"the proxy answered {status}" in str(error)


async def test_a_missing_proxy_password_is_told_as_on_plain_addresses(client_tls: ssl.SSLContext) -> None:
    """407 of the tunnel has the code and the advice of 407."""
    error = await refused_by_proxy(client_tls, b"HTTP/1.1 407 Auth\r\nContent-Length: 0\r\n\r\n")
    assert error.code == "407"
    assert "CHECK_PROXY_PASSWORD" in sentences_in(explained(error, PANEL))


@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize(
    ("user", "advice"),
    [("", "CHECK_PROXY_PASSWORD"), ("u:p@", "CORRECT_PROXY_PASSWORD"), ("u@", "CORRECT_PROXY_PASSWORD")],
    ids=["nothing sent", "both sent", "name sent"],
)
async def test_what_to_do_about_407_depends_on_what_was_sent(
    client_tls: ssl.SSLContext, scheme: str, user: str, advice: str
) -> None:
    """A password that is missing is told from one that the proxy does not accept, with a tunnel or without."""
    async with RawProxy(b"HTTP/1.1 407 Auth\r\nContent-Length: 0\r\n\r\n", 1) as proxy:
        address = proxy.url.replace("//", f"//{user}")
        async with through(proxy, client_tls, all_proxy=address) as client:
            error = await error_of(client, f"{scheme}://api.example.com")
    assert (error.code, error.recovery) == ("407", Recovery.PERMANENT)
    assert advice in sentences_in(explained(error, PANEL))


@pytest.mark.parametrize(
    ("status", "header", "seconds"),
    [
        ("429", "Retry-After: 7", 7),
        ("503", "Retry-After: 1 minute", 60),
        ("503", "Retry-After: 7\r\nRetry-After: 9", 9),
        ("429", "retry-after-ms: 1500", 1.5),
        ("502", "Retry-After: 7", None),
        ("429", "Retry-After: soon", None),
    ],
)
async def test_a_proxy_that_asks_to_wait_is_heeded(
    client_tls: ssl.SSLContext, status: str, header: str, seconds: float | None
) -> None:
    """As an API that does: the wait costs no retry."""
    error = await refused_by_proxy(client_tls, f"HTTP/1.1 {status} No\r\n{header}\r\n\r\n".encode())
    assert (error.wait and error.wait.total_seconds()) == seconds
    assert error.recovery is (Recovery.RATE_LIMITED if seconds else Recovery.TRANSIENT)


async def test_user_and_password_go_to_the_proxy_alone(
    client_tls: ssl.SSLContext, server_tls: ssl.SSLContext
) -> None:
    """They are percent-decoded, and stand in no request to the API."""
    async with RawProxy() as proxy, RawServer([response()], tls=server_tls) as server:
        named = proxy.url.replace("//", "//us%23er:p%40ss%2F@")
        async with through(proxy, client_tls, all_proxy=named) as client:
            await ask(client, server.url)
    assert b"Proxy-Authorization: Basic dXMjZXI6cEBzcy8=\r\n" in proxy.asked[0]
    assert "proxy-authorization" not in server.requests[0][1]


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:1",
        "https://127.0.0.1:1",
        "http://no-such-host.invalid",
        "https://no-such-host.invalid",
    ],
)
async def test_no_connection_was_not_paid(client: ApiClient, url: str) -> None:
    """A refused connection and an unknown name are passing, and not paid."""
    error = await error_of(client, url)
    assert (error.code, error.recovery, error.reason) == ("408", Recovery.TRANSIENT, "no_connection")
    assert NOT_PAID in explained(error, PANEL)


@pytest.mark.parametrize("value", ["a\nb", "a\rb", "a\0b"], ids=["line feed", "carriage return", "NUL"])
async def test_a_header_that_http_does_not_allow_is_not_sent_nor_shown(client: ApiClient, value: str) -> None:
    """A broken key in a header is no connection; the message does not have it."""
    async with RawServer([response()]) as server:
        with pytest.raises(ApiError) as caught:
            await ask(client, server.url, headers={"Authorization": f"Bearer MARKER{value}"})
        assert not server.requests
    assert NOT_PAID in explained(caught.value, PANEL)
    assert "MARKER" not in explained(caught.value, PANEL)


@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_a_proxy_may_be_spoken_to_by_tls(
    client_tls: ssl.SSLContext, server_tls: ssl.SSLContext, scheme: str
) -> None:
    """An https:// proxy carries plain requests, and tunnels with TLS of their own."""
    tls = server_tls if scheme == "https" else None
    async with RawProxy(tls=server_tls) as proxy, RawServer([response()], tls=tls) as server:
        async with through(proxy, client_tls) as client:
            for _ in range(2):
                assert (await ask(client, server.url)).status == 200
        assert len(server.requests) == 2
        assert len(proxy.asked) == 1


@pytest.mark.parametrize(
    "url", ["ws://127.0.0.1:{port}", "tcp://127.0.0.1:{port}", "http:///v1", "//127.0.0.1:{port}"]
)
async def test_what_is_no_http_address_is_not_asked(client: ApiClient, url: str) -> None:
    """Whatever has let such an address through, the key does not go out to it."""
    async with RawServer([response()]) as server:
        error = await error_of(client, url.format(port=server.port))
        assert server.connections == 0
    assert NOT_PAID in explained(error, PANEL)


@pytest.mark.parametrize(
    "headers",
    [{"Content-Length": "1"}, {"Content-Length": "x"}, {"Transfer-Encoding": "br"}, {"Host": "a", "host": "b"}, {"a b": "c"}],
    ids=["length", "no length", "coding", "two hosts", "space"],
)  # fmt: skip
async def test_headers_that_do_not_go_with_the_request_are_not_sent(
    client: ApiClient, headers: dict[str, str]
) -> None:
    """A task's own headers cannot break the frame of a request, and so send a second one."""
    async with RawServer([response()]) as server:
        with pytest.raises(ApiError) as caught:
            await ask(client, server.url, headers=headers)
        assert not server.requests
    assert NOT_PAID in explained(caught.value, PANEL)


# Certificates


class Authority:
    """An authority whose certificates may be wrong in every way."""

    def __init__(self) -> None:
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "authority")])
        self.certificate = self.signed(self.key, self.name, is_authority=True)

    def signed(
        self,
        key: ec.EllipticCurvePrivateKey,
        name: x509.Name,
        *,
        host: str = "localhost",
        begins: datetime.datetime = TODAY - DAY,
        ends: datetime.datetime = TODAY + DAY,
        is_authority: bool = False,
    ) -> x509.Certificate:
        return (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(self.name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(begins)
            .not_valid_after(ends)
            .add_extension(x509.BasicConstraints(ca=is_authority, path_length=None), critical=True)
            .add_extension(x509.SubjectAlternativeName([x509.DNSName(host)]), critical=False)
            .sign(self.key, hashes.SHA256())
        )


@contextmanager
def server_context(
    authority: Authority, folder: pytest.TempPathFactory, *, is_self_signed: bool = False, **wrong: object
) -> Iterator[ssl.SSLContext]:
    """Make a server's context with a certificate that is wrong in one way."""
    key = authority.key if is_self_signed else ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "server")])
    certificate = authority.certificate if is_self_signed else authority.signed(key, name, **wrong)  # type: ignore[arg-type]
    file = folder.mktemp("certificate") / "server.pem"
    file.write_bytes(
        certificate.public_bytes(serialization.Encoding.PEM)
        + key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    yield context


@pytest.mark.parametrize(
    ("wrong", "is_trusted", "says", "advice"),
    [
        (
            {"ends": TODAY - DAY, "begins": TODAY - 2 * DAY},
            True,
            "certificate has expired",
            "CHECK_CERTIFICATE",
        ),
        ({"begins": TODAY + DAY, "ends": TODAY + 2 * DAY}, True, "not yet valid", "CHECK_CERTIFICATE"),
        ({"host": "other.example"}, True, "not valid for 'localhost'", "CHECK_CERTIFICATE"),
        ({}, False, "local issuer", "CHECK_AUTHORITY"),
        ({"is_self_signed": True}, False, "self-signed certificate", "CHECK_AUTHORITY"),
    ],
    ids=["expired", "not yet valid", "another host", "unknown authority", "self-signed"],
)
@pytest.mark.parametrize("is_tunnelled", [False, True], ids=["straight", "tunnel"])
async def test_each_certificate_problem_is_named(
    tmp_path_factory: pytest.TempPathFactory,
    wrong: dict[str, object],
    is_trusted: bool,
    says: str,
    advice: str,
    is_tunnelled: bool,
) -> None:
    """OpenSSL's own reason; SSL_CERT_FILE is advised for an unknown authority alone."""
    authority = Authority()
    tls = ssl.create_default_context()
    if is_trusted:
        tls.load_verify_locations(
            cadata=authority.certificate.public_bytes(serialization.Encoding.PEM).decode()
        )
    with server_context(authority, tmp_path_factory, **wrong) as context:  # type: ignore[arg-type]
        async with RawServer([response()], tls=context) as server, RawProxy() as proxy:
            more = {} if is_tunnelled else {"NO_PROXY": "localhost"}
            async with through(proxy, tls, **more) as client:
                error = await error_of(client, server.url.replace("127.0.0.1", "localhost"))
            assert not server.requests
            assert len(proxy.asked) == is_tunnelled
    assert (error.code, error.recovery) == ("SSL_HANDSHAKE_FAILED", Recovery.TRANSIENT)
    assert says in str(error)
    assert NOT_PAID in explained(error, PANEL)
    assert advice in sentences_in(explained(error, PANEL))


@contextmanager
def refusing(context: ssl.SSLContext, *, closes_at_once: bool = False) -> Iterator[str]:
    """Serve one TLS handshake in a thread: asyncio's own server does not send its alerts."""

    def shake_hands() -> None:
        connection, _ = listening.accept()
        connection.settimeout(20)
        with context.wrap_socket(connection, server_side=True, do_handshake_on_connect=False) as secured:
            with suppress(OSError):
                secured.do_handshake()
            if not closes_at_once:
                done.wait(20)

    done = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=shake_hands)
        thread.start()
        yield f"https://127.0.0.1:{listening.getsockname()[1]}"
        done.set()
        thread.join()


async def test_a_server_that_wants_a_client_certificate_was_not_paid(
    client: ApiClient, authority: trustme.CA
) -> None:
    """Its alert, which TLS 1.3 sends after the handshake, is named."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    authority.configure_trust(context)
    context.verify_mode = ssl.CERT_REQUIRED
    with refusing(context) as url:
        error = await error_of(client, url)
    assert error.code == "SSL_HANDSHAKE_FAILED"
    assert "alert certificate required" in str(error)
    assert NOT_PAID in explained(error, PANEL)


async def test_a_server_that_closes_after_the_handshake_was_not_paid(
    client: ApiClient, authority: trustme.CA
) -> None:
    """Where its end comes before the request could be written, or with an alert, the request was not sent."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    authority.configure_trust(context)
    context.verify_mode = ssl.CERT_REQUIRED
    for _ in range(20):
        with refusing(context, closes_at_once=True) as url:
            assert NOT_PAID in explained(await error_of(client, url), PANEL)


async def test_no_common_version_of_tls_is_named(client: ApiClient, authority: trustme.CA) -> None:
    """An alert during the handshake is named."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    context.set_ciphers("ECDHE-RSA-AES128-GCM-SHA256")  # trustme's certificates are for another algorithm
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    with refusing(context) as url:
        error = await error_of(client, url)
    assert "handshake failure" in str(error)


async def test_a_port_without_tls_is_named(client: ApiClient) -> None:
    """https on a plain port says what the port lacks."""

    async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        await reader.read()
        writer.close()

    server = await asyncio.start_server(greet, "127.0.0.1", 0)
    async with server:
        error = await error_of(client, f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}")
    assert "does not speak TLS" in str(error)
    assert "CHECK_CERTIFICATE" in sentences_in(explained(error, PANEL))
