"""A result that the engine refuses, or that cannot be sent: the job fails as its handler says, with what it keeps."""

from __future__ import annotations

import asyncio
import json
from datetime import timedelta
from typing import Any

import pytest
from grpc import StatusCode

from openai_connector.job import Completed, ConnectorJob, Failed
from openai_connector.zeebe.commands import Commands, Delivery
from openai_connector.zeebe.subscription import Subscription
from tests.unit.zeebe.fake_gateway import FakeGateway, FakeJob, status


@pytest.mark.parametrize("variables", [{"a": 1}, {"a": float("nan")}], ids=["refused", "unsendable"])
async def test_the_handler_says_how_a_refused_result_fails(
    engine: FakeGateway, commands: Commands, job: ConnectorJob, variables: dict[str, Any]
) -> None:
    """The failure is told why, and its variables reach the task."""
    engine.faults["CompleteJob"].append(status(StatusCode.UNKNOWN, "EXCEEDED_BATCH_RECORD_SIZE"))
    outcome = Completed(
        variables, if_refused=lambda why: Failed(f"{why}. Kept", 0, variables={"kept": "answer"})
    )
    assert await commands.report(job, outcome) is Delivery.REFUSED
    (report,) = engine.jobs[100].reports
    assert "result" in report.errorMessage
    assert report.errorMessage.endswith(". Kept")
    assert (report.retries, json.loads(report.variables)) == (0, {"kept": "answer"})


async def test_a_refused_result_says_what_to_do_where_nothing_is_kept(
    engine: FakeGateway, commands: Commands, job: ConnectorJob
) -> None:
    """The handler's words depend on what it keeps: the advice to map less does not."""
    engine.faults["CompleteJob"].append(status(StatusCode.INVALID_ARGUMENT, "no such name"))
    assert (
        await commands.report(job, Completed({"a": 1}, if_refused=lambda why: Failed(why, 0)))
        is Delivery.REFUSED
    )
    (report,) = engine.jobs[100].reports
    assert report.errorMessage == (
        "The engine refused the result of this task (INVALID_ARGUMENT: no such name). "
        "Map less, or other values, then resolve the incident"
    )


async def test_what_the_engine_does_not_store_is_not_said_to_be_kept(
    engine: FakeGateway, commands: Commands, job: ConnectorJob
) -> None:
    """A failure whose variables are refused too is reported without them: with a kept answer, the next call is paid."""
    engine.faults["FailJob"].append(status(StatusCode.INVALID_ARGUMENT, "too much"))
    failed = Failed("No. The answer is kept", 0, variables={"kept": "answer"})
    assert await commands.report(job, failed) is Delivery.DONE
    (report,) = engine.jobs[100].reports
    assert report.variables == ""
    assert report.errorMessage == (
        "No. The answer is kept. But this failure's variables, and an answer kept in them, could not be stored "
        "(INVALID_ARGUMENT: too much)"
    )


async def test_a_bug_in_reporting_loses_no_answer(engine: FakeGateway, stub: Any, commands: Commands) -> None:
    """An exception that nobody expected between the answer and the engine is a refusal of ours: it is kept as well."""
    engine.add(FakeJob(1))

    async def broken(*_: Any, **__: Any) -> None:
        raise RuntimeError

    async def handle(job: ConnectorJob) -> Completed:
        return Completed({"a": 1}, if_refused=lambda why: Failed(why, 0, variables={"kept": "answer"}))

    commands._complete = broken  # type: ignore[method-assign, assignment]
    subscription = Subscription(stub, commands, handle, job_type="t", worker_name="w")
    polling = asyncio.create_task(subscription.run())
    await engine.until(lambda: engine.jobs[1].ended == "failed")
    await subscription.drain(timedelta(0))
    await polling
    (report,) = engine.jobs[1].reports
    assert "RuntimeError at test_refused_results.py" in report.errorMessage
    assert (report.retries, json.loads(report.variables)) == (0, {"kept": "answer"})
