"""Channels to the gateway.

Plain, with TLS of a private authority, and with a certificate of the client's own.
"""

from __future__ import annotations

from pathlib import Path

import grpc
import pytest
import trustme

from openai_connector.job import Completed, Job
from openai_connector.zeebe.channel import Connection, gateway, open_channel
from openai_connector.zeebe.commands import Commands, Delivery
from tests.unit.zeebe.fake_gateway import FakeGateway


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


def _server_credentials(authority: trustme.CA, *, mutual: bool) -> grpc.ServerCredentials:
    certificate = authority.issue_cert("localhost")
    chain = b"".join(blob.bytes() for blob in certificate.cert_chain_pems)
    return grpc.ssl_server_credentials(
        [(certificate.private_key_pem.bytes(), chain)],
        root_certificates=authority.cert_pem.bytes() if mutual else None,
        require_client_auth=mutual,
    )


@pytest.mark.parametrize("mutual", [False, True])
async def test_tls(
    authority: trustme.CA, tmp_path: Path, job: Job, engine: FakeGateway, mutual: bool
) -> None:
    """A command goes through TLS with a private authority.

    And with a client certificate where one is asked for.
    """
    await engine.stop()
    engine.port = 0
    await engine.start(_server_credentials(authority, mutual=mutual))
    ca, certificate, key = tmp_path / "ca.pem", tmp_path / "client.pem", tmp_path / "client.key"
    authority.cert_pem.write_to_path(str(ca))
    client = authority.issue_cert("worker")
    client.cert_chain_pems[0].write_to_path(str(certificate))
    client.private_key_pem.write_to_path(str(key))
    connection = Connection(
        engine.target,
        tls=True,
        ca_certificate=ca,
        client_certificate=certificate if mutual else None,
        client_key=key if mutual else None,
    )
    async with open_channel(connection) as channel:
        assert (await Commands(gateway(channel)).report(job, Completed())).delivery is Delivery.DONE


async def test_half_a_client_certificate() -> None:
    """A client certificate without its key is refused before anything is connected."""
    with pytest.raises(ValueError, match="both or none"):
        open_channel(Connection("localhost:1", tls=True, client_certificate=Path("client.pem")))


async def test_missing_file() -> None:
    """A certificate file that cannot be read is said at once, with its name."""
    with pytest.raises(OSError, match=r"no-such-ca\.pem"):
        open_channel(Connection("localhost:1", tls=True, ca_certificate=Path("no-such-ca.pem")))
