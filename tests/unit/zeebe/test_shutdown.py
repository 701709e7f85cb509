"""The whole worker is told to stop, in a hurry, or by something that it did not expect."""

from __future__ import annotations

import asyncio
import json
import logging
import signal
from datetime import timedelta
from typing import Any

import pytest

from openai_connector.contract import CAMUNDA_HTTP_JOB_TYPE
from openai_connector.job import Job, Outcome
from openai_connector.service import run
from openai_connector.settings import load
from openai_connector.zeebe.commands import Commands
from openai_connector.zeebe.poller import Poller
from tests.make import WorkerOf
from tests.stand_in import StandIn
from tests.unit.zeebe.fake_gateway import FakeGateway, FakeJob

INPUTS = json.dumps({"openai_operation": "chat", "openai_model": "m", "openai_prompt": "Hello"})


@pytest.mark.parametrize("is_draining", [True, False], ids=["while it drains", "together with the first"])
async def test_a_second_signal_gives_back_what_is_in_work(
    engine: FakeGateway, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, is_draining: bool
) -> None:
    """Who cannot wait for the calls under way costs their jobs no retry: connections close after that."""
    engine.add(FakeJob(1, variables=INPUTS), FakeJob(2, variables=INPUTS))
    async with StandIn() as api:
        api.hold()
        monkeypatch.setenv("ZEEBE_ADDRESS", engine.target)
        monkeypatch.setenv("OPENAI_BASE_URL", api.base_url)
        caplog.set_level(logging.INFO, "openai_connector")
        worker = asyncio.create_task(run(load()))
        await api.until(lambda: api.calls == 2)
        signal.raise_signal(signal.SIGTERM)
        if is_draining:
            await engine.until(lambda: "Draining: 2 jobs under way" in caplog.text)
        signal.raise_signal(signal.SIGTERM)
        with pytest.raises(asyncio.CancelledError):
            await worker
    assert [[report.retries for report in job.reports] for job in engine.jobs.values()] == [[3], [3]]


async def test_a_first_signal_does_not_hurry_a_worker_that_ends_by_itself(
    engine: FakeGateway, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A worker with a broken subscription drains already.

    The supervisor's only signal must not cut off paid calls.
    """
    engine.add(FakeJob(1, variables=INPUTS))
    async with StandIn() as api:
        api.hold()
        polling = Poller.run

        async def breaking(subscription: Poller) -> None:
            if subscription._request.type != CAMUNDA_HTTP_JOB_TYPE:
                return await polling(subscription)
            await api.until(lambda: api.calls == 1)
            raise RuntimeError("broken")

        monkeypatch.setattr(Poller, "run", breaking)
        monkeypatch.setenv("ZEEBE_ADDRESS", engine.target)
        monkeypatch.setenv("OPENAI_BASE_URL", api.base_url)
        monkeypatch.setenv("CONNECTOR_DROP_IN", "true")
        caplog.set_level(logging.INFO, "openai_connector")
        worker = asyncio.create_task(run(load()))
        await engine.until(lambda: "Draining: 1 jobs under way" in caplog.text)
        handled = asyncio.Event()
        asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, handled.set)
        signal.raise_signal(signal.SIGTERM)
        signal.raise_signal(signal.SIGUSR1)  # handled in their order
        await handled.wait()
        api.release()
        with pytest.raises(RuntimeError, match="broken"):
            await worker
    assert engine.jobs[1].ended == "completed"


async def test_cancelled_by_nobody(engine: FakeGateway, stub: Any, commands: Commands) -> None:
    """A handler below which something is cancelled has a bug.

    Given back for free, the job would run without end.
    """
    engine.add(FakeJob(1))

    async def handle(job: Job) -> Outcome:
        raise asyncio.CancelledError

    subscription = Poller(stub, commands, WorkerOf(handle), job_type="t", worker_name="w")
    polling = asyncio.create_task(subscription.run())
    await engine.until(lambda: engine.jobs[1].ended == "failed")
    await subscription.drain(timedelta(0))
    await polling
    assert [report.retries for report in engine.jobs[1].reports] == [2, 1, 0]
    assert "bug" in engine.jobs[1].reports[0].errorMessage
