"""The status codes of the gateway, over gRPC."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import grpc.aio
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from pyzeebe.proto import gateway_pb2 as pb

from tests.local_engine.bpmn import (
    END,
    START,
    call,
    chain,
    definitions,
    element,
    event_start,
    job,
    process,
    timer,
)
from tests.local_engine.calls import Gateway, gateway

UNKNOWN_KEY = 4711
CARRIERS = ("CompleteJob", "FailJob", "ThrowError", "SetVariables", "CreateProcessInstance", "PublishMessage")
"""Calls that carry variables."""


@pytest.fixture
async def client() -> AsyncIterator[Gateway]:
    """A client of an engine of this test's own."""
    async with gateway() as made:
        yield made


async def carrying(client: Gateway, call: str, variables: str) -> Any:
    """Return a request of this kind that is right but for its variables."""
    if call == "CompleteJob":
        return pb.CompleteJobRequest(jobKey=(await client.job()).key, variables=variables)
    if call == "FailJob":
        return pb.FailJobRequest(jobKey=(await client.job()).key, retries=1, variables=variables)
    if call == "ThrowError":
        return pb.ThrowErrorRequest(jobKey=(await client.job()).key, errorCode="E", variables=variables)
    if call == "SetVariables":
        return pb.SetVariablesRequest(elementInstanceKey=await client.create(), variables=variables)
    if call == "CreateProcessInstance":
        return pb.CreateProcessInstanceRequest(bpmnProcessId="p", version=-1, variables=variables)
    return pb.PublishMessageRequest(name="m", correlationKey="k", variables=variables)


UNKNOWN = [
    pytest.param("CompleteJob", pb.CompleteJobRequest(jobKey=UNKNOWN_KEY), id="CompleteJob"),
    pytest.param("FailJob", pb.FailJobRequest(jobKey=UNKNOWN_KEY, retries=1), id="FailJob"),
    pytest.param("ThrowError", pb.ThrowErrorRequest(jobKey=UNKNOWN_KEY, errorCode="E"), id="ThrowError"),
    pytest.param(
        "UpdateJobRetries", pb.UpdateJobRetriesRequest(jobKey=UNKNOWN_KEY, retries=1), id="UpdateJobRetries"
    ),
    pytest.param(
        "UpdateJobTimeout",
        pb.UpdateJobTimeoutRequest(jobKey=UNKNOWN_KEY, timeout=1000),
        id="UpdateJobTimeout",
    ),
    pytest.param("ResolveIncident", pb.ResolveIncidentRequest(incidentKey=UNKNOWN_KEY), id="ResolveIncident"),
    pytest.param(
        "SetVariables",
        pb.SetVariablesRequest(elementInstanceKey=UNKNOWN_KEY, variables="{}"),
        id="SetVariables",
    ),
    pytest.param(
        "CancelProcessInstance",
        pb.CancelProcessInstanceRequest(processInstanceKey=UNKNOWN_KEY),
        id="CancelProcessInstance",
    ),
    pytest.param(
        "CreateProcessInstance",
        pb.CreateProcessInstanceRequest(bpmnProcessId="nobody", version=-1),
        id="CreateProcessInstance with a process id",
    ),
    pytest.param(
        "CreateProcessInstance",
        pb.CreateProcessInstanceRequest(bpmnProcessId="p", version=9),
        id="CreateProcessInstance with a version",
    ),
    pytest.param(
        "CreateProcessInstance",
        pb.CreateProcessInstanceRequest(processDefinitionKey=UNKNOWN_KEY),
        id="CreateProcessInstance with a definition",
    ),
]


@pytest.mark.parametrize(("name", "request_"), UNKNOWN)
async def test_unknown_keys_are_not_found(client: Gateway, name: str, request_: Any) -> None:
    """Whatever is not there, or not there any more, is NOT_FOUND."""
    code, details = await client.code(name, request_)
    assert (code, "NOT_FOUND" in details) == ("NOT_FOUND", True)


@pytest.mark.parametrize("state", ["failed", "thrown", "finished"])
@pytest.mark.parametrize("name", ["CompleteJob", "FailJob", "ThrowError", "UpdateJobTimeout"])
async def test_commands_on_jobs_that_are_not_in_work(client: Gateway, name: str, state: str) -> None:
    """A job without retries or with a thrown error is FAILED_PRECONDITION; a finished one is NOT_FOUND."""
    key = (await client.job()).key
    if state == "failed":
        await client.stub.FailJob(pb.FailJobRequest(jobKey=key, retries=0))
    elif state == "thrown":
        await client.stub.ThrowError(pb.ThrowErrorRequest(jobKey=key, errorCode="nobody"))
    else:
        await client.stub.CompleteJob(pb.CompleteJobRequest(jobKey=key))
    requests = {
        "CompleteJob": pb.CompleteJobRequest(jobKey=key),
        "FailJob": pb.FailJobRequest(jobKey=key, retries=1),
        "ThrowError": pb.ThrowErrorRequest(jobKey=key, errorCode="E"),
        "UpdateJobTimeout": pb.UpdateJobTimeoutRequest(jobKey=key, timeout=1000),
    }
    code, _ = await client.code(name, requests[name])
    assert code == ("NOT_FOUND" if state == "finished" else "FAILED_PRECONDITION")


@pytest.mark.parametrize("retries", [0, -1], ids=str)
async def test_retries_must_be_positive(client: Gateway, retries: int) -> None:
    """UpdateJobRetries refuses what would leave the job without any."""
    code, _ = await client.code(
        "UpdateJobRetries", pb.UpdateJobRetriesRequest(jobKey=(await client.job()).key, retries=retries)
    )
    assert code == "INVALID_ARGUMENT"


async def test_an_incident_is_not_resolved_while_the_job_has_no_retries(client: Gateway) -> None:
    """The retries have to be updated first; then the same job comes back."""
    key = (await client.job()).key
    await client.stub.FailJob(pb.FailJobRequest(jobKey=key, retries=0))
    (incident,) = client.server.engine.state.incidents
    request = pb.ResolveIncidentRequest(incidentKey=incident)
    assert (await client.code("ResolveIncident", request))[0] == "FAILED_PRECONDITION"
    await client.stub.UpdateJobRetries(pb.UpdateJobRetriesRequest(jobKey=key, retries=1))
    assert await client.activate(wait=-1) == []
    assert (await client.code("ResolveIncident", request))[0] == "OK"
    assert [job.key for job in await client.activate()] == [key]


@pytest.mark.parametrize("name", CARRIERS)
@pytest.mark.parametrize(
    ("variables", "code"),
    [
        pytest.param("", "OK", id="empty"),
        pytest.param("null", "OK", id="null"),
        pytest.param("{}", "OK", id="no_variables"),
        pytest.param('{"a":18446744073709551615}', "OK", id="largest_integer"),
        pytest.param('{"a":"\\ud83d x"}', "OK", id="lone_surrogate"),
        pytest.param('{"a":' + "[" * 1000 + "]" * 1000 + "}", "OK", id="a_thousand_deep"),
        pytest.param('{"a":' + "[" * 1001 + "]" * 1001 + "}", "INVALID_ARGUMENT", id="too_deep"),
        pytest.param('{"a":' + "[" * 100_000 + "]" * 100_000 + "}", "INVALID_ARGUMENT", id="much_too_deep"),
        pytest.param("[1]", "INVALID_ARGUMENT", id="array"),
        pytest.param('"x"', "INVALID_ARGUMENT", id="string"),
        pytest.param("1", "INVALID_ARGUMENT", id="number"),
        pytest.param('{"a":NaN}', "INVALID_ARGUMENT", id="nan"),
        pytest.param('{"a":Infinity}', "INVALID_ARGUMENT", id="infinity"),
        pytest.param('{"a":1e999}', "INVALID_ARGUMENT", id="too_large_a_number"),
        pytest.param('{"a":18446744073709551616}', "INVALID_ARGUMENT", id="too_large_an_integer"),
        pytest.param("{", "INVALID_ARGUMENT", id="broken"),
        pytest.param('{"a":1} x', "INVALID_ARGUMENT", id="more_behind"),
    ],
)
async def test_documents(client: Gateway, name: str, variables: str, code: str) -> None:
    """Every call that carries variables takes the same documents."""
    found, details = await client.code(name, await carrying(client, name, variables))
    assert (found, details if code == "OK" else bool(details)) == (code, "" if code == "OK" else True)


async def test_a_refused_document_leaves_the_job_as_it_is(client: Gateway) -> None:
    """After INVALID_ARGUMENT the job is still activated and can be completed."""
    key = (await client.job()).key
    assert (await client.code("CompleteJob", pb.CompleteJobRequest(jobKey=key, variables="[1]")))[
        0
    ] == "INVALID_ARGUMENT"
    assert client.server.engine.state.jobs[key].state == "ACTIVATED"
    assert (await client.code("CompleteJob", pb.CompleteJobRequest(jobKey=key)))[0] == "OK"


@pytest.mark.parametrize("name", CARRIERS)
@pytest.mark.parametrize(
    ("size", "code", "words"),
    [
        pytest.param(2_000_000, "OK", "", id="two_megabytes"),
        pytest.param(3_000_000, "UNKNOWN", "EXCEEDED_BATCH_RECORD_SIZE", id="three_megabytes"),
        pytest.param(4_500_000, "RESOURCE_EXHAUSTED", "larger than max", id="more_than_grpc_takes"),
    ],
)
async def test_sizes(client: Gateway, name: str, size: int, code: str, words: str) -> None:
    """Two megabytes pass, three are refused with the words that clients look for, more than four by gRPC itself."""
    variables = json.dumps({"x": "y" * size})
    found, details = await client.code(name, await carrying(client, name, variables))
    assert (found, words in details) == (code, True)


@pytest.mark.parametrize(
    "request_",
    [
        pytest.param(pb.ActivateJobsRequest(worker="w", timeout=1, maxJobsToActivate=1), id="no_type"),
        pytest.param(pb.ActivateJobsRequest(type="a", timeout=1, maxJobsToActivate=1), id="no_worker"),
        pytest.param(pb.ActivateJobsRequest(type="a", worker="w", maxJobsToActivate=1), id="no_timeout"),
        pytest.param(
            pb.ActivateJobsRequest(type="a", worker="w", timeout=-5, maxJobsToActivate=1),
            id="negative_timeout",
        ),
        pytest.param(pb.ActivateJobsRequest(type="a", worker="w", timeout=1), id="no_maximum"),
        pytest.param(
            pb.ActivateJobsRequest(type="a", worker="w", timeout=1, maxJobsToActivate=1, tenantIds=["t"]),
            id="tenant",
        ),
    ],
)
async def test_activations_that_are_refused(client: Gateway, request_: Any) -> None:
    """A poll without type, worker, timeout or maximum, or for a tenant that is not there, is INVALID_ARGUMENT."""
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        _ = [answer async for answer in client.stub.ActivateJobs(request_)]
    assert refused.value.code().name == "INVALID_ARGUMENT"


@pytest.mark.parametrize(
    ("name", "request_"),
    [
        ("EvaluateDecision", pb.EvaluateDecisionRequest(decisionId="d")),
        ("BroadcastSignal", pb.BroadcastSignalRequest(signalName="s")),
        ("ModifyProcessInstance", pb.ModifyProcessInstanceRequest(processInstanceKey=1)),
        ("MigrateProcessInstance", pb.MigrateProcessInstanceRequest(processInstanceKey=1)),
        ("DeleteResource", pb.DeleteResourceRequest(resourceKey=1)),
        ("DeployProcess", pb.DeployProcessRequest()),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
async def test_calls_that_there_are_not(client: Gateway, name: str, request_: Any) -> None:
    """A call that this engine does not have says so by its name."""
    code, details = await client.code(name, request_)
    assert (code, name in details, details.endswith(".")) == ("UNIMPLEMENTED", True, True)


async def test_messages_with_one_id(client: Gateway) -> None:
    """A second message of the same id is ALREADY_EXISTS while the first is kept."""
    request = pb.PublishMessageRequest(name="m", correlationKey="k", timeToLive=60_000, messageId="one")
    assert (await client.code("PublishMessage", request))[0] == "OK"
    assert (await client.code("PublishMessage", request))[0] == "ALREADY_EXISTS"


async def test_results_of_an_instance(client: Gateway) -> None:
    """With a result: the variables that are wanted at the end, DEADLINE_EXCEEDED too late, CANCELLED when cancelled."""
    await client.deploy(definitions(process("q", START, END, chain("start", "end"))), name="q{}.bpmn")
    create = pb.CreateProcessInstanceRequest(bpmnProcessId="q", version=-1, variables='{"x":1,"y":2}')
    request = pb.CreateProcessInstanceWithResultRequest(request=create, fetchVariables=["y", "nobody"])
    answer = await client.stub.CreateProcessInstanceWithResult(request)
    assert json.loads(answer.variables) == {"y": 2}
    waiting = pb.CreateProcessInstanceRequest(bpmnProcessId="p", version=-1)
    late = pb.CreateProcessInstanceWithResultRequest(request=waiting, requestTimeout=100)
    assert (await client.code("CreateProcessInstanceWithResult", late))[0] == "DEADLINE_EXCEEDED"
    (job,) = await client.activate()
    ended = asyncio.ensure_future(
        client.code(
            "CreateProcessInstanceWithResult", pb.CreateProcessInstanceWithResultRequest(request=waiting)
        )
    )
    (other,) = await client.activate()
    assert other.processInstanceKey != job.processInstanceKey
    await client.stub.CancelProcessInstance(
        pb.CancelProcessInstanceRequest(processInstanceKey=other.processInstanceKey)
    )
    assert (await ended)[0] == "CANCELLED"


async def test_a_process_that_only_an_event_starts(client: Gateway) -> None:
    """Creating an instance of it is FAILED_PRECONDITION."""
    start = event_start("s", timer("date", "2099-01-01T00:00:00Z"))
    await client.deploy(definitions(process("timed", start, END, chain("s", "end"))), name="t{}.bpmn")
    request = pb.CreateProcessInstanceRequest(bpmnProcessId="timed", version=-1)
    assert (await client.code("CreateProcessInstance", request))[0] == "FAILED_PRECONDITION"


async def test_a_called_process_is_not_cancelled_alone(client: Gateway) -> None:
    """Cancelling what a call activity has created is FAILED_PRECONDITION and names the root."""
    await client.deploy(
        definitions(process("outer", START, call("c", "p"), END, chain("start", "c", "end"))), name="o{}.bpmn"
    )
    key = await client.create("outer")
    (job,) = await client.activate()
    request = pb.CancelProcessInstanceRequest(processInstanceKey=job.processInstanceKey)
    code, details = await client.code("CancelProcessInstance", request)
    assert (code, str(key) in details) == ("FAILED_PRECONDITION", True)


async def test_deployments_are_atomic(client: Gateway) -> None:
    """One refused file refuses the request; the same bytes again keep key and version.

    An id twice is refused.
    """
    good = definitions(process("good", START, END, chain("start", "end")))
    bad = definitions(process("bad", START, element("serviceTask", "x"), END, chain("start", "x", "end")))
    files = [pb.Resource(name="good.bpmn", content=good), pb.Resource(name="bad.bpmn", content=bad)]
    code, details = await client.code("DeployResource", pb.DeployResourceRequest(resources=files))
    assert (code, "'bad.bpmn'" in details, "'x'" in details) == ("INVALID_ARGUMENT", True, True)
    assert "good" not in client.server.engine.latest
    first, again = await client.deploy(good, name="g.bpmn"), await client.deploy(good, name="g.bpmn")
    changed = await client.deploy(good + b"\n", name="g.bpmn")
    keys = [answer.deployments[0].process.processDefinitionKey for answer in (first, again, changed)]
    assert (keys[0] == keys[1], keys[2] > keys[1]) == (True, True)
    assert changed.deployments[0].process.version == 2
    twice = [pb.Resource(name=name, content=good) for name in ("1.bpmn", "2.bpmn")]
    code, details = await client.code("DeployResource", pb.DeployResourceRequest(resources=twice))
    assert (code, "'good' is used twice" in details) == ("INVALID_ARGUMENT", True)
    assert (await client.code("DeployResource", pb.DeployResourceRequest()))[0] == "INVALID_ARGUMENT"


@pytest.mark.parametrize("name", ["table.dmn", "task.form", "text.txt", ""], ids=repr)
async def test_other_resources_are_refused(client: Gateway, name: str) -> None:
    """Only BPMN can be deployed."""
    request = pb.DeployResourceRequest(resources=[pb.Resource(name=name, content=b"<a/>")])
    assert (await client.code("DeployResource", request))[0] == "INVALID_ARGUMENT"


async def test_start_instructions(client: Gateway) -> None:
    """An instance begins at the elements that are named; unknown ones are INVALID_ARGUMENT."""
    starts = [pb.ProcessInstanceCreationStartInstruction(elementId="end")]
    request = pb.CreateProcessInstanceRequest(bpmnProcessId="p", version=-1, startInstructions=starts)
    answer = await client.stub.CreateProcessInstanceWithResult(
        pb.CreateProcessInstanceWithResultRequest(request=request)
    )
    assert answer.processInstanceKey
    starts[0].elementId = "nobody"
    request = pb.CreateProcessInstanceRequest(bpmnProcessId="p", version=-1, startInstructions=starts)
    assert (await client.code("CreateProcessInstance", request))[0] == "INVALID_ARGUMENT"


async def test_a_job_too_large_for_any_answer(client: Gateway) -> None:
    """It is an incident, and the queue goes on with the next job."""
    await client.deploy(
        definitions(process("big", START, job("a"), END, chain("start", "a", "end"))), name="b{}.bpmn"
    )
    key = await client.create("big", x="y" * 1_900_000)
    for name in ("y", "z"):
        variables = json.dumps({name: "y" * 1_900_000})
        await client.stub.SetVariables(pb.SetVariablesRequest(elementInstanceKey=key, variables=variables))
    small = await client.create()
    assert [job.processInstanceKey for job in await client.activate(maximum=10)] == [small]
    (incident,) = client.server.engine.state.incidents.values()
    assert incident.type == "MESSAGE_SIZE_EXCEEDED"


async def test_topology_and_health(client: Gateway) -> None:
    """One healthy broker with one partition and a version that clients can parse.

    The health service serves.
    """
    topology = await client.stub.Topology(pb.TopologyRequest())
    (broker,) = topology.brokers
    (partition,) = broker.partitions
    assert (topology.clusterSize, topology.partitionsCount, topology.gatewayVersion) == (1, 1, "8.5.0")
    assert partition.health == pb.Partition.HEALTHY
    async with grpc.aio.insecure_channel(client.server.address) as channel:
        health = health_pb2_grpc.HealthStub(channel)
        answer = await health.Check(health_pb2.HealthCheckRequest(service="gateway_protocol.Gateway"))
    assert answer.status == health_pb2.HealthCheckResponse.SERVING
