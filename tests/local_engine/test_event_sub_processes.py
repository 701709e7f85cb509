"""Event sub-processes: what starts them, what they interrupt, and which variables they see and leave."""

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
    catch,
    chain,
    definitions,
    element,
    error,
    event_start,
    event_sub_process,
    job,
    mappings,
    message,
    on_error,
    on_message,
    process,
    script,
    sub_process,
    timer,
)
from tests.local_engine.world import World, document

HEAD = message("M", "m", "=key") + message("N", "n", "=key") + error("E", "X") + error("F", "Y")
TRIGGERS = {"message": on_message("M"), "timer": timer("duration", "PT5M"), "error": on_error("E")}
MAIN = START + job("a") + END + chain("start", "a", "end")


def handler(
    definition: str,
    *parts: str,
    name: str = "h",
    interrupting: bool = True,
    extensions: str = "",
    outputs: Pairs = (),
) -> str:
    """Return an event sub-process with a job of its name; its id is `es-<name>`."""
    start = event_start(f"start-{name}", definition, interrupting=interrupting, outputs=outputs)
    ways = chain(f"start-{name}", name, f"end-{name}")
    inner = (start, job(name), element("endEvent", f"end-{name}"), ways, *parts)
    return event_sub_process(f"es-{name}", *inner, extensions=extensions)


def deployed(*parts: str) -> World:
    """Return a world with a process of these parts."""
    w = World()
    w.deploy(definitions(HEAD, process("p", *parts)))
    return w


def trigger(w: World, kind: str) -> None:
    """Let the event of a kind happen; the error comes out of the job `a`."""
    if kind == "message":
        w.publish("m", "k")
    elif kind == "timer":
        w.later(5 * 60_000)
    else:
        w.throw(w.take_one("a").key, "X")


# Interrupting and not


@pytest.mark.parametrize("kind", ["message", "timer", "error"])
def test_interrupting(kind: str) -> None:
    """Everything else in the scope ends, the event sub-process runs, and with it the process ends."""
    w = deployed(MAIN, handler(TRIGGERS[kind]))
    key = w.start(key="k")
    trigger(w, kind)
    assert w.active(key) == ["es-h", "h"]
    assert w.take("a") == []
    w.do("h", x=1)
    assert w.ended[key] == {"key": "k", "x": 1}
    assert w.path(key, "ELEMENT_TERMINATED") == ["a"]
    assert w.path(key) == ["start", "start-h", "h", "end-h", "es-h", "p"]
    assert w.left() == {}


@pytest.mark.parametrize("kind", ["message", "timer"])
def test_non_interrupting(kind: str) -> None:
    """The scope goes on beside the event sub-process, and ends when both have ended."""
    w = deployed(MAIN, handler(TRIGGERS[kind], interrupting=False))
    key = w.start(key="k")
    trigger(w, kind)
    assert w.active(key) == ["a", "es-h", "h"]
    w.do("a", x=1)
    assert key not in w.ended
    w.do("h", y=2)
    assert w.ended[key] == {"key": "k", "x": 1, "y": 2}
    assert w.left() == {}


def test_non_interrupting_several_times() -> None:
    """Each message starts an instance of the event sub-process of its own, at the same time."""
    w = deployed(MAIN, handler(TRIGGERS["message"], interrupting=False))
    key = w.start(key="k")
    for _ in range(3):
        w.publish("m", "k")
    first, second, third = w.take("h")
    w.complete(second.key)
    w.do("a")
    w.publish("m", "k")  # the scope is still there, and so is what it waits for
    w.do("h")
    for each in (first, third):
        assert key not in w.ended
        w.complete(each.key)
    assert key in w.ended
    assert w.left() == {}


def test_interrupting_happens_once() -> None:
    """A second event of the same kind finds nobody who waits."""
    w = deployed(MAIN, handler(TRIGGERS["message"]))
    key = w.start(key="k")
    w.publish("m", "k")
    w.publish("m", "k", x="late")
    assert w.left() == {"instances": 3, "jobs": 1}
    w.do("h")
    assert w.ended[key] == {"key": "k"}
    assert w.left() == {}


def test_interrupting_ends_other_event_sub_processes() -> None:
    """Running instances of non-interrupting event sub-processes end too, and none begins any more."""
    w = deployed(
        MAIN,
        handler(TRIGGERS["message"], interrupting=False, name="note"),
        handler(on_message("N"), name="stop"),
        handler(timer("cycle", "R/PT1M"), interrupting=False, name="tick"),
    )
    key = w.start(key="k")
    w.publish("m", "k")
    w.later(60_000)
    assert w.active(key) == ["a", "es-note", "es-tick", "note", "tick"]
    w.publish("n", "k")
    assert w.active(key) == ["es-stop", "stop"]
    w.publish("m", "k")
    w.later(600_000)
    assert w.active(key) == ["es-stop", "stop"]
    w.do("stop")
    assert key in w.ended
    assert w.left() == {}


def test_first_of_two_interrupting_events() -> None:
    """Of two interrupting event sub-processes the first that is triggered wins; no other one follows."""
    w = deployed(MAIN, handler(TRIGGERS["message"], name="one"), handler(TRIGGERS["timer"], name="two"))
    key = w.start(key="k")
    w.publish("m", "k")
    w.later(600_000)
    assert w.active(key) == ["es-one", "one"]
    w.do("one")
    assert key in w.ended
    assert w.left() == {}


@pytest.mark.parametrize("second", [True, False], ids=["both interrupt", "the second does not"])
@pytest.mark.parametrize("kind", ["message", "timer"])
def test_two_events_in_one_turn(kind: str, second: bool) -> None:
    """Once one event has interrupted the scope, another one that has come at the same time does not happen."""
    timers = kind == "timer"
    w = deployed(
        MAIN,
        handler(TRIGGERS["timer"] if timers else on_message("M"), name="one"),
        handler(TRIGGERS["timer"] if timers else on_message("N"), name="two", interrupting=second),
    )
    key = w.start(key="k")
    if timers:
        w.later(300_000)
    else:
        w.engine.messages.publish("m", "k", 0, "", document({}))
        w.engine.messages.publish("n", "k", 1000, "", document({"kept": 1}))
        w.settle()
    assert w.active(key) == ["es-one", "one"]
    w.do("one")
    assert w.ended[key] == {"key": "k"}
    assert [message.taken for message in w.engine.state.messages.values()] == ([] if timers else [[]])
    w.later(1000)
    assert w.left() == {}


def test_interrupting_takes_tokens_that_wait_at_joins() -> None:
    """A token at a join is ended too: the scope does not wait for its partner."""
    gateways = element("parallelGateway", "f") + element("parallelGateway", "j")
    routes = chain("start", "f", "a", "j", "end") + chain("f", "b", "j")
    w = deployed(START, gateways, job("a"), job("b"), END, routes, handler(TRIGGERS["message"]))
    key = w.start(key="k")
    w.do("a")
    w.publish("m", "k")
    w.do("h")
    assert key in w.ended
    assert w.left() == {}


def test_interrupting_ends_incidents_and_called_processes() -> None:
    """What stands at an incident and what was called ends with the scope."""
    w = World()
    w.deploy(definitions(process("q", START, job("b"), chain("start", "b"))))
    gateways = element("parallelGateway", "f") + chain("start", "f", "a") + chain("f", "c")
    w.deploy(
        definitions(
            HEAD, process("p", START, gateways, job("a"), call("c", "q"), handler(TRIGGERS["message"]))
        )
    )
    key = w.start(key="k")
    w.fail(w.take_one("a").key, 0)
    assert len(w.running()) == 2
    w.publish("m", "k")
    assert (w.incidents(), w.running()) == ([], [key])
    w.do("h")
    assert w.left() == {}


# Scopes


@pytest.mark.parametrize("kind", ["message", "timer", "error"])
def test_in_a_sub_process(kind: str) -> None:
    """Within an embedded sub-process only that is interrupted; its outgoing flow is taken afterwards."""
    inner = element("startEvent", "ss") + job("a") + chain("ss", "a")
    gateways = element("parallelGateway", "f") + element("parallelGateway", "j")
    routes = chain("start", "f", "s", "j", "end") + chain("f", "b", "j")
    w = deployed(START, gateways, sub_process("s", inner, handler(TRIGGERS[kind])), job("b"), END, routes)
    key = w.start(key="k")
    trigger(w, kind)
    assert w.active(key) == ["b", "es-h", "h", "s"]
    w.do("h")
    w.do("b")
    assert key in w.ended
    assert w.left() == {}


def test_nested_event_sub_processes() -> None:
    """An event sub-process may hold one of its own, which interrupts that alone."""
    nested = handler(on_message("N"), name="inner")
    w = deployed(MAIN, handler(TRIGGERS["message"], nested, name="outer", interrupting=False))
    key = w.start(key="k")
    w.publish("n", "k")
    assert w.active(key) == ["a"]
    w.publish("m", "k")
    w.publish("n", "k")
    assert w.active(key) == ["a", "es-inner", "es-outer", "inner"]
    w.do("inner")
    assert w.active(key) == ["a"]
    w.publish("m", "k")  # and once more
    w.do("outer")
    w.do("a")
    assert key in w.ended
    assert w.left() == {}


def test_scope_in_the_middle_of_nowhere_waits_for_nothing() -> None:
    """An event sub-process of a sub-process is open only while that sub-process runs."""
    inner = element("startEvent", "ss") + job("b") + chain("ss", "b")
    routes = chain("start", "a", "s", "c", "end")
    w = deployed(
        START, job("a"), sub_process("s", inner, handler(TRIGGERS["message"])), job("c"), END, routes
    )
    key = w.start(key="k")
    w.publish("m", "k")
    w.do("a")
    assert w.active(key) == ["b", "s"]
    w.do("b")
    w.publish("m", "k")
    w.do("c")
    assert w.ended[key] == {"key": "k"}
    assert w.left() == {}


def test_boundary_events_of_an_interrupted_sub_process() -> None:
    """What is attached to a sub-process can still happen while its interrupting event sub-process runs."""
    inner = element("startEvent", "ss") + job("a") + chain("ss", "a")
    events = boundary("b", "s", on_message("N")) + boundary(
        "t", "s", timer("duration", "PT10M"), interrupting=False
    )
    routes = chain("start", "s") + chain("b", "stopped") + chain("t", "late")
    w = deployed(
        START,
        sub_process("s", inner, handler(TRIGGERS["message"])),
        events,
        job("stopped"),
        job("late"),
        routes,
    )
    key = w.start(key="k")
    w.publish("m", "k")
    w.later(600_000)
    assert w.active(key) == ["es-h", "h", "late", "s"]
    w.publish("n", "k")
    assert w.active(key) == ["late", "stopped"]
    w.do("late")
    w.do("stopped")
    assert key in w.ended
    assert w.left() == {}


def test_terminate_end_in_an_event_sub_process() -> None:
    """A terminate end event ends the event sub-process and nothing around it."""
    terminate = element("endEvent", "te", "<bpmn:terminateEventDefinition/>")
    start = event_start("e1", TRIGGERS["message"], interrupting=False)
    own = event_sub_process(
        "es", start, job("h1"), job("h2"), terminate, chain("e1", "h1", "te") + chain("e1", "h2")
    )
    w = deployed(MAIN, own)
    key = w.start(key="k")
    w.publish("m", "k")
    w.do("h1")
    assert w.active(key) == ["a"]
    w.do("a")
    assert key in w.ended
    assert w.left() == {}


def test_terminate_end_beside_an_event_sub_process() -> None:
    """A terminate end event of the scope ends event sub-processes that run in it."""
    terminate = element("endEvent", "te", "<bpmn:terminateEventDefinition/>")
    w = deployed(
        START,
        job("a"),
        terminate,
        chain("start", "a", "te"),
        handler(TRIGGERS["message"], interrupting=False),
    )
    key = w.start(key="k")
    w.publish("m", "k")
    w.do("a")
    assert w.ended[key] == {"key": "k"}
    assert w.left() == {}


@pytest.mark.parametrize("interrupting", [True, False], ids=["interrupting", "non-interrupting"])
def test_cancel(interrupting: bool) -> None:
    """Cancelling ends an event sub-process like everything else."""
    w = deployed(MAIN, handler(TRIGGERS["message"], interrupting=interrupting))
    key = w.start(key="k")
    w.publish("m", "k")
    w.cancel(key)
    assert w.ended[key] is None
    assert w.left() == {}


def test_message_beside_another_that_waits_inside() -> None:
    """A message for the flow inside and one for the event sub-process do not mix."""
    inside = START + catch("c", on_message("N")) + END + chain("start", "c", "end")
    w = deployed(inside, handler(TRIGGERS["message"], interrupting=False))
    key = w.start(key="k")
    w.publish("n", "k", x=1)
    assert w.ended[key] == {"key": "k", "x": 1}
    assert w.left() == {}


# Variables


def test_locals_of_the_scope_are_seen_and_changed() -> None:
    """Unlike a boundary event, an event sub-process sees and changes the local variables of its scope."""
    inner = element("startEvent", "ss") + job("a") + chain("ss", "a")
    own = mappings({"local": "=1"}, {"out": "=local"})
    w = deployed(
        START, sub_process("s", inner, handler(TRIGGERS["message"]), extensions=own), chain("start", "s")
    )
    key = w.start(key="k")
    w.publish("m", "k")
    assert w.do("h", local=2).variables == {"key": "k", "local": 1}
    assert w.ended[key] == {"key": "k", "out": 2}
    assert w.left() == {}


@pytest.mark.parametrize("interrupting", [True, False], ids=["interrupting", "non-interrupting"])
def test_message_variables_reach_the_process(interrupting: bool) -> None:
    """What the message carries goes outwards, past event sub-process and sub-process, as by any message."""
    inner = element("startEvent", "ss") + job("a") + chain("ss", "a")
    own = sub_process("s", inner, handler(TRIGGERS["message"], interrupting=interrupting))
    w = deployed(START, own, chain("start", "s"))
    key = w.start(key="k", known=0)
    w.publish("m", "k", known=1, new=2)
    assert w.local(key) == {"key": "k", "known": 1, "new": 2}
    w.cancel(key)
    assert w.left() == {}


def test_message_variables_stop_where_the_name_is_known() -> None:
    """A message's variable goes to the nearest scope that has one of its name."""
    inner = element("startEvent", "ss") + job("a") + chain("ss", "a")
    own = mappings({"x": "=0"}, {"out": "=x"})
    w = deployed(
        START, sub_process("s", inner, handler(TRIGGERS["message"]), extensions=own), chain("start", "s")
    )
    key = w.start(key="k")
    w.publish("m", "k", x=1)
    w.do("h")
    assert w.ended[key] == {"key": "k", "out": 1}
    assert w.left() == {}


def test_input_mappings() -> None:
    """Input mappings of an event sub-process make variables that are seen within it only."""
    w = deployed(MAIN, handler(TRIGGERS["message"], extensions=mappings({"mine": "=n + 1"})))
    key = w.start(key="k", n=1)
    w.publish("m", "k", mine="swallowed", other=1)
    assert w.do("h").variables == {"key": "k", "n": 1, "mine": "swallowed", "other": 1}
    assert w.ended[key] == {"key": "k", "n": 1, "other": 1}
    assert w.left() == {}


def test_failing_input_mapping() -> None:
    """A failing input mapping is an incident after the event has happened; mended, it goes on."""
    w = deployed(MAIN, handler(TRIGGERS["message"], extensions=mappings({"mine": '=assert(n, n > 0, "n?")'})))
    key = w.start(key="k", n=0)
    w.publish("m", "k", x=1)
    assert w.incident().type == "IO_MAPPING_ERROR"
    assert w.take("a") == []
    w.set(key, n=5)
    w.resolve()
    assert w.do("h").variables == {"key": "k", "n": 5, "mine": 5, "x": 1}
    assert w.ended[key] == {"key": "k", "n": 5, "x": 1}
    assert w.left() == {}


def test_output_mappings() -> None:
    """Output mappings of an event sub-process let its local variables out."""
    own = mappings({"mine": "=0"}, {"out": "=mine", "in.ner": "=mine + 1"})
    w = deployed(MAIN, handler(TRIGGERS["message"], extensions=own))
    key = w.start(key="k")
    w.publish("m", "k")
    w.do("h", mine=5)
    assert w.ended[key] == {"key": "k", "out": 5, "in": {"ner": 6}}
    assert w.left() == {}


def test_output_mapping_of_the_start_event_and_a_message() -> None:
    """An output mapping at the start event keeps the message's variables there, and lets out what it maps."""
    w = deployed(MAIN, handler(TRIGGERS["message"], outputs={"kept": "=x + 1"}))
    key = w.start(key="k")
    w.publish("m", "k", x=1, hidden=2)
    assert w.do("h").variables == {"key": "k", "kept": 2}
    assert w.ended[key] == {"key": "k", "kept": 2}
    assert w.left() == {}


@pytest.mark.parametrize(
    ("outputs", "seen"),
    [
        pytest.param({}, {}, id="without a mapping: nothing"),
        pytest.param({"reason": "=why"}, {"reason": "because"}, id="with one: what it maps"),
    ],
)
def test_variables_of_an_error(outputs: dict[str, str], seen: dict[str, str]) -> None:
    """An error's variables are local to the start event; only its output mappings let them out."""
    w = deployed(MAIN, handler(TRIGGERS["error"], outputs=outputs))
    key = w.start()
    w.throw(w.take_one("a").key, "X", why="because", other=1)
    assert w.do("h").variables == seen
    assert w.ended[key] == seen
    assert w.left() == {}


# What it begins with


def test_key_may_come_from_the_start_event() -> None:
    """An event sub-process begins to wait when the start event beside it is completed, with what that has mapped."""
    start = element("startEvent", "start", extensions=mappings((), {"key": '="id-" + n'}))
    w = deployed(start, job("a"), END, chain("start", "a", "end"), handler(TRIGGERS["message"]))
    key = w.start(n="7")
    assert w.incidents() == []
    w.publish("m", "id-7")
    w.do("h")
    assert w.ended[key] == {"n": "7", "key": "id-7"}
    assert w.left() == {}


def test_key_that_is_missing() -> None:
    """A wrong correlation key is an incident before the first task, and is mended by a variable."""
    w = deployed(MAIN, handler(TRIGGERS["message"]))
    key = w.start()
    assert w.incident().type == "EXTRACT_VALUE_ERROR"
    assert w.take("a") == []
    w.set(key, key="k")
    w.resolve()
    w.publish("m", "k")
    w.do("h")
    assert w.ended[key] == {"key": "k"}
    assert w.left() == {}


def test_scope_that_is_entered_in_the_middle() -> None:
    """Event sub-processes wait also where start instructions leave the start events out."""
    inner = element("startEvent", "ss") + job("a") + job("b") + chain("ss", "a", "b")
    own = sub_process("s", inner, handler(TRIGGERS["message"]))
    w = deployed(START, own, handler(on_message("N"), name="outer"), chain("start", "s"))
    key = w.start(at=["b"], key="k")
    w.publish("m", "k")
    assert w.active(key) == ["es-h", "h", "s"]
    w.publish("n", "k")
    assert w.active(key) == ["es-outer", "outer"]
    w.do("outer")
    assert key in w.ended
    assert w.left() == {}


def test_kept_message_starts_it_at_once() -> None:
    """A message that was published before is taken as soon as the scope has begun."""
    w = deployed(MAIN, handler(TRIGGERS["message"]))
    w.publish("m", "k", ttl=1000, x=1)
    key = w.start(key="k")
    assert w.active(key) == ["es-h", "h"]
    assert w.do("h").variables == {"key": "k", "x": 1}
    w.later(1000)
    assert w.left() == {}


def test_kept_messages_start_it_as_often() -> None:
    """All kept messages start a non-interrupting event sub-process, in their order."""
    w = deployed(MAIN, handler(TRIGGERS["message"], interrupting=False, extensions=mappings({"n": "=null"})))
    for n in (1, 2, 3):
        w.publish("m", "k", ttl=1000, n=n)
    key = w.start(key="k")
    assert [each.variables["n"] for each in w.take("h")] == [1, 2, 3]
    w.cancel(key)
    w.later(1000)
    assert w.left() == {}


# Errors


def test_error_in_an_event_sub_process_goes_outwards() -> None:
    """An error is not caught by the event sub-process that it comes from."""
    inner = element("startEvent", "ss") + job("a") + chain("ss", "a")
    own = sub_process("s", inner, handler(TRIGGERS["error"]))
    caught = boundary("b", "s", on_error("E")) + job("outside") + chain("b", "outside")
    w = deployed(START, own, caught, chain("start", "s"))
    key = w.start()
    w.throw(w.take_one("a").key, "X")
    w.throw(w.take_one("h").key, "X")
    assert w.active(key) == ["outside"]
    w.do("outside")
    assert key in w.ended
    assert w.left() == {}


@pytest.mark.parametrize("restart", [False, True], ids=["at once", "after a restart"])
def test_error_in_an_interrupting_event_sub_process_finds_no_sibling(tmp_path: Path, restart: bool) -> None:
    """After an interruption no other event sub-process of the scope catches anything."""
    w = World(tmp_path)
    others = handler(TRIGGERS["message"], name="one") + handler(TRIGGERS["error"], name="two")
    w.deploy(definitions(HEAD, process("p", MAIN, others)))
    w.start(key="k")
    w.publish("m", "k")
    if restart:
        w.restart()
    w.throw(w.take_one("one").key, "X")
    assert w.incident().type == "UNHANDLED_ERROR_EVENT"
    assert w.take("two") == []


def test_error_in_a_non_interrupting_event_sub_process_finds_its_sibling() -> None:
    """The scope is not interrupted yet, so its error event sub-process catches what comes out of another one."""
    w = deployed(
        MAIN,
        handler(TRIGGERS["message"], name="one", interrupting=False),
        handler(TRIGGERS["error"], name="two"),
    )
    key = w.start(key="k")
    w.publish("m", "k")
    w.throw(w.take_one("one").key, "X")
    assert w.active(key) == ["es-two", "two"]
    w.do("two")
    assert key in w.ended
    assert w.left() == {}


@pytest.mark.parametrize(
    ("code", "name"), [("X", "exact"), ("Y", "other"), ("Z", "all")], ids=["X", "Y", "all"]
)
def test_code_before_all_codes(code: str, name: str) -> None:
    """Of several error event sub-processes the one of the code comes first, then the one of all codes."""
    w = deployed(
        MAIN,
        handler(on_error(), name="all"),
        handler(on_error("E"), name="exact"),
        handler(on_error("F"), name="other"),
    )
    key = w.start()
    w.throw(w.take_one("a").key, code)
    assert w.active(key) == sorted([f"es-{name}", name])


def test_error_end_event_is_caught_in_its_scope() -> None:
    """An error end event is caught by an event sub-process beside it, and ends what else runs there."""
    end = element("endEvent", "ee", on_error("E"))
    routes = chain("start", "f", "a", "ee") + chain("f", "b")
    w = deployed(
        START, element("parallelGateway", "f"), job("a"), job("b"), end, routes, handler(TRIGGERS["error"])
    )
    key = w.start()
    w.do("a")
    assert w.active(key) == ["es-h", "h"]
    w.do("h")
    assert w.ended[key] == {}
    assert w.left() == {}


def test_error_of_a_called_process_is_caught_by_the_caller() -> None:
    """An error that leaves a called process is caught by an event sub-process around the call activity."""
    w = World()
    w.deploy(definitions(process("q", START, job("b"), chain("start", "b"))))
    w.deploy(
        definitions(HEAD, process("p", START, call("c", "q"), chain("start", "c"), handler(on_error("E"))))
    )
    key = w.start()
    w.throw(w.take_one("b").key, "X")
    assert (w.running(), w.active(key)) == ([key], ["es-h", "h"])
    w.do("h")
    assert w.left() == {}


def test_error_end_event_in_an_event_sub_process_of_a_called_process() -> None:
    """A called process may clean up in an event sub-process and throw the error on to its caller."""
    start = event_start("e1", on_error("E"))
    again = element("endEvent", "e2", on_error("E"))
    clean = event_sub_process("es", start, script("t", "=1", "cleaned"), again, chain("e1", "t", "e2"))
    w = World()
    w.deploy(definitions(HEAD, process("q", START, job("b"), chain("start", "b"), clean)))
    caught = boundary("be", "c", on_error("E")) + job("outside") + chain("be", "outside")
    w.deploy(definitions(HEAD, process("p", START, call("c", "q"), caught, chain("start", "c"))))
    key = w.start()
    w.throw(w.take_one("b").key, "X")
    assert (w.running(), w.active(key)) == ([key], ["outside"])
    w.do("outside")
    assert w.ended[key] == {}
    assert w.left() == {}


# Restart and refusals


@pytest.mark.parametrize(
    ("kind", "interrupting"),
    [("message", True), ("message", False), ("timer", True), ("timer", False), ("error", True)],
    ids=["message", "non-interrupting message", "timer", "non-interrupting timer", "error"],
)
def test_restart_before_and_after_the_event(tmp_path: Path, kind: str, interrupting: bool) -> None:
    """What a scope waits for, and that it was interrupted, is kept over a restart."""
    w = World(tmp_path)
    sibling = handler(on_message("N"), name="other")
    w.deploy(
        definitions(HEAD, process("p", MAIN, handler(TRIGGERS[kind], interrupting=interrupting), sibling))
    )
    key = w.start(key="k")
    w.restart()
    trigger(w, kind)
    w.restart()
    w.publish("n", "k")
    if interrupting:
        w.do("h")
    else:
        assert w.active(key) == ["es-other", "other"]
        w.do("other")
    assert key in w.ended
    assert w.left() == {}


@pytest.mark.parametrize(
    ("own", "word"),
    [
        pytest.param(
            event_sub_process("es", element("startEvent", "e1"), job("h"), chain("e1", "h")),
            "'e1'",
            id="a none start event",
        ),
        pytest.param(
            event_sub_process(
                "es", event_start("e1", on_error("E"), interrupting=False), job("h"), chain("e1", "h")
            ),
            "'e1'",
            id="an error that does not interrupt",
        ),
        pytest.param(
            event_sub_process("es", event_start("e1", timer("cycle", "R/PT1M")), job("h"), chain("e1", "h")),
            "'e1'",
            id="a cycle that interrupts",
        ),
        pytest.param(event_sub_process("es", job("h")), "'es'", id="no start event"),
        pytest.param(
            event_sub_process(
                "es",
                event_start("e1", on_error("E")),
                event_start("e2", on_error("F")),
                job("h"),
                chain("e1", "h"),
            ),
            "'es'",
            id="two start events",
        ),
        pytest.param(
            handler(on_message("M"), name="one") + handler(on_message("M"), name="two"),
            "'start-two'",
            id="the same message twice",
        ),
        pytest.param(
            handler(on_error("E"), name="one") + handler(on_error("E"), name="two"),
            "'start-two'",
            id="the same code twice",
        ),
    ],
)
def test_what_is_refused(own: str, word: str) -> None:
    """A wrong event sub-process is refused at deployment with the id of what is wrong."""
    with pytest.raises(Rejection) as caught:
        deployed(MAIN, own)
    assert caught.value.status == "INVALID_ARGUMENT"
    assert word in caught.value.message
