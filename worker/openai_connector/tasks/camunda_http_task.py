"""Tasks made with Camunda's own OpenAI template: the drop-in job type `io.camunda:http-json:1`.

Such a task carries a whole HTTP request, which Camunda's REST connector would send. It is served as that
connector would, with three exceptions: only allowed hosts are asked, secrets are resolved in the URL, the
credentials, headers and query parameters alone (never in the body, which holds prompts), and the timeout of
connecting is not taken for that of the answer.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from openai_connector import wording
from openai_connector.contract import CAMUNDA_HTTP_JOB_TYPE, CAMUNDA_HTTP_PANEL, SECRETS
from openai_connector.duration import parse_duration
from openai_connector.openai_api import ApiResponse, check_status, encode_body
from openai_connector.redaction import Redaction
from openai_connector.tasks.address import quoted, resolved_url
from openai_connector.tasks.allowed_hosts import AllowedHosts, HostRefusedError
from openai_connector.tasks.openai_task import header_value
from openai_connector.tasks.operations import InvalidInputsError
from openai_connector.tasks.operations.fields import but, is_given, kind_of, scalar_text
from openai_connector.tasks.operations.messages import texts_of
from openai_connector.tasks.secrets import RecordedSecrets, SecretProvider, resolve
from openai_connector.tasks.task_type import COST, Answer, Request, fingerprint

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
class CamundaHttpTask:
    """One HTTP request of a diagram, ready to be sent."""

    request: Request
    panel: Mapping[str, str] = field(default_factory=lambda: CAMUNDA_HTTP_PANEL, repr=False)

    def pending(self, response: ApiResponse) -> str | None:
        """Return None: whatever comes is the answer, as it is for Camunda's connector."""
        return None

    def accept(self, response: ApiResponse) -> dict[str, Any]:
        """Return what is kept of an answer; any body below status 400 is one, a redirect's too.

        Raises:
            ApiStatusError: the status is 400 or above.
        """
        check_status(response)
        return {
            "status": response.status,
            "headers": response.headers,
            "body": response.body,
            "reason": response.reason,
        }

    def read_answer(self, kept: Mapping[str, Any]) -> Answer:
        """Return an answer whose response is status, headers, body and reason, whatever they say."""
        return Answer({name: value for name, value in kept.items() if name != COST})


@dataclass(frozen=True, slots=True)
class CamundaHttpTasks:
    """The task type of Camunda's own templates."""

    hosts: AllowedHosts
    secrets: SecretProvider
    default_timeout: timedelta
    job_type: str = CAMUNDA_HTTP_JOB_TYPE
    inputs: tuple[str, ...] = INPUTS
    panel: Mapping[str, str] = field(default_factory=lambda: CAMUNDA_HTTP_PANEL)

    def read(self, variables: Mapping[str, Any], redaction: Redaction) -> CamundaHttpTask:
        """Return the task that a job's variables describe, as `TaskType.read` says."""
        used = RecordedSecrets(self.secrets)
        _require(variables, "url", "method")
        url = _url(variables["url"], self.hosts, used)
        method = (scalar_text(variables["method"]) or "").strip().upper()
        if method not in METHODS:
            shown = f"'{method[:20]}'" if method else kind_of(variables["method"])
            raise InvalidInputsError([wording.HTTP_METHOD(methods=", ".join(METHODS), shown=shown)])
        headers = {
            _header_name(name): header_value(value, f"headers: {name[:50]}")
            for name, value in _texts(variables, "headers", used).items()
        }
        query = _texts(variables, "queryParameters", used)
        credentials = _authenticate(variables.get("authentication"), headers, query, used)
        if method == "POST" and "body" in variables:
            _require(variables, "body")  # null: its expression failed, and the API would refuse it
        body = variables.get("body") if method in _WITH_BODY else None
        url = _with_query(url, query)
        content = _content(body)
        lower = {name.lower(): value for name, value in headers.items()}
        organization, project = lower.get("openai-organization"), lower.get("openai-project")
        mark = fingerprint(method, url, content or b"", organization, project)
        timeout = self.time_needed(variables)
        redaction.add([*used.given, *credentials], texts_of([{"body": body}]))
        model, tier = _named(body, "model"), _named(body, "service_tier")
        known = body if isinstance(body, Mapping) else None
        return CamundaHttpTask(
            Request(
                method,
                url,
                headers,
                content,
                timeout,
                mark,
                model,
                service_tier=tier,
                content=known,
                credentials=tuple(SECRETS + name for name in used.names),
                redaction=redaction,
            )
        )

    def time_needed(self, variables: Mapping[str, Any]) -> timedelta:
        """Return the timeout of a call.

        That of reading, else the worker's own or a longer one of connecting.
        """
        read = seconds_of(variables.get("readTimeoutInSeconds"))
        if read is not None:
            return read
        connect = seconds_of(variables.get("connectionTimeoutInSeconds"))
        return self.default_timeout if connect is None else max(connect, self.default_timeout)


def _require(variables: Mapping[str, Any], *names: str) -> None:
    missing = [name for name in names if not is_given(variables.get(name))]
    if missing:
        raise InvalidInputsError(
            [wording.HTTP_REQUIRED(name=name, but=but(variables, name)) for name in missing]
        )


def _with_query(url: str, query: Mapping[str, str]) -> str:
    if not query:
        return url
    address, _, own = url.partition("#")[0].partition("?")  # a fragment is never sent
    pairs = [f"{quoted(name)}={quoted(value)}" for name, value in query.items()]
    return address + "?" + "&".join([*([own.rstrip("&")] if own.strip("&") else []), *pairs])


def _header_name(name: str) -> str:
    if not _TOKEN.fullmatch(name):
        raise InvalidInputsError([wording.HTTP_HEADER_NAME(name=name[:50])])
    if name.lower() in _NOT_GIVEN:
        raise InvalidInputsError([wording.HTTP_HEADER_NOT_GIVEN(name=name)])
    return _SPELLED.get(name.lower(), name)


def seconds_of(value: Any) -> timedelta | None:
    """Read a timeout: seconds, or a duration such as PT30S, as this connector's own input is read.

    0, which Camunda takes for "no limit", and anything odd count as not given.
    """
    try:
        return parse_duration(scalar_text(value) or "") or None
    except ValueError:
        return None


def _url(given: Any, hosts: AllowedHosts, secrets: SecretProvider) -> str:
    if not isinstance(given, str):
        raise InvalidInputsError([wording.HTTP_URL(kind=kind_of(given))])

    def check(url: str, is_secret: bool) -> None:
        try:
            hosts.check(url.partition("?")[0], label="url", is_secret=is_secret)
        except HostRefusedError as error:
            message = wording.HTTP_HOST(problem=error, job_type=CAMUNDA_HTTP_JOB_TYPE)
            raise HostRefusedError(message) from None

    return resolved_url(given.strip(), secrets, label="url", check=check)


def _texts(variables: Mapping[str, Any], name: str, secrets: SecretProvider) -> dict[str, str]:
    """Read headers or query parameters: null values are left out."""
    given = variables.get(name)
    if not is_given(given):
        return {}
    if not isinstance(given, Mapping):
        raise InvalidInputsError([wording.HTTP_CONTEXT(name=name, kind=kind_of(given))])
    texts: dict[str, str] = {}
    for key, value in given.items():
        text = scalar_text(value)
        if text is None and value is not None:
            raise InvalidInputsError([wording.HTTP_ENTRY(name=name, key=key[:50], kind=kind_of(value))])
        if text is not None:
            texts[key] = resolve(text, secrets, label=f"{name}: {key[:50]}")
    return texts


def _authenticate(
    given: Any, headers: dict[str, str], query: dict[str, str], secrets: SecretProvider
) -> list[str]:
    """Add the credentials to headers or query, and return them, so that they are masked."""
    if not is_given(given):
        return []
    if not isinstance(given, Mapping):
        raise InvalidInputsError([wording.HTTP_CONTEXT(name="authentication", kind=kind_of(given))])

    def credential(name: str, *, is_encoded: bool = False) -> str:
        text = scalar_text(given.get(name))
        if text is None or not text.strip():
            raise InvalidInputsError([wording.HTTP_CREDENTIAL(name=name, but=but(given, name))])
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
            return [value, quoted(value)]
        case other:
            shown = f"'{other[:50]}'" if isinstance(other, str) else kind_of(other)
            raise InvalidInputsError([wording.HTTP_AUTHENTICATION(shown=shown)])


def _named(body: Any, key: str) -> str:
    """Return the model, or the tier, that a body names."""
    return (scalar_text(body.get(key)) or "") if isinstance(body, Mapping) else ""


def _content(body: Any) -> bytes | None:
    if body is None:
        return None
    if isinstance(body, str):
        return body.encode("utf-8", "replace")
    try:
        return encode_body(body)
    except ValueError as error:
        raise InvalidInputsError([wording.HTTP_BODY(problem=error)]) from None
