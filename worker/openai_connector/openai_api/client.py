"""The HTTP client: one for the whole worker, one call at a time per job, no call repeated on its own."""

from __future__ import annotations

import asyncio
import json
import os
import ssl
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from functools import lru_cache
from typing import Any

import httpx

from openai_connector import __version__, wording
from openai_connector.contract import CONNECTION_FAILED, TLS_FAILED
from openai_connector.document import parse_answer, well_formed
from openai_connector.job import Recovery
from openai_connector.openai_api.answers import invalid
from openai_connector.openai_api.decoding import Unreadable, text_of, unpack
from openai_connector.openai_api.errors import (
    ApiConnectionError,
    ApiResponse,
    ApiTimeoutError,
    InvalidResponseError,
)
from openai_connector.openai_api.faults import Broken, Malformed, NoSecureConnection, NotSent, TunnelRefused
from openai_connector.openai_api.leniency import salvaged
from openai_connector.openai_api.policy import WAIT_STATUSES
from openai_connector.openai_api.proxies import Proxies
from openai_connector.openai_api.transport import Transport
from openai_connector.openai_api.waits import wait_asked

MAX_RESPONSE_BYTES = 10 * 1024 * 1024  # of one response's body, packed and unpacked
CONNECT_TIMEOUT = timedelta(seconds=20)  # for the connection alone; as long as Camunda's REST connector waits
CONNECT_SHARE = 0.8  # of a shorter timeout: what times out later has been sent, and may have been paid for
PASSING_REFUSALS = (408, 429)  # of a tunnel, and all from 500 on: the proxy may open it later


@dataclass(frozen=True, slots=True)
class _Asked:
    """A request before it is one of httpx."""

    method: str
    url: str = field(repr=False)
    body: bytes | None = field(repr=False)
    headers: Mapping[str, str] = field(repr=False)
    parts: Sequence[bytes] | None = field(default=None, repr=False)
    """Of a long body, in its place."""

    def request(self, connect_seconds: float) -> httpx.Request:
        """Return it for the transport."""
        return httpx.Request(
            self.method,
            _url(self.url),
            content=self.body,
            headers={
                **({} if self.body is None else {"Content-Type": "application/json"}),
                "Accept": "application/json",
                "Accept-Encoding": "gzip, deflate",
                "User-Agent": f"camunda-openai-connector/{__version__}",
                **self.headers,
            },
            extensions={"timeout": {"connect": connect_seconds}, "parts": self.parts},
        )


@lru_cache(maxsize=1000)
def _url(text: str) -> httpx.URL:
    """Read an address once: a task's calls all go to the same one."""
    return httpx.URL(text)


class ApiClient:
    """Asks an OpenAI-compatible API; shared by all jobs.

    Proxies and certificate authorities come from the variables that every HTTP client knows: `HTTPS_PROXY`,
    `HTTP_PROXY`, `NO_PROXY`, `SSL_CERT_FILE`, `SSL_CERT_DIR`.
    """

    def __init__(
        self,
        *,
        max_response_bytes: int = MAX_RESPONSE_BYTES,
        verify: ssl.SSLContext | None = None,
        proxies: Proxies | None = None,
    ) -> None:
        """Read the environment; connections are opened when they are needed.

        Raises:
            ProxyError: a proxy's address cannot be used.
            OSError: the certificate authorities cannot be read.
        """
        self._max_response_bytes = max_response_bytes
        self._transport: httpx.AsyncBaseTransport = Transport(
            verify or httpx.create_ssl_context(), proxies or Proxies.of(os.environ)
        )

    async def aclose(self) -> None:
        """Close all connections."""
        await self._transport.aclose()

    async def send(
        self, method: str, url: str, *, body: bytes | None, headers: Mapping[str, str], timeout: timedelta
    ) -> ApiResponse:
        """Send one request and read the response, whatever its status; nothing is repeated here.

        Args:
            method: in capital letters.
            url: the whole address, already checked against the allowed hosts.
            body: usually JSON text.
            headers: in addition to content type, accept and user agent, which are set here unless given.
            timeout: for the whole call, from the connection to the last byte.

        Raises:
            ApiConnectionError, ApiTimeoutError: there is no response.
            InvalidResponseError: there is one, but it cannot be read.
        """
        try:
            response, content, fault = await self._exchange(_Asked(method, url, body, headers), timeout)
        except Malformed as error:
            return _of_head(error)
        return self._received(response, content, fault)

    async def upload(
        self, url: str, *, parts: Sequence[bytes], headers: Mapping[str, str], timeout: timedelta
    ) -> ApiResponse:
        """Send a POST with a long body of many parts, and read the response, as `send` does.

        Args:
            url: the whole address.
            parts: of the body; they are sent as the other side takes them.
            headers: with the content type.
            timeout: for the whole call.
        """
        length = {"Content-Length": str(sum(map(len, parts)))}
        asked = _Asked("POST", url, None, {**headers, **length}, parts)
        try:
            response, content, fault = await self._exchange(asked, timeout)
        except Malformed as error:
            return _of_head(error)
        return self._received(response, content, fault)

    async def download(
        self,
        url: str,
        *,
        headers: Mapping[str, str],
        timeout: timedelta,
        write: Callable[[bytes], object],
    ) -> ApiResponse:
        """Read a file of any size; the response is without its body, unless it is no success.

        Args:
            url: the whole address.
            headers: in addition to those that every request has.
            timeout: for the whole call.
            write: is given the bytes as they arrive; after an error they are of no use.
        """
        plain = {"Accept": "*/*", "Accept-Encoding": "identity"}
        asked = _Asked("GET", url, None, {**plain, **headers})
        try:
            response, content, fault = await self._exchange(asked, timeout, write)
        except Malformed as error:
            return _of_head(error)
        if not 200 <= response.status_code < 300:
            return self._received(response, content, fault)
        if fault is not None:
            raise fault if isinstance(fault, ApiTimeoutError) else _no_response(fault)
        packed = response.headers.get("Content-Encoding", "identity").strip().lower()
        if packed not in ("", "identity"):
            raise _malformed(Malformed(f"it has the encoding {packed}"), ApiResponse(200, {}, None))
        return ApiResponse(response.status_code, _headers(response), None)

    async def _exchange(
        self, asked: _Asked, timeout: timedelta, write: Callable[[bytes], object] | None = None
    ) -> tuple[httpx.Response, bytes, Exception | None]:
        """Return a response, its body as it was sent, and what ended that too early."""
        connect_seconds = min(timeout * CONNECT_SHARE, CONNECT_TIMEOUT).total_seconds()
        response: httpx.Response | None = None
        chunks: list[bytes] = []
        try:
            request = asked.request(connect_seconds)
            async with asyncio.timeout(timeout.total_seconds()):
                response = await self._transport.handle_async_request(request)
                if write is not None and 200 <= response.status_code < 300:
                    fault = await _copy(response, write)
                else:
                    fault = await self._read(response, chunks)
        except TimeoutError:
            if response is None:
                raise _timed_out(wording.API_TIMEOUT, timeout) from None
            fault = _timed_out(wording.API_UNFINISHED, timeout)  # what has arrived may be all there is
        except Malformed:
            raise
        except (httpx.HTTPError, httpx.InvalidURL, OSError, ValueError) as error:
            raise _no_response(error) from None
        return response, b"".join(chunks), fault

    async def _read(self, response: httpx.Response, chunks: list[bytes]) -> Exception | None:
        """Read the body as it was sent into `chunks`; return what ended it too early."""
        size = 0
        assert isinstance(response.stream, httpx.AsyncByteStream)
        try:
            async for chunk in response.stream:
                size += len(chunk)
                chunks.append(chunk)
                if size > self._max_response_bytes:  # the rest is not read
                    break
        except (Broken, Malformed) as error:
            return error
        finally:
            await response.stream.aclose()
        return None

    def _received(self, response: httpx.Response, content: bytes, fault: Exception | None) -> ApiResponse:
        """Return what has been received; an error's status counts even where its body cannot be read."""
        problem: tuple[str, str] | None = None
        try:
            content = unpack(content, response.headers.get("Content-Encoding", ""), self._max_response_bytes)
            text = text_of(content, response.headers.get("Content-Type", ""))
        except Unreadable as error:
            problem = str(error), error.reason
            text = "" if error.reason != "charset" else content.decode("utf-8", "replace")
        body = _parse(text)
        phrase = _line(response.extensions["reason_phrase"])
        is_proxy_told = response.extensions["is_proxy_told"]
        received = ApiResponse(
            response.status_code, _headers(response), body, phrase, len(content), is_proxy_told
        )
        if response.status_code >= 400:
            return received
        is_whole = problem is None and isinstance(body, (dict, list))
        if isinstance(fault, ApiTimeoutError) and not is_whole:
            raise fault
        if isinstance(fault, Broken) and not (fault.is_clean and is_whole):
            raise _no_response(fault)
        if isinstance(fault, Malformed):
            raise _malformed(fault, received)
        if problem is not None:
            raise invalid(*problem, received)
        if not is_whole and response.extensions["has_surplus"]():
            raise _malformed(Malformed("it goes on beyond its Content-Length"), received)
        return received


def encode_body(body: Mapping[str, Any]) -> bytes:
    """Encode a request's body as compact JSON; lone surrogates, which UTF-8 cannot carry, become U+FFFD.

    Raises:
        ValueError: nested too deep.
    """
    try:
        text = json.dumps(body, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    except RecursionError:
        raise ValueError("nested too deep") from None
    return well_formed(text).encode()


def _headers(response: httpx.Response) -> dict[str, str | list[str]]:
    headers: dict[str, str | list[str]] = {}
    # `.raw` has the names as received; Camunda's users know them so.
    for raw_name, raw_value in response.headers.raw:
        name, value = raw_name.decode("latin-1"), _line(raw_value)
        known = headers.get(name)
        if known is None:
            headers[name] = value
        elif isinstance(known, list):
            known.append(value)
        else:
            headers[name] = [known, value]
    return headers


def _line(raw: bytes) -> str:
    """Return a line of a response's head as text: UTF-8, or what HTTP was made for, Latin-1."""
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return raw.decode("latin-1")


def _parse(text: str) -> Any:
    """Read a body as Camunda's REST connector.

    A JSON object or array parsed, other text as text, blank as None.
    """
    try:
        body = parse_answer(text)
    except ValueError:
        return text if text.strip() else None
    return body if isinstance(body, (dict, list)) else text


async def _copy(response: httpx.Response, write: Callable[[bytes], object]) -> Exception | None:
    """Hand on a body as it arrives; return what ended it too early."""
    assert isinstance(response.stream, httpx.AsyncByteStream)
    try:
        async for chunk in response.stream:
            write(chunk)
    except (Broken, Malformed) as error:
        return error
    finally:
        await response.stream.aclose()
    return None


def _of_head(error: Malformed) -> ApiResponse:
    """Return the response whose head cannot be read, where at least the status says what to do.

    Raises:
        InvalidResponseError: it does not.
    """
    status, headers, text = salvaged(error.received)
    response = ApiResponse(status, headers, _parse(text))
    if status >= 400:
        return response
    raise _malformed(error, response) from None


def _malformed(error: Malformed, response: ApiResponse) -> InvalidResponseError:
    return invalid(wording.API_MALFORMED(problem=error), "malformed", response)


def _timed_out(sentence: wording.Sentence, timeout: timedelta) -> ApiTimeoutError:
    message = sentence(seconds=f"{timeout.total_seconds():g}")
    return ApiTimeoutError(message, code=CONNECTION_FAILED, recovery=Recovery.TRANSIENT, reason="timeout")


def _no_response(error: Exception) -> ApiConnectionError:
    """Tell a connection that never stood from one that broke in mid-call."""
    if isinstance(error, NoSecureConnection):
        reason = "tls_issuer" if error.is_issuer_unknown else "tls"
        return _failed(wording.API_TLS(reason=error), TLS_FAILED, reason)
    if isinstance(error, TunnelRefused):
        return _no_tunnel(error)
    if isinstance(error, (NotSent, httpx.ConnectTimeout)):
        return _failed(wording.API_NO_CONNECTION(reason=error), CONNECTION_FAILED, "no_connection")
    if isinstance(error, httpx.InvalidURL):
        reason = "the address is no URL"
        return _failed(wording.API_NO_CONNECTION(reason=reason), CONNECTION_FAILED, "no_connection")
    reason = str(error) if isinstance(error, Broken) else type(error).__name__
    return _failed(wording.API_BROKEN(reason=reason), CONNECTION_FAILED, "broken")


def _no_tunnel(error: TunnelRefused) -> ApiConnectionError:
    message = wording.API_NO_CONNECTION(reason=error)
    if error.status == 407:
        return _failed(message, "407", "proxy_password" if error.is_known else "407", Recovery.PERMANENT)
    wait = wait_asked(error.headers) if error.status in WAIT_STATUSES else None
    if wait is not None:
        return _failed(message, CONNECTION_FAILED, "no_connection", Recovery.RATE_LIMITED, wait)
    if error.status >= 500 or error.status in PASSING_REFUSALS:
        return _failed(message, CONNECTION_FAILED, "no_connection")
    return _failed(message, CONNECTION_FAILED, "no_tunnel", Recovery.PERMANENT)


def _failed(
    message: str,
    code: str,
    reason: str,
    recovery: Recovery = Recovery.TRANSIENT,
    wait: timedelta | None = None,
) -> ApiConnectionError:
    return ApiConnectionError(message, code=code, recovery=recovery, reason=reason, wait=wait)
