"""TLS to the engine as gRPC would have it: what it trusts, and why it would not."""

from __future__ import annotations

import os
import ssl
from importlib.resources import files
from pathlib import Path

from openai_connector.tools.check.findings import Finding, failure, warning
from openai_connector.zeebe.channel import GRPC_ROOTS, Connection


def roots_problem(connection: Connection) -> Finding | None:
    """Return what is wrong with gRPC's variable; of a failure gRPC itself must not be asked.

    It goes on with its own list where the file is not there or empty, connects to nothing where there is no
    certificate in it, and ends the whole process where it is a folder.
    """
    name = os.environ.get(GRPC_ROOTS)
    if not connection.tls or connection.ca_certificate is not None or not name:
        return None
    advice = f"Correct {GRPC_ROOTS}, or unset it; ZEEBE_CA_CERTIFICATE_PATH is the worker's own setting"
    if Path(name).is_dir():
        return failure("engine-tls", f"{GRPC_ROOTS} names a folder ({name}): gRPC ends the worker", advice)
    problem = _unreadable(Path(name))
    if problem is not None:
        message = f"{GRPC_ROOTS} names {name}, which {problem}: gRPC trusts its own list in its place"
        return warning("engine-tls", message, advice)
    try:
        _lenient().load_verify_locations(name)
    except (ssl.SSLError, OSError):
        message = f"{GRPC_ROOTS} names {name}, which holds no certificate in PEM: gRPC makes no connection"
        return failure("engine-tls", message, advice)
    return None


def _unreadable(path: Path) -> str | None:
    try:
        with path.open("rb") as file:
            return None if file.read(1) else "is empty"
    except OSError as error:
        return f"cannot be read ({error.strerror or type(error).__name__})"


def context_of(connection: Connection) -> ssl.SSLContext:
    """Return what gRPC trusts: the authorities set, or its own list, not the system's."""
    context = _lenient()
    context.load_verify_locations(_authorities(connection))
    if connection.client_certificate and connection.client_key:
        context.load_cert_chain(connection.client_certificate, connection.client_key)
    context.set_alpn_protocols(["h2"])
    return context


def any_context() -> ssl.SSLContext:
    """Return one that trusts everybody, to ask whether TLS is spoken at all; nothing is sent."""
    context = _lenient()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_alpn_protocols(["h2"])
    return context


def _lenient() -> ssl.SSLContext:
    """Return a context that asks no more of certificates than gRPC does."""
    # Not create_default_context: from Python 3.13 on, that refuses authorities without a key usage.
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN  # an authority in between may be trusted alone
    context.set_ciphers("DEFAULT:@SECLEVEL=0")  # how strong keys must be is for gRPC and the engine to say
    return context


def _authorities(connection: Connection) -> str:
    named = os.environ.get(GRPC_ROOTS)
    if connection.ca_certificate is not None:
        return str(connection.ca_certificate)
    if named and _unreadable(Path(named)) is None:
        return named
    return str(files("grpc").joinpath("_cython/_credentials/roots.pem"))


def untrusted(error: ssl.SSLCertVerificationError, host: str, connection: Connection) -> Finding:
    """Return why a certificate is refused, and what to do."""
    message = f"The certificate of {host} is not trusted ({error.verify_message.rstrip('.')})"
    if "expired" in error.verify_message or "not yet valid" in error.verify_message:
        return failure("engine-tls", message, "Renew the certificate, or correct this machine's clock")
    if "match" in error.verify_message:
        return failure("engine-tls", message, "Use a name in ZEEBE_ADDRESS that stands in the certificate")
    also = "another authority than that of" if connection.ca_certificate else "its authority to"
    return failure("engine-tls", message, f"Give {also} ZEEBE_CA_CERTIFICATE_PATH")
