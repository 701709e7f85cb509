"""Call activities: which process is called, which variables go there and come back, and how both end."""

from __future__ import annotations

from typing import Any

import pytest

from local_engine.errors import Rejection
from tests.local_engine.bpmn import (
    END,
    START,
    boundary,
    call,
    chain,
    definitions,
    error,
    job,
    on_error,
    process,
    timer,
)
from tests.local_engine.world import World

CHILD = definitions(process("child", START, job("work"), END, chain("start", "work", "end")))


def world(calling: str, *extra: str, before: str = "") -> World:
    """Return a world with a process `p` that calls `child` from the element `c`."""
    w = World()
    w.deploy(
        CHILD, definitions(before, process("p", START, calling, END, chain("start", "c", "end"), *extra))
    )
    return w


@pytest.mark.parametrize(
    ("options", "seen"),
    [
        pytest.param({}, {"x": 1, "own": 2}, id="all_by_default"),
        pytest.param({"propagateAllParentVariables": "true"}, {"x": 1, "own": 2}, id="all"),
        pytest.param({"propagateAllParentVariables": "false"}, {"own": 2}, id="inputs_alone"),
    ],
)
def test_variables_that_go_in(options: dict[str, Any], seen: dict[str, Any]) -> None:
    """The called process has copies of all visible variables, or of the inputs alone."""
    w = world(call("c", "child", inputs={"own": "=x + 1"}, **options))
    w.start(x=1)
    assert w.take_one("work").variables == seen


@pytest.mark.parametrize(
    ("options", "outputs", "left"),
    [
        pytest.param({}, {}, {"x": 5, "r": 2}, id="all_by_default"),
        pytest.param({"propagateAllChildVariables": "false"}, {}, {"x": 1}, id="none"),
        pytest.param(
            {"propagateAllChildVariables": "false"}, {"y": "=r"}, {"x": 1, "y": 2}, id="mapped_alone"
        ),
        pytest.param({}, {"y": "=r + x"}, {"x": 1, "y": 7}, id="mappings_win"),
    ],
)
def test_variables_that_come_back(
    options: dict[str, Any], outputs: dict[str, str], left: dict[str, Any]
) -> None:
    """All variables of the called process come back, or what the output mappings make of them, or none."""
    w = world(call("c", "child", outputs=outputs, **options))
    key = w.start(x=1)
    w.do("work", x=5, r=2)
    assert w.ended == {key: left}
    assert w.left() == {}


def test_the_latest_version_is_called() -> None:
    """An instance that calls later gets the version that is deployed by then."""
    w = world(call("c", "child"))
    w.start()
    w.deploy(definitions(process("child", START, job("newer"), END, chain("start", "newer", "end"))))
    w.start()
    assert (len(w.take("work")), len(w.take("newer"))) == (1, 1)


def test_a_process_id_by_expression() -> None:
    """The id is worked out when the activity is entered; what is no string is an incident."""
    w = world(call("c", "=which"))
    key = w.start(which=7)
    assert (w.incident().type, "'STRING'" in w.incident().message) == ("EXTRACT_VALUE_ERROR", True)
    w.set(key, which="child")
    w.resolve()
    w.do("work")
    assert w.left() == {}


def test_a_missing_process_is_an_incident_until_it_is_deployed() -> None:
    """The message names the process; once it is there, resolving calls it."""
    w = World()
    w.deploy(definitions(process("p", START, call("c", "child"), END, chain("start", "c", "end"))))
    key = w.start()
    assert (w.incident().type, "'child'" in w.incident().message) == ("CALLED_ELEMENT_ERROR", True)
    w.deploy(CHILD)
    w.resolve()
    w.do("work")
    assert key in w.ended


def test_a_process_without_a_none_start_event_cannot_be_called() -> None:
    """A process that only a timer starts is an incident for its caller."""
    w = World()
    start = f'<bpmn:startEvent id="t">{timer("date", "2099-01-01T00:00:00Z")}</bpmn:startEvent>'
    w.deploy(
        definitions(process("child", start, END, chain("t", "end"))),
        definitions(process("p", START, call("c", "child"), END, chain("start", "c", "end"))),
    )
    w.start()
    assert w.incident().type == "CALLED_ELEMENT_ERROR"


def test_an_error_leaves_the_called_process() -> None:
    """An error that nothing catches inside is caught at the call activity, and the called process is gone."""
    path = (
        boundary("b", "c", on_error("E"), outputs={"why": "=reason"})
        + '<bpmn:endEvent id="e2"/>'
        + chain("b", "e2")
    )
    w = world(call("c", "child"), path, before=error("E", "X"))
    key = w.start()
    w.throw(w.take_one("work").key, "X", reason="full")
    assert w.ended == {key: {"why": "full"}}
    assert w.left() == {}


def test_an_uncaught_error_stays_at_the_job_inside() -> None:
    """The incident is at the called process's task."""
    w = world(call("c", "child"))
    w.start()
    w.throw(w.take_one("work").key, "X")
    assert w.incident().type == "UNHANDLED_ERROR_EVENT"


def test_a_boundary_timer_ends_the_called_process() -> None:
    """An interrupting event at the call activity terminates what it has called; no variables come back."""
    path = boundary("b", "c", timer("duration", "PT5S")) + '<bpmn:endEvent id="e2"/>' + chain("b", "e2")
    w = world(call("c", "child"), path)
    key = w.start()
    job_key = w.take_one("work").key
    w.later(5000)
    assert w.ended == {key: {}}
    assert w.left() == {}
    with pytest.raises(Rejection, match="NOT_FOUND"):
        w.complete(job_key)


def test_cancelling_ends_all_levels() -> None:
    """Cancelling the outer instance ends the called one; cancelling the called one alone is refused."""
    w = world(call("c", "child"))
    key = w.start()
    (called,) = [k for k, i in w.engine.state.instances.items() if i.caller]
    with pytest.raises(Rejection, match=f"root process instance '{key}'") as refused:
        w.cancel(called)
    assert refused.value.status == "FAILED_PRECONDITION"
    w.cancel(key)
    assert w.ended == {key: None}
    assert w.left() == {}


def test_a_process_that_calls_itself_without_end_stops_at_an_incident() -> None:
    """The recursion is bounded, and cancelling it leaves nothing."""
    w = World()
    w.deploy(definitions(process("p", START, call("c", "p"), END, chain("start", "c", "end"))))
    key = w.start()
    assert (w.incident().type, "without end" in w.incident().message) == ("CALLED_ELEMENT_ERROR", True)
    w.cancel(key)
    assert w.left() == {}
