"""A small gateway on a real gRPC server.

Leases, retries and long polls as the engine has them, and faults on order.
"""

from __future__ import annotations

import asyncio
import json
from collections import defaultdict, deque
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import grpc
import grpc.aio
import pytest
from pyzeebe.proto import gateway_pb2 as pb
from pyzeebe.proto.gateway_pb2_grpc import GatewayServicer, add_GatewayServicer_to_server

Fault = Callable[[Any, Any], Awaitable[None]]


@dataclass
class FakeJob:
    """One job of the fake engine; `ended` says how: completed, failed, thrown."""

    key: int
    variables: str = "{}"
    headers: str = "{}"
    retries: int = 3
    leased_until: float = 0.0
    activations: int = 0
    ended: str = ""
    reports: list[Any] = field(default_factory=list)


def status(code: grpc.StatusCode, details: str = "on order") -> Fault:
    """A fault: the command answers with this status."""

    async def fault(_: Any, context: Any) -> None:
        await context.abort(code, details)

    return fault


def hang(_: Any, __: Any) -> Awaitable[None]:
    """A fault: the command never answers."""
    return asyncio.Event().wait()  # type: ignore[return-value]


def levels(caplog: pytest.LogCaptureFixture) -> list[str]:
    """Give the levels of the product's own log lines, in their order.

    Libraries may have something to say too.
    """
    return [record.levelname for record in caplog.records if record.name.startswith("openai_connector")]


class FakeGateway(GatewayServicer):
    """Jobs of one type. `faults["CompleteJob"].append(status(...))` makes the next call of that command go wrong."""

    def __init__(self) -> None:
        self.jobs: dict[int, FakeJob] = {}
        self.faults: defaultdict[str, deque[Fault]] = defaultdict(deque)
        self.after: defaultdict[str, deque[Fault]] = defaultdict(deque)
        """As `faults`, but the command takes effect first: only its answer is lost."""
        self.late: deque[Fault] = deque()
        """Waited for with activated jobs, their leases running, before they are sent."""
        self.calls: list[tuple[str, Any]] = []
        self.metadata: list[dict[str, str]] = []
        self.authorization: str | None = None
        self.changed = asyncio.Event()
        self.server: Any = None
        self.port = 0

    async def start(self, credentials: Any = None) -> None:
        """Listen: on a port of the system's choice, and on the same one when started again."""
        self.server = grpc.aio.server()
        add_GatewayServicer_to_server(self, self.server)
        address = f"localhost:{self.port}"
        self.port = (
            self.server.add_secure_port(address, credentials)
            if credentials
            else self.server.add_insecure_port(address)
        )
        await self.server.start()

    async def stop(self) -> None:
        """Stop listening and end all calls."""
        await self.server.stop(None)

    @property
    def target(self) -> str:
        """The address, as a worker is given it."""
        return f"localhost:{self.port}"

    def add(self, *jobs: FakeJob) -> None:
        """Add jobs; polls under way see them."""
        self.jobs.update((job.key, job) for job in jobs)
        self.changed.set()

    def count(self, command: str) -> int:
        """How many calls of a command came in."""
        return sum(name == command for name, _ in self.calls)

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait until a condition holds, at most a minute."""
        async with asyncio.timeout(60):
            while not condition():
                await asyncio.sleep(0.005)

    async def _enter(self, command: str, request: Any, context: Any) -> None:
        self.calls.append((command, request))
        self.metadata.append(dict(context.invocation_metadata()))
        if self.authorization is not None and self.metadata[-1].get("authorization") != self.authorization:
            await context.abort(grpc.StatusCode.UNAUTHENTICATED, "wrong token")
        if self.faults[command]:
            await self.faults[command].popleft()(request, context)

    async def _leave(self, command: str, request: Any, context: Any) -> None:
        if self.after[command]:
            await self.after[command].popleft()(request, context)

    async def ActivateJobs(self, request: Any, context: Any) -> AsyncIterator[Any]:  # noqa: N802
        await self._enter("ActivateJobs", request, context)
        loop = asyncio.get_running_loop()
        end = loop.time() + request.requestTimeout / 1000
        while True:
            ready = [job for job in self.jobs.values() if not job.ended and job.leased_until <= loop.time()]
            batch = ready[: request.maxJobsToActivate]
            if batch or loop.time() >= end:
                break
            self.changed.clear()
            leases = [job.leased_until for job in self.jobs.values() if not job.ended]
            try:
                async with asyncio.timeout_at(min([end, *leases])):
                    await self.changed.wait()
            except TimeoutError:
                pass
        for job in batch:
            job.leased_until = loop.time() + request.timeout / 1000
            job.activations += 1
        if batch and self.late:
            await self.late.popleft()(request, context)
        if batch:
            yield pb.ActivateJobsResponse(jobs=[self._activated(job, request) for job in batch])
        await self._leave("ActivateJobs", request, context)

    def _activated(self, job: FakeJob, request: Any) -> Any:
        return pb.ActivatedJob(
            key=job.key,
            type=request.type,
            worker=request.worker,
            bpmnProcessId="order",
            elementId="ask",
            elementInstanceKey=job.key + 1,
            processInstanceKey=job.key + 2,
            processDefinitionKey=job.key + 3,
            retries=job.retries,
            tenantId="<default>",
            variables=job.variables,
            customHeaders=job.headers,
        )

    async def _job(self, request: Any, context: Any) -> FakeJob:
        job = self.jobs.get(request.jobKey)
        if job is None or job.ended in ("completed", "thrown"):
            await context.abort(grpc.StatusCode.NOT_FOUND, "no such job")
        assert job is not None
        if job.ended:
            await context.abort(grpc.StatusCode.FAILED_PRECONDITION, "job is an incident")
        return job

    async def Topology(self, request: Any, context: Any) -> Any:  # noqa: N802
        await self._enter("Topology", request, context)
        return pb.TopologyResponse()

    async def CompleteJob(self, request: Any, context: Any) -> Any:  # noqa: N802
        await self._enter("CompleteJob", request, context)
        job = await self._job(request, context)
        json.loads(request.variables)
        job.ended = "completed"
        job.reports.append(request)
        await self._leave("CompleteJob", request, context)
        return pb.CompleteJobResponse()

    async def FailJob(self, request: Any, context: Any) -> Any:  # noqa: N802
        await self._enter("FailJob", request, context)
        job = await self._job(request, context)
        job.retries = request.retries
        job.reports.append(request)
        job.ended = "" if request.retries else "failed"
        job.leased_until = asyncio.get_running_loop().time() + request.retryBackOff / 1000
        self.changed.set()
        await self._leave("FailJob", request, context)
        return pb.FailJobResponse()

    async def ThrowError(self, request: Any, context: Any) -> Any:  # noqa: N802
        await self._enter("ThrowError", request, context)
        job = await self._job(request, context)
        job.ended = "thrown"
        job.reports.append(request)
        return pb.ThrowErrorResponse()

    async def SetVariables(self, request: Any, context: Any) -> Any:  # noqa: N802
        await self._enter("SetVariables", request, context)
        return pb.SetVariablesResponse()

    async def UpdateJobTimeout(self, request: Any, context: Any) -> Any:  # noqa: N802
        await self._enter("UpdateJobTimeout", request, context)
        job = await self._job(request, context)
        job.leased_until = asyncio.get_running_loop().time() + request.timeout / 1000
        return pb.UpdateJobTimeoutResponse()
