"""The story of a job: from its inputs to exactly one outcome, with an answer that is never paid for twice.

Headers first (a bad expression must not cost money), then the inputs, the host, the secrets; then the call, unless
its answer has been kept from an earlier activation; then the mapping. Whatever happens ends in an outcome.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

from openai_connector.duration import parse_duration
from openai_connector.job import ConnectorJob, Failed, Outcome
from openai_connector.observe.logs import place_of
from openai_connector.openai_api import ApiClient, ApiError
from openai_connector.outcome.failure import Failure
from openai_connector.outcome.mapping import (
    JOB_TIMEOUT,
    OVERRIDES,
    Decision,
    HeaderError,
    TaskMapping,
    error_object,
    swallow_message,
)
from openai_connector.outcome.memory import STATE_VARIABLE, TaskState
from openai_connector.outcome.retry_policy import DEFAULT_POLICY, RetryPolicy
from openai_connector.redaction import Redaction
from openai_connector.tasks.call import Call
from openai_connector.tasks.operations import InvalidInputsError
from openai_connector.tasks.secrets import SecretError

log = logging.getLogger(__name__)

OWN_VARIABLES = (*OVERRIDES.values(), STATE_VARIABLE)
"""Fetched with every job, beside the inputs: what an operator overrides, and what the worker remembers."""


class Handler:
    """Turns one job into one outcome; shared by all jobs of a type, keeps nothing between them.

    Args:
        client: asks the API.
        prepare: makes the call that a job's variables ask for, or raises what is wrong with them.
        lease_of: says how long that call may take.
        retry_policy: counts retries and waits.
    """

    def __init__(
        self,
        client: ApiClient,
        *,
        prepare: Callable[[Mapping[str, Any]], Call],
        lease_of: Callable[[Mapping[str, Any]], timedelta],
        retry_policy: RetryPolicy = DEFAULT_POLICY,
    ) -> None:
        self._client = client
        self._prepare = prepare
        self._lease_of = lease_of
        self._retry_policy = retry_policy

    async def __call__(self, job: ConnectorJob) -> Outcome:
        """Work on a job; raises nothing but what is a bug."""
        state = TaskState.of(job)
        try:
            mapping = TaskMapping.read(job.headers, job.variables)
        except HeaderError as error:
            return _incident(job, str(error), can_be_overridden=error.header in OVERRIDES)
        local_names = _local_names(job, state)
        swallowed = mapping.names_set() & local_names
        if swallowed:
            return _incident(job, swallow_message(swallowed), can_be_overridden=True)
        redaction = Redaction()
        try:
            call = self._prepare(job.variables)
            redaction = call.redaction
            answer = state.answer_to(call.fingerprint) or await self._ask(call, job, state)
        except (InvalidInputsError, SecretError, ApiError) as error:
            return self._failed_call(error, job, mapping, state, redaction)
        decision = _mapped(call, answer, job, mapping, local_names)
        _log_nulls(job, decision)
        kept = state.keeping(call.fingerprint, answer) if decision.keeps_answer else state.without_answer()
        return kept.beside(decision.outcome, redaction, says_kept=decision.keeps_answer)

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
        failure = Failure.of(error)
        log.info("Job %d of element %s: %s, code %s", job.key, job.element_id, failure.kind, failure.code)
        message = redaction.message(str(error))
        # The parts one by one: a dummy key such as "1" must not change codes and names that expressions compare.
        response = {part: redaction.value(value) for part, value in (failure.response or {}).items()}
        error_shown = error_object(failure.kind, failure.code, message, response)
        plan = self._retry_policy.plan(failure, retries=job.retries, backoff=mapping.backoff, state=state)
        decision = mapping.on_error(
            error_shown,
            retries=job.retries,
            default=Failed(message, plan.retries, plan.backoff),
            local_names=_local_names(job, state),
        )
        _log_nulls(job, decision)
        return plan.state.beside(decision.outcome, redaction)


def _mapped(
    call: Call,
    answer: Mapping[str, Any],
    job: ConnectorJob,
    mapping: TaskMapping,
    local_names: frozenset[str],
) -> Decision:
    """Decide what becomes of an answer; it is paid for, so that not even a bug may lose it."""
    try:
        return mapping.on_response(call.response_of(answer), retries=job.retries, local_names=local_names)
    except Exception as error:
        place = place_of(error)
        log.error(
            "Job %d of element %s: mapping its answer failed unexpectedly (%s)",
            job.key,
            job.element_id,
            place,
        )
        message = (
            f"Mapping the answer failed unexpectedly ({place}). "
            "This is a bug: please report it with the worker's log"
        )
        return Decision(Failed(message, 0), keeps_answer=True)


def _log_nulls(job: ConnectorJob, decision: Decision) -> None:
    """Log where expressions gave null and of what kind the reason is; the reason's text may quote an answer."""
    for reason in decision.nulls:
        place = (job.key, job.element_id, reason.label, reason.line, reason.column)
        log.debug("Job %d of element %s: %s has a null, line %d, column %d: %s", *place, reason.kind)


def _local_names(job: ConnectorJob, state: TaskState) -> frozenset[str]:
    """Name what the task's own scope holds: a result of such a name would stay there, unseen by the process."""
    return frozenset(job.variables) | state.names | {STATE_VARIABLE}


def _incident(job: ConnectorJob, problem: str, *, can_be_overridden: bool) -> Failed:
    """Refuse a job for its headers. They never change while the job exists, so the message says what helps."""
    way_out = "start the element anew by modifying the instance in Operate (a job's headers never change)"
    if can_be_overridden:
        names = " or ".join(OVERRIDES.values())
        where = f"at element {job.element_id} in Operate, as a text in double quotes"
        way_out = f"set the local variable {names} {where}, then retry the incident"
    end = "\n" if "\n" in problem else ". "  # a syntax error ends with a caret below the place
    return Failed(
        f"{problem}{end}Nothing was sent. Correct the task in Modeler; for this instance, {way_out}", 0
    )
