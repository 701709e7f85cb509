"""The functions that Camunda's connector runtime adds to FEEL in result and error expressions.

They build contexts that name an action; `errorType` tells which. An argument of the wrong type fails the
evaluation (a built-in function would give null), so that a wrong error expression is noticed.
"""

from __future__ import annotations

import random
from decimal import Decimal
from typing import Any

from camunda_feel import DaysTimeDuration, FeelEvaluationError, FunctionLibrary
from camunda_feel.values import CONTEXT_TYPES

CONNECTOR_FUNCTIONS = FunctionLibrary()
"""To be handed to `evaluate(functions=...)`."""

_NO_BACKOFF = DaysTimeDuration(0)
_NANOS_PER_MILLISECOND = 1_000_000
_MIN_DELAY = DaysTimeDuration(50 * _NANOS_PER_MILLISECOND)
_MAX_DELAY = DaysTimeDuration(5_000 * _NANOS_PER_MILLISECOND)
_FACTOR = Decimal("1.6")
_JITTER_FACTOR = Decimal("0.1")


def _require(function: str, parameter: str, value: Any, kinds: tuple[type, ...], expected: str) -> None:
    if type(value) not in kinds:
        raise FeelEvaluationError(f"parameter '{parameter}' of function '{function}' must be a {expected}")


def _require_string(function: str, parameter: str, value: Any) -> None:
    _require(function, parameter, value, (str,), "string")


def _require_context(function: str, parameter: str, value: Any) -> None:
    _require(function, parameter, value, CONTEXT_TYPES, "context")


# Up to Camunda 8.7 the parameters were called code and message, since then errorCode and errorMessage.
@CONNECTOR_FUNCTIONS.function("bpmnError(errorCode: any)")
@CONNECTOR_FUNCTIONS.function("bpmnError(code: any)")
def bpmn_error(code: Any) -> dict[str, Any]:
    """Throw a BPMN error."""
    _require_string("bpmnError", "errorCode", code)
    return {"errorType": "bpmnError", "errorCode": code}


@CONNECTOR_FUNCTIONS.function("bpmnError(errorCode: any, errorMessage: any)")
@CONNECTOR_FUNCTIONS.function("bpmnError(code: any, message: any)")
def bpmn_error_with_message(code: Any, message: Any) -> dict[str, Any]:
    """Throw a BPMN error with a message."""
    _require_string("bpmnError", "errorMessage", message)
    return {**bpmn_error(code), "errorMessage": message}


@CONNECTOR_FUNCTIONS.function("bpmnError(errorCode: any, errorMessage: any, variables: any)")
@CONNECTOR_FUNCTIONS.function("bpmnError(code: any, message: any, variables: any)")
def bpmn_error_with_variables(code: Any, message: Any, variables: Any) -> dict[str, Any]:
    """Throw a BPMN error that carries variables."""
    _require_context("bpmnError", "variables", variables)
    return {**bpmn_error_with_message(code, message), "variables": variables}


def _job_error(
    message: Any, variables: Any, retries: Any = Decimal(0), backoff: Any = _NO_BACKOFF
) -> dict[str, Any]:
    _require_string("jobError", "errorMessage", message)
    _require_context("jobError", "variables", variables)
    _require("jobError", "retries", retries, (Decimal,), "number")
    _require("jobError", "retryBackoff", backoff, (DaysTimeDuration,), "days-time-duration")
    return {
        "errorType": "jobError",
        "errorMessage": message,
        "variables": variables,
        "retries": retries,
        "retryBackoff": backoff,
    }


for _message in ("errorMessage", "message"):

    @CONNECTOR_FUNCTIONS.function(f"jobError({_message}: any)")
    def job_error(message: Any) -> dict[str, Any]:
        """Fail the job for good."""
        return _job_error(message, {})

    @CONNECTOR_FUNCTIONS.function(f"jobError({_message}: any, variables: any)")
    def job_error_with_variables(message: Any, variables: Any) -> dict[str, Any]:
        """Fail the job for good, with variables."""
        return _job_error(message, variables)

    @CONNECTOR_FUNCTIONS.function(f"jobError({_message}: any, variables: any, retries: any)")
    def job_error_with_retries(message: Any, variables: Any, retries: Any) -> dict[str, Any]:
        """Fail the job, leaving retries."""
        return _job_error(message, variables, retries)

    @CONNECTOR_FUNCTIONS.function(
        f"jobError({_message}: any, variables: any, retries: any, retryBackoff: any)"
    )
    def job_error_with_backoff(message: Any, variables: Any, retries: Any, backoff: Any) -> dict[str, Any]:
        """Fail the job, leaving retries after a while."""
        return _job_error(message, variables, retries, backoff)


@CONNECTOR_FUNCTIONS.function("ignoreError()")
def ignore_error() -> dict[str, Any]:
    """Complete the job in spite of the error."""
    return {"errorType": "ignoreError"}


@CONNECTOR_FUNCTIONS.function("ignoreError(variables: any)")
def ignore_error_with_variables(variables: Any) -> dict[str, Any]:
    """Complete the job in spite of the error, with variables."""
    _require_context("ignoreError", "variables", variables)
    return {"errorType": "ignoreError", "variables": variables}


def _backoff(
    attempt: Any,
    min_delay: Any = _MIN_DELAY,
    factor: Any = _FACTOR,
    max_delay: Any = _MAX_DELAY,
    jitter_factor: Any = _JITTER_FACTOR,
) -> DaysTimeDuration:
    for parameter, value in (("attempt", attempt), ("factor", factor), ("jitterFactor", jitter_factor)):
        _require("backoff", parameter, value, (Decimal,), "number")
    for parameter, value in (("minDelay", min_delay), ("maxDelay", max_delay)):
        _require("backoff", parameter, value, (DaysTimeDuration,), "days-time-duration")
    if attempt < 1 or factor <= 0 or jitter_factor < 0:
        raise FeelEvaluationError(
            "backoff needs an attempt from 1, a factor above 0 and a jitterFactor from 0"
        )
    low, high = min_delay.millis, max_delay.millis
    if not 0 <= low <= high:
        raise FeelEvaluationError(
            "backoff needs a minDelay from PT0S to maxDelay, which is PT5S unless given"
        )
    try:
        grown = low * float(factor) ** (float(attempt) - 1)
    except OverflowError:
        grown = float(high)
    delay = max(float(low), min(grown, float(high)))
    spread = delay * min(float(jitter_factor), 1.0)
    millis = round(delay + random.uniform(-spread, spread))
    return DaysTimeDuration(max(0, millis) * _NANOS_PER_MILLISECOND)


@CONNECTOR_FUNCTIONS.function("backoff(attempt: any)")
def backoff(attempt: Any) -> DaysTimeDuration:
    """A delay that grows with the attempts (from 1).

    50 ms times 1.6 each, up to 5 s, give or take a tenth.
    """
    return _backoff(attempt)


@CONNECTOR_FUNCTIONS.function("backoff(attempt: any, minDelay: any)")
def backoff_from(attempt: Any, min_delay: Any) -> DaysTimeDuration:
    """As above from another first delay."""
    return _backoff(attempt, min_delay)


@CONNECTOR_FUNCTIONS.function("backoff(attempt: any, minDelay: any, factor: any)")
def backoff_growing(attempt: Any, min_delay: Any, factor: Any) -> DaysTimeDuration:
    """As above, growing faster or slower."""
    return _backoff(attempt, min_delay, factor)


@CONNECTOR_FUNCTIONS.function("backoff(attempt: any, minDelay: any, factor: any, maxDelay: any)")
def backoff_up_to(attempt: Any, min_delay: Any, factor: Any, max_delay: Any) -> DaysTimeDuration:
    """As above, up to another delay."""
    return _backoff(attempt, min_delay, factor, max_delay)


@CONNECTOR_FUNCTIONS.function(
    "backoff(attempt: any, minDelay: any, factor: any, maxDelay: any, jitterFactor: any)"
)
def backoff_with_jitter(
    attempt: Any, min_delay: Any, factor: Any, max_delay: Any, jitter_factor: Any
) -> DaysTimeDuration:
    """As above, spread by a part of the delay."""
    return _backoff(attempt, min_delay, factor, max_delay, jitter_factor)
