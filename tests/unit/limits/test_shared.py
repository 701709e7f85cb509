"""What one worker has learned of limits and outages, others learn by a shared state."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from random import Random

import pytest

from openai_connector.limits import Admission, Asking, Gate, Held, HostChange, Key, exchange
from tests.simulation import LocalState, clock, simulate

KEY = Key("credential", "llm.example.com", "m")
EPOCH = 1_790_000_000.0


class Fleet:
    """Workers whose clocks began at different moments, with one state."""

    def __init__(self, workers: int = 2) -> None:
        self.changes: list[HostChange] = []
        self.state = LocalState()
        self.gates = [self._gate(number) for number in range(workers)]

    def _gate(self, number: int) -> Gate:
        loop = asyncio.get_running_loop()
        return Gate(
            clock=lambda: loop.time() + 1000 * number, chance=Random(number), on_change=self.changes.append
        )

    async def exchange(self) -> None:
        """Have each tell the others, and learn from them."""
        for _ in range(2):
            for gate in self.gates:
                await exchange(gate, self.state, lambda: EPOCH + clock())

    async def enter(self, worker: int, job: int = 1, key: Key = KEY) -> Admission | Held:
        """Have a worker ask for leave."""
        return await self.gates[worker].enter(Asking(key, job))

    async def call(self, worker: int, job: int = 1, key: Key = KEY) -> Admission:
        """Make a call that is over at once; tell what came of it by what is returned."""
        entered = await self.enter(worker, job, key)
        assert isinstance(entered, Admission)
        entered.done()
        return entered


@pytest.mark.parametrize(
    ("key", "is_held"),
    [
        pytest.param(KEY, True, id="same"),
        pytest.param(KEY._replace(model="other"), False, id="other_model"),
        pytest.param(KEY._replace(credential="other"), False, id="other_key"),
        pytest.param(KEY._replace(host="other.example.com"), False, id="other_host"),
    ],
)
def test_a_wait_told_to_one_worker_holds_back_the_others(key: Key, is_held: bool) -> None:
    """The same key waits in the whole fleet, whatever each worker's clock shows."""

    async def story() -> Admission | Held:
        fleet = Fleet()
        (await fleet.call(1)).answered()
        (await fleet.call(0)).refused(wait=20.0)
        await fleet.exchange()
        return await fleet.enter(1, key=key)

    entered = simulate(story())
    assert isinstance(entered, Held) is is_held
    if isinstance(entered, Held):
        assert 19 <= entered.wait <= 90


def test_an_outage_is_known_to_the_fleet_and_so_is_its_end() -> None:
    """One worker finds the host down, the others stop asking; an answer to any of them ends it for all."""

    async def story() -> list[bool]:
        fleet = Fleet(3)
        for worker in (1, 2):
            (await fleet.call(worker)).answered()
        await asyncio.sleep(5)
        for job in range(5):
            (await fleet.call(0, job)).failed()
        await fleet.exchange()
        for worker in range(3):
            assert isinstance(await fleet.enter(worker), Held)
        await asyncio.sleep(30)
        (await fleet.call(2)).answered()
        await fleet.exchange()
        for worker in range(3):
            assert isinstance(await fleet.enter(worker), Admission)
        return [change.is_down for change in fleet.changes]

    assert simulate(story()) == [True, True, True, False, False, False]


def test_what_is_known_already_is_not_learned_again() -> None:
    """A refusal that goes round slows a worker down once, its own among them."""

    async def story() -> list[dict[str, Mapping[str, float]]]:
        fleet = Fleet()
        (await fleet.call(1)).answered()
        (await fleet.call(0)).refused(wait=1.0)
        await fleet.exchange()
        seen = []
        for _ in range(20):
            seen.append({**fleet.gates[0].facts(), "other": fleet.gates[1].facts()[f"limit {' '.join(KEY)}"]})
            await fleet.exchange()
            await asyncio.sleep(0.05)
        return seen

    seen = simulate(story())
    assert all(facts == pytest.approx(seen[0]["other"], abs=0.01) for facts in (one["other"] for one in seen))


def test_the_later_moment_stays() -> None:
    """A worker that is late does not overwrite what others know, and a rate stays with its refusal."""

    async def story() -> object:
        fleet = Fleet(3)
        for worker in range(3):
            (await fleet.call(worker)).answered()
        early, late = await fleet.call(0), await fleet.call(1)
        early.refused(wait=60.0)
        await asyncio.sleep(1)
        late.refused(wait=5.0)
        await exchange(fleet.gates[1], fleet.state, lambda: EPOCH + clock())
        await exchange(fleet.gates[0], fleet.state, lambda: EPOCH + clock())
        return fleet.state.values["limits"]["limit " + " ".join(KEY)]

    facts = simulate(story())
    assert isinstance(facts, dict)
    assert facts["refusedAt"] == pytest.approx(EPOCH + 1, abs=0.01)
    assert facts["heldUntil"] == pytest.approx(EPOCH + 60, abs=0.01)


def test_a_worker_that_starts_begins_with_what_the_fleet_knows() -> None:
    """A new worker neither sends a burst into a limit that others know, nor creeps."""

    async def story() -> list[float]:
        fleet = Fleet(3)
        for _ in range(2):
            for job in range(60):
                (await fleet.call(0, job)).answered()
            (await fleet.call(0)).refused(wait=1.0)
            await asyncio.sleep(2)
        await fleet.exchange()
        at: list[float] = []
        begun = clock()
        while len(at) < 10:
            entered = await fleet.enter(2, len(at))
            if isinstance(entered, Admission):
                at.append(clock() - begun)
                entered.answered()
                entered.done()
            else:
                await asyncio.sleep(entered.opens)
        return at

    at = simulate(story())
    assert at[-1] - at[0] >= 1.5
    assert at[-1] <= 30


def test_news_alone_are_written() -> None:
    """A fleet that meets nothing new reads, and leaves the shared value alone."""

    async def story() -> list[int]:
        fleet = Fleet()
        (await fleet.call(1)).answered()
        (await fleet.call(0)).refused(wait=1.0)
        for job in range(5):
            (await fleet.call(0, job, KEY._replace(host="down.example.com"))).failed()
        written = []
        for _ in range(4):
            await fleet.exchange()
            (await fleet.call(1)).answered()
            written.append(fleet.state.writes)
            await asyncio.sleep(5)
        return written

    written = simulate(story())
    assert written[0] == written[-1] > 0


@pytest.mark.parametrize(
    "value",
    [
        pytest.param({"later": EPOCH}, id="other_facts"),
        pytest.param({"refusedAt": "now", "heldUntil": None, "downSince": []}, id="no_numbers"),
        pytest.param("text", id="no_facts"),
        pytest.param({}, id="none"),
    ],
)
def test_a_state_with_odd_facts_harms_nobody(value: object) -> None:
    """Facts of another version of the worker, or of keys that nobody asks here, are left alone."""

    async def story() -> Admission | Held:
        fleet = Fleet()
        (await fleet.call(0)).answered()
        for name in ("limit credential llm.example.com m", "host llm.example.com", "other", "host elsewhere"):
            fleet.state.values["limits"] = {**fleet.state.values.get("limits", {}), name: value}
        await fleet.exchange()
        return await fleet.enter(0)

    assert isinstance(simulate(story()), Admission)
