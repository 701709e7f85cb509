"""Embedded sub-processes and links: scopes, their variables, their ends."""

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
    flow,
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
from tests.local_engine.world import World

TERMINATE = "<bpmn:terminateEventDefinition/>"
HEAD = message("M", "m", "=key") + error("E", "X")


def around(inner: str, *, inputs: Pairs = (), outputs: Pairs = (), parts: str = "") -> World:
    """Return a world with a process that has a sub-process `s`, and behind it the job `after`."""
    own = sub_process("s", element("startEvent", "ss"), inner, extensions=mappings(inputs, outputs))
    routes = chain("start", "s", "after", "end")
    w = World()
    w.deploy(definitions(HEAD, process("p", START, own, job("after"), END, routes, parts)))
    return w


def throw_link(element_id: str, name: str) -> str:
    """Return a link throw event."""
    return element("intermediateThrowEvent", element_id, f'<bpmn:linkEventDefinition name="{name}"/>')


def catch_link(element_id: str, name: str) -> str:
    """Return a link catch event."""
    return element("intermediateCatchEvent", element_id, f'<bpmn:linkEventDefinition name="{name}"/>')


# Scopes


def test_inputs_are_local_and_results_go_past() -> None:
    """Input mappings make variables of the sub-process; results that no scope knows go to the process."""
    w = around(job("a") + chain("ss", "a"), inputs={"local": "=g + 1"})
    key = w.start(g=1)
    assert w.do("a", local=5, g=7, new=9).variables == {"g": 1, "local": 2}
    assert w.do("after").variables == {"g": 7, "new": 9}
    assert w.ended[key] == {"g": 7, "new": 9}
    assert w.left() == {}


def test_input_covers_an_outer_variable() -> None:
    """A local variable covers the one of its name: what is written inside stays inside."""
    w = around(job("a") + chain("ss", "a"), inputs={"g": "=g * 10"})
    key = w.start(g=1)
    assert w.do("a", g=99).variables == {"g": 10}
    w.do("after")
    assert w.ended[key] == {"g": 1}
    assert w.left() == {}


def test_output_mappings_let_locals_out() -> None:
    """Output mappings are applied when the sub-process ends, each seeing those before it."""
    w = around(
        job("a") + chain("ss", "a"),
        inputs={"local": "=1"},
        outputs={"out": "=local * 2", "twice": "=out + out", "g.part": "=local"},
    )
    key = w.start(g={"old": 0})
    w.do("a", local=3)
    w.do("after")
    assert w.ended[key] == {"g": {"old": 0, "part": 3}, "out": 6, "twice": 12}
    assert w.left() == {}


def test_failing_output_mapping_of_a_sub_process() -> None:
    """A failing output mapping keeps the sub-process at its end until it is mended.

    Nothing inside runs again.
    """
    w = around(
        job("a") + chain("ss", "a"), inputs={"n": "=0"}, outputs={"x": '=assert(n, n > 0, "n is zero")'}
    )
    key = w.start()
    w.do("a")
    assert (w.incident().type, w.active(key)) == ("IO_MAPPING_ERROR", ["s"])
    assert "n is zero" in w.incident().message
    w.resolve()
    assert w.incident().type == "IO_MAPPING_ERROR"
    w.set(w.incident().instance, n=5)
    w.resolve()
    w.do("after")
    assert w.ended[key] == {"x": 5}
    assert w.path(key).count("a") == 1
    assert w.left() == {}


def test_failing_input_mapping_of_a_sub_process() -> None:
    """A failing input mapping keeps the sub-process from beginning; mended, it begins once."""
    w = around(job("a") + chain("ss", "a"), inputs={"n": "=n + 1", "m": '=assert(g, g != null, "g?")'})
    key = w.start(n=1)
    assert (w.incident().type, w.take("a")) == ("IO_MAPPING_ERROR", [])
    w.set(key, g="there")
    w.resolve()
    assert w.do("a").variables == {"n": 2, "m": "there", "g": "there"}
    w.do("after")
    assert w.ended[key] == {"n": 1, "g": "there"}
    assert w.left() == {}


def test_nested_scopes() -> None:
    """A result goes to the nearest scope that has its name, through all of them."""
    innermost = sub_process(
        "s3", element("startEvent", "s3s"), job("a"), chain("s3s", "a"), extensions=mappings({"c": "=3"})
    )
    inner = sub_process(
        "s2",
        element("startEvent", "s2s"),
        innermost,
        chain("s2s", "s3"),
        extensions=mappings({"b": "=2"}, {"b2": "=b"}),
    )
    w = around(inner + chain("ss", "s2"), inputs={"a": "=1"}, outputs={"a1": "=a"})
    key = w.start(g=0)
    assert w.take_one("a").variables == {"g": 0, "a": 1, "b": 2, "c": 3}
    (job_key,) = w.engine.state.jobs
    w.complete(job_key, a=10, b=20, c=30, g=40, new=50)
    w.do("after")
    assert w.ended[key] == {"g": 40, "new": 50, "b2": 20, "a1": 10}
    assert w.left() == {}


def test_deepest_sub_processes() -> None:
    """Fifty sub-processes within each other begin and end one by one."""
    inner = job("a")
    first = "a"
    for depth in range(50, 0, -1):
        inner = sub_process(
            f"s{depth}", element("startEvent", f"s{depth}s"), inner, chain(f"s{depth}s", first)
        )
        first = f"s{depth}"
    w = around(inner + chain("ss", "s1"))
    key = w.start()
    assert len(w.active(key)) == 52
    w.do("a", x=1)
    w.do("after")
    assert w.ended[key] == {"x": 1}
    assert w.left() == {}


def test_sub_process_ends_with_its_last_token() -> None:
    """A sub-process stays while anything in it runs, and its outgoing flow is taken once."""
    inner = element("parallelGateway", "f") + job("a") + job("b") + chain("ss", "f", "a") + chain("f", "b")
    w = around(inner)
    key = w.start()
    w.do("b")
    assert w.take("after") == []
    w.do("a")
    w.do("after")
    assert key in w.ended
    assert w.left() == {}


@pytest.mark.parametrize("where", ["sub-process", "process"])
def test_terminate_end_event(where: str) -> None:
    """A terminate end event ends what is in its own scope, waits and tokens at joins too, and no more."""
    tasks = element("parallelGateway", "f") + job("a") + job("b") + element("endEvent", "te", TERMINATE)
    tasks += catch("c", timer("duration", "PT1H")) + element("parallelGateway", "j") + element("task", "t")
    first = "ss" if where == "sub-process" else "start"
    tasks += chain(first, "f", "a", "te") + chain("f", "b", "j") + chain("f", "c", "j") + chain("f", "t", "j")
    if where == "sub-process":
        w = around(tasks)
    else:
        w = World()
        w.deploy(definitions(process("p", START, tasks)))
    key = w.start()
    w.do("a", x=1)
    assert w.take("b") == []
    if where == "sub-process":
        w.do("after")
    assert w.ended[key] == {"x": 1}
    assert w.left() == {}


def test_terminate_takes_tokens_that_wait_at_joins() -> None:
    """A scope that is terminated does not wait for the partners of its tokens."""
    inner = element("parallelGateway", "f") + element("parallelGateway", "j") + job("a") + job("b") + job("c")
    inner += element("endEvent", "te", TERMINATE) + chain("ss", "f", "a", "te")
    w = around(inner + chain("f", "b", "j") + chain("f", "c", "j"))
    key = w.start()
    w.do("b")
    w.do("a")
    w.do("after")
    assert w.ended[key] == {}
    assert w.left() == {}


def test_terminate_in_a_called_process() -> None:
    """A terminate end event ends the called process, and its call activity is completed."""
    terminate = element("endEvent", "te", TERMINATE)
    inner = (
        element("parallelGateway", "f")
        + job("a")
        + job("b")
        + chain("start", "f", "a", "te")
        + chain("f", "b")
    )
    w = World()
    w.deploy(definitions(process("q", START, inner, terminate)))
    w.deploy(definitions(process("p", START, call("c", "q"), job("after"), chain("start", "c", "after"))))
    key = w.start()
    w.do("a", x=1)
    assert w.running() == [key]
    w.do("after")
    assert w.ended[key] == {"x": 1}
    assert w.left() == {}


def test_terminate_inside_leaves_the_outside() -> None:
    """A terminate end event in a sub-process does not end what runs beside that sub-process."""
    own = sub_process(
        "s",
        element("startEvent", "ss"),
        job("a"),
        element("endEvent", "te", TERMINATE),
        chain("ss", "a", "te"),
    )
    gateways = element("parallelGateway", "f") + element("parallelGateway", "j")
    routes = chain("start", "f", "s", "j", "end") + chain("f", "b", "j")
    w = World()
    w.deploy(definitions(process("p", START, gateways, own, job("b"), END, routes)))
    key = w.start()
    w.do("a")
    assert w.active(key) == ["b"]
    w.do("b")
    assert w.ended[key] == {}
    assert w.left() == {}


def test_error_end_event_inside() -> None:
    """An error end event ends its sub-process and goes on at the event that catches it."""
    inner = element("parallelGateway", "f") + job("a") + job("b") + element("endEvent", "ee", on_error("E"))
    inner += chain("ss", "f", "a", "ee") + chain("f", "b")
    caught = boundary("be", "s", on_error("E")) + job("caught") + chain("be", "caught")
    w = around(inner, inputs={"local": "=1"}, parts=caught)
    key = w.start()
    w.do("a", x=1, local=2)
    assert w.active(key) == ["caught"]
    assert w.do("caught").variables == {"x": 1}
    assert w.ended[key] == {"x": 1}
    assert w.left() == {}


def test_set_variables_at_a_sub_process() -> None:
    """Variables can be set in the scope of a sub-process, locally or where their name is known."""
    w = around(job("a") + chain("ss", "a"), inputs={"local": "=1"})
    key = w.start(g=0)
    scope = w.find(key, "s").key
    w.set(scope, local=True, own=1)
    w.set(scope, g=2, local_too=3)
    assert w.take_one("a").variables == {"g": 2, "local_too": 3, "local": 1, "own": 1}
    assert w.local(scope) == {"local": 1, "own": 1}


def test_start_inside_opens_the_scopes_around() -> None:
    """A start instruction inside a sub-process opens it with its input mappings and its events."""
    inner = job("a") + job("b") + chain("ss", "a", "b")
    event = boundary("be", "s", on_message("M")) + job("stopped") + chain("be", "stopped")
    w = around(inner, inputs={"local": "=g + 1"}, parts=event)
    key = w.start(at=["b"], g=1, key="k")
    assert w.active(key) == ["b", "s"]
    assert w.take_one("b").variables == {"g": 1, "key": "k", "local": 2}
    w.publish("m", "k")
    w.do("stopped")
    assert key in w.ended
    assert w.left() == {}


def test_loop_around_a_sub_process() -> None:
    """A sub-process that is entered again is a new scope: nothing local is left from before."""
    own = sub_process(
        "s", element("startEvent", "ss"), job("a"), chain("ss", "a"), extensions=mappings({"n": "=0"})
    )
    gateways = element("exclusiveGateway", "m") + element("exclusiveGateway", "x", default="x-end")
    routes = chain("start", "m", "s", "x", "end") + flow("x", "m", "=again")
    w = World()
    w.deploy(definitions(process("p", START, gateways, own, END, routes)))
    key = w.start()
    for round in range(20):
        assert w.do("a", n=5, again=round < 19).variables["n"] == 0
    assert w.ended[key] == {"again": False}
    assert w.left() == {}


def test_restart_in_a_sub_process(tmp_path: Path) -> None:
    """Scopes with their variables are as before after a restart."""
    own = sub_process(
        "s",
        element("startEvent", "ss"),
        job("a"),
        chain("ss", "a"),
        extensions=mappings({"n": "=1"}, {"m": "=n"}),
    )
    w = World(tmp_path)
    w.deploy(definitions(process("p", START, own, END, chain("start", "s", "end"))))
    key = w.start(g=0)
    w.restart()
    assert w.take_one("a").variables == {"g": 0, "n": 1}
    w.restart()
    w.complete(next(iter(w.engine.state.jobs)), n=2, g=3)
    assert w.ended[key] == {"g": 3, "m": 2}
    assert w.left() == {}


@pytest.mark.parametrize(
    "inner",
    [
        element("startEvent", "s1", on_message("M")),
        element("startEvent", "s1", timer("date", "2027-01-15T09:00:00Z")),
        element("startEvent", "s1") + element("startEvent", "s2"),
        "",
    ],
    ids=["a message", "a timer", "two", "none"],
)
def test_start_events_that_are_refused(inner: str) -> None:
    """An embedded sub-process has exactly one start event, and that a none event."""
    with pytest.raises(Rejection) as caught:
        World().deploy(definitions(HEAD, process("p", START, sub_process("s", inner), chain("start", "s"))))
    assert caught.value.status == "INVALID_ARGUMENT"
    assert "'s'" in caught.value.message or "'s1'" in caught.value.message


# Links


def test_links_jump() -> None:
    """A link throw event goes on at the catch event of its name; several may lead to the same one."""
    gateways = element("exclusiveGateway", "x", default="x-t2") + flow("x", "t1", "=n > 1") + flow("x", "t2")
    links = throw_link("t1", "L") + throw_link("t2", "L") + catch_link("c", "L")
    w = World()
    w.deploy(
        definitions(process("p", START, gateways, links, job("a"), chain("start", "x") + chain("c", "a")))
    )
    for n, thrown in ((2, "t1"), (0, "t2")):
        key = w.start(n=n)
        w.do("a")
        assert w.path(key) == ["start", "x", thrown, "c", "a", "p"]
    assert w.left() == {}


def test_links_make_a_loop() -> None:
    """A link may lead back: a loop of a thousand rounds leaves nothing behind."""
    gateways = element("exclusiveGateway", "x", default="x-end") + flow("x", "t", "=n < 1000")
    links = throw_link("t", "again") + catch_link("c", "again")
    gateways += element("exclusiveGateway", "m")
    own = (
        script("s", "=n + 1", "n") + gateways + links + chain("start", "m", "s", "x", "end") + chain("c", "m")
    )
    w = World()
    w.deploy(definitions(process("p", START, END, own)))
    key = w.start(n=0)
    assert w.ended[key] == {"n": 1000}
    assert w.path(key).count("c") == 999
    assert w.left() == {}


def test_links_in_their_own_scope() -> None:
    """The same link name in a sub-process is another link."""
    links = (
        throw_link("t", "L") + catch_link("c", "L") + job("a") + chain("start", "t") + chain("c", "s", "a")
    )
    own = sub_process(
        "s", element("startEvent", "ss"), throw_link("it", "L"), catch_link("ic", "L"), chain("ss", "it")
    )
    w = World()
    w.deploy(definitions(process("p", START, links, own)))
    key = w.start()
    w.do("a")
    assert w.path(key) == ["start", "t", "c", "ss", "it", "ic", "s", "a", "p"]
    assert w.left() == {}


@pytest.mark.parametrize(
    ("links", "word"),
    [
        pytest.param(throw_link("t", "L"), "'t'", id="no catch event"),
        pytest.param(
            throw_link("t", "L") + catch_link("c1", "L") + catch_link("c2", "L"),
            "'c2'",
            id="two catch events",
        ),
        pytest.param(throw_link("t", ""), "'t'", id="no name"),
        pytest.param(
            throw_link("t", "L") + catch_link("c", "L") + job("a") + chain("t", "a"),
            "'t'",
            id="a flow out of a throw",
        ),
    ],
)
def test_links_that_are_refused(links: str, word: str) -> None:
    """A link needs its other end, exactly one, in the same scope."""
    with pytest.raises(Rejection) as caught:
        World().deploy(definitions(process("p", START, links, chain("start", "t"))))
    assert caught.value.status == "INVALID_ARGUMENT"
    assert word in caught.value.message
