"""What may go wrong on the wire, as httpx's errors with the facts that its own do not carry."""

from __future__ import annotations

import ssl
from collections.abc import Mapping

import httpx

ISSUER_UNKNOWN = frozenset({2, 18, 19, 20, 21})
"""OpenSSL's verify codes for a certificate whose authority is not among the trusted ones."""


class NotSent(httpx.ConnectError):
    """The request was surely not sent: there was no connection to send it on."""


class Stale(NotSent):
    """The connection had ended before a byte of the request was written."""

    def __init__(self) -> None:
        super().__init__("it was closed before the request was sent")


class NoSecureConnection(NotSent):
    """TLS did not come about."""

    def __init__(self, message: str, *, is_issuer_unknown: bool = False) -> None:
        super().__init__(message)
        self.is_issuer_unknown = is_issuer_unknown

    @classmethod
    def of(cls, error: ssl.SSLError) -> NoSecureConnection:
        """Return it in OpenSSL's own words."""
        if isinstance(error, ssl.SSLCertVerificationError):
            return cls(
                error.verify_message.rstrip("."), is_issuer_unknown=error.verify_code in ISSUER_UNKNOWN
            )
        reason = error.reason or type(error).__name__
        if reason in ("WRONG_VERSION_NUMBER", "HTTP_REQUEST"):
            return cls("the port does not speak TLS")
        return cls(reason.lower().replace("_", " "))


class TunnelRefused(NotSent):
    """The proxy answered, but opened no tunnel."""

    def __init__(self, status: int, headers: Mapping[str, list[str]], *, is_known: bool) -> None:
        super().__init__(f"the proxy answered {status}")
        self.status = status
        self.headers = headers
        """Of the proxy's answer."""
        self.is_known = is_known
        """The proxy was told who we are."""


class Broken(httpx.ReadError):
    """The connection ended before the response did."""

    def __init__(self, message: str, *, is_clean: bool) -> None:
        super().__init__(message)
        self.is_clean = is_clean
        """The other side closed it in order, so nothing is missing of what it wanted to send."""


class Malformed(httpx.RemoteProtocolError):
    """Something arrived that is no HTTP response."""

    def __init__(self, message: str, received: bytes = b"") -> None:
        super().__init__(message)
        self.received = received
        """The response's beginning, where its head cannot be read."""
