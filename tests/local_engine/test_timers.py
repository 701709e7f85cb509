"""Timers: when they fire, how often, and what they start."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from local_engine.errors import Rejection
from tests.local_engine.bpmn import (
    END,
    START,
    boundary,
    catch,
    chain,
    definitions,
    element,
    event_start,
    event_sub_process,
    job,
    process,
    timer,
)
from tests.local_engine.world import BEGINNING, World

SECOND = 1000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR


def at(text: str) -> int:
    """Return the milliseconds from the beginning of a world to a moment in UTC."""
    return round(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1000) - BEGINNING


def paused(kind: str, value: str) -> bytes:
    """Return a process that waits for a timer."""
    return definitions(process("p", START, catch("t", timer(kind, value)), END, chain("start", "t", "end")))


def reminded(kind: str, value: str, *, interrupting: bool = False) -> bytes:
    """Return a process with a job `a`, a timer on it, and a job `after` behind the timer."""
    on_task = boundary("b", "a", timer(kind, value), interrupting=interrupting)
    routes = chain("start", "a", "end") + chain("b", "after")
    return definitions(process("p", START, job("a"), on_task, job("after"), END, routes))


def started_by(*starts: str) -> bytes:
    """Return a process with these start events, each of which leads to the job `a`."""
    flows = "".join(chain(f"s{number}", "a") for number in range(len(starts)))
    events = "".join(event_start(f"s{number}", start) for number, start in enumerate(starts))
    return definitions(process("p", events, job("a"), END, flows, chain("a", "end")))


# Intermediate events


@pytest.mark.parametrize(
    ("value", "wait"),
    [
        pytest.param("PT15S", 15 * SECOND, id="seconds"),
        pytest.param("PT0.25S", 250, id="part of a second"),
        pytest.param("PT1H30M", 90 * MINUTE, id="hours and minutes"),
        pytest.param("P14D", 14 * DAY, id="days"),
        pytest.param("P14DT1H30M", 14 * DAY + 90 * MINUTE, id="days and a time"),
        pytest.param("P1W", 7 * DAY, id="a week"),
        pytest.param("P2W1DT1S", 15 * DAY + SECOND, id="weeks, days and a time"),
        pytest.param("P1M", at("2027-02-15T08:00"), id="a month"),
        pytest.param("P1Y", at("2028-01-15T08:00"), id="a year"),
        pytest.param("P3Y6M4DT12H30M5S", at("2030-07-19T20:30:05"), id="everything"),
        pytest.param("P1M1W", at("2027-02-22T08:00"), id="a month and a week"),
        pytest.param('=duration("PT15S")', 15 * SECOND, id="FEEL: days and time"),
        pytest.param('=duration("P1Y2M")', at("2028-03-15T08:00"), id="FEEL: years and months"),
        pytest.param('=duration("PT1M") * 3 - duration("PT1S")', 179 * SECOND, id="FEEL: calculated"),
        pytest.param('="PT" + string(n) + "M"', 5 * MINUTE, id="FEEL: string"),
        pytest.param("=given", 2 * HOUR, id="FEEL: a variable"),
    ],
)
def test_durations(value: str, wait: int) -> None:
    """A timer fires when its duration is over, and not a millisecond earlier."""
    w = World()
    w.deploy(paused("duration", value))
    key = w.start(n=5, given="PT2H")
    w.later(wait - 1)
    assert w.active(key) == ["t"]
    w.later(1)
    assert w.ended[key] == {"n": 5, "given": "PT2H"}
    assert w.left() == {}


@pytest.mark.parametrize(
    "value",
    ["PT0S", "PT-5S", "-PT5S", "-P1M", '=duration("PT0S")', '=duration("-PT1H")'],
    ids=["zero", "negative part", "negative", "negative month", "FEEL zero", "FEEL negative"],
)
def test_duration_of_zero_or_less(value: str) -> None:
    """A duration that is zero or negative is over at once."""
    w = World()
    w.deploy(paused("duration", value))
    key = w.start()
    w.later(0)
    assert w.ended[key] == {}
    assert w.left() == {}


@pytest.mark.parametrize(
    ("value", "wait"),
    [
        pytest.param("2027-01-15T09:00:00Z", HOUR, id="UTC"),
        pytest.param("2027-01-15T10:00:00+01:00", HOUR, id="offset"),
        pytest.param("2027-01-15T10:00:00+01:00[Europe/Berlin]", HOUR, id="offset and zone"),
        pytest.param("2027-01-15T08:00:00.500Z", 500, id="milliseconds"),
        pytest.param("2027-01-15T10:00:00[Europe/Berlin]", HOUR, id="zone"),
        pytest.param("2027-01-15T09:00", HOUR, id="neither offset nor zone: UTC"),
        pytest.param('=date and time("2027-01-15T09:00:00Z")', HOUR, id="FEEL: date and time"),
        pytest.param('=date and time("2027-01-15T10:00:00@Europe/Berlin")', HOUR, id="FEEL: zone"),
        pytest.param('=now() + duration("PT1H")', HOUR, id="FEEL: from now"),
        pytest.param('="2027-01-15T09:00:00Z"', HOUR, id="FEEL: string"),
    ],
)
def test_dates(value: str, wait: int) -> None:
    """A timer with a date fires at that moment."""
    w = World()
    w.deploy(paused("date", value))
    key = w.start()
    w.later(wait - 1)
    assert w.active(key) == ["t"]
    w.later(1)
    assert w.ended[key] == {}
    assert w.left() == {}


def test_date_that_has_passed() -> None:
    """A date in the past is reached at once."""
    w = World()
    w.deploy(paused("date", "2020-01-01T00:00:00Z"))
    key = w.start()
    w.later(0)
    assert w.ended[key] == {}
    assert w.left() == {}


@pytest.mark.parametrize(
    ("start", "value", "expected"),
    [
        pytest.param("2027-01-31T08:00", "P1M", "2027-02-28T08:00", id="no such day"),
        pytest.param("2028-01-31T08:00", "P1M", "2028-02-29T08:00", id="leap year"),
        pytest.param("2028-02-29T08:00", "P1Y", "2029-02-28T08:00", id="leap day"),
        pytest.param("2027-12-31T08:00", "P2M", "2028-02-29T08:00", id="over the year's end"),
        pytest.param("2027-03-31T08:00", "-P1M", "2027-03-31T08:00", id="backwards"),
    ],
)
def test_months_have_no_fixed_length(start: str, value: str, expected: str) -> None:
    """Months are counted by the calendar.

    The last day of a shorter month takes the place of a day it has not.
    """
    w = World()
    w.deploy(paused("duration", value))
    w.later(at(start))
    key = w.start()
    wait = at(expected) - at(start)
    if wait:
        w.later(wait - 1)
        assert key not in w.ended
    w.later(1)
    assert key in w.ended
    assert w.left() == {}


@pytest.mark.parametrize("kind", ["duration", "date"])
@pytest.mark.parametrize(
    "value",
    [None, 5, True, "", "tomorrow", "P", "PT", "5S", "R3/PT5S", [], {}, "P99999999999Y", "P99999999999D"],
    ids=[
        *("null", "number", "boolean", "empty", "word", "P", "PT", "no P", "cycle", "list", "context"),
        *("too many years", "too many days"),
    ],
)
def test_value_that_is_no_time(kind: str, value: Any) -> None:
    """What is neither a duration nor a date is an incident; mended, the time counts from then on."""
    w = World()
    w.deploy(paused(kind, "=when"))
    key = w.start(when=value)
    assert (w.incident().type, w.incident().instance) == ("EXTRACT_VALUE_ERROR", w.find(key, "t").key)
    assert "'when'" in w.incident().message
    assert w.left() == {"instances": 2, "incidents": 1}
    w.later(HOUR)
    w.resolve()
    assert w.incident().type == "EXTRACT_VALUE_ERROR"
    w.set(key, when="PT5M" if kind == "duration" else "2027-01-15T09:05:00Z")
    w.resolve()
    w.later(5 * MINUTE - 1)
    assert key not in w.ended
    w.later(1)
    assert key in w.ended
    assert w.left() == {}


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        pytest.param("duration", "5 minutes", id="duration"),
        pytest.param("date", "2027-02-30T08:00:00Z", id="a day that is not there"),
        pytest.param("date", "2027-02-20", id="without a time"),
        pytest.param("cycle", "R3/PT5S", id="a cycle in the flow"),
    ],
)
def test_static_value_that_is_refused(kind: str, value: str) -> None:
    """A static value that can never work is refused at deployment, with the element's id."""
    with pytest.raises(Rejection) as caught:
        World().deploy(paused(kind, value))
    assert caught.value.status == "INVALID_ARGUMENT"
    assert "'t'" in caught.value.message


def test_many_timers_fire_in_their_order() -> None:
    """A jump of the clock lets everything happen that is due by then, the earliest first."""
    w = World()
    w.deploy(paused("duration", "=d"))
    keys = {n: w.start(d=f"PT{n}H") for n in (5, 1, 4, 2, 3, 9)}
    w.later(5 * HOUR)
    assert [*w.ended] == [keys[n] for n in (1, 2, 3, 4, 5)]
    w.later(4 * HOUR)
    assert w.left() == {}


def test_output_mapping_of_a_timer() -> None:
    """A timer brings no variables, but its output mappings are applied."""
    w = World()
    own = catch("t", timer("duration", "PT1S"), outputs={"x": "=n + 1"})
    w.deploy(definitions(process("p", START, own, END, chain("start", "t", "end"))))
    key = w.start(n=1)
    w.later(SECOND)
    assert w.ended[key] == {"n": 1, "x": 2}
    assert w.left() == {}


def test_timer_over_a_restart(tmp_path: Path) -> None:
    """A restart neither resets nor forgets a timer, and what fell due meanwhile happens at once."""
    w = World(tmp_path)
    w.deploy(paused("duration", "PT1H"))
    first, second = w.start(), w.start()
    w.later(HOUR - 1)
    w.restart()
    assert [*w.ended] == []
    w.later(1)
    assert [*w.ended] == [first, second]
    third = w.start()
    w.restart()
    w.later(10 * HOUR)
    w.restart()
    assert third in w.ended
    assert w.left() == {}


# Boundary events


def test_interrupting_timer_ends_the_task() -> None:
    """When the time is over the job is gone, and the process goes on at the event."""
    w = World()
    w.deploy(reminded("duration", "PT5M", interrupting=True))
    key = w.start()
    taken = w.take_one("a")
    w.later(5 * MINUTE)
    assert w.active(key) == ["after"]
    with pytest.raises(Rejection) as caught:
        w.complete(taken.key)
    assert caught.value.status == "NOT_FOUND"
    w.do("after")
    assert w.ended[key] == {}
    assert w.left() == {}


def test_timer_of_a_task_that_has_ended() -> None:
    """A task that is completed in time takes its timer with it."""
    w = World()
    w.deploy(reminded("duration", "PT5M", interrupting=True))
    key = w.start()
    w.do("a")
    assert key in w.ended
    assert w.left() == {}
    w.later(HOUR)
    assert w.take("after") == []


@pytest.mark.parametrize(
    ("kind", "value", "moments"),
    [
        pytest.param("duration", "PT5M", [5], id="a duration: once"),
        pytest.param("date", "2027-01-15T08:05:00Z", [5], id="a date: once"),
        pytest.param("cycle", "R1/PT5M", [5], id="R1"),
        pytest.param("cycle", "R3/PT5M", [5, 10, 15], id="R3"),
        pytest.param("cycle", "R/PT8M", [8, 16, 24, 32], id="without end"),
        pytest.param("cycle", "R2/2027-01-15T08:07:00Z/PT9M", [7, 16], id="with a start"),
        pytest.param("cycle", "R/2027-01-15T09:12:00+01:00[Europe/Berlin]/PT15M", [12, 27], id="with a zone"),
        pytest.param("cycle", '=cycle(2, duration("PT5M"))', [5, 10], id="FEEL: cycle with a count"),
        pytest.param("cycle", '=cycle(duration("PT10M"))', [10, 20, 30], id="FEEL: cycle without end"),
        pytest.param("cycle", '=cycle(null, duration("PT15M"))', [15, 30], id="FEEL: null for the count"),
        pytest.param("cycle", '="R2/" + every', [6, 12], id="FEEL: string"),
        pytest.param("cycle", "R0/PT5M", [], id="R0: never"),
        pytest.param("cycle", '=cycle(0, duration("PT5M"))', [], id="FEEL: zero times"),
        pytest.param("cycle", '=cycle(-1, duration("PT15M"))', [15, 30], id="FEEL: less than zero times"),
        pytest.param("cycle", "R2/2026-12-15T08:09:00Z/P1M", [9], id="months, with a start in the past"),
        pytest.param("cycle", "R3/2027-01-15T07:45:00Z/PT15M", [1, 15, 30], id="a start that leads to now"),
        pytest.param("cycle", "R2/2027-01-15T07:50:00Z/PT15M", [5, 20], id="with a start in the past"),
    ],
)
def test_non_interrupting_timer_repeats(kind: str, value: str, moments: list[int]) -> None:
    """A timer that does not interrupt fires as often as it says, while the task goes on."""
    w = World()
    w.deploy(reminded(kind, value))
    key = w.start(every="PT6M")
    fired = []
    for minute in range(1, 35):
        w.later(MINUTE)
        for taken in w.take("after"):
            w.complete(taken.key)
            fired.append(minute)
    assert fired == moments
    w.do("a")
    assert w.ended[key] == {"every": "PT6M"}
    assert w.left() == {}


def test_cycle_of_months() -> None:
    """A cycle of a month goes by the calendar."""
    w = World()
    w.deploy(reminded("cycle", "R2/P1M"))
    w.start()
    w.later(31 * DAY)
    assert len(w.take("after", lease=DAY * 365)) == 1
    w.later(28 * DAY - 1)
    assert w.take("after") == []
    w.later(1)
    assert len(w.take("after")) == 1


@pytest.mark.parametrize(
    ("value", "times"), [("R3/PT10M", 3), ("R/PT10M", 7)], ids=["counted", "without end"]
)
def test_clock_that_jumps_over_repetitions(value: str, times: int) -> None:
    """Repetitions that a jump of the clock has passed happen all, and later ones keep to their times."""
    w = World()
    w.deploy(reminded("cycle", value))
    w.start()
    w.jump(75 * MINUTE)
    assert len(w.take("after", lease=DAY)) == times
    w.later(5 * MINUTE)
    assert len(w.take("after", lease=DAY)) == (0 if times == 3 else 1)


@pytest.mark.parametrize(
    "value",
    ["PT5M", "R3", "R/PT0S", "R3/2027-01-15T08:00Z", "0 0 9 * * *", None],
    ids=["a duration", "a count", "no pause", "no interval", "cron", "null"],
)
def test_value_that_is_no_cycle(value: str | None) -> None:
    """What is no cycle, or repeats without a pause, is an incident at the task, before its job is offered."""
    w = World()
    w.deploy(reminded("cycle", "=every"))
    key = w.start(every=value)
    assert (w.incident().type, w.incident().instance) == ("EXTRACT_VALUE_ERROR", w.find(key, "a").key)
    assert w.take("a") == []
    w.set(key, every="R1/PT1M")
    w.resolve()
    w.later(MINUTE)
    w.do("after")
    w.do("a")
    assert key in w.ended
    assert w.left() == {}


@pytest.mark.parametrize(
    ("kind", "value", "word"),
    [
        pytest.param("cycle", "R3/PT5S", "timeCycle", id="an interrupting cycle"),
        pytest.param("duration", "soon", "timeDuration", id="no duration"),
    ],
)
def test_boundary_timer_that_is_refused(kind: str, value: str, word: str) -> None:
    """An interrupting event cannot repeat, and a static value must be right."""
    with pytest.raises(Rejection) as caught:
        World().deploy(reminded(kind, value, interrupting=True))
    assert "'b'" in caught.value.message
    assert word in caught.value.message


def test_cycle_over_a_restart(tmp_path: Path) -> None:
    """A repeating timer counts on after a restart."""
    w = World(tmp_path)
    w.deploy(reminded("cycle", "R3/PT10M"))
    key = w.start()
    for _ in range(3):
        w.later(10 * MINUTE)
        w.restart()
        w.do("after")
    w.later(HOUR)
    assert w.take("after") == []
    w.restart()
    w.do("a")
    assert key in w.ended
    assert w.left() == {}


def test_two_timers_on_one_task() -> None:
    """A reminder and a time-out on one task: the one goes on until the other ends it."""
    w = World()
    events = boundary("r", "a", timer("cycle", "R/PT10M"), interrupting=False)
    events += boundary("o", "a", timer("duration", "PT25M"))
    routes = chain("start", "a", "end") + chain("r", "remind") + chain("o", "give-up")
    w.deploy(definitions(process("p", START, job("a"), events, job("remind"), job("give-up"), END, routes)))
    key = w.start()
    w.later(2 * HOUR)
    assert len(w.take("remind")) == 2
    assert w.active(key) == ["give-up", "remind", "remind"]


# Event sub-processes


@pytest.mark.parametrize(
    ("kind", "value", "interrupting", "times"),
    [
        pytest.param("duration", "PT10M", True, 1, id="interrupting duration"),
        pytest.param("date", "2027-01-15T08:10:00Z", True, 1, id="interrupting date"),
        pytest.param("duration", "PT10M", False, 1, id="non-interrupting duration"),
        pytest.param("cycle", "R3/PT10M", False, 3, id="non-interrupting cycle"),
    ],
)
def test_timer_starts_an_event_sub_process(kind: str, value: str, interrupting: bool, times: int) -> None:
    """The time of an event sub-process counts from the start of its scope, and a cycle starts it again."""
    w = World()
    start = event_start("es1", timer(kind, value), interrupting=interrupting)
    handler = event_sub_process("es", start, job("h"), chain("es1", "h"))
    w.deploy(definitions(process("p", START, job("a"), END, handler, chain("start", "a", "end"))))
    key = w.start()
    w.later(9 * MINUTE)
    assert w.active(key) == ["a"]
    w.later(HOUR)
    handled = w.take("h")
    assert len(handled) == times
    assert (w.take("a") == []) == interrupting
    for each in handled:
        w.complete(each.key)
    if not interrupting:
        assert key not in w.ended
        w.later(MINUTE)  # the lease of what was taken above
        w.do("a")
    assert w.ended[key] == {}
    assert w.left() == {}


# Start events


def test_date_starts_a_process() -> None:
    """A timer start event with a date creates one instance at that moment."""
    w = World()
    w.deploy(started_by(timer("date", "2027-01-15T09:00:00Z")))
    w.later(HOUR - 1)
    assert w.running() == []
    w.later(1)
    (key,) = w.running()
    w.do("a")
    assert w.ended == {key: {}}
    assert w.path(key) == ["s0", "a", "end", "p"]
    assert w.left() == {}


def test_date_in_the_past_starts_a_process_at_once() -> None:
    """A timer start event whose date has passed creates its instance when it is deployed."""
    w = World()
    w.deploy(started_by(timer("date", "2020-01-01T00:00:00Z")))
    w.later(0)
    assert len(w.running()) == 1
    w.later(DAY)
    assert len(w.running()) == 1


@pytest.mark.parametrize(
    ("value", "moments"),
    [
        pytest.param("R3/PT10M", [10, 20, 30], id="counted"),
        pytest.param("R/PT25M", [25, 50], id="without end"),
        pytest.param('=cycle(2, duration("PT15M"))', [15, 30], id="FEEL: cycle"),
        pytest.param("R2/2027-01-15T08:05:00Z/PT20M", [5, 25], id="with a start"),
    ],
)
def test_cycle_starts_a_process_again_and_again(value: str, moments: list[int]) -> None:
    """A timer start event with a cycle creates an instance each time."""
    w = World()
    w.deploy(started_by(timer("cycle", value)))
    started = []
    for minute in range(1, 61):
        before = len(w.running())
        w.later(MINUTE)
        started += [minute] * (len(w.running()) - before)
    assert started == moments


def test_several_start_events() -> None:
    """A process may have several timer start events, and a none start event beside them."""
    w = World()
    starts = event_start("s0", timer("cycle", "R2/PT10M")) + event_start(
        "s1", timer("date", "2027-01-15T08:15:00Z")
    )
    routes = chain("start", "a") + chain("s0", "b") + chain("s1", "c")
    w.deploy(definitions(process("p", START, starts, job("a"), job("b"), job("c"), routes)))
    key = w.start()
    assert w.active(key) == ["a"]
    w.later(HOUR)
    assert [len(w.take(type)) for type in "abc"] == [1, 2, 1]


@pytest.mark.parametrize("newer", [timer("cycle", "R/PT30M"), None], ids=["other timer", "no timer"])
def test_new_version_replaces_the_timers(newer: str | None) -> None:
    """The timers of the version before are canceled when a new one is deployed, with or without timers of its own."""
    w = World()
    w.deploy(started_by(timer("cycle", "R/PT10M")))
    w.later(15 * MINUTE)
    assert len(w.running()) == 1
    without = definitions(process("p", START, job("a"), chain("start", "a")))
    (second,) = w.deploy(started_by(newer) if newer else without)
    w.later(31 * MINUTE)
    assert len(w.running()) == (2 if newer else 1)
    assert all(w.engine.state.timers[key].process == second for key in w.engine.state.timers)


def test_the_same_diagram_keeps_its_timers() -> None:
    """A diagram that is deployed again unchanged is no new version: its timers run on as they were."""
    w = World()
    diagram = started_by(timer("cycle", "R/PT10M"))
    first = w.deploy(diagram)
    w.later(9 * MINUTE)
    assert w.deploy(diagram) == first
    w.later(MINUTE)
    assert len(w.running()) == 1
    assert w.left()["timers"] == 1


def test_timers_of_another_process_stay() -> None:
    """A new version of one process does not touch the timers of another one, even one of the same file."""
    w = World()
    other = process("q", event_start("qs", timer("cycle", "R/PT10M")), job("b"), chain("qs", "b"))
    w.deploy(definitions(other))
    w.deploy(started_by(timer("cycle", "R/PT10M")))
    w.deploy(definitions(process("p", START, job("a"), chain("start", "a"))))
    w.later(10 * MINUTE)
    assert [len(w.take(type)) for type in "ab"] == [0, 1]


@pytest.mark.parametrize(
    ("definition", "word"),
    [
        pytest.param(timer("duration", "PT5M"), "timeDuration", id="a duration"),
        pytest.param(timer("date", "=when"), "when", id="a variable, which is not there yet"),
        pytest.param(timer("cycle", "R3"), "R3", id="no cycle"),
        pytest.param(timer("cycle", "=1 +"), "1 +", id="no FEEL"),
    ],
)
def test_timer_start_event_that_is_refused(definition: str, word: str) -> None:
    """A timer start event is evaluated at deployment, and refused there with its id."""
    with pytest.raises(Rejection) as caught:
        World().deploy(started_by(definition))
    assert caught.value.status == "INVALID_ARGUMENT"
    assert "'s0'" in caught.value.message
    assert word in caught.value.message


def test_refused_version_leaves_the_timers() -> None:
    """A deployment that is refused cancels nothing."""
    w = World()
    w.deploy(started_by(timer("cycle", "R/PT10M")))
    with pytest.raises(Rejection):
        w.deploy(started_by(timer("cycle", "=nothing")))
    w.later(10 * MINUTE)
    assert len(w.running()) == 1


def test_timer_start_over_a_restart(tmp_path: Path) -> None:
    """The timers of start events are kept, with the times that are left."""
    w = World(tmp_path)
    w.deploy(started_by(timer("cycle", "R3/PT10M")))
    for count in (1, 2, 3):
        w.restart()
        w.later(10 * MINUTE)
        assert len(w.running()) == count
    w.restart()
    w.later(HOUR)
    assert len(w.running()) == 3
    assert "timers" not in w.left()


def test_output_mapping_of_a_timer_start_event() -> None:
    """The output mappings of a timer start event make the first variables of its instance."""
    w = World()
    start = event_start("s", timer("date", "2027-01-15T09:00:00Z"), outputs={"at": "=string(now())"})
    w.deploy(definitions(process("p", start, element("task", "t"), chain("s", "t"))))
    w.later(HOUR)
    (variables,) = w.ended.values()
    assert variables is not None
    moment = datetime.fromisoformat(variables["at"].partition("[")[0].partition("@")[0])
    assert moment.timestamp() * 1000 == BEGINNING + HOUR
    assert w.left() == {}
