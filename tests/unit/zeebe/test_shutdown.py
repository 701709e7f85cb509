"""The whole worker is told to stop, in a hurry, or by something that it did not expect."""

from __future__ import annotations

import asyncio
import json
import logging
import signal
from datetime import timedelta
from typing import Any

import pytest

from openai_connector.job import ConnectorJob, Outcome
from openai_connector.service import run
from openai_connector.settings import load
from openai_connector.zeebe.commands import Commands
from openai_connector.zeebe.subscription import Subscription
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
            await engine.until(lambda: "Draining: 2 jobs in work" in caplog.text)
        signal.raise_signal(signal.SIGTERM)
        with pytest.raises(asyncio.CancelledError):
            await worker
    assert [[report.retries for report in job.reports] for job in engine.jobs.values()] == [[3], [3]]


async def test_cancelled_by_nobody(engine: FakeGateway, stub: Any, commands: Commands) -> None:
    """A handler below which something is cancelled has a bug: given back for free, the job would run without end."""
    engine.add(FakeJob(1))

    async def handle(job: ConnectorJob) -> Outcome:
        raise asyncio.CancelledError

    subscription = Subscription(stub, commands, handle, job_type="t", worker_name="w")
    polling = asyncio.create_task(subscription.run())
    await engine.until(lambda: engine.jobs[1].ended == "failed")
    await subscription.drain(timedelta(0))
    await polling
    assert [report.retries for report in engine.jobs[1].reports] == [2, 1, 0]
    assert "bug" in engine.jobs[1].reports[0].errorMessage
