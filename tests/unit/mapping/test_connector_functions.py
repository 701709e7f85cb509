"""The functions that the connector adds for result and error expressions."""

from __future__ import annotations

from typing import Any

import pytest

from camunda_feel import FeelEvaluationError, parse, to_json
from openai_connector.outcome.feel_functions import CONNECTOR_FUNCTIONS

FULL_JOB_ERROR = {
    "errorType": "jobError",
    "errorMessage": "m",
    "variables": {"a": 1},
    "retries": 2,
    "retryBackoff": "PT1M",
}
PLAIN_JOB_ERROR = {**FULL_JOB_ERROR, "variables": {}, "retries": 0, "retryBackoff": "PT0S"}
BPMN_ERROR = {"errorType": "bpmnError", "errorCode": "C", "errorMessage": "m"}


def result(text: str) -> Any:
    """The JSON that an expression gives with the connector's functions."""
    return to_json(parse(text).evaluate(functions=CONNECTOR_FUNCTIONS).value)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('bpmnError("C")', {"errorType": "bpmnError", "errorCode": "C"}),
        ('bpmnError("C", "m")', BPMN_ERROR),
        ('bpmnError("C", "m", {a: 1})', {**BPMN_ERROR, "variables": {"a": 1}}),
        ('bpmnError(errorCode: "C", errorMessage: "m")', BPMN_ERROR),
        ('bpmnError(message: "m", code: "C")', BPMN_ERROR),
        ('jobError("m")', PLAIN_JOB_ERROR),
        ('jobError("m", {a: 1})', {**PLAIN_JOB_ERROR, "variables": {"a": 1}}),
        ('jobError("m", {a: 1}, 2)', {**FULL_JOB_ERROR, "retryBackoff": "PT0S"}),
        ('jobError("m", {a: 1}, 2, @"PT1M")', FULL_JOB_ERROR),
        ('jobError(message: "m")', PLAIN_JOB_ERROR),
        ('jobError(errorMessage: "m", variables: {a: 1}, retries: 2, retryBackoff: @"PT1M")', FULL_JOB_ERROR),
        ("ignoreError()", {"errorType": "ignoreError"}),
        ("ignoreError({a: 1})", {"errorType": "ignoreError", "variables": {"a": 1}}),
        ('backoff(1, @"PT1S", 2, @"PT10S", 0)', "PT1S"),
        ('backoff(3, @"PT1S", 2, @"PT10S", 0)', "PT4S"),
        ('backoff(9, @"PT1S", 2, @"PT10S", 0)', "PT10S"),
        ('backoff(9999999, @"PT1S", 999, @"PT10S", 0)', "PT10S"),
        ('bpmnError("C", "m", {}, 1)', None),
    ],
)
def test_actions(text: str, expected: Any) -> None:
    """Each form of each function names its action, under the names of old and new Camunda versions."""
    assert result(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "bpmnError(null)",
        "bpmnError(404)",
        'bpmnError("C", null)',
        'bpmnError("C", "m", null)',
        "jobError(null)",
        'jobError("m", null)',
        'jobError("m", {}, "2")',
        'jobError("m", {}, 1, "PT1M")',
        'jobError(errorMessage: "m", retries: 1)',
        'ignoreError("x")',
        "backoff(0)",
        'backoff("1")',
        'backoff(1, @"PT9S", 2, @"PT1S")',
        'backoff(1, @"PT1S", 0)',
        'backoff(1, @"PT1S", 2, @"PT9S", -1)',
    ],
)
def test_wrong_arguments_fail(text: str) -> None:
    """A wrong type fails the evaluation, so that a wrong error expression is not taken for no error."""
    with pytest.raises(FeelEvaluationError):
        result(text)


def test_default_backoff_grows_and_is_bounded() -> None:
    """Delays stay within a tenth of 50 ms times 1.6 to the attempts, and of five seconds."""
    first = parse("backoff(1)").evaluate(functions=CONNECTOR_FUNCTIONS).value
    late = parse("backoff(50)").evaluate(functions=CONNECTOR_FUNCTIONS).value
    assert 45 <= first.millis <= 55
    assert 4_500 <= late.millis <= 5_500
