"""Jobs are taken for free slots only, worked on once, and ended with one outcome, come what may."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import pytest
from grpc import StatusCode
from pyzeebe.proto import gateway_pb2 as pb

from openai_connector.job import BpmnError, Completed, Failed, Job, Outcome, Pause
from openai_connector.observe.events import Events, JobEnded
from openai_connector.observe.logs import log_event
from openai_connector.zeebe import clock
from openai_connector.zeebe.channel import Connection, gateway, open_channel
from openai_connector.zeebe.commands import Commands
from openai_connector.zeebe.poller import Poller
from tests.make import WorkerOf
from tests.unit.zeebe.fake_gateway import FakeGateway, FakeJob, Fault, hang, levels, status

Handle = Callable[[Job], Awaitable[Outcome]]
SECOND = timedelta(seconds=1)


class Handler:
    """Counts what runs; each job waits for `gate` and ends with `outcome`."""

    def __init__(self, outcome: Outcome | None = None) -> None:
        self.outcome: Outcome = outcome or Completed({"ok": True})
        self.gate = asyncio.Event()
        self.started: list[Job] = []
        self.now = self.most = 0

    async def __call__(self, job: Job) -> Outcome:
        self.started.append(job)
        self.now += 1
        self.most = max(self.most, self.now)
        try:
            await self.gate.wait()
        finally:
            self.now -= 1
        return self.outcome


@pytest.fixture
def subscribe(stub: Any, commands: Commands) -> Callable[..., Any]:
    """Run a subscription for as long as a block lasts."""

    @asynccontextmanager
    async def run(
        handle: Handle, needed: Callable[[Job], timedelta] = lambda _job: timedelta(0), **options: Any
    ) -> AsyncIterator[Poller]:
        subscription = Poller(
            stub,
            commands,
            WorkerOf(handle, needed),
            job_type="openai-connector:1",
            worker_name="test",
            events=Events(log_event),
            **options,
        )
        polling = asyncio.create_task(subscription.run())
        try:
            yield subscription
        finally:
            await subscription.drain(timedelta(0))
            await asyncio.wait_for(polling, 60)

    return run


Subscribe = Callable[..., Any]


async def test_job_goes_through(engine: FakeGateway, subscribe: Subscribe) -> None:
    """A job comes with its data decoded, and its outcome goes back."""
    engine.add(FakeJob(1, variables='{"openai_prompt": "hé", "n": 1.5}', headers='{"resultVariable": "r"}'))
    handler = Handler()
    handler.gate.set()
    async with subscribe(handler):
        await engine.until(lambda: engine.jobs[1].ended == "completed")
    (job,) = handler.started
    assert (job.key, job.element_instance_key, job.process_instance_key, job.retries) == (1, 2, 3, 3)
    assert job.variables == {"openai_prompt": "hé", "n": 1.5}
    assert job.headers == {"resultVariable": "r"}


async def test_poll_asks_for_what_it_needs(engine: FakeGateway, subscribe: Subscribe) -> None:
    """A poll carries the type, worker, lease, variables and tenants that it was given."""
    async with subscribe(
        Handler(), fetch_variables=["a", "b"], tenant_ids=["t1"], lease=timedelta(seconds=90), max_jobs=7
    ):
        await engine.until(lambda: engine.count("ActivateJobs") == 2)
    first, second = (request for name, request in engine.calls if name == "ActivateJobs")
    assert (first.type, first.worker, first.timeout) == ("openai-connector:1", "test", 90_000)
    assert (list(first.fetchVariable), list(first.tenantIds), first.maxJobsToActivate) == (
        ["a", "b"],
        ["t1"],
        7,
    )
    # the first poll does not wait for jobs, so that the worker knows at once that the engine is there
    assert (first.requestTimeout, second.requestTimeout) == (-1, 10_000)


async def test_polls_slow_down_as_they_are_told(engine: FakeGateway, subscribe: Subscribe) -> None:
    """While most jobs are given back the next poll waits, and asks for few; then it is as before."""
    pauses: list[Pause | None] = [None, Pause(0.2, 1), None]

    def asked() -> list[int]:
        return [request.maxJobsToActivate for name, request in engine.calls if name == "ActivateJobs"]

    engine.add(*(FakeJob(key) for key in range(1, 8)))
    handler = Handler()
    handler.gate.set()
    async with subscribe(handler, max_jobs=3, pause=lambda: pauses.pop(0) if pauses else None):
        await engine.until(lambda: asked()[2:3] != [] and asked()[-1] == 3)
    assert asked()[:2] == [3, 1]


async def test_a_pause_between_polls_ends_with_the_worker(engine: FakeGateway, subscribe: Subscribe) -> None:
    """A worker that stops does not wait for the end of a pause."""
    engine.add(FakeJob(1))
    handler = Handler()
    handler.gate.set()
    pauses: list[Pause | None] = [None]
    pause = Pause(3600, 1)
    async with (
        asyncio.timeout(30),
        subscribe(handler, pause=lambda: pauses.pop() if pauses else pause) as subscription,
    ):
        await engine.until(lambda: engine.jobs[1].ended == "completed" and not pauses)
        assert not subscription.stopping


async def test_there_may_be_no_polls_for_a_while(engine: FakeGateway, subscribe: Subscribe) -> None:
    """From the first one on: a job that comes in could only be given back."""
    pauses = [Pause(0.01, 0)] * 5
    polls: list[int] = []

    def pause() -> Pause | None:
        polls.append(engine.count("ActivateJobs"))
        return pauses.pop() if pauses else None

    engine.add(FakeJob(1))
    handler = Handler()
    handler.gate.set()
    async with subscribe(handler, pause=pause):
        await engine.until(lambda: engine.jobs[1].ended == "completed")
    assert polls[:6] == [0] * 6


async def test_never_more_jobs_than_slots(engine: FakeGateway, subscribe: Subscribe) -> None:
    """Jobs are activated for free slots only, so that no lease runs while a job waits in line."""
    engine.add(*(FakeJob(key) for key in range(1, 8)))
    handler = Handler()
    async with subscribe(handler, max_jobs=3) as subscription:
        await engine.until(lambda: handler.now == 3)
        await asyncio.sleep(0.1)
        assert sum(job.activations for job in engine.jobs.values()) == 3
        assert subscription.running == 3
        handler.gate.set()
        await engine.until(lambda: all(job.ended for job in engine.jobs.values()))
    assert handler.most == 3
    assert all(request.maxJobsToActivate <= 3 for name, request in engine.calls if name == "ActivateJobs")


async def test_job_activated_again_runs_once(engine: FakeGateway, subscribe: Subscribe) -> None:
    """A job whose lease ends while it is worked on here is not begun a second time."""
    engine.add(FakeJob(1))
    prolongs_nothing(engine)
    handler = Handler()
    async with subscribe(handler, lease=SECOND / 10):
        await engine.until(lambda: engine.jobs[1].activations >= 3)
        handler.gate.set()
        await engine.until(lambda: engine.jobs[1].ended == "completed")
    assert len(handler.started) == 1


async def test_retry_that_overtakes_its_acknowledgement(engine: FakeGateway, subscribe: Subscribe) -> None:
    """A failed job that comes back before FailJob is acknowledged is worked on, not left to its lease."""
    engine.add(FakeJob(1))
    acknowledge = asyncio.Event()

    async def wait(_: Any, __: Any) -> None:
        await acknowledge.wait()

    engine.after["FailJob"].append(wait)
    outcomes: list[Outcome] = [Failed("once more", retries=2), Completed()]

    async def handle(job: Job) -> Outcome:
        return outcomes.pop(0)

    async with subscribe(handle):
        await engine.until(lambda: engine.jobs[1].activations == 2)
        assert len(outcomes) == 1
        acknowledge.set()
        await engine.until(lambda: engine.jobs[1].ended == "completed")
    assert engine.jobs[1].activations == 2


def prolongs_nothing(engine: FakeGateway) -> None:
    """Let all leases end."""
    engine.faults["UpdateJobTimeout"].extend([status(StatusCode.UNAVAILABLE)] * 1000)


def unavailable_until_activated_again(engine: FakeGateway) -> Fault:
    """A fault: the command answers UNAVAILABLE, but only once job 1 was given out a second time."""

    async def fault(_: Any, context: Any) -> None:
        await engine.until(lambda: engine.jobs[1].activations > 1)
        await context.abort(StatusCode.UNAVAILABLE, "on order")

    return fault


async def test_stale_activation_is_dropped(engine: FakeGateway, subscribe: Subscribe) -> None:
    """An activation from before the outcome was delivered does not make a finished job run again."""
    engine.add(FakeJob(1))
    engine.faults["CompleteJob"].append(unavailable_until_activated_again(engine))
    prolongs_nothing(engine)
    handler = Handler()
    handler.gate.set()
    async with subscribe(handler, lease=SECOND / 20) as subscription:
        await engine.until(lambda: engine.jobs[1].ended == "completed")
        await engine.until(lambda: subscription.running == 0)
    assert engine.jobs[1].activations > 1
    assert len(handler.started) == 1


async def test_a_job_that_comes_after_its_lease_is_not_begun(
    engine: FakeGateway, subscribe: Subscribe
) -> None:
    """The lease runs while an activation is on its way, too: by then another worker may have the job."""
    engine.add(FakeJob(1))
    handler = Handler()
    handler.gate.set()
    async with subscribe(handler, lease=SECOND / 2):

        async def until_the_lease_is_over(_: Any, __: Any) -> None:
            await asyncio.sleep(0.6)
            assert handler.started == []

        engine.late.append(until_the_lease_is_over)
        await engine.until(lambda: engine.jobs[1].ended == "completed")
    assert engine.jobs[1].activations == 2
    assert len(handler.started) == 1


async def test_stale_activation_of_a_job_told_to_wait(
    engine: FakeGateway, subscribe: Subscribe, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With its retries unchanged an old activation looks like a new one, but the job is in its back-off."""
    now = clock.now()  # the worker's clock of leases, which stands but for one moment
    monkeypatch.setattr(clock, "now", lambda: now)
    engine.add(FakeJob(1))
    late = asyncio.Event()

    async def at_once(_: Any, __: Any) -> None:
        pass

    async def after_the_end(_: Any, __: Any) -> None:
        await engine.until(lambda: engine.jobs[1].reports != [] and subscription.running == 0)
        late.set()

    async def lease_ends_on_the_way(_: Any, __: Any) -> None:
        nonlocal now
        now += 61
        engine.jobs[1].leased_until = 0
        engine.changed.set()
        await engine.until(lambda: engine.jobs[1].activations == 2)

    engine.late.extend([at_once, after_the_end])
    engine.faults["FailJob"].append(lease_ends_on_the_way)
    prolongs_nothing(engine)
    handler = Handler(Failed("rate-limited", retries=3, backoff=timedelta(hours=1)))
    handler.gate.set()
    async with subscribe(handler, lease=60 * SECOND) as subscription:
        await late.wait()
        polls = engine.count("ActivateJobs")
        await engine.until(lambda: engine.count("ActivateJobs") > polls)  # the activation has arrived
        assert subscription.running == 0
    assert len(handler.started) == 1
    assert len(engine.jobs[1].reports) == 1


@pytest.mark.parametrize(
    ("variables", "headers", "words"),
    [
        ("{", "{}", "variables are not JSON"),
        ('{"a": NaN}', "{}", "variables are not JSON"),
        ('{"a": ' + "9" * 5000 + "}", "{}", "variables are not JSON"),
        ("[" * 100_000 + "]" * 100_000, "{}", "variables are nested too deeply"),
        ("[1]", "{}", "variables are not a JSON object"),
        ("{}", "null", "task headers are not a JSON object"),
        ("{}", '{"retryBackoff": 1}', "task headers are not all texts"),
    ],
)
async def test_undecodable_job_is_an_incident(
    engine: FakeGateway, subscribe: Subscribe, variables: str, headers: str, words: str
) -> None:
    """A job that cannot be read is failed for good with the reason, and its neighbour is worked on."""
    engine.add(FakeJob(1, variables=variables, headers=headers), FakeJob(2))
    handler = Handler()
    handler.gate.set()
    async with subscribe(handler):
        await engine.until(lambda: all(job.ended for job in engine.jobs.values()))
    assert engine.jobs[1].ended == "failed"
    assert words in engine.jobs[1].reports[0].errorMessage
    assert engine.jobs[2].ended == "completed"
    assert [job.key for job in handler.started] == [2]


async def test_unsendable_outcome(engine: FakeGateway, subscribe: Subscribe) -> None:
    """An outcome with values of wrong types, which cannot even be encoded, fails its job like any other bug."""
    engine.add(FakeJob(1, retries=1))
    handler = Handler(Failed(None, retries="two"))  # type: ignore[arg-type]
    handler.gate.set()
    async with subscribe(handler):
        await engine.until(lambda: engine.jobs[1].ended == "failed")
    assert "bug" in engine.jobs[1].reports[0].errorMessage


async def test_empty_documents(engine: FakeGateway, subscribe: Subscribe) -> None:
    """A job without variables and headers is an ordinary one."""
    engine.add(FakeJob(1, variables="", headers=""))
    handler = Handler()
    handler.gate.set()
    async with subscribe(handler):
        await engine.until(lambda: engine.jobs[1].ended == "completed")
    assert (handler.started[0].variables, handler.started[0].headers) == ({}, {})


async def test_handler_bug(
    engine: FakeGateway, subscribe: Subscribe, caplog: pytest.LogCaptureFixture
) -> None:
    """An exception from the handler costs one retry, and neither message nor log repeats its text."""
    engine.add(FakeJob(1, retries=1))

    async def handle(job: Job) -> Outcome:
        raise RuntimeError("sk-secret")

    with caplog.at_level(logging.DEBUG, "openai_connector"):
        async with subscribe(handle):
            await engine.until(lambda: engine.jobs[1].ended == "failed")
    message = engine.jobs[1].reports[0].errorMessage
    assert "RuntimeError at test_subscription.py" in message
    assert "bug" in message
    assert "sk-secret" not in message + caplog.text


async def test_impossible_outcome(engine: FakeGateway, subscribe: Subscribe) -> None:
    """A handler that returns no outcome at all fails its job like any other bug."""
    engine.add(FakeJob(1, retries=1))

    async def handle(job: Job) -> Outcome:
        return None  # type: ignore[return-value]

    async with subscribe(handle):
        await engine.until(lambda: engine.jobs[1].ended == "failed")
    assert "bug" in engine.jobs[1].reports[0].errorMessage


@pytest.mark.parametrize("code", [code for code in StatusCode if code is not StatusCode.OK])
async def test_survives_every_status(
    engine: FakeGateway, subscribe: Subscribe, code: StatusCode, caplog: pytest.LogCaptureFixture
) -> None:
    """No status of a poll ends the subscription; the trouble is logged once, the recovery once."""
    engine.faults["ActivateJobs"].extend([status(code, "on order")] * 2)
    engine.add(FakeJob(1))
    handler = Handler(BpmnError("C"))
    handler.gate.set()
    with caplog.at_level(logging.INFO, "openai_connector"):
        async with subscribe(handler) as subscription:
            await engine.until(lambda: engine.jobs[1].ended == "thrown")
            assert subscription.connected
    assert levels(caplog) == ["WARNING", "INFO"]
    lost, back = (
        record.getMessage() for record in caplog.records if record.name.startswith("openai_connector")
    )
    assert code.name in lost
    assert "again" in back


async def test_load_is_no_loss(
    engine: FakeGateway,
    subscribe: Subscribe,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """An engine that refuses polls because it is busy is asked again soon, without a word, unless it goes on so."""
    monkeypatch.setattr("openai_connector.zeebe.poller.BUSY_DELAY", 0.01)
    monkeypatch.setattr("openai_connector.zeebe.poller.BUSY_POLLS", 5)
    handler = Handler()
    handler.gate.set()
    with caplog.at_level(logging.INFO, "openai_connector"):
        async with subscribe(handler, long_poll=SECOND / 20) as subscription:
            await engine.until(lambda: subscription.connected)
            for key, refusals in ((1, 4), (2, 5)):
                engine.faults["ActivateJobs"].extend([status(StatusCode.RESOURCE_EXHAUSTED)] * refusals)
                await engine.until(lambda: not engine.faults["ActivateJobs"])
                engine.add(FakeJob(key))
                await engine.until(lambda key=key: engine.jobs[key].ended == "completed")  # type: ignore[misc]
    assert levels(caplog) == ["INFO", "WARNING", "INFO"]


async def test_garbage_instead_of_jobs(engine: FakeGateway, subscribe: Subscribe) -> None:
    """An answer that is no protobuf message does not end the subscription."""

    async def garbage(_: Any, context: Any) -> None:
        await context.write(pb.SetVariablesResponse(key=7))  # field 1 is a number here, a list of jobs there

    engine.faults["ActivateJobs"].extend([garbage])
    engine.add(FakeJob(1))
    handler = Handler()
    handler.gate.set()
    async with subscribe(handler):
        await engine.until(lambda: engine.jobs[1].ended == "completed")


async def test_poll_that_hangs(
    engine: FakeGateway, subscribe: Subscribe, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A gateway that accepts a poll and never answers is given up, and asked again."""
    monkeypatch.setattr("openai_connector.zeebe.poller.POLL_MARGIN", 1.0)
    engine.faults["ActivateJobs"].append(hang)
    engine.add(FakeJob(1))
    handler = Handler()
    handler.gate.set()
    # A short lease: what a slow poll brings after it was given up here is offered again.
    async with subscribe(handler, long_poll=SECOND / 10, lease=SECOND):
        await engine.until(lambda: engine.jobs[1].ended == "completed")


async def test_engine_absent_gone_and_back(
    engine: FakeGateway, subscribe: Subscribe, caplog: pytest.LogCaptureFixture
) -> None:
    """An engine that is not there at start, comes, goes and comes back is waited for, with one line for each change."""
    await engine.stop()
    handler = Handler()
    handler.gate.set()
    with caplog.at_level(logging.INFO, "openai_connector"):
        async with subscribe(handler) as subscription:
            await engine.until(lambda: levels(caplog) == ["WARNING"])
            assert not subscription.connected
            await engine.start()
            await engine.until(lambda: subscription.connected)
            await engine.stop()
            await engine.until(lambda: not subscription.connected)
            engine.add(FakeJob(1))
            await engine.start()
            await engine.until(lambda: engine.jobs[1].ended == "completed")
            assert subscription.connected
    assert levels(caplog) == ["WARNING", "INFO", "WARNING", "INFO"]


async def test_stop_is_idempotent_and_ends_an_idle_worker(
    engine: FakeGateway, stub: Any, commands: Commands
) -> None:
    """An idle worker ends soon after stop, long before its poll would."""
    subscription = Poller(stub, commands, WorkerOf(Handler()), job_type="t", worker_name="w")
    polling = asyncio.create_task(subscription.run())
    await engine.until(lambda: engine.count("ActivateJobs") == 2)
    subscription.stop()
    subscription.stop()
    assert subscription.stopping
    assert await subscription.drain(timedelta(seconds=30)) == 0
    await asyncio.wait_for(polling, 8)


async def test_drain_before_run(stub: Any, commands: Commands) -> None:
    """A subscription that never ran can be drained, and does not run after that."""
    subscription = Poller(stub, commands, WorkerOf(Handler()), job_type="t", worker_name="w")
    assert await subscription.drain(SECOND) == 0
    await subscription.run()


async def test_drain_lets_jobs_finish(engine: FakeGateway, subscribe: Subscribe) -> None:
    """Jobs in work when the worker stops are finished within the time they are given."""
    engine.add(FakeJob(1))
    handler = Handler()
    async with subscribe(handler) as subscription:
        await engine.until(lambda: handler.now == 1)
        draining = asyncio.create_task(subscription.drain(timedelta(seconds=30)))
        await asyncio.sleep(0.1)
        handler.gate.set()
        assert await draining == 0
    assert engine.jobs[1].ended == "completed"


async def test_drain_gives_back_what_is_not_done(engine: FakeGateway, subscribe: Subscribe) -> None:
    """What does not finish in time is given back at once with its retries, and the message says so."""
    engine.add(FakeJob(1), FakeJob(2))
    handler = Handler()
    async with subscribe(handler) as subscription:
        await engine.until(lambda: handler.now == 2)
        assert await subscription.drain(SECOND / 10) == 2
        assert subscription.running == 0
    for job in engine.jobs.values():
        (request,) = job.reports
        assert (request.retries, request.retryBackOff, job.ended) == (3, 0, "")
        assert "stopped" in request.errorMessage


async def test_drain_never_interrupts_a_report(engine: FakeGateway, subscribe: Subscribe) -> None:
    """An answer that is being reported when the time is over is still delivered."""
    engine.add(FakeJob(1))
    engine.faults["CompleteJob"].extend([status(StatusCode.UNAVAILABLE)] * 3)
    handler = Handler()
    handler.gate.set()
    async with subscribe(handler) as subscription:
        await engine.until(lambda: engine.count("CompleteJob") == 1)
        assert await subscription.drain(timedelta(0)) == 0
    assert engine.jobs[1].ended == "completed"


async def test_jobs_that_come_after_stop_are_given_back(engine: FakeGateway, subscribe: Subscribe) -> None:
    """What a poll under way still brings after stop is not begun, and not left to its lease."""
    handler = Handler()
    async with subscribe(handler) as subscription:
        await engine.until(lambda: engine.count("ActivateJobs") == 2)
        subscription.stop()
        engine.add(FakeJob(1))
        await engine.until(lambda: bool(engine.jobs[1].reports))
    assert handler.started == []
    assert engine.jobs[1].retries == 3
    assert engine.jobs[1].activations == 1


async def test_stop_wakes_a_full_worker(engine: FakeGateway, subscribe: Subscribe) -> None:
    """A worker that waits for a free slot takes no more jobs after stop."""
    engine.add(FakeJob(1), FakeJob(2))
    handler = Handler()
    async with subscribe(handler, max_jobs=1) as subscription:
        await engine.until(lambda: handler.now == 1)
        draining = asyncio.create_task(subscription.drain(timedelta(seconds=30)))
        handler.gate.set()
        await draining
    assert [engine.jobs[key].activations for key in (1, 2)] == [1, 0]


async def test_cancelled_run_leaves_jobs_to_drain(engine: FakeGateway, stub: Any, commands: Commands) -> None:
    """Cancelling run() is obeyed, and the jobs under way can still be drained."""
    engine.add(FakeJob(1))
    handler = Handler()
    subscription = Poller(stub, commands, WorkerOf(handler), job_type="t", worker_name="w")
    polling = asyncio.create_task(subscription.run())
    await engine.until(lambda: handler.now == 1 and engine.count("ActivateJobs") == 2)
    polling.cancel()
    with pytest.raises(asyncio.CancelledError):
        await polling
    handler.gate.set()
    assert await subscription.drain(timedelta(minutes=1)) == 0
    assert engine.jobs[1].ended == "completed"


async def test_closed_channel_does_not_end_it(engine: FakeGateway) -> None:
    """A channel that is closed too early is a trouble like any other.

    The subscription still stops in order.
    """
    channel = open_channel(Connection(engine.target))
    stub = gateway(channel)
    subscription = Poller(stub, Commands(stub), WorkerOf(Handler()), job_type="t", worker_name="w")
    polling = asyncio.create_task(subscription.run())
    await engine.until(lambda: engine.count("ActivateJobs") == 2)
    await channel.close()
    await engine.until(lambda: not subscription.connected)
    assert not polling.done()
    await subscription.drain(SECOND)
    await asyncio.wait_for(polling, 8)


async def test_two_workers_share(engine: FakeGateway, subscribe: Subscribe) -> None:
    """Two workers on one queue do every job, and none of them twice."""
    engine.add(*(FakeJob(key) for key in range(1, 201)))
    first, second = Handler(), Handler()
    first.gate.set()
    second.gate.set()
    async with subscribe(first, max_jobs=5), subscribe(second, max_jobs=5):
        await engine.until(lambda: all(job.ended == "completed" for job in engine.jobs.values()))
    keys = [job.key for job in first.started + second.started]
    assert sorted(keys) == list(range(1, 201))
    assert first.started
    assert second.started


def test_max_jobs_must_be_positive(subscribe: Subscribe) -> None:
    """A worker without slots would wait for ever."""
    with pytest.raises(ValueError, match="max_jobs"):
        Poller(object(), object(), WorkerOf(Handler()), job_type="t", worker_name="w", max_jobs=0)  # type: ignore[arg-type]


async def test_a_job_took_no_longer_than_its_work(engine: FakeGateway, stub: Any, commands: Commands) -> None:
    """The time that a poll waited for the job is not the job's."""
    ended: list[JobEnded] = []
    events = Events(lambda event: ended.append(event) if isinstance(event, JobEnded) else None)
    handler = Handler()
    handler.gate.set()
    poller = Poller(stub, commands, WorkerOf(handler), job_type="t", worker_name="w", events=events)
    polling = asyncio.create_task(poller.run())
    await engine.until(lambda: engine.count("ActivateJobs") == 2)
    await asyncio.sleep(0.5)
    loop = asyncio.get_running_loop()
    came = loop.time()
    engine.add(FakeJob(1))
    await engine.until(lambda: bool(ended))
    since = loop.time() - came
    await poller.drain(timedelta(0))
    await polling
    assert ended[0].seconds <= since
