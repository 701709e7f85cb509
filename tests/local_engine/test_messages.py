"""Messages: who gets them, how often, how long they are kept, and what they carry."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from local_engine.errors import Rejection
from tests.local_engine.bpmn import (
    END,
    START,
    boundary,
    call,
    catch,
    chain,
    definitions,
    element,
    event_start,
    event_sub_process,
    job,
    mappings,
    message,
    on_message,
    process,
    receive,
    sub_process,
)
from tests.local_engine.world import World, document

MESSAGES = message("M", "m", "=key") + message("N", "n", "=key") + message("S", "s")
TTL = 60_000


def waiting(process_id: str = "p", *, outputs: dict[str, str] | None = None) -> bytes:
    """Return a process that waits for the message `m` with its variable `key`."""
    inner = catch("c", on_message("M"), outputs=outputs or {})
    return definitions(MESSAGES, process(process_id, START, inner, END, chain("start", "c", "end")))


def started(name: str = "S", *extra: str, outputs: dict[str, str] | None = None) -> bytes:
    """Return a process that a message starts and that has the job `a`."""
    start = event_start("ms", on_message(name), outputs=outputs or {})
    return definitions(MESSAGES, process("p", start, job("a"), END, chain("ms", "a", "end"), *extra))


# Correlation


@pytest.mark.parametrize("kind", ["catch event", "receive task"])
def test_message_reaches_the_one_with_its_key(kind: str) -> None:
    """Name and correlation key must both be equal; what the message carries goes to the process."""
    inner = catch("c", on_message("M")) if kind == "catch event" else receive("c", "M")
    w = World()
    w.deploy(definitions(MESSAGES, process("p", START, inner, END, chain("start", "c", "end"))))
    first, second = w.start(key="1"), w.start(key="2")
    w.publish("m", "3", x=0)
    w.publish("n", "2", x=0)
    w.publish("M", "2", x=0)
    w.publish("m", "", x=0)
    assert w.running() == [first, second]
    w.publish("m", "2", x=1, key="overwritten")
    assert w.ended == {second: {"key": "overwritten", "x": 1}}
    w.publish("m", "1")
    assert w.ended[first] == {"key": "1"}
    assert w.left() == {}


@pytest.mark.parametrize(
    ("value", "key"),
    [
        pytest.param("a b", "a b", id="string"),
        pytest.param("", "", id="empty string"),
        pytest.param(123, "123", id="number"),
        pytest.param(-5, "-5", id="negative number"),
        pytest.param(2**53, "9007199254740992", id="large number"),
        pytest.param("ключ\U0001f511", "ключ\U0001f511", id="any characters"),
    ],
)
def test_correlation_key_is_a_string_or_a_number(value: Any, key: str) -> None:
    """A number correlates with its digits."""
    w = World()
    w.deploy(waiting())
    instance = w.start(key=value)
    w.publish("m", key)
    assert instance in w.ended
    assert w.left() == {}


@pytest.mark.parametrize("value", [None, True, ["k"], {"k": 1}], ids=["null", "boolean", "list", "context"])
@pytest.mark.parametrize("place", ["catch", "receive", "boundary", "sub-process"])
def test_other_correlation_keys_are_incidents(value: Any, place: str) -> None:
    """A key that is neither string nor number is an incident that names the expression, until it is mended."""
    ends = chain("start", "x", "end")
    inner = {
        "catch": catch("x", on_message("M")) + END + ends,
        "receive": receive("x", "M") + END + ends,
        "boundary": job("x") + boundary("b", "x", on_message("M")) + END + ends + chain("b", "end"),
        "sub-process": element("task", "x")
        + job("y")
        + chain("start", "x", "y")
        + event_sub_process(
            "es", event_start("e1", on_message("M")), element("endEvent", "e2"), chain("e1", "e2")
        ),
    }[place]
    w = World()
    w.deploy(definitions(MESSAGES, process("p", START, inner)))
    instance = w.start(key=value)
    assert w.incident().type == "EXTRACT_VALUE_ERROR"
    assert "'key'" in w.incident().message
    assert "subscriptions" not in w.left()
    w.resolve()
    w.set(instance, key=7)
    w.resolve()
    w.publish("m", "7")
    assert w.ended[instance] == {"key": 7}
    assert w.left() == {}


def test_subscription_is_not_updated() -> None:
    """A change of the variable after the event was entered does not matter."""
    w = World()
    w.deploy(waiting())
    instance = w.start(key="before")
    w.set(instance, key="after")
    w.publish("m", "after")
    assert w.running() == [instance]
    w.publish("m", "before")
    assert w.ended[instance] == {"key": "after"}
    assert w.left() == {}


def test_name_by_expression() -> None:
    """The name of a message may be FEEL; it must be a string."""
    w = World()
    head = message("X", '="order " + kind', "=key")
    w.deploy(
        definitions(head, process("p", START, catch("c", on_message("X")), END, chain("start", "c", "end")))
    )
    first = w.start(kind="paid", key="k")
    w.publish("order sent", "k")
    assert first not in w.ended
    w.publish("order paid", "k")
    assert first in w.ended
    second = w.start(kind=None, key="k")
    assert w.incident().type == "EXTRACT_VALUE_ERROR"
    w.set(second, kind="new")
    w.resolve()
    w.publish("order new", "k")
    assert second in w.ended
    assert w.left() == {}


def test_output_mappings_of_a_catch_event() -> None:
    """With output mappings a message's variables stay at the event, and the mappings decide what is seen."""
    w = World()
    w.deploy(waiting(outputs={"kept": "=payload.a", "order.b": "=payload.b"}))
    instance = w.start(key="k", order={"a": 1})
    w.publish("m", "k", payload={"a": 5, "b": 6}, hidden=1)
    assert w.ended[instance] == {"key": "k", "kept": 5, "order": {"a": 1, "b": 6}}
    assert w.left() == {}


def test_failing_output_mapping_keeps_the_message() -> None:
    """A mapping that fails is an incident after the message has arrived.

    The message is not asked for again.
    """
    w = World()
    w.deploy(waiting(outputs={"x": '=assert(y, y > limit, "too small")'}))
    instance = w.start(key="k", limit=10)
    w.publish("m", "k", y=5)
    assert (w.incident().type, w.active(instance)) == ("IO_MAPPING_ERROR", ["c"])
    w.set(instance, limit=1)
    w.resolve()
    assert w.ended[instance] == {"key": "k", "limit": 1, "x": 5}
    assert w.left() == {}


def test_empty_name_is_refused() -> None:
    """A message without a name is refused."""
    with pytest.raises(Rejection) as caught:
        World().publish("", "k")
    assert caught.value.status == "INVALID_ARGUMENT"


# Once a process


def test_once_among_the_instances_of_a_process() -> None:
    """Of several instances that wait, the one that has waited longest gets the message, and it alone."""
    w = World()
    w.deploy(waiting())
    first, second = w.start(key="k"), w.start(key="k")
    w.publish("m", "k", n=1)
    assert w.ended == {first: {"key": "k", "n": 1}}
    w.publish("m", "k", n=2)
    assert w.ended[second] == {"key": "k", "n": 2}
    assert w.left() == {}


def test_once_across_versions() -> None:
    """Two versions are one process: a message goes to an instance of one of them."""
    w = World()
    w.deploy(waiting())
    old = w.start(key="k")
    w.deploy(waiting(outputs={"new": "=1"}))
    new = w.start(key="k")
    w.publish("m", "k", ttl=TTL)
    assert [*w.ended] == [old]
    w.publish("m", "k")
    assert w.ended[new] == {"key": "k", "new": 1}
    w.later(TTL)
    assert w.left() == {}


def test_each_process_gets_the_message() -> None:
    """Instances of different processes get the same message, each process once."""
    w = World()
    w.deploy(waiting("p"))
    w.deploy(waiting("q"))
    keys = [w.start(id, key="k") for id in ("p", "q", "p")]
    w.publish("m", "k", x=1)
    assert [*w.ended] == keys[:2]
    w.publish("m", "k", x=2)
    assert w.ended[keys[2]] == {"key": "k", "x": 2}
    assert w.left() == {}


def test_once_within_an_instance() -> None:
    """Two branches of one instance that wait for the same message need a message each."""
    w = World()
    events = catch("c1", on_message("M")) + catch("c2", on_message("M"))
    routes = chain("start", "f", "c1") + chain("f", "c2")
    w.deploy(definitions(MESSAGES, process("p", START, element("parallelGateway", "f"), events, routes)))
    instance = w.start(key="k")
    w.publish("m", "k")
    assert len(w.active(instance)) == 1
    w.publish("m", "k")
    assert instance in w.ended
    assert w.left() == {}


def test_called_process_counts_as_its_own() -> None:
    """A message goes to the waiting parent and to the waiting child: they are two processes."""
    w = World()
    w.deploy(waiting("child"))
    routes = chain("start", "f", "c", "end") + chain("f", "called")
    parts = (
        START,
        element("parallelGateway", "f"),
        catch("c", on_message("M")),
        call("called", "child"),
        END,
    )
    w.deploy(definitions(MESSAGES, process("p", *parts, routes)))
    instance = w.start(key="k")
    w.publish("m", "k", x=1)
    assert w.ended[instance] == {"key": "k", "x": 1}
    assert w.left() == {}


# Kept for a while


def test_message_without_ttl_is_not_kept() -> None:
    """Nobody waits and the time to live is zero: the message is gone."""
    w = World()
    w.deploy(waiting())
    w.publish("m", "k")
    assert w.left() == {}
    instance = w.start(key="k")
    assert w.running() == [instance]


def test_kept_messages_are_taken_in_their_order() -> None:
    """Who begins to wait gets the first message that was published, the next one the second."""
    w = World()
    w.deploy(waiting())
    for n in (1, 2, 3):
        w.publish("m", "k", ttl=TTL, n=n)
    keys = [w.start(key="k") for _ in range(3)]
    assert [w.ended[key] for key in keys] == [{"key": "k", "n": n} for n in (1, 2, 3)]
    w.later(TTL)
    assert w.left() == {}


def test_kept_message_is_for_other_processes_too() -> None:
    """A kept message goes once to each process, whenever its instance comes, while it is kept."""
    w = World()
    w.deploy(waiting("p"))
    w.deploy(waiting("q"))
    w.publish("m", "k", ttl=TTL, x=1)
    first, second = w.start("p", key="k"), w.start("p", key="k")
    w.later(TTL - 1)
    other = w.start("q", key="k")
    assert w.ended == {first: {"key": "k", "x": 1}, other: {"key": "k", "x": 1}}
    assert w.running() == [second]


@pytest.mark.parametrize("late", [False, True], ids=["in time", "too late"])
def test_time_to_live(late: bool) -> None:
    """A message is kept for its time to live, and discarded when that is over."""
    w = World()
    w.deploy(waiting())
    w.publish("m", "k", ttl=TTL)
    w.later(TTL if late else TTL - 1)
    assert ("messages" in w.left()) is not late
    instance = w.start(key="k")
    assert (instance in w.ended) is not late


def test_one_message_expires_and_another_stays() -> None:
    """Each message has a time of its own; order of publishing does not matter."""
    w = World()
    w.deploy(waiting())
    w.publish("m", "k", ttl=TTL, n=1)
    w.publish("m", "k", ttl=1000, n=2)
    w.publish("m", "k", ttl=3 * TTL, n=3)
    w.later(2 * TTL)
    assert w.left() == {"messages": 1}
    instance = w.start(key="k")
    assert w.ended[instance] == {"key": "k", "n": 3}


def test_the_same_id_is_refused_while_the_message_is_kept() -> None:
    """A second message of the same name, key and id is refused as long as the first is kept."""
    w = World()
    w.deploy(waiting())
    w.publish("m", "k", ttl=TTL, id="1")
    instance = w.start(key="k")
    assert instance in w.ended  # a message that was taken is kept all the same
    with pytest.raises(Rejection) as caught:
        w.publish("m", "k", id="1")
    assert caught.value.status == "ALREADY_EXISTS"
    assert "'1'" in caught.value.message
    w.later(TTL)
    w.publish("m", "k", ttl=TTL, id="1")
    w.later(TTL)
    assert w.left() == {}


@pytest.mark.parametrize(
    ("name", "key", "id"),
    [("n", "k", "1"), ("m", "other", "1"), ("m", "k", "2"), ("m", "k", "")],
    ids=["other name", "other key", "other id", "no id"],
)
def test_ids_belong_to_name_and_key(name: str, key: str, id: str) -> None:
    """The same id with another name or key is another message, and without an id nothing is compared."""
    w = World()
    w.publish("m", "k", ttl=TTL, id="1")
    w.publish("m", "k", ttl=TTL)
    w.publish(name, key, ttl=TTL, id=id)
    assert w.left() == {"messages": 3}


def test_id_of_a_message_that_was_not_kept() -> None:
    """Without a time to live an id is compared with kept messages only."""
    w = World()
    w.publish("m", "k", id="1")
    w.publish("m", "k", id="1")
    assert w.left() == {}


def test_kept_messages_over_a_restart(tmp_path: Path) -> None:
    """Messages, their order, ids and those who had them are kept over a restart."""
    w = World(tmp_path)
    w.deploy(waiting())
    w.publish("m", "k", ttl=TTL, id="1", n=1)
    w.publish("m", "k", ttl=TTL, n=2)
    first = w.start(key="k")
    w.restart()
    second = w.start(key="k")
    third = w.start(key="k")
    assert (w.ended[first], w.ended[second]) == ({"key": "k", "n": 1}, {"key": "k", "n": 2})
    with pytest.raises(Rejection):
        w.publish("m", "k", id="1")
    w.restart()
    assert w.running() == [third]
    w.publish("m", "k", n=3)
    assert w.ended[third] == {"key": "k", "n": 3}
    w.later(TTL)
    assert w.left() == {}


# Several times: events that do not interrupt


def reminded(*, interrupting: bool) -> bytes:
    """Return a process with a job `a`, the message `m` on it, and a job `after` behind the message."""
    event = boundary("b", "a", on_message("M"), interrupting=interrupting)
    routes = chain("start", "a", "end") + chain("b", "after")
    return definitions(MESSAGES, process("p", START, job("a"), event, job("after"), END, routes))


def test_interrupting_boundary_message() -> None:
    """The first message ends the task; a second one finds nobody."""
    w = World()
    w.deploy(reminded(interrupting=True))
    instance = w.start(key="k")
    w.publish("m", "k", n=1)
    w.publish("m", "k", n=2)
    assert w.active(instance) == ["after"]
    assert w.take("a") == []
    w.do("after")
    assert w.ended[instance] == {"key": "k", "n": 1}
    assert w.left() == {}


def test_non_interrupting_boundary_message() -> None:
    """Each message happens while the task goes on, and none after it."""
    w = World()
    w.deploy(reminded(interrupting=False))
    instance = w.start(key="k")
    for n in (1, 2, 3):
        w.publish("m", "k", n=n)
        assert w.do("after").variables == {"key": "k", "n": n}
    w.do("a")
    w.publish("m", "k", n=4)
    assert w.ended[instance] == {"key": "k", "n": 3}
    assert w.left() == {}


def test_kept_messages_at_a_non_interrupting_event() -> None:
    """Who does not interrupt takes all messages that are kept, each of them once."""
    w = World()
    w.deploy(reminded(interrupting=False))
    for n in (1, 2, 3):
        w.publish("m", "k", ttl=TTL, n=n)
    instance = w.start(key="k")
    assert len(w.take("after")) == 3
    other = w.start(key="k")
    assert w.active(other) == ["a"]
    w.cancel(instance)
    w.cancel(other)
    w.later(TTL)
    assert w.left() == {}


def test_kept_messages_at_an_interrupting_event() -> None:
    """Who interrupts takes one of the kept messages; the others are left for whoever comes next."""
    w = World()
    w.deploy(reminded(interrupting=True))
    w.publish("m", "k", ttl=TTL, n=1)
    w.publish("m", "k", ttl=TTL, n=2)
    first = w.start(key="k")
    second = w.start(key="k")
    third = w.start(key="k")
    assert (w.active(first), w.active(second), w.active(third)) == (["after"], ["after"], ["a"])
    assert [each.variables["n"] for each in w.take("after")] == [1, 2]


def test_message_that_came_too_late_is_there_for_others() -> None:
    """Of two kept messages at one task only one can end it; the other one waits for the next task."""
    w = World()
    events = boundary("b", "a", on_message("M")) + boundary("c", "a", on_message("N"))
    routes = chain("start", "a", "end") + chain("b", "r", "end2") + chain("c", "r")
    parts = (job("a"), events, receive("r", "N"), element("endEvent", "end2"))
    w.deploy(definitions(MESSAGES, process("p", START, END, *parts, routes)))
    w.publish("m", "k", ttl=TTL, first=1)
    w.publish("n", "k", ttl=TTL, second=1)
    instance = w.start(key="k")
    assert w.ended[instance] == {"key": "k", "first": 1, "second": 1}
    w.later(TTL)
    assert w.left() == {}


@pytest.mark.parametrize("interrupting", [True, False], ids=["interrupting", "non-interrupting"])
def test_kept_message_at_an_activity_that_is_ending(interrupting: bool) -> None:
    """An activity that an output mapping holds up at its end takes no message: it is there for others."""
    event = boundary("b", "a", on_message("M"), interrupting=interrupting)
    routes = chain("start", "a", "end") + chain("b", "after")
    own = job("a", outputs={"x": '=assert(r, r != null, "no r")'})
    w = World()
    w.deploy(definitions(MESSAGES, process("p", START, own, event, job("after"), END, routes)))
    first = w.start(key="k")
    w.do("a")
    w.publish("m", "k", ttl=TTL)
    assert w.active(first) == ["a"]
    second = w.start(key="k")
    assert w.active(second) == (["after"] if interrupting else ["a", "after"])
    w.cancel(first)
    w.cancel(second)
    w.later(TTL)
    assert w.left() == {}


def test_two_messages_in_one_turn() -> None:
    """Of two messages that arrive before either has happened, the one that comes too late goes to whoever is next."""
    w = World()
    events = boundary("b", "a", on_message("M")) + boundary("c", "a", on_message("N"))
    routes = chain("start", "a", "end") + chain("b", "r", "end2") + chain("c", "end")
    parts = (job("a"), events, receive("r", "N"), element("endEvent", "end2"))
    w.deploy(definitions(MESSAGES, process("p", START, END, *parts, routes)))
    instance = w.start(key="k")
    w.engine.messages.publish("m", "k", 0, "", document({"first": 1}))
    w.engine.messages.publish("n", "k", TTL, "", document({"second": 2}))
    w.settle()
    assert w.ended[instance] == {"key": "k", "first": 1, "second": 2}
    w.later(TTL)
    assert w.left() == {}


@pytest.mark.parametrize("kind", ["catch event", "boundary event"])
def test_two_messages_for_two_instances_in_one_turn(kind: str) -> None:
    """Who has got a message waits no more, even before it has happened.

    The next message goes to the next one.
    """
    w = World()
    w.deploy(waiting() if kind == "catch event" else reminded(interrupting=True))
    first, second = w.start(key="k"), w.start(key="k")
    for n in (1, 2):
        w.engine.messages.publish("m", "k", 0, "", document({"n": n}))
    w.settle()
    for taken in w.take("after"):
        w.complete(taken.key)
    assert (w.ended[first], w.ended[second]) == ({"key": "k", "n": 1}, {"key": "k", "n": 2})
    assert w.left() == {}


def test_message_that_came_too_late_starts_a_process() -> None:
    """What a running instance cannot take any more starts a new one, where the message is one of a start event too."""
    w = World()
    start = event_start("ms", on_message("N")) + chain("ms", "x") + job("x")
    events = boundary("b", "a", on_message("M")) + boundary("c", "a", on_message("N"))
    routes = chain("start", "a", "end") + chain("b", "end") + chain("c", "end")
    w.deploy(definitions(MESSAGES, process("p", START, END, start, job("a"), events, routes)))
    instance = w.start(key="k")
    w.engine.messages.publish("m", "k", 0, "", document({}))
    w.engine.messages.publish("n", "k", TTL, "", document({"n": 1}))
    w.settle()
    assert w.ended[instance] == {"key": "k"}
    assert w.take_one("x").variables == {"n": 1}


def test_boundary_message_on_a_sub_process() -> None:
    """A message on a sub-process ends all that is in it, and sees none of its variables."""
    inner = element("startEvent", "ss") + job("a") + receive("r", "N") + chain("ss", "a") + chain("ss", "r")
    w = World()
    own = sub_process("s", inner, extensions=mappings({"local": "=1"}))
    event = boundary("b", "s", on_message("M"))
    w.deploy(
        definitions(
            MESSAGES, process("p", START, own, event, job("after"), chain("start", "s"), chain("b", "after"))
        )
    )
    instance = w.start(key="k")
    assert w.take_one("a").variables == {"key": "k", "local": 1}
    w.publish("m", "k", x=1, local="outer")
    assert w.active(instance) == ["after"]
    w.do("after")
    assert w.ended[instance] == {"key": "k", "x": 1, "local": "outer"}
    assert w.left() == {}


# Message start events


def test_message_starts_a_process() -> None:
    """A message creates an instance at its start event, with its variables."""
    w = World()
    w.deploy(started())
    w.publish("s", x=1)
    (instance,) = w.running()
    assert w.do("a").variables == {"x": 1}
    assert w.ended[instance] == {"x": 1}
    assert w.path(instance) == ["ms", "a", "end", "p"]
    assert w.left() == {"subscriptions": 1}


def test_one_instance_a_correlation_key() -> None:
    """While an instance runs that a message with this key has started, a second one is not started."""
    w = World()
    w.deploy(started())
    w.publish("s", "k", n=1)
    w.publish("s", "k", n=2)
    w.publish("s", "other", n=3)
    assert [each.variables["n"] for each in w.take("a")] == [1, 3]
    assert "messages" not in w.left()
    w.later(60_000)
    for taken in w.take("a"):
        w.complete(taken.key)
    w.publish("s", "k", n=4)
    assert w.do("a").variables == {"n": 4}


@pytest.mark.parametrize("end", ["completed", "cancelled"])
def test_kept_message_waits_for_the_end_of_the_running_instance(end: str) -> None:
    """A message that is kept starts its instance when the one before it has ended, in the order of publishing."""
    w = World()
    w.deploy(started())
    for n in (1, 2, 3):
        w.publish("s", "k", ttl=TTL, n=n)
    for n in (1, 2, 3):
        (instance,) = w.running()
        assert w.local(instance) == {"n": n}
        if end == "completed":
            w.do("a")
        else:
            w.cancel(instance)
    assert w.running() == []
    w.later(TTL)
    assert w.left() == {"subscriptions": 1}


def test_kept_message_expires_before_the_end() -> None:
    """A message whose time is over before the running instance ends starts nothing."""
    w = World()
    w.deploy(started())
    w.publish("s", "k", ttl=TTL, n=1)
    w.publish("s", "k", ttl=TTL, n=2)
    w.later(TTL)
    w.do("a")
    assert w.running() == []


def test_empty_key_always_starts() -> None:
    """Without a correlation key each message starts an instance, whatever is running."""
    w = World()
    w.deploy(started())
    w.publish("s", "")
    w.publish("s", "", ttl=TTL)
    w.publish("s", "k")
    assert len(w.running()) == 3
    for taken in w.take("a"):
        w.complete(taken.key)
    assert w.running() == []  # the kept one was used already


def test_instances_of_a_command_do_not_lock() -> None:
    """Only instances that a message has started count: one of CreateProcessInstance does not."""
    w = World()
    start = event_start("ms", on_message("S")) + START
    w.deploy(definitions(MESSAGES, process("p", start, job("a"), chain("ms", "a"), chain("start", "a"))))
    w.start(key="k")
    w.publish("s", "k")
    assert len(w.running()) == 2


def test_lock_holds_across_versions() -> None:
    """An instance of an old version still bars its key; its end starts the latest version."""
    w = World()
    (old,) = w.deploy(started())
    w.publish("s", "k", n=1)
    (new,) = w.deploy(started("S", job("b"), chain("a", "b")))
    w.publish("s", "k", ttl=TTL, n=2)
    (first,) = w.running()
    assert w.engine.state.instances[first].process == old
    w.do("a")
    (second,) = w.running()
    assert w.engine.state.instances[second].process == new
    assert w.local(second) == {"n": 2}


def test_new_version_takes_over_the_message() -> None:
    """Messages start the latest version only."""
    w = World()
    w.deploy(started())
    (new,) = w.deploy(started("S", job("b"), chain("a", "b")))
    w.publish("s")
    (instance,) = w.running()
    assert w.engine.state.instances[instance].process == new


def test_new_version_without_the_message() -> None:
    """A version without the start event lets no older one be started by it, not even by a kept message."""
    w = World()
    w.deploy(started())
    w.publish("s", "k", ttl=TTL, n=1)
    w.publish("s", "k", ttl=TTL, n=2)
    w.deploy(definitions(process("p", START, job("a"), chain("start", "a"))))
    w.publish("s", "other")
    w.do("a")
    assert w.running() == []
    w.later(TTL)
    assert w.left() == {}


def test_message_from_before_the_deployment() -> None:
    """A message that was published before the process was deployed does not start it."""
    w = World()
    w.publish("s", "k", ttl=TTL)
    w.deploy(started())
    assert w.running() == []


def test_several_message_start_events() -> None:
    """Each start event has a message of its own; they share the lock of the correlation key."""
    w = World()
    starts = event_start("m1", on_message("S")) + event_start("m2", on_message("T"))
    routes = chain("m1", "a") + chain("m2", "b")
    head = message("S", "s") + message("T", "t")
    w.deploy(definitions(head, process("p", starts, job("a"), job("b"), routes)))
    w.publish("t", "k", n=1)
    w.publish("s", "k", ttl=TTL, n=2)
    assert w.take("a") == []
    w.do("b")
    assert w.do("a").variables == {"n": 2}
    assert w.running() == []


def test_one_message_starts_several_processes() -> None:
    """A message starts each process that has a start event for it."""
    w = World()
    for id in ("p", "q"):
        w.deploy(
            definitions(MESSAGES, process(id, event_start("ms", on_message("S")), job("a"), chain("ms", "a")))
        )
    w.publish("s", "k", x=1)
    assert len(w.take("a")) == 2


def test_name_of_a_start_message_by_expression() -> None:
    """The name of a start event's message is worked out at deployment, where there are no variables."""
    w = World()
    parts = (event_start("ms", on_message("X")), job("a"), chain("ms", "a"))
    w.deploy(definitions(message("X", '="order " + "sent"'), process("p", *parts)))
    w.publish("order sent")
    assert len(w.running()) == 1
    with pytest.raises(Rejection) as caught:
        w.deploy(definitions(message("X", '="order " + kind'), process("p", *parts)))
    assert caught.value.status == "INVALID_ARGUMENT"
    assert "'ms'" in caught.value.message


def test_output_mappings_of_a_message_start_event() -> None:
    """With output mappings the message's variables stay at the start event."""
    w = World()
    w.deploy(started(outputs={"kept": "=x * 2"}))
    w.publish("s", x=4, hidden=1)
    assert w.do("a").variables == {"kept": 8}


def test_aggregation() -> None:
    """The documented aggregator.

    The first message starts an instance, the next ones reach it, others start anew.
    """
    w = World()
    start = event_start("ms", on_message("M"))
    own = (start, receive("r", "M"), job("a"), chain("ms", "r", "a"))
    w.deploy(definitions(message("M", "m", "=group"), process("p", *own)))
    for n in (1, 2, 3):
        w.publish("m", "g", ttl=TTL, group="g", n=n)
    assert w.do("a").variables == {"group": "g", "n": 2}
    (instance,) = w.running()
    assert w.local(instance) == {"group": "g", "n": 3}
    assert w.active(instance) == ["r"]


def test_event_sub_process_sees_what_started_the_process() -> None:
    """The correlation key of an event sub-process may come from the message that has started the process."""
    start = event_start("e1", on_message("N"))
    cancelled = event_sub_process("es", start, job("undo"), chain("e1", "undo"))
    w = World()
    w.deploy(
        definitions(
            message("S", "s") + message("N", "cancel", "=order.id"),
            process("p", event_start("ms", on_message("S")), job("a"), chain("ms", "a"), cancelled),
        )
    )
    w.publish("s", order={"id": 7})
    assert w.incidents() == []
    w.publish("cancel", "7")
    assert w.do("undo").variables == {"order": {"id": 7}}
    assert w.left() == {"subscriptions": 1}


def test_start_lock_over_a_restart(tmp_path: Path) -> None:
    """Start events, locks and messages that wait for an end are kept over a restart."""
    w = World(tmp_path)
    w.deploy(started())
    w.publish("s", "k", n=1)
    w.restart()
    w.publish("s", "k", ttl=TTL, n=2)
    assert len(w.running()) == 1
    w.restart()
    w.do("a")
    (second,) = w.running()
    assert w.local(second) == {"n": 2}
    w.restart()
    w.do("a")
    assert w.running() == []


def test_called_process_is_started_without_its_message() -> None:
    """A process with a message start event alone cannot be called, nor created by a command."""
    w = World()
    w.deploy(started())
    with pytest.raises(Rejection) as caught:
        w.start("p")
    assert caught.value.status == "FAILED_PRECONDITION"
    w.deploy(definitions(process("q", START, call("c", "p"), chain("start", "c"))))
    w.start("q")
    assert w.incident().type == "CALLED_ELEMENT_ERROR"
    assert "'p'" in w.incident().message


# Throw events


@pytest.mark.parametrize("kind", ["intermediateThrowEvent", "endEvent"], ids=["throw", "end"])
def test_message_throw_events_are_jobs(kind: str) -> None:
    """A message throw or end event waits for its job, and publishes nothing by itself."""
    definition = "<bpmn:messageEventDefinition/>"
    inputs, outputs = {"local": "=n + 1"}, {"receipt": "=id"}
    thrown = job("x", definition, kind=kind, headers={"topic": "t"}, inputs=inputs, outputs=outputs)
    w = World()
    w.deploy(definitions(process("p", START, thrown, chain("start", "x"))))
    instance = w.start(n=1)
    taken = w.do("x", id=5, hidden=6)
    assert (taken.variables, taken.headers) == ({"n": 1, "local": 2}, {"topic": "t"})
    assert w.ended[instance] == {"n": 1, "receipt": 5}
    assert w.left() == {}
