"""Expressions with the types that their places want, and the times of timers."""

from __future__ import annotations

import contextlib
import time
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local_engine import schedules
from local_engine.errors import ExpressionError
from local_engine.expressions import MISSING, SECONDS_PER_STEP, Evaluator, Expression
from tests.local_engine.bpmn import END, START, chain, definitions, job, process
from tests.local_engine.world import BEGINNING, World

ENDLESS = "=count(for a in 1..2000000, b in 1..2000000, c in 1..2000000 return a)"
DAY = 86_400_000


def evaluator(**variables: Any) -> Evaluator:
    """Return an evaluator over some variables."""
    return Evaluator(
        lambda name: variables.get(name, MISSING), lambda: datetime.fromtimestamp(BEGINNING / 1000, UTC)
    )


@pytest.mark.parametrize(
    ("text", "value"),
    [
        pytest.param("1", "1", id="static_text_is_a_string"),
        pytest.param("", "", id="empty"),
        pytest.param("=1", 1, id="feel_number"),
        pytest.param("=x + 1", 3, id="variable"),
        pytest.param("=nobody", None, id="missing_is_null"),
        pytest.param('= "a"', "a", id="blank_after_the_sign"),
        pytest.param("={a: [1, x]}", {"a": [1, 2]}, id="context"),
        pytest.param('=date("2026-11-26")', "2026-11-26", id="temporal_as_text"),
    ],
)
def test_values(text: str, value: Any) -> None:
    """A text is itself, FEEL its value, as plain data."""
    assert evaluator(x=2).json(Expression(text)) == value


@pytest.mark.parametrize(
    ("method", "text", "type_name"),
    [
        pytest.param("text", "=1", "NUMBER", id="no_string"),
        pytest.param("text", "=nobody", "NULL", id="null_no_string"),
        pytest.param("boolean", '="true"', "STRING", id="no_boolean"),
        pytest.param("array", "={a: 1}", "OBJECT", id="no_list"),
        pytest.param("integer", '="x"', "STRING", id="no_number"),
        pytest.param("integer", "=true", "BOOLEAN", id="boolean_no_number"),
    ],
)
def test_wrong_types_are_named(method: str, text: str, type_name: str) -> None:
    """The message has the expression and the type that came out."""
    with pytest.raises(ExpressionError, match=f"'{type_name}'"):
        getattr(evaluator(), method)(Expression(text))


def test_an_endless_expression_is_an_incident_after_a_second() -> None:
    """It stops its own element within about a second, whatever else the element evaluates; others go on."""
    w = World()
    tasks = job("a", inputs={"x": ENDLESS, "y": ENDLESS, "z": ENDLESS})
    w.deploy(definitions(process("p", START, tasks, END, chain("start", "a", "end"))))
    began = time.monotonic()
    key = w.start()
    assert time.monotonic() - began < 20 * SECONDS_PER_STEP  # a bound for a busy machine, not a measure
    assert w.incident().type == "IO_MAPPING_ERROR"
    w.cancel(key)
    assert w.left() == {}


@pytest.mark.parametrize(
    ("text", "after"),
    [
        pytest.param("PT1.5S", 1500, id="fraction"),
        pytest.param("P1W", 7 * DAY, id="week"),
        pytest.param("P1DT2H3M", DAY + 7_380_000, id="mixed"),
        pytest.param("P1M", 31 * DAY, id="month_of_january"),
        pytest.param("P1Y", 365 * DAY, id="year"),
        pytest.param("P1M1D", 32 * DAY, id="month_and_day"),
        pytest.param("-PT5S", -5000, id="negative"),
        pytest.param("PT0S", 0, id="zero"),
    ],
)
def test_durations(text: str, after: int) -> None:
    """A duration leads from one moment to another, months by the calendar."""
    assert schedules.duration(text).after(BEGINNING) - BEGINNING == after


@pytest.mark.parametrize("text", ["", "P", "PT", "1h", "P1DT", "P1.5D", "PT5", "5", "P1D "], ids=repr)
def test_what_is_no_duration(text: str) -> None:
    """A wrong duration is named; blanks around it do no harm."""
    if text.strip() == "P1D":
        assert schedules.duration(text).after(0) == DAY
        return
    with pytest.raises(ExpressionError, match="Invalid duration format"):
        schedules.duration(text)


@pytest.mark.parametrize(
    ("text", "first"),
    [
        pytest.param("R3/PT10S", 10_000, id="from_now"),
        pytest.param("R/P1D", DAY, id="without_end"),
        pytest.param("R2/2027-01-15T09:00:00Z/PT1H", 3_600_000, id="start_to_come"),
        pytest.param("R/2027-01-14T08:30:00Z/P1D", 1_800_000, id="start_gone_by"),
        pytest.param("R/2027-01-15T10:00:00+01:00[Europe/Berlin]/P1D", 3_600_000, id="start_with_a_zone"),
    ],
)
def test_first_time_of_a_cycle(text: str, first: int) -> None:
    """A cycle begins after one interval, or at its start, never in the past."""
    assert schedules.cycle(text).first(BEGINNING) - BEGINNING == first


@pytest.mark.parametrize(
    "text", ["0 0 9 * * *", "PT10S", "R3", "R3/", "R3/PT0S", "R/-PT5S", "R-1/PT1S"], ids=repr
)
def test_what_is_no_cycle(text: str) -> None:
    """Cron expressions and intervals without length are refused."""
    with pytest.raises(ExpressionError):
        schedules.cycle(text)


@pytest.mark.parametrize(
    "text", ['=cycle(3, duration("PT10S"))', '=cycle(duration("P1M"))'], ids=["counted", "endless"]
)
def test_feels_cycle_function(text: str) -> None:
    """FEEL's `cycle` makes what a timer takes."""
    assert schedules.cycle(evaluator().value(Expression(text))).every.after(0) > 0


SHAPES = st.from_regex(r"[PR+-]?[0-9PTYMWDHS/.:\-\[\]aZ]{0,40}", fullmatch=True) | st.text(max_size=40)


@given(SHAPES)
def test_no_text_raises_anything_else(text: str) -> None:
    """Whatever stands in a timer, the only error is the one that becomes an incident."""
    for read in (schedules.duration, schedules.moment, schedules.cycle):
        with contextlib.suppress(ExpressionError):
            read(text)


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("P" + "9" * 5000 + "D", id="many_digits"),
        pytest.param("R" + "9" * 5000 + "/PT1S", id="many_repetitions"),
        pytest.param("PT" + "9" * 400 + "S", id="many_seconds"),
        pytest.param("R3/P999999999999M", id="many_months"),
        pytest.param("2020-01-01T00:00[America]", id="zone_is_a_folder"),
        pytest.param("2020-01-01T00:00[" + "a" * 5000 + "]", id="zone_is_too_long"),
        pytest.param("2020-13-01T00:00Z", id="month_thirteen"),
    ],
)
def test_monsters(text: str) -> None:
    """Numbers without measure and odd zones are refused like any other mistake."""
    for read in (schedules.duration, schedules.moment, schedules.cycle):
        with pytest.raises(ExpressionError):
            read(text)
