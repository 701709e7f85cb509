"""What becomes of a job after a failed call: when it comes back, and what its message promises."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from openai_connector.duration import spoken_duration
from openai_connector.job import BpmnError, Failed, Recovery
from openai_connector.openai_api import ApiError, ApiResponse, ApiStatusError, ApiTimeoutError, check_status
from tests.make import ANSWER, FakeApi, connector, job, sentences_in


def refused(status: int, headers: dict[str, Any] | None = None, body: Any = None) -> ApiError:
    """Return the error of a response."""
    with pytest.raises(ApiStatusError) as caught:
        check_status(ApiResponse(status, headers or {}, body))
    return caught.value


async def failed(
    error: ApiError, headers: dict[str, str] | None = None, *, retries: int = 3, **waits: Any
) -> Failed:
    """Return what becomes of a job whose call fails so."""
    outcome = await connector(FakeApi([error]), **waits).work(job(headers, retries=retries))
    assert isinstance(outcome, Failed)
    return outcome


@pytest.mark.parametrize(
    ("status", "headers", "backoff", "comes_back"),
    [
        pytest.param(529, {"Retry-After": "30"}, "PT10S", 30, id="asked_is_longer"),
        pytest.param(408, {"Retry-After": "60"}, "PT10S", 60, id="408"),
        pytest.param(500, {"retry-after-ms": "30000"}, "PT10S", 30, id="milliseconds"),
        pytest.param(409, {"Retry-After": "30"}, "PT1M", 60, id="backoff_is_longer"),
        pytest.param(502, {"Retry-After": "30"}, None, 30, id="no_backoff"),
        pytest.param(504, {}, "PT10S", 10, id="not_asked"),
        pytest.param(502, {"Retry-After": "0"}, "PT10S", 10, id="asked_for_nothing"),
    ],
)
async def test_no_job_comes_back_before_it_is_asked_to(
    status: int, headers: dict[str, str], backoff: str | None, comes_back: int
) -> None:
    """A wait counts with every transient status too, which costs its retry all the same."""
    outcome = await failed(refused(status, headers), {"retryBackoff": backoff} if backoff else None)
    assert (outcome.retries, outcome.backoff) == (2, timedelta(seconds=comes_back))


@pytest.mark.parametrize(
    ("error", "asked"),
    [
        pytest.param(refused(429, {"Retry-After": "86400"}), "1 d", id="a_day"),
        pytest.param(refused(429, {"Retry-After": "3601"}), "1 h 1 s", id="just_above"),
        pytest.param(refused(503, {"Retry-After": "7200"}), "2 h", id="503"),
        pytest.param(refused(500, {"Retry-After": "7200"}), "2 h", id="transient"),
        pytest.param(refused(429, {}, {"message": "Try again in 9h30m."}), "9 h 30 min", id="in_words"),
        pytest.param(refused(429, {}, {"retry_after": 90000}), "1 d 1 h", id="in_the_body"),
        pytest.param(refused(429, {"Retry-After": "99999999"}), "365 d", id="for_ever"),
        pytest.param(
            refused(429, {"x-ratelimit-remaining-day": "0", "x-ratelimit-reset-day": "20h"}),
            "20 h",
            id="limit",
        ),
    ],
)
async def test_a_wait_that_is_too_long_is_an_incident_at_once(error: ApiError, asked: str) -> None:
    """Nobody sees a job that waits for a day: it stops, and the message names the time."""
    outcome = await failed(error)
    assert (outcome.retries, outcome.backoff) == (0, None)
    assert f"asks to wait {asked}, more than" in outcome.message
    assert "WAIT_TOO_LONG" in sentences_in(outcome.message)
    assert "TRIED_AGAIN" not in sentences_in(outcome.message)


@pytest.mark.parametrize(
    ("backoff", "total", "expected"),
    [
        pytest.param(None, 3600, (3, 15), id="untold"),
        pytest.param("PT1M", 3600, (3, 60), id="backoff_is_longer"),
        pytest.param(None, 10, (2, 15), id="more_than_the_limit"),
    ],
)
async def test_a_wait_that_nobody_told(backoff: str | None, total: int, expected: tuple[int, int]) -> None:
    """What is known to pass comes back after a while at no cost; beyond the limit it costs a retry."""
    error = refused(400, {}, {"error": {"code": "conversation_locked"}})
    outcome = await failed(
        error, {"retryBackoff": backoff} if backoff else None, total=timedelta(seconds=total)
    )
    assert (outcome.retries, outcome.backoff) == (expected[0], timedelta(seconds=expected[1]))


@pytest.mark.parametrize(
    ("told", "backoff", "times", "expected"),
    [
        pytest.param("2", "PT30S", 20, [2, 4, 8, 16, 30, 30], id="up_to_the_backoff"),
        pytest.param("0", "PT3S", 20, [1, 2, 3, 3], id="told_nothing"),
        pytest.param("40", "PT30S", 20, [40, 40, 40], id="never_less_than_told"),
        pytest.param("2", None, 20, [2, 2, 2], id="no_backoff"),
        pytest.param("2", "PT30S", 2, [2, 4, -30, -30], id="a_retry_costs_the_backoff"),
        pytest.param("1", "P300D", 99, [2**wait for wait in range(10)] + [1024] * 3, id="a_long_backoff"),
    ],
)
async def test_a_told_wait_grows_where_it_was_not_enough(
    told: str, backoff: str | None, times: int, expected: list[int]
) -> None:
    """Free waits are doubled from what was told up to the back-off, which what costs a retry (-) has whole."""
    error = refused(429, {"Retry-After": told})
    headers = {"retryBackoff": backoff} if backoff else None
    state: dict[str, Any] = {}
    limits: dict[str, Any] = {"times": times, "total": timedelta(days=1)}
    retries, waits = 3, []
    for _ in expected:
        outcome = await connector(FakeApi([error]), **limits).work(job(headers, retries=retries, **state))
        assert isinstance(outcome, Failed)
        assert outcome.backoff is not None
        seconds = int(outcome.backoff.total_seconds())
        waits.append(seconds if outcome.retries == retries else -seconds)
        retries, state = outcome.retries, {"state": outcome.variables["openai_state"]}
    assert waits == expected


async def test_an_api_that_tells_too_little_for_minutes_raises_no_incident() -> None:
    """With the template's values, a second told for eight minutes costs a lone job no retry."""
    error = refused(429, {"Retry-After": "1"})
    state: dict[str, Any] = {}
    passed = 0.0
    while passed < 480:
        outcome = await connector(FakeApi([error])).work(job({"retryBackoff": "PT30S"}, **state))
        assert isinstance(outcome, Failed)
        assert outcome.backoff is not None
        assert outcome.retries == 3
        passed += outcome.backoff.total_seconds()
        state = {"state": outcome.variables["openai_state"]}


async def test_an_error_expression_has_its_own_backoff() -> None:
    """What `jobError` says of retries and back-off goes before what the API told."""
    again = '=jobError("m", {}, 2, duration("PT9S"))'
    outcome = await failed(refused(429, {"Retry-After": "2"}), {"errorExpression": again})
    assert (outcome.retries, outcome.backoff) == (2, timedelta(seconds=9))


async def test_what_is_left_of_the_limit_counts() -> None:
    """The limit is for all waits of a job together; an operator may raise it."""
    error = refused(429, {"Retry-After": "1000"})
    first = await failed(error, total=timedelta(seconds=1500))
    assert first.retries == 3
    again = job(state=first.variables["openai_state"])
    second = await connector(FakeApi([error]), total=timedelta(seconds=1500)).work(again)
    third = await connector(FakeApi([error]), total=timedelta(seconds=2000)).work(again)
    assert isinstance(second, Failed)
    assert isinstance(third, Failed)
    assert (second.retries, third.retries) == (0, 3)


TRANSIENT = (
    pytest.param(refused(500), id="trouble"),
    pytest.param(refused(429), id="limit"),
    pytest.param(refused(429, {"Retry-After": "5"}), id="wait"),
    pytest.param(refused(409), id="conflict"),
    pytest.param(
        ApiTimeoutError("slow", code="408", recovery=Recovery.TRANSIENT, reason="timeout"), id="timeout"
    ),
)


@pytest.mark.parametrize("error", TRANSIENT)
async def test_another_attempt_is_promised_where_there_is_one(error: ApiError) -> None:
    """With retries left the message says that the job is tried again."""
    assert "TRIED_AGAIN" in sentences_in((await failed(error)).message)


@pytest.mark.parametrize("error", TRANSIENT)
async def test_no_attempt_is_promised_where_there_is_none(error: ApiError) -> None:
    """Neither the last attempt's message nor `error.message` says so, for expressions may decide otherwise."""
    last = await failed(error, retries=1, times=0)
    assert last.retries == 0
    assert "TRIED_AGAIN" not in sentences_in(last.message)
    assert last.variables["error"]["message"] == last.message
    first = await failed(error)
    assert first.message.startswith(first.variables["error"]["message"])
    assert "TRIED_AGAIN" not in sentences_in(first.variables["error"]["message"])


@pytest.mark.parametrize("error", TRANSIENT)
async def test_an_error_expression_promises_nothing(error: ApiError) -> None:
    """A BPMN error or an incident made of a failure ends the attempts: its message says nothing of others."""
    thrown = await connector(FakeApi([error])).work(
        job({"errorExpression": '=bpmnError("C", error.message)'})
    )
    assert isinstance(thrown, BpmnError)
    stopped = await failed(error, {"errorExpression": "=jobError(error.message)"})
    assert stopped.retries == 0
    for message in (thrown.message, stopped.message):
        assert "TRIED_AGAIN" not in sentences_in(message)


async def test_a_permanent_failure_promises_nothing() -> None:
    """An incident at once is not followed by another attempt."""
    assert "TRIED_AGAIN" not in sentences_in((await failed(refused(401))).message)


async def test_an_answer_that_may_pass_is_asked_for_again() -> None:
    """An error in a success costs no retry where it says when to come back; the next answer completes."""
    body = {"error": {"message": "m", "code": 429}}
    api = FakeApi([ApiResponse(200, {"Retry-After": "5"}, body), ApiResponse(200, {}, ANSWER)])
    outcome = await connector(api).work(job())
    assert isinstance(outcome, Failed)
    assert (outcome.retries, outcome.backoff) == (3, timedelta(seconds=5))
    assert outcome.variables["error"]["type"] == "InvalidResponseError"


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (0, "0 s"),
        (0.25, "0.25 s"),
        (59, "59 s"),
        (60, "1 min"),
        (90, "1 min 30 s"),
        (3600, "1 h"),
        (3660.4, "1 h 1 min"),
        (90061, "1 d 1 h"),
    ],
)
def test_durations_for_people(seconds: float, shown: str) -> None:
    """The two largest units are enough."""
    assert spoken_duration(timedelta(seconds=seconds)) == shown
