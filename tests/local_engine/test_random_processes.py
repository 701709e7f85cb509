"""Processes that nobody has thought of.

Random ones, worked off in a random order, must all come to an end.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from itertools import count
from pathlib import Path

import pytest

from tests.local_engine.bpmn import (
    END,
    START,
    boundary,
    call,
    catch,
    chain,
    definitions,
    element,
    error,
    event_start,
    event_sub_process,
    flow,
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

ERROR = error("E", "X")
MOST_STEPS = 3000
CALM = 200
"""After so many steps messages reach only those who cannot go on without: not all that may start things
does."""


class Generator:
    """Makes block-structured diagrams: each block has one way in and one way out."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self._numbers = count()
        self._parts: list[str] = []
        self._messages: list[str] = []
        self._may_call = True

    def diagram(self) -> bytes:
        """Return a process `p` of random blocks, which may call a process `q` of others."""
        inner = self._scope(3, "start", "end")
        self._may_call = False
        called = element("startEvent", "called-start") + self._end("called-end")
        called += self._scope(2, "called-start", "called-end")
        return definitions(ERROR, *self._messages, process("p", START, END, inner), process("q", called))

    def _name(self, kind: str) -> str:
        return f"{kind}{next(self._numbers)}"

    def _message(self) -> str:
        """Return the id of a message that nobody else waits for."""
        name = self._name("message")
        self._messages.append(message(name, name, '="k"'))
        return name

    def _scope(self, depth: int, first: str, last: str) -> str:
        """Return the inside of a scope, from its start event to its end event, with event sub-processes."""
        before, self._parts = self._parts, []
        self._sequence(depth, first, last)
        if depth and self.random.random() < 0.4:
            self._event_sub_process(depth - 1)
        inner, self._parts = "".join(self._parts), before
        return inner

    def _sequence(self, depth: int, first: str, last: str) -> None:
        """Add one to three blocks between two elements."""
        at = first
        for _ in range(self.random.randint(1, 3)):
            begin, end = self._block(depth)
            self._parts.append(chain(at, begin))
            at = end
        self._parts.append(chain(at, last))

    def _block(self, depth: int) -> tuple[str, str]:
        simple = [self._job, self._script, self._pass, self._wait]
        nested: list[Callable[[int], tuple[str, str]]] = [
            self._gateways,
            self._gateways,
            self._sub_process,
            self._choice,
            self._race,
        ]
        nested += [self._call] if self._may_call else []
        if depth and self.random.random() < 0.6:
            return self.random.choice(nested)(depth - 1)
        return self.random.choice(simple)()

    # Blocks without others in them

    def _job(self) -> tuple[str, str]:
        name = self._name("job")
        loop = self._loop() if self.random.random() < 0.3 else ""
        self._parts.append(job(name, loop, type="work", inputs={"local": "=n"}))
        return self._attach(name)

    def _script(self) -> tuple[str, str]:
        name = self._name("script")
        self._parts.append(script(name, "=(if n = null then 0 else n) + 1", "n", self._loop()))
        return name, name

    def _pass(self) -> tuple[str, str]:
        name = self._name("pass")
        kind = self.random.choice(["task", "manualTask", "intermediateThrowEvent", "exclusiveGateway"])
        self._parts.append(element(kind, name))
        return name, name

    def _wait(self) -> tuple[str, str]:
        name = self._name("wait")
        if self.random.random() < 0.5:
            self._parts.append(
                catch(name, self.random.choice([timer("duration", "PT1M"), on_message(self._message())]))
            )
        else:
            self._parts.append(receive(name, self._message(), self._loop()))
        return name, name

    # Blocks with others in them

    def _gateways(self, depth: int) -> tuple[str, str]:
        fork, join = self._name("fork"), self._name("join")
        self._parts += [element("parallelGateway", fork), element("parallelGateway", join)]
        for _ in range(self.random.randint(2, 3)):
            self._sequence(depth, fork, join)
        return fork, join

    def _choice(self, depth: int) -> tuple[str, str]:
        split, merge, other = self._name("split"), self._name("merge"), self._name("other")
        self._parts += [
            element("exclusiveGateway", split, default=f"{split}-{other}"),
            element("task", other),
        ]
        self._parts += [element("exclusiveGateway", merge), chain(split, other, merge)]
        inner = self._name("chosen")
        self._parts += [element("task", inner), flow(split, inner, "=random number() < 0.5")]
        self._sequence(depth, inner, merge)
        return split, merge

    def _race(self, depth: int) -> tuple[str, str]:
        gateway, merge = self._name("race"), self._name("merge")
        self._parts += [element("eventBasedGateway", gateway), element("exclusiveGateway", merge)]
        for definition in (
            on_message(self._message()),
            timer("duration", "PT1M"),
            timer("duration", "PT90S"),
        ):
            name = self._name("wait")
            self._parts += [catch(name, definition), chain(gateway, name)]
            self._sequence(depth, name, merge)
        return gateway, merge

    def _sub_process(self, depth: int) -> tuple[str, str]:
        name, first, last = self._name("sub"), self._name("first"), self._name("last")
        ends = element("startEvent", first) + self._end(last)
        inner = self._scope(depth, first, last)
        loop = self._loop() if self.random.random() < 0.4 else ""
        self._parts.append(
            sub_process(name, loop, ends, inner, extensions=mappings({"own": "=n"}, {"n": "=own"}))
        )
        return self._attach(name, error_too=True)

    def _call(self, _depth: int) -> tuple[str, str]:
        name = self._name("call")
        self._parts.append(call(name, "q", parts=self._loop()))
        return self._attach(name, error_too=True)

    def _end(self, name: str) -> str:
        terminate = "<bpmn:terminateEventDefinition/>"
        kind = self.random.choices(["", terminate, on_error("E")], [4, 1, 1])[0]
        return element("endEvent", name, kind)

    def _loop(self) -> str:
        if self.random.random() < 0.6:
            return ""
        until = "=numberOfCompletedInstances = 2" if self.random.random() < 0.3 else None
        sequential = self.random.random() < 0.5
        return multi_instance("=[1, 2, 3]", "item", output=("out", "=n"), sequential=sequential, until=until)

    def _attach(self, activity: str, *, error_too: bool = False) -> tuple[str, str]:
        """Attach events to an activity and return the block: what interrupts it leads to the same way out."""
        merge = self._name("merge")
        self._parts += [element("exclusiveGateway", merge), chain(activity, merge)]
        if self.random.random() < 0.15:
            self._boundary(activity, timer("duration", "PT2M"), merge)
        if self.random.random() < 0.15:
            self._boundary(activity, timer("cycle", "R2/PT1M"), None)
        if self.random.random() < 0.15:
            self._boundary(activity, on_message(self._message()), self.random.choice([None, merge]))
        if error_too or self.random.random() < 0.5:
            self._boundary(activity, on_error("E"), merge)
        return activity, merge

    def _boundary(self, activity: str, kind: str, merge: str | None) -> None:
        """Attach an event that interrupts and leads to an element, or that leads to an end of its own."""
        name, after, end = self._name("event"), self._name("after"), merge or self._name("end")
        self._parts += [
            boundary(name, activity, kind, interrupting=merge is not None),
            job(after, type="work"),
        ]
        self._parts += [chain(name, after, end), "" if merge else element("endEvent", end)]

    def _event_sub_process(self, depth: int) -> None:
        name, first, last = self._name("handler"), self._name("on"), self._name("done")
        kind = self.random.choice([on_message(self._message()), timer("duration", "PT3M"), on_error("E")])
        interrupting = kind == on_error("E") or self.random.random() < 0.5
        start = event_start(first, kind, interrupting=interrupting)
        inner = self._scope(depth, first, last)
        self._parts.append(event_sub_process(name, start, element("endEvent", last), inner))


def work_off(w: World, key: int, chance: random.Random) -> None:
    """Do at random what the process instance waits for, until it has ended."""
    for number in range(MOST_STEPS):
        if key in w.ended:
            return
        if w.incidents():
            w.cancel(key)  # an error that nothing catches: that is allowed, but there is no other way on
            return
        taken = w.take("work", maximum=1, lease=1000)
        dice = chance.random()
        if taken and dice < 0.75:
            if dice < 0.1:
                w.throw(taken[0].key, "X")
            else:
                w.complete(taken[0].key, n=chance.randint(0, 9))
        elif dice < 0.85:
            waiting = [
                s for s in w.engine.state.subscriptions.values() if number < CALM or s.target[:4] == "wait"
            ]
            for subscription in chance.sample(waiting, min(1, len(waiting))):
                w.publish(subscription.name, "k", ttl=chance.choice([0, 5000]), n=1)
        else:
            w.later(chance.choice([1000, 60_000]))
    raise AssertionError(f"it does not end: {w.active(key)}, {w.left()}")


@pytest.mark.parametrize("seed", range(60), ids=lambda seed: f"seed {seed}")
def test_random_process_ends_and_leaves_nothing(seed: int) -> None:
    """Whatever blocks a process is made of and in whatever order things happen, it ends and nothing of it is kept."""
    generator = Generator(seed)
    w = World()
    w.deploy(generator.diagram())
    for _ in range(3):
        key = w.start(n=0)
        work_off(w, key, generator.random)
    w.later(10_000)
    assert w.left() == {}
    entered = [r["key"] for r in w.records if r["intent"] == "ELEMENT_ACTIVATING"]
    left = [r["key"] for r in w.records if r["intent"] in ("ELEMENT_COMPLETED", "ELEMENT_TERMINATED")]
    assert sorted(entered) == sorted(left)


@pytest.mark.parametrize("seed", range(100, 115), ids=lambda seed: f"seed {seed}")
def test_random_process_over_restarts(tmp_path: Path, seed: int) -> None:
    """The same with a restart before every command."""
    generator = Generator(seed)
    w = World(tmp_path)
    w.deploy(generator.diagram())
    settle = w.settle

    def settle_and_restart() -> None:
        settle()
        w.restart()

    w.settle = settle_and_restart  # type: ignore[method-assign]
    key = w.start(n=0)
    work_off(w, key, generator.random)
    w.later(10_000)
    assert w.left() == {}
