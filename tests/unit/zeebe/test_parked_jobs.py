"""A job that waits cannot be completed now, but comes back: what is stored for it is to be there then."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from grpc import StatusCode

from openai_connector import service
from openai_connector.job import Completed, Job, Outcome
from openai_connector.observe.events import Events, JobEnded
from openai_connector.purchases import Purchases
from openai_connector.store import NoStore, Owed
from openai_connector.zeebe import runs
from openai_connector.zeebe.commands import Commands
from openai_connector.zeebe.poller import Poller
from tests.make import WorkerOf
from tests.unit.zeebe.fake_gateway import FakeGateway, FakeJob, status

FORGOTTEN = pytest.mark.parametrize(
    ("code", "is_forgotten"),
    [
        pytest.param(None, True, id="completed"),
        pytest.param(StatusCode.NOT_FOUND, True, id="unknown"),
        pytest.param(StatusCode.FAILED_PRECONDITION, False, id="waits"),
    ],
)


class Settling(WorkerOf):
    """A worker that notes what it is told to forget."""

    settled_jobs: tuple[int, ...] = ()

    async def settled(self, job: Job, outcome: Outcome | None) -> None:
        """Note it."""
        self.settled_jobs += (job.key,)


class OwingStore(NoStore):
    """Owes one completion, and notes what it is told to forget."""

    def __init__(self) -> None:
        self.forgotten: list[int] = []
        self._owed = [Owed(100, "{}")]

    async def owed(self) -> list[Owed]:
        """Hand it over once."""
        owed, self._owed = self._owed, []
        return owed

    async def forget(self, job_key: int) -> None:
        """Note it."""
        self.forgotten.append(job_key)


@FORGOTTEN
async def test_a_late_completion(
    engine: FakeGateway, stub: Any, commands: Commands, code: StatusCode | None, is_forgotten: bool
) -> None:
    """Another worker gave the job back meanwhile: it comes again, and its answer is not bought again."""
    engine.add(FakeJob(1))
    if code is not None:
        engine.faults["CompleteJob"].append(status(code))
    ended = asyncio.Event()

    async def handle(_job: Job) -> Outcome:
        return Completed()

    worker = Settling(handle)
    events = Events(lambda event: ended.set() if isinstance(event, JobEnded) else None)
    poller = Poller(stub, commands, worker, job_type="t", worker_name="w", events=events)
    polling = asyncio.create_task(poller.run())
    async with asyncio.timeout(20):
        await ended.wait()
    await poller.drain(timedelta(0))
    await polling
    assert worker.settled_jobs == ((1,) if is_forgotten else ())


@FORGOTTEN
async def test_an_owed_completion(
    engine: FakeGateway,
    commands: Commands,
    code: StatusCode | None,
    is_forgotten: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What a dead worker owed is reported by the next one; it is forgotten only with its job."""
    store = OwingStore()
    engine.add(FakeJob(100, leased_until=float("inf")))
    if code is not None:
        engine.faults["CompleteJob"].append(status(code))
    before_round: list[list[int]] = []
    monkeypatch.setattr(service, "OWED_EVERY", 0.05)

    class Looking(Purchases):
        async def owed(self) -> list[Owed]:
            before_round.append(list(store.forgotten))
            return await super().owed()

    paying = asyncio.create_task(service.pay_what_is_owed(Looking(store), commands))
    await engine.until(lambda: len(before_round) > 3)
    paying.cancel()
    assert engine.count("CompleteJob") == 1
    assert store.forgotten == ([100] if is_forgotten else [])


async def test_an_owed_completion_is_there_until_the_next_round(
    engine: FakeGateway, commands: Commands
) -> None:
    """Whoever was given the job just before it was reported asks the store a moment later."""
    engine.add(FakeJob(100, leased_until=float("inf")))
    store = OwingStore()
    paying = asyncio.create_task(service.pay_what_is_owed(Purchases(store), commands))
    await engine.until(lambda: engine.jobs[100].ended == "completed")
    await asyncio.sleep(0.2)  # of a round of five seconds
    paying.cancel()
    assert store.forgotten == []


@pytest.mark.parametrize("is_late", [False, True], ids=["in time", "late"])
async def test_what_is_stored_outlives_a_late_completion(
    engine: FakeGateway, stub: Any, commands: Commands, is_late: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker that was given the job just before it asks the store a moment later."""
    monkeypatch.setattr(runs, "LATE", 3600.0)
    engine.add(FakeJob(1))
    if is_late:
        engine.faults["UpdateJobTimeout"].extend([status(StatusCode.UNAVAILABLE)] * 100)

    async def handle(_job: Job) -> Outcome:
        await asyncio.sleep(1.0 if is_late else 0.0)
        return Completed()

    worker = Settling(handle)
    lease = timedelta(seconds=0.5 if is_late else 60)
    options = {"job_type": "t", "worker_name": "w", "max_jobs": 1}  # so that it is not given the job again
    poller = Poller(stub, commands, worker, lease=lease, **options)  # type: ignore[arg-type]
    polling = asyncio.create_task(poller.run())
    await engine.until(lambda: engine.jobs[1].ended == "completed")
    await asyncio.sleep(0.2)
    assert worker.settled_jobs == (() if is_late else (1,))
    polling.cancel()
    await asyncio.gather(polling, return_exceptions=True)
