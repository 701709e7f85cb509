"""The life of one activation: decoded, its lease covered, worked on, reported."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from openai_connector.job import Job, Outcome, Worker
from openai_connector.observe.events import Events, JobEnded, JobStarted
from openai_connector.observe.logs import place_of
from openai_connector.observe.points import reached
from openai_connector.zeebe import lease as job_lease
from openai_connector.zeebe.active_jobs import ActiveJob, ActiveJobs
from openai_connector.zeebe.commands import Commands, Delivery
from openai_connector.zeebe.decoding import DecodeError, bare_job, decode_job

if TYPE_CHECKING:
    from pyzeebe.proto.gateway_pb2 import ActivatedJob

logger = logging.getLogger(__name__)


class _Run:
    """One activation under way."""

    __slots__ = ("active", "is_working", "task")

    def __init__(self, active: ActiveJob[ActivatedJob]) -> None:
        self.active = active
        self.task: asyncio.Task[None] | None = None
        self.is_working = False
        """The work has begun and has no outcome yet. Only then may the task be cancelled: before its first
        step it would end without a report, and while reporting it has an answer to deliver."""


class Runs:
    """The activations that are worked on, each in a task of its own.

    Args:
        commands: report the outcomes.
        worker: decides what becomes of jobs.
        lease: for how long the engine gives an activated job to nobody else.
        events: are told when jobs begin and end.
        on_end: called when a slot is free again.
    """

    def __init__(
        self,
        commands: Commands,
        worker: Worker,
        lease: timedelta,
        events: Events,
        on_end: Callable[[], None],
    ) -> None:
        self._commands = commands
        self._worker = worker
        self._lease = lease
        self._events = events
        self._on_end = on_end
        self._clock = asyncio.get_running_loop().time
        self._active: ActiveJobs[ActivatedJob] = ActiveJobs(self._clock)
        # Also what keeps the tasks alive: the event loop itself holds only weak references to them.
        self._runs: dict[int, _Run] = {}
        self.is_stopping = False
        """Jobs that come now are given back at once."""

    def __len__(self) -> int:
        return len(self._runs)

    def start(self, raw: ActivatedJob, since: float) -> None:
        """Work on an activation, unless it comes too late.

        Args:
            raw: as the engine sent it.
            since: when the poll that brought it was sent, by the event loop's clock.
        """
        active = self._active.accept(raw, since, self._lease.total_seconds())
        if active is None:
            logger.debug("Job %s is worked on already, or has ended; this activation is dropped", raw.key)
            return
        reached("activated")
        run = self._runs[raw.key] = _Run(active)
        run.task = asyncio.create_task(self._life(raw, run))
        run.task.add_done_callback(partial(self._end, run))

    async def finish(self, seconds: float) -> None:
        """Wait until no job is worked on, or the time is over."""
        end = self._clock() + seconds
        while (tasks := [run.task for run in self._runs.values() if run.task]) and self._clock() < end:
            await asyncio.wait(tasks, timeout=end - self._clock())

    def interrupt(self) -> int:
        """Cancel the work of all jobs without an outcome, which gives them back; return how many."""
        working = [run.task for run in self._runs.values() if run.task and run.is_working]
        return sum(task.cancel() for task in working)

    def _end(self, run: _Run, task: asyncio.Task[None]) -> None:
        del self._runs[run.active.key]
        again = self._active.end(run.active)
        self._on_end()
        if task.cancelled():
            return
        if (error := task.exception()) is not None:
            place = place_of(error)
            logger.error(
                "Job %s: reporting its outcome failed (%s). This is a bug: please report it",
                run.active.key,
                place,
            )
        elif again is not None:
            self.start(*again)

    async def _life(self, raw: ActivatedJob, run: _Run) -> None:
        begun = self._clock()
        outcome: Outcome | None
        try:
            job = decode_job(raw)
        except DecodeError as error:
            job = bare_job(raw)
            outcome = self._worker.unreadable(job, str(error))
        else:
            del raw  # it would keep the whole answer with its neighbours in memory while the work takes
            self._events.emit(JobStarted(job))
            run.is_working = True
            outcome = await self._outcome(job, run.active)
            run.is_working = False
        if outcome is not None:
            await self._report(job, outcome, run.active, begun)

    async def _outcome(self, job: Job, active: ActiveJob[ActivatedJob]) -> Outcome | None:
        """Do the work; None says that the job is not to be worked on, and needs no report."""
        try:
            if self.is_stopping:
                return self._worker.interrupted(job, is_begun=False)
            needed = self._needed(job)
            covered = await job_lease.cover(self._commands, job, needed, self._lease)
            if covered.delivery is Delivery.REFUSED:
                return self._worker.lease_too_short(job, self._lease, covered.lease)
            if covered.delivery is not Delivery.DONE:
                logger.debug("Job %s: its lease could not be prolonged (%s)", job.key, covered.delivery.value)
                return None
            self._active.prolonged(active, max(needed, self._lease).total_seconds())
            outcome = await self._worker.work(job)
            if not isinstance(outcome, Outcome):
                raise TypeError("the work gave no outcome")
            return outcome
        except asyncio.CancelledError as error:
            task = asyncio.current_task()
            if task is None or not task.cancelling():
                # Something that the work waited for was cancelled, not the work: given back, it goes on for
                # ever.
                return self._worker.failed_unexpectedly(job, error)
            task.uncancel()
            return self._worker.interrupted(job, is_begun=True)
        except Exception as error:
            return self._worker.failed_unexpectedly(job, error)

    def _needed(self, job: Job) -> timedelta:
        try:
            return self._worker.time_needed(job)
        except Exception as error:  # the work will say what is wrong with the job's duration
            logger.debug("Job %s: the time it needs is not known (%s)", job.key, type(error).__name__)
            return timedelta(0)

    async def _report(
        self, job: Job, outcome: Outcome, active: ActiveJob[ActivatedJob], begun: float
    ) -> None:
        reached("before_report")
        delivered = await deliver(
            self._commands, self._worker, job, outcome, partial(self._active.decided, active)
        )
        self._active.reported(
            active,
            delivered.outcome,
            is_done=delivered.delivery is Delivery.DONE,
            is_delivered=delivered.delivery is not Delivery.UNDELIVERED,
        )
        reached("acknowledged")
        seconds = self._clock() - begun
        self._events.emit(JobEnded(job, delivered.outcome, delivered.delivery.value, seconds))


class Delivered(NamedTuple):
    """What the engine was told at last."""

    outcome: Outcome
    delivery: Delivery


async def deliver(
    commands: Commands,
    worker: Worker,
    job: Job,
    outcome: Outcome,
    on_decided: Callable[[Outcome], None] = lambda _outcome: None,
) -> Delivered:
    """Report an outcome; what the engine refuses goes back to the worker, which decides again.

    Args:
        commands: report outcomes.
        worker: decides what becomes of a job whose outcome is refused.
        job: the job.
        outcome: what becomes of it.
        on_decided: called with each outcome before it is sent.
    """
    is_unexpected = False
    while True:
        on_decided(outcome)
        try:
            delivery, reason = await commands.report(job, outcome)
        except Exception as error:
            if is_unexpected:
                raise  # not even that there was a bug can be reported
            is_unexpected = True
            outcome = worker.failed_unexpectedly(job, error, outcome)
            continue
        if delivery is not Delivery.REFUSED:
            return Delivered(outcome, delivery)
        instead = worker.refused(job, outcome, reason)
        if instead is None:
            logger.error(
                "Job %s: the engine refused to fail it (%s); it is offered again after its lease",
                job.key,
                reason,
            )
            return Delivered(outcome, Delivery.UNDELIVERED)
        outcome = instead
