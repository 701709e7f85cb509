"""The table of failures, and how long the API asks to wait."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openai_connector.job import Recovery
from openai_connector.openai_api import ApiResponse
from openai_connector.openai_api.policy import CODES, LONGEST_WAIT, classify, retry_after
from openai_connector.wording import ADVICE

NOW = datetime(2026, 11, 22, 5, 0, 0, tzinfo=UTC)


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
        *((status, Recovery.TRANSIENT) for status in (408, 409, 429, 500, 502, 503, 504, 520, 529)),
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
    assert (recovery, reason, wait) == (CODES[name], name, None)
    assert reason in ADVICE
    assert recovery is Recovery.PERMANENT


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


@pytest.mark.parametrize("status", [408, 409, 500, 502, 400])
def test_other_statuses_do_not_wait(status: int) -> None:
    """A Retry-After beside another status changes nothing."""
    recovery, _, wait = classify(response(status, headers={"Retry-After": "7"}))
    assert recovery is not Recovery.RATE_LIMITED
    assert wait is None


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"Retry-After": "7"}, 7),
        ({"RETRY-AFTER": " 7 "}, 7),
        ({"retry-after": "1.5"}, 1.5),
        ({"Retry-After": "0"}, 0),
        ({"retry-after-ms": "250"}, 0.25),
        ({"retry-after-ms": "250", "Retry-After": "9"}, 0.25),
        ({"retry-after-ms": "soon", "Retry-After": "9"}, 9),
        ({"Retry-After": ["3", "5"]}, 3),
        ({"Retry-After": "Sun, 22 Nov 2026 05:00:30 GMT"}, 30),
        ({"Retry-After": "Sunday, 22-Nov-26 05:00:30 GMT"}, 30),
        ({"Retry-After": "Sun Nov 22 05:00:30 2026"}, 30),
        ({"Retry-After": "Sun, 22 Nov 2026 05:00:30 -0000"}, 30),
        ({"Retry-After": "Sun, 22 Nov 2026 06:00:30 +0100"}, 30),
        ({"Retry-After": "Sun, 22 Nov 2020 05:00:00 GMT"}, 0),
        ({"Retry-After": "Fri, 22 Nov 2099 05:00:00 GMT"}, LONGEST_WAIT.total_seconds()),
        ({"Retry-After": "999999999999"}, LONGEST_WAIT.total_seconds()),
        ({}, None),
        ({"Retry-After": ""}, None),
        ({"Retry-After": "-5"}, None),
        ({"Retry-After": "soon"}, None),
        ({"Retry-After": "٧"}, None),
        ({"Retry-After": "1e9"}, None),
        ({"Retry-After": "inf"}, None),
        ({"Retry-After": "Sun, 99 Nov 2026 05:00:30 GMT"}, None),
        ({"Retry-After": "Sun, 22 Nov 99999999999 05:00:30 GMT"}, None),
    ],
)
def test_retry_after_in_all_its_forms(headers: dict[str, Any], seconds: float | None) -> None:
    """Seconds, milliseconds and the three HTTP dates; what cannot be read counts as not there."""
    got = retry_after(headers, NOW)
    assert got == (None if seconds is None else timedelta(seconds=seconds))


@given(st.text())
def test_any_retry_after_is_read_or_ignored(text: str) -> None:
    """No text raises, and no wait is below 0 or above a day."""
    for name in ("Retry-After", "retry-after-ms"):
        wait = retry_after({name: text}, NOW)
        assert wait is None or timedelta(0) <= wait <= LONGEST_WAIT
