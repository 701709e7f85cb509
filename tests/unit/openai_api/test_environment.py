"""Proxies and certificate authorities, as the environment names them.

A real proxy, a real private authority.
"""

from __future__ import annotations

import ssl
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trustme

from openai_connector.connector import explained
from openai_connector.contract import PANEL
from openai_connector.job import Recovery
from openai_connector.openai_api import ApiClient, ApiConnectionError
from tests.stand_in import StandIn
from tests.unit.openai_api.conftest import ask, error_of

PASSWORD = "p@ss-word"


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    """Found a private certificate authority."""
    return trustme.CA()


@pytest.fixture(scope="module")
def proxy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """Run a proxy that wants a password; give its port."""
    port_file = tmp_path_factory.mktemp("proxy") / "port"
    command = [
        sys.executable,
        "-m",
        "proxy",
        "--hostname",
        "127.0.0.1",
        "--port",
        "0",
        "--port-file",
        str(port_file),
    ]
    options = [
        "--num-acceptors",
        "1",
        "--num-workers",
        "1",
        "--log-level",
        "ERROR",
        "--basic-auth",
        f"user:{PASSWORD}",
    ]
    with subprocess.Popen(command + options) as process:
        try:
            yield _port(port_file)
        finally:
            process.terminate()
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()


def _port(file: Path) -> int:
    deadline = time.monotonic() + 60
    while not (file.exists() and file.read_text().strip()):
        assert time.monotonic() < deadline, "the proxy does not start"
        time.sleep(0.05)
    return int(file.read_text())


@asynccontextmanager
async def secure_stand_in(authority: trustme.CA, name: str = "127.0.0.1") -> AsyncIterator[StandIn]:
    """Run a stand-in with a certificate of the private authority."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert(name).configure_cert(context)
    async with StandIn(tls=context) as api:
        yield api


@asynccontextmanager
async def fresh_client() -> AsyncIterator[ApiClient]:
    """Open a client that has read the environment of this moment."""
    client = ApiClient()
    try:
        yield client
    finally:
        await client.aclose()


@pytest.fixture
def trusted(authority: trustme.CA, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Name the private authority in SSL_CERT_FILE."""
    file = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(file))
    monkeypatch.setenv("SSL_CERT_FILE", str(file))


@pytest.mark.usefixtures("trusted")
async def test_a_private_authority_is_trusted(authority: trustme.CA) -> None:
    """SSL_CERT_FILE names the authorities that count."""
    async with secure_stand_in(authority) as api, fresh_client() as client:
        assert (await ask(client, api.base_url)).status == 200


async def test_an_unknown_authority_is_refused(authority: trustme.CA, client: ApiClient) -> None:
    """Without it the certificate is not trusted; the message names the setting, and that nothing was paid."""
    async with secure_stand_in(authority) as api:
        error = await error_of(client, api.base_url)
        assert isinstance(error, ApiConnectionError)
        assert (error.code, error.recovery) == ("SSL_HANDSHAKE_FAILED", Recovery.TRANSIENT)
        assert "unable to get local issuer certificate); nothing was paid for" in explained(error, PANEL)
        assert "SSL_CERT_FILE" in explained(error, PANEL)
        assert api.calls == 0


@pytest.mark.usefixtures("trusted")
async def test_a_certificate_for_another_host_is_refused(authority: trustme.CA) -> None:
    """A trusted authority is not enough: the name must be right."""
    async with secure_stand_in(authority, "llm.example.com") as api, fresh_client() as client:
        assert (await error_of(client, api.base_url)).code == "SSL_HANDSHAKE_FAILED"
        assert api.calls == 0


async def test_a_server_without_tls_is_no_secure_connection(client: ApiClient, api: StandIn) -> None:
    """https against a plain port is told from a broken call."""
    error = await error_of(client, api.base_url.replace("http:", "https:"))
    assert error.code == "SSL_HANDSHAKE_FAILED"
    assert "nothing was paid for" in explained(error, PANEL)


@pytest.mark.parametrize("name", ["HTTPS_PROXY", "https_proxy", "ALL_PROXY"])
@pytest.mark.usefixtures("trusted")
async def test_https_goes_through_the_proxy_to_a_private_authority(
    authority: trustme.CA, proxy: int, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """The proxy opens a tunnel with user and password, and the certificate inside it is checked."""
    monkeypatch.setenv(name, f"http://user:{PASSWORD.replace('@', '%40')}@127.0.0.1:{proxy}")
    async with secure_stand_in(authority) as api, fresh_client() as client:
        assert (await ask(client, api.base_url)).status == 200
        assert api.requests[0].header("Proxy-Authorization") is None


@pytest.mark.usefixtures("trusted")
async def test_the_tunnel_is_not_opened_without_password(
    authority: trustme.CA, proxy: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The proxy's refusal is no connection; the message has no address of the proxy, nor its password."""
    monkeypatch.setenv("HTTPS_PROXY", f"http://user:WRONG@127.0.0.1:{proxy}")
    async with secure_stand_in(authority) as api, fresh_client() as client:
        error = await error_of(client, api.base_url)
        assert api.calls == 0
    assert "the proxy answered 407); nothing was paid for" in explained(error, PANEL)
    assert "WRONG" not in explained(error, PANEL)
    assert str(proxy) not in explained(error, PANEL)


async def test_http_goes_through_the_proxy(api: StandIn, proxy: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """A plain address is asked through HTTP_PROXY, which leaves its mark in the request."""
    monkeypatch.setenv("HTTP_PROXY", f"http://user:{PASSWORD.replace('@', '%40')}@127.0.0.1:{proxy}")
    async with fresh_client() as client:
        assert (await ask(client, api.base_url)).status == 200
        assert "proxy.py" in (api.requests[0].header("Via") or "")
        monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{proxy}")
    async with fresh_client() as client:
        error = await error_of(client, api.base_url)
        assert (error.code, error.recovery) == ("407", Recovery.PERMANENT)
        assert "The proxy wants a user name and password" in explained(error, PANEL)


async def test_no_proxy_goes_straight(api: StandIn, monkeypatch: pytest.MonkeyPatch) -> None:
    """NO_PROXY names the hosts that are asked without a proxy; others fail where there is none."""
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    async with fresh_client() as client:
        error = await error_of(client, api.base_url)
        assert "nothing was paid for" in explained(error, PANEL)
    monkeypatch.setenv("NO_PROXY", "localhost,127.0.0.1")
    async with fresh_client() as client:
        assert (await ask(client, api.base_url)).status == 200


@pytest.mark.parametrize("address", ["socks5://127.0.0.1:1", "http://a:b:c"])
def test_a_proxy_that_cannot_be_used_is_said_at_the_start(
    monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    """A proxy of another kind, or no address, is not found out by the first job."""
    monkeypatch.setenv("ALL_PROXY", address)
    with pytest.raises(ValueError, match=r"^ALL_PROXY must be an"):
        ApiClient()
