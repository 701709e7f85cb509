"""What becomes of the states of a response: an answer, none, or none yet."""

from __future__ import annotations

import json
from typing import Any

import pytest

from openai_connector.job import Completed, Failed, Recovery
from openai_connector.openai_api import ApiError, ApiResponse, ApiStatusError, InvalidResponseError
from openai_connector.redaction import Redaction
from openai_connector.tasks.task_type import AnswerNeeded
from tests.make import FakeApi, connector, job, sentences_in, tasks
from tests.unit.operations.responses import body_of, called, failed, said, thought

PASSING = (Recovery.TRANSIENT, Recovery.RATE_LIMITED)


def task(**inputs: Any) -> Any:
    """Read a task that goes by the Responses API."""
    return tasks().read(job(**{"api": "responses", **inputs}).variables, Redaction())


def answered(body: Any, status: int = 200, headers: dict[str, str] | None = None) -> ApiResponse:
    """Make a response."""
    return ApiResponse(status, dict(headers or {}), body)


def refusal(body: Any, headers: dict[str, str] | None = None) -> ApiError:
    """Give the error that a response is."""
    with pytest.raises(ApiError) as caught:
        task().accept(answered(body, headers=headers))
    return caught.value


@pytest.mark.parametrize(
    "code",
    ["server_error", "rate_limit_exceeded", "server_is_overloaded", "overloaded", "service_unavailable"],
)
def test_a_failure_that_passes_is_tried_again(code: str) -> None:
    """A response that failed by trouble or a limit of the API is worth another attempt."""
    error = refusal(failed(code))
    assert isinstance(error, InvalidResponseError)
    assert error.recovery in PASSING
    assert "API_FAILED" in sentences_in(str(error))


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("invalid_prompt", "content_filter"),
        ("bio_policy", "content_filter"),
        ("misalignment_policy_violation", "content_filter"),
        ("image_content_policy_violation", "content_filter"),
        ("invalid_image", "invalid_image"),
        ("image_too_large", "invalid_image"),
        ("failed_to_download_image", "invalid_image"),
        ("data_residency_mismatch", "data_residency_mismatch"),
        ("vector_store_timeout", "failed"),
        ("something_new", "failed"),
        ("", "failed"),
        (None, "failed"),
        (["odd"], "failed"),
    ],
    ids=str,
)
def test_any_other_failure_is_permanent_and_says_what_to_do(code: object, reason: str) -> None:
    """What would fail again costs no other attempt; the advice is found by the code."""
    error = refusal(failed(code))
    assert (error.recovery, error.reason) == (Recovery.PERMANENT, reason)


@pytest.mark.parametrize("error", [None, {}, "server_error", [], {"message": "m"}], ids=str)
def test_a_failure_without_a_proper_error_is_a_failure(error: object) -> None:
    """Whatever a server says of the failure, it is no answer."""
    assert refusal(body_of(said("half"), status="failed", error=error)).code == "INVALID_RESPONSE"


def test_a_hint_to_wait_counts_for_a_failed_response() -> None:
    """A limit with a hint to wait costs no retry, as with any answer."""
    error = refusal(failed("rate_limit_exceeded"), {"Retry-After": "7"})
    assert error.recovery is Recovery.RATE_LIMITED
    assert error.wait is not None
    assert error.wait.total_seconds() == 7


def test_a_failure_is_judged_by_its_error_alone() -> None:
    """The response repeats the request: words in its metadata are no words of the API."""
    error = refusal(failed("invalid_prompt", metadata={"error": "server_error", "note": "PRIVATE"}))
    assert error.recovery is Recovery.PERMANENT
    assert "PRIVATE" not in str(error)


@pytest.mark.parametrize("status", ["cancelled", "canceled", "Cancelled"])
def test_a_cancelled_response_is_no_answer(status: str) -> None:
    """Someone cancelled it: the worker does not buy it again by itself."""
    error = refusal(body_of(said("half"), status=status))
    assert (error.recovery, error.reason) == (Recovery.PERMANENT, "cancelled")


@pytest.mark.parametrize("status", ["queued", "in_progress", " In_Progress "])
def test_a_response_that_is_being_made_is_pending(status: str) -> None:
    """Its id is told, so that it can be fetched; as an answer it is refused."""
    body = body_of(status=status)
    assert task().pending(answered(body)) == "resp_1"
    assert refusal(body).reason == "not_final"


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (body_of(said("a")), 200),
        (body_of(said("a"), status="incomplete"), 200),
        (failed("server_error"), 200),
        (body_of(status="cancelled"), 200),
        ({"output": [said("a")]}, 200),
        (body_of(status="queued", id=None), 200),
        (body_of(status="queued", id=""), 200),
        (body_of(status="queued", id=7), 200),
        (body_of(status="queued"), 429),
        (body_of(status="queued"), 302),
        ("queued", 200),
        (None, 200),
    ],
    ids=[
        "completed", "incomplete", "failed", "cancelled", "no_status", "no_id", "empty_id", "odd_id",
        "refused", "redirect", "text", "nothing",
    ],
)  # fmt: skip
def test_anything_else_is_not_pending(body: object, status: int) -> None:
    """What is final, has no id, or was refused cannot be waited for."""
    assert task().pending(answered(body, status)) is None


def test_a_chat_completion_is_never_pending() -> None:
    """The other API has no such state, whatever a body says."""
    assert task(api=None).pending(answered(body_of(status="queued"))) is None


def test_a_status_of_the_api_is_judged_as_ever() -> None:
    """A refusal by HTTP status is that of any call."""
    with pytest.raises(ApiStatusError) as caught:
        task().accept(answered({"error": {"message": "m", "code": "invalid_api_key"}}, 401))
    assert caught.value.reason == "401"


@pytest.mark.parametrize(
    ("extra", "is_kept"),
    [
        ({}, False),
        ({"include": ["reasoning.encrypted_content"]}, True),
        ({"include": ["message.output_text.logprobs"]}, False),
        ({"include": "reasoning.encrypted_content"}, False),
    ],
    ids=["not_asked", "asked", "other", "odd"],
)
def test_encrypted_reasoning_is_kept_only_where_it_was_asked_for(
    extra: dict[str, Any], is_kept: bool
) -> None:
    """It may be large, and no process can read it; all else of the body is as received."""
    body = body_of(thought(), said("a"), called())
    kept = task(extraBody=extra).accept(answered(body))["body"]
    assert ("encrypted_content" in kept["output"][0]) == is_kept
    kept["output"][0]["encrypted_content"] = "gAAA"
    assert kept == body


@pytest.mark.parametrize("body", [body_of(said("Hi")), body_of(called())], ids=["text", "call"])
async def test_a_task_completes(body: Any) -> None:
    """A job by this API is asked at its path, and its result has output and body."""
    api = FakeApi([answered(body)])
    outcome = await connector(api).work(job({"resultVariable": "r"}, api="responses"))
    assert isinstance(outcome, Completed)
    assert api.requests[0]["url"].endswith("/v1/responses")
    assert outcome.variables["r"]["body"] == body
    json.dumps(outcome.variables["r"]["output"])


async def test_a_failed_response_costs_a_retry_and_says_why() -> None:
    """A failure that passes goes back to the engine, with the API's words."""
    api = FakeApi([answered(failed("server_error", "Try later."))])
    outcome = await connector(api).work(job(api="responses", retries=3))
    assert isinstance(outcome, Failed)
    assert outcome.retries == 2
    assert "Try later." in outcome.message


def test_each_answer_needed_is_another_request() -> None:
    """What is kept for one need is not taken for another; now is what it was before there was a choice."""
    marks = {
        needed: tasks().read(job(answerNeeded=needed, api="responses").variables, Redaction()).request
        for needed in (None, *AnswerNeeded)
    }
    assert marks[None].fingerprint == marks[AnswerNeeded.NOW].fingerprint
    assert len({request.fingerprint for request in marks.values()}) == len(AnswerNeeded)
    assert all(marks[needed].needed is needed for needed in AnswerNeeded)
    assert len({request.body for request in marks.values()}) == 1


@pytest.mark.parametrize(
    ("inputs", "mark"),
    [
        ({}, "e63852da1aabb3ef628460052b02db82ea239561b596e7e0d3c221588d608287"),
        (
            {
                "chatHistory": [
                    {"role": "user", "content": "1"},
                    {
                        "role": "assistant",
                        "content": None,
                        "tool_calls": [
                            {"id": "a", "type": "function", "function": {"name": "f", "arguments": "{}"}}
                        ],
                    },
                    {"role": "tool", "tool_call_id": "a", "content": "4"},
                ],
                "systemMessage": "S",
                "temperature": "0.5",
                "maxTokens": 5,
                "extraBody": {"tools": [{"type": "function", "function": {"name": "f"}}], "seed": 7},
                "responseFormat": "json_object",
            },
            "e02c071456bd1cf4ffb1657ef52d259280aad82273a1801b6421734250b525bb",
        ),
    ],
    ids=["bare", "with_much"],
)
def test_answers_kept_before_there_was_a_choice_stay_valid(inputs: dict[str, Any], mark: str) -> None:
    """The fingerprint of a plain chat is that of the versions before: a kept answer is not bought again."""
    request = tasks().read(job(prompt="Hello", **inputs).variables, Redaction()).request
    assert request.fingerprint == mark
