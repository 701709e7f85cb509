"""One scheduler prolongs the leases of all jobs: in time, for as long as they last, never in a burst."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Coroutine
from datetime import timedelta
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openai_connector.zeebe.commands import Delivery
from openai_connector.zeebe.lease import AT_ONCE, Lease, Leases, Schedule
from tests.unit.zeebe.virtual_time import in_virtual_time

OWN = 60.0
LATENCY = 0.025
"""Seconds that a prolongation takes on an engine with work to do."""


def now() -> float:
    """Return the virtual time."""
    return asyncio.get_running_loop().time()


class FakeEngine:
    """Answers prolongations as told, and remembers when they were sent."""

    def __init__(self) -> None:
        self.sent: list[tuple[float, int]] = []
        self.lengths: set[float] = set()
        self.under_way = self.most = 0
        self.answer: Callable[[int], Delivery | Coroutine[Any, Any, Delivery]] = lambda _key: Delivery.DONE

    async def prolong(self, key: int, length: timedelta, deadline: timedelta) -> Delivery:
        """Answer after the latency."""
        self.sent.append((now(), key))
        self.lengths.add(length.total_seconds())
        self.under_way += 1
        self.most = max(self.most, self.under_way)
        try:
            async with asyncio.timeout(deadline.total_seconds()):
                await asyncio.sleep(LATENCY)
                answer = self.answer(key)
                return answer if isinstance(answer, Delivery) else await answer
        except TimeoutError:
            return Delivery.UNDELIVERED
        finally:
            self.under_way -= 1

    def moments(self, key: int) -> list[float]:
        """Return when a job was prolonged."""
        return [moment for moment, sent in self.sent if sent == key]


class World:
    """Leases on an engine, each with what was told of it."""

    def __init__(self, clock: Callable[[], float] = now) -> None:
        self.engine = FakeEngine()
        self.leases = Leases(self.engine, now=clock)
        self.until: dict[int, float] = {}
        self.told: dict[int, list[str]] = {}

    def lease(self, key: int, length: float = OWN) -> Lease:
        """Make a lease that begins now."""
        self.until[key] = now() + OWN
        told = self.told[key] = []

        def prolonged(sent: float, length: float) -> None:
            if now() >= self.until[key] or (sent, key) not in self.engine.sent:
                told.append("late")
            self.until[key] = sent + length

        return Lease(key, OWN, length, prolonged, lambda: told.append("lost"), lambda: told.append("gone"))

    def begin(self, key: int, length: float = OWN) -> Lease:
        """Keep a lease from now on."""
        lease = self.lease(key, length)
        self.leases.keep(lease, now())
        return lease


def test_a_job_within_half_a_lease_costs_nothing() -> None:
    """Only jobs that outlive their turn cost a command, however many there are."""

    async def main() -> None:
        world = World()
        for key in range(5000):
            lease = world.begin(key)
            await asyncio.sleep(0.001)
            world.leases.let_go(lease)
        await asyncio.sleep(OWN)
        assert world.engine.sent == []

    in_virtual_time(main)


@pytest.mark.parametrize("length", [OWN, 600.0], ids=["own", "the_tasks"])
def test_a_long_job_is_prolonged_until_it_ends(length: float) -> None:
    """Every half a lease at the latest, also where the task's own lease is longer; never after the end."""

    async def main() -> None:
        world = World()
        lease = world.begin(1, length)
        await asyncio.sleep(3600)
        world.leases.let_go(lease)
        ended = now()
        await asyncio.sleep(3600)
        moments = [0.0, *world.engine.moments(1)]
        assert all(0.39 * OWN < later - before < 0.5 * OWN + 1 for before, later in pairwise(moments))
        assert moments[-1] <= ended < moments[-1] + 0.5 * OWN + 1
        assert world.engine.lengths == {length}
        assert world.told[1] == []

    in_virtual_time(main)


def test_many_jobs_begun_at_once_are_no_burst() -> None:
    """Their prolongations are spread over seconds, few are under way at once, and no lease is ever over."""

    async def main() -> None:
        world = World()
        for key in range(500):
            world.begin(key)
        await asyncio.sleep(10 * OWN)
        seconds = Counter(int(moment) for moment, _ in world.engine.sent)
        assert max(seconds.values()) < 150
        assert world.engine.most <= AT_ONCE
        assert not any(world.told.values())
        assert all(until > now() for until in world.until.values())
        assert len(world.engine.sent) < 500 * 10 / 0.39

    in_virtual_time(main)


def test_a_job_that_is_gone_is_told_within_half_a_lease() -> None:
    """It is told once, and not asked about any more; its neighbor goes on."""

    async def main() -> None:
        world = World()
        world.begin(1)
        world.begin(2)
        await asyncio.sleep(100)
        world.engine.answer = lambda key: Delivery.GONE if key == 1 else Delivery.DONE
        await asyncio.sleep(OWN / 2 + 1)
        assert world.told == {1: ["gone"], 2: []}
        asked = len(world.engine.moments(1))
        await asyncio.sleep(10 * OWN)
        assert world.told == {1: ["gone"], 2: []}
        assert len(world.engine.moments(1)) == asked
        assert now() < world.until[2]

    in_virtual_time(main)


async def _hangs() -> Delivery:
    await asyncio.Event().wait()
    raise AssertionError


async def _raises() -> Delivery:
    raise RuntimeError


async def _is_cancelled() -> Delivery:
    raise asyncio.CancelledError  # as gRPC does for a channel that was closed


@pytest.mark.parametrize(
    "away",
    [
        pytest.param(lambda _key: Delivery.UNDELIVERED, id="refuses_connections"),
        pytest.param(lambda _key: _hangs(), id="hangs"),
        pytest.param(lambda _key: _raises(), id="raises"),
        pytest.param(lambda _key: _is_cancelled(), id="channel_closed"),
    ],
)
def test_an_engine_that_is_away_is_asked_gently_and_all_are_prolonged_when_it_is_back(away: Any) -> None:
    """One command at a time while it is away; back within the lease, none of 300 leases is over."""

    async def main() -> None:
        world = World()
        for key in range(300):
            world.begin(key)
        await asyncio.sleep(20)
        world.engine.answer = away
        await asyncio.sleep(25)
        asked = [moment for moment, _ in world.engine.sent]
        assert len(asked) < 60
        world.engine.answer = lambda _key: Delivery.DONE
        await asyncio.sleep(13)  # a command that hangs takes 6 seconds
        assert not any(world.told.values())
        assert all(until > now() for until in world.until.values())
        await asyncio.sleep(10 * OWN)
        assert not any(world.told.values())

    in_virtual_time(main)


def test_an_engine_that_is_away_for_long_is_asked_until_it_is_back() -> None:
    """The lease was over meanwhile; that the job is gone is still heard of, and the work ends."""

    async def main() -> None:
        world = World()
        world.begin(1)
        world.engine.answer = lambda _key: Delivery.UNDELIVERED
        await asyncio.sleep(3600)
        assert world.told[1] == []
        world.engine.answer = lambda _key: Delivery.GONE
        await asyncio.sleep(5)
        assert world.told[1] == ["gone"]

    in_virtual_time(main)


@pytest.mark.parametrize("delivery", [Delivery.UNDELIVERED, Delivery.REFUSED, Delivery.LEASE_LOST])
def test_one_job_with_trouble_holds_up_no_other(delivery: Delivery) -> None:
    """What the engine has against one job does not cost the others their leases."""

    async def main() -> None:
        world = World()
        world.engine.answer = lambda key: delivery if key == 0 else Delivery.DONE
        for key in range(50):
            world.begin(key)
        await asyncio.sleep(20 * OWN)
        assert all(until > now() for key, until in world.until.items() if key)
        assert not any(told for key, told in world.told.items() if key)
        assert len(world.engine.moments(0)) <= 20 * OWN
        assert set(world.told[0]) == ({"lost"} if delivery is Delivery.LEASE_LOST else set())

    in_virtual_time(main)


def test_a_machine_that_was_suspended_prolongs_at_once() -> None:
    """The event loop's timers do not see the time that has passed; the scheduler does, within a second."""

    async def main() -> None:
        slept = 0.0
        world = World(lambda: now() + slept)
        world.begin(1)
        await asyncio.sleep(1)
        slept = 3600
        await asyncio.sleep(1.1)
        assert len(world.engine.sent) == 1

    in_virtual_time(main)


@pytest.mark.parametrize(
    ("arrived_after", "seconds"),
    [
        pytest.param(0, 30, id="at_once"),
        pytest.param(30, 15, id="late"),
        pytest.param(59, 0.1, id="last_moment"),
    ],
)
def test_what_arrives_late_is_prolonged_early(arrived_after: float, seconds: float) -> None:
    """A lease counts from before its poll was sent, and is prolonged while a quarter of it is left."""

    async def main() -> None:
        world = World()
        since = now()
        await asyncio.sleep(arrived_after)
        world.leases.keep(world.lease(1), since)
        await asyncio.sleep(seconds + 0.1)
        assert len(world.engine.sent) == 1

    in_virtual_time(main)


# Engines that cannot prolong

LONG, SHORT = timedelta(minutes=3), timedelta(seconds=50)


@pytest.mark.parametrize(
    ("delivery", "needed", "is_begun", "asked"),
    [
        pytest.param(Delivery.REFUSED, LONG, False, 1, id="unknown_command"),
        pytest.param(Delivery.REFUSED, SHORT, True, 0, id="fits_the_lease"),
        pytest.param(Delivery.DONE, LONG, True, 1, id="prolongs"),
        pytest.param(Delivery.UNDELIVERED, LONG, True, 1, id="away"),
        pytest.param(Delivery.GONE, LONG, True, 1, id="knows_the_command"),
    ],
)
def test_long_work_is_begun_only_where_leases_can_be_prolonged(
    delivery: Delivery, needed: timedelta, is_begun: bool, asked: int
) -> None:
    """A call of three minutes does not fit a lease of one; an engine that is away may well prolong it."""

    async def main() -> None:
        world = World()
        world.engine.answer = lambda _key: delivery
        answers = await asyncio.gather(*(world.leases.covers(world.lease(key), needed) for key in range(50)))
        assert answers == [is_begun] * 50
        assert len(world.engine.sent) == asked  # one question for all

    in_virtual_time(main)


def test_an_engine_that_prolongs_is_believed_to_go_on_so() -> None:
    """A proxy that answers for it in between makes no incidents; an upgraded engine needs no restart here."""

    async def main() -> None:
        world = World()
        world.engine.answer = lambda _key: Delivery.REFUSED
        assert not await world.leases.covers(world.lease(1), LONG)
        world.engine.answer = lambda _key: Delivery.DONE
        assert await world.leases.covers(world.lease(2), LONG)
        world.engine.answer = lambda _key: Delivery.REFUSED
        world.begin(3)
        await asyncio.sleep(10 * OWN)
        assert await world.leases.covers(world.lease(4), LONG)

    in_virtual_time(main)


# What is due when


def lease(key: int) -> Lease:
    """Make a lease of which nothing is told."""
    return Lease(key, OWN, OWN, lambda _sent, _length: None, lambda: None, lambda: None)


@given(st.lists(st.tuples(st.floats(0, 100), st.booleans())), st.floats(0, 100), st.integers(1, 10))
def test_what_is_due_comes_in_its_order(entries: list[tuple[float, bool]], moment: float, most: int) -> None:
    """The earliest first, no more than asked for, nothing early, nothing that has ended, and all of it."""
    schedule = Schedule()
    for key, (due, is_ended) in enumerate(entries):
        entry = lease(key)
        entry.is_ended = is_ended
        schedule.add(due, entry)
    wanted = sorted(due for due, is_ended in entries if not is_ended and due <= moment)
    found: list[float] = []
    while group := schedule.due(moment, most):
        assert len(group) <= most
        found += [entries[entry.key][0] for entry in group]
    assert found == wanted
    later = [due for due, is_ended in entries if not is_ended and due > moment]
    assert schedule.next() == min(later, default=None)


def test_ended_leases_are_not_remembered_for_half_a_minute() -> None:
    """At hundreds of short jobs a second they would add up."""
    schedule = Schedule()
    for key in range(10_000):
        entry = lease(key)
        schedule.add(30.0, entry)
        entry.is_ended = True
    assert len(schedule) < 200
