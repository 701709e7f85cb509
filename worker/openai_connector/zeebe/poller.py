"""Fetches the jobs of one type, for free slots only."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Collection, Iterator
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import grpc
import grpc.aio
from pyzeebe.proto import gateway_pb2 as pb

from openai_connector.job import Pause, Worker
from openai_connector.observe.events import EngineFound, EngineLost, Events, Polled, PollFailed
from openai_connector.redaction import place_of
from openai_connector.zeebe import clock
from openai_connector.zeebe.backoff import delays
from openai_connector.zeebe.commands import Commands
from openai_connector.zeebe.lease import Leases
from openai_connector.zeebe.runs import Runs

if TYPE_CHECKING:
    from pyzeebe.proto.gateway_pb2_grpc import GatewayAsyncStub

logger = logging.getLogger(__name__)

LONG_POLL = timedelta(seconds=10)  # how long the engine keeps a poll open while there are no jobs
POLL_SHARE = 4  # of a short lease, this part at most: the lease of a job counts from when its poll was sent
POLL_MARGIN = 10.0  # seconds beyond that until a poll without an answer is given up: the gateway hangs
PAUSE = 0.02  # seconds after a poll with jobs: they are fetched, and slots become free, in batches
FIRST_DELAY, LONGEST_DELAY = 0.2, 3.0  # seconds between polls that fail
BUSY_DELAY = 0.5  # seconds at most between polls that a busy engine refuses: that passes at once
BUSY_POLLS = 20  # refused so in a row, the engine counts as lost: this is no passing load any more
POLL_GRACE = 1.0  # seconds after stop() in which an idle poll may still bring jobs, which are given back
LOOK_EVERY = 10.0  # seconds between two looks whether the engine is there, while all slots are taken
LOOK_TIMEOUT = 10.0
GIVE_BACK_TIME = timedelta(seconds=10)  # for the outcomes of the jobs that drain() has interrupted

_AWAY = (
    grpc.StatusCode.UNAVAILABLE,
    grpc.StatusCode.DEADLINE_EXCEEDED,
    grpc.StatusCode.UNAUTHENTICATED,
)  # whatever else it says to a question after its brokers, it is there

_ADVICE = {
    grpc.StatusCode.UNAVAILABLE: "Check that it runs, and ZEEBE_ADDRESS",
    grpc.StatusCode.DEADLINE_EXCEEDED: "Check that it runs, and ZEEBE_ADDRESS",
    grpc.StatusCode.UNAUTHENTICATED: "Check ZEEBE_CLIENT_ID, ZEEBE_CLIENT_SECRET and ZEEBE_TOKEN_AUDIENCE",
    grpc.StatusCode.PERMISSION_DENIED: "Check the permissions of ZEEBE_CLIENT_ID and the tenant ids",
    grpc.StatusCode.INVALID_ARGUMENT: "Check the tenant ids and CONNECTOR_JOB_TYPE",
    grpc.StatusCode.UNIMPLEMENTED: "Check that ZEEBE_ADDRESS is the gateway's gRPC port",
    grpc.StatusCode.RESOURCE_EXHAUSTED: "It is overloaded",
}


class Poller:
    """Fetches jobs of one type, for free slots only, and has each worked on.

    Args:
        stub: The gateway.
        commands: Report the outcomes.
        worker: Decides what becomes of jobs.
        job_type: The type of the jobs.
        worker_name: What the engine shows as the worker of the jobs.
        fetch_variables: Names of the variables that come with a job; empty = all.
        tenant_ids: The tenants whose jobs are fetched; empty = the engine's default.
        max_jobs: Slots: jobs that are worked on at once, 1 or more; those that only wait take none.
        lease: For how long the engine gives an activated job to nobody else.
        leases: Prolong the leases of jobs that are worked on; None = of this poller alone.
        long_poll: How long the engine keeps a poll open while there are no jobs.
        pause: Says how to slow down polling while most jobs are given back at once.
        events: Are told what happens.
    """

    def __init__(
        self,
        stub: GatewayAsyncStub,
        commands: Commands,
        worker: Worker,
        *,
        job_type: str,
        worker_name: str,
        fetch_variables: Collection[str] = (),
        tenant_ids: Collection[str] = (),
        max_jobs: int = 100,
        lease: timedelta = timedelta(seconds=60),
        leases: Leases | None = None,
        long_poll: timedelta = LONG_POLL,
        pause: Callable[[], Pause | None] = lambda: None,
        events: Events | None = None,
    ) -> None:
        if max_jobs < 1:
            raise ValueError("max_jobs must be 1 or more")
        self._stub = stub
        self._commands = commands
        self._worker = worker
        self._max_jobs = max_jobs
        self._pause = pause
        self._long_poll = min(long_poll, lease / POLL_SHARE).total_seconds()
        self._events = events or Events()
        self._request = _activation(job_type, worker_name, lease, fetch_variables, tenant_ids)
        self._slot_free = asyncio.Event()
        self._runs = Runs(
            commands, worker, lease, leases or Leases(commands), self._events, self._slot_free.set
        )
        self._stopping = asyncio.Event()
        self._ended = asyncio.Event()  # run() is not running
        self._ended.set()
        self._call: Any = None  # the poll under way
        self._connected = False
        self._troubles: set[str] | None = None  # told since the engine was lost; None = it was not

    @property
    def running(self) -> int:
        """Jobs that are worked on now."""
        return len(self._runs)

    @property
    def in_slots(self) -> int:
        """Jobs that take a slot: all that are worked on, but those that only wait."""
        return self._runs.in_slots

    @property
    def max_jobs(self) -> int:
        """Jobs in slots at once, at most; there are more `running` while some of them only wait."""
        return self._max_jobs

    @property
    def job_type(self) -> str:
        """The type of the jobs."""
        return str(self._request.type)

    @property
    def connected(self) -> bool:
        """Whether the engine answered when it was asked last."""
        return self._connected

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
                free = self._max_jobs - self._runs.in_slots
                if free <= 0:
                    await self._wait_for_slot()
                    await asyncio.sleep(PAUSE)
                    continue
                most = await self._slow_down()
                if not most:
                    continue
                try:
                    jobs = await self._poll(min(free, most))
                except Exception as error:
                    self._events.emit(PollFailed(self._request.type))
                    refused = refused + 1 if _is_busy(error) else 0
                    is_load = self._connected and 0 < refused < BUSY_POLLS
                    if not is_load:
                        self._lost(error)
                    waits = waits or delays(FIRST_DELAY, LONGEST_DELAY)
                    await self._sleep(min(next(waits), BUSY_DELAY if is_load else LONGEST_DELAY))
                else:
                    waits, refused = None, 0
                    self._events.emit(Polled(self._request.type, jobs))
                    if jobs:
                        await asyncio.sleep(PAUSE)
        finally:
            self._call = None
            self._ended.set()

    def stop(self) -> None:
        """Fetch no more jobs. Those under way go on.

        What a poll under way still brings is given back at once.
        """
        self._stopping.set()
        self._runs.is_stopping = True
        self._worker.stopping()
        self._slot_free.set()

    async def drain(self, timeout: timedelta) -> int:
        """Stop, wait for the jobs under way, and give back those that are not done in time.

        These keep their retries.

        Takes at most the timeout, two seconds for the poll under way, and `GIVE_BACK_TIME`.

        Returns:
            The number of jobs that were interrupted.
        """
        loop = asyncio.get_running_loop()
        self.stop()
        stopped_at = loop.time()
        self._commands.hurry(timeout + GIVE_BACK_TIME)
        await self._runs.finish(timeout.total_seconds())
        # A poll that waits for jobs could be cancelled at once, were it not for those that the engine has
        # just sent: they would wait for the end of their lease (measured at 40 jobs a second: one job in ten
        # to twenty stops, none in 550 stops with the grace). Under load polls end by themselves within
        # milliseconds.
        await self._wait_for_end(stopped_at + POLL_GRACE - loop.time())
        interrupted = self._runs.interrupt()
        if self._call is not None:
            self._call.cancel()
        await self._wait_for_end(POLL_GRACE)
        await self._runs.finish(GIVE_BACK_TIME.total_seconds())
        if self._runs:
            logger.error(
                "%d jobs could not be reported; the engine offers them again after their lease", self.running
            )
        return interrupted

    async def _wait_for_slot(self) -> None:
        """Wait until a slot is free; look now and then whether the engine is there, for no poll tells."""
        self._slot_free.clear()
        freed = asyncio.create_task(self._slot_free.wait())
        looking: asyncio.Task[None] | None = None
        try:
            while not freed.done():
                await asyncio.wait([freed], timeout=LOOK_EVERY)
                if not freed.done():
                    looking = asyncio.create_task(self._look())
                    await asyncio.wait([freed, looking], return_when=asyncio.FIRST_COMPLETED)
        finally:
            freed.cancel()
            if looking is not None:
                looking.cancel()

    async def _look(self) -> None:
        try:
            await self._stub.Topology(pb.TopologyRequest(), timeout=LOOK_TIMEOUT)
        except grpc.aio.AioRpcError as error:
            if error.code() in _AWAY:
                self._lost(error)
                return
        self._found()

    async def _slow_down(self) -> int:
        """Wait while most jobs would be given back at once; return how many to fetch at most after it.

        0: none, or the worker stops.
        """
        pause = self._pause()
        if pause is None:
            return self._max_jobs
        await self._sleep(pause.seconds)
        return 0 if self._stopping.is_set() else pause.jobs

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
        # Without a connection the engine shall answer at once (below zero: no long poll), to know that it is
        # back.
        request.requestTimeout = round(self._long_poll * 1000) if self._connected else -1
        jobs = 0
        sent = clock.now()
        self._call = self._stub.ActivateJobs(request, timeout=self._long_poll + POLL_MARGIN)
        try:
            async for response in self._call:
                self._found()
                for raw in response.jobs:
                    jobs += 1
                    self._runs.start(raw, sent)
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if task is not None and task.cancelling():
                raise
            if not self._stopping.is_set():
                raise ConnectionError("the channel was closed") from None
            return jobs  # drain() has cancelled the call, nobody this task
        self._found()
        return jobs

    def _found(self) -> None:
        if self._connected:
            return
        self._connected = True
        self._events.emit(EngineFound(self._request.type, is_again=bool(self._troubles)))
        self._troubles = None

    def _lost(self, error: Exception) -> None:
        """Note a failed poll; tell it once for each kind of trouble until the engine is back."""
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
            self._events.emit(EngineLost(kind, details, advice))


def _activation(
    job_type: str, worker_name: str, lease: timedelta, variables: Collection[str], tenants: Collection[str]
) -> pb.ActivateJobsRequest:
    """Return what all polls ask for, but for how many jobs and how long to wait."""
    return pb.ActivateJobsRequest(
        type=job_type,
        worker=worker_name,
        timeout=round(lease.total_seconds() * 1000),
        fetchVariable=variables,
        tenantIds=tenants,
    )


def _is_busy(error: Exception) -> bool:
    """Check whether it is the engine's back-pressure.

    A busy engine refuses polls first (seen with 500 slots).
    """
    return isinstance(error, grpc.aio.AioRpcError) and error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
