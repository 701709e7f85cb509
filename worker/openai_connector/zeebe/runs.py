"""The life of one activation: decoded, its lease kept, worked on, reported."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Final, NamedTuple

from openai_connector.job import BpmnError, Job, Outcome, Worker
from openai_connector.observe.events import Events, JobEnded, JobGone, JobStarted
from openai_connector.observe.points import reached
from openai_connector.redaction import place_of
from openai_connector.zeebe import clock
from openai_connector.zeebe.active_jobs import ActiveJob, ActiveJobs
from openai_connector.zeebe.commands import Commands, Delivery, Held, Reported
from openai_connector.zeebe.decoding import DecodeError, bare_job, decode_job
from openai_connector.zeebe.lease import Lease, Leases, wanted

if TYPE_CHECKING:
    from pyzeebe.proto.gateway_pb2 import ActivatedJob

logger = logging.getLogger(__name__)

LATE: Final = 1.0
"""Seconds for which what is stored outlives a late report: who was given the job just before asks for it."""


class _Run:
    """One activation under way."""

    __slots__ = ("active", "is_gone", "is_parked", "is_working", "lease", "since", "task")

    def __init__(self, active: ActiveJob[ActivatedJob], since: float, lease: Lease) -> None:
        self.active = active
        self.since = since
        self.lease = lease
        self.task: asyncio.Task[None] | None = None
        self.is_working = False
        """The work has begun and has no outcome yet. Only then may the task be cancelled: before its first
        step it would end without a report, and while reporting it has an answer to deliver."""
        self.is_gone = False
        """The engine has the job no more: nothing is reported."""
        self.is_parked = False
        """It takes no slot."""

    def stop(self) -> bool:
        """Cancel the work, if there is some to cancel; return whether there was."""
        return self.task is not None and self.is_working and self.task.cancel()

    def gone(self) -> None:
        """Stop the work, because the engine has the job no more; a report under way learns that itself."""
        if self.is_working:
            self.is_gone = True
            self.stop()


class _Slot:
    """What the work on a job may know and do about its run."""

    __slots__ = ("_run", "_runs")

    def __init__(self, runs: Runs, run: _Run) -> None:
        self._runs, self._run = runs, run

    def seconds_left(self) -> float:
        """Return for how many seconds the job is surely this worker's."""
        return self._runs.seconds_left(self._run)

    def park(self) -> None:
        """Leave the slot to other jobs."""
        self._runs.park(self._run)


class Runs:
    """The activations that are worked on, each in a task of its own.

    Args:
        commands: report the outcomes.
        worker: decides what becomes of jobs.
        lease: for how long the engine gives an activated job to nobody else.
        leases: prolong the leases of jobs that are worked on.
        events: are told when jobs begin and end.
        on_end: called when a slot is free again.
    """

    def __init__(
        self,
        commands: Commands,
        worker: Worker,
        lease: timedelta,
        leases: Leases,
        events: Events,
        on_end: Callable[[], None],
    ) -> None:
        self._commands = commands
        self._worker = worker
        self._lease = lease
        self._leases = leases
        self._events = events
        self._on_end = on_end
        self._clock = asyncio.get_running_loop().time
        self._active: ActiveJobs[ActivatedJob] = ActiveJobs(clock.now)
        # Also what keeps the tasks alive: the event loop itself holds only weak references to them.
        self._runs: dict[int, _Run] = {}
        self._parked = 0
        self.is_stopping = False
        """Jobs that come now are given back at once."""

    def __len__(self) -> int:
        return len(self._runs)

    @property
    def in_slots(self) -> int:
        """How many take a slot: all but those that only wait."""
        return len(self._runs) - self._parked

    def seconds_left(self, run: _Run) -> float:
        """Return for how many seconds a job is surely this worker's."""
        return self._active.seconds_left(run.active)

    def park(self, run: _Run) -> None:
        """Count a job no more among those in slots, until it has ended."""
        if not run.is_parked:
            run.is_parked = True
            self._parked += 1
            self._on_end()

    def start(self, raw: ActivatedJob, since: float) -> None:
        """Work on an activation, unless it comes too late.

        Args:
            raw: as the engine sent it.
            since: when the poll that brought it was sent, by the clock of leases.
        """
        seconds = self._lease.total_seconds()
        active = self._active.accept(raw, since, seconds)
        if active is None:
            logger.debug(
                "Job %s is worked on already, has ended, or its lease is over; this activation is dropped",
                raw.key,
            )
            return
        reached("activated")
        lease = Lease(
            raw.key,
            seconds,
            seconds,
            on_prolonged=partial(self._active.prolonged, active),
            on_lost=partial(self._active.lost, active),
            on_gone=partial(self._gone, raw.key),
        )
        run = self._runs[raw.key] = _Run(active, since, lease)
        run.task = asyncio.create_task(self._life(raw, run))
        run.task.add_done_callback(partial(self._end, run))

    async def finish(self, seconds: float) -> None:
        """Wait until no job is worked on, or the time is over."""
        end = self._clock() + seconds
        while (tasks := [run.task for run in self._runs.values() if run.task]) and self._clock() < end:
            await asyncio.wait(tasks, timeout=end - self._clock())

    def interrupt(self) -> int:
        """Cancel the work of all jobs without an outcome, which gives them back; return how many."""
        return sum(run.stop() for run in self._runs.values())

    def _gone(self, key: int) -> None:
        if (run := self._runs.get(key)) is not None:
            run.gone()

    def _end(self, run: _Run, task: asyncio.Task[None]) -> None:
        del self._runs[run.active.key]
        self._parked -= run.is_parked
        self._leases.let_go(run.lease)
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
            outcome = await self._outcome(job, run)
            run.is_working = False
            if run.is_gone:
                await self._worker.settled(job, None)
                self._events.emit(JobGone(job, self._clock() - begun))
                return
        await self._report(job, outcome, run, begun)

    async def _outcome(self, job: Job, run: _Run) -> Outcome:
        """Do the work; what it gives counts only while the engine has the job."""
        try:
            if self.is_stopping:
                return self._worker.interrupted(job, is_begun=False)
            needed = self._asked(self._worker.time_needed, job)
            asked = self._asked(self._worker.lease_asked, job).total_seconds()
            run.lease.length = max(run.lease.own, asked)
            if not await self._leases.covers(run.lease, needed):
                return self._worker.lease_too_short(job, self._lease, wanted(needed, run.lease.own))
            if not self._active.seconds_left(
                run.active
            ):  # the answer took too long: another may have the job
                return self._worker.interrupted(job, is_begun=False)
            self._leases.keep(run.lease, run.since)
            outcome = await self._worker.work(job, _Slot(self, run))
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

    def _asked(self, what: Callable[[Job], timedelta], job: Job) -> timedelta:
        try:
            return what(job)
        except Exception as error:  # the work will say what is wrong with the job's durations
            logger.debug("Job %s: the time it needs is not known (%s)", job.key, type(error).__name__)
            return timedelta(0)

    async def _report(self, job: Job, outcome: Outcome, run: _Run, begun: float) -> None:
        active = run.active
        reached("before_report")
        delivered = await deliver(
            self._commands,
            self._worker,
            job,
            outcome,
            partial(self._active.decided, active),
            partial(self._active.seconds_left, active),
        )
        reached("acknowledged")
        delivery = delivered.delivery
        if delivery is not Delivery.LEASE_LOST:  # else the engine knows nothing: what it sends is current
            self._active.reported(
                active,
                delivered.outcome,
                is_done=delivery is Delivery.DONE,
                is_delivered=delivery is not Delivery.UNDELIVERED,
            )
        if delivery in (Delivery.DONE, Delivery.GONE):
            if self._active.seconds_left(active) <= 0:
                await asyncio.sleep(LATE)
            await self._worker.settled(job, delivered.outcome if delivery is Delivery.DONE else None)
        seconds = self._clock() - begun
        self._events.emit(JobEnded(job, delivered.outcome, delivery.value, seconds))


class Delivered(NamedTuple):
    """What the engine was told at last."""

    outcome: Outcome
    delivery: Delivery


def _delivered(outcome: Outcome, reported: Reported) -> Delivered:
    """Return what the engine knows: a BPMN error may have been thrown without what was to be kept."""
    if isinstance(outcome, BpmnError) and not reported.is_kept:
        outcome = replace(outcome, keep={}, has_answer=False)
    return Delivered(outcome, reported.delivery)


async def deliver(
    commands: Commands,
    worker: Worker,
    job: Job,
    outcome: Outcome,
    on_decided: Callable[[Outcome], None] = lambda _outcome: None,
    held: Held | None = None,
) -> Delivered:
    """Report an outcome; what the engine refuses goes back to the worker, which decides again.

    Args:
        commands: report outcomes.
        worker: decides what becomes of a job whose outcome is refused.
        job: the job.
        outcome: what becomes of it.
        on_decided: called with each outcome before it is sent.
        held: whether the job is still this worker's.
    """
    is_unexpected = False
    while True:
        on_decided(outcome)
        try:
            reported = await commands.report(job, outcome, held)
        except Exception as error:
            if is_unexpected:
                raise  # not even that there was a bug can be reported
            is_unexpected = True
            outcome = worker.failed_unexpectedly(job, error, outcome)
            continue
        if reported.delivery is not Delivery.REFUSED:
            return _delivered(outcome, reported)
        instead = worker.refused(job, outcome, reported.reason)
        if instead is None:
            logger.error(
                "Job %s: the engine refused to fail it (%s); it is offered again after its lease",
                job.key,
                reported.reason,
            )
            return Delivered(outcome, Delivery.UNDELIVERED)
        outcome = instead
