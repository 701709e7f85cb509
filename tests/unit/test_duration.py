"""Durations as people write them."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openai_connector.duration import MAXIMUM, format_duration, parse_duration


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("PT30S", 30),
        ("pt5m", 300),
        ("PT1H30M", 5400),
        ("P1D", 86400),
        ("P1DT1S", 86401),
        ("P2W", 1209600),
        ("PT0.5S", 0.5),
        ("PT1,5S", 1.5),
        ("PT0S", 0),
        ("30", 30),
        (" 30 ", 30),
        ("0.25", 0.25),
        (30, 30),
        (0.5, 0.5),
        (0, 0),
        (timedelta(minutes=1), 60),
    ],
)
def test_durations(text: str | float | timedelta, seconds: float) -> None:
    """ISO 8601 in any case, seconds as text or number."""
    assert parse_duration(text) == timedelta(seconds=seconds)


@pytest.mark.parametrize(
    "text",
    ["", " ", "P", "PT", "P1", "P1DT", "PT1", "1S", "PT1.5M", "P1Y", "P1M", "PT-1S", "-PT1S", "-1", "1e3", "NaN", "inf",
     "PT1S2S", "PT1S ago", "5 minutes", "٣٠", "PT٣S", True, -1, -0.5, float("nan"), float("inf"), 1e300, timedelta(-1),
     "P" + "9" * 60 + "D", "9" * 100],
)  # fmt: skip
def test_what_is_none_says_how_to_write_one(text: str | float | timedelta) -> None:
    """Years, months, signs and fractions of minutes are refused with an example."""
    with pytest.raises(ValueError, match="ISO 8601 duration such as PT30S or PT5M, or a number of seconds"):
        parse_duration(text)


@pytest.mark.parametrize("text", ["P3651D", "P600W", "315360001", timedelta(days=3651)])
def test_too_long_is_said_to_be(text: str | timedelta) -> None:
    """A duration of more than ten years is a slip."""
    with pytest.raises(ValueError, match="must be at most 3650 days"):
        parse_duration(text)


@given(st.text() | st.integers() | st.floats() | st.booleans() | st.timedeltas())
def test_any_value_is_read_or_a_value_error(value: str | float | timedelta) -> None:
    """Nothing raises anything but ValueError, and nothing is negative or longer than the maximum."""
    try:
        duration = parse_duration(value)
    except ValueError:
        return
    assert timedelta(0) <= duration <= MAXIMUM


@given(st.timedeltas(timedelta(0), MAXIMUM))
def test_written_durations_are_read_back(duration: timedelta) -> None:
    """What is shown means the same when it is typed."""
    assert parse_duration(format_duration(duration)) == duration


@pytest.mark.parametrize(
    ("duration", "text"),
    [
        (timedelta(0), "PT0S"),
        (timedelta(seconds=0.5), "PT0.5S"),
        (timedelta(days=1, hours=12), "PT36H"),
        (timedelta(minutes=90), "PT1H30M"),
        (timedelta(microseconds=1), "PT0.000001S"),
    ],
)
def test_durations_are_written_as_camunda_does(duration: timedelta, text: str) -> None:
    """Hours, minutes and seconds, never days."""
    assert format_duration(duration) == text
