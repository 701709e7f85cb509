"""The way to the engine where it is broken, on real sockets: each sentence is true, and says what to do."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import grpc
import pytest

from local_engine.server import LocalEngine
from openai_connector.settings import load
from openai_connector.tools.check import grpc_proxy
from openai_connector.tools.check.everything import Asked, address_of
from openai_connector.tools.check.findings import Verdict
from tests.unit.check.looking import failed, found, free_port
from tests.unit.check.servers import Certificate, Gateway, Handler, answering, closing, issue, saying, silent

SOON = Asked(seconds=0.8)
BAD_REQUEST = b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n"
ROOTS = "GRPC_DEFAULT_SSL_ROOTS_FILE_PATH"

SetUp = Callable[..., None]


class TestAHostThatSaysNothing:
    @pytest.mark.parametrize(
        ("scheme", "handler", "check", "words"),
        [
            pytest.param("http", silent, "engine-protocol", "says nothing for 0.8 s", id="silent"),
            pytest.param("https", silent, "engine-tls", "is silent to TLS for 0.8 s", id="silent to TLS"),
            pytest.param("http", closing, "engine-protocol", "closes it when it is spoken to", id="closes"),
            pytest.param("https", closing, "engine-tls", "closes the connection", id="closes at TLS"),
            pytest.param("http", saying(b"220 mail"), "engine-protocol", "something else", id="mail"),
            pytest.param("https", saying(b"220 mail\r\n"), "engine-tls", "speaks no TLS", id="mail at TLS"),
        ],
    )
    async def test_it_is_told_from_one_that_speaks_something_else(
        self, set_up: SetUp, scheme: str, handler: Handler, check: str, words: str
    ) -> None:
        """That the port takes connections stays true, and what comes then is told as it is."""
        async with answering(handler) as port:
            set_up(ZEEBE_ADDRESS=f"{scheme}://127.0.0.1:{port}")
            findings = await found(SOON if handler is silent else None)
        assert findings["engine-port"].verdict is Verdict.OK
        assert check in failed(findings)
        assert words in findings[check].message
        assert f"Port {port} of 127.0.0.1" in findings[check].message

    async def test_silent_after_the_handshake(self, set_up: SetUp, tmp_path: Path) -> None:
        """A server that speaks TLS and then nothing is trusted, and told to be silent."""
        certificate = issue("localhost")
        (tmp_path / "ca.pem").write_bytes(certificate.pem)
        context = certificate.context(tmp_path)

        async def handshake(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await writer.start_tls(context)
            await silent(reader, writer)

        async with answering(handshake) as port:
            set_up(
                ZEEBE_ADDRESS=f"https://localhost:{port}", ZEEBE_CA_CERTIFICATE_PATH=str(tmp_path / "ca.pem")
            )
            findings = await found(Asked(seconds=1))
        assert failed(findings) == {"engine-protocol"}
        assert "says nothing" in findings["engine-protocol"].message


AUTHORITY = issue("authority", is_authority=True)
BETWEEN = issue("between", AUTHORITY, is_authority=True)
ALONE = issue("localhost")


class TestCertificates:
    @pytest.mark.parametrize(
        ("certificate", "trusted"),
        [
            pytest.param(issue("localhost", AUTHORITY), AUTHORITY, id="authority without key usage"),
            pytest.param(issue("localhost", AUTHORITY, bits=1024), AUTHORITY, id="short key"),
            pytest.param(issue("localhost", BETWEEN), BETWEEN, id="authority in between"),
            pytest.param(ALONE, ALONE, id="signed by itself"),
        ],
    )
    async def test_what_grpc_takes_is_taken(
        self, set_up: SetUp, tmp_path: Path, certificate: Certificate, trusted: Certificate
    ) -> None:
        """The check asks no more of certificates than gRPC, which then reaches the server."""
        findings = await self.found(set_up, tmp_path, certificate, trusted)
        assert findings["engine-tls"].verdict is Verdict.OK
        assert "TLSv1." in findings["engine-tls"].message
        assert failed(findings) == {"engine"}
        assert "UNIMPLEMENTED" in findings["engine"].message

    @pytest.mark.parametrize(
        ("certificate", "advice"),
        [
            pytest.param(issue("localhost", AUTHORITY, days=-1), "clock", id="expired"),
            pytest.param(issue("zeebe", AUTHORITY), "a name in ZEEBE_ADDRESS", id="another name"),
            pytest.param(issue("localhost", BETWEEN), "ZEEBE_CA_CERTIFICATE_PATH", id="chain with a gap"),
            pytest.param(ALONE, "ZEEBE_CA_CERTIFICATE_PATH", id="another authority"),
        ],
    )
    async def test_what_grpc_refuses_is_refused(
        self, set_up: SetUp, tmp_path: Path, certificate: Certificate, advice: str
    ) -> None:
        """The reason is told, and what to do is of that reason."""
        findings = await self.found(set_up, tmp_path, certificate, AUTHORITY)
        assert failed(findings) == {"engine-tls"}
        assert advice in findings["engine-tls"].advice

    @staticmethod
    async def found(
        set_up: SetUp, folder: Path, certificate: Certificate, trusted: Certificate
    ) -> dict[str, Any]:
        (folder / "ca.pem").write_bytes(trusted.pem)
        credentials = grpc.ssl_server_credentials([(certificate.key_pem, certificate.pem)])
        async with Gateway({}, grpc.StatusCode.UNIMPLEMENTED).running(credentials) as port:
            set_up(
                ZEEBE_ADDRESS=f"https://localhost:{port}", ZEEBE_CA_CERTIFICATE_PATH=str(folder / "ca.pem")
            )
            return await found()

    async def test_one_of_ours_is_wanted(self, set_up: SetUp, tmp_path: Path) -> None:
        """A server that wants a client certificate is told by the settings that hold it."""
        (tmp_path / "ca.pem").write_bytes(ALONE.pem)
        credentials = grpc.ssl_server_credentials(
            [(ALONE.key_pem, ALONE.pem)], AUTHORITY.pem, require_client_auth=True
        )
        async with Gateway({}).running(credentials) as port:
            set_up(
                ZEEBE_ADDRESS=f"https://localhost:{port}", ZEEBE_CA_CERTIFICATE_PATH=str(tmp_path / "ca.pem")
            )
            findings = await found()
        assert failed(findings) == {"engine-tls"}
        assert "ZEEBE_CLIENT_CERTIFICATE_PATH" in findings["engine-tls"].advice

    async def test_a_port_that_says_in_http_that_it_wants_tls(self, set_up: SetUp, tmp_path: Path) -> None:
        """An ingress answers plain words in HTTP/1.1 at its TLS port: the advice is https:// all the same."""
        context = ALONE.context(tmp_path)
        seen: list[int] = []

        async def ingress(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            seen.append(1)
            if len(seen) > 1:
                await writer.start_tls(context)
            else:
                await saying(BAD_REQUEST)(reader, writer)

        async with answering(ingress) as port:
            set_up(ZEEBE_ADDRESS=f"http://localhost:{port}")
            findings = await found()
        assert failed(findings) == {"engine-tls"}
        assert "https://" in findings["engine-tls"].advice

    async def test_tls_without_http_2(self, set_up: SetUp, tmp_path: Path) -> None:
        """TLS that is trusted, but is for HTTP/1.1 alone, fails at the protocol."""
        (tmp_path / "ca.pem").write_bytes(ALONE.pem)
        context = ALONE.context(tmp_path, protocols=("http/1.1",))

        async def handshake(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await writer.start_tls(context)
            await silent(reader, writer)

        async with answering(handshake) as port:
            set_up(
                ZEEBE_ADDRESS=f"https://localhost:{port}", ZEEBE_CA_CERTIFICATE_PATH=str(tmp_path / "ca.pem")
            )
            findings = await found()
        assert failed(findings) == {"engine-protocol"}
        assert "ALPN" in findings["engine-protocol"].message


class TestTheAuthoritiesThatGrpcIsGiven:
    @pytest.mark.parametrize(
        ("content", "verdict", "words"),
        [
            pytest.param(None, Verdict.WARNING, "cannot be read (No such file", id="not there"),
            pytest.param("", Verdict.WARNING, "is empty", id="empty"),
            pytest.param("no PEM", Verdict.FAILURE, "holds no certificate", id="no certificates"),
            pytest.param("folder", Verdict.FAILURE, "names a folder", id="folder"),
        ],
    )
    async def test_a_file_that_cannot_be_used(
        self, set_up: SetUp, tmp_path: Path, content: str | None, verdict: Verdict, words: str
    ) -> None:
        """It is a finding that names the variable, and what gRPC makes of it; never a traceback."""
        place = tmp_path / "roots"
        if content == "folder":
            place.mkdir()
        elif content is not None:
            place.write_text(content)
        credentials = grpc.ssl_server_credentials([(ALONE.key_pem, ALONE.pem)])
        async with Gateway({}).running(credentials) as port:
            set_up(**{"ZEEBE_ADDRESS": f"https://localhost:{port}", ROOTS: str(place)})
            findings = await found()
            every = await everything_about_tls()
        assert failed(findings) == {"engine-tls"}
        assert every[0].verdict is verdict
        assert ROOTS in every[0].message
        assert words in every[0].message

    @pytest.mark.parametrize("scheme", ["http", "https"])
    async def test_a_file_that_is_not_used(
        self, set_up: SetUp, tmp_path: Path, engine: LocalEngine, scheme: str
    ) -> None:
        """Without TLS, or with authorities of the worker's own, the variable has no effect and no finding."""
        set_up(**{ROOTS: str(tmp_path)})
        if scheme == "http":
            assert not failed(await found())
            return
        (tmp_path / "ca.pem").write_bytes(ALONE.pem)
        findings = await TestCertificates.found(set_up, tmp_path, ALONE, ALONE)
        assert findings["engine-tls"].verdict is Verdict.OK


async def everything_about_tls() -> list[Any]:
    from openai_connector import service, settings
    from openai_connector.tools.check.way import way_to

    findings = await way_to(service.connection_of(settings.load()), 5)
    return [one for one in findings if one.check == "engine-tls"]


class TestAProxyBeforeTheEngine:
    @pytest.mark.parametrize(
        ("answer", "words"),
        [
            pytest.param(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n", "403", id="refuses"),
            pytest.param(b"HTTP/1.1 407 Who?\r\nContent-Length: 0\r\n\r\n", "407", id="wants a password"),
        ],
    )
    async def test_one_that_refuses(self, set_up: SetUp, answer: bytes, words: str) -> None:
        """The proxy's variable is named, and what it answered."""
        async with answering(saying(answer)) as port:
            set_up(https_proxy=f"http://127.0.0.1:{port}", NO_PROXY="*", ZEEBE_ADDRESS="zeebe.invalid:26500")
            findings = await found(Asked(seconds=2))
        assert findings["engine-dns"].message == "zeebe.invalid is reached through the proxy in https_proxy"
        assert words in findings["engine"].message
        assert "the proxy in https_proxy" in findings["engine"].advice

    @pytest.mark.parametrize(
        "value",
        [
            pytest.param("https://127.0.0.1:1", id="by TLS"),
            pytest.param("127.0.0.1:1", id="without a scheme"),
            pytest.param("socks5://127.0.0.1:1", id="SOCKS"),
        ],
    )
    async def test_one_that_grpc_ignores(self, set_up: SetUp, value: str) -> None:
        """gRPC goes directly then: that is a warning, and the way is looked at."""
        set_up(grpc_proxy=value)
        findings = await found()
        assert not failed(findings)
        assert findings["engine-proxy"].verdict is Verdict.WARNING
        assert findings["engine-port"].verdict is findings["engine"].verdict is Verdict.OK

    async def test_one_in_capital_letters(self, set_up: SetUp) -> None:
        """An engine that is not reached while a proxy is named in capitals: the advice says what gRPC reads."""
        set_up(ZEEBE_ADDRESS=f"127.0.0.1:{free_port()}", HTTPS_PROXY="http://127.0.0.1:1")
        assert "https_proxy, in small letters" in (await found())["engine-port"].advice

    @pytest.mark.parametrize(
        ("environment", "variable"),
        [
            pytest.param({}, None, id="none"),
            pytest.param({"http_proxy": "http://p"}, "http_proxy", id="the last"),
            pytest.param({"https_proxy": "http://p", "http_proxy": "http://q"}, "https_proxy", id="first"),
            pytest.param({"grpc_proxy": "", "https_proxy": "http://p"}, None, id="first is empty"),
            pytest.param({"HTTPS_PROXY": "http://p"}, None, id="capitals"),
            pytest.param({"https_proxy": "http://p", "no_proxy": "*"}, "https_proxy", id="no star"),
            pytest.param(
                {"https_proxy": "http://p", "no_proxy": "z.example:1"}, "https_proxy", id="no ports"
            ),
            pytest.param({"https_proxy": "http://p", "no_proxy": " .example, a"}, None, id="domain"),
            pytest.param({"https_proxy": "http://p", "no_proxy": ",EXAMPLE"}, None, id="end of the name"),
            pytest.param(
                {"https_proxy": "http://p", "no_proxy": "z.example", "no_grpc_proxy": ""},
                "https_proxy",
                id="an exception of its own",
            ),
            pytest.param({"https_proxy": "http://p", "NO_PROXY": "z.example"}, "https_proxy", id="NO_PROXY"),
        ],
    )
    def test_the_variable_is_found_as_grpc_finds_it(
        self, environment: Mapping[str, str], variable: str | None
    ) -> None:
        """Small letters, the first that is set, exceptions by the end of the name: tried with gRPC 1.85."""
        assert grpc_proxy.variable_of(environment, "z.example") == variable

    def test_networks_are_exceptions(self) -> None:
        """An address in a network of no_proxy is reached directly."""
        environment = {"https_proxy": "http://p", "no_proxy": "10.0.0.0/8"}
        assert grpc_proxy.variable_of(environment, "10.1.2.3") is None
        assert grpc_proxy.variable_of(environment, "11.1.2.3") == "https_proxy"


class TestNames:
    @pytest.mark.parametrize(
        ("error", "words", "advice"),
        [
            pytest.param(
                socket.gaierror(socket.EAI_AGAIN, "Temporary failure"), "DNS server does not say", "DNS server",
                id="DNS away",
            ),
            pytest.param(
                socket.gaierror(socket.EAI_NONAME, "Not known"), "is not known (Not known)", "ZEEBE_ADDRESS",
                id="unknown",
            ),
            pytest.param(
                UnicodeError("label too long"), "cannot be asked for (label too long)", "ZEEBE_ADDRESS",
                id="no name",
            ),
        ],
    )  # fmt: skip
    async def test_why_a_name_has_no_address(
        self, set_up: SetUp, monkeypatch: pytest.MonkeyPatch, error: Exception, words: str, advice: str
    ) -> None:
        """A DNS server that is away is told from a name that nobody knows, and from what is no name."""
        real = socket.getaddrinfo

        def look_up(host: Any, *arguments: Any, **more: Any) -> Any:
            if host == "zeebe.example":
                raise error
            return real(host, *arguments, **more)

        monkeypatch.setattr(socket, "getaddrinfo", look_up)
        set_up(ZEEBE_ADDRESS="zeebe.example:26500")
        finding = (await found())["engine-dns"]
        assert finding.verdict is Verdict.FAILURE
        assert words in finding.message
        assert advice in finding.advice

    async def test_several_addresses(self, set_up: SetUp, monkeypatch: pytest.MonkeyPatch) -> None:
        """Where none of a name's addresses takes connections, the reason is told as for one."""
        port = free_port()
        real = socket.getaddrinfo

        def look_up(host: Any, *arguments: Any, **more: Any) -> Any:
            if host != "zeebe.example":
                return real(host, *arguments, **more)
            return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (f"127.0.0.{n}", port)) for n in (1, 2)]

        monkeypatch.setattr(socket, "getaddrinfo", look_up)
        set_up(ZEEBE_ADDRESS=f"zeebe.example:{port}")
        findings = await found()
        assert findings["engine-dns"].message == "zeebe.example is 127.0.0.1, 127.0.0.2"
        assert findings["engine-port"].message.endswith("takes no connections (Connection refused)")

    @pytest.mark.skipif(not socket.has_ipv6, reason="no IPv6")
    async def test_an_address_of_ipv6(self, set_up: SetUp) -> None:
        """An address in brackets is gone to as it is."""
        set_up(ZEEBE_ADDRESS="[::1]:1")
        findings = await found()
        assert findings["engine-dns"].message == "::1 is ::1"
        assert findings["engine-port"].message.startswith("Port 1 of ::1 takes no connections")


def test_no_part_of_ssl_is_more_strict_than_grpc() -> None:
    """What Python asks of certificates from 3.13 on, and gRPC does not, is off."""
    from openai_connector.tools.check.tls import context_of
    from openai_connector.zeebe.channel import Connection

    context = context_of(Connection("localhost:1", tls=True))
    assert not context.verify_flags & ssl.VERIFY_X509_STRICT
    assert context.check_hostname
    assert context.verify_mode is ssl.CERT_REQUIRED


async def test_what_to_do_names_the_setting_that_was_made(
    set_up: SetUp, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The address may come by several names; one that nobody has set is of no help."""
    monkeypatch.delenv("ZEEBE_ADDRESS")
    set_up(CAMUNDA_GRPC_ADDRESS=f"127.0.0.1:{free_port()}")
    assert "CAMUNDA_GRPC_ADDRESS" in (await found(SOON))["engine-port"].advice


def test_of_saas_it_is_the_cluster(set_up: SetUp) -> None:
    """There the address is made of its id and region."""
    set_up(CAMUNDA_CLUSTER_ID="a-b", ZEEBE_CLIENT_ID="me", ZEEBE_CLIENT_SECRET="secret")
    assert address_of(load()) == "CAMUNDA_CLUSTER_ID and CAMUNDA_CLUSTER_REGION"
