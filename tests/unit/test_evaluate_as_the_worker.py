"""`evaluate` decides as the worker does: a recorded answer or error comes to the same outcome in both."""

from __future__ import annotations

import json
import logging
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from openai_connector.cli import main
from openai_connector.commands.evaluate import outcome_of
from openai_connector.duration import format_duration
from openai_connector.job import Completed, Failed
from openai_connector.observe.events import Events
from openai_connector.observe.logs import log_event
from openai_connector.openai_api import ApiError, ApiResponse, check_answer
from openai_connector.outcome.mapping import error_object
from tests.make import ANSWER, FakeApi, connector, job
from tests.unit.operations.responses import body_of, failed

REPLIES = {
    "429_with_retry_after": (429, {"Retry-After": "7"}, {"error": {"message": "slow down"}}),
    "429_with_milliseconds": (429, {"retry-after-ms": "2500"}, None),
    "429_without": (429, {}, {"error": {"message": "slow down"}}),
    "429_quota": (429, {"Retry-After": "7"}, {"error": {"code": "insufficient_quota"}}),
    "503_with_retry_after": (503, {"retry-after": ["3", "9"]}, "busy"),
    "503_without": (503, {}, None),
    "500": (500, {"Retry-After": "7"}, None),
    "500_with_a_long_wait": (500, {"Retry-After": "86400"}, None),
    "529_with_retry_after": (529, {"Retry-After": "30"}, {"error": {"type": "overloaded_error"}}),
    "429_with_a_long_wait": (429, {"Retry-After": "86400"}, None),
    "429_of_google": (429, {}, [{"error": {"code": 429, "details": [{"retryDelay": "34.07s"}]}}]),
    "429_in_words": (429, {}, {"error": {"message": "Please try again in 6.5s."}}),
    "429_used_up": (429, {"x-ratelimit-remaining-tokens": "0", "x-ratelimit-reset-tokens": "6m0s"}, None),
    "400_locked": (400, {}, {"error": {"code": "conversation_locked"}}),
    "498": (498, {}, None),
    "200_with_429": (200, {"Retry-After": "5"}, {"error": {"message": "m", "code": 429}}),
    "200_with_502": (200, {}, {"error": {"message": "m", "code": 502}}),
    "200_with_quota": (200, {}, {"error": {"message": "m", "type": "insufficient_quota"}}),
    "200_with_a_failed_choice": (
        200,
        {},
        {"choices": [{"index": 0, "error": {"code": 502, "message": "m"}}]},
    ),
    "200_with_text": (200, {}, "upstream failed"),
    "200_with_words": (200, {}, {"message": "Unauthorized"}),
    "302": (302, {}, None),
    "302_with_an_error": (302, {}, {"error": {"code": 502, "message": "m"}}),
    "401": (401, {}, {"error": {"message": "no"}}),
    "404": (404, {}, None),
    "408": (408, {}, None),
}


@pytest.mark.parametrize("backoff", [None, "PT10S"], ids=["no_backoff", "ten_seconds"])
@pytest.mark.parametrize("retries", [3, 1], ids=["three_left", "one_left"])
@pytest.mark.parametrize("reply", REPLIES.values(), ids=REPLIES)
async def test_a_status_costs_the_same(
    reply: tuple[int, dict[str, Any], Any], retries: int, backoff: str | None
) -> None:
    """Retries and back-off after a status are those of the worker, waits that the API asks for among them."""
    status, headers, body = reply
    response = ApiResponse(status, headers, body)
    with pytest.raises(ApiError) as raised:
        check_answer(response, missing_in=lambda _: "choices")
    task_headers = {"retryBackoff": backoff} if backoff else {}
    worked = await connector(FakeApi([raised.value])).work(job(task_headers, retries=retries))
    assert isinstance(worked, Failed)
    recorded = error_object(raised.value.kind, raised.value.code, str(raised.value), vars_of(response))
    evaluated = outcome_of({"error": recorded, "retries": retries, "headers": task_headers})
    shown = None if worked.backoff is None else format_duration(worked.backoff)
    assert (evaluated["retries"], evaluated["retryBackoff"]) == (worked.retries, shown)


OF_RESPONSES = {
    "server_error": failed("server_error"),
    "limit": failed("rate_limit_exceeded"),
    "prompt": failed("invalid_prompt"),
    "image": failed("invalid_image_url"),
    "new": failed("something_new"),
    "no_error": failed(None),
    "metadata": failed("invalid_prompt", metadata={"error": "server_error"}),
    "cancelled": body_of(status="cancelled"),
}


@pytest.mark.parametrize("wait", ["", "7"], ids=["no_hint", "seven_seconds"])
@pytest.mark.parametrize("body", OF_RESPONSES.values(), ids=OF_RESPONSES)
async def test_a_response_that_is_no_answer_costs_the_same(body: Any, wait: str) -> None:
    """What failed or was cancelled has the same retries and back-off in both."""
    response = ApiResponse(200, {"Retry-After": wait} if wait else {}, body)
    worked = await connector(FakeApi([response])).work(job(api="responses"))
    assert isinstance(worked, Failed)
    recorded = worked.variables["error"]
    assert recorded["type"] == "InvalidResponseError"
    evaluated = outcome_of({"error": recorded})
    shown = None if worked.backoff is None else format_duration(worked.backoff)
    assert (evaluated["retries"], evaluated["retryBackoff"]) == (worked.retries, shown)


SHORTFALLS = {
    "ANSWER_EMPTY": ("", "stop"),
    "ANSWER_TRUNCATED": ('{"a": 1', "length"),
    "ANSWER_FILTERED": ("", "content_filter"),
    "ANSWER_NOT_JSON": ("Sure! Here it is.", "stop"),
    "ANSWER_OFF_SCHEMA": ("[1]", "stop"),
}


@pytest.mark.parametrize(("code", "said"), SHORTFALLS.items(), ids=SHORTFALLS)
async def test_an_answer_that_is_not_as_asked_costs_the_same(code: str, said: tuple[str, str]) -> None:
    """The model's answer is there: it is not bought again, neither in the worker nor in `evaluate`."""
    text, reason = said
    body = {"choices": [{"message": {"role": "assistant", "content": text}, "finish_reason": reason}]}
    api = FakeApi([ApiResponse(200, {}, body)])
    worked = await connector(api).work(job(prompt="Give JSON", responseFormat="json_object"))
    assert isinstance(worked, Failed)
    recorded = worked.variables["error"]
    assert (recorded["type"], recorded["code"]) == ("AnswerError", code)
    assert outcome_of({"error": recorded})["retries"] == worked.retries == 0


@pytest.mark.parametrize(
    "error",
    [
        error_object("MappingError", "MAPPING_FAILED", "m"),
        error_object("HeaderError", None, "m"),
        error_object("SecretError", "SECRET_NOT_AVAILABLE", "m"),
        error_object("AnswerError", "ANSWER_REFUSED", "m", {"status": 200, "headers": {}, "body": {}}),
        error_object("ApiConnectionError", "407", "m"),
    ],
    ids=lambda error: str(error["type"]),
)
def test_an_error_that_no_attempt_can_mend_is_an_incident(error: dict[str, Any]) -> None:
    """Retries end at once, whatever the back-off is."""
    shown = outcome_of({"error": error, "headers": {"retryBackoff": "PT10S"}})
    assert (shown["outcome"], shown["retries"], shown["retryBackoff"]) == ("fail", 0, None)


def vars_of(response: ApiResponse) -> dict[str, Any]:
    """Return a response as expressions see it."""
    return {"status": response.status, "headers": response.headers, "body": response.body}


def test_a_wait_that_the_api_asks_for_costs_no_retry() -> None:
    """A 429 with `Retry-After: 7` leaves the retries and comes back after seven seconds."""
    response = {"status": 429, "headers": {"Retry-After": "7"}, "body": None}
    evaluated = outcome_of({"error": error_object("ApiStatusError", "429", "busy", response)})
    assert (evaluated["retries"], evaluated["retryBackoff"]) == (3, format_duration(timedelta(seconds=7)))


@pytest.mark.parametrize(
    "headers",
    [
        pytest.param({"resultVariable": "openai_prompt"}, id="result_variable"),
        pytest.param({"resultExpression": '{"openai_prompt": "$.body.model"}'}, id="jsonpath"),
        pytest.param({"resultExpression": "={openai_prompt: 1}"}, id="feel"),
        pytest.param({"errorExpression": "=ignoreError({openai_prompt: 1})"}, id="ignore_error"),
    ],
)
async def test_a_result_that_an_input_shadows_is_refused_in_both(headers: dict[str, str]) -> None:
    """A result with the name of the task's own input would be lost: neither completes."""
    worked = await connector(FakeApi()).work(job(headers))
    response = {"status": 200, "headers": {}, "body": ANSWER}
    case = {"response": response, "headers": headers}
    given = outcome_of(case | {"variables": {"openai_prompt": "Hello"}})
    not_given = outcome_of(case)
    assert isinstance(worked, Failed)
    for evaluated in (given, not_given):
        assert (evaluated["outcome"], evaluated["retries"], worked.retries) == ("fail", 0, 0)
        assert "'openai_prompt' would be lost" in evaluated["errorMessage"]
    assert "'openai_prompt' would be lost" in worked.message


def test_a_case_may_say_which_inputs_its_task_has() -> None:
    """With the inputs given, a result may have any other name, as in the worker."""
    case = {
        "response": 1,
        "headers": {"resultVariable": "openai_topP"},
        "variables": {"openai_prompt": "Hello"},
    }
    assert outcome_of(case)["variables"] == {"openai_topP": 1}


FORMS = ("options", "case", "cases")


@pytest.mark.parametrize("form", FORMS)
def test_reasons_for_null_reach_a_person(
    form: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """In all its forms `evaluate` says on standard error why a value is null, and where."""
    response, expression = {"body": {"id": 7}}, "={x: body.idd}"
    path = tmp_path / "given.json"
    if form == "options":
        path.write_text(json.dumps(response))
        arguments = ["--response", str(path), "--result-expression", expression]
    else:
        case = json.dumps({"response": response, "headers": {"resultExpression": expression}})
        path.write_text(f"{case}\n" * (2 if form == "cases" else 1))
        arguments = ["--case", str(path)]
    assert main(["evaluate", *arguments]) == 0
    captured = capsys.readouterr()
    assert [json.loads(line)["variables"] for line in captured.out.splitlines()] == [{"x": None}] * (
        2 if form == "cases" else 1
    )
    warnings = captured.err.splitlines()
    assert len(warnings) == (2 if form == "cases" else 1)
    assert "Result expression" in warnings[0]
    assert "'idd'" in warnings[0]
    assert "line 1, column 5" in warnings[0]


async def test_the_worker_logs_places_and_no_content(caplog: pytest.LogCaptureFixture) -> None:
    """At DEBUG the worker logs which expression has a null, where and of what kind.

    Names and values stay out.
    """
    caplog.set_level(logging.DEBUG, "openai_connector.observe")
    done = await connector(FakeApi(), events=Events(log_event)).work(
        job({"resultExpression": "={x: body.secretName}"})
    )
    assert isinstance(done, Completed)
    (record,) = [record for record in caplog.records if "has a null" in record.getMessage()]
    message = record.getMessage()
    assert "Result expression has a null, line 1, column 5: NO_CONTEXT_ENTRY_FOUND" in message
    assert "secretName" not in message
    assert "choices" not in message


FAILURES = {
    "result that is no context": {"resultExpression": "=[body.idd]"},
    "result that fails": {"resultExpression": '=bpmnError("A", body.idd)'},
    "error expression that fails": {"errorExpression": '=bpmnError("A", body.idd)'},
    "result that fails, with an error expression": {
        "resultExpression": "=assert(body.idd, body.idd != null)",
        "errorExpression": "=null",
    },
}


@pytest.mark.parametrize("headers", FAILURES.values(), ids=FAILURES)
async def test_reasons_for_null_outlive_a_failure(
    headers: dict[str, str], capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    """What was null before an expression failed is often why: `evaluate` says it, the worker logs its place."""
    evaluated = outcome_of({"response": {"body": {"id": 7}}, "headers": headers})
    assert evaluated["outcome"] == "fail"
    assert "'idd'" in capsys.readouterr().err
    with caplog.at_level(logging.DEBUG, "openai_connector"):
        worked = await connector(FakeApi(), events=Events(log_event)).work(job(headers))
    assert isinstance(worked, Failed)
    assert any("has a null" in record.getMessage() for record in caplog.records)
    assert not any("idd" in record.getMessage() for record in caplog.records)


def test_reasons_for_null_are_said_before_a_plain_failure(capsys: pytest.CaptureFixture[str]) -> None:
    """An expression of its own says the same."""
    assert main(["evaluate", '{a: x.b, c: bpmnError("A", x.b)}', "--context", '{"x": {}}']) == 1
    said = capsys.readouterr().err.splitlines()
    assert said[0].startswith("Warning: NO_CONTEXT_ENTRY_FOUND")
    assert said[-1].startswith("Evaluation failed: ")
