"""Gateways: which flows a token takes, where tokens wait for each other.

And which of several events is first.
"""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import pytest

from local_engine.errors import Rejection
from tests.local_engine.bpmn import (
    END,
    START,
    catch,
    chain,
    definitions,
    element,
    flow,
    job,
    message,
    on_message,
    process,
    receive,
    script,
    sub_process,
    timer,
)
from tests.local_engine.world import World

ORDERS = ["".join(order) for order in itertools.permutations("abc")]
MESSAGES = message("M", "m", "=key") + message("N", "n", "=key")


def deciding(kind: str, *flows: str, **attributes: str) -> bytes:
    """Return a process in which a gateway `x` leads to the jobs `a`, `b` and `c`, each with an end of its own."""
    ends = "".join(element("endEvent", f"end{name}") + flow(name, f"end{name}") for name in "abc")
    parts = (START, element(kind, "x", **attributes), job("a"), job("b"), job("c"), ends, flow("start", "x"))
    return definitions(process("p", *parts, *flows))


def offered(w: World) -> str:
    """Return the letters of the jobs `a` to `d` that can be activated, and complete them."""
    found = ""
    for type in "abcd":
        for taken in w.take(type):
            found += type
            w.complete(taken.key)
    return found


# Exclusive


@pytest.mark.parametrize(
    ("n", "expected"),
    [
        pytest.param(1, "a", id="only the first"),
        pytest.param(2, "b", id="the second"),
        pytest.param(15, "a", id="the first of two that are true"),
        pytest.param(0, "c", id="none, so the default flow"),
    ],
)
def test_exclusive_takes_the_first_true_flow(n: int, expected: str) -> None:
    """Conditions are tried in the order of the diagram.

    And the default flow is taken only when none is true.
    """
    w = World()
    w.deploy(
        deciding(
            "exclusiveGateway",
            flow("x", "c"),
            flow("x", "a", "=n = 1 or n > 10"),
            flow("x", "b", "=n > 1"),
            default_="x-c",
        )
    )
    key = w.start(n=n)
    assert offered(w) == expected
    assert w.ended[key] == {"n": n}
    assert w.left() == {}


def test_exclusive_does_not_evaluate_later_conditions() -> None:
    """A condition behind the one that is true is not evaluated: what is wrong with it does not matter."""
    w = World()
    w.deploy(deciding("exclusiveGateway", flow("x", "a", "=true"), flow("x", "b", '="no boolean"')))
    w.start()
    assert offered(w) == "a"
    assert w.left() == {}


@pytest.mark.parametrize("kind", ["exclusiveGateway", "inclusiveGateway"], ids=["exclusive", "inclusive"])
@pytest.mark.parametrize("condition", ["=true", '="no boolean"'], ids=["true", "wrong"])
def test_default_flow_with_a_condition(kind: str, condition: str) -> None:
    """The condition of a default flow is not evaluated."""
    w = World()
    w.deploy(deciding(kind, flow("x", "b", condition), flow("x", "a", "=n > 1"), default_="x-b"))
    w.start(n=2)
    assert offered(w) == "a"
    w.start(n=0)
    assert offered(w) == "b"
    assert w.left() == {}


@pytest.mark.parametrize("kind", ["exclusiveGateway", "inclusiveGateway"], ids=["exclusive", "inclusive"])
@pytest.mark.parametrize("n", [0, 2], ids=["false", "true"])
def test_single_flow_with_a_condition(kind: str, n: int) -> None:
    """The only flow out of a gateway is taken if its condition is true.

    Else it is an incident until it is.
    """
    w = World()
    w.deploy(deciding(kind, flow("x", "a", "=n > 1")))
    key = w.start(n=n)
    if n == 0:
        assert offered(w) == ""
        assert (w.incident().type, w.find(key, "x").incidents) == (
            "CONDITION_ERROR",
            {w.incident().key: None},
        )
        w.set(key, n=3)
        w.resolve()
    assert offered(w) == "a"
    assert w.left() == {}


@pytest.mark.parametrize("kind", ["exclusiveGateway", "inclusiveGateway"], ids=["exclusive", "inclusive"])
def test_single_flow_without_a_condition(kind: str) -> None:
    """The only flow out of a gateway needs no condition."""
    w = World()
    w.deploy(deciding(kind, flow("x", "b")))
    w.start()
    assert offered(w) == "b"
    assert w.left() == {}


@pytest.mark.parametrize("kind", ["exclusiveGateway", "inclusiveGateway"], ids=["exclusive", "inclusive"])
@pytest.mark.parametrize(
    ("value", "type"),
    [
        pytest.param(None, "EXTRACT_VALUE_ERROR", id="null"),
        pytest.param("true", "EXTRACT_VALUE_ERROR", id="string"),
        pytest.param(1, "EXTRACT_VALUE_ERROR", id="number"),
        pytest.param([True], "EXTRACT_VALUE_ERROR", id="list"),
        pytest.param(False, "CONDITION_ERROR", id="false"),
    ],
)
def test_condition_without_a_way_is_an_incident(kind: str, value: Any, type: str) -> None:
    """A condition must be true or false; what is wrong is an incident that names it, until it is mended."""
    w = World()
    w.deploy(deciding(kind, flow("x", "a", "=ok"), flow("x", "b", "=false")))
    key = w.start(ok=value)
    assert w.incident().type == type
    assert ("'ok'" in w.incident().message) == (type == "EXTRACT_VALUE_ERROR")
    w.resolve()  # nothing is mended: the same again
    assert w.incident().type == type
    assert w.active(key) == ["x"]
    w.set(key, ok=True)
    w.resolve()
    assert offered(w) == "a"
    assert w.ended[key] == {"ok": True}
    assert w.left() == {}


def test_default_flow_does_not_hide_a_condition_that_fails() -> None:
    """The default flow is for conditions that are false, not for those that are no boolean."""
    w = World()
    w.deploy(deciding("exclusiveGateway", flow("x", "a", "=missing"), flow("x", "b"), default_="x-b"))
    w.start()
    assert w.incident().type == "EXTRACT_VALUE_ERROR"
    assert offered(w) == ""


def test_exclusive_join_lets_each_token_pass() -> None:
    """An exclusive gateway does not wait for other tokens: what follows happens once for each."""
    w = World()
    fork, join = element("parallelGateway", "f"), element("exclusiveGateway", "j")
    routes = chain("start", "f", "a", "j", "c", "end") + chain("f", "b", "j")
    w.deploy(definitions(process("p", START, fork, job("a"), job("b"), join, job("c"), END, routes)))
    key = w.start()
    w.do("a")
    w.do("c")
    assert key not in w.ended
    w.do("b")
    w.do("c")
    assert w.ended[key] == {}
    assert w.left() == {}


# Inclusive


@pytest.mark.parametrize(
    ("n", "expected"),
    [
        pytest.param(0, "c", id="none: the default"),
        pytest.param(2, "a", id="one"),
        pytest.param(20, "ab", id="both, and not the default"),
    ],
)
def test_inclusive_takes_all_true_flows(n: int, expected: str) -> None:
    """All flows whose condition is true are taken, and the default flow only when none is."""
    w = World()
    w.deploy(
        deciding(
            "inclusiveGateway",
            flow("x", "a", "=n > 1"),
            flow("x", "b", "=n > 10"),
            flow("x", "c"),
            default_="x-c",
        )
    )
    key = w.start(n=n)
    assert offered(w) == expected
    assert w.ended[key] == {"n": n}
    assert w.left() == {}


def test_inclusive_takes_nothing_when_a_later_condition_fails() -> None:
    """A failing condition is an incident before any flow is taken, so that a retry takes none twice."""
    w = World()
    w.deploy(deciding("inclusiveGateway", flow("x", "a", "=true"), flow("x", "b", "=ok")))
    key = w.start()
    assert offered(w) == ""
    w.set(key, ok=True)
    w.resolve()
    assert offered(w) == "ab"
    assert w.left() == {}


# Parallel


@pytest.mark.parametrize("order", ORDERS, ids=ORDERS)
def test_parallel_fork_and_join(order: str) -> None:
    """The token behind a join moves on once all flows into it are taken, in whatever order."""
    w = World()
    w.deploy(forked("a", "b", "c"))
    key = w.start()
    for number, type in enumerate(order):
        assert w.take("d") == []
        w.do(type, **{type: number})
    w.do("d")
    assert w.ended[key] == {type: number for number, type in enumerate(order)}
    assert w.left() == {}


def forked(*ways: str) -> bytes:
    """Return a process that forks into these jobs, joins them, and goes on to the job `d`."""
    parts = [START, element("parallelGateway", "f"), element("parallelGateway", "j"), job("d"), END]
    parts += [job(way) + chain("f", way, "j") for way in ways]
    return definitions(process("p", *parts, chain("start", "f"), chain("j", "d", "end")))


def test_parallel_branches_share_variables() -> None:
    """What one branch writes is seen by the other at once: there is one set of variables."""
    w = World()
    w.deploy(forked("a", "b"))
    w.start()
    w.do("a", seen=1)
    assert w.take_one("b").variables == {"seen": 1}


@pytest.mark.parametrize("rest", ["arrives", "never arrives"])
def test_join_counts_the_tokens_of_each_flow(rest: str) -> None:
    """Two tokens on one flow do not stand for one on each: the second waits for a partner of its own."""
    w = World()
    gateways = (
        element("parallelGateway", "f") + element("exclusiveGateway", "m") + element("parallelGateway", "j")
    )
    tasks = job("a1") + job("a2") + job("b1") + job("b2") + element("exclusiveGateway", "n") + job("d")
    routes = chain("start", "f", "a1", "m", "j", "d", "end") + chain("f", "a2", "m")
    routes += chain("f", "b1", "n", "j") + chain("f", "b2", "n")
    w.deploy(definitions(process("p", START, gateways, tasks, END, routes)))
    key = w.start()
    w.do("a1")
    w.do("a2")
    assert w.take("d") == []
    w.do("b1")
    w.do("d")
    assert key not in w.ended
    if rest == "arrives":
        w.do("b2")
        w.do("d")
        assert w.ended[key] == {}
    else:
        w.cancel(key)
    assert w.left() == {}


def test_join_that_cannot_be_completed_keeps_the_process() -> None:
    """A token that waits at a join keeps its process instance, although nothing else is left in it."""
    w = World()
    gateways = element("exclusiveGateway", "x", default="x-b") + element("parallelGateway", "j")
    routes = flow("x", "a", "=false") + flow("x", "b") + chain("a", "j", "end") + chain("b", "j")
    w.deploy(definitions(process("p", START, gateways, job("a"), job("b"), END, chain("start", "x"), routes)))
    key = w.start()
    w.do("b")
    assert (w.active(key), w.running()) == ([], [key])
    w.cancel(key)
    assert w.left() == {}


def test_join_and_fork_in_one() -> None:
    """A parallel gateway with several flows in and out waits for all, then takes all."""
    w = World()
    gateways = (
        element("parallelGateway", "f") + element("parallelGateway", "g") + element("parallelGateway", "j")
    )
    routes = chain("start", "f", "a", "g", "c", "j", "end") + chain("f", "b", "g", "d", "j")
    w.deploy(definitions(process("p", START, gateways, *map(job, "abcd"), END, routes)))
    key = w.start()
    w.do("a")
    assert w.take("c") == []
    w.do("b")
    assert offered(w) == "cd"
    assert key in w.ended
    assert w.left() == {}


def test_join_waits_over_a_restart(tmp_path: Path) -> None:
    """A token that waits at a join is still there after a restart."""
    w = World(tmp_path)
    w.deploy(forked("a", "b"))
    key = w.start()
    w.do("a", x=1)
    w.restart()
    w.do("b", y=2)
    w.restart()
    w.do("d")
    assert w.ended[key] == {"x": 1, "y": 2}
    assert w.left() == {}


def test_tasks_fork_without_a_gateway() -> None:
    """A task with several flows out takes all of them, and one without any ends its token."""
    w = World()
    routes = chain("start", "a", "b") + chain("a", "c")
    w.deploy(definitions(process("p", START, job("a"), job("b"), job("c"), routes)))
    key = w.start()
    w.do("a")
    w.do("b")
    assert key not in w.ended
    w.do("c")
    assert w.ended[key] == {}
    assert w.left() == {}


def test_joins_of_two_rounds_in_a_loop() -> None:
    """A join can be passed again and again: each time it waits for a token on every flow."""
    w = World()
    gateways = (
        element("exclusiveGateway", "m") + element("parallelGateway", "f") + element("parallelGateway", "j")
    )
    again = element("exclusiveGateway", "x", default="x-end") + flow("x", "m", "=again")
    routes = chain("start", "m", "f", "a", "j", "x", "end") + chain("f", "b", "j")
    w.deploy(definitions(process("p", START, gateways, job("a"), job("b"), again, END, routes)))
    key = w.start(again=True)
    for last in (False, True):
        w.do("a")
        assert w.take("a") == []
        w.do("b", again=not last)
    assert w.ended[key] == {"again": False}
    assert w.left() == {}


# Event-based

TIMERS = catch("t", timer("duration", "PT5S")) + catch("u", timer("duration", "PT9S"))


def waiting(*ways: str, events: str) -> bytes:
    """Return a process that waits at an event-based gateway `g`.

    Behind each event stands a job `after-<event>`.
    """
    tasks = "".join(job(f"after-{way}") + chain("g", way, f"after-{way}", "end") for way in ways)
    parts = (START, element("eventBasedGateway", "g"), events, tasks, END, chain("start", "g"))
    return definitions(MESSAGES, process("p", *parts))


def test_the_first_timer_wins() -> None:
    """The earlier of two timers decides where the process goes on; the other one never fires."""
    w = World()
    w.deploy(waiting("t", "u", events=TIMERS))
    key = w.start()
    assert w.active(key) == ["g"]
    w.later(4999)
    assert w.active(key) == ["g"]
    w.later(1)
    assert w.active(key) == ["after-t"]
    w.later(100_000)
    w.do("after-t")
    assert w.path(key) == ["start", "g", "t", "after-t", "end", "p"]
    assert w.ended[key] == {}
    assert w.left() == {}


@pytest.mark.parametrize("first", ["m", "n", "timer"])
def test_the_first_event_wins(first: str) -> None:
    """A message or a timer, whichever comes first, closes what else the gateway waits for."""
    w = World()
    events = catch("m", on_message("M")) + catch("n", on_message("N")) + catch("t", timer("duration", "PT5S"))
    w.deploy(waiting("m", "n", "t", events=events))
    key = w.start(key="k")
    if first == "timer":
        w.later(5000)
    else:
        w.publish(first, "k", got=first)
    assert w.left() == {"instances": 2, "jobs": 1}
    w.publish("m", "k", got="late")
    w.publish("n", "k", got="late")
    w.do("after-t" if first == "timer" else f"after-{first}")
    assert w.ended[key] == {"key": "k"} | ({} if first == "timer" else {"got": first})
    assert w.left() == {}


def test_message_at_a_gateway_passes_its_output_mapping() -> None:
    """The output mappings of the catch event behind the gateway decide what of the message is seen."""
    w = World()
    events = catch("m", on_message("M"), outputs={"kept": "=got + 1"}) + catch("n", on_message("N"))
    w.deploy(waiting("m", "n", events=events))
    key = w.start(key="k")
    w.publish("m", "k", got=1, other=2)
    assert w.do("after-m").variables == {"key": "k", "kept": 2}
    assert w.ended[key] == {"key": "k", "kept": 2}
    assert w.left() == {}


def test_buffered_message_at_a_gateway() -> None:
    """A message that was published before is taken as soon as the gateway is entered."""
    w = World()
    w.deploy(waiting("m", "n", events=catch("m", on_message("M")) + catch("n", on_message("N"))))
    w.publish("n", "k", ttl=1000, got=1)
    w.start(key="k")
    assert w.do("after-n").variables == {"key": "k", "got": 1}
    w.later(1000)
    assert w.left() == {}


def test_two_buffered_messages_at_a_gateway() -> None:
    """Of two messages that are there already the gateway takes one, and the process goes on once."""
    w = World()
    w.deploy(waiting("m", "n", events=catch("m", on_message("M")) + catch("n", on_message("N"))))
    w.publish("n", "k", ttl=1000)
    w.publish("m", "k", ttl=1000)
    key = w.start(key="k")
    assert len(w.active(key)) == 1
    w.cancel(key)
    w.later(1000)
    assert w.left() == {}


def test_gateway_waits_for_nothing_when_one_of_its_events_is_wrong() -> None:
    """An event that cannot be waited for is an incident at the gateway.

    And none of the others is open meanwhile.
    """
    w = World()
    w.deploy(waiting("m", "t", events=catch("m", on_message("M")) + catch("t", timer("duration", "PT5S"))))
    key = w.start()
    assert (w.incident().type, w.incident().instance) == ("EXTRACT_VALUE_ERROR", w.find(key, "g").key)
    assert "'key'" in w.incident().message
    assert w.left() == {"instances": 2, "incidents": 1}
    w.later(10_000)
    w.set(key, key="k")
    w.resolve()
    w.later(5000)  # counted from now, not from the first try
    w.do("after-t")
    assert w.ended[key] == {"key": "k"}
    assert w.left() == {}


@pytest.mark.parametrize("event", ["m", "t"], ids=["message", "timer"])
def test_gateway_over_a_restart(tmp_path: Path, event: str) -> None:
    """What an event-based gateway waits for is still waited for after a restart, all of it."""
    w = World(tmp_path)
    w.deploy(waiting("m", "t", events=catch("m", on_message("M")) + catch("t", timer("duration", "PT5S"))))
    key = w.start(key="k")
    w.restart()
    if event == "m":
        w.publish("m", "k")
    w.later(5000)
    w.restart()
    w.do(f"after-{event}")
    assert key in w.ended
    assert w.left() == {}


def test_gateway_in_a_sub_process_ends_it_once() -> None:
    """A sub-process that holds nothing but an event-based gateway stays until the chosen way has ended."""
    w = World()
    ways = chain("ss", "g", "m", "se") + chain("g", "t", "se")
    events = catch("m", on_message("M")) + catch("t", timer("duration", "PT5S"))
    inner = (
        element("startEvent", "ss")
        + element("eventBasedGateway", "g")
        + events
        + element("endEvent", "se")
        + ways
    )
    w.deploy(
        definitions(MESSAGES, process("p", START, sub_process("s", inner), END, chain("start", "s", "end")))
    )
    key = w.start(key="k")
    w.publish("m", "k")
    assert w.path(key) == ["start", "ss", "g", "m", "se", "s", "end", "p"]
    assert w.left() == {}


@pytest.mark.parametrize(
    ("ways", "events"),
    [
        pytest.param(
            ("r", "t"), receive("r", "M") + catch("t", timer("duration", "PT5S")), id="a receive task"
        ),
        pytest.param(("t",), catch("t", timer("duration", "PT5S")), id="one event"),
        pytest.param(("a", "t"), job("a") + catch("t", timer("duration", "PT5S")), id="a service task"),
        pytest.param(
            ("m", "n"), catch("m", on_message("M")) + catch("n", on_message("M")), id="the same message twice"
        ),
    ],
)
def test_event_based_gateway_that_is_refused(ways: tuple[str, ...], events: str) -> None:
    """At least two catch events, each with a message of its own, must follow an event-based gateway."""
    with pytest.raises(Rejection) as caught:
        World().deploy(waiting(*ways, events=events))
    assert caught.value.status == "INVALID_ARGUMENT"
    assert "'g'" in caught.value.message or "'n'" in caught.value.message


# Loops


def test_a_thousand_rounds_leave_nothing_behind() -> None:
    """A process that goes round a thousand times with a job each keeps nothing, and writes each turn once."""
    w = World()
    gateways = element("exclusiveGateway", "m") + element("exclusiveGateway", "x", default="x-end")
    routes = chain("start", "m", "a", "x", "end") + flow("x", "m", "=n < 1000")
    w.deploy(definitions(process("p", START, gateways, job("a"), END, routes)))
    key = w.start(n=0)
    for n in range(1, 1001):
        w.do("a", n=n)
        assert len(w.engine.state.instances) <= 2
    assert w.ended[key] == {"n": 1000}
    assert w.path(key).count("a") == 1000
    assert w.left() == {}


def test_a_thousand_rounds_without_a_job() -> None:
    """A loop of scripts runs to its end in one command, and counts right."""
    w = World()
    gateways = element("exclusiveGateway", "m") + element("exclusiveGateway", "x", default="x-end")
    routes = chain("start", "m", "s", "x", "end") + flow("x", "m", "=n < 1000")
    w.deploy(definitions(process("p", START, gateways, script("s", "=n + 1", "n"), END, routes)))
    key = w.start(n=0)
    assert w.ended[key] == {"n": 1000}
    assert w.left() == {}
