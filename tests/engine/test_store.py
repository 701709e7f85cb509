"""A worker with a store beside the engine: answers that the engine cannot take, or is not there to take."""

from __future__ import annotations

import asyncio
import json
import signal
from pathlib import Path

import pytest

from openai_connector.tools.demo.engine import Engine
from tests.diagrams import process, task
from tests.engine.records import Records
from tests.engine.worker import Worker
from tests.engine.zeebe_client import ZeebeClient
from tests.make import sentences_in
from tests.stand_in import Answer, StandIn, chat_body

LARGE = json.dumps(chat_body("Hello") | {"usage": "x" * 4_500_000}).encode()


def diagram(process_id: str, api: StandIn, headers: dict[str, str]) -> str:
    """Make a process of one chat task, whose job type is the process's id."""
    values = {"apiKey": "k", "baseUrl": api.base_url, "operation": "chat", "prompt": "Hello"}
    given = {f"openai_{name}": value for name, value in values.items()}
    return process(process_id, task(values=given, headers=headers, job_type=process_id))


def worker(engine: Engine, folder: Path, name: str, job_type: str) -> Worker:
    """Return a worker with a store in the folder, which all workers of a test share."""
    settings = {"CONNECTOR_JOB_TYPE": job_type, "CONNECTOR_STORE": str(folder / "store")}
    return Worker(engine.address, folder / f"{name}.log", settings | {"CONNECTOR_DRAIN_TIMEOUT": "PT0.5S"})


@pytest.mark.parametrize(
    ("headers", "override"),
    [
        pytest.param(
            {"resultVariable": "all"},
            {"openai_errorExpression": "=ignoreError({x: output.text})"},
            id="result",
        ),
        pytest.param(
            {"errorExpression": '=bpmnError("NOBODY", "words")'},
            {"openai_errorExpression": "=null", "openai_resultExpression": "={x: output.text}"},
            id="uncaught_bpmn_error",
        ),
    ],
)
async def test_an_answer_of_more_than_4_mb_is_bought_once(
    engine: Engine,
    zeebe: ZeebeClient,
    records: Records,
    api: StandIn,
    tmp_path: Path,
    headers: dict[str, str],
    override: dict[str, str],
) -> None:
    """The incident's answer outlives its worker; with another mapping, the next worker completes the job."""
    api.always(Answer(content=LARGE))
    name = f"large-{len(headers)}-{len(override)}"
    await zeebe.deploy(diagram(name, api, headers))
    async with worker(engine, tmp_path, "one", name):
        raised = await records.incident(await zeebe.create_instance(name))
    value = raised["value"]
    assert "IS_STORED" in sentences_in(value["errorMessage"])
    await zeebe.set_variables(value["elementInstanceKey"], override)
    async with worker(engine, tmp_path, "two", name):
        await zeebe.resolve_incident(raised["key"], job_key=value["jobKey"])
        await records.wait_for("JOB", "COMPLETED", bpmnProcessId=name)
    assert api.calls == 1


@pytest.mark.parametrize("signals", [1, 2], ids=["drained", "second_signal"])
async def test_what_a_stopped_worker_could_not_report_is_in_its_store(
    own_engine: Engine, api: StandIn, tmp_path: Path, signals: int
) -> None:
    """The engine is away while the worker stops; the next worker reports the completion, and buys nothing."""
    records = Records(own_engine.log)
    api.hold()
    name = "owed"
    async with ZeebeClient(own_engine.address) as zeebe:
        await zeebe.deploy(diagram(name, api, {"resultExpression": "={x: output.text}"}))
        async with worker(own_engine, tmp_path, "one", name) as one:
            await zeebe.create_instance(name)
            await api.until(lambda: api.calls == 1)
            await asyncio.to_thread(own_engine.kill)
            api.release()
            await one.said("CompleteJob is sent again")
            one.signal(signal.SIGTERM)
            await one.said("Draining")
            if signals == 2:
                one.signal(signal.SIGTERM)
            assert await one.ended() == (0 if signals == 1 else 130)
    await asyncio.to_thread(own_engine.start)
    async with worker(own_engine, tmp_path, "two", name) as two:
        (job,) = await records.wait_for("JOB", "COMPLETED", bpmnProcessId=name)
        await two.said("the completion that was owed is reported")
    assert job["value"]["retries"] == 3
    assert api.calls == 1
