"""Workers that wait: who gets a job, and what becomes of one that does not reach its worker."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from pyzeebe.proto import gateway_pb2 as pb

from local_engine.clock import LATEST, Clock
from local_engine.engine import Engine
from local_engine.errors import Rejection
from local_engine.polls import UNSENT, Polls
from local_engine.runner import Runner
from local_engine.storage import Storage
from tests.local_engine.calls import PROCESS, gateway

PATIENCE = 30.0
"""Seconds for anything on a busy machine."""


class Waiting:
    """Polls over an engine in memory, without any network."""

    def __init__(self) -> None:
        self.runner = Runner(Storage(None), Clock())
        self.polls = Polls(self.runner)

    async def deploy(self) -> None:
        await self.runner.execute(lambda engine: engine.deployments.deploy([("p.bpmn", PROCESS)]))

    async def create(self) -> int:
        instance = await self.runner.execute(lambda engine: engine.creation.create(engine.latest["p"], {}))
        return instance.key

    def poll(self, **given: Any) -> asyncio.Task[list[Any]]:
        wanted: dict[str, Any] = {
            "type": "a",
            "worker": "w",
            "timeout": 60_000,
            "maxJobsToActivate": 1,
            "requestTimeout": 20_000,
        }
        return asyncio.ensure_future(self.polls.poll(pb.ActivateJobsRequest(**(wanted | given))))

    async def settled(self) -> None:
        """Let everything that was begun come to where it waits."""
        for _ in range(5):
            await self.runner.execute(lambda _: None)


@pytest.fixture
async def waiting() -> AsyncIterator[Waiting]:
    """An engine with the process `p` of one job `a`."""
    made = Waiting()
    await made.deploy()
    yield made
    made.runner.close()


async def test_first_come_first_served(waiting: Waiting) -> None:
    """Polls get jobs in the order in which they came."""
    polls = []
    for _ in range(3):
        polls.append(waiting.poll())
        await waiting.settled()
    keys = [await waiting.create() for _ in range(3)]
    async with asyncio.timeout(PATIENCE):
        assert [(await poll)[0].processInstanceKey for poll in polls] == keys


async def test_one_poll_takes_what_there_is(waiting: Waiting) -> None:
    """Several jobs go into one answer, up to the maximum."""
    for _ in range(5):
        await waiting.create()
    assert len(await waiting.poll(maxJobsToActivate=3)) == 3
    assert len(await waiting.poll(maxJobsToActivate=3)) == 2


@pytest.mark.parametrize("timeout", [-1, 50], ids=["negative", "short"])
async def test_a_poll_without_jobs_ends_empty(waiting: Waiting, timeout: int) -> None:
    """It ends at once or after its time, without an error."""
    async with asyncio.timeout(PATIENCE):
        assert await waiting.poll(requestTimeout=timeout) == []


async def test_a_cancelled_poll_leaves_its_place_to_the_next(waiting: Waiting) -> None:
    """The job goes to the poll behind it."""
    first = waiting.poll()
    await waiting.settled()
    second = waiting.poll()
    await waiting.settled()
    first.cancel()
    await waiting.settled()
    key = await waiting.create()
    async with asyncio.timeout(PATIENCE):
        assert [job.processInstanceKey for job in await second] == [key]


async def test_a_poll_cancelled_with_its_jobs_gives_them_back(waiting: Waiting) -> None:
    """Jobs that were taken for a caller who is gone are offered again at once, retries unchanged."""
    poll = waiting.poll()
    await waiting.settled()
    creating = asyncio.ensure_future(waiting.create())
    while not waiting.runner.engine.state.jobs:
        await asyncio.sleep(0)
    while next(iter(waiting.runner.engine.state.jobs.values())).state != "ACTIVATED":
        await asyncio.sleep(0)
    poll.cancel()
    key = await creating
    async with asyncio.timeout(PATIENCE):
        (job,) = await waiting.poll()
    assert (job.processInstanceKey, job.retries) == (key, 3)


async def test_a_poll_cancelled_before_its_commit_gives_its_jobs_back(waiting: Waiting) -> None:
    """A job that was leased in the very turn in which its caller left is offered again at once."""
    key = await waiting.create()
    poll = waiting.poll()
    await asyncio.sleep(0)  # the poll has taken the job; its turn ends in the next step of the loop
    assert [job.state for job in waiting.runner.engine.state.jobs.values()] == ["ACTIVATED"]
    poll.cancel()
    async with asyncio.timeout(PATIENCE):
        (job,) = await waiting.poll()
    assert (job.processInstanceKey, job.retries) == (key, 3)


def fail_next_commit(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have one commit fail unexpectedly, after jobs were handed out in its turn."""
    commit, failures = Engine.commit, [ZeroDivisionError("once")]

    def fails(engine: Engine) -> list[tuple[int, str]]:
        if failures and any(job.state == "ACTIVATED" for job in engine.state.jobs.values()):
            raise failures.pop()
        return commit(engine)

    monkeypatch.setattr(Engine, "commit", fails)


async def create_for_ever(waiting: Waiting) -> None:
    """Create instances until one is refused."""
    while True:
        await waiting.create()


async def test_a_poll_is_served_again_after_a_turn_that_failed(
    waiting: Waiting, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The turn that gave it a job is undone; the poll keeps its place and gets the job in the next turn."""
    poll = waiting.poll()
    await waiting.settled()
    fail_next_commit(monkeypatch)
    with pytest.raises(Rejection, match="ZeroDivisionError"):
        await create_for_ever(waiting)
    await waiting.create()
    async with asyncio.timeout(PATIENCE):
        assert len(await poll) == 1


async def test_a_stream_goes_on_after_turns_that_failed(
    waiting: Waiting, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Jobs that were lost with their turn do not count as held: the stream gets all of them."""
    got: list[int] = []

    async def read() -> None:
        request = pb.StreamActivatedJobsRequest(type="a", worker="s", timeout=60_000)
        async for job in waiting.polls.stream(request):
            got.append(job.processInstanceKey)

    async with asyncio.timeout(PATIENCE):
        reader = asyncio.ensure_future(read())
        await waiting.settled()
        for number in range(UNSENT + 2):
            with monkeypatch.context() as patch:
                fail_next_commit(patch)
                with pytest.raises(Rejection, match="ZeroDivisionError"):
                    await create_for_ever(waiting)
            await waiting.create()
            while len(got) <= number:
                await asyncio.sleep(0.001)
        reader.cancel()


@pytest.mark.parametrize("lease", [2**53, 2**63 - 1])
async def test_a_lease_for_ever_ends_in_the_year_9999(waiting: Waiting, lease: int) -> None:
    """A time that goes beyond every clock is cut, in activation, failure and update of a job."""
    await waiting.create()
    (job,) = await waiting.poll(timeout=lease)
    assert job.deadline == LATEST
    await waiting.runner.execute(lambda engine: engine.jobs.update_timeout(job.key, lease))
    await waiting.runner.execute(lambda engine: engine.jobs.fail(job.key, 1, "", lease, {}))
    assert waiting.runner.engine.state.jobs[job.key].deadline == LATEST


async def test_streams_come_before_polls_and_take_turns(waiting: Waiting) -> None:
    """Two streams get every other job; a poll of the same type waits until they are full."""
    request = pb.StreamActivatedJobsRequest(type="a", worker="s", timeout=60_000)
    got: list[list[int]] = [[], []]

    async def read(number: int) -> None:
        async for job in waiting.polls.stream(request):
            got[number].append(job.processInstanceKey)

    readers = [asyncio.ensure_future(read(number)) for number in range(2)]
    await waiting.settled()
    poll = waiting.poll(requestTimeout=200)
    await waiting.settled()
    keys = [await waiting.create() for _ in range(6)]
    await waiting.settled()
    assert sorted(got[0] + got[1]) == sorted(keys)
    assert len(got[0]) == len(got[1]) == 3
    assert await poll == []
    for reader in readers:
        reader.cancel()


async def test_a_slow_stream_holds_few_jobs(waiting: Waiting) -> None:
    """A stream whose worker does not read holds a bounded number of jobs.

    When it ends, others get all of them.
    """
    stream = waiting.polls.stream(pb.StreamActivatedJobsRequest(type="a", worker="s", timeout=60_000))
    reading = asyncio.ensure_future(anext(stream))
    await waiting.settled()
    for _ in range(2 * UNSENT + 4):
        await waiting.create()
    await reading
    await waiting.settled()
    held = [job for job in waiting.runner.engine.state.jobs.values() if job.worker == "s"]
    assert len(held) == UNSENT
    await stream.aclose()  # type: ignore[attr-defined]
    async with asyncio.timeout(PATIENCE):
        assert len(await waiting.poll(maxJobsToActivate=100)) == 2 * UNSENT + 4


async def test_many_types_leave_nothing_behind(waiting: Waiting) -> None:
    """A thousand polls of different types are forgotten when they end."""
    async with asyncio.timeout(PATIENCE):
        await asyncio.gather(*(waiting.poll(type=f"t{number}", requestTimeout=20) for number in range(1000)))
    assert waiting.polls.types == frozenset()


async def test_a_job_reaches_its_worker_after_the_commit_only(
    waiting: Waiting, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While the commit runs, no poll has been answered."""
    poll = waiting.poll()
    await waiting.settled()
    commit, answered = Engine.commit, []

    def watched(engine: Engine) -> list[tuple[int, str]]:
        answered.append(poll.done())
        return commit(engine)

    monkeypatch.setattr(Engine, "commit", watched)
    await waiting.create()
    assert len(await poll) == 1
    assert answered
    assert not any(answered)


async def test_a_cancelled_call_gives_its_jobs_back_over_grpc() -> None:
    """A client that goes away while it waits takes no job with it."""
    async with gateway() as client:
        polling = asyncio.ensure_future(client.activate(wait=20_000))
        assert await client.activate("other", wait=50) == []
        polling.cancel()
        await asyncio.wait([polling])
        key = await client.create()
        jobs: list[Any] = []
        async with asyncio.timeout(PATIENCE):
            while not jobs:
                jobs = await client.activate(wait=500)
        assert [job.processInstanceKey for job in jobs] == [key]
