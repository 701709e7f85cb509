"""Tasks of this connector's own templates: the inputs checked, the host allowed, the secrets in place."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any, Final

from openai_connector import wording
from openai_connector.contract import (
    API_KEY,
    DEFAULT_BASE_URL,
    DEFAULT_TIMEOUT_SECONDS,
    FAIL,
    JOB_TYPE,
    OWN_KEY,
    PANEL,
    REPAIR,
    SECRETS,
    TIMEOUT,
)
from openai_connector.duration import parse_duration
from openai_connector.money import shown
from openai_connector.openai_api import ApiResponse, encode_body
from openai_connector.redaction import Redaction
from openai_connector.tasks.address import address_of
from openai_connector.tasks.allowed_hosts import AllowedHosts, is_openai
from openai_connector.tasks.operations import (
    INPUT_NAMES,
    Endpoint,
    InvalidInputsError,
    Operation,
    read_inputs,
)
from openai_connector.tasks.operations.fields import but, is_on
from openai_connector.tasks.operations.operation import Shortfall
from openai_connector.tasks.panel import panel_of
from openai_connector.tasks.secrets import RecordedSecrets, SecretProvider, names_in, resolve
from openai_connector.tasks.task_type import (
    CALLS,
    COST,
    NOT_ASKED_AGAIN,
    Answer,
    AnswerError,
    AnswerNeeded,
    Request,
    fingerprint,
)

METHOD: Final = "POST"
RESPONSE_PARTS: Final = ("status", "headers", "body")


@dataclass(frozen=True, slots=True)
class ApiDefaults:
    """What holds where a task says nothing."""

    base_url: str = DEFAULT_BASE_URL
    api_key: str | None = field(default=None, repr=False)
    """Used for the worker's own base URL only: no task can send it elsewhere."""
    timeout: timedelta = timedelta(seconds=DEFAULT_TIMEOUT_SECONDS)


@dataclass(frozen=True, slots=True)
class OpenAiTask:
    """One operation, ready to be asked."""

    operation: Operation = field(repr=False)
    request_body: dict[str, Any] = field(repr=False)
    request: Request
    endpoint: Endpoint = field(repr=False)

    @property
    def panel(self) -> Mapping[str, str]:
        """The labels that the task's modeler sees; only messages need them."""
        return panel_of(self.endpoint, self.operation, self.request.url)

    def pending(self, response: ApiResponse) -> str | None:
        """Return the id of an answer that is still being made."""
        return self.operation.pending(response.body) if 200 <= response.status < 300 else None

    def accept(self, response: ApiResponse) -> dict[str, Any]:
        """Return what is kept of an answer.

        Raises:
            ApiStatusError, InvalidResponseError: the response is no answer.
        """
        self.operation.check(response)
        body = self.operation.kept(self.request_body, response.body)
        return {"status": response.status, "headers": response.headers, "body": body}

    def read_answer(self, kept: Mapping[str, Any]) -> Answer:
        """Return an answer whose response is status, headers, body and output."""
        operation, calls = self.operation, kept.get(CALLS, 1)
        read = operation.read_answer(self.request_body, kept["body"], calls)
        output = read.output | shown(kept.get(COST))
        response = {part: kept[part] for part in RESPONSE_PARTS} | {"output": output}
        if read.shortfall is None:
            return Answer(response)
        message = read.shortfall.problem
        if NOT_ASKED_AGAIN in kept:
            message = wording.ANSWER_NOT_ASKED_AGAIN(problem=message, error=kept[NOT_ASKED_AGAIN])
        elif calls > 1:
            message = wording.ANSWER_ALSO_AGAIN(problem=message)
        again = self._again(read.output, read.shortfall) if calls == 1 else None
        error = AnswerError(message, read.shortfall.condition)
        return Answer(response, error, operation.reaction(self.request_body), again)

    def _again(self, output: dict[str, Any], shortfall: Shortfall) -> Request | None:
        body = self.operation.body_to_ask_again(self.request_body, output, shortfall)
        return None if body is None else replace(self.request, body=_encoded(body), needed=AnswerNeeded.NOW)


@dataclass(frozen=True, slots=True)
class OpenAiTasks:
    """The task type of this connector's own templates."""

    defaults: ApiDefaults
    hosts: AllowedHosts
    secrets: SecretProvider
    job_type: str = JOB_TYPE
    inputs: tuple[str, ...] = INPUT_NAMES
    panel: Mapping[str, str] = field(default_factory=lambda: PANEL)

    def read(self, variables: Mapping[str, Any], redaction: Redaction) -> OpenAiTask:
        """Return the task that a job's variables describe, as `TaskType.read` says."""
        endpoint, operation = read_inputs(variables)
        used = RecordedSecrets(self.secrets)
        address = address_of(endpoint, self.defaults.base_url, self.hosts, used)
        key = _credential(endpoint.api_key, "api_key", used)
        organization = _credential(endpoint.organization, "organization", used)
        project = _credential(endpoint.project, "project", used)
        is_own = address.base_url.rstrip("/") == self.defaults.base_url.rstrip("/")
        credentials = tuple(SECRETS + name for name in names_in(endpoint.api_key or ""))
        if key is None and is_own:
            key = self.defaults.api_key
            credentials = () if key is None else (OWN_KEY,)
        url = address.of(operation.asked_path)
        if key is None and (endpoint.azure_resource is not None or is_openai(url)):
            required = wording.KEY_REQUIRED_OR_WORKER if is_own else wording.KEY_REQUIRED
            panel = panel_of(endpoint, operation, url)
            raise InvalidInputsError([required(but=but(variables, API_KEY.name), **panel)])
        request_body = operation.request_body()
        body = _encoded(request_body)
        request = Request(
            METHOD,
            url,
            _headers(endpoint, key, organization, project),
            body,
            self.defaults.timeout if endpoint.timeout is None else timedelta(seconds=endpoint.timeout),
            fingerprint(METHOD, url, body, organization, project, operation.needed),
            str(request_body.get("model") or ""),
            operation.needed,
            str(request_body.get("service_tier") or ""),
            request_body,
            credentials,
            endpoint.budget_exceeded or FAIL,
            redaction,
        )
        redaction.add(used.given if key is None else [*used.given, key], operation.private_texts())
        return OpenAiTask(operation, request_body, request, endpoint)

    def time_needed(self, variables: Mapping[str, Any]) -> timedelta:
        """Return how long a task's call may take, or its two calls where it may ask again.

        A wrong timeout counts as none (`read` says what is wrong).
        """
        try:
            needed = parse_duration(variables.get(TIMEOUT.name) or self.defaults.timeout)
        except ValueError:
            needed = self.defaults.timeout
        return needed * 2 if is_on(variables.get(REPAIR.name)) else needed


def _encoded(request_body: dict[str, Any]) -> bytes:
    try:
        return encode_body(request_body)
    except ValueError as error:
        raise InvalidInputsError([wording.REQUEST_UNWRITABLE(problem=error)]) from None


def _credential(given: str | None, name: str, secrets: SecretProvider) -> str | None:
    if given is None:
        return None
    label = str(Endpoint.model_fields[name].title)
    return header_value(resolve(given, secrets, label=label).strip(), label)


def header_value(value: str, label: str) -> str:
    """Return a value that can stand in an HTTP header.

    Raises:
        InvalidInputsError: it cannot.
    """
    # Anything else cannot stand in an HTTP header; a client's own message would quote it.
    if not value.isascii() or not value.isprintable():
        raise InvalidInputsError([wording.HEADER_VALUE(label=label)])
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
