"""What a response that is no answer means: by its status, its own code wherever it stands, and its hints."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from openai_connector.connector import explained
from openai_connector.contract import PANEL
from openai_connector.job import Recovery
from openai_connector.openai_api import (
    ApiError,
    ApiResponse,
    ApiStatusError,
    InvalidResponseError,
    check_answer,
    is_failed_choice,
)
from openai_connector.openai_api.policy import CODES, NAMES, OTHER_NAMES, STATUSES
from openai_connector.wording import ADVICE
from tests.make import ANSWER, sentences_in
from tests.unit.openai_api.bodies import error_bodies

PERMANENT, TRANSIENT, LIMITED = Recovery.PERMANENT, Recovery.TRANSIENT, Recovery.RATE_LIMITED
FIVE_SECONDS = {"Retry-After": "5"}


def failure(status: int, body: Any, headers: dict[str, Any] | None = None, size: int = 0) -> ApiError:
    """Return the error of a response; without choices it is no answer."""

    def missing_in(body: Any) -> str | None:
        return None if isinstance(body, dict) and "choices" in body else "choices"

    with pytest.raises((ApiStatusError, InvalidResponseError)) as caught:
        check_answer(ApiResponse(status, headers or {}, body, size=size), missing_in=missing_in)
    assert caught.value.reason in ADVICE
    return caught.value


def choice(content: str | None = "", **more: Any) -> dict[str, Any]:
    """Make a choice of an answer."""
    return {"index": 0, "message": {"role": "assistant", "content": content}, **more}


IN_SUCCESS: dict[str, tuple[Any, Recovery, str]] = {
    "429": ({"error": {"message": "m", "code": 429}}, LIMITED, "429"),
    "429_as_digits": ({"error": {"message": "m", "code": "429"}}, LIMITED, "429"),
    "429_as_a_double": ({"error": {"message": "m", "code": 429.0}}, LIMITED, "429"),
    "502": ({"error": {"message": "m", "code": 502, "metadata": {}}}, TRANSIENT, "5xx"),
    "503": ({"error": {"message": "m", "code": "503"}}, LIMITED, "503"),
    "524": ({"error": {"message": "m", "code": 524}}, TRANSIENT, "524"),
    "401": ({"error": {"message": "m", "code": 401}}, PERMANENT, "401"),
    "400": ({"error": {"message": "m", "code": 400}}, PERMANENT, "4xx"),
    "110": ({"error": {"message": "m", "code": 110}}, PERMANENT, "error_in_success"),
    "5000": ({"error": {"message": "m", "code": 5000}}, PERMANENT, "error_in_success"),
    "true": ({"error": {"message": "m", "code": True}}, PERMANENT, "error_in_success"),
    "quota": (
        {"error": {"message": "m", "type": "insufficient_quota", "code": "insufficient_quota"}},
        PERMANENT,
        "insufficient_quota",
    ),
    "quota_with_429": (
        {"error": {"message": "m", "type": "insufficient_quota", "code": 429}},
        PERMANENT,
        "insufficient_quota",
    ),
    "a_name": ({"error": {"message": "m", "code": "rate_limit_exceeded"}}, LIMITED, "429"),
    "a_status_of_google": ({"error": {"message": "m", "status": "UNAVAILABLE"}}, LIMITED, "503"),
    "a_type": ({"type": "error", "error": {"type": "overloaded_error"}}, LIMITED, "503"),
    "a_number_before_a_general_type": (
        {"error": {"message": "m", "type": "invalid_request_error", "code": 502}},
        TRANSIENT,
        "5xx",
    ),
    "a_number_alone": ({"error": 502}, TRANSIENT, "5xx"),
    "text": ({"error": "Unexpected endpoint or method"}, PERMANENT, "error_in_success"),
    "list": ([{"error": {"code": 503, "message": "m"}}], LIMITED, "503"),
    "nested": ({"error": {"error": {"code": 500}}}, TRANSIENT, "5xx"),
    "in_json_text": ({"error": {"message": '{"error": {"code": 502}}'}}, TRANSIENT, "5xx"),
    "without_error": ({"code": 500, "msg": "m"}, TRANSIENT, "5xx"),
    "status_code": ({"base_resp": {"status_code": 429, "status_msg": "m"}}, LIMITED, "429"),
    "nothing_said": ({"message": "Unauthorized"}, PERMANENT, "lacks"),
    "an_event": ('data: {"error": {"code": 502, "message": "m"}}\n\n', TRANSIENT, "5xx"),
    "a_stream": ('data: {"choices": []}\n\n', PERMANENT, "event_stream"),
    "a_page": ("<h1>Hello</h1>", PERMANENT, "not_json"),
    "a_choice": (
        {"choices": [choice(finish_reason="error", error={"code": 502, "message": "overloaded"})]},
        TRANSIENT,
        "5xx",
    ),
    "each_choice": (
        {"choices": [choice(error={"code": 429, "message": "m"}), choice(error={"code": 429})]},
        LIMITED,
        "429",
    ),
    "a_choice_without_a_code": ({"choices": [choice(error="m")]}, PERMANENT, "error_in_success"),
    "a_choice_that_only_ends_so": ({"choices": [choice(None, finish_reason="error")]}, PERMANENT, "error_in_success"),
}  # fmt: skip


@pytest.mark.parametrize(("body", "recovery", "reason"), IN_SUCCESS.values(), ids=IN_SUCCESS)
def test_an_error_in_a_success_is_judged_by_its_own_code(body: Any, recovery: Recovery, reason: str) -> None:
    """The error's number, or its name, counts as the status; what says neither stays final."""
    error = failure(200, body, FIVE_SECONDS)
    assert (error.recovery, error.reason, error.code) == (recovery, reason, "INVALID_RESPONSE")
    assert error.wait == (None if recovery is PERMANENT else timedelta(seconds=5))


@pytest.mark.parametrize(
    ("body", "headers"),
    [
        pytest.param('data: {"choices": []}\n\ndata: [DONE]\n\n', {}, id="data"),
        pytest.param(": keep alive\n\ndata: {}\n\n", {}, id="comments_first"),
        pytest.param("event: response.created\ndata: {}\n\n", {}, id="event"),
        pytest.param('{"choices"', {"content-type": "text/event-stream; charset=utf-8"}, id="by_its_type"),
    ],
)
def test_an_event_stream_is_called_one(body: str, headers: dict[str, str]) -> None:
    """A server that streams unless told not to is final, and the message says so."""
    assert sentences_in(str(failure(200, body, headers))) == {"API_EVENT_STREAM"}


def test_a_quota_in_a_success_is_for_who_pays() -> None:
    """The advice is billing, not the address."""
    error = failure(200, {"error": {"message": "m", "type": "insufficient_quota"}})
    assert sentences_in(explained(error, PANEL)) >= {"API_ERROR_IN_SUCCESS", "CHECK_QUOTA"}


def test_a_failed_choice_has_its_words() -> None:
    """What stands in the choice's error stands in the message."""
    body = {"choices": [choice(finish_reason="error", error={"code": 502, "message": "upstream overloaded"})]}
    assert "upstream overloaded" in str(failure(200, body))


EMPTY: tuple[object, ...] = ({}, [], "", None, False, 0, [{}])


@pytest.mark.parametrize(
    "error",
    [
        pytest.param({"message": "", "type": "", "param": "", "code": None}, id="blank"),
        pytest.param({"message": " ", "code": "None", "type": "null"}, id="words_for_nothing"),
        pytest.param({"code": 0, "message": ""}, id="code_of_success"),
        *(pytest.param(empty, id=repr(empty)) for empty in EMPTY),
    ],
)
def test_an_empty_error_refuses_no_answer(error: object) -> None:
    """An error counts when it has a message, a code or a type; a paid answer beside it is taken."""
    for body in (ANSWER | {"error": error}, {"choices": [choice("Hello", error=error)]}):
        check_answer(ApiResponse(200, {}, body), missing_in=lambda _: None)


@pytest.mark.parametrize(
    "error",
    [
        pytest.param({"message": "m"}, id="message"),
        pytest.param({"code": 7}, id="number"),
        pytest.param({"code": "c", "message": ""}, id="code"),
        pytest.param({"type": "t"}, id="type"),
        pytest.param("m", id="text"),
        pytest.param(["m"], id="list"),
        pytest.param({"error": {"message": "m"}}, id="nested"),
    ],
)
def test_an_error_that_says_anything_counts(error: object) -> None:
    """An answer with an error beside it is none."""
    assert failure(200, ANSWER | {"error": error}).kind == "InvalidResponseError"


def test_one_good_choice_is_an_answer() -> None:
    """A choice that failed counts as one without a message; the paid other one is kept."""
    failed = choice(error={"code": 502, "message": "m"})
    body = {"choices": [failed, choice("Hello")]}
    check_answer(ApiResponse(200, {}, body), missing_in=lambda _: None)
    assert [is_failed_choice(given) for given in (*body["choices"], None, {})] == [True, False, False, False]


@pytest.mark.parametrize(
    ("content", "recovery", "reason"),
    [
        pytest.param("", PERMANENT, "empty", id="no_bytes"),
        pytest.param("\n\n\n\n", TRANSIENT, "blank", id="line_ends"),
        pytest.param(" ", TRANSIENT, "blank", id="a_space"),
        pytest.param("\r\n\t ", TRANSIENT, "blank", id="white_space"),
        pytest.param("\ufeff", TRANSIENT, "blank", id="byte_order_mark"),
    ],
)
def test_a_blank_success_may_pass(content: str, recovery: Recovery, reason: str) -> None:
    """A server that kept the line alive with blanks gave up; where nothing came the address may be wrong."""
    error = failure(200, None, size=len(content.encode()))
    assert (error.recovery, error.reason) == (recovery, reason)


STATUSES_AND_CODES: dict[str, tuple[int, Any, Recovery, str]] = {
    "498": (498, {"error": {"message": "capacity exceeded"}}, TRANSIENT, "498"),
    "424": (424, {"error": "generation failed: out of memory", "error_type": "generation"}, TRANSIENT, "424"),
    "425": (425, None, TRANSIENT, "425"),
    "405": (405, {"error": {"message": "no"}}, PERMANENT, "405"),
    "529": (529, {"error": {"type": "overloaded_error"}}, TRANSIENT, "5xx"),
    "conversation": (400, {"error": {"code": "conversation_locked"}}, LIMITED, "conversation_locked"),
    "slow_down_429": (429, {"error": {"code": "slow_down", "type": "rate_limit_error"}}, LIMITED, "slow_down"),
    "slow_down_503": (503, {"error": {"code": "slow_down"}}, LIMITED, "slow_down"),
    "spend_limit": (
        429,
        {"error": {"type": "insufficient_quota", "code": "project_spend_limit_exceeded"}},
        PERMANENT,
        "project_spend_limit_exceeded",
    ),
    "code_before_type": (
        429,
        {"error": {"type": "insufficient_quota", "code": "rate_limit_exceeded"}},
        TRANSIENT,
        "429",
    ),
    "type_before_number": (429, {"error": {"type": "insufficient_quota", "code": "429"}}, PERMANENT, "insufficient_quota"),
    "throttled_with_400": (400, {"__type": "com.amazon#ThrottlingException"}, TRANSIENT, "429"),
    "limited_with_403": (403, {"error": {"errors": [{"reason": "rateLimitExceeded"}]}}, TRANSIENT, "429"),
    "limited_with_400": (400, {"error": {"code": 429, "message": "m"}}, TRANSIENT, "429"),
    "busy_with_400": (400, {"error": {"code": "server_is_overloaded"}}, TRANSIENT, "503"),
    "limited_with_401": (401, {"error": {"code": 429, "message": "m"}}, TRANSIENT, "429"),
    "limited_with_404": (404, {"error": {"code": "rate_limit_exceeded"}}, TRANSIENT, "429"),
    "limited_with_500": (500, {"error": {"code": "429", "message": "m"}}, TRANSIENT, "429"),
    "no_credit_with_402": (402, {"error": {"code": 429, "message": "m"}}, PERMANENT, "402"),
    "busy_with_404": (404, {"error": {"code": 503, "message": "m"}}, PERMANENT, "404"),
    "too_large_with_413": (413, {"error": {"type": "tokens", "code": "rate_limit_exceeded"}}, PERMANENT, "413"),
    "key_with_400": (
        400,
        {"error": {"code": 400, "status": "INVALID_ARGUMENT", "details": [{"reason": "API_KEY_INVALID"}]}},
        PERMANENT,
        "401",
    ),
    "model_with_400": (400, {"error": {"code": "ModelNotFound", "type": "model_not_found"}}, PERMANENT, "model_not_found"),
    "deployment": (404, {"error": {"code": "DeploymentNotFound"}}, PERMANENT, "model_not_found"),
    "quota_in_words": (
        429,
        {
                "error": {
                    "message": "litellm.RateLimitError: OpenAIException - Error code: 429 - {'error': {'message': "
                    "'m', 'type': 'insufficient_quota', 'param': None, 'code': 'insufficient_quota'}}",
                    "type": "throttling_error",
                    "param": None,
                    "code": "429",
                }
            },
        PERMANENT,
        "insufficient_quota",
    ),
    "limit_in_words": (
        500,
        {"detail": 'upstream said {"error": {"code": "rate_limit_exceeded", "message": "m"}}'},
        TRANSIENT,
        "429",
    ),
    "number_in_words": (400, "upstream: {\"error\": {\"code\": 429}}", TRANSIENT, "429"),
    "no_code_in_words": (400, {"message": "the code: 429 is 'type': odd"}, PERMANENT, "4xx"),
    "filter": (400, {"error": {"code": "content_filter", "message": "m"}}, PERMANENT, "content_filter"),
    "400_inside_500": (500, {"error": {"code": 400, "message": "m"}}, TRANSIENT, "5xx"),
    "quota_inside_500": (500, {"error": {"code": "insufficient_quota"}}, PERMANENT, "insufficient_quota"),
    "400_as_it_is": (400, {"error": {"code": 400, "type": "api_error"}}, PERMANENT, "4xx"),
    "loading": (503, {"error": {"message": "Loading model", "type": "unavailable_error", "code": 503}}, LIMITED, "model_loading"),
    "still_loading": (503, {"error": "Model m is currently loading"}, LIMITED, "model_loading"),
    "alone_too_large": (
        429,
        {"error": {"message": "Request too large for m on tokens per min (TPM): Limit 10000, Requested 12,345."}},
        PERMANENT,
        "request_too_large",
    ),
    "not_alone_too_large": (
        429,
        {"error": {"message": "Rate limit reached (TPM): Limit 10000, Used 9000, Requested 2000."}},
        TRANSIENT,
        "429",
    ),
}  # fmt: skip


@pytest.mark.parametrize(
    ("status", "body", "recovery", "reason"), STATUSES_AND_CODES.values(), ids=STATUSES_AND_CODES
)
def test_status_and_code_decide_together(status: int, body: Any, recovery: Recovery, reason: str) -> None:
    """A general status leaves it to the code; some codes tell more than any status."""
    error = failure(status, body)
    assert (error.recovery, error.reason, error.code) == (recovery, reason, str(status))
    assert error.wait is None


@pytest.mark.parametrize(
    ("status", "value", "headers", "recovery"),
    [
        pytest.param(400, "true", {}, TRANSIENT, id="general_true"),
        pytest.param(500, "false", {}, PERMANENT, id="trouble_false"),
        pytest.param(429, "False", {}, PERMANENT, id="limit_false"),
        pytest.param(429, "false", FIVE_SECONDS, LIMITED, id="limit_false_with_a_wait"),
        pytest.param(500, "true", {}, TRANSIENT, id="trouble_true"),
        pytest.param(400, "maybe", {}, PERMANENT, id="unknown"),
    ],
)
def test_the_api_may_say_whether_to_come_back(
    status: int, value: str, headers: dict[str, str], recovery: Recovery
) -> None:
    """`x-should-retry` overrides the status, as in OpenAI's own clients; a wait that is told overrides a no."""
    assert failure(status, {}, {"X-Should-Retry": value, **headers}).recovery is recovery


def test_a_quota_stays_final_whatever_the_api_says() -> None:
    """No header makes a code of the table pass."""
    error = failure(
        429, {"error": {"code": "insufficient_quota"}}, {"x-should-retry": "true", **FIVE_SECONDS}
    )
    assert error.recovery is PERMANENT


EXPECTED: dict[str, tuple[Recovery, Recovery, Recovery]] = {
    # Code: with status 400, with 429 and no wait, and in a success
    **dict.fromkeys(
        (
            "insufficient_quota", "billing_not_active", "credit_balance_exhausted", "Insufficient-Quota",
            "organization_usage_limit_exceeded", "InsufficientQuota", "context_length_exceeded",
            "model_not_found",
        ),
        (PERMANENT, PERMANENT, PERMANENT),
    ),
    **dict.fromkeys(("slow_down", "conversation_locked", "SlowDown"), (LIMITED, LIMITED, LIMITED)),
    **dict.fromkeys(
        (
            "rate_limit_exceeded", "RateLimitReached", "RESOURCE_EXHAUSTED", "ThrottlingException",
            "too_many_requests", "overloaded_error", "UNAVAILABLE", "DEADLINE_EXCEEDED",
        ),
        (TRANSIENT, TRANSIENT, TRANSIENT),
    ),
    **dict.fromkeys(("invalid_api_key", "PERMISSION_DENIED"), (PERMANENT, TRANSIENT, PERMANENT)),
    "some_code": (PERMANENT, TRANSIENT, PERMANENT),
}  # fmt: skip


@pytest.mark.parametrize("column", [0, 1, 2], ids=["400", "429", "success"])
@settings(max_examples=600, derandomize=True, deadline=None)
@given(case=error_bodies(tuple(EXPECTED)))
def test_the_verdict_is_right_in_any_shape(column: int, case: tuple[Any, str]) -> None:
    """Bodies of a grammar of shapes and wrappings, with codes wherever they stand: no verdict is wrong."""
    body, code = case
    assert failure((400, 429, 200)[column], body).recovery is EXPECTED[code][column], json.dumps(body)


@pytest.mark.parametrize("name", [*CODES, *OTHER_NAMES.values(), *STATUSES, *NAMES.values()])
def test_each_verdict_has_advice(name: str) -> None:
    """What a code or status is found by is a reason that has advice."""
    assert name in ADVICE
    assert name in CODES or name in STATUSES


@settings(max_examples=300, deadline=None)
@given(
    st.integers(200, 599),
    st.recursive(
        st.none() | st.integers() | st.text(max_size=9) | st.sampled_from((*CODES, *NAMES)),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(("error", "code", "type", "choices", "message")), inner, max_size=4
            )
        ),
        max_leaves=20,
    ),
)
def test_no_response_is_too_odd(status: int, body: Any) -> None:
    """Whatever the body is made of, there is a verdict, and an incident asks for no wait."""
    error = failure(status, body) if not isinstance(body, dict) or "choices" not in body else None
    assert error is None or error.recovery is not PERMANENT or error.wait is None
