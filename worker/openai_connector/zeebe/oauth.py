"""OAuth client credentials for the engine: one token, fetched once for everybody who needs it.

pyzeebe's own plug-in asks for a token once per call on expiry, without a time limit, on a thread of gRPC's;
these interceptors share one request and cost about a tenth of its CPU time a call.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import re
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import grpc
import grpc.aio

logger = logging.getLogger(__name__)

FAILURE_PAUSE = 2.0  # seconds in which a failed token request is not repeated: all callers share its error
DEFAULT_LIFETIME = 300.0  # seconds, for an answer without expires_in (RFC 6749, 5.1, only recommends it)
MAX_RESPONSE = 1024 * 1024  # bytes of the token server's answer
_ERROR_CODE = re.compile(r"[a-z_]{1,40}")
"""The `error` of a refusal (RFC 6749, section 5.2). Nothing else of the answer is repeated: it might echo
secrets."""


@dataclass(frozen=True, slots=True)
class ClientCredentials:
    """Where to get access tokens, and as whom; its representation never shows the secret."""

    token_url: str
    client_id: str
    client_secret: str = field(repr=False)
    audience: str | None = None
    scope: str | None = None
    ca_certificate: Path | None = None
    """PEM file of a certificate authority for the token server, trusted in addition to the system's."""
    request_timeout: timedelta = timedelta(seconds=10)
    leeway: timedelta = timedelta(seconds=60)
    """How long before its expiry a token is renewed, at most a fifth of its lifetime."""


class TokenError(Exception):
    """No access token could be had; the message says why and what to do, and holds no secret."""


class Tokens:
    """The current access token, renewed by one shared request at a time."""

    def __init__(
        self, credentials: ClientCredentials, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._credentials = credentials
        self._clock = clock
        self._tls = _tls(credentials.ca_certificate)
        self._token: str | None = None
        self._asked_at = 0.0  # by the clock, in seconds, as the next three
        self._renew_at = 0.0
        self._expires_at = 0.0
        self._retry_at = 0.0
        self._error: TokenError | None = None
        self._renewal: asyncio.Task[None] | None = None

    async def get(self) -> str:
        """Return a valid token; one that expires soon is still returned while its successor is fetched.

        Raises:
            TokenError: there is no valid token and the shared request failed.
        """
        now = self._clock()
        if self._token is not None and now < self._renew_at:
            return self._token
        if self._renewal is None and now >= self._retry_at:
            self._renewal = asyncio.create_task(self._renew())
        if self._token is not None and now < self._expires_at:
            return self._token
        if self._renewal is not None:
            await asyncio.shield(self._renewal)  # shielded: the others wait for it too
        if self._token is None or self._error is not None:
            raise self._error or TokenError("the access token was refused; a new one will be asked for")
        return self._token

    def refused(self, token: str) -> None:
        """Forget a token that the engine did not accept (keys renewed, client changed).

        A new one is asked for.
        """
        if token == self._token:
            self._token = None
            self._retry_at = self._asked_at + FAILURE_PAUSE  # in case the engine refuses them all

    async def _renew(self) -> None:
        asked_at = self._clock()
        try:
            token, lifetime = await self._request()
        except TokenError as error:
            self._error = error
            self._retry_at = self._clock() + FAILURE_PAUSE
            if self._token is not None:
                logger.warning("%s; the present one is used until it expires", error)
                if self._clock() >= self._expires_at:
                    self._token = None
        else:
            self._error = None
            self._token = token
            self._asked_at = asked_at
            self._expires_at = asked_at + lifetime
            self._renew_at = self._expires_at - min(self._credentials.leeway.total_seconds(), lifetime / 5)
        finally:
            self._renewal = None

    async def _request(self) -> tuple[str, float]:
        import aiohttp  # here, because most workers need no tokens and starting quickly is a feature

        credentials = self._credentials
        seconds = credentials.request_timeout.total_seconds()
        form = {
            "grant_type": "client_credentials",
            "client_id": credentials.client_id,
            "client_secret": credentials.client_secret,
        }
        if credentials.audience:
            form["audience"] = credentials.audience
        if credentials.scope:
            form["scope"] = credentials.scope
        try:
            async with (
                asyncio.timeout(seconds),
                aiohttp.ClientSession(trust_env=True) as session,
                session.post(
                    credentials.token_url,
                    data=form,
                    headers={"Accept": "application/json"},
                    ssl=self._tls,
                    allow_redirects=False,  # the secret goes nowhere else
                ) as response,
            ):
                return self._read(response.status, await _content(response))
        except TimeoutError:
            raise self._failure(
                f"no answer within {seconds:g} seconds", "check that it can be reached"
            ) from None
        except TokenError:
            raise
        except Exception as error:  # of many kinds; none of them may end the subscription
            advice = "check ZEEBE_AUTHORIZATION_SERVER_URL and that it can be reached"
            if isinstance(getattr(error, "certificate_error", None), ssl.SSLError):
                advice = "check its certificate, or give its authority in ZEEBE_CA_CERTIFICATE_PATH"
            raise self._failure(_why(error), advice) from None

    def _read(self, status: int, content: bytes) -> tuple[str, float]:
        try:
            body = json.loads(content)
        except (ValueError, RecursionError):
            body = None
        if not isinstance(body, dict):
            body = {}
        if status != 200:
            code = body.get("error")
            shown = f" {code}" if isinstance(code, str) and _ERROR_CODE.fullmatch(code) else ""
            raise self._failure(f"status {status}{shown}", _advice(status, shown))
        token = body.get("access_token")
        if not isinstance(token, str) or not token or not token.isascii() or not token.isprintable():
            raise self._failure("an answer without an access token", "check ZEEBE_AUTHORIZATION_SERVER_URL")
        try:
            lifetime = float(body.get("expires_in", DEFAULT_LIFETIME))
        except (TypeError, ValueError):
            lifetime = DEFAULT_LIFETIME
        return token, lifetime if 0 < lifetime < float("inf") else DEFAULT_LIFETIME

    def _failure(self, what: str, advice: str) -> TokenError:
        url = urlsplit(self._credentials.token_url)  # without user, password and query: they may hold secrets
        place = f"{url.scheme}://{url.netloc.rpartition('@')[2]}{url.path}"
        return TokenError(f"no access token from {place} ({what}): {advice}")


def _tls(ca_certificate: Path | None) -> ssl.SSLContext | bool:
    if ca_certificate is None:
        return True
    context = ssl.create_default_context()
    context.load_verify_locations(ca_certificate)
    return context


def _advice(status: int, code: str) -> str:
    if status in (401, 403) or "client" in code:
        return "check ZEEBE_CLIENT_ID and ZEEBE_CLIENT_SECRET"
    if status == 429 or status >= 500:
        return "the token server is in trouble, it is asked again"
    if status == 400:
        return "check ZEEBE_TOKEN_AUDIENCE, ZEEBE_TOKEN_SCOPE and ZEEBE_CLIENT_ID"
    return "check ZEEBE_AUTHORIZATION_SERVER_URL"


def _why(error: Exception) -> str:
    """Return why there was no answer, as the system or OpenSSL says it."""
    distrust = getattr(error, "certificate_error", None)
    if isinstance(distrust, ssl.SSLCertVerificationError):
        return f"its certificate is not trusted: {distrust.verify_message.rstrip('.')}"
    cause = getattr(error, "os_error", None)  # of aiohttp's errors of connections
    reason = getattr(cause, "strerror", None)
    if isinstance(cause, ssl.SSLError) or not isinstance(reason, str):
        return type(error).__name__
    number = getattr(cause, "errno", None)  # aiohttp's own words repeat the address
    return os.strerror(number) if number and number > 0 else reason


async def _content(response: Any) -> bytes:
    content = bytearray()
    async for chunk in response.content.iter_chunked(65536):
        content += chunk
        if len(content) > MAX_RESPONSE:
            raise ValueError("too large")
    return bytes(content)


class _Authorization:
    """What both interceptors do: add the token, turn "no token" into a status that is tried again."""

    def __init__(self, tokens: Tokens) -> None:
        self._tokens = tokens

    async def _authorize(self, details: Any) -> tuple[str, Any]:
        try:
            token = await self._tokens.get()
        except TokenError as error:
            # UNAVAILABLE is what gRPC itself reports when call credentials fail: the caller backs off and
            # tries again.
            raise grpc.aio.AioRpcError(
                grpc.StatusCode.UNAVAILABLE, grpc.aio.Metadata(), grpc.aio.Metadata(), details=str(error)
            ) from None
        metadata = grpc.aio.Metadata(*(details.metadata or ()), ("authorization", f"Bearer {token}"))
        return token, details._replace(metadata=metadata)


class UnaryAuthorization(_Authorization, grpc.aio.UnaryUnaryClientInterceptor):  # type: ignore[misc]
    """Sends the token with commands."""

    async def intercept_unary_unary(self, continuation: Any, client_call_details: Any, request: Any) -> Any:
        """Send a call with the token, and forget one that is refused."""
        token, details = await self._authorize(client_call_details)
        call = await continuation(details, request)
        try:
            await call
        except grpc.aio.AioRpcError as error:
            if error.code() is grpc.StatusCode.UNAUTHENTICATED:
                self._tokens.refused(token)
            raise
        return call


class StreamAuthorization(_Authorization, grpc.aio.UnaryStreamClientInterceptor):  # type: ignore[misc]
    """Sends the token with polls and streams of jobs."""

    def __init__(self, tokens: Tokens) -> None:
        super().__init__(tokens)
        self._watched: set[asyncio.Task[None]] = set()  # the loop itself keeps only weak references to tasks

    async def intercept_unary_stream(self, continuation: Any, client_call_details: Any, request: Any) -> Any:
        """Send a call with the token, and forget one that is refused."""
        token, details = await self._authorize(client_call_details)
        call = await continuation(details, request)
        watch = asyncio.create_task(self._watch(call, token))
        self._watched.add(watch)
        watch.add_done_callback(self._watched.discard)
        return call

    async def _watch(self, call: Any, token: str) -> None:
        # The status of a stream is known when it has ended, long after the interceptor has returned.
        if await call.code() is grpc.StatusCode.UNAUTHENTICATED:
            self._tokens.refused(token)


def interceptors(credentials: ClientCredentials) -> list[Any]:
    """Build the interceptors of one channel; they share one token."""
    tokens = Tokens(credentials)
    return [UnaryAuthorization(tokens), StreamAuthorization(tokens)]
