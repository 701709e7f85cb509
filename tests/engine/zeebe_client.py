"""A plain client of the engine for tests: the generated stub alone, nothing of the connector's own `zeebe` package."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any, Self

import grpc.aio
from pyzeebe.proto import gateway_pb2 as pb
from pyzeebe.proto.gateway_pb2_grpc import GatewayStub

CALL_TIMEOUT = 15.0
"""Seconds for any one command."""


class ZeebeClient:
    """Deploy, start, look after process instances; `stub` is there for everything else."""

    def __init__(self, address: str) -> None:
        # A restarted engine is to be noticed at once, and no proxy stands between us and this machine.
        options = [("grpc.max_reconnect_backoff_ms", 500), ("grpc.enable_http_proxy", 0)]
        self._channel = grpc.aio.insecure_channel(address, options=options)
        self.stub: Any = GatewayStub(self._channel)

    async def deploy(self, bpmn: str, name: str = "test.bpmn") -> int:
        """Deploy one diagram and give its process definition's key."""
        request = pb.DeployResourceRequest(resources=[pb.Resource(name=name, content=bpmn.encode())])
        answer = await self.stub.DeployResource(request, timeout=CALL_TIMEOUT)
        return int(answer.deployments[0].process.processDefinitionKey)

    async def create_instance(self, process_id: str, variables: Mapping[str, Any] | None = None) -> int:
        """Start a process instance of the latest version and give its key."""
        answer = await self.stub.CreateProcessInstance(_create(process_id, variables), timeout=CALL_TIMEOUT)
        return int(answer.processInstanceKey)

    async def run(
        self,
        process_id: str,
        variables: Mapping[str, Any] | None = None,
        *,
        fetch: Sequence[str] = (),
        timeout: float = 30.0,
    ) -> dict[str, Any]:
        """Run a process to its end and give its variables (all, or the fetched names).

        Raises:
            grpc.aio.AioRpcError: DEADLINE_EXCEEDED, it did not end within `timeout` seconds (of the engine's time).
        """
        request = pb.CreateProcessInstanceWithResultRequest(
            request=_create(process_id, variables), requestTimeout=round(timeout * 1000), fetchVariables=fetch
        )
        answer = await self.stub.CreateProcessInstanceWithResult(request, timeout=timeout + CALL_TIMEOUT)
        result: dict[str, Any] = json.loads(answer.variables)
        return result

    async def activate(
        self,
        job_type: str,
        *,
        lease_ms: int = 60_000,
        maximum: int = 1,
        wait_ms: int = 5_000,
        fetch: Sequence[str] = (),
    ) -> list[Any]:
        """Take up to `maximum` jobs, waiting for the first; each is the engine's own `ActivatedJob` message."""
        request = pb.ActivateJobsRequest(
            type=job_type,
            worker="test",
            timeout=lease_ms,
            maxJobsToActivate=maximum,
            requestTimeout=wait_ms,
            fetchVariable=fetch,
        )
        jobs: list[Any] = []
        async for answer in self.stub.ActivateJobs(request, timeout=wait_ms / 1000 + CALL_TIMEOUT):
            jobs.extend(answer.jobs)
        return jobs

    async def set_variables(
        self, element_instance_key: int, variables: Mapping[str, Any], *, local: bool = True
    ) -> None:
        """Set variables at an element instance: local to it, or carried up to where they belong."""
        request = pb.SetVariablesRequest(
            elementInstanceKey=element_instance_key, variables=json.dumps(variables), local=local
        )
        await self.stub.SetVariables(request, timeout=CALL_TIMEOUT)

    async def resolve_incident(self, incident_key: int, *, job_key: int | None = None, retries: int = 1) -> None:
        """Resolve an incident, as Operate does; a job without retries is given some first."""
        if job_key is not None:
            await self.stub.UpdateJobRetries(
                pb.UpdateJobRetriesRequest(jobKey=job_key, retries=retries), timeout=CALL_TIMEOUT
            )
        await self.stub.ResolveIncident(pb.ResolveIncidentRequest(incidentKey=incident_key), timeout=CALL_TIMEOUT)

    async def cancel_instance(self, process_instance_key: int) -> None:
        """Cancel a process instance with all its jobs and incidents."""
        request = pb.CancelProcessInstanceRequest(processInstanceKey=process_instance_key)
        await self.stub.CancelProcessInstance(request, timeout=CALL_TIMEOUT)

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
