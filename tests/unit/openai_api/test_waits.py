"""How long the API asks to wait, wherever it says so; and that no job comes back before."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from openai_connector.openai_api.waits import LONGEST_WAIT, wait_asked
from openai_connector.openai_api.words import said_in

NOW = datetime(2026, 11, 22, 5, 0, 0, tzinfo=UTC)
EPOCH = int(NOW.timestamp())


def asked(headers: dict[str, Any], body: Any = None) -> float | None:
    """Return the seconds that a response asks for."""
    wait = wait_asked(headers, said_in(body), NOW)
    return None if wait is None else round(wait.total_seconds(), 6)


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"Retry-After": "7"}, 7),
        ({"RETRY-AFTER": " 7 "}, 7),
        ({"retry-after": "1.5"}, 1.5),
        ({"Retry-After": "0"}, 0),
        ({"retry-after-ms": "250"}, 0.25),
        ({"x-ms-retry-after-ms": "1250"}, 1.25),
        ({"retry-after-ms": "250", "Retry-After": "9"}, 0.25),
        ({"retry-after-ms": "soon", "Retry-After": "9"}, 9),
        ({"retry-after-ms": "0", "Retry-After": "9"}, 9),
        ({"Retry-After": ["3", "5"]}, 5),
        ({"Retry-After": "3, 3"}, 3),
        ({"Retry-After": "30s"}, 30),
        ({"Retry-After": "1m30s"}, 90),
        ({"Retry-After": "PT2M"}, 120),
        ({"Retry-After": str(EPOCH + 30)}, 30),
        ({"Retry-After": "Sun, 22 Nov 2026 05:00:30 GMT"}, 30),
        ({"Retry-After": "Sunday, 22-Nov-26 05:00:30 GMT"}, 30),
        ({"Retry-After": "Sun Nov 22 05:00:30 2026"}, 30),
        ({"Retry-After": "Sun, 22 Nov 2026 05:00:30 -0000"}, 30),
        ({"Retry-After": "Sun, 22 Nov 2026 06:00:30 +0100"}, 30),
        ({"Retry-After": "2026-11-22T05:00:30Z"}, 30),
        ({"Retry-After": "Sun, 22 Nov 2020 05:00:00 GMT"}, 0),
        ({"Retry-After": "Fri, 22 Nov 2099 05:00:00 GMT"}, LONGEST_WAIT.total_seconds()),
        ({"Retry-After": "999999999999"}, LONGEST_WAIT.total_seconds()),
        ({"Retry-After": "86400"}, 86400),
        ({"Retry-After": "999999999999999999999"}, LONGEST_WAIT.total_seconds()),
        ({"Retry-After": "1e9"}, LONGEST_WAIT.total_seconds()),
        ({"Retry-After": "1e300"}, LONGEST_WAIT.total_seconds()),
        ({"Retry-After": "30 seconds"}, 30),
        ({"Retry-After": "30 sec"}, 30),
        ({"Retry-After": "1 minute"}, 60),
        ({"Retry-After": "1m 30s"}, 90),
        ({"Retry-After": "1 hour, 2 minutes and 3 seconds"}, 3723),
        ({"Retry-After": "+30"}, 30),
        ({"Retry-After": "1e3"}, 1000),
        ({"Retry-After": '"30"'}, 30),
        ({"Retry-After": "'30'"}, 30),
        ({"Retry-After": "30;"}, 30),
        ({"Retry-After": "1,500 seconds"}, 1500),
        ({"Retry-After": ["x", "60"]}, 60),
        ({"Retry-After": "x, 60"}, 60),
        ({"Retry-After": "5, 60"}, 60),
        ({"Retry-After": ["60", "5"]}, 60),
        ({"Retry-After": "5", "retry-after": "60"}, 60),
        ({"Retry-After": "5", "x-retry-after": "60"}, 60),
        ({"Retry-After": ["Sun, 22 Nov 2026 05:00:30 GMT", "5"]}, 30),
        ({"Retry-After": ["0", "-1", "soon"]}, 0),
        ({"Retry-After": "30 potatoes"}, None),
        ({"Retry-After": "seconds"}, None),
        ({}, None),
        ({"Retry-After": ""}, None),
        ({"Retry-After": []}, None),
        ({"Retry-After": "-5"}, None),
        ({"Retry-After": "soon"}, None),
        ({"Retry-After": "٧"}, None),
        ({"Retry-After": "inf"}, None),
        ({"Retry-After": "Sun, 99 Nov 2026 05:00:30 GMT"}, None),
        ({"Retry-After": "Sun, 22 Nov 99999999999 05:00:30 GMT"}, None),
    ],
    ids=str,
)
def test_retry_after_in_all_its_forms(headers: dict[str, Any], seconds: float | None) -> None:
    """Seconds, milliseconds, durations and dates; what cannot be read counts as not there."""
    assert asked(headers) == seconds


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "6m0s"}, 360),
        ({"x-ratelimit-remaining-tokens": "0", "x-ratelimit-reset-tokens": "12ms"}, 0.012),
        ({"x-ratelimit-remaining-tokens": "0", "x-ratelimit-reset-tokens": "1h2m3.5s"}, 3723.5),
        ({"X-RateLimit-Remaining-Tokens": "0", "X-RateLimit-Reset-Tokens": "17"}, 17),
        ({"x-ratelimit-remaining": "0", "x-ratelimit-reset": str(EPOCH + 40)}, 40),
        ({"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": str((EPOCH + 40) * 1000)}, 40),
        ({"x-rate-limit-remaining": "0", "x-rate-limit-reset": "8"}, 8),
        ({"x-ratelimit-remaining": "0", "x-ratelimit-reset-after": "8.5"}, 8.5),
        ({"x-ratelimit-remaining-tokens_usage_based": "0", "x-ratelimit-reset-tokens_usage_based": "2s"}, 2),
        ({"x-ratelimit-remaining-tokens-minute": "0", "x-ratelimit-reset-tokens-minute": "31.5"}, 31.5),
        (
            {
                "anthropic-ratelimit-requests-remaining": "0",
                "anthropic-ratelimit-requests-reset": "2026-11-22T05:01:00Z",
            },
            60,
        ),
        ({"RateLimit-Reset": "50"}, 50),
        ({"RateLimit-Limit": "9", "RateLimit-Remaining": "0", "RateLimit-Reset": "50"}, 50),
        ({"RateLimit-Limit": "9", "RateLimit-Remaining": "3", "RateLimit-Reset": "50"}, None),
        ({"RateLimit": "limit=9, remaining=0, reset=50"}, 50),
        ({"RateLimit": '"burst";r=4;t=3, "daily";r=0;t=50'}, 50),
        ({"RateLimit": '"burst";r=4;t=3'}, None),
        ({"x-ratelimit-remaining-requests": "3", "x-ratelimit-reset-requests": "6m0s"}, None),
        ({"x-ratelimit-remaining-requests": "-1", "x-ratelimit-reset-requests": "6m0s"}, None),
        ({"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "-1"}, None),
        ({"x-ratelimit-remaining": "-1", "x-ratelimit-reset": "30"}, None),
        ({"x-ratelimit-remaining": "0;w=60", "x-ratelimit-reset": "30"}, 30),
        ({"x-ratelimit-remaining": "0, 5", "x-ratelimit-reset": "30"}, 30),
        ({"x-ratelimit-remaining": "5, 0", "x-ratelimit-reset": "30, 60"}, 60),
        ({"x-ratelimit-remaining": ["5", "0"], "x-ratelimit-reset": "30"}, 30),
        ({"x-ratelimit-remaining": "10, 5", "x-ratelimit-reset": "30"}, None),
        ({"x-ratelimit-remaining": "5;w=0", "x-ratelimit-reset": "30"}, None),
        ({"x-ratelimit-remaining-tokens": "0", "x-ratelimit-reset-tokens": "1m 30s"}, 90),
        ({"x-ratelimit-remaining-tokens": "0", "x-ratelimit-reset-tokens": "2 minutes"}, 120),
        ({"x-ratelimit-reset-requests": "6m0s"}, None),
        ({"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-tokens": "6m0s"}, None),
        (
            {
                "x-ratelimit-remaining-requests": "0",
                "x-ratelimit-reset-requests": "1s",
                "x-ratelimit-remaining-tokens": "0",
                "x-ratelimit-reset-tokens": "30s",
            },
            30,
        ),
        ({"Retry-After": "2", "x-ratelimit-remaining": "0", "x-ratelimit-reset": "50"}, 2),
    ],
    ids=str,
)
def test_limits_that_are_used_up(headers: dict[str, Any], seconds: float | None) -> None:
    """Where nothing remains the reset counts, in each spelling; -1 is unknown, `Retry-After` goes first."""
    assert asked(headers) == seconds


@pytest.mark.parametrize(
    ("body", "seconds"),
    [
        (
            [
                {
                    "error": {
                        "code": 429,
                        "message": "retry later",
                        "details": [
                            {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "34.07s"}
                        ],
                    }
                }
            ],
            34.07,
        ),
        ({"error": {"details": [{"retryDelay": {"seconds": 34, "nanos": 70000000}}]}}, 34.07),
        ({"error": {"details": [{"retryDelay": "34s"}, {"retryDelay": "60s"}]}}, 60),
        ({"error": {"details": [{"retryDelay": "60s"}, {"retryDelay": "34s"}]}}, 60),
        ({"error": {"message": "m"}, "retry_after": "1 minute"}, 60),
        ({"error": {"message": "m"}, "retry_after": 12}, 12),
        ({"error": {"message": "m", "retry_after_seconds": "12"}}, 12),
        ({"error": {"message": "m", "retryAfter": 1.5}}, 1.5),
        ({"error": {"message": "m", "retry_after_ms": 1500}}, 1.5),
        ({"detail": {"retry-after": "12s"}}, 12),
        ({"error": "Model m is currently loading", "estimated_time": 20.5}, 20.5),
        ({"error": {"type": "usage_limit_reached", "resets_in_seconds": 40}}, 40),
        ({"error": {"metadata": {"headers": {"Retry-After": "4"}}}}, 4),
        (
            {
                "error": {
                    "metadata": {
                        "headers": {
                            "X-RateLimit-Remaining": "0",
                            "X-RateLimit-Reset": str(1000 * (EPOCH + 9)),
                        }
                    }
                }
            },
            9,
        ),
        ({"error": {"message": '{"error": {"retry_after": 12}}'}}, 12),
        ({"retry_after": -1}, None),
        ({"retry_after": True}, None),
        ({"retry_after": {"seconds": "x"}}, None),
        ({"retry_after": None}, None),
        ({"retry_after": [5]}, None),
    ],
    ids=str,
)
def test_hints_in_the_body(body: Any, seconds: float | None) -> None:
    """Google, gateways and model servers put the wait into the body, each under a name of its own."""
    assert asked({}, body) == seconds


@pytest.mark.parametrize(
    ("words", "seconds"),
    [
        ("Rate limit reached. Please try again in 6.5s. Visit https://x.test", 6.5),
        ("Please try again in 20ms.", 0.02),
        ("Please try again in 1m2s.", 62),
        ("Please try again in 1h2m3.5s. Need more?", 3723.5),
        ("Please retry after 30 seconds.", 30),
        ("Please retry after 1 minute and 30 seconds", 90),
        ("Rate limit is exceeded. Try again in 20 seconds.", 20),
        ("Please retry your requests after 6 seconds.", 6),
        ("Please retry in 34.074824224s.", 34.074824),
        ("You can try again after 2 minutes", 120),
        ("Please wait 12 seconds before the next request", 12),
        ("Please wait for 12 seconds", 12),
        ("retry after 30", 30),
        ("Retry-After: 30", 30),
        ("Quota will reset after 5h30m.", 19800),
        ("Try again in 1 day.", 86400),
        ("TRY AGAIN IN 3 SECONDS", 3),
        ("Please try again in 1,500 seconds", 1500),
        ("Please try again in 1,234,567 ms.", 1234.567),
        ("Please try again in 1,500.", 1500),
        ("Please try again in 1.500 s", 1.5),
        ("Please try again in 1,5 seconds", 1.5),
        ("Please wait 2 hours, 30 minutes", 9000),
        ("Try again in 5 attempts", None),
        ("Please try again later", None),
        ("Limit 30000 tokens per 60 seconds", None),
        ("The request took 30 seconds. Try again", None),
        ("try again after 2026-11-22", None),
    ],
)
def test_hints_in_the_words(words: str, seconds: float | None) -> None:
    """What a sentence asks for is understood; other numbers in it are not taken for a wait."""
    assert asked({}, {"error": {"message": words}}) == seconds
    assert asked({}, words) == seconds


def test_the_first_hint_that_says_anything_counts() -> None:
    """Headers go before the body, the body before its words; a wait of 0 gives way to a longer one."""
    words = {"error": {"message": "Please try again in 20s", "retry_after": 9}}
    assert asked({"Retry-After": "3"}, words) == 3
    assert asked({"Retry-After": "0"}, words) == 9
    assert asked({"Retry-After": "soon"}, words) == 9
    assert asked({"Retry-After": "0"}) == 0


@settings(max_examples=300, deadline=None)
@given(st.text(), st.sampled_from(("Retry-After", "retry-after-ms", "x-ratelimit-reset", "RateLimit")))
def test_any_hint_is_read_or_ignored(text: str, name: str) -> None:
    """No text raises, and no wait is below 0 or above the longest."""
    headers: dict[str, str | list[str]] = {name: text, "x-ratelimit-remaining": "0"}
    for body in (None, {"retry_after": text}, f"try again in {text}"):
        wait = wait_asked(headers, said_in(body), NOW)
        assert wait is None or timedelta(0) <= wait <= LONGEST_WAIT


UNITS = st.sampled_from([("h", 3600.0), ("m", 60.0), ("s", 1.0), ("ms", 0.001)])


@settings(max_examples=300, deadline=None)
@given(
    st.lists(st.tuples(st.integers(1, 999), UNITS), min_size=1, max_size=4, unique_by=lambda part: part[1]),
    st.sampled_from(
        ("Please try again in {}.", "retry after {}", "Retry-After: {}, sorry", "Wait for {} now")
    ),
)
def test_every_duration_is_read(parts: list[tuple[int, tuple[str, float]]], sentence: str) -> None:
    """Durations of any parts mean the same in a header, in the body and in words."""
    text = "".join(f"{number}{name}" for number, (name, _) in parts)
    seconds = round(sum(number * length for number, (_, length) in parts), 6)
    assert asked({"Retry-After": text}) == pytest.approx(seconds)
    assert asked({}, {"retryDelay": text}) == pytest.approx(seconds)
    assert asked({}, {"message": sentence.format(text)}) == pytest.approx(seconds)
