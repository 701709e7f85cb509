"""The gRPC channel to Zeebe's gateway."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import grpc
import grpc.aio
from pyzeebe.proto.gateway_pb2_grpc import GatewayStub

from openai_connector.zeebe.oauth import ClientCredentials, interceptors

if TYPE_CHECKING:
    from pyzeebe.proto.gateway_pb2_grpc import GatewayAsyncStub  # a name for type checkers only

GRPC_ROOTS = "GRPC_DEFAULT_SSL_ROOTS_FILE_PATH"
"""gRPC's own variable for the authorities that it trusts where the worker names none."""
CHANNEL_OPTIONS = (
    # As Camunda's Java client: the gateway ends connections that ping more often than every 30 seconds.
    ("grpc.keepalive_time_ms", 45_000),
    ("grpc.keepalive_timeout_ms", 20_000),
    # An engine that comes back is found within seconds (gRPC's own limit is two minutes); gRPC adds jitter.
    ("grpc.initial_reconnect_backoff_ms", 200),
    ("grpc.min_reconnect_backoff_ms", 2_000),
    ("grpc.max_reconnect_backoff_ms", 3_000),
    # The gateway's limit (4 MB by default) is for it to enforce: an answer with activated jobs that were too
    # large for us would leave them all to their lease.
    ("grpc.max_receive_message_length", -1),
    ("grpc.max_send_message_length", -1),
)


@dataclass(frozen=True, slots=True)
class Connection:
    """Where the engine is, and how to speak to it."""

    target: str
    """`host:port` of the gateway's gRPC endpoint."""
    tls: bool = False
    ca_certificate: Path | None = None
    """PEM file of the certificate authorities to trust; None = gRPC's own list."""
    client_certificate: Path | None = None
    """PEM file for mutual TLS, given together with `client_key`."""
    client_key: Path | None = None
    oauth: ClientCredentials | None = None


def open_channel(connection: Connection) -> grpc.aio.Channel:
    """Open a channel; call it inside the running event loop, and close the channel at the end.

    The engine need not be there: the channel connects when it is used, again and again.

    Raises:
        OSError: a certificate or key file cannot be read.
        ValueError: only one of client certificate and key is given.
    """
    # Not pyzeebe's factories: they take no interceptors, and the OAuth plug-in that they use instead sends
    # one token request a call on expiry, without a time limit.
    options = CHANNEL_OPTIONS
    chain = interceptors(connection.oauth) if connection.oauth else None
    if not connection.tls:
        return grpc.aio.insecure_channel(connection.target, options=options, interceptors=chain)
    if (connection.client_certificate is None) != (connection.client_key is None):
        raise ValueError("a client certificate and its key are needed together: give both or none")
    credentials = grpc.ssl_channel_credentials(
        root_certificates=_read(connection.ca_certificate),
        private_key=_read(connection.client_key),
        certificate_chain=_read(connection.client_certificate),
    )
    return grpc.aio.secure_channel(connection.target, credentials, options=options, interceptors=chain)


def gateway(channel: grpc.aio.Channel) -> GatewayAsyncStub:
    """Return the generated stub of the gateway's commands on a channel."""
    return GatewayStub(channel)  # type: ignore[return-value]


def _read(path: Path | None) -> bytes | None:
    return None if path is None else path.read_bytes()
