"""The table of failures: the status, and the codes that tell more."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from openai_connector.job import Recovery
from openai_connector.openai_api import ApiResponse
from openai_connector.openai_api.policy import CODES, classify
from openai_connector.wording import ADVICE


def response(status: int, *, headers: dict[str, Any] | None = None, **error: Any) -> ApiResponse:
    """Make a failed response."""
    return ApiResponse(status, headers or {}, {"error": {"message": "m", **error}})


@pytest.mark.parametrize(
    ("status", "recovery"),
    [
        *(
            (status, Recovery.PERMANENT)
            for status in (400, 401, 402, 403, 404, 405, 407, 410, 413, 415, 422, 451)
        ),
        *(
            (status, Recovery.TRANSIENT)
            for status in (408, 409, 420, 423, 424, 425, 429, 430, 449, 460, 498, 499)
        ),
        *((status, Recovery.TRANSIENT) for status in (500, 502, 503, 504, 520, 524, 529, 599)),
    ],
)
def test_the_status_decides(status: int, recovery: Recovery) -> None:
    """What may pass is tried again, what cannot is final; each says what to do."""
    got, reason, wait = classify(response(status))
    assert got is recovery
    assert wait is None
    assert reason in ADVICE


@pytest.mark.parametrize("key", ["code", "type"])
@pytest.mark.parametrize("name", CODES)
def test_the_code_or_type_has_the_first_word(name: str, key: str) -> None:
    """A quota that is used up is final although its status is 429 and a Retry-After stands beside it."""
    recovery, reason, wait = classify(response(429, headers={"Retry-After": "5"}, **{key: name}))
    is_final = CODES[name] is Recovery.PERMANENT
    assert (recovery, reason) == (CODES[name], name)
    assert wait == (None if is_final else timedelta(seconds=5))
    assert reason in ADVICE


@pytest.mark.parametrize("name", [name for name, found in CODES.items() if found is Recovery.RATE_LIMITED])
def test_what_is_known_to_pass_costs_no_retry(name: str) -> None:
    """A code that says to come back later is rate-limited, also where the API does not say when."""
    assert classify(response(400, code=name)) == (Recovery.RATE_LIMITED, name, None)


@pytest.mark.parametrize("odd", [None, 5, [], {}, "unknown"])
def test_an_odd_code_does_not_matter(odd: object) -> None:
    """A code or type of another kind leaves it to the status."""
    assert classify(response(429, code=odd, type=odd))[0] is Recovery.TRANSIENT


@pytest.mark.parametrize("status", [429, 503])
def test_a_rate_limit_has_a_wait(status: int) -> None:
    """429 and 503 with a Retry-After cost no retry."""
    assert classify(response(status, headers={"retry-after": "7"}))[::2] == (
        Recovery.RATE_LIMITED,
        timedelta(seconds=7),
    )


@pytest.mark.parametrize("status", [408, 409, 424, 425, 498, 500, 502, 504, 524, 529])
def test_other_transient_statuses_have_their_wait(status: int) -> None:
    """A Retry-After beside another transient status is told too: the job does not come back before."""
    recovery, _, wait = classify(response(status, headers={"Retry-After": "7"}))
    assert (recovery, wait) == (Recovery.TRANSIENT, timedelta(seconds=7))


@pytest.mark.parametrize("status", [400, 401, 403, 404, 422])
def test_a_permanent_status_has_no_wait(status: int) -> None:
    """A Retry-After beside what cannot succeed changes nothing."""
    assert classify(response(status, headers={"Retry-After": "7"}))[::2] == (Recovery.PERMANENT, None)


@pytest.mark.parametrize("status", [420, 429, 430, 503])
def test_a_hint_to_wait_makes_it_a_rate_limit(status: int) -> None:
    """So it costs no retry; 420 and 430 are numbers of before 429."""
    got = classify(response(status, headers={"Retry-After": "7"}))
    assert (got.recovery, got.wait) == (Recovery.RATE_LIMITED, timedelta(seconds=7))


@pytest.mark.parametrize(
    ("words", "is_too_large"),
    [
        pytest.param("Limit 30000, Requested 40000.", True, id="more"),
        pytest.param("Limit: 30,000 / min, Current: 1, Requested: 40,000", True, id="thousands"),
        pytest.param("Limit 30000, Requested 30000", False, id="as-much"),
        pytest.param("Limit 5 requests, requested 2024-05-06 model", False, id="date"),
        pytest.param("Limit 5 requests, requested 70b model", False, id="name"),
        pytest.param("Limit 5 requests, requested 10:30 today", False, id="time"),
        pytest.param("Limit 5 requests, requested 4.1 mini", False, id="version"),
    ],
)
def test_a_request_that_no_wait_can_help(words: str, is_too_large: bool) -> None:
    """Only a number of what was requested is compared with the limit."""
    reason = classify(ApiResponse(429, {}, {"error": {"message": words}})).reason
    assert (reason == "request_too_large") is is_too_large
