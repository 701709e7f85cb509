"""The commands that end a job.

Each with a deadline, tried again while the engine is away, never the work itself.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from datetime import timedelta
from enum import Enum
from typing import TYPE_CHECKING, Any, NamedTuple

import grpc
import grpc.aio
from pyzeebe.proto import gateway_pb2 as pb

from openai_connector.document import Document, DocumentError
from openai_connector.job import BpmnError, Completed, Failed, Job, Outcome
from openai_connector.observe.points import during
from openai_connector.zeebe.backoff import delays

if TYPE_CHECKING:
    from pyzeebe.proto.gateway_pb2_grpc import GatewayAsyncStub

logger = logging.getLogger(__name__)

DEADLINE = timedelta(seconds=10)  # of one command; the engine takes about 20 ms
PATIENCE = timedelta(minutes=10)  # over all attempts: a broker's restart or the move of its pod takes minutes
PROLONG_PATIENCE = timedelta(minutes=1)  # nothing is paid yet, and the lease runs
FIRST_DELAY, LONGEST_DELAY = 0.1, 5.0  # seconds between attempts
MAX_MESSAGE = 10_000  # characters; the engine shortens error messages to this length itself
AT_ONCE = 32  # commands under way; hundreds of them make the engine refuse most, and polls too (measured)
UNKNOWN_ATTEMPTS = 3  # for UNKNOWN: the engine uses it for what it will never take, proxies for anything

_GONE = frozenset({grpc.StatusCode.NOT_FOUND, grpc.StatusCode.FAILED_PRECONDITION})
_REFUSED = frozenset({grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.OUT_OF_RANGE})
_REFUSED_DETAILS = ("EXCEEDED_BATCH_RECORD_SIZE", "exceeds maximum size", "larger than max")
"""Said by the engine and by gRPC of what is too large, under status codes that otherwise pass (measured)."""


class Delivery(Enum):
    """What became of a command."""

    DONE = "done"
    """The engine has acknowledged it."""
    GONE = "gone"
    """The job is no longer there to be ended: finished (maybe by an earlier attempt), cancelled, or an
    incident."""
    REFUSED = "refused"
    """The engine will never take it, or it cannot be sent."""
    UNDELIVERED = "undelivered"
    """The engine could not be reached for as long as it made sense: it offers the job again after its
    lease."""


class Reported(NamedTuple):
    """What became of a command, and why it was refused or given up."""

    delivery: Delivery
    reason: str = ""


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

    async def report(self, job: Job, outcome: Outcome) -> Reported:
        """End a job with its outcome; what is refused is left to the caller."""
        try:
            with during("reported", 0.001):  # less than the engine takes
                match outcome:
                    case Completed():
                        return await self._complete(job, outcome)
                    case BpmnError():
                        return await self._throw(job, outcome)
                    case Failed():
                        return await self._fail(job, outcome)
        except DocumentError as error:
            return Reported(Delivery.REFUSED, str(error))

    async def prolong(self, job: Job, duration: timedelta) -> Delivery:
        """Set the end of the job's lease to now + duration.

        `REFUSED`: the engine does not know the command.
        """
        request = pb.UpdateJobTimeoutRequest(jobKey=job.key, timeout=_milliseconds(duration))
        delivery, _ = await self._send(
            self._stub.UpdateJobTimeout, request, job, PROLONG_PATIENCE.total_seconds()
        )
        return delivery

    async def _complete(self, job: Job, outcome: Completed) -> Reported:
        variables = Document.of(outcome.variables).text
        request = pb.CompleteJobRequest(jobKey=job.key, variables=variables)
        return await self._send(self._stub.CompleteJob, request, job, self._patience)

    async def _throw(self, job: Job, outcome: BpmnError) -> Reported:
        variables = Document.of(outcome.variables)
        if outcome.keep and await self._keep(job, outcome.keep) is Delivery.GONE:
            return Reported(Delivery.GONE)
        request = pb.ThrowErrorRequest(
            jobKey=job.key,
            errorCode=_text(outcome.code),
            errorMessage=_text(outcome.message),
            variables=variables.text if variables else "",
        )
        return await self._send(self._stub.ThrowError, request, job, self._patience)

    async def _keep(self, job: Job, variables: Mapping[str, Any]) -> Delivery:
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
        delivery, reason = await self._send(self._stub.SetVariables, request, job, self._patience)
        if delivery is Delivery.REFUSED:
            logger.warning("Job %s: the engine refused to keep variables at the task (%s)", job.key, reason)
        return delivery

    async def _fail(self, job: Job, outcome: Failed) -> Reported:
        request = pb.FailJobRequest(
            jobKey=job.key,
            retries=max(0, outcome.retries),
            errorMessage=_text(outcome.message),
            retryBackOff=_milliseconds(outcome.backoff) if outcome.backoff else 0,
            variables=Document.of(outcome.variables).text if outcome.variables else "",
        )
        return await self._send(self._stub.FailJob, request, job, self._patience)

    async def _send(self, rpc: Any, request: Any, job: Job, patience: float) -> Reported:
        """Send a command until its fate is known."""
        try:
            await self._attempt(rpc, request)
        except grpc.aio.AioRpcError as error:
            return await self._insist(rpc, request, job, patience, error)
        return Reported(Delivery.DONE)

    async def _attempt(self, rpc: Any, request: Any) -> None:
        async with self._turns:
            await rpc(request, timeout=self._deadline)

    async def _insist(
        self, rpc: Any, request: Any, job: Job, patience: float, error: grpc.aio.AioRpcError
    ) -> Reported:
        loop = asyncio.get_running_loop()
        end = loop.time() + patience
        unknown = 0
        name = type(request).__name__.removesuffix("Request")
        for delay in delays(FIRST_DELAY, LONGEST_DELAY):
            code, reason = error.code(), _reason(error)
            unknown += code is grpc.StatusCode.UNKNOWN
            if code in _GONE:
                # After an attempt whose answer was lost this is what success looks like.
                logger.info(
                    "Job %s: ended before %s: by an earlier attempt, or elsewhere (%s)",
                    job.key,
                    name,
                    code.name,
                )
                return Reported(Delivery.GONE, reason)
            if (
                code in _REFUSED
                or unknown >= UNKNOWN_ATTEMPTS
                or any(text in reason for text in _REFUSED_DETAILS)
            ):
                return Reported(Delivery.REFUSED, reason)
            if code is grpc.StatusCode.UNIMPLEMENTED and rpc is self._stub.UpdateJobTimeout:
                return Reported(Delivery.REFUSED, reason)
            if loop.time() + delay > min(end, self._last_moment):
                logger.error(
                    "Job %s: %s could not be delivered (%s); the engine offers the job again after its lease",
                    job.key,
                    name,
                    reason,
                )
                return Reported(Delivery.UNDELIVERED, reason)
            logger.debug("Job %s: %s is sent again in %.1f s (%s)", job.key, name, delay, reason)
            await asyncio.sleep(delay)
            try:
                await self._attempt(rpc, request)
            except grpc.aio.AioRpcError as next_error:
                error = next_error
            else:
                return Reported(Delivery.DONE)
        raise AssertionError("delays never end")


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
