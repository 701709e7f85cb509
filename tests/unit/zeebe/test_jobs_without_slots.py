"""Jobs that only wait leave their slots: others are fetched, and their own leases are kept all the same."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from openai_connector.job import OWN_SLOT, Completed, Job, Outcome, Slot
from openai_connector.zeebe.commands import Commands
from openai_connector.zeebe.poller import Poller
from tests.make import WorkerOf
from tests.unit.zeebe.fake_gateway import FakeGateway, FakeJob


class Parking(WorkerOf):
    """Lets each job leave its slot, and wait."""

    def __init__(self) -> None:
        super().__init__(self._wait)
        self.gate = asyncio.Event()
        self.slots: list[Slot] = []
        self.is_stopping = False

    async def work(self, job: Job, slot: Slot = OWN_SLOT) -> Outcome:
        """Wait."""
        slot.park()
        slot.park()  # once more changes nothing
        self.slots.append(slot)
        return await self._wait(job)

    async def _wait(self, job: Job) -> Outcome:
        await self.gate.wait()
        return Completed({})

    def stopping(self) -> None:
        """Let what waits go on."""
        self.is_stopping = True
        self.gate.set()


@pytest.fixture
def worker() -> Parking:
    return Parking()


async def start(
    stub: Any, commands: Commands, worker: Parking, **options: Any
) -> tuple[Poller, asyncio.Task[None]]:
    """Run a poller with two slots."""
    poller = Poller(stub, commands, worker, job_type="t", worker_name="w", max_jobs=2, **options)
    return poller, asyncio.create_task(poller.run())


async def until(is_so: Any) -> None:
    """Wait."""
    async with asyncio.timeout(20):
        while not is_so():
            await asyncio.sleep(0.01)


async def test_more_jobs_are_gathered_than_there_are_slots(
    engine: FakeGateway, stub: Any, commands: Commands, worker: Parking
) -> None:
    """And all of them end."""
    engine.add(*(FakeJob(key) for key in range(1, 31)))
    poller, running = await start(stub, commands, worker)
    await until(lambda: len(worker.slots) == 30)
    assert poller.running == 30
    worker.gate.set()
    await until(lambda: poller.running == 0)
    await poller.drain(timedelta(0))
    await running


async def test_a_slot_is_free_again_as_often_as_it_was_left(
    engine: FakeGateway, stub: Any, commands: Commands, worker: Parking
) -> None:
    """Jobs that have waited and ended leave the count of slots as it was."""
    worker.gate.set()
    engine.add(*(FakeJob(key) for key in range(1, 31)))
    poller, running = await start(stub, commands, worker)
    await until(lambda: len(worker.slots) == 30 and poller.running == 0)
    engine.add(*(FakeJob(key) for key in range(31, 61)))
    await until(lambda: len(worker.slots) == 60 and poller.running == 0)
    await poller.drain(timedelta(0))
    await running


async def test_the_lease_of_a_job_that_waits_is_kept(
    engine: FakeGateway, stub: Any, commands: Commands, worker: Parking
) -> None:
    """For longer than it lasts; how long it is held can be asked."""
    engine.add(FakeJob(1))
    poller, running = await start(stub, commands, worker, lease=timedelta(seconds=1))
    await until(lambda: worker.slots)
    assert 0 < worker.slots[0].seconds_left() <= 1
    await until(lambda: len([name for name, _ in engine.calls if name == "UpdateJobTimeout"]) >= 3)
    assert 0 < worker.slots[0].seconds_left() <= 1
    await poller.drain(timedelta(0))
    await running


async def test_a_worker_that_stops_tells_those_that_wait(
    engine: FakeGateway, stub: Any, commands: Commands, worker: Parking
) -> None:
    """They go on at once, and are waited for as any other job."""
    engine.add(*(FakeJob(key) for key in range(1, 6)))
    poller, running = await start(stub, commands, worker)
    await until(lambda: len(worker.slots) == 5)
    assert await poller.drain(timedelta(seconds=10)) == 0
    assert worker.is_stopping
    await running
