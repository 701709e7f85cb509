"""Calls that wait, on the engine: jobs that are cancelled, workers that are stopped, ids that are kept."""

from __future__ import annotations

import asyncio
import json
import signal
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from openai_connector.tools.demo.engine import Engine
from openai_connector.zeebe.channel import Connection, gateway, open_channel
from openai_connector.zeebe.commands import Commands
from tests.diagrams import process, task
from tests.engine.records import Records
from tests.engine.worker import Worker
from tests.engine.zeebe_client import ZeebeClient
from tests.make import job
from tests.openai_stand_in.answers import answer_to
from tests.openai_stand_in.api import OpenAI

SOON, LATE = "Soon [seconds: 4]", "Late [seconds: 3000]"
SETTINGS = {"CONNECTOR_JOB_LEASE": "PT4S", "CONNECTOR_DRAIN_TIMEOUT": "PT0.2S"}


@pytest.fixture
async def openai() -> AsyncIterator[OpenAI]:
    """An API that tells the truth."""
    async with OpenAI() as api:
        yield api
        assert api.complaints == []
        assert api.drifted == []


async def start(zeebe: ZeebeClient, api: OpenAI, job_type: str, prompt: str, needed: str = "nowKept") -> int:
    """Start an instance of one chat task."""
    values = {
        "apiKey": "k",
        "baseUrl": api.base_url,
        "operation": "chat",
        "model": "gpt-6-luna",
        "prompt": prompt,
        "answerNeeded": needed,
    }
    given = {f"openai_{name}": value for name, value in values.items()}
    headers = {"resultExpression": "={answer: output.text}"}
    await zeebe.deploy(process(job_type, task(values=given, headers=headers, job_type=job_type)))
    return await zeebe.create_instance(job_type)


def worker(engine: Engine, home: Path, job_type: str, name: str = "worker") -> Worker:
    """Return a worker of these jobs."""
    return Worker(engine.address, home / f"{name}.log", {**SETTINGS, "CONNECTOR_JOB_TYPE": job_type})


async def until(is_so: object) -> None:
    """Wait until something holds."""
    assert callable(is_so)
    async with asyncio.timeout(60):
        while not is_so():
            await asyncio.sleep(0.05)


async def test_the_id_is_at_the_task_while_the_answer_is_made(
    engine: Engine, zeebe: ZeebeClient, records: Records, openai: OpenAI, tmp_path: Path
) -> None:
    """The engine has it before the answer is there; it is local, and gone with the task."""
    async with worker(engine, tmp_path, "kept-id"):
        instance = await start(zeebe, openai, "kept-id", SOON)
        [state] = await records.wait_for(
            "VARIABLE", "CREATED", name="openai_state", processInstanceKey=instance
        )
        kept = json.loads(json.loads(state["value"]["value"]))
        assert kept["waitingCall"]["id"].startswith("resp_")
        assert state["value"]["scopeKey"] != instance
        assert openai.ledger.count == 0
        [answer] = await records.wait_for("VARIABLE", "CREATED", name="answer", scopeKey=instance)
        assert json.loads(answer["value"]["value"]) == answer_to(SOON)
        assert openai.ledger.count == 1
        await until(lambda: openai.kept == 0)


async def test_a_cancelled_instance_cancels_the_call_that_is_in_a_slot(
    engine: Engine, zeebe: ZeebeClient, openai: OpenAI, tmp_path: Path
) -> None:
    """The lease tells that the job is gone; the response is cancelled, deleted, and said."""
    async with worker(engine, tmp_path, "kept-cancelled") as one:
        instance = await start(zeebe, openai, "kept-cancelled", LATE)
        await until(lambda: openai.count("GET /v1/responses/{id}"))
        await zeebe.cancel_instance(instance)
        await until(lambda: openai.count("DELETE /v1/responses/{id}"))
        assert openai.count("POST /v1/responses/{id}/cancel") == 1
        await one.said("it may have been paid for")
    assert openai.ledger.count == 0


async def test_a_stopped_worker_cancels_nothing(
    engine: Engine, zeebe: ZeebeClient, records: Records, openai: OpenAI, tmp_path: Path
) -> None:
    """Its job goes back with the id, no retry is lost, and the next worker fetches the answer."""
    async with worker(engine, tmp_path, "kept-drained", "one") as one:
        instance = await start(zeebe, openai, "kept-drained", SOON)
        await until(lambda: openai.count("GET /v1/responses/{id}"))
        one.signal(signal.SIGTERM)
        assert await one.ended() == 0
    [failed] = await records.wait_for("JOB", "FAILED", processInstanceKey=instance)
    assert failed["value"]["retries"] == 3
    async with worker(engine, tmp_path, "kept-drained", "two"):
        [answer] = await records.wait_for("VARIABLE", "CREATED", name="answer", scopeKey=instance)
    assert json.loads(answer["value"]["value"]) == answer_to(SOON)
    assert openai.count("POST /v1/responses") == openai.ledger.count == 1
    assert openai.count("POST /v1/responses/{id}/cancel") == 0


@pytest.mark.usefixtures("clock")
async def test_an_answer_of_a_window_comes_hours_later(
    engine: Engine, zeebe: ZeebeClient, records: Records, openai: OpenAI, tmp_path: Path
) -> None:
    """The job waits in the engine meanwhile, and the answer costs what the window costs."""
    async with worker(engine, tmp_path, "kept-window"):
        instance = await start(zeebe, openai, "kept-window", "When you can", "8h")
        [failed] = await records.wait_for("JOB", "FAILED", processInstanceKey=instance)
        assert failed["value"]["retries"] == 3
        openai.advance(8 * 3600)
        await asyncio.to_thread(engine.advance, timedelta(minutes=6))
        [answer] = await records.wait_for("VARIABLE", "CREATED", name="answer", scopeKey=instance)
    assert json.loads(answer["value"]["value"]) == answer_to("When you can")
    assert [purchase.tier for purchase in openai.ledger] == ["8h"]


async def test_the_engine_tells_whether_a_task_is_there(
    engine: Engine, zeebe: ZeebeClient, records: Records, openai: OpenAI
) -> None:
    """Asked to set no variables, it changes nothing; a cancelled task is not found."""
    instance = await start(zeebe, openai, "kept-asked", SOON)
    [created] = await records.wait_for("JOB", "CREATED", processInstanceKey=instance)
    held = replace(job(), element_instance_key=created["value"]["elementInstanceKey"])
    channel = open_channel(Connection(engine.address, tls=False))
    try:
        commands = Commands(gateway(channel))
        assert await commands.is_there(held) is True
        await zeebe.cancel_instance(instance)
        assert await commands.is_there(held) is False
    finally:
        await channel.close()
    assert records.find("VARIABLE", "UPDATED", processInstanceKey=instance) == []


BY_DAY = {"CONNECTOR_BATCH_SIZE": "10", "CONNECTOR_BATCH_PAUSE": "PT60S", "CONNECTOR_BATCH_LOOK": "PT1S"}


async def test_a_stopped_worker_submits_what_it_has_gathered(
    engine: Engine, zeebe: ZeebeClient, records: Records, openai: OpenAI, tmp_path: Path
) -> None:
    """At once; the next worker hands out the answer."""
    settings = {**SETTINGS, **BY_DAY, "CONNECTOR_JOB_TYPE": "day-drained", "CONNECTOR_DRAIN_TIMEOUT": "PT10S"}
    one = Worker(engine.address, tmp_path / "one.log", settings)
    async with one:
        instance = await start(zeebe, openai, "day-drained", "Tonight", "day")
        await one.said("begun")
        await asyncio.sleep(0.5)
        assert openai.count("POST /v1/files") == 0
        one.signal(signal.SIGTERM)
        assert await one.ended() == 0
    [failed] = await records.wait_for("JOB", "FAILED", processInstanceKey=instance)
    assert failed["value"]["retries"] == 3
    assert openai.count("POST /v1/batches") == 1
    openai.advance(24 * 3600)
    async with Worker(engine.address, tmp_path / "two.log", settings):
        [answer] = await records.wait_for("VARIABLE", "CREATED", name="answer", scopeKey=instance)
    assert json.loads(answer["value"]["value"]) == answer_to("Tonight")
    assert [purchase.tier for purchase in openai.ledger] == ["batch"]


async def test_a_cancelled_instance_is_left_out_of_the_batch(
    engine: Engine, zeebe: ZeebeClient, openai: OpenAI, tmp_path: Path
) -> None:
    """The lease tells that its job is gone; the other one's line is sent alone."""
    settings = {**SETTINGS, **BY_DAY, "CONNECTOR_JOB_TYPE": "day-cancelled", "CONNECTOR_BATCH_PAUSE": "PT6S"}
    one = Worker(engine.address, tmp_path / "one.log", settings)
    async with one:
        instance = await start(zeebe, openai, "day-cancelled", "Tonight", "day")
        await zeebe.create_instance("day-cancelled")
        await one.said("begun")
        await zeebe.cancel_instance(instance)
        await one.said("while it was worked on")
        await until(lambda: openai.count("POST /v1/batches"))
        openai.advance(3600)
        assert openai.batches == [1]
