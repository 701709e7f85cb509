"""The gateway's calls over a real channel, with the engine in this process: what clients see of refusals."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import grpc
import grpc.aio
from pyzeebe.proto import gateway_pb2 as pb
from pyzeebe.proto.gateway_pb2_grpc import GatewayStub

from local_engine.server import LocalEngine
from tests.local_engine.bpmn import END, START, chain, definitions, job, process

CALL_TIMEOUT = 30.0
"""Seconds for any one call."""
PROCESS = definitions(process("p", START, job("a"), END, chain("start", "a", "end")))


class Gateway:
    """A client's side of one channel."""

    def __init__(self, server: LocalEngine, stub: Any) -> None:
        self.server = server
        self.stub = stub

    async def code(self, call: str, request: Any) -> tuple[str, str]:
        """Send a request and return the status code's name, with the details."""
        try:
            await getattr(self.stub, call)(request, timeout=CALL_TIMEOUT)
        except grpc.aio.AioRpcError as error:
            return error.code().name, error.details() or ""
        return "OK", ""

    async def deploy(self, *diagrams: bytes, name: str = "{}.bpmn") -> Any:
        """Deploy diagrams in one request."""
        resources = [pb.Resource(name=name.format(n), content=content) for n, content in enumerate(diagrams)]
        return await self.stub.DeployResource(
            pb.DeployResourceRequest(resources=resources), timeout=CALL_TIMEOUT
        )

    async def create(self, process_id: str = "p", **variables: Any) -> int:
        """Start an instance and return its key."""
        request = pb.CreateProcessInstanceRequest(
            bpmnProcessId=process_id, version=-1, variables=json.dumps(variables)
        )
        return int((await self.stub.CreateProcessInstance(request, timeout=CALL_TIMEOUT)).processInstanceKey)

    async def activate(
        self, type: str = "a", *, lease: int = 60_000, maximum: int = 1, wait: int = 10_000
    ) -> list[Any]:
        """Take jobs."""
        request = pb.ActivateJobsRequest(
            type=type, worker="w", timeout=lease, maxJobsToActivate=maximum, requestTimeout=wait
        )
        return [
            one
            async for answer in self.stub.ActivateJobs(request, timeout=CALL_TIMEOUT)
            for one in answer.jobs
        ]

    async def job(self) -> Any:
        """Return a fresh job that is activated."""
        await self.create()
        (job,) = await self.activate()
        return job


@asynccontextmanager
async def gateway() -> AsyncIterator[Gateway]:
    """Start an engine in memory with the process `p` of one job `a`."""
    options = [("grpc.enable_http_proxy", 0), ("grpc.max_receive_message_length", -1)]
    async with LocalEngine() as server, grpc.aio.insecure_channel(server.address, options=options) as channel:
        made = Gateway(server, GatewayStub(channel))
        await made.deploy(PROCESS)
        yield made
