"""Processes that die or freeze.

No job is lost, and what was paid for is not paid for again where that can be known.
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections import Counter
from datetime import timedelta
from pathlib import Path

import pytest

from openai_connector.tools.demo.engine import Engine
from tests.diagrams import process, task
from tests.engine.records import Records
from tests.engine.worker import Worker
from tests.engine.zeebe_client import ZeebeClient
from tests.stand_in import Answer, StandIn, failure

JOBS = 10


def diagram(process_id: str, api: StandIn, job_type: str) -> str:
    """Make a process of one chat task that asks with the variable `number`."""
    values = {"apiKey": "k", "baseUrl": api.base_url, "operation": "chat", "prompt": "=string(number)"}
    inputs = {f"openai_{name}": value for name, value in values.items()}
    headers = {"resultVariable": "answer", "retryBackoff": "PT0S"}
    return process(process_id, task(values=inputs, headers=headers, job_type=job_type))


async def start(zeebe: ZeebeClient, process_id: str, api: StandIn, job_type: str) -> None:
    """Deploy and start the instances."""
    await zeebe.deploy(diagram(process_id, api, job_type))
    for number in range(JOBS):
        await zeebe.create_instance(process_id, {"number": number})


async def completed(records: Records, process_id: str) -> None:
    """Wait until all jobs are completed."""
    await records.wait_for("JOB", "COMPLETED", count=JOBS, timeout=120, bpmnProcessId=process_id)


def asked(api: StandIn) -> Counter[str]:
    """Count how often each prompt was asked."""
    return Counter(request.json["messages"][-1]["content"] for request in api.requests)


@pytest.mark.usefixtures("clock")
async def test_a_killed_worker_loses_no_job(
    engine: Engine, zeebe: ZeebeClient, records: Records, api: StandIn, tmp_path: Path
) -> None:
    """After SIGKILL in mid-call the jobs come back when their lease is over, and another worker does them."""
    api.hold()
    settings = {"CONNECTOR_JOB_TYPE": "killed"}
    async with Worker(engine.address, tmp_path / "one.log", settings) as worker:
        await start(zeebe, "killed", api, "killed")
        await api.until(lambda: api.calls == JOBS)
        worker.signal(signal.SIGKILL)
        await worker.ended()
    api.release()
    await asyncio.to_thread(engine.advance, timedelta(minutes=6))
    async with Worker(engine.address, tmp_path / "two.log", settings):
        await completed(records, "killed")


async def test_a_frozen_engine_is_waited_out(own_engine: Engine, api: StandIn, tmp_path: Path) -> None:
    """Answers that come while the engine hangs are delivered when it goes on; none is asked for twice."""
    records = Records(own_engine.log)
    api.hold()
    settings = {"CONNECTOR_JOB_TYPE": "frozen"}
    async with (
        ZeebeClient(own_engine.address) as zeebe,
        Worker(own_engine.address, tmp_path / "log", settings) as worker,
    ):
        await start(zeebe, "frozen", api, "frozen")
        await api.until(lambda: api.calls == JOBS)
        os.kill(own_engine.pid, signal.SIGSTOP)
        api.release()
        await worker.said("CompleteJob is sent again")  # after ten seconds, the deadline of a command
        os.kill(own_engine.pid, signal.SIGCONT)
        await completed(records, "frozen")
    assert set(asked(api).values()) == {1}


async def test_an_api_that_fails_now_and_then_costs_retries_not_jobs(
    engine: Engine, zeebe: ZeebeClient, records: Records, api: StandIn, tmp_path: Path
) -> None:
    """Every job's first call fails in another way; all complete, each with exactly one more call."""
    ways = (
        failure(500),
        failure(503),
        failure(429),
        failure(408),
        Answer(drop="before"),
        Answer(drop="body"),
    )
    seen: dict[str, int] = {}

    def first_fails(request: object) -> Answer | None:
        content = request.json["messages"][-1]["content"]  # type: ignore[attr-defined]
        seen[content] = seen.get(content, 0) + 1
        return ways[int(content) % len(ways)] if seen[content] == 1 else None

    api.always(first_fails)
    settings = {"CONNECTOR_JOB_TYPE": "moody"}
    async with Worker(engine.address, tmp_path / "worker.log", settings):
        await start(zeebe, "moody", api, "moody")
        await completed(records, "moody")
    assert asked(api) == Counter({str(number): 2 for number in range(JOBS)})
