"""An activation that the engine sent before a job had ended, and that arrives after it.

Nothing is paid twice.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
from grpc import StatusCode
from pyzeebe.proto import gateway_pb2 as pb

from openai_connector.job import Completed, Failed, Job, Outcome
from openai_connector.zeebe.active_jobs import STALE_SECONDS, ActiveJobs
from openai_connector.zeebe.commands import Commands
from openai_connector.zeebe.poller import Poller
from tests.make import WorkerOf
from tests.unit.zeebe.fake_gateway import FakeGateway, FakeJob, status

LEASE = timedelta(milliseconds=50)


async def test_a_late_activation_is_dropped(engine: FakeGateway, stub: Any, commands: Commands) -> None:
    """The lease was over before the work was, the job was sent once more.

    And arrives when its outcome is taken.
    """
    engine.add(FakeJob(1))
    engine.faults["UpdateJobTimeout"].extend([status(StatusCode.UNAVAILABLE)] * 1000)
    worked: list[Job] = []

    async def handle(job: Job) -> Outcome:
        worked.append(job)
        await asyncio.sleep(2 * LEASE.total_seconds())
        return Completed()

    async def nothing(_: Any, __: Any) -> None:
        pass

    async def late(request: Any, context: Any) -> None:
        await engine.until(lambda: bool(engine.jobs[1].reports) and not subscription.running)
        await context.write(pb.ActivateJobsResponse(jobs=[engine._activated(engine.jobs[1], request)]))

    engine.faults["ActivateJobs"].extend([nothing, late])
    subscription = Poller(
        stub, commands, WorkerOf(handle), job_type="t", worker_name="w", lease=LEASE, long_poll=LEASE
    )
    polling = asyncio.create_task(subscription.run())
    await engine.until(lambda: engine.count("ActivateJobs") == 3)
    assert await subscription.drain(timedelta(seconds=10)) == 0
    await polling
    assert len(worked) == 1


@dataclass(frozen=True)
class Sent:
    """An activation."""

    key: int = 1
    retries: int = 3


class Time:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Worked:
    """A job of a lease of 60 s, worked on for as long as a test says."""

    def __init__(self) -> None:
        self.time = Time()
        self.jobs: ActiveJobs[Sent] = ActiveJobs(self.time)
        active = self.jobs.accept(Sent(), self.time.now, 60)
        assert active is not None
        self.active = active

    def reported(
        self, outcome: Outcome, *, is_delivered: bool = True, again: Sent | None = None
    ) -> tuple[Sent, float] | None:
        """Report an outcome and end; `again` arrives while it is reported."""
        self.jobs.decided(self.active, outcome)
        if again is not None:
            assert self.jobs.accept(again, self.time.now, 60) is None
        self.jobs.reported(self.active, outcome, is_done=is_delivered, is_delivered=is_delivered)
        return self.jobs.end(self.active)

    def is_taken(self, after: float) -> bool:
        """Return whether an activation that arrives so many seconds later is worked on."""
        self.time.now += after
        return self.jobs.accept(Sent(), self.time.now, 60) is not None


INCIDENT = Failed("an incident", retries=0)


@pytest.mark.parametrize(
    ("seconds", "lease", "is_taken"),
    [
        pytest.param(59, 60, True, id="within_the_lease"),
        pytest.param(61, 60, False, id="after_the_lease"),
        pytest.param(61, 7200, True, id="prolonged"),
    ],
)
def test_an_incident_resolved_at_once_is_worked_on_unless_the_lease_was_over(
    seconds: float, lease: float, is_taken: bool
) -> None:
    """Where the lease covers the work nothing is late.

    Where it was over, what comes at once may be an old one.
    """
    worked = Worked()
    worked.jobs.prolonged(worked.active, worked.time.now, lease)
    worked.time.now += seconds
    assert worked.reported(INCIDENT) is None
    assert worked.is_taken(after=0.1) is is_taken
    assert len(worked.jobs) == is_taken


def test_a_lease_prolonged_too_late_was_over() -> None:
    """The engine may have sent the job once more before it prolonged the lease.

    That activation is dropped as ever.
    """
    worked = Worked()
    worked.time.now += 61
    worked.jobs.prolonged(worked.active, worked.time.now, 7200)
    worked.reported(INCIDENT)
    assert not worked.is_taken(after=0.1)


def test_old_activations_are_dropped_for_longer_than_a_poll_takes() -> None:
    """After that nothing is remembered: the job may have come back for another reason."""
    worked = Worked()
    worked.time.now += 61
    worked.reported(Completed())
    assert not worked.is_taken(after=STALE_SECONDS - 1)
    assert worked.is_taken(after=2)


def test_a_retry_is_taken_after_its_back_off() -> None:
    """An activation during the back-off is of the old attempt; one after it is the retry."""
    worked = Worked()
    worked.time.now += 61
    worked.reported(Failed("once more", retries=2, backoff=timedelta(seconds=10)))
    assert not worked.is_taken(after=9)
    assert worked.is_taken(after=2)


def test_an_activation_that_meets_the_report_of_a_wait_is_not_its_retry() -> None:
    """Told to wait, a job keeps its retries: an activation with as many is of the old attempt all the same."""
    worked = Worked()
    worked.time.now += 61
    outcome = Failed("rate-limited", retries=3, backoff=timedelta(seconds=10))
    assert worked.reported(outcome, again=Sent(retries=3)) is None


@pytest.mark.parametrize(
    ("retries", "is_delivered", "is_begun"),
    [
        pytest.param(2, True, True, id="the_retry"),
        pytest.param(3, True, False, id="older_than_the_failure"),
        pytest.param(2, False, False, id="not_acknowledged"),
    ],
)
def test_a_retry_that_overtakes_the_acknowledgement_is_begun(
    retries: int, is_delivered: bool, is_begun: bool
) -> None:
    """The engine may offer a failed job before it has said that it took the failure."""
    worked = Worked()
    again = worked.reported(
        Failed("once more", retries=2), is_delivered=is_delivered, again=Sent(retries=retries)
    )
    assert (again is not None) is is_begun
