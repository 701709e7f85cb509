"""The engine: who we are to it, and whether it takes a command of each kind that the worker sends.

Every command is harmless: none has a job, a long poll or an effect.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import grpc
import grpc.aio
from pyzeebe.proto import gateway_pb2

from openai_connector.tools.check.findings import Finding, Verdict, failure, ok, warning, worst
from openai_connector.tools.check.way import way_to
from openai_connector.zeebe.channel import Connection, gateway, open_channel
from openai_connector.zeebe.oauth import TokenError, Tokens

UNUSED_JOB_TYPE: Final = "openai-connector:check"
"""Of which there are no jobs."""
NO_JOB: Final = 2**51 + 1
"""The first key of the first partition: taken before there can be a job."""
WORKER: Final = "openai-connector check"
REPORTS: Final = (
    ("CompleteJob", gateway_pb2.CompleteJobRequest(jobKey=NO_JOB, variables="{}")),
    ("FailJob", gateway_pb2.FailJobRequest(jobKey=NO_JOB, retries=1)),
    ("ThrowError", gateway_pb2.ThrowErrorRequest(jobKey=NO_JOB, errorCode="CHECK")),
    ("UpdateJobTimeout", gateway_pb2.UpdateJobTimeoutRequest(jobKey=NO_JOB, timeout=1000)),
)
"""What the worker sends of a job; of a job that is not there, all the answer is NOT_FOUND."""


async def check_engine(connection: Connection, tenant_ids: Sequence[str], seconds: float) -> list[Finding]:
    """Go to the engine, and ask it for nothing in each way."""
    findings = await way_to(connection, seconds)
    if worst(findings) is Verdict.FAILURE:
        return findings
    if connection.oauth is not None:
        try:
            await Tokens(connection.oauth).get()
        except TokenError as error:
            return [
                *findings,
                failure("engine-token", _sentence(str(error)), "The message says what to check"),
            ]
        findings.append(ok("engine-token", "The authorization server gives a token"))
    channel = open_channel(connection)
    try:
        stub = gateway(channel)
        topology = await _topology(stub, seconds)
        findings.append(topology)
        if topology.verdict is not Verdict.FAILURE:
            findings.append(await _activation(stub, tenant_ids, seconds))
            findings.append(await _reports(stub, seconds))
    finally:
        await channel.close()
    return findings


async def _topology(stub: Any, seconds: float) -> Finding:
    try:
        topology = await stub.Topology(gateway_pb2.TopologyRequest(), timeout=seconds)
    except grpc.aio.AioRpcError as error:
        what, advice = _explained(error)
        return failure("engine", f"The engine does not tell its topology: {what}", advice)
    partitions = [partition for broker in topology.brokers for partition in broker.partitions]
    leading = {partition.partitionId for partition in partitions if partition.role == 0}
    size = topology.partitionsCount
    about = f"Zeebe {topology.gatewayVersion or 'of an unknown version'}, {size} partitions"
    if len(leading) < size:
        advice = "Look at the brokers: jobs of the other partitions wait"
        return warning("engine", f"{about}, of which {len(leading)} have a leader", advice)
    if any(partition.health != 0 for partition in partitions):
        return warning("engine", f"{about}, not all of them healthy", "Look at the brokers' logs")
    return ok("engine", f"{about}, all healthy")


async def _activation(stub: Any, tenant_ids: Sequence[str], seconds: float) -> Finding:
    request = gateway_pb2.ActivateJobsRequest(
        type=UNUSED_JOB_TYPE,
        worker=WORKER,
        timeout=1000,
        maxJobsToActivate=1,
        requestTimeout=-1,  # no long poll
        tenantIds=list(tenant_ids),
    )
    try:
        async for _ in stub.ActivateJobs(request, timeout=seconds):
            pass
    except grpc.aio.AioRpcError as error:
        what, advice = _explained(error)
        if error.code() is grpc.StatusCode.INVALID_ARGUMENT:
            advice = "Check ZEEBE_TENANT_IDS: each tenant must be there, and multi-tenancy switched on"
        return failure("engine-jobs", f"The engine gives no jobs: {what}", advice)
    named = f" of the tenants {', '.join(tenant_ids)}" if tenant_ids else ""
    return ok("engine-jobs", f"Jobs{named} may be asked for")


async def _reports(stub: Any, seconds: float) -> Finding:
    for name, request in REPORTS:
        try:
            await getattr(stub, name)(request, timeout=seconds)
        except grpc.aio.AioRpcError as error:
            if error.code() is grpc.StatusCode.NOT_FOUND:
                continue
            what, advice = _explained(error)
            return failure("engine-reports", f"The engine does not take {name}: {what}", advice)
    return ok("engine-reports", f"{', '.join(name for name, _ in REPORTS)} are taken")


_ADVICE: Final = {
    grpc.StatusCode.UNAUTHENTICATED: "Check ZEEBE_CLIENT_ID, ZEEBE_CLIENT_SECRET and ZEEBE_TOKEN_AUDIENCE",
    grpc.StatusCode.PERMISSION_DENIED: "Give the worker's client the permission to work on jobs of all "
    "processes and tenants that it serves",
    grpc.StatusCode.UNIMPLEMENTED: "Check ZEEBE_ADDRESS, and that the engine is Zeebe 8.5 or later",
    grpc.StatusCode.UNAVAILABLE: "Check that the engine is up",
    grpc.StatusCode.DEADLINE_EXCEEDED: "Look whether the engine is overloaded",
    grpc.StatusCode.RESOURCE_EXHAUSTED: "The engine is overloaded: try again later",
}


def _explained(error: grpc.aio.AioRpcError) -> tuple[str, str]:
    """Return what the engine said, and what to do."""
    advice = _ADVICE.get(error.code(), "Look at the gateway's log")
    return f"{error.code().name} ({str(error.details())[:200]})", advice


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]
