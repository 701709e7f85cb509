"""Responses and errors become outcomes as Camunda's users know them.

The numbers group what belongs together.
"""

from __future__ import annotations

import json
from typing import Any

import pytest

from openai_connector.commands.evaluate import outcome_of

HTTP = {"status": 200, "headers": {"X-Id": "7"}, "body": {"a": 1, "items": [{"n": "x"}, {"n": "y"}]}}


def success(response: Any = HTTP, *, retries: int = 3, **headers: Any) -> dict[str, Any]:
    """Map a response."""
    return outcome_of({"response": response, "headers": headers, "retries": retries})


def failure(error: Any = None, *, retries: int = 3, **headers: Any) -> dict[str, Any]:
    """Handle an error."""
    error = error or {"type": "ApiStatusError", "code": "429", "message": "slow down"}
    return outcome_of({"error": error, "headers": headers, "retries": retries})


# --- 1: result variable and result expression


@pytest.mark.parametrize(
    ("response", "headers", "variables"),
    [
        (HTTP, {}, {}),
        (HTTP, {"resultVariable": "r"}, {"r": HTTP}),
        (HTTP, {"resultVariable": " r "}, {"r": HTTP}),
        (HTTP, {"resultVariable": "  "}, {}),
        (HTTP, {"resultExpression": "={x: response.body.a}"}, {"x": 1}),
        (HTTP, {"resultExpression": "{x: response.body.a}"}, {"x": 1}),
        (HTTP, {"resultExpression": "  =  {x: body.a, s: status}  "}, {"x": 1, "s": 200}),
        (HTTP, {"resultExpression": "=={x: response.body.a}"}, {"x": 1}),
        (HTTP, {"resultExpression": "=response"}, HTTP),
        (HTTP, {"resultExpression": "=null"}, {}),
        (HTTP, {"resultExpression": "=response.missing"}, {}),
        (HTTP, {"resultExpression": "={x: response.missing}"}, {"x": None}),
        (HTTP, {"resultVariable": "r", "resultExpression": "=null"}, {"r": HTTP}),
        (HTTP, {"resultVariable": "r", "resultExpression": "={r: body.a, y: 2}"}, {"r": 1, "y": 2}),
        (HTTP, {"resultExpression": "={names: body.items.n}"}, {"names": ["x", "y"]}),
        (None, {"resultVariable": "r"}, {"r": None}),
        (None, {"resultExpression": "={x: response}"}, {"x": None}),
        ("text", {"resultExpression": "={x: response}"}, {"x": "text"}),
        ([1, 2], {"resultExpression": "={x: response[2]}"}, {"x": 2}),
        (7, {"resultVariable": "r", "resultExpression": "={x: response + 1}"}, {"r": 7, "x": 8}),
        ({"response": "own"}, {"resultExpression": "={x: response.response}"}, {"x": "own"}),
        (HTTP, {"resultExpression": "={d: duration(\"P1DT2H\"), n: 1.10, b: 12345678901234567890}"},
         {"d": "PT26H", "n": 1.1, "b": 1.2345678901234567e19}),
        (HTTP, {"resultExpression": "={f: function(x) x, y: 1}"}, {"y": 1}),
    ],
)  # fmt: skip
def test_results_are_the_variables(response: Any, headers: dict[str, Any], variables: dict[str, Any]) -> None:
    """Result variable and result expression give the variables that Camunda's runtime would give."""
    outcome = success(response, **headers)
    assert (outcome["outcome"], outcome["variables"]) == ("complete", variables)


@pytest.mark.parametrize(
    ("expression", "said"),
    [
        ('="FOO"', 'a string: "FOO"'),
        ("=1", "a number: 1"),
        ("=true", "a boolean: true"),
        ("=[1, 2]", "a list: [1,2]"),
        ('="' + "x" * 300 + '"', 'a string: "' + "x" * 100 + '…"'),
    ],
)
def test_a_result_that_is_no_object_is_named(expression: str, said: str) -> None:
    """The failure names the type and at most 100 characters of the value, and is final."""
    outcome = success(resultExpression=expression)
    assert (outcome["outcome"], outcome["retries"]) == ("fail", 0)
    assert outcome["errorMessage"].endswith(said)


def test_process_variables_are_not_visible() -> None:
    """Only the response is in the context, neither job nor error."""
    outcome = success(resultExpression="={j: job, e: error, p: openai_prompt}")
    assert outcome["variables"] == {"j": None, "e": None, "p": None}


# --- 2: JSONPath


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("$.body.a", 1),
        ("$['body']['a']", 1),
        ("$.body.items[0].n", "x"),
        ("$.body.items[-1].n", "y"),
        ("$.body.items[*].n", ["x", "y"]),
        ("$.body.items[0:1].n", ["x"]),
        ("$..n", ["x", "y"]),
        ("$.body.items[?(@.n = 'y')].n", ["y"]),
        ("$.body.items[?(@.n =~ '^(x|z)$')].n", ["x"]),
        ("$.body.items[?(@.n =~ '^X')].n", None),
        (r"$.body.items[0].n.`sub(/(x)/, <\\1>)`", "<x>"),
        ("$.body.items.`len`", 2),
        ("$.response.body.a", 1),
        ("$.body.missing", None),
        ("$.body.missing[*]", None),
        ("$", HTTP),
    ],
)
def test_paths_give_one_value_or_a_list(path: str, value: Any) -> None:
    """A path that can match once gives the value, one that can match more gives a list, and no match null."""
    assert success(resultExpression="=" + json.dumps({"v": path}))["variables"] == {"v": value}


def test_a_broken_path_fails_before_the_call() -> None:
    """The message says that it is a JSONPath, and which."""
    outcome = success(resultExpression='{"a": "$.body", "b": "$.["}')
    assert outcome["retries"] == 0
    assert "JSONPath" in outcome["errorMessage"]
    assert "$.[" in outcome["errorMessage"]


@pytest.mark.parametrize("path", ["$.items[?(@ =~ '^(a|aa)+$')]", "$.items[0].`sub(/^(a|aa)+$/, x)`"])
def test_a_regular_expression_ends(monkeypatch: pytest.MonkeyPatch, path: str) -> None:
    """On unlucky text it would run for ever.

    And every job of every worker that gets this one would wait for it.
    """
    monkeypatch.setattr("openai_connector.outcome.jsonpath.MOST_SECONDS", 0.05)
    case = {
        "response": {"items": ["a" * 100 + "b"] * 100},
        "headers": {"resultExpression": json.dumps({"v": path})},
    }
    outcome = outcome_of(case)
    assert (outcome["outcome"], outcome["retries"]) == ("fail", 0)
    assert "its regular expression takes more than 0.05 s" in outcome["errorMessage"]


@pytest.mark.parametrize(
    "text", ['={"a": "$x"}', '={"a": "$.b", "c": 1}', '={"a": "plain"}', '={a: "$.b"}', "={}"]
)
def test_everything_else_is_feel(text: str) -> None:
    """An object with any value that is no path is a FEEL context, with its texts as they are."""
    variables = success(resultExpression=text)["variables"]
    assert variables in ({"a": "$x"}, {"a": "$.b", "c": 1}, {"a": "plain"}, {"a": "$.b"}, {})


# --- 3: error expression


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ('=bpmnError("C")', {"outcome": "bpmnError", "errorCode": "C", "variables": {}}),
        ('=bpmnError("C", "m")', {"outcome": "bpmnError", "errorCode": "C", "errorMessage": "m"}),
        ('=bpmnError("C", "m", {v: 1})', {"outcome": "bpmnError", "variables": {"v": 1}}),
        ('=bpmnError(code: "C", message: "m")', {"outcome": "bpmnError", "errorCode": "C", "errorMessage": "m"}),
        ('=bpmnError(errorCode: "C", errorMessage: "m", variables: {})', {"outcome": "bpmnError", "errorCode": "C"}),
        ('={errorType: "bpmnError", code: "C", message: "m"}', {"outcome": "bpmnError", "errorMessage": "m"}),
        ('={errorType: "bpmnError", errorCode: "C", errorMessage: "m"}', {"outcome": "bpmnError", "errorCode": "C"}),
        ('={errorType: "bpmnError", code: null}', {"outcome": "complete"}),
        ('=jobError("m")', {"outcome": "fail", "retries": 0, "retryBackoff": "PT0S", "variables": {"error": "m"}}),
        ('=jobError("m", {v: 1}, 2, duration("PT90S"))',
         {"outcome": "fail", "retries": 2, "retryBackoff": "PT1M30S", "variables": {"v": 1, "error": "m"}}),
        ('=jobError("m", {}, job.retries - 1)', {"outcome": "fail", "retries": 2}),
        ('=jobError("m", {}, 0 - 5)', {"outcome": "fail", "retries": 0}),
        ('=jobError("m", {}, 1, backoff(3, duration("PT1S"), 2, duration("PT1M"), 0))', {"retryBackoff": "PT4S"}),
        ('={errorType: "jobError", message: "m", retries: 1}', {"outcome": "fail", "retries": 1, "errorMessage": "m"}),
        ("=ignoreError()", {"outcome": "complete", "variables": {}}),
        ("=ignoreError({v: 1})", {"outcome": "complete", "variables": {"v": 1}}),
        ("=null", {"outcome": "complete", "variables": {"r": HTTP}}),
        ("={}", {"outcome": "complete", "variables": {"r": HTTP}}),
    ],
)  # fmt: skip
def test_error_expressions_decide_on_success(expression: str, expected: dict[str, Any]) -> None:
    """Functions and raw contexts of both spellings give the action; null, {} and a missing code give none."""
    outcome = success(resultVariable="r", errorExpression=expression)
    assert {key: outcome[key] for key in expected} == expected


@pytest.mark.parametrize(
    "expression",
    [
        '="text"',
        "=1",
        "=[]",
        "={a: 1}",
        '={errorType: "unknown"}',
        "=bpmnError(1)",
        '=bpmnError("C", 1)',
        '=jobError("m", 1)',
        '=assert(status, status = 500, "not this")',
        '={errorType: "bpmnError", code: "C", variables: [1]}',
        '={errorType: "jobError", message: "m", retries: "two"}',
        '={errorType: "jobError", message: "m", retryBackoff: "soon"}',
        '={errorType: "jobError", message: "m", retryBackoff: {seconds: 5}}',
    ],
)
def test_a_wrong_error_expression_is_final(expression: str) -> None:
    """What is no action, or fails, makes the job fail without retries and without back-off."""
    for outcome in (success(errorExpression=expression), failure(errorExpression=expression)):
        assert (outcome["outcome"], outcome["retries"], outcome["retryBackoff"]) == ("fail", 0, None)
        assert "Error expression" in outcome["errorMessage"]


def test_on_success_the_full_response_stays_visible() -> None:
    """The response is there even where a result variable was set, and error is absent."""
    outcome = success(
        resultVariable="r",
        resultExpression="={status: 1}",
        errorExpression='=bpmnError("C", "", {s: response.status, o: status, r: r.status, e: error, '
        "d: is defined(error)})",
    )
    assert outcome["variables"] == {"s": 200, "o": 1, "r": 200, "e": None, "d": False}


def test_on_failure_response_has_four_parts() -> None:
    """Missing parts are null, and the error stands both alone and in the response."""
    error = {
        "type": "T",
        "code": "500",
        "message": "m",
        "variables": {"response": {"status": 500, "body": {"k": 1}}},
    }
    expression = (
        '=bpmnError("C", "", {s: status, b: response.body.k, h: response.headers, c: error.code, '
        "rc: response.error.code, t: error.type, n: job.retries, x: error.variables.response.status})"
    )
    outcome = failure(error, retries=2, errorExpression=expression)
    assert outcome["variables"] == {
        "s": 500, "b": 1, "h": None, "c": "500", "rc": "500", "t": "T", "n": 2, "x": 500,
    }  # fmt: skip


def test_an_error_can_be_ignored() -> None:
    """ignoreError completes a job whose call failed."""
    assert failure(errorExpression="=ignoreError({v: error.code})")["variables"] == {"v": "429"}


def test_a_result_expression_may_throw() -> None:
    """A result expression whose whole value is a bpmnError is understood as one."""
    outcome = success(
        resultVariable="r", resultExpression='=if status = 200 then bpmnError("C", "m") else {}'
    )
    assert (outcome["outcome"], outcome["errorCode"], outcome["errorMessage"]) == ("bpmnError", "C", "m")


def test_messages_that_are_no_texts_become_json() -> None:
    """A message of a raw context may be anything; what Python would print of it is nobody's language."""
    action = '{errorType: "jobError", message: {ok: true, list: [null]}}'
    assert success(errorExpression=action)["errorMessage"] == '{"ok":true,"list":[null]}'


# --- 4: error object and default failure


def test_the_default_failure_costs_one_retry() -> None:
    """Retries go down by one, the template's back-off is used, and the error becomes a variable."""
    error = {"type": "T", "code": "X", "message": "m"}
    outcome = failure(error, retryBackoff="PT30S")
    assert outcome == {
        "outcome": "fail", "variables": {"error": error}, "errorMessage": "m", "errorCode": None,
        "retries": 2, "retryBackoff": "PT30S",
    }  # fmt: skip
    assert failure(error)["retryBackoff"] is None
    assert failure(error, retries=0)["retries"] == 0


@pytest.mark.parametrize(
    ("kind", "code", "retries"),
    [
        ("ApiStatusError", "429", 2),
        ("ApiStatusError", "500", 2),
        ("ApiStatusError", "408", 2),
        ("ApiStatusError", "400", 0),
        ("ApiStatusError", "401", 0),
        ("ApiTimeoutError", "408", 2),
        ("ApiConnectionError", "408", 2),
        ("InvalidResponseError", "INVALID_RESPONSE", 0),
        ("InvalidInputsError", "INVALID_INPUTS", 0),
        ("SecretError", "SECRET_NOT_AVAILABLE", 0),
        ("HostRefusedError", "HOST_NOT_ALLOWED", 0),
    ],
)
def test_errors_of_the_worker_keep_their_verdict(kind: str, code: str, retries: int) -> None:
    """What the worker would not try again has no retries left here either."""
    assert failure({"type": kind, "code": code, "message": "m"})["retries"] == retries


def test_messages_are_cut() -> None:
    """No message is longer than 6,000 characters."""
    assert len(failure({"type": "T", "message": "m" * 10_000})["errorMessage"]) == 6000
    assert (
        len(
            success(errorExpression='=bpmnError("C", string join(for i in 1..7000 return "m"))')[
                "errorMessage"
            ]
        )
        == 6000
    )


# --- 5: a bad expression costs nothing


@pytest.mark.parametrize("name", ["resultExpression", "errorExpression"])
def test_a_syntax_error_has_line_column_and_caret(name: str) -> None:
    """The message shows the line of the expression with a caret below the place."""
    outcome = success(**dict[str, Any]({name: "={a: 1,\n b: ]}"}))
    assert (outcome["outcome"], outcome["retries"]) == ("fail", 0)
    assert "line 2, column" in outcome["errorMessage"]
    assert outcome["errorMessage"].splitlines()[-1].strip() == "^"


# --- 7: headers


@pytest.mark.parametrize("text", ["30 seconds", "30", "P1M", "PT", "-PT5S", "PT5", "1m"])
@pytest.mark.parametrize("name", ["retryBackoff", "jobTimeout"])
def test_a_bad_duration_is_final(name: str, text: str) -> None:
    """Anything but an ISO 8601 duration fails the job before the call, with an example."""
    outcome = success(**dict[str, Any]({name: text}))
    assert (outcome["outcome"], outcome["retries"]) == ("fail", 0)
    assert "PT30S" in outcome["errorMessage"]
    assert text in outcome["errorMessage"]


@pytest.mark.parametrize(
    ("text", "shown"), [("PT1M", "PT1M"), ("P1D", "PT24H"), ("pt0.5s", "PT0.5S"), ("", None)]
)
def test_back_off_is_taken_from_the_header(text: str, shown: str | None) -> None:
    """ISO 8601 durations of days and below are understood; an empty header is none."""
    assert failure({"type": "T", "message": "m"}, retryBackoff=text)["retryBackoff"] == shown
