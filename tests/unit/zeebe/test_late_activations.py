"""An activation that the engine sent before a job had ended, and that arrives after it: nothing is paid twice."""

from __future__ import annotations

import asyncio
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
    subscription = Subscription(stub, commands, handle, job_type="t", worker_name="w", lease=LEASE, long_poll=LEASE)
    polling = asyncio.create_task(subscription.run())
    await engine.until(lambda: engine.count("ActivateJobs") == 3)
    assert await subscription.drain(timedelta(seconds=10)) == 0
    await polling
    assert len(worked) == 1
