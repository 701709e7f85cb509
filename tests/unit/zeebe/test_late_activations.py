"""An activation that the engine sent before a job had ended, and that arrives after it: nothing is paid twice."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import pytest
from pyzeebe.proto import gateway_pb2 as pb

from openai_connector.job import BpmnError, Completed, ConnectorJob, Failed, Outcome
from openai_connector.zeebe.commands import Commands
from openai_connector.zeebe.subscription import Subscription
from tests.unit.zeebe.fake_gateway import FakeGateway, FakeJob

LEASE = timedelta(milliseconds=50)


@pytest.mark.parametrize(
    "outcome",
    [
        Completed(),
        BpmnError("C"),
        Failed("an incident", retries=0),
        Failed("told to wait", retries=3, backoff=timedelta(hours=1)),
    ],
    ids=["completed", "BPMN error", "incident", "back-off"],
)
async def test_a_late_activation_is_dropped(
    engine: FakeGateway, stub: Any, commands: Commands, outcome: Outcome
) -> None:
    """The lease was over before the work was, the job was sent once more, and arrives when its outcome is taken."""
    engine.add(FakeJob(1))
    worked: list[ConnectorJob] = []

    async def handle(job: ConnectorJob) -> Outcome:
        worked.append(job)
        await asyncio.sleep(2 * LEASE.total_seconds())
        return outcome

    async def nothing(_: Any, __: Any) -> None:
        pass

    async def late(request: Any, context: Any) -> None:
        await engine.until(lambda: bool(engine.jobs[1].reports) and not subscription.running)
        await context.write(pb.ActivateJobsResponse(jobs=[engine._activated(engine.jobs[1], request)]))

    engine.faults["ActivateJobs"].extend([nothing, late])
    subscription = Subscription(
        stub, commands, handle, job_type="t", worker_name="w", lease=LEASE, long_poll=LEASE
    )
    polling = asyncio.create_task(subscription.run())
    await engine.until(lambda: engine.count("ActivateJobs") == 3)
    assert await subscription.drain(timedelta(seconds=10)) == 0
    await polling
    assert len(worked) == 1


@pytest.mark.parametrize("needed", [timedelta(hours=2), timedelta(0)], ids=["prolonged", "as it was"])
async def test_a_prolonged_lease_is_not_over(
    engine: FakeGateway, stub: Any, commands: Commands, needed: timedelta
) -> None:
    """Where the lease covers the work, nothing is late: an incident that is resolved at once is worked on at once."""
    engine.add(FakeJob(1))
    worked: list[ConnectorJob] = []

    async def handle(job: ConnectorJob) -> Outcome:
        worked.append(job)
        subscription._entries[1].since -= needed.total_seconds() / 2  # so long has it taken
        return Failed("an incident", retries=0)

    subscription = Subscription(
        stub, commands, handle, job_type="t", worker_name="w", lease_needed=lambda _: needed
    )
    async with _resolved_at_once(engine, subscription):
        await engine.until(lambda: len(worked) == 2 and not subscription.running)


async def test_a_lease_prolonged_too_late_was_over(
    engine: FakeGateway, stub: Any, commands: Commands
) -> None:
    """The engine may have sent the job once more before it prolonged the lease: that activation is dropped as ever."""
    engine.add(FakeJob(1))
    worked: list[ConnectorJob] = []

    async def handle(job: ConnectorJob) -> Outcome:
        worked.append(job)
        return Failed("an incident", retries=0)

    async def slow(_: Any, __: Any) -> None:
        subscription._entries[1].since -= timedelta(hours=1).total_seconds()

    engine.faults["UpdateJobTimeout"].append(slow)
    subscription = Subscription(
        stub, commands, handle, job_type="t", worker_name="w", lease_needed=lambda _: timedelta(hours=2)
    )
    async with _resolved_at_once(engine, subscription):
        await engine.until(lambda: engine.jobs[1].activations == 1)
    assert len(worked) == 1


@asynccontextmanager
async def _resolved_at_once(engine: FakeGateway, subscription: Subscription) -> AsyncIterator[None]:
    """Work until the job is an incident, and resolve that; at the end, drain."""
    polling = asyncio.create_task(subscription.run())
    await engine.until(lambda: engine.jobs[1].ended == "failed" and not subscription.running)
    engine.add(FakeJob(1, retries=1))
    yield
    await subscription.drain(timedelta(seconds=10))
    await polling
