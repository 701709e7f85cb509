"""A plain client of the engine for tests.

The generated stub alone, nothing of the connector's own `zeebe` package.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any, Self

import grpc
import grpc.aio
from pyzeebe.proto import gateway_pb2 as pb
from pyzeebe.proto.gateway_pb2_grpc import GatewayStub

CALL_TIMEOUT = 60.0
"""Seconds for any one command."""


class ZeebeClient:
    """Deploy, start, look after process instances."""

    def __init__(self, address: str) -> None:
        # A restarted engine is to be noticed at once, and no proxy stands between us and this machine.
        options = [("grpc.max_reconnect_backoff_ms", 500), ("grpc.enable_http_proxy", 0)]
        self._channel = grpc.aio.insecure_channel(address, options=options)
        self._stub: Any = GatewayStub(self._channel)

    async def deploy(self, bpmn: str, name: str = "test.bpmn") -> int:
        """Deploy one diagram and give its process definition's key."""
        request = pb.DeployResourceRequest(resources=[pb.Resource(name=name, content=bpmn.encode())])
        answer = await self._send(self._stub.DeployResource, request)
        return int(answer.deployments[0].process.processDefinitionKey)

    async def create_instance(self, process_id: str, variables: Mapping[str, Any] | None = None) -> int:
        """Start a process instance of the latest version and give its key."""
        answer = await self._send(self._stub.CreateProcessInstance, _create(process_id, variables))
        return int(answer.processInstanceKey)

    async def run(
        self,
        process_id: str,
        variables: Mapping[str, Any] | None = None,
        *,
        fetch: Sequence[str] = (),
        timeout: float = 120.0,
    ) -> dict[str, Any]:
        """Run a process to its end and give its variables (all, or the fetched names).

        Raises:
            grpc.aio.AioRpcError: DEADLINE_EXCEEDED, it did not end within `timeout` seconds (of the engine's
            time).
        """
        request = pb.CreateProcessInstanceWithResultRequest(
            request=_create(process_id, variables), requestTimeout=round(timeout * 1000), fetchVariables=fetch
        )
        answer = await self._send(
            self._stub.CreateProcessInstanceWithResult, request, timeout=timeout + CALL_TIMEOUT
        )
        result: dict[str, Any] = json.loads(answer.variables)
        return result

    async def activate(
        self,
        job_type: str,
        *,
        lease_ms: int = 60_000,
        maximum: int = 1,
        wait_ms: int = 60_000,
        fetch: Sequence[str] = (),
    ) -> list[Any]:
        """Take up to `maximum` jobs, waiting for the first.

        Each is the engine's own `ActivatedJob` message.
        """
        request = pb.ActivateJobsRequest(
            type=job_type,
            worker="test",
            timeout=lease_ms,
            maxJobsToActivate=maximum,
            requestTimeout=wait_ms,
            fetchVariable=fetch,
        )
        jobs: list[Any] = await self._send(self._activated, request, timeout=wait_ms / 1000 + CALL_TIMEOUT)
        return jobs

    async def _activated(self, request: Any, **options: Any) -> list[Any]:
        return [job async for answer in self._stub.ActivateJobs(request, **options) for job in answer.jobs]

    async def _send(self, rpc: Any, request: Any, *, timeout: float = CALL_TIMEOUT) -> Any:
        """Send a command, and again where a busy engine has refused even to begin it (its back-pressure)."""
        end = time.monotonic() + CALL_TIMEOUT
        while True:
            try:
                return await rpc(request, timeout=timeout, wait_for_ready=True)
            except grpc.aio.AioRpcError as error:
                if error.code() is not grpc.StatusCode.RESOURCE_EXHAUSTED or time.monotonic() > end:
                    raise
            await asyncio.sleep(0.1)

    async def set_variables(
        self, element_instance_key: int, variables: Mapping[str, Any], *, local: bool = True
    ) -> None:
        """Set variables at an element instance: local to it, or carried up to where they belong."""
        request = pb.SetVariablesRequest(
            elementInstanceKey=element_instance_key, variables=json.dumps(variables), local=local
        )
        await self._send(self._stub.SetVariables, request)

    async def resolve_incident(
        self, incident_key: int, *, job_key: int | None = None, retries: int = 1
    ) -> None:
        """Resolve an incident, as Operate does; a job without retries is given some first."""
        if job_key is not None:
            await self._send(
                self._stub.UpdateJobRetries, pb.UpdateJobRetriesRequest(jobKey=job_key, retries=retries)
            )
        await self._send(self._stub.ResolveIncident, pb.ResolveIncidentRequest(incidentKey=incident_key))

    async def complete_job(self, job_key: int, variables: Mapping[str, Any]) -> None:
        """Complete a job."""
        request = pb.CompleteJobRequest(jobKey=job_key, variables=json.dumps(dict(variables)))
        await self._send(self._stub.CompleteJob, request)

    async def fail_job(self, job_key: int, message: str) -> None:
        """Fail a job for good, which raises an incident."""
        await self._send(
            self._stub.FailJob, pb.FailJobRequest(jobKey=job_key, retries=0, errorMessage=message)
        )

    async def cancel_instance(self, process_instance_key: int) -> None:
        """Cancel a process instance with all its jobs and incidents."""
        request = pb.CancelProcessInstanceRequest(processInstanceKey=process_instance_key)
        await self._send(self._stub.CancelProcessInstance, request)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._channel.close()


def _create(process_id: str, variables: Mapping[str, Any] | None) -> Any:
    return pb.CreateProcessInstanceRequest(
        bpmnProcessId=process_id, version=-1, variables=json.dumps(dict(variables or {}))
    )
