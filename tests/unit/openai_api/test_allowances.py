"""What an API says is left of its limits, in the spellings of many."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openai_connector.openai_api import allowances

NOW = datetime(2026, 11, 22, 5, 0, 0, tzinfo=UTC)


def read(headers: dict[str, Any]) -> list[tuple[bool, float | None, float, float]]:
    """Return what is read, with seconds."""
    return [
        (found.is_tokens, found.limit, found.remaining, found.reset.total_seconds())
        for found in allowances(headers, NOW)
    ]


def openai(what: str, limit: str, remaining: str, reset: str) -> dict[str, str]:
    """Return headers as OpenAI spells them."""
    return {
        f"x-ratelimit-limit-{what}": limit,
        f"x-ratelimit-remaining-{what}": remaining,
        f"x-ratelimit-reset-{what}": reset,
    }


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        pytest.param(openai("requests", "60", "59", "1s"), [(False, 60, 59, 1)], id="requests"),
        pytest.param(
            openai("tokens", "150000", "149984", "6m0s"), [(True, 150000, 149984, 360)], id="tokens"
        ),
        pytest.param(openai("tokens", "9", "0", "12ms"), [(True, 9, 0, 0.012)], id="milliseconds"),
        pytest.param(
            openai("requests", "60", "1", "3s") | openai("tokens", "9", "8", "1s"),
            [(False, 60, 1, 3), (True, 9, 8, 1)],
            id="both",
        ),
        pytest.param(openai("tokens_usage_based", "9", "8", "1s"), [(True, 9, 8, 1)], id="variant"),
        pytest.param(openai("requests", "-1", "-1", "0"), [], id="azure_unknown"),
        pytest.param(openai("requests", "-1", "5", "7"), [(False, None, 5, 7)], id="azure_whole_unknown"),
        pytest.param(openai("requests", "60", "none", "1s"), [], id="no_number"),
        pytest.param(openai("requests", "60", "5", "later"), [], id="no_time"),
        pytest.param({"x-ratelimit-remaining-requests": "5"}, [], id="no_reset"),
        pytest.param(
            {
                "anthropic-ratelimit-requests-limit": "50",
                "anthropic-ratelimit-requests-remaining": "49",
                "anthropic-ratelimit-requests-reset": "2026-11-22T05:00:30Z",
            },
            [(False, 50, 49, 30)],
            id="anthropic",
        ),
        pytest.param(
            {"RateLimit-Limit": "100", "RateLimit-Remaining": "7", "RateLimit-Reset": "50"},
            [(False, 100, 7, 50)],
            id="ietf_draft",
        ),
        pytest.param({"RateLimit": '"default";r=7;t=50'}, [(False, None, 7, 50)], id="ietf_structured"),
        pytest.param(
            {"X-RateLimit-Limit": "100, 100;w=60", "X-RateLimit-Remaining": "7", "X-RateLimit-Reset": "50"},
            [(False, 100, 7, 50)],
            id="list_of_a_proxy",
        ),
        pytest.param({}, [], id="none"),
    ],
)
def test_what_is_left_is_read(
    headers: dict[str, Any], expected: list[tuple[bool, float | None, float, float]]
) -> None:
    """Limit, what remains, and when it is whole again; what cannot be read is unknown."""
    assert read(headers) == expected


@given(
    st.dictionaries(
        st.sampled_from(
            [*openai("requests", "", "", ""), *openai("tokens", "", "", ""), "RateLimit", "retry-after"]
        ),
        st.text(max_size=20) | st.integers().map(str) | st.lists(st.text(max_size=5), max_size=2),
    )
)
def test_no_header_is_too_odd(headers: dict[str, Any]) -> None:
    """Whatever servers send, reading raises nothing, and gives no number below 0."""
    assert all(left >= 0 and reset >= 0 and (limit or 0) >= 0 for _, limit, left, reset in read(headers))
