"""The jobs of one type: fetched for free slots only, worked on side by side, each ended with one outcome."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
from collections.abc import Awaitable, Callable, Collection, Iterator
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

import grpc
import grpc.aio
from pyzeebe.proto import gateway_pb2 as pb

from openai_connector.job import Completed, ConnectorJob, Failed, Outcome
from openai_connector.observe.logs import place_of
from openai_connector.zeebe import lease as job_lease
from openai_connector.zeebe.backoff import delays
from openai_connector.zeebe.commands import Commands, Delivery
from openai_connector.zeebe.decoding import DecodeError, bare_job, decode_job

if TYPE_CHECKING:
    from pyzeebe.proto.gateway_pb2 import ActivatedJob
    from pyzeebe.proto.gateway_pb2_grpc import GatewayAsyncStub

logger = logging.getLogger(__name__)

LONG_POLL = timedelta(seconds=10)  # how long the engine keeps a poll open while there are no jobs
POLL_MARGIN = 10.0  # seconds beyond that until a poll without an answer is given up: the gateway hangs
PAUSE = 0.02  # seconds after a poll with jobs: they are fetched, and slots become free, in batches
FIRST_DELAY, LONGEST_DELAY = 0.2, 3.0  # seconds between polls that fail
BUSY_DELAY = (
    0.5  # seconds at most between polls that the engine refuses because it is busy: that passes at once
)
BUSY_POLLS = 20  # refused so in a row, the engine counts as lost: this is no passing load any more
POLL_GRACE = 1.0  # seconds after stop() in which an idle poll may still bring jobs, which are given back
STALE_TIME = (
    30.0  # seconds for which an ended job is remembered where its lease was over: longer than a poll takes
)
GIVE_BACK_TIME = timedelta(seconds=10)  # for the outcomes of the jobs that drain() has interrupted

_ADVICE = {
    grpc.StatusCode.UNAVAILABLE: "Check that it runs, and ZEEBE_ADDRESS",
    grpc.StatusCode.DEADLINE_EXCEEDED: "Check that it runs, and ZEEBE_ADDRESS",
    grpc.StatusCode.UNAUTHENTICATED: "Check ZEEBE_CLIENT_ID, ZEEBE_CLIENT_SECRET and ZEEBE_TOKEN_AUDIENCE",
    grpc.StatusCode.PERMISSION_DENIED: "Check the permissions of ZEEBE_CLIENT_ID and the tenant ids",
    grpc.StatusCode.INVALID_ARGUMENT: "Check the tenant ids and CONNECTOR_JOB_TYPE",
    grpc.StatusCode.UNIMPLEMENTED: "Check that ZEEBE_ADDRESS is the gateway's gRPC port",
    grpc.StatusCode.RESOURCE_EXHAUSTED: "It is overloaded",
}


class _Entry:
    """A job in work."""

    __slots__ = ("again", "lease", "retry_from", "since", "stale_until", "task", "working")

    def __init__(self, since: float, lease: timedelta) -> None:
        self.since = since
        """When the poll that brought it was sent, by the event loop's clock: its lease did not begin before that."""
        self.lease = lease
        """How long the lease lasts from then on, at least."""
        self.stale_until = 0.0
        """Until when, by that clock, an activation that still arrives is of this attempt, whose lease was over."""
        self.task: asyncio.Task[None] | None = None
        self.working = False
        """The work has begun and has no outcome yet. Only then may the task be cancelled: before its first step
        it would end without a report, and while reporting it has an answer to deliver."""
        self.retry_from = math.inf
        """From when on, by the event loop's clock, another activation may be the retry of a reported failure: not
        during its back-off. An earlier one is of this very attempt, whose lease was over."""
        self.again: tuple[ActivatedJob, float] | None = None
        """The same job, activated again while its failure was being reported, and its `since`."""


class Subscription:
    """Fetches jobs of one type and hands each to `handle`.

    Args:
        stub: The gateway.
        commands: Reports the outcomes.
        handle: One job in, one outcome out. An exception of it is a bug and fails the job with one retry less.
        job_type: The type of the jobs.
        worker_name: Shown by the engine beside the jobs.
        fetch_variables: Names of the variables that come with a job; empty = all.
        tenant_ids: The tenants whose jobs are fetched; empty = the engine's default.
        max_jobs: Jobs in work at once, 1 or more.
        lease: For how long the engine gives an activated job to nobody else.
        lease_needed: How long the work on a job may take; asked before `handle`. When that is more than the lease,
            the lease is prolonged first. An exception of it counts as "no longer than the lease".
        long_poll: How long the engine keeps a poll open while there are no jobs.
    """

    def __init__(
        self,
        stub: GatewayAsyncStub,
        commands: Commands,
        handle: Callable[[ConnectorJob], Awaitable[Outcome]],
        *,
        job_type: str,
        worker_name: str,
        fetch_variables: Collection[str] = (),
        tenant_ids: Collection[str] = (),
        max_jobs: int = 100,
        lease: timedelta = timedelta(minutes=5),
        lease_needed: Callable[[ConnectorJob], timedelta] | None = None,
        long_poll: timedelta = LONG_POLL,
    ) -> None:
        if max_jobs < 1:
            raise ValueError("max_jobs must be 1 or more")
        self._stub = stub
        self._commands = commands
        self._handle = handle
        self._max_jobs = max_jobs
        self._lease = lease
        self._lease_needed = lease_needed
        self._long_poll = long_poll.total_seconds()
        self._request = pb.ActivateJobsRequest(
            type=job_type,
            worker=worker_name,
            timeout=round(lease.total_seconds() * 1000),
            fetchVariable=fetch_variables,
            tenantIds=tenant_ids,
        )
        # By job key. Also what keeps the tasks alive: the event loop itself holds only weak references to them.
        self._entries: dict[int, _Entry] = {}
        self._stale: dict[int, float] = {}  # ended jobs by key: until when an activation is an old one
        self._slot_free = asyncio.Event()
        self._stopping = asyncio.Event()
        self._ended = asyncio.Event()  # run() is not running
        self._ended.set()
        self._call: Any = None  # the poll under way
        self._connected = False
        self._troubles: set[str] | None = None  # logged since the engine was lost; None = it was not
        self._last_poll: float | None = None

    @property
    def running(self) -> int:
        """Jobs in work now."""
        return len(self._entries)

    @property
    def max_jobs(self) -> int:
        """Jobs in work at once, at most: while `running` is as many, there are no polls."""
        return self._max_jobs

    @property
    def connected(self) -> bool:
        """Whether the engine answered the last poll."""
        return self._connected

    @property
    def last_poll(self) -> float | None:
        """When the engine last answered a poll, by the event loop's clock in seconds; None = not yet."""
        return self._last_poll

    @property
    def stopping(self) -> bool:
        """Whether stop() was called."""
        return self._stopping.is_set()

    async def run(self) -> None:
        """Fetch jobs until `stop` is called. No answer of the engine ends it, nor does its absence."""
        self._ended.clear()
        try:
            waits: Iterator[float] | None = None
            refused = 0
            while not self._stopping.is_set():
                free = self._max_jobs - len(self._entries)
                if free <= 0:
                    self._slot_free.clear()
                    await self._slot_free.wait()
                    await asyncio.sleep(PAUSE)
                    continue
                try:
                    jobs = await self._poll(free)
                except Exception as error:
                    refused = refused + 1 if _is_busy(error) else 0
                    is_load = self._connected and 0 < refused < BUSY_POLLS
                    if not is_load:
                        self._lost(error)
                    waits = waits or delays(FIRST_DELAY, LONGEST_DELAY)
                    await self._sleep(min(next(waits), BUSY_DELAY if is_load else LONGEST_DELAY))
                else:
                    waits, refused = None, 0
                    if jobs:
                        await asyncio.sleep(PAUSE)
        finally:
            self._call = None
            self._ended.set()

    def stop(self) -> None:
        """Fetch no more jobs. Those in work go on; what a poll under way still brings is given back at once."""
        self._stopping.set()
        self._slot_free.set()

    async def drain(self, timeout: timedelta) -> int:
        """Stop, wait for the jobs in work, and give back those that are not done in time, their retries unchanged.

        Takes at most the timeout, two seconds for the poll under way, and `GIVE_BACK_TIME`.

        Returns:
            The number of jobs that were interrupted.
        """
        loop = asyncio.get_running_loop()
        self.stop()
        stopped_at = loop.time()
        self._commands.hurry(timeout + GIVE_BACK_TIME)
        await self._finish(timeout.total_seconds())
        # A poll that waits for jobs could be cancelled at once, were it not for those that the engine has just sent:
        # they would wait for the end of their lease (measured at 40 jobs a second: one job in ten to twenty stops,
        # none in 550 stops with the grace). Under load polls end by themselves within milliseconds.
        await self._wait_for_end(stopped_at + POLL_GRACE - loop.time())
        interrupted = 0
        for entry in self._entries.values():
            if entry.task and entry.working:
                interrupted += entry.task.cancel()
        if self._call is not None:
            self._call.cancel()
        await self._wait_for_end(POLL_GRACE)
        await self._finish(GIVE_BACK_TIME.total_seconds())
        if self._entries:
            logger.error(
                "%d jobs could not be reported; the engine offers them again after their lease", self.running
            )
        return interrupted

    async def _finish(self, seconds: float) -> None:
        """Wait until no job is in work, or the time is over."""
        loop = asyncio.get_running_loop()
        end = loop.time() + seconds
        while (tasks := [entry.task for entry in self._entries.values() if entry.task]) and loop.time() < end:
            await asyncio.wait(tasks, timeout=end - loop.time())

    async def _wait_for_end(self, seconds: float) -> None:
        """Wait until run() has ended, or the time is over."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(max(0.0, seconds)):
                await self._ended.wait()

    async def _sleep(self, seconds: float) -> None:
        """Sleep until the time is over, or stop() is called."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._stopping.wait()

    async def _poll(self, free: int) -> int:
        """Activate up to `free` jobs; return how many came."""
        request = self._request
        request.maxJobsToActivate = free
        # Without a connection the engine shall answer at once (below zero: no long poll), to know that it is back.
        request.requestTimeout = round(self._long_poll * 1000) if self._connected else -1
        jobs = 0
        sent = asyncio.get_running_loop().time()
        self._call = self._stub.ActivateJobs(request, timeout=self._long_poll + POLL_MARGIN)
        try:
            async for response in self._call:
                self._found()
                for raw in response.jobs:
                    jobs += 1
                    self._take(raw, sent)
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if task is not None and task.cancelling():
                raise
            if not self._stopping.is_set():
                raise ConnectionError("the channel was closed") from None
            return jobs  # drain() has cancelled the call, nobody this task
        self._found()
        return jobs

    def _take(self, raw: ActivatedJob, since: float) -> None:
        now = asyncio.get_running_loop().time()
        entry = self._entries.get(raw.key)
        if entry is not None:
            # Its lease was over before the work was. It is worked on already; the lease has begun anew.
            logger.debug("Job %s was activated again while this worker works on it", raw.key)
            if now >= entry.retry_from:
                entry.again = raw, since
            return
        if now < self._stale.get(raw.key, 0.0):
            logger.debug("Job %s has ended; this activation was sent before", raw.key)
            return
        entry = self._entries[raw.key] = _Entry(since, self._lease)
        entry.task = asyncio.create_task(self._work(raw, entry))
        entry.task.add_done_callback(partial(self._release, raw.key))

    def _release(self, key: int, task: asyncio.Task[None]) -> None:
        entry = self._entries.pop(key)
        self._slot_free.set()
        loop = asyncio.get_running_loop()
        if loop.time() < entry.stale_until:
            self._stale[key] = entry.stale_until
            loop.call_later(STALE_TIME, self._stale.pop, key, None)
        if task.cancelled():
            return
        if (error := task.exception()) is not None:
            logger.error(
                "Job %s: reporting its outcome failed (%s). This is a bug: please report it",
                key,
                place_of(error),
            )
        elif entry.again is not None:
            self._take(*entry.again)

    async def _work(self, raw: ActivatedJob, entry: _Entry) -> None:
        try:
            job = decode_job(raw)
        except DecodeError as error:
            job = bare_job(raw)
            outcome: Outcome | Delivery = Failed(
                f"The job was not begun: {error}. Correct the data of this process instance, "
                "then resolve the incident.",
                retries=0,
            )
        else:
            del (
                raw
            )  # it would keep the whole answer with its neighbours in memory for as long as the work takes
            entry.working = True
            outcome = await self._outcome(job, entry)
            entry.working = False
        if isinstance(outcome, Delivery):
            return
        if isinstance(outcome, Failed):
            backoff = outcome.backoff or timedelta(0)
            entry.retry_from = asyncio.get_running_loop().time() + backoff.total_seconds()
        try:
            delivery = await self._commands.report(job, outcome)
        except Exception as error:
            failure = outcome.if_refused if isinstance(outcome, Completed) else None
            outcome = _bug(job, error)
            if failure is not None:
                outcome = failure(outcome.message)
            delivery = await self._commands.report(job, outcome)
        if asyncio.get_running_loop().time() - entry.since >= entry.lease.total_seconds():
            # The lease may have been over: what the engine sent then can arrive after the outcome is taken. Of an
            # incident it is dropped too: a person who resolves that at once waits for a lease, and pays nothing.
            if isinstance(outcome, Failed) and outcome.retries > 0:
                entry.stale_until = entry.retry_from
            elif delivery is not Delivery.UNDELIVERED:
                entry.stale_until = math.inf
        if entry.again is not None and not (
            # Failed with retries left, the job may be back before the engine's acknowledgement. Any other
            # activation is older than the outcome, and void.
            delivery is Delivery.DONE
            and isinstance(outcome, Failed)
            and entry.again[0].retries == outcome.retries
        ):
            entry.again = None

    async def _outcome(self, job: ConnectorJob, entry: _Entry) -> Outcome | Delivery:
        """Do the work; a `Delivery` says that the job is not to be worked on, and needs no report."""
        try:
            if self._stopping.is_set():
                return Failed(_given_back("before it was begun"), retries=job.retries)
            if (needed := self._needed(job)) is not None:
                obstacle = await job_lease.secure(self._commands, job, needed, self._lease)
                if obstacle is not None:
                    return obstacle
                if asyncio.get_running_loop().time() - entry.since < self._lease.total_seconds():
                    entry.lease = max(
                        needed, self._lease
                    )  # prolonged, where it was needed, before it was over
            outcome = await self._handle(job)
            if not isinstance(outcome, Outcome):
                raise TypeError("the handler returned no outcome")
            return outcome
        except asyncio.CancelledError as error:
            task = asyncio.current_task()
            if task is None or not task.cancelling():
                # Something that the handler waited for was cancelled, not the work: given back, it goes on for ever.
                return _bug(job, error)
            task.uncancel()
            return Failed(
                _given_back("before it was done (a request under way may have been charged)"),
                retries=job.retries,
            )
        except Exception as error:
            return _bug(job, error)

    def _needed(self, job: ConnectorJob) -> timedelta | None:
        if self._lease_needed is None:
            return None
        try:
            return self._lease_needed(job)
        except Exception as error:  # the handler will say what is wrong with the job's duration
            logger.debug("Job %s: the time it needs is not known (%s)", job.key, type(error).__name__)
            return None

    def _found(self) -> None:
        self._last_poll = asyncio.get_running_loop().time()
        if self._connected:
            return
        self._connected = True
        logger.info(
            "Zeebe answers%s: fetching jobs of type %s",
            " again" if self._troubles else "",
            self._request.type,
        )
        self._troubles = None

    def _lost(self, error: Exception) -> None:
        """Note a failed poll; log it once for each kind of trouble until the engine is back."""
        self._connected = False
        if isinstance(error, grpc.aio.AioRpcError):
            kind, details = error.code().name, (error.details() or "")[:300]
            advice = _ADVICE.get(error.code(), "See the gateway's log")
        else:
            kind, details, advice = type(error).__name__, place_of(error), "This is a bug: please report it"
        if self._troubles is None:
            self._troubles = set()
        if kind not in self._troubles:
            self._troubles.add(kind)
            logger.warning("Zeebe gives no jobs (%s: %s). %s; waiting for it", kind, details, advice)


def _is_busy(error: Exception) -> bool:
    """Say whether it is the engine's back-pressure: a busy engine refuses polls first (seen with 500 slots)."""
    return isinstance(error, grpc.aio.AioRpcError) and error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED


def _bug(job: ConnectorJob, error: BaseException) -> Failed:
    logger.error("Job %s: the connector failed unexpectedly (%s)", job.key, place_of(error))
    return Failed(
        f"The connector failed unexpectedly ({place_of(error)}). This is a bug: please report it together with "
        "the worker's log of this moment.",
        retries=max(0, job.retries - 1),
    )


def _given_back(when: str) -> str:
    return f"The worker was stopped {when}; it has given the job back for another worker, retries unchanged."
