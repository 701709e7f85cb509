"""Boundary events: every kind on every activity, what they end, what they leave alone, and what they see."""

from __future__ import annotations

from pathlib import Path

import pytest

from local_engine.errors import Rejection
from tests.local_engine.bpmn import (
    END,
    START,
    Pairs,
    boundary,
    call,
    chain,
    definitions,
    element,
    error,
    event_start,
    event_sub_process,
    job,
    mappings,
    message,
    multi_instance,
    on_error,
    on_message,
    process,
    receive,
    script,
    sub_process,
    timer,
)
from tests.local_engine.world import World

HEAD = (
    message("M", "m", "=key")
    + message("N", "n", "=key")
    + message("R", "r", "=key")
    + error("E", "X")
    + error("F", "Y")
)
USER_TASK = "io.camunda.zeebe:userTask"
INNER = element("startEvent", "ss") + job("inner") + element("endEvent", "se") + chain("ss", "inner", "se")
ACTIVITIES = {
    "service task": job("t"),
    "send task": job("t", kind="sendTask"),
    "business rule task": job("t", kind="businessRuleTask"),
    "script task as job": job("t", kind="scriptTask"),
    "user task": element("userTask", "t"),
    "receive task": receive("t", "R"),
    "sub-process": sub_process("t", INNER),
    "call activity": call("t", "called"),
    "multi-instance task": job("t", multi_instance("=[1, 2]", "item")),
    "multi-instance sub-process": sub_process("t", multi_instance("=[1, 2]", "item"), INNER),
    "sequential call activity": call("t", "called", parts=multi_instance("=[1, 2]", "item", sequential=True)),
}
JOB_TYPES = {
    "user task": USER_TASK,
    "sub-process": "inner",
    "call activity": "deep",
    "multi-instance sub-process": "inner",
    "sequential call activity": "deep",
}
EVENTS = {"message": on_message("M"), "timer": timer("duration", "PT5M"), "error": on_error("E")}
CALLED = process(
    "called", element("startEvent", "cs"), job("deep"), element("endEvent", "ce"), chain("cs", "deep", "ce")
)


def attached(
    activity: str,
    definition: str,
    *parts: str,
    interrupting: bool = True,
    outputs: Pairs = (),
    folder: Path | None = None,
) -> World:
    """Return a world with an activity `t`, an event `b` on it, and a job `after` behind the event."""
    event = boundary("b", "t", definition, interrupting=interrupting, outputs=outputs)
    routes = chain("start", "t", "end") + chain("b", "after", "end-after")
    own = process(
        "p", START, activity, event, job("after"), END, element("endEvent", "end-after"), routes, *parts
    )
    w = World(folder)
    w.deploy(definitions(HEAD, CALLED, own))
    return w


def happen(w: World, kind: str, activity: str) -> None:
    """Let an event of a kind happen; an error comes out of a job of the activity."""
    if kind == "message":
        w.publish("m", "k", carried=1)
    elif kind == "timer":
        w.later(300_000)
    else:
        w.throw(w.take(JOB_TYPES.get(activity, "t"))[0].key, "X", carried=1)


def finish(w: World, activity: str) -> None:
    """Do what the activity waits for until it has ended."""
    if activity == "receive task":
        w.publish("r", "k")
    while taken := w.take(JOB_TYPES.get(activity, "t")):
        for each in taken:
            w.complete(each.key)


WITH_ERRORS = [
    pytest.param(activity, kind, id=f"{kind} on a {activity}")
    for activity in ACTIVITIES
    for kind in EVENTS
    if (activity, kind) != ("receive task", "error")
]


@pytest.mark.parametrize(("activity", "kind"), WITH_ERRORS)
def test_interrupting_event(activity: str, kind: str) -> None:
    """The activity ends with everything in it, and the process goes on at the event alone."""
    w = attached(ACTIVITIES[activity], EVENTS[kind])
    key = w.start(key="k")
    happen(w, kind, activity)
    assert w.active(key) == ["after"]
    assert w.left() == {"instances": 2, "jobs": 1}
    w.do("after")
    assert w.ended[key] == {"key": "k"} | ({"carried": 1} if kind == "message" else {})
    assert [name for name in w.path(key) if name != "ss"] == ["start", "b", "after", "end-after", "p"]
    assert w.left() == {}


@pytest.mark.parametrize("activity", ACTIVITIES)
@pytest.mark.parametrize("kind", ["message", "timer"])
def test_non_interrupting_event(activity: str, kind: str) -> None:
    """The activity goes on as if nothing had happened; the way of the event runs beside it."""
    w = attached(ACTIVITIES[activity], EVENTS[kind], interrupting=False)
    key = w.start(key="k")
    before = w.active(key)
    happen(w, kind, activity)
    assert w.active(key) == sorted([*before, "after"])
    w.do("after")
    finish(w, activity)
    assert w.ended[key] == {"key": "k"} | ({"carried": 1} if kind == "message" else {})
    assert w.left() == {}


@pytest.mark.parametrize("activity", ACTIVITIES)
def test_event_that_does_not_happen(activity: str) -> None:
    """An activity that ends by itself closes what is attached to it."""
    parts = boundary("b2", "t", timer("duration", "PT5M")) + chain("b2", "end")
    parts += boundary("b3", "t", on_error("E")) + chain("b3", "end")
    w = attached(ACTIVITIES[activity], EVENTS["message"], parts)
    key = w.start(key="k")
    finish(w, activity)
    assert w.ended[key] == {"key": "k"}
    assert w.left() == {}


@pytest.mark.parametrize(
    "activity",
    [script("t", "=1", "x"), element("manualTask", "t"), element("task", "t")],
    ids=["script task", "manual task", "undefined task"],
)
def test_event_on_a_task_that_waits_for_nothing(activity: str) -> None:
    """A task that passes at once gives its events no time to happen, and leaves nothing open."""
    w = attached(activity, EVENTS["message"], boundary("b2", "t", EVENTS["timer"]) + chain("b2", "end"))
    key = w.start(key="k")
    assert key in w.ended
    assert w.path(key)[:3] == ["start", "t", "end"]
    assert w.left() == {}


def test_kept_message_on_a_task_that_waits_for_nothing() -> None:
    """A kept message that such a task cannot take is not used up."""
    w = attached(element("manualTask", "t"), EVENTS["message"])
    w.publish("m", "k", ttl=1000)
    key = w.start(key="k")
    assert key in w.ended
    (kept,) = w.engine.state.messages.values()
    assert kept.taken == []


@pytest.mark.parametrize("activity", ACTIVITIES)
def test_restart_with_an_event_open(tmp_path: Path, activity: str) -> None:
    """Attached events are kept over a restart, on every activity."""
    w = attached(ACTIVITIES[activity], EVENTS["message"], folder=tmp_path)
    key = w.start(key="k")
    w.restart()
    happen(w, "message", activity)
    w.restart()
    w.do("after")
    assert w.ended[key] == {"key": "k", "carried": 1}
    assert w.left() == {}


@pytest.mark.parametrize("restart", [False, True], ids=["at once", "after a restart"])
def test_event_on_an_activity_that_is_ending(tmp_path: Path, restart: bool) -> None:
    """Work that is done cannot be interrupted any more, even where an output mapping holds the activity up."""
    own = job("t", outputs={"x": '=assert(r, r != null, "no r")'})
    w = attached(
        own, EVENTS["message"], boundary("b2", "t", EVENTS["timer"]) + chain("b2", "end"), folder=tmp_path
    )
    key = w.start(key="k")
    w.do("t")
    if restart:
        w.restart()
    w.publish("m", "k")
    w.later(300_000)
    assert w.active(key) == ["t"]
    w.set(w.incident().instance, local=True, r=1)
    w.resolve()
    assert w.ended[key] == {"key": "k", "x": 1}
    assert w.left() == {}


@pytest.mark.parametrize("activity", ["service task", "sub-process", "call activity", "multi-instance task"])
def test_restart_after_an_activation_that_was_mended(tmp_path: Path, activity: str) -> None:
    """An activity that was activated on the second try is as active after a restart as any other."""
    parts = boundary("b2", "t", timer("duration", "=wait")) + chain("b2", "end")
    w = attached(ACTIVITIES[activity], EVENTS["message"], parts, interrupting=False, folder=tmp_path)
    key = w.start(key="k")
    w.restart()
    w.set(key, wait="PT1H")
    w.resolve()
    w.restart()
    w.publish("m", "k")
    w.do("after")
    finish(w, activity)
    assert w.ended[key] == {"key": "k", "wait": "PT1H"}
    assert w.left() == {}


# Which event, which variables


@pytest.mark.parametrize(
    ("code", "expected"),
    [("X", "after"), ("Y", "second"), ("Z", "third")],
    ids=["its code", "the other code", "all codes"],
)
def test_events_for_several_codes(code: str, expected: str) -> None:
    """Each error goes to the event of its code, and what has none to the one of all codes."""
    parts = boundary("all", "t", on_error()) + boundary("y", "t", on_error("F"))
    parts += job("second") + job("third") + chain("y", "second") + chain("all", "third")
    w = attached(job("t"), EVENTS["error"], parts)
    key = w.start()
    w.throw(w.take_one("t").key, code)
    assert w.active(key) == [expected]


def test_error_of_another_code_goes_further_out() -> None:
    """What the events of an activity do not catch goes on to the scope around it."""
    inner = (
        element("startEvent", "ss")
        + job("deeper")
        + boundary("x", "deeper", on_error("F"))
        + chain("ss", "deeper")
    )
    w = attached(sub_process("t", inner, element("task", "never"), chain("x", "never")), EVENTS["error"])
    key = w.start()
    w.throw(w.take_one("deeper").key, "X")
    assert w.active(key) == ["after"]


def test_interrupting_ends_the_way_of_an_earlier_reminder_not() -> None:
    """An interrupting event ends its activity, not the way that a non-interrupting event has begun before."""
    parts = (
        boundary("r", "t", timer("duration", "PT1M"), interrupting=False)
        + job("remind")
        + chain("r", "remind")
    )
    w = attached(job("t"), EVENTS["timer"], parts)
    key = w.start()
    w.later(300_000)
    assert w.active(key) == ["after", "remind"]
    w.do("after")
    w.do("remind")
    assert key in w.ended
    assert w.left() == {}


def test_events_at_the_same_moment() -> None:
    """Of two interrupting timers that are due at the same time one wins, and only one."""
    parts = boundary("b2", "t", EVENTS["timer"]) + job("second") + chain("b2", "second")
    w = attached(job("t"), EVENTS["timer"], parts)
    key = w.start()
    w.later(300_000)
    assert len(w.active(key)) == 1
    w.cancel(key)
    assert w.left() == {}


def test_message_variables_and_an_input_of_the_activity() -> None:
    """An event is outside of its activity: the activity's inputs neither swallow nor show anything."""
    w = attached(job("t", inputs={"x": "=1"}), EVENTS["message"])
    key = w.start(key="k")
    w.publish("m", "k", x=2)
    assert w.do("after").variables == {"key": "k", "x": 2}
    assert w.ended[key] == {"key": "k", "x": 2}


def test_correlation_key_from_an_input_of_the_activity() -> None:
    """What an event waits for is worked out in the activity, with its input mappings."""
    w = attached(job("t", inputs={"key": '="in-" + id'}), EVENTS["message"])
    key = w.start(id="7")
    w.publish("m", "in-7")
    assert w.active(key) == ["after"]


@pytest.mark.parametrize("kind", ["message", "error"])
def test_output_mappings_decide_what_is_seen(kind: str) -> None:
    """With output mappings an event's variables stay at the event."""
    w = attached(job("t"), EVENTS[kind], outputs={"kept": "=carried + 1", "deep.er": "=carried"})
    key = w.start(key="k", deep={"x": 0})
    happen(w, kind, "service task")
    w.do("after")
    assert w.ended[key] == {"key": "k", "kept": 2, "deep": {"x": 0, "er": 1}}
    assert w.left() == {}


def test_failing_output_mapping_of_an_event() -> None:
    """A failing output mapping is an incident at the event; the activity has ended already."""
    w = attached(job("t"), EVENTS["message"], outputs={"x": '=assert(carried, limit > 0, "limit?")'})
    key = w.start(key="k", limit=0)
    w.publish("m", "k", carried=1)
    assert (w.incident().type, w.active(key)) == ("IO_MAPPING_ERROR", ["b"])
    w.set(key, limit=1)
    w.resolve()
    w.do("after")
    assert w.ended[key] == {"key": "k", "limit": 1, "x": 1}
    assert w.left() == {}


def test_event_that_cannot_be_waited_for() -> None:
    """A wrong time is an incident before the activity begins.

    Input mappings are applied once all the same.
    """
    w = attached(job("t", inputs={"n": "=n + 1"}), timer("duration", "=wait"))
    key = w.start(n=1, wait="soon")
    assert (w.incident().type, w.take("t")) == ("EXTRACT_VALUE_ERROR", [])
    w.resolve()
    w.set(key, wait="PT1M")
    w.resolve()
    assert w.take_one("t").variables == {"n": 2, "wait": "PT1M"}
    w.later(60_000)
    assert w.active(key) == ["after"]


def test_event_while_the_job_is_an_incident() -> None:
    """An interrupting event ends an activity whose job has no retries left, with its incident."""
    w = attached(job("t"), EVENTS["message"])
    key = w.start(key="k")
    w.fail(w.take_one("t").key, 0)
    w.publish("m", "k")
    assert (w.incidents(), w.active(key)) == ([], ["after"])
    w.do("after")
    assert w.left() == {}


def test_event_while_an_error_was_not_caught() -> None:
    """An interrupting event ends an activity that stands at an uncaught error."""
    w = attached(job("t"), EVENTS["message"])
    key = w.start(key="k")
    w.throw(w.take_one("t").key, "unknown")
    w.publish("m", "k")
    w.do("after")
    assert key in w.ended
    assert w.left() == {}


def test_job_of_an_interrupted_activity() -> None:
    """The job is canceled: its worker is told that it is gone."""
    w = attached(job("t"), EVENTS["message"])
    w.start(key="k")
    taken = w.take_one("t")
    w.publish("m", "k")
    with pytest.raises(Rejection) as completed:
        w.complete(taken.key)
    with pytest.raises(Rejection) as failed:
        w.fail(taken.key, 1)
    with pytest.raises(Rejection) as thrown:
        w.throw(taken.key, "X")
    assert {caught.value.status for caught in (completed, failed, thrown)} == {"NOT_FOUND"}


def test_loop_through_a_boundary_event() -> None:
    """An event may lead back to its own activity: each time it is waited for anew."""
    again = boundary("b", "t", timer("duration", "PT5M")) + chain("start", "m", "t", "end") + chain("b", "m")
    w = World()
    w.deploy(definitions(process("p", START, element("exclusiveGateway", "m"), job("t"), END, again)))
    key = w.start()
    for _ in range(100):
        w.later(300_000)
        assert w.left() == {"instances": 2, "jobs": 1, "timers": 1}
    w.do("t")
    assert w.path(key).count("b") == 100
    assert w.left() == {}


def test_event_ends_a_tree_of_scopes() -> None:
    """An interrupting event ends sub-processes in sub-processes, called processes, event sub-processes and rounds."""
    handler = event_sub_process("es", event_start("es1", on_message("N")), job("h"), chain("es1", "h"))
    rounds = call("c", "called", parts=multi_instance("=[1, 2, 3]", "item"))
    deepest = sub_process(
        "s2", element("startEvent", "s2s"), rounds, receive("r", "R"), chain("s2s", "c"), handler
    )
    inner = element("startEvent", "ss") + deepest + element("parallelGateway", "f")
    inner += receive("r2", "R") + chain("ss", "f", "s2") + chain("f", "r2")
    w = attached(sub_process("t", inner, extensions=mappings({"own": "=1"})), EVENTS["message"])
    key = w.start(key="k")
    assert len(w.running()) == 4
    w.publish("m", "k")
    assert (w.running(), w.active(key)) == ([key], ["after"])
    w.do("after")
    assert w.ended[key] == {"key": "k"}
    assert w.left() == {}


# Refusals


@pytest.mark.parametrize(
    ("parts", "word"),
    [
        pytest.param(boundary("b2", "t", on_error("E")) + chain("b2", "end"), "'b2'", id="one code twice"),
        pytest.param(
            boundary("b2", "t", on_error())
            + boundary("b3", "t", on_error())
            + chain("b2", "end")
            + chain("b3", "end"),
            "'b3'",
            id="all codes twice",
        ),
        pytest.param(
            boundary("b2", "t", on_error("F"), interrupting=False) + chain("b2", "end"),
            "'b2'",
            id="an error that does not interrupt",
        ),
        pytest.param(
            boundary("b2", "t", timer("cycle", "R2/PT1M")) + chain("b2", "end"),
            "'b2'",
            id="a cycle that interrupts",
        ),
        pytest.param(boundary("b2", "start", on_message("M")) + chain("b2", "end"), "'b2'", id="on an event"),
        pytest.param(boundary("b2", "t", "") + chain("b2", "end"), "'b2'", id="without a definition"),
        pytest.param(boundary("b2", "t", on_message("M")), "'b2'", id="without a flow"),
        pytest.param(
            boundary("b2", "t", on_message("M")) + chain("b2", "end") + chain("after", "b2"),
            "'b2'",
            id="with a flow in",
        ),
    ],
)
def test_what_is_refused(parts: str, word: str) -> None:
    """A wrong boundary event is refused at deployment with its id."""
    with pytest.raises(Rejection) as caught:
        attached(job("t"), EVENTS["error"], parts)
    assert caught.value.status == "INVALID_ARGUMENT"
    assert word in caught.value.message
