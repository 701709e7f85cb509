"""One call of an OpenAI task, ready to be made: the inputs checked, the host allowed, the secrets in place."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from urllib.parse import quote

from openai_connector.duration import parse_duration
from openai_connector.openai_api import ApiResponse, check_answer, encode_body
from openai_connector.redaction import Redaction
from openai_connector.tasks.allowed_hosts import OPENAI_HOST, AllowedHosts, host_of
from openai_connector.tasks.call import fingerprint
from openai_connector.tasks.operations import Endpoint, InvalidInputsError, Operation, read_inputs
from openai_connector.tasks.secrets import RecordedSecrets, SecretProvider, is_placeholder, resolve

DEFAULT_BASE_URL = f"https://{OPENAI_HOST}/v1"
METHOD = "POST"


@dataclass(frozen=True, slots=True)
class ApiDefaults:
    """What holds where a task says nothing."""

    base_url: str = DEFAULT_BASE_URL
    api_key: str | None = field(default=None, repr=False)
    """Used for the worker's own base URL only: no task can send it elsewhere."""
    timeout: timedelta = timedelta(minutes=3)


@dataclass(frozen=True, slots=True)
class ApiCall:
    """A request that may be sent, and what is needed to understand its answer."""

    operation: Operation = field(repr=False)
    method: str
    url: str = field(repr=False)
    headers: Mapping[str, str] = field(repr=False)
    request_body: dict[str, Any] = field(repr=False)
    body: bytes = field(repr=False)
    timeout: timedelta
    fingerprint: str
    redaction: Redaction = field(repr=False)

    def check(self, response: ApiResponse) -> None:
        """Make sure that a response is an answer.

        Raises:
            ApiStatusError, InvalidResponseError: it is none.
        """
        check_answer(response, missing_in=self.operation.missing_in)

    def answer_of(self, response: ApiResponse) -> dict[str, Any]:
        """Give what is kept of an answer."""
        return {"status": response.status, "headers": response.headers, "body": response.body}

    def response_of(self, answer: Mapping[str, Any]) -> dict[str, Any]:
        """Give what the expressions see as the response: status, headers, body and output."""
        return {**answer, "output": self.operation.output(self.request_body, answer["body"])}


def prepare_call(
    variables: Mapping[str, Any], defaults: ApiDefaults, hosts: AllowedHosts, secrets: SecretProvider
) -> ApiCall:
    """Make the call that a task's inputs ask for. Nothing is sent.

    Raises:
        InvalidInputsError: with every violation.
        HostRefusedError: the host is not allowed; no secret has been resolved then.
        SecretError: a secret is missing.
    """
    endpoint, operation = read_inputs(variables)
    used = RecordedSecrets(secrets)
    base_url = _base_url(endpoint, defaults, hosts, used)
    key = _credential(endpoint.api_key, "api_key", used)
    organization = _credential(endpoint.organization, "organization", used)
    project = _credential(endpoint.project, "project", used)
    is_own = base_url.rstrip("/") == defaults.base_url.rstrip("/")
    if key is None and is_own:
        key = defaults.api_key
    url = base_url.rstrip("/") + operation.path
    if endpoint.azure_api_version is not None:
        url += "?api-version=" + quote(endpoint.azure_api_version, safe="", errors="replace")
    if key is None and (endpoint.azure_resource is not None or host_of(url) == OPENAI_HOST):
        other_way = ", or have the operator set OPENAI_API_KEY" if is_own else ""
        raise InvalidInputsError([f"OpenAI API key is required: give it as {{{{secrets.NAME}}}}{other_way}"])
    request_body = operation.request_body()
    try:
        body = encode_body(request_body)
    except ValueError as error:
        raise InvalidInputsError(
            [f"the request cannot be written as JSON ({error}): simplify the inputs"]
        ) from None
    return ApiCall(
        operation=operation,
        method=METHOD,
        url=url,
        headers=_headers(endpoint, key, organization, project),
        request_body=request_body,
        body=body,
        timeout=defaults.timeout if endpoint.timeout is None else timedelta(seconds=endpoint.timeout),
        fingerprint=fingerprint(METHOD, url, body, organization, project),
        redaction=Redaction(used.given if key is None else [*used.given, key], operation.private_texts()),
    )


def lease_of(variables: Mapping[str, Any], defaults: ApiDefaults) -> timedelta:
    """Say how long a task's call may take; a wrong timeout counts as none (`prepare_call` says what is wrong)."""
    try:
        return parse_duration(variables.get("openai_timeout") or defaults.timeout)
    except ValueError:
        return defaults.timeout


def _base_url(endpoint: Endpoint, defaults: ApiDefaults, hosts: AllowedHosts, secrets: SecretProvider) -> str:
    """Give the base URL; its host is allowed."""
    if endpoint.azure_resource is not None:
        base_url = (
            f"https://{endpoint.azure_resource}.openai.azure.com"
            f"/openai/deployments/{quote(endpoint.azure_deployment or '', safe='', errors='replace')}"
        )
        hosts.check(base_url, label="Azure resource")
        return base_url
    given = endpoint.base_url
    if given is None:
        hosts.check(defaults.base_url, label="OPENAI_BASE_URL")
        return defaults.base_url
    label = str(Endpoint.model_fields["base_url"].title)
    if not is_placeholder(given):
        hosts.check(given, label=label)  # before any secret is resolved
    resolved = resolve(given, secrets, label=label).strip()
    if resolved != given:
        hosts.check(resolved, label=label, is_secret=True)
    return resolved


def _credential(given: str | None, name: str, secrets: SecretProvider) -> str | None:
    if given is None:
        return None
    label = str(Endpoint.model_fields[name].title)
    return header_value(resolve(given, secrets, label=label).strip(), label)


def header_value(value: str, label: str) -> str:
    """Give a value that can stand in an HTTP header.

    Raises:
        InvalidInputsError: it cannot.
    """
    # Anything else cannot stand in an HTTP header; a client's own message would quote it.
    if not value.isascii() or not value.isprintable():
        raise InvalidInputsError(
            [
                f"{label} must be made of plain letters, digits and signs, but has a line break or another character"
            ]
        )
    return value


def _headers(
    endpoint: Endpoint, key: str | None, organization: str | None, project: str | None
) -> dict[str, str]:
    headers: dict[str, str] = {}
    if key is not None:
        headers |= (
            {"api-key": key} if endpoint.azure_resource is not None else {"Authorization": f"Bearer {key}"}
        )
    if organization is not None:
        headers["OpenAI-Organization"] = organization
    if project is not None:
        headers["OpenAI-Project"] = project
    return headers
