"""All slots are taken, so that nothing is polled: whether the engine is there is known all the same."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import grpc
import pytest

from openai_connector.job import Completed, Job, Outcome
from openai_connector.zeebe.commands import Commands
from openai_connector.zeebe.poller import Poller
from tests.make import WorkerOf
from tests.unit.zeebe.fake_gateway import FakeGateway, FakeJob, hang, status


@pytest.fixture(autouse=True)
def looking_often(monkeypatch: pytest.MonkeyPatch) -> None:
    """Look ten times a second."""
    monkeypatch.setattr("openai_connector.zeebe.poller.LOOK_EVERY", 0.1)


class Full:
    """A poller whose one slot is taken until `end`."""

    def __init__(self, stub: Any, commands: Commands) -> None:
        self._end = asyncio.Event()
        self.poller = Poller(stub, commands, WorkerOf(self._work), job_type="t", worker_name="w", max_jobs=1)
        self._running = asyncio.create_task(self.poller.run())

    async def _work(self, _: Job) -> Outcome:
        await self._end.wait()
        return Completed({})

    def free(self) -> None:
        """End the job."""
        self._end.set()

    async def end(self) -> None:
        """End the job, and stop."""
        self.free()
        await self.poller.drain(timedelta(seconds=5))
        await self._running


async def test_an_engine_that_goes_away_is_missed_and_found_again(
    engine: FakeGateway, stub: Any, commands: Commands
) -> None:
    """Neither needs a free slot."""
    engine.add(FakeJob(1))
    full = Full(stub, commands)
    await engine.until(lambda: full.poller.in_slots == 1 and full.poller.connected)
    await engine.stop()
    await engine.until(lambda: not full.poller.connected)
    await engine.start()
    await engine.until(lambda: full.poller.connected)
    assert engine.count("ActivateJobs") == 1
    await full.end()
    assert engine.jobs[1].ended == "completed"


@pytest.mark.parametrize(
    ("fault", "is_there"),
    [
        (status(grpc.StatusCode.UNAVAILABLE), False),
        (status(grpc.StatusCode.UNAUTHENTICATED), False),
        (hang, False),
        (status(grpc.StatusCode.PERMISSION_DENIED), True),
        (status(grpc.StatusCode.RESOURCE_EXHAUSTED), True),
        (status(grpc.StatusCode.UNIMPLEMENTED), True),
    ],
    ids=["away", "stranger", "hangs", "not_allowed_to_ask", "busy", "older"],
)
async def test_what_a_look_tells(
    engine: FakeGateway,
    stub: Any,
    commands: Commands,
    monkeypatch: pytest.MonkeyPatch,
    fault: Any,
    is_there: bool,
) -> None:
    """An engine that refuses the question is there; jobs may be fetched where this may not be asked."""
    if fault is hang:
        monkeypatch.setattr("openai_connector.zeebe.poller.LOOK_TIMEOUT", 0.1)
    engine.faults["Topology"].extend([fault] * 3)
    engine.add(FakeJob(1))
    full = Full(stub, commands)
    await engine.until(lambda: full.poller.in_slots == 1)
    seen = set()
    while engine.count("Topology") < 3:
        await asyncio.sleep(0.01)
        seen.add(full.poller.connected)
    assert (False in seen) is not is_there
    await full.end()


async def test_a_free_slot_is_used_at_once_though_a_look_hangs(
    engine: FakeGateway, stub: Any, commands: Commands, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The look is cut off."""
    monkeypatch.setattr("openai_connector.zeebe.poller.LOOK_TIMEOUT", 3600.0)
    engine.faults["Topology"].append(hang)
    engine.add(FakeJob(1), FakeJob(2))
    full = Full(stub, commands)
    await engine.until(lambda: engine.count("Topology") == 1)
    full.free()
    await engine.until(lambda: engine.jobs[2].ended == "completed")
    await full.end()
