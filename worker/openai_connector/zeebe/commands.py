"""The commands that end a job.

Each with a deadline, tried again while the engine is away, never the work itself.
"""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from enum import Enum
from typing import TYPE_CHECKING, Any, NamedTuple

import grpc
import grpc.aio
from pyzeebe.proto import gateway_pb2 as pb

from openai_connector.document import Document, DocumentError
from openai_connector.job import BpmnError, Completed, Failed, Job, Outcome
from openai_connector.observe.points import during
from openai_connector.zeebe import clock
from openai_connector.zeebe.backoff import delays

if TYPE_CHECKING:
    from pyzeebe.proto.gateway_pb2_grpc import GatewayAsyncStub

logger = logging.getLogger(__name__)

DEADLINE = timedelta(seconds=10)  # of one command; the engine takes about 20 ms
PATIENCE = timedelta(minutes=10)  # over all attempts: a broker's restart or the move of its pod takes minutes
FIRST_DELAY, LONGEST_DELAY = 0.1, 5.0  # seconds between attempts
MAX_MESSAGE = 10_000  # characters; the engine shortens error messages to this length itself
AT_ONCE = 32  # commands under way; hundreds of them make the engine refuse most, and polls too (measured)
UNKNOWN_ATTEMPTS = 3  # for UNKNOWN: the engine uses it for what it will never take, proxies for anything

_REFUSED = frozenset({grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.OUT_OF_RANGE})
_NOT_SENT = "failed to connect"  # in gRPC's words for a call that has never left this machine
_NOT_TAKEN = frozenset(
    {
        grpc.StatusCode.RESOURCE_EXHAUSTED,
        grpc.StatusCode.UNAUTHENTICATED,
        grpc.StatusCode.PERMISSION_DENIED,
    }
)
"""With these the engine has surely not taken a command."""
_REFUSED_DETAILS = ("EXCEEDED_BATCH_RECORD_SIZE", "exceeds maximum size", "larger than max")
"""Said by the engine and by gRPC of what is too large, under status codes that otherwise pass (measured)."""


class Delivery(Enum):
    """What became of a command."""

    DONE = "done"
    """The engine has acknowledged it."""
    GONE = "gone"
    """The engine has the job no more: finished (maybe by an earlier attempt), or cancelled."""
    FAILED_ALREADY = "failed already"
    """The job is an incident, or waits to be tried again (maybe by an earlier attempt): it may come back."""
    REFUSED = "refused"
    """The engine will never take it, or it cannot be sent."""
    UNDELIVERED = "undelivered"
    """The engine could not be reached for as long as it made sense: it offers the job again after its
    lease."""
    LEASE_LOST = "lease lost"
    """It was not sent, or only while the job was still ours: another worker may have the job by now. Of a
    prolongation: nobody works on the job, as the engine sees it."""


Held = Callable[[], float]
"""Returns for how many seconds the lease of a job is surely held; 0: another worker may have the job."""


class Reported(NamedTuple):
    """What became of a command, and why it was refused or given up."""

    delivery: Delivery
    reason: str = ""
    is_kept: bool = True
    """What a BPMN error is to keep at the task is there."""


class _LeaseLostError(Exception):
    """A command is not sent, because another worker may have the job."""


@dataclass(slots=True)
class _Command:
    """One command, and until when it may be sent.

    **The rule of the lease**: a completion may always be sent, the engine takes the first. All else may only
    be sent while the job is surely this worker's, for it would end the attempt of another. It is no longer
    ours once the engine has taken a failure, even if it could not tell us so, and the back-off is over.
    """

    rpc: Any
    request: Any
    job: Job
    held: Held | None = None
    """None: it may be sent at any time."""
    backoff: float = math.inf
    """Seconds after which the engine offers the job to others, once it has taken the command."""
    taken_at: float | None = None
    """When it was sent for the first time such that the engine may have taken it."""

    @property
    def name(self) -> str:
        """What the engine calls it."""
        return type(self.request).__name__.removesuffix("Request")

    def seconds_left(self) -> float:
        """Return for how many seconds the command may be sent."""
        if self.held is None:
            return math.inf
        if self.taken_at is None:
            return self.held()
        return min(self.held(), self.taken_at + self.backoff - clock.now())

    def failed(self, sent: float, error: grpc.aio.AioRpcError) -> None:
        """Note that an attempt has failed: the engine may have taken the command all the same."""
        is_sure = error.code() in _NOT_TAKEN or _NOT_SENT in (error.details() or "")
        if self.taken_at is None and not is_sure:
            self.taken_at = sent


class Commands:
    """Reports outcomes to the engine.

    Args:
        stub: The gateway.
        deadline: The time limit of one attempt.
        patience: How long attempts go on before the outcome is given up. An answer has been paid for:
            this should be longer than the engine takes to restart.
    """

    def __init__(
        self, stub: GatewayAsyncStub, *, deadline: timedelta = DEADLINE, patience: timedelta = PATIENCE
    ) -> None:
        self._stub = stub
        self._deadline = deadline.total_seconds()
        self._patience = patience.total_seconds()
        self._turns = asyncio.Semaphore(AT_ONCE)
        self._last_moment = float("inf")  # by the loop's clock: no attempt is begun after it

    def hurry(self, patience: timedelta) -> None:
        """Give up what is not delivered within this time from now, because the worker stops."""
        self._last_moment = asyncio.get_running_loop().time() + patience.total_seconds()

    async def report(self, job: Job, outcome: Outcome, held: Held | None = None) -> Reported:
        """End a job with its outcome; what is refused is left to the caller.

        Args:
            job: the job.
            outcome: what becomes of it.
            held: whether the job is still this worker's; without it the job is nobody else's for sure.
        """
        try:
            with during("reported", 0.001):  # less than the engine takes
                match outcome:
                    case Completed():
                        return await self._complete(job, outcome)
                    case BpmnError():
                        return await self._throw(job, outcome, held)
                    case Failed():
                        return await self._fail(job, outcome, held)
        except DocumentError as error:
            return Reported(Delivery.REFUSED, str(error))

    async def prolong(self, key: int, length: timedelta, deadline: timedelta = DEADLINE) -> Delivery:
        """Set the end of a job's lease to now + length, with one attempt.

        `REFUSED`: the engine does not know the command.
        """
        request = pb.UpdateJobTimeoutRequest(jobKey=key, timeout=_milliseconds(length))
        try:
            await self._stub.UpdateJobTimeout(request, timeout=deadline.total_seconds())
        except grpc.aio.AioRpcError as error:
            delivery = _PROLONGED.get(error.code(), Delivery.UNDELIVERED)
            logger.debug("Job %s: its lease was not prolonged (%s)", key, _reason(error))
            return delivery
        return Delivery.DONE

    async def keep(self, job: Job, variables: Mapping[str, Any]) -> bool:
        """Keep variables at a task, trying for long; return whether it was done.

        Where an answer is fetched is true whoever has the job: this may be sent at any time.
        """
        return await self._keep(job, variables, None) is Delivery.DONE

    async def is_there(self, job: Job) -> bool | None:
        """Check with one attempt whether the engine still has a task; None: that cannot be told.

        It is asked to set no variables at all.
        """
        key = job.element_instance_key
        request = pb.SetVariablesRequest(elementInstanceKey=key, variables="{}", local=True)
        try:
            async with self._turns:
                await self._stub.SetVariables(request, timeout=self._deadline)
        except grpc.aio.AioRpcError as error:
            return False if error.code() is grpc.StatusCode.NOT_FOUND else None
        return True

    async def _complete(self, job: Job, outcome: Completed) -> Reported:
        variables = Document.of(outcome.variables).text
        request = pb.CompleteJobRequest(jobKey=job.key, variables=variables)
        return await self._send(_Command(self._stub.CompleteJob, request, job))

    async def _throw(self, job: Job, outcome: BpmnError, held: Held | None) -> Reported:
        variables = Document.of(outcome.variables)
        is_kept = True
        if outcome.keep:
            kept = await self._keep(job, outcome.keep, held)
            if kept in (Delivery.GONE, Delivery.FAILED_ALREADY, Delivery.LEASE_LOST):
                return Reported(kept)
            is_kept = kept is Delivery.DONE
        request = pb.ThrowErrorRequest(
            jobKey=job.key,
            errorCode=_text(outcome.code),
            errorMessage=_text(outcome.message),
            variables=variables.text if variables else "",
        )
        thrown = await self._send(_Command(self._stub.ThrowError, request, job, held))
        return thrown._replace(is_kept=is_kept)

    async def _keep(self, job: Job, variables: Mapping[str, Any], held: Held | None) -> Delivery:
        """Keep variables at the task.

        The error is thrown even if they are refused: the process waits for it.
        """
        try:
            document = Document.of(variables).text
        except DocumentError as error:
            logger.warning("Job %s: what was to be kept at the task cannot be sent: %s", job.key, error)
            return Delivery.REFUSED
        request = pb.SetVariablesRequest(
            elementInstanceKey=job.element_instance_key, variables=document, local=True
        )
        reported = await self._send(_Command(self._stub.SetVariables, request, job, held))
        if reported.delivery is Delivery.REFUSED:
            logger.warning(
                "Job %s: the engine refused to keep variables at the task (%s)", job.key, reported.reason
            )
        return reported.delivery

    async def _fail(self, job: Job, outcome: Failed, held: Held | None) -> Reported:
        backoff = _milliseconds(outcome.backoff) if outcome.backoff else 0
        request = pb.FailJobRequest(
            jobKey=job.key,
            retries=max(0, outcome.retries),
            errorMessage=_text(outcome.message),
            retryBackOff=backoff,
            variables=Document.of(outcome.variables).text if outcome.variables else "",
        )
        # Without retries it is an incident: nobody gets the job.
        offered_after = backoff / 1000 if request.retries else math.inf
        return await self._send(_Command(self._stub.FailJob, request, job, held, offered_after))

    async def _send(self, command: _Command) -> Reported:
        """Send a command until its fate is known."""
        try:
            try:
                await self._attempt(command)
            except grpc.aio.AioRpcError as error:
                return await self._insist(command, error)
        except _LeaseLostError:
            logger.info(
                "Job %s: its lease was not prolonged in time, another worker may have it: %s is not sent",
                command.job.key,
                command.name,
            )
            return Reported(Delivery.LEASE_LOST)
        return Reported(Delivery.DONE)

    async def _attempt(self, command: _Command) -> None:
        async with self._turns:
            left = command.seconds_left()
            if left <= 0:
                raise _LeaseLostError
            sent = clock.now()
            try:
                await command.rpc(command.request, timeout=min(self._deadline, left))
            except grpc.aio.AioRpcError as error:
                command.failed(sent, error)
                raise

    async def _insist(self, command: _Command, error: grpc.aio.AioRpcError) -> Reported:
        loop = asyncio.get_running_loop()
        end = loop.time() + self._patience
        unknown = 0
        key = command.job.key
        for delay in delays(FIRST_DELAY, LONGEST_DELAY):
            code, reason = error.code(), _reason(error)
            unknown += code is grpc.StatusCode.UNKNOWN
            if code in _ENDED:
                # After an attempt whose answer was lost this is what success looks like.
                logger.info(
                    "Job %s: ended before %s: by an earlier attempt, or elsewhere (%s)",
                    key,
                    command.name,
                    code.name,
                )
                return Reported(_ENDED[code], reason)
            if (
                code in _REFUSED
                or unknown >= UNKNOWN_ATTEMPTS
                or any(text in reason for text in _REFUSED_DETAILS)
            ):
                return Reported(Delivery.REFUSED, reason)
            if loop.time() + delay > min(end, self._last_moment):
                logger.error(
                    "Job %s: %s could not be delivered (%s); the engine offers the job again after its lease",
                    key,
                    command.name,
                    reason,
                )
                return Reported(Delivery.UNDELIVERED, reason)
            logger.debug("Job %s: %s is sent again in %.1f s (%s)", key, command.name, delay, reason)
            await asyncio.sleep(delay)
            try:
                await self._attempt(command)
            except grpc.aio.AioRpcError as next_error:
                error = next_error
            else:
                return Reported(Delivery.DONE)
        raise AssertionError("delays never end")


_ENDED = {
    grpc.StatusCode.NOT_FOUND: Delivery.GONE,
    grpc.StatusCode.FAILED_PRECONDITION: Delivery.FAILED_ALREADY,
}
"""What the status of a command means for a job that cannot be ended any more."""
_PROLONGED = {
    grpc.StatusCode.NOT_FOUND: Delivery.GONE,
    grpc.StatusCode.FAILED_PRECONDITION: Delivery.LEASE_LOST,
    grpc.StatusCode.UNIMPLEMENTED: Delivery.REFUSED,
}
"""What the status of a refused prolongation means; any other one passes."""


def _reason(error: grpc.aio.AioRpcError) -> str:
    # Up to the first brace: the gateway quotes a document that it cannot parse, with everything that is in
    # it.
    details = (error.details() or "").partition("{")[0].strip()
    return f"{error.code().name}: {details[:300]}"


def _text(text: str, length: int = MAX_MESSAGE) -> str:
    """Shorten text, and make it one that UTF-8 can carry: protobuf refuses lone surrogates."""
    if len(text) > length:
        text = text[: length - 1] + "…"
    return text if text.isascii() else text.encode("utf-8", "replace").decode()


def _milliseconds(duration: timedelta) -> int:
    return max(0, duration // timedelta(milliseconds=1))
