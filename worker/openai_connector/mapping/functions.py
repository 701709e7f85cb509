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
_MILLISECOND = 1_000_000
_SECOND = 1000 * _MILLISECOND


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
