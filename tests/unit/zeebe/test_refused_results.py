"""A result that the engine refuses, or that cannot be sent.

The job fails as the connector decides, its answer kept.
"""

from __future__ import annotations

import asyncio
import json
from datetime import timedelta
from typing import Any

import pytest
from grpc import StatusCode

from openai_connector.job import Completed, Failed, Job
from openai_connector.zeebe.commands import Commands, Delivery
from openai_connector.zeebe.poller import Poller
from openai_connector.zeebe.runs import deliver
from tests.make import FakeApi, WorkerOf, connector, sentences_in
from tests.make import job as task_job
from tests.unit.zeebe.fake_gateway import FakeGateway, FakeJob, status


@pytest.mark.parametrize("is_unsendable", [False, True], ids=["refused", "unsendable"])
async def test_a_refused_result_keeps_its_answer(
    engine: FakeGateway, commands: Commands, job: Job, is_unsendable: bool
) -> None:
    """The incident says why, and the paid answer reaches the task."""
    engine.faults["CompleteJob"].append(status(StatusCode.UNKNOWN, "EXCEEDED_BATCH_RECORD_SIZE"))
    worker = connector(FakeApi())
    done = await worker.work(task_job({"resultVariable": "r"}))
    assert isinstance(done, Completed)
    if is_unsendable:
        done = Completed({"a": float("nan")}, attempt=done.attempt)
    assert (await deliver(commands, worker, job, done)).delivery is Delivery.DONE
    (report,) = engine.jobs[100].reports
    assert sentences_in(report.errorMessage) >= {"RESULT_REFUSED", "IS_KEPT"}
    assert report.retries == 0
    assert "Hello" in json.loads(report.variables)["openai_state"]


async def test_a_refused_result_says_what_to_do_where_nothing_is_kept(
    engine: FakeGateway, commands: Commands, job: Job
) -> None:
    """Without a kept answer, the advice to map less stands alone."""
    engine.faults["CompleteJob"].append(status(StatusCode.INVALID_ARGUMENT, "no such name"))
    assert (await deliver(commands, connector(FakeApi()), job, Completed({"a": 1}))).delivery is Delivery.DONE
    (report,) = engine.jobs[100].reports
    assert report.errorMessage == (
        "The engine refused the result of this task (INVALID_ARGUMENT: no such name). "
        "Map less, or other values, then resolve the incident"
    )


async def test_what_the_engine_does_not_store_is_not_said_to_be_kept(
    engine: FakeGateway, commands: Commands, job: Job
) -> None:
    """A failure whose variables are refused too is reported without them.

    With a kept answer, the next call is paid.
    """
    engine.faults["FailJob"].append(status(StatusCode.INVALID_ARGUMENT, "too much"))
    failed = Failed("No. The answer is kept", 0, variables={"kept": "answer"})
    assert (await deliver(commands, connector(FakeApi()), job, failed)).delivery is Delivery.DONE
    (report,) = engine.jobs[100].reports
    assert report.variables == ""
    assert report.errorMessage == (
        "No. The answer is kept. But the engine refused this failure's variables, and an answer kept in them "
        "(INVALID_ARGUMENT: too much)"
    )


async def test_a_bug_in_reporting_loses_no_answer(engine: FakeGateway, stub: Any, commands: Commands) -> None:
    """An exception that nobody expected between the answer and the engine is a refusal of ours.

    It is kept as well.
    """
    engine.add(FakeJob(1))
    asked = connector(FakeApi())

    async def broken(*_: Any, **__: Any) -> None:
        raise RuntimeError

    commands._complete = broken  # type: ignore[method-assign, assignment]
    worker = WorkerOf(lambda _: asked.work(task_job({"resultVariable": "r"}, key=1)))
    poller = Poller(stub, commands, worker, job_type="t", worker_name="w")
    polling = asyncio.create_task(poller.run())
    await engine.until(lambda: engine.jobs[1].ended == "failed")
    await poller.drain(timedelta(0))
    await polling
    (report,) = engine.jobs[1].reports
    assert "RuntimeError at test_refused_results.py" in report.errorMessage
    assert sentences_in(report.errorMessage) >= {"UNEXPECTED", "IS_KEPT"}
    assert report.retries == 0
    assert "Hello" in json.loads(report.variables)["openai_state"]
