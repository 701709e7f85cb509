"""Zeebe's gateway protocol in front of the engine: requests in, answers and status codes out."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from typing import Any, Final, NoReturn, TypeVar

import grpc
import grpc.aio
from pyzeebe.proto import gateway_pb2 as pb
from pyzeebe.proto.gateway_pb2_grpc import GatewayServicer

from local_engine import VERSION
from local_engine.diagram.model import Process
from local_engine.documents import Document, dump_object, read_document
from local_engine.engine import Engine
from local_engine.errors import Rejection
from local_engine.polls import TENANT, Polls
from local_engine.runner import Runner
from local_engine.state import ElementInstance

WITH_RESULT: Final = 15.0
"""Seconds that CreateProcessInstanceWithResult waits if the request sets no time."""

Result = TypeVar("Result")
Context = Any


def _unsupported(name: str, instead: str) -> Any:
    async def call(self: object, request: Any, context: Context) -> None:
        await context.abort(
            grpc.StatusCode.UNIMPLEMENTED, f"{name} is not supported by this engine: {instead}."
        )

    return call


class Gateway(GatewayServicer):
    """The service `gateway_protocol.Gateway`."""

    def __init__(self, runner: Runner) -> None:
        self._runner = runner
        self._polls = Polls(runner)
        self._awaited: dict[int, asyncio.Future[Document | None]] = {}  # by key of the process instance
        runner.set_up(self._listen)
        self.host, self.port = "127.0.0.1", 0
        """The broker's host and port for `Topology`."""

    def _listen(self, engine: Engine) -> None:
        engine.on_end = self._note_end

    def _note_end(self, instance: ElementInstance, variables: Document | None) -> None:
        future = self._awaited.get(instance.key)
        if future is not None:
            result = None if variables is None else dict(variables)
            self._runner.after_commit(lambda: None if future.done() else future.set_result(result))

    async def _execute(self, context: Context, command: Callable[[Engine], Result]) -> Result:
        try:
            return await self._runner.execute(command)
        except Rejection as rejection:
            await _refuse(context, rejection)

    # Jobs

    async def ActivateJobs(self, request: Any, context: Context) -> AsyncIterator[Any]:
        """Return jobs, waiting for the first."""
        await _check_activation(request, context)
        for name, value in (("worker", request.worker), ("maxJobsToActivate", request.maxJobsToActivate > 0)):
            if not value:
                await _refuse(context, _activation(name))
        try:
            jobs = await self._polls.poll(request)
        except Rejection as rejection:
            await _refuse(context, rejection)
        if not jobs:
            return
        is_sent = False
        try:
            yield pb.ActivateJobsResponse(jobs=jobs)
            is_sent = True
        finally:
            if not is_sent:
                self._polls.give_back(jobs)

    async def StreamActivatedJobs(self, request: Any, context: Context) -> AsyncIterator[Any]:
        """Yield jobs as they come."""
        await _check_activation(request, context)
        jobs = self._polls.stream(request)
        try:
            async for job in jobs:
                yield job
        finally:
            await jobs.aclose()  # type: ignore[attr-defined]

    async def CompleteJob(self, request: Any, context: Context) -> Any:
        """Complete a job."""
        await self._execute(
            context, lambda engine: engine.jobs.complete(request.jobKey, read_document(request.variables))
        )
        return pb.CompleteJobResponse()

    async def FailJob(self, request: Any, context: Context) -> Any:
        """Fail a job."""
        await self._execute(
            context,
            lambda engine: engine.jobs.fail(
                request.jobKey,
                request.retries,
                request.errorMessage,
                request.retryBackOff,
                read_document(request.variables),
            ),
        )
        return pb.FailJobResponse()

    async def ThrowError(self, request: Any, context: Context) -> Any:
        """Throw a BPMN error at a job's element."""
        await self._execute(
            context,
            lambda engine: engine.jobs.throw_error(
                request.jobKey, request.errorCode, request.errorMessage, read_document(request.variables)
            ),
        )
        return pb.ThrowErrorResponse()

    async def UpdateJobRetries(self, request: Any, context: Context) -> Any:
        """Set a job's retries."""
        await self._execute(
            context, lambda engine: engine.jobs.update_retries(request.jobKey, request.retries)
        )
        return pb.UpdateJobRetriesResponse()

    async def UpdateJobTimeout(self, request: Any, context: Context) -> Any:
        """Set when a job's lease ends."""
        await self._execute(
            context, lambda engine: engine.jobs.update_timeout(request.jobKey, request.timeout)
        )
        return pb.UpdateJobTimeoutResponse()

    # Processes

    async def DeployResource(self, request: Any, context: Context) -> Any:
        """Deploy diagrams."""
        await _check_tenants([request.tenantId], context)
        if not request.resources:
            sentence = "Expected to deploy at least one resource, but none given"
            await _refuse(context, Rejection("INVALID_ARGUMENT", sentence))
        files = [(resource.name, resource.content) for resource in request.resources]
        key, deployed = await self._execute(
            context, lambda engine: (engine.state.next_key(), engine.deployments.deploy(files))
        )
        deployments = [pb.Deployment(process=_metadata(process)) for process in deployed]
        return pb.DeployResourceResponse(key=key, tenantId=TENANT, deployments=deployments)

    async def CreateProcessInstance(self, request: Any, context: Context) -> Any:
        """Start a process instance."""
        await _check_tenants([request.tenantId], context)
        process, instance = await self._execute(context, lambda engine: _create(engine, request))
        return pb.CreateProcessInstanceResponse(**_created(process, instance))

    async def CreateProcessInstanceWithResult(self, request: Any, context: Context) -> Any:
        """Start a process instance and return its variables at its end."""
        await _check_tenants([request.request.tenantId], context)
        future: asyncio.Future[Document | None] = asyncio.get_running_loop().create_future()
        keys: list[
            int
        ] = []  # of the instance, from when it is created: the caller may leave before the commit

        def create(engine: Engine) -> tuple[Process, ElementInstance]:
            process, instance = _create(engine, request.request)
            self._awaited[instance.key] = future
            keys.append(instance.key)
            return process, instance

        try:
            process, instance = await self._execute(context, create)
            async with asyncio.timeout(request.requestTimeout / 1000 or WITH_RESULT):
                variables = await future
        except TimeoutError:
            sentence = f"The process instance {instance.key} did not end in time; it goes on"
            await context.abort(grpc.StatusCode.DEADLINE_EXCEEDED, sentence)
        finally:
            for key in keys:
                del self._awaited[key]
        if variables is None:
            sentence = f"The process instance {instance.key} was cancelled"
            await context.abort(grpc.StatusCode.CANCELLED, sentence)
            raise AssertionError
        names = request.fetchVariables or variables
        found = {name: variables[name] for name in names if name in variables}
        return pb.CreateProcessInstanceWithResultResponse(
            **_created(process, instance), variables=dump_object(found)
        )

    async def CancelProcessInstance(self, request: Any, context: Context) -> Any:
        """Terminate a process instance."""
        await self._execute(context, lambda engine: engine.cancel(request.processInstanceKey))
        return pb.CancelProcessInstanceResponse()

    async def SetVariables(self, request: Any, context: Context) -> Any:
        """Write variables into a scope."""

        def set_variables(engine: Engine) -> int:
            variables = read_document(request.variables)
            engine.set_variables(request.elementInstanceKey, variables, local=request.local)
            return engine.state.next_key()

        return pb.SetVariablesResponse(key=await self._execute(context, set_variables))

    async def ResolveIncident(self, request: Any, context: Context) -> Any:
        """Resolve an incident."""
        await self._execute(context, lambda engine: engine.incidents.resolve(request.incidentKey))
        return pb.ResolveIncidentResponse()

    async def PublishMessage(self, request: Any, context: Context) -> Any:
        """Publish a message."""
        await _check_tenants([request.tenantId], context)
        key = await self._execute(
            context,
            lambda engine: engine.messages.publish(
                request.name,
                request.correlationKey,
                request.timeToLive,
                request.messageId,
                read_document(request.variables),
            ),
        )
        return pb.PublishMessageResponse(key=key, tenantId=TENANT)

    # The cluster

    async def Topology(self, request: Any, context: Context) -> Any:
        """Return one broker with one partition."""
        partition = pb.Partition(partitionId=1, role=pb.Partition.LEADER, health=pb.Partition.HEALTHY)
        broker = pb.BrokerInfo(
            nodeId=0, host=self.host, port=self.port, partitions=[partition], version=VERSION
        )
        return pb.TopologyResponse(
            brokers=[broker], clusterSize=1, partitionsCount=1, replicationFactor=1, gatewayVersion=VERSION
        )

    # What this engine does not have

    EvaluateDecision = _unsupported("EvaluateDecision", "it has no DMN")
    BroadcastSignal = _unsupported("BroadcastSignal", "it has no signals")
    ModifyProcessInstance = _unsupported(
        "ModifyProcessInstance", "cancel the instance and start another one at the element that is wanted"
    )
    MigrateProcessInstance = _unsupported(
        "MigrateProcessInstance", "instances stay on the version that they were started with"
    )
    DeleteResource = _unsupported(
        "DeleteResource", "start it on another data folder to be rid of old diagrams"
    )
    DeployProcess = _unsupported("DeployProcess", "use DeployResource")


def _create(engine: Engine, request: Any) -> tuple[Process, ElementInstance]:
    process = engine.creation.find(request.processDefinitionKey, request.bpmnProcessId, request.version)
    starts = [instruction.elementId for instruction in request.startInstructions]
    return process, engine.creation.create(process, read_document(request.variables), starts)


def _created(process: Process, instance: ElementInstance) -> dict[str, Any]:
    return {
        "processDefinitionKey": process.key,
        "bpmnProcessId": process.id,
        "version": process.version,
        "processInstanceKey": instance.key,
        "tenantId": TENANT,
    }


def _metadata(process: Process) -> Any:
    return pb.ProcessMetadata(
        bpmnProcessId=process.id,
        version=process.version,
        processDefinitionKey=process.key,
        resourceName=process.resource_name,
        tenantId=TENANT,
    )


async def _check_activation(request: Any, context: Context) -> None:
    await _check_tenants(request.tenantIds, context)
    for name, is_right in (("type", bool(request.type)), ("timeout", request.timeout > 0)):
        if not is_right:
            await _refuse(context, _activation(name))


def _activation(name: str) -> Rejection:
    wanted = "present" if name in ("type", "worker") else "greater than zero"
    return Rejection(
        "INVALID_ARGUMENT", f"Expected to activate jobs with {name} to be {wanted}, but it was not"
    )


async def _check_tenants(tenants: Iterable[str], context: Context) -> None:
    foreign = [tenant for tenant in tenants if tenant not in ("", TENANT)]
    if foreign:
        sentence = (
            f"Expected no tenant but the default one, but got {', '.join(foreign)}: this engine has no others"
        )
        await _refuse(context, Rejection("INVALID_ARGUMENT", sentence))


async def _refuse(context: Context, rejection: Rejection) -> NoReturn:
    await context.abort(grpc.StatusCode[rejection.status], rejection.message)
    raise AssertionError  # abort raises
