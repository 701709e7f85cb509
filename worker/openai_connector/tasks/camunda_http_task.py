"""One call of a task made with Camunda's own OpenAI template: the drop-in job type `io.camunda:http-json:1`.

Such a task carries a whole HTTP request, which Camunda's REST connector would send. It is served as that connector
would, but for three: only allowed hosts are asked, secrets are
resolved in the URL, the credentials, headers and query parameters alone (never in the body, which holds prompts), and
the timeout of connecting is not taken for that of the answer.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from urllib.parse import quote

from openai_connector.openai_api import ApiResponse, HostRefusedError, check_status, encode_body
from openai_connector.redaction import Redaction
from openai_connector.tasks.allowed_hosts import AllowedHosts
from openai_connector.tasks.call import fingerprint
from openai_connector.tasks.openai_task import header_value
from openai_connector.tasks.operations import InvalidInputsError
from openai_connector.tasks.operations.fields import is_given, kind_of, scalar_text
from openai_connector.tasks.operations.messages import texts_of
from openai_connector.tasks.secrets import RecordedSecrets, SecretProvider, is_placeholder, resolve

JOB_TYPE = "io.camunda:http-json:1"
INPUTS = (
    "url",
    "method",
    "authentication",
    "headers",
    "queryParameters",
    "body",
    "connectionTimeoutInSeconds",
    "readTimeoutInSeconds",
)
_TOKEN = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")  # RFC 9110, 5.6.2
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
_WITH_BODY = ("POST", "PUT", "PATCH")  # as Camunda's connector: it sends no body with the others
# Headers that the client sets unless they are given, by the very spelling that it knows.
_SPELLED = {name.lower(): name for name in ("Content-Type", "Accept", "Accept-Encoding", "User-Agent")}
# A Host of its own would lead a credential past the check of the URL; the others are made from the body.
_NOT_GIVEN = ("host", "content-length", "transfer-encoding")


@dataclass(frozen=True, slots=True)
class RestCall:
    """A request that may be sent, and what is needed to understand its answer."""

    method: str
    url: str = field(repr=False)
    headers: Mapping[str, str] = field(repr=False)
    body: bytes | None = field(repr=False)
    timeout: timedelta
    fingerprint: str
    redaction: Redaction = field(repr=False)

    def check(self, response: ApiResponse) -> None:
        """Make sure that the status is below 400; any body is a result, a redirect too.

        Raises:
            ApiStatusError: the status is 400 or above.
        """
        check_status(response)

    def answer_of(self, response: ApiResponse) -> dict[str, Any]:
        """Give what is kept of an answer."""
        return {
            "status": response.status,
            "headers": response.headers,
            "body": response.body,
            "reason": response.reason,
        }

    def response_of(self, answer: Mapping[str, Any]) -> Any:
        """Give what the expressions see as the response: status, headers, body and reason."""
        return dict(answer)


def prepare_rest_call(
    variables: Mapping[str, Any], default_timeout: timedelta, hosts: AllowedHosts, secrets: SecretProvider
) -> RestCall:
    """Make the call that a task's inputs ask for. Nothing is sent.

    Raises:
        InvalidInputsError: an input is missing or has another form than Camunda's templates give it.
        HostRefusedError: the host is not allowed; no secret has been resolved then.
        SecretError: a secret is missing.
    """
    used = RecordedSecrets(secrets)
    url = _url(variables.get("url"), hosts, used)
    method = (scalar_text(variables.get("method")) or "").strip().upper()
    if method not in METHODS:
        shown = f"'{method[:20]}'" if method else kind_of(variables.get("method"))
        raise InvalidInputsError([f"method must be one of {', '.join(METHODS)}, got {shown}"])
    headers = {
        _header_name(name): header_value(value, f"headers: {name[:50]}")
        for name, value in _texts(variables, "headers", used).items()
    }
    query = _texts(variables, "queryParameters", used)
    credentials_used = _authenticate(variables.get("authentication"), headers, query, used)
    if query:
        url, _, own = url.partition("#")[0].partition("?")  # a fragment is never sent
        pairs = [f"{_quoted(name)}={_quoted(value)}" for name, value in query.items()]
        url += "?" + "&".join([*([own.rstrip("&")] if own.strip("&") else []), *pairs])
    body = variables.get("body") if method in _WITH_BODY else None
    content = _content(body)
    lower = {name.lower(): value for name, value in headers.items()}
    organization, project = lower.get("openai-organization"), lower.get("openai-project")
    return RestCall(
        method=method,
        url=url,
        headers=headers,
        body=content,
        timeout=rest_timeout(variables, default_timeout),
        fingerprint=fingerprint(method, url, content or b"", organization, project),
        redaction=Redaction([*used.given, *credentials_used], texts_of([{"body": body}])),
    )


def rest_timeout(variables: Mapping[str, Any], default: timedelta) -> timedelta:
    """Give the timeout of a call: that of reading, else the worker's own or a longer one of connecting."""
    read = _seconds(variables.get("readTimeoutInSeconds"))
    if read is not None:
        return read
    connect = _seconds(variables.get("connectionTimeoutInSeconds"))
    return default if connect is None else max(connect, default)


def _header_name(name: str) -> str:
    if not _TOKEN.fullmatch(name):
        raise InvalidInputsError([f"headers: '{name[:50]}' is no name of a header"])
    if name.lower() in _NOT_GIVEN:
        raise InvalidInputsError([f"headers: {name} is set by the worker: remove it"])
    return _SPELLED.get(name.lower(), name)


def _seconds(value: Any) -> timedelta | None:
    """Read seconds; 0, which Camunda takes for "no limit", and anything odd count as not given."""
    text = (scalar_text(value) or "").strip()
    if not text.isascii() or not text.isdigit() or len(text) > 6 or int(text) == 0:
        return None
    return timedelta(seconds=int(text))


def _url(given: Any, hosts: AllowedHosts, secrets: SecretProvider) -> str:
    if not isinstance(given, str) or not given.strip():
        raise InvalidInputsError([f"url must be a text, not {kind_of(given)}"])
    text = given.strip()
    if not is_placeholder(text):
        _check_host(text, hosts)  # before any secret is resolved
    resolved = resolve(text, secrets, label="url").strip()
    _check_host(resolved, hosts, is_secret=resolved != text)
    return resolved


def _check_host(url: str, hosts: AllowedHosts, *, is_secret: bool = False) -> None:
    try:
        hosts.check(url.partition("?")[0], label="url", is_secret=is_secret)
    except HostRefusedError as error:
        raise HostRefusedError(
            f"{error}. This worker serves the job type {JOB_TYPE} for OpenAI tasks only; other REST tasks need "
            "Camunda's own connectors",
            code=error.code,
            verdict=error.verdict,
        ) from None


def _texts(variables: Mapping[str, Any], name: str, secrets: SecretProvider) -> dict[str, str]:
    """Read headers or query parameters: null values are left out."""
    given = variables.get(name)
    if not is_given(given):
        return {}
    if not isinstance(given, Mapping):
        raise InvalidInputsError([f"{name} must be a context, not {kind_of(given)}"])
    texts: dict[str, str] = {}
    for key, value in given.items():
        text = scalar_text(value)
        if text is None and value is not None:
            raise InvalidInputsError([f"{name}: {key[:50]} must be a text, not {kind_of(value)}"])
        if text is not None:
            texts[key] = resolve(text, secrets, label=f"{name}: {key[:50]}")
    return texts


def _authenticate(
    given: Any, headers: dict[str, str], query: dict[str, str], secrets: SecretProvider
) -> list[str]:
    """Add the credentials to headers or query; give them, so that they are masked."""
    if not is_given(given):
        return []
    if not isinstance(given, Mapping):
        raise InvalidInputsError([f"authentication must be a context, not {kind_of(given)}"])

    def credential(name: str, *, is_encoded: bool = False) -> str:
        text = scalar_text(given.get(name))
        if not text:
            raise InvalidInputsError([f"authentication.{name} is required: give it as {{{{secrets.NAME}}}}"])
        label = f"authentication.{name}"
        value = resolve(text, secrets, label=label).strip()
        return value if is_encoded else header_value(value, label)

    match given.get("type"):
        case "noAuth" | None:
            return []
        case "bearer":
            token = credential("token")
            headers["Authorization"] = f"Bearer {token}"
            return [token]
        case "basic":
            user, password = credential("username", is_encoded=True), credential("password", is_encoded=True)
            encoded = base64.b64encode(f"{user}:{password}".encode("utf-8", "replace")).decode()
            headers["Authorization"] = f"Basic {encoded}"
            return [password, encoded]
        case "apiKey":
            value = credential("value")
            in_query, name = given.get("apiKeyLocation") == "query", credential("name")
            (query if in_query else headers)[name if in_query else _header_name(name)] = value
            return [value, _quoted(value)]
        case other:
            shown = f"'{other[:50]}'" if isinstance(other, str) else kind_of(other)
            raise InvalidInputsError(
                [f"authentication.type must be bearer, basic, apiKey or noAuth, got {shown}"]
            )


def _content(body: Any) -> bytes | None:
    if body is None:
        return None
    if isinstance(body, str):
        return body.encode("utf-8", "replace")
    try:
        return encode_body(body)
    except ValueError as error:
        raise InvalidInputsError([f"body cannot be written as JSON ({error})"]) from None


def _quoted(text: str) -> str:
    return quote(text, safe="", errors="replace")
