"""The HTTP client: one for the whole worker, one call at a time per job, no call repeated on its own."""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import Mapping
from datetime import timedelta
from functools import lru_cache
from http.cookiejar import CookieJar
from typing import Any

import aiohttp
import httpx
from httpx_aiohttp import AiohttpTransport, HttpxAiohttpClient

from openai_connector import __version__, wording
from openai_connector.contract import CONNECTION_FAILED, TLS_FAILED
from openai_connector.document import parse_answer, well_formed
from openai_connector.job import Recovery
from openai_connector.openai_api.answers import invalid
from openai_connector.openai_api.errors import (
    ApiConnectionError,
    ApiResponse,
    ApiTimeoutError,
)

MAX_RESPONSE_BYTES = 10 * 1024 * 1024  # of one response's body, unpacked
CONNECT_TIMEOUT = timedelta(seconds=20)  # for the connection alone; as long as Camunda's REST connector waits
CONNECT_SHARE = 0.8  # of a shorter timeout: what times out later has been sent, and may have been paid for
# How long an idle connection is kept for the next call. Load balancers close theirs after 60 s: a request
# that crosses that on its way is lost, and may not be repeated.
KEEPALIVE = timedelta(seconds=15)
MAX_HEADER_BYTES = 64 * 1024  # of one header line; some gateways send long ones


class _Transport(AiohttpTransport):
    """httpx over aiohttp: httpx's own pool needs quadratic time in the calls under way (measured)."""

    def get_client(self) -> aiohttp.ClientSession:
        """Open the session: no limit of connections (slots are the limit), no cookies shared by tasks."""
        connector = aiohttp.TCPConnector(
            limit=0, keepalive_timeout=KEEPALIVE.total_seconds(), ssl=self.ssl_context
        )
        return aiohttp.ClientSession(
            connector=connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            max_line_size=MAX_HEADER_BYTES,
            max_field_size=MAX_HEADER_BYTES,
        )


class _NoCookies(CookieJar):
    """Keeps nothing: httpx would read the cookies of each answer, which no request of ours ever sends."""

    def extract_cookies(self, response: Any, request: Any) -> None:
        """Do nothing."""


@lru_cache(maxsize=1000)
def _url(text: str) -> httpx.URL:
    """Read an address once: a task's calls all go to the same one."""
    return httpx.URL(text)


class _Client(HttpxAiohttpClient):
    """Mounts the proxies of the environment, which `AsyncClient(transport=…)` would silently ignore."""

    def _init_transport(self, *args: Any, **options: Any) -> _Transport:
        return _Transport(verify=options["verify"])

    def _init_proxy_transport(self, *args: Any, **options: Any) -> _Transport:
        proxy: httpx.Proxy = args[0] if args else options["proxy"]
        if proxy.url.scheme not in ("http", "https"):
            raise ValueError(f"a proxy must be http:// or https://, not {proxy.url.scheme}://")
        return _Transport(verify=options["verify"], proxy=proxy)


class ApiClient:
    """Asks an OpenAI-compatible API; shared by all jobs.

    Proxies and certificate authorities come from the variables that every HTTP client knows: `HTTPS_PROXY`,
    `HTTP_PROXY`, `NO_PROXY`, `SSL_CERT_FILE`, `SSL_CERT_DIR`.
    """

    def __init__(
        self, *, max_response_bytes: int = MAX_RESPONSE_BYTES, verify: ssl.SSLContext | None = None
    ) -> None:
        """Read the environment; connections are opened when they are needed.

        Raises:
            ValueError: a proxy's address cannot be used.
            OSError: the certificate authorities cannot be read.
        """
        self._max_response_bytes = max_response_bytes
        verify = verify or httpx.create_ssl_context()
        try:
            self._http = _Client(verify=verify, follow_redirects=False)
        except httpx.InvalidURL as error:
            raise ValueError(str(error)) from None
        self._http.cookies.jar = _NoCookies()

    async def aclose(self) -> None:
        """Close all connections."""
        await self._http.aclose()

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
            InvalidResponseError: there is one, but its body cannot be read.
        """
        connect_seconds = min(timeout * CONNECT_SHARE, CONNECT_TIMEOUT).total_seconds()
        try:
            # A request of our own, not the client's: what httpx keeps of earlier answers (cookies) is not
            # added to it.
            request = httpx.Request(
                method,
                _url(url),
                content=body,
                headers={
                    **({} if body is None else {"Content-Type": "application/json"}),
                    "Accept": "application/json",
                    "Accept-Encoding": "gzip, deflate",
                    "User-Agent": f"camunda-openai-connector/{__version__}",
                    **headers,
                },
                extensions={"timeout": {"connect": connect_seconds}},
            )
            async with asyncio.timeout(timeout.total_seconds()):
                response = await self._http.send(request, stream=True)
                try:
                    content, problem = await self._read(response)
                finally:
                    await response.aclose()
        except TimeoutError:
            raise _timed_out(timeout) from None
        except httpx.TimeoutException as error:
            if isinstance(error.__cause__, aiohttp.ConnectionTimeoutError):
                raise _no_connection(f"none within {connect_seconds:g} s") from None
            raise _broken(error) from None
        except (
            httpx.HTTPError,
            httpx.InvalidURL,
            httpx.StreamError,
            aiohttp.ClientError,
            OSError,
            ValueError,
        ) as error:
            raise _broken(error) from None
        received = ApiResponse(
            response.status_code, _headers(response), _parse(content), response.reason_phrase, len(content)
        )
        if problem is not None and response.status_code < 400:
            sentence, reason = problem
            raise invalid(sentence, reason, received)
        return received

    async def _read(self, response: httpx.Response) -> tuple[bytes, tuple[str, str] | None]:
        """Read the body; otherwise say what is wrong with it (the rest is not read then)."""
        if len(response.headers.get_list("content-encoding", split_commas=True)) > 1:
            # A few bytes could become gigabytes.
            return b"", (wording.API_PACKED_TWICE(), "packed_twice")
        chunks: list[bytes] = []
        size = 0
        try:
            async for chunk in response.aiter_bytes():
                size += len(chunk)
                if size > self._max_response_bytes:
                    limit = f"{self._max_response_bytes / 1e6:.0f}"
                    return b"", (wording.API_TOO_LARGE(limit=limit), "too_large")
                chunks.append(chunk)
        except httpx.DecodingError:
            return b"", (wording.API_CANNOT_UNPACK(), "cannot_unpack")
        return b"".join(chunks), None


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
        name, value = raw_name.decode("latin-1"), raw_value.decode("utf-8", "replace")
        known = headers.get(name)
        if known is None:
            headers[name] = value
        elif isinstance(known, list):
            known.append(value)
        else:
            headers[name] = [known, value]
    return headers


def _parse(content: bytes) -> Any:
    """Read a body as Camunda's REST connector.

    A JSON object or array parsed, other text as text, blank as None.
    """
    text = content.decode("utf-8-sig", "replace")
    try:
        body = parse_answer(text)
    except ValueError:
        return text if text.strip() else None
    return body if isinstance(body, (dict, list)) else text


def _timed_out(timeout: timedelta) -> ApiTimeoutError:
    message = wording.API_TIMEOUT(seconds=f"{timeout.total_seconds():g}")
    return ApiTimeoutError(message, code=CONNECTION_FAILED, recovery=Recovery.TRANSIENT, reason="timeout")


def _no_connection(reason: str) -> ApiConnectionError:
    return _failed(wording.API_NO_CONNECTION(reason=reason), CONNECTION_FAILED, "no_connection")


def _failed(message: str, code: str, reason: str) -> ApiConnectionError:
    return ApiConnectionError(message, code=code, recovery=Recovery.TRANSIENT, reason=reason)


_NEVER_SENT = (
    aiohttp.ClientConnectorError,
    aiohttp.ClientHttpProxyError,
    aiohttp.InvalidURL,
    httpx.InvalidURL,
)


def _broken(error: Exception) -> ApiConnectionError:
    """Distinguish by aiohttp's exception a connection that never stood from one that broke in mid-call."""
    cause = error.__cause__ if isinstance(error.__cause__, Exception) else error
    if isinstance(cause, (aiohttp.ClientConnectorCertificateError, aiohttp.ClientConnectorSSLError)):
        return _failed(wording.API_TLS(reason=_reason(cause)), TLS_FAILED, "tls")
    if isinstance(cause, _NEVER_SENT):
        return _no_connection(_reason(cause))
    return _failed(wording.API_BROKEN(reason=type(cause).__name__), CONNECTION_FAILED, "broken")


def _reason(error: Exception) -> str:
    """Return why, without the address (a proxy's may carry a password)."""
    if isinstance(error, aiohttp.ClientHttpProxyError):
        return f"the proxy answered {error.status}"
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        return "its certificate is not trusted"
    os_error = getattr(error, "os_error", None)
    return (
        (os_error.strerror or type(os_error).__name__)
        if isinstance(os_error, OSError)
        else type(error).__name__
    )
