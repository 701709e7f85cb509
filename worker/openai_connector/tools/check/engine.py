"""The engine: who we are to it, and whether it takes a command of each kind that the worker sends.

Every command is harmless: none has a job, a long poll or an effect.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any, Final

import grpc
import grpc.aio
from pyzeebe.proto import gateway_pb2

from openai_connector.tools.check import grpc_proxy
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
    if connection.oauth is not None:
        in_time = replace(connection.oauth, request_timeout=timedelta(seconds=seconds))
        connection = replace(connection, oauth=in_time)
    findings = await way_to(connection, seconds)
    if worst(findings) is Verdict.FAILURE:
        return findings
    if connection.oauth is not None:
        try:
            await Tokens(connection.oauth).get()
        except TokenError as error:
            return [*findings, _no_token(error)]
        findings.append(ok("engine-token", "The authorization server gives a token"))
    channel = open_channel(connection)
    try:
        return [*findings, *await _commands(Asker(channel, connection, seconds), tenant_ids)]
    finally:
        await channel.close()


def _no_token(error: TokenError) -> Finding:
    what, _, advice = str(error).partition("): ")  # which says both
    message = f"{what})" if advice else what
    return failure("engine-token", _sentence(message), _sentence(advice or "look at the server's log"))


class Asker:
    """Sends commands, and explains what the engine says against them."""

    def __init__(self, channel: grpc.aio.Channel, connection: Connection, seconds: float) -> None:
        self.stub: Any = gateway(channel)
        self.seconds = seconds
        self._connection = connection

    def explained(self, error: grpc.aio.AioRpcError) -> tuple[str, str]:
        """Return what the engine said, and what to do."""
        code = error.code()
        if code is grpc.StatusCode.DEADLINE_EXCEEDED:
            return f"no answer within {self.seconds:g} s", _ADVICE[code]
        what = f"{code.name} ({str(error.details())[:300]})"
        if code is grpc.StatusCode.UNAVAILABLE:
            return what, self._unavailable()
        if code is grpc.StatusCode.UNAUTHENTICATED and self._connection.oauth is None:
            return what, "Set ZEEBE_CLIENT_ID, ZEEBE_CLIENT_SECRET and ZEEBE_AUTHORIZATION_SERVER_URL"
        return what, _ADVICE.get(code, "Look at the log of the gateway, and of a proxy before it")

    def _unavailable(self) -> str:
        host = self._connection.target.rpartition(":")[0].strip("[]")
        proxy = grpc_proxy.variable_of(os.environ, host)
        if proxy is None or not grpc_proxy.is_usable(os.environ[proxy]):
            return "Check that the engine is up, and a load balancer before it"
        return (
            f"Check ZEEBE_ADDRESS, and the proxy in {proxy}: it must run, and let the worker through to "
            f"{host}. To go without it, name {host} in no_proxy (in small letters; gRPC reads no others)"
        )


async def _commands(ask: Asker, tenant_ids: Sequence[str]) -> list[Finding]:
    topology = await _topology(ask)
    if topology.verdict is Verdict.FAILURE:
        return [topology]
    return [topology, await _activation(ask, tenant_ids), await _reports(ask)]


async def _topology(ask: Asker) -> Finding:
    try:
        topology = await ask.stub.Topology(gateway_pb2.TopologyRequest(), timeout=ask.seconds)
    except grpc.aio.AioRpcError as error:
        what, advice = ask.explained(error)
        return failure("engine", f"The engine does not tell its topology: {what}", advice)
    partitions = [partition for broker in topology.brokers for partition in broker.partitions]
    leading = {partition.partitionId for partition in partitions if partition.role == 0}
    size = topology.partitionsCount
    about = f"Zeebe {topology.gatewayVersion or 'of an unknown version'}, {size} partitions"
    if size == 0 or not topology.brokers:
        return warning("engine", f"{about}: the gateway knows no broker", "Look at the brokers: are they up?")
    if len(leading) < size:
        advice = "Look at the brokers: jobs of the other partitions wait"
        return warning("engine", f"{about}, of which {len(leading)} have a leader", advice)
    if any(partition.health != 0 for partition in partitions):
        return warning("engine", f"{about}, not all of them healthy", "Look at the brokers' logs")
    return ok("engine", f"{about}, all healthy")


async def _activation(ask: Asker, tenant_ids: Sequence[str]) -> Finding:
    request = gateway_pb2.ActivateJobsRequest(
        type=UNUSED_JOB_TYPE,
        worker=WORKER,
        timeout=1000,
        maxJobsToActivate=1,
        requestTimeout=-1,  # no long poll
        tenantIds=list(tenant_ids),
    )
    named = f" of the tenants {', '.join(tenant_ids)}" if tenant_ids else ""
    try:
        async for _ in ask.stub.ActivateJobs(request, timeout=ask.seconds):
            pass
    except grpc.aio.AioRpcError as error:
        what, advice = ask.explained(error)
        if error.code() is grpc.StatusCode.INVALID_ARGUMENT:
            advice = "Check ZEEBE_TENANT_IDS: each tenant must be there, and multi-tenancy switched on"
            advice = advice if tenant_ids else "Set ZEEBE_TENANT_IDS, if the engine has tenants"
        return failure("engine-jobs", f"The engine gives no jobs{named}: {what}", advice)
    return ok("engine-jobs", f"Jobs{named} may be asked for")


async def _reports(ask: Asker) -> Finding:
    for name, request in REPORTS:
        try:
            await getattr(ask.stub, name)(request, timeout=ask.seconds)
        except grpc.aio.AioRpcError as error:
            if error.code() is grpc.StatusCode.NOT_FOUND:
                continue
            what, advice = ask.explained(error)
            return failure("engine-reports", f"The engine does not take {name}: {what}", advice)
    return ok("engine-reports", f"{', '.join(name for name, _ in REPORTS)} are taken")


_ADVICE: Final = {
    grpc.StatusCode.UNAUTHENTICATED: "Check ZEEBE_CLIENT_ID, ZEEBE_CLIENT_SECRET and ZEEBE_TOKEN_AUDIENCE",
    grpc.StatusCode.PERMISSION_DENIED: "Give the worker's client the permission to work on jobs of all "
    "processes and tenants that it serves",
    grpc.StatusCode.UNIMPLEMENTED: "Check ZEEBE_ADDRESS, and that the engine is Zeebe 8.5 or later",
    grpc.StatusCode.DEADLINE_EXCEEDED: "Look whether the engine is overloaded",
    grpc.StatusCode.RESOURCE_EXHAUSTED: "The engine is overloaded: try again later",
}


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]
