"""The story of a job: from its inputs to exactly one outcome, with an answer that is never paid for twice.

Headers first (a bad expression must not cost money), then the inputs, the host, the secrets; then the call, unless
its answer has been kept from an earlier activation; then the mapping. Whatever happens ends in an outcome.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, Protocol

from openai_connector.document import DocumentError, encode_document
from openai_connector.duration import parse_duration
from openai_connector.job import BpmnError, Completed, ConnectorJob, Failed, Outcome
from openai_connector.mapping.task_mapping import (
    ERROR_VARIABLE,
    JOB_TIMEOUT,
    OVERRIDES,
    HeaderError,
    TaskMapping,
    error_object,
    swallow_message,
)
from openai_connector.openai_api import ApiClient, ApiError, ApiResponse, Verdict
from openai_connector.operations import InvalidInputsError
from openai_connector.redaction import Redaction
from openai_connector.secrets import SecretError
from openai_connector.task_state import STATE_VARIABLE, TaskState

log = logging.getLogger(__name__)

OWN_VARIABLES = (*OVERRIDES.values(), STATE_VARIABLE)
"""Fetched with every job, beside the inputs: what an operator overrides, and what the worker remembers."""
LEAST_WAIT = timedelta(seconds=1)  # after "told to wait", so that Retry-After: 0 does not make a busy loop


@dataclass(frozen=True, slots=True)
class WaitLimits:
    """How long a job may be told to wait before each further time costs a retry."""

    times: int = 20
    total: timedelta = timedelta(hours=1)


class Call(Protocol):
    """A request that may be sent, and what is needed to understand its answer."""

    @property
    def method(self) -> str: ...
    @property
    def url(self) -> str: ...
    @property
    def headers(self) -> Mapping[str, str]: ...
    @property
    def body(self) -> bytes | None: ...
    @property
    def timeout(self) -> timedelta: ...
    @property
    def fingerprint(self) -> str: ...
    @property
    def redaction(self) -> Redaction: ...

    def check(self, response: ApiResponse) -> None:
        """Make sure that a response is an answer, else raise an `ApiError`."""

    def answer_of(self, response: ApiResponse) -> Mapping[str, Any]:
        """Give what is kept of an answer until the job is done."""

    def response_of(self, answer: Mapping[str, Any]) -> Any:
        """Give what the expressions see as the response."""


class Handler:
    """Turns one job into one outcome; shared by all jobs of a type, keeps nothing between them.

    Args:
        client: asks the API.
        prepare: makes the call that a job's variables ask for, or raises what is wrong with them.
        lease_of: says how long that call may take.
        wait_limits: how patient the API may ask a job to be.
    """

    def __init__(
        self,
        client: ApiClient,
        *,
        prepare: Callable[[Mapping[str, Any]], Call],
        lease_of: Callable[[Mapping[str, Any]], timedelta],
        wait_limits: WaitLimits = WaitLimits(),
    ) -> None:
        self._client = client
        self._prepare = prepare
        self._lease_of = lease_of
        self._wait_limits = wait_limits

    async def __call__(self, job: ConnectorJob) -> Outcome:
        """Work on a job; raises nothing but what is a bug."""
        state = TaskState.of(job)
        try:
            mapping = TaskMapping.read(job.headers, job.variables)
        except HeaderError as error:
            return _incident(f"{error}. Nothing was sent. {_way_out(job)}")
        local_names = _local_names(job, state)
        swallowed = mapping.names_set() & local_names
        if swallowed:
            return _incident(f"{swallow_message(swallowed)}. Nothing was sent. {_way_out(job)}")
        redaction = Redaction()
        try:
            call = self._prepare(job.variables)
            redaction = call.redaction
            answer = state.answer_to(call.fingerprint) or await self._ask(call, job, state)
        except (InvalidInputsError, SecretError, ApiError) as error:
            return self._failed_call(error, job, mapping, state, redaction)
        decision = mapping.on_response(call.response_of(answer), retries=job.retries, local_names=local_names)
        kept = state.keeping(call.fingerprint, answer) if decision.keeps_answer else state.without_answer()
        return _remembering(decision.outcome, kept, redaction)

    def lease_needed(self, job: ConnectorJob) -> timedelta:
        """Say how long the job's lease must last: its job timeout header, and at least the call's timeout."""
        needed = self._lease_of(job.variables)
        try:
            return max(needed, parse_duration(job.headers.get(JOB_TIMEOUT) or needed))
        except ValueError:
            return needed  # handling the job says what is wrong with the header

    async def _ask(self, call: Call, job: ConnectorJob, state: TaskState) -> Mapping[str, Any]:
        response = await self._client.send(
            call.method,
            call.url,
            body=call.body,
            headers={**call.headers, "X-Client-Request-Id": f"{job.key}-{job.retries}-{state.waits + 1}"},
            timeout=call.timeout,
        )
        call.check(response)
        return call.answer_of(response)

    def _failed_call(
        self,
        error: InvalidInputsError | SecretError | ApiError,
        job: ConnectorJob,
        mapping: TaskMapping,
        state: TaskState,
        redaction: Redaction,
    ) -> Outcome:
        """Decide what a failure before or during the call means; the error expression has the first word."""
        message = redaction.message(str(error))
        kind, code, verdict, response, wait = _describe(error)
        log.info("Job %d of element %s: %s, code %s", job.key, job.element_id, kind, code)
        error_shown = redaction.value(error_object(kind, code, message, response))
        retries, backoff = max(job.retries - 1, 0), mapping.backoff
        if verdict is Verdict.FINAL:
            retries, backoff = 0, None
        elif verdict is Verdict.WAIT and wait is not None:
            backoff = max(wait, LEAST_WAIT, mapping.backoff or LEAST_WAIT)
            waiting = state.waiting(backoff)
            if waiting.waits <= self._wait_limits.times and waiting.waited <= self._wait_limits.total:
                state, retries = waiting, job.retries
        decision = mapping.on_error(error_shown, retries=job.retries, default=Failed(message, retries, backoff))
        return _remembering(decision.outcome, state, redaction)


def _describe(
    error: InvalidInputsError | SecretError | ApiError,
) -> tuple[str, str, Verdict, dict[str, Any] | None, timedelta | None]:
    """Give an error's stable type and code (listed in the README), verdict, response and wait."""
    if isinstance(error, ApiError):
        response = None
        if error.response is not None:
            response = {"status": error.response.status, "headers": error.response.headers, "body": error.response.body}
        return type(error).__name__, error.code, error.verdict, response, error.wait
    if isinstance(error, SecretError):
        return "SecretError", "SECRET_NOT_AVAILABLE", Verdict.FINAL, None, None
    return "InvalidInputsError", "INVALID_INPUTS", Verdict.FINAL, None, None


def _local_names(job: ConnectorJob, state: TaskState) -> frozenset[str]:
    """Name what the task's own scope holds: a result of such a name would stay there, unseen by the process."""
    return frozenset(job.variables) | state.names | {STATE_VARIABLE}


def _incident(message: str) -> Failed:
    return Failed(message, retries=0)


def _way_out(job: ConnectorJob) -> str:
    """Say how to go on: the headers of a job never change, local variables override them."""
    return (
        f"Correct the task in Modeler; for this instance, set the local variable {' or '.join(OVERRIDES.values())} "
        f"at element {job.element_id} in Operate, then retry the incident"
    )


def _remembering(outcome: Outcome, state: TaskState, redaction: Redaction) -> Outcome:
    """Put what must be remembered beside an outcome that brings the job back, and mask what leaves the worker."""
    match outcome:
        case Completed():
            return outcome
        case BpmnError():
            # Kept before the error is thrown: an uncaught one comes back, and must not be paid for again.
            keep = state.variables() if _is_sendable(state.variables()) else {}
            return replace(outcome, message=redaction.message(outcome.message), keep=keep)
        case Failed():
            return _failing(outcome, state, redaction)


def _failing(outcome: Failed, state: TaskState, redaction: Redaction) -> Failed:
    variables = redaction.value(outcome.variables)
    message = redaction.message(outcome.message)
    state = state.leaving(variables)
    if state.response is not None and outcome.retries == 0:
        message += (
            ". The answer is kept: set the local variable openai_resultExpression or openai_errorExpression at the "
            "task in Operate, then retry the incident; the API is not asked again"
        )
    if not _is_sendable({**variables, **state.variables()}):
        if state.response is not None:
            message += ". The answer is too large to be kept: trying again asks the API, and pays, again"
        error = variables.get(ERROR_VARIABLE)
        short = {key: error.get(key) for key in ("type", "code", "message")} if isinstance(error, dict) else error
        variables = {ERROR_VARIABLE: short}
        state = state.without_answer()
    return replace(outcome, message=message, variables={**variables, **state.variables()})


def _is_sendable(variables: Mapping[str, Any]) -> bool:
    try:
        encode_document(variables)
    except DocumentError:
        return False
    return True
