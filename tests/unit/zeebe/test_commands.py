"""Outcomes reach the engine, once, whatever the engine does meanwhile."""

from __future__ import annotations

import asyncio
import json
import logging
from datetime import timedelta
from typing import Any

import grpc
import pytest
from grpc import StatusCode

from openai_connector.job import BpmnError, Completed, Failed, Job, Outcome
from openai_connector.zeebe.commands import AT_ONCE, Commands, Delivery
from openai_connector.zeebe.runs import Delivered, deliver
from tests.make import FakeApi, connector
from tests.unit.zeebe.fake_gateway import FakeGateway, hang, levels, status

SECOND = timedelta(seconds=1)


async def delivered(commands: Commands, job: Job, outcome: Outcome) -> Delivered:
    """Report an outcome as a run does: what is refused goes back to the connector."""
    return await deliver(commands, connector(FakeApi()), job, outcome)


async def test_completes_with_variables(engine: FakeGateway, commands: Commands, job: Job) -> None:
    """A result arrives as the JSON that it is, beyond ASCII too."""
    assert (
        await commands.report(job, Completed({"answer": "schön", "n": [1, None]}))
    ).delivery is Delivery.DONE
    (request,) = engine.jobs[100].reports
    assert json.loads(request.variables) == {"answer": "schön", "n": [1, None]}


async def test_fails_with_everything_said(engine: FakeGateway, commands: Commands, job: Job) -> None:
    """Message, retries left, back-off and variables of a failure arrive."""
    outcome = Failed("no luck", retries=2, backoff=timedelta(seconds=1.5), variables={"kept": 1})
    assert (await commands.report(job, outcome)).delivery is Delivery.DONE
    (request,) = engine.jobs[100].reports
    assert (request.errorMessage, request.retries, request.retryBackOff) == ("no luck", 2, 1500)
    assert json.loads(request.variables) == {"kept": 1}


async def test_keeps_before_throwing(engine: FakeGateway, commands: Commands, job: Job) -> None:
    """What is to survive an uncaught BPMN error is set locally at the task before the error is thrown."""
    outcome = BpmnError("FLAGGED", "not nice", {"score": 0.9}, keep={"openai_state": "{}"})
    assert (await commands.report(job, outcome)).delivery is Delivery.DONE
    (first, kept), (second, thrown) = engine.calls
    assert (first, second) == ("SetVariables", "ThrowError")
    assert (kept.elementInstanceKey, kept.local, kept.variables) == (101, True, '{"openai_state":"{}"}')
    assert (thrown.errorCode, thrown.errorMessage, thrown.variables) == (
        "FLAGGED",
        "not nice",
        '{"score":0.9}',
    )


@pytest.mark.parametrize(
    "code",
    [
        StatusCode.UNAVAILABLE,
        StatusCode.RESOURCE_EXHAUSTED,
        StatusCode.DEADLINE_EXCEEDED,
        StatusCode.INTERNAL,
        StatusCode.CANCELLED,
        StatusCode.ABORTED,
        StatusCode.UNAUTHENTICATED,
        StatusCode.PERMISSION_DENIED,
        StatusCode.UNKNOWN,
    ],
)
async def test_tries_again_what_passes(
    engine: FakeGateway, commands: Commands, job: Job, code: StatusCode
) -> None:
    """A status that may pass is no reason to lose an answer that was paid for."""
    engine.faults["CompleteJob"].extend([status(code), status(code)])
    assert (await commands.report(job, Completed({"a": 1}))).delivery is Delivery.DONE
    assert engine.count("CompleteJob") == 3
    assert len(engine.jobs[100].reports) == 1


async def test_gives_up_a_command_that_hangs(engine: FakeGateway, stub: Any, job: Job) -> None:
    """Each attempt has a deadline, after which there is another one."""
    engine.faults["CompleteJob"].append(hang)
    commands = Commands(stub, deadline=2 * SECOND)
    assert (await commands.report(job, Completed({"a": 1}))).delivery is Delivery.DONE
    assert engine.count("CompleteJob") == 2


async def test_waits_for_a_restart(engine: FakeGateway, commands: Commands, job: Job) -> None:
    """A gateway that is away when the outcome is ready gets it when it is back."""
    await engine.stop()
    report = asyncio.create_task(commands.report(job, Completed({"a": 1})))
    await asyncio.sleep(0.3)
    assert not report.done()
    await engine.start()
    assert (await report).delivery is Delivery.DONE
    assert engine.jobs[100].ended == "completed"


async def test_lost_acknowledgement_is_not_an_error(
    engine: FakeGateway, commands: Commands, job: Job, caplog: pytest.LogCaptureFixture
) -> None:
    """The job is gone when only the answer to the first attempt was lost: noted, not lamented."""
    engine.after["CompleteJob"].append(status(StatusCode.UNAVAILABLE))
    with caplog.at_level(logging.INFO, "openai_connector"):
        assert (await commands.report(job, Completed({"a": 1}))).delivery is Delivery.GONE
    assert levels(caplog) == ["INFO"]


@pytest.mark.parametrize(
    ("code", "delivery"),
    [
        pytest.param(StatusCode.NOT_FOUND, Delivery.GONE, id="unknown"),
        pytest.param(StatusCode.FAILED_PRECONDITION, Delivery.FAILED_ALREADY, id="waits"),
    ],
)
@pytest.mark.parametrize(
    ("command", "outcome"),
    [
        ("CompleteJob", Completed()),
        ("FailJob", Failed("m", 1)),
        ("ThrowError", BpmnError("C")),
        ("SetVariables", BpmnError("C", keep={"k": 1})),
    ],
)
async def test_job_gone(
    engine: FakeGateway,
    commands: Commands,
    job: Job,
    code: StatusCode,
    delivery: Delivery,
    command: str,
    outcome: Completed | Failed | BpmnError,
) -> None:
    """A job that is no longer there, or waits for its back-off or a person, ends the story after one attempt."""
    engine.faults[command].append(status(code))
    assert (await commands.report(job, outcome)).delivery is delivery
    assert [name for name, _ in engine.calls] == [command]


@pytest.mark.parametrize(
    ("faults", "words"),
    [
        ([status(StatusCode.INVALID_ARGUMENT, "not an object")], "not an object"),
        ([status(StatusCode.UNKNOWN, "EXCEEDED_BATCH_RECORD_SIZE")], "EXCEEDED_BATCH_RECORD_SIZE"),
        (
            [status(StatusCode.RESOURCE_EXHAUSTED, "gRPC message exceeds maximum size 4194304: 5000000")],
            "maximum size",
        ),
        ([status(StatusCode.UNKNOWN, "boom")] * 3, "boom"),
    ],
)
@pytest.mark.parametrize(
    ("command", "outcome"), [("CompleteJob", Completed({"a": 1})), ("ThrowError", BpmnError("CODE7", "why"))]
)
async def test_refused_for_good_becomes_an_incident(
    engine: FakeGateway,
    commands: Commands,
    job: Job,
    faults: list[Any],
    words: str,
    command: str,
    outcome: Completed | BpmnError,
) -> None:
    """What the engine will never take fails the job for good and says why, instead of being done again each lease."""
    engine.faults[command].extend(faults)
    assert (await delivered(commands, job, outcome)).delivery is Delivery.DONE
    (request,) = engine.jobs[100].reports
    assert request.retries == 0
    assert words in request.errorMessage
    assert "resolve the incident" in request.errorMessage
    if command == "ThrowError":
        assert "CODE7" in request.errorMessage
        assert "why" in request.errorMessage


async def test_refusal_does_not_quote_the_answer(
    engine: FakeGateway, commands: Commands, job: Job, caplog: pytest.LogCaptureFixture
) -> None:
    """A document that the gateway quotes in its refusal is found neither in the incident nor in the log."""
    refusal = status(StatusCode.INVALID_ARGUMENT, 'Invalid JSON value: {"answer": "private"}')
    engine.faults["CompleteJob"].append(refusal)
    engine.faults["FailJob"].append(refusal)
    with caplog.at_level(logging.DEBUG, "openai_connector"):
        assert (
            await delivered(commands, job, Completed({"answer": "private"}))
        ).delivery is Delivery.UNDELIVERED
    assert "Invalid JSON value" in caplog.text
    assert "private" not in caplog.text + engine.calls[-1][1].errorMessage


@pytest.mark.parametrize(
    "outcome", [Completed({"bad": float("nan")}), BpmnError("C", variables={"bad": 2**70})]
)
async def test_bad_variables_are_never_sent(
    engine: FakeGateway, commands: Commands, job: Job, outcome: Completed | BpmnError
) -> None:
    """Variables that are no JSON for the engine become an incident that names the variable."""
    assert (await delivered(commands, job, outcome)).delivery is Delivery.DONE
    ((name, request),) = engine.calls
    assert (name, request.retries) == ("FailJob", 0)
    assert "'bad'" in request.errorMessage


async def test_failure_survives_its_bad_variables(engine: FakeGateway, commands: Commands, job: Job) -> None:
    """A failure whose variables cannot be sent keeps its message and its retries.

    And says what is missing.
    """
    assert (
        await delivered(commands, job, Failed("first reason", 2, variables={"bad": object()}))
    ).delivery is Delivery.DONE
    ((_, request),) = engine.calls
    assert (request.retries, request.variables) == (2, "")
    assert request.errorMessage.startswith("first reason. But ")
    assert "'bad'" in request.errorMessage


async def test_failure_survives_its_refused_variables(
    engine: FakeGateway, commands: Commands, job: Job
) -> None:
    """A failure whose variables the engine refuses is sent again without them."""
    engine.faults["FailJob"].append(status(StatusCode.INVALID_ARGUMENT))
    assert (
        await delivered(commands, job, Failed("first reason", 2, variables={"a": 1}))
    ).delivery is Delivery.DONE
    (request,) = engine.jobs[100].reports
    assert (request.retries, request.variables) == (2, "")


async def test_refused_failure_ends_the_chain(
    engine: FakeGateway, commands: Commands, job: Job, caplog: pytest.LogCaptureFixture
) -> None:
    """When even a bare failure is refused, it is said once and there is no third attempt."""
    engine.faults["FailJob"].extend([status(StatusCode.INVALID_ARGUMENT)] * 2)
    assert (
        await delivered(commands, job, Failed("m", 0, variables={"a": 1}))
    ).delivery is Delivery.UNDELIVERED
    assert engine.count("FailJob") == 2
    assert levels(caplog) == ["ERROR"]


async def test_refused_keep_does_not_stop_the_error(
    engine: FakeGateway, commands: Commands, job: Job
) -> None:
    """The BPMN error is thrown even when nothing can be kept for the case that nobody catches it."""
    engine.faults["SetVariables"].append(status(StatusCode.INVALID_ARGUMENT))
    assert (await commands.report(job, BpmnError("C", keep={"k": 1}))).delivery is Delivery.DONE
    assert (await commands.report(job, BpmnError("C", keep={"k": object()}))).delivery is Delivery.GONE
    assert [name for name, _ in engine.calls] == ["SetVariables", "ThrowError", "ThrowError"]


async def test_patience_ends(engine: FakeGateway, stub: Any, job: Job) -> None:
    """An engine that stays away is given up after the patience, in one clear line."""
    engine.faults["CompleteJob"].extend([status(StatusCode.UNAVAILABLE)] * 100)
    assert (
        await Commands(stub, patience=2 * SECOND).report(job, Completed())
    ).delivery is Delivery.UNDELIVERED
    assert 2 <= engine.count("CompleteJob") <= 10


async def test_hurry_ends_patience(engine: FakeGateway, commands: Commands, job: Job) -> None:
    """A worker that stops does not insist for minutes."""
    engine.faults["CompleteJob"].extend([status(StatusCode.UNAVAILABLE)] * 100)
    commands.hurry(SECOND / 5)
    assert (await commands.report(job, Completed())).delivery is Delivery.UNDELIVERED


async def test_a_flood_takes_turns(engine: FakeGateway, commands: Commands, job: Job) -> None:
    """Few commands are under way at once, whatever ends.

    Of a flood the engine refuses most, and polls too.
    """
    under_way = most = 0

    async def watch(_: Any, __: Any) -> None:
        nonlocal under_way, most
        under_way += 1
        most = max(most, under_way)
        await asyncio.sleep(0.01)
        under_way -= 1

    engine.faults["CompleteJob"].extend([watch] * 200)
    await asyncio.gather(*(commands.report(job, Completed()) for _ in range(200)))
    assert engine.count("CompleteJob") == 200
    assert 1 < most <= AT_ONCE


async def test_long_and_broken_texts(engine: FakeGateway, commands: Commands, job: Job) -> None:
    """Messages are cut to what the engine keeps, and lone surrogates do not break the report."""
    await commands.report(job, Failed("\ud800" + "x" * 20_000, retries=0))
    (request,) = engine.jobs[100].reports
    assert request.errorMessage.startswith("?xxx")
    assert len(request.errorMessage) == 10_000


async def test_extreme_numbers(engine: FakeGateway, commands: Commands, job: Job) -> None:
    """Retries below zero are none, and the longest back-off that Python knows is sent in milliseconds."""
    await commands.report(job, Failed("m", retries=-1, backoff=timedelta.max))
    (request,) = engine.jobs[100].reports
    assert request.retries == 0
    assert request.retryBackOff == timedelta.max // timedelta(milliseconds=1)


async def test_prolong(engine: FakeGateway, commands: Commands, job: Job) -> None:
    """A lease is prolonged for a job that is there, and not for one that is gone."""
    assert await commands.prolong(job.key, timedelta(minutes=7)) is Delivery.DONE
    assert engine.calls[0][1].timeout == 420_000
    engine.jobs[100].ended = "completed"
    assert await commands.prolong(job.key, timedelta(minutes=7)) is Delivery.GONE


async def test_prolong_unknown_to_the_engine(engine: FakeGateway, commands: Commands, job: Job) -> None:
    """An engine too old for the command is not asked twice."""
    engine.faults["UpdateJobTimeout"].append(status(grpc.StatusCode.UNIMPLEMENTED))
    assert await commands.prolong(job.key, SECOND) is Delivery.REFUSED
    assert engine.count("UpdateJobTimeout") == 1
