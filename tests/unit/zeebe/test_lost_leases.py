"""A worker whose lease may be over completes its jobs, and ends no attempt of another worker."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import pytest
from grpc import StatusCode

from openai_connector.job import BpmnError, Completed, Failed, Job, Outcome
from openai_connector.observe.events import CallCut, Event, Events, JobEnded, JobGone
from openai_connector.observe.logs import log_event
from openai_connector.zeebe.active_jobs import ActiveJobs
from openai_connector.zeebe.commands import Commands, Delivery
from openai_connector.zeebe.poller import Poller
from tests.make import FakeApi, WorkerOf, connector
from tests.make import job as task_job
from tests.unit.zeebe.fake_gateway import FakeGateway, FakeJob, Fault, status
from tests.unit.zeebe.test_late_activations import Sent, Time

SECOND = timedelta(seconds=1)
HOUR = timedelta(hours=1)
COMPLETED = Completed({"a": 1})
THROWN = BpmnError("C", keep={"openai_state": "{}"})
INCIDENT = Failed("an incident", 0)
RETRY = Failed("once more", 2, HOUR)
GIVEN_BACK = Failed("given back", 3)


class Job1:
    """A job whose lease lasts 60 seconds, by a clock that is set by hand."""

    def __init__(self) -> None:
        self.time = Time()
        self.jobs: ActiveJobs[Sent] = ActiveJobs(self.time)
        active = self.jobs.accept(Sent(), self.time.now, 60)
        assert active is not None
        self.active = active

    @property
    def left(self) -> float:
        """For how many seconds the job is surely held."""
        return self.jobs.seconds_left(self.active)

    def prolonged(self, after: float, answered_after: float = 0.1, lease: float = 60) -> None:
        """Send a prolongation after some seconds, and hear of it later."""
        self.time.now += after
        sent = self.time.now
        self.time.now += answered_after
        self.jobs.prolonged(self.active, sent, lease)


# For how long a job is surely this worker's


def test_a_lease_counts_from_before_its_command_was_sent() -> None:
    """What the engine took to answer does not count as the lease's."""
    job = Job1()
    assert job.left == 60
    job.prolonged(after=30, answered_after=5)
    assert job.left == 55
    job.prolonged(after=25, lease=600)
    assert job.left == pytest.approx(599.9)


@pytest.mark.parametrize(
    ("after", "answered_after"),
    [
        pytest.param(61, 0.1, id="sent_after_its_end"),
        pytest.param(59, 2, id="answered_after_its_end"),
        pytest.param(90_000, 0, id="a_day_later"),
    ],
)
def test_a_lease_that_was_over_stays_lost(after: float, answered_after: float) -> None:
    """The engine prolongs the lease of whoever has the job: its answer does not say that it is this worker."""
    job = Job1()
    job.prolonged(after, answered_after)
    assert job.left == 0
    job.prolonged(after=1)
    assert job.left == 0


def test_what_the_engine_says_is_lost_is_lost() -> None:
    """Even where it is not over by this worker's clock."""
    job = Job1()
    job.jobs.lost(job.active)
    assert job.left == 0


@pytest.mark.parametrize(
    ("sent", "age", "left"),
    [
        pytest.param(Sent(), 1, 59, id="held_again"),
        pytest.param(Sent(), 61, 0, id="came_too_late"),
        pytest.param(Sent(retries=2), 1, 0, id="failed_by_another"),
    ],
)
def test_a_job_that_comes_back_to_the_same_worker_is_held_again(sent: Sent, age: float, left: float) -> None:
    """The engine gives it to nobody else then. Where another has failed it, old counts of retries are void."""
    job = Job1()
    job.time.now += 300
    assert job.left == 0
    assert job.jobs.accept(sent, job.time.now - age, 60) is None
    assert job.left == left


@pytest.mark.parametrize(("age", "is_taken"), [(59, True), (60, False), (600, False)])
def test_what_has_waited_here_for_longer_than_its_lease_is_not_begun(age: float, is_taken: bool) -> None:
    """A frozen worker finds jobs in its connection that others have done meanwhile."""
    time = Time()
    jobs: ActiveJobs[Sent] = ActiveJobs(time)
    assert (jobs.accept(Sent(), time.now - age, 60) is not None) is is_taken


def test_a_job_offered_again_while_its_failure_stays_here_is_begun_at_once() -> None:
    """The engine knows nothing of the failure: what it has sent is no late activation."""
    job = Job1()
    job.jobs.decided(job.active, GIVEN_BACK)
    job.time.now += 70
    again = job.time.now
    assert job.jobs.accept(Sent(), again, 60) is None
    assert job.left == 0
    assert job.jobs.end(job.active) == (Sent(), again)


# What is sent then


@pytest.mark.parametrize(
    ("outcome", "commands_sent"),
    [
        pytest.param(COMPLETED, ["CompleteJob"], id="completed"),
        pytest.param(THROWN, [], id="bpmn_error"),
        pytest.param(INCIDENT, [], id="incident"),
        pytest.param(RETRY, [], id="retry"),
        pytest.param(GIVEN_BACK, [], id="given_back"),
    ],
)
async def test_only_a_completion_is_sent_once_the_lease_may_be_lost(
    engine: FakeGateway, commands: Commands, job: Job, outcome: Outcome, commands_sent: list[str]
) -> None:
    """The engine takes the first completion; a failure would end the attempt of another worker."""
    delivery = (await commands.report(job, outcome, lambda: 0.0)).delivery
    assert [name for name, _ in engine.calls] == commands_sent
    assert delivery is (Delivery.DONE if commands_sent else Delivery.LEASE_LOST)


@pytest.mark.parametrize("outcome", [THROWN, INCIDENT, RETRY], ids=["bpmn_error", "incident", "retry"])
async def test_a_failure_is_repeated_for_as_long_as_the_lease_lasts(
    engine: FakeGateway, commands: Commands, job: Job, outcome: Outcome
) -> None:
    """While the engine is away the lease ends: from then on the failure stays here."""
    left = 100.0

    def held() -> float:
        nonlocal left
        left -= 30
        return left

    for name in ("SetVariables", "ThrowError", "FailJob"):
        engine.faults[name].extend([status(StatusCode.UNAVAILABLE)] * 10)
    assert (await commands.report(job, outcome, held)).delivery is Delivery.LEASE_LOST
    assert len(engine.calls) == 3


async def test_no_attempt_outlasts_the_lease(engine: FakeGateway, commands: Commands, job: Job) -> None:
    """A gateway that takes a command and passes it on late does so after the deadline, if at all."""
    left = iter([1.0, 0.0])
    remaining: list[float] = []

    async def late(_: Any, context: Any) -> None:
        remaining.append(context.time_remaining())
        await asyncio.sleep(60)

    engine.faults["FailJob"].append(late)
    assert (await commands.report(job, INCIDENT, lambda: next(left))).delivery is Delivery.LEASE_LOST
    assert [seconds <= 1.1 for seconds in remaining] == [True]
    assert engine.jobs[100].reports == []


@pytest.mark.parametrize("code", [StatusCode.UNAVAILABLE, StatusCode.DEADLINE_EXCEEDED, StatusCode.UNKNOWN])
@pytest.mark.parametrize(
    ("outcome", "times"),
    [
        pytest.param(GIVEN_BACK, 1, id="given_back_at_once"),
        pytest.param(Failed("m", 2, timedelta(milliseconds=1)), 1, id="short_back_off"),
        pytest.param(RETRY, 2, id="long_back_off"),
    ],
)
async def test_a_failure_that_was_maybe_taken_is_not_repeated_after_its_back_off(
    engine: FakeGateway, commands: Commands, job: Job, code: StatusCode, outcome: Outcome, times: int
) -> None:
    """By then another worker may have the retry, and the repetition would fail that."""
    engine.after["FailJob"].append(status(code))
    delivery = (await commands.report(job, outcome, lambda: 60.0)).delivery
    assert engine.count("FailJob") == times
    assert delivery is (Delivery.DONE if times == 2 else Delivery.LEASE_LOST)


@pytest.mark.parametrize(
    "fault",
    [
        status(StatusCode.RESOURCE_EXHAUSTED),
        status(StatusCode.UNAUTHENTICATED),
        status(StatusCode.PERMISSION_DENIED),
        status(StatusCode.UNAVAILABLE, "failed to connect to all addresses; last error: refused"),
    ],
    ids=["busy", "unauthenticated", "permission_denied", "no_connection"],
)
async def test_a_failure_that_was_surely_not_taken_is_repeated(
    engine: FakeGateway, commands: Commands, job: Job, fault: Fault
) -> None:
    """A busy engine, or one that cannot be reached, has not given the job to another."""
    engine.faults["FailJob"].extend([fault] * 3)
    assert (await commands.report(job, GIVEN_BACK, lambda: 60.0)).delivery is Delivery.DONE
    assert engine.count("FailJob") == 4


async def test_an_incident_is_repeated(engine: FakeGateway, commands: Commands, job: Job) -> None:
    """Nobody gets the job of an incident: to say it twice harms nobody."""
    engine.after["FailJob"].append(status(StatusCode.UNAVAILABLE))
    assert (await commands.report(job, INCIDENT, lambda: 60.0)).delivery is Delivery.FAILED_ALREADY
    assert engine.count("FailJob") == 2


# A worker with its engine


class Worker:
    """A poller on a fake engine, with what it did to its jobs."""

    def __init__(self, poller: Poller, events: list[Event]) -> None:
        self.poller = poller
        self.events = events

    def seen(self, kind: type[Event]) -> list[Any]:
        """Return the events of a kind."""
        return [event for event in self.events if isinstance(event, kind)]


Run = Callable[..., Any]


@pytest.fixture
def run(stub: Any, commands: Commands) -> Run:
    """Run a worker for as long as a block lasts."""

    @asynccontextmanager
    async def running(
        handle: Callable[[Job], Awaitable[Outcome]], lease: timedelta = SECOND, **options: Any
    ) -> AsyncIterator[Worker]:
        events: list[Event] = []
        poller = Poller(
            stub,
            commands,
            WorkerOf(handle),
            job_type="t",
            worker_name="w",
            lease=lease,
            events=Events(events.append, log_event),
            **options,
        )
        polling = asyncio.create_task(poller.run())
        yield Worker(poller, events)
        await poller.drain(timedelta(0))
        await polling

    return running


async def test_the_tasks_own_lease_is_what_each_prolongation_asks_for(engine: FakeGateway, run: Run) -> None:
    """A job timeout above the worker's lease counts from the first prolongation on; a shorter one does not."""
    engine.add(
        FakeJob(1),
        FakeJob(2, headers='{"jobTimeout": "PT10M"}'),
        FakeJob(3, headers='{"jobTimeout": "PT0.1S"}'),
        FakeJob(4, headers='{"jobTimeout": "soon"}'),
    )
    gate = asyncio.Event()

    async def handle(job: Job) -> Outcome:
        await gate.wait()
        return Completed()

    async with run(handle):
        await engine.until(lambda: engine.count("UpdateJobTimeout") >= 8)
        gate.set()
        await engine.until(lambda: all(job.ended for job in engine.jobs.values()))
    asked = {
        (request.jobKey, request.timeout) for name, request in engine.calls if name == "UpdateJobTimeout"
    }
    assert asked == {(1, 1000), (2, 600_000), (3, 1000), (4, 1000)}


@pytest.mark.parametrize("is_answered", [False, True], ids=["in_mid_call", "with_its_answer"])
async def test_the_work_on_a_job_that_is_gone_is_stopped(
    engine: FakeGateway, run: Run, is_answered: bool, caplog: pytest.LogCaptureFixture
) -> None:
    """Whether it was cancelled or finished by another: nothing is reported, and the log says what was cut."""
    engine.add(FakeJob(1))
    begun = asyncio.Event()
    events: list[Event] = []

    class Hanging(FakeApi):
        async def send(self, *_: Any, **__: Any) -> Any:
            begun.set()
            await asyncio.Event().wait()

    asking = connector(Hanging(), events=Events(events.append, log_event))

    async def handle(job: Job) -> Outcome:
        if not is_answered:
            return await asking.work(task_job(key=1))
        begun.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            task = asyncio.current_task()
            assert task is not None
            task.uncancel()
        return Failed("an answer that is paid for goes back", 3)

    caplog.set_level(logging.INFO, "openai_connector")
    async with run(handle) as worker:
        await begun.wait()
        engine.jobs[1].ended = "completed"
        await engine.until(lambda: worker.poller.running == 0)
        assert len(worker.seen(JobGone)) == 1
        assert worker.seen(JobEnded) == []
    assert engine.jobs[1].reports == []
    assert [type(event) for event in events if isinstance(event, CallCut)] == [CallCut] * (not is_answered)
    assert ("may have been paid for" in caplog.text) is not is_answered


async def test_a_report_is_not_stopped_by_a_job_that_is_gone(engine: FakeGateway, run: Run) -> None:
    """The engine took the completion and its answer was lost: that is heard of by repeating it."""
    engine.add(FakeJob(1))

    async def lose(_: Any, context: Any) -> None:
        await engine.until(lambda: engine.count("UpdateJobTimeout") > 0)
        await asyncio.sleep(0.1)
        await context.abort(StatusCode.UNAVAILABLE, "the answer is lost")

    engine.after["CompleteJob"].append(lose)

    async def handle(job: Job) -> Outcome:
        return Completed()

    async with run(handle) as worker:
        await engine.until(lambda: bool(worker.seen(JobEnded)))
        assert [ended.delivery for ended in worker.seen(JobEnded)] == ["gone"]
        assert worker.seen(JobGone) == []


@pytest.mark.parametrize(
    ("outcome", "ended"),
    [pytest.param(COMPLETED, "completed", id="completed"), pytest.param(INCIDENT, "", id="incident")],
)
async def test_work_goes_on_while_the_engine_is_away(
    engine: FakeGateway, run: Run, outcome: Outcome, ended: str
) -> None:
    """A paid answer is delivered after the lease too; a failure stays here, and the job is offered again."""
    engine.add(FakeJob(1))
    engine.faults["UpdateJobTimeout"].extend([status(StatusCode.UNAVAILABLE)] * 1000)
    worked = 0
    may_end = asyncio.Event()

    async def handle(job: Job) -> Outcome:
        nonlocal worked
        worked += 1
        await may_end.wait()
        return outcome if worked == 1 else Completed()

    async with run(handle, max_jobs=1) as worker:  # no slot is free for the job when it is offered again
        await engine.until(lambda: worked == 1)
        await engine.until(lambda: engine.jobs[1].leased_until < asyncio.get_running_loop().time())
        await asyncio.sleep(0.3)
        may_end.set()
        await engine.until(lambda: bool(worker.seen(JobEnded)))
        first = worker.seen(JobEnded)[0]
        assert (first.outcome, first.delivery) == (outcome, "done" if ended else "lease lost")
        await engine.until(lambda: engine.jobs[1].ended == "completed")
    assert (worked, engine.jobs[1].activations) == ((1, 1) if ended else (2, 2))
    assert len(engine.jobs[1].reports) == 1


async def test_what_is_given_back_may_be_lost_too(engine: FakeGateway, run: Run) -> None:
    """A worker that stops fails no job that another may have: that costs it no retry, and its call no answer."""
    engine.add(FakeJob(1))
    engine.faults["UpdateJobTimeout"].extend([status(StatusCode.UNAVAILABLE)] * 1000)

    async def handle(job: Job) -> Outcome:
        await asyncio.Event().wait()
        raise AssertionError

    async with run(handle, max_jobs=1) as worker:
        await engine.until(lambda: worker.poller.running == 1)
        await asyncio.sleep(1.2)
        assert await worker.poller.drain(timedelta(0)) == 1
        assert [ended.delivery for ended in worker.seen(JobEnded)] == ["lease lost"]
    assert engine.jobs[1].reports == []


async def test_work_that_does_not_fit_is_not_begun_where_leases_cannot_be_prolonged(
    engine: FakeGateway, stub: Any, commands: Commands
) -> None:
    """An engine too old for the command: the message names the setting."""
    engine.add(FakeJob(1), FakeJob(2))
    engine.faults["UpdateJobTimeout"].append(status(StatusCode.UNIMPLEMENTED))
    begun: list[int] = []

    async def handle(job: Job) -> Outcome:
        begun.append(job.key)
        return Completed()

    worker = WorkerOf(handle, lambda job: HOUR if job.key == 1 else SECOND)
    poller = Poller(stub, commands, worker, job_type="t", worker_name="w")
    polling = asyncio.create_task(poller.run())
    await engine.until(lambda: all(job.ended for job in engine.jobs.values()))
    await poller.drain(timedelta(0))
    await polling
    assert begun == [2]
    assert "CONNECTOR_JOB_LEASE to at least 3606 seconds" in engine.jobs[1].reports[0].errorMessage


async def test_work_is_not_begun_after_the_lease(engine: FakeGateway, stub: Any, commands: Commands) -> None:
    """An engine that takes long to say whether it prolongs leases: the job is left to whoever has it then."""
    engine.add(FakeJob(1))

    async def late(_: Any, __: Any) -> None:
        await asyncio.sleep(0.7)

    engine.faults["UpdateJobTimeout"].append(late)
    activations: list[int] = []

    async def handle(job: Job) -> Outcome:
        activations.append(engine.jobs[1].activations)
        return Completed()

    worker = WorkerOf(handle, lambda _job: HOUR)
    poller = Poller(stub, commands, worker, job_type="t", worker_name="w", lease=SECOND / 2, max_jobs=1)
    polling = asyncio.create_task(poller.run())
    await engine.until(lambda: engine.jobs[1].ended == "completed")
    await poller.drain(timedelta(0))
    await polling
    assert activations == [2]
    assert len(engine.jobs[1].reports) == 1


async def test_time_that_is_not_known_is_no_reason_to_refuse_a_job(
    engine: FakeGateway, stub: Any, commands: Commands
) -> None:
    """When nobody can say how long the work takes, it begins: the work knows what is wrong."""
    engine.add(FakeJob(1))

    async def handle(job: Job) -> Outcome:
        return Completed()

    def needed(job: Job) -> timedelta:
        raise ValueError("PT?")

    poller = Poller(stub, commands, WorkerOf(handle, needed), job_type="t", worker_name="w")
    polling = asyncio.create_task(poller.run())
    await engine.until(lambda: engine.jobs[1].ended == "completed")
    await poller.drain(timedelta(0))
    await polling
    assert engine.count("UpdateJobTimeout") == 0
